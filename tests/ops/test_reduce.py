"""minigan.ops.reduce: sums, moments, extremes, products and norms; also where their derivatives are in danger.

Those places are ties (extremes), zeros (products, norms), equal values (deviations), and −∞ (logsumexp).
"""

import inspect
import math
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import LAYOUTS, assert_like_torch, drawn, normal

import minigan as mg
from minigan.ops import reduce

INF, NAN = math.inf, math.nan

# --- every reduction against PyTorch ----------------------------------------------------------------------------------


def over(dim, keepdim):
    """The arguments that say which axes: none at all for the whole tensor."""
    return {} if dim is None else {"dim": dim, "keepdim": keepdim}


def every(x, dim):
    """`dim`, with all axes written out for functions of PyTorch that want to be told."""
    return tuple(range(x.ndim)) if dim is None else dim


# What is computed over some axes, or over all of them.
OVER_AXES = {
    "amax": lambda lib, x, dim, keep: lib.amax(x, **over(dim, keep)),
    "amin": lambda lib, x, dim, keep: lib.amin(x, **over(dim, keep)),
    "logsumexp": lambda lib, x, dim, keep: lib.logsumexp(x, every(x, dim), keep),
    "mean": lambda lib, x, dim, keep: lib.mean(x, **over(dim, keep)),
    "norm": lambda lib, x, dim, keep: lib.norm(x, 2, **over(dim, keep)),
    "norm, p = 1": lambda lib, x, dim, keep: lib.norm(x, 1, **over(dim, keep)),
    "norm, p = 3": lambda lib, x, dim, keep: lib.norm(x, 3, **over(dim, keep)),
    "norm, p = ½": lambda lib, x, dim, keep: lib.norm(x, 0.5, **over(dim, keep)),
    "norm, p = −1": lambda lib, x, dim, keep: lib.norm(x, -1, **over(dim, keep)),
    "norm, p = ∞": lambda lib, x, dim, keep: lib.norm(x, INF, **over(dim, keep)),
    "norm, p = −∞": lambda lib, x, dim, keep: lib.norm(x, -INF, **over(dim, keep)),
    "std": lambda lib, x, dim, keep: lib.std(x, **over(dim, keep)),
    "std, biased": lambda lib, x, dim, keep: lib.std(x, dim, correction=0, keepdim=keep and dim is not None),
    "sum": lambda lib, x, dim, keep: lib.sum(x, **over(dim, keep)),
    "var": lambda lib, x, dim, keep: lib.var(x, **over(dim, keep)),
    "var, biased": lambda lib, x, dim, keep: lib.var(x, dim, correction=0, keepdim=keep and dim is not None),
}

# What is computed over one axis, or over the whole tensor.
OVER_ONE_AXIS = {
    "max": lambda lib, x, dim, keep: lib.max(x) if dim is None else lib.max(x, dim, keep)[0],
    "min": lambda lib, x, dim, keep: lib.min(x) if dim is None else lib.min(x, dim, keep).values,
    "prod": lambda lib, x, dim, keep: lib.prod(x, **over(dim, keep)),
    "cumsum": lambda lib, x, dim, keep: lib.cumsum(x, dim or 0),
}

NOT_DIFFERENTIABLE = {"all", "any", "argmax", "argmin"}


def test_every_function_of_the_file_is_in_one_of_the_tables():
    functions = {
        name
        for name, f in vars(reduce).items()
        if inspect.isfunction(f) and f.__module__ == reduce.__name__ and not name.startswith("_")
    }
    assert functions == {label.split(",")[0] for label in [*OVER_AXES, *OVER_ONE_AXIS]} | NOT_DIFFERENTIABLE


@st.composite
def reductions(draw, several_axes):
    """A shape, an argument `dim` that fits it, and `keepdim`."""
    s = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    dims = [st.none(), st.integers(-len(s), len(s) - 1)]
    if several_axes:
        dims.append(st.lists(st.integers(0, len(s) - 1), unique=True, min_size=1).map(tuple))
    return s, draw(st.one_of(dims)), draw(st.booleans())


@pytest.mark.parametrize("label", [*OVER_AXES, *OVER_ONE_AXIS])
def test_a_reduction_is_pytorchs_to_second_order(torch, label):
    f = {**OVER_AXES, **OVER_ONE_AXIS}[label]

    @drawn(20)
    @given(reductions(label in OVER_AXES), st.sampled_from(LAYOUTS), st.integers(0, 99))
    def check(reduction, layout, seed):
        s, dim, keepdim = reduction
        if "std" in label or "var" in label:
            s = tuple(n + 1 for n in s)  # one value alone has no variance
            layout = layout if layout != "repeated" else "C"  # nor have equal values a derivative of their deviation
        assert_like_torch(torch, lambda lib, x: f(lib, x, dim, keepdim), normal(s, seed, layout))

    check()


@pytest.mark.parametrize("label", [*OVER_AXES, *OVER_ONE_AXIS])
@pytest.mark.parametrize(("dim", "keepdim"), [(None, False), (0, False), (-1, True)])
def test_gradcheck_to_second_order(label, dim, keepdim):
    f = {**OVER_AXES, **OVER_ONE_AXIS}[label]
    x = mg.Tensor(normal((4, 3)))
    assert mg.check.gradcheck(lambda x: f(mg, x, dim, keepdim), x, order=2, rtol=1e-4)


@pytest.mark.parametrize("label", [*OVER_AXES, *OVER_ONE_AXIS])
@pytest.mark.parametrize("dim", [None, 1])
def test_float32_stays_float32_in_value_and_gradient(label, dim):
    x = mg.Tensor(normal((3, 4)).astype(np.float32), requires_grad=True)
    y = {**OVER_AXES, **OVER_ONE_AXIS}[label](mg, x, dim, False)
    assert y.dtype == np.float32
    (g,) = mg.grad(y.sum(), x)
    assert (g.dtype, g.shape) == (np.float32, (3, 4))


@pytest.mark.parametrize("label", [label for label in [*OVER_AXES, *OVER_ONE_AXIS] if label != "cumsum"])
def test_keepdim_keeps_every_axis_also_of_the_whole_tensor(label):
    name = label.split(",")[0]
    x = mg.Tensor(normal((2, 3, 4)))
    assert getattr(x, name)().shape == ()
    if name not in ("max", "min"):
        assert getattr(x, name)(keepdim=True).shape == (1, 1, 1)
        assert getattr(x, name)(keepdim=True).item() == getattr(x, name)().item()


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sum", "cumsum", "prod", "mean", "amax", "amin", "max", "min", "argmax", "all", "any"]
)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_the_type_of_a_reduction_is_pytorchs(torch, name, dtype):
    values = np.array([[1, 0, 1], [1, 1, 1]])
    if name == "mean" and "float" not in dtype:
        pytest.skip("PyTorch has no mean of integers")
    if (name, dtype) in [("argmax", "bool"), ("all", "uint8"), ("any", "uint8")]:
        pytest.skip("PyTorch has no argmax of bools, and an all and any of uint8 that are uint8")
    for dim in (0, -1):
        found = getattr(mg.Tensor(values.astype(dtype)), name)(dim)
        expected = getattr(torch.tensor(values.astype(dtype)), name)(dim)
        if name in ("max", "min"):
            found, expected = found.values, expected.values
        assert f"torch.{found.dtype}" == str(expected.dtype)
        assert found.tolist() == expected.tolist()


def test_sums_and_products_of_small_integers_do_not_wrap_around():
    x = mg.tensor([200, 100], dtype=np.uint8)
    assert (x.sum().item(), x.prod().item(), x.cumsum(0).tolist()) == (300, 20000, [200, 300])
    assert (x.sum() + mg.tensor(1)).dtype == np.int64


def test_moments_and_norms_of_integers_are_float32():
    x = mg.tensor([1, 2, 3, 4])
    for y in (x.mean(), x.var(), x.std(), x.logsumexp(0), x.norm()):
        assert y.dtype == np.float32
    assert (x.mean().item(), x.var(correction=0).item()) == (2.5, 1.25)


# --- extremes ---------------------------------------------------------------------------------------------------------


@drawn(50)
@given(hnp.arrays(np.float64, st.integers(1, 9), elements=st.floats(allow_nan=False)), st.integers(1, 7))
def test_an_extreme_is_exactly_one_of_the_values_however_many_are_equal(values, times):
    x = mg.Tensor(np.tile(values, times))
    assert x.amax().item() == x.max().item() == values.max()
    assert x.amin().item() == x.min().item() == values.min()
    assert x.norm(INF).item() == np.abs(values).max()


def test_equal_extremes_share_the_gradient_evenly():
    x = mg.tensor([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    third = np.float32(1 / 3)
    assert mg.grad(x.amax(1).sum(), x)[0].tolist() == [[0.5, 0, 0.5], [third] * 3]
    assert mg.grad(x.amin(1).sum(), x)[0].tolist() == [[0, 1, 0], [third] * 3]
    assert mg.grad(x.amax(), x)[0].tolist() == mg.grad(x.max(), x)[0].tolist() == [[0.5, 0, 0.5], [0, 0, 0]]


def test_the_gradient_of_max_along_an_axis_goes_to_the_first_of_equal_values_alone():
    x = mg.tensor([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    largest, smallest = x.max(1), x.min(1)
    assert (largest.values.tolist(), largest.indices.tolist()) == ([3.0, 2.0], [0, 0])
    assert (smallest.values.tolist(), smallest.indices.tolist()) == ([1.0, 2.0], [1, 0])
    assert mg.grad(largest.values.sum(), x)[0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert mg.grad(smallest.values.sum(), x)[0].tolist() == [[0, 1, 0], [1, 0, 0]]
    assert not largest.indices.requires_grad


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min"])
def test_ties_are_pytorchs(torch, name):
    x = np.array([[3.0, 1.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [-INF, INF, INF, -INF]])

    def f(library, x):
        y = getattr(library, name)(x, 1)
        return y if name.startswith("a") else y.values

    a, b = mg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    np.testing.assert_array_equal(f(mg, a).data, f(torch, b).detach().numpy())
    expected = torch.autograd.grad(f(torch, b).sum(), b)[0]
    np.testing.assert_array_equal(mg.grad(f(mg, a).sum(), a)[0].data, expected.numpy())


def test_an_extreme_among_infinities_and_nan():
    x = mg.tensor([-INF, 1.0, INF], requires_grad=True)
    assert (x.amax().item(), x.amin().item()) == (INF, -INF)
    assert mg.grad(x.amax(), x)[0].tolist() == [0, 0, 1]
    x = mg.tensor([1.0, NAN, 3.0])
    assert [math.isnan(y.item()) for y in (x.amax(), x.amin(), x.max(0).values)] == [True] * 3
    assert x.max(0).indices.item() == x.argmax().item() == 1


def test_extremes_of_unsigned_integers_and_bools():
    x = mg.tensor([[0, 200], [7, 5]], dtype=np.uint8)
    assert (x.amin().item(), x.amax().item()) == (0, 200)
    assert (x.min(1).values.tolist(), x.max(0).values.tolist()) == ([0, 5], [7, 200])
    assert (x > 6).amax(0).tolist() == [True, True]


@drawn(30)
@given(reductions(several_axes=False), st.sampled_from(LAYOUTS))
def test_the_places_of_extremes_are_pytorchs(torch, reduction, layout):
    s, dim, keepdim = reduction
    x = np.round(normal(s, layout=layout))  # with ties: the first counts
    for name in ("argmax", "argmin"):
        expected = getattr(torch.tensor(x), name)(dim, keepdim)
        found = getattr(mg.Tensor(x), name)(dim, keepdim)
        assert found.dtype == np.int64
        assert found.tolist() == expected.tolist()


@drawn(30)
@given(reductions(several_axes=True), st.sampled_from(["bool", "int64", "float64"]))
def test_all_and_any_are_pytorchs(torch, reduction, dtype):
    s, dim, keepdim = reduction
    x = (normal(s) > 0).astype(dtype)
    for name in ("all", "any"):
        found = getattr(mg.Tensor(x), name)(**over(dim, keepdim))
        assert found.dtype == np.bool_
        assert found.tolist() == getattr(torch.tensor(x), name)(**over(dim, keepdim)).tolist()


# --- products with zeros ----------------------------------------------------------------------------------------------

PRODUCTS = [
    [2.0, 3.0, 4.0],
    [0.0, 2.0, 3.0],
    [2.0, 0.0, 0.0],
    [0.0, 0.0, 0.0],
    [5.0],
    [0.0],
    [-1.5, 0.0, 2.0, 0.5, 3.0],
]


@pytest.mark.parametrize("values", PRODUCTS, ids=str)
def test_derivatives_of_a_product_with_zeros_are_right_to_third_order(values):
    """The gradient to each factor is the product of the others, which dividing by it would not find where it is 0."""
    x = mg.tensor(values, dtype=np.float64, requires_grad=True)
    (g,) = mg.grad(x.prod(), x)
    assert g.tolist() == [math.prod(values[:i] + values[i + 1 :]) for i in range(len(values))]
    assert mg.check.gradcheck(lambda x: x.prod(), x, order=3, rtol=1e-4)


@pytest.mark.parametrize("values", PRODUCTS, ids=str)
def test_derivatives_of_a_product_with_zeros_are_pytorchs(torch, values):
    assert_like_torch(torch, lambda lib, x: lib.prod(x), np.array(values))
    assert_like_torch(torch, lambda lib, x: lib.prod(x, 0, True), np.array([values, values[::-1]]))
    assert_like_torch(torch, lambda lib, x: lib.prod(x, 1), np.array([values, values[::-1]]))


@pytest.mark.parametrize("n", range(10))
def test_a_product_of_any_number_of_factors(n):
    x = normal((n, 2))
    np.testing.assert_allclose(mg.Tensor(x).prod(0).data, x.prod(0), rtol=1e-14)


# --- logsumexp --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected", "slope"),
    [
        ([0.0, 0.0], math.log(2), [0.5, 0.5]),
        ([-INF, 1.0], 1.0, [0, 1]),
        ([-INF, -INF], -INF, [NAN, NAN]),
        ([INF, 1.0], INF, [NAN, 0]),
        ([NAN, 1.0], NAN, [NAN, NAN]),
        ([1e4, 1e4 - 1000], 1e4, [1, 0]),
        ([-1e4, -1e4], -1e4 + math.log(2), [0.5, 0.5]),
    ],
)
def test_logsumexp_at_infinities_and_large_values(torch, values, expected, slope):
    for library, grad in ((mg, mg.grad), (torch, torch.autograd.grad)):
        x = library.tensor(values, dtype=np.float64 if library is mg else torch.float64, requires_grad=True)
        y = library.logsumexp(x, 0)
        np.testing.assert_allclose(y.item(), expected, rtol=1e-15)
        np.testing.assert_allclose(grad(y, x)[0].tolist(), slope, rtol=1e-12)


# --- moments ----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("correction", [0, 1, 2, 3, 0.5])
@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0], [2.0, 2.0], [1.0, 2.0, 4.0]], ids=str)
def test_the_variance_of_few_values_is_pytorchs(torch, values, correction):
    for name in ("var", "std"):
        found = getattr(mg.tensor(values), name)(correction=correction).item()
        expected = getattr(torch.tensor(values), name)(correction=correction).item()
        np.testing.assert_allclose(found, expected, rtol=1e-6, equal_nan=True)


def test_the_variance_of_large_values_does_not_cancel():
    x = mg.tensor([1e8 + 1, 1e8 + 2, 1e8 + 3], dtype=np.float64)
    assert x.var().item() == pytest.approx(1.0)


def test_the_deviation_of_equal_values_has_gradient_0(torch):
    values = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
    x, t = mg.Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    (g,) = mg.grad(x.std(1).sum(), x, create_graph=True)
    assert g[0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(g.data, torch.autograd.grad(t.std(1).sum(), t)[0].numpy(), rtol=1e-12)
    assert np.isfinite(mg.grad((g * g).sum(), x)[0].data).all()


# --- norms at zero ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [2, "fro", 1, 3, 1.5, INF])
def test_the_norm_of_a_zero_vector_has_gradient_0_as_in_pytorch(torch, p):
    values = np.array([[0.0, 0.0], [3.0, -4.0], [0.0, 2.0]])
    x, t = mg.Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y = x.norm(p, 1)
    (g,) = mg.grad(y.sum(), x, create_graph=True)
    np.testing.assert_allclose(y.data, t.norm(p, 1).detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(g.data, torch.autograd.grad(t.norm(p, 1).sum(), t)[0].numpy(), rtol=1e-12)
    assert g[0].tolist() == [0, 0]
    if g.requires_grad:  # for p = 1 and ∞ it is constant
        assert np.isfinite(mg.grad((g * g).sum(), x)[0].data).all()


def test_a_gradient_penalty_is_finite_where_the_inner_gradient_is_0():
    """(‖∇f‖ − 1)² with f = Σx², whose gradient vanishes at the first point."""
    x = mg.tensor([[0.0, 0.0], [1.0, 2.0]], requires_grad=True)
    (inner,) = mg.grad((x * x).sum(), x, create_graph=True)
    penalty = ((inner.norm(2, 1) - 1) ** 2).sum()
    (g,) = mg.grad(penalty, x)
    assert np.isfinite(g.data).all()
    assert g[0].tolist() == [0, 0]


@pytest.mark.parametrize("p", [0, 0.5, 1, 2, 3, -1, -2, INF, -INF])
@pytest.mark.parametrize(
    "values", [[0.0, 2.0, -3.0], [0.0, 0.0, 0.0], [1.0, -1.0, 2.0], [INF, 1.0, 0.0], [NAN, 1.0, 0.0]]
)
def test_the_value_of_every_norm_is_pytorchs(torch, p, values):
    np.testing.assert_allclose(mg.tensor(values).norm(p).item(), torch.tensor(values).norm(p).item(), rtol=1e-6)


# --- the smallest tensors ---------------------------------------------------------------------------------------------

REDUCTIONS = {
    "sum": 0.0,
    "prod": 1.0,
    "mean": NAN,
    "var": NAN,
    "std": NAN,
    "norm": 0.0,
    "all": True,
    "any": False,
}


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_of_no_elements_is_the_neutral_one(torch, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole, rows = getattr(mg.zeros(0, 2), name)(), getattr(mg.zeros(0, 2), name)(dim=0)
    np.testing.assert_equal(whole.item(), REDUCTIONS[name])
    np.testing.assert_equal(rows.tolist(), [REDUCTIONS[name]] * 2)
    np.testing.assert_equal(getattr(torch.zeros(0, 2), name)(dim=0).tolist(), rows.tolist())
    assert getattr(mg.zeros(2, 0, 3), name)(dim=2).shape == (2, 0)
    if name not in ("all", "any"):
        x = mg.zeros(0, 2, requires_grad=True)
        assert mg.grad(getattr(x, name)(dim=0).sum(), x)[0].shape == (0, 2)


@pytest.mark.parametrize(
    "label", [label for label in [*OVER_AXES, *OVER_ONE_AXIS] if label not in ("cumsum", "var", "std")]
)
def test_a_single_number_is_reduced_over_no_axes(torch, label):
    f = {**OVER_AXES, **OVER_ONE_AXIS}[label]
    if "std" not in label:
        assert_like_torch(torch, lambda lib, x: f(lib, x, None, False) ** 2, np.array(-1.5))


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*{label.split(",")[0] for label in [*OVER_AXES, *OVER_ONE_AXIS]}, *NOT_DIFFERENTIABLE]
)
def test_an_axis_that_there_is_not_is_named_with_the_operation(name):
    with pytest.raises(IndexError, match=rf"^{name}: dim is 5, but a tensor of 2 axes has dims -2 to 1$"):
        getattr(mg.ones(2, 3), name)(dim=5)
    with pytest.raises(IndexError, match=rf"^{name}: dim is 0, but the tensor is a single number and has no axes$"):
        getattr(mg.tensor(1.0), name)(dim=0)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "amax", "amin", "logsumexp", "norm", "all", "any"])
def test_an_axis_may_be_named_once_only(name):
    with pytest.raises(ValueError, match=re.escape("dim (0, -2) names an axis twice")):
        getattr(mg.ones(2, 3), name)(dim=(0, -2))


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "argmax", "argmin", "logsumexp"])
def test_there_is_no_extreme_of_no_elements(name):
    message = f"{name}: there is no extreme of no elements; the shape is (0, 2), dim is 0"
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(mg.zeros(0, 2), name)(0)
    assert getattr(mg.zeros(2, 0, 3), name)(2)[0].shape in ((2, 0), (0,))


def test_norm_knows_numbers_and_fro():
    with pytest.raises(ValueError, match="norm: p must be a number or 'fro', got 'nuc'"):
        mg.ones(2, 2).norm("nuc")


# --- the methods of Tensor --------------------------------------------------------------------------------------------

# Positional arguments, chosen so that another order would give another result (or fail).
METHODS = {
    **{name: [(), (1,), (1, True)] for name in ("all", "any", "argmax", "argmin", "max", "min", "prod")},
    **{name: [(), (1,), (1, True), ((0, 2), True)] for name in ("amax", "amin", "mean", "sum")},
    "cumsum": [(0,), (2,)],
    "logsumexp": [(1,), ((0, 2), True)],
    "norm": [(), (1,), (3, 1), (2, (0, 2), True)],
    "std": [(), (1,), ((0, 2),), (1, False), (1, True, True)],  # PyTorch's third argument: unbiased, a bool
    "var": [(), (1,), ((0, 2),), (1, False), (1, True, True)],
}


def test_every_method_that_pytorch_has_too_is_in_the_table(torch):
    methods = {
        name
        for name, f in vars(mg.Tensor).items()
        if getattr(f, "__module__", None) == reduce.__name__ and not name.startswith("_")
    }
    assert {name for name in methods if hasattr(torch.Tensor, name)} == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_its_arguments_in_pytorchs_order(torch, name):
    x = normal((2, 3, 4))
    for args in METHODS[name]:
        found, expected = getattr(mg.Tensor(x), name)(*args), getattr(torch.tensor(x), name)(*args)
        pairs = zip(found, expected) if isinstance(found, tuple) else [(found, expected)]
        for mine, theirs in pairs:
            assert mine.shape == tuple(theirs.shape)
            np.testing.assert_allclose(mine.data, theirs.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_an_index_along_several_axes_is_refused(name):
    with pytest.raises(TypeError, match=rf"^{name}: dim must be one axis, got \(0, 1\); amax and amin take several"):
        getattr(mg, name)(mg.ones(2, 3), (0, 1))


def test_max_and_min_of_two_tensors_are_maximum_and_minimum():
    a, b = mg.tensor([1.0, 5.0]), mg.tensor([3.0, 2.0])
    assert mg.max(a, b).tolist() == [3, 5]
    assert mg.min(a, b).tolist() == [1, 2]


@pytest.mark.parametrize("name", ["sum", "mean", "amax"])
def test_axes_given_one_by_one_are_refused(name):
    with pytest.raises(TypeError, match="keepdim must be True or False, got 3; several axes go into one tuple"):
        getattr(mg.ones(2, 2, 2, 2), name)(2, 3)
