"""minigan.creation: tensors from numbers and from chance, and the generator that all chance comes from."""

import inspect
import json
import re

import numpy as np
import pytest

import minigan as mg
from minigan import creation


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]


# --- from numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [1, 2.5, True, [1, 2], [1.0, 2], [[1.5], [2.5]], [True, False], [], [[]], (1, 2.0), [[True, 2]], [[[0]]]],
    ids=repr,
)
def test_numbers_and_lists_have_pytorchs_shape_type_and_values(torch, data):
    x, expected = mg.tensor(data), torch.tensor(data)
    assert x.shape == tuple(expected.shape)
    assert f"torch.{x.dtype}" == str(expected.dtype)
    assert x.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_keeps_its_type_and_is_copied(dtype):
    array = np.array([[0, 1], [1, 1]], dtype=dtype)
    x = mg.tensor(array)
    assert x.dtype == dtype
    array[:] = 0
    assert x.tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "given", [np.dtype, str, lambda name: np.dtype(name).type], ids=["dtype", "name", "scalar type"]
)
def test_a_type_that_is_asked_for_is_given(dtype, given):
    for data in (1, [0, 1], np.array([1.0, 0.0]), mg.tensor([1.0])):
        assert mg.tensor(data, dtype=given(dtype)).dtype == dtype


def test_python_floats_asked_for_in_float64_keep_all_their_digits():
    assert mg.tensor(0.1, dtype=np.float64).item() == 0.1
    assert mg.tensor([1e-300, 1e300], dtype=np.float64).tolist() == [1e-300, 1e300]
    assert mg.tensor([[np.pi]], np.float64).item() == np.pi
    assert mg.full((2,), 0.1, np.float64).tolist() == [0.1, 0.1]
    assert mg.full_like(mg.zeros(1, dtype=np.float64), 0.1).item() == 0.1


def test_a_tensor_of_tensors_and_of_a_tensor_is_a_copy_outside_the_graph():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = mg.tensor(x)
    assert y.tolist() == [1, 2]
    assert not y.requires_grad
    assert not np.shares_memory(x.data, y.data)
    assert mg.tensor([mg.tensor(1.0), mg.tensor(2.0)]).tolist() == [1, 2]


def test_from_numpy_and_from_dlpack_share_memory(torch):
    array = np.array([1.0, 2.0])
    assert np.shares_memory(mg.from_numpy(array).data, array)
    theirs = torch.tensor([1.0, 2.0])
    x = mg.from_dlpack(theirs)
    assert (x.dtype, x.tolist()) == (np.float32, [1, 2])
    theirs[0] = 7
    assert x[0].item() == 7
    assert torch.from_dlpack(mg.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (lambda f: f(2, 3), (2, 3)),
        (lambda f: f((2, 3)), (2, 3)),
        (lambda f: f([2, 3]), (2, 3)),
        (lambda f: f(4), (4,)),
        (lambda f: f(), ()),
        (lambda f: f(()), ()),
        (lambda f: f(0, 3), (0, 3)),
        (lambda f: f(np.int64(2)), (2,)),
        (lambda f: f(mg.ones(5, 2).shape), (5, 2)),
    ],
)
@pytest.mark.parametrize("name", ["zeros", "ones", "randn", "rand"])
def test_a_size_is_given_in_numbers_or_as_one_sequence(name, call, shape):
    x = call(getattr(mg, name))
    assert (x.shape, x.dtype, x.requires_grad) == (shape, np.float32, False)


@pytest.mark.parametrize("name", ["zeros", "ones"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_and_ones_of_every_type(name, dtype):
    x = getattr(mg, name)(2, dtype=np.dtype(dtype))
    assert (x.dtype, x.tolist()) == (dtype, [name == "ones"] * 2)


def test_full_takes_the_type_of_what_it_is_filled_with():
    assert (mg.full((2, 1), 2.5).tolist(), mg.full((2,), 2.5).dtype) == ([[2.5], [2.5]], np.float32)
    assert mg.full((2,), 3).dtype == np.int64
    assert mg.full((2,), True).dtype == np.bool_
    assert mg.full(2, 1, dtype=np.float64, requires_grad=True).requires_grad
    x = mg.full_like(mg.zeros(2, 3, dtype=np.float64), 7)
    assert (x.shape, x.dtype, x[0, 0].item()) == ((2, 3), np.float64, 7.0)


def test_eye():
    assert mg.eye(2).tolist() == [[1, 0], [0, 1]]
    assert mg.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert (mg.eye(2).dtype, mg.eye(2, dtype=np.float64).dtype) == (np.float32, np.float64)


@pytest.mark.parametrize(
    "args", [(5,), (2, 5), (2, 10, 3), (5, 0, -2), (0, 1, 0.25), (1.5,), (0, 1, 0.1), (2.0, 5), (0,)], ids=str
)
def test_arange_is_pytorchs(torch, args):
    x, expected = mg.arange(*args), torch.arange(*args)
    assert f"torch.{x.dtype}" == str(expected.dtype)
    np.testing.assert_allclose(x.data, expected.numpy(), rtol=1e-6)


def test_arange_by_steps_from_zero_and_in_another_type():
    assert mg.arange(5, step=2).tolist() == [0, 2, 4]
    assert mg.arange(3, dtype=np.float64).dtype == np.float64
    assert mg.arange(3, dtype=np.float32, requires_grad=True).requires_grad


@pytest.mark.parametrize("args", [(0, 1, 5), (-1, 1, 2), (3, -3, 7), (0, 1, 1), (0, 1, 0), (0.1, 0.7, 11)], ids=str)
def test_linspace_is_pytorchs_with_both_ends(torch, args):
    x = mg.linspace(*args)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x.data, torch.linspace(*args).numpy(), rtol=1e-6, atol=1e-7)


# --- chance -----------------------------------------------------------------------------------------------------------

# Every function that draws, with and without a generator of its own where it takes one.
DRAWS = {
    "rand": lambda **options: mg.rand(100, **options),
    "randint": lambda **options: mg.randint(0, 1000, (100,), **options),
    "randn": lambda **options: mg.randn(100, **options),
    "randperm": lambda **options: mg.randperm(100, **options),
    "rand_like": lambda: mg.rand_like(mg.zeros(100)),
    "randn_like": lambda: mg.randn_like(mg.zeros(100)),
}


@pytest.fixture(autouse=True)
def restored_generator():
    state = mg.get_rng_state()
    yield
    mg.set_rng_state(state)


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_begins_the_stream_anew(name):
    mg.manual_seed(1)
    first, second = DRAWS[name]().tolist(), DRAWS[name]().tolist()
    mg.manual_seed(1)
    assert DRAWS[name]().tolist() == first
    assert DRAWS[name]().tolist() == second
    assert first != second
    mg.manual_seed(2)
    assert DRAWS[name]().tolist() != first


@pytest.mark.parametrize("name", DRAWS)
def test_a_state_that_went_through_json_continues_the_stream(name):
    mg.manual_seed(3)
    DRAWS[name]()
    state = json.loads(json.dumps(mg.get_rng_state()))
    following = DRAWS[name]().tolist()
    mg.manual_seed(4)
    mg.set_rng_state(state)
    assert DRAWS[name]().tolist() == following


def test_a_state_that_was_taken_does_not_move_with_the_generator():
    mg.manual_seed(0)
    state = mg.get_rng_state()
    before = json.dumps(state)
    mg.randn(10)
    assert json.dumps(state) == before


@pytest.mark.parametrize("name", ["rand", "randint", "randn", "randperm"])
def test_a_generator_that_is_given_is_used_and_the_common_one_left_alone(name):
    before = mg.get_rng_state()
    x = DRAWS[name](generator=np.random.default_rng(5))
    assert mg.get_rng_state() == before
    assert DRAWS[name](generator=np.random.default_rng(5)).tolist() == x.tolist()
    y = DRAWS[name](generator=mg.Generator(5))
    assert mg.get_rng_state() == before
    assert DRAWS[name](generator=mg.Generator(5)).tolist() == y.tolist()
    with pytest.raises(TypeError, match=f"{name}: generator is a int, expected minigan.Generator"):
        DRAWS[name](generator=5)


def test_the_common_generator_is_one_object_and_draws_from_it_are_its_own():
    assert mg.manual_seed(0) is mg.default_generator()
    draw = mg.default_generator().standard_normal(3, dtype=np.float32)
    mg.manual_seed(0)
    assert mg.randn(3).tolist() == draw.tolist()


def test_draws_have_the_distribution_that_they_say():
    mg.manual_seed(0)
    x = mg.randn(20000)
    assert abs(x.mean().item()) < 0.03
    assert x.std().item() == pytest.approx(1, abs=0.03)
    u = mg.rand(20000)
    assert (0 <= u.amin().item() < 0.01, 0.99 < u.amax().item() < 1) == (True, True)
    assert u.mean().item() == pytest.approx(0.5, abs=0.01)
    assert set(mg.randint(2, 5, (200,)).tolist()) == {2, 3, 4}
    assert sorted(mg.randperm(50).tolist()) == list(range(50))


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_draws_are_float32_unless_asked_for_in_float64(name):
    draw, like = getattr(mg, name), getattr(mg, f"{name}_like")
    assert draw(2, 3, dtype=np.float64).dtype == like(mg.zeros(2, dtype=np.float64)).dtype == np.float64
    assert draw(2, requires_grad=True).requires_grad
    x = like(mg.zeros(2, 0, 3))
    assert (x.shape, x.dtype) == ((2, 0, 3), np.float32)


def test_integers_are_drawn_as_int64():
    assert (mg.randint(0, 3, (2, 3)).shape, mg.randint(0, 3, (2, 3)).dtype) == ((2, 3), np.int64)
    assert mg.randint(0, 3, 4).shape == (4,)
    assert mg.randperm(0).tolist() == []


# --- errors -----------------------------------------------------------------------------------------------------------

ERRORS = {
    "text": (
        lambda: mg.tensor("1"),
        TypeError,
        "Tensor: expected numbers (float32, float64, integers or bool), got data of",
    ),
    "complex": (lambda: mg.tensor([1j]), TypeError, "Tensor: expected numbers (float32, float64, integers or bool)"),
    "none": (lambda: mg.tensor(None), TypeError, "Tensor: expected numbers (float32, float64, integers or bool), got"),
    "float16": (lambda: mg.tensor([1.0], dtype=np.float16), TypeError, "Tensor: expected numbers (float32, float64"),
    "float16 array": (
        lambda: mg.from_numpy(np.ones(2, np.float16)),
        TypeError,
        "Tensor: expected numbers (float32, float64",
    ),
    "zeros of float16": (
        lambda: mg.zeros(2, dtype=np.float16),
        TypeError,
        "Tensor: expected numbers (float32, float64",
    ),
    "device": (
        lambda: mg.tensor(1.0, device="tpu"),
        ValueError,
        "there is no device 'tpu'; there are 'cpu', 'cuda', 'cudasim'",
    ),
    "gradient of integers": (
        lambda: mg.tensor([1], requires_grad=True),
        TypeError,
        "requires_grad: only float32 and float64 have gradients, this tensor is int64",
    ),
    "from_numpy": (lambda: mg.from_numpy([1.0]), TypeError, "from_numpy: expected a NumPy array, got list"),
    **{
        name: (lambda name=name: getattr(mg, name)(2, 1.5), TypeError, f"{name}: sizes are integers, got (2, 1.5)")
        for name in ("zeros", "ones", "rand", "randn")
    },
    "full": (lambda: mg.full((2.0,), 1), TypeError, "full: sizes are integers, got (2.0,)"),
    "randint": (lambda: mg.randint(0, 2, ("a",)), TypeError, "randint: sizes are integers, got ('a',)"),
}


@pytest.mark.parametrize("label", ERRORS)
def test_an_error_says_what_came_and_what_was_expected(label):
    call, kind, message = ERRORS[label]
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        call()


# --- names and arguments ----------------------------------------------------------------------------------------------

# Positional arguments, chosen so that another order would give another result (or fail).
CALLS = {
    "arange": [(2, 9, 3)],
    "eye": [(2, 3)],
    "full": [((2, 3), 7.0)],
    "full_like": [(np.zeros(2), 7.0)],
    "linspace": [(0, 1, 3)],
    "ones": [(2, 3), ((2, 3),)],
    "tensor": [([1.0, 2.0],)],
    "zeros": [(2, 3), ((2, 3),)],
}
DRAWN = {"rand": (2, 3), "randint": (3, 5, (2, 3)), "randn": (2, 3), "randperm": (5,)}


@pytest.mark.parametrize("name", CALLS)
def test_a_function_takes_its_arguments_in_pytorchs_order(torch, name):
    for args in CALLS[name]:
        found, expected = (
            getattr(library, name)(*[library.tensor(a) if isinstance(a, np.ndarray) else a for a in args])
            for library in (mg, torch)
        )
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("name", DRAWN)
def test_a_function_that_draws_takes_its_arguments_in_pytorchs_order(torch, name):
    found, expected = getattr(mg, name)(*DRAWN[name]), getattr(torch, name)(*DRAWN[name])
    assert found.shape == tuple(expected.shape)
    assert f"torch.{found.dtype}" == str(expected.dtype)


def test_every_function_of_the_file_is_public_and_tested_here():
    functions = {
        name for name, f in vars(creation).items() if inspect.isfunction(f) and f.__module__ == creation.__name__
    } - {"_float", "_made", "_chance"}
    state = {"manual_seed", "default_generator", "get_rng_state", "set_rng_state"}
    assert functions == {*CALLS, *DRAWS, "from_numpy", "from_dlpack", *state}
    assert all(getattr(mg, name) is getattr(creation, name) for name in functions)
