"""Pooling and resampling layers. Imports module and functional."""

from __future__ import annotations

from typing import Any

from minigan import functional as F
from minigan.nn.module import Module
from minigan.tensor import Tensor

IntOrPair = int | tuple[int, ...]


class _Resampling(Module):
    """A layer without parameters that hands its settings to a function."""

    def __init__(self, **settings: Any):
        self.settings = settings

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.settings.items() if value is not None)


class MaxPool2d(_Resampling):
    """The largest pixel of every window (`functional.max_pool2d`)."""

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
    ):
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)

    def forward(self, input: Tensor) -> Tensor:
        return F.max_pool2d(input, **self.settings)


class AvgPool2d(_Resampling):
    """The mean of every window (`functional.avg_pool2d`)."""

    def __init__(self, kernel_size: IntOrPair, stride: IntOrPair | None = None, padding: IntOrPair = 0):
        super().__init__(kernel_size=kernel_size, stride=stride, padding=padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(input, **self.settings)


class AdaptiveAvgPool2d(_Resampling):
    """Means of regions, so that the result has a given size (`functional.adaptive_avg_pool2d`)."""

    def __init__(self, output_size: IntOrPair):
        super().__init__(output_size=output_size)

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, **self.settings)


class Upsample(_Resampling):
    """The picture at another size (`functional.interpolate`)."""

    def __init__(
        self,
        size: IntOrPair | None = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool = False,
    ):
        super().__init__(size=size, scale_factor=scale_factor, mode=mode, align_corners=align_corners)

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, **self.settings)


class PixelShuffle(_Resampling):
    """Channels dealt out as pixels (`functional.pixel_shuffle`)."""

    def __init__(self, upscale_factor: int):
        super().__init__(upscale_factor=upscale_factor)

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, **self.settings)
