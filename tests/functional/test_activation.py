"""minigan.functional.activation: each is its formula, PyTorch's derivatives to the second order, finite far from 0."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, lay_out

import minigan as mg
from minigan import functional

LAYOUTS = ["C", "Fortran", "reversed", "every second", "repeated"]
TOLERANCE = {"float64": 1e-11, "float32": 2e-5}  # of the largest number
close = closeness(TOLERANCE)


# Each in words that minigan.functional and torch.nn.functional (F) share.
ACTIVATIONS = {
    "elu": lambda F, x: F.elu(x),
    "elu, α": lambda F, x: F.elu(x, 0.3),
    "gelu": lambda F, x: F.gelu(x),
    "gelu, tanh": lambda F, x: F.gelu(x, approximate="tanh"),
    "silu": lambda F, x: F.silu(x),
    "logsigmoid": lambda F, x: F.logsigmoid(x),
    "log_softmax, first": lambda F, x: F.log_softmax(x, 0),
    "log_softmax, last": lambda F, x: F.log_softmax(x, -1),
    "softmax, first": lambda F, x: F.softmax(x, 0),
    "softmax, last": lambda F, x: F.softmax(x, -1),
}
SLOPED = {"prelu, one slope": lambda shape: (1,), "prelu, one a channel": lambda shape: shape[1:2]}
EVERY = [*ACTIVATIONS, *SLOPED]


def inputs(name, shape, rng, dtype="float64", layout="C"):
    """Arrays that the activation takes, with the kink at 0 out of reach of a finite difference."""
    x = rng.standard_normal(shape) * 3
    arrays = [lay_out((x + 0.01 * np.sign(x)).astype(dtype), layout)]
    return arrays + ([rng.standard_normal(SLOPED[name](shape)).astype(dtype)] if name in SLOPED else [])


def function(name, F):
    return lambda *tensors: F.prelu(*tensors) if name in SLOPED else ACTIVATIONS[name](F, *tensors)


# ------------------------------------------------------------------------------------------------------ the formulas


def norm_cdf(x):
    return np.vectorize(lambda t: (1 + math.erf(t / math.sqrt(2))) / 2)(x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "elu, α": lambda x: np.where(x > 0, x, 0.3 * (np.exp(x) - 1)),
    "gelu": lambda x: x * norm_cdf(x),
    "gelu, tanh": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x * sigmoid(x),
    "logsigmoid": lambda x: np.log(sigmoid(x)),
    "softmax, last": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax, last": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    "prelu, one slope": lambda x, w: np.maximum(x, 0) + w * np.minimum(x, 0),
    "prelu, one a channel": lambda x, w: np.maximum(x, 0) + w[:, None] * np.minimum(x, 0),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_value_is_the_formula(name):
    arrays = inputs(name, (2, 3, 4), np.random.default_rng(0))
    close(function(name, functional)(*map(mg.Tensor, arrays)), FORMULAS[name](*arrays))


def test_the_tanh_approximation_of_gelu_is_near_it():
    x = mg.linspace(-6, 6, 200, dtype=np.float64)
    difference = abs(functional.gelu(x) - functional.gelu(x, "tanh")).numpy()
    assert 1e-4 < difference.max() < 1e-3  # close, and not the same function


@pytest.mark.parametrize("name", EVERY)
def test_float32_stays_float32_also_of_a_single_number(name):
    for shape in [(2, 3), ()] if "softmax" not in name and "channel" not in name else [(2, 3)]:
        x, *rest = (mg.Tensor(a) for a in inputs(name, shape, np.random.default_rng(0), "float32"))
        y = function(name, functional)(x, *rest)
        assert (y.dtype, y.shape) == (np.float32, shape)
    assert functional.elu(x, np.float64(0.5)).dtype == np.float32


@pytest.mark.parametrize("name", ["elu", "gelu", "silu", "logsigmoid", "softmax, last", "prelu, one slope"])
def test_integers_become_float32(name):
    x, slope = mg.tensor([[-1, 0, 2]]), [mg.tensor([0.25])] if name in SLOPED else []
    y = function(name, functional)(x, *slope)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), function(name, functional)(x.float(), *slope).numpy())


# ------------------------------------------------------------------------------------------------------- derivatives


def same_to_second_order(torch, ours, theirs, arrays, shape, dtype="float64", layout="C"):
    assert all(a.dtype == dtype for a in arrays)
    assert_same_to_second_order(torch, ours, theirs, arrays, shape, close, layout)


@pytest.mark.parametrize("name", EVERY)
@drawn(40)
@given(data=st.data())
def test_value_gradient_and_gradient_of_gradient_are_pytorchs(torch, name, data):
    axes = data.draw(st.integers(2 if name in SLOPED else 1, 4))
    least = 1 if "softmax" in name and (axes == 1 or "first" in name) else 0  # softmax needs something to choose from
    shape = tuple(data.draw(st.integers(least if i == 0 else 1, 4)) for i in range(axes))
    dtype, layout = data.draw(st.sampled_from(["float64", "float32"])), data.draw(st.sampled_from(LAYOUTS))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    ours, theirs = function(name, functional), function(name, torch.nn.functional)
    same_to_second_order(torch, ours, theirs, inputs(name, shape, rng, dtype, layout), shape, dtype, layout)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2, 2)])
def test_first_and_second_derivatives_agree_with_differences(name, shape):
    tensors = [mg.Tensor(a) for a in inputs(name, shape, np.random.default_rng(2))]
    assert mg.check.gradcheck(function(name, functional), tensors, order=2)


@pytest.mark.parametrize("name", ["gelu", "silu", "logsigmoid", "softmax, last", "log_softmax, last"])
def test_third_derivatives_of_the_smooth_ones_agree_with_differences(name):
    x = mg.Tensor(inputs(name, (2, 3), np.random.default_rng(3))[0])
    assert mg.check.gradcheck(function(name, functional), x, order=3)


@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_elu_at_0_has_the_derivative_of_its_exponential(torch, alpha):
    """It is α, from the left; for α = 1 it is 1 from both sides, so that any other value would be wrong."""
    x = mg.zeros(2, requires_grad=True)
    (g,) = mg.grad(functional.elu(x, alpha).sum(), x)
    x = torch.zeros(2, requires_grad=True)
    (expected,) = torch.autograd.grad(torch.nn.functional.elu(x, alpha).sum(), x)
    assert g.tolist() == expected.tolist() == [alpha] * 2


def test_prelu_at_0_has_its_slope_as_leaky_relu_does():
    x, weight = mg.zeros(3, requires_grad=True), mg.tensor([0.25], requires_grad=True)
    to_x, to_weight = mg.grad(functional.prelu(x, weight).sum(), [x, weight])
    assert to_x.tolist() == [0.25] * 3 == mg.grad(functional.leaky_relu(x, 0.25).sum(), x)[0].tolist()
    assert to_weight.tolist() == [0.0]


def test_the_slope_of_prelu_may_be_a_single_number_of_any_shape():
    x = mg.tensor([[-2.0, 4.0]])
    for weight in (mg.tensor(0.5), mg.tensor([0.5]), mg.tensor([[[0.5]]])):
        weight.requires_grad_()
        y = functional.prelu(x, weight)
        assert y.tolist() == [[-1.0, 4.0]]
        (g,) = mg.grad(y.sum(), weight)
        assert (g.shape, g.item()) == (weight.shape, -2.0)


# ---------------------------------------------------------------------------------------------------- far from 0


FAR = [-1e4, -100.0, -20.0, -1.0, 1.0, 20.0, 100.0, 1e4]


@pytest.mark.parametrize("name", [n for n in EVERY if "channel" not in n])
def test_value_and_derivatives_are_exact_and_finite_far_from_0(torch, name):
    """float32 against float64: no overflow, no 0·∞, no cancellation."""
    x = np.array(FAR, np.float32)
    slope = [np.array([0.25], np.float32)] if name in SLOPED else []
    same_to_second_order(
        torch, function(name, functional), function(name, torch.nn.functional), [x, *slope], x.shape, "float32"
    )


def test_log_softmax_is_exact_where_softmax_rounds_to_0():
    x = mg.tensor([0.0, -200.0, -1e4])
    assert functional.softmax(x, 0).tolist() == [1.0, 0.0, 0.0]
    assert functional.log_softmax(x, 0).tolist() == [0.0, -200.0, -1e4]


def test_softmax_leaves_out_what_is_masked_with_minus_infinity():
    x = mg.tensor([-np.inf, 1.0, 1.0], requires_grad=True)
    y = functional.softmax(x, 0)
    assert y.tolist() == [0.0, 0.5, 0.5]
    assert mg.grad(y[1], x)[0].tolist() == [0.0, 0.25, -0.25]


@drawn(30)
@given(
    x=st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=6),
    shift=st.sampled_from([-1024.0, -1.0, 0.5, 4096.0]),
)
def test_softmax_is_a_distribution_that_a_shift_does_not_change(x, shift):
    x = mg.tensor(x, dtype=np.float64)
    y = functional.softmax(x, 0)
    assert (y >= 0).all()
    assert y.sum().item() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(functional.softmax(x + shift, 0).numpy(), y.numpy(), rtol=1e-9)


def test_softmax_and_log_softmax_are_methods_too():
    x = mg.randn(2, 3, generator=np.random.default_rng(0))
    assert x.softmax(1).tolist() == functional.softmax(x, 1).tolist()
    assert x.log_softmax(dim=0).tolist() == functional.log_softmax(x, dim=0).tolist()


# ----------------------------------------------------------------------------------------------------------- maxout


@pytest.mark.parametrize(("dim", "pieces"), [(1, 2), (-1, 3), (0, 4), (2, 1), (1, 6)])
def test_maxout_is_the_largest_of_neighbours(torch, dim, pieces):
    x = np.random.default_rng(0).standard_normal((4, 6, 3))

    def theirs(x):
        return x.unflatten(dim, (-1, pieces)).amax(dim + 1 if dim >= 0 else dim)

    shape = theirs(torch.tensor(x)).shape
    same_to_second_order(torch, lambda x: functional.maxout(x, pieces, dim), theirs, [x], tuple(shape))
    assert mg.check.gradcheck(lambda x: functional.maxout(x, pieces, dim), mg.Tensor(x), order=2)


def test_maxout_of_features_is_over_axis_1_unless_told():
    assert functional.maxout(mg.tensor([[1.0, 5.0, -2.0, -3.0]]), 2).tolist() == [[5.0, -2.0]]


# ----------------------------------------------------------------------------------------------------------- errors


def x(*shape):
    return mg.zeros(*shape)


ERRORS = {
    "prelu: weight has shape (4,), expected one number or one for each channel of (2, 3)": (
        ValueError,
        lambda: functional.prelu(x(2, 3), x(4)),
    ),
    "prelu: weight has shape (3,), expected one number or one for each channel of (3,)": (
        ValueError,
        lambda: functional.prelu(x(3), x(3)),
    ),
    "gelu: approximate must be 'none' or 'tanh', got 'erf'": (ValueError, lambda: functional.gelu(x(2), "erf")),
    "softmax: dim is 2, but a tensor of 2 axes has dims -2 to 1": (IndexError, lambda: functional.softmax(x(2, 3), 2)),
    "softmax: dim is 0, but the tensor is a single number and has no axes": (
        IndexError,
        lambda: functional.softmax(x(), 0),
    ),
    "log_softmax: dim is -2, but a tensor of 1 axes has dims -1 to 0": (
        IndexError,
        lambda: functional.log_softmax(x(3), -2),
    ),
    "maxout: 5 places of dim 1 cannot be cut into groups of 2": (ValueError, lambda: functional.maxout(x(2, 5), 2)),
    "maxout: 4 places of dim 0 cannot be cut into groups of 0": (ValueError, lambda: functional.maxout(x(4), 0, 0)),
    "maxout: dim is 1, but a tensor of 1 axes has dims -1 to 0": (IndexError, lambda: functional.maxout(x(4), 2)),
}


@pytest.mark.parametrize("message", ERRORS)
def test_error_says_what_came_and_what_was_expected(message):
    kind, call = ERRORS[message]
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == message
