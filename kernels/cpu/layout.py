"""Memory layouts: flat views, transposition in blocks, channels last. Imports only NumPy and Numba."""

import math

import numpy as np
from numba import prange

from .compile import compiled
from .threads import threads_for
from .tile import REGISTER_BYTES, interleave_three, transpose_tile

LARGE = 1 << 12  # numbers
LANES = REGISTER_BYTES // 4  # numbers in a vector, at most
FEW = 4  # rows or columns: with so few, a tile is mostly empty


def flat(a: np.ndarray) -> np.ndarray:
    """All numbers of a contiguous array in the order in which they lie in memory: a view, and one that Numba takes for
    writeable (it would compile everything again for arrays that are not)."""
    a = a.reshape(-1) if a.flags.c_contiguous else a.T.reshape(-1) if a.flags.f_contiguous else a.ravel("K")
    return a if a.flags.behaved else a.copy()


def aligned(size: int, dtype: np.dtype) -> np.ndarray:
    """An empty array that begins at a multiple of a register's size, so that no vector lies across two cache lines.

    The C library's arrays begin at a multiple of 16 bytes: three in four of them make every load and store two.
    """
    spare = REGISTER_BYTES // dtype.itemsize
    a = np.empty(size + spare, dtype)
    first = -a.ctypes.data % REGISTER_BYTES // dtype.itemsize
    return a[first : first + size]


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty`; aligned, if it is large enough for that to matter."""
    size = math.prod(shape)
    return np.empty(shape, dtype) if size < LARGE else aligned(size, dtype).reshape(shape)


def empty_like(x: np.ndarray) -> np.ndarray:
    """`np.empty_like`; aligned, if x is large, and in C order or channels-last."""
    if x.flags.c_contiguous:
        return empty(x.shape, x.dtype)
    if x.ndim == 4 and (pixels := x.transpose(0, 2, 3, 1)).flags.c_contiguous:
        return channels_first(empty(pixels.shape, x.dtype))
    return np.empty_like(x)


@compiled()
def aligned_like(a, size):
    """`aligned`, of the dtype of an array, for a thread that wants room of its own."""
    room = np.empty(size + REGISTER_BYTES // a.itemsize, a.dtype)
    first = -room.ctypes.data % REGISTER_BYTES // a.itemsize
    return room[first : first + size]


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C), contiguous; no copy if the memory lies that way already.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu.layout import channels_last
    >>> channels_last(np.arange(6.0).reshape(1, 2, 1, 3))[0, 0]
    array([[0., 3.],
           [1., 4.],
           [2., 5.]])
    """
    if not x.flags.c_contiguous or x.dtype.char not in "fd" or 1 in x.shape[1:2] or not x.size:
        return np.require(x.transpose(0, 2, 3, 1), requirements=["C", "A", "W"])
    N, C, H, W = x.shape
    y = empty((N, H, W, C), x.dtype)
    _transpose_pictures(flat(x), flat(y), N, C, H * W, threads_for(x.nbytes // 10))
    return y


def contiguous(x: np.ndarray) -> np.ndarray:
    """x in C order; a copy, unless its memory lies that way.

    Parameters
    ----------
    x : array

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import contiguous
    >>> contiguous(np.eye(2).T).flags.c_contiguous
    True
    """
    if x.ndim != 4 or x.flags.c_contiguous or x.dtype.char not in "fd":
        return np.ascontiguousarray(x)
    N, C, H, W = x.shape
    pixels = x.transpose(0, 2, 3, 1)
    if not pixels.flags.c_contiguous or not x.size:
        return np.ascontiguousarray(x)
    y = empty(x.shape, x.dtype)
    _transpose_pictures(flat(pixels), flat(y), N, H * W, C, threads_for(x.nbytes // 10))
    return y


def channels_first(x: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (N, C, H, W), a view."""
    return x.transpose(0, 3, 1, 2)


@compiled()
def transpose(a, a_from, a_row, rows, columns, b, b_from, b_rows, first):
    """b[b_from + b_rows[first + j] + i] = a[a_from + i·a_row + j] for i < rows, j < columns: `transpose_tile` by tiles."""
    lanes = REGISTER_BYTES // a.itemsize
    for j in range(0, columns, lanes):
        for i in range(0, rows, lanes):
            transpose_tile(
                a, a_from + i * a_row + j, a_row, b, b_from + i, b_rows, first + j,
                min(lanes, rows - i), min(lanes, columns - j),
            )  # fmt: skip


@compiled(parallel=True)
def _transpose_pictures(x, y, N, rows, columns, threads):
    """(N, rows, columns) -> (N, columns, rows)"""
    at = np.arange(columns) * rows
    share = max(64, 512 // rows // 64 * 64)  # columns in a task
    shares = (columns + share - 1) // share
    for thread in prange(threads):
        for task in range(N * shares * thread // threads, N * shares * (thread + 1) // threads):
            start, first = task // shares * rows * columns, task % shares * share
            end = min(columns, first + share)
            if min(rows, columns) > FEW:
                transpose(x, start + first, columns, rows, end - first, y, start, at, first)
            elif rows <= FEW:
                done = first
                if rows == 3:  # colours
                    done += (end - first) // LANES * LANES
                    interleave_three(x, start + first, columns, y, start + first * rows, done - first)
                for i in range(rows):
                    row = x[start + i * columns + done : start + i * columns + end]
                    column = y[start + done * rows + i : start + end * rows : rows]
                    for j in range(row.size):
                        column[j] = row[j]
            else:
                for j in range(first, end):
                    row = y[start + j * rows : start + (j + 1) * rows]
                    column = x[start + j : start + rows * columns : columns]
                    for i in range(rows):
                        row[i] = column[i]
