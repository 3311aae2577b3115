"""Loss heads: cross-entropies and the squared error. Imports shape, elementwise, reduce and index.

Each is written twice, as batch norm is: the `..._definition` reads like the formula, and a Function that is held to it by
tests computes the same with arrays, in one node of the graph instead of ten. A batch has about a hundred logits, so what a
loss costs is not the arithmetic but the number of calls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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


def _reduced(loss: Array, reduction: str) -> Array:
    if reduction == "none":
        return loss
    total = loss.sum(dtype=loss.dtype)
    return total / loss.size if reduction == "mean" else total


class _Elementwise(Function):
    """A loss of each element of x and its target t, reduced. t is shaped as x, or one number for all of x.

    A subclass has the loss of arrays, `each(x, t)`; its derivative by x, `slope(x, t)`; and in `gradients(grad, x, t)` the
    gradients of x and t in Tensor operations, for where one of them is to be differentiated again, or t at all.
    """

    each: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    gradients: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

    def __init__(self, reduction: str):
        self.reduction = reduction

    def forward(self, x: Array, t: Array) -> Array:
        return _reduced(self.each(x, t), self.reduction)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, t = self.inputs
        count = x.numel() if self.reduction == "mean" else 1
        if not mode.recording and not self.needs[1]:
            return Tensor._wrap(self.slope(x.data, t.data) * (grad.data / count)), None
        to_x, to_t = self.gradients(grad / count, x, t)
        return to_x, sum_to(to_t, t.shape)


# ------------------------------------------------------------------------------------------ binary cross-entropy


def binary_cross_entropy_with_logits_definition(x: Tensor, t: Tensor) -> Tensor:
    """`−t·log σ(x) − (1 − t)·log(1 − σ(x))`, where −log σ(x) = softplus(−x) and −log(1 − σ(x)) = softplus(x)."""
    return t * softplus(-x) + (1 - t) * softplus(x)


class BinaryCrossEntropyWithLogits(_Elementwise):
    """The definition, put together: y = max(x, 0) − t·x + log(1 + e^−|x|);   x̄ = ȳ·(σ(x) − t),   t̄ = −ȳ·x.

    σ(x) − t is computed as (1 − t)·σ(x) − t·σ(−x), which keeps its digits where the answer is right and the rest small.
    """

    def each(self, x: Array, t: Array) -> Array:
        return np.maximum(x, 0) - t * x + np.log1p(np.exp(-np.abs(x)))

    def slope(self, x: Array, t: Array) -> Array:
        e = np.exp(-np.abs(x))
        yes, no = np.where(x >= 0, 1 - t, -t), np.where(x >= 0, -t, 1 - t)
        return (yes + e * no) / (1 + e)  # σ(x) is 1/(1 + e) where x ≥ 0, and e/(1 + e) elsewhere

    def gradients(self, grad: Tensor, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return grad * ((1 - t) * sigmoid(x) - t * sigmoid(-x)), -grad * x


# ------------------------------------------------------------------------------------------------- squared error


def squared_error_definition(x: Tensor, t: Tensor) -> Tensor:
    """`(x − t)²`."""
    return (x - t) ** 2


class SquaredError(_Elementwise):
    """y = (x − t)²;   x̄ = 2ȳ·(x − t),   t̄ = −x̄."""

    def each(self, x: Array, t: Array) -> Array:
        return np.square(x - t)

    def slope(self, x: Array, t: Array) -> Array:
        return 2 * (x - t)

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
        self.index, self.reduction = np.expand_dims(index, 1), reduction

    def forward(self, x: Array) -> Array:
        z = _below_top(x)
        loss = np.log(np.exp(z).sum(1)) - np.take_along_axis(z, self.index, 1).reshape(self.index[:, 0].shape)
        return _reduced(loss, self.reduction)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        (x,) = self.inputs
        if self.reduction == "none":
            grad = reshape(grad, self.index.shape)
        count = self.index.size if self.reduction == "mean" else 1
        if not mode.recording:
            p = np.exp(_below_top(x.data))
            p /= p.sum(1, keepdims=True)
            return (Tensor._wrap((p - self._one_hot(p)) * (grad.data / count)),)
        p_minus = exp(x - logsumexp(x, 1, keepdim=True)) - Tensor._wrap(self._one_hot(x.data))
        return (grad / count * p_minus,)

    def _one_hot(self, x: Array) -> Array:
        hot = np.zeros_like(x)
        np.put_along_axis(hot, self.index, 1, 1)
        return hot


def _below_top(x: Array) -> Array:
    """x less the largest of its classes, so that nothing overflows; softmax(x) does not depend on it."""
    top = x.max(1, keepdims=True)
    return x - np.where(np.isfinite(top), top, 0)
