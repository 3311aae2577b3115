"""Which modes of a mixture do GANs find? PacGAN's ring of 8 and grid of 25 Gaussians, for five GANs.

    python examples/tables/modes.py                    both tables: forty minutes on one core
    python examples/tables/modes.py --data ring        one of them
    python examples/tables/modes.py --show             draw what there is; nothing is trained

Data and scores are PacGAN's (Lin et al. 2018, §4.1): 100,000 points; 2,500 samples, of which those within three standard
deviations of a centre are of high quality; a mode is found if one of those belongs to it; latents from N(0, I₂); batches of
100 packs. What differs: networks of 128 units with LeakyReLU (theirs: 400, and 200 with maxout of 5), 20,000 steps of Adam
from 1e-3 down to 0, β₁ 0.5 (theirs: 400,000 of 1e-4, β₁ 0.8), and first weights as PyTorch's (theirs: N(0, 0.02²)). WGAN-GP
makes 10,000 steps and the unrolled GAN 5,000, because theirs cost more; the latter's D has a tenth of the rate, as in its
authors' code. So the paper's figures are beside ours to be compared in kind, not digit by digit; of three of these GANs the
paper has none.

Every finished run is a line of results/ring.csv or grid.csv; what is there is not run again.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from results import FOLDER, Results, cell, markdown
from tqdm import trange

import minigan as mg
from minigan import data, nn, viz
from minigan.data import toy
from minigan.metrics import mode_coverage, perfect_coverage
from minigan.train import Game, Rules

STEPS, BATCH, UNITS, SCORED = 20_000, 100, 128, 2_500
SHORTER = {"unrolled GAN": 5_000, "WGAN-GP": 10_000}  # whose steps cost a dozen and five of the plain game's
COMMON = {"lr": 1e-3, "betas": (0.5, 0.999), "schedule": "linear"}
RUNS = {
    "GAN": Rules(**COMMON),
    "unrolled GAN": Rules(**COMMON, unroll=5, d_lr=1e-4),
    "WGAN-GP": Rules(**(COMMON | {"betas": (0.0, 0.9)}), loss="wgan", penalty="gp", penalty_weight=0.1, d_steps=5),
    "PacGAN2": Rules(**COMMON, pack=2),
    "R3GAN": Rules(**COMMON, loss="rgan", penalty="r1+r2", penalty_weight=1.0),
}
PAPER = {  # Lin et al. 2018, Table 1: modes, high quality %, reverse KL
    "ring": {"GAN": ("6.3 ± 0.5", "98.2 ± 0.2", "0.45 ± 0.09"), "PacGAN2": ("7.9 ± 0.1", "95.6 ± 2.0", "0.07 ± 0.03")},
    "grid": {
        "GAN": ("17.3 ± 0.8", "94.8 ± 0.7", "0.70 ± 0.07"),
        "PacGAN2": ("23.8 ± 0.7", "91.3 ± 0.8", "0.13 ± 0.04"),
    },
}
MIXTURES = {"ring": toy.ring_mixture(), "grid": toy.grid_mixture()}
COLUMNS = ("modes", "high_quality", "reverse_kl", "steps", "seconds")


def make_generator() -> nn.Module:
    """z (N, 2) → point (N, 2): four hidden layers with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for inputs in (2, UNITS, UNITS, UNITS):
        layers += [nn.Linear(inputs, UNITS, bias=False), nn.BatchNorm1d(UNITS), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(UNITS, 2))


def make_discriminator(pack: int) -> nn.Module:
    """Packs of points (N, 2·pack) → (N, 1): three hidden layers with LeakyReLU."""
    layers: list[nn.Module] = []
    for inputs in (2 * pack, UNITS, UNITS):
        layers += [nn.Linear(inputs, UNITS), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(UNITS, 1))


def train(name: str, rules: Rules, seed: int, steps: int) -> tuple[np.ndarray, float]:
    """2,500 samples of a generator trained on "ring" or "grid", and the seconds that it took."""
    mg.manual_seed(seed)
    G, D = make_generator(), make_discriminator(rules.pack)
    game = Game(G, D, (2,), rules, steps=steps)
    points, rng = data.load(name).samples, np.random.default_rng(seed)
    start = time.perf_counter()
    for _ in trange(steps, desc="training", leave=False, mininterval=1):
        game.step([points[rng.integers(len(points), size=BATCH * rules.pack)] for _ in range(rules.d_steps)])
    return game.sample(mg.randn(SCORED, 2)).numpy(), time.perf_counter() - start


def seconds_per_step(run: str, steps: int = 200) -> float:
    """Of a run, when nothing else is running."""
    rules = RUNS[run]
    game = Game(make_generator(), make_discriminator(rules.pack), (2,), rules, steps=2 * steps)
    reals = [data.load("ring").samples[: BATCH * rules.pack]] * rules.d_steps
    taken = []
    for _ in range(steps):
        start = time.perf_counter()
        game.step(reals)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def fill(name: str, runs: list[str], seeds: int, steps: int, samples: Path) -> Results:
    """Do the runs of a table that are not there yet."""
    results = Results(FOLDER / f"{name}.csv", COLUMNS)
    for seed in range(seeds):
        for run in runs:
            if (run, seed) in results:
                continue
            made = min(steps, SHORTER.get(run, steps))
            points, seconds = train(name, RUNS[run], seed, made)
            found = mode_coverage(points, *MIXTURES[name])
            results.add(run, seed, dict(zip(COLUMNS, (*found[:1], *found[2:4], made, seconds))))
            samples.mkdir(parents=True, exist_ok=True)
            np.save(samples / f"{name}-{run}-{seed}.npy", points)
            print(
                f"{name:<5} {run:<13} seed {seed}: {found.captured} modes, {found.high_quality:.1%}, {seconds:.0f} s",
                flush=True,
            )
    return results


def table(name: str, results: Results) -> str:
    """Ours beside the paper's, and what a perfect sampler gets."""
    perfect = perfect_coverage(SCORED, len(MIXTURES[name].centres))
    floor = (f"{perfect.captured:.1f}", f"{100 * perfect.high_quality:.1f}", f"{perfect.reverse_kl:.3f}")
    rows = [["a perfect sampler", *floor, *[""] * 6]]
    for run in RUNS:
        found = {column: results.of(run, column) for column in COLUMNS}
        seeds = len(found["modes"])
        scores = cell(found["modes"], 1), cell(100 * found["high_quality"], 1), cell(found["reverse_kl"], 3)
        cost = [f"{found[column].mean():,.0f}" if seeds else "–" for column in ("steps", "seconds")]
        rows += [[run, *scores, str(seeds), *cost, *PAPER[name].get(run, ("–", "–", "–"))]]
    head = [name, "modes", "high quality %", "reverse KL", "seeds", "steps", "seconds", "paper: modes", "HQ %", "KL"]
    return markdown(head, rows)


def draw(samples: Path, path: Path) -> None:
    """The samples of seed 0: a column for each GAN, a row for each mixture."""
    figure = Figure(figsize=(2.3 * len(RUNS), 5.1), dpi=120, layout="constrained")
    panels = figure.subplots(2, len(RUNS))
    for row, (name, mixture) in zip(panels, MIXTURES.items()):
        for panel, run in zip(row, RUNS):
            panel.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), xticks=[], yticks=[], aspect="equal")
            panel.scatter(*mixture.centres.T, s=90, color="tab:blue", alpha=0.25, lw=0)
            file = samples / f"{name}-{run}-0.npy"
            if file.exists():
                points = np.load(file, allow_pickle=False)
                found = mode_coverage(points, *mixture)
                panel.scatter(*points.T, s=2, color="tab:red", alpha=0.5, lw=0)
                panel.set_xlabel(f"{found.captured} of {found.modes}, {found.high_quality:.0%}", fontsize=9)
            if name == "ring":
                panel.set_title(run, fontsize=11)
    viz.save_figure(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["ring", "grid", "both"], default="both")
    parser.add_argument(
        "--runs", nargs="+", choices=list(RUNS), default=list(RUNS), metavar="RUN", help=", ".join(RUNS)
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--samples", type=Path, default=Path("runs/tables"), help="where samples are kept")
    parser.add_argument("--time", action="store_true", help="only measure the seconds anew, with nothing else running")
    parser.add_argument("--show", action="store_true", help="only show and draw what there is")
    options = parser.parse_args(argv)

    mg.set_num_threads(1)  # layers of 128 units are too small to share
    names = list(MIXTURES) if options.data == "both" else [options.data]
    for name in names:
        results = fill(
            name, options.runs, 0 if options.show or options.time else options.seeds, options.steps, options.samples
        )
        for run in options.runs if options.time else ():
            results.time(run, seconds_per_step(run))
        print(f"\n{table(name, results)}\n")
    if options.samples.is_dir():
        draw(options.samples, FOLDER / "modes.png")
        print(f"drawn: {FOLDER / 'modes.png'}")


if __name__ == "__main__":
    main()
