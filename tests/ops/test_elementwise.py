"""minigan.ops.elementwise: arithmetic, elementary functions, kinks, selection, comparisons and operators.

Every function is held to PyTorch in value, gradient and gradient of gradient, and to finite differences without it.
"""

import inspect
import operator
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import KERNELS, LAYOUTS, assert_like_torch, drawn, lay_out_read_only

import minigan as mg
from minigan.ops import elementwise

INF, NAN = np.inf, np.nan


# --- helpers ----------------------------------------------------------------------------------------------------------


def uniform(shape, low=-3.0, high=3.0, seed=0, layout="C"):
    return lay_out_read_only(np.asarray(np.random.default_rng(seed).uniform(low, high, shape)), layout)


def of(library, name):
    """The function of that name; PyTorch keeps some in nn.functional."""
    return getattr(library, name, None) or getattr(library.nn.functional, name)


# --- the tables -------------------------------------------------------------------------------------------------------

# What is computed of one tensor, and a range in which it is smooth almost everywhere.
UNARY = {
    "abs": (lambda lib, x: lib.abs(x), -3, 3),
    "clamp": (lambda lib, x: lib.clamp(x, -1, 1.5), -3, 3),
    "clamp from below": (lambda lib, x: lib.clamp(x, min=-0.5), -3, 3),
    "clamp from above": (lambda lib, x: lib.clamp(x, max=0.5), -3, 3),
    "clamp to nothing": (lambda lib, x: lib.clamp(x, 1, -1), -3, 3),
    "cos": (lambda lib, x: lib.cos(x), -3, 3),
    "erf": (lambda lib, x: lib.erf(x), -2, 2),
    "exp": (lambda lib, x: lib.exp(x), -3, 3),
    "expm1": (lambda lib, x: lib.expm1(x), -3, 3),
    "leaky_relu": (lambda lib, x: of(lib, "leaky_relu")(x, 0.2), -3, 3),
    "leaky_relu, default slope": (lambda lib, x: of(lib, "leaky_relu")(x), -3, 3),
    "leaky_relu, steep": (lambda lib, x: of(lib, "leaky_relu")(x, 2.0), -3, 3),
    "leaky_relu, falling": (lambda lib, x: of(lib, "leaky_relu")(x, -0.5), -3, 3),
    "log": (lambda lib, x: lib.log(x), 0.2, 3),
    "log1p": (lambda lib, x: lib.log1p(x), -0.8, 3),
    "masked_fill": (lambda lib, x: x.masked_fill(x > 1, 7.0), -3, 3),
    "neg": (lambda lib, x: lib.neg(x), -3, 3),
    "pow 0": (lambda lib, x: lib.pow(x, 0) + 0 * x, -3, 3),
    "pow 1": (lambda lib, x: lib.pow(x, 1) + x * x, -3, 3),
    "pow 2": (lambda lib, x: lib.pow(x, 2), -3, 3),
    "pow 3": (lambda lib, x: lib.pow(x, 3), -3, 3),
    "pow ½": (lambda lib, x: lib.pow(x, 0.5), 0.2, 3),
    "pow −2": (lambda lib, x: lib.pow(x, -2), 0.4, 3),
    "power of a number": (lambda lib, x: lib.pow(2.5, x), -3, 3),
    "reciprocal": (lambda lib, x: lib.reciprocal(x), 0.4, 3),
    "relu": (lambda lib, x: lib.relu(x), -3, 3),
    "rsqrt": (lambda lib, x: lib.rsqrt(x), 0.4, 3),
    "sigmoid": (lambda lib, x: lib.sigmoid(x), -5, 5),
    "sign": (lambda lib, x: lib.sign(x) * x, -3, 3),
    "sin": (lambda lib, x: lib.sin(x), -3, 3),
    "softplus": (lambda lib, x: of(lib, "softplus")(x), -5, 5),
    "softplus, β = 2": (lambda lib, x: of(lib, "softplus")(x, 2), -5, 5),
    "sqrt": (lambda lib, x: lib.sqrt(x), 0.2, 3),
    "square": (lambda lib, x: lib.square(x), -3, 3),
    "tanh": (lambda lib, x: lib.tanh(x), -3, 3),
    "where": (lambda lib, x: lib.where(x > 0, x * x, 1 - x), -3, 3),
}

# What is computed of two tensors that are broadcast against each other.
BINARY = {
    "add": (lambda lib, a, b: lib.add(a, b), -3, 3),
    "clamp": (lambda lib, a, b: lib.clamp(a, b - 1, b + 1), -3, 3),
    "div": (lambda lib, a, b: lib.div(a, b), 0.4, 3),
    "lerp": (lambda lib, a, b: lib.lerp(a, b, 0.3), -3, 3),
    "maximum": (lambda lib, a, b: lib.maximum(a, b), -3, 3),
    "minimum": (lambda lib, a, b: lib.minimum(a, b), -3, 3),
    "mul": (lambda lib, a, b: lib.mul(a, b), -3, 3),
    "pow": (lambda lib, a, b: lib.pow(a, b), 0.2, 3),
    "sub": (lambda lib, a, b: lib.sub(a, b), -3, 3),
    "where": (lambda lib, a, b: lib.where(a + b > 0, a * b, a - b), -3, 3),
}

COMPARISONS = ["eq", "ge", "gt", "le", "logical_and", "logical_or", "logical_xor", "lt", "ne"]
TESTS = ["allclose", "isfinite", "isnan", "logical_not", "ones_like", "zeros_like"]  # of one tensor; no gradient passes
HELPERS = ["floating", "number", "operands", "result_type"]


def test_every_function_of_the_file_is_in_one_of_the_tables():
    functions = {
        name
        for name, f in vars(elementwise).items()
        if inspect.isfunction(f) and f.__module__ == elementwise.__name__ and not name.startswith("_")
    }
    named = {label.split()[0].rstrip(",") for label in [*UNARY, *BINARY]} - {"power"}
    assert functions == named | {*COMPARISONS, *TESTS, *HELPERS}


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", UNARY)
def test_a_function_of_one_tensor_is_pytorchs_to_second_order(torch, label):
    f, low, high = UNARY[label]

    @drawn(8)
    @given(
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.sampled_from(LAYOUTS), st.integers(0, 99)
    )
    def check(shape, layout, seed):
        assert_like_torch(torch, f, uniform(shape, low, high, seed, layout))

    check()


@pytest.mark.parametrize("label", BINARY)
def test_a_function_of_two_tensors_is_pytorchs_to_second_order_and_broadcasts(torch, label):
    f, low, high = BINARY[label]

    @drawn(15)
    @given(
        hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, min_side=0, max_side=3),
        st.lists(st.sampled_from(LAYOUTS), min_size=2, max_size=2),
        st.integers(0, 99),
    )
    def check(shapes, layouts, seed):
        a, b = (uniform(s, low, high, seed + i, how) for i, (s, how) in enumerate(zip(shapes.input_shapes, layouts)))
        assert_like_torch(torch, f, a, b)

    check()


@pytest.mark.parametrize("label", UNARY)
def test_gradcheck_to_second_order_of_one_tensor(label):
    f, low, high = UNARY[label]
    assert mg.check.gradcheck(lambda x: f(mg, x), mg.Tensor(uniform((3, 4), low, high)), order=2)


@pytest.mark.parametrize("label", BINARY)
@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((2, 1, 4), (3, 1)), ((), (2, 3))], ids=str)
def test_gradcheck_to_second_order_of_two_tensors(label, shapes):
    f, low, high = BINARY[label]
    a, b = (mg.Tensor(uniform(shape, low, high, seed)) for seed, shape in enumerate(shapes))
    assert mg.check.gradcheck(lambda a, b: f(mg, a, b), [a, b], order=2)


@KERNELS
@pytest.mark.parametrize("slope", [0, 0.2, 1, 2, -0.5])
def test_gradcheck_to_third_order_of_leaky_relu_on_every_kernel(kernels, slope):
    """The gradient of its gradient goes the way of the gradient: by the sign of x, and nowhere else."""
    x, scale = mg.Tensor(uniform((3, 4))), mg.Tensor(uniform((4,), seed=1))
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(lambda x, scale: mg.leaky_relu(x * scale, slope) ** 2, [x, scale], order=3)


@KERNELS
def test_leaky_relu_and_its_gradient_keep_the_layout_of_channels_last_pictures(kernels):
    x = mg.Tensor(uniform((2, 3, 4, 5), layout="channels-last"), requires_grad=True)
    with mg.backend.use_kernels(kernels):
        y = mg.leaky_relu(x, 0.2)
        (g,) = mg.grad(y, x, mg.Tensor(uniform(x.shape, layout="channels-last")))
    assert y.data.strides == g.data.strides == x.data.strides


@pytest.mark.parametrize("label", ["exp", "pow 3", "sigmoid", "tanh", "softplus", "log"])
def test_gradcheck_to_fourth_order(label):
    f, low, high = UNARY[label]
    x = mg.Tensor(uniform(5, max(low, 0.5), min(high, 2)))
    assert mg.check.gradcheck(lambda x: f(mg, x), x, order=4, rtol=1e-4, directions=2)


@pytest.mark.parametrize("label", UNARY)
@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)], ids=str)
def test_float32_stays_float32_in_value_and_gradient(label, shape):
    f, low, high = UNARY[label]
    x = mg.Tensor(uniform(shape, low, high).astype(np.float32), requires_grad=True)
    y = f(mg, x)
    assert (y.dtype, y.shape) == (np.float32, shape)
    (g,) = mg.grad(y.sum(), x)
    assert (g.dtype, g.shape) == (np.float32, shape)


@pytest.mark.parametrize("label", BINARY)
@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 4), ()), ((), (2, 1))], ids=str)
def test_float32_of_two_tensors_stays_float32_also_beside_a_float64_number(label, shapes):
    f, low, high = BINARY[label]
    dtypes = [np.float64 if shape == () else np.float32 for shape in shapes]
    a, b = (mg.Tensor(uniform(s, low, high).astype(t), requires_grad=True) for s, t in zip(shapes, dtypes))
    y = f(mg, a, b)
    assert y.dtype == np.float32
    for x, g in zip((a, b), mg.grad(y.sum(), [a, b])):
        assert (g.dtype, g.shape) == (x.dtype, x.shape)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_elementwise_results_keep_the_memory_layout_of_channels_last_pictures(layout):
    x = mg.Tensor(uniform((2, 3, 4, 5), 0.1, 1, layout=layout))
    if layout == "channels-last":
        for y in (x + 1, x * x, x.exp(), x.relu(), mg.leaky_relu(x, 0.2), x.tanh(), x.sigmoid(), x.clamp(0, 1)):
            assert np.moveaxis(y.data, 1, -1).flags.c_contiguous
    assert (x + 0).tolist() == x.tolist()


# --- kinks: the gradient where there is none --------------------------------------------------------------------------

KINKS = {
    "abs": (lambda lib, x: lib.abs(x), [-1, 0, 2], [-1, 0, 1]),
    "relu": (lambda lib, x: lib.relu(x), [-1, 0, 2], [0, 0, 1]),
    "leaky_relu": (lambda lib, x: of(lib, "leaky_relu")(x, 0.25), [-1, 0, 2], [0.25, 0.25, 1]),
    "sign": (lambda lib, x: lib.sign(x), [-1, 0, 2], [0, 0, 0]),
    "clamp: the ends are inside": (lambda lib, x: lib.clamp(x, -1, 1), [-2, -1, 0, 1, 2], [0, 1, 1, 1, 0]),
    "clamp by tensors": (
        lambda lib, x: lib.clamp(x, -lib.ones_like(x), lib.ones_like(x)),
        [-2, -1, 0, 1, 2],
        [0, 1, 1, 1, 0],
    ),
    "maximum: equal ones share": (lambda lib, x: lib.maximum(x, lib.ones_like(x)), [0, 1, 2], [0, 0.5, 1]),
    "minimum: equal ones share": (lambda lib, x: lib.minimum(x, lib.ones_like(x)), [0, 1, 2], [1, 0.5, 0]),
    "maximum of a tensor and itself": (lambda lib, x: lib.maximum(x, x), [0, 1], [1, 1]),
    "sqrt at 0 is infinitely steep": (lambda lib, x: lib.sqrt(x), [0, 1], [INF, 0.5]),
}


@pytest.mark.parametrize("label", KINKS)
def test_gradient_at_a_kink(label):
    f, at, expected = KINKS[label]
    x = mg.tensor(at, dtype=np.float64, requires_grad=True)
    (g,) = mg.grad(f(mg, x).sum(), x)
    assert g.tolist() == expected


@pytest.mark.parametrize("label", KINKS)
def test_gradient_at_a_kink_is_pytorchs(torch, label):
    f, at, expected = KINKS[label]
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(f(torch, x).sum(), x)
    assert g.tolist() == expected


def test_a_bound_that_clamp_puts_in_gets_the_gradient_and_no_other_does():
    x = mg.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], requires_grad=True)
    low = mg.tensor([-1.0] * 5, requires_grad=True)
    high = mg.tensor([1.0] * 5, requires_grad=True)
    found = mg.grad(mg.clamp(x, low, high).sum(), [x, low, high])
    assert [g.tolist() for g in found] == [[0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]]


# --- powers at 0 ------------------------------------------------------------------------------------------------------

# a, b, and the derivatives of aᵇ to a and to b
POWERS = [
    (2.0, 3.0, 12.0, 8 * np.log(2)),
    (0.0, 2.0, 0.0, 0.0),
    (0.0, 1.0, 1.0, 0.0),
    (0.0, 0.5, INF, 0.0),
    (0.0, 0.0, 0.0, 0.0),
    (0.0, -1.0, -INF, -INF),
    (3.0, 0.0, 0.0, np.log(3)),
    (-2.0, 3.0, 12.0, NAN),
    (-2.0, 2.0, -4.0, NAN),
]


@pytest.mark.parametrize(("a", "b", "da", "db"), POWERS)
def test_derivatives_of_a_power_also_where_base_or_exponent_is_0(a, b, da, db):
    base, exponent = (mg.tensor([v], dtype=np.float64, requires_grad=True) for v in (a, b))
    found = [g.item() for g in mg.grad(base**exponent, [base, exponent])]
    np.testing.assert_allclose(found, [da, db], rtol=1e-12)
    (scalar,) = mg.grad(base**b, base)  # a number as exponent has a rule of its own
    np.testing.assert_allclose(scalar.item(), da, rtol=1e-12)


@pytest.mark.parametrize(("a", "b", "da", "db"), POWERS)
def test_derivatives_of_a_power_are_pytorchs(torch, a, b, da, db):
    base, exponent = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (a, b))
    found = [g.item() for g in torch.autograd.grad(base**exponent, [base, exponent])]
    np.testing.assert_allclose(found, [da, db], rtol=1e-12)


def test_second_derivatives_of_a_power_are_right_where_the_exponent_is_0():
    """∂²aᵇ/∂a∂b = aᵇ⁻¹·(1 + b·log a), which is 1/a at b = 0; PyTorch masks its rule there and says 0."""
    a, b = mg.Tensor(uniform(4, 0.5, 2)), mg.Tensor(np.zeros(4))
    assert mg.check.gradcheck(mg.pow, [a, b], order=2)
    assert mg.check.gradcheck(mg.pow, [a, mg.Tensor(np.ones(4))], order=3, rtol=1e-4)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 0.0, 1.0, 2.0])
def test_every_derivative_of_a_whole_power_is_finite_at_0(n):
    x = mg.tensor([0.0, -1.5, 2.0], dtype=np.float64)
    assert mg.check.gradcheck(lambda x: x**n, x, order=3, rtol=1e-4)


# --- extreme values: exact, and silent --------------------------------------------------------------------------------


def test_functions_made_for_extremes_are_exact_there():
    x = mg.tensor([-1000.0, -40.0, 0.0, 40.0, 1000.0], dtype=np.float64)
    assert mg.sigmoid(x).tolist() == [0.0, np.exp(-40.0) / (1 + np.exp(-40.0)), 0.5, 1.0, 1.0]
    assert mg.softplus(x).tolist() == [0.0, np.log1p(np.exp(-40.0)), np.log(2), 40.0, 1000.0]
    assert mg.softplus(x, beta=3)[4].item() == 1000.0
    tiny = mg.tensor([1e-20], dtype=np.float64)
    assert mg.log1p(tiny).item() == mg.expm1(tiny).item() == 1e-20


def test_gradients_of_functions_made_for_extremes_are_finite_there():
    x = mg.tensor([-1000.0, 1000.0], dtype=np.float64, requires_grad=True)
    for f, expected in ((mg.softplus, [0, 1]), (mg.sigmoid, [0, 0]), (mg.tanh, [0, 0])):
        assert mg.grad(f(x).sum(), x)[0].tolist() == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_warnings_are_silent(dtype):
    largest = float(np.finfo(dtype).max)
    x = mg.tensor([0.0, -1.0, INF, -INF, NAN, largest, -largest], dtype=dtype, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for f, _, _ in UNARY.values():
            mg.grad(f(mg, x), x, mg.ones_like(x))
        a, b = (mg.tensor(v, requires_grad=True) for v in np.broadcast_arrays(x.data[:, None], x.data))
        for f, _, _ in BINARY.values():
            mg.grad(f(mg, a, b), [a, b], mg.ones_like(a))


def test_special_values_are_pytorchs(torch):
    special = np.array([0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 1e300, -1e300, 1e-300])
    for label, (f, _, _) in UNARY.items():
        expected = f(torch, torch.tensor(special)).numpy()
        np.testing.assert_allclose(f(mg, mg.Tensor(special)).data, expected, rtol=1e-12, err_msg=label)
    a, b = np.broadcast_arrays(special[:, None], special)
    for label, (f, _, _) in BINARY.items():
        if label != "clamp":  # NaN is no bound: PyTorch lets it win, here it bounds nothing
            expected = f(torch, torch.tensor(a), torch.tensor(b)).numpy()
            np.testing.assert_allclose(f(mg, mg.Tensor(a), mg.Tensor(b)).data, expected, rtol=1e-12, err_msg=label)


# --- types ------------------------------------------------------------------------------------------------------------

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
OPERANDS = [*((d, n) for d in DTYPES for n in (0, 1)), True, 2, 2.5]  # (type, number of axes), or a Python number


def operand(library, kind):
    if not isinstance(kind, tuple):
        return kind
    dtype, ndim = kind
    return library.ones([2] * ndim, dtype=np.dtype(dtype) if library is mg else getattr(library, dtype))


@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "where"])
def test_the_type_of_a_result_is_pytorchs(torch, name):
    def result_dtype(library, a, b):
        args = (operand(library, a), operand(library, b))
        if name == "where":
            args = (operand(library, ("bool", 1)), *args)
        return str(getattr(library, name)(*args).dtype).removeprefix("torch.")

    for a in OPERANDS[:-3]:
        for b in OPERANDS[:-3] if name == "maximum" else OPERANDS:
            assert result_dtype(mg, a, b) == result_dtype(torch, a, b), (name, a, b)


@pytest.mark.parametrize(
    "scalar", [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2), mg.tensor(2.0)], ids=repr
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_takes_the_type_of_the_tensor_it_meets(scalar, dtype):
    x = mg.tensor([1.0, 3.0], dtype=dtype, requires_grad=True)
    results = [x + scalar, scalar + x, x - scalar, scalar - x, x * scalar, scalar * x, x / scalar, scalar / x]
    results += [x**scalar, scalar**x, mg.maximum(x, scalar), mg.minimum(scalar, x), mg.where(x > 2, x, scalar)]
    results += [x.clamp(scalar), x.clamp(max=scalar), mg.leaky_relu(x, scalar), mg.softplus(x, scalar)]
    for y in results:
        assert y.dtype == dtype
        assert mg.grad(y.sum(), x)[0].dtype == dtype


def test_a_number_beside_float64_keeps_all_its_digits():
    x = mg.tensor([5.0], dtype=np.float64)
    for y in (mg.minimum(x, 0.1), 0.1 * mg.ones_like(x), mg.where(x < 0, x, 0.1), x.clamp(max=0.1), 0 * x + 0.1):
        assert y.item() == 0.1


def test_integers_become_float32_where_a_derivative_is_defined_and_stay_integers_elsewhere():
    x = mg.tensor([1, 2])
    for f in (mg.exp, mg.log, mg.sqrt, mg.sin, mg.tanh, mg.sigmoid, mg.softplus, mg.erf, mg.leaky_relu, mg.reciprocal):
        assert f(x).dtype == np.float32
    for y in (x + 1, x * 2, -x, abs(x), x**2, x.relu(), x.sign(), x.clamp(0, 1), mg.maximum(x, 1)):
        assert y.dtype == np.int64
    assert (x / 2).tolist() == [0.5, 1.0]
    assert (x**-1).tolist() == [1.0, 0.5]
    assert (x**0.5).dtype == np.float32
    assert x.clamp(1.5).tolist() == [1.5, 2.0]
    assert x.clamp(max=1.5).dtype == np.float32


def test_the_smaller_of_unsigned_integers_is_not_found_by_negation():
    a, b = (mg.tensor(v, dtype=np.uint8) for v in ([0, 5], [3, 3]))
    assert mg.minimum(a, b).tolist() == [0, 3]


# --- where ------------------------------------------------------------------------------------------------------------


def test_the_branch_that_where_does_not_choose_gets_zero_even_if_it_is_nan():
    x = mg.tensor([-1.0, 4.0], requires_grad=True)
    nan = mg.tensor([NAN, NAN], requires_grad=True)
    y = mg.where(mg.tensor([True, True]), x, nan)
    assert y.tolist() == [-1.0, 4.0]
    assert [g.tolist() for g in mg.grad(y.sum(), [x, nan])] == [[1, 1], [0, 0]]
    y = mg.where(mg.tensor([True, False]), x, nan)
    dx, dnan = mg.grad(y, [x, nan], mg.tensor([INF, INF]))  # a mask that multiplied would make 0·∞ = NaN here
    assert (dx.tolist(), dnan.tolist()) == ([INF, 0], [0, INF])


def test_choosing_the_argument_keeps_an_infinite_slope_out_where_choosing_the_result_does_not():
    x = mg.tensor([0.0, 4.0], requires_grad=True)
    (late,) = mg.grad(mg.where(x > 0, mg.sqrt(x), 0.0).sum(), x)
    (early,) = mg.grad(mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1.0)), 0.0).sum(), x)
    assert np.isnan(late[0].item())
    assert early.tolist() == [0.0, 0.25]


@drawn(25)
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
def test_where_broadcasts_condition_and_branches_and_adds_their_gradients_up(shapes):
    c, a, b = (uniform(s, seed=i) for i, s in enumerate(shapes.input_shapes))
    condition, x, y = c > 0, mg.Tensor(a, requires_grad=True), mg.Tensor(b, requires_grad=True)
    z = mg.where(mg.Tensor(condition), x, y)
    np.testing.assert_array_equal(z.data, np.where(condition, a, b))
    dx, dy = mg.grad(z.sum(), [x, y])
    chosen = np.broadcast_to(condition, z.shape)
    assert dx.sum().item() == chosen.sum()
    assert dy.sum().item() == (~chosen).sum()
    assert (dx.shape, dy.shape) == (a.shape, b.shape)


def test_where_of_numbers_alone():
    condition = mg.tensor([True, False])
    assert mg.where(condition, 1.5, 0.0).tolist() == [1.5, 0.0]
    assert mg.where(condition, 1, 0).dtype == np.int64


# --- comparisons and tests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_is_pytorchs_broadcasts_and_passes_no_gradient(torch, name):
    for dtype in ("float64", "int64", "bool"):
        a, b = np.array([[0, 1, 2]]).astype(dtype), np.array([[0], [1], [2]]).astype(dtype)
        expected = getattr(torch, name)(torch.tensor(a), torch.tensor(b))
        found = getattr(mg, name)(mg.Tensor(a), mg.Tensor(b))
        assert found.dtype == np.bool_
        assert found.tolist() == expected.tolist()
    x = mg.ones(3, requires_grad=True)
    assert not getattr(mg, name)(x, x).requires_grad


def test_nan_is_equal_to_nothing():
    x = mg.tensor([NAN, INF, 1.0])
    assert (x == x).tolist() == [False, True, True]
    assert (x != x).tolist() == x.isnan().tolist() == [True, False, False]
    assert x.isfinite().tolist() == [False, False, True]


def test_allclose_is_a_bool_and_its_tolerance_is_relative_to_the_second():
    a, b = mg.tensor([100.0, 0.0]), mg.tensor([101.0, 0.0])
    assert mg.allclose(a, b, 0.01) is True
    assert mg.allclose(a, b) is False
    assert mg.allclose(mg.tensor([0.5]), 0.0, atol=0.5)
    assert not mg.allclose(mg.tensor([NAN]), mg.tensor([NAN]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_like_and_ones_like_have_the_shape_and_type_of_their_model(dtype):
    x = mg.tensor(np.full((2, 0, 3), 7), dtype=dtype)
    for y in (mg.zeros_like(x), mg.ones_like(x)):
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
    y = mg.tensor(7, dtype=dtype)
    assert (mg.zeros_like(y).item(), mg.ones_like(y).item()) == (0, 1)


# --- operators --------------------------------------------------------------------------------------------------------

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@pytest.mark.parametrize("symbol", OPERATORS)
def test_an_operator_takes_tensors_numbers_and_arrays_on_either_side(symbol):
    f = OPERATORS[symbol]
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    for left, right in [(mg.Tensor(a), mg.Tensor(b)), (mg.Tensor(a), b), (a, mg.Tensor(b))]:
        result = f(left, right)
        assert type(result) is mg.Tensor
        np.testing.assert_allclose(result.data, f(a, b), rtol=1e-15)
    for number in (2, 2.0, np.float64(2), np.float32(2)):
        np.testing.assert_allclose(f(mg.Tensor(a), number).data, f(a, 2.0), rtol=1e-15)
        np.testing.assert_allclose(f(number, mg.Tensor(a)).data, f(2.0, a), rtol=1e-15)


def test_the_operators_of_one_operand_and_of_bools():
    x = mg.tensor([-1.0, 2.0])
    assert (-x).tolist() == [1.0, -2.0]
    assert abs(x).tolist() == [1.0, 2.0]
    a, b = mg.tensor([True, True, False]), mg.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]


IN_PLACE = {"+": operator.iadd, "-": operator.isub, "*": operator.imul, "/": operator.itruediv, "**": operator.ipow}


@pytest.mark.parametrize("symbol", IN_PLACE)
def test_an_in_place_operator_is_refused_in_a_graph_and_makes_a_new_tensor_outside(symbol):
    leaf, plain = mg.tensor([2.0], requires_grad=True), mg.tensor([2.0])
    for a, b in [(leaf, plain), (plain, leaf), (leaf * 1, 3.0)]:
        with pytest.raises(RuntimeError, match=re.escape(f"x {symbol}= y would change a tensor in place")) as error:
            IN_PLACE[symbol](a, b)
        assert f"x = x {symbol} y" in str(error.value)
    y = IN_PLACE[symbol](plain, 3.0)
    assert y is not plain
    assert (plain.item(), y.item()) == (2.0, OPERATORS[symbol](plain, 3.0).item())


def test_comparing_does_not_stop_tensors_from_being_keys():
    x, y = mg.ones(2), mg.ones(2)
    assert len({x, y, x}) == 2


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "minimum", "pow", *COMPARISONS])
def test_shapes_that_do_not_broadcast_are_named_with_the_operation(name):
    with pytest.raises(ValueError, match=re.escape(f"{name}: shapes (2, 3) and (4,) do not broadcast together")):
        getattr(mg, name)(mg.ones(2, 3), mg.ones(4))


def test_where_says_what_it_expects():
    x = mg.tensor([1.0, 0.0])
    with pytest.raises(
        TypeError, match=r"where: condition must be a bool tensor, got float32; write for example x != 0"
    ):
        mg.where(x, x, x)
    with pytest.raises(ValueError, match=re.escape("where: the shapes (3,), (2,), (2,) do not broadcast together")):
        mg.where(mg.ones(3) > 0, x, x)
    with pytest.raises(ValueError, match=re.escape("where: shapes (2,) and (3,) do not broadcast")):
        mg.where(x > 0, x, mg.ones(3))


def test_clamp_wants_a_bound():
    with pytest.raises(ValueError, match="clamp: give min, max or both"):
        mg.ones(2).clamp()


def test_operands_that_are_not_numbers_are_refused():
    for other in ("1", None, [[1], [1, 2]], 1j):
        with pytest.raises((TypeError, ValueError)):
            mg.ones(2) + other


# --- the methods of Tensor --------------------------------------------------------------------------------------------

A, B = np.array([[-1.5, 0.5, 2.0]]), np.array([[1.0], [0.5]])
MASK = A > 0

# Positional arguments, chosen so that another order would give another result (or fail).
METHODS = {
    **{
        name: [()] for name in ("abs", "cos", "erf", "exp", "expm1", "isfinite", "isnan", "log", "log1p", "logical_not")
    },
    **{
        name: [()]
        for name in ("neg", "reciprocal", "relu", "rsqrt", "sigmoid", "sign", "sin", "sqrt", "square", "tanh")
    },
    **{name: [(B,), (2.0,)] for name in ("add", "div", "mul", "sub", "eq", "ge", "gt", "le", "lt", "ne", "pow")},
    **{name: [(B,)] for name in ("maximum", "minimum", "logical_and", "logical_or", "logical_xor")},
    "allclose": [(A * 1.01, 0.1), (A * 1.01, 0.0, 0.1), (A * 1.01, 1e-3, 1e-3)],
    "lerp": [(B, 0.25), (B, A)],
    "clamp": [(-1.0, 1.0), (0.0,), (None, 1.0), (B - 1, B + 0.25)],
    "masked_fill": [(MASK, 7.0)],
    "where": [(MASK, B), (MASK, 9.0)],
}
NOT_IN_TORCH = {"leaky_relu", "softplus"}  # which PyTorch has as functions only


def test_every_method_that_pytorch_has_too_is_in_the_table(torch):
    methods = {
        name
        for name, f in vars(mg.Tensor).items()
        if getattr(f, "__module__", None) == elementwise.__name__ and not name.startswith("_")
    }
    assert {name for name in methods if hasattr(torch.Tensor, name)} == set(METHODS)
    assert methods - set(METHODS) == NOT_IN_TORCH


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_its_arguments_in_pytorchs_order(torch, name):
    for args in METHODS[name]:
        ours = getattr(mg.Tensor(A), name)(*[mg.Tensor(a) if isinstance(a, np.ndarray) else a for a in args])
        expected = getattr(torch.tensor(A), name)(*[torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args])
        if isinstance(expected, bool):
            assert ours is expected
        else:
            np.testing.assert_allclose(ours.numpy(), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize(
    ("symbol", "compute"),
    [("&", lambda x: x & x), ("|", lambda x: x | True), ("^", lambda x: x ^ x), ("~", lambda x: ~x)],
)
def test_the_operators_of_truth_values_refuse_numbers(symbol, compute):
    assert compute(mg.tensor([True, False])).dtype == np.bool_
    with pytest.raises(TypeError, match=rf"^{re.escape(symbol)}: expected bool tensors, got int64.*compare first"):
        compute(mg.tensor([1, 2]))


def test_the_gradient_of_expm1_keeps_its_digits_far_below_zero():
    x = mg.tensor([-30.0, -1.0, 0.0], requires_grad=True)
    mg.expm1(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([-30.0, -1.0, 0.0]), rtol=1e-6)
