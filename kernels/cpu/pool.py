"""Pooling over windows and its gradients, compiled. Imports only NumPy and Numba.

The loops see pictures channels-last, (N, H, W, C), and go through them tap by tap, a tap being one place of the window: all
windows of a row at once, and the channels of a pixel side by side. The pictures are shared among the threads.
"""

import numpy as np
from numba import prange

from .compile import compiled
from .layout import channels_last, empty
from .threads import threads_for

Pair = tuple[int, int]


def max_pool2d(
    x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[np.ndarray, np.ndarray]:
    """The largest pixel of every window, and where it lies: the flat index into H·W.

    ``index[n, c, u, v] = argmax_{row·W + col} x[n, c, row, col]``

    over ``row = u·stride + i·dilation − padding`` and ``col`` likewise, as far as they lie inside the picture: padding
    never wins, not even over −∞. Of equal pixels the first one in the window, row by row, wins. A NaN beats every
    number (and, as in PyTorch, an earlier NaN), so that it is not hidden.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding, dilation : pairs of ints

    Returns
    -------
    y : array of shape (N, C, OH, OW)
        channels-last in memory; −∞ where a window holds no pixel at all, which no padding ≤ kernel/2 brings about
        without dilation
    index : int64 array of shape (N, C, OH, OW)
        −1 there

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import max_pool2d
    >>> x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
    >>> y, index = max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1))
    >>> y[0, 0], index[0, 0]
    (array([[5., 2.]]), array([[1, 2]]))
    """
    pixels = channels_last(x)
    y = empty(_shape(pixels.shape, kernel_size, stride, padding, dilation), x.dtype)
    index = np.empty(y.shape, np.int64)
    _max_pool(pixels, y, index, kernel_size, stride, padding, dilation, _threads(y, kernel_size))
    return y.transpose(0, 3, 1, 2), index.transpose(0, 3, 1, 2)


def max_pool2d_backward(
    grad: np.ndarray,
    index: np.ndarray,
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> np.ndarray:
    """The gradient of `max_pool2d`: what arrives at a window goes to its largest pixel.

    ``∂x[n, c, pixel] = Σ grad[n, c, u, v]  over the windows with  index[n, c, u, v] = pixel``

    Parameters
    ----------
    grad : array of shape (N, C, OH, OW)
    index : int64 array of shape (N, C, OH, OW)
        as `max_pool2d` returned it, without −1
    size : pair of ints
        H and W
    kernel_size, stride, padding, dilation : pairs of ints
        of `max_pool2d`, for kernels that look for the windows over a pixel

    Returns
    -------
    array of shape (N, C, H, W)
        channels-last in memory

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import max_pool2d_backward
    >>> windows = (2, 2), (2, 2), (0, 0), (1, 1)
    >>> max_pool2d_backward(np.array([[[[7.0, 8.0]]]]), np.array([[[[1, 2]]]]), (2, 4), *windows)[0, 0]
    array([[0., 7., 8., 0.],
           [0., 0., 0., 0.]])
    """
    N, C, OH, OW = grad.shape
    g, places = (channels_last(a).reshape(N, OH * OW, C) for a in (grad, index))
    grad_x = empty((N, size[0] * size[1], C), grad.dtype)
    _put_back(g, places, grad_x, threads_for(grad_x.nbytes / 10 + g.size))
    return grad_x.reshape(N, *size, C).transpose(0, 3, 1, 2)


def sum_pool2d(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """The sum of every window.

    ``y[n, c, u, v] = Σ_{i, j} x[n, c, u·stride + i − padding, v·stride + j − padding]``

    where pixels outside of the picture are 0.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding : pairs of ints

    Returns
    -------
    array of shape (N, C, OH, OW)
        channels-last in memory

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import sum_pool2d
    >>> sum_pool2d(np.ones((1, 1, 2, 3)), (2, 2), (1, 1), (0, 0))[0, 0]
    array([[4., 4.]])
    """
    pixels = channels_last(x)
    y = empty(_shape(pixels.shape, kernel_size, stride, padding, (1, 1)), x.dtype)
    _sum_pool(pixels, y, kernel_size, stride, padding, False, _threads(y, kernel_size))
    return y.transpose(0, 3, 1, 2)


def sum_pool2d_backward(grad: np.ndarray, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """The gradient, and the adjoint, of `sum_pool2d`: what arrives at a window goes to each of its pixels.

    ``∂x[n, c, row, col] = Σ grad[n, c, u, v]  over the windows that hold (row, col)``

    Parameters
    ----------
    grad : array of shape (N, C, OH, OW)
    size : pair of ints
        H and W
    kernel_size, stride, padding : pairs of ints

    Returns
    -------
    array of shape (N, C, H, W)
        channels-last in memory

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import sum_pool2d_backward
    >>> sum_pool2d_backward(np.array([[[[7.0, 8.0]]]]), (2, 3), (2, 2), (1, 1), (0, 0))[0, 0]
    array([[ 7., 15.,  8.],
           [ 7., 15.,  8.]])
    """
    g = channels_last(grad)
    grad_x = empty((g.shape[0], *size, g.shape[3]), grad.dtype)
    _sum_pool(grad_x, g, kernel_size, stride, padding, True, _threads(g, kernel_size))
    return grad_x.transpose(0, 3, 1, 2)


# ---------------------------------------------------------------------------------------------------------------------
# The loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _max_pool(x, y, index, kernel_size, stride, padding, dilation, threads):
    for t in prange(threads):
        for n in range(t * len(x) // threads, (t + 1) * len(x) // threads):
            _max_pool_picture(x[n], y[n], index[n], kernel_size, stride, padding, dilation)


@compiled()
def _max_pool_picture(x, y, index, kernel_size, stride, padding, dilation):
    H, W, C = x.shape
    OH, OW, _ = y.shape
    places = np.empty((OW, C), np.int32)  # as narrow as the numbers of x, so that both are compared side by side
    for oy in range(OH):
        y[oy] = -np.inf
        places[:] = -1
        for i in range(kernel_size[0]):
            row = oy * stride[0] + i * dilation[0] - padding[0]
            if not 0 <= row < H:
                continue
            for j in range(kernel_size[1]):
                for ox in range(OW):
                    col = ox * stride[1] + j * dilation[1] - padding[1]
                    if not 0 <= col < W:
                        continue
                    pixel, best, place, here = x[row, col], y[oy, ox], places[ox], np.int32(row * W + col)
                    for c in range(C):  # without a branch, so that it is vectorised
                        wins = (place[c] < 0) | (pixel[c] > best[c]) | np.isnan(pixel[c])
                        best[c] = pixel[c] if wins else best[c]
                        place[c] = here if wins else place[c]
        for ox in range(OW):
            for c in range(C):
                index[oy, ox, c] = places[ox, c]


@compiled(parallel=True)
def _put_back(g, index, grad_x, threads):
    for t in prange(threads):
        for n in range(t * len(g) // threads, (t + 1) * len(g) // threads):
            _put_back_picture(g[n], index[n], grad_x[n])


@compiled()
def _put_back_picture(g, index, grad_x):
    grad_x[:] = 0
    for w in range(len(g)):
        for c in range(g.shape[1]):
            grad_x[index[w, c], c] += g[w, c]


@compiled(parallel=True)
def _sum_pool(x, y, kernel_size, stride, padding, backward, threads):
    """y as the sums of the windows of x; or, backward, x as the sums of what the windows in y give to each pixel."""
    for t in prange(threads):
        for n in range(t * len(x) // threads, (t + 1) * len(x) // threads):
            _sum_pool_picture(x[n], y[n], kernel_size, stride, padding, backward)


@compiled()
def _sum_pool_picture(x, y, kernel_size, stride, padding, backward):
    H, W, _ = x.shape
    OH, OW, _ = y.shape
    if backward:
        x[:] = 0
    else:
        y[:] = 0
    for oy in range(OH):
        for i in range(kernel_size[0]):
            row = oy * stride[0] + i - padding[0]
            if not 0 <= row < H:
                continue
            for j in range(kernel_size[1]):
                for ox in range(OW):
                    col = ox * stride[1] + j - padding[1]
                    if not 0 <= col < W:
                        continue
                    if backward:
                        _add(y[oy, ox], x[row, col])
                    else:
                        _add(x[row, col], y[oy, ox])


@compiled()
def _add(x, total):
    for c in range(len(x)):
        total[c] += x[c]


# ---------------------------------------------------------------------------------------------------------------------
# Geometry
# ---------------------------------------------------------------------------------------------------------------------


def _shape(shape: tuple[int, ...], kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[int, ...]:
    """The shape (N, OH, OW, C) of one number for each window of pictures (N, H, W, C)."""
    N, H, W, C = shape
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel_size, stride, padding, dilation)
    )
    return N, OH, OW, C


def _threads(windows: np.ndarray, kernel_size: Pair) -> int:
    """For one step for each tap of each window."""
    return threads_for(windows.size * kernel_size[0] * kernel_size[1] / 5)
