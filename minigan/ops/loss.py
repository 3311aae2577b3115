"""Loss heads: cross-entropies and the squared error. Imports shape, elementwise, reduce and index.

Each is written twice, as batch norm is: the `..._definition` reads like the formula, and a Function that is held to it by
tests computes the same with arrays, in one node of the graph instead of ten. A batch has about a hundred logits, so what a
loss costs is not the arithmetic but the number of calls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.modes import mode
from minigan.ops.elementwise import exp, sigmoid, softplus
from minigan.ops.index import gather
from minigan.ops.reduce import logsumexp, mean, sum
from minigan.ops.shape import reshape, squeeze, sum_to
from minigan.tensor import Function, Tensor


def reduced(operation: str, loss: Tensor, reduction: str) -> Tensor:
    """The mean of `loss`, its sum, or `loss` itself."""
    check_reduction(operation, reduction)
    return loss if reduction == "none" else mean(loss) if reduction == "mean" else sum(loss)


def check_reduction(operation: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{operation}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


class _Elementwise(Function):
    """A loss of each element of x and its target t, reduced. t is shaped as x, or one number for all of x.

    A subclass names the kernel that computes the loss, and the one for the gradient of x; and has in `gradients(grad, x,
    t)` the gradients of x and t in Tensor operations, for where one of them is to be differentiated again, or t at all.
    """

    kernel: str
    gradients: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

    def __init__(self, reduction: str):
        self.reduction = reduction

    def forward(self, x: Array, t: Array) -> Array:
        return getattr(backend.kernels(x), self.kernel)(x, t, self.reduction)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, t = self.inputs
        if not mode.recording and not self.needs[1]:
            kernel = getattr(backend.kernels(x.data), f"{self.kernel}_backward")
            return Tensor._wrap(kernel(grad.data, x.data, t.data, self.reduction)), None
        to_x, to_t = self.gradients(grad / x.numel() if self.reduction == "mean" else grad, x, t)
        return to_x, sum_to(to_t, t.shape)


# ------------------------------------------------------------------------------------------ binary cross-entropy


def binary_cross_entropy_with_logits_definition(x: Tensor, t: Tensor) -> Tensor:
    """`−t·log σ(x) − (1 − t)·log(1 − σ(x))`, where −log σ(x) = softplus(−x) and −log(1 − σ(x)) = softplus(x)."""
    return t * softplus(-x) + (1 - t) * softplus(x)


class BinaryCrossEntropyWithLogits(_Elementwise):
    """The definition, put together: y = max(x, 0) − t·x + log(1 + e^−|x|);   x̄ = ȳ·(σ(x) − t),   t̄ = −ȳ·x.

    σ(x) − t is computed as (1 − t)·σ(x) − t·σ(−x), which keeps its digits where the answer is right and the rest small.
    """

    kernel = "bce_with_logits"

    def gradients(self, grad: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return grad * ((1 - t) * sigmoid(x) - t * sigmoid(-x)), -grad * x


# ------------------------------------------------------------------------------------------------- squared error


def squared_error_definition(x: Tensor, t: Tensor) -> Tensor:
    """`(x − t)²`."""
    return (x - t) ** 2


class SquaredError(_Elementwise):
    """y = (x − t)²;   x̄ = 2ȳ·(x − t),   t̄ = −x̄."""

    kernel = "squared_error"

    def gradients(self, grad: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        to_x = 2 * grad * (x - t)
        return to_x, -to_x


# ------------------------------------------------------------------------------------ cross-entropy of classes


def cross_entropy_definition(x: Tensor, index: Array) -> Tensor:
    """`−log softmax(x)[index]` over the classes of axis 1; `index` has the shape of x without that axis."""
    log_p = x - logsumexp(x, 1, keepdim=True)
    return -squeeze(gather(log_p, 1, np.expand_dims(index, 1)), 1)


class CrossEntropy(Function):
    """y = −log softmax(x)[index];   x̄ = ȳ·(softmax(x) − one_hot(index))."""

    def __init__(self, index: Array, reduction: str):
        self.index, self.reduction = index, reduction

    def forward(self, x: Array) -> Array:
        return backend.kernels(x).cross_entropy(x, self.index, self.reduction)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        (x,) = self.inputs
        if not mode.recording:
            kernel = backend.kernels(x.data).cross_entropy_backward
            return (Tensor._wrap(kernel(grad.data, x.data, self.index, self.reduction)),)
        index = np.expand_dims(self.index, 1)
        hot = np.zeros_like(x.data)
        np.put_along_axis(hot, index, 1, 1)
        grad = reshape(grad, index.shape) if self.reduction == "none" else grad
        grad = grad / self.index.size if self.reduction == "mean" else grad
        return (grad * (exp(x - logsumexp(x, 1, keepdim=True)) - Tensor._wrap(hot)),)
