"""The hot routines in NumPy, stated as clearly as they can be. Imports only NumPy.

Every routine takes arrays of any strides, leaves them as they are, and returns freshly allocated arrays of the same
dtype. Geometry is given as pairs of ints, (vertical, horizontal). Arguments are taken to be consistent: whoever calls
has checked them.
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
