"""The better the discriminator, the less the generator learns from it: seen in three losses.

Real data are N(0, 0.1), the generator's N(θ, 0.1) with θ = 1: they hardly overlap. A discriminator is trained, the generator
stands still, and after every few steps the gradient that would move θ is written down, for

    saturating       E log(1 − D(G(z)))     vanishes as D grows sure (Arjovsky and Bottou 2017, theorem 2.4)
    non-saturating   −E log D(G(z))         does not vanish, but grows, and with it its noise (theorem 2.6)
    Wasserstein      −E f(G(z))             with a critic of slope 1 (WGAN-GP) it is the distance's own slope: 1

In truth θ should go down at the rate 1: the Wasserstein distance of the two is |θ|.

    python examples/theory/vanishing_gradients.py            about ten seconds
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from minigan import nn, optim
from minigan.losses import discriminator_loss, nonsaturating_generator_loss, saturating_generator_loss

STEPS, EVERY, BATCH = 600, 10, 256


def make_net():
    return nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))


def critic_loss(f, real, fake):
    """−E f(x) + E f(G(z)) + 10·E (|f′(x̂)| − 1)²  (Gulrajani et al. 2017, eq. 3)."""
    share = mg.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = mg.grad(f(between).sum(), between, create_graph=True)
    return f(fake).mean() - f(real).mean() + 10 * ((slope.abs() - 1) ** 2).mean()


def slopes(net, losses):
    """The gradient by θ of each loss, on many samples of the generator."""
    noise = 0.1 * mg.randn(2000, 1)
    found = {}
    for name, loss in losses.items():
        theta = mg.tensor(1.0, requires_grad=True)
        (g,) = mg.grad(loss(net(theta + noise)), theta)
        found[name] = g.item()
    return found


def measure(net, net_loss, losses, lr):
    """Train the discriminator, and write down what each generator loss would do."""
    optimizer = optim.Adam(net.parameters(), lr, betas=(0.5, 0.9))
    rows = []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            rows.append({"step": step, **slopes(net, losses)})
        real, fake = 0.1 * mg.randn(BATCH, 1), 1 + 0.1 * mg.randn(BATCH, 1)
        optimizer.zero_grad()
        net_loss(net, real, fake).backward()
        optimizer.step()
    return rows


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("vanishing_gradients.png"), help="where the picture goes")
    options = parser.parse_args(argv)
    mg.manual_seed(0)

    minimax = {"saturating": saturating_generator_loss, "non-saturating": nonsaturating_generator_loss}
    curves = {}
    for net_loss, losses, lr in (
        (lambda D, real, fake: discriminator_loss(D(real), D(fake)), minimax, 1e-3),
        (critic_loss, {"Wasserstein": lambda outputs: -outputs.mean()}, 1e-3),
    ):
        rows = measure(make_net(), net_loss, losses, lr)
        curves |= {name: np.array([[row["step"], row[name]] for row in rows]) for name in losses}

    figure, panel = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for (name, curve), colour in zip(curves.items(), ("tab:red", "tab:orange", "tab:blue")):
        panel.plot(curve[:, 0], np.abs(curve[:, 1]), lw=2, color=colour)
        panel.annotate(name, np.abs(curve[-1]), (6, 2), textcoords="offset points", color=colour)
    panel.axhline(1, color="0.5", lw=1, ls="--")
    panel.annotate("slope of the distance itself", (STEPS / 3, 1), (0, -12), textcoords="offset points", color="0.4")
    panel.set(yscale="log", xlabel="steps of the discriminator", ylabel="|∂ loss / ∂θ|", xlim=(0, STEPS * 1.25))
    panel.set_title("What a generator that stands at 1, and should be at 0, is told")
    figure.savefig(options.out, dpi=120)
    plt.close(figure)
    for name, curve in curves.items():
        print(f"{name:15} slope by θ: {curve[0, 1]:+.4f} before the first step, {curve[-1, 1]:+.2e} after {STEPS}")
    print(f"drawn: {options.out}")
    return curves


if __name__ == "__main__":
    main()
