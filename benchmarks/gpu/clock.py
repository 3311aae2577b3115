"""Time on a GPU. Imports minigan.backend; CuPy where there is a card.

A GPU works on while the host goes its own way, so the host's clock sees when work was handed over and not when it was done.
An *event* is a mark in the stream of work that keeps the time at which the GPU came by. For the time between two marks to be
the GPU's alone, the work between them has to be there when the first is reached: hence `keep_busy` ahead of them, which
gives the host a lead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from minigan import backend


def alive(device: str) -> bool:
    """Whether the device still computes: after some errors a GPU does nothing more for the process that made them."""
    try:
        synchronize(device)
    except Exception:  # of whatever kind: CuPy has several
        return False
    return True


def synchronize(device: str) -> None:
    """Wait until the whole device has done what it was given, on all streams."""
    if device == "cuda":
        import cupy

        cupy.cuda.Device().synchronize()


def mark(device: str) -> Any:
    """The time now: an event in the current stream on a card, the host's clock elsewhere."""
    if device != "cuda":
        return time.perf_counter()
    import cupy

    event = cupy.cuda.Event()
    event.record()
    return event


def between(begin: Any, end: Any) -> float:
    """Seconds between two marks; waits for the second."""
    if isinstance(end, float):
        return end - begin
    import cupy

    end.synchronize()
    return cupy.cuda.get_elapsed_time(begin, end) / 1e3


def keep_busy(device: str) -> None:
    """Half a teraflop of work for the GPU, some milliseconds, during which the host can run ahead."""
    if device == "cuda":
        import cupy

        a, product = _matrices()
        for _ in range(4):
            cupy.matmul(a, a, out=product)


@cache
def _matrices() -> Any:
    import cupy

    return cupy.ones((4096, 4096), cupy.float32), cupy.empty((4096, 4096), cupy.float32)


def seconds(device: str, work: Callable[[], Any], repeat: int) -> list[float]:
    """What `work` takes on the device, `repeat` times, after once that does not count."""
    work()
    times = []
    for _ in range(repeat):
        keep_busy(device)
        begin = mark(device)
        work()
        times.append(between(begin, mark(device)))
    return times


@contextmanager
def few_threads(device: str, threads: int = 1) -> Iterator[None]:
    """Blocks of few threads where the GPU is simulated, which takes milliseconds whenever threads wait for each other."""
    if device != "cudasim":
        yield
        return
    from minigan.kernels.cuda import launch

    with launch.using(threads=threads, blocks=1):
        yield


def host(array: Any) -> Any:
    """An array of any device as NumPy's; anything else as it is."""
    return backend.to_host(array) if backend.is_array(array) else array
