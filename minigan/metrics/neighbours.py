"""Metrics of who lies next to whom: precision and recall, density and coverage, 1-nearest-neighbour accuracy.

All are made of distances between samples, which SciPy's `cdist` computes exactly, a block of rows at a time. A tree would
be faster in two dimensions, but not in a classifier's 84, where it ends up visiting every point; and distances by way
of a matrix product are rounded, so that a copied sample would lie on the wrong side of its own border. Imports the
metrics' arrays module, and SciPy when a metric is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minigan.metrics.arrays import require_whole, to_pair

_BLOCK = 1 << 22  # distances at a time: 32 MB


class PrecisionRecall(NamedTuple):
    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    density: float
    coverage: float


class NearestNeighbourAccuracy(NamedTuple):
    """Leave-one-out accuracy on both sets together, and on each."""

    accuracy: float
    real: float
    fake: float


class NeighbourScores(NamedTuple):
    """All of them."""

    precision: float
    recall: float
    density: float
    coverage: float
    accuracy: float
    accuracy_real: float
    accuracy_fake: float


def precision_recall(real: Any, fake: Any, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall: the share of generated samples that lie among real ones, and the reverse.

    Around each sample of a set, a ball reaches to its k-th nearest neighbour in the same set (itself not counted); the
    union of the balls stands for the set's manifold. Precision is the share of generated samples in a real ball, border
    included, recall the share of real samples in a generated one.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
        More than k samples each. The paper takes N = M = 50,000, and both values depend on the numbers.
    k : int, default 3

    Returns
    -------
    PrecisionRecall
        `(precision, recall)`, from 0 to 1. One outlier among the samples makes a huge ball: see `density_coverage`.

    Raises
    ------
    TypeError, ValueError
        If there are too few samples, NaNs, or different numbers of features.

    References
    ----------
    T. Kynkäänniemi et al., "Improved precision and recall metric for assessing generative models", 2019, eqs. 1 and 2.

    Examples
    --------
    A generator that has found one of two clusters is precise, but half is not recalled:

    >>> rng = np.random.default_rng(0)
    >>> real = rng.standard_normal((400, 2)) + 100 * (np.arange(400)[:, None] % 2)
    >>> precision, recall = precision_recall(real, rng.standard_normal((200, 2)))
    >>> bool(precision > 0.9), bool(0.4 < recall <= 0.5)
    (True, True)
    """
    real, fake = _enough("precision_recall", real, fake, k)
    found = _compare(real, fake, nearest(real, k), nearest(fake, k), k, k)
    return PrecisionRecall(found.precision, found.recall)


def density_coverage(real: Any, fake: Any, k: int = 5) -> DensityCoverage:
    """Density and coverage: how many real balls a generated sample lies in, and how many real balls hold one.

    With the radius r_i of the i-th real sample, its distance to its k-th nearest real neighbour (itself not counted),
    density is `Σ_j Σ_i [‖y_j − x_i‖ < r_i] / (k M)`, and coverage `Σ_i [min_j ‖y_j − x_i‖ < r_i] / N`. Only real balls
    are used, so that generated outliers gain nothing, and a real one gains the density little.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
        More than k real samples, at least one generated.
    k : int, default 5

    Returns
    -------
    DensityCoverage
        `(density, coverage)`. Density is about 1 for equal distributions and may exceed it; coverage goes from 0 to 1,
        and is about `1 − 2^(−k)` for equal distributions with N = M (0.97 for k = 5).

    Raises
    ------
    TypeError, ValueError
        If there are too few samples, NaNs, or different numbers of features.

    Notes
    -----
    A sample on the border of a ball is outside, as in the authors' code: so a set against itself has density 1.

    References
    ----------
    M. F. Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020, eqs. 3 and 4, and §4 for
    the expected values.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((300, 2))
    >>> density_coverage(x, x)
    DensityCoverage(density=1.0, coverage=1.0)
    """
    real, fake = _enough("density_coverage", real, fake, k, least_fake=1)
    found = _compare(real, fake, nearest(real, k), np.zeros((len(fake), k)), k, k)
    return DensityCoverage(found.density, found.coverage)


def nearest_neighbour_accuracy(real: Any, fake: Any) -> NearestNeighbourAccuracy:
    """How well the nearest neighbour tells real from generated samples, leaving each one out in its turn.

    A sample is told right if its nearest neighbour among all others, real and generated, is of its own kind; if the two
    kinds are equally near, half. For equal distributions and N = M the accuracy is 1/2; it is 1 if the sets lie apart,
    and 0 if every generated sample is a copy of a real one of its own.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
        At least two samples each, and as many of one kind as of the other: else the accuracy of equal distributions
        would not be 1/2.

    Returns
    -------
    NearestNeighbourAccuracy
        `(accuracy, real, fake)`: of all, of the real samples, of the generated ones. Look at the parts: samples spread
        wide around a dense real set have real ones for neighbours, so that the parts are 1 and 0, and the mean is an
        innocent 1/2.

    Raises
    ------
    TypeError, ValueError
        If there are too few samples, unequal numbers of them, NaNs, or different numbers of features.

    References
    ----------
    D. Lopez-Paz, M. Oquab, "Revisiting classifier two-sample tests", 2017; Q. Xu et al., "An empirical study on
    evaluation metrics of generative adversarial networks", 2018, §2, for the two parts.

    Examples
    --------
    >>> x, y = np.random.default_rng(0).standard_normal((2, 500, 2))
    >>> nearest_neighbour_accuracy(x, x).accuracy, nearest_neighbour_accuracy(x, y + 100).accuracy
    (0.0, 1.0)
    >>> bool(0.45 < nearest_neighbour_accuracy(x, y).accuracy < 0.55)
    True
    """
    real, fake = _enough("nearest_neighbour_accuracy", real, fake, 1)
    _equally_many("nearest_neighbour_accuracy", real, fake)
    return NearestNeighbourAccuracy(*_compare(real, fake, nearest(real, 1), nearest(fake, 1), 1, 1)[4:])


def neighbour_scores(
    real: Any, fake: Any, k: int = 3, k_density: int = 5, real_nearest: np.ndarray | None = None
) -> NeighbourScores:
    """All of the above, with each distance computed once.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
        The accuracies are NaN if N ≠ M.
    k : int, default 3
        Of precision and recall.
    k_density : int, default 5
        Of density and coverage.
    real_nearest : ndarray (N, max(k, k_density)), optional
        `nearest(real, max(k, k_density))`, where several sets are compared with one real set.

    Returns
    -------
    NeighbourScores
        `(precision, recall, density, coverage, accuracy, accuracy_real, accuracy_fake)`.

    Examples
    --------
    >>> x, y = np.random.default_rng(0).standard_normal((2, 300, 2))
    >>> found = neighbour_scores(x, y)
    >>> (found.precision, found.recall) == precision_recall(x, y)
    True
    """
    require_whole("neighbour_scores", k_density=k_density)
    most = max(int(k), k_density)
    real, fake = _enough("neighbour_scores", real, fake, most)
    require_whole("neighbour_scores", k=k)
    if real_nearest is None:
        real_nearest = nearest(real, most)
    elif real_nearest.shape != (len(real), most):
        raise ValueError(
            f"neighbour_scores: real_nearest has shape {real_nearest.shape}; expected ({len(real)}, {most}): pass "
            f"nearest(real, {most})."
        )
    return _compare(real, fake, real_nearest, nearest(fake, most), k, k_density)


def nearest(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distances from each sample to its k nearest others, ascending: `(N, D) → (N, k)`.

    Examples
    --------
    >>> nearest(np.array([[0.0], [1.0], [3.0]]), 2)
    array([[1., 9.],
           [1., 4.],
           [4., 9.]])
    """
    found = np.empty((len(x), k))
    for rows, distances in _squared_distances(x, x):
        np.fill_diagonal(distances[:, rows], np.inf)  # not its own neighbour
        found[rows] = np.sort(np.partition(distances, k - 1, axis=1)[:, :k], axis=1)
    return found


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The rows of the matrix of squared distances, `(rows, len(y))` at a time."""
    from scipy.spatial.distance import cdist

    step = max(1, _BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        yield rows, cdist(x[rows], y, "sqeuclidean")


def _compare(
    real: np.ndarray, fake: np.ndarray, real_nearest: np.ndarray, fake_nearest: np.ndarray, k: int, k_density: int
) -> NeighbourScores:
    """One pass over the distances between real and generated samples, with those to their own kind at hand."""
    real_radius, fake_radius = real_nearest[:, k - 1], fake_nearest[:, k - 1]
    ball = real_nearest[:, k_density - 1]
    precise, balls = np.zeros(len(fake), dtype=bool), np.zeros(len(fake), dtype=np.int64)
    recalled = np.empty(len(real), dtype=bool)
    to_fake, to_real = np.empty(len(real)), np.full(len(fake), np.inf)
    for rows, distances in _squared_distances(real, fake):
        precise |= (distances <= real_radius[rows, None]).any(0)
        recalled[rows] = (distances <= fake_radius).any(1)
        balls += np.count_nonzero(distances < ball[rows, None], axis=0)
        to_fake[rows] = distances.min(1)
        np.minimum(to_real, distances.min(0), out=to_real)

    right_real = _nearer(real_nearest[:, 0], to_fake) if len(real) == len(fake) else np.nan
    right_fake = _nearer(fake_nearest[:, 0], to_real) if len(real) == len(fake) else np.nan
    return NeighbourScores(
        float(precise.mean()),
        float(recalled.mean()),
        float(balls.mean() / k_density),
        float((to_fake < ball).mean()),
        (right_real + right_fake) / 2,
        right_real,
        right_fake,
    )


def _nearer(own: np.ndarray, other: np.ndarray) -> float:
    """How often the own kind is nearer; a tie is half."""
    return float(((own < other) + 0.5 * (own == other)).mean())


def _enough(
    operation: str, real: Any, fake: Any, k: int, least_fake: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    require_whole(operation, k=k)
    real, fake = to_pair(operation, real, fake)
    for name, x, least in (("real", real, k + 1), ("fake", fake, least_fake or k + 1)):
        if len(x) < least:
            raise ValueError(
                f"{operation}: {name} holds {len(x):,} samples, too few for {k} neighbours; expected {least:,} or more. "
                "Draw more samples."
            )
    return real, fake


def _equally_many(operation: str, real: np.ndarray, fake: np.ndarray) -> None:
    if len(real) != len(fake):
        raise ValueError(
            f"{operation}: real holds {len(real):,} samples and fake {len(fake):,}; expected equally many, or 1/2 would "
            f"not mean equal. Take {min(len(real), len(fake)):,} of each."
        )
