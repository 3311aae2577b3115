"""minigan.kernels.*.layout: C order from every layout, and the tiles in which the kernels of CUDA transpose."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn, lay_out_read_only
from simulator import IN_SIMULATOR, SKIP, Simulated, cuda, simulated

from minigan.kernels import cpu, reference

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
LAYOUTS = ["C", "Fortran", "channels-last", "reversed", "every second", "repeated"]


@st.composite
def arrays(draw, axes):
    shape = draw(st.lists(st.integers(0, 5), min_size=axes[0], max_size=axes[1]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    numbers = np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)
    return lay_out_read_only(numbers, draw(st.sampled_from(LAYOUTS)))


@BACKENDS
@drawn(80)
@given(x=arrays(axes=(4, 4)))
def test_contiguous_is_the_same_numbers_in_c_order(backend, x):
    y = backend.contiguous(x)
    assert y.flags.c_contiguous
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    np.testing.assert_array_equal(y, x)
    if x.flags.c_contiguous:
        assert np.shares_memory(y, x) or not x.size


test_contiguous_in_the_simulator = simulated(test_contiguous_is_the_same_numbers_in_c_order, 75, x=arrays(axes=(4, 4)))


# --- the kernels of CUDA ----------------------------------------------------------------------------------------------

TILES = pytest.mark.parametrize(
    "backend",
    [pytest.param(Simulated(threads, blocks=2), marks=SKIP, id=f"{threads} threads") for threads in (1, 8, 128)],
)


@TILES
@pytest.mark.parametrize("rows", [1, 31, 33])
@pytest.mark.parametrize("columns", [1, 32, 40, 70])
def test_matrices_around_the_size_of_a_tile_are_transposed(backend, rows, columns):
    """Tiles that are cut off, one below the other and side by side; 128 threads are four rows of a tile at a time."""
    x = np.random.default_rng(0).standard_normal((2, rows, columns)).astype(np.float32)
    with backend.started():
        y = cuda.layout.transposed(x.reshape(-1), 2, rows, columns)
    np.testing.assert_array_equal(y.reshape(2, columns, rows), x.transpose(0, 2, 1))


@IN_SIMULATOR
@drawn(40)
@given(x=arrays(axes=(1, 4)), data=st.data())
def test_flat_lays_the_axes_in_any_order_and_shaped_is_its_inverse(backend, x, data):
    order = data.draw(st.sampled_from(list(itertools.permutations(range(x.ndim)))))
    with backend.started():
        numbers = cuda.layout.flat(x, order)
    assert numbers.shape == (x.size,)
    assert numbers.flags.c_contiguous
    np.testing.assert_array_equal(numbers, x.transpose(order).reshape(-1))
    np.testing.assert_array_equal(cuda.layout.shaped(numbers, x.shape, order), x)


@pytest.mark.skipif(cuda is None, reason="numba-cuda is not installed")
@pytest.mark.parametrize("layout", ["C", "channels-last"])
def test_what_lies_right_is_not_copied(layout):
    x = lay_out_read_only(np.ones((2, 3, 4, 5)), layout)
    assert np.shares_memory(cuda.layout.flat(x, cuda.layout.order_of(x)), x)
