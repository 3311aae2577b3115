"""Normalisations: the same standardising, over different sets of values. Imports `minigan.ops`.

Batch norm takes the values of a channel over the batch, instance norm those of one picture, group norm those of several
channels of one picture, layer norm those of a whole sample. So one kernel serves all four.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigan.ops.batch_norm import BatchNorm, ScaleAndShift, per_channel
from minigan.ops.elementwise import rsqrt
from minigan.ops.shape import Int, reshape
from minigan.tensor import Tensor


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`γ·(x − μ)/√(σ² + ε) + β` for each channel (Ioffe and Szegedy 2015, Algorithm 1).

    In training (or without running statistics) μ and σ² are those of the batch, and the running statistics move:
    `running ← (1 − momentum)·running + momentum·batch`, with the unbiased variance. They move in *every* such forward
    pass, also under `no_grad`. Otherwise μ and σ² are the running ones, and constants.

    Parameters
    ----------
    input : Tensor, `(N, C)` or `(N, C, ...)`
    running_mean, running_var : Tensor `(C,)` or None
        Given new values in training.
    weight, bias : Tensor, `(C,)`, optional
        γ and β.
    training : bool, default False
    momentum : float, default 0.1
        How much of the new batch enters; PyTorch's meaning, the reverse of some other libraries'.
    eps : float, default 1e-5

    Raises
    ------
    ValueError, TypeError
        If shapes or types do not fit, or in training a channel has fewer than two values.
    """
    return _batch_norm(
        "batch_norm", input, running_mean, running_var, weight, bias, training, momentum, eps, negative_slope=1.0
    )


def batch_norm_leaky_relu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    negative_slope: float = 0.01,
) -> Tensor:
    """`leaky_relu(batch_norm(input, ...), negative_slope)`, bit for bit, in one pass over memory less each way.

    What lies between the two is never stored. `nn.Sequential` calls this where the one layer follows the other.

    Parameters
    ----------
    input, running_mean, running_var, weight, bias, training, momentum, eps
        As in `batch_norm`.
    negative_slope : float, default 0.01
        0 is the ReLU. Not negative, because the gradient goes by the sign of the output.

    Raises
    ------
    ValueError, TypeError
        As in `batch_norm`, and if `negative_slope` is negative.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.tensor([[1.0], [2.0], [3.0]])
    >>> mg.functional.batch_norm_leaky_relu(x, None, None, training=True, negative_slope=0.1).flatten()
    Tensor([-0.1225,  0.    ,  1.2247])
    """
    if not negative_slope >= 0:
        raise ValueError(
            f"batch_norm_leaky_relu: negative_slope must not be negative, got {negative_slope}; call batch_norm and "
            f"leaky_relu one after the other"
        )
    return _batch_norm(
        "batch_norm_leaky_relu",
        input,
        running_mean,
        running_var,
        weight,
        bias,
        training,
        momentum,
        eps,
        negative_slope,
    )


def _batch_norm(
    operation: str,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    negative_slope: float,
) -> Tensor:
    """Batch norm, then LeakyReLU; with slope 1 there is none."""
    if input.ndim < 2:
        raise ValueError(f"{operation}: input must be (N, C) or (N, C, ...), got shape {input.shape}")
    channels = input.shape[1]
    _check(operation, input, (channels,), running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and running_mean is not None and running_var is not None:
        scale = rsqrt(running_var.detach() + eps)
        scale = scale if weight is None else scale * weight
        shift = -running_mean.detach() * scale
        shift = shift if bias is None else shift + bias
        return ScaleAndShift(negative_slope)(input, scale, shift)
    count = input.numel() // max(channels, 1)
    if training and count < 2:
        raise ValueError(f"{operation}: needs at least 2 values a channel in training, input has shape {input.shape}")
    norm = BatchNorm(eps, negative_slope)
    y = norm(input, *_affine(input, weight, bias, channels))
    if training:
        for running, batch in (
            (running_mean, norm.mean),
            (running_var, norm.variance * (count / (count - 1))),
        ):
            if running is not None:
                running.data = ((1 - momentum) * running.data + momentum * batch).astype(running.dtype)
    return y


def _check(operation: str, input: Tensor, shape: tuple[int, ...], **vectors: Tensor | None) -> None:
    """An error unless `input` is floating, and each of the vectors is of its type and has the shape that it needs."""
    if not input.is_floating_point():
        raise TypeError(f"{operation}: input must be float32 or float64, got {input.dtype}; convert with x.to(dtype)")
    for name, v in vectors.items():
        if v is not None and v.shape != shape:
            raise ValueError(
                f"{operation}: {name} must have shape {shape} for input of shape {input.shape}, got {v.shape}"
            )
        if v is not None and v.dtype != input.dtype:
            raise TypeError(
                f"{operation}: {name} must be {input.dtype}, as input is, got {v.dtype}; convert with x.to(dtype)"
            )


def _affine(input: Tensor, weight: Tensor | None, bias: Tensor | None, channels: int) -> tuple[Tensor, Tensor]:
    """γ and β; ones and zeros where there are none."""
    one = Tensor(np.ones(channels, dtype=input.dtype, like=input.data)) if weight is None else weight
    zero = Tensor(np.zeros(channels, dtype=input.dtype, like=input.data)) if bias is None else bias
    return one, zero


def _standardize(rows: Tensor, eps: float) -> Tensor:
    """`(R, M)` with each row brought to mean 0 and variance 1: batch norm of one sample whose channels are the rows."""
    batch = reshape(rows, 1, *rows.shape)
    return reshape(BatchNorm(eps)(batch, *_affine(rows, None, None, rows.shape[0])), rows.shape)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over the last axes, of each sample by itself; then `·weight + bias` (Ba et al. 2016)."""
    shape = (int(normalized_shape),) if isinstance(normalized_shape, Int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise ValueError(f"layer_norm: the last axes of input, of shape {input.shape}, are not {shape}")
    _check("layer_norm", input, shape, weight=weight, bias=bias)
    y = reshape(_standardize(reshape(input, -1, math.prod(shape)), eps), input.shape)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 over each of `num_groups` groups of channels, of each sample; then `·weight + bias`.

    One group is layer norm over all but the batch, as many groups as channels is instance norm (Wu and He 2018).
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ValueError(f"group_norm: the channels of input {input.shape} cannot be cut into {num_groups} groups")
    n, channels = input.shape[:2]
    _check("group_norm", input, (channels,), weight=weight, bias=bias)
    rows = reshape(input, n * num_groups, math.prod(input.shape[1:]) // num_groups)
    y = reshape(_standardize(rows, eps), input.shape)
    y = y if weight is None else y * per_channel(weight, input.ndim)
    return y if bias is None else y + per_channel(bias, input.ndim)


def instance_norm(
    input: Tensor, *, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Mean 0 and variance 1 of every channel of every picture by itself; then `·weight + bias` (Ulyanov et al. 2016)."""
    if input.ndim < 3 or math.prod(input.shape[2:]) < 2:
        raise ValueError(f"instance_norm: needs at least 2 pixels a channel, input has shape {input.shape}")
    _check("instance_norm", input, input.shape[1:2], weight=weight, bias=bias)
    return group_norm(input, input.shape[1], weight, bias, eps)
