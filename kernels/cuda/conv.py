"""Convolution, its two adjoints, and the unfold/fold pair on a GPU. Imports NumPy, layout and launch.

Everything walks over the index set that `kernels/reference/conv.py` explains: the output pixel (u, v) and the tap (i, j) of
the kernel meet at the input pixel

    row = u·stride + i·dilation − padding        col = v·stride + j·dilation − padding

Two kernels of our own move the numbers, and one matrix product, in which nearly all the arithmetic is, does the rest:

    unfold   every window of the pictures becomes a row of a matrix:      (N·OH·OW, kh·kw·C)
    fold     the rows of such a matrix are added back to the pictures

    conv2d               y  =  unfold(x) · W                 W as a matrix (kh·kw·C, O)
    conv2d_input_grad    x̂  =  fold(g · Wᵀ)                  the transposed convolution
    conv2d_weight_grad   Ŵ  =  unfold(x)ᵀ · g

Both move by *gathering*: a thread makes numbers of its own and looks for what they are made of. Were `fold` to *scatter*, a
thread for each number of the matrix that adds it to its pixel, threads would meet at a pixel and have to add atomically,
in an order that is another one every time, and so the sums would be. Gathering needs no atomics and gives the same bits
each time.

The matrix is kh·kw/stride² times as large as the pictures. Batches are cut so that it stays below `PIECE` numbers.
"""

import numpy as np
from numba import cuda

from .launch import Array, kernel, launch
from .layout import channels_last_order, empty, flat, shaped

Pair = tuple[int, int]

LAST = channels_last_order(4)
PIECE = 1 << 27  # numbers in a matrix of windows: half a gigabyte in float32


def conv2d(
    x: Array,
    weight: Array,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """Cross-correlate pictures with a bank of kernels.

    ``y[n, o, u, v] = bias[o] + Σ W[o, c, i, j] · x[n, c, row, col]``

    Parameters and result as in `kernels.reference.conv2d`; the result lies channels-last in memory.
    """
    N, C, H, W = x.shape
    O, Cg, kh, kw = weight.shape
    OH, OW = _output_size((H, W), (kh, kw), stride, padding, dilation)
    pictures = flat(x, LAST).reshape(N, H * W * C)
    matrices = [_as_matrix(w) for w in _groups(weight, 0, groups)]
    parts = []
    for first, last in _pieces(N, OH * OW * kh * kw * Cg):
        windows = pictures[first:last], (C, H, W)
        geometry = (kh, kw), (OH, OW), stride, padding, dilation
        parts.append([_unfold(*windows, g * Cg, Cg, *geometry) @ matrix for g, matrix in enumerate(matrices)])
    y = _joined([_joined(part, 1) for part in parts], 0) if parts else empty((0, O), x)
    if bias is not None:
        y += bias
    return shaped(y.reshape(-1), (N, O, OH, OW), LAST)


def conv2d_input_grad(
    grad: Array,
    weight: Array,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """Send an output's gradient back to the input: the adjoint of `conv2d` in `x`, the transposed convolution.

    ``x̂[n, c, row, col] = bias[c] + Σ W[o, c, i, j] · g[n, o, u, v]``

    Parameters and result as in `kernels.reference.conv2d_input_grad`; the result lies channels-last in memory. The zeros
    that a transposed convolution is said to insert are nowhere: a product with W for each pixel there is, and its sums.
    """
    N, O, OH, OW = grad.shape
    _, Cg, kh, kw = weight.shape
    H, W = input_size
    C = Cg * groups
    x = empty((N, H * W * C), grad)
    numbers = flat(grad, LAST).reshape(N * OH * OW, O)
    matrices = [_as_matrix(w) for w in _groups(weight, 0, groups)]
    for first, last in _pieces(N, OH * OW * kh * kw * Cg):
        for g, matrix in enumerate(matrices):
            part = slice(first * OH * OW, last * OH * OW), slice(g * (O // groups), (g + 1) * (O // groups))
            rows = numbers[part] @ matrix.T
            _fold(rows, x[first:last], (C, H, W), g * Cg, Cg, (kh, kw), (OH, OW), stride, padding, dilation, bias)
    return shaped(x.reshape(-1), (N, C, H, W), LAST)


def conv2d_weight_grad(
    x: Array, grad: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """Send an output's gradient to the kernels: the adjoint of `conv2d` in `weight`.

    ``Ŵ[o, c, i, j] = Σ g[n, o, u, v] · x[n, c, row, col]``

    Parameters and result as in `kernels.reference.conv2d_weight_grad`. The pieces of a batch that is cut are added in order.
    """
    N, C, H, W = x.shape
    O, (kh, kw) = grad.shape[1], kernel_size
    size, Cg, Og = grad.shape[2:], C // groups, O // groups
    pictures, area = flat(x, LAST).reshape(N, H * W * C), size[0] * size[1]
    numbers = flat(grad, LAST).reshape(N * area, O)
    weights = []
    for g in range(groups):
        total = np.zeros((kh * kw * Cg, Og), x.dtype, like=x)
        for first, last in _pieces(N, area * kh * kw * Cg):
            rows = _unfold(pictures[first:last], (C, H, W), g * Cg, Cg, kernel_size, size, stride, padding, dilation)
            part = rows.T @ numbers[first * area : last * area, g * Og : (g + 1) * Og]
            total = part if first == 0 else total + part
        weights.append(total.reshape(kh, kw, Cg, Og).transpose(3, 2, 0, 1))
    return _joined(weights, 0).copy(order="C")


def unfold(x: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Gather every window of the pictures ("im2col").

    ``columns[n, c, i, j, u, v] = x[n, c, row, col]``

    Parameters and result as in `kernels.reference.unfold`.
    """
    N, C, H, W = x.shape
    size = _output_size((H, W), kernel_size, stride, padding, dilation)
    rows = _unfold(flat(x, LAST).reshape(N, H * W * C), (C, H, W), 0, C, kernel_size, size, stride, padding, dilation)
    return rows.reshape(N, *size, *kernel_size, C).transpose(0, 5, 3, 4, 1, 2)


def fold(columns: Array, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """Add every window back where it was gathered ("col2im"): the adjoint of `unfold`.

    ``x[n, c, row, col] = Σ columns[n, c, i, j, u, v]``

    Parameters and result as in `kernels.reference.fold`.
    """
    N, C, kh, kw, OH, OW = columns.shape
    rows = flat(columns, (0, 4, 5, 2, 3, 1)).reshape(N * OH * OW, kh * kw * C)
    H, W = input_size
    x = empty((N, H * W * C), columns)
    _fold(rows, x, (C, H, W), 0, C, (kh, kw), (OH, OW), stride, padding, dilation, None)
    return shaped(x.reshape(-1), (N, C, H, W), LAST)


# ------------------------------------------------------------------------------------------------------ the moves


def _unfold(
    pictures: Array,
    picture: tuple[int, int, int],
    first: int,
    count: int,
    kernel_size: Pair,
    output_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Array:
    """The windows of `count` channels, from the `first` on, as a matrix (N·OH·OW, kh·kw·count)."""
    (N, _), (C, H, W), (OH, OW) = pictures.shape, picture, output_size
    rows = empty((N * OH * OW, kernel_size[0] * kernel_size[1] * count), pictures)
    geometry = (*kernel_size, *stride, *padding, *dilation)
    extent = (count, OW, N * OH)
    launch(_gather, extent, pictures.reshape(-1), rows.reshape(-1), N, C, H, W, first, count, OH, OW, *geometry)
    return rows


def _fold(
    rows: Array,
    pictures: Array,
    picture: tuple[int, int, int],
    first: int,
    count: int,
    kernel_size: Pair,
    output_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    bias: Array | None,
) -> None:
    """Fill `count` channels of the pictures, from the `first` on, with the sums of their windows."""
    (N, _), (C, H, W), (OH, OW) = pictures.shape, picture, output_size
    geometry = (*kernel_size, *stride, *padding, *dilation)
    has_bias = bias is not None
    bias = flat(bias, (0,)) if bias is not None else rows.reshape(-1)[:0]
    extent = (count, W, N * H)
    numbers = rows.reshape(-1), pictures.reshape(-1), bias
    launch(_add_windows, extent, *numbers, int(has_bias), N, C, H, W, first, count, OH, OW, *geometry)


@kernel
def _gather(x, rows, N, C, H, W, first, count, OH, OW, kh, kw, sh, sw, ph, pw, dh, dw):
    """Windows into the rows of a matrix. x is (N, H, W, C) and rows is (N, OH, OW, kh, kw, count), both flat.

    A thread has one channel c (along x), one output column v (along y) and one output row u of a picture n (along z), and
    copies what the kh·kw taps of that window meet in its channel:

        rows[n, u, v, i, j, c] = x[n, u·sh + i·dh − ph, v·sw + j·dw − pw, first + c],   or 0 outside of the picture

    Neighbours have neighbouring channels, so both sides of the copy run along memory. Each number is written by one thread.
    """
    zero = x.dtype.type(0)
    c0, v0, z0 = cuda.grid(3)
    across, down, deep = cuda.gridsize(3)
    for z in range(z0, N * OH, deep):
        n = z // OH
        top = (z - n * OH) * sh - ph
        for v in range(v0, OW, down):
            left = v * sw - pw
            for c in range(c0, count, across):
                to = (z * OW + v) * kh * kw * count + c
                for i in range(kh):
                    row = top + i * dh
                    inside = row >= 0 and row < H
                    start = (n * H + row) * W
                    for j in range(kw):
                        col = left + j * dw
                        if inside and col >= 0 and col < W:
                            rows[to] = x[(start + col) * C + first + c]
                        else:
                            rows[to] = zero
                        to += count


@kernel
def _add_windows(rows, x, bias, has_bias, N, C, H, W, first, count, OH, OW, kh, kw, sh, sw, ph, pw, dh, dw):
    """The rows of a matrix back into pictures. rows is (N, OH, OW, kh, kw, count) and x is (N, H, W, C), both flat.

    A thread has one channel c (along x), one column of the picture (along y) and one row of it (along z), and adds up
    what all windows over this pixel hold for it:

        x[n, row, col, first + c] = Σ rows[n, u, v, i, j, c]   over  u·sh + i·dh = row + ph,  v·sw + j·dw = col + pw

    Output row u can only meet it if u·sh ≤ row + ph and i = (row + ph − u·sh)/dh is a whole number below kh; so u goes from
    the last window that begins above the pixel upwards until i is too large. With stride 2 and a 4 × 4 kernel that is two
    rows and two columns: four terms, where inserted zeros would make it sixteen. Each number is written by one thread.
    """
    zero = x.dtype.type(0)
    c0, col0, z0 = cuda.grid(3)
    across, down, deep = cuda.gridsize(3)
    for z in range(z0, N * H, deep):
        n = z // H
        below = z - n * H + ph
        for col in range(col0, W, down):
            beyond = col + pw
            for c in range(c0, count, across):
                total = bias[first + c] if has_bias else zero
                for u in range(min(below // sh, OH - 1), -1, -1):
                    i = (below - u * sh) // dh
                    if i >= kh:
                        break
                    if i * dh == below - u * sh:
                        for v in range(min(beyond // sw, OW - 1), -1, -1):
                            j = (beyond - v * sw) // dw
                            if j >= kw:
                                break
                            if j * dw == beyond - v * sw:
                                total += rows[((((n * OH + u) * OW + v) * kh + i) * kw + j) * count + c]
                x[(z * W + col) * C + first + c] = total


# ------------------------------------------------------------------------------------------------------ small things


def _as_matrix(weight: Array) -> Array:
    """Weights (O, C, kh, kw) as the matrix (kh·kw·C, O) that a row of windows is multiplied with."""
    O, C, kh, kw = weight.shape
    return weight.transpose(2, 3, 1, 0).reshape(kh * kw * C, O)


def _groups(array: Array, axis: int, groups: int) -> list[Array]:
    """The array cut into `groups` equal parts along the axis."""
    size = array.shape[axis] // groups
    return [array[g * size : (g + 1) * size] for g in range(groups)]


def _joined(arrays: list[Array], axis: int) -> Array:
    """The arrays one after the other along the axis; a single one as it is."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis)


def _pieces(N: int, numbers: int) -> list[Pair]:
    """Where a batch of N is cut so that a piece, of `numbers` for each picture, has no more than PIECE."""
    step = max(1, min(N, PIECE // max(1, numbers)))
    return [(first, min(first + step, N)) for first in range(0, N, step)]


def _output_size(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How many windows there are, vertically and horizontally."""
    h, w = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation)
    )
    return h, w
