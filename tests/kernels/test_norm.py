"""minigan.kernels.*.norm: every backend against the definition, against PyTorch, and where float32 loses digits.

LeakyReLU in the same pass is held, bit for bit, to what the two do one after the other.
"""

import inspect
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import EVERYWHERE, IN_SIMULATOR, Simulated, cuda, simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import norm as cpu_norm
from minigan.kernels.cpu import threads
from minigan.kernels.reference import norm as reference_norm

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
LAYOUTS = ["channels-first", "channels-last", "reversed", "every second", "repeated", "read-only"]
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}


def drawn(max_examples):
    # Drawing may be slow on a busy machine; that says nothing about the kernels.
    return settings(
        deadline=None, derandomize=True, max_examples=max_examples, suppress_health_check=[HealthCheck.too_slow]
    )


def lay_out(a, layout):
    """The same numbers, lying differently in memory ("repeated": the first sample's numbers, N times)."""
    if layout == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "reversed":
        return np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1]
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
def batches(draw, min_batch=0, min_count=1, axes=3):
    """x, the gradient of the output (often in another layout), weight, bias."""
    N, C = draw(st.integers(min_batch, 5)), draw(st.integers(1, 5))
    trailing = draw(st.lists(st.integers(1, 5), max_size=axes))
    if N * int(np.prod(trailing)) < min_count:
        N = max(N, min_count)
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, grad = (
        lay_out(rng.standard_normal((N, C, *trailing)).astype(dtype), draw(st.sampled_from(LAYOUTS))) for _ in "xg"
    )
    weight, bias = (rng.standard_normal(C).astype(dtype) if draw(st.booleans()) else None for _ in "wb")
    return x, grad, weight, bias


def amplification(backend, var, eps):
    """By how much more than elsewhere the kernels of CUDA may be off, which compute in float32 what is float32.

    Standardised, x − μ is multiplied with 1/√(σ² + ε), and so is the rounding error of μ: that is no more than a few ulp of
    x, but over few and nearly equal values it is all that there is. The others compute with float64 sums.
    """
    return max(1.0, 1 / np.sqrt(var.min(initial=np.inf) + eps)) if isinstance(backend, Simulated) else 1.0


def definition(x, weight, bias, eps):
    """Channel by channel, in float64."""
    y, mean, var = np.empty(x.shape), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for c in range(x.shape[1]):
        values = x[:, c].astype(np.float64)
        if values.size:
            mean[c] = values.mean()
            var[c] = ((values - mean[c]) ** 2).mean()
        y[:, c] = (values - mean[c]) / np.sqrt(var[c] + eps)
        y[:, c] = y[:, c] * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y, mean, var


@BACKENDS
@drawn(150)
@given(batch=batches(), eps=st.sampled_from([1e-5, 0.1, 0.8]))
def test_forward_is_the_definition(backend, batch, eps):
    x, _, weight, bias = batch
    got, expected = backend.batch_norm(x, weight, bias, eps), definition(x, weight, bias, eps)
    statistics = x.dtype if isinstance(backend, Simulated) else np.dtype(np.float64)
    assert [a.dtype for a in got] == [x.dtype, statistics, statistics]
    rounding = [amplification(backend, expected[2], eps), 1, 1]
    for a, b, more in zip(got, expected, rounding):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=more * TOLERANCE[str(x.dtype)], atol=more * TOLERANCE[str(x.dtype)])


@BACKENDS
@drawn(100)
@given(batch=batches(min_batch=1))
def test_backward_is_the_derivative_of_the_definition(backend, batch):
    """Central differences of L = Σ g·y, in float64, along one random direction for each input."""
    x, grad, weight, bias = (None if a is None else a.astype(np.float64) for a in batch)
    C, eps, h = x.shape[1], 0.1, 1e-5
    weight = np.ones(C) if weight is None else weight
    bias = np.zeros(C) if bias is None else bias
    _, mean, var = backend.batch_norm(x, weight, bias, eps)
    gradients = backend.batch_norm_backward(grad, x, weight, bias, mean, var, eps)
    rng = np.random.default_rng(0)
    for k, gradient in enumerate(gradients):
        inputs = [x, weight, bias]
        direction = rng.standard_normal(inputs[k].shape)

        def loss(t):
            moved = [a + t * direction if i == k else a for i, a in enumerate(inputs)]  # noqa: B023
            return np.sum(grad * definition(*moved, eps)[0])

        assert gradient.shape == inputs[k].shape
        assert np.sum(gradient * direction) == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-6, abs=1e-6)


@BACKENDS
@drawn(80)
@given(batch=batches(min_count=2), eps=st.sampled_from([1e-5, 0.1, 0.8]))
def test_forward_and_backward_are_pytorchs(backend, batch, eps):
    torch = pytest.importorskip("torch")
    x, grad, weight, bias = batch
    y, mean, var = backend.batch_norm(x, weight, bias, eps)
    grad_x, grad_weight, grad_bias = backend.batch_norm_backward(grad, x, weight, bias, mean, var, eps)

    C, dtype = x.shape[1], x.dtype
    assert [a.dtype for a in (y, grad_x, grad_weight, grad_bias)] == [dtype] * 4
    # C order for x and grad: PyTorch 2.13 mixes pixels up where the two lie differently and an axis is 1 long.
    leaves = [
        np.array(x, order="C"),
        np.ones(C, dtype) if weight is None else weight,
        np.zeros(C, dtype) if bias is None else bias,
    ]
    leaves = [torch.from_numpy(a).requires_grad_() for a in leaves]
    running_mean, running_var = torch.zeros(C, dtype=leaves[0].dtype), torch.zeros(C, dtype=leaves[0].dtype)
    theirs = torch.nn.functional.batch_norm(leaves[0], running_mean, running_var, *leaves[1:], True, 1.0, eps)
    m = x.size // C
    expected = [theirs.detach(), running_mean, running_var * (m - 1) / m]  # PyTorch keeps the unbiased variance
    expected += torch.autograd.grad(theirs, leaves, torch.from_numpy(np.array(grad, order="C")))

    # Over few and nearly equal values 1/σ is large, and multiplies every rounding error.
    one_over_sigma = 1 / np.sqrt(var.min() + eps)
    tolerance = TOLERANCE[str(dtype)] * max(1.0, one_over_sigma**2)
    for ours, b in zip((y, mean, var, grad_x, grad_weight, grad_bias), expected):
        np.testing.assert_allclose(ours, b.numpy(), rtol=tolerance, atol=tolerance)


@BACKENDS
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_float32_far_from_zero_keeps_its_digits(backend, layout):
    """Mean 10⁴, deviation 1: in float32, Σx²/m − μ² has no correct digit left."""
    rng = np.random.default_rng(0)
    x = lay_out((rng.standard_normal((16, 3, 20, 20)) + 1e4).astype(np.float32), layout)
    grad = rng.standard_normal(x.shape).astype(np.float32)
    y, mean, var = backend.batch_norm(x, None, None, 1e-5)
    true_y, true_mean, true_var = definition(x, None, None, 1e-5)
    np.testing.assert_allclose(mean, true_mean, rtol=1e-12)
    np.testing.assert_allclose(var, true_var, rtol=1e-10)
    np.testing.assert_allclose(y, true_y, rtol=1e-7, atol=1e-9)

    ours = backend.batch_norm_backward(grad, x, None, None, mean, var, 1e-5)
    x, grad = x.astype(np.float64), grad.astype(np.float64)
    exact = reference.batch_norm_backward(grad, x, None, None, true_mean, true_var, 1e-5)
    for a, b in zip(ours, exact):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@BACKENDS
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_long_float32_sums_stay_exact(backend, layout):
    """Four million values a channel, summed one by one in float32, would be off in the fourth digit."""
    x = lay_out(np.full((64, 2, 256, 256), 0.1, np.float32), layout)
    x[:, 1] += np.float32(1)
    _, mean, var = backend.batch_norm(x, None, None, 1e-5)
    np.testing.assert_allclose(mean, [0.1, 1.1], rtol=1e-6)
    np.testing.assert_allclose(var, 0, atol=1e-12)


@BACKENDS
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_a_first_value_far_from_the_others_costs_few_digits(backend, layout):
    """`cpu` takes differences from the channel's first value. (x₀ − μ)² ≤ m·σ², so even this x₀ costs 4 of 16 digits."""
    x = np.random.default_rng(0).standard_normal((16, 3, 20, 20))
    x[0, :, 0, 0] = 1e9
    y, mean, var = backend.batch_norm(lay_out(x, layout), None, None, 1e-5)
    true_y, true_mean, true_var = definition(x, None, None, 1e-5)
    np.testing.assert_allclose(mean, true_mean, rtol=1e-11)
    np.testing.assert_allclose(var, true_var, rtol=1e-11)
    np.testing.assert_allclose(y, true_y, rtol=1e-11, atol=1e-11)


@BACKENDS
@drawn(100)
@given(batch=batches(), slope=st.sampled_from([0, 0.2, 1, 3]))
def test_leaky_relu_in_the_same_pass_is_leaky_relu_afterwards_bit_for_bit(backend, batch, slope):
    x, grad, weight, bias = batch
    plain, *statistics = backend.batch_norm(x, weight, bias, 0.1)
    y, *same_statistics = backend.batch_norm(x, weight, bias, 0.1, slope)
    np.testing.assert_array_equal(y, backend.leaky_relu(plain, slope))

    one_by_one = backend.leaky_relu_backward(grad, plain, slope)
    expected = backend.batch_norm_backward(one_by_one, x, weight, bias, *statistics, 0.1)
    got = backend.batch_norm_backward(grad, x, weight, bias, *statistics, 0.1, slope)
    for a, b in zip((*same_statistics, *got), (*statistics, *expected), strict=True):
        np.testing.assert_array_equal(a, b)


@BACKENDS
@drawn(100)
@given(batch=batches(), slope=st.sampled_from([0, 0.2, 1, 3, -0.5]))
def test_scale_and_shift_is_its_formula_with_leaky_relu_behind_it(backend, batch, slope):
    x, _, scale, shift = batch
    C, dtype = x.shape[1], x.dtype
    scale, shift = np.ones(C, dtype) if scale is None else scale, np.zeros(C, dtype) if shift is None else shift
    y = backend.scale_and_shift(x, scale, shift)
    per_channel = (C, *[1] * (x.ndim - 2))
    exact = scale.reshape(per_channel).astype(np.float64) * x + shift.reshape(per_channel)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, exact, rtol=TOLERANCE[str(dtype)], atol=1e-14)
    np.testing.assert_array_equal(backend.scale_and_shift(x, scale, shift, slope), backend.leaky_relu(y, slope))


@EVERYWHERE
def test_the_relu_of_what_scale_and_shift_send_to_minus_infinity_is_0(backend):
    x = np.array([[-np.inf, np.inf, np.nan, 1.0]])
    assert str(backend.scale_and_shift(x, np.ones(4), np.zeros(4), 0.0)[0].tolist()) == "[0.0, inf, nan, 1.0]"


@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
@pytest.mark.parametrize("shape", [(9, 3, 7, 5), (64, 40, 9, 9)])
def test_the_number_of_threads_changes_nothing(layout, shape, monkeypatch):
    rng = np.random.default_rng(0)
    x, grad = (lay_out(rng.standard_normal(shape).astype(np.float32), layout) for _ in "xg")
    weight, bias = rng.standard_normal((2, shape[1])).astype(np.float32)
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_threads", n)
        y, mean, var = cpu.batch_norm(x, weight, bias, 1e-5, 0.2)
        gradients = cpu.batch_norm_backward(grad, x, weight, bias, mean, var, 1e-5, 0.2)
        results.append([y, mean, var, *gradients, cpu.scale_and_shift(x, weight, bias, 0.2)])
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(a, b)


@EVERYWHERE
def test_nan_and_infinity_stay_in_their_channel(backend):
    for bad in (np.nan, np.inf):
        for layout in ("channels-first", "channels-last"):
            x = np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32)
            x[2, 1, 3, 3] = bad
            with np.errstate(invalid="ignore"):
                y, _, var = backend.batch_norm(lay_out(x, layout), None, None, 1e-5)
            assert np.isnan(y[:, 1]).all()
            assert np.isnan(var).tolist() == [False, True, False]
            assert np.isfinite(y[:, ::2]).all()


@EVERYWHERE
def test_of_an_empty_batch(backend):
    x = np.empty((0, 3, 2, 2), np.float32)
    y, mean, var = backend.batch_norm(x, np.ones(3, np.float32), None, 1e-5)
    assert y.shape == x.shape
    gradients = backend.batch_norm_backward(x, x, np.ones(3, np.float32), None, mean, var, 1e-5)
    assert gradients[0].shape == x.shape
    for a in (mean, var, *gradients[1:]):
        assert a.tolist() == [0, 0, 0]


@BACKENDS
@drawn(60)
@given(batch=batches())
def test_inputs_stay_as_they_are_and_outputs_are_fresh(backend, batch):
    x, grad, weight, bias = batch
    before = [None if a is None else a.copy() for a in batch]
    y, mean, var = backend.batch_norm(x, weight, bias, 1e-5)
    statistics = mean.copy(), var.copy()
    results = [y, mean, var, *backend.batch_norm_backward(grad, x, weight, bias, mean, var, 1e-5)]
    results += backend.batch_norm_backward(grad, x, weight, bias, mean, var, 1e-5, 0.2)
    results.append(backend.scale_and_shift(x, mean, var))
    for a, b in zip((*batch, mean, var), (*before, *statistics)):
        np.testing.assert_array_equal(a, b)
    for i, result in enumerate(results):
        inputs = [a for a in batch if a is not None]
        assert result.flags.writeable
        assert not any(np.shares_memory(result, other) for other in (*inputs, *results[:i]))


@BACKENDS
@drawn(60)
@given(batch=batches())
def test_sums_of_channels(backend, batch):
    x = batch[0] if isinstance(batch, tuple) else batch.x
    total = backend.channel_sum(x)
    assert total.dtype == x.dtype
    exact = x.astype(np.float64).sum(axis=(0, *range(2, x.ndim)))
    magnitude = np.abs(x.astype(np.float64)).sum(axis=(0, *range(2, x.ndim)))
    assert (np.abs(total - exact) <= 4 * np.finfo(x.dtype).eps * magnitude).all()


@BACKENDS
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_long_sums_of_channels_lose_no_digits(backend, layout):
    x = lay_out(np.full((64, 3, 100, 100), 0.1, np.float32), layout)
    np.testing.assert_allclose(backend.channel_sum(x), 64e4 * np.float64(np.float32(0.1)), rtol=1e-6)


@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_cpu_keeps_the_layout(layout):
    x = lay_out(np.ones((2, 3, 4, 5)), layout)
    y, mean, var = cpu.batch_norm(x, None, None, 1e-5)
    assert y.strides == x.strides
    assert cpu.batch_norm_backward(y, x, None, None, mean, var, 1e-5)[0].strides == x.strides


def test_both_files_have_the_same_routines():
    def public(module):
        return {
            name: function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        }

    ours, theirs = public(reference_norm), public(cpu_norm)
    assert list(ours) == list(theirs) == ["batch_norm", "batch_norm_backward", "channel_sum", "scale_and_shift"]
    for name, function in ours.items():
        assert inspect.signature(function) == inspect.signature(theirs[name]), name
        assert re.findall("``(.+?)``", function.__doc__) == re.findall("``(.+?)``", theirs[name].__doc__), name


# --- the kernels of CUDA ----------------------------------------------------------------------------------------------

FEW, EPS, SLOPE = batches(axes=2), st.sampled_from([1e-5, 0.1, 0.8]), st.sampled_from([0, 0.2, 1, 3])
test_forward_in_the_simulator = simulated(test_forward_is_the_definition, 50, batch=FEW, eps=EPS)
test_backward_in_the_simulator = simulated(
    test_backward_is_the_derivative_of_the_definition, 37, batch=batches(min_batch=1, axes=2)
)
test_pytorch_in_the_simulator = simulated(
    test_forward_and_backward_are_pytorchs, 37, batch=batches(min_count=2, axes=2), eps=EPS
)
test_leaky_relu_in_the_simulator = simulated(
    test_leaky_relu_in_the_same_pass_is_leaky_relu_afterwards_bit_for_bit, 30, batch=FEW, slope=SLOPE
)
test_scale_and_shift_in_the_simulator = simulated(
    test_scale_and_shift_is_its_formula_with_leaky_relu_behind_it, 30, batch=FEW, slope=SLOPE
)
test_manners_in_the_simulator = simulated(test_inputs_stay_as_they_are_and_outputs_are_fresh, 25, batch=FEW)
test_sums_in_the_simulator = simulated(test_sums_of_channels, 37, batch=FEW)


@pytest.fixture
def as_many_slices_as_on_a_gpu(monkeypatch):
    """A block for every eight rows of its threads; in the simulator fewer do."""
    monkeypatch.setattr(inspect.getmodule(cuda.batch_norm), "SLICES", 64)


@IN_SIMULATOR
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_cuda_in_float32_far_from_zero_keeps_its_digits(backend, layout, as_many_slices_as_on_a_gpu):
    """Mean 10⁴, deviation 1. In float32 Σx²/m − μ² would be wrong by 100 % and more.

    A float32 near 10⁴ has 2⁻¹⁰ for its last place, and the mean is rounded to it each time that two are put together. Four
    such steps are allowed; y is off by as much as the mean, since σ is 1, and σ² by 2·δ times the error of δ = μ₂ − μ₁.
    """
    ulp = 2**-10
    x = lay_out((np.random.default_rng(0).standard_normal((6, 3, 7, 5)) + 1e4).astype(np.float32), layout)
    y, mean, var = backend.batch_norm(x, None, None, 1e-5)
    true_y, true_mean, true_var = definition(x, None, None, 1e-5)
    np.testing.assert_allclose(mean, true_mean, rtol=0, atol=4 * ulp)
    np.testing.assert_allclose(var, true_var, rtol=1e-3)
    np.testing.assert_allclose(y, true_y, rtol=0, atol=6 * ulp)

    # The gradients inherit the error of x̂: ∂γ = Σ g·x̂ once for each of its terms.
    grad = np.random.default_rng(1).standard_normal(x.shape).astype(np.float32)
    ours = backend.batch_norm_backward(grad, x, None, None, mean, var, 1e-5)
    exact = reference.batch_norm_backward(*(a.astype(float) for a in (grad, x)), None, None, true_mean, true_var, 1e-5)
    for a, b, allowed in zip(ours, exact, (4 * ulp, 4 * ulp * np.abs(grad).sum() / 3, 1e-4)):
        np.testing.assert_allclose(a, b, rtol=0, atol=allowed)


@IN_SIMULATOR
@pytest.mark.parametrize("layout", ["channels-first", "channels-last"])
def test_on_cuda_a_first_value_far_from_the_others_costs_few_digits(backend, layout):
    """Each thread takes differences from the first value that it sees; see the same test for the others, above."""
    x = np.random.default_rng(0).standard_normal((6, 3, 5, 5))
    x[0, :, 0, 0] = 1e9
    got = backend.batch_norm(lay_out(x, layout), None, None, 1e-5)
    for a, b in zip(got, definition(x, None, None, 1e-5)):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@IN_SIMULATOR
@pytest.mark.parametrize("shape", [(40, 1), (70, 2, 3), (3, 37, 2), (300, 3), (5, 3, 13, 7)])
def test_rows_are_cut_for_many_blocks_and_channels_for_many_threads(backend, shape, as_many_slices_as_on_a_gpu):
    """More rows than one block takes, channels that fill no block, slices of which the last is short, or empty."""
    rng = np.random.default_rng(0)
    x, grad = (rng.standard_normal(shape).astype(np.float32) for _ in "xg")
    weight, bias = rng.standard_normal((2, shape[1])).astype(np.float32)
    y, mean, var = backend.batch_norm(x, weight, bias, 1e-5, 0.2)
    gradients = backend.batch_norm_backward(grad, x, weight, bias, mean, var, 1e-5, 0.2)
    expected = [*reference.batch_norm(x, weight, bias, 1e-5, 0.2)]
    expected += reference.batch_norm_backward(grad, x, weight, bias, *expected[1:], 1e-5, 0.2)
    for a, b in zip((y, mean, var, *gradients), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(backend.channel_sum(x), x.sum((0, *range(2, x.ndim))), rtol=1e-5, atol=1e-4)
