"""The process in which a library works, and the handle by which it is driven. Imports the standard library; more when asked.

Each library works in a process of its own:

    run.py ──┬── "time dcgan-mnist-64" ──▶ worker with minigan   ── 0.0312 s ──▶
             └── "time dcgan-mnist-64" ──▶ worker with PyTorch   ── 0.0401 s ──▶

They take turns. A step is timed inside the worker, so that the way between the processes is no part of it; and a turn ends
only when the worker's threads have gone to sleep. For a thread that has done its share spins for a while in case that there
is more to do, and takes a core from the other library meanwhile: 100 ms after OpenBLAS, 5 ms after OpenMP.

Requests and answers are lines of JSON on the worker's standard input and output; arrays go through .npz files.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SETTLE = 0.010  # seconds of work before what is timed, so that threads are awake and caches are warm
SAMPLE = 0.005  # seconds that a sample takes at least
ASLEEP = 0.010  # seconds in which a process that has gone to sleep uses next to no processor time


@dataclass
class Work:
    """A piece of work in one library, to be repeated. A suite's `prepare(lib, case)` returns one.

    Attributes
    ----------
    run : callable
        One repetition: what is timed.
    results : callable
        Arrays by name, such as `"gradient: of D.0.weight"`, on which the libraries must agree.
    """

    run: Callable[[], Any]
    results: Callable[[], dict[str, Any]]


class Worker(Protocol):
    """Who can be asked to `prepare`, `turn`, `forget`, `describe`, `memory`."""

    def call(self, method: str, **arguments: Any) -> Any: ...


class LocalWorker:
    """The work itself, done where it is called.

    Examples
    --------
    >>> worker = LocalWorker()
    >>> worker.call("prepare", library="minigan", suite="train", case="mlp-ring")
    >>> seconds = worker.call("turn", library="minigan")
    """

    def __init__(self) -> None:
        self.works: dict[tuple[str, str], Work] = {}

    def call(self, method: str, **arguments: Any) -> Any:
        return getattr(self, method)(**arguments)

    def prepare(
        self, library: str, suite: str, case: str, layout: str = "channels-last", results: str | None = None
    ) -> None:
        """Make a piece of work ready; write what it computes to the file `results`."""
        import numpy as np
        from libraries import make

        work = importlib.import_module(f"suites.{suite}").prepare(make(library, layout), case)
        if results is not None:
            np.savez(results, **work.results())
        self.works[library, layout] = work

    def turn(self, library: str, layout: str = "channels-last") -> float:
        """Seconds that one repetition takes, once settled: a few that do not count, then as many as make a sample."""
        run = self.works[library, layout].run
        begin = time.perf_counter()
        fastest = math.inf
        while time.perf_counter() - begin < SETTLE or fastest == math.inf:
            start = time.perf_counter()
            run()
            fastest = min(fastest, time.perf_counter() - start)
        count = math.ceil(SAMPLE / fastest)
        start = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - start) / count

    def once(self, library: str, layout: str = "channels-last") -> None:
        """A single repetition."""
        self.works[library, layout].run()

    def begin(self, library: str, suite: str, case: str) -> None:
        """Prepare, and a first repetition."""
        self.prepare(library, suite, case)
        self.once(library)

    def ask(self, suite: str, function: str, **arguments: Any) -> Any:
        """What a function of the suite answers, which needs a library to find it out."""
        return getattr(importlib.import_module(f"suites.{suite}"), function)(**arguments)

    def forget(self) -> None:
        """Let all work go."""
        self.works.clear()

    def describe(self, library: str) -> dict[str, Any]:
        """Versions, threads, and the settings that matter to either."""
        module = importlib.import_module(library)
        found: dict[str, Any] = {"version": module.__version__, "numpy": importlib.import_module("numpy").__version__}
        if library == "torch":
            found["threads"] = module.get_num_threads()
        else:
            numba = importlib.import_module("numba")
            found |= {
                "numba": numba.__version__,
                "threads": numba.get_num_threads(),
                "kernels": module.backend.get_kernels(),
            }
        prefixes = ("OPENBLAS_", "OMP_", "GOMP_", "NUMBA_", "MKL_", "MINIGAN_")
        places = {"MINIGAN_DATA", "NUMBA_CACHE_DIR"}  # where things lie is nobody's business
        found["environment"] = {
            k: v for k, v in sorted(os.environ.items()) if k.startswith(prefixes) and k not in places
        }
        return found

    def memory(self) -> dict[str, int]:
        """Bytes of memory that this process has now, and had at most (Linux)."""
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
        return {"now": int(status["VmRSS"].split()[0]) * 1024, "peak": int(status["VmHWM"].split()[0]) * 1024}


class RemoteWorker:
    """A LocalWorker in a process of its own. A call returns when the process is asleep again.

    Parameters
    ----------
    libraries : sequence of str
        What is imported in it, in this order, before anything else.
    threads : int, optional
        Confine it to so many processor cores (Linux); all that this process may use, if left out.
    environment : dict, optional
        Added to this process's own.

    Attributes
    ----------
    answered : float
        When the last answer came (of `time.perf_counter`); the call returned later.

    Raises
    ------
    RuntimeError
        If the process ends, or a request fails; the message holds what it said.
    """

    def __init__(self, libraries: Sequence[str], threads: int | None = None, environment: dict[str, str] | None = None):
        self.name = " and ".join(libraries)
        command = [sys.executable, __file__, *libraries, *([f"--threads={threads}"] if threads else [])]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONUTF8": "1"} | (environment or {}),
        )
        self._answer()  # ready

    def call(self, method: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"method": method, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.answered = time.perf_counter()
        self._wait_until_asleep()
        return answer

    def processor_seconds(self) -> float:
        """The processor time that the process has taken so far, all of its threads together."""
        return time.clock_gettime((~self.process.pid << 3) | 2)  # Linux's clock_getcpuclockid(3)

    def _wait_until_asleep(self) -> None:
        """Threads that have nothing more to do spin for a while before they sleep."""
        if sys.platform != "linux":
            time.sleep(0.2)
            return
        taken = math.inf
        while taken > 0.05 * ASLEEP:
            before = self.processor_seconds()
            time.sleep(ASLEEP)
            taken = self.processor_seconds() - before

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"the worker with {self.name} ended with exit code {self.process.wait()}; see above for why"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the worker with {self.name} failed:\n{answer['error']}")
        return answer["result"]

    def __enter__(self) -> RemoteWorker:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()  # closes its standard input, at which it ends


# ---------------------------------------------------------------------------------------------- inside the process


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def confine(threads: int) -> None:
    """Use only so many of the cores; every library counts them when it is loaded."""
    if not hasattr(os, "sched_setaffinity"):
        raise OSError(f"--threads needs Linux, which lets a process choose its cores; this is {platform.system()}")
    mine = sorted(os.sched_getaffinity(0))
    if threads > len(mine):
        raise ValueError(f"--threads {threads}: this process may use {len(mine)} cores")
    os.sched_setaffinity(0, mine[:threads])


def main(arguments: Sequence[str]) -> None:
    """Answer requests until standard input ends."""
    libraries = [a for a in arguments if not a.startswith("--")]
    for a in arguments:
        if a.startswith("--threads="):
            confine(int(a.removeprefix("--threads=")))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")  # and what a library prints goes where errors go
    os.dup2(2, 1)
    for name in libraries:
        module = importlib.import_module(name)
        if name == "torch":
            module.set_num_threads(cores())
    worker = LocalWorker()

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    answer(result="ready")
    for line in sys.stdin:
        try:
            answer(result=worker.call(**json.loads(line)))
        except Exception:  # told to the other side, which raises it
            answer(error=traceback.format_exc())


if __name__ == "__main__":
    main(sys.argv[1:])
