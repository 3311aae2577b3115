"""The machine that the arithmetic runs on: processor, threads, libraries, and what would make it faster.

Imports nothing of minigan at the top; the compiled kernels, and with them Numba, when it is asked about them.
"""

from __future__ import annotations

import operator
import os
import platform
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

Blas = dict[str, str | int | None]
"""A BLAS library that is loaded: its name, version, the processor that its kernels are written for, its threads."""


def get_num_threads() -> int:
    """How many threads the kernels share long routines among; at first, as many as there are processors."""
    from minigan.kernels.cpu import threads

    return threads.get_num_threads()


def set_num_threads(n: int) -> None:
    """Compute on `n` threads from now on: the kernels, and each BLAS library that is loaded.

    The kernels' results do not depend on it, to the last bit. Other code that Numba compiled gets `n` threads as well, in
    the Python thread that calls this.

    Parameters
    ----------
    n : int
        From 1 to as many threads as Numba launches, which is the number of processors that this process may use, or what
        the environment variable NUMBA_NUM_THREADS says.

    Raises
    ------
    TypeError
        If `n` is not a whole number.
    ValueError
        If `n` is less than 1, or more than Numba launches.

    Examples
    --------
    >>> import minigan as mg
    >>> before = mg.get_num_threads()
    >>> mg.set_num_threads(1)
    >>> mg.get_num_threads()
    1
    >>> mg.set_num_threads(before)
    """
    from threadpoolctl import threadpool_limits

    from minigan.kernels.cpu import threads

    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"set_num_threads: n must be a whole number, got {n!r} of type {type(n).__name__}") from None
    most = threads.LAUNCHED
    if n < 1:
        raise ValueError(f"set_num_threads: n is {n}, but at least one thread must compute; choose 1 to {most}")
    if n > most:
        raise ValueError(
            f"set_num_threads: n is {n}, but Numba launches no more than {most} here; choose 1 to {most}, or start Python "
            f"with NUMBA_NUM_THREADS={n} in the environment"
        )
    threads.set_num_threads(n)
    threadpool_limits(n, user_api="blas")


@dataclass(frozen=True)
class Machine:
    """What `minigan.backend.info()` found out. Printed, it is a page to read; `dataclasses.asdict` makes a dict of it.

    Attributes
    ----------
    versions : dict
        Of minigan, python, numpy, numba, llvm.
    processor, architecture : str
        The processor by its own name, and the name of its design as LLVM knows it.
    vector_bits : int
        The width of its vector registers; the kernels use all of it.
    processors : int
        How many of them this process may run on.
    threads : int
        How many of them the kernels use.
    threading_layer : str
        What Numba starts its threads with: "omp" (OpenMP), "tbb" or "workqueue".
    kernels : str
        The kernels in use, "cpu" or "reference".
    machine_code : str or None
        The folder in which the compiled kernels are kept, if there is one.
    compiled, routines : int
        How many of the `routines` that Numba compiles are in that folder.
    blas : list of dict
        The BLAS libraries that are loaded: library, version, kernels, threads.
    advice : list of str
        What would make this run faster, a sentence or two each.
    devices : dict
        Each device, and what it is, or why it cannot be used here.
    """

    versions: dict[str, str]
    processor: str
    architecture: str
    vector_bits: int
    processors: int
    threads: int
    threading_layer: str
    kernels: str
    machine_code: str | None
    compiled: int
    routines: int
    blas: list[Blas]
    advice: list[str] = field(default_factory=list)
    devices: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        names = {"python": "Python", "numpy": "NumPy", "numba": "Numba", "llvm": "LLVM"}
        versions = ", ".join(f"{names.get(package, package)} {version}" for package, version in self.versions.items())
        layer = {"omp": "OpenMP", "tbb": "TBB", "workqueue": "Numba's workqueue"}[self.threading_layer]
        rows = [
            ("versions", versions),
            ("processor", f"{self.processor} ({self.architecture}), vectors of {self.vector_bits} bits"),
            ("threads", f"{self.threads} on {self.processors} processors, {layer}"),
            ("kernels", self.kernels),
            ("compiled", f"{self.compiled} of {self.routines} routines, kept in {self.machine_code or 'no folder'}"),
        ]
        kernels = "{library} {version}, kernels for {kernels}, threads: {threads}"
        rows += [("BLAS", kernels.format(**blas)) for blas in self.blas]
        rows += [("device", f"{name}: {what}") for name, what in self.devices.items()]
        rows += [("faster", sentence) for sentence in self.advice]
        page = textwrap.TextWrapper(
            width=100, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False
        )
        return "\n".join(page.fill(f"{label:11}{text}") for label, text in rows)


def look(kernels: str) -> Machine:
    """Ask Numba, the BLAS libraries and the operating system. `kernels` is the name of those in use."""
    import llvmlite.binding as llvm
    import numba
    from threadpoolctl import threadpool_info

    from minigan.kernels.cpu.compile import machine_code
    from minigan.kernels.cpu.tile import REGISTER_BYTES

    versions = {name: metadata.version(name) for name in ("minigan", "numpy", "numba")}
    versions |= {"llvm": ".".join(map(str, llvm.llvm_version_info)), "python": platform.python_version()}
    threads = get_num_threads()
    numba.get_num_threads()  # launches them, if that has not been done: only then does Numba know its threading layer
    code = machine_code()
    machine = Machine(
        versions=versions,
        processor=_processor(),
        architecture=llvm.get_host_cpu_name(),
        vector_bits=8 * REGISTER_BYTES,
        processors=_processors(),
        threads=threads,
        threading_layer=numba.threading_layer(),
        kernels=kernels,
        machine_code=code.folder,
        compiled=code.kept,
        routines=code.routines,
        blas=[
            {
                "library": library["internal_api"],
                "version": library["version"],
                "kernels": library.get("architecture"),
                "threads": library["num_threads"],
            }
            for library in threadpool_info()
            if library["user_api"] == "blas"
        ],
    )
    return replace(machine, advice=list(_advice(machine, os.environ)))


def _processor() -> str:
    """The name that the processor gives itself, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _processors() -> int:
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _advice(machine: Machine, environ: Mapping[str, str]) -> Iterator[str]:
    """What would make it faster. The figures were measured on two processors of an AMD EPYC with AVX-512."""
    if environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        yield "NUMBA_DISABLE_JIT is set, so the cpu kernels run as plain Python, where they can at all: unset it."
    if machine.kernels == "reference":
        yield "The reference kernels are made to be read. For those made to be fast, set MINIGAN_KERNELS=cpu."
    if machine.threads < machine.processors:
        limited = "NUMBA_NUM_THREADS" in environ and f"start Python without NUMBA_NUM_THREADS={machine.threads}"
        how = limited or f"call minigan.set_num_threads({machine.processors})"
        yield f"The kernels use {machine.threads} of {machine.processors} processors: {how}."
    if machine.threading_layer == "workqueue":
        yield (
            "To share a routine among threads takes Numba's workqueue 25 to 45 µs, and OpenMP 1.3: start Python with "
            "NUMBA_THREADING_LAYER=omp."
        )
    if machine.routines and machine.machine_code is None:
        yield (
            "Every process compiles the kernels anew, because no folder for a cache can be written: start Python with "
            "NUMBA_CACHE_DIR set to one that can."
        )
    narrow = [blas["kernels"] for blas in machine.blas if blas["kernels"] in ("Haswell", "Zen")]
    if narrow and machine.vector_bits == 512:
        asked = environ.get("OPENBLAS_CORETYPE")
        how = f"without OPENBLAS_CORETYPE={asked}" if asked else "with OPENBLAS_CORETYPE=SkylakeX"
        yield (
            f"OpenBLAS uses its kernels for {narrow[0]}, whose vectors are half as wide as this processor's: start Python "
            f"{how}. NumPy's matrix products are 1.9 times as fast then; minigan's convolutions do without BLAS."
        )
