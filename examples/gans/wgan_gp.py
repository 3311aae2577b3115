"""WGAN-GP: the critic's slope is drawn to 1 by a penalty, and its weights are free.

The best critic of the Wasserstein distance has slope 1 everywhere on the lines along which real and generated pictures are
brought together. So it is asked for that, with 10 · E (‖∇D(x̂)‖ − 1)², x̂ anywhere between a real and a generated picture;
to train on it takes the gradient of a gradient. Look at the slopes: gathered near 1, a little above, for the critic gains
by being steep. At the weights: a bell, and no wall as in wgan.py. And at the curve, an estimate of the distance: it rises
while the critic learns to measure, then falls.

    python examples/gans/wgan_gp.py                 two minutes on two cores
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train


def slopes(D, x):
    """‖∇D(x)‖ for each sample of x (N, ...)."""
    x.requires_grad = True
    (gradient,) = mg.grad(D(x).sum(), x)
    return gradient.flatten(1).norm(dim=1).detach().cpu().numpy()


def main(argv=None):
    session = train("wgan-gp", argv, __doc__)
    D, metrics = session.game.D, session.run.metrics()
    real, fake = session.dataset.samples[:500], session.sample(500)
    t = np.random.default_rng(0).random((len(real), 1, 1, 1), np.float32)
    between = mg.Tensor(t * real + (1 - t) * fake[: len(real)]).to(session.settings["device"])
    steep = slopes(D, between)
    weights = np.concatenate([p.detach().cpu().numpy().ravel() for p in D.parameters() if p.ndim > 1])

    figure = Figure(figsize=(14, 3.8), dpi=120, layout="constrained")
    a, b, c, d = figure.subplots(1, 4, width_ratios=[4, 4, 4, 3.4])
    a.plot(metrics["step"], -metrics["d_loss"], lw=1)
    a.set(
        xlabel="step of G", ylabel="E D(x) − E D(G(z))", title="the critic's estimate of the distance", ylim=(0, None)
    )
    b.hist(steep, bins=np.linspace(0, 2, 61))
    b.axvline(1, color="black", lw=1, ls=":")
    b.set(xlabel="‖∇D‖ between real and generated", ylabel=f"how many of {len(steep)}", title="the critic's slopes")
    c.hist(weights, bins=100)
    c.set(yscale="log", xlabel="weight", ylabel="how many", title="the critic's weights")
    d.imshow(viz.make_grid(session.sample(64)), cmap="gray")
    d.set(xticks=[], yticks=[], title="samples")
    viz.save_figure(figure, path := session.run.path / "wgan_gp.png")

    found = {"slope": float(steep.mean()), "spread": float(steep.std()), "largest weight": float(np.abs(weights).max())}
    print("slopes {slope:.2f} ± {spread:.2f}; the largest weight is {largest weight:.2f}".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
