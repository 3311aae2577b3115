"""Batch norm and its gradient, and a scale and shift of each channel, on a GPU. Imports NumPy, layout and launch.

A batch is seen as a matrix of M rows, the pixels of all pictures, and C columns, the channels. A block has threads (tx, ty):
tx chooses a channel, so that neighbours read neighbouring numbers, and the ty of a block share the rows. What each has found
out about its rows is put together in shared memory, in the shape of a tree:

    ty      0   1   2   3   4   5   6   7
            │   │   │   │   │   │   │   │
            ├───│───│───│───┘   │   │   │       4 threads add what stands 4 further,    wait for each other,
            ├───│───┘   ...                     2 what stands 2 further,                wait,
            └───┘                               1 what stands beside it

which takes log₂ steps, and always the same order: the results do not change from run to run. A matrix with many rows is cut
for many blocks. Blocks cannot wait for each other, so a second kernel puts together what they have found.

All is computed in the type of x. Sums of squares would lose their digits in float32 where the mean is large beside the
deviation; so what is handed on is a mean and a sum of squares *around that mean*, and two of them join by the rule of Chan,
Golub and LeVeque (1979):

    n = n₁ + n₂        δ = μ₂ − μ₁        μ = μ₁ + δ·n₂/n        m₂ = m₂₁ + m₂₂ + δ²·n₁·n₂/n
"""

import math

import numpy as np
from numba import cuda

from . import launch as launching
from .launch import Array, kernel, launch, power_of_two
from .layout import channels_last_order, empty, flat, shaped

SLICES = 2 if launching.SIMULATED else 64  # at most so many blocks share the rows of a channel


def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    negative_slope: float = 1.0,
) -> tuple[Array, Array, Array]:
    """Standardise every channel over batch and space, scale and shift it; then, if asked, LeakyReLU.

    ``μ = Σ x / m``        ``σ² = Σ (x − μ)² / m``        ``x̂ = (x − μ) / √(σ² + ε)``        ``y = leaky(γ·x̂ + β)``

    Parameters and results as in `kernels.reference.batch_norm`, but that μ and σ² have the type of x.
    """
    order, C, M = channels_last_order(x.ndim), x.shape[1], x.size // max(1, x.shape[1])
    numbers, like = flat(x, order), x
    mean, var, y = empty((C,), like), empty((C,), like), empty((x.size,), like)
    slices, block, shared = _team(M, C, x.itemsize, arrays=3)
    means, squares = empty((slices * C,), like), empty((slices * C,), like)
    if M == 0:
        mean[...] = 0
        var[...] = 0
    extent = (C, slices * block[1])
    launch(_partial_moments, extent, numbers, means, squares, M, C, slices, block=block, shared=shared)
    launch(_joined_moments, (C,), means, squares, mean, var, M, C, slices)
    one = x.dtype.type
    affine = _vector(weight, 1, x), _vector(bias, 0, x)
    launch(_standardise, (C, M), numbers, mean, var, *affine, y, M, C, one(eps), one(negative_slope))
    return shaped(y, x.shape, order), mean, var


def batch_norm_backward(
    grad: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    eps: float,
    negative_slope: float = 1.0,
) -> tuple[Array, Array, Array]:
    """The gradients of `batch_norm` to x, γ and β.

    ``∂β = Σ g``        ``∂γ = Σ g·x̂``        ``∂x = γ / √(σ² + ε) · (g − (Σ g)/m − x̂·(Σ g·x̂)/m)``

    where g has come back through the LeakyReLU.

    Parameters and results as in `kernels.reference.batch_norm_backward`.
    """
    order, C, M = channels_last_order(x.ndim), x.shape[1], x.size // max(1, x.shape[1])
    numbers, grads = flat(x, order), flat(grad, order)
    one = x.dtype.type
    statistics = mean.astype(x.dtype), var.astype(x.dtype), _vector(weight, 1, x), _vector(bias, 0, x)
    scalars = one(eps), one(negative_slope)
    slices, block, shared = _team(M, C, x.itemsize, arrays=2)
    sums = empty((2, slices * C), x)
    totals = empty((2, C), x)
    extent = (C, slices * block[1])
    partial = sums[0], sums[1], M, C, slices, *scalars
    launch(_partial_gradients, extent, grads, numbers, *statistics, *partial, block=block, shared=shared)
    launch(_joined_sums, (2 * C,), sums.reshape(-1), totals.reshape(-1), 2, C, slices)
    grad_x = empty((x.size,), x)
    launch(_gradient, (C, M), grads, numbers, *statistics, totals[0], totals[1], grad_x, M, C, *scalars)
    return shaped(grad_x, x.shape, order), totals[1], totals[0]


def channel_sum(x: Array) -> Array:
    """The sum of each channel over all pictures, ``y[c] = Σ x[n, c, ...]``: what comes back to a bias."""
    C, M = x.shape[1], x.size // max(1, x.shape[1])
    slices, block, shared = _team(M, C, x.itemsize, arrays=1)
    sums, y = empty((slices * C,), x), empty((C,), x)
    numbers = flat(x, channels_last_order(x.ndim))
    launch(_partial_sums, (C, slices * block[1]), numbers, sums, M, C, slices, block=block, shared=shared)
    launch(_joined_sums, (C,), sums, y, 1, C, slices)
    return y


def scale_and_shift(x: Array, scale: Array, shift: Array, negative_slope: float = 1.0) -> Array:
    """Scale and shift every channel; then, if asked, LeakyReLU. Batch norm is this where its statistics stand still.

    ``y = leaky(scale·x + shift)``
    """
    order, C, M = channels_last_order(x.ndim), x.shape[1], x.size // max(1, x.shape[1])
    y = empty((x.size,), x)
    vectors = _vector(scale, 1, x), _vector(shift, 0, x)
    launch(_scale_and_shift, (C, M), flat(x, order), *vectors, y, M, C, x.dtype.type(negative_slope))
    return shaped(y, x.shape, order)


def _team(M: int, C: int, itemsize: int, arrays: int) -> tuple[int, tuple[int, int, int], int]:
    """How many slices the M rows are cut into, the block of threads, and the bytes that it shares."""
    lanes = min(32, power_of_two(C), launching.TEAM)
    block = (lanes, launching.TEAM // lanes, 1)
    slices = min(SLICES, max(1, M // (8 * block[1])))
    return slices, block, arrays * launching.TEAM * itemsize


def _vector(values: Array | None, default: float, x: Array) -> Array:
    """One number for each channel, in the type of x."""
    if values is None:
        return np.full((x.shape[1],), default, x.dtype, like=x)
    return flat(values.astype(x.dtype, copy=False), (0,))


# ------------------------------------------------------------------------------------------------------ sums


@kernel
def _partial_moments(x, means, squares, M, C, slices):
    """Mean, and sum of squares around it, of each channel in each slice of the rows; x is (M, C), flat.

    Thread (tx, ty) of block (bx, s) goes through the rows of slice s, every blockDim.y-th from its ty-th on, in one
    channel. It adds up differences from the first number it sees, which is nearer to the mean than 0 is. Then the block's
    threads put together what they have, as the tree above does, in three arrays that they share: how many rows, mean, sum of
    squares. A thread that has no channel left takes part in all waiting, or the others would wait for ever.
    """
    shared = cuda.shared.array(0, x.dtype)
    size = cuda.blockDim.x * cuda.blockDim.y
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    me = ty * cuda.blockDim.x + tx
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    length = (M + slices - 1) // slices
    for s in range(cuda.blockIdx.y, slices, cuda.gridDim.y):
        for left in range(cuda.blockIdx.x * cuda.blockDim.x, C, cuda.gridDim.x * cuda.blockDim.x):
            c = left + tx
            start, stop = s * length + ty, min(M, (s + 1) * length)
            count = zero
            origin = zero
            total = zero
            square = zero
            if c < C and start < stop:
                origin = x[start * C + c]
                for row in range(start, stop, cuda.blockDim.y):
                    d = x[row * C + c] - origin
                    total += d
                    square += d * d
                    count += one
                total /= count
                square -= count * total * total
            shared[me] = count
            shared[size + me] = origin + total
            shared[2 * size + me] = square
            cuda.syncthreads()
            half = cuda.blockDim.y // 2
            while half > 0:
                other = me + half * cuda.blockDim.x
                if ty < half and shared[other] > zero:
                    both = shared[me] + shared[other]
                    share = shared[other] / both
                    delta = shared[size + other] - shared[size + me]
                    shared[size + me] += delta * share
                    shared[2 * size + me] += shared[2 * size + other] + delta * delta * shared[me] * share
                    shared[me] = both
                cuda.syncthreads()
                half //= 2
            if ty == 0 and c < C:
                means[s * C + c] = shared[size + tx]
                squares[s * C + c] = shared[2 * size + tx]
            cuda.syncthreads()


@kernel
def _joined_moments(means, squares, mean, var, M, C, slices):
    """Mean and variance of each channel from those of its slices. A thread has a channel and takes the slices in order."""
    zero = mean.dtype.type(0)
    length = (M + slices - 1) // slices
    for c in range(cuda.grid(1), C, cuda.gridsize(1)):
        count, mu, square = zero, zero, zero
        for s in range(slices):
            rows = mean.dtype.type(min(M, (s + 1) * length) - s * length)
            if rows > zero:
                both = count + rows
                share = rows / both
                delta = means[s * C + c] - mu
                mu += delta * share
                square += squares[s * C + c] + delta * delta * count * share
                count = both
        mean[c] = mu
        var[c] = square / max(count, mean.dtype.type(1))


@kernel
def _partial_sums(x, sums, M, C, slices):
    """The sum of each channel in each slice of the rows; threads and tree as in `_partial_moments`."""
    shared = cuda.shared.array(0, x.dtype)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    me = ty * cuda.blockDim.x + tx
    length = (M + slices - 1) // slices
    for s in range(cuda.blockIdx.y, slices, cuda.gridDim.y):
        for left in range(cuda.blockIdx.x * cuda.blockDim.x, C, cuda.gridDim.x * cuda.blockDim.x):
            c = left + tx
            total = x.dtype.type(0)
            if c < C:
                for row in range(s * length + ty, min(M, (s + 1) * length), cuda.blockDim.y):
                    total += x[row * C + c]
            shared[me] = total
            cuda.syncthreads()
            half = cuda.blockDim.y // 2
            while half > 0:
                if ty < half:
                    shared[me] += shared[me + half * cuda.blockDim.x]
                cuda.syncthreads()
                half //= 2
            if ty == 0 and c < C:
                sums[s * C + c] = shared[tx]
            cuda.syncthreads()


@kernel
def _joined_sums(sums, totals, parts, C, slices):
    """For each of `parts` sums the total over the slices, (parts, slices, C) → (parts, C). A thread has one total."""
    for k in range(cuda.grid(1), parts * C, cuda.gridsize(1)):
        part = k // C
        total = sums.dtype.type(0)
        for s in range(slices):
            total += sums[(part * slices + s) * C + k - part * C]
        totals[k] = total


@kernel
def _partial_gradients(grad, x, mean, var, weight, bias, sums_g, sums_gx, M, C, slices, eps, slope):
    """Σ g and Σ g·x̂ of each channel in each slice of the rows, g being `grad` come back through LeakyReLU.

    Threads and tree as in `_partial_moments`, with two shared arrays. Where LeakyReLU's input was not positive is computed
    anew: cheaper than reading y from memory, and y need not be kept.
    """
    shared = cuda.shared.array(0, x.dtype)
    size = cuda.blockDim.x * cuda.blockDim.y
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    me = ty * cuda.blockDim.x + tx
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    length = (M + slices - 1) // slices
    for s in range(cuda.blockIdx.y, slices, cuda.gridDim.y):
        for left in range(cuda.blockIdx.x * cuda.blockDim.x, C, cuda.gridDim.x * cuda.blockDim.x):
            c = left + tx
            total = zero
            along = zero
            if c < C:
                mu, rstd = mean[c], one / math.sqrt(var[c] + eps)
                gamma, beta = weight[c], bias[c]
                for row in range(s * length + ty, min(M, (s + 1) * length), cuda.blockDim.y):
                    x_hat = (x[row * C + c] - mu) * rstd
                    g = grad[row * C + c]
                    if slope != one and not x_hat * gamma + beta > zero:
                        g = slope * g if slope != zero else zero
                    total += g
                    along += g * x_hat
            shared[me] = total
            shared[size + me] = along
            cuda.syncthreads()
            half = cuda.blockDim.y // 2
            while half > 0:
                if ty < half:
                    other = me + half * cuda.blockDim.x
                    shared[me] += shared[other]
                    shared[size + me] += shared[size + other]
                cuda.syncthreads()
                half //= 2
            if ty == 0 and c < C:
                sums_g[s * C + c] = shared[tx]
                sums_gx[s * C + c] = shared[size + tx]
            cuda.syncthreads()


# -------------------------------------------------------------------------------------------- one number at a time


@kernel
def _standardise(x, mean, var, weight, bias, y, M, C, eps, slope):
    """y = LeakyReLU(γ·(x − μ)/√(σ² + ε) + β). A thread has a channel (along x), whose numbers it fetches once, and rows."""
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    c0, row0 = cuda.grid(2)
    across, down = cuda.gridsize(2)
    for c in range(c0, C, across):
        mu, rstd = mean[c], one / math.sqrt(var[c] + eps)
        gamma, beta = weight[c], bias[c]
        for row in range(row0, M, down):
            value = (x[row * C + c] - mu) * rstd * gamma + beta
            if slope != one and value <= zero:
                value = slope * value if slope != zero else zero
            y[row * C + c] = value


@kernel
def _gradient(grad, x, mean, var, weight, bias, sum_g, sum_gx, grad_x, M, C, eps, slope):
    """∂x = γ/√(σ² + ε)·(g − ⟨g⟩ − x̂·⟨g·x̂⟩). A thread has a channel (along x) and rows."""
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    c0, row0 = cuda.grid(2)
    across, down = cuda.gridsize(2)
    for c in range(c0, C, across):
        mu, rstd = mean[c], one / math.sqrt(var[c] + eps)
        gamma, beta = weight[c], bias[c]
        mean_g, mean_gx = sum_g[c] / x.dtype.type(M), sum_gx[c] / x.dtype.type(M)
        for row in range(row0, M, down):
            x_hat = (x[row * C + c] - mu) * rstd
            g = grad[row * C + c]
            if slope != one and not x_hat * gamma + beta > zero:
                g = slope * g if slope != zero else zero
            grad_x[row * C + c] = gamma * rstd * (g - mean_g - x_hat * mean_gx)


@kernel
def _scale_and_shift(x, scale, shift, y, M, C, slope):
    """y = LeakyReLU(scale·x + shift). A thread has a channel (along x) and rows."""
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    c0, row0 = cuda.grid(2)
    across, down = cuda.gridsize(2)
    for c in range(c0, C, across):
        s, t = scale[c], shift[c]
        for row in range(row0, M, down):
            value = s * x[row * C + c] + t
            if slope != one and value <= zero:
                value = slope * value if slope != zero else zero
            y[row * C + c] = value
