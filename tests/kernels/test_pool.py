"""minigan.kernels.*.pool: every backend against the definition and PyTorch; ties, −∞ and NaN among the pixels."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import pool as cpu_pool
from minigan.kernels.reference import pool as reference_pool

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
LAYOUTS = ["channels-first", "channels-last", "reversed", "every second", "repeated", "read-only"]


def drawn(max_examples):
    # Drawing may be slow on a busy machine; that says nothing about the kernels.
    return settings(
        deadline=None, derandomize=True, max_examples=max_examples, suppress_health_check=[HealthCheck.too_slow]
    )


def lay_out(a, layout):
    """The same numbers, lying differently in memory ("repeated": the first picture's numbers, N times)."""
    if layout == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "reversed":
        return np.ascontiguousarray(a[..., ::-1, ::-1])[..., ::-1, ::-1]
    if layout == "every second":
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "repeated" and len(a):
        return np.broadcast_to(a[:1], a.shape)
    if layout == "read-only":
        a.flags.writeable = False
    return a


@st.composite
def poolings(draw, every_window_holds_a_pixel):
    """x and the geometry. Few different values, so that ties are common, and NaN and −∞ among them."""
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    kernel_size, stride, dilation, beyond = draw(pair(1, 4)), draw(pair(1, 4)), draw(pair(1, 3)), draw(pair(0, 5))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel_size)
    smallest = [d * (k - 1) + 1 for k, d in zip(kernel_size, dilation)]
    if not every_window_holds_a_pixel:
        smallest = [max(1, n - 2 * p) for n, p in zip(smallest, padding)]
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 4)), *(n + b for n, b in zip(smallest, beyond)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.sampled_from([[-1, 0, 1], [-np.inf, 0, 1], [-np.inf], [np.nan, 0, 1, 2], [np.nan, -np.inf]]))
    x = rng.choice(values, shape).astype(draw(st.sampled_from(["float32", "float64"])))
    return lay_out(x, draw(st.sampled_from(LAYOUTS))), kernel_size, stride, padding, dilation


def naive(x, kernel_size, stride, padding, dilation):
    """Window by window: the last NaN if there is one, else the first of the largest, else -1."""
    N, C, H, W = x.shape
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip((H, W), kernel_size, stride, padding, dilation)
    )
    index = np.full((N, C, OH, OW), -1)
    for at in np.ndindex(index.shape):
        n, c, y, x_ = at
        window = [
            (row, col)
            for row in (y * stride[0] - padding[0] + i * dilation[0] for i in range(kernel_size[0]))
            for col in (x_ * stride[1] - padding[1] + j * dilation[1] for j in range(kernel_size[1]))
            if 0 <= row < H and 0 <= col < W
        ]
        nans = [pixel for pixel in window if np.isnan(x[n, c][pixel])]
        if nans:
            row, col = nans[-1]
        elif window:
            row, col = max(window, key=x[n, c].__getitem__)  # of equals, max takes the first
        else:
            continue
        index[at] = row * W + col
    return index


@BACKENDS
@drawn(150)
@given(pooling=poolings(every_window_holds_a_pixel=False))
def test_is_the_definition(backend, pooling):
    index = backend.max_pool2d_indices(*pooling)
    assert index.dtype == np.int64
    np.testing.assert_array_equal(index, naive(*pooling))


@BACKENDS
@drawn(150)
@given(pooling=poolings(every_window_holds_a_pixel=True))
def test_is_pytorchs(backend, pooling):
    torch = pytest.importorskip("torch")
    x, *geometry = pooling
    if len(x) == 0:
        return
    _, expected = torch.nn.functional.max_pool2d(
        torch.from_numpy(np.array(x, order="C")), *geometry, return_indices=True
    )
    np.testing.assert_array_equal(backend.max_pool2d_indices(*pooling), expected.numpy())


@BACKENDS
@drawn(60)
@given(pooling=poolings(every_window_holds_a_pixel=False))
def test_inputs_stay_as_they_are_and_outputs_are_fresh(backend, pooling):
    x = pooling[0]
    before = x.copy()
    index = backend.max_pool2d_indices(*pooling)
    np.testing.assert_array_equal(x, before)
    assert index.flags.writeable
    assert not np.shares_memory(index, x)


def test_both_files_have_the_same_routines():
    def public(module):
        return {
            name: function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        }

    ours, theirs = public(reference_pool), public(cpu_pool)
    assert list(ours) == list(theirs) == ["max_pool2d_indices"]
    for name, function in ours.items():
        assert inspect.signature(function) == inspect.signature(theirs[name]), name
        assert re.search("``(.+?)``", function.__doc__).group() in theirs[name].__doc__, name
