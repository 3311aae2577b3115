"""LeakyReLU and its gradient, in NumPy. Imports only NumPy."""

import numpy as np


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

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import leaky_relu
    >>> leaky_relu(np.array([-1.0, 2.0]), 0.25)
    array([-0.25,  2.  ])
    """
    slope = x.dtype.type(negative_slope)
    return np.where(x <= 0, slope * x if slope else slope, x)


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

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import leaky_relu_backward
    >>> leaky_relu_backward(np.array([8.0, 8.0]), np.array([-1.0, 2.0]), 0.25)
    array([2., 8.])
    """
    slope = grad.dtype.type(negative_slope)
    return np.where(sign > 0, grad, slope * grad if slope else slope)
