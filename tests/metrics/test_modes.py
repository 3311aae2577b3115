"""Modes captured, high-quality share and reverse KL: of samplers whose scores are known, and the floors by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.data.toy import grid, grid_mixture, ring, ring_mixture
from minigan.metrics.modes import (
    entropy,
    kl_from_uniform,
    label_coverage,
    mode_coverage,
    perfect_coverage,
    perfect_share,
    stacked_labels,
    uniform_kl_floor,
)


def by_loops(samples, centres, std, within=3.0):
    """The definition, sample by sample."""
    counts = [0] * len(centres)
    for x in samples:
        distances = [math.dist(x, c) / std for c in centres]
        if min(distances) <= within:
            counts[distances.index(min(distances))] += 1
    total = sum(counts)
    kl = sum(c / total * math.log(c / total * len(centres)) for c in counts if c)
    return sum(c > 0 for c in counts), total / len(samples), kl, counts


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("draw", "mixture"), [(ring, ring_mixture), (grid, grid_mixture)])
def test_a_perfect_sampler(draw, mixture, normalize):
    n, (centres, std) = 20_000, mixture(normalize=normalize)
    found = mode_coverage(draw(n, normalize=normalize).samples, centres, std)
    share = 1 - math.exp(-4.5)
    assert (found.captured, found.modes) == (len(centres), len(centres))
    assert abs(found.high_quality - share) < 4 * math.sqrt(share * (1 - share) / n)
    assert found.reverse_kl < 3 * (len(centres) - 1) / (2 * n)
    assert found.counts.sum() == round(found.high_quality * n)


def test_a_collapsed_sampler():
    centres, std = ring_mixture()
    found = mode_coverage(centres[5] + std * np.random.default_rng(0).standard_normal((500, 2)) / 10, centres, std)
    assert found.captured == 1
    assert found.high_quality == 1
    assert found.reverse_kl == pytest.approx(math.log(8))
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 500, 0, 0]


def test_agrees_with_the_definition():
    rng = np.random.default_rng(1)
    centres, std = rng.standard_normal((6, 3)), 0.4
    samples = centres[rng.integers(4, size=300)] + 0.7 * rng.standard_normal((300, 3))
    found = mode_coverage(samples, centres, std)
    captured, share, kl, counts = by_loops(samples, centres, std)
    assert (found.captured, found.counts.tolist()) == (captured, counts)
    assert 0.05 < found.high_quality < 0.95
    assert (found.high_quality, found.reverse_kl) == pytest.approx((share, kl))


def test_the_border_and_the_nearest_centre():
    centres = np.array([[0.0, 0.0], [4.0, 0.0]])
    at = mode_coverage([[-3.0, 0.0], [-3.01, 0.0], [2.5, 0.0]], centres, std=1.0)
    assert at.counts.tolist() == [1, 1]  # 2.5 is within 3 of both, and nearer to the second
    assert at.high_quality == pytest.approx(2 / 3)


def test_nothing_of_quality():
    found = mode_coverage(np.full((10, 2), 50.0), *ring_mixture())
    assert (found.captured, found.high_quality, found.counts.sum()) == (0, 0.0, 0)
    assert math.isnan(found.reverse_kl)


def test_order_and_rotation_do_not_matter():
    rng = np.random.default_rng(2)
    centres, std = grid_mixture()
    samples = 1.05 * grid(1000).samples.astype(np.float64)
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    found, other = (
        mode_coverage(samples, centres, std),
        mode_coverage(rng.permutation(samples) @ turn, centres @ turn, std),
    )
    assert found.high_quality < 0.9
    assert found.counts.tolist() == other.counts.tolist()


def test_tensors_are_taken():
    samples, (centres, std) = ring(100).samples, ring_mixture()
    a, b = mode_coverage(samples, centres, std), mode_coverage(mg.from_numpy(samples), mg.from_numpy(centres), std)
    assert a[:4] == b[:4]


# ----------------------------------------------------------------------------------------------------------------------
# Floors
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dimensions", "expected"), [(1, 0.9973002), (2, 1 - math.exp(-4.5)), (3, 0.9707091)])
def test_share_of_a_perfect_sampler(dimensions, expected):
    assert perfect_share(dimensions) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("n", "modes", "within"), [(12, 8, 3.0), (40, 25, 3.0), (300, 8, 3.0), (300, 100, 1.0)])
def test_the_floor_is_what_perfect_samplers_get(n, modes, within):
    rng, share, runs = np.random.default_rng(0), 1 - math.exp(-(within**2) / 2), 4000
    floor = perfect_coverage(n, modes, within=within)
    # each mode's count, and in the last column the samples of low quality
    counts = rng.multinomial(n, [share / modes] * modes + [1 - share], size=runs)[:, :-1]
    captured = (counts > 0).sum(1)
    kl = np.array([kl_from_uniform(c) for c in counts])
    assert abs(captured.mean() - floor.captured) < 5 * captured.std() / math.sqrt(runs) + 1e-12
    # that n·s samples are of quality on average, not in every run, moves the KL by less than one percent
    assert abs(kl.mean() - floor.reverse_kl) < 5 * kl.std() / math.sqrt(runs) + 0.01 * floor.reverse_kl
    assert floor.high_quality == pytest.approx(share)


def test_the_floor_of_mode_coverage_itself():
    centres, std = grid_mixture()
    found = [mode_coverage(grid(60, seed=s).samples, centres, std) for s in range(150)]
    floor = perfect_coverage(60, 25)
    for name, expected in floor._asdict().items():
        values = np.array([getattr(f, name) for f in found])
        assert abs(values.mean() - expected) < 5 * values.std() / math.sqrt(len(values)), name


@settings(deadline=None)
@given(n=st.integers(1, 12), classes=st.integers(1, 4))
def test_the_floor_of_the_kl_by_all_outcomes(n, classes):
    """Counts of one class are binomial, and all classes alike."""
    expected = 0.0
    for c in range(1, n + 1):
        p = math.comb(n, c) * (1 / classes) ** c * (1 - 1 / classes) ** (n - c)
        expected += classes * p * c / n * math.log(c / n * classes)
    assert uniform_kl_floor(n, classes) == pytest.approx(expected, abs=1e-12)


def test_the_floor_of_stacked_mnist():
    assert uniform_kl_floor(26_000) == pytest.approx(999 / 52_000, rel=0.01)
    assert 0.0190 < uniform_kl_floor(26_000) < 0.0195
    rng = np.random.default_rng(0)
    runs = [label_coverage(rng.integers(1000, size=26_000)).reverse_kl for _ in range(20)]
    assert abs(np.mean(runs) - uniform_kl_floor(26_000)) < 5 * np.std(runs) / math.sqrt(20)


# ----------------------------------------------------------------------------------------------------------------------
# Histograms of labels
# ----------------------------------------------------------------------------------------------------------------------


def test_kl_and_entropy_against_scipy():
    stats = pytest.importorskip("scipy.stats")
    counts = np.random.default_rng(0).integers(0, 9, size=50)
    assert (counts == 0).any()
    assert kl_from_uniform(counts) == pytest.approx(stats.entropy(counts, np.ones(50)))
    assert entropy(counts) == pytest.approx(stats.entropy(counts))


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 20))
def test_kl_of_equal_shares_of_some_modes(modes, each):
    assert kl_from_uniform([each] * modes) == pytest.approx(0, abs=1e-12)
    assert kl_from_uniform([each] * modes + [0] * modes) == pytest.approx(math.log(2))


def test_labels_of_stacked_digits():
    digits = np.random.default_rng(0).integers(10, size=(200, 3))
    assert stacked_labels(digits).tolist() == [int("".join(map(str, row))) for row in digits]
    every = np.stack(np.meshgrid(*[range(10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found = label_coverage(stacked_labels(every))
    assert (found.captured, found.modes, found.reverse_kl) == (1000, 1000, 0.0)


def test_labels_that_miss_classes():
    found = label_coverage([3, 3, 3, 7], classes=10)
    assert (found.captured, found.counts[3], found.counts[7]) == (2, 3, 1)
    assert found.reverse_kl == pytest.approx(0.75 * math.log(7.5) + 0.25 * math.log(2.5))


# ----------------------------------------------------------------------------------------------------------------------
# What is refused
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: mode_coverage(np.zeros((0, 2)), np.zeros((8, 2)), 1.0),
            ValueError,
            "samples holds 0 samples; expected 1",
        ),
        (lambda: mode_coverage([[np.nan, 0.0]], np.zeros((8, 2)), 1.0), ValueError, "samples is NaN or infinite"),
        (lambda: mode_coverage(np.zeros((5, 3)), np.zeros((8, 2)), 1.0), ValueError, "samples have 3 coordinates and"),
        (lambda: mode_coverage(np.zeros(5), np.zeros((8, 2)), 1.0), ValueError, r"samples has shape \(5,\); expected"),
        (lambda: mode_coverage(np.zeros((5, 2)), np.zeros((8, 2)), 0.0), ValueError, "std is 0.0; expected a positive"),
        (lambda: mode_coverage([["a", "b"]], np.zeros((8, 2)), 1.0), TypeError, "samples has dtype <U1; expected"),
        (
            lambda: mode_coverage(np.zeros((5, 2)), np.zeros((8, 2)), 1.0, within=-1),
            ValueError,
            "within is -1; expected",
        ),
        (lambda: label_coverage([0, 1000]), ValueError, "labels go from 0 to 1000; expected 0 to 999"),
        (lambda: label_coverage([-1, 5]), ValueError, "labels go from -1 to 5; expected 0 to 999"),
        (lambda: label_coverage([0.5]), TypeError, "labels has dtype float64; expected integers"),
        (lambda: label_coverage(np.zeros(0, dtype=int)), ValueError, r"labels has shape \(0,\); expected \(N,\)"),
        (lambda: stacked_labels([[1, 2]]), ValueError, r"digits has shape \(1, 2\); expected \(N, 3\)"),
        (lambda: stacked_labels([[1, 2, 10]]), ValueError, r"digits\[:, 2\] go from 10 to 10; expected 0 to 9"),
        (lambda: kl_from_uniform([1, -1]), ValueError, r"counts\[1\] is -1; no count can be negative"),
        (lambda: kl_from_uniform([0.5, 0.5]), TypeError, "counts has dtype float64; expected integers"),
        (lambda: kl_from_uniform([]), ValueError, r"counts has shape \(0,\)"),
        (lambda: uniform_kl_floor(0), ValueError, "samples is 0; expected an int of 1 or more"),
        (lambda: perfect_coverage(10, 0), ValueError, "modes is 0; expected an int of 1 or more"),
        (lambda: perfect_share(True), ValueError, "dimensions is True; expected an int"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_no_quality_at_all_has_no_histogram():
    assert math.isnan(kl_from_uniform([0, 0, 0]))
