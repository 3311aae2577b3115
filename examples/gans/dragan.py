"""DRAGAN: the original game, with D's slope drawn to 1 near real pictures, and nowhere else.

G learns from D's slope. Where it is stuck, D was found to have sharp slopes around some real pictures (Kodali et al. 2017,
§2.3). So there, at real pictures with some noise on them, the slope is asked to be 1: neither a cliff nor a plain. WGAN-GP
asks that of a critic, all the way from generated to real; here D is that of the first GAN, and what it does elsewhere is
its own affair. Two runs, with the penalty and without. Look at the slopes: 1 for every picture, where otherwise they are
whatever they come to be: less after one epoch of digits, more after three. And at the samples, which are clearer.

    python examples/gans/dragan.py                      one to two minutes on two cores: two runs
    python examples/gans/dragan.py --epochs 3           by then D is steeper than 1 without
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train
from minigan.models import Session


def slopes(session, pictures):
    """‖∇D(x)‖ for each of the pictures (N, ...)."""
    x = mg.Tensor(pictures).to(session.settings["device"])
    x.requires_grad = True
    (gradient,) = mg.grad(session.game.D(x).sum(), x)
    return gradient.flatten(1).norm(dim=1).detach().cpu().numpy()


def main(argv=None):
    held = train("dragan", argv, __doc__)
    free = Session.begin(held.variant, held.run.path / "free", rules={"penalty": "none"}, **held.settings)
    print("\nThe same without the penalty:")
    free.train()

    rng, real = np.random.default_rng(0), held.dataset.samples[:500]
    how_far = 0.5 * real.std() * rng.random((len(real), 1, 1, 1), np.float32)
    near = real + how_far * rng.random(real.shape, np.float32)

    figure = Figure(figsize=(13, 4), dpi=120, layout="constrained")
    left, *panels = figure.subplots(1, 3, width_ratios=[5, 4, 4])
    found = {}
    for (name, session), panel in zip({"with the penalty": held, "without": free}.items(), panels):
        steep = {"near real pictures": slopes(session, near), "at generated ones": slopes(session, session.sample(500))}
        for (place, values), style in zip(steep.items(), ({"alpha": 0.6}, {"histtype": "step", "lw": 1.5})):
            colour = "tab:blue" if session is held else "tab:orange"
            left.hist(values, bins=30, color=colour, label=f"{name}, {place}", **style)
        found[name] = {place: float(np.median(values)) for place, values in steep.items()}
        panel.imshow(viz.make_grid(session.sample(64)), cmap="gray")
        panel.set(xticks=[], yticks=[], title=f"samples {name}")
    left.axvline(1, color="black", lw=1, ls=":")
    left.set(xlim=(0, None), xlabel="‖∇D‖", ylabel="how many of 500", title="how steep D is")
    left.legend(frameon=False)
    viz.save_figure(figure, path := held.run.path / "dragan.png")

    for name, places in found.items():
        print(f"{name}: " + ", ".join(f"{median:.2f} {place}" for place, median in places.items()))
    print(f"(the median of D's slopes)\ndrawn: {path}")
    return found


if __name__ == "__main__":
    main()
