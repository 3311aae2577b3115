"""Products of matrices and their relatives: matmul, einsum, inverse, slogdet. Imports shape, elementwise, reduce and index.

`matmul` is bilinear: each of its gradients is a matmul again, and so are those of `Linear`, the layer. `einsum` says any
bilinear product in letters, and its rule is one line: the gradient of an operand is the einsum of all the others with the
gradient that arrived.
"""

from __future__ import annotations

import math
import string
from typing import NamedTuple

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.ops.elementwise import as_tensor, floating
from minigan.ops.index import getitem
from minigan.ops.reduce import Sum
from minigan.ops.shape import broadcast_to, permute, reshape, squeeze, sum_to, transpose, unsqueeze
from minigan.tensor import Function, Tensor, tensor_method


def _same_type(operation: str, a: Tensor, b: Tensor) -> None:
    if a.dtype != b.dtype:
        raise TypeError(
            f"{operation}: expected both operands of one type, got {a.dtype} and {b.dtype}; convert one with x.to(dtype)"
        )


# -------------------------------------------------------------------------------------------------------- matmul


def product(a: Array, b: Array, bias: Array | None = None) -> Array:
    """`A·B` of arrays, plus a bias of every row: every matrix product of the package comes through here."""
    if a.ndim == b.ndim == 2 and a.dtype == b.dtype and a.dtype.kind == "f":
        return backend.kernels(a).matmul(a, b, bias)
    return a @ b if bias is None else a @ b + bias


class MatMul(Function):
    """Y = A·B for the last two axes, broadcast over the others;   Ā = Ȳ·Bᵀ,   B̄ = Aᵀ·Ȳ."""

    def forward(self, a: Array, b: Array) -> Array:
        return product(a, b)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            sum_to(MatMul()(grad, transpose(b, -1, -2)), a.shape) if self.needs[0] else None,
            sum_to(MatMul()(transpose(a, -1, -2), grad), b.shape) if self.needs[1] else None,
        )


class Linear(Function):
    """Y = X·Wᵀ + b for the rows of X, of which there may be several axes;   X̄ = Ȳ·W,   W̄ = Ȳᵀ·X,   b̄ = Σ Ȳ over the rows.

    W is `(out, in)`; b may be left out.
    """

    def forward(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        if x.ndim == 2:
            return product(x, weight.T, bias)
        y = product(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), weight.T, bias)
        return y.reshape(*x.shape[:-1], len(weight))

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = self.inputs[:2]
        rows, grad = (t if t.ndim == 2 else reshape(t, math.prod(t.shape[:-1]), t.shape[-1]) for t in (x, grad))
        return (
            reshape(MatMul()(grad, weight), x.shape) if self.needs[0] else None,
            MatMul()(transpose(grad, 0, 1), rows) if self.needs[1] else None,
            *[Sum((0,))(grad) if needed else None for needed in self.needs[2:]],
        )


@tensor_method
def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product. A vector counts as a row on the left, a column on the right; leading axes are broadcast.

    Parameters
    ----------
    input : Tensor, `(..., M, K)` or `(K,)`
    other : Tensor, `(..., K, N)` or `(K,)`

    Returns
    -------
    Tensor, `(..., M, N)`; without M or N where a vector came in

    Raises
    ------
    ValueError
        If the inner sizes differ or an operand is a single number.
    TypeError
        If the types differ.

    Examples
    --------
    >>> import minigan as mg
    >>> (mg.ones(2, 3) @ mg.ones(3, 4)).shape
    (2, 4)
    """
    a, b = as_tensor(input), as_tensor(other)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: expected at least one axis each, got shapes {a.shape} and {b.shape}")
    _same_type("matmul", a, b)
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise ValueError(
            f"matmul: input of shape {a.shape} has {a.shape[-1]} columns, but other of shape {b.shape} has {inner} rows"
        )
    left, right = a.ndim == 1, b.ndim == 1
    a = unsqueeze(a, 0) if left else a
    b = unsqueeze(b, 1) if right else b
    if a.shape[:-2] != b.shape[:-2]:
        try:
            np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise ValueError(f"matmul: the leading axes of {a.shape} and {b.shape} do not broadcast together") from None
    y = MatMul()(a, b)
    if left:
        y = squeeze(y, -2)
    return squeeze(y, -1) if right else y


setattr(Tensor, "__matmul__", matmul)  # noqa: B010
setattr(Tensor, "__rmatmul__", lambda self, other: matmul(other, self))  # noqa: B010


# -------------------------------------------------------------------------------------------------------- einsum


class Einsum(Function):
    """y = Σ Πₖ xₖ over the letters that the output lacks; x̄ᵢ is the einsum of ȳ with the other operands.

    Letters that only operand i has were summed out of it alone: its gradient is the same for each of their values.
    No operand has a letter twice here; `einsum` takes diagonals first.
    """

    def __init__(self, terms: tuple[str, ...], out: str):
        self.terms, self.out = terms, out

    def forward(self, *xs: Array) -> Array:
        return np.einsum(f"{','.join(self.terms)}->{self.out}", *xs, optimize=len(xs) > 1)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(self._gradient(i, grad) if needed else None for i, needed in enumerate(self.needs))

    def _gradient(self, i: int, grad: Tensor) -> Tensor:
        x, term = self.inputs[i], self.terms[i]
        others = self.terms[:i] + self.terms[i + 1 :]
        known = "".join(letter for letter in term if letter in self.out or any(letter in other for other in others))
        partial = Einsum((self.out, *others), known)(grad, *self.inputs[:i], *self.inputs[i + 1 :])
        return broadcast_to(reshape(partial, [n if c in known else 1 for c, n in zip(term, x.shape)]), x.shape)


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """A sum of products, said in letters: `"nchw,kc->nkhw"` is a 1×1 convolution.

    Parameters
    ----------
    equation : str
        The axes of each operand, a letter an axis, separated by commas; then, after `->`, those of the result (left out:
        the letters that occur once, in alphabetical order). A letter twice in one operand takes its diagonal, and `...`
        stands for leading axes that are broadcast.
    operands : Tensors

    Raises
    ------
    ValueError
        If the equation does not fit the operands.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.einsum("ik,kj->ij", mg.ones(2, 3), mg.ones(3, 4)).shape
    (2, 4)
    """
    xs = [floating(x) for x in operands]
    for x in xs[1:]:
        _same_type("einsum", xs[0], x)
    terms, out = _parse(equation, xs)
    sizes: dict[str, int] = {}
    for k, (term, x) in enumerate(zip(terms, xs)):
        for letter, n in zip(term, x.shape):
            if n != 1 and sizes.setdefault(letter, n) != n:
                raise ValueError(f"einsum: letter {letter!r} is {sizes[letter]} in one place and {n} in operand {k}")
    for k, (term, x) in enumerate(zip(terms, xs)):  # axes of size 1 broadcast against larger ones of the same letter
        xs[k] = broadcast_to(x, [sizes.get(letter, 1) for letter in term])
        for letter in term:
            while terms[k].count(letter) > 1:
                terms[k], xs[k] = _diagonal(terms[k], xs[k], letter)
    return Einsum(tuple(terms), out)(*xs)


def _parse(equation: str, xs: list[Tensor]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with `...` written out in letters of its own."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(xs):
        raise ValueError(f"einsum: {equation!r} names {len(terms)} operands, {len(xs)} were given")
    free = [c for c in string.ascii_letters if c not in equation]
    hidden = [x.ndim - len(t.replace("...", "")) if "..." in t else 0 for t, x in zip(terms, xs)]
    dots = free[: max(hidden, default=0)] if min(hidden, default=0) >= 0 else []
    terms = [t.replace("...", "".join(dots[len(dots) - n :])) for t, n in zip(terms, hidden)]
    if not arrow:
        joined = "".join(terms)
        out = "".join(dots) + "".join(sorted(c for c in set(joined) - set(dots) if joined.count(c) == 1))
    out = out.replace("...", "".join(dots))
    for term, x in zip(terms, xs):
        if len(term) != x.ndim or not all(c in string.ascii_letters for c in term):
            raise ValueError(f"einsum: {equation!r} does not fit an operand of shape {x.shape}")
    if len(set(out)) != len(out) or not set(out) <= set("".join(terms)):
        raise ValueError(f"einsum: the result of {equation!r} must name letters of the operands, each once")
    return terms, out


def _diagonal(term: str, x: Tensor, letter: str) -> tuple[str, Tensor]:
    """The diagonal of two axes that have the same letter, as one axis at the end."""
    i = term.index(letter)
    j = term.index(letter, i + 1)
    rest = [k for k in range(x.ndim) if k not in (i, j)]
    places = np.arange(x.shape[i])
    return "".join(term[k] for k in rest) + letter, getitem(permute(x, [*rest, i, j]), (..., places, places))


# --------------------------------------------------------------------------------------------- inverse, slogdet


class SignAndLogDet(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class Inverse(Function):
    """Y = A⁻¹;   Ā = −Yᵀ·Ȳ·Yᵀ."""

    keeps_output = True

    def forward(self, a: Array) -> Array:
        return np.linalg.inv(a)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        yt = transpose(self.output(), -1, -2)
        return (-(yt @ grad @ yt),)


class LogAbsDet(Function):
    """y = log|det A|;   Ā = ȳ·A⁻ᵀ  (Jacobi's formula)."""

    def forward(self, a: Array) -> Array:
        return np.linalg.slogdet(a)[1]

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        (a,) = self.inputs
        return (reshape(grad, *grad.shape, 1, 1) * transpose(inverse(a), -1, -2),)


def _square(operation: str, a: Tensor) -> Tensor:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{operation}: expected square matrices (..., N, N), got shape {a.shape}")
    return floating(a)


@tensor_method
def inverse(input: Tensor) -> Tensor:
    """The inverse of each matrix `(..., N, N)`.

    Raises
    ------
    ValueError
        If a matrix is not square or has no inverse.
    """
    try:
        return Inverse()(_square("inverse", input))
    except np.linalg.LinAlgError:
        raise ValueError(f"inverse: a matrix in a tensor of shape {input.shape} is singular") from None


@tensor_method
def slogdet(input: Tensor) -> SignAndLogDet:
    """The sign of the determinant of each matrix `(..., N, N)`, and `log|det|`: what a flow adds to its log-likelihood.

    Examples
    --------
    >>> import minigan as mg
    >>> sign, logabsdet = mg.slogdet(mg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    >>> sign.item(), logabsdet.item()
    (-1.0, 0.0)
    """
    a = _square("slogdet", input)
    return SignAndLogDet(Tensor(np.linalg.slogdet(a.data)[0]), LogAbsDet()(a))
