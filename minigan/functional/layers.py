"""What a layer of a network computes, besides convolutions (`minigan/ops/conv.py`). Imports `minigan.ops`, creation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.creation import default_generator
from minigan.generator import AnyGenerator, check_generator, uniform
from minigan.ops.elementwise import floating
from minigan.ops.index import getitem
from minigan.ops.linalg import Linear
from minigan.ops.shape import as_tensor, pad_constant
from minigan.tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x·Wᵀ + b`.

    Parameters
    ----------
    input : Tensor, `(..., in_features)`
    weight : Tensor, `(out_features, in_features)`
    bias : Tensor, `(out_features,)`, optional

    Returns
    -------
    Tensor, `(..., out_features)`

    Raises
    ------
    ValueError, TypeError
        If the shapes do not fit, or the types differ.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.linear(mg.ones(2, 3), mg.ones(4, 3)).shape
    (2, 4)
    """
    if weight.ndim != 2 or input.ndim < 1 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input of shape {input.shape} does not fit weight of shape {weight.shape}, which is (out, in)"
        )
    for name, v in (("weight", weight), ("bias", bias)):
        if v is not None and v.dtype != input.dtype:
            raise TypeError(
                f"linear: input and {name} must be of one type, got {input.dtype} and {v.dtype}; convert with x.to(dtype)"
            )
    if bias is None:
        return Linear()(input, weight)
    if bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias must have shape ({weight.shape[0]},), got {bias.shape}")
    return Linear()(input, weight, bias)


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Each class index as a vector with a 1 at its place, int64: `(...)` → `(..., num_classes)`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.one_hot(mg.tensor([1, 0]), 3).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    index = class_indices("one_hot", as_tensor(tensor), num_classes if num_classes >= 0 else None)
    if num_classes < 0:
        num_classes = int(index.max()) + 1 if index.size else 0
    return Tensor(np.eye(num_classes, dtype=np.int64, like=index)[index])


def embedding(input: Any, weight: Tensor) -> Tensor:
    """Rows of a table: `(...)` integers and `(num_embeddings, D)` → `(..., D)`. The gradient adds up in the rows used."""
    return getitem(weight, class_indices("embedding", as_tensor(input), weight.shape[0]))


def class_indices(operation: str, index: Tensor, classes: int | None) -> Any:
    """The array of `index`, after a check that it names classes 0 to `classes` − 1."""
    if index.dtype.kind not in "iu":
        raise TypeError(f"{operation}: expected integer indices, got {index.dtype}")
    array = index.data
    if array.size and (array.min() < 0 or (classes is not None and array.max() >= classes)):
        allowed = "0 or more" if classes is None else f"0 to {classes - 1}"
        raise IndexError(f"{operation}: indices must be {allowed}, got {array.min()} to {array.max()}")
    return array


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Tensor:
    """A border around the last axes.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        `(left, right, top, bottom, ...)`: two numbers an axis, the last axis first, as in PyTorch. In mode "constant" a
        negative number cuts off.
    mode : {"constant", "reflect", "replicate", "circular"}
        A constant, or the picture mirrored at its border pixel, its border pixel repeated, or the other side's pixels.
    value : float, default 0
        Of the constant border.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.functional.pad(mg.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    Tensor([3., 2., 1., 2., 3., 2.])
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(f"pad: expected two numbers for each of at most {input.ndim} axes, got {tuple(pad)}")
    borders = [(0, 0)] * input.ndim
    for i in range(len(pad) // 2):
        borders[input.ndim - 1 - i] = (pad[2 * i], pad[2 * i + 1])
    if any(size + min(a, 0) + min(b, 0) < 0 for size, (a, b) in zip(input.shape, borders)):
        raise ValueError(f"pad: {tuple(pad)} cuts more off than there is in shape {input.shape}")
    if mode == "constant":
        return pad_constant(input, tuple(borders), value)
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in names:
        raise ValueError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    for axis, (before, after) in enumerate(borders):
        size = input.shape[axis]
        most = {"reflect": size - 1, "replicate": math.inf if size else 0, "circular": size}[mode]
        if min(before, after) < 0 or max(before, after) > most:
            raise ValueError(
                f"pad: a {mode} border of {(before, after)} does not fit dim {axis}, which has {size} places"
            )
        if before or after:
            places = np.pad(np.arange(size), (before, after), mode=names[mode])  # type: ignore[call-overload]
            input = getitem(input, (slice(None),) * axis + (places,))
    return input


def dropout(input: Tensor, p: float = 0.5, training: bool = True, *, generator: AnyGenerator | None = None) -> Tensor:
    """In training, each element becomes 0 with probability p, and the others grow by 1/(1 − p) (Srivastava et al. 2014)."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, got {p}")
    if not training or p == 0:
        return input
    input = floating(input)
    kept = (
        uniform(check_generator("dropout", generator) or default_generator(), input.shape, np.float32, input.device)
        >= p
    )
    scale = 0.0 if p == 1 else 1 / (1 - p)
    return input * Tensor(kept.astype(input.dtype) * input.dtype.type(scale))
