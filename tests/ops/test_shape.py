"""minigan.ops.shape: what moves values without computing; every operation against PyTorch, and against its adjoint.

The operations are linear, so a gradient does not depend on x. To see the gradient of the gradient all the same, the tests
cube the result: y = op(x)³.
"""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import LAYOUTS, assert_like_torch, drawn, normal

import minigan as mg
from minigan.ops import shape

# --- every operation against PyTorch ----------------------------------------------------------------------------------


def axis(draw, n):
    """One of n axes, counted from the front or from the back."""
    return draw(st.integers(-n, n - 1))


def axes(draw, n, max_size=None):
    """Some of n axes, each once, in any order."""
    chosen = draw(st.lists(st.integers(0, n - 1), unique=True, min_size=1, max_size=max_size or n))
    return tuple(draw(st.sampled_from([i, i - n])) for i in chosen)


def some_shape_of(draw, size):
    """A shape of `size` elements."""
    sizes = []
    while size > 1 and draw(st.booleans()):
        n = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
        sizes.append(n)
        size //= n
    return (*sizes, size)


def flattening(draw, s):
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(s) - 1)] * 2)))
    return (start, end - draw(st.sampled_from([0, len(s)])))


def wider(draw, s):
    """A shape that `s` broadcasts to, with −1 for some sizes that stay."""
    new = [draw(st.integers(0, 3)) for _ in range(draw(st.integers(0, 2)))]
    kept = [draw(st.integers(0, 3)) if n == 1 else draw(st.sampled_from([n, -1])) for n in s]
    return (*new, *kept)


def stretch(draw, s):
    dim = axis(draw, len(s))
    start = draw(st.integers(0, s[dim]))
    return dim, start, draw(st.integers(0, s[dim] - start))


def sections(draw, s):
    dim = axis(draw, len(s))
    cuts = sorted(draw(st.lists(st.integers(0, s[dim]), max_size=3)))
    return [b - a for a, b in zip([0, *cuts], [*cuts, s[dim]])], dim


# For each method: arguments that fit a tensor of shape s.
ARGUMENTS = {
    "broadcast_to": lambda draw, s: (tuple(n if m == -1 else m for m, n in zip(wider(draw, s)[-len(s) :], s)),),
    "chunk": lambda draw, s: (draw(st.integers(1, 5)), axis(draw, len(s))),
    "clone": lambda draw, s: (),
    "expand": wider,
    "expand_as": lambda draw, s: (np.zeros((2, *s)),),
    "flatten": flattening,
    "flip": lambda draw, s: (axes(draw, len(s)),),
    "movedim": lambda draw, s: (axis(draw, len(s)), axis(draw, len(s))),
    "narrow": stretch,
    "permute": lambda draw, s: tuple(draw(st.permutations(range(-len(s), 0)))),
    "repeat": lambda draw, s: tuple(draw(st.lists(st.integers(0, 3), min_size=len(s), max_size=len(s) + 1))),
    "reshape": lambda draw, s: (some_shape_of(draw, math.prod(s)),),
    "roll": lambda draw, s: (lambda dims: (tuple(draw(st.integers(-9, 9)) for _ in dims), dims))(axes(draw, len(s))),
    "split": lambda draw, s: (draw(st.integers(1, 5)), axis(draw, len(s))),
    "squeeze": lambda draw, s: draw(st.sampled_from([(), (axis(draw, len(s)),), (axes(draw, len(s)),)])),
    "transpose": lambda draw, s: (axis(draw, len(s)), axis(draw, len(s))),
    "unbind": lambda draw, s: (axis(draw, len(s)),),
    "unflatten": lambda draw, s: (lambda dim: (dim, some_shape_of(draw, s[dim])))(axis(draw, len(s))),
    "unsqueeze": lambda draw, s: (axis(draw, len(s) + 1),),
    "view": lambda draw, s: (some_shape_of(draw, math.prod(s)),),
}
CASES = {
    **ARGUMENTS,
    "roll one": lambda draw, s: (draw(st.integers(-9, 9)), axis(draw, len(s))),
    "roll flattened": lambda draw, s: (draw(st.integers(-9, 9)),),
    "reshape with one unknown": lambda draw, s: (2, -1) if math.prod(s) % 2 == 0 and math.prod(s) else (-1,),
    "split in sections": sections,
}


def called(library, x, name, args):
    """x.name(*args), with pieces joined again in the other order."""
    if library is not mg and name == "view":
        name = "reshape"  # PyTorch's view refuses what would need a copy
    y = getattr(x, name)(*[library.tensor(a) if isinstance(a, np.ndarray) else a for a in args])
    if name == "unbind":
        return library.stack(y[::-1], args[0]) if y else x
    return library.cat(y[::-1], args[1]) if isinstance(y, tuple) else y


@pytest.mark.parametrize("case", CASES)
def test_a_method_is_pytorchs_to_second_order(torch, case):
    name = case.split()[0]

    @drawn(25)
    @given(st.data(), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4), st.sampled_from(LAYOUTS))
    def check(data, s, layout):
        args = CASES[case](data.draw, s)
        assert_like_torch(torch, lambda lib, x: called(lib, x, name, args) ** 3, normal(s, layout=layout))

    check()


def test_every_method_that_pytorch_has_too_is_in_the_table(torch):
    methods = {
        name
        for name, f in vars(mg.Tensor).items()
        if getattr(f, "__module__", None) == shape.__name__ and not name.startswith("_")
    }
    assert {name for name in methods if hasattr(torch.Tensor, name)} == {*ARGUMENTS, *CASTS, "to", "cpu", "t"}


@drawn(30)
@given(
    st.data(),
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=3),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(LAYOUTS)), min_size=1, max_size=4),
)
def test_cat_is_pytorchs_to_second_order(torch, data, s, others):
    dim = axis(data.draw, len(s))
    shapes = [tuple(n if i == dim % len(s) else m for i, m in enumerate(s)) for n, _ in others]
    xs = [normal(shape, seed, layout) for seed, (shape, (_, layout)) in enumerate(zip(shapes, others))]
    assert_like_torch(torch, lambda lib, *ts: lib.cat(ts, dim) ** 3, *xs)


@drawn(30)
@given(
    st.data(),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    st.lists(st.sampled_from(LAYOUTS), min_size=1, max_size=4),
)
def test_stack_is_pytorchs_to_second_order(torch, data, s, layouts):
    dim = axis(data.draw, len(s) + 1)
    xs = [normal(s, seed, layout) for seed, layout in enumerate(layouts)]
    assert_like_torch(torch, lambda lib, *ts: lib.stack(ts, dim) ** 3, *xs)


def test_cat_and_stack_of_one_tensor_with_itself_add_its_gradients_up():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    for joined in (mg.cat([x, x]), mg.stack([x, x])):
        assert mg.grad(joined.sum(), x)[0].tolist() == [2.0, 2.0]


@drawn(40)
@given(
    st.data(),
    hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
    st.sampled_from(LAYOUTS),
    st.sampled_from([0, -2.5]),
)
def test_pad_constant_is_pytorchs_pad_to_second_order_also_where_it_crops(torch, data, s, layout, value):
    borders = []
    for n in s:
        before = data.draw(st.integers(-n, 3))
        borders.append((before, data.draw(st.integers(min(0, -n - min(before, 0)), 3))))
    flat = [n for border in reversed(borders) for n in border]  # PyTorch begins with the last axis

    def padded(library, x):
        if library is mg:
            return shape.pad_constant(x, tuple(borders), value) ** 3
        return torch.nn.functional.pad(x, flat, value=value) ** 3

    assert_like_torch(torch, padded, normal(s, layout=layout))


@drawn(30)
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4), st.sampled_from(LAYOUTS))
def test_dilate_puts_zeros_between_neighbours(data, s, layout):
    steps = tuple(data.draw(st.integers(1, 3)) for _ in s)
    x = normal(s, layout=layout)
    y = mg.dilate(mg.Tensor(x), steps).data
    assert y.shape == tuple(max((n - 1) * step + 1, 0) for n, step in zip(s, steps))
    np.testing.assert_array_equal(y[tuple(slice(None, None, step) for step in steps)], x)
    assert np.abs(y).sum() == pytest.approx(np.abs(x).sum())  # and nothing but zeros in between


def test_t_reverses_all_axes_and_mt_exchanges_the_last_two():
    x = mg.Tensor(normal((2, 3, 4)))
    assert x.T.shape == (4, 3, 2)
    assert x.mT.shape == (2, 4, 3)
    np.testing.assert_array_equal(x.T.data, x.data.T)
    np.testing.assert_array_equal(x.mT.data, x.data.swapaxes(1, 2))


@pytest.mark.parametrize(
    ("call", "shapes"),
    [
        (lambda x: x.split(2), [(2, 3), (2, 3), (1, 3)]),
        (lambda x: x.split(9), [(5, 3)]),
        (lambda x: x.split([1, 0, 4]), [(1, 3), (0, 3), (4, 3)]),
        (lambda x: x.split(2, 1), [(5, 2), (5, 1)]),
        (lambda x: x.chunk(2), [(3, 3), (2, 3)]),
        (lambda x: x.chunk(4), [(2, 3), (2, 3), (1, 3)]),  # four pieces of equal size do not exist: three
        (lambda x: x.chunk(2, -1), [(5, 2), (5, 1)]),
        (lambda x: x[:0].split(2), [(0, 3)]),
    ],
)
def test_pieces_may_be_uneven(torch, call, shapes):
    assert [x.shape for x in call(mg.zeros(5, 3))] == shapes
    assert [tuple(x.shape) for x in call(torch.zeros(5, 3))] == shapes


# --- casts ------------------------------------------------------------------------------------------------------------

CASTS = {"float": np.float32, "double": np.float64, "long": np.int64, "bool": np.bool_}


@pytest.mark.parametrize("name", CASTS)
def test_a_cast_by_name_is_pytorchs(torch, name):
    x = np.array([-1.7, 0.0, 0.3, 2.5])
    found, expected = getattr(mg.Tensor(x), name)(), getattr(torch.tensor(x), name)()
    assert found.dtype == CASTS[name]
    assert found.tolist() == expected.tolist()


def test_a_cast_between_floats_passes_the_gradient_back_in_the_type_it_came_in():
    x = mg.Tensor(normal((2, 3)), requires_grad=True)
    y = x.float()
    assert y.dtype == np.float32
    (g,) = mg.grad((y**3).sum(), x, create_graph=True)
    assert (g.dtype, g.shape) == (np.float64, (2, 3))
    np.testing.assert_allclose(g.data, 3 * x.data**2, rtol=1e-6)
    (h,) = mg.grad(g.sum(), x)
    assert h.dtype == np.float64
    np.testing.assert_allclose(h.data, 6 * x.data, rtol=1e-6)


def test_a_cast_to_integers_leaves_the_graph():
    x = mg.tensor([1.5, -1.5], requires_grad=True)
    assert not x.long().requires_grad
    assert not x.bool().requires_grad


def test_to_takes_a_type_a_name_a_device_or_a_tensor_and_is_the_same_object_if_nothing_changes():
    x = mg.ones(2)
    assert x.to(np.float32) is x.to("cpu") is x.to("float32") is x.to(mg.zeros(1)) is x
    assert x.to(np.float64).dtype == x.to("float64").dtype == x.to(mg.zeros(1, dtype=np.float64)).dtype == np.float64
    assert x.to("cpu", np.int64).dtype == np.int64


def test_to_refuses_devices_and_types_that_there_are_not():
    with pytest.raises(ValueError, match="there is no device 'tpu'"):
        mg.ones(2).to("tpu")
    for dtype in (np.float16, np.complex64, "str"):
        with pytest.raises(TypeError, match="expected numbers"):
            mg.ones(2).to(dtype)


# --- derivatives without PyTorch --------------------------------------------------------------------------------------

# Each operation once more, on a fixed shape (2, 3, 4).
OPERATIONS = {
    "broadcast_to": lambda x: mg.broadcast_to(x[:, :1], (5, 2, 3, 4)),
    "cast": lambda x: shape.cast(shape.cast(x, np.float64), np.float64),
    "cat": lambda x: mg.cat([x, x[:, 1:], x], 1),
    "chunk": lambda x: mg.chunk(x, 2, 1)[1],
    "dilate": lambda x: mg.dilate(x, (1, 2, 3)),
    "expand": lambda x: mg.expand(x[:, :1], 5, -1, 3, -1),
    "expand_as": lambda x: mg.expand_as(x, mg.zeros(2, 2, 3, 4)),
    "flatten": lambda x: mg.flatten(x, 1),
    "clone": lambda x: x.clone(),
    "flip": lambda x: mg.flip(x, (0, -1)),
    "repeat": lambda x: x.repeat(2, 1, 1, 3),
    "t": lambda x: x[0].t(),
    "unbind": lambda x: mg.stack(x.unbind(1)[::-1], 2),
    "movedim": lambda x: mg.movedim(x, 0, -1),
    "narrow": lambda x: mg.narrow(x, 2, 1, 2),
    "pad_constant": lambda x: shape.pad_constant(x, ((0, 1), (-1, 2), (2, -3)), 1.5),
    "permute": lambda x: mg.permute(x, 2, 0, 1),
    "reshape": lambda x: mg.reshape(x, 4, -1),
    "roll": lambda x: mg.roll(x, (1, -2), (0, 2)),
    "roll flattened": lambda x: mg.roll(x, 5),
    "split": lambda x: mg.split(x, [1, 2], 1)[1],
    "squeeze": lambda x: mg.squeeze(x[:, :1], 1),
    "stack": lambda x: mg.stack([x, x * x], -1),
    "sum_to": lambda x: shape.sum_to(x, (3, 1)),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to(np.float64),
    "transpose": lambda x: mg.transpose(x, 0, -1),
    "transposed": lambda x: x.T,
    "unflatten": lambda x: mg.unflatten(x, 2, (2, -1)),
    "unsqueeze": lambda x: mg.unsqueeze(x, 1),
    "view": lambda x: x.view(6, 4),
}
HELPERS = {"as_tensor", "normalize_dim", "normalize_dims", "shape_argument"}


def test_every_function_of_the_file_is_differentiated():
    functions = {
        name
        for name, f in vars(shape).items()
        if inspect.isfunction(f) and f.__module__ == shape.__name__ and not name.startswith("_")
    }
    assert functions - HELPERS == {label.split()[0] for label in OPERATIONS}


@pytest.mark.parametrize("label", OPERATIONS)
def test_gradcheck_to_second_order(label):
    assert mg.check.gradcheck(lambda x: OPERATIONS[label](x) ** 3, mg.Tensor(normal((2, 3, 4))), order=2)


@pytest.mark.parametrize("label", [label for label in OPERATIONS if label not in ("cast", "to")])
def test_float32_stays_float32_in_value_and_gradient(label):
    x = mg.Tensor(normal((2, 3, 4)).astype(np.float32), requires_grad=True)
    y = OPERATIONS[label](x)
    assert y.dtype == np.float32
    (g,) = mg.grad((y * y).sum(), x)
    assert (g.dtype, g.shape) == (np.float32, x.shape)


# What an operation does to a tensor of some shape, and its transposed matrix.
PAIRS = {
    "broadcast_to and sum_to": ((3, 1), lambda x: x.broadcast_to((2, 3, 4)), lambda y: shape.sum_to(y, (3, 1))),
    "sum_to and broadcast_to": ((2, 3, 4), lambda x: shape.sum_to(x, (1, 4)), lambda y: y.broadcast_to((2, 3, 4))),
    "pad and crop": (
        (3, 4),
        lambda x: shape.pad_constant(x, ((1, 2), (0, 3))),
        lambda y: shape.pad_constant(y, ((-1, -2), (0, -3))),
    ),
    "dilate and subsample": ((3, 4), lambda x: mg.dilate(x, (2, 3)), lambda y: y[::2, ::3]),
    "cat and slices": (
        (3, 4),
        lambda x: mg.cat([x, 2 * x, x[:1]]),
        lambda y: y[:3] + 2 * y[3:6] + mg.cat([y[6:], mg.zeros(2, 4, dtype=y.dtype)]),
    ),
    "permute and its inverse": ((2, 3, 4), lambda x: x.permute(2, 0, 1), lambda y: y.permute(1, 2, 0)),
    "flip and itself": ((3, 4), lambda x: x.flip((0, 1)), lambda y: y.flip((0, 1))),
    "roll and back": ((3, 4), lambda x: x.roll((1, 5), (0, 1)), lambda y: y.roll((-1, -5), (0, 1))),
    "reshape and back": ((3, 4), lambda x: x.reshape(2, 6), lambda y: y.reshape(3, 4)),
    "narrow and pad": (
        (5, 2),
        lambda x: x.narrow(0, 1, 3),
        lambda y: shape.pad_constant(y, ((1, 1), (0, 0))),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", PAIRS)
def test_the_two_of_a_pair_are_adjoint_and_each_is_the_others_gradient(label, dtype):
    s, linear, adjoint = PAIRS[label]
    x = mg.Tensor(normal(s).astype(dtype), requires_grad=True)
    assert mg.check.adjoint_check(linear, adjoint, x)
    y = linear(x)
    g = mg.Tensor(normal(y.shape, 1).astype(dtype))
    np.testing.assert_allclose(mg.grad(y, x, g)[0].data, adjoint(g).data, rtol=1e-6)


def test_broadcasting_and_moving_axes_copies_nothing():
    x = mg.Tensor(normal((2, 1, 4)))
    for y in (x.expand(2, 3, 4), x.permute(2, 0, 1), x.flip(0), x.reshape(8), x.narrow(2, 1, 2), x.detach()):
        assert np.shares_memory(x.data, y.data)


def test_an_operation_that_changes_nothing_returns_its_tensor_and_adds_no_node():
    x = mg.tensor([[1.0, 2.0]], requires_grad=True)
    same = [x.reshape(1, 2), x.permute(0, 1), x.expand(1, 2), x.narrow(1, 0, 2), x.flip(()), mg.dilate(x, (1, 1))]
    assert all(y is x for y in [*same, shape.sum_to(x, (1, 2)), shape.pad_constant(x, ((0, 0), (0, 0)))])


# --- the smallest tensors ---------------------------------------------------------------------------------------------


def test_a_single_number_has_no_axes_but_a_shape():
    x = mg.tensor(2.0, requires_grad=True)
    for y in (x.reshape(1), x.flatten(), x.unsqueeze(0), x.expand(1), x.view(-1)):
        assert y.shape == (1,)
        assert mg.grad(y.sum(), x)[0].shape == ()
    assert x.squeeze().shape == x.T.shape == x.reshape(()).shape == x.permute().shape == ()
    assert x.roll(1).item() == 2.0
    assert mg.stack([x, x]).tolist() == [2.0, 2.0]


def test_no_elements_can_be_reshaped_and_joined():
    x = mg.zeros(0, 3, requires_grad=True)
    assert x.reshape(-1).shape == (0,)
    assert x.reshape(3, 0).shape == (3, 0)
    assert x.flatten().shape == (0,)
    assert mg.cat([x, mg.ones(1, 3)]).shape == (1, 3)
    assert x.expand(5, 0, 3).shape == (5, 0, 3)
    assert shape.pad_constant(x, ((1, 1), (0, 0)), 7.0).tolist() == [[7.0] * 3] * 2
    assert mg.grad(x.flip(0).sum(), x)[0].shape == (0, 3)


# --- types of what is joined ------------------------------------------------------------------------------------------


def test_cat_makes_integers_floats_but_no_float32_a_float64(torch):
    dtypes = ["bool", "uint8", "int64", "float32", "float64"]
    for a in dtypes:
        for b in dtypes:
            joined = mg.cat([mg.ones(1, dtype=np.dtype(a)), mg.ones(1, dtype=np.dtype(b))])
            theirs = torch.cat([torch.ones(1, dtype=getattr(torch, a)), torch.ones(1, dtype=getattr(torch, b))])
            assert f"torch.{joined.dtype}" == str(theirs.dtype), (a, b)


# --- errors -----------------------------------------------------------------------------------------------------------

X = mg.zeros(2, 3)
ERRORS = {
    "as many elements": (lambda: X.reshape(4, 2), "reshape: 6 elements of shape (2, 3) do not fit the shape (4, 2)"),
    "two unknown sizes": (lambda: X.reshape(-1, -1), "reshape: 6 elements of shape (2, 3) do not fit"),
    "unknown does not divide": (lambda: X.view(4, -1), "reshape: 6 elements of shape (2, 3) do not fit"),
    "negative size": (lambda: X.reshape(-2, -3), "reshape: 6 elements of shape (2, 3) do not fit the shape (-2, -3)"),
    "broadcast_to": (lambda: X.broadcast_to((3, 3)), "broadcast_to: shape (2, 3) does not broadcast to (3, 3)"),
    "broadcast to fewer": (lambda: X.broadcast_to((3,)), "broadcast_to: shape (2, 3) does not broadcast to (3,)"),
    "expand to fewer": (lambda: X.expand(3), "expand: (3,) has fewer axes than the tensor, whose shape is (2, 3)"),
    "expand, new axis": (lambda: X.expand(-1, 2, 3), "broadcast_to: shape (2, 3) does not broadcast to (-1, 2, 3)"),
    "flatten backwards": (lambda: X.flatten(1, 0), "flatten: start_dim 1 comes after end_dim 0"),
    "permute": (lambda: X.permute(0), "permute: (0,) must name each of the 2 axes once"),
    "permute twice": (lambda: X.permute(0, 0), "permute: dim (0, 0) names an axis twice"),
    "flip twice": (lambda: X.flip((1, -1)), "flip: dim (1, -1) names an axis twice"),
    "roll": (lambda: X.roll((1, 2), 0), "roll: 2 shifts for 1 dims"),
    "crop": (lambda: shape.pad_constant(X, ((0, 0), (-2, -2))), "pad: the borders ((0, 0), (-2, -2)) crop more than"),
    "dilate": (lambda: mg.dilate(X, (2,)), "dilate: expected 2 steps of at least 1, got (2,)"),
    "dilate by 0": (lambda: mg.dilate(X, (1, 0)), "dilate: expected 2 steps of at least 1, got (1, 0)"),
    "cat of nothing": (lambda: mg.cat([]), "cat: expected at least one tensor"),
    "cat": (lambda: mg.cat([X, mg.zeros(3, 2)]), "cat: the shapes (2, 3), (3, 2) may differ in dim 0 only"),
    "cat of other ndim": (lambda: mg.cat([X, mg.zeros(2)]), "cat: the shapes (2, 3), (2,) may differ in dim 0 only"),
    "stack of nothing": (lambda: mg.stack([]), "stack: expected at least one tensor"),
    "stack": (lambda: mg.stack([X, X.T]), "stack: the shapes differ: (2, 3), (3, 2)"),
    "narrow": (lambda: X.narrow(1, 2, 2), "narrow: places 2 to 4 of dim 1, which has 3"),
    "narrow before": (lambda: X.narrow(1, -1, 2), "narrow: places -1 to 1 of dim 1, which has 3"),
    "split": (lambda: X.split([1, 1], 1), "split: sections [1, 1] do not add up to the 3 places of dim 1"),
    "split below 0": (lambda: X.split([4, -1], 1), "split: sections [4, -1] do not add up to the 3 places of dim 1"),
    "split by 0": (lambda: X.split(0), "split: the size of a piece must be at least 1, got 0"),
    "chunk": (lambda: X.chunk(0), "chunk: expected at least 1 piece, got 0"),
}


@pytest.mark.parametrize("label", ERRORS)
def test_an_error_says_what_came_and_what_was_expected(label):
    call, message = ERRORS[label]
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        call()


@pytest.mark.parametrize("name", ["flatten", "flip", "movedim", "narrow", "split", "squeeze", "transpose", "unsqueeze"])
def test_an_axis_that_there_is_not_is_named_with_the_operation(name):
    args = {"narrow": (5, 0, 1), "split": (1, 5), "movedim": (0, 5), "transpose": (0, 5), "unflatten": (5, (1,))}
    with pytest.raises(IndexError, match=rf"^{name}: dim is 5, but a tensor of \d axes has dims -\d to \d$"):
        getattr(X, name)(*args.get(name, (5,)))


def test_a_single_number_has_no_axis_to_name():
    with pytest.raises(IndexError, match=r"^flip: dim is 0, but the tensor is a single number and has no axes$"):
        mg.tensor(1.0).flip(0)


def test_sizes_are_integers():
    with pytest.raises(TypeError, match=re.escape("reshape: sizes are integers, got (2, 1.5)")):
        X.reshape(2, 1.5)
    assert X.reshape(np.int64(3), np.int32(2)).shape == X.reshape([3, 2]).shape == (3, 2)
    assert X.roll(np.int64(1), np.int64(0)).shape == (2, 3)
    assert [x.shape for x in X.split(np.int64(2), 1)] == [(2, 2), (2, 1)]


def test_t_is_the_transpose_of_a_matrix_and_leaves_a_vector():
    assert mg.arange(6).reshape(2, 3).t().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert mg.arange(3).t().tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"t: expected at most 2 axes, got shape \(1, 1, 1\)"):
        mg.ones(1, 1, 1).t()


def test_a_clone_has_memory_of_its_own():
    x = mg.ones(3, requires_grad=True)
    assert not np.shares_memory(x.clone().data, x.data)


def test_flip_and_to_take_what_pytorch_takes():
    x = mg.arange(6.0).reshape(2, 3)
    assert x.flip(0, 1).tolist() == x.flip((0, 1)).tolist() == [[5, 4, 3], [2, 1, 0]]
    assert x.to(dtype=np.float64, device="cpu").dtype == np.float64
    with pytest.raises(TypeError, match="dtype is None"):
        x.to(None)


def test_cat_of_a_single_tensor_is_a_slip():
    with pytest.raises(TypeError, match="cat: expected a list or tuple of Tensors, got a single Tensor"):
        mg.cat(mg.ones(2, 2))
