"""What the tests of operations, functions and layers share: drawing of examples, memory layouts, and parity with PyTorch.

Two ways of comparing are here. `assert_like_torch` takes one function of a library and its tensors, and compares in
float64. `assert_same_to_second_order` takes the function of each library, and either type; its tolerance is the test file's
own (`closeness`). Both go from the value to the gradient of the gradient. PyTorch itself is the fixture `torch`, of
conftest.py, and is passed on by the test, so that this module can be imported without it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

import minigan as mg

KERNELS = pytest.mark.parametrize("kernels", ["reference", "cpu"])
LAYOUTS = ["C", "Fortran", "channels-last", "reversed", "every second", "repeated"]


# --- examples ---------------------------------------------------------------------------------------------------------


def drawn(max_examples: int) -> settings:
    """So many examples, the same ones in every run, however long each takes."""
    return settings(deadline=None, derandomize=True, max_examples=max_examples)


def lay_out(a: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers, lying differently in memory ("repeated": along the first axis all alike, with stride 0)."""
    if layout == "Fortran":
        return np.asfortranarray(a)
    if layout == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "reversed":
        return np.ascontiguousarray(a[..., ::-1])[..., ::-1]
    if layout == "every second":
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "repeated" and len(a):
        return np.broadcast_to(a[:1], a.shape)
    return a


def lay_out_read_only(a: np.ndarray, layout: str) -> np.ndarray:
    """`lay_out` for any number of axes, where "reversed" reverses all of them; and the result cannot be written to."""
    if layout == "Fortran":
        a = np.array(a, order="F")
    elif layout == "channels-last" and a.ndim > 1:
        a = np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    elif layout == "reversed":
        a = np.asarray(np.flip(np.flip(a).copy()))
    elif layout == "every second" and a.ndim:
        a = np.repeat(a, 2, axis=-1)[..., ::2]
    elif layout == "repeated" and a.size and a.ndim:
        a = np.broadcast_to(a[:1], a.shape)
    a.flags.writeable = False
    return a


def normal(shape: tuple[int, ...], seed: int = 0, layout: str = "C") -> np.ndarray:
    """Standard normal numbers, read-only."""
    return lay_out_read_only(np.asarray(np.random.default_rng(seed).standard_normal(shape)), layout)


# --- what is compared -------------------------------------------------------------------------------------------------


def closeness(tolerance: Mapping[str, float]) -> Callable[..., None]:
    """`close(got, expected, dtype)`, with the tolerance of each type."""

    def close(got: Any, expected: Any, dtype: str = "float64") -> None:
        """Equal in shape, and up to rounding that is in proportion to the largest number."""
        got, expected = np.asarray(got), np.asarray(expected)
        assert got.shape == expected.shape
        scale = 1 + np.abs(expected).max(initial=0)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance[dtype] * scale)

    return close


def message(f: Callable, *arguments: Any, **options: Any) -> tuple[type[BaseException], str]:
    """What the error says that the call raises, with its kind."""
    with pytest.raises(Exception) as error:
        f(*arguments, **options)
    return type(error.value), str(error.value)


# --- one function for both libraries ----------------------------------------------------------------------------------


def derivatives(f: Callable, xs: Sequence, constant: Callable, grad: Callable, numpy: Callable) -> list[np.ndarray]:
    """Value, gradient and gradient of gradient of f at the tensors xs, each against random weights, as NumPy arrays.

    The last three arguments are the library's: what makes a tensor, what differentiates, what makes an array.
    """
    rng = np.random.default_rng(0)

    def weighted(ts):
        weights = [0 if t is None else constant(np.asarray(rng.standard_normal(tuple(t.shape)))) for t in ts]
        return sum((w * t).sum() for w, t in zip(weights, ts) if t is not None and t.requires_grad)

    y = f(*xs)
    first = grad(weighted([y]), xs, create_graph=True, allow_unused=True)
    slope = weighted(first)
    second = [None] * len(xs) if isinstance(slope, int) else grad(slope, xs, allow_unused=True)
    return [numpy(y)] + [np.zeros(x.shape) if g is None else numpy(g) for x, g in zip([*xs, *xs], [*first, *second])]


def assert_like_torch(torch: Any, f: Callable, *arrays: np.ndarray) -> None:
    """f(library, *tensors) has the same value, gradient and gradient of gradient in both libraries."""
    xs = [mg.Tensor(a, requires_grad=True) for a in arrays]
    ours = derivatives(lambda *xs: f(mg, *xs), xs, mg.Tensor, mg.grad, np.asarray)
    xs = [torch.tensor(a.copy(), requires_grad=True) for a in arrays]
    numpy = lambda x: x.numpy(force=True)  # noqa: E731
    theirs = derivatives(lambda *xs: f(torch, *xs), xs, torch.tensor, torch.autograd.grad, numpy)
    for mine, expected in zip(ours, theirs, strict=True):
        assert mine.shape == expected.shape
        assert mine.dtype == np.float64
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


# --- a function of each library ---------------------------------------------------------------------------------------


def orders(grad: Callable, f: Callable, inputs: Sequence, ȳ: Any, directions: Sequence) -> list:
    """y; its gradient g; and the gradient of ⟨g, directions⟩: in words that minigan and PyTorch share."""
    y = f(*inputs)
    first = grad(y, inputs, ȳ, create_graph=True)
    along = [(g * d).sum() for g, d in zip(first, directions)]
    second = grad(along, [*inputs, ȳ], [None] * len(along), allow_unused=True)
    return [y, *first, *second]


def as_numbers(tensors: Sequence, inputs: Sequence) -> list[np.ndarray]:
    """Arrays; zeros of the input's shape where there is no gradient, or where PyTorch has a zero without memory."""
    without_memory = [hasattr(t, "_is_zerotensor") and t._is_zerotensor() for t in tensors]
    return [
        np.zeros(x.shape) if t is None or nothing else t.detach().numpy()
        for t, nothing, x in zip(tensors, without_memory, inputs)
    ]


def assert_same_to_second_order(
    torch: Any,
    ours: Callable,
    theirs: Callable,
    arrays: Sequence[np.ndarray],
    shape: tuple[int, ...],
    close: Callable[..., None],
    layout: str = "C",
) -> None:
    """Value, gradient, gradient of gradient, of PyTorch in float64; and the arrays are as they were.

    `shape` is that of the functions' value, and `layout` that of the gradient from above.
    """
    before, dtype = [a.copy() for a in arrays], str(arrays[0].dtype)
    rng = np.random.default_rng(1)
    arrays = [*arrays, np.asarray(lay_out(rng.standard_normal(shape).astype(dtype), layout))]
    directions = [rng.standard_normal(a.shape).astype(dtype) for a in arrays[:-1]]
    mine = [mg.Tensor(a, requires_grad=True) for a in arrays]
    got = orders(mg.grad, ours, mine[:-1], mine[-1], [mg.Tensor(d) for d in directions])
    yours = [torch.tensor(np.ascontiguousarray(a), dtype=torch.float64, requires_grad=True) for a in arrays]
    yours[-1] = yours[-1].detach().reshape(shape).requires_grad_()  # ascontiguousarray makes one axis of none
    directions = [torch.tensor(d, dtype=torch.float64) for d in directions]
    expected = orders(torch.autograd.grad, theirs, yours[:-1], yours[-1], directions)
    places = [got[0], *mine[:-1], *mine]
    for a, b, place in zip(as_numbers(got, places), as_numbers(expected, places), places, strict=True):
        assert a.shape == place.shape
        close(a, b, dtype)
    assert all(t.dtype == dtype for t in got if t is not None)
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a, b)
