"""Does gradient descent find the equilibrium? On the smallest GAN there is, theory says, and the run obeys.

The Dirac-GAN (Mescheder, Geiger and Nowozin 2018, §2): all real data lie at 0, the generator puts its own at θ, and the
discriminator is D(x) = ψ·x. They play for  L(θ, ψ) = f(ψ·θ) + f(0),  and both step along their gradient,

    θ' = −∂L/∂θ = −ψ·f′(ψθ)        ψ' = ∂L/∂ψ = θ·f′(ψθ)

The equilibrium is θ = ψ = 0, and what happens near it is told by the eigenvalues of the field's Jacobian there:

    minimax   f(t) = −log(1 + e^−t)      ± i·f′(0) = ± i/2           circles for ever
    WGAN      f(t) = t                   ± i                         circles for ever
    WGAN-GP   minus γ/2·(|ψ| − 1)²       no derivative at 0          does not come to rest there
    R1        minus γ/2·ψ²               −γ/2 ± √(γ²/4 − f′(0)²)     comes to rest

The Jacobian is the derivative of a gradient: it is taken here by differentiating twice.

    python examples/theory/dirac_gan.py            a few seconds
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg

GAMMA = 0.3
STEP = 0.05  # of time, from one point of a path to the next


def minimax(theta, psi):
    return -(-psi * theta).softplus() - np.log(2)


def wasserstein(theta, psi):
    return psi * theta


def wgan_gp(theta, psi):
    return psi * theta - GAMMA / 2 * (psi.abs() - 1) ** 2


def r1(theta, psi):
    return minimax(theta, psi) - GAMMA / 2 * psi**2


GAMES = {"minimax": minimax, "WGAN": wasserstein, "WGAN-GP": wgan_gp, "minimax with R1": r1}
THEORY = {
    "minimax": [0.5j, -0.5j],
    "WGAN": [1j, -1j],
    "minimax with R1": [-GAMMA / 2 + np.sqrt(0j + GAMMA**2 / 4 - 0.25) * s for s in (1, -1)],
}


def field(game, point, create_graph=False):
    """(θ', ψ') at a point, as tensors, and the point's own tensors."""
    theta, psi = (mg.Tensor(np.float64(v), requires_grad=True) for v in point)
    by_theta, by_psi = mg.grad(game(theta, psi), [theta, psi], create_graph=create_graph)
    return (-by_theta, by_psi), (theta, psi)


def jacobian(game):
    """The derivative of the field at the equilibrium: the gradient of a gradient."""
    velocities, point = field(game, (0.0, 0.0), create_graph=True)
    rows = [mg.grad(v, point, allow_unused=True) for v in velocities]
    return np.array([[0.0 if g is None else g.item() for g in row] for row in rows])


def flow(game, start=(1.0, 0.5), time=40.0, step=STEP):
    """The path from `start`, by Runge and Kutta's method of fourth order, which adds no turning of its own."""
    path = [np.array(start)]
    for _ in range(round(time / step)):
        x, k = path[-1], []
        for share in (0, 0.5, 0.5, 1):
            at = x + share * step * (k[-1] if k else 0)
            k.append(np.array([v.item() for v in field(game, at)[0]]))
        path.append(x + step / 6 * (k[0] + 2 * k[1] + 2 * k[2] + k[3]))
    return np.array(path)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("dirac_gan.png"), help="where the picture goes")
    options = parser.parse_args(argv)

    found = {}
    figure, panels = plt.subplots(1, 4, figsize=(14, 4.6), sharex=True, sharey=True, layout="constrained")
    for panel, (name, game) in zip(panels, GAMES.items()):
        path = flow(game)
        found[name] = {"path": path, "radius": np.hypot(*path.T)}
        title = name
        if name in THEORY:
            found[name]["eigenvalues"] = eigenvalues = np.linalg.eigvals(jacobian(game))
            first = max(eigenvalues, key=lambda v: v.imag)
            title += f"\nλ = {first.real:+.2f} ± {first.imag:.2f}i"
        else:
            title += "\nno derivative at 0"
        a, b = np.meshgrid(np.linspace(-2.2, 2.2, 13), np.linspace(-2.2, 2.2, 13))
        arrows = np.array([[v.item() for v in field(game, at)[0]] for at in zip(a.ravel(), b.ravel())])
        panel.quiver(a, b, arrows[:, 0].reshape(a.shape), arrows[:, 1].reshape(a.shape), color="0.75", width=0.004)
        panel.plot(*path.T, color="tab:blue", lw=1.5)
        panel.plot(*path[0], "o", color="tab:blue", ms=5)
        panel.plot(*path[-1], "o", color="tab:red", ms=5, zorder=3)
        panel.plot(0, 0, "+", color="black", ms=12)
        panel.set(title=title, xlabel="θ, where the generator is", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal")
        known = " and ".join(f"{v:.4f}" for v in found[name].get("eigenvalues", [])) or "none"
        print(f"{name:16} eigenvalues {known:40} distance from rest {found[name]['radius'][-1]:.4f}, was 1.118")
    panels[0].set_ylabel("ψ, the discriminator's slope")
    figure.savefig(options.out, dpi=120)
    plt.close(figure)
    print(f"drawn: {options.out}  (blue: where it began, red: where it was at time 40)")
    return found


if __name__ == "__main__":
    main()
