"""minigan.ops.loss: each fused loss held to its definition, in value, gradient and gradient of gradient.

What the losses are, for every option and in every corner, is tested in tests/functional/test_loss.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import as_numbers, closeness, drawn, lay_out, orders

import minigan as mg
from minigan.ops import loss

TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
LAYOUTS = ["C", "Fortran", "reversed", "every second", "repeated"]
REDUCTIONS = ["mean", "sum", "none"]
close = closeness(TOLERANCE)

OF_TARGETS = {
    "binary cross-entropy": (
        loss.BinaryCrossEntropyWithLogits,
        loss.binary_cross_entropy_with_logits_definition,
    ),
    "squared error": (loss.SquaredError, loss.squared_error_definition),
}


def first_and_second(f, inputs, rng):
    """y, its gradients, and the gradients of a random combination of these; by arrays as well, where nothing is recorded."""
    y = f(*inputs)
    ȳ = mg.Tensor(np.asarray(rng.standard_normal(y.shape), y.dtype), requires_grad=True)
    directions = [mg.Tensor(np.asarray(rng.standard_normal(x.shape), x.dtype)) for x in inputs]
    recorded = orders(mg.grad, f, inputs, ȳ, directions)
    arrays = [mg.grad(f(*inputs), x, ȳ)[0] for x in inputs]
    return [*recorded, *arrays], [y, *inputs, *inputs, ȳ, *inputs]


def assert_same(f, definition, inputs, dtype, seed):
    got, places = first_and_second(f, inputs, np.random.default_rng(seed))
    expected, _ = first_and_second(definition, inputs, np.random.default_rng(seed))
    for a, b in zip(as_numbers(got, places), as_numbers(expected, places), strict=True):
        assert a.dtype == b.dtype
        close(a, b, dtype)


@pytest.mark.parametrize("name", OF_TARGETS)
@drawn(80)
@given(data=st.data())
def test_a_fused_loss_is_its_definition_to_second_order(name, data):
    Fused, definition = OF_TARGETS[name]
    dtype, reduction = data.draw(st.sampled_from(list(TOLERANCE))), data.draw(st.sampled_from(REDUCTIONS))
    shape = tuple(data.draw(st.lists(st.integers(1, 4), max_size=3)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    layout = data.draw(st.sampled_from(LAYOUTS)) if len(shape) else "C"
    x = lay_out(np.asarray(3 * rng.standard_normal(shape), dtype), layout)
    t = np.asarray(rng.uniform(0, 1, data.draw(st.sampled_from([shape, ()]))), dtype)  # or one target for all
    inputs = [mg.Tensor(a, requires_grad=True) for a in (x, t)]
    before = x.copy(), t.copy()
    assert_same(
        lambda x, t: Fused(reduction)(x, t),
        lambda x, t: loss.reduced("loss", definition(x, t), reduction),
        inputs,
        dtype,
        seed=1,
    )
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(t, before[1])


@drawn(80)
@given(data=st.data())
def test_the_fused_cross_entropy_is_its_definition_to_second_order(data):
    dtype, reduction = data.draw(st.sampled_from(list(TOLERANCE))), data.draw(st.sampled_from(REDUCTIONS))
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=4)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    index = rng.integers(0, shape[1], (shape[0], *shape[2:])).astype(data.draw(st.sampled_from(["int64", "uint8"])))
    x = lay_out(np.asarray(3 * rng.standard_normal(shape), dtype), data.draw(st.sampled_from(LAYOUTS)))
    before = x.copy(), index.copy()
    assert_same(
        lambda x: loss.CrossEntropy(index, reduction)(x),
        lambda x: loss.reduced("loss", loss.cross_entropy_definition(x, index), reduction),
        [mg.Tensor(x, requires_grad=True)],
        dtype,
        seed=1,
    )
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(index, before[1])


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_third_derivatives_agree_with_differences(reduction):
    rng = np.random.default_rng(0)
    x, t = (mg.Tensor(rng.uniform(0.1, 0.9, (3, 2))) for _ in "xt")
    for Fused, _ in OF_TARGETS.values():
        assert mg.check.gradcheck(lambda x, t, Fused=Fused: Fused(reduction)(x, t), [x, t], order=3)
    index = np.array([0, 1, 1])
    assert mg.check.gradcheck(lambda x: loss.CrossEntropy(index, reduction)(x), x, order=3)


# ------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize("create_graph", [False, True], ids=["by arrays", "recorded"])
def test_a_small_gradient_keeps_its_digits_in_float32(create_graph):
    """σ(20) is 1 in float32, so that σ(x) − 1 would be 0; it is −σ(−20) = −2·10⁻⁹."""
    x = mg.tensor([20.0, -20.0, 60.0], requires_grad=True)
    t = mg.tensor([1.0, 0.0, 1.0])
    (g,) = mg.grad(loss.BinaryCrossEntropyWithLogits("sum")(x, t), x, create_graph=create_graph)
    np.testing.assert_allclose(g.detach().numpy(), [-np.exp(-20), np.exp(-20), -np.exp(-60)], rtol=1e-6)


@pytest.mark.parametrize("scale", [100.0, 1e30])
def test_nothing_overflows(scale):
    x = mg.tensor([[scale, -scale], [-scale, scale]], requires_grad=True)
    for y in (
        loss.BinaryCrossEntropyWithLogits("mean")(x, mg.tensor(0.9)),
        loss.CrossEntropy(np.array([0, 0]), "mean")(x),
    ):
        assert mg.isfinite(y)
        for create_graph in (False, True):
            assert mg.isfinite(mg.grad(y, x, create_graph=create_graph)[0]).all()


def test_a_class_that_is_ruled_out_costs_nothing_and_gets_nothing():
    """Its logit is −∞, its probability 0."""
    x = mg.tensor([[0.0, -np.inf, 0.0]], requires_grad=True)
    y = loss.CrossEntropy(np.array([2]), "mean")(x)
    assert y.item() == pytest.approx(np.log(2))
    assert mg.grad(y, x)[0].tolist() == [[0.5, 0.0, -0.5]]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_of_no_logits_the_mean_is_nan_and_the_gradient_empty(reduction):
    """As in PyTorch; no warning."""
    x = mg.zeros(0, 3, requires_grad=True)
    for f in (
        lambda: loss.BinaryCrossEntropyWithLogits(reduction)(x, mg.zeros(0, 3)),
        lambda: loss.SquaredError(reduction)(x, mg.zeros(0, 3)),
        lambda: loss.CrossEntropy(np.zeros(0, int), reduction)(x),
    ):
        y = f()
        assert np.isnan(y.item()) if reduction == "mean" else not y.numpy().any()
        for create_graph in (False, True):
            assert mg.grad(y.sum(), x, create_graph=create_graph)[0].shape == (0, 3)


# -------------------------------------------------------------------------------------------- which rule is used


def operations_of(f):
    """The names of the operations that f calls."""
    called, call = [], mg.Function.__call__
    try:
        mg.Function.__call__ = lambda self, *inputs: called.append(self.name) or call(self, *inputs)
        f()
    finally:
        mg.Function.__call__ = call
    return called


def test_a_loss_is_one_node_and_its_gradient_none_unless_it_is_recorded():
    x, t = mg.randn(5, 3, requires_grad=True), mg.rand(5, 3)
    for f in (
        lambda: loss.BinaryCrossEntropyWithLogits("mean")(x, t),
        lambda: loss.SquaredError("mean")(x, t),
        lambda: loss.CrossEntropy(np.zeros(5, int), "mean")(x),
    ):
        y = f()
        assert operations_of(f) == [y.grad_fn.name]
        assert operations_of(lambda y=y: mg.grad(y, x)) == []
        assert len(operations_of(lambda y=y: mg.grad(y, x, create_graph=True))) > 2


def test_the_gradient_of_a_target_is_in_tensor_operations_and_only_computed_where_it_is_wanted():
    x, t = (mg.rand(5, requires_grad=True) for _ in "xt")
    y = loss.SquaredError("sum")(x, t)
    assert operations_of(lambda: mg.grad(y, x)) == []
    assert operations_of(lambda: mg.grad(y, [x, t]))
    for a, b in zip(mg.grad(y, [x, t]), mg.grad(((x - t) ** 2).sum(), [x, t])):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


@pytest.mark.parametrize("create_graph", [False, True], ids=["by arrays", "recorded"])
def test_the_gradient_of_the_cross_entropy_is_softmax_less_one_hot(create_graph):
    x = mg.randn(7, 4, requires_grad=True)
    index = np.array([0, 1, 2, 3, 0, 1, 2])
    (g,) = mg.grad(loss.CrossEntropy(index, "sum")(x), x, create_graph=create_graph)
    p = np.exp(x.numpy()) / np.exp(x.numpy()).sum(1, keepdims=True)
    np.testing.assert_allclose(g.detach().numpy(), p - np.eye(4)[index], atol=1e-6)
