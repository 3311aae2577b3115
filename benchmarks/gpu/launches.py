"""Section `launches`: what it costs the host to start a kernel. Imports clock; the libraries when it runs.

The kernel adds two arrays of 256 numbers into a third, next to nothing, so that the card always waits for the host. A block
of launches is timed by the host's clock until the last has been handed over, and again until the card has done them all: if
the second is much more, it was the card that was waited for after all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gpu.clock import synchronize
from gpu.record import Check, told
from minigan import backend

TITLE = "the host's time to start a kernel with three arrays"
SECONDS = 20

SOURCE = """
extern "C" __global__ void add(const float* a, const float* b, float* c, long long n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}
"""
SIZE = 256


def run(check: Check) -> None:
    """Time each way."""
    blocks, launches = (3, 20) if check.quick else (21, 400)
    for what, make in check.progress(ways(check.device).items()):
        with check.part(what):
            try:
                launch = make()
            except ImportError as error:
                check.note(f"{what}: not here ({told(error)}).")
                continue
            handed, done = timed(check.device, launch, blocks, launches)
            low, median, high = np.percentile(handed, [25, 50, 75])
            check.row(
                "µs a launch, median of blocks",
                way=what,
                **{
                    "handed over": float(median),
                    "quartiles": f"{low:.2f} to {high:.2f}",
                    "done": float(np.median(done)),
                },
            )
    check.note(f"{blocks} blocks of {launches} launches each.")


def timed(device: str, launch: Callable[[], Any], blocks: int, launches: int) -> tuple[list[float], list[float]]:
    """Microseconds a launch until all of a block are handed over, and until they are done."""
    for _ in range(launches // 2):
        launch()
    synchronize(device)
    handed, done = [], []
    for _ in range(blocks):
        begin = time.perf_counter()
        for _ in range(launches):
            launch()
        handed.append((time.perf_counter() - begin) / launches * 1e6)
        synchronize(device)
        done.append((time.perf_counter() - begin) / launches * 1e6)
    return handed, done


def ways(device: str) -> dict[str, Callable[[], Callable[[], Any]]]:
    """The ways there are on the device; each makes a function that launches once."""
    a, b, c = (backend.to_device(np.ones(SIZE, np.float32), device) for _ in range(3))
    known: dict[str, Callable[[], Callable[[], Any]]] = {"PyTorch, torch.add(out=)": lambda: in_torch(device)}
    if device == "cpu":
        return {"NumPy, np.add(out=)": lambda: lambda: np.add(a, b, out=c), **known}

    from numba import cuda

    from gpu.addition import add
    from minigan.kernels.cuda import launch

    grid, block = (1, 1, 1), (1 if launch.SIMULATED else SIZE, 1, 1)
    if device == "cudasim":
        return {"Numba's simulator": lambda: lambda: launch.run(add, grid, block, 0, (a, b, c)), **known}
    return {
        "Numba, launch.WAYS['numba']": lambda: lambda: launch.WAYS["numba"](add, grid, block, 0, (a, b, c)),
        "Numba, specialised and configured once": lambda: specialised(add, (a, b, c)),
        "the same, with arrays of Numba's": lambda: specialised(
            add, [cuda.as_cuda_array(x, sync=False) for x in (a, b, c)]
        ),
        "Numba's machine code by CuPy, launch.WAYS['cupy']": lambda: (
            lambda: launch.WAYS["cupy"](add, grid, block, 0, (a, b, c))
        ),
        "CuPy, a RawKernel in CUDA C": lambda: raw(a, b, c),
        "CuPy, cupy.add(out=)": lambda: ufunc(a, b, c),
        "the same through NumPy, np.add(out=)": lambda: lambda: np.add(a, b, out=c),
        **known,
    }


def specialised(kernel: Any, arrays: Any) -> Callable[[], Any]:
    """Numba's kernel for types that are looked at once, on the null stream."""
    from numba import cuda

    configured = kernel.specialize(*arrays)[(1, 1, 1), (SIZE, 1, 1), cuda.default_stream(), 0]
    return lambda: configured(*arrays)


def raw(a: Any, b: Any, c: Any) -> Callable[[], Any]:
    """CUDA C, compiled by NVRTC and launched by CuPy."""
    import cupy

    kernel = cupy.RawKernel(SOURCE, "add")
    return lambda: kernel((1,), (SIZE,), (a, b, c, np.int64(SIZE)))


def ufunc(a: Any, b: Any, c: Any) -> Callable[[], Any]:
    """CuPy's addition, a kernel that it has written and compiled itself."""
    import cupy

    return lambda: cupy.add(a, b, out=c)


def in_torch(device: str) -> Callable[[], Any]:
    """PyTorch's own addition."""
    import torch

    a, b, c = (torch.ones(SIZE, device="cuda" if device == "cuda" else "cpu") for _ in range(3))
    return lambda: torch.add(a, b, out=c)
