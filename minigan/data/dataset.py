"""What a dataset is here: samples, perhaps labels, the names of the classes, and a name; and where datasets are cached.

Everything is held in memory: 60,000 grey images of 28×28 are 188 MB as float32. May import nothing of minigan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


class DataError(ValueError):
    """Data that is missing, damaged, or not what it claims to be; the message says which and what to do."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples in memory, with labels where there are any.

    Parameters
    ----------
    samples : ndarray of float32
        Images `(N, C, H, W)` or series `(N, C, L)`, C channels of L steps such as sound, both with values in [-1, 1],
        the range of a generator's tanh; or points `(N, D)` of any finite value. N is at least 1.
    labels : ndarray of int64, `(N,)`, optional
        The class of every sample, an index into `classes`.
    classes : tuple of str, default ()
        The name of every class; needed where there are labels.
    name : str, default "dataset"
        What to call it in messages.

    Raises
    ------
    TypeError
        If `samples` or `labels` is no array, or one of another dtype.
    DataError
        If shapes, lengths or values do not fit together.

    Examples
    --------
    >>> images = np.zeros((4, 1, 28, 28), dtype=np.float32)
    >>> Dataset(images, np.array([0, 1, 1, 0]), ("cat", "dog"), name="pets")
    Dataset pets: 4 images of 28×28, grey, 2 classes (cat, dog)
    """

    samples: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    name: str = "dataset"

    def __post_init__(self) -> None:
        _require_array(self.name, "samples", self.samples, np.float32)
        shape = self.samples.shape
        if len(shape) not in (2, 3, 4) or 0 in shape:
            raise DataError(
                f"{self.name}: samples of shape {shape}; expected images (N, C, H, W), series (N, C, L) or points (N, D), "
                "none of these numbers 0."
            )
        low, high = float(self.samples.min()), float(self.samples.max())
        if len(shape) > 2 and not (low >= -1 and high <= 1):
            kind, advice = "image", "Bytes become that with minigan.data.to_unit(array)."
            if len(shape) == 3:
                kind, advice = "series", "Divide by the largest magnitude: array / np.abs(array).max()."
            raise DataError(f"{self.name}: {kind} values from {low:g} to {high:g}; expected [-1, 1]. {advice}")
        if not np.isfinite([low, high]).all():
            raise DataError(f"{self.name}: samples hold NaN or infinity; every value must be finite.")
        if isinstance(self.classes, str) or not all(isinstance(c, str) for c in self.classes):
            raise TypeError(f"{self.name}: classes must be a tuple of str, not {self.classes!r}.")
        object.__setattr__(self, "classes", tuple(self.classes))
        if self.labels is not None:
            self._check_labels(self.labels)

    def _check_labels(self, labels: np.ndarray) -> None:
        _require_array(self.name, "labels", labels, np.int64)
        if labels.shape != (len(self),):
            raise DataError(
                f"{self.name}: labels of shape {labels.shape} for {len(self)} samples; expected ({len(self)},)."
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(
                f"{self.name}: labels from {low} to {high}, but {len(self.classes)} class names; "
                "every label must be an index into classes."
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        if self.samples.ndim == 4:
            channels, height, width = self.samples.shape[1:]
            colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
            what = f"{len(self):,} images of {height}×{width}, {colour}"
        elif self.samples.ndim == 3:
            channels, steps = self.samples.shape[1:]
            what = f"{len(self):,} series of {steps:,} steps, {channels} channel{'s' if channels > 1 else ''}"
        else:
            what = f"{len(self):,} points in {self.samples.shape[1]} dimensions"
        if self.labels is None:
            return f"Dataset {self.name}: {what}, no labels"
        names = self.classes if len(self.classes) <= 10 else (*self.classes[:9], "…")
        return f"Dataset {self.name}: {what}, {len(self.classes)} classes ({', '.join(names)})"


def _require_array(name: str, field: str, value: object, dtype: type[np.generic]) -> None:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: {field} must be a NumPy array, not {type(value).__name__}.")
    if value.dtype != dtype:
        raise TypeError(
            f"{name}: {field} must be of dtype {dtype.__name__}, not {value.dtype}; "
            f"convert with .astype(np.{dtype.__name__})."
        )


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Bytes to floats in [-1, 1]: ``x / 127.5 - 1``.

    Parameters
    ----------
    pixels : ndarray of uint8
        Any shape.

    Returns
    -------
    ndarray of float32
        Of the same shape.

    Raises
    ------
    TypeError
        If `pixels` is not of dtype uint8: floats may have been scaled already.

    Examples
    --------
    >>> to_unit(np.array([0, 255], dtype=np.uint8))
    array([-1.,  1.], dtype=float32)
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        came = getattr(pixels, "dtype", type(pixels).__name__)
        raise TypeError(f"to_unit: expected an array of uint8, got {came}.")
    unit = pixels.astype(np.float32)
    unit /= 127.5
    unit -= 1
    return unit


def to_uint8(unit: np.ndarray) -> np.ndarray:
    """Floats to bytes, the inverse of `to_unit`: ``(x + 1) · 127.5``, rounded, and clipped to 0 … 255.

    Parameters
    ----------
    unit : ndarray of float
        Any shape; [-1, 1] is black to white. What lies outside is clipped, and NaN is drawn black.

    Returns
    -------
    ndarray of uint8
        Of the same shape.

    Examples
    --------
    >>> to_uint8(np.array([-1.0, 0.0, 1.0, 7.0]))
    array([  0, 128, 255, 255], dtype=uint8)
    """
    unit = np.nan_to_num(np.clip(unit, -1, 1), nan=-1)
    return np.rint((unit + 1) * 127.5).astype(np.uint8)
