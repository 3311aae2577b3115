"""The matrix product, made of register tiles. Imports only NumPy and Numba.

``C = A B``. The product is cut into blocks for the threads, and each block into panels, as wide as a tile. A panel is worked
off DEPTH terms of the sum at a time: so many rows of it are copied side by side, or transposed if B lies by columns, into a
slice that stays in the processor's first cache while all rows of the block pass by it. A is read where it lies, by rows or
by columns.

              j →                        a panel of B
        ┌──┬──┬──┬──┬──┐                   ┌──┐
      i │  │  │▒▒│  │  │                   │  │
      ↓ │  block ▒▒ │  │ = A times         │▒▒│ a slice, DEPTH rows
        ├──┼──┼──┼──┼──┤                   │  │
        │  │  │  │  │  │                   └──┘
"""

import numpy as np
from numba import prange

from .compile import compiled
from .layout import aligned, aligned_like, empty, flat, transpose
from .threads import threads_for
from .tile import (
    BIAS,
    ITSELF,
    MASKS,
    NOTHING,
    REGISTER_BYTES,
    ROWS,
    ROWS_OF_NARROW,
    TILE_BYTES,
    VECTORS,
    copy_run,
    half_tile,
    narrow_tile,
    wide_tile,
)

DEPTH = 256  # terms of a sum at a time
BLOCK_ROWS = 32 * ROWS  # of A: so many of them stay in the second cache, with
BLOCK_PANELS = 4  # the slices of so many panels
PACKING = 10  # rows of A that take as long as it takes to copy a slice


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """The product of two matrices, ``C[i, j] = Σ_k A[i, k] · B[k, j]``, plus ``bias[j]`` if there is one.

    Parameters
    ----------
    a : array of shape (M, K)
    b : array of shape (K, N)
        both float32 or both float64, of any strides; a matrix and its transpose are read equally fast
    bias : array of shape (N,), optional
        of the same dtype

    Returns
    -------
    array of shape (M, N)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import matmul
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    (M, K), N = a.shape, b.shape[1]
    if not (M and N and K):
        c = np.zeros((M, N), a.dtype)
        return c if bias is None else c + bias
    if N == 1 < M:  # as a row times a matrix, so that whole vectors are of use
        c = matmul(b.T, a.T).reshape(M, 1)
        return c if bias is None else c + bias
    if not (a.flags.c_contiguous or a.flags.f_contiguous):
        a = np.ascontiguousarray(a)
    if not (b.flags.c_contiguous or b.flags.f_contiguous):
        b = np.ascontiguousarray(b)
    c = empty((M, N), a.dtype)
    if M == 1:  # B is read once, and memory sets the pace
        row_times = _row_times_rows if b.flags.c_contiguous else _row_times_columns
        row_times(flat(a), flat(b), c.reshape(-1), threads_for(b.nbytes // 50))
        return c if bias is None else c + bias
    a_row, a_step = (K, 1) if a.flags.c_contiguous else (1, M)
    b_row, b_column = (N, 1) if b.flags.c_contiguous else (1, K)
    onto, row = (NOTHING, c.reshape(-1)) if bias is None else (BIAS, flat(bias))
    matrices = flat(a), a_row, a_step, flat(b), b_row, b_column, c.reshape(-1), M, N, K, onto, row
    threads = threads_for(M * N * K // 100 + c.nbytes // 50)
    if threads == 1:
        _multiply_part(*matrices, 0, 1, 0, 1)
    else:
        _multiply_parts(*matrices, threads)
    return c


@compiled(parallel=True)
def _multiply_parts(a, a_row, a_step, b, b_row, b_column, c, M, N, K, onto, bias, threads):
    """C in as many parts as there are threads, cut so that the largest takes as little time as possible."""
    vectors = (N * a.itemsize + REGISTER_BYTES - 1) // REGISTER_BYTES
    across, least = 1, np.inf
    for parts in range(1, threads + 1):
        if threads % parts == 0:
            rows, columns = (M * parts + threads - 1) // threads, (vectors + parts - 1) // parts
            cost = ((rows + ROWS - 1) // ROWS * ROWS + PACKING) * (columns + (columns % VECTORS == VECTORS - 1))
            if cost < least:
                across, least = parts, cost
    for part in prange(threads):
        _multiply_part(
            a, a_row, a_step, b, b_row, b_column, c, M, N, K, onto, bias,
            part // across, threads // across, part % across, across,
        )  # fmt: skip


@compiled()
def _multiply_part(
    a, a_row, a_step, b, b_row, b_column, c, M, N, K, onto, bias, row_part, row_parts, column_part, column_parts
):
    """Some rows and columns of C: whole tiles of rows and whole vectors of columns."""
    full, lanes = TILE_BYTES // a.itemsize, REGISTER_BYTES // a.itemsize
    tiles, vectors = (M + ROWS - 1) // ROWS, (N + lanes - 1) // lanes
    first, last = tiles * row_part // row_parts * ROWS, min(M, tiles * (row_part + 1) // row_parts * ROWS)
    left, right = (
        vectors * column_part // column_parts * lanes,
        min(N, vectors * (column_part + 1) // column_parts * lanes),
    )
    if first >= last or left >= right:
        return
    deepest = min(DEPTH, K)
    a_rows, a_cols, c_rows = np.arange(M) * a_row, np.arange(deepest) * a_step, np.arange(M) * N
    in_place = MASKS and b_column == 1 and M <= 24 * ROWS  # too few rows to make up for a copy
    packed = aligned_like(a, 0 if in_place else deepest * min(BLOCK_PANELS * full, right - left + full))
    for column in range(left, right, BLOCK_PANELS * full):
        columns = min(BLOCK_PANELS * full, right - column)
        width = panel_width(columns, a.itemsize)
        b_rows = np.arange(deepest) * (b_row if in_place else width)
        for k in range(0, K, DEPTH):
            depth = min(DEPTH, K - k)
            if not in_place:
                for j in range(0, columns, width):
                    here = min(width, columns - j)
                    if b_column == 1:
                        for i in range(depth):
                            copy_run(b, (k + i) * b_row + column + j, packed, j * deepest + i * width, here)
                    else:
                        transpose(b, (column + j) * b_column + k, b_column, here, depth, packed, j * deepest, b_rows, 0)
            for row in range(first, last, BLOCK_ROWS):
                multiply(
                    a, k * a_step, a_rows, a_cols, b if in_place else packed, k * b_row + column if in_place else 0,
                    b_rows, width if in_place else width * deepest, width, c, column, c_rows,
                    row, min(BLOCK_ROWS, last - row), columns, 0, depth, ITSELF if k else onto, bias, column,
                )  # fmt: skip


@compiled(parallel=True, fastmath={"reassoc", "contract"})
def _row_times_columns(a, b, c, threads):
    """c[j] = Σ_k a[k] · b[j, k]"""
    K = a.size
    share = max(1, 4096 // K)  # of the sums, in a task
    for thread in prange(threads):
        for first in range(thread * share, c.size, threads * share):
            for j in range(first, min(c.size, first + share)):
                column = b[j * K : (j + 1) * K]
                total = a[0] * 0
                for k in range(K):
                    total += a[k] * column[k]
                c[j] = total


@compiled(parallel=True, fastmath={"contract"})
def _row_times_rows(a, b, c, threads):
    """c[j] = Σ_k a[k] · b[k, j]"""
    K, N = a.size, c.size
    share = 512  # of the sums, in a task
    for thread in prange(threads):
        for first in range(thread * share, N, threads * share):
            end = min(N, first + share)
            sums = c[first:end]
            sums[:] = 0
            for k in range(0, K - 3, 4):
                b0, b1 = b[k * N + first : k * N + end], b[(k + 1) * N + first : (k + 1) * N + end]
                b2, b3 = b[(k + 2) * N + first : (k + 2) * N + end], b[(k + 3) * N + first : (k + 3) * N + end]
                for j in range(end - first):
                    sums[j] += a[k] * b0[j] + a[k + 1] * b1[j] + a[k + 2] * b2[j] + a[k + 3] * b3[j]
            for k in range(K - K % 4, K):
                b0 = b[k * N + first : k * N + end]
                for j in range(end - first):
                    sums[j] += a[k] * b0[j]


# ---------------------------------------------------------------------------------------------------------------------
# What convolutions are made of as well: panels of a whole matrix, and blocks of tiles
# ---------------------------------------------------------------------------------------------------------------------


def pack(w: np.ndarray, place: np.ndarray, threads: int) -> np.ndarray:
    """Panels of the matrix ``B[place[g, r], j] = w[g, j, r]``, one after the other, each of all the matrix's rows.

    Parameters
    ----------
    w : contiguous array of shape (G, J, R)
    place : int64 array of shape (G, R)
        a permutation of the rows 0, 1, …, G·R − 1
    threads : int

    Returns
    -------
    flat array, (panels, rows, tile columns), with zeros where the last panel reaches beyond the matrix
    """
    G, J, R = w.shape
    width = panel_width(J, w.itemsize)
    panels = aligned(-(-J // width) * G * R * width, w.dtype)
    _pack(flat(w), place.reshape(-1), panels, G, J, R, width, threads)
    return panels


@compiled(parallel=True)
def _pack(w, place, panels, G, J, R, width, threads):
    rows = place * width
    count = (J + width - 1) // width
    if R == 1:
        share, shares = 64, (G + 63) // 64  # of the groups, in a task
    else:
        share, shares = 128, G * ((R + 127) // 128)  # of a group's rows
    for thread in prange(threads):
        for task in range(count * shares * thread // threads, count * shares * (thread + 1) // threads):
            panel, part = task // shares, task % shares
            columns, start = min(width, J - panel * width), panel * G * R * width
            if R == 1:
                for g in range(part * share, min(G, (part + 1) * share)):
                    copy_run(w, g * J + panel * width, panels, start + rows[g], columns)
                    panels[start + rows[g] + columns : start + rows[g] + width] = 0
                continue
            g, r = part % G, part // G * share
            here = min(share, R - r)
            if columns < width:
                for i in range(g * R + r, g * R + r + here):
                    panels[start + rows[i] : start + rows[i] + width] = 0
            transpose(w, (g * J + panel * width) * R + r, R, columns, here, panels, start, rows, g * R + r)


@compiled()
def panel_width(columns, itemsize):
    """How wide the panels of a matrix with so many columns are: as a whole, a half or a quarter tile."""
    full = TILE_BYTES // itemsize
    if columns * 4 <= full:
        return max(full // 4, REGISTER_BYTES // itemsize)
    return max(full // 2, REGISTER_BYTES // itemsize) if columns * 2 <= full else full


@compiled()
def multiply(
    a, a_from, a_rows, a_cols, b, b_from, b_rows, b_panel, width, c, c_from, c_rows, first, rows, columns, k, depth,
    onto, bias, bias_from,
):  # fmt: skip
    """C (+)= A B for a block of rows and a part of the sums, tile by tile; see `wide_tile` for the tables and for `onto`.

    The panels of B are `width` columns wide and begin b_panel apart; without MASKS, the last one must be readable to its
    tile's width. DEPTH terms are summed at a time, so that so much of a panel stays in the cache while all rows pass.
    """
    full, lanes = TILE_BYTES // a.itemsize, REGISTER_BYTES // a.itemsize
    half, quarter = max(full // 2, lanes), max(full // 4, lanes)
    pieces = (depth + DEPTH - 1) // DEPTH
    step = (depth + pieces - 1) // pieces
    for panel in range((columns + width - 1) // width):
        end, column = min(columns, (panel + 1) * width), panel * width
        while column < end:
            used = end - column  # by the tile that wastes least
            used = min(used, full if used > full - quarter else half if used > quarter else quarter)
            at, to, bias_at = b_from + panel * b_panel + column - panel * width, c_from + column, bias_from + column
            height = ROWS if used > quarter else ROWS_OF_NARROW
            for piece in range(k, k + depth, step):
                deep, on = min(step, k + depth - piece), ITSELF if piece > k else onto
                for i in range(first, first + rows, height):
                    high = min(height, first + rows - i)
                    if used > half:
                        wide_tile(
                            a, a_from, a_rows, a_cols, b, at, b_rows, c, to, c_rows, i, high, used, piece, deep,
                            on, bias, bias_at,
                        )  # fmt: skip
                    elif used > quarter:
                        half_tile(
                            a, a_from, a_rows, a_cols, b, at, b_rows, c, to, c_rows, i, high, used, piece, deep,
                            on, bias, bias_at,
                        )  # fmt: skip
                    else:
                        narrow_tile(
                            a, a_from, a_rows, a_cols, b, at, b_rows, c, to, c_rows, i, high, used, piece, deep,
                            on, bias, bias_at,
                        )  # fmt: skip
            column += used
