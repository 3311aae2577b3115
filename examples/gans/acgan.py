"""AC-GAN: D is not told the class, it has to name it; and G wants its pictures to be named as they were asked for.

D has two heads on one body: real or generated, and which class. Both networks are on the same side in the second task: D
is paid for naming real and generated pictures rightly, and so is G. Look at the samples, a column for each class, and at
what D names them: nearly all on the diagonal. On test pictures, which it never saw, D is a classifier that came for free.
The known price: G is paid for digits that are easy to name, so it draws clear ones, and fewer kinds of each.

    python examples/gans/acgan.py                   one minute on two cores
    python examples/gans/acgan.py --auxiliary 0.1   the second task counts less
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train
from minigan.data import load


def confusion(session, pictures, labels):
    """(class, named): of the pictures of each class, the share that D names so."""
    with mg.no_grad():
        _, names = session.game.D.eval()(mg.Tensor(pictures).to(session.settings["device"]))
    counts = np.zeros((len(session.classes), len(session.classes)))
    np.add.at(counts, (labels, names.argmax(1).cpu().numpy()), 1)
    return counts / np.maximum(1, counts.sum(1, keepdims=True))


def main(argv=None):
    session = train("acgan", argv, __doc__)
    classes = len(session.classes)
    asked = np.arange(100 * classes) % classes
    samples, test = session.sample(100 * classes), load(session.settings["data"], train=False)
    named = {
        "generated": confusion(session, samples, asked),
        "test": confusion(session, test.samples[:2000], test.labels[:2000]),
    }

    figure = Figure(figsize=(13, 4.9), dpi=120, layout="constrained")
    left, *others = figure.subplots(1, 3)
    left.imshow(viz.make_grid(samples[: 10 * classes], nrow=classes), cmap="gray")
    left.set(xticks=[], yticks=[], title="generated, a column for each class")
    for panel, (name, shares), of in zip(others, named.items(), ("class asked for", "class in truth")):
        panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (i, j), share in np.ndenumerate(shares):
            if share >= 0.005:
                panel.text(
                    j, i, f"{100 * share:.0f}", ha="center", va="center", size=8, color="white" if i == j else "black"
                )
        panel.set(xlabel="named by D", ylabel=of, title=f"{name} pictures: {np.trace(shares) / classes:.1%} right")
        panel.set_xticks(range(classes), session.classes)
        panel.set_yticks(range(classes), session.classes)
    viz.save_figure(figure, path := session.run.path / "acgan.png")

    found = {name: float(np.trace(shares) / classes) for name, shares in named.items()}
    print("D names as asked {generated:.1%} of the generated pictures, and {test:.1%} of test ones".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
