"""Windows laid out as columns and added back (im2col, col2im), and the transposed convolution that does so. NumPy, Numba.

``unfold`` gathers every window of the pictures; ``fold``, its adjoint, adds every window back where it was gathered, so that
a pixel receives from all windows that lie over it. In between, a transposed convolution is a product of matrices:

    columns = g Wᵀ          (OH·OW, kh·kw·C) for each picture, one row for each pixel of g
    x̂       = fold(columns)

The columns are several times as large as the pictures, so `scatter` makes some rows of them at a time, which stay in the
cache until they are added. Where a row of a window is long enough for the register tiles, not even that: windows below one
another never lie over the same pixels with the same row of theirs, so a tile can add its sums to the pictures itself.
"""

import numpy as np
from numba import prange
from numpy.lib.stride_tricks import sliding_window_view

from .compile import compiled
from .layout import aligned_like, channels_first, channels_last, flat
from .matmul import multiply, pack, panel_width
from .threads import threads_for
from .tile import ITSELF, MASKS, NOTHING, REGISTER_BYTES, TILE_BYTES, add_run

Pair = tuple[int, int]

COLUMNS = 1 << 14  # numbers of columns at a time, about
WINDOWS = 96  # below one another, in some pictures, at a time


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
    (ph, pw), (sh, sw), (dh, dw) = padding, stride, dilation
    x = np.pad(x.transpose(0, 2, 3, 1), ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    extent = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation))
    every_window = sliding_window_view(x, extent, axis=(1, 2))  # (N, rows, cols, C, *extent)
    windows = every_window[:, ::sh, ::sw, :, ::dh, ::dw]
    return windows.transpose(0, 1, 2, 4, 5, 3).copy().transpose(0, 5, 3, 4, 1, 2)


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
    N, C, kh, kw, OH, OW = columns.shape
    x = np.zeros((N, *input_size, C), columns.dtype)
    if columns.size:
        rows = flat(np.ascontiguousarray(columns.transpose(0, 4, 5, 2, 3, 1)))
        _fold(rows, (OH, OW), (kh, kw), x, stride, padding, dilation, threads_for(columns.size // 2))
    return channels_first(x)


def scatter(
    g: np.ndarray,
    weight: np.ndarray,
    x: np.ndarray,
    bias: np.ndarray | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    threads: int,
) -> None:
    """The transposed convolution of g, (N, OH, OW, Cout), with weight (Cout, C, kh, kw), to x, (N, H, W, C), onto a bias."""
    Cout, C, kh, kw = weight.shape
    row = np.zeros(C, x.dtype) if bias is None else flat(bias)
    kernels = channels_last(weight)
    if MASKS and kw * C * x.itemsize >= 2 * REGISTER_BYTES and dilation[1] == 1:
        together = max(1, min(-(-len(g) // threads), WINDOWS // max(1, g.shape[1])))  # pictures
        _scatter_rows(g, kernels.reshape(-1), row, x, (kh, kw), stride, padding, dilation[0], together, threads)
        return
    panels = pack(kernels.reshape(Cout, -1, 1), np.arange(Cout).reshape(Cout, 1), threads)
    together = max(1, COLUMNS // (g.shape[2] * kh * kw * C))  # rows of g
    _scatter(g, panels, row, x, (kh, kw), stride, padding, dilation, together, threads)


# ---------------------------------------------------------------------------------------------------------------------
# The loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _scatter(g, panels, bias, x, kernel_size, stride, padding, dilation, together, threads):
    N, OH, OW, Cout = g.shape
    K = kernel_size[0] * kernel_size[1] * x.shape[3]
    flat_g, width = g.reshape(-1), panel_width(K, g.itemsize)
    pixels, channel, panel_at = np.arange(together * OW) * Cout, np.arange(Cout), np.arange(Cout) * width
    row_at = np.arange(together * OW) * K
    for thread in prange(threads):
        columns = aligned_like(x, together * OW * K)
        for n in range(N * thread // threads, N * (thread + 1) // threads):
            x[n] = bias
            for row in range(0, OH, together):
                rows = min(together, OH - row)
                multiply(
                    flat_g, (n * OH + row) * OW * Cout, pixels, channel, panels, 0, panel_at, Cout * width, width,
                    columns, 0, row_at, 0, rows * OW, K, 0, Cout, NOTHING, columns, 0,
                )  # fmt: skip
                _add_back(columns, 0, row, rows, OW, kernel_size, x, n, stride, padding, dilation)


@compiled(parallel=True)
def _scatter_rows(g, kernels, bias, x, kernel_size, stride, padding, dilation, together, threads):
    """For each row i of the kernels and each column of g: g times that row, added to the pixels below one another."""
    N, OH, OW, Cout = g.shape
    _, H, W, C = x.shape
    kh, kw = kernel_size
    flat_g, flat_x = g.reshape(-1), x.reshape(-1)
    channel, kernel_at = np.arange(Cout), np.arange(Cout) * kh * kw * C
    width = TILE_BYTES // x.itemsize
    for thread in prange(threads):
        g_at, x_at = np.empty(together * OH, np.int64), np.empty(together * OH, np.int64)
        last = N * (thread + 1) // threads
        for n in range(N * thread // threads, last, together):
            x[n : min(n + together, last)] = bias
            for i in range(kh):
                rows = 0
                for m in range(n, min(n + together, last)):
                    for oy in range(OH):
                        row = oy * stride[0] + i * dilation - padding[0]
                        if 0 <= row < H:
                            g_at[rows], x_at[rows] = (m * OH + oy) * OW * Cout, (m * H + row) * W * C
                            rows += 1
                for ox in range(OW if rows else 0):
                    col = ox * stride[1] - padding[1]
                    begin, end = max(0, -col), min(kw, W - col)
                    if begin < end:
                        multiply(
                            flat_g, ox * Cout, g_at, channel, kernels, (i * kw + begin) * C, kernel_at, width, width,
                            flat_x, (col + begin) * C, x_at, 0, rows, (end - begin) * C, 0, Cout, ITSELF, bias, 0,
                        )  # fmt: skip


@compiled(parallel=True)
def _fold(columns, output_size, kernel_size, x, stride, padding, dilation, threads):
    N = x.shape[0]
    size = columns.size // N
    for thread in prange(threads):
        for n in range(N * thread // threads, N * (thread + 1) // threads):
            _add_back(columns, n * size, 0, *output_size, kernel_size, x, n, stride, padding, dilation)


@compiled()
def _add_back(columns, start, first, rows, OW, kernel_size, x, n, stride, padding, dilation):
    """Add columns (rows, OW, kh, kw, C), from row `first` of the windows on, to the pixels of picture n they came from."""
    _, H, W, C = x.shape
    kh, kw = kernel_size
    flat_x = x.reshape(-1)
    together = kw if dilation[1] == 1 else 1  # neighbouring taps of a kernel, that meet neighbouring pixels
    for oy in range(first, first + rows):
        for ox in range(OW):
            for i in range(kh):
                row = oy * stride[0] + i * dilation[0] - padding[0]
                if not 0 <= row < H:
                    continue
                for j in range(0, kw, together):
                    col = ox * stride[1] + j * dilation[1] - padding[1]
                    begin, end = max(0, -col), min(together, W - col)
                    if begin < end:
                        source = start + ((((oy - first) * OW + ox) * kh + i) * kw + j + begin) * C
                        add_run(columns, source, flat_x, ((n * H + row) * W + col + begin) * C, (end - begin) * C)
