"""Conditional GAN: both networks are told the class, so one can ask for a 7.

G draws from z and a class; D judges a picture together with the class that it is said to be, so a fine 3 does not pass for
an 8. z is then left to say what the class does not: how the digit is written. Look along a row: one z, asked for each
class in turn; the thickness of the pen and the slant stay, the digit changes. Down a column it is the other way round.

    python examples/gans/cgan.py                    one minute on two cores
    python examples/gans/cgan.py --projection       D told by an inner product (Miyato & Koyama 2018), not by more channels
    python examples/gans/cgan.py --data fashion
"""

import sys

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train

ROWS = 10


def main(argv=None):
    argv = list(sys.argv[1:] if argv is None else argv)
    projection = "--projection" in argv
    if projection:
        argv.remove("--projection")
    session = train("cgan-projection" if projection else "cgan", argv, __doc__)
    classes = len(session.classes)
    z = session.latents(100).cpu().numpy().repeat(classes, axis=0)  # each z for each class
    asked = np.tile(np.arange(classes), 100)
    samples = session.decode(mg.Tensor(z).to(session.settings["device"]), asked)

    figure = Figure(figsize=(6, 6.3), dpi=120, layout="constrained")
    panel = figure.subplots()
    grid = viz.make_grid(samples[: ROWS * classes], nrow=classes)
    panel.imshow(grid, cmap="gray")
    middles = (np.arange(classes) + 0.5) * grid.shape[1] / classes
    panel.set(yticks=[], ylabel="a z for each row", title="the class that was asked for")
    panel.set_xticks(middles, session.classes)
    panel.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    viz.save_figure(figure, path := session.run.path / "cgan.png")

    # A simple judge: to which class's mean picture is this one nearest?
    real, labels = session.dataset.samples, session.dataset.labels
    means = np.stack([real[labels == k].mean(0).ravel() for k in range(classes)])

    def right(pictures, labels):
        nearest = ((means**2).sum(1) - 2 * pictures.reshape(len(pictures), -1) @ means.T).argmin(1)
        return float((nearest == labels).mean())

    found = {"generated": right(samples, asked), "real": right(real[:10_000], labels[:10_000])}
    print("nearest to the mean picture of their class, of all classes':")
    print("    {generated:.0%} of the generated pictures, {real:.0%} of the real ones".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
