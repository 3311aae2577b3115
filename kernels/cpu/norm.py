"""Batch normalisation and its gradient, with LeakyReLU in the same pass, and sums of channels. Imports only NumPy and Numba.

The loops see pictures as a matrix, in either of the two ways in which they lie in memory, so nothing is copied:

    channels-last     (N·H·W, C)     a channel is a column; rows may be taken together as one wide row, C after C
    channels-first    (N·C, H·W)     a channel is every C-th row

Sums and arithmetic are float64 whatever the dtype. What goes into a LeakyReLU is rounded first, so the result is bit for bit
that of `leaky_relu` behind a batch norm without one. Work is cut by the shape alone and sums are added in a fixed order, so
results do not depend on the number of threads.
"""

import math

import numpy as np
from numba import prange

from .activation import leaky, leaky_grad
from .compile import compiled
from .layout import aligned_like, contiguous
from .layout import channels_last as to_channels_last
from .threads import threads_for

WIDE = 512  # numbers in a wide row, at most: a short loop is over before it is fast
UNROLLED = 4  # rows that are added up in registers, before the sums in memory are touched
PART = 2**16  # numbers in a part, whose sums one thread makes, at least
PARTS = 32  # at most
SMALL = 2**14  # numbers: with fewer, NumPy adds them up sooner than a routine is called

# Sums may be taken in any order, which lets them be vectorised. NaN and infinity keep their meaning.
_ANY_ORDER = {"reassoc"}


def batch_norm(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float, negative_slope: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give every channel mean 0 and variance 1 over the batch, then a scale and a shift (Ioffe & Szegedy 2015, Alg. 1).

    With m values in a channel (the batch times all trailing axes):

    ``μ = Σ x / m``        ``σ² = Σ (x − μ)² / m``        ``x̂ = (x − μ) / √(σ² + ε)``        ``y = leaky(γ·x̂ + β)``

    One pass for the statistics and one for y. The sums are those of the differences from the channel's first value x₀,
    which give σ² = Σ (x − x₀)² / m − (μ − x₀)². As (μ − x₀)² ≤ m·σ² for any value x₀ of the channel itself, this costs at
    most the digits of m, of the 16 that float64 has.

    Parameters
    ----------
    x : array of shape (N, C, ...)
        any number of trailing axes
    weight, bias : arrays of shape (C,), or None
        γ and β; None means 1 and 0
    eps : float
        ε
    negative_slope : float
        of the LeakyReLU that γ·x̂ + β goes through; with slope 1 there is none

    Returns
    -------
    y : array of the shape of x
        in memory as x is, if x is channels-first or channels-last
    mean, var : float64 arrays of shape (C,)
        μ and σ². An empty batch has mean and variance 0.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import batch_norm
    >>> y, mean, var = batch_norm(np.array([[1.0], [3.0]]), None, None, 0.0)
    >>> y.ravel(), mean, var
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    matrix, channels_last = _as_matrix(x)
    gamma, beta = _per_channel(weight, 1.0, x), _per_channel(bias, 0.0, x)
    slope, threads = x.dtype.type(negative_slope), threads_for(x.nbytes / 10)
    y, mean, var = _batch_norm(matrix, gamma, beta, eps, slope, channels_last, threads)
    return _as_pictures(y, channels_last, x.shape), mean, var


def scale_and_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, negative_slope: float = 1.0) -> np.ndarray:
    """What batch norm is once its statistics stand still: a scale and a shift of each channel.

    ``y = leaky(scale·x + shift)``

    Parameters
    ----------
    x : array of shape (N, C, ...)
    scale, shift : arrays of shape (C,)
    negative_slope : float
        of the LeakyReLU that scale·x + shift goes through; with slope 1 there is none

    Returns
    -------
    array of the shape of x
        in memory as x is, if x is channels-first or channels-last

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import scale_and_shift
    >>> scale_and_shift(np.array([[1.0, 1.0]]), np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    array([[2., 4.]])
    """
    matrix, channels_last = _as_matrix(x)
    scale, shift = _per_channel(scale, 1.0, x), _per_channel(shift, 0.0, x)
    slope, threads = x.dtype.type(negative_slope), threads_for(x.nbytes / 10)
    y = _scale_and_shift(matrix, scale, shift, slope, channels_last, threads)
    return _as_pictures(y, channels_last, x.shape)


def batch_norm_backward(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    negative_slope: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `batch_norm`, given the gradient of its output.

    ``∂β = Σ g``        ``∂γ = Σ g·x̂``        ``∂x = γ / √(σ² + ε) · (g − (Σ g)/m − x̂·(Σ g·x̂)/m)``

    where g has come back through the LeakyReLU: g = leaky_relu_backward(grad, γ·x̂ + β, negative_slope). `reference`
    derives it. One pass for the two sums, one for ∂x. Both work γ·x̂ + β out anew, which takes less time than to read y.

    Parameters
    ----------
    grad : array of the shape of x
    x : array of shape (N, C, ...)
    weight, bias : arrays of shape (C,), or None
    mean, var : arrays of shape (C,)
        as `batch_norm` returned them
    eps, negative_slope : float

    Returns
    -------
    grad_x : array of the shape of x
        in memory as x is, if x is channels-first or channels-last
    grad_weight, grad_bias : arrays of shape (C,)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import batch_norm, batch_norm_backward
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> _, mean, var = batch_norm(x, None, None, 0.0)
    >>> grad_x, grad_weight, grad_bias = batch_norm_backward(np.ones_like(x), x, None, None, mean, var, 0.0)
    >>> bool(abs(grad_x).max() < 1e-12), grad_bias      # Σ y does not depend on x
    (True, array([3.]))
    """
    matrix, channels_last = _as_matrix(x)
    g, _ = _as_matrix(grad, channels_last)
    gamma, beta = _per_channel(weight, 1.0, x), _per_channel(bias, 0.0, x)
    slope, threads = x.dtype.type(negative_slope), threads_for(x.nbytes / 5)
    grad_x, grad_weight, grad_bias = _backward(g, matrix, gamma, beta, mean, var, eps, slope, channels_last, threads)
    return _as_pictures(grad_x, channels_last, x.shape), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


def channel_sum(x: np.ndarray) -> np.ndarray:
    """The sum of each channel over all pictures, ``y[c] = Σ x[n, c, ...]``: what comes back to a bias.

    Parameters
    ----------
    x : floating array of shape (N, C, ...)

    Returns
    -------
    array of shape (C,)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import channel_sum
    >>> channel_sum(np.array([[1.0, 5.0], [7.0, 2.0]]))
    array([8., 7.])
    """
    if x.size < SMALL:
        return x.sum(axis=(0, *range(2, x.ndim)), dtype=np.float64).astype(x.dtype)
    matrix, channels_last = _as_matrix(x)
    return _channel_sum(matrix, x.shape[1], channels_last, threads_for(x.nbytes / 20)).astype(x.dtype)


# ---------------------------------------------------------------------------------------------------------------------
# The routines, on matrices and vectors (C,)
# ---------------------------------------------------------------------------------------------------------------------


@compiled()
def _batch_norm(x, weight, bias, eps, slope, channels_last, threads):
    m, C = _count(x, weight), len(weight)
    origin = np.zeros(C)
    for c in range(C if x.size else 0):
        origin[c] = x[0, c] if channels_last else x[c, 0]
    sums = _room_for_sums(x, C, channels_last)
    _sums(x, _spread(origin, x, channels_last), sums, C, channels_last, threads)
    total, squares = _add_up(sums, C)
    mean = origin + total / m
    var = np.maximum(squares / m - (total / m) ** 2, 0.0)
    scale, shift = _as_scale_and_shift(weight, bias, mean, var, eps)
    return _scale_and_shift(x, scale, shift, slope, channels_last, threads), mean, var


@compiled()
def _channel_sum(x, C, channels_last, threads):
    sums = _room_for_sums(x, C, channels_last)
    _sums(x, _spread(np.zeros(C), x, channels_last), sums, C, channels_last, threads)
    return _add_up(sums, C)[0]


@compiled()
def _as_scale_and_shift(weight, bias, mean, var, eps):
    """γ·(x − μ)/√(σ² + ε) + β = scale·x + shift."""
    scale = weight / np.sqrt(var + eps)
    return scale, bias - mean * scale


@compiled()
def _scale_and_shift(x, scale, shift, slope, channels_last, threads):
    y = aligned_like(x, x.size).reshape(x.shape)
    scale, shift = _spread(scale, x, channels_last), _spread(shift, x, channels_last)
    _fill_scaled(x, scale, shift, slope, y, channels_last, threads)
    return y


@compiled()
def _backward(g, x, weight, bias, mean, var, eps, slope, channels_last, threads):
    m, C = _count(x, weight), len(weight)
    scale, shift = _as_scale_and_shift(weight, bias, mean, var, eps)
    wide_scale, wide_shift = _spread(scale, x, channels_last), _spread(shift, x, channels_last)
    wide_mean = _spread(mean, x, channels_last)
    sums = _room_for_sums(x, C, channels_last)
    _gradient_sums(g, x, wide_scale, wide_shift, wide_mean, slope, sums, C, channels_last, threads)
    grad_bias, along = _add_up(sums, C)

    # ∂x = scale·(g − Σg/m − (x − μ)·Σ g·(x − μ) / m(σ² + ε)), as scale·g + b·x + d
    b = -scale * along / (m * (var + eps))
    d = -scale * grad_bias / m - b * mean
    grad_x = aligned_like(x, x.size).reshape(x.shape)
    b, d = _spread(b, x, channels_last), _spread(d, x, channels_last)
    _fill_gradient(g, x, wide_scale, wide_shift, b, d, slope, grad_x, channels_last, threads)
    return grad_x, along / np.sqrt(var + eps), grad_bias


@compiled()
def _count(x, weight):
    """How many values a channel has; 1 for an empty batch, whose sums are 0."""
    return max(1, x.size // max(1, len(weight)))


@compiled()
def _spread(v, x, channels_last):
    """A vector (C,) repeated for all columns or rows of x."""
    wide = np.empty(x.shape[1] if channels_last else x.shape[0])
    for i in range(len(wide)):
        wide[i] = v[i % len(v)]
    return wide


@compiled()
def _room_for_sums(x, C, channels_last):
    """Zeros for two sums of every channel, of each part or of each picture: row r is of channel r mod C."""
    return np.zeros((min(PARTS, 1 + x.size // PART) * C if channels_last else len(x), 2))


@compiled()
def _add_up(sums, C):
    """The two sums of every channel, over all parts or pictures."""
    first, second = np.zeros(C), np.zeros(C)
    for r in range(len(sums)):
        first[r % C] += sums[r, 0]
        second[r % C] += sums[r, 1]
    return first, second


# ---------------------------------------------------------------------------------------------------------------------
# The passes over memory, shared among the threads
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _sums(x, origin, sums, C, channels_last, threads):
    """Σ (x − x₀) and Σ (x − x₀)²."""
    parts = len(sums) // C if channels_last else len(x)
    for t in prange(threads):
        for p in range(t * parts // threads, (t + 1) * parts // threads):
            if channels_last:
                a, b = p * len(x) // parts, (p + 1) * len(x) // parts
                _column_sums(x[a:b], origin, sums[p * C : (p + 1) * C])
            else:
                _row_sums(x[p], origin[p], sums[p])


@compiled(fastmath=_ANY_ORDER)
def _column_sums(x, origin, sums):
    wide = np.zeros((2, x.shape[1]))
    unrolled = len(x) // UNROLLED * UNROLLED
    for a in range(0, unrolled, UNROLLED):
        _add_rows(x[a : a + UNROLLED], UNROLLED, origin, wide[0], wide[1])
    for a in range(unrolled, len(x)):
        _add_rows(x[a:], 1, origin, wide[0], wide[1])
    _fold(wide, sums)


@compiled(fastmath=_ANY_ORDER)
def _add_rows(x, rows, origin, total, squares):
    for c in range(x.shape[1]):
        s = q = 0.0
        for a in range(rows):
            d = x[a, c] - origin[c]
            s += d
            q += d * d
        total[c] += s
        squares[c] += q


@compiled()
def _fold(wide, sums):
    """The sums of a wide row's columns as those of the channels."""
    for i in range(wide.shape[1]):
        sums[i % len(sums), 0] += wide[0, i]
        sums[i % len(sums), 1] += wide[1, i]


@compiled(fastmath=_ANY_ORDER)
def _row_sums(x, origin, sums):
    total = squares = 0.0
    for i in range(len(x)):
        d = x[i] - origin
        total += d
        squares += d * d
    sums[0], sums[1] = total, squares


@compiled(parallel=True)
def _fill_scaled(x, scale, shift, slope, y, channels_last, threads):
    """y = leaky(scale·x + shift), rounded to the dtype of y before the LeakyReLU."""
    for t in prange(threads):
        a, b = t * len(x) // threads, (t + 1) * len(x) // threads
        if channels_last:
            _scale_columns(x[a:b], scale, shift, slope, y[a:b])
        else:
            _scale_rows(x[a:b], scale[a:b], shift[a:b], slope, y[a:b])


@compiled()
def _scale_columns(x, scale, shift, slope, y):
    for a in range(len(x)):
        for c in range(x.shape[1]):
            y[a, c] = scale[c] * x[a, c] + shift[c]
            y[a, c] = leaky(y[a, c], slope)


@compiled()
def _scale_rows(x, scale, shift, slope, y):
    for a in range(len(x)):
        for i in range(x.shape[1]):
            y[a, i] = scale[a] * x[a, i] + shift[a]
            y[a, i] = leaky(y[a, i], slope)


@compiled(parallel=True)
def _gradient_sums(g, x, scale, shift, mean, slope, sums, C, channels_last, threads):
    """Σ g and Σ g·(x − μ), where g has come back through the LeakyReLU of scale·x + shift."""
    parts = len(sums) // C if channels_last else len(x)
    for t in prange(threads):
        for p in range(t * parts // threads, (t + 1) * parts // threads):
            if channels_last:
                a, b = p * len(x) // parts, (p + 1) * len(x) // parts
                _column_gradient_sums(g[a:b], x[a:b], scale, shift, mean, slope, sums[p * C : (p + 1) * C])
            else:
                _row_gradient_sums(g[p], x[p], scale[p], shift[p], mean[p], slope, sums[p])


@compiled(fastmath=_ANY_ORDER)
def _column_gradient_sums(g, x, scale, shift, mean, slope, sums):
    wide = np.zeros((2, x.shape[1]))
    unrolled = len(x) // UNROLLED * UNROLLED
    for a in range(0, unrolled, UNROLLED):
        b = a + UNROLLED
        _add_gradient_rows(g[a:b], x[a:b], UNROLLED, scale, shift, mean, slope, wide[0], wide[1])
    for a in range(unrolled, len(x)):
        _add_gradient_rows(g[a:], x[a:], 1, scale, shift, mean, slope, wide[0], wide[1])
    _fold(wide, sums)


@compiled(fastmath=_ANY_ORDER)
def _add_gradient_rows(g, x, rows, scale, shift, mean, slope, total, along):
    for c in range(x.shape[1]):
        s = q = 0.0
        for a in range(rows):
            v = leaky_grad(g[a, c], scale[c] * x[a, c] + shift[c], slope)
            s += v
            q += v * (x[a, c] - mean[c])
        total[c] += s
        along[c] += q


@compiled(fastmath=_ANY_ORDER)
def _row_gradient_sums(g, x, scale, shift, mean, slope, sums):
    total = along = 0.0
    for i in range(len(x)):
        v = leaky_grad(g[i], scale * x[i] + shift, slope)
        total += v
        along += v * (x[i] - mean)
    sums[0], sums[1] = total, along


@compiled(parallel=True)
def _fill_gradient(g, x, scale, shift, b, d, slope, grad_x, channels_last, threads):
    """∂x = scale·g + b·x + d, where g has come back through the LeakyReLU of scale·x + shift."""
    for t in prange(threads):
        i, j = t * len(x) // threads, (t + 1) * len(x) // threads
        if channels_last:
            _gradient_columns(g[i:j], x[i:j], scale, shift, b, d, slope, grad_x[i:j])
        else:
            _gradient_rows(g[i:j], x[i:j], scale[i:j], shift[i:j], b[i:j], d[i:j], slope, grad_x[i:j])


@compiled()
def _gradient_columns(g, x, scale, shift, b, d, slope, grad_x):
    for i in range(len(x)):
        for c in range(x.shape[1]):
            v = leaky_grad(g[i, c], scale[c] * x[i, c] + shift[c], slope)
            grad_x[i, c] = scale[c] * v + b[c] * x[i, c] + d[c]


@compiled()
def _gradient_rows(g, x, scale, shift, b, d, slope, grad_x):
    for i in range(len(x)):
        for j in range(x.shape[1]):
            v = leaky_grad(g[i, j], scale[i] * x[i, j] + shift[i], slope)
            grad_x[i, j] = scale[i] * v + b[i] * x[i, j] + d[i]


# ---------------------------------------------------------------------------------------------------------------------
# Pictures as matrices, and back
# ---------------------------------------------------------------------------------------------------------------------


def _as_matrix(x: np.ndarray, channels_last: bool | None = None) -> tuple[np.ndarray, bool]:
    """The matrix of x in the layout that is asked for, or in its own, and whether that is channels-last; a view, unless x
    lies in memory in another way (or is read-only, for which Numba would compile the loops anew)."""
    N, C, *trailing = x.shape
    pixels = x.transpose(0, *range(2, x.ndim), 1)
    if channels_last is None:
        channels_last = pixels.flags.c_contiguous
    if channels_last and x.ndim == 4:
        pixels = to_channels_last(x)
    x = pixels if channels_last else contiguous(x)
    x = x if x.flags.carray else x.copy()
    if not channels_last:
        return x.reshape(N * C, math.prod(trailing)), False
    rows = N * math.prod(trailing)
    together = next((n for n in range(WIDE // max(1, C), 1, -1) if rows % n == 0), 1)
    return x.reshape(rows // together, together * C), True


def _as_pictures(matrix: np.ndarray, channels_last: bool, shape: tuple[int, ...]) -> np.ndarray:
    """The way back from the matrix to (N, C, ...)."""
    N, C, *trailing = shape
    if not channels_last:
        return matrix.reshape(shape)
    return matrix.reshape(N, *trailing, C).transpose(0, len(shape) - 1, *range(1, len(shape) - 1))


def _per_channel(values: np.ndarray | None, default: float, x: np.ndarray) -> np.ndarray:
    """Per-channel values in float64, contiguous."""
    return np.full(x.shape[1], default) if values is None else np.array(values, np.float64)
