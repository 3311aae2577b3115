"""Hinge loss and spectral normalisation: a discriminator of which no layer can stretch anything.

G learns from D's slope, so D should not be steep. A linear layer stretches a vector at most by its largest singular value
σ(W); with W/σ(W) in its place it stretches by at most 1, and so does all of D, LeakyReLU in between (Miyato et al. 2018;
of a convolution the weight is meant, as a matrix). Look at the curves, a layer each: all singular values of W as it is
learned, and as it is used. The largest is 1, whatever W does; the others keep their proportions, where clipping would
crush them.

    python examples/gans/hinge.py                   one minute on two cores
"""

import numpy as np
from matplotlib.figure import Figure

from minigan import viz
from minigan.cli import train
from minigan.nn.spectral_norm import SpectralNorm, weight_matrix


def main(argv=None):
    session = train("hinge", argv, __doc__)
    layers = [layer for layer in session.game.D.modules() if isinstance(layer, SpectralNorm)]

    found = {}
    figure = Figure(figsize=(11, 4), dpi=120, layout="constrained")
    *panels, last = figure.subplots(1, len(layers) + 1, width_ratios=[2] * len(layers) + [3])
    for panel, spectral in zip(panels, layers):
        learned, used = (
            np.linalg.svd(matrix.detach().cpu().numpy(), compute_uv=False)
            for matrix in (weight_matrix(spectral.layer), spectral.weight.flatten(1))
        )
        name = f"{type(spectral.layer).__name__} {'×'.join(map(str, spectral.layer.weight.shape))}"
        found[name] = (float(learned[0]), float(used[0]))
        number = range(1, len(learned) + 1)
        panel.plot(number, learned, "o-", ms=3, color="tab:gray", label="W, as learned")
        panel.plot(number, used, "o-", ms=3, color="tab:blue", label="W/σ(W), as used")
        panel.axhline(1, color="black", lw=1, ls=":")
        panel.set(xlabel="singular value no.", title=name)
    top = 1.2 * max(max(pair) for pair in found.values())
    for panel in panels:
        panel.set_ylim(0, top)
    panels[0].legend(frameon=False)
    last.imshow(viz.make_grid(session.sample(64)), cmap="gray")
    last.set(xticks=[], yticks=[], title="samples")
    viz.save_figure(figure, path := session.run.path / "hinge.png")

    for name, (learned, used) in found.items():
        print(f"{name}: largest singular value {learned:.2f} as learned, {used:.3f} as used")
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
