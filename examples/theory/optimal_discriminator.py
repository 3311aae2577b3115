"""The best discriminator is a ratio of densities, and what it pays is a divergence: both are learned, and drawn.

For real samples of density p and generated ones of density q, the cross-entropy with targets α (real) and β (generated) is
least where

    D*(x) = (α·p(x) + β·q(x)) / (p(x) + q(x))                    with α = 1, β = 0:  p/(p + q)

(Goodfellow et al. 2014, proposition 1; with other targets Salimans et al. 2016, §3.4), and what G then plays for is

    E_p log D* + E_q log(1 − D*) = 2·JS(p‖q) − 2·log 2           (theorem 1)

Here p is two bumps and q is one, so that both are known; a small network learns D from samples alone. The picture shows why
one smooths on one side only: with β > 0 the optimum rises where only q is, and a generator that is far off is told to stay.

    python examples/theory/optimal_discriminator.py            about ten seconds
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from minigan import nn, optim
from minigan.functional import binary_cross_entropy_with_logits as bce

TARGETS = {"D learns p/(p+q)": (1.0, 0.0), "one-sided smoothing": (0.9, 0.0), "two-sided smoothing": (0.9, 0.1)}


def p(x):
    """Density of the real samples: ½·N(−1.5, 0.5) + ½·N(1.5, 0.5)."""
    return (np.exp(-2 * (x + 1.5) ** 2) + np.exp(-2 * (x - 1.5) ** 2)) / (2 * 0.5 * np.sqrt(2 * np.pi))


def q(x):
    """Density of the generated samples: N(0, 1)."""
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def draw(rng, n):
    """n real samples and n generated ones, as tensors (n, 1)."""
    real = 0.5 * rng.standard_normal(n) + 1.5 * rng.choice([-1, 1], n)
    return [mg.Tensor(x.astype(np.float32)[:, None]) for x in (real, rng.standard_normal(n))]


def learn(alpha, beta, steps=1000, seed=0):
    """A discriminator, trained with targets α and β on fresh samples at every step."""
    mg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    D = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = optim.Adam(D.parameters(), 5e-3)
    schedule = optim.StepLR(optimizer, step_size=steps // 4, gamma=0.3)
    for _ in range(steps):
        real, fake = draw(rng, 1000)
        loss = bce(D(real), alpha) + bce(D(fake), beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return D


def jensen_shannon():
    """JS(p‖q) by quadrature."""
    x = np.linspace(-8, 8, 20001)
    middle = (p(x) + q(x)) / 2
    kl = [np.where(d(x) > 0, d(x) * np.log(np.maximum(d(x), 1e-300) / middle), 0) for d in (p, q)]
    return float(np.trapezoid(kl[0] + kl[1], x) / 2)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("optimal_discriminator.png"), help="where the picture goes")
    options = parser.parse_args(argv)

    x = np.linspace(-4, 4, 401)
    matters = p(x) + q(x) > 0.1  # where hardly a sample falls, nothing is learned
    found = {}
    figure, panels = plt.subplots(1, 3, figsize=(13, 4), sharey=True, layout="constrained")
    for panel, (title, (alpha, beta)) in zip(panels, TARGETS.items()):
        D = learn(alpha, beta)
        with mg.no_grad():
            learned = D(mg.Tensor(x.astype(np.float32)[:, None])).sigmoid().numpy()[:, 0]
            if title == "D learns p/(p+q)":
                real, fake = draw(np.random.default_rng(1), 200_000)
                found["value"] = -(bce(D(real), 1.0) + bce(D(fake), 0.0)).item()
        best = (alpha * p(x) + beta * q(x)) / (p(x) + q(x))
        found[title] = float(np.abs(learned - best)[matters].max())
        panel.fill_between(x, p(x), color="tab:blue", alpha=0.25, lw=0, label="p, real")
        panel.fill_between(x, q(x), color="tab:orange", alpha=0.35, lw=0, label="q, generated")
        panel.plot(x, best, color="black", lw=1, ls="--", label="(αp + βq)/(p + q)")
        panel.plot(x, learned, color="tab:red", lw=2, label="learned D")
        panel.set(title=f"{title}: α = {alpha:g}, β = {beta:g}", xlabel="x", ylim=(0, 1.02), xlim=(-4, 4))
    panels[0].legend(loc="upper center", frameon=False, fontsize=9)
    figure.savefig(options.out, dpi=120)
    plt.close(figure)

    found["theory"] = 2 * jensen_shannon() - 2 * np.log(2)
    for title in TARGETS:
        print(f"{title:22} furthest from theory, where there are samples: {found[title]:.3f}")
    print(f"value of the game at the learned D: {found['value']:.4f};  2·JS − 2·log 2 = {found['theory']:.4f}")
    print(f"drawn: {options.out}")
    return found


if __name__ == "__main__":
    main()
