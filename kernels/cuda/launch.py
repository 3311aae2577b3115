"""How a kernel is started, on a GPU or in Numba's simulator. The only file here that knows which. Imports NumPy and Numba.

CUDA runs a function, the *kernel*, in very many threads. Threads come in *blocks*: those of a block share a little fast
memory and can wait for each other (`cuda.syncthreads`); those of different blocks cannot. All the blocks are the *grid*. A
thread knows where it stands, and makes of that what its share of the work is:

    i = cuda.grid(1)          its number among all threads: blockIdx.x · blockDim.x + threadIdx.x
    cuda.gridsize(1)          how many threads there are

The kernels of this folder are written so that any grid is right, not only the one that is chosen here. They go through
their work in strides of the grid, `range(cuda.grid(1), n, cuda.gridsize(1))`: a thread with nothing to do leaves the loop at
once, and one thread alone would do everything. Those whose threads work together take any block whose size is a power of
two.

On a GPU the arrays are CuPy's and the kernels run on CuPy's current stream, so that they come in turn with CuPy's own. In
the simulator (`NUMBA_ENABLE_CUDASIM=1` when `numba.cuda` is imported) the arrays are NumPy's, a thread of Python plays each
thread of the GPU, and a debugger stops in a kernel as in any function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from operator import index
from typing import Any

import numpy as np
from numba import cuda

Array = Any
"""A `cupy.ndarray`; in the simulator a `numpy.ndarray`."""

SIMULATED = bool(cuda.config.ENABLE_CUDASIM)
"""Whether Numba's simulator runs the kernels."""

KERNELS: dict[str, Any] = {}
"""All kernels by their names, for whoever wants to compile, list or time them."""


def kernel(function: Callable[..., None]) -> Any:
    """Make a kernel of a function, `@kernel`; compiled for the types it is called with, when that happens first."""
    KERNELS[f"{function.__module__.rpartition('.')[2]}.{function.__name__}"] = compiled = cuda.jit(function)
    return compiled


# ---------------------------------------------------------------------------------------------------- how many

THREADS = 1 if SIMULATED else 256
"""The threads of a block whose threads work alone. The simulator's start slowly and go through the work as well in one."""

TEAM = 32 if SIMULATED else 256
"""The threads of a block whose threads work together; a power of two. In the simulator they take milliseconds to meet."""

BLOCKS = (1, 1, 1) if SIMULATED else (1 << 14, 65535, 65535)
"""The most blocks along each axis."""


@contextmanager
def using(threads: int, blocks: int) -> Iterator[None]:
    """Start kernels in blocks of `threads`, a power of two, and along each axis in `blocks` blocks at most.

    Examples
    --------
    A convolution in the simulator on a grid of several blocks:

    >>> from minigan.kernels.cuda import launch
    >>> with launch.using(threads=8, blocks=3):
    ...     launch.block_of((5, 100))
    (8, 1, 1)
    """
    global THREADS, TEAM, BLOCKS
    before = THREADS, TEAM, BLOCKS
    THREADS, TEAM, BLOCKS = threads, threads, (blocks, blocks, blocks)
    try:
        yield
    finally:
        THREADS, TEAM, BLOCKS = before


def power_of_two(n: int) -> int:
    """The least power of two that is not less than `n`."""
    return 1 << max(0, n - 1).bit_length()


def block_of(extent: tuple[int, ...], threads: int | None = None) -> tuple[int, int, int]:
    """A block for work of this extent: as many threads as there is work along x, and what is left along y and z.

    Neighbours along x run side by side, and what they read and write should lie side by side: 32 threads that read 32
    numbers in a row are served with one look at memory (*coalesced*), and 32 that read here and there with 32.
    """
    left, block = threads or THREADS, []
    for n in (*extent, 1, 1)[:3]:
        block.append(min(left, power_of_two(n)))
        left //= block[-1]
    return block[0], block[1], min(block[2], 64)


def launch(
    kernel: Any,
    extent: tuple[int, ...],
    *args: Any,
    block: tuple[int, int, int] | None = None,
    shared: int = 0,
) -> None:
    """Run a kernel over work of the given extent.

    Parameters
    ----------
    kernel
        What `@kernel` made.
    extent : tuple of one to three ints
        How much there is to do along x, y and z; the grid has a thread for each, or as many as it can.
    *args
        Arrays of the device; ints; floats as NumPy numbers of the arrays' type, because a Python float is a float64 to
        Numba.
    block : tuple of three ints, optional
        For threads that work together; `block_of(extent)` otherwise.
    shared : int, default 0
        Bytes of shared memory for each block, `cuda.shared.array(0, dtype)` in the kernel.
    """
    if min(extent) < 1:
        return
    block = block_of(extent) if block is None else block
    grid = tuple(min(-(-n // b), most) for n, b, most in zip((*extent, 1, 1), block, BLOCKS))
    run(kernel, grid, block, shared, args)


# --------------------------------------------------------------------------------------------------------- how


class InKernel:
    """An array as a simulated kernel sees it: flat, with bounds that are kept; four times as fast as Numba's stand-in."""

    __slots__ = ("array", "dtype", "size")

    def __init__(self, array: np.ndarray):
        self.array, self.dtype, self.size = array, array.dtype, array.size

    def __getitem__(self, index: int) -> Any:
        if index < 0:
            raise IndexError(f"index {index} of an array of {self.size}")  # NumPy would count from the end
        return self.array[index]

    def __setitem__(self, index: int, value: Any) -> None:
        if index < 0:
            raise IndexError(f"index {index} of an array of {self.size}")
        self.array[index] = value


def _simulated(kernel: Any, grid: Any, block: Any, shared: int, args: tuple[Any, ...]) -> None:
    """Threads of Python."""
    hosts = [getattr(a, "host", a) for a in args]  # of an array that plays one on a GPU
    kernel[grid, block, 0, shared](*[InKernel(a) if isinstance(a, np.ndarray) else a for a in hosts])


def _through_numba(kernel: Any, grid: Any, block: Any, shared: int, args: tuple[Any, ...]) -> None:
    """Numba's own way to start a kernel, on CuPy's current stream."""
    _check(args)
    kernel[grid, block, _stream(_current_stream()), shared](*args)


def _through_cupy(kernel: Any, grid: Any, block: Any, shared: int, args: tuple[Any, ...]) -> None:
    """The machine code is Numba's, but CuPy starts it: Numba looks at every array anew, for tens of microseconds.

    Numba's kernels take an array of one axis as seven numbers: two unused pointers, the number of elements, the size of one,
    the address, the shape and the stride in bytes.
    """
    _check(args)
    flat: list[Any] = []
    kinds: list[str] = []
    for a in args:
        if type(a) is int:
            flat.append(a)
            kinds.append("int")
        elif isinstance(a, np.generic):
            flat.append(a)
            kinds.append(a.dtype.name)
        elif hasattr(type(a), "strides"):
            flat += (0, 0, a.size, a.itemsize, a.data.ptr, *a.shape, *a.strides)
            kinds.append(a.dtype.str)
        else:
            flat.append(index(a))
            kinds.append("int")
    key = (kernel, _current_device(), *kinds)
    if key not in _functions:
        _functions[key] = _machine_code(kernel, types_of(args))
    _functions[key](grid, block, tuple(flat), shared_mem=shared)


_functions: dict[tuple[Any, ...], Any] = {}  # by kernel, GPU, and the kinds of the arguments


WAYS = {"numba": _through_numba, "cupy": _through_cupy}
"""The ways to start a kernel on a GPU."""

run: Callable[[Any, Any, Any, int, tuple[Any, ...]], None] = _simulated if SIMULATED else _through_numba
"""The way that is in use, `run(kernel, grid, block, shared, args)`."""


def _check(args: tuple[Any, ...]) -> None:
    """Refuse NumPy's arrays, which Numba would copy to the GPU and back, in silence and at every call; and strided ones."""
    for a in args:
        if isinstance(a, np.ndarray):
            raise TypeError("kernels.cuda: got a NumPy array where an array on the GPU is needed; move it there first")
        if hasattr(type(a), "strides") and not (isinstance(a, np.generic) or (a.ndim == 1 and a.flags.c_contiguous)):
            raise TypeError(f"kernels.cuda: got an array with strides {a.strides} where a flat, dense run is needed")


def _current_stream() -> int:
    import cupy

    return cupy.cuda.get_current_stream().ptr


def _current_device() -> int:
    import cupy

    return cupy.cuda.runtime.getDevice()


@cache
def _stream(pointer: int) -> Any:
    return cuda.external_stream(pointer) if pointer else cuda.default_stream()


def types_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The Numba types of a kernel's arguments: what it is compiled for."""
    from numba import types
    from numba.np.numpy_support import from_dtype

    found = []
    for a in args:
        if hasattr(a, "dtype") and getattr(a, "ndim", 0):
            found.append(types.Array(from_dtype(a.dtype), a.ndim, "C"))
        else:
            found.append(from_dtype(a.dtype) if isinstance(a, np.generic) else types.int64)
    return tuple(found)


def ptx(kernel: Any, types: tuple[Any, ...], cc: tuple[int, int]) -> str:
    """A kernel in PTX, the assembly language of NVIDIA's GPUs, for compute capability `cc`; needs no GPU."""
    text, _ = cuda.compile(kernel.py_func, types, device=False, abi="numba", cc=cc, output="ptx")
    return text


def _machine_code(kernel: Any, types: tuple[Any, ...]) -> Any:
    """The kernel as CuPy's function, for the current GPU."""
    import tempfile

    import cupy

    device = cupy.cuda.Device()
    text = ptx(kernel, types, (int(device.compute_capability[:-1]), int(device.compute_capability[-1])))
    (entry,) = [line.split()[2].split("(")[0] for line in text.splitlines() if line.startswith(".visible .entry")]
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(text)
        file.flush()
        return cupy.RawModule(path=file.name).get_function(entry)
