"""The networks and training steps that are measured, each written once for both libraries. Imports NumPy and libraries.

minigan has PyTorch's names, so `lib.nn.Conv2d(...)` is either library's. A case is made in two moves: `find(name)` says what
it is, `Training(case, lib)` builds it in one library, with weights and batches that depend on the case alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from libraries import Library

Networks = dict[str, Any]
Step = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Case:
    """Networks, and how they are trained.

    Attributes
    ----------
    name : str
    batch : int
    inputs : dict
        The shape of one sample for each network, by the network's name.
    networks : callable
        `networks(lib)` builds them with the library's own random weights.
    training : callable
        `training(lib, networks, case, rng)` returns one step: a function that trains and returns the losses.
    std : float, optional
        Standard deviation of the weights; 1/√fan_in where there is none.
    """

    name: str
    batch: int
    inputs: dict[str, tuple[int, ...]]
    networks: Callable[[Library], Networks]
    training: Callable[[Library, Networks, Case, np.random.Generator], Step]
    std: float | None = None

    @property
    def layouts_matter(self) -> bool:
        """Whether there are pictures, which may be channels-last in memory or not."""
        return any(len(shape) == 3 for shape in self.inputs.values())


class Training:
    """A case in one library: `step()` trains, and the rest says where that has led.

    Examples
    --------
    >>> from libraries import Minigan
    >>> training = Training(find("mlp-ring"), Minigan())
    >>> sorted(training.step())
    ['D(G(z))', 'D(x)', 'd_loss', 'g_loss']
    """

    def __init__(self, case: Case, lib: Library):
        self.case, self.lib, self.networks = case, lib, case.networks(lib)
        rng = np.random.default_rng(0)
        self.draw(rng)
        for net in self.networks.values():
            lib.place(net)
        self.step = case.training(lib, self.networks, case, rng)

    def draw(self, rng: np.random.Generator) -> None:
        """Give the networks new weights, the same in both libraries."""
        for net in self.networks.values():
            shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
            self.lib.load(net, draw_state(shapes, self.case.std, rng))

    def gradients(self) -> dict[str, np.ndarray]:
        """What the last step left in `.grad`."""
        return {
            f"{network}.{name}": self.lib.numpy(p.grad)
            for network, net in self.networks.items()
            for name, p in net.named_parameters()
            if p.grad is not None
        }

    def state(self) -> dict[str, np.ndarray]:
        """Parameters and buffers."""
        arrays: dict[str, np.ndarray] = {}
        for network, net in self.networks.items():
            for tensors in (net.named_parameters(), net.named_buffers()):
                arrays |= {f"{network}.{name}": self.lib.numpy(tensor) for name, tensor in tensors}
        return arrays

    def results(self, steps: int = 3) -> dict[str, np.ndarray]:
        """What the libraries must agree on: losses, the gradients of the first step, and what each step did to the weights.

        Two runs that are left to themselves part, because Adam's first steps go by the signs of gradients, some of which are
        0 but for rounding. So each step begins with new weights, while the optimisers keep their moments; and a weight's
        move counts by what it does to the loss, gradient times move, in which a sign that is a matter of chance has no
        weight.
        """
        found: dict[str, np.ndarray] = {}
        for i in range(steps):
            if i > 0:
                self.draw(np.random.default_rng(i))
            self.lib.seed(i)
            before = self.state()
            losses, gradients = self.step(), self.gradients()
            found |= {f"loss: {name} of step {i + 1}": np.array(value) for name, value in losses.items()}
            if i == 0:
                found |= {f"gradient: of {name}": gradient for name, gradient in gradients.items()}
            for name, after in self.state().items():
                found[f"update: of {name} in step {i + 1}"] = (after - before[name]) * gradients.get(name, 1)
        self.lib.seed(None)
        return found


def draw_state(
    shapes: dict[str, tuple[int, ...]], std: float | None, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Weights ~ N(0, std), scales of batch norm ~ N(1, 0.02), biases ~ N(0, 0.02); running statistics as they begin."""
    state = {}
    for name, shape in shapes.items():
        normal = rng.standard_normal(shape, dtype=np.float32)
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(0)
        elif "running_" in name:
            state[name] = np.full(shape, name.endswith("var"), np.float32)
        elif len(shape) > 1:
            state[name] = normal * np.float32(std or 1 / math.sqrt(math.prod(shape[1:])))
        else:
            state[name] = np.float32(name.endswith("weight")) + np.float32(0.02) * normal
    return state


# ------------------------------------------------------------------------------------------------------- networks


def dcgan_mnist(batch: int = 64, width: int = 64) -> Case:
    """The networks of examples/dcgan_mnist.py, `width` feature maps in the widest picture."""

    def networks(lib: Library) -> Networks:
        nn = lib.nn
        G = nn.Sequential(
            nn.Linear(100, 2 * width * 7 * 7, bias=False),
            nn.Unflatten(1, (2 * width, 7, 7)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, kernel_size=4, stride=2, padding=1),
            nn.Tanh(),
        )
        D = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * 7 * 7, 1),
        )
        return {"G": G, "D": D}

    name = f"dcgan-mnist-{batch}" + (f"-nf{width}" if width != 64 else "")
    return Case(name, batch, {"G": (100,), "D": (1, 28, 28)}, networks, adversarial(2e-4, (0.5, 0.999)), std=0.02)


def dcgan_64(batch: int = 32, width: int = 64) -> Case:
    """The networks of the DCGAN paper (Radford et al. 2016, figure 1) for colour pictures of 64 × 64."""
    maps = (8 * width, 4 * width, 2 * width, width)

    def networks(lib: Library) -> Networks:
        nn = lib.nn
        up = [nn.ConvTranspose2d(100, maps[0], kernel_size=4, bias=False), nn.BatchNorm2d(maps[0]), nn.ReLU()]
        for a, b in pairwise(maps):
            up.append(nn.ConvTranspose2d(a, b, kernel_size=4, stride=2, padding=1, bias=False))
            up += [nn.BatchNorm2d(b), nn.ReLU()]
        up += [nn.ConvTranspose2d(width, 3, kernel_size=4, stride=2, padding=1, bias=False), nn.Tanh()]

        down = [nn.Conv2d(3, width, kernel_size=4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for a, b in pairwise(maps[::-1]):
            down.append(nn.Conv2d(a, b, kernel_size=4, stride=2, padding=1, bias=False))
            down += [nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
        down.append(nn.Conv2d(maps[0], 1, kernel_size=4, bias=False))
        return {"G": nn.Sequential(*up), "D": nn.Sequential(*down)}

    training = adversarial(2e-4, (0.5, 0.999))
    return Case("dcgan-64", batch, {"G": (100, 1, 1), "D": (3, 64, 64)}, networks, training, std=0.02)


def wgan_gp_mnist(batch: int = 64, width: int = 64) -> Case:
    """The critic's step of a WGAN-GP (Gulrajani et al. 2017, Algorithm 1), with a discriminator as in `dcgan_mnist`.

    Without batch norm: the penalty is about each sample by itself.
    """

    def networks(lib: Library) -> Networks:
        nn = lib.nn
        critic = nn.Sequential(
            nn.Conv2d(1, width, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * 7 * 7, 1),
        )
        return {"D": critic}

    return Case("wgan-gp-mnist", batch, {"D": (1, 28, 28)}, networks, critic_with_penalty)


def mlp_ring(batch: int = 100) -> Case:
    """The networks that PacGAN (Lin et al. 2018, §4.1) draws points on a ring with: small, so that overhead is all."""

    def networks(lib: Library) -> Networks:
        nn = lib.nn
        G, D = [], []
        for a in (2, 400, 400, 400):
            G += [nn.Linear(a, 400, bias=False), nn.BatchNorm1d(400), nn.ReLU()]
        for a in (2, 200, 200):
            D += [nn.Linear(a, 1000), lib.Maxout(5)]
        return {"G": nn.Sequential(*G, nn.Linear(400, 2)), "D": nn.Sequential(*D, nn.Linear(200, 1))}

    return Case("mlp-ring", batch, {"G": (2,), "D": (2,)}, networks, adversarial(1e-4, (0.8, 0.999)))


def lenet(batch: int = 64) -> Case:
    """The network of examples/classify_mnist.py."""

    def networks(lib: Library) -> Networks:
        nn = lib.nn
        net = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, kernel_size=5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        )
        return {"net": net}

    return Case("lenet", batch, {"net": (1, 28, 28)}, networks, classify)


# ------------------------------------------------------------------------------------------------------- training


def adversarial(lr: float, betas: tuple[float, float]) -> Callable[..., Step]:
    """A step of D, then one of G."""

    def training(lib: Library, networks: Networks, case: Case, rng: np.random.Generator) -> Step:
        G, D = networks["G"], networks["D"]
        G_adam, D_adam = lib.adam(G, lr, betas), lib.adam(D, lr, betas)
        real = lib.tensor(pictures(case, "D", rng))
        step = lib.game(G, D, G_adam, D_adam, case.inputs["G"])
        return lambda: step(real)

    return training


def critic_with_penalty(lib: Library, networks: Networks, case: Case, rng: np.random.Generator) -> Step:
    """E D(fake) − E D(real) + 10·E (‖∇D(x̂)‖ − 1)², x̂ somewhere between a real picture and a generated one."""
    D = networks["D"]
    adam = lib.adam(D, 1e-4, (0.0, 0.9))
    real, fake = lib.tensor(pictures(case, "D", rng)), lib.tensor(pictures(case, "D", rng))

    def step() -> dict[str, float]:
        mix = lib.rand(case.batch, 1, 1, 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = lib.grad(D(between).sum(), between, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        distance = D(real).mean() - D(fake).mean()
        loss = 10 * penalty - distance
        adam.zero_grad()
        loss.backward()
        adam.step()
        return {"distance": distance.item(), "penalty": penalty.item()}

    return step


def classify(lib: Library, networks: Networks, case: Case, rng: np.random.Generator) -> Step:
    """A step down the gradient of the cross-entropy."""
    net = networks["net"]
    adam = lib.adam(net, 1e-3, (0.9, 0.999))
    x, labels = lib.tensor(pictures(case, "net", rng)), lib.tensor(rng.integers(10, size=case.batch))

    def step() -> dict[str, float]:
        logits = net(x)
        loss = lib.F.cross_entropy(logits, labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
        return {"loss": loss.item(), "accuracy": (logits.argmax(1) == labels).float().mean().item()}

    return step


def pictures(case: Case, network: str, rng: np.random.Generator) -> np.ndarray:
    """A batch for one of the networks, uniform in [−1, 1]."""
    return rng.uniform(-1, 1, (case.batch, *case.inputs[network])).astype(np.float32)


# ------------------------------------------------------------------------------------------------------- by name

CASES = {
    case.name: case for case in (dcgan_mnist(64), dcgan_mnist(128), dcgan_64(), wgan_gp_mnist(), mlp_ring(), lenet())
}


def find(name: str) -> Case:
    """The case called `name`: one of CASES, or `dcgan-mnist-BATCH` or `dcgan-mnist-BATCH-nfWIDTH` of any size."""
    if name in CASES:
        return CASES[name]
    sizes = re.fullmatch(r"dcgan-mnist-(\d+)(?:-nf(\d+))?", name)
    if sizes is None:
        raise ValueError(f"there is no case {name!r}; there are {', '.join(CASES)}, and dcgan-mnist-BATCH-nfWIDTH")
    return dcgan_mnist(int(sizes[1]), int(sizes[2] or 64))
