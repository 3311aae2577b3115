"""The process in which the sections run. Imports the standard library; minigan and the sections inside of the process.

Some errors of a GPU, an address outside of all arrays for one, end its service to the process. So the sections run in a
process of their own: when it is lost, what it had found is kept, and another goes on with the next section.
"""

from __future__ import annotations

import importlib
import math
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from gpu.record import Check, Record, told
from gpu.source import find_minigan

GRACE = 20.0  # seconds beyond its time after which a section is stopped from outside


@dataclass
class Plan:
    """Which sections are to be run, and until when.

    Attributes
    ----------
    device : str
    quick : bool
    until : dict
        When each section's time is up, by its name, in their order (of `time.monotonic`).
    """

    device: str
    quick: bool
    until: dict[str, float]


def plan(device: str, quick: bool, names: Sequence[str], seconds: float) -> Plan:
    """Share out the time: what a section does not need is for those after it."""
    shares = [importlib.import_module(f"gpu.{name}").SECONDS for name in names]
    now, given, until = time.monotonic(), 0.0, {}
    for name, share in zip(names, shares):
        given += share * seconds / sum(shares)
        until[name] = now + given
    return Plan(device, quick, until)


def run_section(name: str, check_of: Plan, publish: Callable[[Record], None] = lambda record: None) -> Record:
    """Run a section here. Whatever happens in it is in the record."""
    section = importlib.import_module(f"gpu.{name}")
    record = Record(name, section.TITLE)
    check = Check(check_of.device, check_of.quick, check_of.until[name], record, publish)
    begin = time.monotonic()
    if check.late():
        record.notes.append("Left out: the time was up.")
        return record
    try:
        section.run(check)
    except Exception as error:  # told in the record; the other sections go on
        record.failures.append(told(error))
        record.kept.setdefault("tracebacks", {})["the section"] = traceback.format_exc()
    record.seconds = time.monotonic() - begin
    return record


def run_all(plan: Plan, finished: Callable[[Record], None]) -> None:
    """Run the sections in processes that may be lost; `finished` is called with each record."""
    context = multiprocessing.get_context("spawn")
    left = list(plan.until)
    while left:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(sender, left, plan), daemon=False)
        process.start()
        sender.close()
        left = _listen(receiver, process, left, plan, finished)
        receiver.close()
        if process.is_alive():
            process.join(timeout=5)
        if process.is_alive():
            process.kill()
        process.join()


def _listen(
    receiver: Connection, process: Any, left: list[str], plan: Plan, finished: Callable[[Record], None]
) -> list[str]:
    """Take what a process has found until it ends, or must; the sections that it leaves to another."""
    latest: Record | None = None
    while left:
        name = left[0]
        try:
            in_time = receiver.poll(max(0.0, plan.until[name] + GRACE - time.monotonic()))
            kind, content = receiver.recv() if in_time else ("late", None)
        except (EOFError, OSError):
            process.join()
            kind, content = "lost", None
        if kind == "partial":
            latest = content
            continue
        if kind == "broken":  # said by itself, after the record of the section that broke the device
            return left
        if content is None:
            content = latest or Record(name, importlib.import_module(f"gpu.{name}").TITLE)
            if kind == "late":
                process.kill()
                content.failures.append("The section did not end in its time, and was stopped.")
            else:
                content.failures.append(f"The process ended with exit code {process.exitcode}.")
        finished(content)
        left, latest = left[1:], None
        if kind in ("late", "lost"):
            return left
    return []


def _work(sender: Connection, names: Sequence[str], plan: Plan) -> None:
    """Inside the process: run the sections in turn, and say what each has found."""
    find_minigan()
    from gpu.clock import alive
    from minigan import backend

    backend.check_device(plan.device)
    if plan.device == "cudasim":  # its threads are Python's, which hinder each other less so
        sys.setswitchinterval(3e-4)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in names:
        last = -math.inf

        def publish(record: Record) -> None:
            nonlocal last
            if time.monotonic() - last > 1:
                last = time.monotonic()
                sender.send(("partial", record))

        sender.send(("finished", run_section(name, plan, publish)))
        if not alive(plan.device):
            sender.send(("broken", None))
            return
