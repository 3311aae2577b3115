"""minigan.functional.loss: each loss is its formula, PyTorch's to the second order, and finite at extreme logits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, lay_out, message

import minigan as mg
from minigan import functional

LAYOUTS = ["C", "Fortran", "reversed", "every second", "repeated"]
TOLERANCE = {"float64": 1e-10, "float32": 5e-5}  # of the largest number; PyTorch adds 1e-12 to p(1 − p) in BCE's second
close = closeness(TOLERANCE)
REDUCTIONS = ["mean", "sum", "none"]


# ------------------------------------------------------------------------------------------------------- the losses
#
# Each is a function of (F, input, target, weight, reduction), in words that minigan.functional and torch.nn.functional (F)
# share, and of what it wants for input, target and weight.


def logits(rng, shape):
    return rng.standard_normal(shape) * 3


def probabilities(rng, shape):
    return rng.uniform(0.05, 0.95, shape)


def distributions(rng, shape):
    """Probabilities that add up to 1 along axis 1."""
    p = rng.uniform(0.05, 0.95, shape)
    return p / p.sum(1, keepdims=True)


def log_distributions(rng, shape):
    return np.log(distributions(rng, shape))


ELEMENTWISE = {
    "mse_loss": (lambda F, x, t, w, r: F.mse_loss(x, t, reduction=r), logits, logits),
    "l1_loss": (lambda F, x, t, w, r: F.l1_loss(x, t, reduction=r), logits, logits),
    "smooth_l1_loss": (lambda F, x, t, w, r: F.smooth_l1_loss(x, t, reduction=r), logits, logits),
    "smooth_l1_loss, β": (lambda F, x, t, w, r: F.smooth_l1_loss(x, t, reduction=r, beta=2.5), logits, logits),
    "smooth_l1_loss, β = 0": (lambda F, x, t, w, r: F.smooth_l1_loss(x, t, reduction=r, beta=0), logits, logits),
    "bce": (lambda F, x, t, w, r: F.binary_cross_entropy(x, t, reduction=r), probabilities, probabilities),
    "bce, weight": (lambda F, x, t, w, r: F.binary_cross_entropy(x, t, w, reduction=r), probabilities, probabilities),
    "bce_with_logits": (
        lambda F, x, t, w, r: F.binary_cross_entropy_with_logits(x, t, reduction=r),
        logits,
        probabilities,
    ),
    "bce_with_logits, weight": (
        lambda F, x, t, w, r: F.binary_cross_entropy_with_logits(x, t, w, reduction=r),
        logits,
        probabilities,
    ),
    "bce_with_logits, pos_weight": (
        lambda F, x, t, w, r: F.binary_cross_entropy_with_logits(x, t, reduction=r, pos_weight=w),
        logits,
        probabilities,
    ),
    "kl_div": (lambda F, x, t, w, r: F.kl_div(x, t, reduction=r), log_distributions, distributions),
    "kl_div, log": (
        lambda F, x, t, w, r: F.kl_div(x, t, reduction=r, log_target=True),
        log_distributions,
        log_distributions,
    ),
}
OF_CLASSES = {
    "nll_loss": lambda F, x, t, w, r: F.nll_loss(x, t, reduction=r),
    "nll_loss, weight": lambda F, x, t, w, r: F.nll_loss(x, t, w, reduction=r),
    "cross_entropy": lambda F, x, t, w, r: F.cross_entropy(x, t, reduction=r),
    "cross_entropy, weight": lambda F, x, t, w, r: F.cross_entropy(x, t, w, reduction=r),
    "cross_entropy, smoothed": lambda F, x, t, w, r: F.cross_entropy(x, t, reduction=r, label_smoothing=0.1),
    "cross_entropy, smoothed, weight": lambda F, x, t, w, r: F.cross_entropy(x, t, w, reduction=r, label_smoothing=0.3),
}
OF_PROBABILITIES = {name: f for name, f in OF_CLASSES.items() if "nll" not in name}


def drawn_shape(data, least_axes):
    return tuple(data.draw(st.lists(st.integers(1, 4), min_size=least_axes, max_size=4)))


# ----------------------------------------------------------------------------------------------------- against PyTorch


def same_to_second_order(torch, ours, theirs, arrays):
    assert_same_to_second_order(torch, ours, theirs, arrays, ours(*map(mg.Tensor, arrays)).shape, close)


@pytest.mark.filterwarnings("ignore:reduction")  # PyTorch, about kl_div's "mean"
@pytest.mark.parametrize("name", ELEMENTWISE)
@drawn(30)
@given(data=st.data())
def test_value_and_derivatives_to_input_and_target_are_pytorchs(torch, name, data):
    f, of_input, of_target = ELEMENTWISE[name]
    shape, reduction = drawn_shape(data, 2), data.draw(st.sampled_from(REDUCTIONS))
    dtype, layout = data.draw(st.sampled_from(["float64", "float32"])), data.draw(st.sampled_from(LAYOUTS))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    arrays = [lay_out(make(rng, shape).astype(dtype), layout) for make in (of_input, of_target)]
    weight = rng.uniform(0.5, 2, shape[data.draw(st.integers(0, 2)) :]).astype(dtype)
    same_to_second_order(
        torch,
        lambda x, t: f(functional, x, t, mg.Tensor(weight), reduction),
        lambda x, t: f(torch.nn.functional, x, t, torch.tensor(weight, dtype=torch.float64), reduction),
        arrays,
    )


@pytest.mark.parametrize("name", OF_CLASSES)
@drawn(40)
@given(data=st.data())
def test_value_and_derivatives_for_class_indices_are_pytorchs(torch, name, data):
    f, shape, reduction = OF_CLASSES[name], drawn_shape(data, 2), data.draw(st.sampled_from(REDUCTIONS))
    dtype, layout = data.draw(st.sampled_from(["float64", "float32"])), data.draw(st.sampled_from(LAYOUTS))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    weight = rng.uniform(0.5, 2, shape[1]).astype(dtype)
    same_to_second_order(
        torch,
        lambda x: f(functional, x, mg.Tensor(target), mg.Tensor(weight), reduction),
        lambda x: f(torch.nn.functional, x, torch.tensor(target), torch.tensor(weight, dtype=torch.float64), reduction),
        [lay_out(logits(rng, shape).astype(dtype), layout)],
    )


@pytest.mark.parametrize("name", OF_PROBABILITIES)
@drawn(30)
@given(data=st.data())
def test_value_and_derivatives_for_probabilities_are_pytorchs(torch, name, data):
    f, shape, reduction = OF_CLASSES[name], drawn_shape(data, 2), data.draw(st.sampled_from(REDUCTIONS))
    dtype = data.draw(st.sampled_from(["float64", "float32"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    weight = rng.uniform(0.5, 2, shape[1]).astype(dtype)
    same_to_second_order(
        torch,
        lambda x, t: f(functional, x, t, mg.Tensor(weight), reduction),
        lambda x, t: f(torch.nn.functional, x, t, torch.tensor(weight, dtype=torch.float64), reduction),
        [logits(rng, shape).astype(dtype), distributions(rng, shape).astype(dtype)],
    )


@pytest.mark.parametrize("log_target", [False, True])
def test_batchmean_is_pytorchs_and_the_divergence_itself(torch, log_target):
    rng = np.random.default_rng(0)
    x, t = log_distributions(rng, (4, 3)), distributions(rng, (4, 3))
    close(functional.kl_div(mg.Tensor(x), mg.Tensor(t), reduction="batchmean"), (t * (np.log(t) - x)).sum() / 4)
    arguments = {"reduction": "batchmean", "log_target": log_target}
    same_to_second_order(
        torch,
        lambda x, t: functional.kl_div(x, t, **arguments),
        lambda x, t: torch.nn.functional.kl_div(x, t, **arguments),
        [x, np.log(t) if log_target else t],
    )


# -------------------------------------------------------------------------------------------- against differences


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_first_and_second_derivatives_agree_with_differences(name, reduction):
    """To the input, the target and the weight."""
    f, of_input, of_target = ELEMENTWISE[name]
    rng = np.random.default_rng(3)
    inputs = [of_input(rng, (3, 2)), of_target(rng, (3, 2)), rng.uniform(0.5, 2, (2,))]
    assert mg.check.gradcheck(
        lambda x, t, w: f(functional, x, t, w, reduction), [mg.Tensor(a) for a in inputs], order=2
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", OF_CLASSES)
def test_first_and_second_derivatives_of_classifications_agree_with_differences(name, reduction):
    """To the input and the class weights, which in the mean stand below the line as well; and to target probabilities."""
    f, rng = OF_CLASSES[name], np.random.default_rng(4)
    x, w = mg.Tensor(logits(rng, (4, 3, 2))), mg.Tensor(rng.uniform(0.5, 2, 3))
    index = mg.Tensor(rng.integers(0, 3, (4, 2)))
    assert mg.check.gradcheck(lambda x, w: f(functional, x, index, w, reduction), [x, w], order=2)
    if name in OF_PROBABILITIES:
        t = mg.Tensor(distributions(rng, (4, 3, 2)))
        assert mg.check.gradcheck(lambda x, t, w: f(functional, x, t, w, reduction), [x, t, w], order=2)


# ------------------------------------------------------------------------------------------------------ the formulas


def test_values_are_the_formulas():
    rng = np.random.default_rng(5)
    x, t, p = logits(rng, (4, 3)), probabilities(rng, (4, 3)), probabilities(rng, (4, 3))
    d, σ = np.abs(x - t), 1 / (1 + np.exp(-x))
    softmax = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    formulas = {
        "mse_loss": (x, t, (x - t) ** 2),
        "l1_loss": (x, t, d),
        "smooth_l1_loss": (x, t, np.where(d < 1, d * d / 2, d - 0.5)),
        "binary_cross_entropy": (p, t, -t * np.log(p) - (1 - t) * np.log(1 - p)),
        "binary_cross_entropy_with_logits": (x, t, -t * np.log(σ) - (1 - t) * np.log(1 - σ)),
        "kl_div": (np.log(p), t, t * (np.log(t) - np.log(p))),
        "cross_entropy": (x, t, -(t * np.log(softmax)).sum(1)),
    }
    for name, (a, b, expected) in formulas.items():
        loss = getattr(functional, name)
        a, b = mg.Tensor(a), mg.Tensor(b)
        close(loss(a, b, reduction="none"), expected)
        close(loss(a, b, reduction="sum"), expected.sum())
        close(loss(a, b, reduction="mean"), expected.mean())
        close(loss(a, b), expected.mean())


def test_cross_entropy_of_indices_is_that_of_one_hot_probabilities():
    rng = np.random.default_rng(6)
    x, index = mg.Tensor(logits(rng, (5, 4))), mg.Tensor(rng.integers(0, 4, 5))
    weight = mg.Tensor(rng.uniform(0.5, 2, 4))
    one_hot = functional.one_hot(index, 4).to(x)
    for options in ({}, {"label_smoothing": 0.2}, {"weight": weight}, {"label_smoothing": 0.2, "weight": weight}):
        a, b = (functional.cross_entropy(x, t, reduction="none", **options) for t in (index, one_hot))
        close(a, b.numpy())


def test_binary_cross_entropy_of_logits_is_that_of_their_probabilities():
    rng = np.random.default_rng(7)
    x, t = mg.Tensor(logits(rng, (5, 4))), mg.Tensor(probabilities(rng, (5, 4)))
    a = functional.binary_cross_entropy_with_logits(x, t)
    assert functional.binary_cross_entropy(x.sigmoid(), t).item() == pytest.approx(a.item(), rel=1e-12)


def test_kl_div_counts_nothing_where_the_target_is_0():
    """0·log 0 is 0, and neither it nor its gradient is NaN."""
    x = mg.log(mg.tensor([[0.5, 0.5]])).requires_grad_()
    loss = functional.kl_div(x, mg.tensor([[1.0, 0.0]]), reduction="sum")
    assert loss.item() == pytest.approx(np.log(2))
    assert mg.grad(loss, x)[0].tolist() == [[-1.0, 0.0]]


# --------------------------------------------------------------------------------------------------------- stability


@pytest.mark.parametrize("scale", [100.0, 1e4])
@pytest.mark.parametrize("t", [0.0, 0.1, 1.0])
def test_binary_cross_entropy_with_logits_is_exact_at_extreme_logits(scale, t):
    """A logit that is wrong costs its size, one that is right costs nothing; the gradient is σ(x) − t."""
    x = mg.tensor([-scale, scale], requires_grad=True)
    loss = functional.binary_cross_entropy_with_logits(x, mg.tensor([t, t]), reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [t * scale, (1 - t) * scale], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(mg.grad(loss.sum(), x)[0].numpy(), [-t, 1 - t], rtol=1e-6, atol=1e-30)


def test_the_little_that_a_right_answer_costs_keeps_its_digits():
    """log(1 + e⁻²⁰) = 2·10⁻⁹ would be lost beside the 20 in 20 + log(1 + e⁻²⁰) − 20."""
    x, t = mg.tensor([-20.0, 20.0]), mg.tensor([0.0, 1.0])
    loss = functional.binary_cross_entropy_with_logits(x, t, reduction="none")
    np.testing.assert_allclose(loss.numpy(), np.log1p(np.exp(-20)), rtol=1e-6)


@pytest.mark.parametrize("scale", [100.0, 1e4])
def test_cross_entropy_is_exact_at_extreme_logits(scale):
    x = mg.tensor([[scale, -scale, 0.0]] * 2, requires_grad=True)
    loss = functional.cross_entropy(x, [0, 1], reduction="none")
    np.testing.assert_allclose(loss.detach().numpy(), [0, 2 * scale], rtol=1e-6)
    np.testing.assert_allclose(mg.grad(loss.sum(), x)[0].numpy(), [[0, 0, 0], [1, -1, 0]], atol=1e-30)


OF_LOGITS = [name for name, (_, of_input, _) in ELEMENTWISE.items() if of_input is logits]


@pytest.mark.parametrize("scale", [100.0, 1e4])
@pytest.mark.parametrize("name", [*OF_LOGITS, *OF_PROBABILITIES])
def test_value_gradient_and_gradient_of_gradient_are_finite_at_extreme_values(name, scale):
    x = mg.tensor([[scale, -scale, 0.0], [-scale, -scale, scale]], requires_grad=True)
    weight = mg.tensor([0.5, 1.0, 2.0])
    if name in OF_CLASSES:
        targets, f = [mg.tensor([1, 2]), mg.tensor([[0.0, 0.3, 0.7]] * 2)], OF_CLASSES[name]
    else:
        targets, f = [mg.zeros(2, 3), mg.ones(2, 3)], ELEMENTWISE[name][0]
    for target in targets:
        loss = f(functional, x, target, weight, "mean")
        (g,) = mg.grad(loss, x, create_graph=True)
        assert (loss.dtype, g.dtype) == (np.float32, np.float32)
        assert mg.isfinite(loss)
        assert mg.isfinite(g).all()
        if g.requires_grad:
            assert mg.isfinite(mg.grad((g * g).sum(), x)[0]).all()


def test_binary_cross_entropy_of_certain_probabilities_is_100_at_most(torch):
    """As in PyTorch; there the gradient is lost, as the docstring says."""
    p, t = [0.0, 0.0, 1.0, 1.0, 1e-45], [0.0, 1.0, 0.0, 1.0, 1.0]
    x = mg.tensor(p, requires_grad=True)
    loss = functional.binary_cross_entropy(x, mg.tensor(t), reduction="none")
    assert loss.tolist() == [0.0, 100.0, 100.0, 0.0, 100.0]
    theirs = torch.nn.functional.binary_cross_entropy(torch.tensor(p), torch.tensor(t), reduction="none")
    assert theirs.tolist() == loss.tolist()
    assert mg.isfinite(mg.grad(loss.sum(), x)[0]).all()


# --------------------------------------------------------------------------------------------------------- the types


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_loss_has_the_type_of_the_input_whatever_that_of_the_target(name):
    f, of_input, of_target = ELEMENTWISE[name]
    rng = np.random.default_rng(8)
    x, t = of_input(rng, (3, 2)).astype(np.float32), of_target(rng, (3, 2))
    loss = f(functional, mg.Tensor(x), mg.Tensor(t), mg.ones(2), "mean")
    assert loss.dtype == np.float32


@pytest.mark.parametrize("target", [mg.tensor([True, False]), mg.tensor([1, 0]), [1, 0]], ids=str)
def test_a_target_may_be_integers_truth_values_or_a_list(target):
    x = mg.tensor([0.25, 0.75])
    for loss in (functional.mse_loss, functional.l1_loss, functional.binary_cross_entropy):
        assert loss(x, target).item() == loss(x, mg.tensor([1.0, 0.0])).item()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss"])
def test_between_integers_the_loss_is_that_of_floats(name):
    """The target is not cut to an integer, and bytes do not wrap around."""
    loss = getattr(functional, name)
    x, t = mg.Tensor(np.array([0, 200], np.uint8)), mg.Tensor(np.array([10, 100], np.uint8))
    assert loss(x, t).item() == loss(x.float(), t.float()).item()
    assert loss(mg.tensor([1, 2]), mg.tensor([1.5, 2.5])).item() > 0


@pytest.mark.parametrize("target", [np.array([2, 0], np.uint8), [2, 0], mg.tensor([2, 0])], ids=str)
def test_classes_may_come_as_integers_in_any_form(target):
    x = mg.randn(2, 3, generator=np.random.default_rng(0))
    expected = -x.log_softmax(1).numpy()[[0, 1], [2, 0]]
    np.testing.assert_array_equal(functional.cross_entropy(x, target, reduction="none").numpy(), expected)


# ------------------------------------------------------------------------------------------------------------ errors


def x(*shape):
    return mg.zeros(*shape)


SAME_SHAPE = [
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "cross_entropy",
]


@pytest.mark.parametrize("name", SAME_SHAPE)
def test_a_target_of_another_shape_is_refused_even_if_it_would_broadcast(name):
    for a, b in [((2, 3), (3,)), ((2, 1), (2, 3)), ((4, 3), (2, 3))]:
        assert message(getattr(functional, name), x(*a), x(*b)) == (
            ValueError,
            f"{name}: input has shape {a}, target has shape {b}; they must be equal"
            + (" (class indices must be integers)" if name == "cross_entropy" else ""),
        )


@pytest.mark.parametrize("name", [*SAME_SHAPE, "nll_loss"])
def test_another_reduction_is_refused(name):
    target = [0, 1] if name == "nll_loss" else x(2, 3)
    allowed = "'mean', 'sum', 'none' or 'batchmean'" if name == "kl_div" else "'mean', 'sum' or 'none'"
    assert message(getattr(functional, name), x(2, 3), target, reduction="average") == (
        ValueError,
        f"{name}: reduction must be {allowed}, got 'average'",
    )


CLASSIFICATION = pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])


@CLASSIFICATION
def test_a_target_that_is_no_class_is_refused(name):
    loss = getattr(functional, name)
    assert message(loss, x(2, 3), [0, 3]) == (IndexError, f"{name}: indices must be 0 to 2, got 0 to 3")
    assert message(loss, x(2, 3), [-1, 2]) == (IndexError, f"{name}: indices must be 0 to 2, got -1 to 2")


@CLASSIFICATION
def test_classes_of_another_shape_are_refused(name):
    for target in ([0], [[0], [1]], [[0, 1, 2], [0, 1, 2]]):
        shape = np.shape(target)
        assert message(getattr(functional, name), x(2, 3), target) == (
            ValueError,
            f"{name}: target of shape {shape} does not fit input (2, 3), which is (N, C, ...)",
        )


@CLASSIFICATION
@pytest.mark.parametrize("shape", [(2,), (4,), (1,), (3, 3), ()])
def test_class_weights_of_another_shape_are_refused(name, shape):
    expected = (ValueError, f"{name}: weight must have shape (3,), one number for each class, got {shape}")
    assert message(getattr(functional, name), x(2, 3), [0, 1], weight=mg.ones(*shape)) == expected
    if name == "cross_entropy":
        assert message(functional.cross_entropy, x(2, 3), x(2, 3), weight=mg.ones(*shape)) == expected


OTHER_ERRORS = {
    "nll_loss: expected integer indices, got float32": (TypeError, lambda: functional.nll_loss(x(2, 3), x(2))),
    "nll_loss: target of shape () does not fit input (3,), which is (N, C, ...)": (
        ValueError,
        lambda: functional.nll_loss(x(3), 1),
    ),
    "cross_entropy: input must be (N, C) or (N, C, ...), got shape (3,)": (
        ValueError,
        lambda: functional.cross_entropy(x(3), 1),
    ),
    "cross_entropy: label_smoothing lies in [0, 1], got 1.5": (
        ValueError,
        lambda: functional.cross_entropy(x(2, 3), [0, 1], label_smoothing=1.5),
    ),
    "smooth_l1_loss: beta must not be negative, got -1": (
        ValueError,
        lambda: functional.smooth_l1_loss(x(2), x(2), beta=-1),
    ),
    "binary_cross_entropy: expected probabilities in [0, 1], got values from -0.25 to 2. For logits use "
    "binary_cross_entropy_with_logits.": (
        ValueError,
        lambda: functional.binary_cross_entropy(mg.tensor([-0.25, 2.0]), x(2)),
    ),
    "binary_cross_entropy: expected probabilities in [0, 1], got values from nan to nan. For logits use "
    "binary_cross_entropy_with_logits.": (
        ValueError,
        lambda: functional.binary_cross_entropy(mg.tensor([0.5, np.nan]), x(2)),
    ),
}


@pytest.mark.parametrize("expected", OTHER_ERRORS)
def test_error_says_what_came_and_what_was_expected(expected):
    kind, call = OTHER_ERRORS[expected]
    assert message(call) == (kind, expected)
