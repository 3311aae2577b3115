"""Where arrays are, and which kernels compute with them. Imports NumPy, machine and simulated; more when it is first needed.

Two things are chosen here, and nothing else in the package knows what was chosen:

- the *arrays*. Operations are written in NumPy's vocabulary (`np.exp(x)`, `np.concatenate(xs)`), which hands an array of
  another library over to that library (`__array_ufunc__` and `__array_function__`, NEP 13 and NEP 18), and they make new
  arrays with `like=` (NEP 35). So the same operations compute with NumPy's arrays on the device "cpu", with CuPy's on
  "cuda", and with simulated ones on "cudasim";
- the *kernels*. Routines that NumPy has no good word for (convolution, batch norm, pooling windows) live in the folders of
  `minigan.kernels`, which are mirror images of each other. `kernels(x)` returns the folder for the array x.

    device    arrays            kernels
    cpu       numpy.ndarray     kernels/cpu (Numba), or kernels/reference (NumPy, the clearest statement of each routine)
    cuda      cupy.ndarray      kernels/cuda (Numba CUDA)
    cudasim   SimulatedArray    kernels/cuda, run by Numba's simulator: slow, without a GPU, open to a debugger

The kernels of the CPU are chosen by the environment variable `MINIGAN_KERNELS`, by `set_kernels(name)`, or for a while by
`with use_kernels(name):`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from minigan.machine import Machine, look
from minigan.simulated import SimulatedArray

Array = Any
"""An array of whichever library computes; `numpy.ndarray` on the CPU."""

KERNELS = ("cpu", "reference")
DEVICES = ("cpu", "cuda", "cudasim")

_chosen = os.environ.get("MINIGAN_KERNELS", "cpu")
_loaded: dict[str, ModuleType] = {}
_ready: set[str] = {"cpu"}  # the devices that were found to be there


NO_SIMULATOR = (
    "the device 'cudasim' needs numba-cuda, which is not installed: pip install 'minigan[cudasim]', or choose the "
    "device 'cpu'"
)


class DeviceError(RuntimeError):
    """A device that is not there, or arrays of two devices in one operation."""


# ------------------------------------------------------------------------------------------------------- kernels


def kernels(array: Array = None) -> ModuleType:
    """The package of kernels for `array`, loaded when first asked for; `kernels(x).conv2d(x, ...)` runs one.

    Without an array, those in use on the CPU.
    """
    name = _chosen if type(array) is np.ndarray or array is None else "cuda"
    module = _loaded.get(name)
    if module is None:
        if name != "cuda":
            _check(name)
        module = _loaded[name] = importlib.import_module(f"minigan.kernels.{name}")
    return module


def get_kernels() -> str:
    """The name of the kernels in use on the CPU: `"cpu"` or `"reference"`."""
    return _chosen


def set_kernels(name: str) -> None:
    """Compute with the kernels called `name` on the CPU from now on.

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
    return replace(look(_chosen), devices=dict(_devices()))


def _devices() -> Iterator[tuple[str, str]]:
    """Each device but the CPU, and what it is, or why it cannot be used here. Leaves what is not loaded unloaded."""
    try:
        _find_card()
        card = _cupy().cuda.runtime.getDeviceProperties(0)
        yield "cuda", f"{card['name'].decode()}, {card['totalGlobalMem'] / 2**30:.0f} GiB"
    except DeviceError as error:
        yield "cuda", str(error)
    has_simulator = importlib.util.find_spec("numba_cuda") is not None
    yield "cudasim", "Numba simulates a GPU, slowly" if has_simulator else NO_SIMULATOR


# ------------------------------------------------------------------------------------------------------- devices


def check_device(device: str) -> str:
    """`device` itself if this process can compute on it.

    Raises
    ------
    ValueError
        If no device has that name.
    DeviceError
        If there is no such device here; the message says what is missing, and what to install or to choose.
    """
    if device not in _ready:
        if device not in DEVICES:
            raise ValueError(f"there is no device {device!r}; there are {', '.join(map(repr, DEVICES))}")
        (_find_gpu if device == "cuda" else _load_simulator)()
        _ready.add(device)
    return device


def device_of(array: Array) -> str:
    """The device that holds `array`."""
    if isinstance(array, np.ndarray):
        return "cpu"
    if isinstance(array, SimulatedArray):
        return "cudasim"
    if is_array(array):
        return "cuda"
    raise TypeError(f"expected an array of NumPy or CuPy, got {type(array).__name__}")


def is_array(data: Any) -> bool:
    """Whether `data` is an array of one of the devices."""
    return isinstance(data, np.ndarray | SimulatedArray) or type(data).__module__.partition(".")[0] == "cupy"


def to_device(array: Array, device: str) -> Array:
    """`array` on the device: itself if it is there already, a copy otherwise."""
    if device_of(array) == check_device(device):
        return array
    host = to_host(array)
    if device == "cpu":
        return host
    return SimulatedArray(host.copy()) if device == "cudasim" else _cupy().asarray(host)


def gpu_from_dlpack(data: Any) -> Array:
    """CuPy's view of another library's array on the GPU."""
    check_device("cuda")
    return _cupy().from_dlpack(data)


def to_host(array: Array) -> np.ndarray:
    """`array` as one of NumPy: itself if it is one already, a copy otherwise."""
    return array if isinstance(array, np.ndarray) else array.get()


def empty(shape: tuple[int, ...], dtype: Any, device: str) -> Array:
    """A new array on the device, with nothing in it."""
    if check_device(device) == "cuda":
        return _cupy().empty(shape, dtype)
    host = np.empty(shape, dtype)
    return host if device == "cpu" else SimulatedArray(host)


def together(operation: str, arrays: list[Array]) -> list[Array]:
    """The operands of an operation, on one device: a single number on the CPU goes along with arrays on any other.

    Raises
    ------
    DeviceError
        If arrays of two devices meet.
    """
    if all([type(a) is np.ndarray for a in arrays]):
        return arrays
    devices = {device_of(a) for a in arrays if is_array(a) and (a.ndim or not isinstance(a, np.ndarray))}
    if len(devices) > 1:
        shapes = ", ".join(f"{a.shape} on {device_of(a)!r}" for a in arrays)
        raise DeviceError(f"{operation}: the operands are on different devices: {shapes}. Move one: x.to(device)")
    return [
        a.item() if isinstance(a, np.ndarray | np.generic) else a for a in arrays
    ]  # NumPy's scalars turn into arrays


def allow_tf32(allowed: bool = True) -> None:
    """Let products of float32 matrices on a GPU round their factors to TF32, with 10 bits of mantissa in place of 23.

    Off by default. From the Ampere generation on, tensor cores multiply TF32 several times as fast.
    """
    check_device("cuda")
    linalg = importlib.import_module("cupy._core._routines_linalg")
    linalg.set_compute_type(np.float32, linalg.COMPUTE_TYPE_TF32 if allowed else linalg.COMPUTE_TYPE_DEFAULT)


def _cupy() -> ModuleType:
    return importlib.import_module("cupy")


def _find_gpu() -> None:
    """A DeviceError if no GPU can be used, with one sentence that says why."""
    _find_card()
    if _import_numba_cuda(simulated=False).config.ENABLE_CUDASIM:
        raise DeviceError(
            "the device 'cuda' cannot be used while Numba simulates it: start Python without NUMBA_ENABLE_CUDASIM, "
            "or choose the device 'cudasim'"
        )


def _find_card() -> None:
    """A DeviceError if CuPy is not installed or sees no GPU."""
    otherwise = "or choose the device 'cpu'"
    extras = "pip install 'minigan[cuda13]' (or 'minigan[cuda12]' for an older driver)"
    for module, name in (("cupy", "CuPy"), ("numba_cuda", "numba-cuda")):
        if importlib.util.find_spec(module) is None:
            raise DeviceError(f"the device 'cuda' needs {name}, which is not installed: {extras}, {otherwise}")
    try:
        count = _cupy().cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy has several, for a driver that is missing, too old or broken
        reason = str(error).splitlines()[0]
        raise DeviceError(f"the device 'cuda' needs an NVIDIA GPU with a driver ({reason}); choose 'cpu'") from None
    if count == 0:
        raise DeviceError(f"the device 'cuda' needs an NVIDIA GPU, and this machine shows none; add one, {otherwise}")


def _load_simulator() -> None:
    """Have Numba simulate CUDA, or a DeviceError."""
    if importlib.util.find_spec("numba_cuda") is None:
        raise DeviceError(NO_SIMULATOR)
    if not _import_numba_cuda(simulated=True).config.ENABLE_CUDASIM:
        raise DeviceError(
            "the device 'cudasim' cannot be used here, because numba.cuda was imported for a GPU: start Python with "
            "NUMBA_ENABLE_CUDASIM=1, or choose the device 'cpu'"
        )


def _import_numba_cuda(simulated: bool) -> Any:
    """`numba.cuda`, which asks Numba's configuration when it is imported whether it is to be simulated."""
    if simulated and "numba.cuda" not in sys.modules:
        vars(importlib.import_module("numba.core.config"))["ENABLE_CUDASIM"] = 1
    return importlib.import_module("numba.cuda")


# -------------------------------------------------------------------------------- what the libraries call differently


def erf(array: Array) -> Array:
    """The error function `2/√π ∫₀ˣ exp(−t²) dt`, elementwise: the one elementary function that NumPy lacks."""
    if device_of(array) == "cuda":
        return importlib.import_module("cupyx.scipy.special").erf(array)
    from scipy.special import erf

    return erf(array) if isinstance(array, np.ndarray) else SimulatedArray(np.asarray(erf(array.host)))


def add_at(array: Array, index: Any, values: Array) -> None:
    """`array[index] += values`, where places that the index names twice get both."""
    device = device_of(array)
    parts = tuple(to_device(part, device) if is_array(part) else part for part in _parts(index))
    (_cupy().add if device == "cuda" else np.add).at(array, parts, values)


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)
