"""Sliced Wasserstein distance, between sets of points and between pictures. Imports the metrics' arrays module.

Between sets on a line the Wasserstein distance is easy: sort both, and compare in order. So points are projected on
random directions, and the distances averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.metrics.arrays import require_whole, to_array, to_generator, to_pair

_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16  # nearly a Gaussian: the pyramid's filter in each direction


def sliced_wasserstein(
    real: Any, fake: Any, rng: np.random.Generator | int = 0, directions: int = 512, p: int = 1
) -> float:
    """Sliced Wasserstein distance between two sets of equally many points.

    `(mean over θ of W_p(⟨real, θ⟩, ⟨fake, θ⟩)^p)^(1/p)` for directions θ drawn uniformly from the unit sphere; between
    two sets of N numbers, `W_p^p` is the mean of `|a − b|^p` over both sorted.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, D)
        Equally many.
    rng : Generator or int, default 0
        What draws the directions.
    directions : int, default 512
        Karras et al. take 4 times 128. In one dimension all are the same.
    p : int, default 1
        1, as Karras et al.'s code computes, or 2, as Rabin et al. define it (they leave it squared).

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If the numbers of points or of coordinates differ, there are NaNs, or `p` or `directions` is no int of at least
        1.

    References
    ----------
    J. Rabin et al., "Wasserstein barycenter and its application to texture mixing", 2011, eqs. 2 and 5.

    Examples
    --------
    >>> sliced_wasserstein([[0.0], [1.0]], [[3.0], [2.0]])
    2.0
    """
    require_whole("sliced_wasserstein", directions=directions, p=p)
    real, fake = to_pair("sliced_wasserstein", real, fake)
    if len(real) != len(fake):
        raise ValueError(
            f"sliced_wasserstein: real holds {len(real):,} points and fake {len(fake):,}; expected equally many. Take "
            f"{min(len(real), len(fake)):,} of each."
        )
    return _sliced(real, fake, to_generator(rng), directions, p)


def _sliced(real: np.ndarray, fake: np.ndarray, rng: np.random.Generator, directions: int, p: int) -> float:
    theta = rng.standard_normal((directions, real.shape[1]))
    theta /= np.linalg.norm(theta, axis=1, keepdims=True)
    # one direction after the other: N numbers in memory, not N times 512
    each = [(np.abs(np.sort(real @ t) - np.sort(fake @ t)) ** p).mean() for t in theta.astype(real.dtype)]
    return float(np.mean(each) ** (1 / p))


def sliced_wasserstein_pictures(
    real: Any,
    fake: Any,
    rng: np.random.Generator | int = 0,
    patches: int = 16,
    size: int = 7,
    directions: int = 512,
) -> dict[int, float]:
    """Sliced Wasserstein distance between the patches of pictures, level by level of a Laplacian pyramid.

    Each level holds the detail of one scale. From each picture random patches are taken; over all patches of a set,
    each channel is brought to mean 0 and standard deviation 1 (so brightness and contrast do not count), and the sets
    of patches, `size · size · C` numbers each, are compared by `sliced_wasserstein` with p = 1.

    Parameters
    ----------
    real, fake : Tensor or ndarray (N, C, H, W)
        Equally many pictures.
    rng : Generator or int, default 0
        What draws patches and directions.
    patches : int, default 16
        Of each picture and level. Karras et al. take 128, of 16,384 pictures of three channels.
    size : int, default 7
        Of a patch, in pixels.
    directions : int, default 512

    Returns
    -------
    dict
        The distance for each level, named by its height: {28: ..., 14: ...}. Karras et al. print a thousand times
        this. The picture is halved as long as its sides are even and the halves hold two patches side by side, which
        for powers of two ends, as theirs, at 16.

    Raises
    ------
    TypeError, ValueError
        If the shapes differ, the pictures are smaller than a patch, there are NaNs, or a channel is constant.

    References
    ----------
    T. Karras et al., "Progressive growing of GANs for improved quality, stability, and variation", 2018, §5; P. Burt,
    E. Adelson, "The Laplacian pyramid as a compact image code", 1983.

    Examples
    --------
    >>> pictures = np.random.default_rng(0).standard_normal((64, 1, 28, 28))
    >>> sliced_wasserstein_pictures(pictures, pictures).keys()
    dict_keys([28, 14])
    """
    operation = "sliced_wasserstein_pictures"
    require_whole(operation, patches=patches, size=size, directions=directions)
    real, fake = (to_array(operation, name, x) for name, x in (("real", real), ("fake", fake)))
    if real.ndim != 4 or real.shape != fake.shape or 0 in real.shape:
        raise ValueError(
            f"{operation}: real has shape {real.shape} and fake {fake.shape}; expected (N, C, H, W) for both, and as "
            "many pictures of one as of the other."
        )
    if min(real.shape[2:]) < size:
        raise ValueError(
            f"{operation}: pictures of {real.shape[2]}×{real.shape[3]} hold no patch of {size}×{size}; pass a smaller "
            "size."
        )
    rng = to_generator(rng)
    distances = {}
    for a, b in zip(laplacian_pyramid(real, 2 * size), laplacian_pyramid(fake, 2 * size)):
        height = a.shape[2]
        a, b = _patches(a, patches, size, rng), _patches(b, patches, size, rng)
        distances[height] = _sliced(_normalise("real", a), _normalise("fake", b), rng, directions, p=1)
    return distances


def laplacian_pyramid(pictures: np.ndarray, smallest: int) -> list[np.ndarray]:
    """Detail by detail: level i is the picture at that size less what the next smaller one tells of it.

    Parameters
    ----------
    pictures : ndarray (N, C, H, W)
    smallest : int
        A picture is halved only if its halves are no smaller than this, and its sides are even.

    Returns
    -------
    list of float32 ndarrays
        (N, C, H, W), (N, C, H/2, W/2), ...; the last holds what is left, not a difference.

    Examples
    --------
    >>> [level.shape for level in laplacian_pyramid(np.zeros((2, 1, 28, 28)), 7)]
    [(2, 1, 28, 28), (2, 1, 14, 14), (2, 1, 7, 7)]
    """
    levels = [np.asarray(pictures, dtype=np.float32)]
    while min(levels[-1].shape[2:]) >= 2 * smallest and all(side % 2 == 0 for side in levels[-1].shape[2:]):
        smaller = _blur(levels[-1])[:, :, ::2, ::2]
        inserted = np.zeros_like(levels[-1])
        inserted[:, :, ::2, ::2] = smaller
        levels[-1] = levels[-1] - 4 * _blur(inserted)  # three of four pixels are zeros: four times
        levels.append(smaller)
    return levels


def _blur(x: np.ndarray) -> np.ndarray:
    from scipy.ndimage import convolve1d

    return convolve1d(convolve1d(x, _BINOMIAL, axis=2, mode="mirror"), _BINOMIAL, axis=3, mode="mirror")


def _patches(x: np.ndarray, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """`count` patches of each picture: (N, C, H, W) → (N · count, C, size, size)."""
    windows = np.lib.stride_tricks.sliding_window_view(
        x, (size, size), axis=(2, 3)
    )  # (N, C, rows, columns, size, size)
    n, _, rows, columns = windows.shape[:4]
    picture = np.repeat(np.arange(n), count)
    return windows[picture, :, rng.integers(rows, size=n * count), rng.integers(columns, size=n * count)]


def _normalise(name: str, patches: np.ndarray) -> np.ndarray:
    """Each channel to mean 0 and standard deviation 1, over all patches of a set, then flat."""
    deviation = patches.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    if not deviation.all():
        raise ValueError(
            f"sliced_wasserstein_pictures: a channel of {name} is constant at one level of the pyramid, so that it has "
            "no contrast to bring to 1; expected pictures that differ from pixel to pixel. Look at them."
        )
    mean = patches.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    return ((patches - mean) / deviation).astype(np.float32).reshape(len(patches), -1)
