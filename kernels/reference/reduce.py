"""The largest element along some axes, and its gradient, in NumPy. Imports only NumPy."""

import numpy as np


def amax(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The largest element over the axes, ``y = max x``; NaN where there is one.

    Parameters
    ----------
    x : floating array
    axes : tuple of ints
        sorted, counted from the front; none of them has size 0

    Returns
    -------
    array of the shape of x without the axes

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import amax
    >>> amax(np.array([[1.0, 5.0], [7.0, 2.0]]), (1,))
    array([5., 7.])
    """
    return np.max(x, axis=axes)


def amax_backward(grad: np.ndarray, x: np.ndarray, y: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The gradient of `amax`: ``∂x = g/m`` at each of the m elements that equal y, 0 elsewhere; NaN where y is NaN.

    Parameters
    ----------
    grad : array of the shape of y
        g, the gradient of y
    x : floating array
    y : array
        what `amax` returned
    axes : tuple of ints

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import amax_backward
    >>> x = np.array([[1.0, 5.0, 5.0], [7.0, 2.0, 3.0]])
    >>> amax_backward(np.array([1.0, 1.0]), x, np.array([5.0, 7.0]), (1,))
    array([[0. , 0.5, 0.5],
           [1. , 0. , 0. ]])
    """
    hit = (x == np.expand_dims(y, axes)).astype(x.dtype)
    with np.errstate(all="ignore"):  # nothing equals a NaN
        return np.expand_dims(grad, axes) / hit.sum(axes, keepdims=True) * hit
