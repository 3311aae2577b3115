"""PacGAN: D judges two samples at once, so a generator that repeats itself is found out by the repetition.

Mode collapse in the small: eight spots on a ring, and a generator that draws some of them well. Every single sample of it
looks right, so a D that sees one sample at a time has little to object to. Two samples from eight spots lie on one spot
one time in eight; two of G's from three spots, one time in three: that D can see (Lin et al. 2018, §3). Two runs, the same
but for the pack. Look at the spots that are empty, and at those that get too little: the KL divergence from an even share
is 0 for a perfect generator, and log 8 = 2.08 for one with a single spot.

    python examples/gans/pacgan.py                  one minute on two cores: two runs
    python examples/gans/pacgan.py --pack 4
    python examples/gans/pacgan.py --seed 1         another game
"""

from matplotlib.figure import Figure

from minigan import viz
from minigan.cli import train
from minigan.data.toy import ring_mixture
from minigan.metrics import mode_coverage
from minigan.models import Session


def main(argv=None):
    packed = train("pacgan", argv, __doc__)
    alone = Session.begin(packed.variant, packed.run.path / "alone", rules={"pack": 1}, **packed.settings)
    print("\nThe same with one sample at a time:")
    alone.train()

    found, mixture = {}, ring_mixture()
    figure = Figure(figsize=(8, 4.4), dpi=120, layout="constrained")
    for panel, session in zip(figure.subplots(1, 2), (alone, packed)):
        samples = session.sample(2500)
        found[session.variant.rules.pack] = seen = mode_coverage(samples, *mixture)
        panel.scatter(*mixture.centres.T, s=160, color="tab:blue", alpha=0.25, lw=0)
        panel.scatter(*samples.T, s=3, color="tab:red", alpha=0.5, lw=0)
        panel.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xticks=[], yticks=[], aspect="equal")
        panel.set_title(f"pack of {session.variant.rules.pack}: {seen.captured} of {seen.modes} modes")
        panel.set_xlabel(f"{seen.high_quality:.0%} of the samples lie on a mode; KL from even {seen.reverse_kl:.2f}")
    viz.save_figure(figure, path := packed.run.path / "pacgan.png")

    for pack, seen in found.items():
        print(f"pack of {pack}: {seen.captured} of {seen.modes} modes, {seen.high_quality:.0%} of the samples on one")
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
