"""Convolution and its two adjoints, as products of matrices that are never made. Imports NumPy and Numba.

Lay every window of the pictures out as a row of a matrix ("im2col") and every kernel as a column of another, and the
routines of the convolution are matrix products:

    windows(x)  (N·OH·OW, Cin·kh·kw)      one row for each output pixel
    W           (Cin·kh·kw, Cout)         one column for each kernel
    g           (N·OH·OW, Cout)           one row for each output pixel

    conv2d              y = windows(x) W
    conv2d_weight_grad  Ŵ = windows(x)ᵀ g

The matrix of windows is kh·kw/stride² times as large as the pictures, and nothing but copies of their pixels. It is never
made: the register tiles of tile.py find each of its numbers in the pictures, by two tables of positions. All that a thread
copies is a *band* of the pictures with zeros put around it, small enough for its cache; plan.py says how bands are cut.

The input gradient (the transposed convolution) can be had in two ways:

    scatter  columns = g Wᵀ, then add every row back in its window: the literal adjoint of gathering (fold.py). Work for
             nothing but real products, but many additions. For few input channels, and where windows do not overlap.
    phases   Sort the pixels of x̂ by their place modulo the stride. All pixels of one such phase meet the same few kernel
             taps, so each phase is an ordinary convolution of g with those taps, without stride: for 4x4 kernels of stride 2
             four convolutions with 2x2 taps. No zero is multiplied, and no two threads ever add to the same pixel.

How much of the work is one task may depend on the number of threads, but the order of a sum is given by the shapes alone: so
the results do not depend on the threads.
"""

import numpy as np
from numba import prange

from . import winograd
from .compile import compiled
from .fold import scatter
from .layout import aligned_like, channels_first, channels_last, contiguous, empty, flat, transpose
from .matmul import matmul, multiply, pack, panel_width
from .plan import Plan, forward_plan, phases_plan
from .threads import threads_for
from .tile import BIAS, ITSELF, MASKS, NOTHING, REGISTER_BYTES, TILE_BYTES, add_run, copy_run

Pair = tuple[int, int]

TASKS = 16  # into at least so many tasks a weight gradient is cut


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Cross-correlate pictures with a bank of kernels.

    ``y[n, o, u, v] = bias[o] + Σ W[o, c, i, j] · x[n, c, row, col]``

    over all (c, i, j), with ``row = u·stride + i·dilation − padding`` and ``col = v·stride + j·dilation − padding``;
    pixels outside the picture count as 0. Computed as ``windows(x) W``.

    Parameters
    ----------
    x : array of shape (N, Cin, H, W)
    weight : array of shape (Cout, Cin / groups, kh, kw)
    stride, padding, dilation : pairs of ints
    groups : int
    bias : array of shape (Cout,), optional

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
        parts = zip(np.split(x, groups, axis=1), np.split(weight, groups), _split(bias, groups))
        return np.concatenate([conv2d(a, w, stride, padding, dilation, 1, b) for a, w, b in parts], axis=1)
    N, Cin, H, W = x.shape
    Cout, _, kh, kw = weight.shape
    plan = forward_plan(N, Cin, (H, W), (kh, kw), stride, padding, dilation)
    threads = threads_for(N * plan.grid[0] * plan.grid[1] * Cout * Cin * kh * kw // 100)
    if _is_one_to_one(plan.grid, (kh, kw), (H, W), padding):
        y = matmul(channels_last(x).reshape(-1, Cin * kh * kw), channels_last(weight).reshape(Cout, -1).T, bias)
        return channels_first(y.reshape(N, *plan.grid, Cout))
    if winograd.suits(x, weight.shape, (H, W), stride, dilation):
        return channels_first(winograd.conv2d(channels_last(x), weight, padding, plan.grid, bias, threads))
    y = empty((N, *plan.grid, Cout), x.dtype)
    panels = pack(np.ascontiguousarray(weight).reshape(1, Cout, -1), plan.place, threads)
    where = *plan.band, plan.tap_at, plan.phases, plan.grid
    _correlate(channels_last(x), *where, stride, panels, *_onto(bias, y), y, (1, 1), threads)
    return channels_first(y)


def conv2d_input_grad(
    grad: np.ndarray,
    weight: np.ndarray,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Send an output's gradient back to the input: the adjoint of `conv2d` in `x`, the transposed convolution.

    ``x̂[n, c, row, col] = bias[c] + Σ W[o, c, i, j] · g[n, o, u, v]``

    over all (o, i, j, u, v) that lead to (row, col) as in `conv2d`. Computed by phases, or as ``scatter(g Wᵀ)``; for a 1x1
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
    bias : array of shape (Cin,), optional
        of the transposed convolution

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
        parts = zip(np.split(grad, groups, axis=1), np.split(weight, groups), _split(bias, groups))
        return np.concatenate(
            [conv2d_input_grad(g, w, input_size, stride, padding, dilation, 1, b) for g, w, b in parts], axis=1
        )
    N, Cout, OH, OW = grad.shape
    _, Cin, kh, kw = weight.shape
    g = channels_last(grad)
    threads = threads_for(g.size * Cin * kh * kw // 100)
    if _is_one_to_one((OH, OW), (kh, kw), input_size, padding):
        row = None if bias is None else np.tile(bias, kh * kw)
        x = matmul(g.reshape(-1, Cout), channels_last(weight).reshape(Cout, -1), row)
        return channels_first(x.reshape(N, *input_size, Cin))
    x = empty((N, *input_size, Cin), grad.dtype)
    if Cin * x.itemsize <= REGISTER_BYTES or input_size[0] * input_size[1] > 2 * OH * OW * stride[0] * stride[1]:
        scatter(g, weight, x, bias, stride, padding, dilation, threads)
    elif winograd.suits(grad, weight.shape, input_size, stride, dilation):
        winograd.conv2d_input_grad(g, weight, x, padding, bias, threads)
    else:
        plan = phases_plan(N, Cout, input_size, (kh, kw), stride, padding, dilation)
        if plan is None or len(plan.phases) < stride[0] * stride[1]:  # not every pixel lies under some window
            x[...] = 0 if bias is None else bias
        if plan is not None:
            panels = pack(np.ascontiguousarray(weight).reshape(Cout, Cin, -1), plan.place, threads)
            where = *plan.band, plan.tap_at, plan.phases, plan.grid
            _correlate(g, *where, (1, 1), panels, *_onto(bias, x), x, stride, threads)
    return channels_first(x)


def conv2d_weight_grad(
    x: np.ndarray, grad: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """Send an output's gradient to the kernels: the adjoint of `conv2d` in `weight`.

    ``Ŵ[o, c, i, j] = Σ g[n, o, u, v] · x[n, c, row, col]``

    over all (n, u, v), with row and col as in `conv2d`. Computed as ``windows(x)ᵀ g``, in parts that are added up last.

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
    N, Cin, H, W = x.shape
    Cout, (kh, kw) = grad.shape[1], kernel_size
    K = kh * kw * Cin
    plan = forward_plan(N, Cin, (H, W), kernel_size, stride, padding, dilation)
    if not grad.size:
        return np.zeros((Cout, Cin, kh, kw), x.dtype)
    threads = threads_for(grad.size * K // 100)
    g = channels_last(grad)
    if _is_one_to_one(plan.grid, kernel_size, (H, W), padding):
        weight = matmul(g.reshape(-1, Cout).T, channels_last(x).reshape(-1, K))
        return contiguous(channels_first(weight.reshape(Cout, kh, kw, Cin)))
    if winograd.suits(x, (Cout, Cin, kh, kw), (H, W), stride, dilation):
        return winograd.conv2d_weight_grad(channels_last(x), g, kernel_size, padding, threads)
    parts = _weight_grad_in_parts(channels_last(x), g, plan, stride, threads)
    weight = empty((Cout, Cin, kh, kw), x.dtype)
    _merge(parts, weight.reshape(Cout, K), threads)
    return weight


def _weight_grad_in_parts(x: np.ndarray, g: np.ndarray, plan: Plan, stride: Pair, threads: int) -> np.ndarray:
    """(parts, Cin·kh·kw, Cout), to be added up: each part is the sum over some bands of the pictures."""
    N, Cin, Cout = len(x), x.shape[3], g.shape[3]
    in_place = Cout * g.itemsize == TILE_BYTES or (MASKS and Cout * g.itemsize < TILE_BYTES)  # g is a panel as it is
    panels = flat(g) if in_place else pack(g.reshape(-1, Cout, 1), np.arange(g.size // Cout), threads)
    blocks = -(-N // plan.band.pictures) * -(-plan.grid[0] // plan.band.rows)  # bands
    share = -(-blocks // -(-TASKS // -(-Cin // plan.band.channels)))  # bands in a part of the sum
    parts = empty((-(-blocks // share), plan.place.size, Cout), x.dtype)
    panel_row = Cout if in_place else panel_width(Cout, g.itemsize)
    _accumulate(
        x, *plan.band, plan.tap_at, plan.place.ravel(), plan.grid, stride, panels, panel_row, share, parts, threads
    )
    return parts


def _is_one_to_one(output_size: Pair, kernel_size: Pair, input_size: Pair, padding: Pair) -> bool:
    """Whether the windows are the picture itself: 1x1 windows side by side, or a single window that is all of it."""
    if padding != (0, 0):
        return False
    return (kernel_size == (1, 1) and output_size == input_size) or (
        output_size == (1, 1) and kernel_size == input_size
    )


def _split(bias: np.ndarray | None, groups: int) -> list[np.ndarray] | list[None]:
    return [None] * groups if bias is None else np.split(bias, groups)


def _onto(bias: np.ndarray | None, y: np.ndarray) -> tuple[int, np.ndarray]:
    """What the tiles' sums are put onto, and its numbers."""
    return (NOTHING, y.reshape(-1)) if bias is None else (BIAS, flat(bias))


# ---------------------------------------------------------------------------------------------------------------------
# The loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled()
def _fill_band(x, first, pictures, row, rows, col, cols, channel, channels, step, band):
    """Copy some channels of pixels (row…, col…) of some pictures into the band (pictures, rows, cols, step).

    With zeros outside the pictures.
    """
    _, H, W, C = x.shape
    flat_x = x.reshape(-1)
    begin, end = min(max(0, -col), cols), max(min(cols, W - col), 0)
    for n in range(pictures):
        for r in range(rows):
            to = (n * rows + r) * cols * step
            if not 0 <= row + r < H:
                band[to : to + cols * step] = 0
                continue
            source = (((first + n) * H + row + r) * W + col) * C + channel
            band[to : to + begin * step] = 0
            if channels == C:
                copy_run(flat_x, source + begin * C, band, to + begin * C, (end - begin) * C)
            else:
                for c in range(begin, end):
                    copy_run(flat_x, source + c * C, band, to + c * step, channels)
            band[to + end * step : to + cols * step] = 0


@compiled(parallel=True)
def _correlate(
    x,
    pictures,
    rows,
    height,
    width,
    row,
    col,
    step,
    tap_at,
    phases,
    grid,
    stride,
    panels,
    onto,
    bias,
    y,
    y_step,
    threads,
):
    """Every window of x times the panels of its phase: to pixel first + (u, v)·y_step of y, onto nothing or a bias."""
    N, YH, YW, Cout = y.shape
    C, panel = x.shape[3], panel_width(Cout, y.itemsize)
    K = panels.size // (-(-Cout // panel) * panel)
    flat_y = y.reshape(-1)
    groups = (N + pictures - 1) // pictures
    bands = (grid[0] + rows - 1) // rows
    panel_rows = np.arange(K) * panel
    window_at = np.empty((len(phases), pictures * rows * grid[1]), np.int64)
    y_at = np.empty_like(window_at)
    for phase in range(len(phases)):
        _, _, grid_rows, grid_cols, y_row, y_col = phases[phase]
        high = min(rows, grid_rows)
        _window_table(
            pictures,
            high,
            grid_cols,
            height * width * step,
            stride[0] * width * step,
            stride[1] * step,
            window_at[phase],
        )
        _window_table(pictures, high, grid_cols, YH * YW * Cout, y_step[0] * YW * Cout, y_step[1] * Cout, y_at[phase])
    strip = panel  # columns in a task: as many as leave enough tasks for the threads
    while strip < Cout and groups * bands * ((Cout + 2 * strip - 1) // (2 * strip)) >= 4 * (threads - 1):
        strip *= 2
    strips = (Cout + strip - 1) // strip
    tasks = groups * bands * strips
    for thread in prange(threads):
        band = aligned_like(x, pictures * height * width * step)
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            n, u, column = task // (bands * strips) * pictures, task // strips % bands * rows, task % strips * strip
            count = min(pictures, N - n)
            for channel in range(0, C, step):
                channels = min(step, C - channel)
                _fill_band(x, n, count, row + u * stride[0], height, col, width, channel, channels, step, band)
                for phase in range(len(phases)):
                    tap, taps, grid_rows, grid_cols, y_row, y_col = phases[phase]
                    first = ((n * YH + y_row + u * y_step[0]) * YW + y_col) * Cout
                    multiply(
                        band, 0, window_at[phase], tap_at, panels, column // panel * K * panel, panel_rows, K * panel, panel,
                        flat_y, first + column, y_at[phase], 0, count * max(0, min(rows, grid_rows - u)) * grid_cols,
                        min(strip, Cout - column), tap * C + taps * channel, taps * channels,
                        ITSELF if channel else onto, bias, column,
                    )  # fmt: skip


@compiled()
def _window_table(pictures, rows, cols, picture_step, row_step, col_step, table):
    """The positions of the windows of a band, for any position of window (0, 0).

    A last band of fewer pictures, or of fewer rows of its one picture, has the beginning of the table.
    """
    i = 0
    for n in range(pictures):
        for u in range(rows):
            for v in range(cols):
                table[i] = n * picture_step + u * row_step + v * col_step
                i += 1


@compiled(parallel=True)
def _accumulate(
    x,
    pictures,
    rows,
    height,
    width,
    row,
    col,
    step,
    tap_at,
    place,
    grid,
    stride,
    panels,
    panel_row,
    share,
    partial,
    threads,
):
    """partial[s, (c, tap), o] = Σ window[pixel, (c, tap)] · g[pixel, o] over the s-th part of all bands."""
    N, C = x.shape[0], x.shape[3]
    splits, K, Cout = partial.shape
    T, (OH, OW) = K // C, grid
    panel = panel_width(Cout, x.itemsize)
    bands = (OH + rows - 1) // rows
    blocks = (N + pictures - 1) // pictures * bands
    slices = (C + step - 1) // step
    strip = 4 * panel  # columns in a task
    strips = (Cout + strip - 1) // strip
    flat_partial = partial.reshape(-1)
    partial_at, pixel_at = np.empty(K, np.int64), np.arange(pictures * rows * OW) * panel_row
    for q in range(K):
        partial_at[place[q]] = q * Cout
    window_at, tasks = np.empty(pictures * rows * OW, np.int64), splits * slices * strips
    _window_table(pictures, rows, OW, height * width * step, stride[0] * width * step, stride[1] * step, window_at)
    for thread in prange(threads):
        band = aligned_like(x, pictures * height * width * step)
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            split, channel, column = task // (slices * strips), task // strips % slices * step, task % strips * strip
            channels = min(step, C - channel)
            begin, end = split * share, min(blocks, (split + 1) * share)
            for block in range(begin, end):
                n, u = block // bands * pictures, block % bands * rows
                count = min(pictures, N - n)
                _fill_band(x, n, count, row + u * stride[0], height, col, width, channel, channels, step, band)
                pixel = column // panel * N * OH * OW + (n * OH + u) * OW
                multiply(
                    band, 0, tap_at, window_at, panels, pixel * panel_row, pixel_at, N * OH * OW * panel_row, panel,
                    flat_partial, split * K * Cout + column, partial_at, channel * T, channels * T,
                    min(strip, Cout - column), 0, count * min(rows, OH - u) * OW,
                    ITSELF if block > begin else NOTHING, flat_partial, 0,
                )  # fmt: skip


@compiled(parallel=True)
def _merge(partial, W, threads):
    """W[o, k] = Σ_s partial[s, k, o]; the first part is used up as the place of the sum."""
    splits, K, Cout = partial.shape
    share, shares = 64, (K + 63) // 64  # of k
    flat_partial, flat_W, W_at = partial.reshape(-1), W.reshape(-1), np.arange(Cout) * K
    for thread in prange(threads):
        for first in range(shares * thread // threads * share, min(K, shares * (thread + 1) // threads * share), share):
            rows = min(share, K - first)
            for s in range(1, splits):
                add_run(flat_partial, (s * K + first) * Cout, flat_partial, first * Cout, rows * Cout)
            transpose(flat_partial, first * Cout, Cout, rows, Cout, flat_W, first, W_at, 0)
