"""Where the maximum of every pooling window lies, in NumPy. Imports only NumPy."""

import numpy as np

Pair = tuple[int, int]


def max_pool2d_indices(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """For every window, the flat index into H·W of its largest pixel.

    ``index[n, c, u, v] = argmax_{row·W + col} x[n, c, row, col]``

    over ``row = u·stride + i·dilation − padding`` and ``col`` likewise, as far as they lie inside the picture: padding
    never wins, not even over −∞. Of equal pixels the first one in the window, row by row, wins. A NaN beats every
    number (and, as in PyTorch, an earlier NaN), so that it is not hidden.

    Max pooling is then ``x.reshape(N, C, H·W)`` taken at the indices, and its gradient is scattered to them: the
    routine decides, once, and both directions only follow.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding, dilation : pairs of ints

    Returns
    -------
    int64 array of shape (N, C, OH, OW)
        −1 where a window holds no pixel at all, which no padding ≤ kernel/2 brings about without dilation.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import max_pool2d_indices
    >>> x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
    >>> max_pool2d_indices(x, (2, 2), (2, 2), (0, 0), (1, 1))[0, 0]
    array([[1, 2]])
    """
    (H, W), (ph, pw) = x.shape[2:], padding
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel_size, stride, padding, dilation)
    )
    around = ((ph, ph), (pw, pw))
    x = np.pad(x, ((0, 0), (0, 0), *around))
    pixel = np.pad(np.arange(H * W).reshape(H, W), around, constant_values=-1)  # −1 marks the padding

    best = np.full((*x.shape[:2], OH, OW), -np.inf, x.dtype)
    index = np.full(best.shape, -1, np.int64)
    for i, j in np.ndindex(kernel_size):
        top, left = i * dilation[0], j * dilation[1]
        rows = slice(top, top + stride[0] * (OH - 1) + 1, stride[0])
        cols = slice(left, left + stride[1] * (OW - 1) + 1, stride[1])
        value, here = x[..., rows, cols], pixel[rows, cols]
        wins = (here >= 0) & ((index < 0) | (value > best) | np.isnan(value))
        best = np.where(wins, value, best)
        index = np.where(wins, here, index)
    return index
