"""The matrix product in NumPy. Imports only NumPy."""

import numpy as np


def matmul(a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """The product of two matrices, ``C[i, j] = Σ_k A[i, k] · B[k, j]``, plus ``bias[j]`` if there is one.

    Parameters
    ----------
    a : array of shape (M, K)
    b : array of shape (K, N)
        both float32 or both float64, of any strides
    bias : array of shape (N,), optional
        of the same dtype

    Returns
    -------
    array of shape (M, N)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import matmul
    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    return np.matmul(a, b) if bias is None else np.matmul(a, b) + bias
