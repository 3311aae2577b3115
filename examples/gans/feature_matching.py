"""Feature matching: G does not try to win; its pictures shall have, on average, the features that D sees in real ones.

D is trained as ever, so its last hidden layer finds what tells real from generated. G's loss is the distance between the
mean of these features over a batch of real pictures and over its own (Salimans et al. 2016, §3.1): thousands of averages
to bring together, in place of one verdict to be talked into. Look at the dots, one for each feature: on the diagonal G has
matched it. The grey ones are of a G that has learned nothing.

    python examples/gans/feature_matching.py        one minute on two cores
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train


def main(argv=None):
    session = train("feature-matching", argv, __doc__)
    device, D = session.settings["device"], session.game.D
    untrained = session.variant.networks(session.shape).G.to(device)

    def means(pictures):
        """The mean over the pictures of each feature, all that D's last layer is given."""
        with mg.no_grad():
            return D[:-1](mg.Tensor(pictures).to(device)).mean(dim=0).cpu().numpy()

    with mg.no_grad():
        begun = means(untrained(session.latents(500)).cpu().numpy())
    real, fake = means(session.dataset.samples[:500]), means(session.sample(500))

    figure = Figure(figsize=(9, 4.4), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(real, begun, s=3, alpha=0.35, color="tab:gray", lw=0, label="before training")
    left.scatter(real, fake, s=2, alpha=0.4, color="tab:blue", lw=0, label="at the end")
    left.axline((0, 0), slope=1, color="black", lw=0.8, ls=":")
    left.set(
        xlabel="of real pictures", ylabel="of generated pictures", title=f"the means of D's {len(real):,} features"
    )
    left.legend(frameon=False, markerscale=5, loc="lower right")
    right.imshow(viz.make_grid(session.sample(64)), cmap="gray")
    right.set(xticks=[], yticks=[], title="samples")
    viz.save_figure(figure, path := session.run.path / "feature_matching.png")

    found = {name: float(np.corrcoef(real, x)[0, 1]) for name, x in (("before", begun), ("after", fake))}
    found |= {"distance": float(((real - fake) ** 2).sum()), "distance before": float(((real - begun) ** 2).sum())}
    print("correlation of the features' means: {before:.2f} before training, {after:.2f} after".format(**found))
    print("their squared distance: {distance before:.0f} before, {distance:.0f} after".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
