"""Operations that move values without computing: broadcasting, reshaping, padding, joining. Imports tensor and values.

All of them are linear, and they come in pairs: the gradient of each is its partner (its *adjoint*, the transposed matrix),
so a pair is closed under differentiation to every order.

    broadcast_to  ⇄  sum_to          copy to many places       ⇄  add up what comes back from them
    pad           ⇄  crop            put zeros around          ⇄  cut them off
    dilate        ⇄  subsample       put zeros between         ⇄  take every s-th
    cat           ⇄  slices          join                      ⇄  cut apart
    cast          ⇄  cast            float32 → float64         ⇄  float64 → float32
    reshape, permute, flip, roll     each undone by another of its own kind
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.tensor import Function, Tensor, tensor_method
from minigan.values import FLOATS

Int = int | np.integer
NUMBERS = (bool, int, float)  # Python's own


def as_tensor(data: Any, like: Tensor | None = None) -> Tensor:
    """`data` as a Tensor; a Python number takes the type of the tensor `like` that it meets."""
    if isinstance(data, Tensor):
        return data
    if like is not None and isinstance(data, NUMBERS):
        if isinstance(data, float) and not like.is_floating_point():
            return Tensor(data)
        if isinstance(data, bool) or like.dtype != np.bool_:
            return Tensor._wrap(np.asarray(data, dtype=like.dtype))
    return Tensor(data)


def normalize_dim(operation: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front, or an IndexError that says what the choice is."""
    if ndim == 0:
        raise IndexError(f"{operation}: dim is {dim}, but the tensor is a single number and has no axes")
    if not -ndim <= dim < ndim:
        raise IndexError(f"{operation}: dim is {dim}, but a tensor of {ndim} axes has dims {-ndim} to {ndim - 1}")
    return dim % ndim


def normalize_dims(operation: str, dim: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """`dim` as a tuple counted from the front; None means every axis."""
    if dim is None:
        return tuple(range(ndim))
    dims = tuple(normalize_dim(operation, d, ndim) for d in ((dim,) if isinstance(dim, Int) else dim))
    if len(set(dims)) != len(dims):
        raise ValueError(f"{operation}: dim {tuple(dim)} names an axis twice")  # type: ignore[arg-type]
    return dims


def shape_argument(operation: str, sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes given one by one, `f(2, 3)`, or as one sequence, `f((2, 3))`."""
    if len(sizes) == 1 and isinstance(sizes[0], Sequence):
        sizes = tuple(sizes[0])
    try:
        return tuple(map(index, sizes))
    except TypeError:
        raise TypeError(f"{operation}: sizes are integers, got {sizes}") from None


# -------------------------------------------------------------------------------------------------- cast ⇄ cast


class Cast(Function):
    """The same numbers in another floating type."""

    def __init__(self, dtype: Any):
        self.dtype = np.dtype(dtype)

    def forward(self, x: Array) -> Array:
        return x.astype(self.dtype)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (cast(grad, self.inputs[0].dtype),)


def cast(x: Tensor, dtype: Any) -> Tensor:
    """`x` with another type; between float32 and float64 the gradient is cast back."""
    if dtype is None:
        raise TypeError("to: dtype is None; write for example x.to(np.float32)")
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    if x.is_floating_point() and dtype in FLOATS:
        return Cast(dtype)(x)
    return Tensor(x.data.astype(dtype))


class Move(Function):
    """The same numbers on another device; the gradient is moved back."""

    def __init__(self, device: str):
        self.device = device

    def forward(self, x: Array) -> Array:
        return backend.to_device(x, self.device)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Move(self.inputs[0].device)(grad),)


@tensor_method
def cpu(input: Tensor) -> Tensor:
    """`input` on the CPU: itself if it is there already."""
    return to(input, "cpu")


@tensor_method
def to(input: Tensor, *target: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """`input` with another dtype or on another device, or like another tensor; itself if it is so already.

    Devices are "cpu", "cuda" (a GPU) and "cudasim" (one that Numba simulates). Gradients travel back through a move.

    Raises
    ------
    DeviceError
        If there is no such device here.

    Examples
    --------
    >>> import numpy as np, minigan as mg
    >>> mg.ones(2).to(np.float64)
    Tensor([1., 1.], dtype=float64)
    """
    for goal in (*target, *(given for given in (dtype, device) if given is not None)):
        if isinstance(goal, Tensor):
            input = to(cast(input, goal.dtype), goal.device)
        elif isinstance(goal, str) and not _is_dtype_name(goal):
            input = input if backend.check_device(goal) == input.device else Move(goal)(input)
        else:
            input = cast(input, goal)
    return input


def _is_dtype_name(name: str) -> bool:
    try:
        np.dtype(name)
    except TypeError:
        return False
    return True


for _name, _dtype in {"float": np.float32, "double": np.float64, "long": np.int64, "bool": np.bool_}.items():
    setattr(Tensor, _name, lambda x, dtype=_dtype: cast(x, dtype))  # x.float(), x.double(), x.long(), x.bool()


# ------------------------------------------------------------------------------------------ broadcast_to ⇄ sum_to


class BroadcastTo(Function):
    """Copies along new and unit axes. Nothing is copied in memory: the stride is 0."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, x: Array) -> Array:
        return np.broadcast_to(x, self.shape)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (sum_to(grad, self.inputs[0].shape),)


class SumTo(Function):
    """Adds up along the axes that broadcasting would have copied along."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, x: Array) -> Array:
        extra = x.ndim - len(self.shape)
        axes = [extra + i for i, size in enumerate(self.shape) if size == 1 and x.shape[extra + i] != 1]
        return x.sum(axis=(*range(extra), *axes)).reshape(self.shape)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (broadcast_to(grad, self.inputs[0].shape),)


@tensor_method
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """`input` repeated along new leading axes and along axes of size 1 until it has `shape`.

    Raises
    ------
    ValueError
        If the shapes do not broadcast.
    """
    shape = tuple(shape)
    if input.shape == shape:
        return input
    extra = len(shape) - input.ndim
    if extra < 0 or min(shape) < 0 or any(have not in (1, want) for have, want in zip(input.shape, shape[extra:])):
        raise ValueError(f"broadcast_to: shape {input.shape} does not broadcast to {shape}")
    return BroadcastTo(shape)(input)


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x` added up to `shape`: the adjoint of `broadcast_to`."""
    return x if x.shape == shape else SumTo(shape)(x)


@tensor_method
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """`broadcast_to`, where −1 keeps the size of an axis.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([[1.0], [2.0]]).expand(-1, 3).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """
    shape = shape_argument("expand", sizes)
    extra = len(shape) - input.ndim
    if extra < 0:
        raise ValueError(f"expand: {shape} has fewer axes than the tensor, whose shape is {input.shape}")
    return broadcast_to(
        input, tuple(input.shape[i - extra] if s == -1 and i >= extra else s for i, s in enumerate(shape))
    )


@tensor_method
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`input` broadcast to the shape of `other`."""
    return broadcast_to(input, other.shape)


# --------------------------------------------------------------------------------------------- reshape, permute


class Reshape(Function):
    """The same values in the same order under another shape."""

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape

    def forward(self, x: Array) -> Array:
        return (backend.kernels(x).contiguous(x) if x.ndim == 4 else x).reshape(self.shape)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (reshape(grad, self.inputs[0].shape),)


@tensor_method
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The values of `input`, in order, under another shape; one size may be −1 and is worked out.

    Raises
    ------
    ValueError
        If the number of elements would change.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.arange(6).reshape(2, -1).shape
    (2, 3)
    """
    sizes = shape_argument("reshape", shape)
    if sizes == input.shape:
        return input
    known = math.prod([s for s in sizes if s != -1])
    unknown = sizes.count(-1)
    if unknown == 1 and known > 0 and input.numel() % known == 0:
        sizes = tuple(input.numel() // known if s == -1 else s for s in sizes)
    elif unknown or min(sizes, default=0) < 0 or known != input.numel():
        raise ValueError(f"reshape: {input.numel()} elements of shape {input.shape} do not fit the shape {sizes}")
    return input if sizes == input.shape else Reshape(sizes)(input)


@tensor_method
def view(input: Tensor, *shape: Any) -> Tensor:
    """`reshape`, under the name that PyTorch's programs use."""
    return reshape(input, *shape)


class Clone(Function):
    """The same values in an array of their own."""

    def forward(self, x: Array) -> Array:
        return x.copy()

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad,)


@tensor_method
def clone(input: Tensor) -> Tensor:
    """A copy, in the graph: the gradient passes to `input`."""
    return Clone()(input)


@tensor_method
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim` joined into one.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.zeros(2, 3, 4).flatten(1).shape
    (2, 12)
    """
    if input.ndim == 0:
        return reshape(input, 1)
    start = normalize_dim("flatten", start_dim, input.ndim)
    end = normalize_dim("flatten", end_dim, input.ndim)
    if start > end:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    return reshape(input, *input.shape[:start], math.prod(input.shape[start : end + 1]), *input.shape[end + 1 :])


@tensor_method
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Axis `dim` split into axes of the given `sizes`."""
    dim = normalize_dim("unflatten", dim, input.ndim)
    return reshape(input, *input.shape[:dim], *sizes, *input.shape[dim + 1 :])


@tensor_method
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """`input` without its axes of size 1, or without those of them that `dim` names."""
    dims = normalize_dims("squeeze", dim, input.ndim)
    return reshape(input, tuple(s for i, s in enumerate(input.shape) if not (s == 1 and i in dims)))


@tensor_method
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """`input` with a new axis of size 1 at position `dim`."""
    dim = normalize_dim("unsqueeze", dim, input.ndim + 1)
    return reshape(input, *input.shape[:dim], 1, *input.shape[dim:])


class Permute(Function):
    """Axes in another order; a view, nothing moves in memory."""

    def __init__(self, dims: tuple[int, ...]):
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return x.transpose(self.dims)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        inverse = sorted(range(len(self.dims)), key=self.dims.__getitem__)
        return (permute(grad, inverse),)


@tensor_method
def permute(input: Tensor, *dims: Any) -> Tensor:
    """The axes of `input` in the order `dims`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.zeros(8, 3, 32, 16).permute(0, 2, 3, 1).shape
    (8, 32, 16, 3)
    """
    order = normalize_dims("permute", shape_argument("permute", dims), input.ndim)
    if len(order) != input.ndim:
        raise ValueError(f"permute: {order} must name each of the {input.ndim} axes once")
    return input if order == tuple(range(input.ndim)) else Permute(order)(input)


@tensor_method
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """`input` with two axes exchanged."""
    order = list(range(input.ndim))
    i, j = normalize_dim("transpose", dim0, input.ndim), normalize_dim("transpose", dim1, input.ndim)
    order[i], order[j] = j, i
    return input if i == j else Permute(tuple(order))(input)


@tensor_method
def movedim(input: Tensor, source: int, destination: int) -> Tensor:
    """`input` with axis `source` moved to position `destination`."""
    order = list(range(input.ndim))
    axis = order.pop(normalize_dim("movedim", source, input.ndim))
    order.insert(normalize_dim("movedim", destination, input.ndim), axis)
    return permute(input, order)


@tensor_method
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector is its own."""
    if input.ndim > 2:
        raise ValueError(f"t: expected at most 2 axes, got shape {input.shape}; name two axes with transpose")
    return transposed(input)


@tensor_method
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """`input` laid out `repeats` times along each axis, new leading axes included: a wallpaper.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.tensor([1.0, 2.0]).repeat(2, 2).tolist()
    [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    times = shape_argument("repeat", repeats)
    extra = len(times) - input.ndim
    if extra < 0 or min(times, default=0) < 0:
        raise ValueError(f"repeat: {times} does not give one count to each axis of shape {input.shape}")
    shape = (1,) * extra + input.shape
    pairs = [size for pair in zip((1,) * len(shape), shape) for size in pair]
    tiled = [size for pair in zip(times, shape) for size in pair]
    return reshape(broadcast_to(reshape(input, pairs), tiled), [n * size for n, size in zip(times, shape)])


def transposed(x: Tensor) -> Tensor:
    """`x.T`: the axes in reverse order."""
    return permute(x, tuple(reversed(range(x.ndim))))


Tensor.T = property(transposed)  # type: ignore[attr-defined]
Tensor.mT = property(lambda x: transpose(x, -1, -2))  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------- flip, roll


class Flip(Function):
    """Axes read backwards; its own inverse."""

    def __init__(self, dims: tuple[int, ...]):
        self.dims = dims

    def forward(self, x: Array) -> Array:
        return np.flip(x, self.dims)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (flip(grad, self.dims),)


@tensor_method
def flip(input: Tensor, *dims: Any) -> Tensor:
    """`input` read backwards along `dims`: `flip(x, (0, 1))` or `x.flip(0, 1)`."""
    axes = normalize_dims("flip", shape_argument("flip", dims), input.ndim)
    return Flip(axes)(input) if axes else input


class Roll(Function):
    """A shift that comes in again on the other side."""

    def __init__(self, shifts: tuple[int, ...], dims: tuple[int, ...]):
        self.shifts, self.dims = shifts, dims

    def forward(self, x: Array) -> Array:
        return np.roll(x, self.shifts, self.dims)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Roll(tuple(-s for s in self.shifts), self.dims)(grad),)


@tensor_method
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """`input` shifted along `dims`; what leaves on one side comes in on the other. Without `dims`, flattened first."""
    steps = (shifts,) if isinstance(shifts, Int) else tuple(shifts)
    if dims is None:
        return reshape(roll(reshape(input, -1), steps, 0), input.shape)
    axes = normalize_dims("roll", dims, input.ndim)
    if len(steps) != len(axes):
        raise ValueError(f"roll: {len(steps)} shifts for {len(axes)} dims")
    return Roll(steps, axes)(input)


# ------------------------------------------------------------------------------ pad ⇄ crop,  dilate ⇄ subsample

Borders = tuple[tuple[int, int], ...]


class Pad(Function):
    """A constant border: `borders[i]` = how much before and after axis i."""

    def __init__(self, borders: Borders, value: Any = 0):
        self.borders, self.value = borders, value

    def forward(self, x: Array) -> Array:
        return np.pad(x, self.borders, constant_values=self.value)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Crop(self.borders)(grad),)


class Crop(Function):
    """A border cut off; the adjoint of a border of zeros."""

    def __init__(self, borders: Borders):
        self.borders = borders

    def forward(self, x: Array) -> Array:
        return x[tuple(slice(before, size - after) for size, (before, after) in zip(x.shape, self.borders))]

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Pad(self.borders)(grad),)


def pad_constant(x: Tensor, borders: Borders, value: Any = 0) -> Tensor:
    """A border of `value` around `x`; where a border is negative, `x` is cropped instead."""
    if any(min(border) < 0 for border in borders):
        crop = tuple((max(-a, 0), max(-b, 0)) for a, b in borders)
        if any(a + b > size for (a, b), size in zip(crop, x.shape)):
            raise ValueError(f"pad: the borders {borders} crop more than there is of a tensor of shape {x.shape}")
        x = Crop(crop)(x)
    if any(max(border) > 0 for border in borders):
        x = Pad(tuple((max(a, 0), max(b, 0)) for a, b in borders), value)(x)
    return x


class Dilate(Function):
    """`step − 1` zeros between neighbours: element i of an axis goes to place i·step."""

    def __init__(self, steps: tuple[int, ...]):
        self.steps = steps

    def forward(self, x: Array) -> Array:
        shape = tuple((size - 1) * step + 1 if size else 0 for size, step in zip(x.shape, self.steps))
        y = np.zeros(shape, dtype=x.dtype, like=x)
        y[tuple(slice(None, None, step) for step in self.steps)] = x
        return y

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Subsample(self.steps)(grad),)


class Subsample(Function):
    """Every step-th element of an axis, beginning with the first and ending with the last."""

    def __init__(self, steps: tuple[int, ...]):
        self.steps = steps

    def forward(self, x: Array) -> Array:
        return x[tuple(slice(None, None, step) for step in self.steps)]

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Dilate(self.steps)(grad),)


def dilate(input: Tensor, steps: Sequence[int]) -> Tensor:
    """`input` with `steps[i] − 1` zeros between neighbours along each axis i.

    With `steps = (1, 1, 2, 2)` a picture is spread out for a transposed convolution of stride 2:

        1 2         1 0 2
        3 4   →     0 0 0
                    3 0 4

    Parameters
    ----------
    input : Tensor
    steps : sequence of int
        One for each axis, at least 1.

    Returns
    -------
    Tensor
        Axis i has size `(n − 1)·steps[i] + 1`.
    """
    steps = tuple(steps)
    if len(steps) != input.ndim or min(steps, default=1) < 1:
        raise ValueError(f"dilate: expected {input.ndim} steps of at least 1, got {steps}")
    return input if set(steps) <= {1} else Dilate(steps)(input)


# ------------------------------------------------------------------------------------------------- cat ⇄ slices


class Cat(Function):
    """Tensors one behind the other along an axis; the gradient is cut apart again."""

    def __init__(self, dim: int):
        self.dim = dim

    def forward(self, *xs: Array) -> Array:
        return np.concatenate(xs, axis=self.dim)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        total, ndim, start, parts = grad.shape[self.dim], grad.ndim, 0, []
        for x, needed in zip(self.inputs, self.needs):
            size = x.shape[self.dim]
            borders = tuple((start, total - start - size) if i == self.dim else (0, 0) for i in range(ndim))
            parts.append(Crop(borders)(grad) if needed else None)
            start += size
        return tuple(parts)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one behind the other along axis `dim`.

    Raises
    ------
    ValueError
        If there is none, or the shapes differ elsewhere than in `dim`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.cat([mg.ones(1, 2), mg.zeros(2, 2)]).shape
    (3, 2)
    """
    if isinstance(tensors, Tensor):
        raise TypeError("cat: expected a list or tuple of Tensors, got a single Tensor")
    if not tensors:
        raise ValueError("cat: expected at least one tensor")
    dim = normalize_dim("cat", dim, tensors[0].ndim)
    shapes = [x.shape for x in tensors]
    if len({(len(s), s[:dim], s[dim + 1 :]) for s in shapes}) > 1:
        raise ValueError(f"cat: the shapes {', '.join(map(str, shapes))} may differ in dim {dim} only")
    dtypes = [x.dtype for x in tensors]
    dtype = np.result_type(
        *[d for d in dtypes if d in FLOATS] or dtypes
    )  # floats win over integers, whatever their width
    return Cat(dim)(*[cast(x, dtype) for x in tensors])


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors, all of one shape, along a new axis `dim`."""
    if not tensors:
        raise ValueError("stack: expected at least one tensor")
    if len({x.shape for x in tensors}) > 1:
        raise ValueError(f"stack: the shapes differ: {', '.join(str(x.shape) for x in tensors)}")
    return cat([unsqueeze(x, dim) for x in tensors], dim)


@tensor_method
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` places of axis `dim`, beginning at `start`."""
    dim = normalize_dim("narrow", dim, input.ndim)
    size = input.shape[dim]
    if not (start >= 0 and length >= 0 and start + length <= size):
        raise ValueError(f"narrow: places {start} to {start + length} of dim {dim}, which has {size}")
    if length == size:
        return input
    return Crop(tuple((start, size - start - length) if i == dim else (0, 0) for i in range(input.ndim)))(input)


@tensor_method
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of axis `dim`: of one size (the last may be smaller), or of the given sizes.

    Examples
    --------
    >>> import minigan as mg
    >>> [x.shape for x in mg.zeros(5, 2).split(2)]
    [(2, 2), (2, 2), (1, 2)]
    """
    dim = normalize_dim("split", dim, tensor.ndim)
    total = tensor.shape[dim]
    if isinstance(split_size_or_sections, Int):
        size = int(split_size_or_sections)
        if size < 1:
            raise ValueError(f"split: the size of a piece must be at least 1, got {size}")
        sizes = [min(size, total - start) for start in range(0, total, size)] or [0]
    else:
        sizes = list(split_size_or_sections)
        if sum(sizes) != total or min(sizes, default=0) < 0:
            raise ValueError(f"split: sections {sizes} do not add up to the {total} places of dim {dim}")
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    return tuple(narrow(tensor, dim, start, size) for start, size in zip(starts, sizes))


@tensor_method
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The entries of axis `dim`, one Tensor each, without that axis."""
    dim = normalize_dim("unbind", dim, input.ndim)
    return tuple(squeeze(narrow(input, dim, i, 1), dim) for i in range(input.shape[dim]))


@tensor_method
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`input` cut along `dim` into at most `chunks` pieces of equal size (the last may be smaller)."""
    if chunks < 1:
        raise ValueError(f"chunk: expected at least 1 piece, got {chunks}")
    size = input.shape[normalize_dim("chunk", dim, input.ndim)]
    return split(input, max(1, -(-size // chunks)), dim)
