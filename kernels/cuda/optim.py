"""The steps of the optimisers on a GPU. Imports launch.

Unlike all other routines these overwrite what they are given: the parameter, and the running averages that belong to it.
The arrays lie in C order, so a whole network's parameters, laid one behind the other in one buffer, make one call.
"""

import math

from numba import cuda

from .launch import Array, kernel, launch


def sgd(
    p: Array,
    grad: Array,
    momentum_buffer: Array | None,
    step: int,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """One step of gradient descent, with momentum if there is a buffer for it.

    ``g = ∂p + weight_decay·p``        ``b ← momentum·b + (1 − dampening)·g``        ``p ← p − lr·b``

    Parameters as in `kernels.reference.sgd`.
    """
    one = p.dtype.type
    numbers = p.reshape(-1), _flat(grad), (p if momentum_buffer is None else momentum_buffer).reshape(-1)
    keep, take = (0, 1) if step == 1 else (momentum, 1 - dampening)
    flags = int(momentum_buffer is not None), int(nesterov)
    launch(_sgd, (p.size,), *numbers, *flags, one(lr), one(keep), one(take), one(momentum), one(weight_decay))


def rmsprop(
    p: Array,
    grad: Array,
    square_avg: Array,
    grad_avg: Array | None,
    momentum_buffer: Array | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """One step of RMSprop: centred if the mean gradient is kept, with momentum if there is a buffer for it.

    ``g = ∂p + weight_decay·p``        ``v ← alpha·v + (1 − alpha)·g²``        ``p ← p − lr·g / (√v + ε)``

    Parameters as in `kernels.reference.rmsprop`.
    """
    one = p.dtype.type
    moments = [(p if moment is None else moment).reshape(-1) for moment in (square_avg, grad_avg, momentum_buffer)]
    flags = int(grad_avg is not None), int(momentum_buffer is not None)
    scalars = [one(value) for value in (lr, alpha, 1 - alpha, eps, weight_decay, momentum)]
    launch(_rmsprop, (p.size,), p.reshape(-1), _flat(grad), *moments, *flags, *scalars)


def adam(
    p: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decoupled: bool,
) -> None:
    """One step of Adam (Kingma & Ba 2015, Alg. 1), or of AdamW (Loshchilov & Hutter 2019, Alg. 2) if decay is `decoupled`.

    ``m ← β₁·m + (1 − β₁)·g``        ``v ← β₂·v + (1 − β₂)·g²``

    ``p ← p − lr · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)``

    Parameters as in `kernels.reference.adam`. The powers of t are computed in float64 before the kernel starts.
    """
    one, (beta1, beta2) = p.dtype.type, betas
    shrink, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    numbers = p.reshape(-1), _flat(grad), exp_avg.reshape(-1), exp_avg_sq.reshape(-1)
    scalars = (beta1, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**step), 1 / (1 - beta2**step), eps, shrink, decay)
    launch(_adam, (p.size,), *numbers, *[one(value) for value in scalars])


def _flat(grad: Array) -> Array:
    return grad.copy(order="C").reshape(-1) if not grad.flags.c_contiguous else grad.reshape(-1)


@kernel
def _sgd(p, grad, buffer, has_buffer, nesterov, lr, keep, take, momentum, decay):
    """A thread makes every gridsize-th parameter: it reads p, g and b once, and writes p and b once."""
    zero = p.dtype.type(0)
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        g = grad[i]
        if decay != zero:  # 0·∞ would be NaN
            g += decay * p[i]
        if has_buffer:
            b = keep * buffer[i] + take * g
            buffer[i] = b
            g = g + momentum * b if nesterov else b
        p[i] -= lr * g


@kernel
def _rmsprop(p, grad, square_avg, grad_avg, buffer, centered, has_buffer, lr, alpha, rest, eps, decay, momentum):
    """A thread makes every gridsize-th parameter, and its moments."""
    zero = p.dtype.type(0)
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        g = grad[i]
        if decay != zero:
            g += decay * p[i]
        v = alpha * square_avg[i] + rest * g * g
        square_avg[i] = v
        if centered:
            m = alpha * grad_avg[i] + rest * g
            grad_avg[i] = m
            v = max(v - m * m, zero)  # rounding makes it negative where gradients hardly change
        direction = g / (math.sqrt(v) + eps)
        if has_buffer:
            direction = momentum * buffer[i] + direction
            buffer[i] = direction
        p[i] -= lr * direction


@kernel
def _adam(p, grad, exp_avg, exp_avg_sq, beta1, rest1, beta2, rest2, rate, correction, eps, shrink, decay):
    """A thread makes every gridsize-th parameter: of seven numbers read or written none is touched twice.

    `rate` is lr/(1 − β₁ᵗ), `correction` is 1/(1 − β₂ᵗ); `shrink` is AdamW's factor for p.
    """
    zero = p.dtype.type(0)
    for i in range(cuda.grid(1), p.size, cuda.gridsize(1)):
        value = p[i] * shrink
        g = grad[i]
        if decay != zero:
            g += decay * value
        m = beta1 * exp_avg[i] + rest1 * g
        v = beta2 * exp_avg_sq[i] + rest2 * g * g
        exp_avg[i] = m
        exp_avg_sq[i] = v
        p[i] = value - rate * m / (math.sqrt(v * correction) + eps)
