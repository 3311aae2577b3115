"""Normalisation layers. Imports module, activation and functional."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from minigan import functional as F
from minigan.nn.activation import LeakyReLU, ReLU
from minigan.nn.linear import positive
from minigan.nn.module import Buffer, Module, Parameter
from minigan.ops.shape import Int
from minigan.tensor import Tensor


class _BatchNorm(Module):
    """What batch norm has in one and in two dimensions."""

    axes: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ):
        positive(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None
        self.running_mean = Buffer(np.zeros(num_features, np.float32)) if track_running_stats else None
        self.running_var = Buffer(np.ones(num_features, np.float32)) if track_running_stats else None
        self.num_batches_tracked = Buffer(np.zeros((), np.int64)) if track_running_stats else None

    def forward(self, input: Tensor) -> Tensor:
        return self._normalize(F.batch_norm, input)

    def _joined_with(self, following: Module) -> Callable[[Tensor], Tensor] | None:
        """Batch norm and ReLU or LeakyReLU as one operation, `functional.batch_norm_leaky_relu`."""
        if type(self) not in (BatchNorm1d, BatchNorm2d) or type(following) not in (ReLU, LeakyReLU):
            return None  # a subclass may do anything
        if "forward" in vars(self) or "forward" in vars(following):
            return None
        slope = following.negative_slope if isinstance(following, LeakyReLU) else 0.0
        return partial(self._normalize, partial(F.batch_norm_leaky_relu, negative_slope=slope)) if slope >= 0 else None

    def _normalize(self, operation: Callable[..., Tensor], input: Tensor) -> Tensor:
        """`operation`, which is batch norm in one way or another, with what belongs to this layer."""
        if input.ndim not in self.axes:
            raise ValueError(
                f"{type(self).__name__}: expected {' or '.join(map(str, self.axes))} axes, got shape {input.shape}"
            )
        if input.shape[1] != self.num_features:
            raise ValueError(f"{type(self).__name__}: expected {self.num_features} channels, got shape {input.shape}")
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.data = self.num_batches_tracked.data + 1
        momentum = self.momentum
        if momentum is None:  # the plain average of all batches so far
            momentum = 1 / max(1, int(self.num_batches_tracked)) if self.num_batches_tracked is not None else 0.0
        return operation(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """`functional.batch_norm` of `(N, C)` or `(N, C, L)`, with γ, β and running statistics of its own.

    The second argument is ε and the third the momentum: `BatchNorm1d(c, 0.8)`, a common slip, sets ε to 0.8.
    """

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`functional.batch_norm` of `(N, C, H, W)`, with γ, β and running statistics of its own.

    Examples
    --------
    >>> import minigan as mg
    >>> y = mg.nn.BatchNorm2d(3)(mg.randn(8, 3, 5, 5))
    >>> bool(abs(y.mean()) < 1e-5), bool(abs(y.std() - 1) < 0.01)
    (True, True)
    """

    axes = (4,)


class LayerNorm(Module):
    """`functional.layer_norm` over the last axes, with an affine map of its own."""

    def __init__(self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True):
        shape = (int(normalized_shape),) if isinstance(normalized_shape, Int) else tuple(normalized_shape)
        for size in shape:
            positive("LayerNorm", normalized_shape=size)
        self.normalized_shape, self.eps = shape, eps
        self.weight = Parameter(np.ones(shape, np.float32)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if elementwise_affine else None

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}"


class GroupNorm(Module):
    """`functional.group_norm`, with an affine map of its own."""

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True):
        positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: {num_channels} channels cannot be cut into {num_groups} groups")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(np.ones(num_channels, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, np.float32)) if affine else None

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}"


class InstanceNorm2d(Module):
    """`functional.instance_norm` of `(N, C, H, W)`; without an affine map unless asked for, as in PyTorch."""

    def __init__(self, num_features: int, eps: float = 1e-5, *, affine: bool = False):
        positive("InstanceNorm2d", num_features=num_features)
        self.num_features, self.eps = num_features, eps
        self.weight = Parameter(np.ones(num_features, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(num_features, np.float32)) if affine else None

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4 or input.shape[1] != self.num_features:
            raise ValueError(f"InstanceNorm2d: expected (N, {self.num_features}, H, W), got shape {input.shape}")
        if math.prod(input.shape[2:]) < 2:
            raise ValueError(f"InstanceNorm2d: needs at least 2 pixels a channel, got shape {input.shape}")
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}"
