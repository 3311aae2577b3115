"""Gradients and weights held within bounds. Imports NumPy and the tensor module."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from minigan.optim.optimizer import number
from minigan.tensor import Tensor


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Shorten the gradients so that all of them together, as one vector, have a norm of at most `max_norm`.

        g ← g · min(1, max_norm / (‖all g‖ + 10⁻⁶))

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors
        Those without a `.grad` do not count.
    max_norm : float
        Infinity only measures.
    norm_type : float, default 2
        The p of the p-norm; `math.inf` is the largest absolute value.
    error_if_nonfinite : bool, default False
        Raise if the norm is NaN or infinite. Otherwise the gradients become NaN or 0.

    Returns
    -------
    Tensor
        The norm before clipping, of shape ().

    Raises
    ------
    RuntimeError
        See `error_if_nonfinite`.

    References
    ----------
    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = mg.tensor([3.0, 4.0])
    >>> mg.optim.clip_grad_norm_([w], max_norm=1.0).item()
    5.0
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm}, expected a number, at least 0")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type is {norm_type}, expected a number greater than 0")
    gradients = [(p, p.grad.data) for p in tensors_of("clip_grad_norm_", parameters) if p.grad is not None]
    norms = [float(np.linalg.norm(g.reshape(-1), norm_type)) for _, g in gradients]
    total = np.linalg.norm(np.array(norms), norm_type) if norms else 0.0
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {total}, so they cannot be clipped; `with minigan.anomaly():` "
            f"around the forward and the backward pass finds the operation that made the first NaN or Inf"
        )
    scale = max_norm / (float(total) + 1e-6)
    if not scale >= 1:  # a NaN goes on into the gradients
        for p, g in gradients:
            p.grad = Tensor(g * scale)
    dtype = gradients[0][1].dtype if gradients else np.float32
    return Tensor(np.asarray(total, dtype))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every number of the gradients to [−clip_value, clip_value].

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors
        Those without a `.grad` are passed over.
    clip_value : float

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = mg.tensor([3.0, -0.4])
    >>> mg.optim.clip_grad_value_(w, 1.0)
    >>> w.grad
    Tensor([ 1. , -0.4])
    """
    clip_value = number("clip_grad_value_", "clip_value", clip_value)
    for p in tensors_of("clip_grad_value_", parameters):
        if p.grad is not None:
            p.grad = Tensor(np.clip(p.grad.data, -clip_value, clip_value))


def clip_weights_(parameters: Tensor | Iterable[Tensor], bound: float) -> None:
    """Clip every number of the parameters to [−bound, bound], as WGAN does after each step of the critic.

    A critic with bounded weights is Lipschitz continuous, with some constant, so its loss estimates a multiple of the
    Wasserstein distance.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors
        Leaves; they get new arrays, and their versions rise, as in an optimiser's step.
    bound : float
        c in the paper, where it is 0.01.

    References
    ----------
    Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", ICML 2017, algorithm 1, line 7.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([0.5, -0.004], requires_grad=True)
    >>> mg.optim.clip_weights_([w], 0.01)
    >>> w
    Tensor([ 0.01 , -0.004], requires_grad=True)
    """
    bound = number("clip_weights_", "bound", bound)
    for p in tensors_of("clip_weights_", parameters):
        p.data = np.clip(p.data, -bound, bound)


def tensors_of(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise TypeError(f"{owner}: parameter {i} is a {type(p).__name__}, expected a Tensor")
    return tensors
