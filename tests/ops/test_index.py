"""minigan.ops.index: picking elements by position (as NumPy does), putting them back, and assignment outside a graph."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from parity import LAYOUTS, assert_like_torch, drawn, normal

import minigan as mg
from minigan.ops import index

# --- getitem ----------------------------------------------------------------------------------------------------------

SHAPE = (4, 5, 6)
MASK = normal(SHAPE) > 0.5

# Ways to index a tensor of shape (4, 5, 6).
INDICES = {
    "integer": 1,
    "negative integer": -1,
    "NumPy integer": np.int64(2),
    "integers": (1, -2, 3),
    "slice": slice(1, 3),
    "slice to the end": slice(-2, None),
    "empty slice": slice(3, 1),
    "slice beyond the end": slice(2, 99),
    "step": slice(None, None, 2),
    "step from an offset": (slice(None), slice(1, None, 3)),
    "backwards": slice(None, None, -1),
    "backwards by steps": (slice(3, None, -2), slice(None, 0, -3)),
    "everything": (),
    "ellipsis": ...,
    "ellipsis and integer": (..., 2),
    "integer, ellipsis, slice": (1, ..., slice(0, 2)),
    "new axis": None,
    "new axes and an integer": (None, 2, None, ..., None),
    "list": [2, 0],
    "list with repeats": [0, 0, 3, 0],
    "empty list": [],
    "array": np.array([3, -1, 1]),
    "array of one kind of places": np.array([[0, 1], [1, 0]]),
    "array without axes": np.array(2),
    "unsigned array": np.array([1, 1, 2], dtype=np.uint8),
    "range": (slice(None), range(1, 4)),
    "arrays that go together": (np.array([0, 1, 1, 0, 0]), np.array([2, 3, 3, -3, 0])),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([2, 3, 2])),
    "array in the last axis": (..., [1, 1, 5]),
    "array between slices": (slice(1, 3), [4, 4, 0], slice(None, None, 2)),
    "tuple inside": (slice(None), (0, 0, 2)),
    "arrays apart": ([0, 1], slice(None), [2, 2]),
    "array, new axis, integer": ([0, 0], None, 3),
    "mask": MASK,
    "mask of the first axis": np.array([True, False, True, False]),
    "mask of the second axis": (slice(None), [True, False, True, True, False]),
    "mask of two axes": MASK[:, :, 0],
    "mask that is nowhere true": np.zeros(SHAPE, dtype=bool),
    "mask and slice": (MASK[:, :, 0], slice(None, None, 2)),
    "mask and array": (np.array([True, False, True, False]), [1, 1]),
    "tensor of integers": mg.tensor([1, 1, 0]),
    "tensor of one integer": mg.tensor(3),
    "tensor mask": mg.Tensor(MASK),
    "tensors and slice": (mg.tensor([0, 2]), slice(1, 4), mg.tensor([5, 5])),
    "all kinds": (slice(None, None, -1), None, [0, 2, 0], ..., mg.tensor(1)),
}


def as_numpy(part):
    """An index, for NumPy: which knows no Tensors, and is given arrays for sequences."""
    if isinstance(part, tuple):
        return tuple(np.asarray(p) if isinstance(p, tuple) else as_numpy(p) for p in part)
    if isinstance(part, list | range):
        return np.asarray(part, dtype=None if len(part) else np.int64)
    return part.data if isinstance(part, mg.Tensor) else part


@pytest.mark.parametrize("label", INDICES)
@pytest.mark.parametrize("layout", ["C", "channels-last", "reversed", "repeated"])
def test_the_elements_that_an_index_picks_are_numpys_and_what_comes_back_is_added_up(label, layout):
    x = normal(SHAPE, layout=layout)
    t = mg.Tensor(x, requires_grad=True)
    y = t[INDICES[label]]
    expected = x[as_numpy(INDICES[label])]
    np.testing.assert_array_equal(y.data, expected)
    assert y.shape == expected.shape
    weight = normal(y.shape, 1)
    back = np.zeros(SHAPE)
    np.add.at(back, as_numpy(INDICES[label]), weight)
    np.testing.assert_allclose(mg.grad(y, t, mg.Tensor(weight))[0].data, back, rtol=1e-12)


@pytest.mark.parametrize("label", INDICES)
def test_gradcheck_of_indexing_to_second_order(label):
    x = mg.Tensor(normal(SHAPE))
    assert mg.check.gradcheck(lambda x: x[INDICES[label]] ** 3, x, order=2, directions=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", INDICES)
def test_getitem_and_put_are_adjoint_and_keep_the_type(label, dtype):
    x = mg.Tensor(normal(SHAPE).astype(dtype), requires_grad=True)
    key = index.plain_index("getitem", INDICES[label])
    assert mg.check.adjoint_check(lambda x: x[key], lambda y: index.Put(key, SHAPE)(y), x)
    y = x[key]
    assert y.dtype == dtype
    (g,) = mg.grad(y.sum(), x)
    assert (g.dtype, g.shape) == (dtype, SHAPE)


# Where PyTorch means something else: it has no negative steps, and takes integers out before arrays apart come together.
NOT_PYTORCHS = {"backwards", "backwards by steps", "array, new axis, integer", "all kinds", "unsigned array"}


@pytest.mark.parametrize("label", [label for label in INDICES if label not in NOT_PYTORCHS])
def test_indexing_is_pytorchs_to_second_order(torch, label):
    def for_torch(part):
        part = part.data if isinstance(part, mg.Tensor) else part
        return torch.tensor(part) if isinstance(part, np.ndarray) else list(part) if isinstance(part, range) else part

    key = INDICES[label]
    theirs = tuple(map(for_torch, key)) if isinstance(key, tuple) else for_torch(key)
    assert_like_torch(torch, lambda lib, x: x[key if lib is mg else theirs] ** 3, normal(SHAPE))


@drawn(60)
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4), st.sampled_from(LAYOUTS))
def test_any_basic_index_is_numpys(data, shape, layout):
    x = normal(shape, layout=layout)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    t = mg.Tensor(x, requires_grad=True)
    y = t[key]
    np.testing.assert_array_equal(y.data, x[key])
    back = np.zeros(shape)
    back[key] += 1
    np.testing.assert_array_equal(mg.grad(y.sum(), t)[0].data, back)


@drawn(60)
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), st.sampled_from(LAYOUTS))
def test_any_index_of_arrays_is_numpys_and_counts_repeated_places(data, shape, layout):
    x = normal(shape, layout=layout)
    key = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)))
    t = mg.Tensor(x, requires_grad=True)
    y = t[tuple(map(mg.Tensor, key))]
    np.testing.assert_array_equal(y.data, x[key])
    times = np.zeros(shape)
    np.add.at(times, key, 1)
    np.testing.assert_array_equal(mg.grad(y.sum(), t)[0].data, times)


def test_a_place_named_several_times_gets_as_many_gradients():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for key in ([0, 0, 2], np.array([0, 0, 2]), mg.tensor([0, 0, 2]), ([0, 0, 2],), ((0, 0, 2),), [-3, 0, -1]):
        assert mg.grad(x[key].sum(), x)[0].tolist() == [2, 0, 1]


def test_a_tensor_of_one_integer_indexes_like_a_number_and_serves_as_one():
    x = mg.arange(6.0).reshape(2, 3)
    assert x[mg.tensor(1)].tolist() == x[1].tolist()
    assert x[0, mg.tensor(2)].item() == 2.0
    assert x[: mg.tensor(1)].shape == (1, 3)
    assert [10, 20, 30][mg.tensor(2)] == 30


def test_a_slice_shares_memory_and_a_pick_does_not():
    x = mg.arange(6.0)
    assert np.shares_memory(x[1:4].data, x.data)
    assert not np.shares_memory(x[[1, 2]].data, x.data)


def test_indexing_integers_and_bools_keeps_their_type():
    assert mg.arange(4)[1:].dtype == np.int64
    assert (mg.arange(4) > 1)[[0, 3]].tolist() == [False, True]


def test_a_single_number_can_be_indexed_by_nothing():
    x = mg.tensor(2.0, requires_grad=True)
    for y in (x[()], x[...]):
        assert y.shape == ()
        assert mg.grad(y, x)[0].item() == 1.0
    assert x[None].shape == (1,)


def test_iterating_gives_the_entries_of_the_first_axis_with_their_gradients():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x
    assert (a.tolist(), b.tolist()) == ([1, 2], [3, 4])
    assert mg.grad((a * b).sum(), x)[0].tolist() == [[3, 4], [1, 2]]
    assert list(mg.zeros(0, 2)) == []
    with pytest.raises(TypeError, match=r"a tensor of shape \(\) has no length"):
        iter(mg.tensor(1.0))


# --- setitem ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [label for label in INDICES if label != "everything"])
def test_assignment_is_numpys(label):
    array = normal(SHAPE).copy()
    x = mg.Tensor(array.copy())
    x[INDICES[label]] = 7.0
    array[as_numpy(INDICES[label])] = 7.0
    np.testing.assert_array_equal(x.data, array)


def test_assignment_gives_a_new_array_and_leaves_the_old_one_to_whoever_shares_it():
    array = np.zeros(3)
    x = mg.Tensor(array)
    view = x.detach()
    x[0] = 5
    x[1:] = mg.tensor([1.0, 2.0])
    assert x.tolist() == [5, 1, 2]
    assert array.tolist() == view.tolist() == [0, 0, 0]
    assert x.dtype == np.float64


def test_assignment_in_a_graph_is_refused_and_says_what_to_write():
    leaf, plain = mg.zeros(3, requires_grad=True), mg.zeros(3)
    for x, value in [(leaf, 1.0), (leaf * 2, 1.0), (plain, leaf[0])]:
        with pytest.raises(
            RuntimeError, match=r"^setitem: .*where\(mask, value, x\), cat\(\[...\]\), or x.scatter_add"
        ):
            x[0] = value
    assert plain.tolist() == [0, 0, 0]


def test_a_graph_made_before_an_assignment_notices_it():
    x, w = mg.ones(3), mg.ones(3, requires_grad=True)
    y = (x * w).sum()
    x[0] = 5.0
    with pytest.raises(RuntimeError, match=r"Mul: backward through a tensor of shape \(3,\).*new values"):
        y.backward()


# --- along one axis ---------------------------------------------------------------------------------------------------


@st.composite
def along_an_axis(draw):
    """A shape, an axis, and an index array as `gather` takes it: any size in that axis, elsewhere no larger."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    sizes = [draw(st.integers(0, 5)) if i == dim % len(shape) else draw(st.integers(0, n)) for i, n in enumerate(shape)]
    places = np.random.default_rng(draw(st.integers(0, 99))).integers(0, shape[dim], sizes)
    return shape, dim, places


@drawn(40)
@given(along_an_axis(), st.sampled_from(LAYOUTS))
def test_gather_is_pytorchs_to_second_order(torch, case, layout):
    shape, dim, places = case
    x = normal(shape, layout=layout)
    assert_like_torch(torch, lambda lib, x: lib.gather(x, dim, lib.tensor(places)) ** 3, x)


@drawn(40)
@given(along_an_axis(), st.sampled_from(LAYOUTS), st.sampled_from([0, 2]))
def test_scatter_add_is_pytorchs_to_second_order(torch, case, layout, larger):
    shape, dim, places = case
    x, src = normal(shape, layout=layout), normal([n + larger for n in places.shape], 1, layout)

    def f(library, x, src):
        if library is torch:  # which differentiates only where src is no larger than the index
            src = src[tuple(slice(n) for n in places.shape)]
        return library.scatter_add(x, dim, library.tensor(places), src) ** 3

    assert_like_torch(torch, f, x, src)


@drawn(30)
@given(along_an_axis(), st.lists(st.integers(0, 99), max_size=5), st.sampled_from(LAYOUTS))
def test_index_select_is_pytorchs_to_second_order(torch, case, picks, layout):
    shape, dim, _ = case
    places = np.array(picks, dtype=np.int64) % shape[dim]
    x = normal(shape, layout=layout)
    assert_like_torch(torch, lambda lib, x: lib.index_select(x, dim, lib.tensor(places)) ** 3, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gather_and_scatter_add_are_adjoint(dtype):
    places = np.random.default_rng(0).integers(0, 3, (5, 4))
    x = mg.Tensor(normal((3, 4)).astype(dtype))
    zeros = mg.zeros(3, 4, dtype=dtype)
    assert mg.check.adjoint_check(lambda x: x.gather(0, places), lambda y: zeros.scatter_add(0, places, y), x)


def test_gradcheck_along_an_axis():
    places = [[0, 2, 2, 1], [0, 0, 0, 2]]
    x, src = mg.Tensor(normal((3, 4))), mg.Tensor(normal((2, 4), 1))
    assert mg.check.gradcheck(lambda x: x.gather(0, places) ** 3, x, order=2)
    assert mg.check.gradcheck(lambda x: x.index_select(1, [3, 0, 3]) ** 3, x, order=2)
    assert mg.check.gradcheck(lambda x, src: x.scatter_add(0, places, src) ** 3, [x, src], order=2)


def test_float32_stays_float32_along_an_axis():
    x = mg.ones(3, 4, requires_grad=True)
    src = mg.ones(1, 4, requires_grad=True)
    for y in (x.gather(0, [[0, 0, 1, 2]]), x.index_select(1, [0, 0]), x.scatter_add(0, [[0, 0, 1, 2]], src)):
        assert y.dtype == np.float32
        assert mg.grad((y * y).sum(), x)[0].dtype == np.float32


def test_scatter_add_adds_up_what_meets_and_leaves_its_input_as_it_is():
    x = mg.zeros(3)
    y = x.scatter_add(0, [1, 1, 2], mg.tensor([1.0, 2.0, 4.0]))
    assert y.tolist() == [0, 3, 4]
    assert x.tolist() == [0, 0, 0]


# --- errors -----------------------------------------------------------------------------------------------------------

X = mg.zeros(2, 3)
ERRORS = {
    "beyond": (lambda: X[2], IndexError, "getitem: index 2 is out of bounds", "the tensor has shape (2, 3)"),
    "list beyond": (
        lambda: X[:, [0, 3]],
        IndexError,
        "getitem: index 3 is out of bounds",
        "the tensor has shape (2, 3)",
    ),
    "too many": (lambda: X[0, 0, 0], IndexError, "getitem: too many indices", "the tensor has shape (2, 3)"),
    "of a number": (lambda: mg.tensor(1.0)[0], IndexError, "getitem: too many indices", "the tensor has shape ()"),
    "mask of another shape": (lambda: X[mg.ones(3) > 0], IndexError, "getitem: boolean index did not match", "(2, 3)"),
    "float": (lambda: X[1.0], IndexError, "getitem: only integers, slices", "the tensor has shape (2, 3)"),
    "floats": (lambda: X[mg.ones(2)], TypeError, "getitem: an index is made of integers or bools", "float32"),
    "text": (lambda: X["a"], TypeError, "getitem: an index is made of integers or bools", "<U1"),
    "assignment beyond": (lambda: X.setitem(2, 1.0), IndexError, "setitem: index 2 is out of bounds", "(2, 3)"),
    "assignment of a shape": (lambda: X.setitem(0, mg.ones(2)), ValueError, "setitem: could not broadcast", "(2, 3)"),
    "assignment at floats": (lambda: X.setitem(mg.ones(1), 1.0), TypeError, "setitem: an index is made of", "float32"),
    "index_select of axes": (
        lambda: X.index_select(0, [[0]]),
        ValueError,
        "index_select: index must have one",
        "(1, 1)",
    ),
    "index_select of floats": (lambda: X.index_select(0, [0.0]), TypeError, "index_select: index must be", "float32"),
    "index_select beyond": (
        lambda: X.index_select(0, [2]),
        IndexError,
        "index_select: index has values 2 to 2",
        "0 to 1",
    ),
    "index_select below": (
        lambda: X.index_select(0, [-1]),
        IndexError,
        "index_select: index has values -1 to -1",
        "0 to 1",
    ),
    "gather of floats": (lambda: X.gather(0, [[0.0]]), TypeError, "gather: index must be integers", "float32"),
    "gather of other ndim": (lambda: X.gather(0, [0]), ValueError, "gather: index has 1 axes, input has 2", "the same"),
    "gather too large": (lambda: X.gather(0, [[0] * 4]), ValueError, "gather: index (1, 4) is larger than", "in dim 1"),
    "gather beyond": (
        lambda: X.gather(0, [[2]]),
        IndexError,
        "gather: index has values 2 to 2",
        "dim 0 has places 0 to 1",
    ),
    "gather below": (lambda: X.gather(1, [[-1]]), IndexError, "gather: index has values -1 to -1", "places 0 to 2"),
    "scatter_add, index and src": (
        lambda: X.scatter_add(0, [[0, 0, 0]], mg.ones(1, 2)),
        ValueError,
        "scatter_add: index of shape (1, 3) does not fit src of shape (1, 2)",
        "",
    ),
    "scatter_add, index and input": (
        lambda: X.scatter_add(0, [[0] * 4], mg.ones(1, 4)),
        ValueError,
        "scatter_add: index (1, 4) is larger than input (2, 3) in dim 1",
        "",
    ),
    "scatter_add beyond": (lambda: X.scatter_add(0, [[5]], X), IndexError, "scatter_add: index has values 5 to 5", ""),
}


@pytest.mark.parametrize("label", ERRORS)
def test_an_error_says_what_came_and_what_was_expected(label):
    call, kind, begins, contains = ERRORS[label]
    with pytest.raises(kind, match=f"^{re.escape(begins)}.*{re.escape(contains)}"):
        call()


@pytest.mark.parametrize("name", ["gather", "index_select", "scatter_add"])
def test_an_axis_that_there_is_not_is_named_with_the_operation(name):
    args = ([[0]], mg.ones(1, 1)) if name == "scatter_add" else ([0],)
    with pytest.raises(IndexError, match=f"^{name}: dim is 2, but a tensor of 2 axes has dims -2 to 1$"):
        getattr(X, name)(2, *args)


# --- the methods of Tensor --------------------------------------------------------------------------------------------

METHODS = {"gather", "index_select", "scatter_add"}


def test_every_method_that_pytorch_has_too_takes_its_arguments_in_pytorchs_order(torch):
    methods = {
        name
        for name, f in vars(mg.Tensor).items()
        if getattr(f, "__module__", None) == index.__name__ and not name.startswith("_")
    }
    assert {name for name in methods if hasattr(torch.Tensor, name)} == METHODS
    x, places = normal((3, 4)), np.array([[0, 2], [1, 1]])
    for name, args in {
        "gather": (1, places),
        "index_select": (1, places[0]),
        "scatter_add": (1, places, normal((2, 2), 1)),
    }.items():
        found = getattr(mg.Tensor(x), name)(*[mg.Tensor(a) if isinstance(a, np.ndarray) else a for a in args])
        expected = getattr(torch.tensor(x), name)(*[torch.tensor(a) if isinstance(a, np.ndarray) else a for a in args])
        np.testing.assert_array_equal(found.data, expected.numpy())


def test_every_function_of_the_file_is_tested_here():
    functions = {
        name
        for name, f in vars(index).items()
        if inspect.isfunction(f) and f.__module__ == index.__name__ and not name.startswith("_")
    }
    assert functions == {*METHODS, "getitem", "setitem", "iterate", "plain_index"}
