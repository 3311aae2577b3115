"""What is composed of primitives: activations, layers, normalisations, losses, augmentation. Imports `minigan.ops`.

Every function is its formula, so there is no gradient rule in this folder: the chain rule makes them. Names, argument order
and meaning are those of `torch.nn.functional`, and the primitives that PyTorch keeps there are found here as well
(`functional.conv2d`, `functional.relu`, ...).
"""

from minigan.functional.activation import elu, gelu, log_softmax, logsigmoid, maxout, prelu, silu, softmax
from minigan.functional.augment import diff_augment
from minigan.functional.layers import dropout, embedding, linear, one_hot, pad
from minigan.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from minigan.functional.normalization import batch_norm, batch_norm_leaky_relu, group_norm, instance_norm, layer_norm
from minigan.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d, conv_transpose2d_by_zero_insertion
from minigan.ops.elementwise import leaky_relu, relu, sigmoid, softplus, tanh
from minigan.ops.pool import (
    adaptive_avg_pool2d,
    avg_pool2d,
    fold,
    interpolate,
    max_pool2d,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)
