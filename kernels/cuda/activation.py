"""LeakyReLU and its gradient on a GPU. Imports layout and launch."""

from numba import cuda

from .launch import Array, kernel, launch
from .layout import empty, flat, order_of, shaped


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x where it is positive, and less of it where it is not (Maas et al. 2013); slope 0 is the ReLU.

    ``y = x  where x > 0,  else negative_slope · x``

    NaN stays NaN, and the ReLU of −∞ is 0.
    """
    order = order_of(x)
    numbers = flat(x, order)
    y = empty(numbers.shape, x)
    launch(_leaky_relu, (x.size,), numbers, y, x.dtype.type(negative_slope))
    return shaped(y, x.shape, order)


def leaky_relu_backward(grad: Array, sign: Array, negative_slope: float) -> Array:
    """The gradient of `leaky_relu`, given the gradient g of its output.

    ``∂x = g  where sign > 0,  else negative_slope · g``

    `sign` is x itself, or what has the sign of x: y, if the slope is not negative.
    """
    order = order_of(grad)
    numbers = flat(grad, order)
    grad_x = empty(numbers.shape, grad)
    slope = grad.dtype.type(negative_slope)
    launch(_leaky_relu_backward, (grad.size,), numbers, flat(sign, order), grad_x, slope)
    return shaped(grad_x, grad.shape, order)


@kernel
def _leaky_relu(x, y, slope):
    """A thread makes every gridsize-th element: y[i] of x[i]. Nothing is shared; memory's speed is the limit."""
    zero = x.dtype.type(0)
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = x[i]
        if value <= zero:
            value = slope * value if slope != zero else zero  # 0 · −∞ would be NaN
        y[i] = value


@kernel
def _leaky_relu_backward(grad, sign, grad_x, slope):
    """A thread makes every gridsize-th element: ∂x[i] of g[i] and sign[i]."""
    zero = grad.dtype.type(0)
    for i in range(cuda.grid(1), grad.size, cuda.gridsize(1)):
        value = grad[i]
        if not sign[i] > zero:
            value = slope * value if slope != zero else zero
        grad_x[i] = value
