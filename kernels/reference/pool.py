"""Pooling over windows and its gradients, in NumPy. Imports only NumPy."""

import numpy as np

Pair = tuple[int, int]


def max_pool2d(
    x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[np.ndarray, np.ndarray]:
    """The largest pixel of every window, and where it lies: the flat index into H·W.

    ``index[n, c, u, v] = argmax_{row·W + col} x[n, c, row, col]``

    over ``row = u·stride + i·dilation − padding`` and ``col`` likewise, as far as they lie inside the picture: padding
    never wins, not even over −∞. Of equal pixels the first one in the window, row by row, wins. A NaN beats every
    number (and, as in PyTorch, an earlier NaN), so that it is not hidden.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding, dilation : pairs of ints

    Returns
    -------
    y : array of shape (N, C, OH, OW)
        −∞ where a window holds no pixel at all, which no padding ≤ kernel/2 brings about without dilation
    index : int64 array of shape (N, C, OH, OW)
        −1 there

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import max_pool2d
    >>> x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
    >>> y, index = max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1))
    >>> y[0, 0], index[0, 0]
    (array([[5., 2.]]), array([[1, 2]]))
    """
    (H, W), (ph, pw) = x.shape[2:], padding
    OH, OW = _count(H, W, kernel_size, stride, padding, dilation)
    around = ((ph, ph), (pw, pw))
    x = np.pad(x, ((0, 0), (0, 0), *around))
    pixel = np.pad(np.arange(H * W).reshape(H, W), around, constant_values=-1)  # −1 marks the padding

    best = np.full((*x.shape[:2], OH, OW), -np.inf, x.dtype)
    index = np.full(best.shape, -1, np.int64)
    for i, j in np.ndindex(kernel_size):
        rows, cols = _reached(i * dilation[0], stride[0], OH), _reached(j * dilation[1], stride[1], OW)
        value, here = x[..., rows, cols], pixel[rows, cols]
        wins = (here >= 0) & ((index < 0) | (value > best) | np.isnan(value))
        best = np.where(wins, value, best)
        index = np.where(wins, here, index)
    return best, index


def max_pool2d_backward(
    grad: np.ndarray,
    index: np.ndarray,
    size: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> np.ndarray:
    """The gradient of `max_pool2d`: what arrives at a window goes to its largest pixel.

    ``∂x[n, c, pixel] = Σ grad[n, c, u, v]  over the windows with  index[n, c, u, v] = pixel``

    Parameters
    ----------
    grad : array of shape (N, C, OH, OW)
    index : int64 array of shape (N, C, OH, OW)
        as `max_pool2d` returned it, without −1
    size : pair of ints
        H and W
    kernel_size, stride, padding, dilation : pairs of ints
        of `max_pool2d`, for kernels that look for the windows over a pixel

    Returns
    -------
    array of shape (N, C, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import max_pool2d_backward
    >>> windows = (2, 2), (2, 2), (0, 0), (1, 1)
    >>> max_pool2d_backward(np.array([[[[7.0, 8.0]]]]), np.array([[[[1, 2]]]]), (2, 4), *windows)[0, 0]
    array([[0., 7., 8., 0.],
           [0., 0., 0., 0.]])
    """
    N, C = grad.shape[:2]
    grad_x = np.zeros((N, C, size[0] * size[1]), grad.dtype)
    n, c, _, _ = np.ogrid[:N, :C, :1, :1]
    np.add.at(grad_x, (n, c, index), grad)
    return grad_x.reshape(N, C, *size)


def sum_pool2d(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """The sum of every window.

    ``y[n, c, u, v] = Σ_{i, j} x[n, c, u·stride + i − padding, v·stride + j − padding]``

    where pixels outside of the picture are 0.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding : pairs of ints

    Returns
    -------
    array of shape (N, C, OH, OW)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import sum_pool2d
    >>> sum_pool2d(np.ones((1, 1, 2, 3)), (2, 2), (1, 1), (0, 0))[0, 0]
    array([[4., 4.]])
    """
    (ph, pw), (OH, OW) = padding, _count(*x.shape[2:], kernel_size, stride, padding, (1, 1))
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    y = np.zeros((*x.shape[:2], OH, OW), x.dtype)
    for i, j in np.ndindex(kernel_size):
        y += x[..., _reached(i, stride[0], OH), _reached(j, stride[1], OW)]
    return y


def sum_pool2d_backward(grad: np.ndarray, size: Pair, kernel_size: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """The gradient, and the adjoint, of `sum_pool2d`: what arrives at a window goes to each of its pixels.

    ``∂x[n, c, row, col] = Σ grad[n, c, u, v]  over the windows that hold (row, col)``

    Parameters
    ----------
    grad : array of shape (N, C, OH, OW)
    size : pair of ints
        H and W
    kernel_size, stride, padding : pairs of ints

    Returns
    -------
    array of shape (N, C, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import sum_pool2d_backward
    >>> sum_pool2d_backward(np.array([[[[7.0, 8.0]]]]), (2, 3), (2, 2), (1, 1), (0, 0))[0, 0]
    array([[ 7., 15.,  8.],
           [ 7., 15.,  8.]])
    """
    (H, W), (ph, pw), (OH, OW) = size, padding, grad.shape[2:]
    padded = np.zeros((*grad.shape[:2], H + 2 * ph, W + 2 * pw), grad.dtype)
    for i, j in np.ndindex(kernel_size):
        padded[..., _reached(i, stride[0], OH), _reached(j, stride[1], OW)] += grad
    return padded[..., ph : ph + H, pw : pw + W].copy()


def _count(H: int, W: int, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How many windows there are, vertically and horizontally."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel_size, stride, padding, dilation)
    )


def _reached(first: int, stride: int, count: int) -> slice:
    """The rows (or columns) that one place of the window comes to lie on."""
    return slice(first, first + stride * (count - 1) + 1, stride)
