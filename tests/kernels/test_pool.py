"""minigan.kernels.*.pool: every backend against the definition and PyTorch; ties, −∞ and NaN among the pixels.

The gradients are adjoints, so inner products test them.
"""

import inspect
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import pool as cpu_pool
from minigan.kernels.cpu import threads
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
def poolings(draw, every_window_holds_a_pixel, most=4):
    """x and the geometry. Few different values, so that ties are common, and NaN and −∞ among them.

    There are at most so many channels, and pixels beyond the first window.
    """
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    kernel_size, stride, dilation = draw(pair(1, 4)), draw(pair(1, 4)), draw(pair(1, 3))
    beyond = draw(pair(0, most + 1))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel_size)
    smallest = [d * (k - 1) + 1 for k, d in zip(kernel_size, dilation)]
    if not every_window_holds_a_pixel:
        smallest = [max(1, n - 2 * p) for n, p in zip(smallest, padding)]
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, most)), *(n + b for n, b in zip(smallest, beyond)))
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
def test_the_maximum_is_the_definition(backend, pooling):
    x = pooling[0]
    y, index = backend.max_pool2d(*pooling)
    expected = naive(*pooling)
    assert (y.dtype, index.dtype) == (x.dtype, np.int64)
    np.testing.assert_array_equal(index, expected)
    (N, C, H, W), (n, c, _, _) = x.shape, np.ogrid[: len(x), : x.shape[1], :1, :1]
    flat = np.concatenate([x.reshape(N, C, H * W), np.full((N, C, 1), -np.inf)], axis=2)  # −1 names the last
    np.testing.assert_array_equal(y, flat[n, c, expected])


@BACKENDS
@drawn(150)
@given(pooling=poolings(every_window_holds_a_pixel=True))
def test_the_maximum_and_its_gradient_are_pytorchs(torch, backend, pooling):
    x, *geometry = pooling
    if len(x) == 0:
        return
    theirs = torch.tensor(np.array(x, order="C"), requires_grad=True)
    expected = torch.nn.functional.max_pool2d(theirs, *geometry, return_indices=True)
    y, index = backend.max_pool2d(*pooling)
    np.testing.assert_array_equal(y, expected[0].detach().numpy())
    np.testing.assert_array_equal(index, expected[1].numpy())

    grad = np.random.default_rng(0).standard_normal(y.shape).astype(x.dtype)
    grad_x = backend.max_pool2d_backward(grad, index, x.shape[2:], *geometry)
    assert grad_x.dtype == x.dtype
    (expected,) = torch.autograd.grad(expected[0], theirs, torch.from_numpy(grad))
    np.testing.assert_allclose(grad_x, expected.numpy(), rtol=0, atol=1e-5)


@BACKENDS
@drawn(100)
@given(pooling=poolings(every_window_holds_a_pixel=False), seed=st.integers(0, 99))
def test_the_sum_is_the_definition_and_its_gradient_its_adjoint(backend, pooling, seed):
    x, kernel_size, stride, padding, _ = pooling
    rng = np.random.default_rng(seed)
    x = lay_out(rng.integers(-9, 10, x.shape).astype(x.dtype), rng.choice(LAYOUTS))  # so that every sum is exact
    if min(n + 2 * p - k for n, p, k in zip(x.shape[2:], padding, kernel_size)) < 0:
        return
    y = backend.sum_pool2d(x, kernel_size, stride, padding)
    padded = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel_size, (2, 3))[:, :, :: stride[0], :: stride[1]]
    np.testing.assert_array_equal(y, windows.sum((4, 5)))

    grad = lay_out(rng.integers(-9, 10, y.shape).astype(x.dtype), rng.choice(LAYOUTS))
    grad_x = backend.sum_pool2d_backward(grad, x.shape[2:], kernel_size, stride, padding)
    assert (y.dtype, grad_x.dtype, grad_x.shape) == (x.dtype, x.dtype, x.shape)
    assert np.vdot(y, grad) == np.vdot(x, grad_x)


@BACKENDS
@drawn(60)
@given(pooling=poolings(every_window_holds_a_pixel=True))
def test_inputs_stay_as_they_are_and_outputs_are_fresh(backend, pooling):
    x, kernel_size, stride, padding, _ = pooling
    y, index = backend.max_pool2d(*pooling)
    before = [a.copy() for a in (x, y, index)]
    results = [*backend.max_pool2d(*pooling), backend.max_pool2d_backward(y, index, x.shape[2:], *pooling[1:])]
    sums = backend.sum_pool2d(x, kernel_size, stride, padding)
    results += [sums, backend.sum_pool2d_backward(sums, x.shape[2:], kernel_size, stride, padding)]
    for a, b in zip((x, y, index), before):
        np.testing.assert_array_equal(a, b)
    for result in results:
        assert result.flags.writeable
        assert not any(np.shares_memory(result, a) for a in (x, y, index))


ANY, ALL_HOLD_A_PIXEL = (poolings(every_window_holds_a_pixel=always, most=3) for always in (False, True))
test_maximum_in_the_simulator = simulated(test_the_maximum_is_the_definition, 50, pooling=ANY)
test_pytorch_in_the_simulator = simulated(test_the_maximum_and_its_gradient_are_pytorchs, 50, pooling=ALL_HOLD_A_PIXEL)
test_sum_in_the_simulator = simulated(
    test_the_sum_is_the_definition_and_its_gradient_its_adjoint, 50, pooling=ANY, seed=st.integers(0, 99)
)
test_manners_in_the_simulator = simulated(
    test_inputs_stay_as_they_are_and_outputs_are_fresh, 25, pooling=ALL_HOLD_A_PIXEL
)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    x = np.random.default_rng(0).standard_normal((7, 3, 9, 8)).astype(np.float32)
    geometry = (3, 2), (2, 1), (1, 1)
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_threads", n)
        y, index = cpu.max_pool2d(x, *geometry, (1, 1))
        sums = cpu.sum_pool2d(x, *geometry)
        gradients = [
            cpu.max_pool2d_backward(y, index, (9, 8), *geometry, (1, 1)),
            cpu.sum_pool2d_backward(sums, (9, 8), *geometry),
        ]
        results.append([y, index, sums, *gradients])
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


def test_both_files_have_the_same_routines():
    def public(module):
        return {
            name: function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        }

    ours, theirs = public(reference_pool), public(cpu_pool)
    assert list(ours) == list(theirs) == ["max_pool2d", "max_pool2d_backward", "sum_pool2d", "sum_pool2d_backward"]
    for name, function in ours.items():
        assert inspect.signature(function) == inspect.signature(theirs[name]), name
        assert re.findall("``(.+?)``", function.__doc__) == re.findall("``(.+?)``", theirs[name].__doc__), name
