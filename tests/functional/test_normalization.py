"""minigan.functional.normalization: PyTorch's to the second order, with its running statistics; and what the four share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import KERNELS, LAYOUTS, assert_same_to_second_order, closeness, drawn, lay_out, message

import minigan as mg
from minigan import functional

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}  # of the largest number; a small variance magnifies rounding
close = closeness(TOLERANCE)


# ----------------------------------------------------------------------------------------------------- against PyTorch


def same_to_second_order(torch, ours, theirs, arrays, layout):
    assert_same_to_second_order(torch, ours, theirs, arrays, arrays[0].shape, close, layout)


@st.composite
def batches(draw, least_axes=2, most_axes=4):
    """x, and weight and bias where there are such, and the layout of x; every channel has two values or more."""
    shape = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(least_axes, most_axes)))]
    if np.prod([1, *shape[2:]]) < 2:
        shape[0], shape[-1] = max(shape[0], 2), max(shape[-1], 2)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layout = draw(st.sampled_from(LAYOUTS))
    return lay_out(rng.standard_normal(shape) * 2 + 1, layout), layout, draw(st.booleans()), rng


def with_affine(function):
    """`function(x, weight, bias)`, where weight and bias may be left out."""
    return lambda x, *affine: function(x, *(affine or (None, None)))


@KERNELS
@drawn(60)
@given(batch=batches(), eps=st.sampled_from([1e-3, 0.1]), training=st.booleans())
def test_batch_norm_is_pytorchs_to_second_order(torch, kernels, batch, eps, training):
    x, layout, affine, rng = batch
    channels = x.shape[1]
    arrays = [x, *(rng.standard_normal(channels) for _ in range(2 if affine else 0))]
    mean, var = rng.standard_normal(channels), rng.uniform(0.5, 2, channels)
    # Fresh running statistics for every call, because it moves them.
    ours = lambda x, w, b: functional.batch_norm(  # noqa: E731
        x, mg.tensor(mean), mg.tensor(var), w, b, training, eps=eps
    )
    theirs = lambda x, w, b: torch.nn.functional.batch_norm(  # noqa: E731
        x, torch.tensor(mean), torch.tensor(var), w, b, training, eps=eps
    )
    with mg.backend.use_kernels(kernels):
        same_to_second_order(torch, with_affine(ours), with_affine(theirs), arrays, layout)


@KERNELS
@drawn(40)
@given(batch=batches(), eps=st.sampled_from([1e-3, 0.1]), axes=st.integers(1, 3))
def test_layer_norm_is_pytorchs_to_second_order(torch, kernels, batch, eps, axes):
    x, layout, affine, rng = batch
    shape = x.shape[-axes:]
    arrays = [x, *(rng.standard_normal(shape) for _ in range(2 if affine else 0))]
    ours = lambda x, w, b: functional.layer_norm(x, shape, w, b, eps)  # noqa: E731
    theirs = lambda x, w, b: torch.nn.functional.layer_norm(x, shape, w, b, eps)  # noqa: E731
    with mg.backend.use_kernels(kernels):
        same_to_second_order(torch, with_affine(ours), with_affine(theirs), arrays, layout)


@KERNELS
@drawn(40)
@given(batch=batches(), eps=st.sampled_from([1e-3, 0.1]), data=st.data())
def test_group_norm_is_pytorchs_to_second_order(torch, kernels, batch, eps, data):
    x, layout, affine, rng = batch
    channels = x.shape[1]
    groups = data.draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    arrays = [x, *(rng.standard_normal(channels) for _ in range(2 if affine else 0))]
    ours = lambda x, w, b: functional.group_norm(x, groups, w, b, eps)  # noqa: E731
    theirs = lambda x, w, b: torch.nn.functional.group_norm(x, groups, w, b, eps)  # noqa: E731
    with mg.backend.use_kernels(kernels):
        same_to_second_order(torch, with_affine(ours), with_affine(theirs), arrays, layout)


@KERNELS
@drawn(40)
@given(batch=batches(least_axes=3), eps=st.sampled_from([1e-3, 0.1]))
def test_instance_norm_is_pytorchs_to_second_order(torch, kernels, batch, eps):
    x, layout, affine, rng = batch
    if np.prod(x.shape[2:]) < 2:
        x = np.concatenate([x, 2 * x + 1], axis=-1)
    arrays = [x, *(rng.standard_normal(x.shape[1]) for _ in range(2 if affine else 0))]
    ours = lambda x, w, b: functional.instance_norm(x, weight=w, bias=b, eps=eps)  # noqa: E731
    theirs = lambda x, w, b: torch.nn.functional.instance_norm(x, weight=w, bias=b, eps=eps)  # noqa: E731
    with mg.backend.use_kernels(kernels):
        same_to_second_order(torch, with_affine(ours), with_affine(theirs), arrays, layout)


@KERNELS
@drawn(60)
@given(batch=batches(), slope=st.sampled_from([0, 0.2, 1, 3]), training=st.booleans())
def test_batch_norm_leaky_relu_is_the_one_after_the_other_bit_for_bit(kernels, batch, slope, training):
    """Value, gradients, and the running statistics afterwards."""
    x, layout, affine, rng = batch
    channels = x.shape[1]
    arrays = [x, *(rng.standard_normal(channels) for _ in range(2 if affine else 0))]
    arrays = [lay_out(a.astype(np.float32), layout if a is x else "C") for a in arrays]
    ȳ = mg.Tensor(rng.standard_normal(x.shape).astype(np.float32))

    def run(f):
        running = mg.zeros(channels), mg.ones(channels)
        tensors = [mg.Tensor(a, requires_grad=True) for a in arrays]
        y = with_affine(lambda x, w, b: f(x, *running, w, b, training))(*tensors)
        return [t.numpy() for t in (y, *mg.grad(y, tensors, ȳ), *running)]

    with mg.backend.use_kernels(kernels):
        joined = run(lambda *a: functional.batch_norm_leaky_relu(*a, negative_slope=slope))
        one_by_one = run(lambda *a: mg.leaky_relu(functional.batch_norm(*a), slope))
    for a, b in zip(joined, one_by_one, strict=True):
        np.testing.assert_array_equal(a, b)


# The functions as what they are of (x, weight, bias), and the shape of weight and bias for x of shape (4, 6, 2, 3).
MEAN, VAR = np.linspace(-1, 1, 6), np.linspace(0.5, 2, 6)
NORMS = {
    "batch_norm_leaky_relu, training": (
        lambda x, w, b: functional.batch_norm_leaky_relu(x, None, None, w, b, training=True, eps=1e-2),
        (6,),
    ),
    "batch_norm_leaky_relu, eval": (
        lambda x, w, b: functional.batch_norm_leaky_relu(
            x, *(mg.tensor(v).to(x) for v in (MEAN, VAR)), w, b, eps=1e-2, negative_slope=0.2
        ),
        (6,),
    ),
    "batch_norm, training": (
        lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True, eps=1e-2),
        (6,),
    ),
    "batch_norm, no running statistics": (
        lambda x, w, b: functional.batch_norm(x, None, None, w, b, eps=1e-2),
        (6,),
    ),
    "batch_norm, eval": (
        lambda x, w, b: functional.batch_norm(x, *(mg.tensor(v).to(x) for v in (MEAN, VAR)), w, b, eps=1e-2),
        (6,),
    ),
    "layer_norm": (lambda x, w, b: functional.layer_norm(x, (2, 3), w, b, eps=1e-2), (2, 3)),
    "group_norm": (lambda x, w, b: functional.group_norm(x, 3, w, b, eps=1e-2), (6,)),
    "instance_norm": (lambda x, w, b: functional.instance_norm(x, weight=w, bias=b, eps=1e-2), (6,)),
}
EVERY = pytest.mark.parametrize("name", NORMS)


def inputs(name, dtype=np.float64):
    rng = np.random.default_rng(0)
    shapes = [(4, 6, 2, 3), NORMS[name][1], NORMS[name][1]]
    return [mg.Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in shapes]


@EVERY
@KERNELS
def test_first_and_second_derivatives_agree_with_differences(name, kernels):
    """Both ways back: the kernel, where nothing is recorded, and the formula in Tensor operations, where it is."""
    f, tensors = NORMS[name][0], inputs(name)
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(f, tensors, order=2)
        weight = mg.randn(4, 6, 2, 3, dtype=np.float64, generator=np.random.default_rng(1))
        loss = (f(*tensors) * weight).sum()
        for a, b in zip(mg.grad(loss, tensors), mg.grad(loss, tensors, create_graph=True)):
            close(a, b.detach())


@EVERY
@KERNELS
def test_float32_stays_float32_and_is_as_exact_as_float32_can_be(name, kernels):
    f = NORMS[name][0]
    with mg.backend.use_kernels(kernels):
        single = inputs(name, np.float32)
        y = f(*single)
        gradients = mg.grad(y.sum() + (y**2).sum(), single)
        double = [mg.Tensor(t.numpy().astype(np.float64), requires_grad=True) for t in single]
        y64 = f(*double)
        expected = mg.grad(y64.sum() + (y64**2).sum(), double)
    for a, b in zip((y.detach(), *gradients), (y64.detach(), *expected)):
        assert a.dtype == np.float32
        close(a, b, "float32")


@EVERY
@pytest.mark.parametrize("present", [(True, False), (False, True), (False, False)])
def test_weight_and_bias_may_be_left_out_one_by_one(name, present):
    """Without them it is as with ones and zeros."""
    f, (x, w, b) = NORMS[name][0], inputs(name)
    ones, zeros = mg.ones(*w.shape, dtype=np.float64), mg.zeros(*b.shape, dtype=np.float64)
    got = f(x, w if present[0] else None, b if present[1] else None)
    close(got.detach(), f(x, w if present[0] else ones, b if present[1] else zeros).detach())


@KERNELS
@pytest.mark.parametrize("name", [name for name in NORMS if "eval" not in name])
def test_a_large_mean_beside_a_small_deviation_costs_few_digits(name, kernels):
    """float32 pictures of brightness 1000 ± 1: the variance is taken from the deviations, not from ⟨x²⟩ − μ²."""
    f, (x, *_) = NORMS[name][0], inputs(name, np.float32)
    with mg.backend.use_kernels(kernels):
        shifted = f(x.detach() + 1024.0, None, None)
        np.testing.assert_allclose(shifted.numpy(), f(x.detach(), None, None).numpy(), atol=2e-3)


# ----------------------------------------------------------------------------------------- what they have in common


def test_each_has_mean_0_and_variance_1_over_its_own_set_of_values():
    x = mg.randn(4, 6, 2, 3, dtype=np.float64, generator=np.random.default_rng(0)) * 3 + 5
    for y, axes in (
        (functional.batch_norm(x, None, None, training=True, eps=0), (0, 2, 3)),
        (functional.layer_norm(x, (6, 2, 3), eps=0), (1, 2, 3)),
        (functional.instance_norm(x, eps=0), (2, 3)),
        (functional.group_norm(x, 3, eps=0).reshape(4, 3, 2, 2, 3), (2, 3, 4)),
    ):
        np.testing.assert_allclose(y.mean(axes).numpy(), 0, atol=1e-12)
        np.testing.assert_allclose(y.var(axes, correction=0).numpy(), 1, atol=1e-12)


def test_one_group_is_layer_norm_and_a_group_for_each_channel_is_instance_norm():
    x = mg.randn(4, 6, 2, 3, generator=np.random.default_rng(0))
    close(functional.group_norm(x, 1), functional.layer_norm(x, (6, 2, 3)), "float32")
    close(functional.group_norm(x, 6), functional.instance_norm(x), "float32")


def test_instance_norm_is_batch_norm_of_one_picture():
    x = mg.randn(1, 3, 4, 5, generator=np.random.default_rng(0))
    close(functional.instance_norm(x), functional.batch_norm(x, None, None, training=True), "float32")


def test_layer_norm_takes_one_size_or_several():
    x = mg.randn(2, 3, 4, generator=np.random.default_rng(0))
    for size in (4, np.int64(4), (4,), [4]):
        close(functional.layer_norm(x, size), functional.layer_norm(x, (4,)), "float32")


@KERNELS
def test_batch_norm_does_not_depend_on_the_scale_of_its_input(kernels):
    """As ε → 0, BN(w·x) is the same for every w > 0, so every derivative with respect to w is 0."""
    rng = np.random.default_rng(0)
    x, v = (mg.randn(4, 3, 2, 2, dtype=np.float64, generator=rng) for _ in range(2))
    w = mg.Tensor(np.float64(1.7), requires_grad=True)
    with mg.backend.use_kernels(kernels):
        loss = (functional.batch_norm(w * x, None, None, training=True, eps=1e-15) * v).sum()
        (first,) = mg.grad(loss, w, create_graph=True)
        (second,) = mg.grad(first, w, create_graph=True)
        (third,) = mg.grad(second, w)
    for derivative in (first, second, third):
        assert abs(derivative.item()) < 1e-10


# ------------------------------------------------------------------------------------------------ running statistics


@KERNELS
@pytest.mark.parametrize("momentum", [0.1, 0.75, 0.0, 1.0])
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 6), (2, 3, 4, 5)], ids=str)
def test_running_statistics_are_pytorchs_over_several_steps(torch, kernels, momentum, shape):
    rng = np.random.default_rng(0)
    mean, var = mg.zeros(3), mg.ones(3)
    their_mean, their_var = torch.zeros(3), torch.ones(3)
    with mg.backend.use_kernels(kernels):
        for step in range(4):
            x = (rng.standard_normal(shape) * (step + 1) + step).astype(np.float32)
            y = functional.batch_norm(mg.Tensor(x), mean, var, training=True, momentum=momentum)
            expected = torch.nn.functional.batch_norm(
                torch.tensor(x), their_mean, their_var, training=True, momentum=momentum
            )
            np.testing.assert_allclose(y.numpy(), expected.numpy(), atol=1e-5)
            np.testing.assert_allclose(mean.numpy(), their_mean.numpy(), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(var.numpy(), their_var.numpy(), rtol=1e-5)
        x = rng.standard_normal(shape).astype(np.float32)
        y = functional.batch_norm(mg.Tensor(x), mean, var)
        expected = torch.nn.functional.batch_norm(torch.tensor(x), their_mean, their_var)
        np.testing.assert_allclose(y.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_running_statistics_take_in_the_mean_and_the_unbiased_variance():
    x = mg.tensor([[1.0], [2.0], [6.0]])  # mean 3, Σ(x − 3)² = 14
    mean, var = mg.tensor([10.0]), mg.tensor([20.0])
    functional.batch_norm(x, mean, var, training=True, momentum=0.25)
    assert mean.tolist() == [0.75 * 10 + 0.25 * 3]
    assert var.tolist() == [0.75 * 20 + 0.25 * 14 / 2]


def test_running_statistics_move_in_training_also_under_no_grad_and_rest_otherwise():
    x, mean, var = mg.tensor([[1.0], [3.0]]), mg.zeros(1), mg.ones(1)
    functional.batch_norm(x, mean, var)
    assert (mean.tolist(), var.tolist()) == ([0.0], [1.0])
    with mg.no_grad():
        functional.batch_norm(x, mean, var, training=True, momentum=0.5)
    assert (mean.tolist(), var.tolist()) == ([1.0], [1.5])


def test_one_running_statistic_alone_moves_too():
    x, mean = mg.tensor([[1.0], [3.0]]), mg.zeros(1)
    y = functional.batch_norm(x, mean, None, training=True, momentum=0.5)
    np.testing.assert_allclose(y.numpy(), [[-1], [1]], atol=1e-4)
    assert mean.tolist() == [1.0]


def test_running_statistics_get_new_arrays_and_keep_their_type():
    """The old array is as it was, for whoever holds it: a checkpoint, or another network."""
    mean, var = mg.zeros(2, dtype=np.float64), mg.ones(2, dtype=np.float64)
    held = mean.data, var.data
    functional.batch_norm(mg.randn(4, 2, dtype=np.float64), mean, var, training=True)
    assert (held[0].tolist(), held[1].tolist()) == ([0, 0], [1, 1])
    assert (mean.dtype, var.dtype) == (np.float64, np.float64)
    assert mean.tolist() != [0, 0]


def test_in_evaluation_the_running_statistics_are_constants():
    x, mean, var = (mg.Tensor(np.array(v), requires_grad=True) for v in ([[1.0], [5.0]], [2.0], [4.0]))
    y = functional.batch_norm(x, mean, var, eps=0.0)
    assert y.tolist() == [[-0.5], [1.5]]
    to_x, *rest = mg.grad(y.sum(), [x, mean, var], allow_unused=True)
    assert to_x.tolist() == [[0.5], [0.5]]
    assert rest == [None, None]


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3), (0, 3, 2, 2)], ids=str)
def test_in_evaluation_one_value_a_channel_is_enough_and_so_is_none(shape):
    y = functional.batch_norm(mg.ones(*shape), mg.zeros(3), mg.full((3,), 4.0), eps=0.0)
    np.testing.assert_array_equal(y.numpy(), np.full(shape, 0.5))


@pytest.mark.parametrize("name", [name for name in NORMS if "training" not in name])
def test_an_empty_batch_gives_an_empty_result_and_gradients_of_0(name):
    f, (x, w, b) = NORMS[name][0], inputs(name)
    x = x[:0].detach().requires_grad_()
    with mg.backend.use_kernels("cpu"):
        y = f(x, w, b)
        gradients = mg.grad(y.sum(), [x, w, b])
    assert y.shape == gradients[0].shape == (0, 6, 2, 3)
    assert not any(g.numpy().any() for g in gradients)


# ------------------------------------------------------------------------------------------------------------ errors


def x(*shape, dtype=np.float32):
    return mg.ones(*shape, dtype=dtype)


@pytest.mark.parametrize("which", ["running_mean", "running_var", "weight", "bias"])
def test_batch_norm_names_the_vector_that_does_not_fit(which):
    for training in (True, False):
        given = {name: x(3) for name in ("running_mean", "running_var", "weight", "bias")} | {which: x(4)}
        assert message(functional.batch_norm, x(2, 3, 4), training=training, **given) == (
            ValueError,
            f"batch_norm: {which} must have shape (3,) for input of shape (2, 3, 4), got (4,)",
        )
        given[which] = x(3, dtype=np.float64)
        assert message(functional.batch_norm, x(2, 3, 4), training=training, **given) == (
            TypeError,
            f"batch_norm: {which} must be float32, as input is, got float64; convert with x.to(dtype)",
        )


@pytest.mark.parametrize("which", ["weight", "bias"])
@pytest.mark.parametrize(
    ("f", "arguments", "shape"),
    [
        (functional.layer_norm, [(4, 5)], (4, 5)),
        (functional.group_norm, [2], (6,)),
        (functional.instance_norm, [], (6,)),
    ],
    ids=["layer_norm", "group_norm", "instance_norm"],
)
def test_weight_and_bias_that_do_not_fit_are_refused(f, arguments, shape, which):
    input = x(2, 6, 4, 5)
    for wrong in (x(3), x(*shape, 1)):
        assert message(f, input, *arguments, **{which: wrong}) == (
            ValueError,
            f"{f.__name__}: {which} must have shape {shape} for input of shape (2, 6, 4, 5), got {wrong.shape}",
        )
    assert message(f, input, *arguments, **{which: x(*shape, dtype=np.float64)}) == (
        TypeError,
        f"{f.__name__}: {which} must be float32, as input is, got float64; convert with x.to(dtype)",
    )


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_])
def test_integers_are_refused(dtype):
    """Pictures of bytes would otherwise come out as bytes, nearly all 0."""
    input = x(2, 3, 2, 2, dtype=dtype)
    calls = {"batch_norm": [None, None], "batch_norm_leaky_relu": [None, None]}
    calls |= {"layer_norm": [2], "group_norm": [3], "instance_norm": []}
    for name, arguments in calls.items():
        assert message(getattr(functional, name), input, *arguments) == (
            TypeError,
            f"{name}: input must be float32 or float64, got {np.dtype(dtype)}; convert with x.to(dtype)",
        )


ERRORS = {
    "batch_norm: input must be (N, C) or (N, C, ...), got shape (3,)": lambda: functional.batch_norm(x(3), None, None),
    "batch_norm: needs at least 2 values a channel in training, input has shape (1, 3)": (
        lambda: functional.batch_norm(x(1, 3), None, None, training=True)
    ),
    "batch_norm: needs at least 2 values a channel in training, input has shape (1, 3, 1, 1)": (
        lambda: functional.batch_norm(x(1, 3, 1, 1), x(3), x(3), training=True)
    ),
    "batch_norm_leaky_relu: needs at least 2 values a channel in training, input has shape (1, 3)": (
        lambda: functional.batch_norm_leaky_relu(x(1, 3), None, None, training=True)
    ),
    "batch_norm_leaky_relu: negative_slope must not be negative, got -0.1; call batch_norm and leaky_relu one after the "
    "other": lambda: functional.batch_norm_leaky_relu(x(2, 3), None, None, negative_slope=-0.1),
    "batch_norm_leaky_relu: negative_slope must not be negative, got nan; call batch_norm and leaky_relu one after the "
    "other": lambda: functional.batch_norm_leaky_relu(x(2, 3), None, None, negative_slope=float("nan")),
    "layer_norm: the last axes of input, of shape (2, 3), are not (2,)": lambda: functional.layer_norm(x(2, 3), 2),
    "layer_norm: the last axes of input, of shape (2, 3), are not (4, 2, 3)": lambda: functional.layer_norm(
        x(2, 3), (4, 2, 3)
    ),
    "layer_norm: the last axes of input, of shape (2, 3), are not ()": lambda: functional.layer_norm(x(2, 3), ()),
    "group_norm: the channels of input (2, 6) cannot be cut into 4 groups": lambda: functional.group_norm(x(2, 6), 4),
    "group_norm: the channels of input (2, 6) cannot be cut into 0 groups": lambda: functional.group_norm(x(2, 6), 0),
    "group_norm: the channels of input (6,) cannot be cut into 2 groups": lambda: functional.group_norm(x(6), 2),
    "instance_norm: needs at least 2 pixels a channel, input has shape (2, 3)": lambda: functional.instance_norm(
        x(2, 3)
    ),
    "instance_norm: needs at least 2 pixels a channel, input has shape (2, 3, 1, 1)": lambda: functional.instance_norm(
        x(2, 3, 1, 1)
    ),
}


@pytest.mark.parametrize("expected", ERRORS)
def test_error_says_what_came_and_what_was_expected(expected):
    assert message(ERRORS[expected]) == (ValueError, expected)


@pytest.mark.parametrize("training", [True, False])
def test_a_refused_batch_leaves_the_running_statistics_alone(training):
    mean, var = mg.zeros(3), mg.ones(3)
    message(functional.batch_norm, x(4, 3), mean, var, x(2), training=training)
    assert (mean.tolist(), var.tolist()) == ([0] * 3, [1] * 3)
