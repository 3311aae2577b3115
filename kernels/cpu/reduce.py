"""The largest element along some axes, and its gradient, compiled. Imports only NumPy and Numba.

The loops see an array as (outer, K, inner), and reduce the axis in the middle: a view, if the axes lie side by side in an
array in C order. NumPy is fast along a long axis, but where a short one is the last, as in maxout, it begins anew for every
few numbers.
"""

import math

import numpy as np

from .compile import compiled

SHORT = 32  # elements of an axis


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
    _amax(_in_three(x, axes, K), y.reshape(math.prod(rest[:first]), math.prod(rest[first:])))
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
    grad_x = np.empty_like(rows)
    _amax_backward(_required(grad).reshape(flat), rows, _required(y).reshape(flat), grad_x)
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


@compiled()
def _amax(x, y):
    outer, K, inner = x.shape
    if inner == 1:
        for a in range(outer):
            best = x[a, 0, 0]
            for k in range(1, K):
                value = x[a, k, 0]
                best = value if (value > best) | (value != value) else best
            y[a, 0] = best
    else:
        for a in range(outer):
            y[a] = x[a, 0]
            for k in range(1, K):
                for b in range(inner):
                    value, best = x[a, k, b], y[a, b]
                    y[a, b] = value if (value > best) | (value != value) else best


@compiled()
def _amax_backward(g, x, y, grad_x):
    outer, K, inner = x.shape
    T = x.dtype.type
    if inner == 1:
        for a in range(outer):
            count = 0
            for k in range(K):
                count += x[a, k, 0] == y[a, 0]
            share = g[a, 0] if count == 1 else g[a, 0] / T(count)
            for k in range(K):
                grad_x[a, k, 0] = share * T(x[a, k, 0] == y[a, 0])
    else:
        share = np.empty(inner, x.dtype)
        for a in range(outer):
            share[:] = 0
            for k in range(K):
                for b in range(inner):
                    share[b] += T(x[a, k, b] == y[a, b])
            for b in range(inner):
                share[b] = g[a, b] / share[b]
            for k in range(K):
                for b in range(inner):
                    grad_x[a, k, b] = share[b] * T(x[a, k, b] == y[a, b])
