"""Layers that let a discriminator see a batch as a whole, so that samples all alike give the generator away.

Imports module and the linear layers' way of drawing weights.
"""

from __future__ import annotations

import math

from minigan.nn.linear import positive, uniform_weight
from minigan.nn.module import Module
from minigan.ops.shape import cat
from minigan.tensor import Tensor


class MinibatchStdDev(Module):
    """How much samples differ, as another channel: `(N, C, ...)` → `(N, C + num_channels, ...)`.

    The batch is cut into groups of G. Over each group the standard deviation of every feature at every pixel is taken, and
    these are averaged over features and pixels to one number,

        s = mean_{c,h,w} √( mean_i (x_{i,c,h,w} − mean_j x_{j,c,h,w})² + 10⁻⁸ ),

    which every sample of the group gets as a constant feature map. With `num_channels` > 1 the channels are cut into as
    many parts, with a number for each.

    Parameters
    ----------
    group_size : int, default 4
        G; the whole batch, if that is smaller.
    num_channels : int, default 1
        How many feature maps are added.

    Raises
    ------
    ValueError
        If the groups do not divide the batch, `num_channels` does not divide the channels, or there is no channel axis.

    Notes
    -----
    The 10⁻⁸ and which samples form a group are the authors' code's: of N samples, i and j are in one group if they are equal
    modulo N/G. The paper speaks of the whole batch.

    References
    ----------
    Karras, Aila, Laine & Lehtinen, "Progressive growing of GANs for improved quality, stability, and variation", ICLR 2018,
    section 3. `num_channels` is from the authors' code of StyleGAN.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.tensor([[0.0, 0.0], [2.0, 4.0]])
    >>> mg.nn.MinibatchStdDev()(x)  # the standard deviations are 1 and 2
    Tensor([[0. , 0. , 1.5],
            [2. , 4. , 1.5]])
    """

    def __init__(self, group_size: int = 4, num_channels: int = 1):
        positive("MinibatchStdDev", group_size=group_size, num_channels=num_channels)
        self.group_size, self.num_channels = group_size, num_channels

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim < 2 or 0 in input.shape:
            raise ValueError(f"MinibatchStdDev: expected (N, C, ...) with none of them 0, got shape {input.shape}")
        n, channels, *pixels = input.shape
        size, parts = min(self.group_size, n), self.num_channels
        if n % size:
            raise ValueError(
                f"MinibatchStdDev: a batch of {n} cannot be cut into groups of {size}; choose a batch size that group_size "
                f"divides, or leave out the last, smaller batch"
            )
        if channels % parts:
            raise ValueError(f"MinibatchStdDev: {channels} channels cannot be cut into num_channels = {parts} parts")
        groups = input.reshape(size, n // size, parts, channels // parts * math.prod(pixels))
        deviations = (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=2)  # a row for each group
        columns = deviations.repeat(size, 1).reshape(n, parts, *[1] * len(pixels))
        return cat([input, columns.expand(n, parts, *pixels)], dim=1)

    def extra_repr(self) -> str:
        return f"group_size={self.group_size}, num_channels={self.num_channels}"


class MinibatchDiscrimination(Module):
    """How near the other samples of the batch are, as more features: `(N, in_features)` → `(N, in_features + out_features)`.

    With the features f(x_i) of A numbers and a tensor T of `(A, B, C)` that is learned,

        M_i = f(x_i)·T                             (B, C)
        c_b(x_i, x_j) = exp(−‖M_{i,b} − M_{j,b}‖₁)
        o(x_i)_b = Σ_j c_b(x_i, x_j)               (B,), which is put behind f(x_i).

    Parameters
    ----------
    in_features, out_features, kernel_dims : int
        A, B and C.

    Attributes
    ----------
    weight : Parameter, `(in_features, out_features, kernel_dims)`
        T, which begins as the weight of a Linear does.

    Raises
    ------
    ValueError
        If the input is not `(N, in_features)`.

    Notes
    -----
    As in the paper the sum runs over all j, so that a sample's nearness to itself adds 1; the authors' code leaves that 1
    out, and adds a bias that can take it away. There are N²·B·C differences in memory.

    References
    ----------
    Salimans et al., "Improved techniques for training GANs", NIPS 2016, section 3.2.

    Examples
    --------
    Two samples that are the same are as near as can be:

    >>> import minigan as mg
    >>> mg.nn.MinibatchDiscrimination(2, 1, kernel_dims=3)(mg.ones(2, 2)).detach()
    Tensor([[1., 1., 2.],
            [1., 1., 2.]])
    """

    def __init__(self, in_features: int, out_features: int, kernel_dims: int):
        positive("MinibatchDiscrimination", in_features=in_features, out_features=out_features, kernel_dims=kernel_dims)
        self.weight = uniform_weight((in_features, out_features, kernel_dims), in_features)

    def forward(self, input: Tensor) -> Tensor:
        features, out, kernel = self.weight.shape
        if input.ndim != 2 or input.shape[1] != features:
            raise ValueError(f"MinibatchDiscrimination: expected (N, {features}), got shape {input.shape}")
        m = (input @ self.weight.reshape(features, out * kernel)).reshape(-1, out, kernel)
        distances = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum(dim=3)  # (N, N, B)
        return cat([input, (-distances).exp().sum(dim=1)], dim=1)

    def extra_repr(self) -> str:
        features, out, kernel = self.weight.shape
        return f"{features}, {out}, kernel_dims={kernel}"
