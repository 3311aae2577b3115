"""Two libraries measured side by side: compared first, then run in turn. Imports NumPy and workers.

A machine is never quite the same for long, so the two are timed in turn, A B A B, and what counts is the ratio within each
pair. The median of the ratios is reported, and how far they spread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from workers import Worker

# How far apart two results may be, relative to their size, by the first word of their names. Five times the distance between
# PyTorch's results in its own two layouts is added: where a ReLU's input is 0 but for rounding, all that follows shows it.
TOLERANCE = {"value": 1e-4, "loss": 1e-4, "gradient": 1e-2, "update": 2e-2}
TRIALS = 5  # turns in which PyTorch's faster layout is found; they are the last of the warm-up

Results = dict[str, np.ndarray]


class DifferenceError(RuntimeError):
    """The libraries disagree, so there is nothing to time."""


@dataclass
class Row:
    """One thing measured in both libraries, one number a pair: seconds, or bytes.

    Attributes
    ----------
    case, part : str
        What was measured, and which part of it ("forward", "input gradient", ...; empty if all of it).
    minigan, peer : list of float
    layout : str
        The memory layout in which PyTorch did better.
    others : dict
        The median of the layouts in which it did not.
    """

    case: str
    part: str
    minigan: list[float]
    peer: list[float]
    layout: str = ""
    others: dict[str, float] = field(default_factory=dict)

    def summary(self, over: str = "minigan") -> dict[str, float]:
        """Medians; and the median, the quartiles and the extremes of the paired ratios, `over` one of the two.

        Examples
        --------
        >>> summary = Row("a", "", minigan=[1.0, 2.0, 4.0], peer=[2.0, 2.0, 12.0]).summary()
        >>> summary["ratio"], summary["max"]
        (2.0, 3.0)
        """
        ratios = np.array(self.peer) / np.array(self.minigan)
        low, q1, median, q3, high = np.percentile(ratios if over == "minigan" else 1 / ratios, [0, 25, 50, 75, 100])
        found = {"minigan": np.median(self.minigan), "peer": np.median(self.peer)}
        found |= {"ratio": median, "q1": q1, "q3": q3, "min": low, "max": high}
        return {name: float(value) for name, value in found.items()}


@dataclass
class Section:
    """The rows of a suite, and how to read them.

    Attributes
    ----------
    suite, title : str
    rows : list of Row
    unit : {"ms", "s", "MiB"}
        In which they are shown.
    over : {"minigan", "peer"}
        Whose number the ratios are over: minigan's where more than 1 is to mean faster.
    notes : list of str
        What else was found.
    """

    suite: str
    title: str
    rows: list[Row]
    unit: str = "ms"
    over: str = "minigan"
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """What is kept: every number of every pair, in seconds or bytes."""
        rows = [asdict(row) | {"summary": row.summary(self.over)} for row in self.rows]
        ratio = "peer / minigan" if self.over == "minigan" else "minigan / peer"
        measured = "bytes" if self.unit == "MiB" else "seconds"
        return {"title": self.title, "measured": measured, "ratio": ratio, "rows": rows, "notes": self.notes}


@dataclass
class Bench:
    """The two workers, and how often they take turns. They may be one and the same.

    Attributes
    ----------
    minigan, peer : Worker
    bar : tqdm
        Counts the pairs.
    pairs : int, default 20
    threads : int, optional
        For workers that a suite starts itself.
    """

    minigan: Worker
    peer: Worker
    bar: tqdm
    pairs: int = 20
    threads: int | None = None

    def measure(self, suite: str, case: str, layouts: Sequence[str], part: str = "") -> Row:
        """Compare, warm up, find PyTorch's faster layout, and time in turn.

        Parameters
        ----------
        suite, case : str
            What `suites.SUITE.prepare` makes a Work of.
        layouts : sequence of str
            PyTorch's memory layouts to be tried.
        part : str, optional
            The part of the case; the work is then called `case | part`.

        Raises
        ------
        DifferenceError
            If the results differ, naming the first that does.
        """
        minigan = (self.minigan, {"library": "minigan"})
        peers = {layout: (self.peer, {"library": "torch", "layout": layout}) for layout in layouts}
        name = f"{case} | {part}" if part else case
        self.bar.set_postfix_str(name)
        ours, *theirs = [prepared(*side, suite=suite, case=name) for side in (minigan, *peers.values())]
        compare(name, ours, *theirs)

        def turn(worker: Worker, which: dict[str, str]) -> float:
            return worker.call("turn", **which)

        trials: dict[str, list[float]] = {layout: [] for layout in layouts}
        for _ in range(TRIALS):
            turn(*minigan)
            for layout, times in trials.items():
                times.append(turn(*peers[layout]))
        best, others = smallest(trials)
        row = Row(case, part, [], [], best, others)
        for _ in range(self.pairs):
            row.minigan.append(turn(*minigan))
            row.peer.append(turn(*peers[best]))
            self.bar.update()
        for worker in (self.minigan, self.peer):
            worker.call("forget")
        return row


def smallest(measured: dict[str, list[float]]) -> tuple[str, dict[str, float]]:
    """Whose median is the smallest, and the medians of the others."""
    medians = {name: float(np.median(numbers)) for name, numbers in measured.items()}
    best = min(medians, key=lambda name: medians[name])
    return best, {name: median for name, median in medians.items() if name != best}


def prepared(worker: Worker, which: dict[str, str], **work: str) -> Results:
    """Have a piece of work made ready; what it computes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.npz"
        worker.call("prepare", results=str(path), **work, **which)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)


def compare(what: str, ours: Results, theirs: Results, *others: Results) -> None:
    """A DifferenceError if `ours` and `theirs` differ by more than float32 does; `others` are theirs in other layouts."""
    if ours.keys() != theirs.keys():
        raise DifferenceError(f"{what}: only one of minigan and PyTorch has {sorted(ours.keys() ^ theirs.keys())}")
    differing = []
    for name, expected in theirs.items():
        if ours[name].shape != expected.shape:
            raise DifferenceError(
                f"{what}: {name} has shape {ours[name].shape} in minigan, {expected.shape} in PyTorch"
            )
        spread = max([distance(other[name], expected) for other in others], default=0)
        gap, allowed = distance(ours[name], expected), TOLERANCE[name.split(":")[0]] + 5 * spread
        if not gap <= allowed:
            differing.append(f"{name} by {gap:.2g} of its size, where {allowed:.2g} can be rounding")
    if differing:
        raise DifferenceError(
            f"{what}: minigan and PyTorch differ in {len(differing)} of {len(theirs)} results, first in {differing[0]}. "
            f"Nothing was timed."
        )


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖, or infinity if a number is missing; 1e-6 is the least size there is."""
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    gap = float(np.linalg.norm(a - b) / (np.linalg.norm(b) + 1e-6))
    return gap if np.isfinite(gap) else np.inf
