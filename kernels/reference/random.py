"""Random numbers that are a function of their place: Philox, in NumPy. Imports only NumPy.

A generator such as NumPy's default has a state, and the next number is made of the state the last one left: a thousand
threads cannot share it. Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") is a function

    counter (128 bits), key (64 bits)   →   four random words (32 bits each)

and whoever wants the numbers at place i computes them there. So all devices, however many threads they have, make the same.
Ten rounds stir the four words of the counter, each with two multiplications whose halves are crossed and xor-ed with the
key.
"""

import numpy as np

# Salmon et al. 2011, §3.2 and table 2: Philox4×32
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the key between two rounds: the golden ratio and √3 − 1
ROUNDS = 10


def philox(counter: np.ndarray, key: int) -> np.ndarray:
    """Four random words for each counter.

    Parameters
    ----------
    counter : uint64 array of shape (n,)
        the lower half of the 128 bits; the upper half is 0
    key : int
        64 bits

    Returns
    -------
    uint32 array of shape (n, 4)

    Examples
    --------
    The first of the known answers of the authors' own library:

    >>> import numpy as np
    >>> from minigan.kernels.reference.random import philox
    >>> [hex(word) for word in philox(np.zeros(1, np.uint64), 0)[0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    zero = np.zeros_like(counter)
    words = [counter & low, counter >> high, zero, zero]
    keys = [np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)]
    for _ in range(ROUNDS):
        a, b = (np.uint64(m) * words[i] for m, i in zip(MULTIPLIERS, (0, 2)))
        words = [b >> high ^ words[1] ^ keys[0], b & low, a >> high ^ words[3] ^ keys[1], a & low]
        keys = [(k + np.uint64(w)) & low for k, w in zip(keys, WEYL)]
    return np.stack(words, 1).astype(np.uint32)


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
    >>> from minigan.kernels.reference import fill_uniform
    >>> out = np.empty(5, np.float32)
    >>> fill_uniform(out, key=0, counter=0), out.round(3)
    (2, array([0.399, 0.881, 0.736, 0.605, 0.972], dtype=float32))
    """
    words, counter = _words(out, key, counter)
    if out.dtype == np.float32:
        numbers = (words >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
    else:
        numbers = _pairs(words).astype(np.float64) * 2.0**-53
    out.reshape(-1)[...] = numbers.reshape(-1)[: out.size]
    return counter


def fill_normal(out: np.ndarray, key: int, counter: int) -> int:
    """Numbers from the normal distribution N(0, 1), two by two (Box and Muller 1958).

    ``√(−2·log u₁)·cos 2πu₂``  and  ``√(−2·log u₁)·sin 2πu₂``        u₁ in (0, 1], u₂ in [0, 1]

    In float32 u is (w + ½)·2⁻³², in float64 (⌊(w₀·2³² + w₁)/2¹¹⌋ + ½)·2⁻⁵³.

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
    >>> from minigan.kernels.reference import fill_normal
    >>> out = np.empty(10_000)
    >>> fill_normal(out, key=7, counter=0), bool(abs(out.mean()) < 0.03), bool(abs(out.std() - 1) < 0.03)
    (5000, True, True)
    """
    words, counter = _words(out, key, counter)
    if out.dtype == np.float32:
        u = words.astype(np.float32) * np.float32(2**-32) + np.float32(2**-33)
    else:
        u = (_pairs(words).astype(np.float64) + 0.5) * 2.0**-53
    radius = np.sqrt(-2 * np.log(u[:, 0::2]))
    angle = out.dtype.type(2 * np.pi) * u[:, 1::2]
    numbers = np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)
    out.reshape(-1)[...] = numbers.reshape(-1)[: out.size]
    return counter


def _words(out: np.ndarray, key: int, counter: int) -> tuple[np.ndarray, int]:
    """The words that fill `out`, four for each counter, and the first counter after them."""
    count = -(-out.size * out.itemsize // 16)
    return philox(np.arange(counter, counter + count, dtype=np.uint64), key), counter + count


def _pairs(words: np.ndarray) -> np.ndarray:
    """Two words of 32 bits as one number of 53."""
    words = words.astype(np.uint64)
    return (words[:, 0::2] << np.uint64(32) | words[:, 1::2]) >> np.uint64(11)
