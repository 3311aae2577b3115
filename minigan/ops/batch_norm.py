"""Batch normalisation: its definition, and the fused operation that is held to it. Imports shape, elementwise, reduce.

The pattern of this file is the project's: `batch_norm_definition` reads like the paper and can be differentiated to any
order; `BatchNorm` runs a kernel each way, and when the backward pass is itself being recorded, it computes the same formula
in Tensor operations instead. Tests hold all of them to the definition.
"""

from __future__ import annotations

from minigan import backend
from minigan.backend import Array
from minigan.modes import mode
from minigan.ops.elementwise import rsqrt, sqrt
from minigan.ops.reduce import mean, sum, var
from minigan.ops.shape import reshape
from minigan.tensor import Function, Tensor


def per_channel(v: Tensor, ndim: int) -> Tensor:
    """A vector `(C,)` shaped so that it broadcasts over axis 1 of a tensor with `ndim` axes."""
    return reshape(v, 1, -1, *(1,) * (ndim - 2))


def batch_norm_definition(x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """`γ·(x − μ)/√(σ² + ε) + β`, with the mean μ and the (biased) variance σ² of each channel over batch and space.

    Source: Ioffe and Szegedy, Batch Normalization (2015), Algorithm 1.
    """
    axes = (0, *range(2, x.ndim))
    mu = mean(x, axes, keepdim=True)
    sigma2 = var(x, axes, correction=0, keepdim=True)
    y = (x - mu) / sqrt(sigma2 + eps)
    if weight is not None:
        y = y * per_channel(weight, x.ndim)
    return y if bias is None else y + per_channel(bias, x.ndim)


class BatchNorm(Function):
    """The definition as one kernel. `mean` and `variance`, arrays `(C,)`, can be read off after the call.

    With x̂ = (x − μ)/√(σ² + ε) and M elements in a channel, and means ⟨·⟩ taken over them,

        β̄ = Σ ȳ,    γ̄ = Σ ȳ·x̂,    x̄ = γ/√(σ² + ε) · (ȳ − ⟨ȳ⟩ − x̂·⟨ȳ·x̂⟩):

    the gradient loses its mean and its component along x̂, because y does not change when x is shifted or scaled.
    """

    def __init__(self, eps: float):
        self.eps = eps

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:
        y, self.mean, self.variance = backend.kernels().batch_norm(x, weight, bias, self.eps)
        return y

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = self.inputs
        if not mode.recording:
            kernel = backend.kernels().batch_norm_backward
            return tuple(
                [Tensor(g) for g in kernel(grad.data, x.data, weight.data, self.mean, self.variance, self.eps)]
            )
        axes = (0, *range(2, x.ndim))
        rstd = rsqrt(var(x, axes, correction=0, keepdim=True) + self.eps)
        x_hat = (x - mean(x, axes, keepdim=True)) * rstd
        along = mean(grad * x_hat, axes, keepdim=True)
        grad_x = per_channel(weight, x.ndim) * rstd * (grad - mean(grad, axes, keepdim=True) - x_hat * along)
        return grad_x, sum(grad * x_hat, axes), sum(grad, axes)
