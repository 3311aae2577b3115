"""minigan.functional.layers: linear, one_hot, embedding and pad are PyTorch's; dropout has the statistics of chance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, lay_out

import minigan as mg
from minigan import functional

LAYOUTS = ["C", "Fortran", "reversed", "every second", "repeated"]
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}  # of the largest number
close = closeness(TOLERANCE)


def same_to_second_order(torch, ours, theirs, arrays):
    assert_same_to_second_order(torch, ours, theirs, arrays, ours(*map(mg.Tensor, arrays)).shape, close)


# ----------------------------------------------------------------------------------------------------------- linear


@drawn(60)
@given(
    batch=st.lists(st.integers(0, 3), max_size=3),
    features=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    bias=st.booleans(),
    dtype=st.sampled_from(["float64", "float32"]),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_linear_is_pytorchs_to_second_order(torch, batch, features, bias, dtype, layouts, seed):
    rng = np.random.default_rng(seed)
    shapes = [(*batch, features[0]), features[::-1], features[1:]][: 3 if bias else 2]
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    arrays[:2] = [lay_out(a, layout) for a, layout in zip(arrays, layouts)]
    same_to_second_order(torch, functional.linear, torch.nn.functional.linear, arrays)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 3)])
def test_linear_multiplies_by_the_transposed_weight_and_its_derivatives_agree_with_differences(shape):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.standard_normal(shape), rng.standard_normal((2, 3)), rng.standard_normal(2)
    close(functional.linear(*map(mg.Tensor, (x, weight, bias))), x @ weight.T + bias)
    assert mg.check.gradcheck(functional.linear, [mg.Tensor(a) for a in (x, weight, bias)], order=2)


# ---------------------------------------------------------------------------------------------- one_hot, embedding


@drawn(40)
@given(
    shape=st.lists(st.integers(1, 3), max_size=3),
    classes=st.integers(1, 5),
    told=st.booleans(),
    dtype=st.sampled_from(["int64", "int32", "uint8"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_hot_is_pytorchs(torch, shape, classes, told, dtype, seed):
    index = np.asarray(np.random.default_rng(seed).integers(0, classes, shape))
    y = functional.one_hot(mg.Tensor(index.astype(dtype)), *([classes] if told else []))
    expected = torch.nn.functional.one_hot(torch.tensor(index), *([classes] if told else []))
    assert (y.dtype, y.shape) == (np.int64, tuple(expected.shape))
    assert y.tolist() == expected.tolist()


def test_one_hot_takes_a_list_and_tells_the_number_of_classes_from_it():
    assert functional.one_hot([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]


@drawn(40)
@given(
    shape=st.lists(st.integers(1, 3), max_size=3),
    table=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    dtype=st.sampled_from(["float64", "float32"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_embedding_is_pytorchs_to_second_order(torch, shape, table, dtype, seed):
    """There are few rows, so that many are named more than once."""
    rng = np.random.default_rng(seed)
    index = np.asarray(rng.integers(0, table[0], shape))
    same_to_second_order(
        torch,
        lambda weight: functional.embedding(mg.Tensor(index), weight),
        lambda weight: torch.nn.functional.embedding(torch.tensor(index), weight),
        [rng.standard_normal(table).astype(dtype)],
    )


def test_the_gradient_of_a_row_adds_up_over_the_places_that_name_it():
    weight = mg.zeros(4, 2, requires_grad=True)
    functional.embedding(mg.tensor([[3, 1], [3, 3]]), weight).sum().backward()
    assert weight.grad.tolist() == [[0, 0], [1, 1], [0, 0], [3, 3]]


def test_the_gradient_of_an_embedding_of_nothing_is_0():
    weight = mg.zeros(4, 2, requires_grad=True)
    y = functional.embedding(np.zeros((0, 3), int), weight)
    assert y.shape == (0, 3, 2)
    assert not mg.grad(y.sum(), weight)[0].numpy().any()


def test_the_derivatives_of_an_embedding_agree_with_differences():
    index = mg.tensor([[0, 2], [2, 2]])
    weight = mg.randn(3, 2, generator=np.random.default_rng(0))
    assert mg.check.gradcheck(lambda w: functional.embedding(index, w) ** 2, weight, order=2)


def test_an_embedding_of_one_hot_vectors_is_a_matrix_product():
    rng = np.random.default_rng(0)
    index, weight = mg.Tensor(rng.integers(0, 5, (2, 3))), mg.randn(5, 4, generator=rng)
    product = functional.one_hot(index, 5).to(weight) @ weight
    np.testing.assert_array_equal(functional.embedding(index, weight).numpy(), product.numpy())


@pytest.mark.parametrize("index", [1, [2, 0, 1], mg.Tensor(np.array([[2], [1]], np.uint8)), np.array([0, 0])], ids=str)
def test_embedding_takes_integers_in_any_form(index):
    weight = mg.randn(3, 2, generator=np.random.default_rng(0))
    expected = weight.numpy()[np.asarray(index)]
    np.testing.assert_array_equal(functional.embedding(index, weight).numpy(), expected)


# -------------------------------------------------------------------------------------------------------------- pad


MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # and NumPy's names


@st.composite
def borders(draw, mode):
    """A shape of (N, C, ...) with 1 to 3 further axes, and borders of those that fit the mode."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    most = {"reflect": lambda n: n - 1, "circular": lambda n: n}.get(mode, lambda n: 3)
    border = [(draw(st.integers(0, most(n))), draw(st.integers(0, most(n)))) for n in sizes]
    return (2, 1, *sizes), [n for pair in reversed(border) for n in pair]


@pytest.mark.parametrize("mode", MODES)
@drawn(40)
@given(data=st.data())
def test_pad_is_numpys_and_pytorchs_to_second_order(torch, mode, data):
    shape, pad = data.draw(borders(mode))
    dtype, layout = data.draw(st.sampled_from(["float64", "float32"])), data.draw(st.sampled_from(LAYOUTS))
    value = 1.5 if mode == "constant" else 0.0
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = lay_out(rng.standard_normal(shape).astype(dtype), layout)
    of_axes = [(0, 0), (0, 0), *list(zip(pad[::2], pad[1::2]))[::-1]]
    options = {"constant_values": value} if mode == "constant" else {}
    np.testing.assert_array_equal(
        functional.pad(mg.Tensor(x), pad, mode, value).numpy(), np.pad(x, of_axes, mode=MODES[mode], **options)
    )
    same_to_second_order(
        torch,
        lambda x: functional.pad(x, pad, mode, value),
        lambda x: torch.nn.functional.pad(x, pad, mode, value),
        [x],
    )


@pytest.mark.parametrize("pad", [(-1, 0), (2, -1), (0, -2, -1, 3), (-1, -2, 1, 1, -1, 0)], ids=str)
def test_a_negative_constant_border_cuts_off_as_in_pytorch(torch, pad):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    same_to_second_order(torch, lambda x: functional.pad(x, pad), lambda x: torch.nn.functional.pad(x, pad), [x])


@pytest.mark.parametrize("mode", MODES)
def test_the_derivatives_of_padding_agree_with_differences(mode):
    x = mg.randn(2, 3, 4, generator=np.random.default_rng(0))
    assert mg.check.gradcheck(lambda x: functional.pad(x, (1, 2, 2, 0), mode) ** 2, x, order=2)


def test_pad_takes_the_borders_of_the_last_axis_first():
    y = functional.pad(mg.tensor([[1.0, 2.0]]), (1, 0, 0, 2), value=9.0)
    assert y.tolist() == [[9, 1, 2], [9, 9, 9], [9, 9, 9]]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("constant", [0, 0, 1, 2, 3, 0]),
        ("reflect", [3, 2, 1, 2, 3, 2]),
        ("replicate", [1, 1, 1, 2, 3, 3]),
        ("circular", [2, 3, 1, 2, 3, 1]),
    ],
)
def test_what_stands_on_the_border_is_what_the_mode_says(mode, expected):
    assert functional.pad(mg.tensor([1.0, 2.0, 3.0]), (2, 1), mode).tolist() == expected


def test_padding_by_nothing_is_the_input():
    x = mg.randn(2, 3, generator=np.random.default_rng(0))
    for pad in ((), (0, 0), (0, 0, 0, 0)):
        for mode in MODES:
            assert functional.pad(x, pad, mode).tolist() == x.tolist()


# ---------------------------------------------------------------------------------------------------------- dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_with_probability_p_and_keeps_the_expectation(p):
    """Among n = 10⁵ elements, n·p ± 5·√(n·p·(1 − p)) are dropped; the others are 1/(1 − p)."""
    n = 100_000
    y = functional.dropout(mg.ones(n), p, generator=np.random.default_rng(0)).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}
    assert abs((y == 0).sum() - n * p) < 5 * np.sqrt(n * p * (1 - p))
    neighbours = np.corrcoef(y[:-1] == 0, y[1:] == 0)[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(n)  # each is drawn by itself


def test_dropout_follows_manual_seed_and_goes_on_from_there():
    def draws():
        mg.manual_seed(3)
        return [functional.dropout(mg.ones(100)).tolist() for _ in range(2)]

    first, second = draws()
    assert [first, second] == draws()
    assert first != second


def test_dropout_draws_from_the_generator_that_it_is_given_and_from_no_other():
    before = mg.get_rng_state()
    a, b = (functional.dropout(mg.ones(100), generator=np.random.default_rng(1)) for _ in range(2))
    assert a.tolist() == b.tolist()
    assert mg.get_rng_state() == before


def test_the_gradient_of_dropout_passes_where_the_value_did():
    x = mg.randn(1000, generator=np.random.default_rng(0), requires_grad=True)
    y = functional.dropout(x, 0.3, generator=np.random.default_rng(1))
    (g,) = mg.grad(y.sum(), x)
    np.testing.assert_array_equal(g.numpy() == 0, y.numpy() == 0)
    np.testing.assert_allclose(g.numpy()[y.numpy() != 0], 1 / 0.7, rtol=1e-6)


def test_the_derivatives_of_dropout_agree_with_differences_for_one_mask():
    x = mg.randn(3, 4, generator=np.random.default_rng(0))
    f = lambda x: functional.dropout(x, 0.4, generator=np.random.default_rng(1)) ** 3  # noqa: E731
    assert mg.check.gradcheck(f, x, order=2)


@pytest.mark.parametrize("options", [{"training": False}, {"p": 0.0}], ids=str)
def test_dropout_is_the_input_itself_when_nothing_is_dropped(options):
    x, before = mg.ones(3), mg.get_rng_state()
    assert functional.dropout(x, **options) is x
    assert mg.get_rng_state() == before


def test_dropout_of_everything_is_0_with_gradient_0():
    x = mg.randn(5, generator=np.random.default_rng(0), requires_grad=True)
    y = functional.dropout(x, 1.0)
    assert y.tolist() == mg.grad(y.sum(), x)[0].tolist() == [0] * 5


@pytest.mark.parametrize("shape", [(), (2, 0), (3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_shape_and_type(shape, dtype):
    y = functional.dropout(mg.ones(*shape, dtype=dtype), 0.2)
    assert (y.shape, y.dtype) == (shape, dtype)


def test_dropout_of_integers_grows_what_it_keeps_too():
    """An integer cannot grow by 1/(1 − p); so they become float32."""
    y = functional.dropout(mg.tensor([3] * 50), 0.25, generator=np.random.default_rng(0))
    assert set(y.tolist()) == {0.0, 4.0}


# ----------------------------------------------------------------------------------------------------------- errors


def x(*shape, dtype=np.float32):
    return mg.zeros(*shape, dtype=dtype)


ERRORS = {
    "linear: input of shape (2, 3) does not fit weight of shape (4, 5), which is (out, in)": (
        ValueError,
        lambda: functional.linear(x(2, 3), x(4, 5)),
    ),
    "linear: input of shape () does not fit weight of shape (4, 5), which is (out, in)": (
        ValueError,
        lambda: functional.linear(x(), x(4, 5)),
    ),
    "linear: input of shape (2, 3) does not fit weight of shape (3,), which is (out, in)": (
        ValueError,
        lambda: functional.linear(x(2, 3), x(3)),
    ),
    "linear: bias must have shape (4,), got (1, 4)": (
        ValueError,
        lambda: functional.linear(x(2, 3), x(4, 3), x(1, 4)),
    ),
    "linear: input and weight must be of one type, got float64 and float32; convert with x.to(dtype)": (
        TypeError,
        lambda: functional.linear(x(2, 3, dtype=np.float64), x(4, 3)),
    ),
    "linear: input and bias must be of one type, got float32 and float64; convert with x.to(dtype)": (
        TypeError,
        lambda: functional.linear(x(2, 3), x(4, 3), x(4, dtype=np.float64)),
    ),
    "one_hot: expected integer indices, got float32": (TypeError, lambda: functional.one_hot(x(2))),
    "one_hot: indices must be 0 or more, got -1 to 2": (IndexError, lambda: functional.one_hot([2, -1])),
    "one_hot: indices must be 0 to 2, got 0 to 3": (IndexError, lambda: functional.one_hot([3, 0], 3)),
    "embedding: expected integer indices, got float32": (TypeError, lambda: functional.embedding(x(2), x(3, 2))),
    "embedding: indices must be 0 to 2, got -1 to 0": (
        IndexError,
        lambda: functional.embedding([0, -1], x(3, 2)),
    ),
    "embedding: indices must be 0 to 2, got 1 to 3": (IndexError, lambda: functional.embedding([1, 3], x(3, 2))),
    "pad: expected two numbers for each of at most 2 axes, got (1, 1, 1)": (
        ValueError,
        lambda: functional.pad(x(2, 3), (1, 1, 1)),
    ),
    "pad: expected two numbers for each of at most 1 axes, got (1, 1, 1, 1)": (
        ValueError,
        lambda: functional.pad(x(2), (1, 1, 1, 1)),
    ),
    "pad: (-2, -2) cuts more off than there is in shape (2, 3)": (
        ValueError,
        lambda: functional.pad(x(2, 3), (-2, -2)),
    ),
    "pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got 'mirror'": (
        ValueError,
        lambda: functional.pad(x(2, 3), (1, 1), "mirror"),
    ),
    "pad: a reflect border of (1, 3) does not fit dim 1, which has 3 places": (
        ValueError,
        lambda: functional.pad(x(2, 3), (1, 3), "reflect"),
    ),
    "pad: a circular border of (4, 0) does not fit dim 1, which has 3 places": (
        ValueError,
        lambda: functional.pad(x(2, 3), (4, 0), "circular"),
    ),
    "pad: a replicate border of (0, 1) does not fit dim 0, which has 0 places": (
        ValueError,
        lambda: functional.pad(x(0, 3), (0, 0, 0, 1), "replicate"),
    ),
    "pad: a replicate border of (-1, 0) does not fit dim 1, which has 3 places": (
        ValueError,
        lambda: functional.pad(x(2, 3), (-1, 0), "replicate"),
    ),
    "dropout: p is a probability, got 1.5": (ValueError, lambda: functional.dropout(x(2), 1.5)),
    "dropout: p is a probability, got -0.1": (ValueError, lambda: functional.dropout(x(2), -0.1, training=False)),
    "dropout: p is a probability, got nan": (ValueError, lambda: functional.dropout(x(2), float("nan"))),
}


@pytest.mark.parametrize("message", ERRORS)
def test_error_says_what_came_and_what_was_expected(message):
    kind, call = ERRORS[message]
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == message
