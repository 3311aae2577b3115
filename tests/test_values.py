"""The array side of a Tensor: which data it takes, how values leave for NumPy, DLPack and Python, and how they look."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import minigan as mg
from minigan.tensor import Tensor
from minigan.values import as_array

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
NUMBERS = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


# ---------------------------------------------------------------------------------------------------- what goes in


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1.5, "float32", ()),
        ([1.0, 2.0], "float32", (2,)),
        ([1, 2.5], "float32", (2,)),
        ([[1.0], [2.0]], "float32", (2, 1)),
        ((), "float32", (0,)),
        (3, "int64", ()),
        ([1, 2], "int64", (2,)),
        (True, "bool", ()),
        ([[True, False]], "bool", (1, 2)),
        (range(3), "int64", (3,)),
        (np.float64(1.5), "float64", ()),
        (np.float32(1.5), "float32", ()),
        (np.int16(3), "int16", ()),
        (np.zeros((2, 0)), "float64", (2, 0)),
        (np.zeros(2, ">f4"), "float32", (2,)),
        (np.zeros(2, ">i2"), "int16", (2,)),
        (np.ma.zeros(2), "float64", (2,)),
    ],
)
def test_numbers_become_arrays_python_floats_become_float32(data, dtype, shape):
    array = as_array(data)
    assert type(array) is np.ndarray
    assert (array.dtype, array.dtype.isnative, array.shape) == (np.dtype(dtype), True, shape)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_arrays_keep_their_type_and_memory(dtype):
    array = np.ones((2, 3), dtype)[:, ::-1]
    assert as_array(array) is array
    assert as_array(Tensor(array)) is array


def test_values_of_the_other_byte_order_are_kept():
    assert as_array(np.array([1.5, -2.0], ">f8")).tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (np.zeros(2, np.float16), "float16"),
        (np.zeros(2, np.longdouble), str(np.dtype(np.longdouble))),
        (1j, "complex128"),
        ("text", "<U4"),
        (None, "object"),
        (object(), "object"),
        (2**70, "object"),
        (np.zeros(1, "datetime64[s]"), "datetime64"),
        (np.zeros(1, [("x", float)]), "x"),
    ],
)
def test_what_is_no_number_is_refused_by_its_type(data, kind):
    if kind == "float64":
        pytest.skip("this platform has no longer float than float64")
    message = r"Tensor: expected numbers \(float32, float64, integers or bool\), got data of type .*"
    with pytest.raises(TypeError, match=message + re.escape(kind)):
        Tensor(data)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match="inhomogeneous"):
        Tensor([[1.0, 2.0], [3.0]])


def test_a_torch_tensor_is_taken_with_its_type(torch):
    assert Tensor(torch.ones(2, 3, dtype=torch.float64)).dtype == np.float64
    assert Tensor(torch.arange(3)).tolist() == [0, 1, 2]
    with pytest.raises(TypeError, match="got data of type float16"):
        Tensor(torch.ones(2, dtype=torch.float16))


# ------------------------------------------------------------------------------ an array that nobody else holds

# What else may refer to the memory of a tensor, when it is made of the tensor.
HOLDERS = {
    "the array in a variable": lambda x: x.data,
    "a view": lambda x: x.data[:1],
    "a view of a view": lambda x: x.data[:, ::-1].T,
    "a broadcast view": lambda x: np.broadcast_to(x.data, (5, 2, 3)),
    "a read-only view": lambda x: x.numpy(),
    "another tensor": lambda x: x.detach(),
    "an operation on another view": lambda x: x.reshape(6),
    "the graph": lambda x: (x.requires_grad_().transpose(0, 1) @ mg.ones(2, 4, dtype=x.dtype)).sum(),
    "a memoryview": lambda x: memoryview(x.data),
    "a memoryview of bytes": lambda x: memoryview(x.data).cast("B"),
    "a DLPack capsule": lambda x: x.detach().__dlpack__(),
    "an array from DLPack": lambda x: np.from_dlpack(x.detach()),
    "an iterator": lambda x: x.data.flat,
    "a ctypes object": lambda x: np.ctypeslib.as_ctypes(x.data),
    "a closure": lambda x: (lambda a: lambda: a)(x.data),
}


def lonely(dtype="float32"):
    return Tensor(np.arange(6, dtype=dtype).reshape(2, 3).copy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_array_that_nobody_else_holds_may_be_overwritten(dtype):
    x = lonely(dtype)
    address = x.data.ctypes.data
    assert x._own_array() is x._data
    assert x._own_array().ctypes.data == address
    x = Tensor(np.arange(6, dtype=dtype).reshape(2, 3))  # a view of all of an array that only the view refers to
    assert x._own_array() is x._data


@pytest.mark.parametrize("holder", HOLDERS.values(), ids=HOLDERS)
def test_while_anything_else_refers_to_its_memory_a_copy_is_made(holder):
    """And when it does so no more, none."""
    for x in (lonely(), Tensor(np.arange(6, dtype="float32").reshape(2, 3))):
        held = holder(x)
        own = x._own_array()
        assert not np.shares_memory(own, x.data)
        np.testing.assert_array_equal(own, x.data)
        own[...] = 0
        assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
        del held, own
        assert x._own_array() is x._data


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.ones((2, 3))),
        np.broadcast_to(np.float64(1), (2, 3)),
        np.ones((2, 6))[:, ::2],
        np.ones((9, 3))[:2],  # a part of something larger, which would be kept for it
        np.frombuffer(bytes(48)).reshape(2, 3),
        np.frombuffer(bytearray(48)).reshape(2, 3),
    ],
    ids=["Fortran", "broadcast", "strided", "part", "bytes", "bytearray"],
)
def test_an_array_of_its_own_is_in_c_order_writeable_and_all_of_its_memory(array):
    x = Tensor(array)
    del array
    own = x._own_array()
    assert not np.shares_memory(own, x.data)
    assert own.flags.c_contiguous
    assert own.flags.writeable
    assert own.flags.owndata


def test_a_file_that_an_array_maps_is_not_overwritten(tmp_path):
    array = np.memmap(tmp_path / "weights", np.float32, "w+", shape=(2, 3))
    x = Tensor(array)
    del array
    assert not np.shares_memory(x._own_array(), x.data)


# --------------------------------------------------------------------------------------------------- what it says


def test_shape_and_its_relatives():
    x = mg.zeros(2, 3, 4)
    assert (x.shape, x.size(), x.size(1), x.size(-1)) == ((2, 3, 4), (2, 3, 4), 3, 4)
    assert (x.ndim, x.dim(), x.numel(), len(x)) == (3, 3, 24, 2)
    assert x.device == "cpu"
    assert mg.zeros(()).numel() == 1


@pytest.mark.parametrize("dtype", NUMBERS)
def test_only_floats_are_floating_point(dtype):
    assert Tensor(np.ones(2, dtype)).is_floating_point() is dtype.startswith("float")


def test_a_scalar_has_no_length():
    with pytest.raises(TypeError, match=r"len: a tensor of shape \(\) has no length"):
        len(Tensor(1.0))


# --------------------------------------------------------------------------------------------- to NumPy and back


def test_numpy_shares_memory_and_is_read_only():
    x = mg.ones(2, 2)
    view = x.numpy()
    assert np.shares_memory(view, x.data)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 5
    x.data[0, 0] = 7  # the tensor's own array can still be written to by those who know what they do
    assert view[0, 0] == 7
    assert x.numpy().copy().flags.writeable


@pytest.mark.parametrize("requires_grad", [False, True])
def test_asarray_shares_and_array_copies(requires_grad):
    x = Tensor(np.ones(3), requires_grad)
    shared, copied = np.asarray(x), np.array(x)
    assert np.shares_memory(shared, x.data)
    assert not shared.flags.writeable
    assert not np.shares_memory(copied, x.data)
    assert copied.flags.writeable


def test_array_follows_numpy_2_about_copies_and_types():
    x = mg.ones(3)
    assert np.shares_memory(np.asarray(x, copy=False), x.data)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.asarray(x, dtype=int).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="copy"):
        np.asarray(x, dtype=np.float64, copy=False)


def test_numpy_functions_that_read_arrays_take_tensors():
    np.testing.assert_array_equal(mg.ones(3), np.ones(3))
    assert np.concatenate([mg.ones(2), mg.zeros(1)]).tolist() == [1.0, 1.0, 0.0]


def test_an_array_on_the_left_does_not_swallow_the_tensor():
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    for y in (np.array([3.0, 4.0]) * x, np.float64(3.0) * x, np.ones((2, 2)) @ x):
        assert isinstance(y, Tensor)
        assert y.requires_grad
    with pytest.raises(TypeError, match="does not support ufuncs"):
        np.sin(x)


@PROPERTY
@given(npst.arrays(st.sampled_from(NUMBERS), npst.array_shapes(min_dims=0, min_side=0, max_side=4)), st.data())
def test_dlpack_shares_memory_with_numpy_both_ways(array, data):
    if array.ndim:
        array = array[:: data.draw(st.sampled_from([1, 2]), label="step")].T
    x = Tensor(array)
    there = np.from_dlpack(x)
    back = mg.from_dlpack(there)
    for y in (there, back.data):
        assert (y.dtype, y.shape) == (array.dtype, array.shape)
        assert y.tobytes() == array.tobytes()
        assert array.size == 0 or np.shares_memory(y, array)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"])
def test_dlpack_shares_memory_with_torch_both_ways(torch, dtype):
    x = Tensor(np.arange(12).reshape(3, 4).astype(dtype)[:, ::2])
    there = torch.from_dlpack(x)
    assert (str(there.dtype), tuple(there.shape), there.tolist()) == (f"torch.{dtype}", x.shape, x.tolist())
    there[0, 1] = 0
    assert x.tolist()[0][1] == 0
    back = mg.from_dlpack(there)
    assert np.shares_memory(back.data, x.data)
    assert back.dtype == x.dtype


def test_dlpack_of_a_tensor_in_a_graph_is_refused_as_torch_does(torch):
    x = mg.ones(2, requires_grad=True)
    for take in (np.from_dlpack, torch.from_dlpack):
        for y in (x, x * 2):
            with pytest.raises(BufferError, match=r"__dlpack__: .* requires a gradient.*detach\(\)"):
                take(y)
        assert take((x * 2).detach()).tolist() == [2.0, 2.0]


def test_from_numpy_shares_memory():
    array = np.ones(3)
    assert mg.from_numpy(array).data is array
    with pytest.raises(TypeError, match="from_numpy: expected a NumPy array, got list"):
        mg.from_numpy([1.0])


# ----------------------------------------------------------------------------------------------- to Python numbers


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
def test_one_element_becomes_a_python_number(dtype, shape):
    x = Tensor(np.ones(shape, dtype))
    kind = {"f": float, "i": int, "u": int, "b": bool}[x.dtype.kind]
    assert type(x.item()) is kind
    assert (x.item(), float(x), int(x), bool(x)) == (1, 1.0, 1, True)
    assert not Tensor(np.zeros(shape, dtype))


def test_tolist_nests_as_the_axes_do():
    assert Tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert Tensor(2.5).tolist() == 2.5
    assert mg.zeros(2, 0).tolist() == [[], []]


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 2)])
def test_more_or_less_than_one_element_is_no_number_and_no_truth(shape):
    x = mg.ones(shape)
    for convert in (Tensor.item, float, int):
        with pytest.raises(ValueError, match=re.escape(f"item: the tensor has shape {shape}; only one element")):
            convert(x)
    with pytest.raises(ValueError, match=re.escape(f"bool: a tensor of shape {shape} is neither true nor false; use")):
        bool(x)


def test_integers_index_and_floats_and_bools_do_not():
    assert ["a", "b", "c"][Tensor(2)] == "c"
    assert list(range(5))[Tensor([1]) : Tensor(np.uint8(4))] == [1, 2, 3]
    for x in (Tensor(1.0), Tensor(True)):
        with pytest.raises(TypeError, match=f"index: only an integer tensor .* this one is {x.dtype}"):
            ["a", "b"][x]
    with pytest.raises(ValueError, match="only one element"):
        ["a", "b"][Tensor([0, 1])]


# ------------------------------------------------------------------------------------------------------------ repr

x = Tensor(np.array([1.0, 2.0], np.float32), requires_grad=True)


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor(1.5), "Tensor(1.5)"),
        (Tensor(3), "Tensor(3, dtype=int64)"),
        (Tensor([1.0, -2.5]), "Tensor([ 1. , -2.5])"),
        (Tensor([1 / 3, 2e-7]), "Tensor([3.3333e-01, 2.0000e-07])"),
        (Tensor([[1.0, 2.0], [3.0, 4.0]]), "Tensor([[1., 2.],\n        [3., 4.]])"),
        (Tensor(np.array([1.0])), "Tensor([1.], dtype=float64)"),
        (Tensor([True, False]), "Tensor([ True, False], dtype=bool)"),
        (Tensor([np.nan, np.inf]), "Tensor([nan, inf])"),
        (Tensor([]), "Tensor([], shape=(0,))"),
        (mg.zeros(2, 0, 3), "Tensor([], shape=(2, 0, 3))"),
        (x, "Tensor([1., 2.], requires_grad=True)"),
        (x * 2, "Tensor([2., 4.], grad_fn=<Mul>)"),
        ((x * 2).detach(), "Tensor([2., 4.])"),
        (x.to(np.float64), "Tensor([1., 2.], dtype=float64, grad_fn=<Cast>)"),
        (Tensor(np.arange(64.0).reshape(8, 8)).sum(), "Tensor(2016., dtype=float64)"),
        (Tensor(np.linspace(-1, 3, 65, dtype=np.float32)), "Tensor(65, -1 … 3, mean 1)"),
        (mg.zeros(64, 3, 32, 32), "Tensor(64 × 3 × 32 × 32, 0 … 0, mean 0)"),
        (Tensor(np.full((100, 2), 1 / 3)), "Tensor(100 × 2, 0.3333 … 0.3333, mean 0.3333, dtype=float64)"),
        (mg.arange(1000), "Tensor(1000, dtype=int64)"),
        (mg.zeros(100) > 1, "Tensor(100, dtype=bool)"),
        (mg.zeros(100, requires_grad=True), "Tensor(100, 0 … 0, mean 0, requires_grad=True)"),
        (mg.zeros(100, requires_grad=True) + 1, "Tensor(100, 1 … 1, mean 1, grad_fn=<Add>)"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[np.inf, -np.inf], [np.nan, 1.0], [3e38, 3e38]])
def test_the_repr_of_a_tensor_gone_wrong_is_silent(values):
    """One looks at a tensor just when training has diverged; its repr must not raise or warn."""
    assert repr(Tensor(np.array(values * 50, np.float32))).startswith("Tensor(100, ")


def test_up_to_64_elements_are_shown_one_by_one():
    assert repr(mg.arange(64)).count(",") == 64
    assert repr(mg.arange(65)) == "Tensor(65, dtype=int64)"
