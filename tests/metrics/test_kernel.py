"""MMD² and KID against the definition in loops, without bias, and whatever the order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan.metrics import kernel as module
from minigan.metrics.kernel import kid, mmd2, polynomial_kernel


def by_loops(x, y, k):
    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def cubic(a, b):
    return (a @ b / len(a) + 1) ** 3


def rbf(a, b):
    return np.exp(-((a - b) ** 2).sum())


def rbf_matrix(x, y):
    return np.exp(-((x[:, None] - y) ** 2).sum(2))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 9), m=st.integers(2, 9), d=st.integers(1, 4), rows=st.integers(1, 5), seed=st.integers(0, 99))
def test_agrees_with_the_definition(n, m, d, rows, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), 1 + rng.standard_normal((m, d))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROWS", rows)  # several blocks
        assert mmd2(x, y) == pytest.approx(by_loops(x, y, cubic))
        assert mmd2(x, y, rbf_matrix) == pytest.approx(by_loops(x, y, rbf))


def test_polynomial_kernel():
    x, y = np.random.default_rng(0).standard_normal((2, 3, 5))
    np.testing.assert_allclose(polynomial_kernel(x, y[:2]), [[cubic(a, b) for b in y[:2]] for a in x])


def test_it_is_unbiased():
    """Two draws of one distribution: 0 on average, with values of both signs; a biased estimate would be positive."""
    rng = np.random.default_rng(0)
    values = np.array([mmd2(*rng.standard_normal((2, 10, 3))) for _ in range(3000)])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean()) < 4 * error
    assert (values < 0).any()
    # what leaving the diagonal in would add is far more than that
    assert 40 * error < 2 / 10 * np.mean([cubic(a, a) - cubic(a, b) for a, b in rng.standard_normal((500, 2, 3))])


def test_it_is_unbiased_between_different_distributions():
    """Linear kernel: ‖μ − ν‖² = 3 on average, at any N."""
    rng = np.random.default_rng(1)
    values = np.array(
        [mmd2(rng.standard_normal((4, 3)), 1 + rng.standard_normal((6, 3)), lambda a, b: a @ b.T) for _ in range(3000)]
    )
    assert abs(values.mean() - 3) < 4 * values.std() / np.sqrt(len(values))


def test_symmetry_order_and_rotation():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((40, 5)), 0.5 + rng.standard_normal((30, 5))
    turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    expected = mmd2(x, y)
    assert expected > 0.1
    assert mmd2(y, x) == pytest.approx(expected)
    assert mmd2(rng.permutation(x), rng.permutation(y)) == pytest.approx(expected)
    assert mmd2(x @ turn, y @ turn) == pytest.approx(expected)


def test_kid_is_the_mean_over_subsets():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((40, 4))
    draw, values = np.random.default_rng(9), []
    for _ in range(7):
        i, j = draw.choice(30, 20, replace=False), draw.choice(40, 20, replace=False)
        values.append(by_loops(x[i], y[j], cubic))
    found = kid(x, y, subsets=7, size=20, rng=9)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.standard_error == pytest.approx(np.std(values, ddof=1) / np.sqrt(7))
    assert found == kid(x, y, subsets=7, size=20, rng=np.random.default_rng(9))
    assert found != kid(x, y, subsets=7, size=20, rng=10)


def test_kid_of_whole_sets_is_the_mmd():
    x, y = np.random.default_rng(4).standard_normal((2, 25, 3))
    found = kid(x, y, subsets=3, size=25)
    assert found.mean == pytest.approx(mmd2(x, y))
    assert found.standard_error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mmd2([[1.0]], [[1.0], [2.0]]), "mmd2: real holds 1 samples; expected 2 or more"),
        (lambda: mmd2(np.zeros((3, 2)), np.zeros((3, 3))), "real has 2 features a sample and fake 3"),
        (lambda: mmd2([[1.0], [np.nan]], [[1.0], [2.0]]), "1 of the 2 numbers in real is NaN"),
        (lambda: mmd2(np.zeros((3, 2)), np.zeros((3, 2)), lambda a, b: 1.0), r"kernel gave shape \(\) for arrays of 3"),
        (
            lambda: kid(np.zeros((99, 2)), np.zeros((2000, 2))),
            "size is 1,000, but real holds 99 samples and fake 2,000",
        ),
        (lambda: kid(np.zeros((9, 2)), np.zeros((9, 2)), size=1), "size is 1; expected 2 or more"),
        (lambda: kid(np.zeros((9, 2)), np.zeros((9, 2)), subsets=1, size=2), "subsets is 1; expected 2 or more"),
        (lambda: kid(np.zeros((9, 2)), np.zeros((9, 2)), size=2.5), "size is 2.5; expected an int"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
