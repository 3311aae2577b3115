"""Where chance comes from: one stream of random numbers, the same on every device. Imports NumPy and backend.

The numbers are a function of the seed and of their place in the stream (Philox, see `kernels/reference/random.py`), so a GPU
with ten thousand threads draws what a laptop draws: a run can be moved from one to the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array

Size = int | tuple[int, ...]


class Generator:
    """A stream of random numbers, with the methods of `numpy.random.Generator` that minigan uses.

    Normal and uniform numbers come from Philox, on the device where they are wanted. Whole numbers and permutations, of
    which few are needed, come from a generator of NumPy's that the same seed begins.

    Parameters
    ----------
    seed : int, optional
        Not negative; the operating system's own chance if it is left out.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan import Generator
    >>> Generator(0).standard_normal(3, dtype=np.float32).round(4).tolist() == Generator(0).standard_normal(
    ...     3, dtype=np.float32
    ... ).round(4).tolist()
    True
    """

    def __init__(self, seed: int | None = None):
        self.manual_seed(seed)

    def manual_seed(self, seed: int | None) -> Generator:
        """Begin the stream anew from `seed`."""
        sequence = np.random.SeedSequence(seed)
        self._key, self._counter = int(sequence.generate_state(1, np.uint64)[0]), 0
        self._host = np.random.Generator(np.random.PCG64(sequence))
        return self

    def standard_normal(self, size: Size | None = None, dtype: Any = np.float64, *, device: str = "cpu") -> Any:
        """Numbers from N(0, 1): an array of the device, or one number if there is no size."""
        return self._filled("fill_normal", size, dtype, device)

    def random(self, size: Size | None = None, dtype: Any = np.float64, *, device: str = "cpu") -> Any:
        """Numbers that are equally likely anywhere in [0, 1): an array of the device, or one number if there is no size."""
        return self._filled("fill_uniform", size, dtype, device)

    def integers(self, low: int, high: int | None = None, size: Size | None = None) -> Any:
        """Whole numbers from `low` to `high − 1`, or from 0 to `low − 1`."""
        return self._host.integers(low, high, size)

    def permutation(self, n: Any) -> np.ndarray:
        """0 to n − 1, or the elements of n, in random order."""
        return self._host.permutation(n)

    def _filled(self, fill: str, size: Size | None, dtype: Any, device: str) -> Array:
        out = backend.empty(size if isinstance(size, tuple) else (1 if size is None else size,), dtype, device)
        if out.dtype not in (np.float32, np.float64):
            raise TypeError(f"{fill}: random numbers are float32 or float64, not {out.dtype}")
        if math.prod(out.shape):
            self._counter = getattr(backend.kernels(out), fill)(out, self._key, self._counter)
        return out.item() if size is None else out

    @property
    def state(self) -> dict[str, Any]:
        """Where the stream stands: a dictionary of strings and integers that can be written as JSON, and be put back."""
        return {"key": self._key, "counter": self._counter, "host": self._host.bit_generator.state}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        if set(state) != {"key", "counter", "host"}:
            raise ValueError(
                f"Generator.state: expected key, counter and host, as another state has; got {list(state)}"
            )
        self._key, self._counter = int(state["key"]), int(state["counter"])
        self._host.bit_generator.state = state["host"]

    def __repr__(self) -> str:
        return f"Generator(key={self._key:#x}, counter={self._counter})"


AnyGenerator = Generator | np.random.Generator
"""What a function that draws by chance takes as `generator`."""


def check_generator(operation: str, generator: Any) -> AnyGenerator | None:
    """`generator` if it is one, or None; a TypeError otherwise."""
    if generator is None or isinstance(generator, AnyGenerator):
        return generator
    raise TypeError(
        f"{operation}: generator is a {type(generator).__name__}, expected minigan.Generator(seed) or "
        f"numpy.random.default_rng(seed)"
    )


def normal(generator: AnyGenerator, shape: tuple[int, ...], dtype: Any, device: str) -> Array:
    """An array of N(0, 1) on the device; numbers of a generator of NumPy's are moved there."""
    if isinstance(generator, Generator):
        return generator.standard_normal(shape, dtype, device=device)
    return backend.to_device(np.asarray(generator.standard_normal(shape, dtype=dtype)), device)


def uniform(generator: AnyGenerator, shape: tuple[int, ...], dtype: Any, device: str) -> Array:
    """An array of [0, 1) on the device; numbers of a generator of NumPy's are moved there."""
    if isinstance(generator, Generator):
        return generator.random(shape, dtype, device=device)
    return backend.to_device(np.asarray(generator.random(shape, dtype=dtype)), device)
