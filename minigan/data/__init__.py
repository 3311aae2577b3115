"""What the networks learn from: images, points and series, as arrays in memory, and batches of them.

`load` is the one door: a name (`mnist`, `ring`, `tones`, …) or the path of a folder of images. Imports of minigan
only the files module, and of other libraries only NumPy; the rest is loaded when it is needed.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from minigan.data.batches import Batches
from minigan.data.dataset import DataError, Dataset, to_uint8, to_unit
from minigan.data.folder import image_folder
from minigan.data.glyphs import glyphs
from minigan.data.idx import read_idx
from minigan.data.mnist import fashion_mnist, mnist
from minigan.data.series import sines, tones
from minigan.data.toy import grid, ring, swiss_roll, two_moons

__all__ = [
    "NAMES",
    "PICTURES",
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
    "sines",
    "swiss_roll",
    "to_uint8",
    "to_unit",
    "tones",
    "two_moons",
]

PICTURES = ("auto", "mnist", "fashion", "glyphs")

# Sets that are drawn from a formula: by which function, and how many samples for training and for the test.
_DRAWN: dict[str, tuple[Callable[..., Dataset], int, int]] = {
    "ring": (ring, 100_000, 10_000),
    "grid": (grid, 100_000, 10_000),
    "swiss-roll": (swiss_roll, 100_000, 10_000),
    "moons": (two_moons, 100_000, 10_000),
    "tones": (tones, 8_192, 1_024),
    "sines": (sines, 10_000, 2_000),
}

NAMES = (*PICTURES, *_DRAWN)  # what `load` knows besides folders; each has a test set


def load(
    name: str | os.PathLike[str] = "auto", *, train: bool = True, size: int = 28, mode: str | None = None
) -> Dataset:
    """A dataset by its name, or of the images in a folder.

    Parameters
    ----------
    name : str or path-like, default "auto"
        Of images, ``"mnist"``, ``"fashion"`` (Fashion-MNIST), ``"glyphs"`` (digits drawn from fonts, without any
        download), or the path of a folder of images; a folder called `mnist` is ``"./mnist"``. ``"auto"`` is MNIST where
        it can be had, else glyphs, with a printed line that says why; but with MINIGAN_DATA set it is MNIST or an error.
        Of points in [-1, 1]², 100,000 each (test 10,000), ``"ring"``, ``"grid"``, ``"swiss-roll"`` and ``"moons"``. Of
        series, ``"tones"``, 8,192 sounds `(1, 4096)` (test 1,024), and ``"sines"``, 10,000 time series `(5, 24)` (test
        2,000). Points and series are drawn with seed 0 for training, seed 1 for the test.
    train : bool, default True
        The training set, or the test set. A folder has no test set.
    size : int, default 28
    mode : {"RGB", "L"}, default "RGB"
        Of a folder's samples, see `image_folder`. The named sets of images are 28×28 and grey.

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
    ValueError: load: no dataset or folder is called 'mnits'. Did you mean 'mnist'? Known are auto, mnist, fashion, \
glyphs, ring, grid, swiss-roll, moons, tones and sines; anything else is taken as the path of a folder of images.
    >>> load("moons", train=False)
    Dataset two_moons: 10,000 points in 2 dimensions, 2 classes (upper, lower)
    """
    if name not in NAMES:
        return _load_folder(name, train, size, mode or "RGB")
    if size != 28 or mode not in ((None, "L") if name in PICTURES else (None,)):
        it = "is 28×28 and grey (mode='L')" if name in PICTURES else "holds no images: leave them out"
        raise ValueError(f"load: size={size} and mode={mode!r} are for folders of images; {name} {it}.")
    if name in _DRAWN:
        draw, for_training, for_the_test = _DRAWN[str(name)]
        return draw(for_training, seed=0) if train else draw(for_the_test, seed=1)
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
