"""minigan.kernels.*.activation: every backend against the definition and PyTorch, in every layout, with NaN and infinity."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import LAYOUTS, drawn, lay_out
from simulator import EVERYWHERE, IN_SIMULATOR, simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import activation as cpu_activation
from minigan.kernels.cpu import threads
from minigan.kernels.reference import activation as reference_activation

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
SLOPES = st.sampled_from([0, 0.01, 0.2, 1, 2.5, -0.5])


@st.composite
def arrays(draw, special=True):
    """x with zeros, NaN and infinities among its numbers, and a gradient, each in a layout of its own."""
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, grad = (np.asarray(rng.standard_normal(shape)).astype(dtype) for _ in "xg")
    if special:
        chosen = rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf], shape).astype(dtype)
        x = np.where(rng.random(shape) < 0.3, chosen, x)
    layouts = LAYOUTS if len(shape) > 1 else ["C", "repeated"]
    return [lay_out(a, draw(st.sampled_from(layouts))) if shape else a for a in (x, grad)]


def same(got, expected):
    """Equal, bit for bit, NaN included; but for the sign of a zero."""
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


@BACKENDS
@drawn(150)
@given(pair=arrays(), slope=SLOPES)
def test_forward_is_the_definition_and_the_relu_of_minus_infinity_is_0(backend, pair, slope):
    x, _ = pair
    y = backend.leaky_relu(x, slope)
    assert y.shape == x.shape
    for index in np.ndindex(x.shape):
        number = x[index]
        if not number > 0 and not np.isnan(number):
            number = number * x.dtype.type(slope) if slope else x.dtype.type(0)
        same(y[index], number)


@BACKENDS
@drawn(150)
@given(pair=arrays(), slope=SLOPES)
def test_backward_is_the_definition(backend, pair, slope):
    x, grad = pair
    got = backend.leaky_relu_backward(grad, x, slope)
    assert got.shape == x.shape
    same(got, np.where(x > 0, grad, x.dtype.type(slope) * grad))


@BACKENDS
@drawn(80)
@given(pair=arrays(), slope=st.sampled_from([0, 0.01, 0.2, 1, 2.5]))
def test_the_output_serves_as_well_as_the_input_where_the_slope_is_not_negative(backend, pair, slope):
    x, grad = pair
    y = backend.leaky_relu(x, slope)
    same(backend.leaky_relu_backward(grad, y, slope), backend.leaky_relu_backward(grad, x, slope))


@BACKENDS
@drawn(80)
@given(pair=arrays(), slope=st.sampled_from([0, 0.01, 0.2, 1, 2.5]))
def test_forward_and_backward_are_pytorchs(torch, backend, pair, slope):
    x, grad = pair
    if slope == 0:
        f = torch.nn.functional.relu  # its leaky_relu(−∞, 0) is NaN
        x = np.asarray(
            np.nan_to_num(x, nan=-1.0)
        )  # and the gradient passes its relu where x is NaN, but not its leaky_relu
    else:
        f = lambda x: torch.nn.functional.leaky_relu(x, slope)  # noqa: E731
    theirs = torch.tensor(x.copy(), requires_grad=True)
    y = f(theirs)
    (expected,) = torch.autograd.grad(y, theirs, torch.tensor(grad.copy()))
    same(backend.leaky_relu(x, slope), y.detach().numpy())
    same(backend.leaky_relu_backward(grad, x, slope), expected.numpy())


@EVERYWHERE
def test_the_gradient_of_the_relu_is_0_where_it_is_off_even_if_what_arrives_is_not_finite(backend):
    grad = np.array([np.inf, np.nan, 1.0])
    assert backend.leaky_relu_backward(grad, np.array([-1.0, -1.0, 1.0]), 0).tolist() == [0, 0, 1]


@BACKENDS
@drawn(60)
@given(pair=arrays(), slope=SLOPES)
def test_inputs_stay_as_they_are_and_outputs_are_fresh(backend, pair, slope):
    before = [a.copy() for a in pair]
    for a in pair:
        a.flags.writeable = False
    x, grad = pair
    for result in (backend.leaky_relu(x, slope), backend.leaky_relu_backward(grad, x, slope)):
        assert result.flags.writeable
        assert not any(np.shares_memory(result, a) for a in pair)
    for a, b in zip(pair, before):
        np.testing.assert_array_equal(a, b)


NOT_NEGATIVE = st.sampled_from([0, 0.2, 1, 2.5])
test_forward_in_the_simulator = simulated(
    test_forward_is_the_definition_and_the_relu_of_minus_infinity_is_0, 75, pair=arrays(), slope=SLOPES
)
test_backward_in_the_simulator = simulated(test_backward_is_the_definition, 75, pair=arrays(), slope=SLOPES)
test_outputs_for_inputs_in_the_simulator = simulated(
    test_the_output_serves_as_well_as_the_input_where_the_slope_is_not_negative, 37, pair=arrays(), slope=NOT_NEGATIVE
)
test_pytorch_in_the_simulator = simulated(test_forward_and_backward_are_pytorchs, 37, pair=arrays(), slope=NOT_NEGATIVE)
test_manners_in_the_simulator = simulated(
    test_inputs_stay_as_they_are_and_outputs_are_fresh, 37, pair=arrays(), slope=SLOPES
)


@pytest.mark.parametrize("layout", LAYOUTS[:3])
def test_cpu_keeps_the_layout(layout):
    x = lay_out(np.ones((2, 3, 4, 5)), layout)
    assert cpu.leaky_relu(x, 0.2).strides == x.strides
    assert cpu.leaky_relu_backward(np.ones(x.shape), x, 0.2).strides == x.strides


@IN_SIMULATOR
@pytest.mark.parametrize("layout", ["C", "channels-last"])
def test_cuda_keeps_the_layout(backend, layout):
    x = lay_out(np.ones((2, 3, 4, 5)), layout)
    assert backend.leaky_relu(x, 0.2).strides == x.strides
    assert backend.leaky_relu_backward(lay_out(np.ones(x.shape), layout), x, 0.2).strides == x.strides


def test_the_number_of_threads_changes_nothing(monkeypatch):
    """Nor does it matter that the parts of the work are not equally long."""
    x, grad = np.random.default_rng(0).standard_normal((2, 3, 1001)).astype(np.float32)
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_threads", n)
        results.append((cpu.leaky_relu(x, 0.2), cpu.leaky_relu_backward(grad, x, 0.2)))
    for y, grad_x in results:
        same(y, reference.leaky_relu(x, 0.2))
        same(grad_x, reference.leaky_relu_backward(grad, x, 0.2))


def test_both_files_have_the_same_routines():
    def public(module):
        return {
            name: function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        }

    ours, theirs = public(reference_activation), public(cpu_activation)
    assert list(ours) == list(theirs) == ["leaky_relu", "leaky_relu_backward"]
    for name, function in ours.items():
        assert inspect.signature(function) == inspect.signature(theirs[name]), name
        assert re.findall("``(.+?)``", function.__doc__) == re.findall("``(.+?)``", theirs[name].__doc__), name
