"""Batch normalisation and its gradient, compiled. Imports only NumPy and Numba.

The loops see an array as (outer, C, inner), which covers both ways pictures lie in memory without a copy:

    channels-last     (N·H·W, C, 1)        rows of channels
    channels-first    (N, C, H·W)          planes, one for each channel
"""

import math

import numpy as np

from .compile import compiled

# Sums may be taken in any order, which lets them be vectorised. NaN and infinity keep their meaning.
_ANY_ORDER = {"reassoc"}


def batch_norm(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give every channel mean 0 and variance 1 over the batch, then a scale and a shift (Ioffe & Szegedy 2015, Alg. 1).

    With m values in a channel (the batch times all trailing axes):

    ``μ = Σ x / m``        ``σ² = Σ (x − μ)² / m``        ``x̂ = (x − μ) / √(σ² + ε)``        ``y = γ·x̂ + β``

    Two passes for the statistics and one for y, in float64 whatever the dtype.

    Parameters
    ----------
    x : array of shape (N, C, ...)
        any number of trailing axes
    weight, bias : arrays of shape (C,), or None
        γ and β; None means 1 and 0
    eps : float
        ε

    Returns
    -------
    y : array of the shape of x
        in memory as x is, if x is channels-first or channels-last
    mean, var : arrays of shape (C,)
        μ and σ². An empty batch has mean and variance 0.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import batch_norm
    >>> y, mean, var = batch_norm(np.array([[1.0], [3.0]]), None, None, 0.0)
    >>> y.ravel(), mean, var
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    C = x.shape[1]
    channels_last = _is_channels_last(x)
    rows = _outer_inner(x, channels_last)
    mean, var = _statistics(rows)
    scale = _per_channel(weight, 1.0, C) / np.sqrt(var + eps)
    y = np.empty_like(rows)
    _normalize(rows, mean, scale, _per_channel(bias, 0.0, C), y)
    return _as_shape(y, x.shape, channels_last), mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm_backward(
    grad: np.ndarray, x: np.ndarray, weight: np.ndarray | None, mean: np.ndarray, var: np.ndarray, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `batch_norm`, given the gradient g of its output.

    ``∂β = Σ g``        ``∂γ = Σ g·x̂``        ``∂x = γ / √(σ² + ε) · (g − (Σ g)/m − x̂·(Σ g·x̂)/m)``

    `reference` derives it. One pass for the two sums, one for ∂x, in float64 whatever the dtype.

    Parameters
    ----------
    grad : array of the shape of x
    x : array of shape (N, C, ...)
    weight : array of shape (C,), or None
    mean, var : arrays of shape (C,)
        as `batch_norm` returned them
    eps : float

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
    >>> grad_x, grad_weight, grad_bias = batch_norm_backward(np.ones_like(x), x, None, mean, var, 0.0)
    >>> bool(abs(grad_x).max() < 1e-12), grad_bias      # Σ y does not depend on x
    (True, array([3.]))
    """
    C = x.shape[1]
    channels_last = _is_channels_last(x)
    rows, g = _outer_inner(x, channels_last), _outer_inner(grad, channels_last)
    mean = _per_channel(mean, 0.0, C)
    r = 1.0 / np.sqrt(_per_channel(var, 1.0, C) + eps)
    grad_weight, grad_bias = _gradient_sums(g, rows, mean, r)
    grad_x = np.empty_like(rows)
    _input_gradient(g, rows, mean, r, _per_channel(weight, 1.0, C) * r, grad_weight, grad_bias, grad_x)
    return _as_shape(grad_x, x.shape, channels_last), grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


# ---------------------------------------------------------------------------------------------------------------------
# The loops, on (outer, C, inner)
# ---------------------------------------------------------------------------------------------------------------------


@compiled(fastmath=_ANY_ORDER)
def _statistics(x):
    """Mean and biased variance of every channel."""
    outer, C, inner = x.shape
    m = max(1, outer * inner)
    mean, var = np.zeros(C), np.zeros(C)
    if inner == 1:
        for a in range(outer):
            for c in range(C):
                mean[c] += x[a, c, 0]
        mean /= m
        for a in range(outer):
            for c in range(C):
                var[c] += (x[a, c, 0] - mean[c]) ** 2
    else:
        for a in range(outer):
            for c in range(C):
                total = 0.0
                for b in range(inner):
                    total += x[a, c, b]
                mean[c] += total
        mean /= m
        for a in range(outer):
            for c in range(C):
                total = 0.0
                for b in range(inner):
                    total += (x[a, c, b] - mean[c]) ** 2
                var[c] += total
    var /= m
    return mean, var


@compiled()
def _normalize(x, mean, scale, bias, y):
    """y = (x − μ)·scale + β."""
    outer, C, inner = x.shape
    if inner == 1:
        for a in range(outer):
            for c in range(C):
                y[a, c, 0] = (x[a, c, 0] - mean[c]) * scale[c] + bias[c]
    else:
        for a in range(outer):
            for c in range(C):
                for b in range(inner):
                    y[a, c, b] = (x[a, c, b] - mean[c]) * scale[c] + bias[c]


@compiled(fastmath=_ANY_ORDER)
def _gradient_sums(g, x, mean, r):
    """Σ g·x̂ and Σ g of every channel, with x̂ = (x − μ)·r."""
    outer, C, inner = x.shape
    sum_gx, sum_g = np.zeros(C), np.zeros(C)
    if inner == 1:
        for a in range(outer):
            for c in range(C):
                sum_g[c] += g[a, c, 0]
                sum_gx[c] += g[a, c, 0] * (x[a, c, 0] - mean[c])
    else:
        for a in range(outer):
            for c in range(C):
                total_g = total_gx = 0.0
                for b in range(inner):
                    total_g += g[a, c, b]
                    total_gx += g[a, c, b] * (x[a, c, b] - mean[c])
                sum_g[c] += total_g
                sum_gx[c] += total_gx
    return sum_gx * r, sum_g


@compiled()
def _input_gradient(g, x, mean, r, scale, sum_gx, sum_g, grad_x):
    """∂x = scale·(g − Σg/m − x̂·Σ(g·x̂)/m), with x̂ = (x − μ)·r."""
    outer, C, inner = x.shape
    m = max(1, outer * inner)
    offset, slope = sum_g / m, sum_gx * r / m
    if inner == 1:
        for a in range(outer):
            for c in range(C):
                grad_x[a, c, 0] = scale[c] * (g[a, c, 0] - offset[c] - (x[a, c, 0] - mean[c]) * slope[c])
    else:
        for a in range(outer):
            for c in range(C):
                for b in range(inner):
                    grad_x[a, c, b] = scale[c] * (g[a, c, b] - offset[c] - (x[a, c, b] - mean[c]) * slope[c])


# ---------------------------------------------------------------------------------------------------------------------
# Memory layouts
# ---------------------------------------------------------------------------------------------------------------------


def _is_channels_last(x: np.ndarray) -> bool:
    """Whether the channels lie side by side in memory."""
    return np.moveaxis(x, 1, -1).flags.c_contiguous


def _outer_inner(x: np.ndarray, channels_last: bool) -> np.ndarray:
    """x as (outer, C, inner) in the layout wanted; a view, unless x lies in memory in another way (or is read-only,
    for which Numba would compile the loops anew)."""
    N, C, *trailing = x.shape
    if channels_last:
        return np.require(np.moveaxis(x, 1, -1), requirements=["C", "A", "W"]).reshape(N * math.prod(trailing), C, 1)
    return np.require(x, requirements=["C", "A", "W"]).reshape(N, C, math.prod(trailing))


def _as_shape(rows: np.ndarray, shape: tuple[int, ...], channels_last: bool) -> np.ndarray:
    """The way back from (outer, C, inner) to (N, C, ...)."""
    N, C, *trailing = shape
    if channels_last:
        return np.moveaxis(rows.reshape(N, *trailing, C), -1, 1)
    return rows.reshape(shape)


def _per_channel(values: np.ndarray | None, default: float, C: int) -> np.ndarray:
    """Per-channel values in float64."""
    return np.full(C, default) if values is None else values.astype(np.float64)
