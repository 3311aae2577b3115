"""Random numbers that are a function of their place: Philox, compiled. Imports only NumPy and Numba.

`kernels/reference/random.py` explains the function. Here each thread has a part of the counters.
"""

import math

import numpy as np
from numba import prange

from .compile import compiled
from .threads import threads_for

# Numba takes a whole number for an int64, whose product with a uint64 is a float64 to it: so all have their type.
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
EIGHT, ELEVEN = np.uint64(8), np.uint64(11)
STEP32, HALF_STEP32, STEP24 = np.float32(2**-32), np.float32(2**-33), np.float32(2**-24)
STEP53 = np.float64(2**-53)
MINUS_TWO, TWO_PI = np.float32(-2), np.float32(2 * math.pi)


def fill_uniform(out: np.ndarray, key: int, counter: int) -> int:
    """Numbers that are equally likely anywhere in [0, 1), in steps of 2⁻²⁴ (float32) or 2⁻⁵³ (float64).

    ``out = ⌊w/2⁸⌋·2⁻²⁴``        in float64  ``⌊(w₀·2³² + w₁)/2¹¹⌋·2⁻⁵³``        w the words of Philox

    Parameters
    ----------
    out : array in C order; overwritten
    key : int
        64 bits
    counter : int
        of the first numbers

    Returns
    -------
    int
        the first counter that was not used

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import fill_uniform
    >>> out = np.empty(5, np.float32)
    >>> fill_uniform(out, key=0, counter=0), bool(0 <= out.min() < out.max() < 1)
    (2, True)
    """
    return _fill(_uniform32 if out.dtype == np.float32 else _uniform64, out, key, counter, nanoseconds=6)


def fill_normal(out: np.ndarray, key: int, counter: int) -> int:
    """Numbers from the normal distribution N(0, 1), two by two (Box and Muller 1958).

    ``√(−2·log u₁)·cos 2πu₂``  and  ``√(−2·log u₁)·sin 2πu₂``        u₁ in (0, 1], u₂ in [0, 1]

    Parameters
    ----------
    out : array in C order; overwritten
    key : int
        64 bits
    counter : int
        of the first numbers

    Returns
    -------
    int
        the first counter that was not used

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.cpu import fill_normal
    >>> out = np.empty(10_000)
    >>> fill_normal(out, key=7, counter=0), bool(abs(out.mean()) < 0.03), bool(abs(out.std() - 1) < 0.03)
    (5000, True, True)
    """
    return _fill(_normal32 if out.dtype == np.float32 else _normal64, out, key, counter, nanoseconds=40)


def _fill(routine: object, out: np.ndarray, key: int, counter: int, nanoseconds: float) -> int:
    count = -(-out.size * out.itemsize // 16)
    keys = np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)
    routine(out.reshape(-1), count, *keys, np.uint64(counter), threads_for(nanoseconds * count))
    return counter + count


@compiled()
def _philox(counter, key0, key1):
    """Four words for a counter, in 64-bit integers whose upper half is 0."""
    a, b, c, d = counter & LOW, counter >> HALF, np.uint64(0), np.uint64(0)
    for _ in range(10):
        left, right = M0 * a, M1 * c
        a, b, c, d = (right >> HALF) ^ b ^ key0, right & LOW, (left >> HALF) ^ d ^ key1, left & LOW
        key0, key1 = (key0 + W0) & LOW, (key1 + W1) & LOW
    return a, b, c, d


@compiled(parallel=True)
def _uniform32(out, count, key0, key1, counter, threads):
    for t in prange(threads):
        for i in range(t * count // threads, (t + 1) * count // threads):
            words = _philox(counter + np.uint64(i), key0, key1)
            for k in range(min(4, out.size - 4 * i)):
                out[4 * i + k] = np.float32(words[k] >> EIGHT) * STEP24


@compiled(parallel=True)
def _uniform64(out, count, key0, key1, counter, threads):
    for t in prange(threads):
        for i in range(t * count // threads, (t + 1) * count // threads):
            words = _philox(counter + np.uint64(i), key0, key1)
            for k in range(min(2, out.size - 2 * i)):
                out[2 * i + k] = np.float64(((words[2 * k] << HALF) | words[2 * k + 1]) >> ELEVEN) * STEP53


@compiled(parallel=True)
def _normal32(out, count, key0, key1, counter, threads):
    for t in prange(threads):
        for i in range(t * count // threads, (t + 1) * count // threads):
            words = _philox(counter + np.uint64(i), key0, key1)
            for k in range(min(2, (out.size - 4 * i + 1) // 2)):
                u1 = np.float32(words[2 * k]) * STEP32 + HALF_STEP32
                u2 = np.float32(words[2 * k + 1]) * STEP32 + HALF_STEP32
                radius, angle = math.sqrt(MINUS_TWO * math.log(u1)), TWO_PI * u2
                out[4 * i + 2 * k] = radius * math.cos(angle)
                if 4 * i + 2 * k + 1 < out.size:
                    out[4 * i + 2 * k + 1] = radius * math.sin(angle)


@compiled(parallel=True)
def _normal64(out, count, key0, key1, counter, threads):
    for t in prange(threads):
        for i in range(t * count // threads, (t + 1) * count // threads):
            words = _philox(counter + np.uint64(i), key0, key1)
            u1 = (np.float64(((words[0] << HALF) | words[1]) >> ELEVEN) + 0.5) * STEP53
            u2 = (np.float64(((words[2] << HALF) | words[3]) >> ELEVEN) + 0.5) * STEP53
            radius, angle = math.sqrt(-2.0 * math.log(u1)), 2.0 * math.pi * u2
            out[2 * i] = radius * math.cos(angle)
            if 2 * i + 1 < out.size:
                out[2 * i + 1] = radius * math.sin(angle)
