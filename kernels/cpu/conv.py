"""Convolution, its two adjoints, and the unfold/fold pair, as matrix products. Imports only NumPy and Numba.

Lay every window of the pictures out as a row of a matrix ("im2col") and every kernel as a row of another, both in the
order (i, j, c), and the three routines of the convolution are three matrix products:

    columns  (N·OH·OW, kh·kw·Cin)         one row for each output pixel
    W        (Cout,    kh·kw·Cin)         one row for each kernel
    g        (N·OH·OW, Cout)              one row for each output pixel

    conv2d             y = columns(x) Wᵀ
    conv2d_input_grad  x̂ = scatter(g W)         scatter: the adjoint of laying out, adds every row back in its window
    conv2d_weight_grad Ŵ = gᵀ columns(x)

The matrix of columns is kh·kw/stride² times as large as the pictures, so it is made and used up a few pictures at a
time, while it is still in the processor's cache. NumPy's strided copy lays it out as fast as a compiled loop does; only
the scatter, which NumPy could do no better than in kh·kw passes over the pictures, is compiled.

The products are written `np.dot`: `@` does not use BLAS when the inner dimension is 1, as it is behind a layer with one
output channel (the last of a DCGAN's discriminator).
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .compile import compiled

Pair = tuple[int, int]

BLOCK_BYTES = 4 << 20  # of columns at a time: a fifth faster than all at once where those would be 32 MiB
FEW_CHANNELS = 4  # below this, runs of kw·C values are too short to be copied fast


def conv2d(x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> np.ndarray:
    """Cross-correlate pictures with a bank of kernels.

    ``y[n, o, u, v] = Σ W[o, c, i, j] · x[n, c, row, col]``

    over all (c, i, j), with ``row = u·stride + i·dilation − padding`` and ``col = v·stride + j·dilation − padding``;
    pixels outside the picture count as 0. Computed as ``columns(x) Wᵀ``. For a 1x1 kernel, and for a kernel as large as the
    picture, the columns are the picture itself and nothing is copied.

    Parameters
    ----------
    x : array of shape (N, Cin, H, W)
    weight : array of shape (Cout, Cin / groups, kh, kw)
    stride, padding, dilation : pairs of ints
    groups : int

    Returns
    -------
    array of shape (N, Cout, OH, OW)
        channels-last in memory

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import conv2d
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), (1, 1), (0, 0), (1, 1), 1)[0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    if groups > 1:
        parts = zip(np.split(x, groups, axis=1), np.split(weight, groups))
        return np.concatenate([conv2d(a, w, stride, padding, dilation, 1) for a, w in parts], axis=1)
    Cout, _, kh, kw = weight.shape
    windows = _windows(x, (kh, kw), stride, padding, dilation)
    W = _channels_last(weight).reshape(Cout, -1)
    y = np.empty((*windows.shape[:3], Cout), x.dtype)
    for block in _blocks(windows.shape):
        np.dot(_columns(windows[block]), W.T, out=y[block].reshape(-1, Cout))
    return _channels_first(y)


def conv2d_input_grad(
    grad: np.ndarray,
    weight: np.ndarray,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> np.ndarray:
    """Send an output's gradient back to the input: the adjoint of `conv2d` in `x`, the transposed convolution.

    ``x̂[n, c, row, col] = Σ W[o, c, i, j] · g[n, o, u, v]``

    over all (o, i, j, u, v) that lead to (row, col) as in `conv2d`. Computed as ``scatter(g W)``. For a 1x1
    kernel, and for a single window as large as the picture (the first layer of a DCGAN's generator), the product is the
    picture itself and nothing is scattered.

    Parameters
    ----------
    grad : array of shape (N, Cout, OH, OW)
    weight : array of shape (Cout, Cin / groups, kh, kw)
    input_size : pair of ints
        (H, W). With a stride, several sizes lead to the same (OH, OW), so it has to be said which is meant.
    stride, padding, dilation : pairs of ints
    groups : int

    Returns
    -------
    array of shape (N, Cin, H, W)
        channels-last in memory

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import conv2d_input_grad
    >>> g = np.array([[[[1.0, 10.0]]]])
    >>> conv2d_input_grad(g, np.ones((1, 1, 1, 3)), (1, 5), (1, 2), (0, 0), (1, 1), 1)[0, 0]
    array([[ 1.,  1., 11., 10., 10.]])
    """
    if groups > 1:
        parts = zip(np.split(grad, groups, axis=1), np.split(weight, groups))
        return np.concatenate(
            [conv2d_input_grad(g, w, input_size, stride, padding, dilation, 1) for g, w in parts], axis=1
        )
    N, Cout, OH, OW = grad.shape
    _, Cin, kh, kw = weight.shape
    g = _channels_last(grad)
    W = _channels_last(weight).reshape(Cout, -1)
    columns_shape = (N, OH, OW, kh, kw, Cin)
    if _is_one_to_one(columns_shape, input_size, padding):
        return _channels_first(np.dot(g.reshape(-1, Cout), W).reshape(N, *input_size, Cin))
    x = np.zeros((N, *input_size, Cin), grad.dtype)
    for block in _blocks(columns_shape):
        columns = np.dot(g[block].reshape(-1, Cout), W)
        _scatter(columns.reshape(-1, *columns_shape[1:]), x[block], stride, padding, dilation)
    return _channels_first(x)


def conv2d_weight_grad(
    x: np.ndarray, grad: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """Send an output's gradient to the kernels: the adjoint of `conv2d` in `weight`.

    ``Ŵ[o, c, i, j] = Σ g[n, o, u, v] · x[n, c, row, col]``

    over all (n, u, v), with row and col as in `conv2d`. Computed as ``gᵀ columns(x)``.

    Parameters
    ----------
    x : array of shape (N, Cin, H, W)
    grad : array of shape (N, Cout, OH, OW)
    kernel_size : pair of ints
        (kh, kw). With a stride, several sizes lead to the same (OH, OW), so it has to be said which is meant.
    stride, padding, dilation : pairs of ints
    groups : int

    Returns
    -------
    array of shape (Cout, Cin / groups, kh, kw)
        C-contiguous, as parameters are kept

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import conv2d_weight_grad
    >>> x, g = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> conv2d_weight_grad(x, g, (1, 2), (1, 1), (0, 0), (1, 1), 1)[0, 0]
    array([[21., 32.]])
    """
    if groups > 1:
        parts = zip(np.split(x, groups, axis=1), np.split(grad, groups, axis=1))
        return np.concatenate([conv2d_weight_grad(a, g, kernel_size, stride, padding, dilation, 1) for a, g in parts])
    Cout, Cin = grad.shape[1], x.shape[1]
    windows = _windows(x, kernel_size, stride, padding, dilation)
    g = _channels_last(grad)
    W = np.zeros((Cout, kernel_size[0] * kernel_size[1] * Cin), x.dtype)
    for block in _blocks(windows.shape):
        W += np.dot(g[block].reshape(-1, Cout).T, _columns(windows[block]))
    return np.ascontiguousarray(_channels_first(W.reshape(Cout, *kernel_size, Cin)))


def unfold(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """Gather every window of the pictures ("im2col").

    ``columns[n, c, i, j, u, v] = x[n, c, row, col]``

    with row and col as in `conv2d`; pixels outside the picture count as 0.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding, dilation : pairs of ints

    Returns
    -------
    array of shape (N, C, kh, kw, OH, OW)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import unfold
    >>> unfold(np.array([[[[1.0, 2.0, 3.0]]]]), (1, 2), (1, 1), (0, 0), (1, 1))[0, 0, 0, :, 0]
    array([[1., 2.],
           [2., 3.]])
    """
    return _windows(x, kernel_size, stride, padding, dilation).copy().transpose(0, 5, 3, 4, 1, 2)


def fold(columns: np.ndarray, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """Add every window back where it was gathered ("col2im"): the adjoint of `unfold`.

    ``x[n, c, row, col] = Σ columns[n, c, i, j, u, v]``

    over all (i, j, u, v) that lead to (row, col) as in `conv2d`.

    Parameters
    ----------
    columns : array of shape (N, C, kh, kw, OH, OW)
    input_size : pair of ints
        (H, W)
    stride, padding, dilation : pairs of ints

    Returns
    -------
    array of shape (N, C, H, W)
        channels-last in memory

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import fold, unfold
    >>> columns = unfold(np.ones((1, 1, 1, 4)), (1, 2), (1, 1), (0, 0), (1, 1))
    >>> fold(columns, (1, 4), (1, 1), (0, 0), (1, 1))[0, 0]
    array([[1., 2., 2., 1.]])
    """
    x = np.zeros((columns.shape[0], *input_size, columns.shape[1]), columns.dtype)
    rows = np.require(columns.transpose(0, 4, 5, 2, 3, 1), requirements=["C", "A", "W"])
    _scatter(rows, x, stride, padding, dilation)
    return _channels_first(x)


# ---------------------------------------------------------------------------------------------------------------------
# Windows: looked at, laid out as rows, added back
# ---------------------------------------------------------------------------------------------------------------------


def _windows(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """Every window of the padded pictures, (N, OH, OW, kh, kw, C): a view that repeats pixels, without storing them."""
    (ph, pw), (sh, sw), (dh, dw) = padding, stride, dilation
    if padding == (0, 0):
        x = _channels_last(x)
    else:
        x = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation))
    every_window = sliding_window_view(x, extent, axis=(1, 2))  # (N, rows, cols, C, *extent)
    return every_window[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)


def _columns(windows: np.ndarray) -> np.ndarray:
    """Lay windows out as the rows of a matrix, (N·OH·OW, kh·kw·C): the gather. Copies only where it has to."""
    *_, kh, kw, C = windows.shape
    if C < FEW_CHANNELS:  # the same matrix, stored column by column: long runs along a row of output pixels
        return windows.transpose(3, 4, 5, 0, 1, 2).reshape(kh * kw * C, -1).T
    return windows.reshape(-1, kh * kw * C)


@compiled()
def _scatter(columns, x, stride, padding, dilation):
    """Add columns (N, OH, OW, kh, kw, C) to the pixels of x (N, H, W, C) that they came from: the gather's adjoint."""
    N, OH, OW, kh, kw, C = columns.shape
    _, H, W, _ = x.shape
    for n in range(N):
        for oy in range(OH):
            for i in range(kh):
                row = oy * stride[0] + i * dilation[0] - padding[0]
                if not 0 <= row < H:
                    continue
                for ox in range(OW):
                    for j in range(kw):
                        col = ox * stride[1] + j * dilation[1] - padding[1]
                        if 0 <= col < W:
                            for c in range(C):
                                x[n, row, col, c] += columns[n, oy, ox, i, j, c]


def _is_one_to_one(columns_shape: tuple[int, ...], input_size: Pair, padding: Pair) -> bool:
    """Whether the columns are the picture itself: 1x1 windows side by side, or a single window that is all of it."""
    _, OH, OW, kh, kw, _ = columns_shape
    H, W = input_size
    return padding == (0, 0) and 1 in (OH * OW, kh * kw) and OH * OW * kh * kw == H * W


def _blocks(columns_shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut the batch into slices whose columns take about BLOCK_BYTES (counted as float32)."""
    N, *picture = columns_shape
    step = max(1, BLOCK_BYTES // (4 * int(np.prod(picture))))
    return (slice(n, n + step) for n in range(0, N, step))


def _channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C), contiguous; no copy if the memory lies that way already."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _channels_first(x: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (N, C, H, W), a view."""
    return x.transpose(0, 3, 1, 2)
