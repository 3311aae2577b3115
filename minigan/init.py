"""Where training begins: the initial values of parameters. Imports NumPy, the tensor module and the default generator.

PyTorch's names, arguments and formulas. The functions give a leaf Tensor a new array and return the Tensor; the shapes, and
so the fans, are those of PyTorch's layers: `(out, in)`, `(out, in, kH, kW)`.

The principle behind all of them: a unit that adds up n products x·w of independent numbers with mean 0 has a variance of
n·Var(x)·Var(w). So activations keep their size from layer to layer if Var(w) = 1/fan_in, gradients on the way back if
Var(w) = 1/fan_out, up to a gain for what the non-linearity takes away.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.creation import default_generator
from minigan.generator import AnyGenerator, check_generator, normal, uniform
from minigan.tensor import Tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: AnyGenerator | None = None) -> Tensor:
    """Draw from the normal distribution N(mean, std²).

    Parameters
    ----------
    tensor : Tensor
        A leaf of type float32 or float64.
    mean : float, default 0
    std : float, default 1
    generator : minigan.Generator or numpy.random.Generator, optional
        minigan's own generator, which `manual_seed` seeds, if it is left out.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        If `tensor` is no Tensor of floating type, `std` is negative, or `tensor` was computed from others.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.init.normal_(mg.zeros(64, 1, 4, 4), std=0.02, generator=np.random.default_rng(0))
    >>> round(w.std().item(), 3)
    0.02
    """
    if not 0 <= std < math.inf:
        raise ValueError(f"normal_: std is {std}, expected a finite number, at least 0")
    _check_floating("normal_", tensor)
    draw = normal(_generator("normal_", generator), tensor.shape, tensor.dtype, tensor.device)
    return _assign(tensor, mean + std * draw)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: AnyGenerator | None = None) -> Tensor:
    """Draw from the uniform distribution on [a, b).

    Parameters
    ----------
    tensor : Tensor
    a : float, default 0
    b : float, default 1
    generator : minigan.Generator or numpy.random.Generator, optional

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `normal_` does; ValueError also if `a` is greater than `b`.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.init.uniform_(mg.zeros(100), -2.0, 3.0)
    >>> bool(w.min() >= -2), bool(w.max() <= 3)
    (True, True)
    """
    if not -math.inf < a <= b < math.inf:
        raise ValueError(f"uniform_: a is {a} and b is {b}, expected finite numbers with a ≤ b")
    _check_floating("uniform_", tensor)
    draw = uniform(_generator("uniform_", generator), tensor.shape, tensor.dtype, tensor.device)
    return _assign(tensor, a + (b - a) * draw)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.init.constant_(mg.zeros(2), 0.5)
    Tensor([0.5, 0.5])
    """
    _check("constant_", tensor)
    return _assign(tensor, np.full_like(tensor.data, val))


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    _check("zeros_", tensor)
    return _assign(tensor, np.zeros_like(tensor.data))


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    _check("ones_", tensor)
    return _assign(tensor, np.ones_like(tensor.data))


# -------------------------------------------------------------------------------- as many inputs, as many outputs


def calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many numbers flow into one unit of a layer with this weight, and how many units one number flows into.

    Returns
    -------
    fan_in, fan_out : int
        `in` and `out`, times the pixels of the kernel, for a weight `(out, in, ...)`. As in PyTorch, that of a transposed
        convolution, `(in, out, kH, kW)`, is not told apart, so its fans are the other way round.

    Raises
    ------
    ValueError
        If the weight has fewer than two axes, or one of length 0.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.init.calculate_fan_in_and_fan_out(mg.zeros(64, 3, 4, 4))
    (48, 1024)
    """
    return _fans("calculate_fan_in_and_fan_out", tensor)


_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation of weights by which activations keep their size through a non-linearity.

    Parameters
    ----------
    nonlinearity : str
        ============================================ ========================
        `linear`, `sigmoid`, `conv1d`, `conv2d`,     1
        `conv_transpose1d`, `conv_transpose2d`
        `tanh`                                       5/3
        `relu`                                       √2
        `leaky_relu`                                 √(2 / (1 + `param`²))
        `selu`                                       3/4
        ============================================ ========================
    param : float, optional
        The slope of leaky_relu; 0.01 if it is left out.

    Raises
    ------
    ValueError
        If the non-linearity is not in the table.

    Examples
    --------
    >>> import minigan as mg
    >>> round(mg.init.calculate_gain("leaky_relu", 0.2), 4)
    1.3868
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: nonlinearity is {nonlinearity!r}, expected one of {', '.join([*_GAINS, 'leaky_relu'])}"
        )
    return _GAINS[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: AnyGenerator | None = None) -> Tensor:
    """Draw uniformly from ±gain·√(6 / (fan_in + fan_out)): a compromise between activations and gradients.

    Parameters
    ----------
    tensor : Tensor
        A weight of two axes or more.
    gain : float, default 1
        See `calculate_gain`.
    generator : minigan.Generator or numpy.random.Generator, optional

    References
    ----------
    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010, equation 16.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.init.xavier_uniform_(mg.zeros(30, 20), gain=mg.init.calculate_gain("tanh"))
    >>> bool(abs(w).max() <= 5 / 3 * (6 / 50) ** 0.5)
    True
    """
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: AnyGenerator | None = None) -> Tensor:
    """Draw from N(0, std²) with std = gain·√(2 / (fan_in + fan_out)); see `xavier_uniform_`."""
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: AnyGenerator | None = None,
) -> Tensor:
    """Draw uniformly from ±gain·√(3 / fan), for layers that a rectifier follows.

    Parameters
    ----------
    tensor : Tensor
        A weight of two axes or more.
    a : float, default 0
        The slope of the leaky ReLU below 0.
    mode : {"fan_in", "fan_out"}, default "fan_in"
        `"fan_in"` keeps the size of activations from layer to layer, `"fan_out"` that of gradients.
    nonlinearity : str, default "leaky_relu"
        See `calculate_gain`.
    generator : minigan.Generator or numpy.random.Generator, optional

    References
    ----------
    He et al., "Delving deep into rectifiers", ICCV 2015, equations 10 and 14.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.init.kaiming_uniform_(mg.zeros(64, 3, 4, 4), a=0.2)
    >>> bool(abs(w).max() <= 1.3868 * (3 / 48) ** 0.5)
    True
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: AnyGenerator | None = None,
) -> Tensor:
    """Draw from N(0, std²) with std = gain / √fan; see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan_in, fan_out = _fans(name, tensor)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: AnyGenerator | None = None) -> Tensor:
    """Draw a weight whose rows, or columns where there are fewer of them, are orthogonal and have the length `gain`.

    A layer with such a weight stretches no signal more than another. All orthogonal matrices are equally likely.

    Parameters
    ----------
    tensor : Tensor
        A weight of two axes or more; all but the first count as one.
    gain : float, default 1
    generator : minigan.Generator or numpy.random.Generator, optional

    References
    ----------
    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", ICLR
    2014; Mezzadri, "How to generate random matrices from the classical compact groups", 2007, for the signs.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.init.orthogonal_(mg.zeros(3, 5))
    >>> mg.allclose(w @ w.transpose(0, 1), mg.eye(3), atol=1e-6)
    True
    """
    _fans("orthogonal_", tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draw = _generator("orthogonal_", generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draw)
    q *= np.sign(np.diag(r))  # QR has a choice of signs; with a positive diagonal of r, q is uniformly distributed
    if rows < columns:
        q = q.T
    return _assign(tensor, gain * q.reshape(tensor.shape))


# ----------------------------------------------------------------------------------------------- whole networks


def dcgan_(module: Any, generator: AnyGenerator | None = None) -> Any:
    """Draw all layers of a network as DCGAN does: weights from N(0, 0.02²), scales of norms from N(1, 0.02²), biases 0.

    A layer is known by the name of its class, or of one that it inherits from: `Conv...` and `Linear` have weights,
    `...Norm...` have scales. The parameters of all others stay as they are.

    Parameters
    ----------
    module : nn.Module
        A network, of which `modules()` gives the layers.
    generator : minigan.Generator or numpy.random.Generator, optional

    Returns
    -------
    nn.Module
        The network itself.

    References
    ----------
    Radford, Metz & Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
    networks", ICLR 2016, section 4, for the weights; the scales are those of the authors' code.

    Examples
    --------
    >>> import minigan as mg
    >>> block = mg.init.dcgan_(mg.nn.Sequential(mg.nn.Conv2d(3, 2, 4), mg.nn.BatchNorm2d(2)))
    >>> block[0].bias
    Tensor([0., 0.], requires_grad=True)
    """
    for layer in module.modules():
        ancestry = [cls.__name__.lstrip("_") for cls in type(layer).__mro__]
        if any("Norm" in name for name in ancestry):
            mean = 1.0
        elif any(name.startswith(("Conv", "Linear")) for name in ancestry):
            mean = 0.0
        else:
            continue
        if getattr(layer, "weight", None) is not None:
            normal_(layer.weight, mean, 0.02, generator)
        if getattr(layer, "bias", None) is not None:
            zeros_(layer.bias)
    return module


# ------------------------------------------------------------------------------------------------------- pieces


def _check(name: str, tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: tensor is a {type(tensor).__name__}, expected a Tensor")


def _check_floating(name: str, tensor: Tensor) -> None:
    _check(name, tensor)
    if not tensor.is_floating_point():
        raise TypeError(f"{name}: tensor has type {tensor.dtype}, expected float32 or float64")


def _generator(name: str, generator: AnyGenerator | None) -> AnyGenerator:
    return check_generator(name, generator) or default_generator()


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    _check_floating(name, tensor)
    if tensor.ndim < 2 or tensor.numel() == 0:
        raise ValueError(f"{name}: tensor has shape {tensor.shape}, expected a weight: (out, in), (out, in, kH, kW)")
    pixels = math.prod(tensor.shape[2:])
    return tensor.shape[1] * pixels, tensor.shape[0] * pixels


def _assign(tensor: Tensor, array: Array) -> Tensor:
    tensor.data = backend.to_device(array, tensor.device).astype(tensor.dtype, copy=False)
    return tensor
