"""The Fréchet distance against closed forms, a general matrix square root, and what must leave it as it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.metrics.frechet import frechet_between_gaussians, frechet_distance, moments


def covariance(rng, d, rank=None):
    a = rng.standard_normal((d, rank or d))
    return a @ a.T


def test_numbers_on_a_line():
    """(μ − ν)² + (σ − τ)²"""
    assert frechet_between_gaussians([1.0], [[9.0]], [-1.0], [[4.0]]) == pytest.approx(4 + 1)


def test_covariances_that_commute():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    a, b = rng.uniform(0, 3, (2, 5))
    mean_a, mean_b = rng.standard_normal((2, 5))
    expected = ((mean_a - mean_b) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    found = frechet_between_gaussians(mean_a, turn * a @ turn.T, mean_b, turn * b @ turn.T)
    assert found == pytest.approx(expected)


@settings(max_examples=25, deadline=None)
@given(d=st.integers(1, 12), seed=st.integers(0, 100))
def test_a_general_square_root_gives_the_same(d, seed):
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(seed)
    a, b = covariance(rng, d, 2 * d), covariance(rng, d, 2 * d)
    mean_a, mean_b = rng.standard_normal((2, d))
    expected = ((mean_a - mean_b) ** 2).sum() + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert frechet_between_gaussians(mean_a, a, mean_b, b) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_singular_covariances():
    """Two planes in space that meet in a line: the roots are the projections, their product known."""
    a, b = np.diag([1.0, 1.0, 0.0]), np.diag([0.0, 4.0, 1.0])
    assert frechet_between_gaussians(np.zeros(3), a, np.zeros(3), b) == pytest.approx(2 + 5 - 2 * 2)
    rng = np.random.default_rng(0)
    low = covariance(rng, 40, rank=3)
    assert frechet_between_gaussians(np.zeros(40), low, np.zeros(40), low) == pytest.approx(0, abs=1e-6)
    assert frechet_between_gaussians(np.zeros(4), np.zeros((4, 4)), np.ones(4), np.zeros((4, 4))) == 4


def test_features_that_are_never_on():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 200, 6))
    dead = np.zeros((200, 3))
    alive = frechet_distance(x, y)
    assert frechet_distance(np.hstack([x, dead]), np.hstack([y, dead])) == pytest.approx(alive)


def test_from_samples():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 300, 7)) * rng.uniform(0.5, 2, (2, 1, 7))
    expected = frechet_between_gaussians(x.mean(0), np.cov(x.T, ddof=1), y.mean(0), np.cov(y.T, ddof=1))
    assert frechet_distance(x, y) == pytest.approx(expected)
    mean, unbiased = moments(x)
    np.testing.assert_allclose(unbiased, (x - mean).T @ (x - mean) / 299)


def test_identical_sets():
    x = np.random.default_rng(3).standard_normal((500, 30))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x) >= 0


def test_a_shift_adds_its_square():
    rng = np.random.default_rng(4)
    x, v = rng.standard_normal((500, 10)), rng.standard_normal(10)
    assert frechet_distance(x, x + v) == pytest.approx((v**2).sum())


def test_it_comes_near_the_truth_with_many_samples():
    """N(0, I) and N(v, 4 I) in three dimensions: ‖v‖² + 3 (2 − 1)²."""
    rng = np.random.default_rng(5)
    v = np.array([1.0, 2.0, -1.0])
    x, y = rng.standard_normal((20_000, 3)), v + 2 * rng.standard_normal((20_000, 3))
    assert frechet_distance(x, y) == pytest.approx(6 + 3, rel=0.03)


def test_symmetry_order_and_rotation():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((100, 6)), rng.exponential(size=(150, 6))
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    expected = frechet_distance(x, y)
    assert expected > 0.5
    assert frechet_distance(y, x) == pytest.approx(expected)
    assert frechet_distance(rng.permutation(x), rng.permutation(y)) == pytest.approx(expected)
    assert frechet_distance(x @ turn + 5, y @ turn + 5) == pytest.approx(expected)
    assert frechet_distance(3 * x, 3 * y) == pytest.approx(9 * expected)


def test_float32_features_are_summed_in_float64():
    x, y = (1000 + np.random.default_rng(7).standard_normal((2, 400, 5))).astype(np.float32)
    wide = frechet_distance(x.astype(np.float64), y.astype(np.float64))
    assert frechet_distance(mg.from_numpy(x), mg.from_numpy(y)) == wide


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: frechet_distance(np.zeros((5, 5)), np.zeros((9, 5))),
            "real holds 5 samples of 5 features; expected 6",
        ),
        (
            lambda: frechet_distance(np.zeros((9, 5)), np.zeros((2, 5))),
            "fake holds 2 samples of 5 features; expected 6",
        ),
        (lambda: frechet_distance(np.zeros((9, 5)), np.zeros((9, 4))), "real has 5 features a sample and fake 4"),
        (
            lambda: frechet_distance(np.zeros((9, 5, 1)), np.zeros((9, 5))),
            r"real has shape \(9, 5, 1\); expected \(N, D\)",
        ),
        (
            lambda: frechet_distance(np.full((9, 2), np.inf), np.zeros((9, 2))),
            "18 of the 18 numbers in real are NaN or",
        ),
        (lambda: frechet_between_gaussians([0.0], [[1.0]], [0.0, 0.0], np.eye(2)), "expected.*Take both from the same"),
        (
            lambda: frechet_between_gaussians([0.0], [[-1.0]], [0.0], [[1.0]]),
            "covariance_a is not symmetric or has a neg",
        ),
        (
            lambda: frechet_between_gaussians(np.zeros(2), np.eye(2), np.zeros(2), [[1, 0.5], [0, 1]]),
            "covariance_b is not symmetric",
        ),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
