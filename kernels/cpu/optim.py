"""The steps of the optimisers, compiled: one pass over memory. Imports only NumPy and Numba.

Unlike all other routines these overwrite what they are given: the parameter, and the running averages that belong to it.
Arrays that are overwritten lie in C order; all arrays of one call have the same shape and dtype.

The numbers of an equation go in as one tuple, and are rounded to the arrays' dtype first, as NumPy does.
"""

import math

import numpy as np
from numba import prange

from .compile import compiled
from .threads import threads_for


def sgd(
    p: np.ndarray,
    grad: np.ndarray,
    momentum_buffer: np.ndarray | None,
    step: int,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """One step of gradient descent, with momentum if there is a buffer for it.

    ``g = ∂p + weight_decay·p``        ``b ← momentum·b + (1 − dampening)·g``        ``p ← p − lr·b``

    In the first step ``b ← g``. With `nesterov` ``p ← p − lr·(g + momentum·b)``; without momentum ``p ← p − lr·g``.

    Parameters
    ----------
    p : array
        the parameter; overwritten
    grad : array
        ∂p, the gradient
    momentum_buffer : array, or None
        b; overwritten
    step : int
        1 in the first step
    lr, momentum, dampening, weight_decay : float
    nesterov : bool

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import sgd
    >>> p = np.array([1.0, 2.0])
    >>> sgd(p, np.array([4.0, 0.0]), None, 1, 0.25, 0.0, 0.0, 0.0, False)
    >>> p
    array([0., 2.])
    """
    old, new = (0.0, 1.0) if step == 1 else (momentum, 1 - dampening)
    numbers = (float(lr), float(old), float(new), float(momentum), float(weight_decay))
    _sgd(_flat(p), _flat(grad), _flat(momentum_buffer), numbers, bool(nesterov))


def rmsprop(
    p: np.ndarray,
    grad: np.ndarray,
    square_avg: np.ndarray,
    grad_avg: np.ndarray | None,
    momentum_buffer: np.ndarray | None,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
) -> None:
    """One step of RMSprop: centred if the mean gradient is kept, with momentum if there is a buffer for it.

    ``g = ∂p + weight_decay·p``        ``v ← alpha·v + (1 − alpha)·g²``        ``p ← p − lr·g / (√v + ε)``

    Centred, ``m ← alpha·m + (1 − alpha)·g``, and the variance ``v − m²`` stands for v in the last formula. With momentum,
    ``b ← momentum·b + g / (√v + ε)`` and ``p ← p − lr·b``.

    Parameters
    ----------
    p : array
        the parameter; overwritten
    grad : array
        ∂p, the gradient
    square_avg : array
        v; overwritten
    grad_avg, momentum_buffer : arrays, or None
        m and b; overwritten
    lr, alpha, eps, weight_decay, momentum : float

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import rmsprop
    >>> p, v = np.array([1.0]), np.array([0.0])
    >>> rmsprop(p, np.array([3.0]), v, None, None, 0.1, 0.75, 0.0, 0.0, 0.0)
    >>> p, v
    (array([0.8]), array([2.25]))
    """
    numbers = (float(lr), float(alpha), float(1 - alpha), float(eps), float(weight_decay), float(momentum))
    _rmsprop(_flat(p), _flat(grad), _flat(square_avg), _flat(grad_avg), _flat(momentum_buffer), numbers)


def adam(
    p: np.ndarray,
    grad: np.ndarray,
    exp_avg: np.ndarray,
    exp_avg_sq: np.ndarray,
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

    In Adam ``g = ∂p + weight_decay·p``. In AdamW ``g = ∂p``, and before all else ``p ← (1 − lr·weight_decay)·p``.

    Parameters
    ----------
    p : array
        the parameter; overwritten
    grad : array
        ∂p, the gradient
    exp_avg, exp_avg_sq : arrays
        m and v; overwritten
    step : int
        t, 1 in the first step
    lr : float
    betas : pair of floats
        β₁ and β₂
    eps, weight_decay : float
    decoupled : bool

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import adam
    >>> p, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam(p, np.array([8.0]), m, v, 1, 0.25, (0.5, 0.75), 0.0, 0.0, False)
    >>> p, m, v
    (array([0.75]), array([4.]), array([16.]))
    """
    beta1, beta2 = betas
    decay, keep = (0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1)
    rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)  # what the divisions of m and v by 1 − βᵗ come to
    numbers = (beta1, 1 - beta1, beta2, 1 - beta2, rate, root, eps, decay, keep)
    arrays = (_flat(p), _flat(grad), _flat(exp_avg), _flat(exp_avg_sq), tuple([float(number) for number in numbers]))
    threads = threads_for(p.size // 6)
    if threads == 1:
        _adam(*arrays)
    else:
        _adam_on_threads(*arrays, threads)


def _flat(a: np.ndarray | None) -> np.ndarray | None:
    """All numbers in C order: a view of an array that can be overwritten. A read-only one is copied, for Numba would compile
    everything again for it."""
    if a is None:
        return None
    flat = a.ravel()
    return flat if flat.flags.carray else flat.copy()


# ---------------------------------------------------------------------------------------------------------------------
# The loops, on flat arrays
# ---------------------------------------------------------------------------------------------------------------------


@compiled()
def _sgd(p, grad, buffer, numbers, nesterov):
    lr, old, new, momentum, decay = numbers
    T = p.dtype.type
    lr, old, new, momentum, decay = T(lr), T(old), T(new), T(momentum), T(decay)
    for i in range(p.size):
        g = grad[i] + decay * p[i] if decay else grad[i]
        if buffer is not None:
            b = old * buffer[i] + new * g
            buffer[i] = b
            g = g + momentum * b if nesterov else b
        p[i] -= lr * g


@compiled()
def _rmsprop(p, grad, square_avg, grad_avg, buffer, numbers):
    lr, alpha, beta, eps, decay, momentum = numbers
    T = p.dtype.type
    lr, alpha, beta, eps, decay, momentum = T(lr), T(alpha), T(beta), T(eps), T(decay), T(momentum)
    for i in range(p.size):
        g = grad[i] + decay * p[i] if decay else grad[i]
        v = alpha * square_avg[i] + beta * g * g
        square_avg[i] = v
        if grad_avg is not None:
            m = alpha * grad_avg[i] + beta * g
            grad_avg[i] = m
            v = max(v - m * m, T(0))
        step = g / (np.sqrt(v) + eps)
        if buffer is not None:
            step += momentum * buffer[i]
            buffer[i] = step
        p[i] -= lr * step


@compiled()
def _adam(p, grad, exp_avg, exp_avg_sq, numbers):
    beta1, rest1, beta2, rest2, rate, root, eps, decay, keep = numbers
    T = p.dtype.type
    beta1, rest1, beta2, rest2 = T(beta1), T(rest1), T(beta2), T(rest2)
    rate, root, eps, decay, keep = T(rate), T(root), T(eps), T(decay), T(keep)
    for i in range(p.size):
        g = grad[i] + decay * p[i] if decay else grad[i]
        m = beta1 * exp_avg[i] + rest1 * g
        v = beta2 * exp_avg_sq[i] + rest2 * (g * g)
        exp_avg[i], exp_avg_sq[i] = m, v
        p[i] = keep * p[i] - rate * m / (np.sqrt(v) / root + eps)


@compiled(parallel=True)
def _adam_on_threads(p, grad, exp_avg, exp_avg_sq, numbers, threads):
    for t in prange(threads):
        part = slice(t * p.size // threads, (t + 1) * p.size // threads)
        _adam(p[part], grad[part], exp_avg[part], exp_avg_sq[part], numbers)
