"""What the tests of kernels/cuda share: Numba's simulator of CUDA, the kernels in it, and an eye on their threads.

The simulator plays each thread of a GPU with a thread of Python and lets the operating system choose who runs when: a
barrier takes it 5 ms and more, and a race shows itself on some days. Here the threads of a block take turns, always in the
same order. One runs until it waits for the others or is done, then the next. So the tests are quick, and the same in every
run. And what a GPU would let pass in silence is an error here, or a wrong number:

- a number in shared memory that one thread writes and another one reads or writes without a barrier in between; a number of
  an array that is written by two threads, or by one and then read by another;
- a barrier that not all threads of the block come to, or to which they come on different lines;
- an index outside of its array, a negative one as well (NumPy would count it from the end);
- numbers that nobody has written: all memory is full of NaN at first.

`import simulator` has Numba simulate CUDA in this process. Where numba-cuda is not installed the tests are skipped.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import numpy.ma  # it reads the docstring of np.empty, which is replaced below
import pytest
from hypothesis import HealthCheck, given, settings

from minigan import backend
from minigan.kernels import cpu, reference

try:
    backend.check_device("cudasim")
except backend.DeviceError as error:
    cuda = launch = None
    SKIP = pytest.mark.skip(reason=str(error))
else:
    from numba.cuda.simulator import kernel as numba_simulator
    from numba.cuda.simulator import kernelapi

    from minigan.kernels import cuda
    from minigan.kernels.cuda import launch

    SKIP = ()


class RaceError(RuntimeError):
    """Two threads met at a number, and nothing says which of them came first."""


# --- threads that take turns ------------------------------------------------------------------------------------------


class Turns:
    """In the place of Numba's `BlockManager`: the threads of a block, one at a time, in a fixed order."""

    downwards = False

    def __init__(self, f: Callable, grid_dim: Any, block_dim: Any, debug: bool):
        self.f, self.block_dim = f, block_dim

    def run(self, block_index: tuple[int, int, int], *args: Any) -> None:
        threads = [Turn(self.f, block_index, place, args) for place in np.ndindex(*self.block_dim)]
        if self.downwards:
            threads.reverse()
        running = threads
        Shared.current.spoil()
        try:
            while running:
                for thread in running:
                    thread.take()
                Shared.current.barrier()
                running = [thread for thread in threads if thread.line]
                lines = {thread.line for thread in threads}
                if running and len(lines) > 1:
                    places = ", ".join(f"line {line}" if line else "its end" for line in sorted(lines))
                    raise RuntimeError(f"{self.f.__name__}: the threads of a block wait at different places: {places}")
        finally:
            for thread in threads:
                thread.dismiss()


class Turn(threading.Thread):
    """A thread of a block, with all that Numba's stand-in for the module `cuda` asks of the thread that runs."""

    def __init__(self, f: Callable, block_index: tuple, place: tuple, args: tuple):
        super().__init__(daemon=True)
        self.f, self.args = f, args
        self.blockIdx, self.threadIdx = kernelapi.Dim3(*block_index), kernelapi.Dim3(*place)
        self.line = 0  # of the kernel, at which this thread waits
        self.error: BaseException | None = None
        self.dismissed = False
        self.may_run, self.has_run = threading.Lock(), threading.Lock()
        self.may_run.acquire(), self.has_run.acquire()

    def take(self) -> None:
        """Run until this thread waits or is done."""
        self.may_run.release() if self.line else self.start()
        self.has_run.acquire()
        if self.error is not None:
            raise self.error

    def dismiss(self) -> None:
        """End here, if this thread still waits, because another one has failed."""
        if self.line:
            self.dismissed = True
            self.may_run.release()
        if self.ident:
            self.join()

    def run(self) -> None:
        try:
            with np.errstate(all="ignore"):  # a GPU does not warn either
                self.f(*self.args)
        except BaseException as error:
            self.error = error
        self.line = 0
        self.has_run.release()

    def syncthreads(self) -> None:
        self.line = sys._getframe(2).f_lineno  # this is called by the stand-in for `cuda`, and that by the kernel
        self.has_run.release()
        self.may_run.acquire()
        if self.dismissed:
            raise SystemExit


# --- arrays that are watched ------------------------------------------------------------------------------------------


class Watched:
    """An array in a kernel: who wrote a number, and who read it, since the last barrier (`forget`)."""

    watching = True

    def __init__(self, array: np.ndarray):
        self.array, self.dtype, self.size = array, array.dtype, array.size
        self.writer: dict[Any, threading.Thread] = {}
        self.readers: dict[Any, threading.Thread | None] = {}  # None stands for several

    def forget(self) -> None:
        self.writer.clear()
        self.readers.clear()

    def _check(self, index: Any) -> None:
        for i, n in zip(index if isinstance(index, tuple) else (index,), self.array.shape, strict=True):
            if not 0 <= i < n:
                raise IndexError(f"index {index} of an array of shape {self.array.shape}")

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        me = threading.current_thread()
        if self.watching and self.writer.get(index, me) is not me:
            raise RaceError(f"number {index} is read by a thread while another one writes it")
        if self.readers.setdefault(index, me) is not me:
            self.readers[index] = None
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(index)
        me = threading.current_thread()
        if self.watching and self.writer.setdefault(index, me) is not me:
            raise RaceError(f"number {index} is written by two threads")
        if self.watching and self.readers.get(index, me) is not me:
            raise RaceError(f"number {index} is written by a thread while another one reads it")
        self.array[index] = value


class Shared:
    """In the place of Numba's `FakeCUDAShared`: the shared memory of one block after the other, spoiled for each."""

    current: "Shared"

    def __init__(self, size: int):
        Shared.current = self
        self.bytes, self.arrays = np.zeros(size, np.byte), {}

    def array(self, shape: Any, dtype: Any) -> Watched:
        frame = sys._getframe(1)
        place = frame.f_code, frame.f_lineno
        if place not in self.arrays:
            dtype = np.dtype(str(dtype))  # a type of NumPy, or of Numba
            # shape 0 asks for all the memory that the launch has given
            self.arrays[place] = Watched(self.bytes.view(dtype) if shape == 0 else spoiled(shape, dtype))
        return self.arrays[place]

    def spoil(self) -> None:
        self.bytes.fill(-1)
        self.arrays.clear()

    def barrier(self) -> None:
        for array in self.arrays.values():
            array.forget()


_empty = np.empty


def spoiled(shape: Any, dtype: Any = float, **options: Any) -> np.ndarray:
    """`np.empty`, in which nothing looks like a result."""
    array = _empty(shape, dtype, **options)
    array.fill(np.nan if array.dtype.kind == "f" else 99)
    return array


@contextmanager
def taking_turns(downwards: bool = False, watching: bool = True) -> Iterator[None]:
    """Kernels are run by threads that take turns, the first one first, or the last one; and races are errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_simulator, "BlockManager", Turns)
        patch.setattr(launch, "InKernel", Watched)
        patch.setattr(kernelapi, "FakeCUDAShared", Shared)
        patch.setattr(np, "empty", spoiled)
        patch.setattr(Turns, "downwards", downwards)
        patch.setattr(Watched, "watching", watching)
        yield


# --- the kernels in the place of a backend ----------------------------------------------------------------------------


class Simulated:
    """`minigan.kernels.cuda`, each of whose routines is started in blocks of `threads`, and in `blocks` at most."""

    def __init__(self, threads: int, blocks: int, downwards: bool = False, watching: bool = True):
        self.threads, self.blocks, self.turns = threads, blocks, (downwards, watching)

    def __getattr__(self, name: str) -> Callable:
        routine = getattr(cuda, name)

        @wraps(routine)
        def run(*args: Any, **options: Any) -> Any:
            with self.started():
                return routine(*args, **options)

        return run

    @contextmanager
    def started(self) -> Iterator[None]:
        """All kernels are started so."""
        with launch.using(self.threads, self.blocks), taking_turns(*self.turns):
            yield


SIMULATED = [
    pytest.param(Simulated(threads=1, blocks=1), id="cudasim, one thread", marks=SKIP),
    pytest.param(Simulated(threads=8, blocks=2), id="cudasim, blocks of 8", marks=SKIP),
    pytest.param(Simulated(threads=4, blocks=3, downwards=True), id="cudasim, blocks of 4", marks=SKIP),
]
"""One thread that does all; and more threads than there is work for, or fewer, in several blocks and either order."""

_ON_CPU = [pytest.param(reference, id="reference"), pytest.param(cpu, id="cpu")]
EVERYWHERE = pytest.mark.parametrize("backend", [*_ON_CPU, *SIMULATED])
IN_SIMULATOR = pytest.mark.parametrize("backend", SIMULATED)


def simulated(test: Callable, max_examples: int, **strategies: Any) -> Callable:
    """The body of a test that draws its examples, for kernels/cuda, with fewer and smaller ones.

    Parameters
    ----------
    test
        decorated by `@given`, with an argument `backend`
    max_examples : int
        for each of the launches in `SIMULATED`
    **strategies
        as for `@given`
    """
    health = [HealthCheck.too_slow]
    few = settings(deadline=None, derandomize=True, max_examples=max_examples, suppress_health_check=health)
    return IN_SIMULATOR(few(given(**strategies)(test.hypothesis.inner_test)))
