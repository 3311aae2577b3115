"""The tester tested: wrong derivatives are planted, each of a kind that has really been written, and must be caught.

A planted rule is a Function whose `forward` is right and whose `backward` is wrong in one place. Beside each stands its
right version, which must pass: a check that refuses everything would catch every plant.
"""

import math
import re

import numpy as np
import pytest

import minigan as mg
from minigan.check import GradcheckError, adjoint_check, gradcheck
from minigan.modes import mode
from minigan.ops.shape import sum_to
from minigan.tensor import Function, Tensor

RNG = np.random.default_rng(7)


def normal(*shape, dtype=np.float64):
    return Tensor(RNG.standard_normal(shape).astype(dtype))


def positive(*shape):
    return Tensor(RNG.uniform(0.5, 2.0, shape))


def function(forward, backward, keeps=None):
    """An operation from a rule for arrays and a rule for gradients; `keeps` computes arrays that forward puts aside."""

    class Planted(Function):
        def forward(self, *arrays):
            if keeps is not None:
                self.kept = keeps(*arrays)
            return forward(*arrays)

        def backward(self, grad):
            return backward(self, grad, *self.inputs)

    return lambda *tensors: Planted()(*tensors)


# ------------------------------------------------------------------------------------- rules, right and wrong

X = normal(3, 4)


def cube(backward):
    return function(lambda x: x**3, backward)


def multiply(backward):
    return function(lambda a, b: a * b, backward)


def add_bias(backward):
    """(2, 3) + (1, 3): the gradient of the bias is summed over the first axis."""
    return function(lambda x, b: x + b, backward)


def exponential(backward):
    return function(np.exp, backward, keeps=lambda x: Tensor(np.exp(x)))


def square_matrices(backward):
    return function(lambda a, b: a @ b, backward)


def normalize(backward):
    """x̂ = (x − mean)/std of each column: batch norm without its weight."""

    def keep(x):
        rstd = 1 / np.sqrt(x.var(0) + 1e-3)
        return Tensor(rstd), Tensor((x - x.mean(0)) * rstd)

    return function(lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), backward, keeps=keep)


def normalize_rule(node, g, x, cached):
    rstd = mg.rsqrt(mg.var(x, 0, correction=0) + 1e-3)
    x_hat = (x - mg.mean(x, 0)) * rstd
    if "rstd" in cached:
        rstd = node.kept[0]
    if "x_hat" in cached:
        x_hat = node.kept[1]
    return (rstd * (g - mg.mean(g, 0) - x_hat * mg.mean(g * x_hat, 0)),)


def swish(backward):
    """x·σ(x), whose derivative σ + x·σ·(1 − σ) a rule may write down by hand."""
    return function(lambda x: x / (1 + np.exp(-x)), backward)


def sigmoid_with_wrong_third(node, g, x):
    """f = x³, f′ right, f″ right, f‴ not: the rule of the inner node is 6x with a constant instead of 6."""
    six_x = function(lambda x: 6 * x, lambda node, g, x: (g * 5.9,))
    three_x2 = function(lambda x: 3 * x**2, lambda node, g, x: (g * six_x(x),))
    return (g * three_x2(x),)


ONE_OF_1000 = np.ones(1000)
ONE_OF_1000[417] = 1.01


def fast_path(wrong):
    """Right where a graph is recorded; where none is, the rule is another one, as a fused kernel's would be."""
    return lambda node, g, x: (g * 3 * x**2,) if mode.recording else (Tensor(wrong * g.data * 3 * x.data**2),)


def in_place(node, g, x):
    gradient = g * 3 * x**2
    g.data[...] = 0  # an array that somebody else may hold too
    return (gradient,)


RIGHT = {
    "cube": (cube(lambda n, g, x: (g * 3 * x**2,)), [X]),
    "product": (multiply(lambda n, g, a, b: (g * b, g * a)), [normal(2, 3), normal(2, 3)]),
    "bias": (add_bias(lambda n, g, x, b: (g, sum_to(g, b.shape))), [normal(2, 3), normal(1, 3)]),
    "exponential": (exponential(lambda n, g, x: (g * mg.exp(x),)), [X]),
    "matrices": (
        square_matrices(lambda n, g, a, b: (g @ b.transpose(0, 1), a.transpose(0, 1) @ g)),
        [normal(3, 3)] * 2,
    ),
    "normalization": (normalize(lambda n, g, x: normalize_rule(n, g, x, "")), [normal(5, 3)]),
    "thousand": (lambda x: cube(lambda n, g, x: (g * 3 * x**2,))(x), [normal(1000)]),
    "fast path": (cube(fast_path(1.0)), [X]),
    "only what is needed": (
        multiply(lambda n, g, a, b: (g * b if n.needs[0] else None, g * a if n.needs[1] else None)),
        [normal(2), normal(2)],
    ),
    "leaky relu": (lambda x: mg.leaky_relu(x, 0.2), [normal(3, 4)]),
    "swish": (swish(lambda n, g, x: (g * (mg.sigmoid(x) + x * mg.sigmoid(x) * (1 - mg.sigmoid(x))),)), [X]),
}

# name: the operation, its inputs, the lowest order at which it is wrong
WRONG = {
    "another derivative": (cube(lambda n, g, x: (g * 2 * x**2,)), [X], 1),
    "a factor of 1.001": (cube(lambda n, g, x: (g * 3.003 * x**2,)), [X], 1),
    "the sign": (cube(lambda n, g, x: (-g * 3 * x**2,)), [X], 1),
    "no gradient at all": (cube(lambda n, g, x: (g * 0,)), [X], 1),
    "None": (cube(lambda n, g, x: (None,)), [X], 1),
    "the incoming gradient is left out": (cube(lambda n, g, x: (3 * x**2,)), [X], 1),
    "shifted by one place": (cube(lambda n, g, x: (mg.roll(g * 3 * x**2, 1, 0),)), [X], 1),
    "not a number": (cube(lambda n, g, x: (g * math.nan,)), [X], 1),
    "infinite in one element": (cube(lambda n, g, x: (g / Tensor(np.eye(3, 4)),)), [X], 1),
    "one element of a thousand": (cube(lambda n, g, x: (g * 3 * x**2 * Tensor(ONE_OF_1000),)), [positive(1000)], 1),
    "the first of two inputs": (multiply(lambda n, g, a, b: (g * b * 1.01, g * a)), [normal(2, 3), normal(2, 3)], 1),
    "the second of two inputs": (multiply(lambda n, g, a, b: (g * b, g * b)), [normal(2, 3), normal(2, 3)], 1),
    "a broadcast that is averaged": (
        add_bias(lambda n, g, x, b: (g, mg.mean(g, 0, True))),
        [normal(2, 3), normal(1, 3)],
        1,
    ),
    "a broadcast of which one row is taken": (add_bias(lambda n, g, x, b: (g, g[:1])), [normal(2, 3), normal(1, 3)], 1),
    "a matrix that is not transposed": (
        square_matrices(lambda n, g, a, b: (g @ b, a.transpose(0, 1) @ g)),
        [normal(3, 3), normal(3, 3)],
        1,
    ),
    "the mask of the other side": (
        function(lambda x: np.maximum(x, 0.2 * x), lambda n, g, x: (g * mg.where(x < 0, 1.0, 0.2),)),
        [normal(3, 4)],
        1,
    ),
    "detach in the definition": (lambda x: x * x.detach(), [X], 1),
    "one of several outputs": (
        lambda x: (mg.sin(x), cube(lambda n, g, x: (g * 3.01 * x**2,))(x), mg.cos(x)),
        [X],
        1,
    ),
    "where no graph is recorded": (cube(fast_path(1.001)), [X], 1),
    "where only the second is asked for": (
        multiply(lambda n, g, a, b: (g * b, g * a if n.needs[0] else g * b)),
        [normal(2), normal(2)],
        1,
    ),
    "where only the first is asked for": (
        multiply(lambda n, g, a, b: (g * b if n.needs[1] else None, g * a)),
        [normal(2), normal(2)],
        1,
    ),
    "changes the gradient it was given": (cube(in_place), [X], 1),
    "batch norm without the term of the mean": (
        normalize(lambda n, g, x: (n.kept[0] * (g - n.kept[1] * mg.mean(g * n.kept[1], 0)),)),
        [normal(5, 3)],
        1,
    ),
    "an output kept as a constant": (exponential(lambda n, g, x: (g * n.kept,)), [X], 2),
    "batch norm with its std kept as a constant": (
        normalize(lambda n, g, x: normalize_rule(n, g, x, ["rstd"])),
        [normal(5, 3)],
        2,
    ),
    "batch norm with its output kept as a constant": (
        normalize(lambda n, g, x: normalize_rule(n, g, x, ["x_hat"])),
        [normal(5, 3)],
        2,
    ),
    "a derivative that is a constant array": (cube(lambda n, g, x: (g * Tensor(3 * x.data**2),)), [X], 2),
    "a rule that detaches the gradient": (cube(lambda n, g, x: (g.detach() * 3 * x**2,)), [X], 2),
    "the second order of one element": (
        cube(lambda n, g, x: (g * 3 * mg.where(Tensor(ONE_OF_1000 > 1), x.detach(), x) ** 2,)),
        [positive(1000)],
        2,
    ),
    "the third order": (function(lambda x: x**3, sigmoid_with_wrong_third), [X], 3),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_rules_pass_to_third_order(name):
    f, inputs = RIGHT[name]
    for seed in range(3):
        assert gradcheck(f, inputs, order=3, seed=seed) is True


@pytest.mark.parametrize("name", WRONG)
def test_a_planted_error_is_caught_at_its_order_whatever_the_seed(name):
    f, inputs, order = WRONG[name]
    for seed in range(20):
        if order > 1:
            assert gradcheck(f, inputs, order - 1, seed=seed)
        with pytest.raises(GradcheckError, match=f"gradcheck, order {order}: "):
            gradcheck(f, inputs, order, seed=seed)
    with pytest.raises(GradcheckError, match=f"gradcheck, order {order}: "):
        gradcheck(f, inputs, order + 1)


def test_the_message_says_what_the_engine_and_the_difference_say():
    double = function(lambda x: x * 1, lambda n, g, x: (g * 2,))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(double, normal(3, 4))
    difference, claimed = re.search(
        r"derivative is (\S+) by finite differences, but (\S+) by", str(caught.value)
    ).groups()
    assert float(claimed) == pytest.approx(2 * float(difference), rel=1e-6)
    assert "by the gradients of inputs of shape (3, 4)" in str(caught.value)
    assert issubclass(GradcheckError, AssertionError)


# ---------------------------------------------------------------------------------------------------------- kinks


def folded(slope):
    """|x|, whose derivative is claimed to be slope·sign x."""
    return function(np.abs, lambda n, g, x: (g * Tensor(slope * np.sign(x.data)),))


def outcome(f, inputs, **options):
    try:
        return gradcheck(f, inputs, **options)
    except (GradcheckError, ValueError) as error:
        return type(error)


def test_directions_that_cross_a_kink_are_drawn_again():
    """|x| at 5·10⁻⁶, half a step away: about every second direction crosses 0, and its difference is wrong."""
    for seed in range(30):
        assert gradcheck(mg.abs, Tensor(np.array([5e-6, 1.0])), seed=seed)
        assert gradcheck(mg.relu, Tensor(np.array([5e-6, -5e-6, 1.0])), order=2, seed=seed)


@pytest.mark.parametrize("slope", [1.001, 0.99, 0.5, 0.0, -1.0])
def test_drawing_again_hides_no_wrong_derivative(slope):
    """Whether a direction is drawn again is asked of f alone. So the rule below is refused wherever the right one passes,
    and never passes itself, be the kink far from the input, nearer than a step, or in almost every direction."""
    passed = refused = 0
    for distance in (1e-2, 3e-5, 1e-5, 3e-6, 1e-6, 1e-7):
        for seed in range(25):
            x = Tensor(np.array([distance, -distance, 0.7]))
            right, wrong = (outcome(folded(s), x, seed=seed) for s in (1.0, slope))
            assert right in (True, ValueError)
            assert wrong is (GradcheckError if right is True else wrong)
            assert wrong is not True
            passed += right is True
            refused += right is ValueError
    assert passed >= 75, "the right rule passes where it can be checked at all"
    assert refused >= 25, "and some inputs are too near to the kink for any check"


def test_the_directions_that_count_do_not_depend_on_the_claim():
    """The same points are evaluated for a right and a wrong rule, up to the first disagreement."""

    def evaluations(slope, seed):
        points = []

        def f(x):
            points.append(x.data.copy())
            return folded(slope)(x)

        outcome(f, Tensor(np.array([6e-6, -8e-6, 0.7])), seed=seed)
        return points

    for seed in range(20):
        right, wrong = evaluations(1.0, seed), evaluations(0.9, seed)
        assert len(wrong) < len(right)
        np.testing.assert_array_equal(wrong, right[: len(wrong)])


def test_inputs_too_near_to_a_kink_are_refused():
    with pytest.raises(
        ValueError, match="gradcheck, order 1: f has a kink in almost every direction; choose inputs away"
    ):
        gradcheck(mg.abs, Tensor(np.full(20, 1e-7)))


def test_inputs_on_a_kink_are_refused_with_the_slopes_on_both_sides():
    with pytest.raises(ValueError, match=r"order 1: the inputs lie on a kink of f: .* its slope is .* on one side"):
        gradcheck(lambda x: mg.leaky_relu(x, 0.1), mg.zeros(2))
    assert gradcheck(mg.abs, mg.zeros(2)), (
        "where the convention is the mean of both sides there is nothing to object to"
    )


def test_a_jump_is_a_kink():
    with pytest.raises(ValueError, match="kink"):
        gradcheck(lambda x: mg.sign(x) * 1e3 + x, Tensor(np.full(10, 1e-9)))


def test_a_smooth_function_of_great_curvature_is_not_taken_for_a_kink():
    wrong = function(lambda x: np.sin(300 * x), lambda n, g, x: (g * 299 * mg.cos(300 * x),))
    right = function(lambda x: np.sin(300 * x), lambda n, g, x: (g * 300 * mg.cos(300 * x),))
    for seed in range(10):
        assert gradcheck(right, X, seed=seed)
        with pytest.raises(GradcheckError):
            gradcheck(wrong, X, seed=seed)


# ----------------------------------------------------------------------------------------- what can be checked


def test_float32_inputs_are_checked_in_float64():
    seen = set()

    def f(x):
        seen.add(x.dtype)
        return mg.exp(x)

    x = normal(3, dtype=np.float32)
    assert gradcheck(f, x, order=2)
    assert seen == {np.dtype(np.float64)}
    assert x.dtype == np.float32


def test_inputs_are_left_alone():
    x = normal(3, dtype=np.float32).requires_grad_()
    before = x.data.copy()
    gradcheck(mg.exp, x)
    assert (x.data == before).all()
    assert (x.grad, x._version, x.requires_grad) == (None, 0, True)


def test_integers_and_masks_are_passed_through():
    scores, labels, mask = normal(4, 3), Tensor([[0], [2], [1], [0]]), Tensor([[True], [False], [True], [True]])

    def f(scores, labels, mask):
        assert (labels.dtype, mask.dtype) == (np.int64, np.bool_)
        return mg.where(mask, scores.gather(1, labels) ** 3, 0.0)

    assert gradcheck(f, [scores, labels, mask], order=2)


def test_only_inputs_that_require_a_gradient_are_differentiated_if_any_does():
    a, b = normal(3).requires_grad_(), normal(3, dtype=np.float32)
    wrong_in_b = multiply(lambda n, g, a, b: (g * b, g * 17))

    def f(a, b):
        assert (a.requires_grad, b.requires_grad, b.dtype) == (True, False, np.float64)
        return wrong_in_b(a, b)

    assert gradcheck(f, [a, b], order=2)
    with pytest.raises(GradcheckError):
        gradcheck(wrong_in_b, [a.detach(), b])


def test_several_outputs_some_of_them_constant_or_integer():
    assert gradcheck(lambda x: (mg.sin(x), mg.ones(2).double(), x > 0, x.sum()), X, order=2)


@pytest.mark.parametrize(
    "f", [lambda x: x * 0, lambda x: mg.ones(2).double(), lambda x: mg.sign(x), lambda x: x * 0 + mg.ones(1)]
)
def test_a_gradient_that_is_zero_is_checked_too(f):
    assert gradcheck(f, X, order=3)


def test_zero_is_a_wrong_answer_where_the_function_moves():
    with pytest.raises(GradcheckError, match="but 0 by the gradients"):
        gradcheck(lambda x: mg.exp(x.detach()), X)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0, 3), (1, 1, 1, 1)])
def test_inputs_of_any_shape(shape):
    assert gradcheck(lambda x: mg.exp(x) * x, Tensor(np.full(shape, 0.5)), order=3)


def test_third_and_fourth_order():
    assert gradcheck(lambda x: mg.tanh(x) * mg.exp(-(x**2)), X, order=4, rtol=1e-4)


def test_a_function_that_differentiates_inside_is_checked():
    """The gradient penalty of WGAN-GP, with respect to the images and the weights."""

    def penalty(x, w):
        (g,) = mg.grad(mg.tanh(x @ w).sum(), x, create_graph=True)
        return ((mg.sqrt((g**2).sum(1)) - 1) ** 2).mean()

    assert gradcheck(penalty, [normal(4, 3), normal(3, 2)], order=2)
    with pytest.raises(GradcheckError, match="order 1"):  # without create_graph the penalty has no gradient to w
        gradcheck(lambda x, w: (mg.grad(mg.tanh(x @ w).sum(), x)[0] ** 2).sum(), [normal(4, 3), normal(3, 2)])


def test_gradcheck_records_also_under_no_grad():
    with mg.no_grad():
        assert gradcheck(mg.exp, X, order=2)
        assert not mg.is_grad_enabled()


def test_the_same_seed_gives_the_same_verdict_and_touches_no_other_generator():
    state = mg.get_rng_state()
    f, inputs, _ = WRONG["a factor of 1.001"]
    messages = set()
    for seed in (1, 1, 2):
        with pytest.raises(GradcheckError) as caught:
            gradcheck(f, inputs, seed=seed)
        messages.add(str(caught.value))
    assert len(messages) == 2
    assert mg.get_rng_state() == state


def noisy():
    rng = np.random.default_rng(0)
    return lambda x: x * Tensor(rng.standard_normal(x.shape))


def doubling_in_place():
    def double(x):
        x *= 2
        return x * 1

    return function(double, lambda n, g, x: (g * 2,))


@pytest.mark.parametrize(
    ("f", "inputs", "order", "kind", "message"),
    [
        (mg.exp, X, 0, ValueError, "gradcheck: order must be at least 1, got 0"),
        (mg.exp, Tensor([1, 2]), 1, ValueError, "gradcheck: no input is floating"),
        (mg.exp, [], 1, ValueError, "gradcheck: no input is floating"),
        (lambda x: x > 0, X, 1, ValueError, "gradcheck: no output of f is floating"),
        (
            lambda x: x.item(),
            normal(1),
            1,
            TypeError,
            "gradcheck: f must return a Tensor or several, it returned float",
        ),
        (lambda x: None, X, 1, TypeError, "it returned NoneType"),
        (lambda x: [x, x.data], X, 1, TypeError, "it returned list"),
        (lambda x: (), X, 1, TypeError, "it returned tuple"),
        (noisy(), X, 1, ValueError, "output 0 of f was different when f was called again .* begin from the same seed"),
        (lambda x: mg.exp(x.float()), X, 1, ValueError, "output 0 of f is float32 for float64 inputs"),
        (doubling_in_place(), X, 1, ValueError, "f changes the values of its input 0 in place"),
    ],
)
def test_what_cannot_be_checked_is_refused(f, inputs, order, kind, message):
    with pytest.raises(kind, match=message):
        gradcheck(f, inputs, order)


def test_gradcheck_frees_what_it_made():
    """Nothing of it stays in the graph of its inputs."""
    x = normal(2).requires_grad_()
    gradcheck(mg.exp, x, order=2)
    assert x.is_leaf
    assert x.grad is None


# -------------------------------------------------------------------------------------------------- adjoint_check

W32, W64 = normal(8, 4, 3, 3, dtype=np.float32), normal(8, 4, 3, 3)
ONE_TAP = Tensor(W32.data * (1 + 0.5 * (np.arange(W32.numel()).reshape(W32.shape) == 100)).astype(np.float32))
FLIPPED = Tensor(np.ascontiguousarray(W32.data[:, :, ::-1, ::-1]))
IMAGES = mg.zeros(4, 4, 16, 16)


def conv(w, **options):
    return lambda x: mg.conv2d(x, w, stride=2, padding=1, **options)


def transposed(w, **options):
    return lambda y: mg.conv_transpose2d(y, w, stride=2, padding=1, output_padding=1, **options)


def spoil(f, factor, place=None):
    """`f` with its result, or one element of it, multiplied by `factor`."""

    def spoiled(x):
        y = f(x).data.copy()
        y.reshape(-1)[slice(None) if place is None else place] *= factor
        return Tensor(y)

    return spoiled


@pytest.mark.parametrize("kernels", mg.backend.KERNELS)
@pytest.mark.parametrize(("w", "dtype"), [(W32, np.float32), (W64, np.float64)])
def test_a_convolution_and_its_transpose_are_adjoint(kernels, w, dtype):
    with mg.backend.use_kernels(kernels):
        for seed in range(20):
            assert adjoint_check(conv(w), transposed(w), IMAGES.to(dtype), seed=seed) is True


@pytest.mark.parametrize(
    ("linear", "adjoint"),
    {
        "a factor of 1.001": (conv(W32), spoil(transposed(W32), 1.001)),
        "the sign": (conv(W32), spoil(transposed(W32), -1)),
        "one pixel of 4096": (conv(W32), spoil(transposed(W32), 0, 1000)),
        "one tap of the kernel": (conv(W32), transposed(ONE_TAP)),
        "the kernel flipped": (conv(W32), transposed(FLIPPED)),
        "a map that is not linear": (conv(W32, bias=mg.ones(8)), transposed(W32)),
        "nothing": (conv(W32), spoil(transposed(W32), 0)),
        "not a number": (conv(W32), spoil(transposed(W32), np.nan, 0)),
    }.values(),
    ids=lambda _: "",
)
def test_a_planted_error_is_seen_in_float32(linear, adjoint):
    with mg.backend.use_kernels("reference"):
        for seed in range(20):
            with pytest.raises(GradcheckError, match=r"adjoint_check: ⟨A x, y⟩ = .*, but ⟨x, Aᵀ y⟩ = "):
                adjoint_check(linear, adjoint, IMAGES, seed=seed)


def test_the_tolerance_does_not_grow_with_the_size():
    """A thousandth is seen among a million numbers, in float32."""
    x = mg.zeros(1000, 1000)
    total, copies = lambda x: mg.sum(x, 0), lambda y: mg.broadcast_to(y, (1000, 1000))
    assert adjoint_check(total, copies, x)
    for seed in range(5):
        with pytest.raises(GradcheckError):
            adjoint_check(total, lambda y: copies(y) * 1.001, x, seed=seed)


def test_float64_is_held_to_float64():
    x = mg.zeros(5, 7).double()
    with pytest.raises(GradcheckError):
        adjoint_check(lambda x: x * 2, lambda y: y * (2 + 1e-10), x)
    assert adjoint_check(lambda x: x * 2, lambda y: y * (2 + 1e-10), x, rtol=1e-8)


def test_an_adjoint_that_leads_elsewhere_is_named():
    with pytest.raises(GradcheckError, match=r"the adjoint leads to shape \(3, 1\), the map came from shape \(3, 4\)"):
        adjoint_check(lambda x: x.sum(1, keepdim=True), lambda y: y, mg.zeros(3, 4))
