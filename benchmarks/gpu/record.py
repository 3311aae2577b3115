"""What a section finds, for the file and for people, and how long it may take. Imports the standard library and tqdm."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
Rows = list[dict[str, Any]]
SHOWN = 20  # failures that are printed, and tracebacks that are kept


@dataclass
class Record:
    """What was found in a section.

    Attributes
    ----------
    name, title : str
    tables : dict
        Rows by the title of their table; a row is a dict of its columns.
    notes : list of str
        What else there is to say, such as what was left out.
    failures : list of str
        What is wrong. A section without any has passed.
    kept : dict
        Numbers behind the tables, for the file only.
    seconds : float
        How long it took.
    """

    name: str
    title: str
    tables: dict[str, Rows] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Check:
    """A section at work: where it computes, how long it may, and where it puts what it finds.

    Attributes
    ----------
    device : {"cuda", "cpu", "cudasim"}
    quick : bool
        Small sizes and few repetitions, to try the script; times then mean nothing.
    until : float
        When the section's time is up (of `time.monotonic`).
    record : Record
    publish : callable
        Called with the record whenever it has grown, so that nothing is lost if the process is.
    """

    device: str
    quick: bool
    until: float
    record: Record
    publish: Callable[[Record], None] = lambda record: None

    def row(self, table: str, **cells: Any) -> None:
        """Add a row to a table."""
        self.record.tables.setdefault(table, []).append(cells)
        self.publish(self.record)

    def note(self, text: str) -> None:
        self.record.notes.append(text)
        self.publish(self.record)

    def fail(self, text: str) -> None:
        self.record.failures.append(text)
        self.publish(self.record)

    def late(self, ahead: float = 0.0) -> bool:
        """Whether the section's time is up, or will be in `ahead` seconds."""
        return time.monotonic() + ahead > self.until

    def progress(self, things: Iterable[T]) -> Iterator[T]:
        """The things one after the other with a bar, until the time is up; what is left then is noted."""
        things = list(things)
        for i, thing in enumerate(tqdm(things, desc=self.record.name, leave=False, mininterval=1)):
            if self.late():
                self.note(f"The time was up: {len(things) - i} of {len(things)} were left out.")
                return
            yield thing

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """An exception inside is a failure of this part alone, unless the device itself has failed."""
        from gpu.clock import alive

        try:
            yield
        except Exception as error:
            if not alive(self.device):
                raise
            self.fail(f"{what}: {told(error)}")
            tracebacks = self.record.kept.setdefault("tracebacks", {})
            if len(tracebacks) < SHOWN:
                tracebacks[what] = traceback.format_exc()


def told(error: BaseException, length: int = 300) -> str:
    """An exception in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    text = f"{type(error).__name__}: {lines[0]}"
    return text if len(text) <= length else text[: length - 1] + "…"


def text(record: Record) -> str:
    """A section for people: its tables, notes and failures.

    Examples
    --------
    >>> print(text(Record("card", "the card", {"versions": [{"of": "minigan", "is": "0.1"}]}, notes=["A note."])))
    card: the card
    <BLANKLINE>
    versions
    ────────────
    of       is
    minigan  0.1
    ────────────
    <BLANKLINE>
    A note.
    passed in 0 s
    """
    blocks = [f"{record.name}: {record.title}", *[table(title, rows) for title, rows in record.tables.items()]]
    number = len(record.failures)
    last = [*record.notes, *[f"FAILED: {failure}" for failure in record.failures[:SHOWN]]]
    if number > SHOWN:
        last.append(f"and {number - SHOWN} more failures, which are in the file")
    state = f"{number} failure{'s' * (number > 1)}" if number else "passed"
    return "\n\n".join([*blocks, "\n".join([*last, f"{state} in {record.seconds:.0f} s"])])


def table(title: str, rows: Rows) -> str:
    """The rows in aligned columns, numbers to the right."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns] + [[cell(row.get(name)) for name in columns] for row in rows]
    right = [all(isinstance(row.get(name), int | float | None) for row in rows) for name in columns]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    aligned = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right)).rstrip() for line in lines
    ]
    rule = "─" * max(map(len, aligned))
    return "\n".join([title, rule, *aligned, rule])


def cell(value: Any) -> str:
    """A value in a table: three digits of a number that count."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if value == 0 or 1e-3 <= abs(value) < 99.95:
        return f"{value:#.3g}" if value else "0"
    return f"{value:.0f}" if 99.95 <= abs(value) < 1e7 else f"{value:.1e}"
