"""The hot routines in NumPy, stated as clearly as they can be. Imports only NumPy.

Every routine takes arrays of any strides, leaves them as they are, and returns freshly allocated arrays of the same
dtype; only the steps of the optimisers overwrite. Geometry is given as pairs of ints, (vertical, horizontal). Arguments
are taken to be consistent: whoever calls has checked them.
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
from .matmul import matmul
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
