"""The engine's switches: whether operations record the graph, and whether every array is checked. Imports NumPy."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minigan.backend import Array


class _Mode(threading.local):
    recording = True  # do operations record the graph?
    anomaly = False  # is every array checked for NaN and Inf?
    differentiating = False  # is a backward pass going on, whose rules call operations?


mode = _Mode()
_PACKAGE = os.path.dirname(__file__)


@contextmanager
def switch(name: str, value: bool) -> Iterator[None]:
    """Set the switch called `name` inside the `with` block (or the decorated function)."""
    before = getattr(mode, name)
    setattr(mode, name, value)
    try:
        yield
    finally:
        setattr(mode, name, before)


def no_grad():
    """Record no graph inside this `with` block, or inside a function decorated with `@no_grad()`.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.tensor([1.0], requires_grad=True)
    >>> with mg.no_grad():
    ...     y = 2 * x
    >>> y.requires_grad
    False
    """
    return switch("recording", False)


def enable_grad():
    """Record the graph inside this `with` block, also within `no_grad`.

    Examples
    --------
    >>> import minigan as mg
    >>> x = mg.tensor([1.0], requires_grad=True)
    >>> with mg.no_grad(), mg.enable_grad():
    ...     y = 2 * x
    >>> y.requires_grad
    True
    """
    return switch("recording", True)


def is_grad_enabled() -> bool:
    """Whether operations record the graph."""
    return mode.recording


class AnomalyError(FloatingPointError):
    """An operation made a NaN or an Inf while `anomaly` was on."""


def anomaly():
    """Find the operation that made the first NaN or Inf, and the line of the program that called it.

    Inside the block every operation keeps the stack it was called from and checks what it computes, forward and
    backward. Slow, and for that reason off by default.

    Raises
    ------
    AnomalyError
        At the first NaN or Inf, naming the operation, the pass, and the lines that led to the call.

    Examples
    --------
    >>> import minigan as mg
    >>> with mg.anomaly():
    ...     try:
    ...         mg.tensor([1.0, 0.0]).log()
    ...     except mg.AnomalyError as error:
    ...         print(str(error).splitlines()[0])
    Log: the forward pass made 1 Inf in an array of shape (2,); the operation was called here:
    """
    return switch("anomaly", True)


def inspect_forward(array: Array, operation: str) -> list[traceback.FrameSummary]:
    """The stack from which an operation that made `array` was called; AnomalyError if it made a NaN or an Inf.

    What the rules of a backward pass compute on their way is not held against them, only the gradient they return.
    """
    stack = traceback.extract_stack()[:-2]
    if not mode.differentiating:
        refuse_nonfinite(array, operation, "forward pass", stack)
    return stack


def refuse_nonfinite(array: Array, operation: str, what: str, stack: list[traceback.FrameSummary] | None) -> None:
    """Raise AnomalyError if `array` holds a NaN or an Inf; `stack` is where the operation was called in the forward pass."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    counts = {"NaN": int(np.isnan(array).sum()), "Inf": int(np.isinf(array).sum())}
    found = " and ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    lines = "".join(traceback.format_list(_innermost(stack))) if stack else "(before anomaly mode was switched on)"
    raise AnomalyError(
        f"{operation}: the {what} made {found} in an array of shape {array.shape}; the operation was called here:\n{lines}"
    )


def _innermost(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """The end of the stack: at least six frames, and back to the last line that is not minigan's own."""
    outside = [i for i, frame in enumerate(stack) if not frame.filename.startswith(_PACKAGE)]
    return stack[min([max(len(stack) - 6, 0), *outside[-1:]]) :]
