"""Losses: how far an output is from its target. Imports `minigan.ops` and the layers.

Each takes `reduction`: "mean", "sum", or "none" for the loss of every element. The adversarial losses, which are made of
these, are in `minigan/losses`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.backend import together
from minigan.functional.activation import log_softmax
from minigan.functional.layers import class_indices
from minigan.ops.batch_norm import per_channel
from minigan.ops.elementwise import abs, clamp, exp, floating, log, log1p, softplus, where
from minigan.ops.index import gather, getitem
from minigan.ops.loss import BinaryCrossEntropyWithLogits, CrossEntropy, SquaredError, check_reduction, reduced
from minigan.ops.reduce import mean, sum
from minigan.ops.shape import as_tensor, cast, squeeze, unsqueeze
from minigan.tensor import Tensor


def _pair(operation: str, input: Tensor, target: Any) -> tuple[Tensor, Tensor]:
    """Input and target as floats of the input's type, or a ValueError if their shapes differ."""
    input = floating(input)
    target = as_tensor(target, like=input)
    if input.shape != target.shape:
        raise ValueError(
            f"{operation}: input has shape {input.shape}, target has shape {target.shape}; they must be equal"
            + (" (class indices must be integers)" if operation == "cross_entropy" else "")
        )
    return input, cast(target, input.dtype)


def _check_class_weights(operation: str, weight: Tensor | None, classes: int) -> None:
    if weight is not None and weight.shape != (classes,):
        raise ValueError(
            f"{operation}: weight must have shape ({classes},), one number for each class, got {weight.shape}"
        )


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """`(x − t)²`. Between discriminator outputs and labels it is the LSGAN's loss."""
    x, t = _pair("mse_loss", input, target)
    check_reduction("mse_loss", reduction)
    return SquaredError(reduction)(x, t)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """`|x − t|`."""
    x, t = _pair("l1_loss", input, target)
    return reduced("l1_loss", abs(x - t), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """`½d²/β` where d = |x − t| is under β, `d − β/2` beyond (Girshick 2015, eq. 3)."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    x, t = _pair("smooth_l1_loss", input, target)
    d = abs(x - t)
    loss = d if beta == 0 else where(d < beta, d * d * (0.5 / beta), d - 0.5 * beta)
    return reduced("smooth_l1_loss", loss, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """`−t·log p − (1 − t)·log(1 − p)` of probabilities p; each logarithm is at least −100.

    Where p rounds to 0 or 1 the gradient is lost: a network should end in logits, and `binary_cross_entropy_with_logits`
    take them.

    Raises
    ------
    ValueError
        If the shapes differ, or some p is NaN or lies outside [0, 1] (they are probably logits).
    """
    p, t = _pair("binary_cross_entropy", input, target)
    low, high = (float(f(p.data)) if p.numel() else 0.5 for f in (np.min, np.max))
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"binary_cross_entropy: expected probabilities in [0, 1], got values from {low:.4g} to {high:.4g}. For logits "
            f"use binary_cross_entropy_with_logits."
        )
    yes, no = p > 0, p < 1
    log_p = where(yes, clamp(log(where(yes, p, 1.0)), min=-100.0), -100.0)
    log_not_p = where(no, clamp(log1p(-where(no, p, 0.0)), min=-100.0), -100.0)
    loss = -(t * log_p + (1 - t) * log_not_p)
    return reduced("binary_cross_entropy", loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor | float,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`−t·log σ(x) − (1 − t)·log(1 − σ(x)) = t·softplus(−x) + (1 − t)·softplus(x)`, the loss of the original GAN.

    Parameters
    ----------
    input : Tensor
        Logits x of any shape; D's output before the sigmoid.
    target : Tensor or number
        t, of the same shape or one for all: 1 for real, 0 for fake, or anything between.
    weight : Tensor, optional
        Multiplies the loss of each element, broadcast.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        Multiplies the first term, broadcast.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.binary_cross_entropy_with_logits(mg.zeros(2), mg.ones(2))  # log 2
    Tensor(0.6931)
    """
    if isinstance(target, int | float):
        x = floating(input)
        t = as_tensor(target, like=x)
    else:
        x, t = _pair("binary_cross_entropy_with_logits", input, target)
    check_reduction("binary_cross_entropy_with_logits", reduction)
    if weight is None and pos_weight is None:
        return BinaryCrossEntropyWithLogits(reduction)(x, t)
    real = t * softplus(-x)
    loss = (real if pos_weight is None else real * pos_weight) + (1 - t) * softplus(x)
    return reduced("binary_cross_entropy_with_logits", loss if weight is None else loss * weight, reduction)


def nll_loss(input: Tensor, target: Any, weight: Tensor | None = None, *, reduction: str = "mean") -> Tensor:
    """`−x[target]` of log-probabilities x, `(N, C)` or `(N, C, ...)`; the mean is weighted by the classes' weights.

    Parameters
    ----------
    input : Tensor, `(N, C)` or `(N, C, ...)`
    target : integer Tensor, `(N,)` or `(N, ...)`
    weight : Tensor, `(C,)`, optional
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError, IndexError, TypeError
        If shapes do not fit, or a target is not one of the classes 0 to C − 1.
    """
    return _nll("nll_loss", input, as_tensor(target), weight, reduction)


def _check_classes(operation: str, input: Tensor, target: Tensor) -> Any:
    """The array of class indices `(N, ...)` for `input`, `(N, C, ...)`."""
    if input.ndim < 2 or target.shape != (input.shape[0], *input.shape[2:]):
        raise ValueError(
            f"{operation}: target of shape {target.shape} does not fit input {input.shape}, which is (N, C, ...)"
        )
    return class_indices(operation, target, input.shape[1])


def _nll(operation: str, log_p: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    index = _check_classes(operation, log_p, target)
    _check_class_weights(operation, weight, log_p.shape[1])
    loss = -squeeze(gather(log_p, 1, unsqueeze(target, 1)), 1)
    if weight is None:
        return reduced(operation, loss, reduction)
    of_target = getitem(weight, index)
    loss = loss * of_target
    return sum(loss) / sum(of_target) if reduction == "mean" else reduced(operation, loss, reduction)


def cross_entropy(
    input: Tensor,
    target: Any,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """`−Σ t·log softmax(x)` over the classes of axis 1.

    Parameters
    ----------
    input : Tensor, `(N, C)` or `(N, C, ...)`
        Logits.
    target : Tensor
        Class indices `(N, ...)`, or probabilities with the shape of `input`.
    weight : Tensor, `(C,)`, optional
    reduction : {"mean", "sum", "none"}
    label_smoothing : float, default 0
        ε: the target becomes `(1 − ε)·t + ε/C`.

    Raises
    ------
    ValueError, IndexError
        If shapes do not fit, or a target is not one of the classes 0 to C − 1.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.cross_entropy(mg.zeros(4, 10), mg.tensor([0, 1, 2, 3]))  # log 10
    Tensor(2.3026)
    """
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing lies in [0, 1], got {label_smoothing}")
    if input.ndim < 2:
        raise ValueError(f"cross_entropy: input must be (N, C) or (N, C, ...), got shape {input.shape}")
    _check_class_weights("cross_entropy", weight, input.shape[1])
    target = as_tensor(target)
    together("cross_entropy", [input.data, target.data])
    if target.dtype.kind in "iu":
        if weight is None and label_smoothing == 0:
            check_reduction("cross_entropy", reduction)
            return CrossEntropy(_check_classes("cross_entropy", input, target), reduction)(floating(input))
        log_p = log_softmax(input, 1)
        hard = _nll("cross_entropy", log_p, target, weight, reduction)
        if label_smoothing == 0:
            return hard
        each = log_p if weight is None else log_p * per_channel(weight, input.ndim)
        smooth = -mean(each, 1)
        if reduction == "mean" and weight is not None:
            smooth = sum(smooth) / sum(getitem(weight, target))
        else:
            smooth = reduced("cross_entropy", smooth, reduction)
        return (1 - label_smoothing) * hard + label_smoothing * smooth
    _, t = _pair("cross_entropy", input, target)
    t = (1 - label_smoothing) * t + label_smoothing / input.shape[1]
    log_p = log_softmax(input, 1)
    each = t * log_p if weight is None else t * log_p * per_channel(weight, input.ndim)
    return reduced("cross_entropy", -sum(each, 1), reduction)


def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """`t·(log t − x)` of log-probabilities x: the divergence KL(t‖p) where p = eˣ.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor
        Probabilities of the same shape, or their logarithms with `log_target`.
    reduction : {"mean", "sum", "none", "batchmean"}
        "batchmean" (the sum over N) is the divergence itself; "mean" also divides by the number of classes.
    log_target : bool, default False
    """
    if reduction not in ("mean", "sum", "none", "batchmean"):
        raise ValueError(f"kl_div: reduction must be 'mean', 'sum', 'none' or 'batchmean', got {reduction!r}")
    x, t = _pair("kl_div", input, target)
    if log_target:
        loss = exp(t) * (t - x)
    else:
        positive = t > 0
        loss = t * (log(where(positive, t, 1.0)) - x)
    return sum(loss) / x.shape[0] if reduction == "batchmean" else reduced("kl_div", loss, reduction)
