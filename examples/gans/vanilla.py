"""The first GAN: two dense networks that know nothing of pictures learn to draw digits.

A generator that only handed out training digits would fool every discriminator. Does it? The first paper showed, beside
its samples, the training picture that is nearest to each (Goodfellow et al. 2014, figure 2); so does this. Look at the
pairs: the lower one is another digit, or another hand. Then at the distances: copies would lie at 0, but the samples lie
about as far from the training digits as these from each other; speckles, which a dense network is prone to, make them a
little farther.

    python examples/gans/vanilla.py                 one minute on two cores
    python examples/gans/vanilla.py --epochs 1      what it is after a few seconds
"""

import numpy as np
from matplotlib.figure import Figure

from minigan import viz
from minigan.cli import train


def distances(pictures, others):
    """‖x − y‖ for each of the pictures (N, ...) and each of the others (M, ...): (N, M)."""
    x, y = pictures.reshape(len(pictures), -1), others.reshape(len(others), -1)
    return np.sqrt(np.maximum(0, (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T))


def main(argv=None):
    session = train("vanilla", argv, __doc__)
    real, fake = session.dataset.samples, session.sample(256)

    to_real = distances(fake, real)
    among_real = np.partition(distances(real[:256], real), 1, axis=1)[:, 1]  # the nearest of each is itself, at 0
    pairs = np.stack([fake[:40], real[to_real[:40].argmin(1)]])  # (2, 40, C, H, W)
    rows = pairs.reshape(2, 5, 8, *session.shape).swapaxes(0, 1)  # a row of samples, a row of their neighbours, ...

    figure = Figure(figsize=(10, 5.2), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[4, 5])
    left.imshow(viz.make_grid(rows.reshape(80, *session.shape)), cmap="gray")
    left.set(xticks=[], yticks=[], title="generated; below each its nearest")
    for values, label in ((among_real, "from a training picture"), (to_real.min(1), "from a generated one")):
        right.hist(values, bins=np.linspace(0, 20, 61), alpha=0.6, label=label)
    right.set(
        xlabel="distance to the nearest (other) training picture", ylabel="how many of 256", title="Is it copied?"
    )
    right.legend(frameon=False)
    viz.save_figure(figure, path := session.run.path / "vanilla.png")

    found = {"generated": float(np.median(to_real.min(1))), "training": float(np.median(among_real))}
    print("to the nearest training picture (a copy would be at 0):")
    print("    {generated:.1f} from a generated one, {training:.1f} from another training picture".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
