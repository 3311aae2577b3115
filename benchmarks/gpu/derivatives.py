"""Section `derivatives`: gradcheck to second order on the device. Imports minigan.

`gradcheck` draws its points and directions on the CPU; the functions move them to the device and their results back. A move
is differentiable, so a derivative goes the whole way: through the device's forward, its backward, and the backward of that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import minigan as mg
from gpu.clock import few_threads
from gpu.record import Check
from minigan import functional as F

TITLE = "gradcheck to second order"
SECONDS = 40

Function = Callable[..., Any]
EASY = ("leaky_relu", "conv2d", "matmul")  # quick enough to be tried anywhere


def operations() -> dict[str, tuple[Function, list[tuple[int, ...]]]]:
    """The operations that run kernels, with the shapes of their arguments."""
    index = np.array([2, 0, 3])

    def normed(slope: float) -> Function:
        def f(x: Any, weight: Any, bias: Any) -> Any:
            y = F.batch_norm(x, None, None, weight, bias, training=True)
            return y if slope == 1 else F.leaky_relu(y, slope)

        return f

    def penalty(x: Any, weight: Any) -> Any:
        """(‖∂D/∂x‖ − 1)², as in WGAN-GP: a gradient inside of what is differentiated."""
        hidden = F.leaky_relu(mg.conv2d(x, weight, stride=2, padding=1), 0.2)
        (slope,) = mg.grad((hidden * hidden).sum(), x, create_graph=True)
        return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()

    picture, kernels = (2, 2, 5, 4), (3, 2, 3, 2)
    return {
        "conv2d": (functools.partial(mg.conv2d, stride=2, padding=1), [picture, kernels, (3,)]),
        "conv2d, dilation": (functools.partial(mg.conv2d, padding=(2, 1), dilation=(1, 2)), [picture, kernels]),
        "conv2d, groups": (functools.partial(mg.conv2d, groups=2), [picture, (4, 1, 2, 2), (4,)]),
        "conv_transpose2d": (
            functools.partial(mg.conv_transpose2d, stride=2, padding=1, output_padding=1),
            [picture, (2, 3, 3, 3), (3,)],
        ),
        "batch_norm": (normed(1.0), [(4, 3, 2, 2), (3,), (3,)]),
        "batch_norm, leaky": (normed(0.2), [(4, 3, 2, 2), (3,), (3,)]),
        "batch_norm, matrix": (normed(1.0), [(5, 3), (3,), (3,)]),
        "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), [(3, 5)]),
        "max_pool2d": (lambda x: mg.max_pool2d(x, 2), [(2, 2, 4, 5)]),
        "avg_pool2d": (lambda x: mg.avg_pool2d(x, 2), [(2, 2, 4, 5)]),
        "interpolate": (lambda x: mg.interpolate(x, scale_factor=2), [(1, 2, 3, 2)]),
        "unfold": (lambda x: mg.unfold(x, (3, 2), padding=1, stride=2), [picture]),
        "amax": (lambda x: mg.amax(x, 1), [(3, 5)]),
        "maxout": (lambda x: F.maxout(x, 3), [(4, 6)]),
        "matmul": (lambda x, y: x @ y, [(3, 4), (4, 2)]),
        "linear": (F.linear, [(3, 4), (2, 4), (2,)]),
        "binary_cross_entropy_with_logits": (
            lambda x: F.binary_cross_entropy_with_logits(x, mg.ones_like(x) * 0.25),
            [(5, 1)],
        ),
        "mse_loss": (lambda x, y: F.mse_loss(x, y), [(5,), (5,)]),
        "cross_entropy": (lambda x: F.cross_entropy(x, mg.tensor(index, device=x.device)), [(3, 4)]),
        "tanh of sigmoid": (lambda x: mg.tanh(mg.sigmoid(x) * 3), [(7,)]),
        "gradient penalty": (penalty, [(2, 1, 6, 6), (3, 1, 4, 4)]),
    }


def run(check: Check) -> None:
    """Check each of them."""
    names = EASY if check.quick else list(operations())
    for name in check.progress(names):
        function, shapes = operations()[name]
        inputs = [mg.tensor(np.random.default_rng(i).standard_normal(s)) for i, s in enumerate(shapes)]
        before = len(check.record.failures)
        with check.part(name), few_threads(check.device):
            mg.check.gradcheck(on(check.device, function), inputs, order=2)
        check.row("orders 1 and 2", operation=name, right=len(check.record.failures) == before)


def on(device: str, function: Function) -> Function:
    """The function on the device, for Tensors of the CPU."""

    def moved(*inputs: Any) -> Any:
        return function(*[x.to(device) for x in inputs]).to("cpu")

    return moved
