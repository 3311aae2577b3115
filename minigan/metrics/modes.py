"""Which modes of a distribution a generator has found: Gaussians in the plane, and the 1,000 of stacked MNIST.

The protocol is PacGAN's (Lin et al. 2018, §4.1). A score is to be read beside its floor, what a perfect sampler of as many
samples gets: it misses modes too, and its histogram of modes is not flat. Imports the metrics' arrays module, and SciPy
when a metric is computed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigan.metrics.arrays import require_whole, to_array, to_points

WITHIN = 3.0  # standard deviations from the nearest centre: PacGAN's high quality


class ModeCoverage(NamedTuple):
    """What `mode_coverage` and `label_coverage` find."""

    captured: int  # modes with at least one sample (of high quality)
    modes: int  # how many there are
    high_quality: float  # share of the samples, 0 to 1
    reverse_kl: float  # of the histogram below against the uniform one, in nats; NaN if it is empty
    counts: np.ndarray  # int64 (modes,): samples (of high quality) of each mode


# ----------------------------------------------------------------------------------------------------------------------
# Mixtures of round Gaussians
# ----------------------------------------------------------------------------------------------------------------------


def mode_coverage(samples: Any, centres: Any, std: float, within: float = WITHIN) -> ModeCoverage:
    """Modes captured, share of high-quality samples and reverse KL, for a mixture of equally likely round Gaussians.

    A sample belongs to the nearest centre, and is of high quality if it lies within three standard deviations of it:
    `‖x − c‖ / std ≤ 3`, the Mahalanobis distance of a round Gaussian. A mode is captured if at least one high-quality
    sample belongs to it. The reverse KL is `Σ q_k log(q_k K)`, of the shares q_k of the K modes *among the high-quality
    samples* against the uniform distribution; log K when all samples fall on one mode, and 0 when all modes get
    equally many.

    Parameters
    ----------
    samples : Tensor or ndarray (N, D)
        N at least 1; PacGAN scores 2,500.
    centres : Tensor or ndarray (K, D)
        With `std`, the two parts of a `Mixture`: `mode_coverage(samples, *minigan.data.toy.ring_mixture())`. Samples
        and mixture must be in the same coordinates, both normalised or both not.
    std : float
        Standard deviation of every Gaussian, in each coordinate.
    within : float, default 3
        How many standard deviations are high quality.

    Returns
    -------
    ModeCoverage
        `(captured, modes, high_quality, reverse_kl, counts)`. A perfect sampler: `perfect_coverage`.

    Raises
    ------
    TypeError, ValueError
        If the arguments are no finite numbers of these shapes, or `std` or `within` is not positive.

    Notes
    -----
    PacGAN's experiments take a sample to be of high quality at less than three standard deviations, and make the
    histogram from those samples only, as here. Other protocols (VEEGAN's) differ: never compare across them.

    References
    ----------
    Z. Lin, A. Khetan, G. Fanti, S. Oh, "PacGAN: The power of two samples in generative adversarial networks", 2018,
    §4.1 and `MetricLogger` of the authors' synthetic_data_experiments.

    Examples
    --------
    A perfect sampler, and one that has collapsed:

    >>> from minigan.data.toy import ring, ring_mixture
    >>> centres, std = ring_mixture()
    >>> good = mode_coverage(ring(2500).samples, centres, std)
    >>> good.captured, round(good.high_quality, 3), round(good.reverse_kl, 4)
    (8, 0.992, 0.0016)
    >>> bad = mode_coverage(centres[[3] * 100], centres, std)
    >>> bad.captured, bad.high_quality, round(bad.reverse_kl, 4)
    (1, 1.0, 2.0794)
    """
    from scipy.spatial import cKDTree

    samples, centres = to_points("mode_coverage", "samples", samples), to_points("mode_coverage", "centres", centres)
    if samples.shape[1] != centres.shape[1]:
        raise ValueError(
            f"mode_coverage: samples have {samples.shape[1]} coordinates and centres {centres.shape[1]}; expected as "
            "many. Pass the mixture that the generator was to learn."
        )
    for name, value in (("std", std), ("within", within)):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"mode_coverage: {name} is {value}; expected a positive number.")
    distance, nearest = cKDTree(centres).query(samples)
    good = distance / std <= within
    counts = np.bincount(nearest[good], minlength=len(centres))
    return ModeCoverage(
        int(np.count_nonzero(counts)), len(centres), float(good.mean()), kl_from_uniform(counts), counts
    )


def perfect_share(dimensions: int = 2, within: float = WITHIN) -> float:
    """The share of high-quality samples of a perfect sampler: `P(χ²_D ≤ within²)`, in the plane `1 − exp(−within²/2)`.

    It neglects the samples that land nearer to another centre. A share above this one means that the generator draws
    its modes too narrow.

    Examples
    --------
    >>> round(perfect_share(), 4)
    0.9889
    """
    from scipy.special import gammainc

    require_whole("perfect_share", dimensions=dimensions)
    return float(gammainc(dimensions / 2, within**2 / 2))


class PerfectCoverage(NamedTuple):
    """Expected values, over the draws of a perfect sampler."""

    captured: float
    high_quality: float
    reverse_kl: float


def perfect_coverage(samples: int, modes: int, dimensions: int = 2, within: float = WITHIN) -> PerfectCoverage:
    """What `mode_coverage` gives on average for `samples` samples of the mixture itself: the floor of the protocol.

    With the share s of `perfect_share`, a mode's count is Binomial(n, s/K): it stays empty with probability
    `(1 − s/K)ⁿ`, so `K (1 − (1 − s/K)ⁿ)` modes are captured. The reverse KL is that of `uniform_kl_floor` for the
    expected number n·s of high-quality samples.

    Parameters
    ----------
    samples, modes : int
        n and K, at least 1.
    dimensions : int, default 2
    within : float, default 3

    Returns
    -------
    PerfectCoverage
        `(captured, high_quality, reverse_kl)`.

    Examples
    --------
    PacGAN's ring and grid:

    >>> [round(value, 5) for value in perfect_coverage(2500, 8)]
    [8.0, 0.98889, 0.00142]
    >>> [round(value, 5) for value in perfect_coverage(2500, 25)]
    [25.0, 0.98889, 0.00486]
    """
    require_whole("perfect_coverage", samples=samples, modes=modes)
    share = perfect_share(dimensions, within)
    captured = modes * -math.expm1(samples * math.log1p(-share / modes))
    return PerfectCoverage(captured, share, uniform_kl_floor(max(1, round(samples * share)), modes))


# ----------------------------------------------------------------------------------------------------------------------
# Histograms of labels
# ----------------------------------------------------------------------------------------------------------------------


def kl_from_uniform(counts: Any) -> float:
    """`KL(q ‖ uniform) = Σ q_k log(q_k K)` in nats, of the shares q = counts / n of K modes; NaN if all counts are 0.

    This is the "reverse" KL divergence: the generator's distribution stands first. It is finite however many modes are
    missing, at most log K.

    Parameters
    ----------
    counts : Tensor or ndarray of int (K,)

    Raises
    ------
    TypeError, ValueError
        If the counts are no integers, negative, or not of that shape.

    Examples
    --------
    >>> kl_from_uniform([5, 5, 5, 5])
    0.0
    >>> round(kl_from_uniform([10, 10, 0, 0]), 4)  # log 2
    0.6931
    """
    counts = to_array("kl_from_uniform", "counts", counts)
    if counts.ndim != 1 or counts.size == 0:
        raise ValueError(f"kl_from_uniform: counts has shape {counts.shape}; expected (K,), one number a mode.")
    if counts.dtype.kind not in "iu":
        raise TypeError(f"kl_from_uniform: counts has dtype {counts.dtype}; expected integers (np.bincount).")
    if counts.min() < 0:
        raise ValueError(f"kl_from_uniform: counts[{counts.argmin()}] is {counts.min()}; no count can be negative.")
    if not counts.any():
        return math.nan
    share = counts[counts > 0] / counts.sum()
    return max(0.0, float((share * np.log(share * len(counts))).sum()))  # of a flat histogram, 0 and not −1e-17


def entropy(counts: Any) -> float:
    """`−Σ q_k log q_k` in nats of the shares q = counts / n: log K when all K labels come equally often.

    Examples
    --------
    >>> round(entropy([7] * 10), 3)  # log 10
    2.303
    """
    counts = to_array("entropy", "counts", counts)
    return math.log(max(1, len(counts))) - kl_from_uniform(counts)


def label_coverage(labels: Any, classes: int = 1000) -> ModeCoverage:
    """How many of the classes are drawn, and the KL of their histogram against the uniform one.

    Parameters
    ----------
    labels : Tensor or ndarray of int (N,)
        The class that a classifier sees in each sample, 0 to `classes` − 1; of stacked MNIST by `stacked_labels`.
    classes : int, default 1000

    Returns
    -------
    ModeCoverage
        With `high_quality` 1: every sample counts. A perfect sampler: `uniform_kl_floor(N, classes)`.

    Raises
    ------
    TypeError, ValueError
        If the labels are no integers, out of range, not of that shape, or none.

    References
    ----------
    Lin et al. 2018, §4.2; A. Srivastava et al., "VEEGAN: Reducing mode collapse in GANs using implicit variational
    learning", 2017, §5: 26,000 samples.

    Examples
    --------
    >>> found = label_coverage([0, 0, 1, 1], classes=4)
    >>> found.captured, round(found.reverse_kl, 4)
    (2, 0.6931)
    """
    require_whole("label_coverage", classes=classes)
    labels = _to_labels("label_coverage", "labels", labels, classes)
    counts = np.bincount(labels, minlength=classes)
    return ModeCoverage(int(np.count_nonzero(counts)), classes, 1.0, kl_from_uniform(counts), counts)


def stacked_labels(digits: Any) -> np.ndarray:
    """The class 0 to 999 of pictures that hold a digit in each of three channels: `100 r + 10 g + b`.

    Parameters
    ----------
    digits : Tensor or ndarray of int (N, 3)
        Of the red, the green and the blue channel, each 0 to 9.

    Examples
    --------
    >>> stacked_labels([[0, 0, 7], [1, 2, 3]])
    array([  7, 123])
    """
    digits = to_array("stacked_labels", "digits", digits)
    if digits.ndim != 2 or digits.shape[1] != 3:
        raise ValueError(f"stacked_labels: digits has shape {digits.shape}; expected (N, 3), a digit a channel.")
    r, g, b = (_to_labels("stacked_labels", f"digits[:, {i}]", digits[:, i], 10) for i in range(3))
    return 100 * r + 10 * g + b


def uniform_kl_floor(samples: int, classes: int = 1000) -> float:
    """The KL against the uniform distribution that a *perfect* sampler of n samples gets on average.

    The count of each of K classes is Binomial(n, 1/K), so `E KL = K E[(c/n) log(c K/n)]` exactly; for many samples
    nearly `(K − 1) / (2n)`.

    Parameters
    ----------
    samples : int
        n, at least 1.
    classes : int, default 1000
        K, at least 1.

    References
    ----------
    G. Miller, "Note on the bias of information estimates", 1955, for the approximation.

    Examples
    --------
    Stacked MNIST; (K − 1) / (2n) is 0.0192:

    >>> round(uniform_kl_floor(26_000), 4)
    0.0193
    """
    from scipy.stats import binom

    require_whole("uniform_kl_floor", samples=samples, classes=classes)
    p = 1 / classes
    # all but 1e-30 of the probability: twelve standard deviations and more
    reach = 12 * math.sqrt(samples * p) + 60
    counts = np.arange(max(1, math.floor(samples * p - reach)), min(samples, math.ceil(samples * p + reach)) + 1)
    share = counts / samples
    return max(0.0, float(classes * (binom.pmf(counts, samples, p) * share * np.log(share * classes)).sum()))


def _to_labels(operation: str, argument: str, labels: Any, classes: int) -> np.ndarray:
    array = to_array(operation, argument, labels)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{operation}: {argument} has shape {array.shape}; expected (N,), one label a sample.")
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{operation}: {argument} has dtype {array.dtype}; expected integers (probabilities.argmax(1))."
        )
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(
            f"{operation}: {argument} go from {array.min()} to {array.max()}; expected 0 to {classes - 1}. Check how "
            "many classes there are."
        )
    return array.astype(np.int64)
