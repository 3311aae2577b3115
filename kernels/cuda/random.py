"""Random numbers that are a function of their place: Philox on a GPU. Imports NumPy and launch.

`kernels/reference/random.py` explains the function. Here every thread computes it for counters of its own.
"""

import math

import numpy as np
from numba import cuda

from .launch import Array, kernel, launch

# Numba takes a whole number for an int64, whose product with a uint64 is a float64 to it: so all have their type.
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
EIGHT, ELEVEN = np.uint64(8), np.uint64(11)
STEP32, HALF_STEP32, STEP24 = np.float32(2**-32), np.float32(2**-33), np.float32(2**-24)
STEP53 = np.float64(2**-53)
MINUS_TWO, FOUR, HALF_PI = np.float32(-2), np.float32(4), np.float32(math.pi / 2)
S3, S5, S7, S9 = (np.float32(s / math.factorial(n)) for s, n in ((-1, 3), (1, 5), (-1, 7), (1, 9)))
C2, C4, C6, C8 = (np.float32(s / math.factorial(n)) for s, n in ((-1, 2), (1, 4), (-1, 6), (1, 8)))


def fill_uniform(out: Array, key: int, counter: int) -> int:
    """Numbers that are equally likely anywhere in [0, 1), in steps of 2⁻²⁴ (float32) or 2⁻⁵³ (float64).

    ``out = ⌊w/2⁸⌋·2⁻²⁴``        in float64  ``⌊(w₀·2³² + w₁)/2¹¹⌋·2⁻⁵³``        w the words of Philox

    Parameters and result as in `kernels.reference.fill_uniform`; the numbers are the same, to the last bit.
    """
    return _fill(_uniform32 if out.dtype == np.float32 else _uniform64, out, key, counter)


def fill_normal(out: Array, key: int, counter: int) -> int:
    """Numbers from the normal distribution N(0, 1), two by two (Box and Muller 1958).

    ``√(−2·log u₁)·cos 2πu₂``  and  ``√(−2·log u₁)·sin 2πu₂``        u₁ in (0, 1], u₂ in [0, 1]

    Parameters and result as in `kernels.reference.fill_normal`; the numbers are the same but for the rounding of the
    logarithm and the sine.
    """
    return _fill(_normal32 if out.dtype == np.float32 else _normal64, out, key, counter)


def _fill(kernel: object, out: Array, key: int, counter: int) -> int:
    count = -(-out.size * out.itemsize // 16)
    keys = np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)
    launch(kernel, (count,), out.reshape(-1), count, *keys, np.uint64(counter))
    return counter + count


@cuda.jit(device=True, inline="always")
def _philox(counter, key0, key1):
    """Four words for a counter, in 64-bit integers whose upper half is 0."""
    a, b, c, d = counter & LOW, counter >> HALF, counter & np.uint64(0), counter & np.uint64(0)
    for _ in range(10):
        left, right = M0 * a, M1 * c
        a, b, c, d = (right >> HALF) ^ b ^ key0, right & LOW, (left >> HALF) ^ d ^ key1, left & LOW
        key0, key1 = (key0 + W0) & LOW, (key1 + W1) & LOW
    return a, b, c, d


@cuda.jit(device=True, inline="always")
def _turn(u):
    """cos 2πu and sin 2πu for u in [0, 1], in float32.

    The cosine of CUDA's library would do, but it carries a part for huge angles with it that computes in float64. So: the
    nearest quarter turn, and from there at most an eighth, where Taylor's series is exact after five terms.
    """
    quarters = FOUR * u
    k = int(quarters + np.float32(0.5))
    r = (quarters - np.float32(k)) * HALF_PI
    q = r * r
    sine = r + r * q * (S3 + q * (S5 + q * (S7 + q * S9)))
    cosine = np.float32(1) + q * (C2 + q * (C4 + q * (C6 + q * C8)))
    if k == 1:
        return -sine, cosine
    if k == 2:
        return -cosine, -sine
    if k == 3:
        return sine, -cosine
    return cosine, sine


@kernel
def _uniform32(out, count, key0, key1, counter):
    """A thread has every gridsize-th counter, and writes the four numbers of each that it is not too late for."""
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        words = _philox(counter + np.uint64(i), key0, key1)
        for k in range(4):
            if 4 * i + k < out.size:
                out[4 * i + k] = np.float32(words[k] >> EIGHT) * STEP24


@kernel
def _uniform64(out, count, key0, key1, counter):
    """A thread has every gridsize-th counter, and writes the two numbers of each."""
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        words = _philox(counter + np.uint64(i), key0, key1)
        for k in range(2):
            if 2 * i + k < out.size:
                out[2 * i + k] = np.float64(((words[2 * k] << HALF) | words[2 * k + 1]) >> ELEVEN) * STEP53


@kernel
def _normal32(out, count, key0, key1, counter):
    """A thread has every gridsize-th counter: two uniform numbers become two normal ones, and two more."""
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        words = _philox(counter + np.uint64(i), key0, key1)
        for k in range(2):
            u1 = np.float32(words[2 * k]) * STEP32 + HALF_STEP32
            u2 = np.float32(words[2 * k + 1]) * STEP32 + HALF_STEP32
            radius = math.sqrt(MINUS_TWO * math.log(u1))
            cosine, sine = _turn(u2)
            if 4 * i + 2 * k < out.size:
                out[4 * i + 2 * k] = radius * cosine
            if 4 * i + 2 * k + 1 < out.size:
                out[4 * i + 2 * k + 1] = radius * sine


@kernel
def _normal64(out, count, key0, key1, counter):
    """A thread has every gridsize-th counter: two uniform numbers of 53 bits become two normal ones."""
    for i in range(cuda.grid(1), count, cuda.gridsize(1)):
        words = _philox(counter + np.uint64(i), key0, key1)
        u1 = (np.float64(((words[0] << HALF) | words[1]) >> ELEVEN) + 0.5) * STEP53
        u2 = (np.float64(((words[2] << HALF) | words[3]) >> ELEVEN) + 0.5) * STEP53
        radius, angle = math.sqrt(-2.0 * math.log(u1)), 2.0 * math.pi * u2
        if 2 * i < out.size:
            out[2 * i] = radius * math.cos(angle)
        if 2 * i + 1 < out.size:
            out[2 * i + 1] = radius * math.sin(angle)
