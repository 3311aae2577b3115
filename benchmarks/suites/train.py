"""Suite `train`: a training step of every case. Imports cases, libraries, pairs, workers."""

from __future__ import annotations

from collections.abc import Sequence

from cases import CASES, Training, find
from libraries import Library, Torch
from pairs import Bench, Section
from workers import Work


def names() -> list[str]:
    """The cases."""
    return list(CASES)


def prepare(lib: Library, case: str) -> Work:
    """A training step in one library."""
    training = Training(find(case), lib)
    return Work(training.step, training.results)


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Measure the cases called `names`."""
    bench.bar.reset(total=bench.pairs * len(names))
    return Section("train", "a training step", [bench.measure("train", name, layouts(name)) for name in names])


def layouts(case: str) -> Sequence[str]:
    """PyTorch's memory layouts that make a difference."""
    return Torch.layouts if find(case).layouts_matter else Torch.layouts[:1]
