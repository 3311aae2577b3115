"""LSGAN: D's verdict should be 1 for real and −1 for generated pictures, by least squares, and G wants it to be 0.

With a cross-entropy G is pushed towards larger logits, by σ(−logit): a picture that D takes for real, by whatever it got
there, is pushed by next to nothing, and left where it is. A square pushes from both sides, the more so the farther away:
towards 0, the boundary, where D cannot tell (Mao et al. 2017, §3.2). To see it, the same networks play twice, with each
loss. Look at what D says at the end, and at the black line, G's push: where it is near 0 but not on the boundary, nothing
is learned.

    python examples/gans/lsgan.py                   one to two minutes on two cores: two runs
    python examples/gans/lsgan.py --epochs 3        a longer game
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train
from minigan.models import Session


def verdicts(session, pictures):
    """What D says of pictures, in batches as in training: batch norm takes the statistics of each."""
    batches = np.array_split(pictures, max(1, len(pictures) // session.settings["batch_size"]))
    with mg.no_grad():
        said = [session.game.D(mg.Tensor(x).to(session.settings["device"])) for x in batches]
    return np.concatenate([v.cpu().numpy()[:, 0] for v in said])


def main(argv=None):
    squares = train("lsgan", argv, __doc__)
    folder = squares.run.path / "minimax"
    entropy = Session.begin(squares.variant, folder, rules={"loss": "minimax"}, **squares.settings)
    print("\nThe same networks with the cross-entropy:")
    entropy.train()

    pushes = {"least squares": lambda v: -v, "cross-entropy": lambda v: 1 / (1 + np.exp(v))}  # −∂(G's loss)/∂v
    found = {}
    figure = Figure(figsize=(11, 4), dpi=120, layout="constrained")
    for panel, session, (name, push) in zip(figure.subplots(1, 2), (squares, entropy), pushes.items()):
        real, fake = verdicts(session, squares.dataset.samples[:2000]), verdicts(session, session.sample(2000))
        bins = np.linspace(min(real.min(), fake.min()), max(real.max(), fake.max()), 60)
        for v, label in ((real, "real"), (fake, "generated")):
            panel.hist(v, bins=bins, alpha=0.6, label=label)
        panel.set(xlabel="what D says", ylabel="pictures", title=name)
        panel.legend(frameon=False, loc="upper right")
        line = panel.twinx()
        line.plot(bins, push(bins), color="black")
        line.axhline(0, color="black", lw=0.8, ls=":")
        line.set_ylabel("G's push")
        passing = fake[fake > np.quantile(fake, 0.9)]
        found[name] = {"most": float(np.abs(push(fake)).max()), "passing": float(np.abs(push(passing)).mean())}
        found[name] |= {"real": float(real.mean()), "generated": float(fake.mean()), "to": float(real.max())}
    viz.save_figure(figure, path := squares.run.path / "lsgan.png")

    for name, values in found.items():
        print(name + ": real {real:.2f} on average and up to {to:.1f}, generated {generated:.2f}".format(**values))
        print("    G's push is {most:.2f} at most, and {passing:.2f} for the tenth that D likes best".format(**values))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
