"""How arrays lie in memory, in NumPy. Imports only NumPy."""

import numpy as np


def contiguous(x: np.ndarray) -> np.ndarray:
    """x in C order; a copy, unless its memory lies that way.

    Parameters
    ----------
    x : array

    Returns
    -------
    array of the shape of x

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import contiguous
    >>> contiguous(np.eye(2).T).flags.c_contiguous
    True
    """
    return np.ascontiguousarray(x)
