"""Latents to look at a generator with: on the way from one to another, and without those far out. Imports creation."""

from __future__ import annotations

import numpy as np

from minigan.creation import randn
from minigan.generator import Generator

LEAST_THRESHOLD = 0.01  # below it nearly every draw is thrown away, and all samples are that of z = 0


def spherical(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """On the way from `a` to `b`, along the great circle: `steps` latents, both ends included.

    `sin((1 − t)Ω)/sin Ω · a + sin(tΩ)/sin Ω · b` for t from 0 to 1, with Ω the angle between the two. In many dimensions
    nearly all of N(0, I) lies at the distance √D from 0. A straight line between two latents cuts through the ball, where G
    has never been; this way does not leave the shell.

    Parameters
    ----------
    a, b : ndarray (N, D)
    steps : int
        At least 2.

    Returns
    -------
    ndarray of float32 (N, steps, D)
        Along a straight line where there is no angle, or one of 0 or π, as between any two in one dimension.

    References
    ----------
    T. White, "Sampling generative networks", 2016, §2.1; K. Shoemake, "Animating rotation with quaternion curves", 1985.

    Examples
    --------
    >>> halfway = spherical(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 3)[0, 1]
    >>> halfway.round(3).tolist()
    [0.7070000171661377, 0.7070000171661377]
    """
    t = np.linspace(0, 1, steps)[:, None]  # (steps, 1)
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[:, None]  # (N, 1, D)
    lengths = np.linalg.norm(a, axis=2, keepdims=True) * np.linalg.norm(b, axis=2, keepdims=True)
    cosine = (a * b).sum(2, keepdims=True) / np.where(lengths, lengths, 1)
    angle = np.arccos(np.clip(cosine, -1, 1))
    straight = (np.sin(angle) < 1e-6) | (lengths == 0)
    sine = np.where(straight, 1, np.sin(angle))
    way = np.where(straight, (1 - t) * a + t * b, (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / sine)
    return way.astype(np.float32)


def truncated(n: int, latent: int, threshold: float, seed: int = 0) -> np.ndarray:
    """Latents of N(0, 1) cut off at ± `threshold`: numbers that fall outside are drawn again, each by itself.

    The trick of BigGAN (Brock et al. 2019, §3.1): the smaller the threshold, the more alike the samples, and the better each
    of them. Not every G takes it well, for it has hardly seen such latents in training; the orthogonal regularisation is
    there to make it (their §3.1, eq. 3).

    Parameters
    ----------
    n, latent : int
    threshold : float
        At least 0.01.
    seed : int, default 0

    Returns
    -------
    ndarray of float32 (n, latent)

    Raises
    ------
    ValueError
        If the threshold is under 0.01 or no number.

    Examples
    --------
    >>> bool(np.abs(truncated(100, 8, threshold=0.7)).max() <= 0.7)
    True
    """
    if not threshold >= LEAST_THRESHOLD:
        raise ValueError(
            f"truncation: the threshold is {threshold:g}, expected {LEAST_THRESHOLD} or more; nearer to 0 all samples are "
            f"the same"
        )
    generator = Generator(seed)
    z = randn(n, latent, generator=generator).numpy().copy()
    while (outside := np.abs(z) > threshold).any():
        z[outside] = randn(int(outside.sum()), generator=generator).numpy()
    return z
