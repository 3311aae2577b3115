"""The largest element along some axes, and its gradient, on a GPU. Imports NumPy, layout and launch."""

import numpy as np
from numba import cuda, int64

from . import launch as launching
from .launch import Array, kernel, launch, power_of_two
from .layout import empty, flat, shaped

Axes = tuple[int, ...]


def amax(x: Array, axes: Axes) -> Array:
    """The largest element over the axes, ``y = max x``; NaN where there is one.

    Parameters and result as in `kernels.reference.amax`.
    """
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    y = empty(tuple(x.shape[i] for i in kept), x)
    rows, columns = y.size, x.size // max(1, y.size)
    team = min(power_of_two(columns), launching.TEAM)
    block = (team, launching.TEAM // team, 1)
    numbers = flat(x, (*kept, *axes))
    shared = launching.TEAM * x.itemsize
    launch(_amax, (team, rows), numbers, y.reshape(-1), rows, columns, block=block, shared=shared)
    return y


def amax_backward(grad: Array, x: Array, y: Array, axes: Axes) -> Array:
    """The gradient of `amax`: ``∂x = g/m`` at each of the m elements that equal y, 0 elsewhere; NaN where y is NaN.

    Parameters and result as in `kernels.reference.amax_backward`.
    """
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    rows = grad.size
    columns = x.size // max(1, rows)
    team = min(power_of_two(columns), launching.TEAM)
    block = (team, launching.TEAM // team, 1)
    grad_x = empty((x.size,), x)
    tops = grad.copy(order="C").reshape(-1), y.copy(order="C").reshape(-1)
    shared = launching.TEAM * np.dtype(np.int64).itemsize
    order = (*kept, *axes)
    launch(_amax_backward, (team, rows), *tops, flat(x, order), grad_x, rows, columns, block=block, shared=shared)
    return shaped(grad_x, x.shape, order)


@kernel
def _amax(x, y, rows, columns):
    """y[r] is the largest of row r of x, which is (rows, columns), flat.

    The threads (tx, ·) of a block share a row: each looks through every blockDim.x-th number, and then they compare
    what they found, in shared memory, half as many at each step. A NaN counts as larger than all.
    """
    shared = cuda.shared.array(0, x.dtype)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    me = ty * cuda.blockDim.x + tx
    for first in range(cuda.blockIdx.y * cuda.blockDim.y, rows, cuda.gridDim.y * cuda.blockDim.y):
        r = first + ty
        best = x[(r if r < rows else 0) * columns]
        if r < rows:
            for k in range(tx, columns, cuda.blockDim.x):
                value = x[r * columns + k]
                if value > best or value != value:
                    best = value
        shared[me] = best
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if tx < half:
                value = shared[me + half]
                if value > shared[me] or value != value:
                    shared[me] = value
            cuda.syncthreads()
            half //= 2
        if tx == 0 and r < rows:
            y[r] = shared[me]
        cuda.syncthreads()


@kernel
def _amax_backward(grad, y, x, grad_x, rows, columns):
    """∂x of row r: its share of grad[r] at each number that equals y[r]. Threads share a row, as in `_amax`.

    First they count the equal numbers, by the same tree; when the count is there, each fills in its own part of the row.
    """
    shared = cuda.shared.array(0, int64)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    me = ty * cuda.blockDim.x + tx
    zero = x.dtype.type(0)
    for first in range(cuda.blockIdx.y * cuda.blockDim.y, rows, cuda.gridDim.y * cuda.blockDim.y):
        r = first + ty
        count = 0
        if r < rows:
            for k in range(tx, columns, cuda.blockDim.x):
                if x[r * columns + k] == y[r]:
                    count += 1
        shared[me] = count
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if tx < half:
                shared[me] += shared[me + half]
            cuda.syncthreads()
            half //= 2
        if r < rows:
            count = shared[ty * cuda.blockDim.x]
            share = y[r]  # NaN, if nothing equals it
            if count > 0:
                share = grad[r] / x.dtype.type(count)
            for k in range(tx, columns, cuda.blockDim.x):
                grad_x[r * columns + k] = share if count == 0 or x[r * columns + k] == y[r] else zero
        cuda.syncthreads()
