"""The hot routines made fast on the CPU: the mirror image of `reference`. Imports only NumPy and Numba.

Pictures are (N, C, H, W) arrays as everywhere, but the routines like them channels-last in memory: a pixel's channels
lie side by side, so a row of a window is one run of numbers, and a convolution is one big matrix product. Arrays of any
other strides are accepted, and copied first. Pictures come back channels-last, as (N, C, H, W) views; batch norm keeps
the layout it is given.

Numba compiles a routine when it is first called with a dtype, and keeps the machine code in its cache (beside the
source, or in the user's cache folder, or where NUMBA_CACHE_DIR says). The compiled routines run on one thread and let go
of the GIL; the matrix products are NumPy's and use as many threads as its BLAS does. A second pool of threads here would
only take the processor from that one.
"""

from .conv import conv2d, conv2d_input_grad, conv2d_weight_grad, fold, unfold
from .norm import batch_norm, batch_norm_backward
from .pool import max_pool2d_indices

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "fold",
    "max_pool2d_indices",
    "unfold",
]
