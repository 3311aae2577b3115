"""Mode collapse, filmed: a generator that should cover eight spots sits on one of them, and hops when it is found out.

The discriminator needs only look at one spot at a time to tell real from generated, and the generator only needs one spot to
fool the discriminator of the moment. So G puts all its samples where D is least sure; D learns to be sure there; G moves on.
Each is right to do so, and together they go round (Metz et al. 2017, §3.1, whose networks and data these are: two layers of
128 units on a ring of eight Gaussians). The original GAN in its non-saturating form, and nothing to cure it.

    python examples/theory/mode_hopping.py            half a minute; a film (GIF) and a chart of which spots were held when
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tqdm import trange

import minigan as mg
from minigan import nn, optim, viz
from minigan.data import toy
from minigan.functional import binary_cross_entropy_with_logits as bce

MODES, LATENT, BATCH = 8, 256, 256


def make_net(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs))


def held(samples, mixture):
    """The share of the samples that are nearer than 0.4 to each centre, a generous measure: the spots' width is 0.02."""
    distance = np.linalg.norm(samples[:, None] - mixture.centres, axis=2)
    return ((distance < 0.4) & (distance == distance.min(1, keepdims=True))).mean(0)


def train(steps, every, seed=0, show=True):
    """The samples and the spots that they hold, every so many steps."""
    mg.manual_seed(seed)
    rng = np.random.default_rng(seed)
    mixture = toy.ring_mixture(MODES, radius=2.0, std=0.02, normalize=False)
    G, D = make_net(LATENT, 2), make_net(2, 1)
    for net in (G, D):
        for p in net.parameters():
            if p.ndim == 2:
                mg.init.orthogonal_(p, gain=0.8)
    G_optimizer, D_optimizer = (
        optim.Adam(net.parameters(), lr, betas=(0.5, 0.999)) for net, lr in ((G, 1e-3), (D, 1e-4))
    )
    z = mg.randn(512, LATENT)
    frames = []
    for step in trange(steps + 1, disable=not show):
        if step % every == 0:
            with mg.no_grad():
                samples = G(z).numpy()
            frames.append((step, samples, held(samples, mixture)))
        real = mixture.centres[rng.integers(MODES, size=BATCH)] + mixture.std * rng.standard_normal((BATCH, 2))
        fake = G(mg.randn(BATCH, LATENT))
        loss = bce(D(mg.Tensor(real.astype(np.float32))), 1.0) + bce(D(fake.detach()), 0.0)
        D_optimizer.zero_grad()
        loss.backward()
        D_optimizer.step()
        with nn.frozen(D):
            loss = bce(D(fake), 1.0)
        G_optimizer.zero_grad()
        loss.backward()
        G_optimizer.step()
    return frames, mixture


def film(frames, mixture, path):
    """A frame of samples for each moment."""
    pictures = []
    figure, panel = plt.subplots(figsize=(3.6, 3.8), layout="constrained")
    for step, samples, shares in frames:
        panel.clear()
        panel.scatter(*mixture.centres.T, s=160, color="tab:blue", alpha=0.25, lw=0)
        panel.scatter(*samples.T, s=4, color="tab:red", alpha=0.4, lw=0)
        panel.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal")
        panel.set_title(f"step {step}: {np.sum(shares > 0.05)} of {MODES}", fontsize=10)
        figure.canvas.draw()
        pictures.append(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    plt.close(figure)
    viz.save_gif(pictures, path, fps=8)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("mode_hopping.png"), help="the chart; the film goes beside it")
    parser.add_argument("--steps", type=int, default=8000)
    options = parser.parse_args(argv)

    every = max(1, options.steps // 100)
    frames, mixture = train(options.steps, every)
    film(frames, mixture, options.out.with_suffix(".gif"))
    steps, shares = np.array([f[0] for f in frames]), np.array([f[2] for f in frames])

    figure, panel = plt.subplots(figsize=(8, 3.2), layout="constrained")
    mesh = panel.pcolormesh(steps, np.arange(MODES), shares.T, cmap="Reds", vmin=0, vmax=1, shading="nearest")
    figure.colorbar(mesh, label="share of the samples", pad=0.01)
    panel.set(xlabel="step", ylabel="spot on the ring", title="Where the generator's samples are")
    figure.savefig(options.out, dpi=120)
    plt.close(figure)

    count, first = (shares > 0.05).sum(1), shares.argmax(1)
    caught = shares.max(1) > 0.05
    hops = int(np.sum(first[caught][1:] != first[caught][:-1]))
    print(
        f"at most {count.max()} of {MODES} spots at once, {count[caught].mean() if caught.any() else 0:.1f} on average;"
    )
    print(f"{len(set(first[caught].tolist()))} of them one after the other, in {hops} hops")
    print(f"drawn: {options.out} and {options.out.with_suffix('.gif')}")
    return {"count": count, "first": first, "caught": caught, "hops": hops}


if __name__ == "__main__":
    main()
