"""Where the maximum of every pooling window lies, compiled. Imports only NumPy and Numba."""

import numpy as np

from .compile import compiled

Pair = tuple[int, int]


def max_pool2d_indices(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """For every window, the flat index into H·W of its largest pixel.

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
    int64 array of shape (N, C, OH, OW)
        channels-last in memory; −1 where a window holds no pixel at all, which no padding ≤ kernel/2 brings about
        without dilation.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import max_pool2d_indices
    >>> x = np.array([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 2.0, 2.0]]]])
    >>> max_pool2d_indices(x, (2, 2), (2, 2), (0, 0), (1, 1))[0, 0]
    array([[1, 2]])
    """
    N, C, H, W = x.shape
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel_size, stride, padding, dilation)
    )
    rows = np.require(
        x.transpose(0, 2, 3, 1), requirements=["C", "A", "W"]
    )  # no copy if the memory lies that way already
    index = np.empty((N, OH, OW, C), np.int64)
    _argmax(rows, index, kernel_size, stride, padding, dilation)
    return index.transpose(0, 3, 1, 2)


@compiled()
def _argmax(x, index, kernel_size, stride, padding, dilation):
    """Fill index (N, OH, OW, C) for x (N, H, W, C)."""
    N, H, W, C = x.shape
    _, OH, OW, _ = index.shape
    best = np.empty(C, x.dtype)
    for n in range(N):
        for oy in range(OH):
            for ox in range(OW):
                best[:] = -np.inf
                index[n, oy, ox] = -1
                for i in range(kernel_size[0]):
                    row = oy * stride[0] + i * dilation[0] - padding[0]
                    if not 0 <= row < H:
                        continue
                    for j in range(kernel_size[1]):
                        col = ox * stride[1] + j * dilation[1] - padding[1]
                        if not 0 <= col < W:
                            continue
                        for c in range(C):  # without a branch, so that it is vectorised
                            value, before = x[n, row, col, c], index[n, oy, ox, c]
                            wins = (before < 0) | (value > best[c]) | np.isnan(value)
                            best[c] = value if wins else best[c]
                            index[n, oy, ox, c] = row * W + col if wins else before
