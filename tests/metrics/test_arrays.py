"""What every metric does to its arguments: Tensors of any device become arrays, and what cannot be used is named."""

import numpy as np
import pytest

import minigan as mg
from minigan.metrics.arrays import require_whole, to_array, to_generator, to_pair, to_points


@pytest.mark.parametrize("device", ["cpu", "cudasim"])
def test_tensors_of_any_device(device):
    if device == "cudasim":
        pytest.importorskip("numba.cuda")
    x = mg.tensor([[1.0, 2.0]], requires_grad=True).to(device)
    for value in (x, x * 2 / 2):
        found = to_array("f", "x", value)
        assert type(found) is np.ndarray
        assert found.tolist() == [[1.0, 2.0]]
    assert to_points("f", "x", x).dtype == np.float64


def test_what_comes_is_not_written_to():
    x = np.ones((3, 2))
    to_points("f", "x", x)[:] = 0
    assert x.all()


def test_lists_integers_and_booleans():
    assert to_array("f", "x", [[1, 2]]).dtype.kind == "i"
    assert to_points("f", "x", [[True], [False]]).tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize("value", [["a"], [None], [1j], [[1.0], [1.0, 2.0]]])
def test_no_numbers(value):
    with pytest.raises(TypeError, match=r"f: x .*; expected an array of real numbers"):
        to_array("f", "x", value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(value):
    with pytest.raises(ValueError, match="f: 2 of the 4 numbers in x are NaN or infinite"):
        to_array("f", "x", [1.0, value, 2.0, value])


def test_shapes_and_sizes():
    with pytest.raises(ValueError, match=r"f: x has shape \(3, 0\); expected \(N, D\)"):
        to_points("f", "x", np.zeros((3, 0)))
    with pytest.raises(ValueError, match="f: fake holds 2 samples; expected 3 or more"):
        to_pair("f", np.zeros((3, 1)), np.zeros((2, 1)), least=3)


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "1", None])
def test_whole_numbers(value):
    require_whole("f", k=1, m=np.int64(7))
    with pytest.raises(ValueError, match=r"f: m is .*; expected an int of 1 or more"):
        require_whole("f", k=1, m=value)


def test_a_seed_or_a_generator():
    rng = np.random.default_rng(3)
    assert to_generator(rng) is rng
    assert to_generator(3).random() == np.random.default_rng(3).random()
