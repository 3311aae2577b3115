"""Precision, recall, density, coverage and 1-NN accuracy against their definitions in loops, exact ties included."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.metrics import neighbours as module
from minigan.metrics.neighbours import (
    density_coverage,
    nearest,
    nearest_neighbour_accuracy,
    neighbour_scores,
    precision_recall,
)


def squared(a, b):
    """Sums of few integers: exact."""
    return sum((p - q) ** 2 for p, q in zip(a, b))


def radius(points, i, k):
    return sorted(squared(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]


def by_loops(real, fake, k, k_density):
    """The definitions, sample by sample."""
    r = [radius(real, i, k) for i in range(len(real))]
    f = [radius(fake, j, k) for j in range(len(fake))]
    ball = [radius(real, i, k_density) for i in range(len(real))]
    precision = np.mean([any(squared(y, x) <= r[i] for i, x in enumerate(real)) for y in fake])
    recall = np.mean([any(squared(x, y) <= f[j] for j, y in enumerate(fake)) for x in real])
    density = sum(squared(y, x) < ball[i] for y in fake for i, x in enumerate(real)) / (k_density * len(fake))
    coverage = np.mean([min(squared(x, y) for y in fake) < ball[i] for i, x in enumerate(real)])
    return precision, recall, density, coverage


def accuracy_by_loops(real, fake):
    def part(own, other):
        right = 0.0
        for i, x in enumerate(own):
            to_own = min(squared(x, y) for j, y in enumerate(own) if j != i)
            to_other = min(squared(x, y) for y in other)
            right += 1.0 if to_own < to_other else 0.5 if to_own == to_other else 0.0
        return right / len(own)

    return part(real, fake), part(fake, real)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(7, 14),
    m=st.integers(7, 14),
    d=st.integers(1, 3),
    k=st.integers(1, 6),
    k_density=st.integers(1, 6),
    span=st.sampled_from([3, 1000]),  # many ties and doubles, or none
    block=st.sampled_from([1, 40, 1 << 20]),
    seed=st.integers(0, 1000),
)
def test_agree_with_the_definitions(n, m, d, k, k_density, span, block, seed):
    rng = np.random.default_rng(seed)
    real, fake = rng.integers(span, size=(n, d)), rng.integers(span, size=(m, d))
    expected = by_loops(real.tolist(), fake.tolist(), k, k_density)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        assert precision_recall(real, fake, k) == pytest.approx(expected[:2])
        assert density_coverage(real, fake, k_density) == pytest.approx(expected[2:])
        together = neighbour_scores(real, fake, k, k_density)
        assert together[:4] == pytest.approx(expected)
        few = min(n, m)
        found = nearest_neighbour_accuracy(real[:few], fake[:few])
        right = accuracy_by_loops(real[:few].tolist(), fake[:few].tolist())
        assert found == pytest.approx((sum(right) / 2, *right))
        assert neighbour_scores(real[:few], fake[:few], 1, 1)[4:] == pytest.approx(tuple(found))
        if n != m:
            assert all(math.isnan(value) for value in together[4:])


def test_nearest_leaves_itself_out_but_not_a_double():
    x = np.array([[0.0], [0.0], [2.0], [5.0]])
    assert nearest(x, 3).tolist() == [[0, 4, 25], [0, 4, 25], [4, 4, 9], [9, 25, 25]]


def test_nearest_against_a_tree():
    x = np.random.default_rng(0).standard_normal((500, 3))
    tree = pytest.importorskip("scipy.spatial").cKDTree(x)
    np.testing.assert_allclose(nearest(x, 4), tree.query(x, k=5)[0][:, 1:] ** 2)


def test_precision_and_recall_by_hand():
    """k = 1: each ball reaches to the only other neighbour that is near."""
    real, fake = [[0.0], [1.0], [10.0]], [[2.0], [2.5], [72.5]]
    real_balls, fake_balls = [(-1, 1), (0, 2), (1, 19)], [(1.5, 2.5), (2, 3), (2.5, 142.5)]
    expected_precision = np.mean([any(a <= y <= b for a, b in real_balls) for (y,) in fake])
    expected_recall = np.mean([any(a <= x <= b for a, b in fake_balls) for (x,) in real])
    assert precision_recall(real, fake, k=1) == pytest.approx((expected_precision, expected_recall))
    assert (expected_precision, expected_recall) == pytest.approx((2 / 3, 1 / 3))


def test_a_set_against_itself():
    x = np.random.default_rng(1).standard_normal((200, 84))
    found = neighbour_scores(x, x)
    assert found == (1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)


def test_sets_that_lie_apart():
    x, y = np.random.default_rng(2).standard_normal((2, 100, 5))
    assert neighbour_scores(x, y + 100) == (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)


def test_equal_distributions():
    x, y = np.random.default_rng(3).standard_normal((2, 2000, 4))
    found = neighbour_scores(x, y)
    assert found.density == pytest.approx(1, abs=0.03)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.02)
    assert found.accuracy == pytest.approx(0.5, abs=0.04)


def test_a_collapsed_generator():
    """Generated samples in a heap within the real ones: precise, without recall."""
    x, y = np.random.default_rng(4).standard_normal((2, 500, 2))
    found = neighbour_scores(x, 0.001 * y)
    assert found.precision == 1
    assert found.recall < 0.05
    assert found.coverage < 0.1
    assert found.accuracy_fake > 0.95
    assert found.accuracy_real > 0.9
    copies = neighbour_scores(x, x[np.arange(500) % 5])  # five real samples, a hundred times each
    assert copies.accuracy_fake == 0.5  # a double is as near as the original
    assert copies.coverage < 0.1


def test_noise_around_a_dense_set_shows_in_the_parts_alone():
    x, y = np.random.default_rng(9).standard_normal((2, 300, 50))
    found = neighbour_scores(x, 10 * y)
    assert found.accuracy_real == 1
    assert found.accuracy_fake < 0.1
    assert found.accuracy == pytest.approx(0.5, abs=0.05)


def test_an_outlier_among_the_real_ones_fools_precision_and_not_density():
    rng = np.random.default_rng(5)
    real = np.vstack([rng.standard_normal((200, 2)), [[1000.0, 0.0]]])
    fake = rng.uniform(-300, 300, (200, 2)) + [900, 0]
    assert precision_recall(real, fake).precision > 0.9
    assert density_coverage(real, fake).density < 0.3
    assert density_coverage(real, fake).coverage < 0.05


def test_order_and_rotation_do_not_matter():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((150, 4)), 0.8 * rng.standard_normal((150, 4))
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    found = neighbour_scores(x, y)
    assert 0 < found.recall < found.precision < 1
    assert neighbour_scores(rng.permutation(x), rng.permutation(y)) == pytest.approx(found)
    assert neighbour_scores(x @ turn - 3, y @ turn - 3) == pytest.approx(found)


def test_what_is_known_of_the_real_set_need_not_be_computed_again():
    x, y = np.random.default_rng(7).standard_normal((2, 50, 3))
    assert neighbour_scores(x, y, real_nearest=nearest(x, 5)) == neighbour_scores(x, y)
    with pytest.raises(ValueError, match=r"real_nearest has shape \(50, 3\); expected \(50, 5\)"):
        neighbour_scores(x, y, real_nearest=nearest(x, 3))


def test_tensors_are_taken():
    x, y = np.random.default_rng(8).standard_normal((2, 30, 3)).astype(np.float32)
    assert neighbour_scores(mg.from_numpy(x), mg.from_numpy(y)) == neighbour_scores(x, y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: precision_recall(np.zeros((3, 2)), np.zeros((9, 2))),
            "real holds 3 samples, too few for 3 neigh.*4 or",
        ),
        (
            lambda: precision_recall(np.zeros((9, 2)), np.zeros((3, 2))),
            "fake holds 3 samples, too few for 3 neigh.*4 or",
        ),
        (
            lambda: density_coverage(np.zeros((5, 2)), np.zeros((9, 2))),
            "real holds 5 samples, too few for 5 neigh.*6 or",
        ),
        (lambda: density_coverage(np.zeros((9, 2)), np.zeros((0, 2))), "fake holds 0 samples"),
        (lambda: density_coverage(np.zeros((9, 2)), np.zeros((9, 3))), "real has 2 features a sample and fake 3"),
        (
            lambda: precision_recall(np.zeros((9, 2)), np.zeros((9, 2)), k=0),
            "precision_recall: k is 0; expected an int",
        ),
        (
            lambda: neighbour_scores(np.zeros((9, 2)), np.zeros((9, 2)), k_density=1.5),
            "k_density is 1.5; expected an int",
        ),
        (lambda: neighbour_scores(np.zeros((9, 2)), np.zeros((9, 2)), k=0.5), "k is 0.5; expected an int"),
        (lambda: neighbour_scores(np.full((9, 2), np.nan), np.zeros((9, 2))), "numbers in real are NaN"),
        (lambda: nearest_neighbour_accuracy([[1.0]], [[1.0]]), "real holds 1 samples, too few for 1 neighbours"),
        (lambda: nearest_neighbour_accuracy(np.zeros((4, 1)), np.zeros((3, 1))), "equally many.*Take 3 of each"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_generated_sample_has_a_density():
    """All ten balls around 0 ... 9 hold 4.5: those at the ends have radius 5, those in the middle 3."""
    assert density_coverage(np.arange(10.0)[:, None], [[4.5]]) == (10 / 5, 1.0)
