"""DCGAN: convolutions for both networks, and a walk through what G has learned.

How does one know that G has understood digits, and not learned some by heart? Its authors walked through latent space
(Radford et al. 2016, §6.1): from one z to another, and drew what lies between. Memory would jump from one picture to the
next. Look at the left: strokes bend, close and open, and most of what lies between could have been written by someone. On
the right the two ends are faded into each other, pixel by pixel: the middle is grey, two digits at once. The walk goes
along a great circle, for nearly all of N(0, I) lies on a sphere, and the straight line would leave it.

    python examples/gans/dcgan.py                   one minute on two cores
    python examples/gans/dcgan.py --epochs 5        better digits
    python examples/gans/dcgan.py --data fashion    from a boot to a shirt
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train
from minigan.models.latents import spherical

ROWS, STEPS = 10, 9


def greyness(pictures):
    """The share of the ink that is neither black nor white: pixels in [−½, ½], among those that are not black."""
    return float((np.abs(pictures) < 0.5).sum() / (pictures > -0.5).sum())


def main(argv=None):
    session = train("dcgan", argv, __doc__)
    z = session.latents(2 * ROWS).cpu().numpy()
    ways = spherical(z[:ROWS], z[ROWS:], STEPS).reshape(-1, z.shape[1])
    walk = session.decode(mg.Tensor(ways).to(session.settings["device"])).reshape(ROWS, STEPS, *session.shape)
    t = np.linspace(0, 1, STEPS).reshape(1, STEPS, 1, 1, 1)
    fade = (1 - t) * walk[:, :1] + t * walk[:, -1:]

    figure = Figure(figsize=(10, 6), dpi=120, layout="constrained")
    for panel, pictures, title in zip(figure.subplots(1, 2), (walk, fade), ("walking from z to z′", "fading pixels")):
        panel.imshow(viz.make_grid(pictures.reshape(-1, *session.shape), nrow=STEPS), cmap="gray")
        panel.set(xticks=[], yticks=[], title=title)
    viz.save_figure(figure, path := session.run.path / "dcgan.png")

    middle = STEPS // 2
    found = {"ends": greyness(walk[:, [0, -1]]), "walk": greyness(walk[:, middle]), "fade": greyness(fade[:, middle])}
    print("grey among the ink: {ends:.0%} at the ends; halfway {walk:.0%} walking, {fade:.0%} fading".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
