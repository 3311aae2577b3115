"""Suite `scaling`: how the time of a step grows with the batch and with the width. Imports pairs and suites.train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pairs import Bench, Row, Section

from suites.train import layouts

SIZES = {"batch": (16, 32, 64, 128, 256), "width": (16, 32, 64, 128)}
CASES = {"batch": "dcgan-mnist-{}", "width": "dcgan-mnist-64-nf{}"}  # of 64 feature maps; of batches of 64
FITTED_FROM = 32  # what a step costs whatever its size bends the line below


def names() -> list[str]:
    """What grows."""
    return list(SIZES)


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Measure steps of a DCGAN of many sizes, and fit `seconds ∝ size^α`."""
    bench.bar.reset(total=bench.pairs * sum(len(SIZES[name]) for name in names))
    rows, notes = [], []
    for name in names:
        for size in SIZES[name]:
            case = CASES[name].format(size)
            row = bench.measure("train", case, layouts(case))
            rows.append(replace(row, case=name, part=str(size)))
        ours, theirs = (exponent(rows, name, side) for side in ("minigan", "peer"))
        notes.append(
            f"From {name} {FITTED_FROM} on, a step takes ∝ {name}^{ours:.2f} in minigan, ∝ {name}^{theirs:.2f} in PyTorch."
        )
    return Section("scaling", "a training step of dcgan-mnist", rows, notes=notes)


def exponent(rows: Sequence[Row], name: str, side: str) -> float:
    """The slope of a straight line through log seconds over log size.

    Examples
    --------
    >>> rows = [Row("batch", str(n), [n**1.5], [1.0]) for n in (16, 32, 64)]
    >>> round(exponent(rows, "batch", "minigan"), 6)
    1.5
    """
    points = [(int(row.part), row.summary()[side]) for row in rows if row.case == name]
    sizes, seconds = zip(*[(size, t) for size, t in points if size >= FITTED_FROM])
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
