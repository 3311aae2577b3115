"""Section `memory`: the peak of a training step on the card. Imports cases, libraries, steps; CuPy and PyTorch when it runs.

Counted is what the library's own pool has given out: CuPy's, watched by a hook at each allocation, and PyTorch's, which
counts by itself. What the pools hold beyond that, because they keep what was freed, is told as well.
"""

from __future__ import annotations

import gc
import importlib.util
from typing import Any

from cases import Case, Training, find
from libraries import Minigan, Torch

from gpu.clock import synchronize
from gpu.record import Check
from gpu.steps import CASES, TINY

TITLE = "peak memory of a training step"
SECONDS = 20
STEPS = 3


def run(check: Check) -> None:
    """Both libraries, one after the other."""
    if check.device != "cuda":
        check.note("Left out: it is the card's memory that is counted here; run.py measures that of processes.")
        return
    has_torch = importlib.util.find_spec("torch") is not None
    for name in check.progress(TINY if check.quick else CASES):
        with check.part(name):
            used, held = of_minigan(find(name))
            cells: dict[str, Any] = {"minigan": used / 2**20, "held": held / 2**20}
            if has_torch:
                used_by_torch, held_by_torch = of_torch(find(name))
                cells |= {"PyTorch": used_by_torch / 2**20, "held by PyTorch": held_by_torch / 2**20}
                cells["minigan / PyTorch"] = used / used_by_torch
            check.row("MiB, PyTorch eager", case=name, **cells)


def of_minigan(case: Case) -> tuple[int, int]:
    """The most bytes in use, and the bytes that the pool holds in the end."""
    import cupy

    pool = cupy.get_default_memory_pool()

    class Peak(cupy.cuda.MemoryHook):
        name = "Peak"
        most = 0

        def malloc_postprocess(self, **_: Any) -> None:
            self.most = max(self.most, pool.used_bytes())

    gc.collect()
    pool.free_all_blocks()
    before, held = pool.used_bytes(), pool.total_bytes()
    peak = Peak()
    with peak:
        training = Training(case, Minigan("cuda"))
        for _ in range(STEPS):
            training.step()
        synchronize("cuda")
    return peak.most - before, pool.total_bytes() - held


def of_torch(case: Case) -> tuple[int, int]:
    """The same of PyTorch, eager, channels-last."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before, held = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    training = Training(case, Torch("channels-last", "cuda"))
    for _ in range(STEPS):
        training.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before, torch.cuda.max_memory_reserved() - held
