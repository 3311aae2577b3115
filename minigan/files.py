"""Files that are whole or not there, and where data is kept. Imports nothing of minigan; pooch when it is asked."""

from __future__ import annotations

import glob
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that appears under its name only once it is whole.

    The bytes go into a hidden file beside `path`, reach the disk, and only then take the name over, in one step of the
    file system. Whoever reads `path`, at any moment, and after a crash or a `kill -9`, finds the old content or the new
    one. What a killed writer left behind is removed by the next. A file has one writer at a time; of two, one gets a
    FileNotFoundError. Missing parent folders are made.

    Parameters
    ----------
    path : path
        The file to write or to replace. Where it is a symbolic link, the file it points to is replaced.

    Yields
    ------
    file : binary file
        An exception inside the `with` block leaves `path` as it was.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with write_atomically(path) as file:
    ...     _ = file.write(b"all of it")
    >>> path.read_bytes()
    b'all of it'
    """
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        stale.unlink(missing_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is an entry of the folder, which has to reach the disk as well
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def cache_folder() -> Path:
    """Where downloaded and drawn data is kept: `$MINIGAN_CACHE`, or `minigan` in the user's cache folder."""
    import pooch

    return Path(os.environ.get("MINIGAN_CACHE") or pooch.os_cache("minigan")).expanduser()
