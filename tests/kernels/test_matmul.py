"""minigan.kernels.*.matmul: the product of drawn matrices, in all the ways in which they can lie in memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import IN_SIMULATOR, simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import threads
from minigan.kernels.cpu.matmul import DEPTH, pack, panel_width

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
LAYOUTS = ["rows", "columns", "reversed", "every second", "repeated", "read-only"]
SIZES = st.one_of(st.integers(0, 9), st.integers(10, 70), st.sampled_from([1, 64, 65, 128, 129, 200]))

drawn = settings(deadline=None, derandomize=True, max_examples=120)


def matrix(rng, shape, dtype, layout):
    a = rng.standard_normal(shape).astype(dtype)
    if layout == "columns":
        return np.asfortranarray(a)
    if layout == "reversed":
        return a[::-1, ::-1]
    if layout == "every second":
        return np.repeat(a, 2, axis=1)[:, ::2]
    if layout == "repeated" and len(a):
        return np.broadcast_to(a[:1], shape)
    if layout == "read-only":
        a.flags.writeable = False
    return a


def assert_is_product(c, a, b):
    """To rounding: within a few ulp of the sum of the products' magnitudes, element by element."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    allowed = 10 * np.finfo(c.dtype).eps * (np.abs(a) @ np.abs(b)) + np.finfo(c.dtype).tiny
    assert c.shape == (a.shape[0], b.shape[1])
    assert (np.abs(c - a @ b) <= allowed).all(), np.abs(c - a @ b).max()


@BACKENDS
@drawn
@given(
    M=SIZES,
    K=SIZES,
    N=SIZES,
    dtype=st.sampled_from(["float32", "float64"]),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_matmul_is_the_product(backend, M, K, N, dtype, layouts, seed):
    rng = np.random.default_rng(seed)
    a, b = matrix(rng, (M, K), dtype, layouts[0]), matrix(rng, (K, N), dtype, layouts[1])
    before = a.copy(), b.copy()
    c = backend.matmul(a, b)
    assert c.dtype == dtype
    assert_is_product(c, a, b)
    bias = np.linspace(-1, 1, N, dtype=dtype)
    tolerance = 10 * np.finfo(dtype).eps * (1 + np.abs(c))
    assert (np.abs(backend.matmul(a, b, bias) - (c + bias)) <= tolerance).all()
    assert c.flags.writeable
    assert not any(np.shares_memory(c, other) for other in (a, b))
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


SMALL = st.one_of(st.integers(0, 9), st.just(17))
SMALL_MATRICES = {
    "M": SMALL,
    "K": SMALL,
    "N": SMALL,
    "dtype": st.sampled_from(["float32", "float64"]),
    "layouts": st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    "seed": st.integers(0, 2**32 - 1),
}
test_matmul_in_the_simulator = simulated(test_matmul_is_the_product, 37, **SMALL_MATRICES)


@IN_SIMULATOR
@settings(deadline=None, derandomize=True, max_examples=20)
@given(**SMALL_MATRICES)
def test_the_tiled_product_is_the_product(backend, M, K, N, dtype, layouts, seed):
    rng = np.random.default_rng(seed)
    a, b = matrix(rng, (M, K), dtype, layouts[0]), matrix(rng, (K, N), dtype, layouts[1])
    before = a.copy(), b.copy()
    c = backend.tiled_matmul(a, b)
    assert c.dtype == dtype
    assert_is_product(c, a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


# Rows, terms and columns that end within, at and beyond a tile, a slice and a block.
@pytest.mark.parametrize("M", [1, 6, 7, 24, 25, 193])
@pytest.mark.parametrize("K", [1, DEPTH, DEPTH + 1])
@pytest.mark.parametrize("N", [1, 16, 17, 33, 64, 300])
@pytest.mark.parametrize("transposed", [(False, False), (False, True), (True, False)], ids=["AB", "ABt", "AtB"])
def test_sizes_around_the_tiles(M, K, N, transposed):
    rng = np.random.default_rng(M * K * N)
    a = rng.standard_normal((K, M) if transposed[0] else (M, K)).astype(np.float32)
    b = rng.standard_normal((N, K) if transposed[1] else (K, N)).astype(np.float32)
    a, b = a.T if transposed[0] else a, b.T if transposed[1] else b
    assert_is_product(cpu.matmul(a, b), a, b)


@pytest.mark.parametrize("shape", [(100, 300, 400), (7, 500, 130), (1, 70, 900), (900, 70, 1), (1, 900, 1)])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_results_are_the_same_bit_for_bit_on_one_thread_and_on_all(shape, layout, monkeypatch):
    (M, K, N), rng, results = shape, np.random.default_rng(0), []
    a, b = matrix(rng, (M, K), "float32", layout), matrix(rng, (K, N), "float32", layout)
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    for count in (1, threads.LAUNCHED):
        monkeypatch.setattr(threads, "_threads", count)
        results.append(cpu.matmul(a, b))
    np.testing.assert_array_equal(*results)


def test_pack_lays_the_matrix_out_in_panels():
    """B[place[g, r], j] = w[g, j, r], in panels as wide as a tile, zeros beyond the last column."""
    rng = np.random.default_rng(0)
    for G, J, R in ((1, 70, 40), (3, 5, 16), (20, 33, 1), (4, 130, 9)):
        w = rng.standard_normal((G, J, R)).astype(np.float32)
        place = rng.permutation(G * R).reshape(G, R)
        width = panel_width(J, 4)
        expected = np.zeros((G * R, -(-J // width) * width), np.float32)
        expected[place, :J] = w.transpose(0, 2, 1)
        panels = pack(w, place, 1).reshape(-1, G * R, width)
        np.testing.assert_array_equal(np.concatenate(panels, axis=1), expected)
