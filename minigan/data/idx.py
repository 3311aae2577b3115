"""IDX files, the format of MNIST: a header of big-endian numbers, then the values. May import minigan.data.dataset.

The header is two zero bytes, a byte for the type of the values, a byte for the number of dimensions, and four bytes
for each dimension (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"). A header can lie:
nothing is allocated before the shape that it announces has been compared with the bytes that are there.
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from minigan.data.dataset import DataError

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 64  # NumPy's own limit
_GZIP_MAGIC = b"\x1f\x8b"
_ADVICE = "Delete it and download it again, or point MINIGAN_DATA at a folder with a sound copy."


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an IDX file, which may be gzipped.

    Parameters
    ----------
    path : path-like
        The file; whether it is gzipped is seen from its first two bytes, not from its name.

    Returns
    -------
    ndarray
        Of dtype uint8, int8, int16, int32, float32 or float64, in the byte order of this machine.

    Raises
    ------
    DataError
        If the file is missing, truncated, too long, or no IDX file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "three-bytes")
    ...     _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     read_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    return parse_idx(gunzip(read_bytes(path), path), path)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file as they lie on the disk, or a `DataError` where they cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror or error}). Point MINIGAN_DATA at a folder that has this file."
        ) from error


def gunzip(raw: bytes, path: str | os.PathLike[str]) -> bytes:
    """What is inside `raw` if it begins as gzip does, else `raw`; `path` is for the message of the `DataError`."""
    if not raw.startswith(_GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged or truncated gzip file of {len(raw):,} bytes ({error}). {_ADVICE}") from error


def parse_idx(contents: bytes, path: str | os.PathLike[str]) -> np.ndarray:
    """The array in the contents of an IDX file; `path` is for the message of the `DataError`."""
    code, dimensions = contents[2:4] if len(contents) >= 4 else (0, 0)
    if contents[:2] != b"\0\0" or code not in _DTYPES or not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: not an IDX file: expected it to begin with 00 00, the code of a type ({bytes(_DTYPES).hex(' ')}) "
            f"and a number of dimensions (01 to {_MAX_DIMENSIONS:02x}), got {contents[:4].hex(' ') or 'nothing'}. "
            f"{_ADVICE}"
        )
    start = 4 + 4 * dimensions
    if len(contents) < start:
        raise DataError(
            f"{path}: truncated: the header of an array of {dimensions} dimensions takes {start} bytes, "
            f"but there are {len(contents)}. {_ADVICE}"
        )
    dtype = np.dtype(_DTYPES[code])
    shape = tuple(int(n) for n in np.frombuffer(contents, ">u4", count=dimensions, offset=4))
    expected = math.prod(shape) * dtype.itemsize  # of Python's integers, which do not overflow
    came = len(contents) - start
    if came != expected or expected == 0:
        fault = "truncated" if came < expected else "too long" if came > expected else "empty"
        raise DataError(
            f"{path}: {fault}: the header announces an array of shape {shape} and type {dtype.name}, "
            f"{expected:,} bytes, but {came:,} follow it. {_ADVICE}"
        )
    return np.frombuffer(contents, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
