"""Suite `memory`: how much of it a training step takes at most. Imports cases, libraries, pairs, workers, suites.train.

Every number comes from a fresh process. The peak is the system's own count (VmHWM of /proc on Linux: ru_maxrss of a new
process begins with its parent's). What a library takes by being there is told apart: the growth is counted from where the
process stands once a tiny network has made a step, for PyTorch imports much of itself in the first step of its Adam.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cases import CASES
from libraries import Library
from pairs import Bench, Row, Section, smallest
from workers import RemoteWorker, Work

from suites.train import layouts

STEPS, PROCESSES = 4, 3

Bytes = dict[str, float]


def names() -> list[str]:
    """The cases."""
    return list(CASES)


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Measure the cases called `names`: the peak, and how far it lies over the beginning."""
    count = min(bench.pairs, PROCESSES)
    bench.bar.reset(total=count * len(names))
    rows = []
    for name in names:
        bench.bar.set_postfix_str(name)
        peak(bench, "minigan", name, "channels-last")  # kernels are compiled now, if at all: that takes memory as well
        found: dict[str, list[Bytes]] = {which: [] for which in ("minigan", *layouts(name))}
        for _ in range(count):
            for which, numbers in found.items():
                library, layout = ("minigan", "channels-last") if which == "minigan" else ("torch", which)
                numbers.append(peak(bench, library, name, layout))
            bench.bar.update()
        for part in ("peak", "growth"):
            columns = {which: [n[part] for n in numbers] for which, numbers in found.items()}
            ours = columns.pop("minigan")
            best, others = smallest(columns)
            rows.append(Row(name, part, ours, columns[best], best, others))
    return Section("memory", "a training step in a fresh process", rows, unit="MiB", over="peer")


def peak(bench: Bench, library: str, case: str, layout: str) -> Bytes:
    """The peak of a few steps, and its growth: how much of it came after the imports."""
    which = {"library": library, "layout": layout}
    with RemoteWorker([library], bench.threads) as worker:
        worker.call("prepare", suite="memory", case="warm-up", **which)
        worker.call("once", **which)
        worker.call("forget")
        before = worker.call("memory")["now"]
        worker.call("prepare", suite="train", case=case, **which)
        for _ in range(STEPS):
            worker.call("once", **which)
        most = worker.call("memory")["peak"]
    return {"peak": most, "growth": most - before}


def prepare(lib: Library, case: str) -> Work:
    """The warm-up: a step of a tiny network, at which everything is imported."""
    nn = lib.nn
    net = lib.place(nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(4, 1)))
    adam = lib.adam(net, 1e-3, (0.9, 0.999))
    x = lib.tensor(np.ones((2, 1, 4, 4), np.float32))

    def step() -> None:
        net(x).sum().backward()
        adam.step()

    return Work(step, dict)
