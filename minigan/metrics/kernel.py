"""Maximum mean discrepancy, and the kernel distance (KID) made of it. Imports the metrics' arrays module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigan.metrics.arrays import require_whole, to_generator, to_pair

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (N, D), (M, D) → (N, M)
_ROWS = 1000  # of the kernel's matrix at a time


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`k(x, y) = (⟨x, y⟩ / D + 1)³` for all pairs: `(N, D), (M, D) → (N, M)` (Bińkowski et al. 2018, §4, eq. 5).

    Examples
    --------
    >>> polynomial_kernel(np.array([[1.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 0.0]]))
    array([[8., 1.]])
    """
    k = x @ y.T / x.shape[1] + 1
    return k * k * k  # k**3 would go through pow


def mmd2(real: Any, fake: Any, kernel: Kernel = polynomial_kernel) -> float:
    """The squared maximum mean discrepancy between two sets, estimated without bias.

    `Σ_{i≠j} k(x_i, x_j) / N(N−1) + Σ_{i≠j} k(y_i, y_j) / M(M−1) − 2 Σ_{i,j} k(x_i, y_j) / NM`. On average over draws
    it is exactly the squared discrepancy, 0 between equal distributions: a single estimate may be negative.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
        At least two samples each.
    kernel : function, default `polynomial_kernel`
        Of two arrays (n, D), (m, D), all values as (n, m); positive semi-definite.

    Raises
    ------
    TypeError, ValueError
        If there are too few samples, NaNs, different numbers of features, or a kernel that gives another shape.

    References
    ----------
    A. Gretton et al., "A kernel two-sample test", 2012, eq. 3; M. Bińkowski, D. Sutherland, M. Arbel, A. Gretton,
    "Demystifying MMD GANs", 2018, eq. 4, and §4 for the kernel.

    Examples
    --------
    With the linear kernel it is the squared distance of the means, less what their own noise adds:

    >>> mmd2([[0.0], [2.0]], [[4.0], [6.0]], kernel=lambda x, y: x @ y.T)  # 0·2 + 4·6 − 2 · 1·5
    14.0
    """
    real, fake = to_pair("mmd2", real, fake, least=2)
    return _mean_off_diagonal(kernel, real) + _mean_off_diagonal(kernel, fake) - 2 * _mean(kernel, real, fake)


def _mean(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> float:
    return sum(float(_block(kernel, x[i : i + _ROWS], y).sum()) for i in range(0, len(x), _ROWS)) / (len(x) * len(y))


def _mean_off_diagonal(kernel: Kernel, x: np.ndarray) -> float:
    total = 0.0
    for i in range(0, len(x), _ROWS):
        block = _block(kernel, x[i : i + _ROWS], x)
        total += float(block.sum() - block[:, i:].trace())  # row i of the matrix is row 0 of the block
    return total / (len(x) * (len(x) - 1))


def _block(kernel: Kernel, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k = np.asarray(kernel(x, y))
    if k.shape != (len(x), len(y)):
        raise ValueError(
            f"mmd2: kernel gave shape {k.shape} for arrays of {len(x)} and {len(y)} rows; expected ({len(x)}, {len(y)}), "
            "a number a pair."
        )
    return k


class KernelDistance(NamedTuple):
    """What `kid` finds."""

    mean: float
    standard_error: float


def kid(
    real: Any,
    fake: Any,
    subsets: int = 100,
    size: int = 1000,
    rng: np.random.Generator | int = 0,
    kernel: Kernel = polynomial_kernel,
) -> KernelDistance:
    """Kernel distance: the mean of `mmd2` over random subsets, and the standard error of that mean.

    KID proper takes Inception's features. Being unbiased, it needs no fixed N, and is the metric for few samples.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
    subsets : int, default 100
        How many pairs of subsets, at least 2.
    size : int, default 1000
        Samples in each subset, drawn without replacement; at most N and M, at least 2.
    rng : Generator or int, default 0
        What draws the subsets.
    kernel : function, default `polynomial_kernel`
        As for `mmd2`.

    Returns
    -------
    KernelDistance
        `(mean, standard_error)`; the error is the standard deviation over the subsets (divisor `subsets` − 1) by
        `√subsets`. It tells how well the subsets determine the distance of *these* sets. As they overlap, it
        understates how much other sets of N and M samples would differ; with `size` = N = M it is 0.

    Raises
    ------
    TypeError, ValueError
        If there are fewer samples than `size`, NaNs, or different numbers of features.

    References
    ----------
    Bińkowski et al. 2018, §4 and §5.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((2, 500, 8))
    >>> same, moved = kid(x, y, size=200), kid(x, y + 1, size=200)
    >>> bool(abs(same.mean) < 0.02 < 1 < moved.mean)
    True
    """
    for name, value in (("subsets", subsets), ("size", size)):
        require_whole("kid", **{name: value})
        if value < 2:
            raise ValueError(f"kid: {name} is {value}; expected 2 or more.")
    real, fake = to_pair("kid", real, fake, least=2)
    if size > min(len(real), len(fake)):
        raise ValueError(
            f"kid: size is {size:,}, but real holds {len(real):,} samples and fake {len(fake):,}; expected at most "
            f"{min(len(real), len(fake)):,}. Draw more samples, or pass a smaller size."
        )
    rng = to_generator(rng)
    estimates = np.array(
        [
            mmd2(
                real[rng.choice(len(real), size, replace=False)],
                fake[rng.choice(len(fake), size, replace=False)],
                kernel,
            )
            for _ in range(subsets)
        ]
    )
    return KernelDistance(float(estimates.mean()), float(estimates.std(ddof=1) / np.sqrt(subsets)))
