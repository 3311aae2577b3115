"""Convolution layers. Imports module, functional and the linear layers' way of drawing weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minigan import functional as F
from minigan.nn.linear import positive, uniform_weight
from minigan.nn.module import Module
from minigan.ops.shape import Int
from minigan.tensor import Tensor

IntOrPair = int | tuple[int, ...]


class _Conv(Module):
    """What all four have: a weight, a bias, and a geometry that the function checks when it is called."""

    axes: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        groups: int,
        bias: bool,
        **geometry: Any,
    ):
        name = type(self).__name__
        positive(name, in_channels=in_channels, out_channels=out_channels, groups=groups)
        kernel = (kernel_size,) * self.axes if isinstance(kernel_size, Int) else tuple(kernel_size)
        if len(kernel) != self.axes:
            raise ValueError(f"{name}: kernel_size must have {self.axes} entries, got {kernel_size}")
        for size in kernel:
            positive(name, kernel_size=size)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: {in_channels} and {out_channels} channels cannot be cut into {groups} groups")
        first, second = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        fan_in = second // groups * math.prod(kernel)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel
        self.geometry = {"groups": groups, **geometry}
        self.weight = uniform_weight((first, second // groups, *kernel), fan_in)
        self.bias = uniform_weight((out_channels,), fan_in) if bias else None

    def _convolve(self, function: Callable[..., Tensor], input: Tensor) -> Tensor:
        return function(input, self.weight, self.bias, **self.geometry)

    def extra_repr(self) -> str:
        plain = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1}
        told = [f"{name}={value}" for name, value in self.geometry.items() if value != plain[name]]
        size = self.kernel_size[0] if len(set(self.kernel_size)) == 1 else self.kernel_size
        start = [str(self.in_channels), str(self.out_channels), f"kernel_size={size}"]
        return ", ".join(start + told + ([] if self.bias is not None else ["bias=False"]))


class Conv2d(_Conv):
    """`functional.conv2d` with a weight `(out, in/groups, kh, kw)` of its own: `(N, in, H, W)` → `(N, out, H', W')`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.nn.Conv2d(1, 64, 4, stride=2, padding=1)(mg.ones(8, 1, 28, 28)).shape
    (8, 64, 14, 14)
    """

    axes = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair | str = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        geometry = {"stride": stride, "padding": padding, "dilation": dilation}
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, **geometry)

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv2d, input)


class Conv1d(Conv2d):
    """`functional.conv1d` with a weight `(out, in/groups, k)` of its own: `(N, in, L)` → `(N, out, L')`."""

    axes = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv1d, input)


class ConvTranspose2d(_Conv):
    """`functional.conv_transpose2d` with a weight `(in, out/groups, kh, kw)`: `(N, in, H, W)` → `(N, out, H', W')`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)(mg.ones(8, 64, 14, 14)).shape
    (8, 1, 28, 28)
    """

    axes = 2
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        output_padding: IntOrPair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrPair = 1,
    ):
        geometry = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
        super().__init__(in_channels, out_channels, kernel_size, groups, bias, **geometry)

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv_transpose2d, input)


class ConvTranspose1d(ConvTranspose2d):
    """`functional.conv_transpose1d` with a weight `(in, out/groups, k)`: `(N, in, L)` → `(N, out, L')`."""

    axes = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv_transpose1d, input)
