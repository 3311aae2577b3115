"""The steps of the optimisers, in NumPy. Imports only NumPy.

Unlike all other routines these overwrite what they are given: the parameter, and the running averages that belong to it.
Arrays that are overwritten lie in C order; all arrays of one call have the same shape and dtype.
"""

import numpy as np


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
    >>> from minigan.kernels.reference import sgd
    >>> p = np.array([1.0, 2.0])
    >>> sgd(p, np.array([4.0, 0.0]), None, 1, 0.25, 0.0, 0.0, 0.0, False)
    >>> p
    array([0., 2.])
    """
    if weight_decay:
        grad = grad + weight_decay * p
    if momentum_buffer is not None:
        b = momentum_buffer
        b[...] = grad if step == 1 else momentum * b + (1 - dampening) * grad
        grad = grad + momentum * b if nesterov else b
    p -= lr * grad


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
    >>> from minigan.kernels.reference import rmsprop
    >>> p, v = np.array([1.0]), np.array([0.0])
    >>> rmsprop(p, np.array([3.0]), v, None, None, 0.1, 0.75, 0.0, 0.0, 0.0)
    >>> p, v
    (array([0.8]), array([2.25]))
    """
    if weight_decay:
        grad = grad + weight_decay * p
    square_avg[...] = alpha * square_avg + (1 - alpha) * grad**2
    variance = square_avg
    if grad_avg is not None:
        grad_avg[...] = alpha * grad_avg + (1 - alpha) * grad
        # rounding makes it negative where gradients hardly change
        variance = np.maximum(square_avg - grad_avg**2, 0)
    direction = grad / (np.sqrt(variance) + eps)
    if momentum_buffer is not None:
        momentum_buffer[...] = momentum * momentum_buffer + direction
        direction = momentum_buffer
    p -= lr * direction


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
    >>> from minigan.kernels.reference import adam
    >>> p, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    >>> adam(p, np.array([8.0]), m, v, 1, 0.25, (0.5, 0.75), 0.0, 0.0, False)
    >>> p, m, v
    (array([0.75]), array([4.]), array([16.]))
    """
    beta1, beta2 = betas
    if decoupled:
        p *= 1 - lr * weight_decay
    elif weight_decay:
        grad = grad + weight_decay * p
    exp_avg[...] = beta1 * exp_avg + (1 - beta1) * grad
    exp_avg_sq[...] = beta2 * exp_avg_sq + (1 - beta2) * grad**2
    m_hat = exp_avg / (1 - beta1**step)
    v_hat = exp_avg_sq / (1 - beta2**step)
    p -= lr * m_hat / (np.sqrt(v_hat) + eps)
