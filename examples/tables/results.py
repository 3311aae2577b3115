"""What the tables of this folder share: a CSV file that grows by a row a run, and means with standard errors of it.

A row is written when its run is finished, whole or not at all; so a table that was interrupted goes on where it stopped, and
two processes may do different runs of one table.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from minigan.files import write_atomically

FOLDER = Path(__file__).parent / "results"


class Results:
    """The runs of one table, by name and seed.

    Parameters
    ----------
    path : Path
        Of a CSV file, which may not exist yet.
    columns : sequence of str
        What is measured of each run, all numbers. "run" and "seed" come before them.
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        self.path, self.columns = path, ("run", "seed", *columns)
        self.rows = self._read()

    def _read(self) -> dict[tuple[str, int], dict[str, float]]:
        rows: dict[tuple[str, int], dict[str, float]] = {}
        if self.path.exists():
            with open(self.path, encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if tuple(row) != self.columns:
                        raise SystemExit(
                            f"{self.path}: has the columns {list(row)}, expected {list(self.columns)}; move it"
                        )
                    key = row.pop("run"), int(row.pop("seed"))
                    rows[key] = {name: float(value) for name, value in row.items()}
        return rows

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self.rows

    def add(self, run: str, seed: int, measured: Mapping[str, float]) -> None:
        """Write a row, with the old ones before it, those of other processes included."""
        self.rows = self._read()
        self.rows[run, seed] = {name: float(measured[name]) for name in self.columns[2:]}
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(self.columns)
        for (name, number), row in self.rows.items():
            writer.writerow([name, number, *(f"{row[column]:.6g}" for column in self.columns[2:])])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(self.path) as file:
            file.write(table.getvalue().encode())

    def time(self, run: str, seconds_per_step: float) -> None:
        """Put the time of a run's steps, measured by themselves, in place of how long each run happened to take."""
        self.rows = self._read()
        for name, seed in [key for key in self.rows if key[0] == run]:
            self.add(name, seed, self.rows[name, seed] | {"seconds": self.rows[name, seed]["steps"] * seconds_per_step})

    def of(self, run: str, column: str) -> np.ndarray:
        """A column's values for all seeds of a run."""
        return np.array([row[column] for (name, _), row in self.rows.items() if name == run])


def mean_error(values: np.ndarray) -> tuple[float, float]:
    """The mean, and its standard error: the sample's standard deviation over √n; NaN for a single value."""
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def cell(values: np.ndarray, digits: int) -> str:
    """`mean ± standard error` as text, or "–" where there are no values."""
    if not len(values):
        return "–"
    mean, error = mean_error(values)
    return f"{mean:.{digits}f}" + (f" ± {error:.{digits}f}" if error == error else "")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well as text, too."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def lines() -> Iterator[str]:
        for row in (head, ["-" * w for w in widths], *rows):
            yield "| " + " | ".join(text.ljust(w) for text, w in zip(row, widths)) + " |"

    return "\n".join(lines())
