"""Unrolled GAN: G plays against D as it will be five steps from now, and differentiates through those steps.

A G that answers the D of the moment runs to the spot where D is weak, D follows, and G runs on (theory/mode_hopping.py).
If G foresaw D's answer, it would not run. Here it does: D's next five steps are computed as places of the graph, G's loss
is that of the D at their end, and the gradient goes through all five, second derivatives and all (Metz et al. 2017, eq. 6;
the picture is like their figure 2). Two runs on eight spots, without foresight and with it. Look at the upper row: all
samples in one place, and each time in another. In the lower row they spread out at once, and settle on all eight.

    python examples/gans/unrolled.py                two minutes on two cores: two runs; also a film, unrolled.gif
    python examples/gans/unrolled.py --unroll 1     is one step enough?
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread

from minigan import viz
from minigan.cli import train
from minigan.data.toy import ring_mixture
from minigan.metrics import mode_coverage
from minigan.models import Session

MOMENTS = 5


def main(argv=None):
    unrolled = train("unrolled", argv, __doc__)
    blind = Session.begin(unrolled.variant, unrolled.run.path / "blind", rules={"unroll": 0}, **unrolled.settings)
    print("\nThe same without foresight:")
    blind.train()

    found = {}
    figure = Figure(figsize=(2.5 * MOMENTS, 5.4), dpi=110, layout="constrained")
    for row, session in zip(figure.subplots(2, MOMENTS), (blind, unrolled)):
        steps, frames = session.variant.rules.unroll, sorted(session.run.samples_path.glob("step-*.png"))
        for panel, i in zip(row, np.linspace(0, len(frames) - 1, MOMENTS).round().astype(int)):
            panel.imshow(imread(frames[i]))
            panel.set(xticks=[], yticks=[], title=f"step {int(frames[i].stem[5:]):,}")
        row[0].set_ylabel(f"{steps} steps ahead")
        seen = mode_coverage(
            session.sample(2500), *ring_mixture(), within=20
        )  # within a quarter of the way to the next
        found[steps] = int((seen.counts > 0.02 * 2500).sum())
    viz.save_figure(figure, path := unrolled.run.path / "unrolled.png")
    viz.save_gif(frames, film := unrolled.run.path / "unrolled.gif", fps=2)

    for steps, held in found.items():
        print(f"{steps} steps ahead: at the end G holds {held} of the 8 spots")
    print(f"drawn: {path}\nfilm: {film}")
    return found


if __name__ == "__main__":
    main()
