"""GAN losses and penalties on MNIST at equal budget: three passes over the data, then 10,000 samples before a judge.

    python examples/tables/mnist.py                    every row with three seeds, DCGAN's with five: an hour on two cores
    python examples/tables/mnist.py --seeds 1          a first look
    python examples/tables/mnist.py --show             draw what there is; nothing is trained

The judge is the LeNet of `minigan evaluate`, frozen. FID is the Fréchet distance between its 84 features of 10,000 training
pictures and of 10,000 samples: its scale is that of this judge, so the table has what real test pictures get. Recall is the
share of training pictures that lie among the samples (k = 3), and the histogram counts the digits it sees.

All rows have the networks, rates and batches of their variant (`minigan diff dcgan ROW` tells). Three passes over
the data are three passes of D, so a row with five steps of D has a fifth of the steps of G. "DCGAN in PyTorch" has the
same networks, first weights from the same distribution, Adam with the same rates and the same batches in the same order.

Every finished run is a line of results/mnist.csv; what is there is not run again.
"""

import argparse
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from results import FOLDER, Results, cell, markdown, mean_error

import minigan as mg
from minigan import data, viz
from minigan.metrics import frechet_distance, neighbour_scores
from minigan.metrics.train_classifier import cached_classifier
from minigan.models import Session, find_variant
from minigan.train import Game, RunError

EPOCHS, BATCH, JUDGED = 3, 64, 10_000
RUNS: dict[str, tuple[str, dict]] = {  # name: variant, and rules that are not its own
    "DCGAN": ("dcgan", {}),
    "DCGAN, real labels 0.9": ("dcgan", {"real_target": 0.9}),
    "DCGAN, mean weights 0.999": ("dcgan", {"ema": 0.999}),
    "dense": ("vanilla", {}),
    "LSGAN": ("lsgan", {}),
    "f-GAN, Hellinger": ("fgan", {}),
    "hinge, spectral norm": ("hinge", {}),
    "WGAN": ("wgan", {}),
    "WGAN-GP": ("wgan-gp", {}),
    "DRAGAN": ("dragan", {}),
    "R3GAN": ("r3gan", {}),
    "feature matching": ("feature-matching", {}),
}
PYTORCH = "DCGAN in PyTorch"
FIVE = ("DCGAN", PYTORCH)
DIGITS = tuple(f"digit{k}" for k in range(10))
COLUMNS = ("fid", "recall", *DIGITS, "steps", "seconds")


class Judge:
    """The classifier, and what it makes of 10,000 training pictures, with which all others are compared."""

    def __init__(self) -> None:
        self.classifier = cached_classifier("mnist").classifier
        pictures = data.load("mnist").samples
        order = np.random.default_rng(0).permutation(len(pictures))
        self.reference = self.classifier.read(pictures[order[:JUDGED]]).features

    def __call__(self, pictures: np.ndarray) -> dict[str, float]:
        read = self.classifier.read(pictures)
        counts = np.bincount(read.probabilities.argmax(1), minlength=10)
        recall = neighbour_scores(self.reference, read.features, k=3).recall
        return {"fid": frechet_distance(self.reference, read.features), "recall": recall, **dict(zip(DIGITS, counts))}


def train(run: str, seed: int, folder: Path) -> tuple[np.ndarray, int, float]:
    """10,000 samples, the number of steps and the seconds they took."""
    if run == PYTORCH:
        return train_pytorch(seed)
    name, rules = RUNS[run]
    path = folder / f"{run.replace(', ', '-').replace(' ', '_')}-{seed}"
    try:
        session = Session.begin(find_variant(name), path, rules=rules, data="mnist", epochs=EPOCHS, seed=seed)
    except RunError:  # it was begun before
        session = Session.open(path, find_variant)
    start = time.perf_counter()
    session.train()
    return session.sample(JUDGED), session.settings["steps"], time.perf_counter() - start


def train_pytorch(seed: int, steps: int | None = None) -> tuple[np.ndarray, int, float]:
    """DCGAN as a user of PyTorch writes it, on the same batches; for no more than `steps`."""
    import torch
    from torch import nn
    from tqdm import tqdm

    torch.manual_seed(seed)
    torch.set_num_threads(mg.get_num_threads())
    rules = find_variant("dcgan").rules
    G = nn.Sequential(
        nn.Linear(100, 128 * 7 * 7, bias=False), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(128 * 7 * 7, 1),
    )  # fmt: skip
    for layer in (*G, *D):
        if hasattr(layer, "weight"):
            nn.init.normal_(layer.weight, 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    G_adam, D_adam = (torch.optim.Adam(net.parameters(), rules.lr, betas=rules.betas) for net in (G, D))
    bce = nn.functional.binary_cross_entropy_with_logits
    batches = data.Batches(data.load("mnist"), BATCH, seed)
    steps = steps or EPOCHS * len(batches)
    start = time.perf_counter()
    for epoch in range(EPOCHS):
        todo = min(len(batches), steps - epoch * len(batches))
        for batch in tqdm(islice(batches.epoch(epoch), max(0, todo)), desc=PYTORCH, total=todo, leave=False):
            real, fake = torch.from_numpy(batch), G(torch.randn(BATCH, 100))
            real_logits, fake_logits = D(real), D(fake.detach())
            D_loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
            D_adam.zero_grad()
            D_loss.backward()
            D_adam.step()
            D.requires_grad_(False)
            verdict = D(fake)
            D.requires_grad_(True)
            G_loss = bce(verdict, torch.ones_like(verdict))
            G_adam.zero_grad()
            G_loss.backward()
            G_adam.step()
    seconds = time.perf_counter() - start
    G.eval()
    with torch.no_grad():
        samples = [G(torch.randn(500, 100)).numpy() for _ in range(JUDGED // 500)]
    return np.concatenate(samples), steps, seconds


def seconds_per_step(run: str, steps: int = 60) -> float:
    """Of a run, when nothing else is running."""
    if run == PYTORCH:
        train_pytorch(0, 5)
        return train_pytorch(0, steps)[2] / steps
    name, rules = RUNS[run]
    variant = find_variant(name)
    rules = replace(variant.rules, **rules)
    networks = variant.networks((1, 28, 28), rules=rules)
    game = Game(networks.G, networks.D, (variant.latent,), rules)
    reals = [data.load("mnist").samples[:BATCH]] * rules.d_steps
    taken = []
    for _ in range(steps // rules.d_steps):
        start = time.perf_counter()
        game.step(reals)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def fill(results: Results, runs: list[str], seeds: int, folder: Path) -> None:
    """Do the runs that are not there yet, the first seed of all before the second of any."""
    wanted = [
        (run, seed) for seed in range(max(seeds, 5)) for run in runs if seed < seeds or (run in FIVE and seeds > 1)
    ]
    judge = None
    for run, seed in wanted:
        if (run, seed) in results:
            continue
        if judge is None:
            judge = Judge()
            print(f"the judge: {judge.classifier.sha256}")
        pictures, steps, seconds = train(run, seed, folder)
        found = judge(pictures)
        results.add(run, seed, {**found, "steps": steps, "seconds": seconds})
        np.save(folder / f"{run}-{seed}.npy", pictures[:16])
        print(
            f"{run:<26} seed {seed}: FID {found['fid']:.1f}, recall {found['recall']:.2f}, {seconds:.0f} s", flush=True
        )


def floor(results: Results) -> None:
    """What 10,000 real test pictures get."""
    if ("test pictures", 0) not in results:
        results.add("test pictures", 0, {**Judge()(data.load("mnist", train=False).samples), "steps": 0, "seconds": 0})


def table(results: Results) -> str:
    """A line for each row, best first; the histogram as the smallest and the largest share of a digit."""
    names = [name for name in ("test pictures", *RUNS, PYTORCH) if len(results.of(name, "fid"))]
    rows = []
    for name in sorted(names, key=lambda name: results.of(name, "fid").mean()):
        share = np.mean([results.of(name, digit) for digit in DIGITS], axis=1) / JUDGED
        rows.append(
            [
                name,
                cell(results.of(name, "fid"), 1),
                cell(results.of(name, "recall"), 2),
                f"{share.min():.1%} ({share.argmin()}) to {share.max():.1%} ({share.argmax()})",
                str(len(results.of(name, "fid"))),
                *(f"{results.of(name, column).mean():,.0f}" for column in ("steps", "seconds")),
            ]
        )
    return markdown(["", "FID", "recall", "digits drawn", "seeds", "steps of G", "seconds"], rows)


def draw(results: Results, folder: Path, path: Path) -> None:
    """Distances as bars, with sixteen samples of seed 0 behind each."""
    names = [name for name in (*RUNS, PYTORCH) if len(results.of(name, "fid"))]
    names.sort(key=lambda name: -results.of(name, "fid").mean())
    figure = Figure(figsize=(11, 0.42 * len(names) + 0.9), dpi=120, layout="constrained")
    bars, strips = figure.subplots(1, 2, width_ratios=(1, 1.25))
    for i, name in enumerate(names):
        mean, error = mean_error(results.of(name, "fid"))
        bars.barh(
            i, mean, xerr=None if error != error else error, color="tab:blue", height=0.65, ecolor="black", capsize=2
        )
        bars.plot(results.of(name, "fid"), np.full(len(results.of(name, "fid")), i), "k.", ms=3, alpha=0.5)
        file = folder / f"{name}-0.npy"
        if file.exists():
            pictures = np.load(file, allow_pickle=False)[:, 0]
            strips.imshow(
                np.hstack(list(pictures)), cmap="gray", vmin=-1, vmax=1, extent=(0, 16, i - 0.5, i + 0.5), aspect="auto"
            )
    bars.axvline(results.of("test pictures", "fid").mean(), color="tab:green", lw=1.5)
    bars.set(
        yticks=range(len(names)),
        yticklabels=names,
        xlabel="Fréchet distance (line: real test pictures)",
        ylim=(-0.5, len(names) - 0.5),
    )
    strips.set(xlim=(0, 16), ylim=(-0.5, len(names) - 0.5), xticks=[], yticks=[])
    viz.save_figure(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = [*RUNS, PYTORCH]
    parser.add_argument("--runs", nargs="+", choices=runs, default=runs, metavar="RUN", help="; ".join(runs))
    parser.add_argument("--seeds", type=int, default=3, help="of each row; from two on, five of the two DCGANs")
    parser.add_argument("--threads", type=int, help="how many to take (default: all processors)")
    parser.add_argument("--folder", type=Path, default=Path("runs/tables"), help="where runs and samples are kept")
    parser.add_argument("--time", action="store_true", help="only measure the seconds anew, with nothing else running")
    parser.add_argument("--show", action="store_true", help="only show and draw what there is")
    options = parser.parse_args(argv)

    if options.threads:
        mg.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    results = Results(FOLDER / "mnist.csv", COLUMNS)
    for run in options.runs if options.time else ():
        results.time(run, seconds_per_step(run))
    if not (options.show or options.time):
        floor(results)
        fill(results, options.runs, options.seeds, options.folder)
    print(f"\n{table(results)}\n")
    draw(results, options.folder, FOLDER / "mnist.png")
    print(f"drawn: {FOLDER / 'mnist.png'}")


if __name__ == "__main__":
    main()
