"""The largest element along some axes, and its gradient, compiled. Imports only NumPy and Numba.

The loops see an array as (outer, K, inner), and reduce the axis in the middle: a view, if the axes lie side by side in an
array in C order. NumPy is fast along a long axis, but where a short one is the last, as in maxout, it begins anew for every
few numbers.
"""

import math

import numpy as np
from numba import prange

from .compile import compiled
from .layout import empty
from .threads import threads_for
from .tile import REGISTER_BYTES, repeat_run

SHORT = 32  # elements of an axis: with more, NumPy is as fast
FEW = 12  # with so few, several are compared at a time
GROUPS = 256  # of so few, at a time
LANES = REGISTER_BYTES // 4


def amax(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The largest element over the axes, ``y = max x``; NaN where there is one.

    Parameters
    ----------
    x : floating array
    axes : tuple of ints
        sorted, counted from the front; none of them has size 0

    Returns
    -------
    array of the shape of x without the axes

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import amax
    >>> amax(np.array([[1.0, 5.0], [7.0, 2.0]]), (1,))
    array([5., 7.])
    """
    first, K = min(axes, default=0), math.prod([x.shape[a] for a in axes])
    if K > SHORT:
        return np.max(x, axis=axes)
    rest = [size for a, size in enumerate(x.shape) if a not in axes]
    y = np.empty(rest, x.dtype)
    flat = math.prod(rest[:first]), math.prod(rest[first:])
    _amax(_in_three(x, axes, K), y.reshape(flat), threads_for(x.size / 5))
    return y


def amax_backward(grad: np.ndarray, x: np.ndarray, y: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The gradient of `amax`: ``∂x = g/m`` at each of the m elements that equal y, 0 elsewhere; NaN where y is NaN.

    Parameters
    ----------
    grad : array of the shape of y
        g, the gradient of y
    x : floating array
    y : array
        what `amax` returned
    axes : tuple of ints

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import amax_backward
    >>> x = np.array([[1.0, 5.0, 5.0], [7.0, 2.0, 3.0]])
    >>> amax_backward(np.array([1.0, 1.0]), x, np.array([5.0, 7.0]), (1,))
    array([[0. , 0.5, 0.5],
           [1. , 0. , 0. ]])
    """
    first, K = min(axes, default=0), math.prod([x.shape[a] for a in axes])
    rows = _in_three(x, axes, K)
    flat = (rows.shape[0], rows.shape[2])
    grad_x = empty(rows.shape, rows.dtype)
    _amax_backward(_required(grad).reshape(flat), rows, _required(y).reshape(flat), grad_x, threads_for(x.size / 5))
    middle = tuple(range(first, first + len(axes)))
    grad_x = grad_x.reshape((*y.shape[:first], *[x.shape[a] for a in axes], *y.shape[first:]))
    return grad_x if middle == axes else np.moveaxis(grad_x, middle, axes)


def _in_three(x: np.ndarray, axes: tuple[int, ...], K: int) -> np.ndarray:
    """x as (outer, K, inner): the other axes before the first of `axes`, the `axes`, all others."""
    first = min(axes, default=0)
    middle = tuple(range(first, first + len(axes)))
    moved = _required(x if middle == axes else np.moveaxis(x, axes, middle))
    return moved.reshape(math.prod(x.shape[:first]), K, math.prod(moved.shape[first + len(axes) :]))


def _required(a: np.ndarray) -> np.ndarray:
    """In C order, and not read-only, for which Numba would compile the loops anew."""
    return a if a.flags.carray else np.array(a, order="C")


# ---------------------------------------------------------------------------------------------------------------------
# The loops, on (outer, K, inner)
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _amax(x, y, threads):
    outer, K, inner = x.shape
    share = (outer + threads - 1) // threads
    for thread in prange(threads):
        first, last = thread * share, min(outer, (thread + 1) * share)
        if inner == 1 and K <= FEW:
            _amax_of_few(x.reshape(-1), K, y.reshape(-1), first, last)
        elif inner == 1:
            for a in range(first, last):
                best = x[a, 0, 0]
                for k in range(1, K):
                    value = x[a, k, 0]
                    best = value if (value > best) | (value != value) else best
                y[a, 0] = best
        else:
            for a in range(first, last):
                y[a] = x[a, 0]
                for k in range(1, K):
                    for b in range(inner):
                        value, best = x[a, k, b], y[a, b]
                        y[a, b] = value if (value > best) | (value != value) else best


@compiled()
def _amax_of_few(x, K, y, first, last):
    """The greatest of every window of K numbers, in whole vectors; every K-th of them is wanted."""
    greatest = np.empty(GROUPS * K, x.dtype)
    for start in range(first, last, GROUPS):
        groups = min(GROUPS, last - start)
        numbers = x[start * K : (start + groups) * K]
        greatest[: numbers.size] = numbers
        for k in range(1, K):
            for i in range(numbers.size - k):
                value, best = numbers[i + k], greatest[i]
                greatest[i] = value if (value > best) | (value != value) else best
        for a in range(groups):
            y[start + a] = greatest[a * K]


@compiled(parallel=True)
def _amax_backward(g, x, y, grad_x, threads):
    outer, K, inner = x.shape
    share = (outer + threads - 1) // threads
    for thread in prange(threads):
        first, last = thread * share, min(outer, (thread + 1) * share)
        if inner == 1 and K <= FEW:
            _few_backward(g.reshape(-1), x.reshape(-1), K, y.reshape(-1), grad_x.reshape(-1), first, last)
        elif inner == 1:
            for a in range(first, last):
                _share(g[a, 0], x[a, :, 0], y[a, 0], grad_x[a, :, 0])
        else:
            _inner_backward(g, x, y, grad_x, first, last)


@compiled()
def _share(g, x, y, grad_x):
    count = 0
    for k in range(x.size):
        count += x[k] == y
    part = g if count == 1 else g / x.dtype.type(count)
    for k in range(x.size):
        grad_x[k] = part * x.dtype.type(x[k] == y)


@compiled()
def _few_backward(g, x, K, y, grad_x, first, last):
    """y and g are repeated K times, and compared and sent back in whole vectors, unless a greatest number occurs twice."""
    every_y, every_g = np.empty((GROUPS + LANES) * K, x.dtype), np.empty((GROUPS + LANES) * K, x.dtype)
    for start in range(first, last, GROUPS):
        groups = min(GROUPS, last - start)
        numbers, grads = x[start * K : (start + groups) * K], grad_x[start * K : (start + groups) * K]
        repeat_run(y, start, groups, K, every_y, 0)
        repeat_run(g, start, groups, K, every_g, 0)
        found = 0
        for i in range(numbers.size):
            same = numbers[i] == every_y[i]
            grads[i] = every_g[i] if same else 0
            found += same
        if found != groups:
            for a in range(groups):
                _share(g[start + a], numbers[a * K : (a + 1) * K], y[start + a], grads[a * K : (a + 1) * K])


@compiled()
def _inner_backward(g, x, y, grad_x, first, last):
    _, K, inner = x.shape
    T = x.dtype.type
    share = np.empty(inner, x.dtype)
    for a in range(first, last):
        share[:] = 0
        for k in range(K):
            for b in range(inner):
                share[b] += T(x[a, k, b] == y[a, b])
        for b in range(inner):
            share[b] = g[a, b] / share[b]
        for k in range(K):
            for b in range(inner):
                grad_x[a, k, b] = share[b] * T(x[a, k, b] == y[a, b])
