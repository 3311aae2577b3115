"""Winograd's algorithm is the convolution: its matrices exactly, its routines within a few roundings of the reference."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan.kernels import reference
from minigan.kernels.cpu import winograd, winograd_tiles
from minigan.kernels.cpu.weighted_sum import weighted_sum


@pytest.mark.parametrize(("taps", "outputs"), winograd_tiles.TILES)
def test_matrices_multiply_out_to_a_convolution(taps, outputs):
    tile = winograd_tiles.TILES[taps, outputs]
    form = np.einsum("sj,si,sk->jik", tile.A, winograd_tiles.G[taps][tile.points], tile.D)
    for j, i, k in itertools.product(range(outputs), range(taps), range(outputs + taps - 1)):
        assert form[j, i, k] == (k == i + j)


@pytest.mark.parametrize("taps", [2, 3])
@pytest.mark.parametrize("outputs", range(1, 20))
def test_tiles_cover_every_output_once(taps, outputs):
    tiles = winograd_tiles._sizes(taps, outputs)
    assert outputs <= sum(tiles) < outputs + taps - 1
    assert set(tiles) <= {m for r, m in winograd_tiles.TILES if r == taps}


@st.composite
def convolutions(draw):
    """x, weight and g, channels-last, with the geometry, of a convolution that the algorithm takes."""
    k = draw(st.sampled_from([3, 4]))
    stride, padding = (2 if k == 4 else 1), draw(st.integers(0, 2))
    N, H, W = draw(st.integers(1, 5)), draw(st.integers(3, 9)), draw(st.integers(3, 9))
    if k == 4:
        H, W = 2 * H, 2 * W
    C, O = 16 * draw(st.integers(1, 3)), 16 * draw(st.integers(1, 5))
    OH, OW = ((n + 2 * padding - k) // stride + 1 for n in (H, W))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x, g = rng.standard_normal((N, H, W, C)), rng.standard_normal((N, OH, OW, O))
    return x, rng.standard_normal((O, C, k, k)), g, (stride, stride), (padding, padding)


def first(x):
    return x.transpose(0, 3, 1, 2)


def the_three(x, weight, g, stride, padding, threads=1, bias=(None, None)):
    """The three routines' results, as (N, C, H, W)."""
    y = winograd.conv2d(x, weight, padding, g.shape[1:3], bias[0], threads)
    X = np.full(x.shape, np.nan, x.dtype)
    winograd.conv2d_input_grad(g, weight, X, padding, bias[1], threads)
    return first(y), first(X), winograd.conv2d_weight_grad(x, g, weight.shape[2:], padding, threads)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(convolutions())
def test_three_routines_are_the_reference(case):
    x, weight, g, stride, padding = case
    steps = (stride, padding, (1, 1), 1)
    y = reference.conv2d(first(x), weight, *steps)
    X = reference.conv2d_input_grad(first(g), weight, x.shape[1:3], *steps)
    V = reference.conv2d_weight_grad(first(x), first(g), weight.shape[2:], *steps)
    for found, expected in zip(the_three(*case), (y, X, V)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@settings(deadline=None, derandomize=True, max_examples=15)
@given(convolutions())
def test_float32_error_stays_within_ten_times_the_ordinary_convolutions(case):
    x, weight, g, stride, padding = case
    small = [a.astype(np.float32) for a in (x, weight, g)]
    exact, ours = the_three(x, weight, g, stride, padding), the_three(*small, stride, padding)
    steps = (stride, padding, (1, 1), 1)
    s, w, t = small
    plain = (
        reference.conv2d(first(s), w, *steps),
        reference.conv2d_input_grad(first(t), w, x.shape[1:3], *steps),
        reference.conv2d_weight_grad(first(s), first(t), w.shape[2:], *steps),
    )
    for found, other, true in zip(ours, plain, exact):
        assert found.dtype == np.float32
        assert rms(found - true) < 10 * rms(other - true) + 1e-7 * rms(true)


def rms(a):
    return np.sqrt(np.mean(np.square(a, dtype=np.float64)))


@settings(deadline=None, derandomize=True, max_examples=20)
@given(convolutions())
def test_biases_are_added(case):
    x, weight, g, *_ = case
    bias = np.linspace(-1, 1, g.shape[3]), np.linspace(2, 3, x.shape[3])
    for with_bias, without, b in zip(the_three(*case, bias=bias), the_three(*case), bias):
        np.testing.assert_allclose(with_bias, without + b[:, None, None], rtol=0, atol=1e-12)


# Shapes that lead to all ways of sharing: many pictures or many channels; the weight's gradient at once or in two halves.
SHARED = {
    "many pictures": ((9, 14, 10, 32), (48, 32, 4, 4)),
    "few pictures, many channels": ((3, 6, 6, 96), (144, 96, 4, 4)),
    "one picture": ((1, 20, 18, 32), (80, 32, 3, 3)),
    "two halves": ((11, 30, 32, 32), (32, 32, 4, 4)),
}


@pytest.mark.parametrize("shapes", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_however_the_work_is_shared_and_grouped_the_results_are_the_same_bit_for_bit(shapes, dtype, monkeypatch):
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    k = weight.shape[2]
    stride = k // 2 if k == 4 else 1
    size = [(n + 2 - k) // stride + 1 for n in x.shape[1:3]]
    g = rng.standard_normal((len(x), *size, len(weight))).astype(dtype)
    case = x, weight, g, (stride, stride), (1, 1)
    whole = the_three(*case)
    steps = (stride, stride), (1, 1), (1, 1), 1
    tolerance = 100 * np.finfo(dtype).eps
    for found, expected in zip(
        whole,
        (
            reference.conv2d(first(x), weight, *steps),
            reference.conv2d_input_grad(first(g), weight, x.shape[1:3], *steps),
            reference.conv2d_weight_grad(first(x), first(g), (k, k), *steps),
        ),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    for threads in (2, 3, 4, 5, 8, 12):
        for a, b in zip(whole, the_three(*case, threads=threads)):
            np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(winograd, "OWN", 1)
    monkeypatch.setattr(winograd, "STRIP", 1)
    for threads in (1, 4):
        in_groups = the_three(*case, threads=threads)
        for a, b in zip(whole[:2], in_groups):
            np.testing.assert_array_equal(a, b)
        rounding = (
            20 * np.finfo(dtype).eps * np.abs(whole[2]).max()
        )  # the sum over the pictures is taken in other parts
        np.testing.assert_allclose(in_groups[2], whole[2], rtol=0, atol=rounding)


def test_the_shares_are_those_that_take_least_time():
    rows, numbers, columns = 100 * 256, 16 * 256 * 64, 64
    assert winograd._shares(64, 2, rows, numbers, columns, 1) == (1, 1)
    assert winograd._shares(64, 2, rows, numbers, columns, 2) == (2, 1)  # little to be done for a panel
    assert winograd._shares(32, 8, 36 * 1024, 9 * 1024 * 64, 64, 2) == (1, 2)  # much
    assert winograd._shares(1, 2, rows, numbers, columns, 8) == (
        1,
        2,
    )  # no more shares than there are pictures and panels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [16, 64, 144])
def test_weighted_sum(dtype, n):
    from numba import njit

    @njit
    def run(to, source, at, factor, terms):
        weighted_sum(to, 3, source, 5, at, factor, terms, n)

    rng = np.random.default_rng(0)
    source, at, factor = rng.standard_normal(400).astype(dtype), np.array([0, 17, 200]), np.array([1, -0.5, 2], dtype)
    for terms in range(4):
        to = np.full(n + 6, 7, dtype)
        run(to, source, at, factor, terms)
        expected = sum((f * source[5 + a : 5 + a + n] for a, f in zip(at[:terms], factor)), np.zeros(n, dtype))
        np.testing.assert_allclose(to[3:-3], expected, rtol=1e-5, atol=1e-6)
        assert (to[:3] == 7).all()
        assert (to[-3:] == 7).all()
