"""minigan.ops.batch_norm: the fused operation held to its definition, to PyTorch, to differences, and to what it must be.

The kernels have tests of their own (tests/kernels/test_norm.py); here it is the operation, whose backward pass is a kernel
when nothing is recorded, and Tensor operations when it is to be differentiated again.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import KERNELS, LAYOUTS, as_numbers, closeness, drawn, orders

import minigan as mg
from minigan.ops.batch_norm import BatchNorm, ScaleAndShift, batch_norm_definition

SLOPES = pytest.mark.parametrize("slope", [0, 0.2, 1, 3])  # of the LeakyReLU in the same kernel; with 1 there is none
SHAPES = pytest.mark.parametrize("shape", [(5, 3), (3, 2, 4), (2, 3, 2, 4), (1, 2, 3, 2)], ids=str)
TOLERANCE = {"float64": 1e-10, "float32": 2e-4}  # of the largest number; standardising few values amplifies rounding
close = closeness(TOLERANCE)


def lay_out(a, layout):
    """The same numbers, lying differently in memory ("repeated": along the last axis all alike, with stride 0)."""
    if layout == "Fortran":
        return np.asfortranarray(a)
    if layout == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "reversed":
        return np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1]
    if layout == "every second":
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "repeated" and a.ndim > 2:
        return np.broadcast_to(a[..., :1], a.shape)
    return a


def tensors(shape, dtype="float64", seed=0):
    """x, weight and bias that require gradients."""
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (shape, shape[1], shape[1])]
    return [mg.Tensor(a, requires_grad=True) for a in arrays]


def fused(x, weight, bias, eps=1e-5, slope=1.0):
    return BatchNorm(eps, slope)(x, weight, bias)


def defined(x, weight, bias, eps=1e-5, slope=1.0):
    return mg.leaky_relu(batch_norm_definition(x, weight, bias, eps), slope)


# -------------------------------------------------------------------------------------- the definition, and the paper


@SHAPES
def test_the_definition_is_that_of_the_paper(shape):
    x, weight, bias = tensors(shape)
    y = batch_norm_definition(x, weight, bias, eps=1e-3).numpy()
    for c in range(shape[1]):
        values = x.numpy()[:, c]
        x_hat = (values - values.mean()) / np.sqrt(values.var() + 1e-3)
        close(y[:, c], weight.numpy()[c] * x_hat + bias.numpy()[c])


def test_weight_and_bias_of_the_definition_may_be_left_out():
    x, weight, bias = tensors((4, 3, 2))
    one, zero = mg.ones(3, dtype=np.float64), mg.zeros(3, dtype=np.float64)
    for w, b in ((None, None), (weight, None), (None, bias)):
        full = batch_norm_definition(x, one if w is None else w, zero if b is None else b, 1e-5)
        close(batch_norm_definition(x, w, b, 1e-5), full)


@SHAPES
@SLOPES
@KERNELS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_fused_operation_is_the_definition_in_value_gradient_and_gradient_of_gradient(shape, slope, kernels, dtype):
    inputs = tensors(shape, dtype)
    rng = np.random.default_rng(1)
    ȳ = mg.Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
    directions = [mg.Tensor(rng.standard_normal(x.shape).astype(dtype)) for x in inputs]
    places = [ȳ, *inputs, *inputs, ȳ]
    with mg.backend.use_kernels(kernels):
        got = orders(mg.grad, lambda *a: fused(*a, 0.1, slope), inputs, ȳ, directions)
        fast = mg.grad(fused(*inputs, 0.1, slope), inputs, ȳ)  # by the kernel, because nothing is recorded
    expected = orders(mg.grad, lambda *a: defined(*a, 0.1, slope), inputs, ȳ, directions)
    assert all(t.dtype == dtype for t in got if t is not None)
    expected = as_numbers(expected, places)
    for a, b in zip([*as_numbers(got, places), *(g.numpy() for g in fast)], [*expected, *expected[1:4]], strict=True):
        close(a, b, dtype)


@KERNELS
def test_mean_and_biased_variance_can_be_read_off(kernels):
    x, weight, bias = tensors((3, 2, 4))
    norm = BatchNorm(1e-5)
    with mg.backend.use_kernels(kernels):
        norm(x, weight, bias)
    close(norm.mean, x.numpy().mean((0, 2)))
    close(norm.variance, x.numpy().var((0, 2)))


# ------------------------------------------------------------------------------------------------ against PyTorch


@KERNELS
@drawn(100)
@given(data=st.data())
def test_value_gradient_and_gradient_of_gradient_are_pytorchs(torch, kernels, data):
    trailing = data.draw(st.lists(st.integers(1, 4), max_size=2))
    n, c = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    if n * np.prod(trailing) < 2:  # PyTorch refuses a single value a channel
        n = 2
    shape, eps = (n, c, *trailing), data.draw(st.sampled_from([1e-3, 0.1, 0.8]))
    slope = data.draw(st.sampled_from([0, 0.2, 1]))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    draw = lambda shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    x, ȳ = (lay_out(draw(shape), data.draw(st.sampled_from(LAYOUTS))) for _ in "xy")
    arrays, directions = [x, draw(c), draw(c)], [draw(shape), draw(c), draw(c)]
    before = [a.copy() for a in (*arrays, ȳ)]

    ours = [mg.Tensor(a, requires_grad=True) for a in (*arrays, ȳ)]
    with mg.backend.use_kernels(kernels):
        got = orders(mg.grad, lambda *a: fused(*a, eps, slope), ours[:3], ours[3], [mg.Tensor(d) for d in directions])
        fast = mg.grad(fused(*ours[:3], eps, slope), ours[:3], ours[3])  # by the kernel, because nothing is recorded
    theirs = [torch.from_numpy(np.array(a, order="C")).requires_grad_() for a in (*arrays, ȳ)]
    F = torch.nn.functional
    f = lambda x, w, b: F.leaky_relu(F.batch_norm(x, None, None, w, b, True, 0.1, eps), slope)  # noqa: E731
    expected = orders(torch.autograd.grad, f, theirs[:3], theirs[3], [torch.from_numpy(d) for d in directions])

    places = [ours[3], *ours[:3], *ours]
    expected = as_numbers(expected, places)
    for a, b in zip([*as_numbers(got, places), *(g.numpy() for g in fast)], [*expected, *expected[1:4]], strict=True):
        close(a, b, dtype)
    assert all(g.dtype == dtype for g in fast)
    for a, b in zip((*arrays, ȳ), before):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------- against finite differences


@SHAPES
@SLOPES
@KERNELS
def test_first_and_second_derivatives_agree_with_differences(shape, slope, kernels):
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(lambda *a: fused(*a, 0.1, slope), tensors(shape), order=2)


@SHAPES
@SLOPES
@KERNELS
def test_derivatives_of_scale_and_shift_agree_with_differences(shape, slope, kernels):
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(lambda *a: ScaleAndShift(slope)(*a), tensors(shape), order=2)


@KERNELS
@pytest.mark.parametrize("slope", [0, 0.2, 1])
def test_scale_and_shift_is_its_formula_to_second_order(kernels, slope):
    x, scale, shift = tensors((3, 2, 4))
    formula = lambda x, s, t: mg.leaky_relu(x * s.reshape(2, 1) + t.reshape(2, 1), slope)  # noqa: E731
    rng = np.random.default_rng(1)
    ȳ = mg.Tensor(rng.standard_normal(x.shape), requires_grad=True)
    directions = [mg.Tensor(rng.standard_normal(t.shape)) for t in (x, scale, shift)]
    places = [ȳ, x, scale, shift, x, scale, shift, ȳ]
    with mg.backend.use_kernels(kernels):
        got = orders(mg.grad, lambda *a: ScaleAndShift(slope)(*a), (x, scale, shift), ȳ, directions)
    expected = orders(mg.grad, formula, (x, scale, shift), ȳ, directions)
    for a, b in zip(as_numbers(got, places), as_numbers(expected, places), strict=True):
        close(a, b)


@KERNELS
def test_third_derivatives_of_a_smooth_network_agree_with_differences(kernels):
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(lambda *a: fused(*a, 0.1).tanh().sum(), tensors((3, 2, 2)), order=3)


def test_second_derivatives_of_the_definition_agree_with_differences():
    assert mg.check.gradcheck(lambda *a: batch_norm_definition(*a, 0.1), tensors((3, 2, 2)), order=2)


# -------------------------------------------------------------------------------------------- what it must be


@KERNELS
@SHAPES
def test_the_derivative_to_a_scale_of_the_input_is_zero_to_every_order(shape, kernels):
    """The free test: as ε → 0, BN(w·x) does not depend on w > 0, so each derivative with respect to w is 0."""
    x, weight, bias = tensors(shape)
    scale = mg.Tensor(np.array([0.5, 2.0, 3.0])[: shape[1]], requires_grad=True)
    per_channel = (1, -1, *(1,) * (len(shape) - 2))
    with mg.backend.use_kernels(kernels):
        y = fused(x * scale.reshape(per_channel), weight, bias, eps=0.0)
        close(y, fused(x, weight, bias, eps=0.0))
        derivative = (y * mg.Tensor(np.random.default_rng(1).standard_normal(shape))).sum()
        for _ in range(3):
            (derivative,) = mg.grad(derivative.sum(), scale, create_graph=True)
            assert np.abs(derivative.numpy()).max() < 1e-11


@KERNELS
def test_an_epsilon_breaks_the_free_test(kernels):
    """So the zeros above are no accident of the rounding."""
    x, weight, bias = tensors((5, 3))
    scale = mg.Tensor(np.float64(1.0), requires_grad=True)
    with mg.backend.use_kernels(kernels):
        y = fused(x * scale, weight, bias, eps=0.1)
        (derivative,) = mg.grad((y * y * y).sum(), scale)
    assert abs(derivative.item()) > 1e-2


@KERNELS
@pytest.mark.parametrize("create_graph", [False, True], ids=["by the kernel", "recorded"])
def test_the_gradient_has_lost_its_mean_and_its_component_along_the_output(kernels, create_graph):
    """y does not change when x is shifted or scaled, so no gradient points there: ⟨x̄⟩ = 0 and ⟨x̄·x⟩ = 0."""
    x, weight, bias = tensors((4, 3, 5))
    ȳ = mg.Tensor(np.random.default_rng(1).standard_normal(x.shape))
    with mg.backend.use_kernels(kernels):
        (g,) = mg.grad(fused(x, weight, bias, eps=0.0), x, ȳ, create_graph=create_graph)
    assert np.abs(g.numpy()).max() > 0.1
    close(g.numpy().sum((0, 2)), np.zeros(3))
    close((g.numpy() * x.numpy()).sum((0, 2)), np.zeros(3))


@KERNELS
def test_float32_keeps_its_digits_beside_a_large_mean(kernels):
    """Pictures of mean 1000 and deviation 1: the variance from Σx² − (Σx)²/m would have no correct digit in float32."""
    x, weight, bias = tensors((16, 3, 4, 4), "float32")
    x = mg.Tensor(x.numpy() + np.float32(1000), requires_grad=True)
    ȳ = mg.Tensor(np.random.default_rng(1).standard_normal(x.shape).astype(np.float32))
    exact = [mg.Tensor(t.numpy().astype(np.float64), requires_grad=True) for t in (x, weight, bias)]
    y = batch_norm_definition(*exact, 1e-5)
    with mg.backend.use_kernels(kernels):
        got = fused(x, weight, bias)
        gradients = mg.grad(got, (x, weight, bias), ȳ)
    for a, b in zip((got, *gradients), (y, *mg.grad(y, exact, ȳ.to(np.float64)))):
        assert a.dtype == np.float32
        error = np.linalg.norm(a.numpy() - b.numpy()) / np.linalg.norm(b.numpy())
        assert error < 1e-4


@KERNELS
def test_float32_is_accurate_to_its_rounding(kernels):
    x, weight, bias = tensors((32, 3, 8, 8), "float32")
    ȳ = mg.Tensor(np.random.default_rng(1).standard_normal(x.shape).astype(np.float32))
    exact = [mg.Tensor(t.numpy().astype(np.float64), requires_grad=True) for t in (x, weight, bias)]
    y = batch_norm_definition(*exact, 1e-5)
    with mg.backend.use_kernels(kernels):
        got = fused(x, weight, bias)
        gradients = mg.grad(got, (x, weight, bias), ȳ)
    for a, b in zip((got, *gradients), (y, *mg.grad(y, exact, ȳ.to(np.float64)))):
        error = np.linalg.norm(a.numpy() - b.numpy()) / np.linalg.norm(b.numpy())
        assert error < 5e-7


# ---------------------------------------------------------------------------------- which of the two rules is used


@pytest.mark.parametrize(("create_graph", "kernel_calls"), [(False, 1), (True, 0)])
@pytest.mark.parametrize("slope", [0.2, 1])
@KERNELS
def test_the_kernel_differentiates_unless_the_backward_pass_is_recorded(
    kernels, slope, create_graph, kernel_calls, monkeypatch
):
    calls = []
    with mg.backend.use_kernels(kernels):
        module = mg.backend.kernels()
        kernel = module.batch_norm_backward
        monkeypatch.setattr(module, "batch_norm_backward", lambda *a: calls.append(1) or kernel(*a))
        x, weight, bias = tensors((4, 3))
        gradients = mg.grad(fused(x, weight, bias, slope=slope).sum(), (x, weight, bias), create_graph=create_graph)
    assert len(calls) == kernel_calls
    assert [g.requires_grad for g in gradients] == ([True, True, False] if create_graph else [False] * 3)


@KERNELS
def test_an_empty_batch_has_empty_output_and_zero_gradients(kernels):
    x, weight, bias = tensors((0, 3, 4))
    for create_graph in (False, True):
        with mg.backend.use_kernels(kernels):
            y = fused(x, weight, bias)
            gradients = mg.grad(y.sum(), (x, weight, bias), create_graph=create_graph)
        assert y.shape == gradients[0].shape == (0, 3, 4)
        assert not np.concatenate([g.numpy() for g in gradients[1:]]).any()
