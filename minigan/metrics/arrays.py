"""What every metric asks of its arguments: arrays of finite numbers, enough of them, of one form. Imports tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.tensor import Tensor


def to_array(operation: str, argument: str, x: Any) -> np.ndarray:
    """A Tensor's or an array's values as a NumPy array of finite numbers; `operation` and `argument` are for messages.

    Parameters
    ----------
    operation, argument : str
        What the message of an error calls the function, and its argument.
    x : Tensor, ndarray or nested list of numbers
        A Tensor may be on any device.

    Raises
    ------
    TypeError
        If these are no real numbers.
    ValueError
        If there is a NaN or an infinity.

    Examples
    --------
    >>> import minigan as mg
    >>> to_array("frechet_distance", "real", mg.zeros(2))
    array([0., 0.], dtype=float32)
    >>> to_array("frechet_distance", "real", [0.0, np.nan])
    Traceback (most recent call last):
    ValueError: frechet_distance: 1 of the 2 numbers in real is NaN or infinite; expected finite ones. Find out where \
they come from (`with minigan.anomaly():`), or leave those samples out.
    """
    try:
        array = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
    except ValueError:
        raise TypeError(
            f"{operation}: {argument} has rows of different lengths; expected an array of real numbers."
        ) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{operation}: {argument} has dtype {array.dtype}; expected an array of real numbers.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        broken = int(array.size - np.isfinite(array).sum())
        raise ValueError(
            f"{operation}: {broken:,} of the {array.size:,} numbers in {argument} {'is' if broken == 1 else 'are'} NaN "
            "or infinite; expected finite ones. Find out where they come from (`with minigan.anomaly():`), or leave "
            "those samples out."
        )
    return array


def to_points(operation: str, argument: str, x: Any, least: int = 1) -> np.ndarray:
    """Samples `(N, D)` as float64, at least `least` of them.

    Examples
    --------
    >>> to_points("kid", "fake", np.zeros((3, 2)), least=4)
    Traceback (most recent call last):
    ValueError: kid: fake holds 3 samples; expected 4 or more. Draw more samples.
    """
    array = to_array(operation, argument, x)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"{operation}: {argument} has shape {array.shape}; expected (N, D): a row a sample. Flatten pictures with "
            "x.reshape(len(x), -1)."
        )
    if len(array) < least:
        raise ValueError(
            f"{operation}: {argument} holds {len(array):,} samples; expected {least:,} or more. Draw more samples."
        )
    return array.astype(np.float64)


def to_pair(operation: str, real: Any, fake: Any, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of samples `(N, D)` and `(M, D)` as float64, at least `least` in each.

    Examples
    --------
    >>> to_pair("kid", np.zeros((4, 2)), np.zeros((4, 3)))
    Traceback (most recent call last):
    ValueError: kid: real has 2 features a sample and fake 3; expected as many. Take both from the same network, or \
the same space.
    """
    real, fake = to_points(operation, "real", real, least), to_points(operation, "fake", fake, least)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"{operation}: real has {real.shape[1]} features a sample and fake {fake.shape[1]}; expected as many. Take "
            "both from the same network, or the same space."
        )
    return real, fake


def require_whole(operation: str, **arguments: int) -> None:
    """Say which argument is no int of 1 or more.

    Examples
    --------
    >>> require_whole("density_coverage", k=0)
    Traceback (most recent call last):
    ValueError: density_coverage: k is 0; expected an int of 1 or more.
    """
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ValueError(f"{operation}: {name} is {value!r}; expected an int of 1 or more.")


def to_generator(rng: np.random.Generator | int) -> np.random.Generator:
    """A generator as it is; a seed becomes one."""
    return np.random.default_rng(rng)
