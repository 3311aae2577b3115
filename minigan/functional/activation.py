"""Activations that are composed of primitives. Imports `minigan.ops`.

The primitive ones (relu, leaky_relu, sigmoid, tanh, softplus) are in `minigan/ops/elementwise.py`.
"""

from __future__ import annotations

import math

from minigan.ops.batch_norm import per_channel
from minigan.ops.elementwise import clamp, erf, exp, expm1, floating, relu, sigmoid, softplus, tanh
from minigan.ops.reduce import amax, logsumexp
from minigan.ops.shape import normalize_dim, reshape
from minigan.tensor import Tensor, tensor_method


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`max(x, 0) + w·min(x, 0)`, with a learned slope: one number, or one for each channel of axis 1 (He et al. 2015).

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.prelu(mg.tensor([[-2.0, 2.0]]), mg.tensor([0.25]))
    Tensor([[-0.5,  2. ]])
    """
    if weight.numel() == 1:
        weight = reshape(weight, ())
    elif input.ndim < 2 or weight.shape != (input.shape[1],):
        raise ValueError(
            f"prelu: weight has shape {weight.shape}, expected one number or one for each channel of {input.shape}"
        )
    else:
        weight = per_channel(weight, input.ndim)
    return relu(input) + weight * clamp(input, max=0.0)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`x` where x > 0, else `α(eˣ − 1)` (Clevert et al. 2016)."""
    return relu(input) + alpha * expm1(clamp(input, max=0.0))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """`x·Φ(x)`, Φ the normal distribution function (Hendrycks and Gimpel 2016); `"tanh"` is their approximation.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.gelu(mg.tensor([0.0, 1.0]))
    Tensor([0.    , 0.8413])
    """
    x = floating(input)
    if approximate == "tanh":
        return 0.5 * x * (1 + tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    if approximate != "none":
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def silu(input: Tensor) -> Tensor:
    """`x·σ(x)`, also called Swish (Ramachandran et al. 2017)."""
    return input * sigmoid(input)


def logsigmoid(input: Tensor) -> Tensor:
    """`log σ(x) = −softplus(−x)`, which does not overflow."""
    return -softplus(-input)


@tensor_method
def log_softmax(input: Tensor, dim: int) -> Tensor:
    """`x − log Σ exp x` along `dim`: the logarithm of `softmax`, exact where softmax itself would round to 0."""
    dim = normalize_dim("log_softmax", dim, input.ndim)
    return input - logsumexp(input, dim, keepdim=True)


@tensor_method
def softmax(input: Tensor, dim: int) -> Tensor:
    """`exp x / Σ exp x` along `dim`: positive, and adding up to 1.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.softmax(mg.tensor([0.0, 0.0]), 0)
    Tensor([0.5, 0.5])
    """
    dim = normalize_dim("softmax", dim, input.ndim)
    return exp(log_softmax(input, dim))


def maxout(input: Tensor, pieces: int, dim: int = 1) -> Tensor:
    """The largest of every `pieces` neighbours along `dim`: a learned convex activation (Goodfellow et al. 2013).

    Parameters
    ----------
    input : Tensor, with `units · pieces` places in axis `dim`
    pieces : int
    dim : int, default 1

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.maxout(mg.tensor([[1.0, 5.0, -2.0, -3.0]]), 2)
    Tensor([[ 5., -2.]])
    """
    dim = normalize_dim("maxout", dim, input.ndim)
    size = input.shape[dim]
    if pieces < 1 or size % pieces:
        raise ValueError(f"maxout: {size} places of dim {dim} cannot be cut into groups of {pieces}")
    return amax(reshape(input, *input.shape[:dim], size // pieces, pieces, *input.shape[dim + 1 :]), dim + 1)
