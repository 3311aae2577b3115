"""Pooling over windows and its gradients on a GPU. Imports NumPy, layout and launch.

All four kernels gather: a thread makes numbers of its own and looks for what they are made of, so that none needs atomics.
The sum over windows of stride and size k, spread back, is the upsampling of a picture by k: see `sum_pool2d_backward`.
"""

import numpy as np
from numba import cuda

from .launch import Array, kernel, launch
from .layout import channels_last_order, empty, flat, shaped

Pair = tuple[int, int]

LAST = channels_last_order(4)


def max_pool2d(x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[Array, Array]:
    """The largest pixel of every window, and where it lies: the flat index into H·W.

    ``index[n, c, u, v] = argmax_{row·W + col} x[n, c, row, col]``

    Parameters, results and ties as in `kernels.reference.max_pool2d`.
    """
    N, C, H, W = x.shape
    OH, OW = _count(H, W, kernel_size, stride, padding, dilation)
    y, index = empty((N * OH * OW * C,), x), np.empty((N * OH * OW * C,), np.int64, like=x)
    geometry = (*kernel_size, *stride, *padding, *dilation)
    lowest = x.dtype.type(-np.inf)
    launch(_max_pool, (C, OW, N * OH), flat(x, LAST), y, index, N, C, H, W, OH, OW, *geometry, lowest)
    return shaped(y, (N, C, OH, OW), LAST), shaped(index, (N, C, OH, OW), LAST)


def max_pool2d_backward(
    grad: Array, index: Array, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """The gradient of `max_pool2d`: what arrives at a window goes to its largest pixel.

    ``∂x[n, c, pixel] = Σ grad[n, c, u, v]  over the windows with  index[n, c, u, v] = pixel``

    Parameters and result as in `kernels.reference.max_pool2d_backward`.
    """
    (N, C, OH, OW), (H, W) = grad.shape, size
    grad_x = empty((N * H * W * C,), grad)
    geometry = (*kernel_size, *stride, *padding, *dilation)
    launch(
        _max_pool_backward, (C, W, N * H), flat(grad, LAST), flat(index, LAST), grad_x, N, C, H, W, OH, OW, *geometry
    )
    return shaped(grad_x, (N, C, H, W), LAST)


def sum_pool2d(x: Array, kernel_size: Pair, stride: Pair, padding: Pair) -> Array:
    """The sum of every window.

    ``y[n, c, u, v] = Σ_{i, j} x[n, c, u·stride + i − padding, v·stride + j − padding]``

    Parameters and result as in `kernels.reference.sum_pool2d`.
    """
    N, C, H, W = x.shape
    OH, OW = _count(H, W, kernel_size, stride, padding, (1, 1))
    y = empty((N * OH * OW * C,), x)
    launch(_sum_pool, (C, OW, N * OH), flat(x, LAST), y, N, C, H, W, OH, OW, *kernel_size, *stride, *padding)
    return shaped(y, (N, C, OH, OW), LAST)


def sum_pool2d_backward(grad: Array, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair) -> Array:
    """The gradient, and the adjoint, of `sum_pool2d`: what arrives at a window goes to each of its pixels.

    ``∂x[n, c, row, col] = Σ grad[n, c, u, v]  over the windows that hold (row, col)``

    Where windows of k × k tile the picture, each pixel of `grad` becomes k × k equal ones: upsampling by the nearest.
    Parameters and result as in `kernels.reference.sum_pool2d_backward`.
    """
    (N, C, OH, OW), (H, W) = grad.shape, size
    grad_x = empty((N * H * W * C,), grad)
    geometry = (*kernel_size, *stride, *padding)
    launch(_sum_pool_backward, (C, W, N * H), flat(grad, LAST), grad_x, N, C, H, W, OH, OW, *geometry)
    return shaped(grad_x, (N, C, H, W), LAST)


@kernel
def _max_pool(x, y, index, N, C, H, W, OH, OW, kh, kw, sh, sw, ph, pw, dh, dw, lowest):
    """A thread has a channel (along x), an output column (y) and a row of a picture (z), and looks through one window.

    The first pixel of a window wins whatever it is; after it whichever is larger, or NaN, so that a NaN is not hidden.
    """
    c0, v0, z0 = cuda.grid(3)
    across, down, deep = cuda.gridsize(3)
    for z in range(z0, N * OH, deep):
        n = z // OH
        top = (z - n * OH) * sh - ph
        for v in range(v0, OW, down):
            for c in range(c0, C, across):
                best, place = lowest, -1
                for i in range(kh):
                    row = top + i * dh
                    if row >= 0 and row < H:
                        for j in range(kw):
                            col = v * sw - pw + j * dw
                            if col >= 0 and col < W:
                                value = x[((n * H + row) * W + col) * C + c]
                                if place < 0 or value > best or value != value:
                                    best, place = value, row * W + col
                y[(z * OW + v) * C + c] = best
                index[(z * OW + v) * C + c] = place


@kernel
def _max_pool_backward(grad, index, grad_x, N, C, H, W, OH, OW, kh, kw, sh, sw, ph, pw, dh, dw):
    """A thread has a pixel of a channel of ∂x, and asks each window over it whether the pixel was its largest.

    Which windows lie over a pixel is worked out as in `conv._add_windows`.
    """
    c0, col0, z0 = cuda.grid(3)
    across, down, deep = cuda.gridsize(3)
    for z in range(z0, N * H, deep):
        n = z // H
        row = z - n * H
        for col in range(col0, W, down):
            for c in range(c0, C, across):
                total = grad.dtype.type(0)
                for u in range(min((row + ph) // sh, OH - 1), -1, -1):
                    i = (row + ph - u * sh) // dh
                    if i >= kh:
                        break
                    for v in range(min((col + pw) // sw, OW - 1), -1, -1):
                        j = (col + pw - v * sw) // dw
                        if j >= kw:
                            break
                        at = ((n * OH + u) * OW + v) * C + c
                        if index[at] == row * W + col:
                            total += grad[at]
                grad_x[(z * W + col) * C + c] = total


@kernel
def _sum_pool(x, y, N, C, H, W, OH, OW, kh, kw, sh, sw, ph, pw):
    """A thread has a channel (along x), an output column (y) and a row of a picture (z), and adds up one window."""
    c0, v0, z0 = cuda.grid(3)
    across, down, deep = cuda.gridsize(3)
    for z in range(z0, N * OH, deep):
        n = z // OH
        top = (z - n * OH) * sh - ph
        for v in range(v0, OW, down):
            left = v * sw - pw
            for c in range(c0, C, across):
                total = x.dtype.type(0)
                for row in range(max(top, 0), min(top + kh, H)):
                    for col in range(max(left, 0), min(left + kw, W)):
                        total += x[((n * H + row) * W + col) * C + c]
                y[(z * OW + v) * C + c] = total


@kernel
def _sum_pool_backward(grad, grad_x, N, C, H, W, OH, OW, kh, kw, sh, sw, ph, pw):
    """A thread has a pixel of a channel of ∂x, and adds up what arrived at the windows over it."""
    c0, col0, z0 = cuda.grid(3)
    across, down, deep = cuda.gridsize(3)
    for z in range(z0, N * H, deep):
        n = z // H
        below = z - n * H + ph
        for col in range(col0, W, down):
            beyond = col + pw
            for c in range(c0, C, across):
                total = grad.dtype.type(0)
                for u in range(min(below // sh, OH - 1), -1, -1):
                    if below - u * sh >= kh:
                        break
                    for v in range(min(beyond // sw, OW - 1), -1, -1):
                        if beyond - v * sw >= kw:
                            break
                        total += grad[((n * OH + u) * OW + v) * C + c]
                grad_x[(z * W + col) * C + c] = total


def _count(H: int, W: int, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How many windows there are, vertically and horizontally."""
    h, w = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel_size, stride, padding, dilation)
    )
    return h, w
