"""How arrays lie in memory: kernels here see flat runs of numbers. Imports NumPy and launch.

Pictures are (N, C, H, W) for whoever calls, and lie channels-last in memory where the kernels can choose: a pixel's channels
side by side. Then a warp, 32 threads side by side, reads 32 channels with one look at memory, and the sums of a convolution
are one matrix product over all pixels.
"""

import numpy as np
from numba import cuda

from .launch import Array, kernel, launch

TILE = 32
ROW = TILE + 1  # of the tile in shared memory, see below

Order = tuple[int, ...]


def empty(shape: tuple[int, ...], like: Array) -> Array:
    """A new array where `like` is, of its type, with nothing in it."""
    return np.empty(shape, like.dtype, like=like)


def channels_last_order(ndim: int) -> Order:
    """The axes (N, C, ...) in the order (N, ..., C)."""
    return (0, *range(2, ndim), 1)


def order_of(x: Array) -> Order:
    """The order of the axes in which the numbers of x lie one after the other: C order, or channels last, if either."""
    last = channels_last_order(x.ndim) if x.ndim > 1 else (0,) * x.ndim
    if not x.flags.c_contiguous and x.transpose(last).flags.c_contiguous:
        return last
    return tuple(range(x.ndim))


def flat(x: Array, order: Order) -> Array:
    """The numbers of x, its axes in the given order, as one dense run; a copy only if they do not lie so."""
    view = x.transpose(order)
    if view.flags.c_contiguous:
        return view.reshape(-1)
    if x.ndim > 2 and x.size:
        if x.flags.c_contiguous and order == channels_last_order(x.ndim):
            return transposed(x.reshape(-1), x.shape[0], x.shape[1], x.size // (x.shape[0] * x.shape[1]))
        last = x.transpose(channels_last_order(x.ndim))
        if last.flags.c_contiguous and order == tuple(range(x.ndim)):
            return transposed(last.reshape(-1), x.shape[0], x.size // (x.shape[0] * x.shape[1]), x.shape[1])
    numbers = view.reshape(-1)  # still a view, where x is a column, or one number repeated
    return numbers if numbers.flags.c_contiguous else numbers.copy()


def shaped(numbers: Array, shape: tuple[int, ...], order: Order) -> Array:
    """A flat run of numbers as an array of `shape` whose axes lie in the given order: the inverse of `flat`."""
    back = [order.index(axis) for axis in range(len(shape))]
    return numbers.reshape([shape[axis] for axis in order]).transpose(back)


def contiguous(x: Array) -> Array:
    """The numbers of x in C order: x itself where they lie so already, a copy otherwise.

    Parameters
    ----------
    x : array of shape (N, C, H, W)

    Returns
    -------
    array of shape (N, C, H, W)
    """
    order = tuple(range(x.ndim))
    return x if x.flags.c_contiguous else shaped(flat(x, order), x.shape, order)


def transposed(x: Array, matrices: int, rows: int, columns: int) -> Array:
    """`matrices` flat matrices of `rows` × `columns`, one after the other, each transposed."""
    y = empty((x.size,), x)
    extent = (-(-columns // TILE) * TILE, -(-rows // TILE) * 8, matrices)
    launch(_transpose, extent, x, y, matrices, rows, columns, block=_block())
    return y


def _block() -> tuple[int, int, int]:
    from . import launch as launching

    return (min(TILE, launching.TEAM), max(1, min(8, launching.TEAM // TILE)), 1)


@kernel
def _transpose(x, y, matrices, rows, columns):
    """Transpose matrices by tiles, so that both the reading and the writing run along memory.

    A block takes a tile of 32 × 32. Each of its threads copies some of it to shared memory, along the rows of x:

        tile[i, j] = x[m, i, j]

    and when all have done so, hence `syncthreads`, some of it to y, along the rows of y, which are columns of the tile:

        y[m, j, i] = tile[i, j]

    A thread writes what others have read: that is what the block shares a tile for. The tile's rows are 33 long, because
    shared memory comes in 32 banks: a column of rows 32 long would lie in one bank, and 32 threads would queue for it.
    """
    tile = cuda.shared.array((TILE, ROW), x.dtype)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    across, down = (columns + TILE - 1) // TILE, (rows + TILE - 1) // TILE
    for m in range(cuda.blockIdx.z, matrices, cuda.gridDim.z):
        for row_tile in range(cuda.blockIdx.y, down, cuda.gridDim.y):
            for column_tile in range(cuda.blockIdx.x, across, cuda.gridDim.x):
                top, left = row_tile * TILE, column_tile * TILE
                for i in range(ty, TILE, cuda.blockDim.y):
                    for j in range(tx, TILE, cuda.blockDim.x):
                        if top + i < rows and left + j < columns:
                            tile[i, j] = x[(m * rows + top + i) * columns + left + j]
                cuda.syncthreads()
                for j in range(ty, TILE, cuda.blockDim.y):
                    for i in range(tx, TILE, cuda.blockDim.x):
                        if top + i < rows and left + j < columns:
                            y[(m * columns + left + j) * rows + top + i] = tile[i, j]
                cuda.syncthreads()  # before the next tile is read into the place of this one
