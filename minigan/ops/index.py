"""Operations that pick elements by position, and their adjoints, which put them back. Imports shape, elementwise, reduce.

    getitem ⇄ put          x[index]  ⇄  zeros, with the values added in at index
    gather  ⇄ scatter_add  both are getitem and put at an index along one axis

Where an index names a place twice, what comes back to it is added up.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.ops.elementwise import operands
from minigan.ops.shape import normalize_dim
from minigan.tensor import Function, Tensor, tensor_method
from minigan.values import as_array


class GetItem(Function):
    """y = x[index];   x̄ = zeros with ȳ added in at the index."""

    def __init__(self, index: Any):
        self.index = index

    def forward(self, x: Array) -> Array:
        return x[self.index]

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Put(self.index, self.inputs[0].shape)(grad),)


class Put(Function):
    """y = zeros of `shape` with x added in at the index;   x̄ = ȳ[index]."""

    def __init__(self, index: Any, shape: tuple[int, ...]):
        self.index, self.shape = index, shape

    def forward(self, x: Array) -> Array:
        y = np.zeros(self.shape, dtype=x.dtype, like=x)
        if _names_places_once(self.index):
            y[self.index] = x
        else:
            backend.add_at(y, self.index, x)
        return y

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (GetItem(self.index)(grad),)


def _names_places_once(index: Any) -> bool:
    """Slices, integers and masks never name a place twice; arrays of integers may."""
    parts = index if isinstance(index, tuple) else (index,)
    return not builtins.any(backend.is_array(part) and part.dtype.kind in "iu" for part in parts)


def plain_index(operation: str, index: Any) -> Any:
    """`index` as NumPy takes it: Tensors become arrays, and so do the lists and tuples that are not the index itself."""
    if isinstance(index, tuple):
        return tuple(_plain_part(operation, part) for part in index)
    return _plain_part(operation, index)


def _plain_part(operation: str, part: Any) -> Any:
    if isinstance(part, Tensor):
        part = part.data
    elif isinstance(part, Sequence):
        part = np.asarray(part, dtype=None if len(part) else np.int64)
    if backend.is_array(part) and part.dtype.kind not in "iub":
        raise TypeError(f"{operation}: an index is made of integers or bools, got an array of {part.dtype}")
    return part


@tensor_method
def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]` for slices, integers, None, ellipsis, and integer and boolean arrays or tensors, as NumPy means them.

    Raises
    ------
    IndexError
        If the index is out of range or has too many parts.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.arange(6.0).reshape(2, 3)
    >>> x[:, -1].tolist(), x[x > 3].tolist()
    ([2.0, 5.0], [4.0, 5.0])
    """
    index = plain_index("getitem", index)
    try:
        return GetItem(index)(input)
    except IndexError as error:
        raise IndexError(f"getitem: {error}; the tensor has shape {input.shape}") from None


@tensor_method
def setitem(input: Tensor, index: Any, value: Any) -> None:
    """`input[index] = value`, outside a graph only. `input` gets a new array: what shares the old one does not change."""
    if input.requires_grad or (isinstance(value, Tensor) and value.requires_grad):
        raise RuntimeError(
            "setitem: assignment would change a tensor that is in a graph. Make a new one instead: where(mask, value, x), "
            "cat([...]), or x.scatter_add(dim, index, value)"
        )
    array, index = input.data.copy(), plain_index("setitem", index)
    try:
        array[index] = as_array(value)
    except (IndexError, ValueError) as error:
        raise type(error)(f"setitem: {error}; the tensor has shape {input.shape}") from None
    input.data = array


def iterate(input: Tensor) -> Iterator[Tensor]:
    """The entries of the first axis, one after the other."""
    return (input[i] for i in range(len(input)))


for _name, _function in {"getitem": getitem, "setitem": setitem, "iter": iterate}.items():
    setattr(Tensor, f"__{_name}__", _function)


# -------------------------------------------------------------------------------------------- along one axis


@tensor_method
def index_select(input: Tensor, dim: int, index: Any) -> Tensor:
    """The entries of axis `dim` that the 1-D integer `index` names, in that order.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([[1.0, 2.0, 3.0]]).index_select(1, [2, 0]).tolist()
    [[3.0, 1.0]]
    """
    places = _integers("index_select", index)
    if places.ndim != 1:
        raise ValueError(f"index_select: index must have one axis, got shape {places.shape}")
    dim = normalize_dim("index_select", dim, input.ndim)
    _check_places("index_select", places, dim, input.shape[dim])
    return getitem(input, (slice(None),) * dim + (places,))


def _integers(operation: str, index: Any) -> Array:
    array = as_array(index)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{operation}: index must be integers, got {array.dtype}")
    return array


def _check_places(operation: str, index: Array, dim: int, size: int) -> None:
    if index.size and (index.min() < 0 or index.max() >= size):
        raise IndexError(
            f"{operation}: index has values {index.min()} to {index.max()}, dim {dim} has places 0 to {size - 1}"
        )


def _along(operation: str, input_shape: Sequence[int], dim: int, index: Array) -> tuple[Array, ...]:
    """The full index that replaces coordinate `dim` of every place of `index` by the entry there."""
    if index.ndim != len(input_shape):
        raise ValueError(
            f"{operation}: index has {index.ndim} axes, input has {len(input_shape)}; they must be the same"
        )
    for i, (m, n) in enumerate(zip(index.shape, input_shape)):
        if i != dim and m > n:
            raise ValueError(f"{operation}: index {index.shape} is larger than input {tuple(input_shape)} in dim {i}")
    _check_places(operation, index, dim, input_shape[dim])
    places = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    return tuple(places)


@tensor_method
def gather(input: Tensor, dim: int, index: Any) -> Tensor:
    """`out[i, j] = input[index[i, j], j]` for dim 0, `input[i, index[i, j]]` for dim 1, and so on.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : integer tensor with as many axes as `input`; the result has its shape

    Examples
    --------
    The score of the right class in each row:

    >>> import minigan as mg
    >>> scores = mg.tensor([[0.1, 0.9], [0.8, 0.2]])
    >>> scores.gather(1, [[1], [0]]).tolist() == [[scores[0, 1].item()], [scores[1, 0].item()]]
    True
    """
    dim = normalize_dim("gather", dim, input.ndim)
    return GetItem(_along("gather", input.shape, dim, _integers("gather", index)))(input)


@tensor_method
def scatter_add(input: Tensor, dim: int, index: Any, src: Tensor) -> Tensor:
    """`input` with `src` added in where `index` says: the adjoint of `gather`, plus `input`.

    Raises
    ------
    ValueError
        If `index` is larger than `src`, or does not fit `input`.
    """
    input, src = operands("scatter_add", input, src) if input.shape == src.shape else (input, src)
    dim = normalize_dim("scatter_add", dim, input.ndim)
    places = _integers("scatter_add", index)
    if places.ndim != src.ndim or builtins.any(m > n for m, n in zip(places.shape, src.shape)):
        raise ValueError(f"scatter_add: index of shape {places.shape} does not fit src of shape {src.shape}")
    if places.shape != src.shape:
        src = getitem(src, tuple(slice(n) for n in places.shape))
    return input + Put(_along("scatter_add", input.shape, dim, places), input.shape)(src)
