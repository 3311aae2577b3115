"""R3GAN: D compares real pictures with generated ones pair by pair, and is kept flat at both.

D no longer says how real a picture is, only of two which is the more real: its loss is log(1 + e^(D(G(z)) − D(x))), log 2
where it cannot tell. Pushing all verdicts up gains nothing. The pairs alone do not make the game converge; two penalties
do, on D's slope at real and at generated pictures (R1 and R2; Huang et al. 2024). So there are two runs, with and without.
Look at D's loss: it comes back towards log 2 and stays, or D keeps ahead, and there are jumps. And at by how much D
prefers the real one of a pair: a little, or a lot. The samples of so short a run are much alike.

    python examples/gans/r3gan.py                   two minutes on two cores: two runs
    python examples/gans/r3gan.py --epochs 3        a longer game
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train
from minigan.models import Session


def verdicts(session, pictures):
    """What D says of each."""
    with mg.no_grad():
        return session.game.D(mg.Tensor(pictures).to(session.settings["device"])).cpu().numpy()[:, 0]


def main(argv=None):
    held = train("r3gan", argv, __doc__)
    free = Session.begin(held.variant, held.run.path / "free", rules={"penalty": "none"}, **held.settings)
    print("\nThe same without penalties:")
    free.train()

    runs = {"with R1 and R2": held, "without": free}
    figure = Figure(figsize=(14, 3.8), dpi=120, layout="constrained")
    left, middle, *others = figure.subplots(1, 4, width_ratios=[5, 4, 3.6, 3.6])
    found = {}
    for (name, session), panel in zip(runs.items(), others):
        metrics, real = session.run.metrics(), verdicts(session, held.dataset.samples[:1000])
        apart = real - verdicts(session, session.sample(len(real)))
        found[name] = {"loss": float(metrics["d_loss"][-100:].mean()), "prefers": float(apart.mean())}
        found[name]["level"] = float(real.mean())
        left.plot(metrics["step"], metrics["d_loss"], lw=0.7, label=name)
        middle.hist(apart, bins=np.linspace(-4, 6, 81), alpha=0.6, label=name)
        panel.imshow(viz.make_grid(session.sample(64)), cmap="gray")
        panel.set(xticks=[], yticks=[], title=f"samples {name}")
    left.axhline(np.log(2), color="black", lw=1, ls=":")
    left.set(xlabel="step", title="D's loss; dotted: log 2", ylim=(0, 1.5))
    left.legend(frameon=False)
    middle.set(xlabel="D(x) − D(G(z))", ylabel="pairs", title="D prefers the real one by")
    viz.save_figure(figure, path := held.run.path / "r3gan.png")

    for name, values in found.items():
        print(name + ": D's loss {loss:.2f} (log 2 is 0.69), it prefers real ones by {prefers:.2f};".format(**values))
        print("    of real ones it says {level:.1f}: only differences count, so the level may drift".format(**values))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
