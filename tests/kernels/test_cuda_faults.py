"""Faults planted in the kernels of CUDA: the tests in the simulator catch a barrier that is missing and a bound one too far.

The source of a kernel is edited and takes the kernel's place, and a routine is compared with the reference's. Whatever the
ordinary tests would report counts as caught: wrong numbers, a race, an index outside of an array. What a GPU does with the
same fault is worse: often nothing, for a while.
"""

import inspect
import textwrap
from functools import partial

import numpy as np
import pytest
from simulator import SIMULATED, SKIP, RaceError, Simulated, cuda, launch

from minigan.kernels import reference

pytestmark = SKIP or []
gpu = launch and launch.cuda  # `numba.cuda`, which must not be imported before it is to be simulated

ORDERS = {"upwards": False, "downwards": True}
rng = np.random.default_rng(0)
MATRIX = rng.standard_normal((40, 3))
HILLS = np.stack([np.roll(np.sort(rng.standard_normal(10)), i) for i in range(10)])  # whose tops are everywhere
PICTURES = rng.standard_normal((2, 3, 5, 4))
WINDOWS = (3, 2), (2, 1), (1, 0)
INDEX = reference.max_pool2d(PICTURES, *WINDOWS, (1, 1))[1]
MEAN, VAR = reference.batch_norm(MATRIX, None, None, 1e-5)[1:]


def called(name, *args, **options):
    return lambda backend: getattr(backend, name)(*args, **options)


def stepped(backend):
    p, grad, m, v = (np.linspace(0, 1, 20) + i for i in range(4))
    backend.adam(p, grad, m, v, 2, 0.1, (0.5, 0.9), 1e-3, 0.01, False)
    return p, m, v


def filled(backend):
    out = np.zeros(21, np.float32)
    backend.fill_uniform(out, 5, 7)
    return out


# Of each kernel a routine that starts it, and in which it has work for several threads, rounds of a loop, and blocks.
ROUTINES = {
    "activation._leaky_relu": called("leaky_relu", MATRIX, 0.2),
    "conv._gather": called("unfold", PICTURES, *WINDOWS, (1, 1)),
    "conv._add_windows": called("fold", reference.unfold(PICTURES, *WINDOWS, (1, 1)), (5, 4), *WINDOWS[1:], (1, 1)),
    "layout._transpose": called("contiguous", rng.standard_normal((2, 5, 9, 40)).transpose(0, 3, 1, 2)),
    "loss._bce": called("bce_with_logits", MATRIX, np.ones(()), "mean"),
    "loss._squared_error": called("squared_error", MATRIX, np.ones(()), "mean"),
    "loss._cross_entropy": called("cross_entropy", MATRIX, np.arange(40) % 3, "mean"),
    "matmul._tiled_matmul": lambda b: (b.matmul if b is reference else b.tiled_matmul)(MATRIX[1:].T, MATRIX[1:]),
    "norm._partial_moments": called("batch_norm", MATRIX, None, None, 1e-5),
    "norm._joined_moments": called("batch_norm", MATRIX, None, None, 1e-5),
    "norm._partial_sums": called("channel_sum", MATRIX),
    "norm._joined_sums": called("channel_sum", MATRIX),
    "norm._partial_gradients": called("batch_norm_backward", MATRIX[::-1], MATRIX, None, None, MEAN, VAR, 1e-5),
    "optim._adam": stepped,
    "pool._max_pool": called("max_pool2d", PICTURES, *WINDOWS, (1, 1)),
    "pool._max_pool_backward": called("max_pool2d_backward", INDEX * 1.0, INDEX, (5, 4), *WINDOWS, (1, 1)),
    "pool._sum_pool": called("sum_pool2d", PICTURES, *WINDOWS),
    "pool._sum_pool_backward": called("sum_pool2d_backward", INDEX * 1.0, (5, 4), *WINDOWS),
    "random._uniform32": filled,
    "reduce._amax": called("amax", HILLS, (1,)),
    "reduce._amax_backward": called("amax_backward", HILLS[:, 0], HILLS.round(), HILLS.round().max(1), (1,)),
}


def differs(name, backend):
    """What a test would report: the error's type, None if there is none."""
    expected = ROUTINES[name](reference)
    try:
        got = ROUTINES[name](backend)
        pairs = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    except (AssertionError, RaceError, IndexError, RuntimeError) as error:
        return type(error)
    return None


def without_barrier(source, which):
    """Without the `which`-th of its barriers, counted from 0."""
    parts = source.split("cuda.syncthreads()")
    return "cuda.syncthreads()".join(parts[: which + 1]) + "pass" + "cuda.syncthreads()".join(parts[which + 1 :])


@pytest.fixture
def plant(monkeypatch):
    """`plant(name, edit)` puts the kernel with an edited source in the place of the kernel, for the length of a test."""

    def swap(name, edit):
        kernel = launch.KERNELS[name].py_func
        module = inspect.getmodule(kernel)
        source = textwrap.dedent(inspect.getsource(kernel)).removeprefix("@kernel\n")
        edited = edit(source)
        assert edited != source, "the fault is no longer in the source"
        namespace = dict(vars(module))
        exec(compile(edited, f"<{name}, edited>", "exec"), namespace)
        broken = gpu.jit(namespace[kernel.__name__])  # not `kernel`, which would keep it in KERNELS
        monkeypatch.setattr(module, kernel.__name__, broken)

    return swap


# --- without a fault --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROUTINES)
@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_reported_where_nothing_is_wrong(name, order, plant):
    plant(name, lambda source: source + "# \n")
    assert differs(name, Simulated(threads=8, blocks=1, downwards=ORDERS[order])) is None


@pytest.mark.parametrize("name", ["norm._partial_moments", "reduce._amax_backward", "loss._bce", "layout._transpose"])
def test_numbas_own_threads_find_the_same(name):
    """Who run when they like; the users of the device "cudasim" have them."""
    with launch.using(threads=4, blocks=2):
        assert differs(name, cuda) is None


# --- a barrier that is missing ----------------------------------------------------------------------------------------

# The kernels whose threads meet, and which of their barriers they cannot do without. Behind the last one of norm's and of
# `_amax` a thread goes on with numbers in shared memory that are its own.
NEEDED = {
    "layout._transpose": (0, 1),
    "loss._bce": (0, 1),
    "loss._squared_error": (0, 1),
    "loss._cross_entropy": (0, 1),
    "matmul._tiled_matmul": (0, 1),
    "norm._partial_moments": (0, 1),
    "norm._partial_sums": (0, 1),
    "norm._partial_gradients": (0, 1),
    "reduce._amax": (0, 1),
    "reduce._amax_backward": (0, 1, 2),
}
EVERY_BARRIER = pytest.mark.parametrize(("name", "which"), [(name, i) for name in NEEDED for i in NEEDED[name]])


def test_no_kernel_with_a_barrier_is_left_out():
    with_barrier = {
        name for name, kernel in launch.KERNELS.items() if "syncthreads()" in inspect.getsource(kernel.py_func)
    }
    assert with_barrier == set(NEEDED)


@EVERY_BARRIER
@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_barrier_is_a_race(name, which, order, plant):
    """In whatever order the threads run: it is enough that two of them meet at a number."""
    plant(name, partial(without_barrier, which=which))
    assert differs(name, Simulated(threads=16, blocks=1, downwards=ORDERS[order])) is RaceError


@EVERY_BARRIER
def test_a_missing_barrier_makes_wrong_numbers(name, which, plant):
    """In one order of the threads, if not in the other: with 16 of them in a block, and one block for all the work."""
    plant(name, partial(without_barrier, which=which))
    found = [
        differs(name, Simulated(threads=16, blocks=1, downwards=order, watching=False)) for order in ORDERS.values()
    ]
    assert AssertionError in found


# --- a bound one too far ----------------------------------------------------------------------------------------------

# What is found in the source, first of all, and what is put in its place.
BOUNDS = [
    ("activation._leaky_relu", "x.size, cuda", "x.size - 1, cuda"),
    ("activation._leaky_relu", "x.size, cuda", "x.size + 1, cuda"),
    ("conv._gather", "row < H", "row <= H"),
    ("conv._gather", "row >= 0", "row >= -1"),
    ("conv._gather", "range(kw)", "range(kw - 1)"),
    ("conv._add_windows", "i >= kh", "i > kh"),
    ("conv._add_windows", "OW - 1), -1, -1", "OW - 1), 0, -1"),
    ("conv._add_windows", "min(beyond // sw, OW - 1)", "min(beyond // sw, OW)"),
    ("layout._transpose", "left + j < columns", "left + j <= columns"),
    ("layout._transpose", "range(ty, TILE,", "range(ty, TILE - 1,"),
    ("loss._bce", "x.size, cuda", "x.size - 1, cuda"),
    ("loss._squared_error", "x.size, cuda", "x.size + 1, cuda"),
    ("loss._cross_entropy", "range(classes)", "range(classes - 1)"),
    ("matmul._tiled_matmul", "range(side)", "range(side - 1)"),
    ("matmul._tiled_matmul", "range(0, K, side)", "range(0, K - side, side)"),
    ("norm._partial_moments", "range(start, stop,", "range(start, stop - 1,"),
    ("norm._joined_moments", "range(slices)", "range(slices - 1)"),
    ("norm._joined_moments", "range(slices)", "range(1, slices)"),
    ("norm._partial_sums", "s * length + ty", "s * length + ty + 1"),
    ("norm._joined_sums", "range(slices)", "range(slices + 1)"),
    ("norm._partial_gradients", "min(M, (s + 1) * length)", "min(M, (s + 1) * length + 1)"),
    ("optim._adam", "p.size, cuda", "p.size - 1, cuda"),
    ("pool._max_pool", "row < H", "row <= H"),
    ("pool._max_pool", "range(kh)", "range(1, kh)"),
    ("pool._max_pool_backward", "OH - 1), -1, -1", "OH - 1), 0, -1"),
    ("pool._max_pool_backward", "j >= kw", "j >= kw - 1"),
    ("pool._sum_pool", "min(top + kh, H)", "min(top + kh + 1, H)"),
    ("pool._sum_pool_backward", ">= kw", "> kw"),
    ("random._uniform32", "< out.size", "<= out.size"),
    ("random._uniform32", "range(4)", "range(3)"),
    ("reduce._amax", "range(tx, columns,", "range(tx, columns - 1,"),
    ("reduce._amax_backward", "range(tx, columns,", "range(tx, columns + 1,"),
]
BOUNDS_AMONG_THREADS = [
    ("loss._bce", "// 2", "// 4"),
    ("matmul._tiled_matmul", "k + tx < K", "k + tx <= K"),
    ("matmul._tiled_matmul", "j < N", "j <= N"),
    ("norm._partial_moments", "c < C", "c <= C"),
    ("norm._partial_moments", "half > 0", "half > 1"),
    ("norm._partial_sums", "half > 0", "half > 1"),
    ("norm._partial_sums", "if ty < half", "if ty <= half"),
    ("reduce._amax", "half > 0", "half > 1"),
]


@pytest.mark.parametrize("backend", SIMULATED)
@pytest.mark.parametrize(("name", "right", "wrong"), BOUNDS)
def test_a_bound_that_is_off_by_one_is_caught(backend, name, right, wrong, plant):
    plant(name, lambda source: source.replace(right, wrong, 1))
    assert differs(name, backend) in (AssertionError, IndexError, RaceError)


@pytest.mark.parametrize(("name", "right", "wrong"), BOUNDS_AMONG_THREADS)
def test_a_bound_that_matters_where_there_are_several_threads_is_caught(name, right, wrong, plant):
    plant(name, lambda source: source.replace(right, wrong, 1))
    assert differs(name, Simulated(threads=8, blocks=2)) in (AssertionError, IndexError, RaceError)


# --- what the simulator of the tests looks after ----------------------------------------------------------------------


def run(function, *arrays):
    """A kernel written for the test, by two blocks of four threads, each with four numbers in shared memory."""
    with Simulated(threads=4, blocks=2).started():
        launch.launch(gpu.jit(function), (8,), *arrays, block=(4, 1, 1), shared=32)


def test_a_kernel_that_does_all_right_is_let_through():
    def reversed_in_blocks(x, y):
        shared = gpu.shared.array(0, x.dtype)
        shared[gpu.threadIdx.x] = x[gpu.grid(1)]
        gpu.syncthreads()
        y[gpu.grid(1)] = shared[3 - gpu.threadIdx.x]

    x, y = np.arange(8.0), np.zeros(8)
    run(reversed_in_blocks, x, y)
    assert y.tolist() == [3, 2, 1, 0, 7, 6, 5, 4]


def test_numbers_that_two_threads_write():
    def all_to_one(y):
        y[0] = 1

    with pytest.raises(RaceError, match="number 0 is written by two threads"):
        run(all_to_one, np.zeros(1))


def test_numbers_that_one_thread_reads_and_another_writes():
    def to_the_right(y):
        y[gpu.grid(1) + 1] = y[gpu.grid(1)]

    def to_the_left(y):
        y[gpu.grid(1)] = y[gpu.grid(1) + 1]

    with pytest.raises(RaceError, match="is read by a thread while another one writes it"):
        run(to_the_right, np.zeros(9))
    with pytest.raises(RaceError, match="is written by a thread while another one reads it"):
        run(to_the_left, np.zeros(9))


def test_indices_outside_of_an_array():
    """A GPU would write there. NumPy, and so Numba's simulator, counts negative ones from the end."""

    def before_the_first(y):
        y[gpu.grid(1) - 1] = 0

    def behind_the_last(y):
        y[gpu.grid(1) + 1] = 0

    for kernel in (before_the_first, behind_the_last):
        with pytest.raises(IndexError, match="of an array of shape"):
            run(kernel, np.zeros(8))


def test_barriers_that_not_all_threads_come_to():
    def some(y):
        if gpu.threadIdx.x < 2:
            gpu.syncthreads()

    def each_to_its_own(y):
        if gpu.threadIdx.x < 2:
            gpu.syncthreads()
        else:
            gpu.syncthreads()

    for kernel in (some, each_to_its_own):
        with pytest.raises(RuntimeError, match="the threads of a block wait at different places"):
            run(kernel, np.zeros(8))


def test_memory_that_nobody_has_written():
    """Shared memory is spoiled for each block anew: what the one before has left there is gone."""

    def first_to_the_left(x, y):
        shared = gpu.shared.array(0, x.dtype)
        if gpu.threadIdx.x > 0:
            shared[gpu.threadIdx.x] = 1
        gpu.syncthreads()
        y[gpu.grid(1)] = shared[gpu.threadIdx.x]
        gpu.syncthreads()
        shared[gpu.threadIdx.x] = 2

    y = np.zeros(8)
    run(first_to_the_left, np.zeros(8), y)
    assert np.isnan(y).tolist() == [True, False, False, False] * 2


def test_a_result_that_no_thread_has_written(plant):
    plant("activation._leaky_relu", lambda source: source.replace("y[i] = value", "pass"))
    assert np.isnan(Simulated(threads=4, blocks=2).leaky_relu(MATRIX, 0.2)).all()


def test_after_an_error_all_is_as_it_was():
    empty, kernels = np.empty, dict(launch.KERNELS)
    with pytest.raises(RaceError):
        run(lambda y: y.__setitem__(0, 1), np.zeros(1))
    assert np.empty is empty
    assert kernels == launch.KERNELS
