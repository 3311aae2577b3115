"""Points in the plane: sets so simple that every failure of a GAN can be seen in a scatter plot.

Each set has the coordinates that it is known by: PacGAN's for the ring and the grid, scikit-learn's for the Swiss roll
and the two moons. `normalize=True`, the default, moves and shrinks them so that the set, with six standard deviations
of noise around it, fits [-1, 1]; by constants that follow from the shape and never from the points drawn, so that sets
of different seeds lie alike. May import NumPy and minigan.data.dataset only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minigan.data.dataset import Dataset

# In standard deviations. Of the coordinates drawn around a mode on the rim, one in 10⁹ falls outside of [-1, 1].
MARGIN = 6.0


class Mixture(NamedTuple):
    """Equally likely round Gaussians: what the ring and the grid are drawn from, and what a count of modes needs."""

    centres: np.ndarray  # float64, (modes, 2); the label of a point is the row of its centre
    std: float


# ----------------------------------------------------------------------------------------------------------------------
# Gaussians on a ring and on a grid
# ----------------------------------------------------------------------------------------------------------------------


def ring(
    n: int, seed: int = 0, modes: int = 8, radius: float = 1.0, std: float = 0.01, normalize: bool = True
) -> Dataset:
    """Gaussians on a circle, all equally likely, at equal angles from the positive x axis on.

    Parameters
    ----------
    n : int
        How many points.
    seed : int, default 0
        The same seed gives the same points.
    modes : int, default 8
        How many Gaussians.
    radius : float, default 1.0
        Of the circle on which their centres lie.
    std : float, default 0.01
        Standard deviation of every Gaussian, in each coordinate.
    normalize : bool, default True
        Whether to divide all lengths by `radius + 6 std`, which brings the points into [-1, 1].

    Returns
    -------
    Dataset
        Points `(n, 2)`; labels `(n,)`, the mode that each comes from. Centres: `ring_mixture`.

    Raises
    ------
    TypeError, ValueError
        If `n` or `modes` is not an int of at least 1, `seed` one of at least 0, or `radius` or `std` not positive.

    References
    ----------
    Z. Lin, A. Khetan, G. Fanti, S. Oh, "PacGAN: The power of two samples in generative adversarial networks", 2018,
    Table 1, with `normalize=False`.

    Examples
    --------
    >>> ring(1000)
    Dataset ring: 1,000 points in 2 dimensions, 8 classes (0, 1, 2, 3, 4, 5, 6, 7)
    """
    _require_whole("ring", n=n, seed=seed)
    return _draw("ring", ring_mixture(modes, radius, std, normalize), n, seed)


def ring_mixture(modes: int = 8, radius: float = 1.0, std: float = 0.01, normalize: bool = True) -> Mixture:
    """The mixture that `ring` draws from: centre k is `radius · (cos 2πk/modes, sin 2πk/modes)`.

    Parameters
    ----------
    modes, radius, std, normalize
        As for `ring`.

    Returns
    -------
    Mixture
        The centres `(modes, 2)` and the standard deviation, in the coordinates of the points.

    Examples
    --------
    >>> ring_mixture(modes=4, normalize=False).centres.round(3) + 0.0
    array([[ 1.,  0.],
           [ 0.,  1.],
           [-1.,  0.],
           [ 0., -1.]])
    """
    _require_whole("ring", modes=modes)
    _require_positive("ring", radius=radius, std=std)
    angle = np.linspace(0, 2 * np.pi, modes, endpoint=False)  # with the end point, two modes would coincide
    return _mixture(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), std, normalize)


def grid(
    n: int, seed: int = 0, side: int = 5, spacing: float = 2.0, std: float = 0.05, normalize: bool = True
) -> Dataset:
    """Gaussians on a square grid around the origin, `side²` of them, all equally likely.

    Parameters
    ----------
    n : int
        How many points.
    seed : int, default 0
        The same seed gives the same points.
    side : int, default 5
        How many Gaussians a row and a column.
    spacing : float, default 2.0
        Distance between neighbouring centres: by default their coordinates are -4, -2, 0, 2 and 4.
    std : float, default 0.05
        Standard deviation of every Gaussian, in each coordinate.
    normalize : bool, default True
        Whether to divide all lengths by `(side − 1) / 2 · spacing + 6 std`, which brings the points into [-1, 1].

    Returns
    -------
    Dataset
        Points `(n, 2)`; labels `(n,)`, the mode that each comes from. Centres: `grid_mixture`.

    Raises
    ------
    TypeError, ValueError
        If `n` or `side` is not an int of at least 1, `seed` one of at least 0, or `spacing` or `std` not positive.

    References
    ----------
    Z. Lin, A. Khetan, G. Fanti, S. Oh, "PacGAN: The power of two samples in generative adversarial networks", 2018,
    Table 1, with `normalize=False`.

    Examples
    --------
    >>> grid(1000, side=2)
    Dataset grid: 1,000 points in 2 dimensions, 4 classes (0, 1, 2, 3)
    """
    _require_whole("grid", n=n, seed=seed)
    return _draw("grid", grid_mixture(side, spacing, std, normalize), n, seed)


def grid_mixture(side: int = 5, spacing: float = 2.0, std: float = 0.05, normalize: bool = True) -> Mixture:
    """The mixture that `grid` draws from: centre `side · row + column`, counted from the lower left.

    Parameters
    ----------
    side, spacing, std, normalize
        As for `grid`.

    Returns
    -------
    Mixture
        The centres `(side², 2)` and the standard deviation, in the coordinates of the points.

    Examples
    --------
    >>> grid_mixture(side=2, normalize=False).centres
    array([[-1., -1.],
           [ 1., -1.],
           [-1.,  1.],
           [ 1.,  1.]])
    """
    _require_whole("grid", side=side)
    _require_positive("grid", spacing=spacing, std=std)
    axis = spacing * (np.arange(side) - (side - 1) / 2)
    x, y = np.meshgrid(axis, axis)
    return _mixture(np.stack([x.ravel(), y.ravel()], axis=1), std, normalize)


def _mixture(centres: np.ndarray, std: float, normalize: bool) -> Mixture:
    unit = np.abs(centres).max() + MARGIN * std if normalize else 1.0
    return Mixture(centres / unit, float(std / unit))


def _draw(name: str, mixture: Mixture, n: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    modes = len(mixture.centres)
    labels = rng.integers(modes, size=n)
    points = mixture.centres[labels] + mixture.std * rng.standard_normal((n, 2))
    return Dataset(points.astype(np.float32), labels, tuple(map(str, range(modes))), name)


# ----------------------------------------------------------------------------------------------------------------------
# Curves
# ----------------------------------------------------------------------------------------------------------------------


def swiss_roll(n: int, seed: int = 0, noise: float = 0.25, normalize: bool = True) -> Dataset:
    """A spiral of one and a half turns: `(t cos t, t sin t)` with t uniform in [1.5π, 4.5π], and Gaussian noise.

    Parameters
    ----------
    n : int
        How many points.
    seed : int, default 0
        The same seed gives the same points.
    noise : float, default 0.25
        Standard deviation of the noise, in each coordinate.
    normalize : bool, default True
        Whether to divide all lengths by `4.5π + 6 noise`, which brings the points into [-1, 1].

    Returns
    -------
    Dataset
        Points `(n, 2)`, without labels.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int of at least 1, `seed` one of at least 0, or `noise` negative.

    References
    ----------
    scikit-learn, `sklearn.datasets.make_swiss_roll`, seen from the side; with the noise of the code to I. Gulrajani
    et al., "Improved training of Wasserstein GANs", 2017.

    Examples
    --------
    >>> swiss_roll(1000)
    Dataset swiss_roll: 1,000 points in 2 dimensions, no labels
    """
    _require_whole("swiss_roll", n=n, seed=seed)
    _require_positive("swiss_roll", or_zero=True, noise=noise)
    rng = np.random.default_rng(seed)
    t = rng.uniform(1.5 * np.pi, 4.5 * np.pi, n)
    points = np.stack([t * np.cos(t), t * np.sin(t)], axis=1) + noise * rng.standard_normal((n, 2))
    if normalize:
        points /= 4.5 * np.pi + MARGIN * noise
    return Dataset(points.astype(np.float32), name="swiss_roll")


def two_moons(n: int, seed: int = 0, noise: float = 0.05, normalize: bool = True) -> Dataset:
    """Two half circles, one reaching into the other, and Gaussian noise.

    With t uniform in [0, π], the upper moon is `(cos t, sin t)` and the lower one `(1 − cos t, 1/2 − sin t)`.

    Parameters
    ----------
    n : int
        How many points.
    seed : int, default 0
        The same seed gives the same points.
    noise : float, default 0.05
        Standard deviation of the noise, in each coordinate.
    normalize : bool, default True
        Whether to move the moons' common centre from (1/2, 1/4) to the origin and to divide all lengths by
        `3/2 + 6 noise`, which brings the points into [-1, 1].

    Returns
    -------
    Dataset
        Points `(n, 2)`; labels `(n,)`: 0 for the upper moon, 1 for the lower one, equally likely.

    Raises
    ------
    TypeError, ValueError
        If `n` is not an int of at least 1, `seed` one of at least 0, or `noise` negative.

    References
    ----------
    scikit-learn, `sklearn.datasets.make_moons`.

    Examples
    --------
    >>> two_moons(1000)
    Dataset two_moons: 1,000 points in 2 dimensions, 2 classes (upper, lower)
    """
    _require_whole("two_moons", n=n, seed=seed)
    _require_positive("two_moons", or_zero=True, noise=noise)
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    t = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(t), np.sin(t)], axis=1)
    # The lower moon is the upper one, turned by half a turn about the common centre.
    points = np.where(labels[:, None] == 0, upper, [1, 0.5] - upper) + noise * rng.standard_normal((n, 2))
    if normalize:
        points = (points - [0.5, 0.25]) / (1.5 + MARGIN * noise)
    return Dataset(points.astype(np.float32), labels, ("upper", "lower"), "two_moons")


# ----------------------------------------------------------------------------------------------------------------------
# Arguments
# ----------------------------------------------------------------------------------------------------------------------


def _require_whole(function: str, **arguments: int) -> None:
    for name, value in arguments.items():
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{function}: {name} must be an int, not {value!r}.")
        least = 0 if name == "seed" else 1
        if value < least:
            raise ValueError(f"{function}: {name} is {value}; expected {least} or more.")


def _require_positive(function: str, or_zero: bool = False, **arguments: float) -> None:
    for name, value in arguments.items():
        if not (math.isfinite(value) and (value > 0 or (or_zero and value == 0))):
            expected = "0 or a positive number" if or_zero else "a positive number"
            raise ValueError(f"{function}: {name} is {value}; expected {expected}.")
