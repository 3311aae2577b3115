"""What the networks learn from: images and points, as arrays in memory, and batches of them.

`load` is the one door: a name (`mnist`, `fashion`, `glyphs`) or the path of a folder of images. Imports of minigan
only the files module, and of other libraries only NumPy; the rest is loaded when it is needed.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from minigan.data.batches import Batches
from minigan.data.dataset import DataError, Dataset, to_uint8, to_unit
from minigan.data.folder import image_folder
from minigan.data.glyphs import glyphs
from minigan.data.idx import read_idx
from minigan.data.mnist import fashion_mnist, mnist
from minigan.data.toy import grid, ring, swiss_roll, two_moons

__all__ = [
    "NAMES",
    "Batches",
    "DataError",
    "Dataset",
    "fashion_mnist",
    "glyphs",
    "grid",
    "image_folder",
    "load",
    "mnist",
    "read_idx",
    "ring",
    "swiss_roll",
    "to_uint8",
    "to_unit",
    "two_moons",
]

NAMES = ("auto", "mnist", "fashion", "glyphs")  # what `load` knows besides folders


def load(
    name: str | os.PathLike[str] = "auto", *, train: bool = True, size: int = 28, mode: str | None = None
) -> Dataset:
    """A dataset of images by its name, or from a folder.

    Parameters
    ----------
    name : str or path-like, default "auto"
        ``"mnist"``, ``"fashion"`` (Fashion-MNIST), ``"glyphs"`` (digits drawn from fonts, without any download), or the
        path of a folder of images; a folder called `mnist` is ``"./mnist"``. ``"auto"`` is MNIST where it can be had,
        else glyphs, with a printed line that says why; but with MINIGAN_DATA set it is MNIST or an error.
    train : bool, default True
        The training set, or the test set. A folder has no test set.
    size : int, default 28
    mode : {"RGB", "L"}, default "RGB"
        Of a folder's samples, see `image_folder`. The named sets are 28×28 and grey.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If there is no dataset of that name, or not of that size, mode or part.
    DataError
        If its files are not to be had, or are damaged.

    Examples
    --------
    >>> load("mnits")
    Traceback (most recent call last):
    ValueError: load: no dataset or folder is called 'mnits'. Did you mean 'mnist'? Known are auto, mnist, fashion and \
glyphs; anything else is taken as the path of a folder of images.
    """
    if name not in NAMES:
        return _load_folder(name, train, size, mode or "RGB")
    if size != 28 or mode not in (None, "L"):
        raise ValueError(
            f"load: size={size} and mode={mode!r} are for folders of images; {name} is 28×28 and grey (mode='L')."
        )
    if name == "fashion":
        return fashion_mnist(train)
    if name == "glyphs":
        return _glyphs(train)
    try:
        return mnist(train)
    except DataError as error:
        if name == "mnist" or os.environ.get("MINIGAN_DATA"):  # who names a folder wants what is in it
            raise
        print(f"No MNIST, so digits drawn from fonts instead. {error}")
        return _glyphs(train)


def _glyphs(train: bool) -> Dataset:
    """As many glyph digits as MNIST has."""
    return glyphs(60_000 if train else 10_000, train=train)


def _load_folder(name: str | os.PathLike[str], train: bool, size: int, mode: str) -> Dataset:
    if not Path(name).expanduser().exists():
        near = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"load: no dataset or folder is called {str(name)!r}.{guess} Known are {', '.join(NAMES[:-1])} and "
            f"{NAMES[-1]}; anything else is taken as the path of a folder of images."
        )
    if not train:
        raise ValueError(f"load: the folder {name} has no test set; load the folder that holds your test images.")
    return image_folder(name, size, mode)
