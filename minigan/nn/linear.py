"""Layers that are matrices or tables, and those that only change shape. Imports module, functional and init."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigan import functional as F
from minigan import init
from minigan.nn.module import Module, Parameter
from minigan.ops.shape import Int, flatten, unflatten
from minigan.tensor import Tensor


def uniform_weight(shape: tuple[int, ...], fan_in: int) -> Parameter:
    """A weight drawn as PyTorch's layers draw theirs: uniform in ±1/√fan_in (Kaiming with a = √5)."""
    return Parameter(init.uniform_(Tensor(np.empty(shape, np.float32)), *_bounds(fan_in)))


def _bounds(fan_in: int) -> tuple[float, float]:
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return -bound, bound


def positive(layer: str, **sizes: Any) -> None:
    """A ValueError unless every size is a positive integer."""
    for name, size in sizes.items():
        if not isinstance(size, Int) or size < 1:
            raise ValueError(f"{layer}: {name} must be a positive integer, got {size!r}")


class Linear(Module):
    """`x·Wᵀ + b`: `(..., in_features)` → `(..., out_features)`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.nn.Linear(3, 4)(mg.ones(2, 3)).shape
    (2, 4)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        positive("Linear", in_features=in_features, out_features=out_features)
        self.weight = uniform_weight((out_features, in_features), in_features)
        self.bias = uniform_weight((out_features,), in_features) if bias else None

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        out, inside = self.weight.shape
        return f"{inside}, {out}" + ("" if self.bias is not None else ", bias=False")


class Embedding(Module):
    """A table of vectors, one for each class: `(...)` integers → `(..., embedding_dim)`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.nn.Embedding(10, 16)(mg.tensor([3, 7])).shape
    (2, 16)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int):
        positive("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.weight = Parameter(init.normal_(Tensor(np.empty((num_embeddings, embedding_dim), np.float32))))

    def forward(self, input: Any) -> Tensor:
        return F.embedding(input, self.weight)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class Identity(Module):
    """Its input."""

    def forward(self, input: Tensor) -> Tensor:
        return input


class Flatten(Module):
    """All axes but the first joined into one: `(N, C, H, W)` → `(N, C·H·W)`."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)


class Unflatten(Module):
    """One axis split into several: `Unflatten(1, (64, 7, 7))` makes `(N, 64, 7, 7)` of `(N, 3136)`."""

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]):
        self.dim, self.size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        return unflatten(input, self.dim, self.size)

    def extra_repr(self) -> str:
        return f"{self.dim}, {self.size}"


class Dropout(Module):
    """In training, each element is dropped with probability p (`functional.dropout`)."""

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, got {p}")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
