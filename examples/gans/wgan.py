"""WGAN: a critic whose verdicts, real minus generated, measure how far the two are apart.

By the duality of Kantorovich and Rubinstein the Wasserstein distance is the largest E f(x) − E f(G(z)) of all functions f
with slope 1 at most. D plays f. To bound its slope, by some number if not by 1, its weights are clipped to ±0.01 after
each step. Look at the curve: the estimate rises while the critic learns to measure, and then falls while the samples get
better, which no loss of the original GAN does. And at the weights: half of them stand at the two ends, of the last layer
nearly all. So simple a critic measures coarsely; that is what WGAN-GP repaired (wgan_gp.py).

    python examples/gans/wgan.py                    one to two minutes on two cores
    python examples/gans/wgan.py --lr 2e-4          clearer digits, a noisier curve
"""

import numpy as np
from matplotlib.figure import Figure

from minigan import viz
from minigan.cli import train


def main(argv=None):
    session = train("wgan", argv, __doc__)
    metrics, clip = session.run.metrics(), session.variant.rules.clip
    estimate = -metrics["d_loss"]

    figure = Figure(figsize=(13, 4), dpi=120, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[5, 4, 4])
    left.plot(metrics["step"], estimate, lw=1)
    left.set(
        xlabel="step of G", ylabel="E D(x) − E D(G(z))", title="the critic's estimate of the distance", ylim=(0, None)
    )
    weights = {name: p.detach().cpu().numpy().ravel() for name, p in session.game.D.named_parameters() if p.ndim > 1}
    for (name, w), colour in zip(weights.items(), ("tab:blue", "tab:orange", "tab:green")):
        label = f"{name}: {np.mean(np.abs(w) > 0.99 * clip):.0%} at the ends"
        middle.hist(w, bins=60, range=(-clip, clip), density=True, histtype="step", lw=1.5, color=colour, label=label)
    middle.set(yscale="log", xlabel="weight", ylabel="density", title="the critic's weights")
    middle.legend(frameon=False, loc="upper center")
    right.imshow(viz.make_grid(session.sample(64)), cmap="gray")
    right.set(xticks=[], yticks=[], title="samples")
    viz.save_figure(figure, path := session.run.path / "wgan.png")

    every = np.concatenate(list(weights.values()))
    found = {"highest": float(estimate.max()), "last": float(np.median(estimate[-50:]))}
    found["at the ends"] = float(np.mean(np.abs(every) > 0.99 * clip))
    print("the estimate: {highest:.2f} at its highest, {last:.2f} at the end".format(**found))
    print(f"{found['at the ends']:.0%} of the critic's weights stand at ±{clip}\ndrawn: {path}")
    return found


if __name__ == "__main__":
    main()
