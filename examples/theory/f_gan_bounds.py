"""Each divergence has its own idea of the best fit: one Gaussian for two bumps, learned from samples and worked out exactly.

A generator x = μ + σz, which can draw only Gaussians, is to imitate a mixture of two. No Gaussian is right, so which is best
depends on what is measured: Pearson's χ² and KL punish data where there are no samples, and want a wide one; reverse KL
punishes samples where there are no data, and wants a narrow one; the others lie between. An f-GAN (Nowozin et al. 2016, who
have such a table) finds each fit from samples alone: its discriminator's objective is a lower bound of the divergence, and
reaches it when the discriminator is best. Beside it stand the divergence itself, by quadrature, and the best Gaussian.

Neyman's χ², `--divergences neyman`, is left out: it weighs the samples where there are hardly any data so heavily that what
one learns from a thousand of them does not settle.

    python examples/theory/f_gan_bounds.py                                 half a minute
    python examples/theory/f_gan_bounds.py --divergences kl,reverse-kl     two of them
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

import minigan as mg
from minigan import nn, optim
from minigan.losses import DIVERGENCES, f_gan_discriminator_loss, f_gan_generator_loss

NAMES = ("reverse-kl", "jeffrey", "hellinger", "js", "kl", "pearson")  # from narrow to wide
WEIGHTS, CENTRES, WIDTHS = np.array([0.65, 0.35]), np.array([-0.8, 1.2]), np.array([0.5, 0.6])
GRID = np.linspace(-7, 7, 4001)
BATCH = 1000


def gaussian(x, mu, sigma):
    return np.exp(-(((x - mu) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))


def p(x):
    """Density of the data."""
    return sum(w * gaussian(x, c, s) for w, c, s in zip(WEIGHTS, CENTRES, WIDTHS))


def exact(name, mu, sigma):
    """D_f(p‖q) = ∫ q·f(p/q), for q = N(μ, σ)."""
    q = gaussian(GRID, mu, sigma)
    f = DIVERGENCES[name].f(mg.Tensor(p(GRID) / q)).numpy()
    return float(np.trapezoid(q * f, GRID))


def best_fit(name):
    """μ, σ and the divergence at the best of all Gaussians."""
    starts = [(0.0, 0.2), (-0.8, -0.7), (1.2, -0.5)]
    found = [minimize(lambda t: exact(name, t[0], np.exp(t[1])), start, method="Nelder-Mead") for start in starts]
    best = min(found, key=lambda result: result.fun)
    return best.x[0], float(np.exp(best.x[1])), float(best.fun)


def draw_real(rng, n):
    kind = rng.choice(2, size=n, p=WEIGHTS)
    return mg.Tensor((CENTRES[kind] + WIDTHS[kind] * rng.standard_normal(n)).astype(np.float32)[:, None])


def learn(name, steps, seed=0):
    """μ, σ and the bound that an f-GAN finds from samples; it begins where both bumps are covered."""
    mg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    V = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    mu, log_sigma = mg.tensor(0.0, requires_grad=True), mg.tensor(0.2, requires_grad=True)
    d_optimizer, g_optimizer = optim.Adam(V.parameters(), 3e-3), optim.Adam([mu, log_sigma], 1e-2)
    schedules = [optim.StepLR(optimizer, step_size=steps // 3, gamma=0.3) for optimizer in (d_optimizer, g_optimizer)]

    def draw_fake(n):
        return mu + log_sigma.exp() * mg.randn(n, 1)

    for step in range(steps + steps // 2):
        d_loss = f_gan_discriminator_loss(V(draw_real(rng, BATCH)), V(draw_fake(BATCH).detach()), name)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        if step % 2 and step < steps:  # at the end the discriminator alone, so that the bound is tight
            g_loss = f_gan_generator_loss(V(draw_fake(BATCH)), name)
            g_optimizer.zero_grad()
            g_loss.backward()
            g_optimizer.step()
        if step < steps:
            for schedule in schedules:
                schedule.step()
    with mg.no_grad():
        bound = -f_gan_discriminator_loss(V(draw_real(rng, 200_000)), V(draw_fake(200_000)), name).item()
    return mu.item(), float(np.exp(log_sigma.item())), bound


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("f_gan_bounds.png"), help="where the picture goes")
    parser.add_argument("--divergences", default=",".join(NAMES), help="which (default: all)")
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args(argv)
    names = options.divergences.split(",")

    found = {name: (best_fit(name), learn(name, options.steps)) for name in tqdm(names)}
    print(f"{'':12}{'best Gaussian':>22}{'divergence':>12}    {'learned':>16}{'its divergence':>17}{'bound':>9}")
    for name, ((mu, sigma, least), (m, s, bound)) in found.items():
        at = exact(name, m, s)
        print(f"{name:12}   N({mu:+.3f}, {sigma:.3f}){least:14.4f}    N({m:+.3f}, {s:.3f}){at:15.4f}{bound:11.4f}")

    size = (2.6 * len(names) + 0.5, 3)
    figure, axes = plt.subplots(1, len(names), figsize=size, sharey=True, layout="constrained", squeeze=False)
    for panel, (name, ((mu, sigma, _), (m, s, _))) in zip(axes[0], found.items()):
        panel.fill_between(GRID, p(GRID), color="tab:blue", alpha=0.25, lw=0)
        panel.plot(GRID, gaussian(GRID, mu, sigma), color="black", ls="--", lw=1.2)
        panel.plot(GRID, gaussian(GRID, m, s), color="tab:red", lw=2)
        panel.set(title=name, xlim=(-4, 4), xticks=[-3, 0, 3], ylim=(0, 0.6))
    axes[0][0].set_ylabel("density")
    figure.suptitle("Two bumps (blue), the best Gaussian (dashed) and the one that an f-GAN learned (red)")
    figure.savefig(options.out, dpi=120)
    plt.close(figure)
    print(f"drawn: {options.out}")
    return found


if __name__ == "__main__":
    main()
