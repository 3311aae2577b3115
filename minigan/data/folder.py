"""A folder of images as a dataset. May import minigan.data.dataset; Pillow is loaded when a folder is read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigan.data.dataset import DataError, Dataset, to_unit

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
_PATIENCE = 2000  # images that are read before anyone would like to see a progress bar


def image_folder(path: str | os.PathLike[str], size: int = 28, mode: str = "RGB") -> Dataset:
    """The images of a folder: one subfolder for each class, or all in one place and without labels.

    Every image is turned upright (EXIF), laid over white where it is transparent, cropped to the square in its middle
    and resized to `size` × `size` (Lanczos, antialiased). Of an animation the first frame is taken. Files and folders
    whose names begin with a dot, and files that are no images by their suffix, are passed over. The order is that of
    the names, numbers counted as numbers: `2.png` comes before `10.png`.

    Parameters
    ----------
    path : path-like
        The folder. Subfolders, each a class with its name, are searched to any depth.
    size : int, default 28
        Height and width of the samples in pixels.
    mode : {"RGB", "L"}, default "RGB"
        Three channels of colour, or one of grey.

    Returns
    -------
    Dataset
        Samples `(N, 3, size, size)` or `(N, 1, size, size)` in [-1, 1], named after the folder.

    Raises
    ------
    ValueError
        If `size` or `mode` is none of these.
    DataError
        If there is no such folder, no image in it (or in one of its classes), or one that cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as folder:
    ...     for kind in ("cat", "dog"):
    ...         Path(folder, kind).mkdir()
    ...         Image.new("RGB", (64, 48), "orange").save(Path(folder, kind, "1.png"))
    ...     pets = image_folder(folder, size=32)
    >>> pets.samples.shape, pets.labels, pets.classes
    ((2, 3, 32, 32), array([0, 1]), ('cat', 'dog'))
    """
    from tqdm import tqdm

    if mode not in ("RGB", "L"):
        raise ValueError(f"image_folder: mode must be 'RGB' or 'L', not {mode!r}.")
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"image_folder: size must be a whole number of pixels, at least 1, not {size!r}.")
    root = Path(path).expanduser().resolve()
    classes, files, labels = _list(root)
    channels = {"RGB": 3, "L": 1}[mode]
    pixels = np.empty((len(files), size, size, channels), np.uint8)
    bar = tqdm(files, desc=f"Reading {root.name}", unit=" images", disable=len(files) <= _PATIENCE)
    for file, square in zip(bar, pixels):
        square[:] = np.asarray(_read(file, size, mode)).reshape(square.shape)
    samples = to_unit(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return Dataset(samples, labels, classes, name=root.name)


# -------------------------------------------------------------------------------------------------------- which files


def _list(root: Path) -> tuple[tuple[str, ...], list[Path], np.ndarray | None]:
    """The names of the classes, the images in order, and the class of every image."""
    if not root.exists():
        raise DataError(f"{root}: there is no such folder.")
    if not root.is_dir():
        raise DataError(f"{root}: is a file; expected the folder that holds the images.")
    flat = _images(root.iterdir(), root)
    folders = sorted(
        (entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")),
        key=lambda folder: _natural(folder.name),
    )
    members = {folder: _images(folder.rglob("*"), folder) for folder in folders}
    if not any(members.values()):
        if not flat:
            raise DataError(f"{root}: no images; looked for files that end in {' '.join(_SUFFIXES)}.")
        return (), flat, None
    if flat:
        raise DataError(
            f"{root}: {len(flat)} images (such as {flat[0].name}) lie beside the folders of classes (such as "
            f"{folders[0].name}); put every image into the folder of its class, or all into one without subfolders."
        )
    empty = [folder.name for folder, images in members.items() if not images]
    if empty:
        raise DataError(
            f"{root}: no images in the subfolder {', '.join(empty)}; every subfolder is a class. Remove it."
        )
    labels = np.repeat(np.arange(len(folders)), [len(images) for images in members.values()])
    return tuple(folder.name for folder in folders), [file for images in members.values() for file in images], labels


def _images(entries: Iterable[Path], root: Path) -> list[Path]:
    """Those of the entries below the root that are images and not hidden, in natural order."""
    found = {
        entry: entry.relative_to(root).parts
        for entry in entries
        if entry.suffix.lower() in _SUFFIXES and entry.is_file()
    }
    seen = [entry for entry, parts in found.items() if not any(part.startswith(".") for part in parts)]
    return sorted(seen, key=lambda entry: [_natural(part) for part in found[entry]])


def _natural(name: str) -> tuple[list[str | int], str]:
    """A sorting key: runs of digits compare as numbers, letters without case; the name decides between equals."""
    runs = re.split(r"(\d+)", name.casefold())  # text and digits in turn, text first: like is compared with like
    return [int(run) if i % 2 else run for i, run in enumerate(runs)], name


# ---------------------------------------------------------------------------------------------------------- one image


def _read(file: Path, size: int, mode: str) -> Image.Image:
    """The square in the middle of an image, upright and opaque, `size` × `size` pixels of the mode."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as image:
            image.draft(None, (2 * size, 2 * size))  # a JPEG need not be decoded much larger than it is wanted
            upright = _eight_bits(ImageOps.exif_transpose(image))
            opaque = _over_white(upright).convert(mode)
        return ImageOps.fit(opaque, (size, size), Image.Resampling.LANCZOS)
    except Exception as error:  # a damaged file makes Pillow's decoders raise all sorts of things
        raise DataError(
            f"{file}: cannot be read as an image ({str(error) or type(error).__name__}). Replace it or remove it."
        ) from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits, scaled to 8; Pillow's own conversion would clip it to white."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("floating-point pixels, whose range is not known; expected integers of 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    grey = np.clip(np.asarray(image), 0, 65535) / 257  # 65535 / 257 = 255
    return Image.fromarray(np.rint(grey).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    """The image laid over white where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    colours = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours)
