"""TimeGAN's supervised loss: generated series shall move on, from step to step, as real ones do.

D judges a series as a whole. A third network, the supervisor, learns from real series to say each step from the six
before; G's loss has a second term, that the supervisor shall be as right about G's series. Here they are sines, five to a
series, of random frequency and phase. Two runs, with and without a supervisor. Look at the curves: are they as smooth, and
as various, as the real ones? Then at the errors of the first run's supervisor on all three: where G was not taught, it
foresees less.

    python examples/gans/timegan_1d.py                  two minutes on two cores: two runs
    python examples/gans/timegan_1d.py --companion 100  the supervisor's word weighs more
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train
from minigan.models import Session


def errors(supervisor, series, device):
    """The supervisor's error a step, for each of the series (N, C, L)."""
    with mg.no_grad():
        return np.array([supervisor.loss(mg.Tensor(x[None]).to(device)).item() for x in series]) ** 0.5


def main(argv=None):
    taught = train("timegan-1d", argv, __doc__)
    free = Session.begin(taught.variant, taught.run.path / "free", rules={"companion": 0.0}, **taught.settings)
    print("\nThe same without a supervisor:")
    free.train()
    series = {"real": taught.dataset.samples[:500], "with supervisor": taught.sample(500), "without": free.sample(500)}

    found = {}
    figure = Figure(figsize=(12, 5), dpi=120, layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[2, 1])
    histogram = right.subplots()
    for row, (name, x) in zip(left.subplots(3, 4, sharex=True, sharey=True), series.items()):
        for panel, curves in zip(row, x):
            panel.plot(curves.T, lw=1.2)
            panel.set(xlim=(0, x.shape[2] - 1), ylim=(-1.05, 1.05))
        row[0].set_ylabel(name)
        wrong = errors(taught.game.companion, x, taught.settings["device"])
        histogram.hist(wrong, bins=40, alpha=0.5, label=name)
        found[name] = float(wrong.mean())
    histogram.set(
        xlim=(0, None), xlabel="the supervisor's error a step", ylabel="series", title="what it did not foresee"
    )
    histogram.margins(y=0.3)
    histogram.legend(frameon=False)
    viz.save_figure(figure, path := taught.run.path / "timegan_1d.png")

    print("the supervisor's error a step: " + ", ".join(f"{name} {error:.3f}" for name, error in found.items()))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
