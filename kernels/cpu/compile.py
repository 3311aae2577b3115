"""How the loops of this folder are compiled. Imports only Numba."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Numba's `njit`, with the machine code kept in a cache where there is a place for one.

    Without the GIL, so that other threads go on, and with NumPy's rules for division by zero. Where neither the folder of
    the source nor the user's cache folder can be written (a read-only container), each process compiles anew.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        common = {"nogil": True, "error_model": "numpy", **options}
        try:
            return njit(cache=True, **common)(function)
        except RuntimeError:  # "no locator available": nowhere to keep a cache
            return njit(**common)(function)

    return decorate
