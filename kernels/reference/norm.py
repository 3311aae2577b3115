"""Batch normalisation and its gradient, with LeakyReLU behind it where one is wanted, in NumPy. Imports only NumPy."""

import numpy as np

from .activation import leaky_relu, leaky_relu_backward


def batch_norm(
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, eps: float, negative_slope: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give every channel mean 0 and variance 1 over the batch, then a scale and a shift (Ioffe & Szegedy 2015, Alg. 1).

    With m values in a channel (the batch times all trailing axes):

    ``μ = Σ x / m``        ``σ² = Σ (x − μ)² / m``        ``x̂ = (x − μ) / √(σ² + ε)``        ``y = leaky(γ·x̂ + β)``

    The variance is the biased one, taken from the deviations in a second pass: Σx²/m − μ² would lose every digit when
    the mean is large beside the deviation. Sums are float64 whatever the dtype.

    Parameters
    ----------
    x : array of shape (N, C, ...)
        any number of trailing axes
    weight, bias : arrays of shape (C,), or None
        γ and β; None means 1 and 0
    eps : float
        ε
    negative_slope : float
        of the LeakyReLU that γ·x̂ + β goes through; with slope 1 there is none

    Returns
    -------
    y : array of the shape of x
    mean, var : float64 arrays of shape (C,)
        μ and σ². An empty batch has mean and variance 0.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import batch_norm
    >>> y, mean, var = batch_norm(np.array([[1.0], [3.0]]), None, None, 0.0)
    >>> y.ravel(), mean, var
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    axes, m = _batch_axes(x)
    mean = x.sum(axes, dtype=np.float64, keepdims=True) / m
    var = np.square(x - mean).sum(axes, keepdims=True) / m
    y = leaky_relu(_normalized(x, weight, bias, mean, var, eps), negative_slope)
    return y, mean.ravel(), var.ravel()


def scale_and_shift(x: np.ndarray, scale: np.ndarray, shift: np.ndarray, negative_slope: float = 1.0) -> np.ndarray:
    """What batch norm is once its statistics stand still: a scale and a shift of each channel.

    ``y = leaky(scale·x + shift)``

    Parameters
    ----------
    x : array of shape (N, C, ...)
    scale, shift : arrays of shape (C,)
    negative_slope : float
        of the LeakyReLU that scale·x + shift goes through; with slope 1 there is none

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import scale_and_shift
    >>> scale_and_shift(np.array([[1.0, 1.0]]), np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    array([[2., 4.]])
    """
    y = _per_channel(scale, 1.0, x) * x + _per_channel(shift, 0.0, x)
    return leaky_relu(y.astype(x.dtype), negative_slope)


def batch_norm_backward(
    grad: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
    negative_slope: float = 1.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `batch_norm`, given the gradient of its output.

    ``∂β = Σ g``        ``∂γ = Σ g·x̂``        ``∂x = γ / √(σ² + ε) · (g − (Σ g)/m − x̂·(Σ g·x̂)/m)``

    where g has come back through the LeakyReLU: g = leaky_relu_backward(grad, γ·x̂ + β, negative_slope).

    Derivation. Write r = 1/√(σ² + ε), so x̂ = r·(x − μ), and let ĝ = γ·g be the gradient to x̂. A small change dx moves

        dμ = Σ dx / m
        dσ² = 2/m · Σ (x − μ)·dx                             (the term with dμ vanishes, for Σ (x − μ) = 0)
        dr = −½·r³·dσ²  =  −r²/m · Σ x̂·dx
        dx̂ = r·(dx − dμ) + (x − μ)·dr  =  r·(dx − Σ dx / m − x̂ · Σ x̂·dx / m)

    The map from dx to dx̂ is r·(1 − 11ᵀ/m − x̂x̂ᵀ/m), a symmetric matrix: its own transpose. So ∂x is the same map
    applied to ĝ. In words: what would only move the mean, or only the scale, is taken out of the gradient, because the
    normalisation undoes it.

    Parameters
    ----------
    grad : array of the shape of x
    x : array of shape (N, C, ...)
    weight, bias : arrays of shape (C,), or None
    mean, var : arrays of shape (C,)
        as `batch_norm` returned them
    eps, negative_slope : float

    Returns
    -------
    grad_x : array of the shape of x
    grad_weight, grad_bias : arrays of shape (C,)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import batch_norm, batch_norm_backward
    >>> x = np.array([[1.0], [2.0], [6.0]])
    >>> _, mean, var = batch_norm(x, None, None, 0.0)
    >>> grad_x, grad_weight, grad_bias = batch_norm_backward(np.ones_like(x), x, None, None, mean, var, 0.0)
    >>> bool(abs(grad_x).max() < 1e-12), grad_bias      # Σ y does not depend on x
    (True, array([3.]))
    """
    axes, m = _batch_axes(x)
    mean, var = _per_channel(mean, 0.0, x), _per_channel(var, 1.0, x)
    grad = leaky_relu_backward(grad, _normalized(x, weight, bias, mean, var, eps), negative_slope)
    r = 1.0 / np.sqrt(var + eps)
    x_hat = (x - mean) * r
    grad_bias = grad.sum(axes, dtype=np.float64, keepdims=True)
    grad_weight = (grad * x_hat).sum(axes, keepdims=True)
    grad_x = _per_channel(weight, 1.0, x) * r * (grad - grad_bias / m - x_hat * grad_weight / m)
    return grad_x.astype(x.dtype), grad_weight.ravel().astype(x.dtype), grad_bias.ravel().astype(x.dtype)


def _normalized(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    mean: np.ndarray,
    var: np.ndarray,
    eps: float,
) -> np.ndarray:
    """γ·x̂ + β, in the dtype of x, for a mean and a variance that broadcast against x."""
    y = _per_channel(weight, 1.0, x) * (x - mean) / np.sqrt(var + eps) + _per_channel(bias, 0.0, x)
    return y.astype(x.dtype)


def _batch_axes(x: np.ndarray) -> tuple[tuple[int, ...], int]:
    """All axes but the channels', and how many values they hold for each channel (1 for an empty batch: sums are 0)."""
    axes = (0, *range(2, x.ndim))
    return axes, max(1, x.size // max(1, x.shape[1]))


def _per_channel(values: np.ndarray | None, default: float, x: np.ndarray) -> np.ndarray:
    """Per-channel values in float64, shaped (C, 1, ..., 1) so that they broadcast against x."""
    C = x.shape[1]
    values = np.full(C, default) if values is None else values.astype(np.float64)
    return values.reshape(C, *[1] * (x.ndim - 2))


def channel_sum(x: np.ndarray) -> np.ndarray:
    """The sum of each channel over all pictures, ``y[c] = Σ x[n, c, ...]``: what comes back to a bias.

    Parameters
    ----------
    x : floating array of shape (N, C, ...)

    Returns
    -------
    array of shape (C,)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import channel_sum
    >>> channel_sum(np.array([[1.0, 5.0], [7.0, 2.0]]))
    array([8., 7.])
    """
    return x.sum(axis=(0, *range(2, x.ndim)), dtype=np.float64).astype(x.dtype)
