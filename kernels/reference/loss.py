"""Loss heads and their gradients, in NumPy. Imports only NumPy.

A loss is one number for each element or sample, or the mean or the sum of them (`reduction` "none", "mean" or "sum"). The
gradient g that arrives at the loss has the shape of the loss.
"""

import numpy as np


def bce_with_logits(x: np.ndarray, target: np.ndarray, reduction: str) -> np.ndarray:
    """Binary cross-entropy of logits x with targets t.

    ``y = −t·log σ(x) − (1 − t)·log(1 − σ(x)) = max(x, 0) − t·x + log(1 + e^−|x|)``

    Parameters
    ----------
    x : array
    target : array of the shape of x, or of one element
    reduction : {"none", "mean", "sum"}

    Returns
    -------
    array of the shape of x, or of shape ()

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import bce_with_logits
    >>> bce_with_logits(np.array([0.0, 100.0]), np.array(1.0), "none").round(4)
    array([0.6931, 0.    ])
    """
    return _reduced(np.maximum(x, 0) - target * x + np.log1p(np.exp(-np.abs(x))), reduction)


def bce_with_logits_backward(grad: np.ndarray, x: np.ndarray, target: np.ndarray, reduction: str) -> np.ndarray:
    """The gradient of `bce_with_logits` to x.

    ``∂x = g·(σ(x) − t) = g·((1 − t)·σ(x) − t·σ(−x))``

    The second form keeps its digits where the answer is right and the rest small.

    Parameters
    ----------
    grad : array of the shape of the loss
    x, target, reduction
        as `bce_with_logits` was given them

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import bce_with_logits_backward
    >>> bce_with_logits_backward(np.array(1.0), np.array([0.0, 0.0]), np.array(1.0), "mean")
    array([-0.25, -0.25])
    """
    e = np.exp(-np.abs(x))
    yes, no = np.where(x >= 0, 1 - target, -target), np.where(x >= 0, -target, 1 - target)
    # σ(x) is 1/(1 + e) where x ≥ 0, and e/(1 + e) elsewhere
    return (yes + e * no) / (1 + e) * _share(grad, x.size, reduction)


def squared_error(x: np.ndarray, target: np.ndarray, reduction: str) -> np.ndarray:
    """Squared distance of x from targets t.

    ``y = (x − t)²``

    Parameters
    ----------
    x : array
    target : array of the shape of x, or of one element
    reduction : {"none", "mean", "sum"}

    Returns
    -------
    array of the shape of x, or of shape ()

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import squared_error
    >>> squared_error(np.array([0.0, 3.0]), np.array(1.0), "sum").item()
    5.0
    """
    return _reduced(np.square(x - target), reduction)


def squared_error_backward(grad: np.ndarray, x: np.ndarray, target: np.ndarray, reduction: str) -> np.ndarray:
    """The gradient of `squared_error` to x.

    ``∂x = 2g·(x − t)``

    Parameters
    ----------
    grad : array of the shape of the loss
    x, target, reduction
        as `squared_error` was given them

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import squared_error_backward
    >>> squared_error_backward(np.array(1.0), np.array([0.0, 3.0]), np.array(1.0), "sum")
    array([-2.,  4.])
    """
    return 2 * (x - target) * _share(grad, x.size, reduction)


def cross_entropy(x: np.ndarray, index: np.ndarray, reduction: str) -> np.ndarray:
    """Cross-entropy of the logits of some classes with the class that is right.

    ``y = −log softmax(x)[index]``        softmax over axis 1

    Parameters
    ----------
    x : array of shape (N, K, ...)
    index : integer array of shape (N, ...)
    reduction : {"none", "mean", "sum"}

    Returns
    -------
    array of shape (N, ...), or of shape ()

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import cross_entropy
    >>> cross_entropy(np.zeros((2, 4)), np.array([0, 3]), "none").round(4)  # log 4
    array([1.3863, 1.3863])
    """
    z, places = _below_top(x), np.expand_dims(index, 1)
    return _reduced(np.log(np.exp(z).sum(1)) - np.take_along_axis(z, places, 1).reshape(index.shape), reduction)


def cross_entropy_backward(grad: np.ndarray, x: np.ndarray, index: np.ndarray, reduction: str) -> np.ndarray:
    """The gradient of `cross_entropy` to x.

    ``∂x = g·(softmax(x) − one_hot(index))``

    Parameters
    ----------
    grad : array of the shape of the loss
    x, index, reduction
        as `cross_entropy` was given them

    Returns
    -------
    array of shape (N, K, ...)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import cross_entropy_backward
    >>> cross_entropy_backward(np.array(1.0), np.zeros((1, 4)), np.array([3]), "sum")
    array([[ 0.25,  0.25,  0.25, -0.75]])
    """
    p = np.exp(_below_top(x))
    p /= p.sum(1, keepdims=True)
    hot = np.zeros_like(x)
    np.put_along_axis(hot, np.expand_dims(index, 1), 1, 1)
    share = _share(grad, index.size, reduction)
    return (p - hot) * (np.expand_dims(share, 1) if reduction == "none" else share)


def _reduced(loss: np.ndarray, reduction: str) -> np.ndarray:
    if reduction == "none":
        return loss
    total = loss.sum(dtype=loss.dtype)
    return total / loss.size if reduction == "mean" else total


def _share(grad: np.ndarray, count: int, reduction: str) -> np.ndarray:
    """What arrives at each of `count` losses."""
    return grad / count if reduction == "mean" else grad


def _below_top(x: np.ndarray) -> np.ndarray:
    """x less the largest of its classes, so that nothing overflows; softmax(x) does not depend on it."""
    top = x.max(1, keepdims=True)
    return x - np.where(np.isfinite(top), top, 0)
