"""minigan.kernels.*.loss: each loss against its definition in float64, and its gradient against central differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn, lay_out_read_only
from simulator import EVERYWHERE, IN_SIMULATOR, simulated

from minigan.kernels import reference

# `cpu` takes the reference's: test_mirror.py
BACKENDS = pytest.mark.parametrize("backend", [reference], ids=["reference"])
LAYOUTS = ["C", "Fortran", "channels-last", "reversed", "every second", "repeated"]
REDUCTIONS = st.sampled_from(["none", "mean", "sum"])
TOLERANCE = {"float32": 1e-6, "float64": 1e-14}


# --- the definitions --------------------------------------------------------------------------------------------------


def reduced(losses, reduction):
    return {"none": lambda: losses, "mean": lambda: losses.sum() / losses.size, "sum": losses.sum}[reduction]()


def bce_with_logits(x, target, reduction):
    """−t·log σ(x) − (1 − t)·log(1 − σ(x)), and log(1 + eᶻ) is what `logaddexp` computes."""
    return reduced(target * np.logaddexp(0, -x) + (1 - target) * np.logaddexp(0, x), reduction)


def squared_error(x, target, reduction):
    return reduced((x - target) ** 2, reduction)


def cross_entropy(x, index, reduction):
    """One sample and pixel after the other."""
    losses = np.empty(index.shape)
    for at in np.ndindex(index.shape):
        logits = x[(at[0], slice(None), *at[1:])]
        losses[at] = np.logaddexp.reduce(logits) - logits[index[at]]
    return reduced(losses, reduction)


def in_float64(a):
    return a.astype(np.float64) if a.dtype.kind == "f" else a


DEFINITIONS = {f.__name__: f for f in (bce_with_logits, squared_error, cross_entropy)}


# --- examples ---------------------------------------------------------------------------------------------------------


@st.composite
def examples(draw, names=tuple(DEFINITIONS), dtypes=("float32", "float64"), largest=1.0):
    """The name of a loss, x, what it is held to, and a gradient for each element's loss, in any layouts."""
    name, dtype = draw(st.sampled_from(names)), draw(st.sampled_from(dtypes))
    layout = lambda a: lay_out_read_only(np.asarray(a), draw(st.sampled_from(LAYOUTS)))  # noqa: E731
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if name == "cross_entropy":
        shape = (draw(st.integers(1, 4)), draw(st.integers(1, 6)), *draw(st.lists(st.integers(1, 3), max_size=2)))
        losses = (shape[0], *shape[2:])
        target = rng.integers(0, shape[1], losses).astype(draw(st.sampled_from(["int64", "int32"])))
    else:
        shape = losses = tuple(draw(st.lists(st.integers(1, 5), max_size=3)))
        of_target = shape if draw(st.booleans()) else draw(st.sampled_from([(), (1,) * len(shape)]))
        target = rng.choice([0, 1, 0.9, 0.3, -0.5], of_target).astype(dtype)
    x = (largest * rng.standard_normal(shape)).astype(dtype)
    return name, layout(x), layout(target), layout(rng.standard_normal(losses).astype(dtype))


# --- tests ------------------------------------------------------------------------------------------------------------


@BACKENDS
@drawn(200)
@given(example=examples(), reduction=REDUCTIONS)
def test_value_is_the_definition(backend, example, reduction):
    name, x, target, grad = example
    got = getattr(backend, name)(x, target, reduction)
    exact = np.asarray(DEFINITIONS[name](in_float64(x), in_float64(target), reduction))
    assert np.shape(got) == exact.shape == (grad.shape if reduction == "none" else ())
    assert got.dtype == x.dtype
    scale = 1 + np.abs(exact) + np.abs(x).max(initial=0)  # of which a loss is a difference
    if reduction == "sum":
        scale = scale * grad.size
    assert (np.abs(got - exact) <= 4 * TOLERANCE[str(x.dtype)] * scale).all()


@BACKENDS
@drawn(120)
@given(example=examples(dtypes=["float64"]), reduction=REDUCTIONS)
def test_gradient_is_the_derivative_of_the_definition(backend, example, reduction):
    """Central differences of Σ g·loss, along one random direction."""
    name, x, target, grad = example
    grad = grad if reduction == "none" else np.asarray(grad.sum())
    got = getattr(backend, f"{name}_backward")(grad, x, target, reduction)
    assert (got.shape, got.dtype) == (x.shape, x.dtype)
    direction, h = np.random.default_rng(0).standard_normal(x.shape), 1e-5

    def loss(t):
        return np.sum(grad * DEFINITIONS[name](x + t * direction, target, reduction))

    assert np.sum(got * direction) == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-7, abs=1e-7)


@BACKENDS
@drawn(80)
@given(example=examples(dtypes=["float32"], largest=3.0), reduction=REDUCTIONS)
def test_gradient_in_float32_is_that_in_float64(backend, example, reduction):
    name, x, target, grad = example
    grad = grad if reduction == "none" else np.asarray(grad.sum())
    got = getattr(backend, f"{name}_backward")(grad, x, target, reduction)
    assert got.dtype == np.float32
    exact = getattr(reference, f"{name}_backward")(*map(in_float64, (grad, x, target)), reduction)
    np.testing.assert_allclose(got, exact, rtol=2e-6, atol=2e-6 * (1 + np.abs(grad).max()))


@BACKENDS
@drawn(60)
@given(example=examples(), reduction=REDUCTIONS)
def test_inputs_stay_as_they_are_and_outputs_are_fresh(backend, example, reduction):
    name, x, target, grad = example
    grad = grad if reduction == "none" else np.asarray(grad.sum())
    before = [a.copy() for a in (x, target, grad)]
    results = [getattr(backend, name)(x, target, reduction)]
    results.append(getattr(backend, f"{name}_backward")(grad, x, target, reduction))
    for a, b in zip((x, target, grad), before):
        np.testing.assert_array_equal(a, b)
    for result in results:
        assert not any(np.shares_memory(result, a) for a in (x, target, grad))


test_value_in_the_simulator = simulated(test_value_is_the_definition, 80, example=examples(), reduction=REDUCTIONS)
test_gradient_in_the_simulator = simulated(
    test_gradient_is_the_derivative_of_the_definition,
    80,
    example=examples(dtypes=["float64"]),
    reduction=REDUCTIONS,
)
test_gradient_in_float32_in_the_simulator = simulated(
    test_gradient_in_float32_is_that_in_float64,
    80,
    example=examples(dtypes=["float32"], largest=3.0),
    reduction=REDUCTIONS,
)
test_manners_in_the_simulator = simulated(
    test_inputs_stay_as_they_are_and_outputs_are_fresh, 50, example=examples(), reduction=REDUCTIONS
)


@EVERYWHERE
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_logits_neither_overflow_nor_lose_the_loss(backend, dtype):
    """e¹⁰⁰⁰ is infinite, and log σ(−1000) by itself −∞; what both become in the loss is −1000."""
    x = np.array([1000, -1000, 1000, -1000, 0], dtype)
    target = np.array([1, 0, 0, 1, 0.5], dtype)
    losses = backend.bce_with_logits(x, target, "none")
    np.testing.assert_allclose(losses, [0, 0, 1000, 1000, np.log(2)], rtol=1e-6)
    slopes = backend.bce_with_logits_backward(np.ones(5, dtype), x, target, "none")
    np.testing.assert_array_equal(slopes, [0, 0, 1, -1, 0])
    rows, index = np.array([[1000, 0, -1000]] * 3, dtype), np.arange(3)
    np.testing.assert_allclose(backend.cross_entropy(rows, index, "none"), [0, 1000, 2000], rtol=1e-6)
    slopes = backend.cross_entropy_backward(np.ones(3, dtype), rows, index, "none")
    np.testing.assert_array_equal(slopes, [[0, 0, 0], [1, -1, 0], [1, 0, -1]])


@EVERYWHERE
def test_a_small_loss_and_a_small_gradient_keep_their_digits(backend):
    """log(1 + e^−30) is 10⁻¹³, which 1 + 10⁻¹³ is not in float32; and so is 1 − σ(30)."""
    x, target = np.array([30, -30], np.float32), np.array([1, 0], np.float32)
    np.testing.assert_allclose(backend.bce_with_logits(x, target, "none"), np.exp(-30.0), rtol=1e-5)
    slopes = backend.bce_with_logits_backward(np.ones(2, np.float32), x, target, "none")
    np.testing.assert_allclose(slopes, [-np.exp(-30.0), np.exp(-30.0)], rtol=1e-5)


@EVERYWHERE
def test_classes_ruled_out_by_minus_infinity_get_no_share(backend):
    x, index = np.array([[-np.inf, 0.0, 0.0], [5.0, -np.inf, -np.inf]]), np.array([1, 0])
    np.testing.assert_allclose(backend.cross_entropy(x, index, "none"), [np.log(2), 0], rtol=1e-14)
    got = backend.cross_entropy_backward(np.ones(2), x, index, "none")
    np.testing.assert_allclose(got, [[0, -0.5, 0.5], [0, 0, 0]], rtol=1e-14)
    assert backend.cross_entropy(x, np.array([0, 0]), "sum") == np.inf


@EVERYWHERE
def test_a_class_whose_logit_is_infinite_leaves_the_others_no_hope(backend):
    assert backend.cross_entropy(np.array([[np.inf, 0.0], [0.0, 0.0]]), np.array([1, 1]), "none")[0] == np.inf


@EVERYWHERE
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_nan_is_not_hidden(backend, reduction):
    """Neither in the loss, nor in the gradient; and, loss by loss, only where it is."""
    x, target, index = np.array([0.0, np.nan, 1.0]), np.array([1.0, 0.0, 0.0]), np.zeros(3, int)
    rows = np.stack([np.zeros(3), x], 1)
    grad = np.ones(3) if reduction == "none" else np.asarray(1.0)
    expected = [False, True, False] if reduction == "none" else True
    for name in ("bce_with_logits", "squared_error"):
        assert np.isnan(getattr(backend, name)(x, target, reduction)).tolist() == expected
        slopes = getattr(backend, f"{name}_backward")(grad, x, target, reduction)
        assert np.isnan(slopes).tolist() == [False, True, False]
    assert np.isnan(backend.cross_entropy(rows, index, reduction)).tolist() == expected
    slopes = backend.cross_entropy_backward(grad, rows, index, reduction)
    assert np.isnan(slopes).tolist() == [[False, False], [True, True], [False, False]]


@EVERYWHERE
@pytest.mark.parametrize("name", DEFINITIONS)
def test_of_nothing(backend, name):
    """The sum of no losses is 0, their mean NaN."""
    x = np.empty((0, 3), np.float32)
    target = np.empty(0, int) if name == "cross_entropy" else x
    loss, backward = getattr(backend, name), getattr(backend, f"{name}_backward")
    none = loss(x, target, "none")
    assert none.shape == target.shape
    assert backward(none, x, target, "none").shape == x.shape
    assert loss(x, target, "sum") == 0
    with np.errstate(invalid="ignore", divide="ignore"):
        assert np.isnan(loss(x, target, "mean"))
        assert backward(np.asarray(1, np.float32), x, target, "mean").shape == x.shape


@IN_SIMULATOR
@pytest.mark.parametrize("name", DEFINITIONS)
def test_more_losses_than_threads_are_added_by_one_block(backend, name):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((101, 3))
    target = rng.integers(0, 3, 101) if name == "cross_entropy" else rng.random((101, 3))
    for reduction in ("mean", "sum"):
        expected = DEFINITIONS[name](x, target, reduction)
        assert getattr(backend, name)(x, target, reduction) == pytest.approx(expected, rel=1e-13)
