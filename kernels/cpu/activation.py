"""LeakyReLU and its gradient, compiled. Imports only NumPy and Numba.

One pass over memory each, in the order in which the numbers lie there, whatever the axes are called. `leaky` and
`leaky_grad` are the rules for one number; batch norm with an activation behind it takes them in.
"""

import numpy as np
from numba import prange

from .compile import compiled
from .layout import empty_like
from .threads import threads_for


def leaky_relu(x: np.ndarray, negative_slope: float) -> np.ndarray:
    """x where it is positive, and less of it where it is not (Maas et al. 2013); slope 0 is the ReLU.

    ``y = x  where x > 0,  else negative_slope · x``

    NaN stays NaN, and the ReLU of −∞ is 0.

    Parameters
    ----------
    x : array
    negative_slope : float

    Returns
    -------
    array of the shape of x
        in memory as x is, without gaps

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import leaky_relu
    >>> leaky_relu(np.array([-1.0, 2.0]), 0.25)
    array([-0.25,  2.  ])
    """
    x = _dense(x)
    y = empty_like(x)
    _leaky_relu(x.ravel("K"), x.dtype.type(negative_slope), y.ravel("K"), threads_for(x.nbytes / 10))
    return y


def leaky_relu_backward(grad: np.ndarray, sign: np.ndarray, negative_slope: float) -> np.ndarray:
    """The gradient of `leaky_relu`, given the gradient g of its output.

    ``∂x = g  where sign > 0,  else negative_slope · g``

    Parameters
    ----------
    grad : array of the shape of x
    sign : array of the shape of x
        x itself, or what has the sign of x: y, if the slope is not negative
    negative_slope : float

    Returns
    -------
    array of the shape of x
        in memory as `sign` is, without gaps

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import leaky_relu_backward
    >>> leaky_relu_backward(np.array([8.0, 8.0]), np.array([-1.0, 2.0]), 0.25)
    array([2., 8.])
    """
    sign = _dense(sign)
    grad = _lying_as(sign, grad)
    grad_x = empty_like(sign)
    slope = sign.dtype.type(negative_slope)
    _leaky_relu_backward(grad.ravel("K"), sign.ravel("K"), slope, grad_x.ravel("K"), threads_for(sign.nbytes / 7))
    return grad_x


# ---------------------------------------------------------------------------------------------------------------------
# One number, and the loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled()
def leaky(z, slope):
    """z or slope·z. Asked this way round, NaN is z itself; and 0·z is put as 0, for it may be 0·∞."""
    return z if not z <= 0 else slope * z if slope != 0 else slope


@compiled()
def leaky_grad(g, sign, slope):
    """g or slope·g."""
    return g if sign > 0 else slope * g if slope != 0 else slope


@compiled(parallel=True)
def _leaky_relu(x, slope, y, threads):
    for t in prange(threads):
        a, b = t * x.size // threads, (t + 1) * x.size // threads
        _leaky_relu_part(x[a:b], slope, y[a:b])


@compiled()
def _leaky_relu_part(x, slope, y):
    for i in range(x.size):
        y[i] = leaky(x[i], slope)


@compiled(parallel=True)
def _leaky_relu_backward(g, sign, slope, grad_x, threads):
    for t in prange(threads):
        a, b = t * g.size // threads, (t + 1) * g.size // threads
        _leaky_relu_backward_part(g[a:b], sign[a:b], slope, grad_x[a:b])


@compiled()
def _leaky_relu_backward_part(g, sign, slope, grad_x):
    for i in range(g.size):
        grad_x[i] = leaky_grad(g[i], sign[i], slope)


# ---------------------------------------------------------------------------------------------------------------------
# Memory layouts
# ---------------------------------------------------------------------------------------------------------------------


def _dense(x: np.ndarray) -> np.ndarray:
    """x if it fills its memory without gaps, in any order of the axes, and a copy that does if not (or if x is read-only,
    for which Numba would compile the loops anew)."""
    return x if x.flags.behaved and np.may_share_memory(x.ravel("K"), x) else x.copy(order="K")


def _lying_as(model: np.ndarray, x: np.ndarray) -> np.ndarray:
    """x if it lies in memory as `model` does, else a copy that does."""
    alike = all(a == b for a, b, n in zip(x.strides, model.strides, x.shape) if n > 1)
    if alike and x.flags.behaved:
        return x
    copy = empty_like(model)
    copy[...] = x
    return copy
