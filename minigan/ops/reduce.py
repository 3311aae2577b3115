"""Operations that make fewer numbers out of many: sums, moments, extremes, norms. Imports shape and elementwise.

Only sums and extremes have a rule of their own. All others are *composed* of primitives, and read like their definition, so
that their derivatives, of every order, follow from the chain rule. What is constant in them (a maximum subtracted for
stability, an index of the largest element) is taken outside the graph.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.modes import mode
from minigan.ops.elementwise import (
    Number,
    abs,
    exp,
    floating,
    log,
    maximum,
    minimum,
    pow,
    sqrt,
    where,
)
from minigan.ops.shape import (
    broadcast_to,
    cast,
    cat,
    flip,
    narrow,
    normalize_dim,
    normalize_dims,
    pad_constant,
    reshape,
    squeeze,
)
from minigan.tensor import Function, Tensor, tensor_method

Dim = int | Sequence[int] | None


class ValuesAndIndices(NamedTuple):
    """What `max(dim)` and `min(dim)` return."""

    values: Tensor
    indices: Tensor


# ---------------------------------------------------------------------------------------------------------- sums


class Sum(Function):
    """y = Σ x over some axes;   x̄ = ȳ, copied along them. `axes` are sorted and counted from the front."""

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes

    def forward(self, x: Array) -> Array:
        if x.dtype.kind == "f" and x.ndim > 1 and self.axes == (0, *range(2, x.ndim)):
            return backend.kernels(x).channel_sum(x)
        return x.sum(axis=self.axes, dtype=x.dtype if x.dtype.kind == "f" else np.int64)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        (x,) = self.inputs
        kept = [1 if i in self.axes else size for i, size in enumerate(x.shape)]
        return (broadcast_to(reshape(grad, kept), x.shape),)


class CumSum(Function):
    """yᵢ = Σ_{j≤i} xⱼ;   x̄ᵢ = Σ_{j≥i} ȳⱼ, the same from the other end."""

    def __init__(self, dim: int):
        self.dim = dim

    def forward(self, x: Array) -> Array:
        return np.cumsum(x, axis=self.dim, dtype=x.dtype if x.dtype.kind == "f" else np.int64)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (flip(CumSum(self.dim)(flip(grad, self.dim)), self.dim),)


@tensor_method
def sum(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The sum over the axes `dim`, or over all of them.

    Parameters
    ----------
    input : Tensor
    dim : int or sequence of int, optional
    keepdim : bool, default False
        Leave the axes in place, with size 1.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.ones(2, 3).sum(1)
    Tensor([3., 3.])
    """
    axes = normalize_dims("sum", dim, input.ndim)
    total = Sum(axes)(input)
    return _keep(total, input, axes) if _flag("sum", keepdim) else total


def _keep(reduced: Tensor, input: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The reduced axes put back, with size 1."""
    return reshape(reduced, [1 if i in axes else size for i, size in enumerate(input.shape)])


def _flag(operation: str, keepdim: bool) -> bool:
    """`keepdim`, after a check that it is no axis: `x.sum(2, 3)` means `x.sum((2, 3))`."""
    if not isinstance(keepdim, bool):
        raise TypeError(f"{operation}: keepdim must be True or False, got {keepdim!r}; several axes go into one tuple")
    return keepdim


def _drop(kept: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """The axes of size 1 taken out again, unless they are to stay."""
    return kept if keepdim or not axes else squeeze(kept, axes)


@tensor_method
def cumsum(input: Tensor, dim: int) -> Tensor:
    """Running sums along `dim`."""
    return CumSum(normalize_dim("cumsum", dim, input.ndim))(input)


# ------------------------------------------------------------------------------------------------------- moments


@tensor_method
def mean(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The mean `Σx / n` over the axes `dim`, or over all of them."""
    x = floating(input)
    axes = normalize_dims("mean", dim, x.ndim)
    count = math.prod(x.shape[i] for i in axes)
    return sum(x, axes, keepdim) / count if count else sum(x, axes, keepdim) * math.nan


@tensor_method
def var(input: Tensor, dim: Dim = None, correction: Number = 1, keepdim: bool = False) -> Tensor:
    """The variance `Σ(x − μ)² / (n − correction)`; correction 1 is unbiased, 0 is what batch norm divides by.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([1.0, 2.0, 3.0, 4.0]).var(correction=0)
    Tensor(1.25)
    """
    x = floating(input)
    axes = normalize_dims("var", dim, x.ndim)
    freedom = builtins.max(math.prod(x.shape[i] for i in axes) - correction, 0)
    deviation = x - mean(x, axes, keepdim=True)
    return sum(deviation * deviation, axes, keepdim) / freedom


@tensor_method
def std(input: Tensor, dim: Dim = None, correction: Number = 1, keepdim: bool = False) -> Tensor:
    """The standard deviation, `√var`. Where all values are equal it has no derivative, which is taken to be 0."""
    return _root(var(input, normalize_dims("std", dim, input.ndim), correction, keepdim))


def _root(total: Tensor, order: float = 2.0) -> Tensor:
    """`total^(1/order)`, and 0, with derivative 0, where `total` is 0.

    The root is given a 1 there in place of the 0, and the result is masked: masking alone would leave 0·∞ = NaN.
    """
    nonzero = total != 0
    safe = where(nonzero, total, 1.0)
    return where(nonzero, sqrt(safe) if order == 2 else pow(safe, 1 / order), 0.0)


# ------------------------------------------------------------------------------------------------------ extremes


class Max(Function):
    """y = max x over some axes;   x̄ = ȳ/m at each of the m elements that equal y, 0 elsewhere. `axes` are sorted."""

    keeps_output = True

    def __init__(self, axes: tuple[int, ...]):
        self.axes = axes

    def forward(self, x: Array) -> Array:
        return backend.kernels(x).amax(x, self.axes) if x.dtype.kind == "f" else np.max(x, axis=self.axes)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        (x,), y = self.inputs, self.result
        kernel = backend.kernels(y).amax_backward
        if not mode.recording:
            return (Tensor(kernel(grad.data, x.data, y, self.axes)),)
        return (_keep(grad, x, self.axes) * Tensor(kernel(np.ones_like(y), x.data, y, self.axes)),)


@tensor_method
def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest value over the axes `dim`; equal largest ones share the gradient evenly."""
    axes = _nonempty("amax", input, dim)
    best = Max(tuple(sorted(axes)))(input)
    return _keep(best, input, axes) if _flag("amax", keepdim) else best


@tensor_method
def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest value over the axes `dim`; equal smallest ones share the gradient evenly."""
    axes, keepdim = _nonempty("amin", input, dim), _flag("amin", keepdim)
    if input.is_floating_point():
        return -amax(-input, axes, keepdim)
    return Tensor._wrap(np.min(input.data, axis=axes, keepdims=keepdim))


@tensor_method
def max(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest value; with `dim`, a pair `(values, indices)`, and the gradient goes to the indexed element alone.

    Over several axes use `amax`; of two tensors, `max(a, b)` is `maximum(a, b)`.

    Examples
    --------
    >>> import minigan as mg
    >>> values, indices = mg.tensor([[1.0, 5.0], [7.0, 2.0]]).max(1)
    >>> values.tolist(), indices.tolist()
    ([5.0, 7.0], [1, 0])
    """
    if isinstance(dim, Tensor):
        return maximum(input, dim)
    return amax(input) if dim is None else _at("max", np.argmax, input, dim, keepdim)


@tensor_method
def min(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest value; with `dim`, a pair `(values, indices)`, and the gradient goes to the indexed element alone."""
    if isinstance(dim, Tensor):
        return minimum(input, dim)
    return amin(input) if dim is None else _at("min", np.argmin, input, dim, keepdim)


def _at(operation: str, place: Callable[..., Array], input: Tensor, dim: int, keepdim: bool) -> ValuesAndIndices:
    """The elements at the places that `place` finds along `dim`, and the places: a sum in which all others are 0."""
    axes = _one_axis(operation, input, dim)
    indices = place(input.data, axis=axes[0], keepdims=True)
    hit = np.zeros_like(input.data, dtype=bool)
    np.put_along_axis(hit, indices, True, axes[0])
    values = cast(sum(where(Tensor(hit), input, 0), axes, keepdim), input.dtype)
    return ValuesAndIndices(values, _drop(Tensor(indices), axes, keepdim))


@tensor_method
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest value is (the first, if several are): along `dim`, or in the flattened tensor."""
    axes = _nonempty("argmax", input, None) if dim is None else _one_axis("argmax", input, dim)
    return Tensor(np.argmax(input.data, axis=None if dim is None else axes[0], keepdims=keepdim))


@tensor_method
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest value is (the first, if several are): along `dim`, or in the flattened tensor."""
    axes = _nonempty("argmin", input, None) if dim is None else _one_axis("argmin", input, dim)
    return Tensor(np.argmin(input.data, axis=None if dim is None else axes[0], keepdims=keepdim))


def _one_axis(operation: str, input: Tensor, dim: int) -> tuple[int, ...]:
    if isinstance(dim, Sequence):
        raise TypeError(f"{operation}: dim must be one axis, got {dim}; amax and amin take several")
    return _nonempty(operation, input, dim)


def _nonempty(operation: str, input: Tensor, dim: Dim) -> tuple[int, ...]:
    axes = normalize_dims(operation, dim, input.ndim)
    if 0 in [input.shape[i] for i in axes]:
        raise ValueError(f"{operation}: there is no extreme of no elements; the shape is {input.shape}, dim is {dim}")
    return axes


# --------------------------------------------------------------------------------------------- products, norms


@tensor_method
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product along `dim`, or of all elements.

    Computed by halves, `(x₁…x_{n/2})·(x_{n/2+1}…x_n)`: log₂ n multiplications of tensors, whose derivatives are right
    also where some x are 0 (dividing the product by x is not).
    """
    x = input if input.is_floating_point() else cast(input, np.int64)
    x = reshape(x, -1) if dim is None else x
    axis = normalize_dim("prod", 0 if dim is None else dim, x.ndim)
    if x.shape[axis] == 0:
        x = pad_constant(x, tuple((0, int(i == axis)) for i in range(x.ndim)), 1)
    while (size := x.shape[axis]) > 1:
        half = size // 2
        product = narrow(x, axis, 0, half) * narrow(x, axis, half, half)
        if size % 2:
            odd = narrow(x, axis, size - 1, 1)
            first = narrow(product, axis, 0, 1) * odd
            product = first if half == 1 else cat([first, narrow(product, axis, 1, half - 1)], axis)
        x = product
    if dim is None:
        return reshape(x, (1,) * input.ndim if keepdim else ())
    return _drop(x, (axis,), keepdim)


@tensor_method
def logsumexp(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """`log Σ exp x` over the axes `dim`, computed as `m + log Σ exp(x − m)` with m the largest x, so nothing overflows."""
    x = floating(input)
    axes = _nonempty("logsumexp", x, dim)
    top = x.data.max(axis=axes, keepdims=True)
    top = Tensor(np.where(np.isfinite(top), top, top.dtype.type(0)))
    return _drop(log(sum(exp(x - top), axes, keepdim=True)) + top, axes, keepdim)


@tensor_method
def norm(input: Tensor, p: Any = 2, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The p-norm `(Σ|x|ᵖ)^(1/p)` over the axes `dim`, or over all of them.

    Parameters
    ----------
    input : Tensor
    p : number, "fro" (2) or math.inf, default 2
    dim : int or sequence of int, optional
    keepdim : bool, default False

    Notes
    -----
    The norm of a zero vector has no derivative; it is taken to be 0, as in PyTorch.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([[3.0, 4.0], [0.0, 0.0]]).norm(dim=1)
    Tensor([5., 0.])
    """
    x = floating(input)
    axes = normalize_dims("norm", dim, x.ndim)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p must be a number or 'fro', got {p!r}")
    order = 2.0 if p in (None, "fro") else float(p)
    if order == math.inf:
        return amax(abs(x), axes, keepdim)
    if order == -math.inf:
        return amin(abs(x), axes, keepdim)
    if order == 0:
        return sum(floating(x != 0).to(x.dtype), axes, keepdim)
    if order == 1:
        return sum(abs(x), axes, keepdim)
    if order == 2:
        return _root(sum(x * x, axes, keepdim))
    nonzero = x != 0
    powers = where(nonzero, pow(abs(where(nonzero, x, 1.0)), order), 0.0 if order > 0 else math.inf)
    return _root(sum(powers, axes, keepdim), order)


# ---------------------------------------------------------------------------------------------- tests of the whole


@tensor_method
def all(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true."""
    return Tensor._wrap(np.all(input.data, axis=normalize_dims("all", dim, input.ndim), keepdims=keepdim))


@tensor_method
def any(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Whether some element is true."""
    return Tensor._wrap(np.any(input.data, axis=normalize_dims("any", dim, input.ndim), keepdims=keepdim))
