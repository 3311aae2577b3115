"""Suite `startup`: how long it takes until something happens. Imports pairs and workers.

minigan's kernels are compiled when they are first called, and kept in a folder; NUMBA_CACHE_DIR says in which. So its first
step is measured with that folder empty, and with what the run before has left in it. PyTorch has nothing to compile.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np
from pairs import Bench, Row, Section
from workers import RemoteWorker

CASE = "dcgan-mnist-64"
IMPORT, WARM, COLD = "import", f"first step of {CASE}, kernels kept", f"first step of {CASE}, nothing kept"
PROCESSES = {IMPORT: 10, WARM: 5, COLD: 3}


def names() -> list[str]:
    """What is waited for."""
    return [IMPORT, WARM, COLD]


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Measure what is in `names`, in fresh processes in turn."""
    counts = {name: min(bench.pairs, PROCESSES[name]) for name in names}
    bench.bar.reset(total=sum(counts.values()))
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as folder:
        if WARM in names:
            first_step(bench, "minigan", folder)
        for name, count in counts.items():
            bench.bar.set_postfix_str(name)
            row = Row(name, "", [], [])
            for _ in range(count):
                if name == IMPORT:
                    row.minigan.append(imported("minigan"))
                    row.peer.append(imported("torch"))
                else:
                    with tempfile.TemporaryDirectory() as empty:
                        row.minigan.append(first_step(bench, "minigan", folder if name == WARM else empty))
                        row.peer.append(first_step(bench, "torch", empty))
                bench.bar.update()
            rows.append(row)
    if IMPORT in names:
        python = np.median([imported("sys") for _ in range(counts[IMPORT])])
        notes.append(f"Of each, Python itself takes {python * 1e3:.0f} ms to start and to end.")
    return Section("startup", "in a new process", rows, unit="s", notes=notes)


def imported(library: str) -> float:
    """Seconds that `python -c "import library"` takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {library}"], check=True)
    return time.perf_counter() - start


def first_step(bench: Bench, library: str, kernels: str) -> float:
    """Seconds from the start of a process to the end of its first training step."""
    start = time.perf_counter()
    with RemoteWorker([library], bench.threads, {"NUMBA_CACHE_DIR": kernels}) as worker:
        worker.call("begin", library=library, suite="train", case=CASE)
        return worker.answered - start
