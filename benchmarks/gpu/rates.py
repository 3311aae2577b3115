"""Section `rates`: how near each kernel comes to what the card can do. Imports clock; minigan's kernels when it runs.

Nearly all kernels are bound by memory: they do little with each number. What they can reach at best is what a copy reaches,
and the arrays are far larger than the second cache, so that the copy goes to memory. A kernel's bytes are those of all
arrays that it is given, each counted once if it is read or written, and twice if both; a kernel that reads something several
times finds it in a cache, or pays for it with its share.

On a card the kernels are launched in the quickest way, CuPy's, and behind other work, so that the host is ahead and the time
between two marks is the card's.

The products are bound by arithmetic, and are compared with cuBLAS's product of two large square matrices.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpu.clock import between, few_threads, keep_busy, mark, seconds
from gpu.record import Check, told
from minigan import backend

TITLE = "bandwidth beside a copy's, and arithmetic beside cuBLAS"
SECONDS = 45

BOTH = {"optim._sgd": (0, 2), "optim._rmsprop": (0, 2, 3, 4), "optim._adam": (0, 2, 3)}  # arguments read and written
BANDWIDTH, ARITHMETIC = "memory, float32", "arithmetic, float32 without TF32"

Works = dict[str, Callable[[], Any]]


def run(check: Check) -> None:
    """Time the copy, the kernels, the large product, the products."""
    if check.device == "cuda":
        backend.allow_tf32(False)
    repeat = 1 if check.quick else 7
    with quick_launches(check):
        memory(check, repeat)
        arithmetic(check, repeat)
    check.record.kept["chart"] = True


@contextlib.contextmanager
def quick_launches(check: Check) -> Iterator[None]:
    """Launch by CuPy on a card; as it is done by default if that fails, and then the host's time may be in the results."""
    if check.device != "cuda":
        with few_threads(check.device):
            yield
        return
    from minigan.kernels.cuda import launch

    before = launch.run
    try:
        launch.run = launch.WAYS["cupy"]
        filled(check.device, 256)
    except Exception as error:
        launch.run = before
        check.note(f"launch.WAYS['cupy'] does not work ({told(error)}); the host's time may be in these results.")
    try:
        yield
    finally:
        launch.run = before


# ------------------------------------------------------------------------------------------------------------- memory


def memory(check: Check, repeat: int) -> None:
    """The kernels beside a copy."""
    n = 1 << (10 if check.quick else 26)
    a, b = (filled(check.device, n) for _ in range(2))

    def copy() -> None:
        b[...] = a

    copied = 2 * a.nbytes / float(np.median(seconds(check.device, copy, repeat)))
    check.row(BANDWIDTH, kernel="a copy", MiB=2 * a.nbytes / 2**20, **{"GB/s": copied / 1e9, "of a copy": 1.0})
    if check.device == "cpu":
        check.note("The kernels of the CPU are measured by run.py.")
        return
    for group in (flat, pictures, batches):
        works = group(check.device, n)
        for what in check.progress(works):
            with check.part(what):
                for kernel, (size, times) in by_kernel(check.device, works[what], repeat).items():
                    rate = size / float(np.median(times))
                    cells = {"MiB": size / 2**20, "µs": float(np.median(times)) * 1e6, "GB/s": rate / 1e9}
                    check.row(BANDWIDTH, kernel=kernel, **cells, **{"of a copy": rate / copied}, routine=what)
        del works


def flat(device: str, n: int) -> Works:
    """Routines of a row of numbers."""
    k = backend.kernels(backend.empty((1,), np.float32, device))
    x, g, m, v = (filled(device, n) for _ in range(4))
    np.abs(v, out=v)
    index = backend.to_device(np.random.default_rng(0).integers(16, size=n // 16), device)
    rows, one = x.reshape(n // 16, 16), filled(device, n // 16)
    top = k.amax(rows, (1,))
    return {
        "leaky_relu": lambda: k.leaky_relu(x, 0.2),
        "leaky_relu_backward": lambda: k.leaky_relu_backward(g, x, 0.2),
        "bce_with_logits": lambda: k.bce_with_logits(x, g, "none"),
        "bce_with_logits_backward": lambda: k.bce_with_logits_backward(m, x, g, "none"),
        "squared_error": lambda: k.squared_error(x, g, "none"),
        "squared_error_backward": lambda: k.squared_error_backward(m, x, g, "none"),
        "cross_entropy": lambda: k.cross_entropy(rows, index, "none"),
        "cross_entropy_backward": lambda: k.cross_entropy_backward(one, rows, index, "none"),
        "amax": lambda: k.amax(rows, (1,)),
        "amax_backward": lambda: k.amax_backward(one, rows, top, (1,)),
        "sgd": lambda: k.sgd(x, g, m, 2, 0.0, 0.9, 0.0, 0.0, False),
        "rmsprop": lambda: k.rmsprop(x, g, v, None, None, 0.0, 0.99, 1e-8, 0.0, 0.0),
        "adam": lambda: k.adam(x, g, m, v, 2, 0.0, (0.5, 0.999), 1e-8, 0.0, False),
        "fill_uniform": lambda: k.fill_uniform(g, 1, 0),
        "fill_normal": lambda: k.fill_normal(g, 1, 0),
    }


def pictures(device: str, n: int) -> Works:
    """Routines that go over windows, 4 × 4 with stride 2 as in a DCGAN."""
    k = backend.kernels(backend.empty((1,), np.float32, device))
    C, side = (4, 4) if n < 1 << 20 else (128, 32)
    N = max(1, n // (C * side * side))
    x = filled(device, N * side * side * C).reshape(N, side, side, C).transpose(0, 3, 1, 2)
    half = filled(device, N * side * side * C // 4).reshape(N, side // 2, side // 2, C).transpose(0, 3, 1, 2)
    _, index = k.max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1))
    windows = (4, 4), (2, 2), (1, 1), (1, 1)
    columns = k.unfold(x, *windows)
    pool = (2, 2), (2, 2), (0, 0)
    return {
        "contiguous": lambda: k.contiguous(x),
        "unfold": lambda: k.unfold(x, *windows),
        "fold": lambda: k.fold(columns, (side, side), *windows[1:]),
        "max_pool2d": lambda: k.max_pool2d(x, *pool, (1, 1)),
        "max_pool2d_backward": lambda: k.max_pool2d_backward(half, index, (side, side), *pool, (1, 1)),
        "sum_pool2d": lambda: k.sum_pool2d(x, *pool),
        "sum_pool2d_backward": lambda: k.sum_pool2d_backward(half, (side, side), *pool),
    }


def batches(device: str, n: int) -> Works:
    """Routines that go by channel."""
    k = backend.kernels(backend.empty((1,), np.float32, device))
    C, area = (4, 16) if n < 1 << 20 else (128, 1024)
    side, N = int(area**0.5), max(1, n // (C * area))
    x, g = (filled(device, N * area * C).reshape(N, side, side, C).transpose(0, 3, 1, 2) for _ in range(2))
    weight, bias = filled(device, C), filled(device, C)
    _, mean, var = k.batch_norm(x, weight, bias, 1e-5)
    return {
        "batch_norm": lambda: k.batch_norm(x, weight, bias, 1e-5, 0.2),
        "batch_norm_backward": lambda: k.batch_norm_backward(g, x, weight, bias, mean, var, 1e-5, 0.2),
        "channel_sum": lambda: k.channel_sum(x),
        "scale_and_shift": lambda: k.scale_and_shift(x, weight, bias, 0.2),
    }


def filled(device: str, n: int) -> Any:
    """Normal numbers on the device."""
    out = backend.empty((n,), np.float32, device)
    backend.kernels(out).fill_normal(out, 1, 0)
    return out


def by_kernel(device: str, work: Callable[[], Any], repeat: int) -> dict[str, tuple[int, list[float]]]:
    """For each kernel that the work launches and that matters, its bytes, and its seconds each time."""
    work()
    found: dict[str, tuple[int, list[float]]] = {}
    for _ in range(repeat):
        keep_busy(device)
        with watched_launches(device) as launches:
            work()
        for name, size, begin, end in launches:
            found.setdefault(name, (size, []))[1].append(between(begin, end))
    most = max((size for size, _ in found.values()), default=0)
    return {name: (size, times) for name, (size, times) in found.items() if size > most / 10}


@contextlib.contextmanager
def watched_launches(device: str) -> Iterator[list[tuple[str, int, Any, Any]]]:
    """A list to which each launch adds its kernel's name, its bytes, and marks of time before and behind it."""
    from minigan.kernels.cuda import launch

    names = {id(kernel): name for name, kernel in launch.KERNELS.items()}
    before, launches = launch.run, []

    def run(kernel: Any, grid: Any, block: Any, shared: int, args: tuple[Any, ...]) -> None:
        begin = mark(device)
        before(kernel, grid, block, shared, args)
        end = mark(device)
        name = names.get(id(kernel), "another")
        launches.append((name, moved(name, args), begin, end))

    launch.run = run
    try:
        yield launches
    finally:
        launch.run = before


def moved(name: str, args: tuple[Any, ...]) -> int:
    """The bytes that a kernel must read and write; an array that is given twice, in the place of one not needed, once."""
    arrays = [(i, a) for i, a in enumerate(args) if backend.is_array(a)]
    first = {address(a): (i, a) for i, a in reversed(arrays)}
    return sum(a.nbytes * (2 if i in BOTH.get(name, ()) else 1) for i, a in first.values())


def address(array: Any) -> int:
    """Where an array begins in memory."""
    return array.data.ptr if backend.device_of(array) == "cuda" else array.host.ctypes.data


# --------------------------------------------------------------------------------------------------------- arithmetic


def arithmetic(check: Check, repeat: int) -> None:
    """The products beside cuBLAS's."""
    side = 16 if check.quick else 8192
    a, b = (filled(check.device, side * side).reshape(side, side) for _ in range(2))
    best = 2 * side**3 / float(np.median(seconds(check.device, lambda: a @ b, repeat)))
    cells = {"TFLOP/s": best / 1e12, "of cuBLAS": 1.0}
    check.row(ARITHMETIC, product=f"cuBLAS {side}²" if check.device == "cuda" else f"a @ b {side}²", **cells)
    if check.device == "cpu":
        return
    for what, (operations, work) in check.progress(list(products(check).items())):
        with check.part(what):
            times = seconds(check.device, work, repeat)
            rate = operations / float(np.median(times))
            cells = {"ms": float(np.median(times)) * 1e3, "TFLOP/s": rate / 1e12, "of cuBLAS": rate / best}
            check.row(ARITHMETIC, product=what, **cells)


def products(check: Check) -> dict[str, tuple[int, Callable[[], Any]]]:
    """The FLOPs of each product, and what computes it."""
    k = backend.kernels(backend.empty((1,), np.float32, check.device))
    side = 8 if check.quick else 4096
    a, b = (filled(check.device, side * side).reshape(side, side) for _ in range(2))
    found: dict[str, tuple[int, Callable[[], Any]]] = {
        f"matmul {side}²": (2 * side**3, lambda: k.matmul(a, b)),
        f"tiled_matmul {side}²": (2 * side**3, lambda: k.tiled_matmul(a, b)),
    }
    sizes = (
        ((2, 2, 4, 4),)
        if check.quick
        else ((512, 64, 128, 14), (512, 1, 64, 28), (256, 128, 256, 16), (256, 256, 512, 8))
    )
    for N, C, O, n in ((2, 2, 4, 4),) if check.quick else sizes:
        h = n // 2
        x = filled(check.device, N * n * n * C).reshape(N, n, n, C).transpose(0, 3, 1, 2)
        g = filled(check.device, N * h * h * O).reshape(N, h, h, O).transpose(0, 3, 1, 2)
        w = filled(check.device, O * C * 16).reshape(O, C, 4, 4)
        operations, geometry = 2 * N * h * h * O * C * 16, ((2, 2), (1, 1), (1, 1), 1)

        def forward(x=x, w=w, geometry=geometry) -> Any:
            return k.conv2d(x, w, *geometry)

        def to_input(g=g, w=w, n=n, geometry=geometry) -> Any:
            return k.conv2d_input_grad(g, w, (n, n), *geometry)

        def to_weight(x=x, g=g, geometry=geometry) -> Any:
            return k.conv2d_weight_grad(x, g, (4, 4), *geometry)

        what = f"4×4, {C}→{O}, {n}²→{h}², N {N}"
        found |= {f"conv2d {what}": (operations, forward), f"its input gradient {what}": (operations, to_input)}
        found[f"its weight gradient {what}"] = (operations, to_weight)
    return found
