"""f-GAN: what D reaches in its game is a lower bound of a distance between real and generated pictures. Which one? Any.

To each convex f belongs a divergence of two distributions, E_q f(p/q), and to each divergence a game: D raises

    E_p T(x) − E_q f*(T(x))     which is at most the divergence, for every T,

and G lowers it (Nowozin et al. 2016, eq. 4). So −d_loss is a measurement, from below. Look at the curve: at first D
measures badly, then better, while G keeps the bound far from 2, the squared Hellinger distance of two that have nothing in
common. In the grey part G stands still and D goes on learning, and the bound climbs: there was more to find than D had
found.

    python examples/gans/fgan.py                        one minute on two cores
    python examples/gans/fgan.py --loss f-pearson       or f-kl, f-reverse-kl, f-js, f-neyman, f-jeffrey
"""

import numpy as np
from matplotlib.figure import Figure

import minigan as mg
from minigan import viz
from minigan.cli import train

ALONE = 300  # steps of D while G stands still
GREATEST = {"f-hellinger": 2.0, "f-js": 2 * np.log(2)}  # where p and q do not meet; of the others infinite


def go_on_alone(session, steps):
    """The bound, step by step, while D learns and G does not."""
    game, real, batch = session.game, session.dataset.samples, session.settings["batch_size"]
    rng, bound = np.random.default_rng(0), []
    for step in range(steps):
        x = mg.Tensor(real[rng.integers(len(real), size=batch)]).to(session.settings["device"])
        loss = game.loss.discriminator(game.D(x), game.D(game.sample(session.latents(batch, seed=step))))
        game.D_optimizer.zero_grad()
        loss.backward()
        game.D_optimizer.step()
        bound.append(-loss.item())
    return np.array(bound)


def main(argv=None):
    session = train("fgan", argv, __doc__)
    loss, samples = session.variant.rules.loss, session.sample(64)
    bound = -session.run.metrics()["d_loss"]
    both = np.concatenate([bound, go_on_alone(session, min(ALONE, len(bound)))])
    width = 1 + len(bound) // 50
    smooth = np.convolve(both, np.ones(width) / width, mode="same")[: len(both) - width // 2]

    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    left.plot(both, lw=0.5, alpha=0.4)
    left.plot(smooth, color="tab:blue")
    left.axvspan(len(bound), len(both), color="0.9")
    left.axhline(GREATEST.get(loss, np.nan), color="black", lw=1, ls=":")
    left.set(xlabel="step", ylabel="−d_loss, a lower bound of the divergence", title=f"{loss}, as far as D finds it")
    left.set_ylim(-0.5, 1.1 * GREATEST.get(loss, both.max()))
    right.imshow(viz.make_grid(samples), cmap="gray")
    right.set(xticks=[], yticks=[], title="samples")
    viz.save_figure(figure, path := session.run.path / "fgan.png")

    found = {"game": float(bound[-50:].mean()), "alone": float(both[-50:].mean())}
    print("D's bound of the divergence: {game:.2f} at the end of the game, {alone:.2f} after D alone".format(**found))
    print(f"drawn: {path}")
    return found


if __name__ == "__main__":
    main()
