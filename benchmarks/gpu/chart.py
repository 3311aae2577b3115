"""The charts of sections `steps` and `rates`. Imports pairs and report, and matplotlib when it draws."""

from __future__ import annotations

from typing import Any, BinaryIO

import report
from pairs import Row, Section

from gpu.record import Record


def draw_steps(record: Record, machine: str, file: BinaryIO) -> None:
    """A bar for each ratio, as report.py draws them."""
    rows = [Row(**row) for row in record.kept["chart"]]
    order = list(dict.fromkeys(row.case for row in rows))
    rows.sort(key=lambda row: order.index(row.case))
    report.draw(Section("steps", "a training step on a GPU", rows), machine, file)


def draw_rates(record: Record, machine: str, file: BinaryIO) -> None:
    """What share each kernel reaches of a copy's bandwidth, and each product of cuBLAS's rate."""
    from matplotlib.figure import Figure

    tables: list[tuple[list[dict[str, Any]], str, str, str]] = []
    for rows in record.tables.values():
        share = "of a copy" if "of a copy" in rows[0] else "of cuBLAS"
        name, unit = ("kernel", "GB/s") if share == "of a copy" else ("product", "TFLOP/s")
        tables.append((rows, name, unit, share))
    figure = Figure(layout="constrained", dpi=150)
    longest = max(len(rows) for rows, *_ in tables)
    figure.set_size_inches(8 * len(tables), 1.2 + 0.19 * longest)
    for axes, (rows, name, unit, share) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables):
        for y, row in enumerate(rows):
            axes.barh(y, row[share], height=0.76, color=report.COLORS[0 if y else 1])
            label = f"{report.digits(row[unit])} {unit}"
            axes.annotate(label, (row[share], y), (4, 0), textcoords="offset points", va="center", fontsize=7)
        axes.set_yticks(range(len(rows)), [row[name] for row in rows], fontsize=8)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvline(1, color="0.1", linewidth=1)
        axes.set_xlim(0, 1.25 * max(1, *[row[share] for row in rows]))
        axes.set_xlabel(f"share {share}", fontsize=8)
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    figure.suptitle(record.title, fontsize=11)
    figure.supxlabel(machine, fontsize=6, color="0.5")
    figure.savefig(file, format="png")
