"""An array as it is on a GPU, for a machine that has none. Imports NumPy.

The kernels of `minigan.kernels.cuda` run in Numba's simulator; the arrays they work on belong to the device "cudasim".
Such an array holds its numbers in a NumPy array, and behaves as CuPy's do in what people trip over: it does not mix with
arrays of the host, it does not become one unless it is told to (`get`), and what is one number is still an array, with no
axes. So a program that forgets to move a tensor fails on a laptop as it would on a GPU, and a test finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin


class SimulatedArray(NDArrayOperatorsMixin):
    """A NumPy array in the role of one on a GPU.

    NumPy's functions and operators work on it and return another (NEP 13 and NEP 18), and so do the methods of arrays.

    Parameters
    ----------
    host : numpy.ndarray
        The numbers; not copied.

    Attributes
    ----------
    host : numpy.ndarray
        What a debugger wants to see.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.simulated import SimulatedArray
    >>> x = SimulatedArray(np.arange(3.0))
    >>> np.exp(x - 1).get().round(2)
    array([0.37, 1.  , 2.72])
    >>> x + np.arange(3.0)
    Traceback (most recent call last):
    TypeError: add: an array of the device 'cudasim' met one of the host; move one of them, x.to(device)
    """

    __slots__ = ("__weakref__", "host")

    def __init__(self, host: np.ndarray):
        self.host = host

    def get(self) -> np.ndarray:
        """The numbers as an array of the host: a copy, as from a GPU."""
        return self.host.copy()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        result = getattr(ufunc, method)(*_inside(ufunc.__name__, inputs), **_inside(ufunc.__name__, options))
        return options["out"][0] if "out" in options else _outside(result)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name == "asarray":  # with like=: the one way from the host to here
            return _outside(function(*args, **kwargs))
        return _outside(function(*_inside(name, args), **_inside(name, kwargs)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(
            "an array of the device 'cudasim' does not become a NumPy array by itself; move it, x.cpu().numpy()"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # __array_interface__ is a back door to the numbers
            raise AttributeError(name)
        found = getattr(self.host, name)
        if not callable(found):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            result = found(*_inside(name, args), **_inside(name, kwargs))
            return result if name in ("item", "tolist") else _outside(result)

        return method

    @property
    def T(self) -> SimulatedArray:
        return SimulatedArray(self.host.T)

    def __getitem__(self, index: Any) -> SimulatedArray:
        return _outside(self.host[_index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        (self.host[_index(index)],) = _inside("item assignment", (value,))

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __float__(self) -> float:
        return float(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __index__(self) -> int:
        return self.host.__index__()

    def __repr__(self) -> str:
        return f"SimulatedArray({np.array2string(self.host, separator=', ', prefix='SimulatedArray(')})"


def _inside(operation: str, values: Any) -> Any:
    """The arrays of the host in the place of simulated ones, everywhere in a nest of tuples, lists and dicts."""
    if isinstance(values, SimulatedArray):
        return values.host
    if isinstance(values, np.ndarray):
        raise TypeError(
            f"{operation}: an array of the device 'cudasim' met one of the host; move one of them, x.to(device)"
        )
    if isinstance(values, tuple | list):
        return type(values)([_inside(operation, value) for value in values])
    if isinstance(values, dict):
        return {name: _inside(operation, value) for name, value in values.items()}
    return values


def _outside(result: Any) -> Any:
    """Simulated arrays in the place of NumPy's arrays and numbers."""
    if isinstance(result, np.ndarray):
        return SimulatedArray(result)
    if isinstance(result, np.generic):
        return SimulatedArray(np.asarray(result))
    if isinstance(result, tuple | list):
        return tuple(_outside(part) for part in result)
    return result


def _index(index: Any) -> Any:
    """An index with simulated arrays in it; those of the host are let through, as CuPy does, which moves them."""
    if isinstance(index, tuple):
        return tuple(_index(part) for part in index)
    return index.host if isinstance(index, SimulatedArray) else index
