"""minigan.kernels.*.random: Philox against its authors' known answers; one place, one number, on every device."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn
from simulator import EVERYWHERE, IN_SIMULATOR, Simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import threads
from minigan.kernels.reference.random import philox

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
EVERY_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
FILLS = pytest.mark.parametrize("fill", ["fill_uniform", "fill_normal"])
KEYS = st.integers(0, 2**64 - 1)
COUNTERS = st.one_of(st.integers(0, 9), st.integers(2**32 - 9, 2**32 + 9), st.integers(2**33, 2**63))
SHAPES = st.lists(st.integers(0, 7), max_size=3)


def filled(backend, fill, shape, dtype, key=0, counter=0):
    out = np.full(shape, np.nan, dtype)
    getattr(backend, fill)(out, key, counter)
    return out


# --- Philox -----------------------------------------------------------------------------------------------------------


def words_of(counter, key):
    """Philox4×32-10 of a counter of 128 bits and a key of 64, in Python's whole numbers (Salmon et al. 2011, §3.2)."""
    c, k = [counter >> 32 * i & 0xFFFFFFFF for i in range(4)], [key & 0xFFFFFFFF, key >> 32]
    for _ in range(10):
        (high0, low0), (high1, low1) = divmod(0xD2511F53 * c[0], 2**32), divmod(0xCD9E8D57 * c[2], 2**32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


# kat_vectors of Random123, the authors' library: counter, key and answer, their words in order, the lowest first.
# The last one's are the digits of π, after which only its answer is left.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_the_numbers_of_this_file_are_the_authors(counter, key, answer):
    """Our kernels' counters have zeros for their upper half, so that two of the three answers are out of their reach."""
    number = lambda words: sum(int(word, 16) << 32 * i for i, word in enumerate(words.split()))  # noqa: E731
    assert " ".join(f"{word:08x}" for word in words_of(number(counter), number(key))) == answer


@drawn(100)
@given(counter=COUNTERS, key=KEYS)
def test_the_words_of_the_reference_are_philoxs(counter, key):
    words = philox(np.array([counter, counter + 1], np.uint64), key)
    assert words.dtype == np.uint32
    assert words.tolist() == [words_of(counter, key), words_of(counter + 1, key)]


def test_the_known_answer_that_is_in_reach():
    assert [f"{word:08x}" for word in philox(np.zeros(1, np.uint64), 0)[0]] == KNOWN[0][2].split()


# --- uniform and normal numbers ---------------------------------------------------------------------------------------


@EVERYWHERE
@EVERY_TYPE
@drawn(25)
@given(shape=SHAPES, key=KEYS, counter=COUNTERS)
def test_uniform_numbers_are_the_words_to_the_last_bit(backend, dtype, shape, key, counter):
    """24 bits of a word, or 53 of two; of any size, and the counter behind the last one comes back."""
    out = np.full(shape, np.nan, dtype)
    after = backend.fill_uniform(out, key, counter)
    assert after == counter + -(-out.nbytes // 16)
    words = [word for c in range(counter, after) for word in words_of(c, key)]
    if dtype == "float32":
        expected = [(word >> 8) / 2**24 for word in words]
    else:
        expected = [(high << 32 | low) // 2**11 / 2**53 for high, low in zip(words[::2], words[1::2])]
    assert out.reshape(-1).tolist() == expected[: out.size]


@EVERYWHERE
@EVERY_TYPE
@drawn(25)
@given(shape=SHAPES, key=KEYS, counter=COUNTERS)
def test_normal_numbers_are_those_of_box_and_muller(backend, dtype, shape, key, counter):
    """To rounding: of a float32's uniform numbers, which have the same bits everywhere, computed with in float64.

    An angle of 2π has 2⁻²¹ for its last place in float32, and the radius, up to 6.7, multiplies the error of its cosine. The
    kernels of CUDA turn by an eighth at most, whose last place is 2⁻²⁴: five terms of the series are enough, four are not.
    """
    out = np.full(shape, np.nan, dtype)
    after = backend.fill_normal(out, key, counter)
    assert after == counter + -(-out.nbytes // 16)
    words = [word for c in range(counter, after) for word in words_of(c, key)]
    if dtype == "float32":
        u = np.float32(words) * np.float32(2**-32) + np.float32(2**-33)
    else:
        u = [((high << 32 | low) // 2**11 + 0.5) / 2**53 for high, low in zip(words[::2], words[1::2])]
    u = np.asarray(u, np.float64).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(u[:, 0])), 2 * np.pi * u[:, 1]
    exact = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[: out.size]
    allowed = {"float32": 2**-23 if isinstance(backend, Simulated) else 2**-21, "float64": 2**-50}[dtype]
    np.testing.assert_allclose(out.reshape(-1), exact, rtol=allowed, atol=allowed * max(1, radius.max(initial=0)))


@IN_SIMULATOR
@EVERY_TYPE
def test_all_devices_make_the_same_numbers(backend, dtype):
    """On a GPU and on a CPU, with one thread or with many."""
    for size in (1, 2, 3, 4, 5, 37, 400):
        uniform = filled(reference, "fill_uniform", size, dtype, key=3, counter=2**32 - 2)
        for other in (cpu, backend):
            np.testing.assert_array_equal(filled(other, "fill_uniform", size, dtype, 3, 2**32 - 2), uniform)
        normal = filled(reference, "fill_normal", size, dtype, key=3, counter=2**32 - 2)
        close = {"float32": 4e-6, "float64": 1e-14}[dtype]
        for other in (cpu, backend):
            np.testing.assert_allclose(
                filled(other, "fill_normal", size, dtype, 3, 2**32 - 2), normal, rtol=close, atol=close
            )


@EVERYWHERE
@FILLS
@EVERY_TYPE
def test_a_number_depends_on_its_place_alone(backend, fill, dtype):
    """Where one run ends another begins; a shape only cuts the run into rows."""
    run = filled(backend, fill, 40, dtype, key=5, counter=8)
    each = 16 // run.itemsize
    np.testing.assert_array_equal(filled(backend, fill, 40 - 3 * each, dtype, 5, counter=11), run[3 * each :])
    np.testing.assert_array_equal(filled(backend, fill, 7, dtype, 5, counter=8), run[:7])
    np.testing.assert_array_equal(filled(backend, fill, (4, 2, 5), dtype, 5, counter=8), run.reshape(4, 2, 5))


@EVERYWHERE
@FILLS
def test_another_key_makes_other_numbers(backend, fill):
    """Each of the 64 bits of a key counts, and each of the lower 64 of a counter."""
    runs = [filled(backend, fill, 4, "float32", key=1 << bit).tobytes() for bit in (0, 1, 31, 32, 33, 63)]
    runs += [filled(backend, fill, 4, "float32", counter=1 << bit).tobytes() for bit in (0, 1, 31, 32, 33, 62)]
    runs.append(filled(backend, fill, 4, "float32").tobytes())
    assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("size", [1, 2, 3, 1001, 4099])
@FILLS
@EVERY_TYPE
def test_the_number_of_threads_changes_nothing(size, fill, dtype, monkeypatch):
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_threads", n)
        results.append(filled(cpu, fill, size, dtype, key=7))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


# --- what they look like together -------------------------------------------------------------------------------------

N = 100_000


@BACKENDS
@EVERY_TYPE
@FILLS
def test_a_hundred_thousand_look_like_their_distribution(backend, fill, dtype):
    """Moments within five standard errors, Kolmogorov and Smirnov's test, and neighbours that know nothing of each other.

    Neighbours are a cosine and a sine with the same radius, words of one counter, and numbers of the next counter: so are
    the distances. Squares are compared too, because a radius in common would show only there.
    """
    stats = pytest.importorskip("scipy.stats")
    numbers = filled(backend, fill, N, dtype, key=2**40 + 1).astype(np.float64)
    uniform = fill == "fill_uniform"
    if uniform:
        assert 0 <= numbers.min() < numbers.max() < 1
    mean, variance, fourth = (0.5, 1 / 12, 1 / 80) if uniform else (0, 1, 3)  # the fourth moment around the mean
    assert abs(numbers.mean() - mean) < 5 * np.sqrt(variance / N)
    assert abs(numbers.var() - variance) < 5 * np.sqrt((fourth - variance**2) / N)
    assert stats.kstest(numbers, "uniform" if uniform else "norm").pvalue > 1e-3
    for distance in (1, 2, 3, 4, 8):
        for power in (1, 2):
            a = (numbers - mean) ** power
            assert abs(np.corrcoef(a[:-distance], a[distance:])[0, 1]) < 5 / np.sqrt(N), (distance, power)


@BACKENDS
@EVERY_TYPE
def test_runs_of_different_keys_and_of_different_counters_are_not_correlated(backend, dtype):
    runs = [filled(backend, "fill_normal", N, dtype, key, counter) for key in (0, 1, 2**32) for counter in (0, 2**32)]
    correlation = np.corrcoef(runs) - np.eye(len(runs))
    assert np.abs(correlation).max() < 5 / np.sqrt(N)
