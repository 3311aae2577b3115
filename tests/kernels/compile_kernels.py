"""What the CUDA kernels become on a GPU: every one of them compiled and assembled, on a machine that needs to have none.

    python tests/kernels/compile_kernels.py                  the table for one architecture, sm_90
    python tests/kernels/compile_kernels.py --all            for all four
    python tests/kernels/compile_kernels.py --write          the table anew in tests/kernels/compiled_kernels.txt

The simulator runs the kernels as Python, so it cannot see types: `0.5 * x`, where x is a float32, is a float64 to the
compiler, and slow. So this compiles each kernel twice, as its routines call it with float32 and with float64, to PTX. Of
that NVIDIA's assembler, ptxas, makes machine code, and says how many registers a thread takes, and whether some had to be
kept in memory ("spills"). Registers decide how many threads can be under way at once: a multiprocessor has 65536 of them.

`test_cuda_compile.py` runs this file as a process of its own, because Numba either compiles or simulates.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

os.environ.pop("NUMBA_ENABLE_CUDASIM", None)

import numpy as np

from minigan.kernels import cuda
from minigan.kernels.cuda import launch

ARCHITECTURES = (7, 5), (8, 0), (9, 0), (10, 0)
"""Compute capabilities: Turing (T4), Ampere (A100), Hopper (H100), Blackwell (B200)."""

TABLE = Path(__file__).with_name("compiled_kernels.txt")


# ----------------------------------------------------------------------------------------------- what is called with what


class Call(NamedTuple):
    """A kernel, and what a routine started it with."""

    kernel: str
    dtype: str
    block: tuple[int, int, int]
    shared: int
    args: tuple[Any, ...]


def calls() -> list[Call]:
    """One call for each kernel and type of number, recorded while every routine of `kernels.cuda` is called."""
    names = {id(kernel): name for name, kernel in launch.KERNELS.items()}
    found: dict[tuple[str, str, tuple[Any, ...]], Call] = {}

    def record(kernel: Any, grid: Any, block: Any, shared: int, args: tuple[Any, ...]) -> None:
        types = launch.types_of(args)
        call = Call(names[id(kernel)], dtype, block, shared, args)
        found.setdefault((call.kernel, dtype, types), call)

    before, launch.run = launch.run, record
    try:
        for dtype in ("float32", "float64"):
            with np.errstate(all="ignore"):  # nothing is computed, so the routines hand on what memory held
                _call_everything(np.dtype(dtype))
    finally:
        launch.run = before
    return sorted(found.values(), key=lambda call: (list(launch.KERNELS).index(call.kernel), call.dtype))


def _call_everything(dtype: np.dtype) -> None:
    x = np.ones((2, 3, 8, 8), dtype)
    weight = np.ones((4, 3, 4, 4), dtype)
    index = np.zeros((2, 8, 8), np.int64)
    c, labels, matrix = x[0, :, 0, 0], index[0, 0], x[0, 0]
    geometry = (2, 2), (1, 1), (1, 1)
    no_dilation = (2, 2), (2, 2), (0, 0)

    cuda.leaky_relu(x, 0.2)
    cuda.leaky_relu_backward(x, x, 0.2)
    y = cuda.conv2d(x, weight, *geometry, 1, weight[:, 0, 0, 0])
    cuda.conv2d_input_grad(y, weight, (8, 8), *geometry, 1, c)
    cuda.conv2d_weight_grad(x, y, (4, 4), *geometry, 1)
    cuda.fold(cuda.unfold(x, (4, 4), *geometry), (8, 8), *geometry)
    cuda.contiguous(x.transpose(0, 2, 3, 1))
    cuda.contiguous(x.transpose(0, 3, 1, 2))
    for reduction in ("none", "mean"):
        cuda.bce_with_logits(c, c, reduction)
        cuda.bce_with_logits_backward(c, c, c, reduction)
        cuda.squared_error(c, c, reduction)
        cuda.squared_error_backward(c, c, c, reduction)
        cuda.cross_entropy(x, index, reduction)
        cuda.cross_entropy_backward(x[:, 0], x, index, reduction)
    cuda.cross_entropy(matrix, labels, "sum")
    cuda.matmul(matrix, matrix)
    cuda.tiled_matmul(matrix, matrix)
    cuda.batch_norm(x, None, None, 1e-5)
    cuda.batch_norm(x, c, c, 1e-5, 0.2)
    cuda.batch_norm_backward(x, x, c, c, c, c, 1e-5, 0.2)
    cuda.channel_sum(x)
    cuda.scale_and_shift(x, c, c, 0.2)
    cuda.sgd(x, x, x, 2, 0.1, 0.9, 0.0, 0.0, True)
    cuda.rmsprop(x, x, x, None, None, 0.1, 0.9, 1e-8, 0.0, 0.0)
    cuda.adam(x, x, x, x, 1, 1e-3, (0.5, 0.999), 1e-8, 0.0, False)
    y, where = cuda.max_pool2d(x, *no_dilation, (1, 1))
    cuda.max_pool2d_backward(y, where, (8, 8), *no_dilation, (1, 1))
    cuda.sum_pool2d(x, *no_dilation)
    cuda.sum_pool2d_backward(y, (8, 8), *no_dilation)
    cuda.fill_uniform(x, 1, 2)
    cuda.fill_normal(x, 1, 2)
    cuda.amax_backward(c, x, cuda.amax(x, (0, 2, 3)), (0, 2, 3))


# ------------------------------------------------------------------------------------------------ what it is compiled to


def facts(call: Call, cc: tuple[int, int]) -> tuple[dict[str, Any], str]:
    """What PTX says of a kernel compiled for capability `cc`; and the PTX."""
    kernel = launch.KERNELS[call.kernel]
    ptx = launch.ptx(kernel, launch.types_of(call.args), cc)
    row = {
        "kernel": call.kernel,
        "dtype": call.dtype,
        "sm": 10 * cc[0] + cc[1],
        "dynamic_shared": call.shared,
        "float64": float64_in(ptx),
        "parameters": parameters_of(ptx),
    }
    return row, ptx


def float64_in(ptx: str) -> list[str]:
    """The lines of PTX that have to do with float64: instructions have their types in their names, as `mul.f64`."""
    return [line.strip() for line in ptx.splitlines() if re.search(r"\.f64\b", line)]


def parameters_of(ptx: str) -> list[list[Any]]:
    """What the kernel in this PTX expects to be called with: [whether it is a float, how many bytes], in order."""
    (entry,) = re.findall(r"\.visible \.entry [^(]*\(([^)]*)\)", ptx)
    types = re.findall(r"\.param \.([a-z])(\d+)", entry)
    return [[letter == "f", int(bits) // 8] for letter, bits in types]


def find_ptxas() -> str | None:
    """The assembler of the package nvidia-cuda-nvcc, or one on PATH."""
    spec = find_spec("nvidia")
    places = spec.submodule_search_locations if spec else ()
    found = [str(path) for place in places or () for path in Path(place).glob("*/bin/ptxas")]
    return found[0] if found else shutil.which("ptxas")


def assemble(ptxas: str, ptx: str, sm: int) -> dict[str, int]:
    """Registers of a thread, bytes of its stack and of spills, bytes of shared memory the kernel itself asks for."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [ptxas, "-arch", f"sm_{sm}", "-v", file.name, "-o", os.devnull]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    # After the entry's own lines come those of library functions that were not inlined; their stack counts as well.
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    stack, stores, loads = (sum(int(frame[k]) for frame in frames) for k in range(3))
    shared = re.search(r"(\d+) bytes smem", done.stderr)
    return {
        "registers": max(int(n) for n in re.findall(r"Used (\d+) registers", done.stderr)),
        "stack": stack,
        "spill_stores": stores,
        "spill_loads": loads,
        "static_shared": int(shared[1]) if shared else 0,
    }


# --------------------------------------------------------------------------------------------------- what it is called with


class OnDevice:
    """A NumPy array that passes for one on a GPU with the code that starts kernels; nothing reads its numbers."""

    strides: tuple[int, ...] = ()

    def __init__(self, array: np.ndarray) -> None:
        self.dtype, self.ndim, self.size, self.itemsize = array.dtype, array.ndim, array.size, array.itemsize
        self.shape, self.strides, self.flags = array.shape, array.strides, array.flags
        self.data = SimpleNamespace(ptr=array.ctypes.data)


def cupys_arguments(call: Call) -> list[list[Any]]:
    """What `launch` hands to CuPy: [whether it is a float, how many bytes, value], in order.

    CuPy passes NumPy's numbers on as they are and Python's ints in eight bytes (`_pointer` in cupy/cuda/function.pyx).
    """
    handed: list[Any] = []

    def started(grid: Any, block: Any, args: tuple[Any, ...], shared_mem: int) -> None:
        assert isinstance(grid, tuple)
        assert isinstance(block, tuple)
        assert shared_mem == call.shared
        handed.extend(args)

    before, launch._machine_code = launch._machine_code, lambda kernel, types: started
    device, launch._current_device = launch._current_device, lambda: 0
    launch._functions.clear()
    try:
        args = tuple(OnDevice(a) if isinstance(a, np.ndarray) else a for a in call.args)
        launch._through_cupy(launch.KERNELS[call.kernel], (1, 1, 1), call.block, call.shared, args)
    finally:
        launch._machine_code, launch._current_device = before, device
        launch._functions.clear()
    assert all(type(a) is int or isinstance(a, np.generic) for a in handed), handed
    return [[isinstance(a, np.floating), getattr(a, "itemsize", 8), np.asarray(a).item()] for a in handed]


def numbas_arguments(call: Call) -> list[list[Any]]:
    """What Numba itself would hand to the driver for the same call, by the code with which it does so."""
    from ctypes import c_double, c_float, c_int64, sizeof

    from numba.cuda.args import ArgHint
    from numba.cuda.dispatcher import _Kernel

    class There(ArgHint):
        """An array of which Numba is to believe that it lies on the GPU."""

        def to_device(self, retr: Any, stream: Any = 0) -> Any:
            a = self.value
            layout = SimpleNamespace(strides_in_bytes=a.strides)
            return SimpleNamespace(size=a.size, dtype=a.dtype, ptr=a.ctypes.data, shape=a.shape, _layout=layout)

    handed: list[Any] = []
    for a, type_ in zip(call.args, launch.types_of(call.args)):
        value = There(a) if isinstance(a, np.ndarray) else a
        _Kernel._prepare_args(SimpleNamespace(extensions=[]), type_, value, 0, [], handed)
    numbers = [c_int64(a) if isinstance(a, int) else a for a in handed]  # addresses, sizes: as wide as a pointer
    return [[isinstance(a, (c_float, c_double)), sizeof(a), a.value] for a in numbers]


# -------------------------------------------------------------------------------------------------------------- the table


@contextmanager
def source_read_once() -> Iterator[None]:
    """Let Numba keep what it makes of a kernel before the architecture matters: three quarters of the time."""
    from numba.cuda import compiler

    original, kept = compiler._compile_pyfunc_with_fixup, {}

    def remembered(function: Any, types: Any, cc: Any, **options: Any) -> Any:
        if (function, types) not in kept:
            kept[function, types] = original(function, types, cc=cc, **options)
        return kept[function, types]

    compiler._compile_pyfunc_with_fixup = remembered
    try:
        yield
    finally:
        compiler._compile_pyfunc_with_fixup = original


def compile_all(architectures: tuple[tuple[int, int], ...] = ARCHITECTURES) -> list[dict[str, Any]]:
    """Every kernel in float32 and float64 for every architecture. Without ptxas a row says nothing of registers."""
    ptxas, rows = find_ptxas(), []
    with (
        source_read_once(),
        ThreadPoolExecutor(1) as second,
    ):  # ptxas is a program of its own, and works while Numba compiles the next
        for call in calls():
            launched = {"cupy": cupys_arguments(call), "numba": numbas_arguments(call)}
            for cc in architectures:
                row, ptx = facts(call, cc)
                rows.append((row | launched, ptxas and second.submit(assemble, ptxas, ptx, row["sm"])))
        return [row | (assembled.result() if assembled else {}) for row, assembled in rows]


def table(rows: list[dict[str, Any]], sm: int) -> str:
    """A line for each kernel: registers, shared memory and local memory in float32 and in float64."""
    by_kernel: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        if row["sm"] == sm:
            name, bits = re.fullmatch(r"(.*?)(32|64)?", row["kernel"]).groups()  # _normal32, _normal64: one line
            by_kernel.setdefault(name if bits else row["kernel"], {})[row["dtype"]] = row
    lines = [
        f"{f'sm_{sm}':32}|  float32                     |  float64",
        f"{'':32}|  regs  full %  shared  stack |  regs  full %  shared  stack",
        "-" * 32 + "+" + "-" * 30 + "+" + "-" * 30,
    ]
    for name, pair in by_kernel.items():
        cells = [_cells(pair[dtype], sm) if dtype in pair else " " * 28 for dtype in ("float32", "float64")]
        lines.append(f"{name:32}|{cells[0]}  |{cells[1]}".rstrip())
    return "\n".join(lines)


def _cells(row: dict[str, Any], sm: int) -> str:
    if "registers" not in row:
        return f"{'?':>6}{'?':>8}{row['dynamic_shared']:>8}{'?':>7}"[:28].ljust(28)
    shared = row["static_shared"] + row["dynamic_shared"]
    spilled = row["stack"] + row["spill_stores"] + row["spill_loads"]
    return f"{row['registers']:6}{occupancy(row, sm):8.0%}{shared:8}{spilled:6}".ljust(28)


def occupancy(row: dict[str, Any], sm: int) -> float:
    """How much of a multiprocessor's room for threads whole blocks can take: 1024 on Turing, 2048 on the later ones.

    A warp gets its registers 256 at a time, which is 8 for each thread. Shared memory, 64 KiB or more, is not what runs out.
    """
    room = 1024 if sm == 75 else 2048
    blocks = 65536 // (-(-row["registers"] // 8) * 8 * launch.TEAM)
    return min(blocks * launch.TEAM, room) / room


HEADER = """\
The CUDA kernels as machine code. Made by

    python tests/kernels/compile_kernels.py --write

with {versions}.

regs      registers that a thread takes
full %    of the threads that a multiprocessor has room for, how many its 65536 registers allow in blocks of {threads}
shared    bytes of shared memory that a block takes
stack     bytes that a thread keeps in memory because registers do not hold them; 0 is what one wants
"""


def header() -> str:
    ptxas = find_ptxas()
    release = subprocess.run([ptxas, "--version"], capture_output=True, text=True).stdout if ptxas else ""
    versions = [f"numba-cuda {metadata.version('numba-cuda')}", f"nvidia-nvvm {metadata.version('nvidia-nvvm')}"]
    if ptxas:
        versions.append(f"ptxas {re.search(r'V([0-9.]+)', release)[1]}")
    return HEADER.format(versions=", ".join(versions), threads=launch.TEAM)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="the tables of all four architectures")
    parser.add_argument("--write", action="store_true", help=f"write the table of sm_90 to {TABLE.name}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found, of all four")
    options = parser.parse_args()

    started = time.perf_counter()
    rows = compile_all(ARCHITECTURES if options.all or options.json else ((9, 0),))
    if options.json:
        options.json.write_text(json.dumps(rows))
    tables = [table(rows, sm) for sm in sorted({row["sm"] for row in rows})]
    print(header() + "\n" + "\n\n".join(tables))
    print(f"\n{len(rows)} versions in {time.perf_counter() - started:.0f} s")
    wrong = [row for row in rows if row["dtype"] == "float32" and row["float64"]]
    for row in wrong:
        print(f"float64 in {row['kernel']} of float32:  {row['float64'][0]}  and {len(row['float64']) - 1} more")
    if options.write:
        TABLE.write_text(header() + "\n" + table(rows, 90) + "\n")


if __name__ == "__main__":
    sys.exit(main())
