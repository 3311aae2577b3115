"""minigan: a tensor-autograd engine written by hand, and the GANs that stand on it.

>>> import minigan as mg
>>> x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x**2).sum().backward()
>>> x.grad
Tensor([2., 4., 6.])

The files, in the order in which they build on each other: machine (processor and threads), backend (arrays and kernels),
modes and values, tensor (the engine), ops (the primitives), generator and creation, functional, init, nn, optim, check,
losses, data, metrics, viz, train.
"""

import importlib
from typing import Any

from numpy import float32, float64, int64

from minigan import backend, check, functional, init, nn, optim
from minigan.creation import (
    arange,
    default_generator,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    get_rng_state,
    linspace,
    manual_seed,
    ones,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    set_rng_state,
    tensor,
    zeros,
)
from minigan.functional import log_softmax, softmax
from minigan.generator import Generator
from minigan.machine import get_num_threads, set_num_threads
from minigan.modes import AnomalyError, anomaly, enable_grad, is_grad_enabled, no_grad
from minigan.ops.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d, conv_transpose2d_by_zero_insertion
from minigan.ops.elementwise import (
    abs,
    add,
    allclose,
    clamp,
    cos,
    div,
    eq,
    erf,
    exp,
    expm1,
    ge,
    gt,
    isfinite,
    isnan,
    le,
    leaky_relu,
    lerp,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    masked_fill,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    ones_like,
    pow,
    reciprocal,
    relu,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    sub,
    tanh,
    where,
    zeros_like,
)
from minigan.ops.index import gather, index_select, scatter_add
from minigan.ops.linalg import einsum, inverse, matmul, slogdet
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
from minigan.ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
)
from minigan.ops.shape import (
    broadcast_to,
    cat,
    chunk,
    clone,
    dilate,
    expand,
    expand_as,
    flatten,
    flip,
    movedim,
    narrow,
    permute,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    transpose,
    unbind,
    unflatten,
    unsqueeze,
)
from minigan.tensor import Function, Tensor, grad

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`mg.data`, `mg.losses`, `mg.metrics`, `mg.train` and `mg.viz`, imported when they are first named."""
    if name in ("data", "losses", "metrics", "train", "viz"):
        return importlib.import_module(f"minigan.{name}")
    raise AttributeError(f"module 'minigan' has no attribute {name!r}")
