"""Activation layers: the functions as modules. Imports module and functional.

`inplace` is taken where PyTorch's layers take it, so that its programs run; here no array is ever changed in place.
"""

from __future__ import annotations

import numpy as np

from minigan import functional as F
from minigan.nn.module import Module, Parameter
from minigan.tensor import Tensor


class ReLU(Module):
    """`max(x, 0)`."""

    def __init__(self, inplace: bool = False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class LeakyReLU(Module):
    """`x` where x > 0, else `negative_slope · x`. DCGAN's discriminator uses 0.2."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"{self.negative_slope}"


class PReLU(Module):
    """LeakyReLU with a learned slope: one, or one for each channel."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        self.weight = Parameter(np.full(num_parameters, init, np.float32))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)


class ELU(Module):
    """`x` where x > 0, else `α(eˣ − 1)`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"{self.alpha}"


class GELU(Module):
    """`x·Φ(x)`."""

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, self.approximate)


class SiLU(Module):
    """`x·σ(x)`, also called Swish."""

    def __init__(self, inplace: bool = False):
        pass

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Sigmoid(Module):
    """`1/(1 + e⁻ˣ)`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class Tanh(Module):
    """`tanh x`, the end of a generator."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softplus(Module):
    """`log(1 + e^(βx)) / β`."""

    def __init__(self, beta: float = 1.0):
        self.beta = beta

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta)


class Softmax(Module):
    """`exp x / Σ exp x` along `dim`."""

    def __init__(self, dim: int):
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(Module):
    """`x − log Σ exp x` along `dim`."""

    def __init__(self, dim: int):
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Maxout(Module):
    """The largest of every `pieces` neighbouring units; `Linear(n, units * pieces)` comes before it."""

    def __init__(self, pieces: int, dim: int = 1):
        self.pieces, self.dim = pieces, dim

    def forward(self, input: Tensor) -> Tensor:
        return F.maxout(input, self.pieces, self.dim)

    def extra_repr(self) -> str:
        return f"{self.pieces}"
