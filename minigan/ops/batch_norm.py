"""Batch normalisation: its definition, and the fused operations that are held to it. Imports shape, elementwise, reduce.

The pattern of this file is the project's: `batch_norm_definition` reads like the paper and can be differentiated to any
order; `BatchNorm` runs a kernel each way, and when the backward pass is itself being recorded, it computes the same formula
in Tensor operations instead. Tests hold all of them to the definition. Where LeakyReLU follows, as it does in almost every
network with batch norm, the kernels apply it in the same pass over memory.
"""

from __future__ import annotations

from minigan import backend
from minigan.backend import Array
from minigan.modes import mode
from minigan.ops.elementwise import LeakyReLUGrad, rsqrt, sqrt
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
    """The definition as one kernel, with LeakyReLU behind it. `mean` and `variance`, arrays `(C,)`, can be read off later.

    With x̂ = (x − μ)/√(σ² + ε) and M elements in a channel, and means ⟨·⟩ taken over them,

        β̄ = Σ ȳ,    γ̄ = Σ ȳ·x̂,    x̄ = γ/√(σ² + ε) · (ȳ − ⟨ȳ⟩ − x̂·⟨ȳ·x̂⟩):

    the gradient loses its mean and its component along x̂, because y does not change when x is shifted or scaled. That is
    for the slope 1, with which LeakyReLU changes nothing; with another one, ȳ comes back through LeakyReLU first. The sign
    of the output tells where it was positive before LeakyReLU, so the slope must not be negative.
    """

    def __init__(self, eps: float, negative_slope: float = 1.0):
        self.eps, self.slope = eps, float(negative_slope)
        self.keeps_output = self.slope != 1

    def forward(self, x: Array, weight: Array, bias: Array) -> Array:
        y, self.mean, self.variance = backend.kernels(x).batch_norm(x, weight, bias, self.eps, self.slope)
        return y

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = self.inputs
        if not mode.recording:
            kernel, inputs = backend.kernels(x.data).batch_norm_backward, (x.data, weight.data, bias.data)
            gradients = kernel(grad.data, *inputs, self.mean, self.variance, self.eps, self.slope)
            return tuple([Tensor(g) for g in gradients])
        if self.slope != 1:
            grad = LeakyReLUGrad(self.result, self.slope)(grad)
        axes = (0, *range(2, x.ndim))
        rstd = rsqrt(var(x, axes, correction=0, keepdim=True) + self.eps)
        x_hat = (x - mean(x, axes, keepdim=True)) * rstd
        along = mean(grad * x_hat, axes, keepdim=True)
        grad_x = per_channel(weight, x.ndim) * rstd * (grad - mean(grad, axes, keepdim=True) - x_hat * along)
        return grad_x, sum(grad * x_hat, axes), sum(grad, axes)


class ScaleAndShift(Function):
    """y = LeakyReLU(s·x + t), with a scale and a shift of each channel: batch norm whose statistics stand still.

    With ȳ come back through LeakyReLU,   x̄ = s·ȳ,   s̄ = Σ ȳ·x,   t̄ = Σ ȳ.
    """

    def __init__(self, negative_slope: float = 1.0):
        self.slope = float(negative_slope)
        self.keeps_output = self.slope != 1

    def forward(self, x: Array, scale: Array, shift: Array) -> Array:
        return backend.kernels(x).scale_and_shift(x, scale, shift, self.slope)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, _ = self.inputs
        if self.slope != 1:
            grad = LeakyReLUGrad(self.result, self.slope)(grad)
        axes = (0, *range(2, x.ndim))
        return (
            grad * per_channel(scale, x.ndim) if self.needs[0] else None,
            sum(grad * x, axes) if self.needs[1] else None,
            sum(grad, axes) if self.needs[2] else None,
        )
