"""minigan.kernels.cpu.tile: the tiles at every number of rows and columns, and on processors with narrow registers."""

import itertools
import os
import platform
import subprocess
import sys

import numba
import numpy as np
import pytest

from minigan.kernels.cpu import tile as module
from minigan.kernels.cpu.layout import channels_last, contiguous

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@numba.njit
def wide(a, a_rows, a_cols, b, b_rows, c, c_rows, first, rows, columns, k, depth, onto, bias):
    module.wide_tile(
        a, 1, a_rows, a_cols, b, 2, b_rows, c, 3, c_rows, first, rows, columns, k, depth, onto, bias, 4
    )  # fmt: skip


@numba.njit
def half(a, a_rows, a_cols, b, b_rows, c, c_rows, first, rows, columns, k, depth, onto, bias):
    module.half_tile(
        a, 1, a_rows, a_cols, b, 2, b_rows, c, 3, c_rows, first, rows, columns, k, depth, onto, bias, 4
    )  # fmt: skip


@numba.njit
def narrow(a, a_rows, a_cols, b, b_rows, c, c_rows, first, rows, columns, k, depth, onto, bias):
    module.narrow_tile(
        a, 1, a_rows, a_cols, b, 2, b_rows, c, 3, c_rows, first, rows, columns, k, depth, onto, bias, 4
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tile", "vectors", "height"),
    [(wide, 4, module.ROWS), (half, 2, module.ROWS), (narrow, 1, module.ROWS_OF_NARROW)],
    ids=["wide", "half", "narrow"],
)
@DTYPES
def test_a_tile_finds_its_matrices_by_the_tables_and_touches_nothing_else(tile, vectors, height, dtype):
    rng = np.random.default_rng(0)
    width = max(1, module.VECTORS * vectors // 4) * module.REGISTER_BYTES // np.dtype(dtype).itemsize
    a, b = rng.standard_normal(1000).astype(dtype), rng.standard_normal(1000).astype(dtype)
    bias = rng.standard_normal(width + 4).astype(dtype)
    sizes = itertools.product(range(1, height + 1), {1, width // 2 + 1, width - 1, width} - {0})
    for (rows, columns), onto in itertools.product(sizes, (module.NOTHING, module.ITSELF, module.BIAS)):
        depth, first, k = int(rng.integers(1, 20)), 2, 1
        a_rows, a_cols, b_rows = (rng.integers(0, 400, 30) for _ in range(3))
        c_rows = rng.permutation(30) * (width + 1)
        before = rng.standard_normal(40 * (width + 1)).astype(dtype)
        c, expected = before.copy(), before.copy()
        for i in range(first, first + rows):
            A = a[1 + a_rows[i] + a_cols[k : k + depth]]
            B = b[2 + b_rows[k : k + depth, None] + np.arange(columns)]
            part = slice(3 + c_rows[i], 3 + c_rows[i] + columns)
            expected[part] = A @ B + [0, before[part], bias[4 : 4 + columns]][onto]
        tile(a, a_rows, a_cols, b, b_rows, c, c_rows, first, rows, columns, k, depth, onto, bias)
        tolerance = 200 * np.finfo(dtype).eps
        np.testing.assert_allclose(c, expected, rtol=tolerance, atol=tolerance)


@numba.njit
def transpose(a, b, b_rows, rows, columns):
    module.transpose_tile(a, 2, 30, b, 5, b_rows, 1, rows, columns)


@DTYPES
def test_transpose_tile_of_every_size_touches_nothing_else(dtype):
    lanes = module.REGISTER_BYTES // np.dtype(dtype).itemsize
    a = np.arange(1000).astype(dtype)
    b_rows = np.random.default_rng(0).permutation(lanes + 1) * 20
    for rows in range(1, lanes + 1):
        for columns in range(1, lanes + 1):
            b, expected = np.full(400, -1, dtype), np.full(400, -1, dtype)
            for i in range(rows):
                for j in range(columns):
                    expected[5 + b_rows[1 + j] + i] = a[2 + i * 30 + j]
            transpose(a, b, b_rows, rows, columns)
            np.testing.assert_array_equal(b, expected)


@numba.njit
def runs(a, b, c, n):
    module.copy_run(a, 1, b, 2, n)
    module.add_run(a, 1, c, 3, n)


@numba.njit
def repeat(a, n, times, b):
    module.repeat_run(a, 2, n, times, b, 1)


@DTYPES
def test_repeat_run(dtype):
    a = np.arange(50).astype(dtype)
    for n, times in itertools.product((0, 1, 7), (1, 3, 5, 8, 16, 17)):
        b = np.full(300, -1, dtype)
        repeat(a, n, times, b)
        np.testing.assert_array_equal(b[1 : 1 + n * times], np.repeat(a[2 : 2 + n], times))
        assert b[0] == -1
        assert (b[1 + n * times + module.REGISTER_BYTES // b.itemsize + times :] == -1).all()


@DTYPES
def test_runs_of_every_length(dtype):
    a = np.arange(1.0, 101.0).astype(dtype)
    for n in range(70):
        b, c = np.zeros(100, dtype), np.ones(100, dtype)
        runs(a, b, c, n)
        np.testing.assert_array_equal(b, np.concatenate([np.zeros(2), a[1 : 1 + n], np.zeros(98 - n)]))
        np.testing.assert_array_equal(c - 1, np.concatenate([np.zeros(3), a[1 : 1 + n], np.zeros(97 - n)]))


@pytest.mark.parametrize(
    "shape",
    [
        (2, 3, 5, 7),
        (3, 3, 9, 31),
        (2, 4, 9, 31),
        (1, 33, 6, 7),
        (3, 64, 4, 4),
        (2, 1, 3, 3),
        (2, 5, 1, 1),
        (0, 3, 2, 2),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_channels_last(shape, dtype):
    x = np.random.default_rng(0).integers(0, 1000, shape).astype(dtype)
    for given in (x, np.asfortranarray(x), x[..., ::-1], channels_last(x).transpose(0, 3, 1, 2)):
        y = channels_last(given)
        assert y.flags.c_contiguous
        np.testing.assert_array_equal(y, given.transpose(0, 2, 3, 1))
        back = contiguous(y.transpose(0, 3, 1, 2))
        assert back.flags.c_contiguous
        np.testing.assert_array_equal(back, given)


# What Numba is told to compile for, as another processor would have it.
PROCESSORS = {"AVX2": ("haswell", "+avx,+avx2,+fma", 32, 2), "SSE2": ("x86-64", "+sse,+sse2", 16, 2)}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="processors of another family")
@pytest.mark.parametrize("processor", ["AVX2", pytest.param("SSE2", marks=pytest.mark.slow)])
def test_without_avx512_the_registers_are_narrower_and_the_results_the_same(processor, tmp_path):
    name, features, bytes_in_register, vectors = PROCESSORS[processor]
    program = """
import numpy as np
from minigan.kernels.cpu import matmul, tile
assert (tile.REGISTER_BYTES, tile.VECTORS) == (%d, %d), (tile.REGISTER_BYTES, tile.VECTORS)
rng = np.random.default_rng(0)
for M, K, N in ((13, 40, 5), (20, 300, 9), (50, 20, 77)):
    a, b = rng.standard_normal((M, K)).astype("f4"), rng.standard_normal((N, K)).astype("f4").T
    assert np.allclose(matmul(a, b), a @ b, rtol=1e-4, atol=1e-4), (M, K, N)
"""
    environment = {
        **os.environ, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path),
    }  # fmt: skip
    subprocess.run(
        [sys.executable, "-c", program % (bytes_in_register, vectors)], env=environment, check=True, timeout=300
    )
