"""Sliced Wasserstein against SciPy's in one dimension, closed forms in more, and the pyramid of pictures."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.metrics.sliced import (
    _normalise,
    _patches,
    laplacian_pyramid,
    sliced_wasserstein,
    sliced_wasserstein_pictures,
)


@settings(deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 100))
def test_on_a_line_it_is_scipys(n, seed):
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 1)), 1 + 2 * rng.exponential(size=(n, 1))
    assert sliced_wasserstein(x, y, directions=3) == pytest.approx(stats.wasserstein_distance(x[:, 0], y[:, 0]))


def test_the_definition_in_loops():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 3)), rng.uniform(size=(12, 3))
    for p in (1, 2):
        draw, powers = np.random.default_rng(5), []
        for g in draw.standard_normal((9, 3)):
            a, b = sorted(x @ g / math.hypot(*g)), sorted(y @ g / math.hypot(*g))
            powers.append(sum(abs(s - t) ** p for s, t in zip(a, b)) / 12)
        expected = (sum(powers) / 9) ** (1 / p)
        assert sliced_wasserstein(x, y, rng=5, directions=9, p=p) == pytest.approx(expected)


def test_a_shift_in_the_plane():
    """W_p along θ is |⟨v, θ⟩|: on average ‖v‖ · 2/π, and its square ‖v‖²/2."""
    x = np.random.default_rng(1).standard_normal((50, 2))
    v = np.array([3.0, 4.0])
    assert sliced_wasserstein(x, x + v, directions=20_000) == pytest.approx(5 * 2 / math.pi, rel=0.02)
    assert sliced_wasserstein(x, x + v, directions=20_000, p=2) == pytest.approx(5 / math.sqrt(2), rel=0.02)


def test_order_scale_and_seed():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((60, 4)), rng.standard_normal((60, 4)) + 1
    found = sliced_wasserstein(x, y, rng=3)
    assert sliced_wasserstein(x, x, rng=3) == 0
    assert sliced_wasserstein(rng.permutation(y), rng.permutation(x), rng=3) == pytest.approx(found)
    assert sliced_wasserstein(2 * x, 2 * y, rng=3) == pytest.approx(2 * found)
    assert sliced_wasserstein(x, y, rng=np.random.default_rng(3)) == found
    assert sliced_wasserstein(x, y, rng=4) != found
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    assert sliced_wasserstein(x @ turn, y @ turn, directions=5000) == pytest.approx(found, rel=0.05)


# ----------------------------------------------------------------------------------------------------------------------
# Pictures
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "smallest", "levels"), [(28, 14, [28, 14]), (28, 7, [28, 14, 7]), (64, 14, [64, 32, 16]), (15, 7, [15])]
)
def test_levels_of_the_pyramid(side, smallest, levels):
    assert [level.shape[2] for level in laplacian_pyramid(np.zeros((1, 2, side, side)), smallest)] == levels


def test_the_pyramid_by_the_five_by_five_filter():
    """Karras et al.: one filter of 5×5 on mirrored borders; inserted zeros, four times the filter."""
    ndimage = pytest.importorskip("scipy.ndimage")
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 12))
    row = np.array([1.0, 4, 6, 4, 1])
    kernel = np.outer(row, row)[None, None] / 256
    small = ndimage.convolve(x, kernel, mode="mirror")[:, :, ::2, ::2]
    large = np.zeros_like(x)
    large[:, :, ::2, ::2] = small
    detail, rest = laplacian_pyramid(x, 6)
    np.testing.assert_allclose(rest, small, atol=1e-6)
    np.testing.assert_allclose(detail, x - ndimage.convolve(large, 4 * kernel, mode="mirror"), atol=1e-6)


def test_a_flat_picture_has_no_detail():
    detail, rest = laplacian_pyramid(np.full((1, 1, 28, 28), 0.7), 14)
    np.testing.assert_allclose(detail, 0, atol=1e-6)
    np.testing.assert_allclose(rest, 0.7, atol=1e-6)


def test_patches_come_from_their_pictures_and_from_everywhere():
    """Pixel (row, column) of picture i in channel c holds 1000 i + 100 c + 10 row + column."""
    n, c, h, w = 3, 2, 6, 5
    i, j, k, l = np.ogrid[:n, :c, :h, :w]
    x = 1000 * i + 100 * j + 10 * k + l
    patches = _patches(x, 200, 3, np.random.default_rng(0))
    assert patches.shape == (600, c, 3, 3)
    corners = patches[:, :1, :1, :1]
    np.testing.assert_array_equal(patches - corners, np.broadcast_to(x[:1, :, :3, :3], patches.shape))
    assert (corners.ravel() // 1000).tolist() == [0] * 200 + [1] * 200 + [2] * 200
    assert {int(v) % 1000 for v in corners.ravel()} == {10 * r + s for r in range(4) for s in range(3)}


def test_each_channel_is_normalised():
    patches = np.random.default_rng(0).standard_normal((400, 2, 3, 3)) * [[[3.0]], [[0.1]]] + [[[5.0]], [[-2.0]]]
    flat = _normalise("real", patches).reshape(400, 2, 3, 3)
    np.testing.assert_allclose(flat.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(flat.std(axis=(0, 2, 3)), 1, atol=1e-6)


def test_what_pictures_differ_in_shows_at_its_level():
    """Smoothed noise lacks the finest detail; brightness and contrast do not count."""
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 200, 1, 28, 28)).astype(np.float32)
    few = {"directions": 64, "patches": 32}
    same = sliced_wasserstein_pictures(a, b, **few)
    soft = sliced_wasserstein_pictures(a, ndimage.gaussian_filter(b, (0, 0, 1.5, 1.5)), **few)
    bright = sliced_wasserstein_pictures(a, 0.2 * b + 0.5, **few)
    assert list(same) == [28, 14]
    assert soft[28] > 4 * same[28]
    assert bright == pytest.approx(same, rel=1e-2)
    assert sliced_wasserstein_pictures(a, b, **few) == same
    assert sliced_wasserstein_pictures(mg.from_numpy(a), mg.from_numpy(b), **few) == same
    assert sliced_wasserstein_pictures(a, b, rng=1, **few) != same


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sliced_wasserstein(np.zeros((3, 2)), np.zeros((4, 2))),
            "real holds 3 points and fake 4.*Take 3 of each",
        ),
        (lambda: sliced_wasserstein(np.zeros((3, 2)), np.zeros((3, 1))), "real has 2 features a sample and fake 1"),
        (lambda: sliced_wasserstein([[np.nan]], [[1.0]]), "1 of the 1 numbers in real is NaN"),
        (lambda: sliced_wasserstein([[1.0]], [[1.0]], p=0), "p is 0; expected an int of 1"),
        (lambda: sliced_wasserstein([[1.0]], [[1.0]], directions=0), "directions is 0; expected an int of 1"),
        (lambda: sliced_wasserstein_pictures(np.zeros((2, 28, 28)), np.zeros((2, 28, 28))), r"expected \(N, C, H, W\)"),
        (
            lambda: sliced_wasserstein_pictures(np.zeros((2, 1, 9, 9)), np.zeros((3, 1, 9, 9))),
            "as many pictures of one",
        ),
        (
            lambda: sliced_wasserstein_pictures(np.zeros((2, 1, 6, 9)), np.zeros((2, 1, 6, 9))),
            "6×9 hold no patch of 7×7",
        ),
        (
            lambda: sliced_wasserstein_pictures(np.zeros((2, 1, 9, 9)), np.zeros((2, 1, 9, 9))),
            "channel of real is constant",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
