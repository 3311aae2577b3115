"""The hot routines on a GPU: the mirror image of `reference`, written in Numba CUDA. Imports NumPy and Numba; CuPy on a GPU.

To learn CUDA from them, begin with `launch.py` (threads, blocks, grids) and `activation.py` (a thread makes an element).
Then `layout.py` (a tile in shared memory, and why one waits), `norm.py` (many threads add up, as a tree), `conv.py`
(gathering in place of scattering) and `matmul.py` (the tiled product). Every kernel's docstring says what one thread
computes and what a block shares. No GPU is needed to run them: see `launch.py` for the simulator, and
`examples/cuda_without_gpu.py`.

Rules that all kernels keep, beside those of `launch.py`:

- Arrays are flat and dense, and what they mean is worked out from whole numbers. Pictures lie channels-last.
- Every index is inside of its array. The simulator raises an error where it is not; a GPU would write somewhere else.
- No Python number with a point, and no NumPy float64, meets a float32: to Numba that is a float64, for which most GPUs have
  a sixty-fourth of the arithmetic units. A constant gets its type from the array, `x.dtype.type(0)`.
- No atomics, and an order of adding that depends on the shapes alone: the same input gives the same bits.
"""

from .activation import leaky_relu, leaky_relu_backward
from .conv import conv2d, conv2d_input_grad, conv2d_weight_grad, fold, unfold
from .layout import contiguous
from .loss import (
    bce_with_logits,
    bce_with_logits_backward,
    cross_entropy,
    cross_entropy_backward,
    squared_error,
    squared_error_backward,
)
from .matmul import matmul, tiled_matmul
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
    "tiled_matmul",
    "unfold",
]
