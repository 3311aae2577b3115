"""Which arrays and which kernels do the arithmetic. Imports NumPy and machine; more when it is first needed.

Two things are chosen here, and nothing else in the package knows what was chosen:

- the *arrays*. Operations are written in NumPy's vocabulary (`np.exp(x)`, `np.concatenate(xs)`), which hands an array of
  another library over to that library (`__array_ufunc__` and `__array_function__`, NEP 13 and NEP 18), and they make new
  arrays with `like=` (NEP 35). Today the arrays are NumPy's, on the device "cpu"; the operations need not change for others;
- the *kernels*. Routines that NumPy has no good word for (convolution, batch norm, pooling windows) live in the folders of
  `minigan.kernels`, which are mirror images of each other. `kernels()` returns the chosen folder.

The kernels are chosen by name: `cpu` (Numba, the default) or `reference` (NumPy, the clearest statement of each routine),
by the environment variable `MINIGAN_KERNELS`, by `set_kernels(name)`, or for a while by `with use_kernels(name):`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from minigan.machine import Machine, look

Array = Any
"""An array of whichever library computes; `numpy.ndarray` on the CPU."""

KERNELS = ("cpu", "reference")
DEVICES = ("cpu",)

_chosen = os.environ.get("MINIGAN_KERNELS", "cpu")
_loaded: dict[str, ModuleType] = {}


def kernels() -> ModuleType:
    """The package of kernels in use, loaded when first asked for; `kernels().conv2d(...)` runs one."""
    module = _loaded.get(_chosen)
    if module is None:
        _check(_chosen)
        module = _loaded[_chosen] = importlib.import_module(f"minigan.kernels.{_chosen}")
    return module


def get_kernels() -> str:
    """The name of the kernels in use: `"cpu"` or `"reference"`."""
    return _chosen


def set_kernels(name: str) -> None:
    """Compute with the kernels called `name` from now on.

    Parameters
    ----------
    name : {"cpu", "reference"}

    Raises
    ------
    ValueError
        If there are no kernels of that name.

    Examples
    --------
    >>> from minigan import backend
    >>> backend.set_kernels("cpu")
    >>> backend.get_kernels()
    'cpu'
    """
    global _chosen
    _check(name)
    _chosen = name


@contextmanager
def use_kernels(name: str) -> Iterator[None]:
    """Compute with the kernels called `name` inside the `with` block.

    Examples
    --------
    >>> from minigan import backend
    >>> with backend.use_kernels("reference"):
    ...     backend.get_kernels()
    'reference'
    """
    before = _chosen
    set_kernels(name)
    try:
        yield
    finally:
        set_kernels(before)


def _check(name: str) -> None:
    if name not in KERNELS:
        raise ValueError(f"backend: no kernels are called {name!r}; there are {', '.join(map(repr, KERNELS))}")


def info() -> Machine:
    """What computes here, and what would make it faster: versions, processor, threads, kernels, BLAS, advice.

    `python -m minigan info` prints it. Loads Numba, and launches its threads.

    Returns
    -------
    Machine
        `print` it to read it; `dataclasses.asdict` makes a dict of it.

    Examples
    --------
    >>> from minigan import backend
    >>> backend.info().kernels in backend.KERNELS
    True
    """
    _check(_chosen)
    return look(_chosen)


def check_device(device: str) -> str:
    """`device` itself if this version can compute on it, else a ValueError that says what to write."""
    if device not in DEVICES:
        raise ValueError(
            f"device {device!r} is not available: this version computes on {', '.join(map(repr, DEVICES))}"
        )
    return device


def device_of(array: Array) -> str:
    """The device that holds `array`."""
    if isinstance(array, np.ndarray):
        return "cpu"
    raise TypeError(f"expected a NumPy array, got {type(array).__name__}")


def erf(array: Array) -> Array:
    """The error function `2/√π ∫₀ˣ exp(−t²) dt`, elementwise: the one elementary function that NumPy lacks."""
    from scipy.special import erf

    return erf(array)
