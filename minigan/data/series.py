"""Sounds and time series from formulas: sets of series `(N, C, L)` of which one knows what a GAN should have learned.

Of a tone one can measure its pitch, of a sine its frequency and phase. May import NumPy, minigan.data.dataset, and the
checks of arguments in minigan.data.toy.
"""

from __future__ import annotations

import numpy as np

from minigan.data.dataset import Dataset
from minigan.data.toy import _require_whole

# The C major scale from middle C on, in equal temperament: so many semitones above C4, which lies 9 below A4 = 440 Hz.
SCALE = {"C4": 0, "D4": 2, "E4": 4, "F4": 5, "G4": 7, "A4": 9, "B4": 11, "C5": 12}
PITCHES = 440 * 2 ** ((np.array([*SCALE.values()]) - 9) / 12)  # Hz: 261.63, 293.66, ..., 523.25

HARMONICS = 5
DETUNE = 10.0  # cents, hundredths of a semitone, at most to either side
ATTACK, DECAY = 0.003, 0.08  # seconds
STEPS_IN_A_UNIT = 8  # of the time of `sines`

ROWS = 16  # tones made at a time: what is computed for them stays in the processor's cache


def tones(n: int, seed: int = 0, length: int = 4096, rate: int = 16_000) -> Dataset:
    """Plucked notes of the C major scale from middle C on, all eight equally likely: synthetic sound.

    With t in seconds from the pluck, the tone of pitch f is::

        x(t) = g · (1 − e^(−t/a)) · Σₕ ρʰ/h · sin(h (2π f t + φ)) / P,    ρ = e^(−t/d),    h = 1, …, 5

    with an attack of a = 3 ms and a decay of d = 80 ms. As on a string, the higher harmonics are fainter and die away
    sooner. The pitch is off by up to 10 cents to either side, the loudness g is uniform in [1/2, 1], and φ uniform on
    the circle.

    Parameters
    ----------
    n : int
        How many tones.
    seed : int, default 0
        The same seed gives the same tones.
    length : int, default 4096
        Steps of each: at the default rate about a quarter of a second, at whose end the tone has almost died away.
    rate : int, default 16,000
        Steps a second, in Hz.

    Returns
    -------
    Dataset
        Series `(n, 1, length)` in [-1, 1]; labels `(n,)`, the note, from 0 for C4 to 7 for C5.

    Raises
    ------
    TypeError, ValueError
        If `n` or `length` is not an int of at least 1, `seed` one of at least 0, or `rate` one of at least 5,263: more
        than twice the frequency of the highest harmonic, which would otherwise come out as another (Nyquist).

    Notes
    -----
    P = Σₕ sin(hπ/6)/h brings the tones into [-1, 1]: it is the greatest value of Σₕ sin(hθ)/h, and ρ < 1 makes of such
    a sum an average of its values (a Poisson integral), which lowers that.

    Examples
    --------
    >>> tones(100)
    Dataset tones: 100 series of 4,096 steps, 1 channel, 8 classes (C4, D4, E4, F4, G4, A4, B4, C5)
    """
    _require_whole("tones", n=n, seed=seed, length=length, rate=rate)
    highest = HARMONICS * PITCHES.max() * 2 ** (DETUNE / 1200)
    if rate <= 2 * highest:
        raise ValueError(
            f"tones: rate is {rate}; expected {int(2 * highest) + 1} or more, twice the {highest:.0f} Hz of the highest "
            "harmonic."
        )
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(SCALE), size=n)
    pitch = PITCHES[labels] * 2 ** (rng.uniform(-DETUNE, DETUNE, n) / 1200)
    phase = rng.uniform(0, 1, n)  # in turns
    loudness = rng.uniform(0.5, 1, n).astype(np.float32)

    t = np.arange(length) / rate
    h = np.arange(1, HARMONICS + 1)
    peak = (np.sin(h * np.pi / (HARMONICS + 1)) / h).sum()
    attack = (1 - np.exp(-t / ATTACK)) / peak
    envelopes = (attack * np.exp(-h[:, None] * t / DECAY) / h[:, None]).astype(np.float32)  # (harmonics, length)

    sound = np.zeros((n, length), np.float32)
    for begin in range(0, n, ROWS):
        rows = slice(begin, begin + ROWS)
        turns = pitch[rows, None] * t + phase[rows, None]
        turns -= np.floor(turns)  # while still in float64: float32 would lose the phase of a long tone
        angle = (2 * np.pi * turns).astype(np.float32)
        for harmonic, envelope in zip(h.astype(np.float32), envelopes):
            sound[rows] += envelope * np.sin(harmonic * angle)
    sound *= loudness[:, None]
    return Dataset(sound[:, None, :], labels, tuple(SCALE), "tones")


def sines(n: int, seed: int = 0, length: int = 24, features: int = 5) -> Dataset:
    """Sines of random frequency and phase, independent of each other: feature j of a sample is `sin(2π η t + θ)`.

    η is uniform in [0, 1] and θ in [−π, π], both drawn anew for every feature of every sample. t = 0, 1/8, 2/8, …, so
    that the default 24 steps hold up to three periods, of 8 steps at least.

    Parameters
    ----------
    n : int
        How many samples.
    seed : int, default 0
        The same seed gives the same samples.
    length : int, default 24
        Steps of each. More steps make the same curves longer.
    features : int, default 5
        How many sines make a sample.

    Returns
    -------
    Dataset
        Series `(n, features, length)` in [-1, 1], without labels.

    Raises
    ------
    TypeError, ValueError
        If `n`, `length` or `features` is not an int of at least 1, or `seed` one of at least 0.

    Notes
    -----
    The paper [1]_ gives formula, distributions, length and number of features, but not the unit of t. Were it one step,
    every η above 1/2 would look like 1 − η (Nyquist), and most samples like a zigzag. The authors' program draws
    something else, `sin(a k + b)` at step k with a and b uniform in [0, 0.1], moved to [0, 1]: 24 steps of it are never
    more than four tenths of a period, and all begin alike. One unit to 8 steps keeps the formula and shows curves. So
    scores on this set are not those of papers that used the program.

    References
    ----------
    .. [1] J. Yoon, D. Jarrett, M. van der Schaar, "Time-series Generative Adversarial Networks", 2019, section 5.1.

    Examples
    --------
    >>> sines(100)
    Dataset sines: 100 series of 24 steps, 5 channels, no labels
    """
    _require_whole("sines", n=n, seed=seed, length=length, features=features)
    rng = np.random.default_rng(seed)
    eta = rng.uniform(0, 1, (n, features, 1))
    theta = rng.uniform(-np.pi, np.pi, (n, features, 1))
    t = np.arange(length) / STEPS_IN_A_UNIT
    return Dataset(np.sin(2 * np.pi * eta * t + theta).astype(np.float32), name="sines")
