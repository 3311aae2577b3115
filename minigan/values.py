"""The array side of a Tensor: its values, how they leave for NumPy and Python, and how they look. Imports NumPy and backend.

`Tensor` (in tensor.py) adds the other side, the place in the graph.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_array(data: Any) -> Array:
    """`data` as an array that a Tensor may hold: arrays keep their type, Python floats become float32.

    Raises
    ------
    TypeError
        If the data are not float32, float64, integers or bool.
    """
    if isinstance(data, Values):
        return data._data
    array = np.asarray(data) if isinstance(data, np.ndarray) or not backend.is_array(data) else data
    if array.dtype == np.float64 and not hasattr(data, "__array__"):  # Python's floats have no type of their own
        array = array.astype(np.float32)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype not in FLOATS and array.dtype.kind not in "iub":
        raise TypeError(
            f"Tensor: expected numbers (float32, float64, integers or bool), got data of type {array.dtype}"
        )
    return array


class Values:
    """What a Tensor is because it holds an array."""

    __slots__ = ("_data",)

    _data: Array
    requires_grad: bool  # of the graph's side
    __array_ufunc__ = None  # array * tensor is Tensor.__rmul__, never an array of Tensors

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype:
        return self._data.dtype

    @property
    def device(self) -> str:
        return backend.device_of(self._data)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """How many axes there are."""
        return self._data.ndim

    def numel(self) -> int:
        """How many elements there are."""
        return self._data.size

    def is_floating_point(self) -> bool:
        """Whether the type is float32 or float64, the types that have gradients."""
        return self._data.dtype in FLOATS

    def _own_array(self) -> Array:
        """The array, in C order and free to be overwritten: itself if nothing else refers to its memory, else a copy.

        What nobody else can look at may change without anyone's noticing. Views, memoryviews and DLPack capsules all count:
        they refer to the array that owns the memory.
        """
        if type(self._data) is not np.ndarray:
            return self._data if self._alone_on_gpu() else self._data.copy(order="C")
        if sys.getrefcount(self._data) == _ALONE and self._data.flags.carray:
            if self._data.base is None:
                alone = self._data.flags.owndata
            else:  # a reshaped or transposed array, of which only this view is left
                alone = (
                    type(self._data.base) is np.ndarray
                    and sys.getrefcount(self._data.base) == _ALONE
                    and self._data.base.flags.owndata
                    and self._data.base.size == self._data.size
                )
            if alone:
                return self._data
        return np.array(self._data, order="C")

    def _alone_on_gpu(self) -> bool:
        """Whether this is an array of CuPy's, in C order, whose memory nothing else has; a view would name it `base`."""
        if self.device != "cuda" or sys.getrefcount(self._data) != _ALONE:
            return False
        return self._data.base is None and self._data.flags.c_contiguous

    # ---- leaving for NumPy and Python

    def numpy(self) -> np.ndarray:
        """The values as a read-only NumPy array that shares the tensor's memory; `numpy().copy()` can be written to.

        Raises
        ------
        TypeError
            If the tensor is not on the CPU: `x.cpu().numpy()` says that the numbers are to be fetched.
        """
        if type(self._data) is not np.ndarray:
            raise TypeError(f"numpy: the tensor is on the device {self.device!r}; fetch its values, x.cpu().numpy()")
        view = self._data.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"item: the tensor has shape {self.shape}; only one element can become a Python number")
        return self._data.item()

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("__dlpack__: the tensor requires a gradient, which DLPack cannot carry; pass x.detach()")
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def __len__(self) -> int:
        if self._data.ndim == 0:
            raise TypeError("len: a tensor of shape () has no length")
        return self._data.shape[0]

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"bool: a tensor of shape {self.shape} is neither true nor false; use .any() or .all()")
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise TypeError(f"index: only an integer tensor of one element can index, this one is {self.dtype}")
        return int(self.item())

    # ---- for people

    def __format__(self, spec: str) -> str:
        """`f"{loss:.3f}"` for a tensor of one element; the repr where nothing is asked for."""
        return format(self.item(), spec) if spec else repr(self)

    def _describe(self) -> list[str]:
        """What stands between the brackets of the repr: the values if they are few, else shape and range."""
        if self._data.size <= 64:
            values = backend.to_host(self._data)
            parts = [np.array2string(values, separator=", ", prefix="Tensor(", precision=4)]
            if 0 in self.shape:
                parts.append(f"shape={self.shape}")
        else:
            parts = [" × ".join(map(str, self.shape))]
            if self.is_floating_point():
                with np.errstate(all="ignore"):
                    low, mean, high = (float(f(self._data)) for f in (np.min, np.mean, np.max))
                parts.append(f"{low:.4g} … {high:.4g}, mean {mean:.4g}")
        if self.dtype != np.float32:
            parts.append(f"dtype={self.dtype}")
        if type(self._data) is not np.ndarray:
            parts.append(f"device={self.device!r}")
        return parts


_lonely = Values()
_lonely._data = np.empty(1)
_ALONE = sys.getrefcount(
    _lonely._data
)  # of an array that only its Tensor refers to, with what Python adds for the call
