"""The hot routines made fast on the CPU: the mirror image of `reference`. Imports only NumPy and Numba.

Pictures are (N, C, H, W) arrays as everywhere, but the routines like them channels-last in memory: a pixel's channels
lie side by side, so a row of a window is one run of numbers, and a convolution is one big matrix product. Arrays of any
other strides are accepted, and copied first. Pictures come back channels-last, as (N, C, H, W) views; batch norm and the
activations keep the layout they are given.

Matrix products and convolutions are made of register tiles (tile.py), so that one loop does nearly all the arithmetic.
Numba compiles a routine when it is first called with a dtype, and keeps the machine code in its cache (beside the source, or
in the user's cache folder, or where NUMBA_CACHE_DIR says). The routines let go of the GIL and share their work among
Numba's threads, the only pool that is in use: a second one, of a BLAS, would take the processors from the first. Work is cut
by the shapes, or so that the cut makes no difference: the results do not depend on the number of threads.
"""

from .activation import leaky_relu, leaky_relu_backward
from .conv import conv2d, conv2d_input_grad, conv2d_weight_grad
from .fold import fold, unfold
from .layout import contiguous
from .loss import (
    bce_with_logits,
    bce_with_logits_backward,
    cross_entropy,
    cross_entropy_backward,
    squared_error,
    squared_error_backward,
)
from .matmul import matmul
from .memory import keep_freed_memory
from .norm import batch_norm, batch_norm_backward, channel_sum, scale_and_shift
from .optim import adam, rmsprop, sgd
from .pool import max_pool2d, max_pool2d_backward, sum_pool2d, sum_pool2d_backward
from .random import fill_normal, fill_uniform
from .reduce import amax, amax_backward

__all__ = [
    "adam",
    "amax",
    "amax_backward",
    "batch_norm",
    "batch_norm_backward",
    "bce_with_logits",
    "bce_with_logits_backward",
    "channel_sum",
    "contiguous",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "cross_entropy",
    "cross_entropy_backward",
    "fill_normal",
    "fill_uniform",
    "fold",
    "leaky_relu",
    "leaky_relu_backward",
    "matmul",
    "max_pool2d",
    "max_pool2d_backward",
    "rmsprop",
    "scale_and_shift",
    "sgd",
    "squared_error",
    "squared_error_backward",
    "sum_pool2d",
    "sum_pool2d_backward",
    "unfold",
]

keep_freed_memory()
