"""How the loops of this folder are compiled, and where their machine code is kept. Imports only Numba.

Numba compiles a routine when it is first called with a dtype, and keeps the machine code in a cache: beside the source, or
in the user's cache folder, or where NUMBA_CACHE_DIR says. It compiles anew when the file changes in which the routine is
written. But a routine takes in constants, tiles and other routines of the whole folder, so here the rule is: when any file
of the folder changes.
"""

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from numba import config, njit
from numba.core.event import Event, Listener, register

_routines: list[Any] = []  # of this folder, for `machine_code`


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Numba's `njit`, with the machine code kept in a cache where there is a place for one.

    Without the GIL, so that other threads go on, and with NumPy's rules for division by zero. Where neither the folder of
    the source nor the user's cache folder can be written (a read-only container), each process compiles anew.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if config.DISABLE_JIT:
            return function
        common = {"nogil": True, "error_model": "numpy", **options}
        try:
            routine = njit(cache=True, **common)(function)
            index = routine._cache._cache_file
            index._source_stamp = (index._source_stamp, _stamp_of_folder())
        except RuntimeError:  # "no locator available": nowhere to keep a cache
            routine = njit(**common)(function)
        if _is_ours(function):
            _routines.append(routine)
        return routine

    return decorate


@cache
def _stamp_of_folder() -> str:
    """A fingerprint of all source files of this folder."""
    contents = (path.name.encode() + path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def _is_ours(function: Callable[..., Any]) -> bool:
    return str(function.__module__).startswith(f"{__package__}.")


class MachineCode(NamedTuple):
    """What `machine_code` reports: the folder of the cache, how many routines it holds, and how many there are."""

    folder: str | None
    kept: int
    routines: int


def machine_code() -> MachineCode:
    """Where the machine code of this folder's routines is kept (None: nowhere), and for how many of them it is there."""
    cached = [routine for routine in _routines if routine.stats.cache_path]
    folder = cached[0].stats.cache_path if cached else None
    kept = [routine for routine in cached if routine._cache._cache_file._load_index()]
    return MachineCode(folder, len(kept), len(_routines))


# ---------------------------------------------------------------------------------------------------------------------
# Compiling takes its time, so it is announced
# ---------------------------------------------------------------------------------------------------------------------


class _Announcer(Listener):
    """Hears of every function that Numba compiles (not of those it finds in a cache), and announces the first of ours."""

    def on_start(self, event: Event) -> None:
        routine = event.data["dispatcher"]
        if _is_ours(routine.py_func):
            _announce(routine.stats.cache_path)

    def on_end(self, event: Event) -> None:
        pass


@cache
def _announce(folder: str | None) -> None:
    once = "once" if folder else "every time, because no folder for a cache can be written: set NUMBA_CACHE_DIR"
    print(f"minigan: compiling kernels for this processor; {once}, up to a minute", file=sys.stderr, flush=True)


register("numba:compile", _Announcer())
