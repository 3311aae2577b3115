"""Tensors from numbers and from chance: `tensor`, `zeros`, `arange`, `randn`, and the generator behind them.

Imports the tensor module and shape. Names and arguments are PyTorch's; the default type is float32. All chance in minigan
comes from one NumPy generator, seeded by `manual_seed`; its state can be saved and put back, which is what makes a resumed
run equal to one that was never interrupted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan import backend
from minigan.ops.shape import shape_argument
from minigan.tensor import Tensor
from minigan.values import as_array

_generator = np.random.default_rng()


def tensor(data: Any, dtype: Any = None, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of `data`: numbers, nested lists, or an array.

    Parameters
    ----------
    data : array_like
    dtype : optional
        Taken from an array; otherwise float32 for floats, int64 for integers, bool for truth values.
    device : str, default "cpu"
    requires_grad : bool, default False

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    backend.check_device(device)
    return Tensor(np.array(as_array(data) if dtype is None else data, dtype=dtype), requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A Tensor that shares the memory of a NumPy array, which must not be written to while a graph holds it."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(ndarray).__name__}")
    return Tensor(ndarray)


def from_dlpack(data: Any) -> Tensor:
    """A Tensor that shares the memory of another library's array, such as a `torch.Tensor` on the CPU."""
    return Tensor(np.from_dlpack(data))


def _float(dtype: Any) -> Any:
    """The type asked for, or the default."""
    return np.float32 if dtype is None else dtype


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the given size."""
    return Tensor(np.zeros(shape_argument("zeros", size), _float(dtype)), requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the given size."""
    return Tensor(np.ones(shape_argument("ones", size), _float(dtype)), requires_grad)


def full(size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere."""
    dtype = as_array(fill_value).dtype if dtype is None else dtype
    return Tensor(np.full(shape_argument("full", (size,)), fill_value, dtype), requires_grad)


def full_like(input: Tensor, fill_value: Any) -> Tensor:
    """`fill_value` everywhere, with the shape and type of `input`."""
    return Tensor(np.full_like(input.data, fill_value))


def eye(n: int, m: int | None = None, dtype: Any = None) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    return Tensor(np.eye(n, m, dtype=_float(dtype)))


def arange(start: Any, end: Any = None, step: Any = 1, dtype: Any = None, requires_grad: bool = False) -> Tensor:
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
    return Tensor(values.astype(dtype or values.dtype), requires_grad)


def linspace(start: float, end: float, steps: int, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    return Tensor(np.linspace(start, end, steps, dtype=_float(dtype)), requires_grad)


# ---------------------------------------------------------------------------------------------------------- chance


def manual_seed(seed: int) -> np.random.Generator:
    """Begin the stream of random numbers anew from `seed`; returns the generator.

    Examples
    --------
    >>> import minigan as mg
    >>> _ = mg.manual_seed(0)
    >>> a = mg.randn(3)
    >>> _ = mg.manual_seed(0)
    >>> (a == mg.randn(3)).all().item()
    True
    """
    _generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    return _generator


def default_generator() -> np.random.Generator:
    """The generator behind every function of minigan that draws by chance and is not given one."""
    return _generator


def get_rng_state() -> dict[str, Any]:
    """The state of the generator, as a dictionary of strings and integers that can be written as JSON."""
    return dict(_generator.bit_generator.state)


def set_rng_state(state: dict[str, Any]) -> None:
    """Put back a state that `get_rng_state` returned."""
    _generator.bit_generator.state = state


def randn(
    *size: Any, dtype: Any = None, generator: np.random.Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Draws from the normal distribution N(0, 1)."""
    draw = (generator or _generator).standard_normal(shape_argument("randn", size), dtype=_float(dtype))
    return Tensor(np.asarray(draw), requires_grad)


def rand(
    *size: Any, dtype: Any = None, generator: np.random.Generator | None = None, requires_grad: bool = False
) -> Tensor:
    """Draws from the uniform distribution on [0, 1)."""
    draw = (generator or _generator).random(shape_argument("rand", size), dtype=_float(dtype))
    return Tensor(np.asarray(draw), requires_grad)


def randint(low: int, high: int, size: Any, generator: np.random.Generator | None = None) -> Tensor:
    """Draws from the integers `low` to `high − 1`."""
    return Tensor((generator or _generator).integers(low, high, shape_argument("randint", (size,))))


def randperm(n: int, generator: np.random.Generator | None = None) -> Tensor:
    """The integers 0 to n − 1 in random order."""
    return Tensor((generator or _generator).permutation(n))


def randn_like(input: Tensor) -> Tensor:
    """Draws from N(0, 1) with the shape and type of `input`."""
    return randn(input.shape, dtype=input.dtype)


def rand_like(input: Tensor) -> Tensor:
    """Draws from the uniform distribution on [0, 1) with the shape and type of `input`."""
    return rand(input.shape, dtype=input.dtype)
