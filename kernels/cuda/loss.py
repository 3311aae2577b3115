"""Loss heads and their gradients on a GPU. Imports NumPy, layout and launch.

A batch has about a hundred logits, so a loss costs what its launches cost. Written in array operations a binary
cross-entropy is ten kernels; here it is one. Where the losses are added up, one block does it all, for a block can wait
for its threads: each goes through its part of the losses, and what they found is added in shared memory, as a tree (see
norm.py).
"""

import math

import numpy as np
from numba import cuda

from . import launch as launching
from .launch import Array, kernel, launch
from .layout import empty, flat


def bce_with_logits(x: Array, target: Array, reduction: str) -> Array:
    """Binary cross-entropy of logits x with targets t.

    ``y = −t·log σ(x) − (1 − t)·log(1 − σ(x)) = max(x, 0) − t·x + log(1 + e^−|x|)``

    Parameters and result as in `kernels.reference.bce_with_logits`.
    """
    return _elementwise(_bce, x, target, reduction)


def bce_with_logits_backward(grad: Array, x: Array, target: Array, reduction: str) -> Array:
    """The gradient of `bce_with_logits` to x.

    ``∂x = g·(σ(x) − t) = g·((1 − t)·σ(x) − t·σ(−x))``
    """
    return _elementwise_backward(_bce_backward, grad, x, target, reduction)


def squared_error(x: Array, target: Array, reduction: str) -> Array:
    """Squared distance of x from targets t.

    ``y = (x − t)²``

    Parameters and result as in `kernels.reference.squared_error`.
    """
    return _elementwise(_squared_error, x, target, reduction)


def squared_error_backward(grad: Array, x: Array, target: Array, reduction: str) -> Array:
    """The gradient of `squared_error` to x.

    ``∂x = 2g·(x − t)``
    """
    return _elementwise_backward(_squared_error_backward, grad, x, target, reduction)


def cross_entropy(x: Array, index: Array, reduction: str) -> Array:
    """Cross-entropy of the logits of some classes with the class that is right.

    ``y = −log softmax(x)[index]``        softmax over axis 1

    Parameters and result as in `kernels.reference.cross_entropy`.
    """
    numbers, rows, classes = _rows(x)
    y = empty((rows,) if reduction == "none" else (1,), x)
    _launch(_cross_entropy, rows, reduction, numbers, flat(index, tuple(range(index.ndim))), y, rows, classes)
    return y.reshape(index.shape if reduction == "none" else ())


def cross_entropy_backward(grad: Array, x: Array, index: Array, reduction: str) -> Array:
    """The gradient of `cross_entropy` to x.

    ``∂x = g·(softmax(x) − one_hot(index))``
    """
    numbers, rows, classes = _rows(x)
    grad_x = empty(numbers.shape, x)
    step, share = _share(rows, reduction)
    arrays = _flat(grad), numbers, flat(index, tuple(range(index.ndim))), grad_x
    launch(_cross_entropy_backward, (rows,), *arrays, step, rows, classes, x.dtype.type(share))
    order = (0, *range(2, x.ndim), 1)
    return grad_x.reshape([x.shape[i] for i in order]).transpose([order.index(i) for i in range(x.ndim)])


def _elementwise(kernel: object, x: Array, target: Array, reduction: str) -> Array:
    y = empty((x.size,) if reduction == "none" else (1,), x)
    target = _beside(target, x)
    _launch(kernel, x.size, reduction, _flat(x), _flat(target), y, int(target.size != 1))
    return y.reshape(x.shape if reduction == "none" else ())


def _launch(kernel: object, n: int, reduction: str, *args: object) -> None:
    """Forward: on any grid if each loss is wanted, in one block, which can add, if not."""
    x = args[0]
    block = (launching.TEAM, 1, 1)
    mean = 1 / n if n else math.nan  # of nothing, as NumPy says
    factor = x.dtype.type(mean if reduction == "mean" else 1)
    extent = (n,) if reduction == "none" else (1,)
    launch(kernel, extent, *args, int(reduction != "none"), factor, block=block, shared=launching.TEAM * x.itemsize)


def _elementwise_backward(kernel: object, grad: Array, x: Array, target: Array, reduction: str) -> Array:
    grad_x = empty((x.size,), x)
    target = _beside(target, x)
    step, share = _share(x.size, reduction)
    launch(
        kernel,
        (x.size,),
        _flat(grad),
        _flat(x),
        _flat(target),
        grad_x,
        step,
        int(target.size != 1),
        x.dtype.type(share),
    )
    return grad_x.reshape(x.shape)


def _beside(target: Array, x: Array) -> Array:
    """The target as an array where x is; one number may come from the host."""
    return target if type(target) is type(x) else np.full((1,), float(target), x.dtype, like=x)


def _share(n: int, reduction: str) -> tuple[int, float]:
    """The step from one loss's gradient to the next one's, 0 if they have one in common; and what it is multiplied with."""
    return int(reduction == "none"), 1 / max(n, 1) if reduction == "mean" else 1


def _flat(x: Array) -> Array:
    return flat(x, tuple(range(x.ndim))) if x.ndim else x.reshape(-1)


def _rows(x: Array) -> tuple[Array, int, int]:
    """Logits (N, K, ...) as rows of K, flat; how many rows, and K."""
    return flat(x, (0, *range(2, x.ndim), 1)), x.size // max(1, x.shape[1]), x.shape[1]


@kernel
def _bce(x, target, y, step, add, factor):
    """y[i] = max(x, 0) − t·x + log(1 + e^−|x|), or y[0] their sum times `factor`; t is target[i·step].

    A thread makes every gridsize-th loss. If they are to be added, there is one block: a thread adds up its own, and then
    half of the threads add what the other half have, and half of these, until thread 0 has all.
    """
    shared = cuda.shared.array(0, x.dtype)
    zero = x.dtype.type(0)
    total = zero
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = max(x[i], zero) - target[i * step] * x[i] + math.log1p(math.exp(-abs(x[i])))
        if add:
            total += value
        else:
            y[i] = value
    if add:
        me = cuda.threadIdx.x
        shared[me] = total
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if me < half:
                shared[me] += shared[me + half]
            cuda.syncthreads()
            half //= 2
        if me == 0:
            y[0] = shared[0] * factor


@kernel
def _bce_backward(grad, x, target, grad_x, grad_step, step, share):
    """∂x[i] = g·share·((1 − t)·σ(x) − t·σ(−x)). A thread makes every gridsize-th."""
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        t = target[i * step]
        e = math.exp(-abs(x[i]))
        slope = (one - t - e * t) / (one + e) if x[i] >= zero else (e * (one - t) - t) / (one + e)
        grad_x[i] = slope * (grad[i * grad_step] * share)


@kernel
def _squared_error(x, target, y, step, add, factor):
    """y[i] = (x − t)², or y[0] their sum times `factor`; threads as in `_bce`."""
    shared = cuda.shared.array(0, x.dtype)
    total = x.dtype.type(0)
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        d = x[i] - target[i * step]
        if add:
            total += d * d
        else:
            y[i] = d * d
    if add:
        me = cuda.threadIdx.x
        shared[me] = total
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if me < half:
                shared[me] += shared[me + half]
            cuda.syncthreads()
            half //= 2
        if me == 0:
            y[0] = shared[0] * factor


@kernel
def _squared_error_backward(grad, x, target, grad_x, grad_step, step, share):
    """∂x[i] = g·share·2(x − t). A thread makes every gridsize-th."""
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        d = x[i] - target[i * step]
        grad_x[i] = (d + d) * (grad[i * grad_step] * share)


@kernel
def _cross_entropy(x, index, y, rows, classes, add, factor):
    """y[r] = log Σ exp(x − top) − (x[index] − top), top the largest of row r; or their sum. A thread has whole rows."""
    shared = cuda.shared.array(0, x.dtype)
    zero = x.dtype.type(0)
    total = zero
    for r in range(cuda.grid(1), rows, cuda.gridsize(1)):
        top = x[r * classes]
        for k in range(1, classes):
            value = x[r * classes + k]
            if value > top or value != value:
                top = value
        if not abs(top) < math.inf:
            top = zero
        weight = zero
        for k in range(classes):
            weight += math.exp(x[r * classes + k] - top)
        value = math.log(weight) - (x[r * classes + index[r]] - top)
        if add:
            total += value
        else:
            y[r] = value
    if add:
        me = cuda.threadIdx.x
        shared[me] = total
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if me < half:
                shared[me] += shared[me + half]
            cuda.syncthreads()
            half //= 2
        if me == 0:
            y[0] = shared[0] * factor


@kernel
def _cross_entropy_backward(grad, x, index, grad_x, grad_step, rows, classes, share):
    """∂x[r, k] = g·share·(softmax(x)[k] − [k = index]). A thread has whole rows."""
    zero = x.dtype.type(0)
    one = x.dtype.type(1)
    for r in range(cuda.grid(1), rows, cuda.gridsize(1)):
        top = x[r * classes]
        for k in range(1, classes):
            value = x[r * classes + k]
            if value > top or value != value:
                top = value
        if not abs(top) < math.inf:
            top = zero
        weight = zero
        for k in range(classes):
            weight += math.exp(x[r * classes + k] - top)
        g = grad[r * grad_step] * share
        for k in range(classes):
            p = math.exp(x[r * classes + k] - top) / weight
            grad_x[r * classes + k] = (p - (one if k == index[r] else zero)) * g
