"""Latents on the sphere between two others, and cut off."""

import numpy as np
import pytest
from scipy.stats import kstest, truncnorm

from minigan.models.latents import spherical, truncated


def test_the_way_begins_and_ends_where_it_should_and_turns_evenly():
    a, b = np.random.default_rng(0).standard_normal((2, 5, 100))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    way = spherical(a, b, 7)
    assert way.shape == (5, 7, 100)
    np.testing.assert_allclose(way[:, 0], a, atol=1e-6)
    np.testing.assert_allclose(way[:, -1], b, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(way, axis=2), 1, rtol=1e-6)  # never inside the ball
    angles = np.arccos((way[:, 1:] * way[:, :-1]).sum(2).clip(-1, 1))
    np.testing.assert_allclose(angles, angles[:, :1] * np.ones(6), rtol=1e-4)


@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0, 0.0])
def test_where_there_is_no_angle_the_way_is_straight(factor):
    a = np.random.default_rng(0).standard_normal((3, 4))
    way = spherical(a, factor * a, 3)
    np.testing.assert_allclose(way[:, 1], (1 + factor) / 2 * a, atol=1e-6)
    assert np.isfinite(spherical(a[:, :1], -a[:, :1], 5)).all()


def test_truncated_latents_follow_the_truncated_normal_distribution():
    for threshold in (0.5, 1.0, 10.0):
        z = truncated(2000, 5, threshold, seed=1)
        assert (z.shape, z.dtype) == ((2000, 5), np.float32)
        assert np.abs(z).max() <= threshold
        assert kstest(z.ravel(), truncnorm(-threshold, threshold).cdf).pvalue > 1e-3


def test_one_seed_one_draw():
    np.testing.assert_array_equal(truncated(4, 3, 0.5, seed=2), truncated(4, 3, 0.5, seed=2))
    assert (truncated(4, 3, 0.5, seed=2) != truncated(4, 3, 0.5, seed=3)).all()


@pytest.mark.parametrize("threshold", [0.0, -1.0, 0.001, float("nan")])
def test_a_threshold_that_throws_everything_away_is_refused(threshold):
    with pytest.raises(ValueError, match=r"expected 0\.01 or more"):
        truncated(1, 1, threshold)
