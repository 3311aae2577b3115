"""How long one DCGAN training step takes, beside the same step in PyTorch. Imports the main example; needs torch.

    python benchmarks/train_step.py [--batch-size 64] [--pairs 20]

The two share networks, weights and batches. They are compared before anything is timed, then run in turn, A B A B, and what
is reported is the median of the paired ratios: more than 1 means that minigan is faster.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import trange

import minigan as mg
from minigan import init, optim, train

EXAMPLE = Path(__file__).parents[1] / "examples" / "dcgan_mnist.py"


def load_example():
    spec = importlib.util.spec_from_file_location("dcgan_mnist", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_torch(net: mg.nn.Module) -> torch.nn.Module:
    """The same network with the same weights in PyTorch."""
    layers = []
    for layer in net:
        kind, theirs = type(layer).__name__, torch.nn
        if kind == "Linear":
            out, inside = layer.weight.shape
            layers.append(theirs.Linear(inside, out, bias=layer.bias is not None))
        elif kind in ("Conv2d", "ConvTranspose2d"):
            make = getattr(theirs, kind)
            channels = (layer.in_channels, layer.out_channels, layer.kernel_size)
            layers.append(make(*channels, bias=layer.bias is not None, **layer.geometry))
        elif kind == "BatchNorm2d":
            layers.append(theirs.BatchNorm2d(layer.num_features))
        elif kind == "LeakyReLU":
            layers.append(theirs.LeakyReLU(layer.negative_slope))
        elif kind == "Unflatten":
            layers.append(theirs.Unflatten(layer.dim, layer.size))
        else:
            layers.append(getattr(theirs, kind)())
    twin = theirs.Sequential(*layers)
    twin.load_state_dict({name: torch.tensor(array) for name, array in net.state_dict().items()})
    return twin.to(memory_format=torch.channels_last)


def torch_step(G, D, opt_G, opt_D, real, z) -> float:
    """The step of `train.adversarial_step`, written in PyTorch; returns G's loss."""
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    fake = G(z)
    real_logits, fake_logits = D(real), D(fake.detach())
    loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
    opt_D.zero_grad()
    loss.backward()
    opt_D.step()
    D.requires_grad_(False)
    verdict = D(fake)
    loss = bce(verdict, torch.ones_like(verdict))
    opt_G.zero_grad()
    loss.backward()
    opt_G.step()
    D.requires_grad_(True)
    return loss.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    n = options.batch_size

    example = load_example()
    mg.manual_seed(0)
    G, D = example.make_generator(1), example.make_discriminator(1)
    init.dcgan_(G)
    init.dcgan_(D)
    opt = [optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999)) for net in (G, D)]
    tG, tD = in_torch(G), in_torch(D)
    topt = [torch.optim.Adam(net.parameters(), 2e-4, betas=(0.5, 0.999), fused=True) for net in (tG, tD)]
    real = np.random.default_rng(0).uniform(-1, 1, (n, 1, 28, 28)).astype(np.float32)
    torch_real = torch.tensor(real).contiguous(memory_format=torch.channels_last)

    def ours(seed: int) -> float:
        mg.manual_seed(seed)
        return train.adversarial_step(G, D, *opt, [real], (100,))["g_loss"]

    def theirs(seed: int) -> float:
        z = np.random.default_rng(seed).standard_normal((n, 100), dtype=np.float32)
        return torch_step(tG, tD, *topt, torch_real, torch.tensor(z))

    for seed in range(3):
        a, b = ours(seed), theirs(seed)
        assert abs(a - b) < 1e-3, f"step {seed}: minigan's loss is {a}, PyTorch's {b}"
    times: list[tuple[float, float]] = []
    for seed in trange(options.pairs, unit="pair"):
        start = time.perf_counter()
        ours(seed)
        middle = time.perf_counter()
        theirs(seed)
        times.append((middle - start, time.perf_counter() - middle))
    ratios = sorted(b / a for a, b in times)
    print(f"batch {n}, {options.pairs} pairs, {torch.get_num_threads()} threads")
    ours_ms, theirs_ms = (statistics.median(column) * 1e3 for column in zip(*times))
    print(f"minigan {ours_ms:.1f} ms, PyTorch {theirs_ms:.1f} ms")
    print(f"ratio PyTorch / minigan: median {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
