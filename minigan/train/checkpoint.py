"""Checkpoints: arrays and a JSON description in one safetensors file, which holds data and can never hold code.

A checkpoint comes back bit for bit, or loading says what is wrong with the file. Imports of minigan only the files
module; safetensors when a file is saved or loaded.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigan.files import write_atomically

VERSION = 1
ENTRY = "minigan_checkpoint"  # the one entry of the file's metadata: safetensors writes several in random order
DTYPES = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)


class CheckpointError(ValueError):
    """A file is damaged, or is no checkpoint that this version of minigan reads."""


def save_checkpoint(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Write arrays and their description, whole or not at all.

    Until the very last step, a renaming, an older checkpoint at `path` stays as it was; a process that is killed on the
    way leaves it whole. The same content gives the same bytes.

    Parameters
    ----------
    path : path
        The file to write or to replace; `.safetensors` by custom.
    arrays : mapping of names to arrays
        Any shape, 0-d and empty ones included, and any strides; dtype bool, float16 to float64, (u)int8 to (u)int64.
    meta : mapping
        Dicts with string keys, lists, strings, integers of up to 4300 digits (the states of random generators have 39),
        finite floats, booleans and None, nested at will. Tuples come back as lists, NumPy scalars as Python's.

    Raises
    ------
    TypeError
        If an array or a part of `meta` has a type that would not come back; the message says where it is.
    ValueError
        If `meta` has a NaN or an infinity, for which JSON has no word, or an array is called `__metadata__`.
    OSError
        If the file cannot be written: the disk is full, the folder write-protected.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "checkpoint.safetensors"
    >>> save_checkpoint(path, {"G.weight": np.eye(2, dtype=np.float32)}, {"step": 7, "betas": [0.5, 0.999]})
    >>> arrays, meta = load_checkpoint(path)
    >>> arrays["G.weight"].dtype, meta
    (dtype('float32'), {'step': 7, 'betas': [0.5, 0.999]})
    """
    from safetensors.numpy import save

    stored = {}
    for name, array in arrays.items():
        _check_array(name, array)
        # safetensors takes the memory as it lies; ascontiguousarray would turn 0-d into 1-d
        stored[name] = np.asarray(array, order="C")
    meta = to_json(meta, "meta")
    envelope = {"version": VERSION, "sha256": _digest(stored, meta), "meta": meta}
    content = save(stored, metadata={ENTRY: json.dumps(envelope)})
    with write_atomically(path) as file:
        file.write(content)


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Parameters
    ----------
    path : path
        The checkpoint.

    Returns
    -------
    arrays : dict of arrays
        In the order of their names; each owns its memory and may be written to.
    meta : dict
        The description.

    Raises
    ------
    CheckpointError
        If the file is damaged (it carries the SHA-256 of its content), cut short, not a checkpoint, or written in
        another version of the format.
    OSError
        If there is no such file, or it cannot be read.

    Examples
    --------
    See `save_checkpoint`.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    with open(path, "rb"):  # says clearly which file is missing, a folder, or not to be read
        pass
    try:
        with safe_open(path, framework="np") as file:
            entries = file.metadata() or {}
            if ENTRY not in entries:
                raise CheckpointError(
                    f"{path}: a safetensors file, but not a checkpoint of minigan (no entry {ENTRY!r} in its "
                    "metadata); pass the checkpoint.safetensors of a run folder"
                )
            envelope = json.loads(entries[ENTRY])
            _check_version(path, envelope)
            arrays = {name: np.array(file.get_tensor(name)) for name in sorted(file.keys())}
    except CheckpointError:
        raise
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: damaged, or not a safetensors file ({error}); restore it from a copy, or start the run anew"
        ) from error

    meta = envelope["meta"]
    if envelope["sha256"] != _digest(arrays, meta):
        raise CheckpointError(
            f"{path}: damaged: its content does not give the SHA-256 written beside it; restore it from a copy, or "
            "start the run anew"
        )
    return arrays, meta


def to_json(value: Any, where: str) -> Any:
    """Copy nested data into what JSON gives back unchanged, or say what in it JSON cannot hold.

    Parameters
    ----------
    value : object
        Dicts with string keys, lists, tuples (which become lists), strings, integers, finite floats, booleans, None and
        NumPy scalars (which become Python's).
    where : str
        What error messages call `value`.

    Raises
    ------
    TypeError, ValueError
        Naming the part that JSON cannot hold.

    Examples
    --------
    >>> to_json({"betas": (0.5, np.float64(0.999))}, "config")
    {'betas': [0.5, 0.999]}
    >>> to_json({"betas": {0.5}}, "config")
    Traceback (most recent call last):
    TypeError: config['betas'] is a set, which JSON cannot hold; use dicts, lists, strings, numbers, booleans and None
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} is {value}, for which JSON has no word; leave it out or write None or a string")
        return value
    if isinstance(value, list | tuple):
        return [to_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} has the key {key!r}, but JSON has only strings for keys; use str(key)")
        return {key: to_json(item, f"{where}[{key!r}]") for key, item in value.items()}
    hint = (
        "pass it among the arrays"
        if isinstance(value, np.ndarray)
        else "use dicts, lists, strings, numbers, booleans and None"
    )
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold; {hint}")


def _check_array(name: str, array: np.ndarray) -> None:
    if not isinstance(name, str):
        raise TypeError(f"save_checkpoint: the name {name!r} of an array is a {type(name).__name__}, not a string")
    if name == "__metadata__":
        raise ValueError("save_checkpoint: '__metadata__' is reserved by safetensors; give the array another name")
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"save_checkpoint: arrays[{name!r}] is a {type(array).__name__}, but a NumPy array was expected; "
            "numbers belong in meta, or become arrays by np.asarray"
        )
    if array.dtype not in [np.dtype(known) for known in DTYPES]:
        raise TypeError(
            f"save_checkpoint: arrays[{name!r}] has dtype {array.dtype.str}, but only {', '.join(DTYPES)} (in this "
            "machine's byte order) come back as they were; convert it with astype"
        )


def _check_version(path: Path, envelope: Any) -> None:
    keys = {"version", "sha256", "meta"}
    if not isinstance(envelope, dict) or "version" not in envelope:
        raise CheckpointError(f"{path}: damaged: its entry {ENTRY!r} names no version; restore it from a copy")
    if envelope["version"] != VERSION:
        raise CheckpointError(
            f"{path}: a checkpoint in version {envelope['version']!r} of the format, but this minigan reads version "
            f"{VERSION}; load it with the minigan that wrote it (its config.json says which)"
        )
    if not keys <= envelope.keys() or not isinstance(envelope["meta"], dict):
        raise CheckpointError(f"{path}: damaged: its entry {ENTRY!r} lacks a part of {keys}; restore it from a copy")


def _digest(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> str:
    """SHA-256 of the description and of every array's name, dtype, shape and bytes."""
    digest = hashlib.sha256(json.dumps(meta).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
