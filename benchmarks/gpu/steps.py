"""Section `steps`: training steps of minigan and PyTorch on one device, in turn. Imports cases, libraries, pairs, minigan.

The cases, their weights and batches are those of run.py, and so is the comparison that comes first. Both libraries work in
this one process and take turns, A B A B; a turn is as many steps as fill a sample, and ends when the device has done them.
The ratio is taken within each pair of turns.

PyTorch gets its best: fused Adam, cuDNN's search for the fastest algorithm, the memory layout in which it is faster; and
beside eager mode, networks compiled by `torch.compile`, if the time allows. TF32 is off for both, and then on for both.
"""

from __future__ import annotations

import contextlib
import cProfile
import gc
import importlib
import importlib.util
import math
import pstats
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from cases import Training, find
from libraries import Minigan, Torch
from pairs import DifferenceError, Row, compare, smallest

from gpu.clock import few_threads, synchronize
from gpu.record import Check, told
from minigan import backend

TITLE = "training steps of minigan and PyTorch, in turn"
SECONDS = 155

CASES = ("dcgan-mnist-64", "dcgan-mnist-128", "dcgan-mnist-512", "dcgan-64", "wgan-gp-mnist", "mlp-ring", "lenet")
TINY = ("dcgan-mnist-2-nf2",)
COMPILED = {"compiled": "default", "compiled, reduce-overhead": "reduce-overhead"}
SETTLE, SAMPLE = 0.01, 0.03  # seconds of steps before a turn, and at least in it
TRIALS = 3  # turns in which PyTorch's faster layout is found


class Compiled(Torch):
    """PyTorch with its networks compiled."""

    def __init__(self, mode: str, layout: str, device: str):
        super().__init__(layout, device)
        self.mode = mode

    def place(self, net: Any) -> Any:
        net = super().place(net)
        plain = net.forward

        def forward(x: Any) -> Any:  # a function of ours: `torch.compile` passes over the methods of its own containers
            return plain(x)

        net.forward = self.api.compile(forward, mode=self.mode)
        return net


def run(check: Check) -> None:
    """Measure."""
    with few_threads(check.device):
        measure(check)


def measure(check: Check) -> None:
    """The account of minigan's time first, then beside PyTorch: eager, with TF32, compiled."""
    names = TINY if check.quick else CASES
    with tf32(check.device, False):
        with check.part("where the time goes"):
            account(check, names[0])
        if check.device == "cuda":
            with check.part("ways to launch"):
                ways(check, names[0])
    if importlib.util.find_spec("torch") is None:
        check.note("PyTorch is not here, so there is nothing to compare with.")
        return
    layouts: dict[str, str] = {}
    with tf32(check.device, False):
        for name in check.progress(names):
            with check.part(f"{name}, eager"):
                layouts[name] = eager(check, name, "eager", compared=True)
    if check.device != "cuda":
        return
    with tf32(check.device, True):
        for name in check.progress(names):
            with check.part(f"{name}, eager, TF32"):
                eager(check, name, "eager, TF32", compared=False)
    with tf32(check.device, False):
        for name in check.progress([name for name in names if name in layouts]):
            for label in COMPILED:
                if check.late(ahead=30):  # compiling takes that long
                    check.note(f"{label}, {name}: left out, for there was no time to compile it.")
                    continue
                try:
                    compiled(check, name, label, layouts[name])
                except Exception as error:  # not every step can be compiled; that is a finding
                    check.note(f"{label}, {name}: PyTorch could not ({told(error)}).")


# -------------------------------------------------------------------------------------------------------------- pairs


def eager(check: Check, name: str, part: str, compared: bool) -> str:
    """Time minigan beside eager PyTorch in its faster layout, which is returned."""
    case = find(name)
    ours = Training(case, Minigan(check.device))
    theirs = {
        layout: Training(case, Torch(layout, for_torch(check.device)))
        for layout in (Torch.layouts if case.layouts_matter else Torch.layouts[:1])
    }
    if compared:
        agree(check, name, ours, theirs)
    trials: dict[str, list[float]] = {layout: [] for layout in theirs}
    for _ in range(TRIALS):
        for layout, times in trials.items():
            times.append(turn(check, theirs[layout].step))
    best, others = smallest(trials)
    pair(check, Row(name, part, [], [], best, others), ours.step, theirs[best].step)
    return best


def for_torch(device: str) -> str:
    """Where PyTorch computes: beside a GPU that is simulated, on the CPU."""
    return "cuda" if device == "cuda" else "cpu"


def agree(check: Check, name: str, ours: Training, theirs: dict[str, Training]) -> None:
    """Compare what both compute; where that differs, the times are taken all the same, and the section has failed."""
    try:
        compare(name, ours.results(), *[training.results() for training in theirs.values()])
    except DifferenceError as error:
        check.fail(str(error).removesuffix(" Nothing was timed."))


def compiled(check: Check, name: str, label: str, layout: str) -> None:
    """Time minigan beside compiled PyTorch."""
    import torch

    case = find(name)
    torch._dynamo.reset()
    begin = time.perf_counter()
    theirs = Training(case, Compiled(COMPILED[label], layout, for_torch(check.device)))
    for _ in range(3):
        theirs.step()
    synchronize(check.device)
    check.record.kept.setdefault("seconds to compile", {})[f"{name}, {label}"] = time.perf_counter() - begin
    ours = Training(case, Minigan(check.device))
    pair(check, Row(name, label, [], [], layout), ours.step, theirs.step)


def pair(check: Check, row: Row, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """Take turns, and tell the medians and the ratio."""
    turn(check, ours)
    turn(check, theirs)
    for _ in range(2 if check.quick else 15):
        row.minigan.append(turn(check, ours))
        row.peer.append(turn(check, theirs))
    s = row.summary()
    times = {"minigan, ms": s["minigan"] * 1e3, "PyTorch, ms": s["peer"] * 1e3}
    spread = f"{s['q1']:.2f} to {s['q3']:.2f}"
    check.record.kept.setdefault("chart", []).append(asdict(row))
    check.row(
        "a training step; ratio: PyTorch's time / minigan's",
        case=row.case,
        PyTorch=row.part,
        **times,
        ratio=s["ratio"],
        quartiles=spread,
        **{"PyTorch's layout": row.layout},
    )


def turn(check: Check, step: Callable[[], Any]) -> float:
    """Seconds a step takes, once settled, over as many as make a sample."""
    synchronize(check.device)
    begin, fastest = time.perf_counter(), math.inf
    while time.perf_counter() - begin < SETTLE or fastest == math.inf:
        start = time.perf_counter()
        step()
        synchronize(check.device)
        fastest = min(fastest, time.perf_counter() - start)
    count = math.ceil(SAMPLE / fastest)
    start = time.perf_counter()
    for _ in range(count):
        step()
    synchronize(check.device)
    return (time.perf_counter() - start) / count


@contextlib.contextmanager
def tf32(device: str, allowed: bool) -> Iterator[None]:
    """TF32 on or off for both libraries, and off again; memory of earlier cases is given back."""
    gc.collect()
    if device != "cuda":
        yield
        return
    torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    if torch is not None:
        torch.backends.cudnn.benchmark = True

    def allow(value: bool) -> None:
        backend.allow_tf32(value)
        if torch is not None:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = value

    allow(allowed)
    try:
        yield
    finally:
        allow(False)


# --------------------------------------------------------------------------------------------- where minigan's time goes


def ways(check: Check, name: str) -> None:
    """minigan's step with each way of launching, in turn."""
    from minigan.kernels.cuda import launch

    step, before = Training(find(name), Minigan(check.device)).step, launch.run
    times: dict[str, list[float]] = {way: [] for way in launch.WAYS}
    try:
        for i in range(3 if check.quick else 11):
            for way, found in times.items():
                launch.run = launch.WAYS[way]
                seconds = turn(check, step)
                if i > 0:  # the first compiles
                    found.append(seconds)
    finally:
        launch.run = before
    used = next((way for way, function in launch.WAYS.items() if function is before), "another")
    for way, found in times.items():
        check.row(f"{name} by the way of launching", way=way, ms=float(np.median(found)) * 1e3, default=way == used)


def account(check: Check, name: str) -> None:
    """How many kernels a step launches, which functions of the host it passes its time in, how long the card works."""
    step = Training(find(name), Minigan(check.device)).step
    step()
    seconds = turn(check, step)
    check.note(f"{name}: a step takes {seconds * 1e3:.2f} ms by itself.")
    if check.device != "cpu":
        counts = launches_of(check.device, step)
        title = f"{name}: kernels of minigan's that a step launches ({sum(counts.values())})"
        for kernel, n in counts.most_common():
            check.row(title, kernel=kernel, launches=n)
    on_the_host(check, name, step)
    if check.device == "cuda" and importlib.util.find_spec("torch") is not None:
        with check.part("the card's own account"):
            on_the_card(check, f"{name}, minigan", step)
            on_the_card(check, f"{name}, PyTorch eager", Training(find(name), Torch("channels-last", "cuda")).step)


def launches_of(device: str, step: Callable[[], Any]) -> Counter[str]:
    """How often a step launches each kernel of minigan's own."""
    from gpu.rates import watched_launches

    with watched_launches(device) as launches:
        step()
    return Counter(kernel for kernel, *_ in launches)


def on_the_host(check: Check, name: str, step: Callable[[], Any], steps: int = 10) -> None:
    """The functions in which the host passes its time, by cProfile, which makes short functions look longer."""
    steps = 1 if check.quick else steps
    profile = cProfile.Profile()
    with profile:
        for _ in range(steps):
            step()
        synchronize(check.device)
    stats: Any = pstats.Stats(profile)
    entries = sorted(stats.stats.items(), key=lambda entry: -entry[1][2])
    total = sum(own for _, (_, _, own, _, _) in entries)
    for (file, line, function), (_, calls, own, cumulative, _) in entries[:15]:
        where = f"{'/'.join(Path(file).parts[-2:])}:{line} {function}" if line else function
        cells = {
            "calls a step": calls / steps,
            "own ms a step": own / steps * 1e3,
            "with callees": cumulative / steps * 1e3,
        }
        check.row(f"{name}: the host's time in minigan's step, profiled", function=where, **cells, share=own / total)


def on_the_card(check: Check, what: str, step: Callable[[], Any], steps: int = 5) -> None:
    """All kernels that run on the card, whoever launches them, and how long it is busy with them, by PyTorch's profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    for _ in range(3):
        step()
    synchronize("cuda")
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        synchronize("cuda")
        wall = (time.perf_counter() - begin) / steps
    times: dict[str, list[float]] = {}
    for event in found.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            times.setdefault(event.name, []).append(event.time_range.elapsed_us())
    busy = sum(map(sum, times.values())) / steps
    title = "what runs on the card in a step"
    cells = {"kernels and copies": sum(map(len, times.values())) / steps, "busy µs": busy, "wall µs": wall * 1e6}
    check.row(title, of=what, **cells, **{"busy share": busy / (wall * 1e6)})
    for kernel, each in sorted(times.items(), key=lambda entry: -sum(entry[1]))[:15]:
        cells = {"a step": len(each) / steps, "µs a step": sum(each) / steps}
        check.row(f"{what}: what takes the card longest", kernel=kernel[:80], **cells)
