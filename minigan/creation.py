"""Tensors from numbers and from chance: `tensor`, `zeros`, `arange`, `randn`, and the generator behind them.

Imports the tensor module, shape and generator. Names and arguments are PyTorch's; the default type is float32. All chance in
minigan comes from one generator, seeded by `manual_seed`; its state can be saved and put back, which is what makes a resumed
run equal to one that was never interrupted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan import backend
from minigan.generator import AnyGenerator, Generator, check_generator, normal, uniform
from minigan.ops.shape import shape_argument
from minigan.tensor import Tensor
from minigan.values import as_array

_generator = Generator()


def tensor(data: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of `data`: numbers, nested lists, or an array.

    Parameters
    ----------
    data : array_like
    dtype : optional
        Taken from an array; otherwise float32 for floats, int64 for integers, bool for truth values.
    device : str, optional
        "cpu", "cuda" or "cudasim"; where `data` are if it is left out, which for numbers and lists is the CPU.
    requires_grad : bool, default False

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    data = data.data if isinstance(data, Tensor) else data
    if backend.is_array(data):
        array = data.copy() if dtype is None else data.astype(dtype)
    else:
        array = np.array(as_array(data) if dtype is None else data, dtype=dtype)
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A Tensor that shares the memory of a NumPy array, which must not be written to while a graph holds it."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(ndarray).__name__}")
    return Tensor(ndarray)


def from_dlpack(data: Any) -> Tensor:
    """A Tensor that shares the memory of another library's array, such as a `torch.Tensor` on the CPU or on a GPU."""
    kind, _ = data.__dlpack_device__()
    return Tensor(np.from_dlpack(data) if kind == 1 else backend.gpu_from_dlpack(data))


def _made(array: Any, device: str, requires_grad: bool = False) -> Tensor:
    """An array that was made on the CPU as a Tensor of the device."""
    return Tensor(backend.to_device(array, device), requires_grad)


def _float(dtype: Any) -> Any:
    """The type asked for, or the default."""
    return np.float32 if dtype is None else dtype


def zeros(*size: Any, dtype: Any = None, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """Zeros of the given size."""
    return _made(np.zeros(shape_argument("zeros", size), _float(dtype)), device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """Ones of the given size."""
    return _made(np.ones(shape_argument("ones", size), _float(dtype)), device, requires_grad)


def full(size: Any, fill_value: Any, dtype: Any = None, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere."""
    dtype = as_array(fill_value).dtype if dtype is None else dtype
    return _made(np.full(shape_argument("full", (size,)), fill_value, dtype), device, requires_grad)


def full_like(input: Tensor, fill_value: Any) -> Tensor:
    """`fill_value` everywhere, with the shape, type and device of `input`."""
    return Tensor(np.full_like(input.data, fill_value))


def eye(n: int, m: int | None = None, dtype: Any = None, device: str = "cpu") -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    return _made(np.eye(n, m, dtype=_float(dtype)), device)


def arange(
    start: Any, end: Any = None, step: Any = 1, dtype: Any = None, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """Numbers from `start` (0 if one number is given) up to but not including `end`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.arange(3).tolist(), mg.arange(0, 1, 0.5).tolist()
    ([0, 1, 2], [0.0, 0.5])
    """
    values = np.arange(start, step=step) if end is None else np.arange(start, end, step)
    if dtype is None and values.dtype == np.float64:
        dtype = np.float32
    return _made(values.astype(dtype or values.dtype), device, requires_grad)


def linspace(
    start: float, end: float, steps: int, dtype: Any = None, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    return _made(np.linspace(start, end, steps, dtype=_float(dtype)), device, requires_grad)


# ---------------------------------------------------------------------------------------------------------- chance


def manual_seed(seed: int) -> Generator:
    """Begin the stream of random numbers anew from `seed`; returns the generator.

    The numbers that follow are the same on every device, but for the rounding of a logarithm and a sine in normal ones.

    Examples
    --------
    >>> import minigan as mg
    >>> _ = mg.manual_seed(0)
    >>> a = mg.randn(3)
    >>> _ = mg.manual_seed(0)
    >>> (a == mg.randn(3)).all().item()
    True
    """
    return _generator.manual_seed(seed)


def default_generator() -> Generator:
    """The generator behind every function of minigan that draws by chance and is not given one."""
    return _generator


def get_rng_state() -> dict[str, Any]:
    """The state of the generator, as a dictionary of strings and integers that can be written as JSON."""
    return _generator.state


def set_rng_state(state: dict[str, Any]) -> None:
    """Put back a state that `get_rng_state` returned."""
    _generator.state = state


def _chance(operation: str, generator: Any) -> AnyGenerator:
    """The generator that was given, or the default."""
    return check_generator(operation, generator) or _generator


def randn(
    *size: Any,
    dtype: Any = None,
    device: str = "cpu",
    generator: AnyGenerator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draws from the normal distribution N(0, 1)."""
    shape = shape_argument("randn", size)
    return Tensor(normal(_chance("randn", generator), shape, _float(dtype), device), requires_grad)


def rand(
    *size: Any,
    dtype: Any = None,
    device: str = "cpu",
    generator: AnyGenerator | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draws from the uniform distribution on [0, 1)."""
    shape = shape_argument("rand", size)
    return Tensor(uniform(_chance("rand", generator), shape, _float(dtype), device), requires_grad)


def randint(low: int, high: int, size: Any, device: str = "cpu", generator: AnyGenerator | None = None) -> Tensor:
    """Draws from the integers `low` to `high − 1`."""
    shape = shape_argument("randint", (size,))
    return _made(np.asarray(_chance("randint", generator).integers(low, high, shape)), device)


def randperm(n: int, device: str = "cpu", generator: AnyGenerator | None = None) -> Tensor:
    """The integers 0 to n − 1 in random order."""
    return _made(_chance("randperm", generator).permutation(n), device)


def randn_like(input: Tensor) -> Tensor:
    """Draws from N(0, 1) with the shape, type and device of `input`."""
    return randn(input.shape, dtype=input.dtype, device=input.device)


def rand_like(input: Tensor) -> Tensor:
    """Draws from the uniform distribution on [0, 1) with the shape, type and device of `input`."""
    return rand(input.shape, dtype=input.dtype, device=input.device)
