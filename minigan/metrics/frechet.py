"""The Fréchet distance between two sets of features, as if each were Gaussian. Imports the metrics' arrays module."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.metrics.arrays import to_array, to_pair


def frechet_distance(real: Any, fake: Any) -> float:
    """Fréchet distance between two sets of features: FID, if they are those of the Inception network.

    `d² = ‖μ_r − μ_f‖² + tr(C_r + C_f − 2 (C_r C_f)^½)`, with the means and the unbiased covariances (divided by
    N − 1) of the two sets. It is squared: moving one set by v adds ‖v‖².

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D), (M, D)
        More samples than features in each, or a covariance would be singular because of that alone.

    Returns
    -------
    float
        0 for identical sets, and biased upwards for finite ones: it falls as N grows, so fix N and say which.

    Raises
    ------
    TypeError, ValueError
        If there are too few samples, NaNs, or different numbers of features.

    References
    ----------
    M. Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", 2017, eq. 6;
    D. Dowson, B. Landau, "The Fréchet distance between multivariate normal distributions", 1982.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 4))
    >>> round(frechet_distance(x, x + 0.5), 6)  # 4 · 0.5²
    1.0
    >>> frechet_distance(x[:4], x)
    Traceback (most recent call last):
    ValueError: frechet_distance: real holds 4 samples of 4 features; expected 5 or more. Draw more samples, or take \
fewer features.
    """
    real, fake = to_pair("frechet_distance", real, fake)
    for name, x in (("real", real), ("fake", fake)):
        n, d = x.shape
        if n <= d:
            raise ValueError(
                f"frechet_distance: {name} holds {n:,} samples of {d:,} features; expected {d + 1:,} or more. Draw "
                "more samples, or take fewer features."
            )
    return frechet_between_gaussians(*moments(real), *moments(fake))


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean `(D,)` and unbiased covariance `(D, D)` of samples `(N, D)`.

    Examples
    --------
    >>> mean, covariance = moments(np.array([[0.0], [2.0]]))
    >>> mean, covariance
    (array([1.]), array([[2.]]))
    """
    return x.mean(0), np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1])  # of D = 1, cov gives a number


def frechet_between_gaussians(mean_a: Any, covariance_a: Any, mean_b: Any, covariance_b: Any) -> float:
    """The same between two Gaussians given by their means and covariances.

    `tr (A B)^½` is the sum of the singular values of `A^½ B^½`, with the symmetric roots from eigenvalues: real for any
    covariances, singular ones included, where a general matrix square root may give complex numbers or none.

    Parameters
    ----------
    mean_a, mean_b : Tensor or ndarray (D,)
    covariance_a, covariance_b : Tensor or ndarray (D, D)
        Symmetric, and positive semi-definite up to rounding.

    Raises
    ------
    TypeError, ValueError
        If the shapes do not fit together, or a matrix is no covariance.

    References
    ----------
    As for `frechet_distance`.

    Examples
    --------
    >>> frechet_between_gaussians([0.0], [[1.0]], [3.0], [[4.0]])  # (0 − 3)² + (1 − 2)²
    10.0
    """
    named = {"mean_a": mean_a, "covariance_a": covariance_a, "mean_b": mean_b, "covariance_b": covariance_b}
    mean_a, covariance_a, mean_b, covariance_b = (
        to_array("frechet_between_gaussians", name, x).astype(np.float64) for name, x in named.items()
    )
    d = mean_a.size
    shapes = mean_a.shape, covariance_a.shape, mean_b.shape, covariance_b.shape
    if d == 0 or shapes != ((d,), (d, d), (d,), (d, d)):
        raise ValueError(
            "frechet_between_gaussians: means and covariances of shapes " + ", ".join(map(str, shapes)) + "; expected "
            "(D,), (D, D), (D,), (D, D). Take both from the same network."
        )
    product = _root("covariance_a", covariance_a) @ _root("covariance_b", covariance_b)
    root_trace = np.linalg.svd(product, compute_uv=False).sum()
    distance = ((mean_a - mean_b) ** 2).sum() + np.trace(covariance_a) + np.trace(covariance_b) - 2 * root_trace
    return max(0.0, float(distance))  # of identical Gaussians, 0 up to rounding of either sign


def _root(name: str, covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root."""
    tolerance = 1e-6 * max(np.abs(covariance).max(), np.finfo(np.float64).tiny)
    values, vectors = np.linalg.eigh(covariance)
    if np.abs(covariance - covariance.T).max() > tolerance or values[0] < -len(values) * tolerance:
        raise ValueError(
            f"frechet_between_gaussians: {name} is not symmetric or has a negative eigenvalue ({values[0]:.3g}); "
            "expected a covariance matrix (np.cov(x, rowvar=False))."
        )
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
