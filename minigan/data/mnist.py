"""MNIST and Fashion-MNIST: found on this machine, or downloaded. May import minigan.data.dataset and minigan.data.idx.

Both sets are four IDX files with the same four names, so that one loader serves both; nothing but the contents tells
the one from the other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minigan.data.dataset import DataError, Dataset, to_unit
from minigan.data.idx import gunzip, parse_idx, read_bytes
from minigan.files import cache_folder

_TIMEOUT = 15  # seconds until a silent mirror counts as unreachable


@dataclass(frozen=True)
class _Source:
    """Where a set lies, and the published SHA-256 of every file: of the `.gz`, or of what is inside it."""

    name: str
    title: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    classes: tuple[str, ...]
    sha256: dict[str, str]


_MNIST = _Source(
    name="mnist",
    title="MNIST",
    folders=("mnist",),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    classes=tuple("0123456789"),
    sha256={  # of the contents: the gzip wrapper has been made anew more than once
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)

_FASHION = _Source(
    name="fashion",
    title="Fashion-MNIST",
    folders=("fashion", "fashion-mnist"),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    sha256={  # of the .gz, as TensorFlow Datasets lists them (url_checksums/fashion_mnist.txt)
        "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
)


def mnist(train: bool = True, root: str | os.PathLike[str] | None = None, download: bool = True) -> Dataset:
    """MNIST: handwritten digits, 28×28, grey; 60,000 to train on and 10,000 to test on.

    Looks in `$MINIGAN_DATA` (in its subfolder `mnist`, then in the folder itself), then in the cache (`$MINIGAN_CACHE`,
    or the user's cache folder), then downloads into the cache. Files of your own are checked for their form;
    downloaded and cached ones for their SHA-256, and a damaged one is downloaded again.

    Parameters
    ----------
    train : bool, default True
        The training set, or the test set.
    root : path-like, optional
        Look here (or in its subfolder `mnist`), and nowhere else.
    download : bool, default True
        Whether what is found nowhere may be downloaded.

    Returns
    -------
    Dataset
        Samples `(60000, 1, 28, 28)` or `(10000, 1, 28, 28)` in [-1, 1], with labels.

    Raises
    ------
    DataError
        If the files are not to be had, or are damaged.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998.

    Examples
    --------
    >>> mnist(train=False)  # doctest: +SKIP
    Dataset mnist (test): 10,000 images of 28×28, grey, 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    """
    return _load(_MNIST, train, root, download)


def fashion_mnist(train: bool = True, root: str | os.PathLike[str] | None = None, download: bool = True) -> Dataset:
    """Fashion-MNIST: photographs of clothes in ten classes, in the form of MNIST, and found as `mnist` is.

    The subfolders of `$MINIGAN_DATA` and of `root` that are looked into are `fashion` and `fashion-mnist`.

    Parameters
    ----------
    train, root, download
        As for `mnist`.

    Returns
    -------
    Dataset
        Samples `(60000, 1, 28, 28)` or `(10000, 1, 28, 28)` in [-1, 1], with labels.

    Raises
    ------
    DataError
        If the files are not to be had, or are damaged.

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> fashion_mnist().classes[7]  # doctest: +SKIP
    'Sneaker'
    """
    return _load(_FASHION, train, root, download)


def _load(source: _Source, train: bool, root: str | os.PathLike[str] | None, download: bool) -> Dataset:
    split = "train" if train else "t10k"
    stems = (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte")
    images, labels = _read_own(source, stems, root) or [_read_cached(source, stem, download) for stem in stems]
    return Dataset(
        to_unit(images)[:, None],
        labels.astype(np.int64),
        source.classes,
        name=source.name if train else f"{source.name} (test)",
    )


def _find(source: _Source, folder: Path, stem: str) -> Path | None:
    """The file of that stem in the folder, or in one of the subfolders where this set may lie."""
    for place in (*(folder / sub for sub in source.folders), folder):
        for path in (place / f"{stem}.gz", place / stem):
            if path.is_file():
                return path
    return None


def _read(source: _Source, stem: str, path: Path, original: bool) -> np.ndarray:
    """The array in one file; `original` demands the published checksum."""
    raw = read_bytes(path)
    contents = gunzip(raw, path)
    sha256 = {hashlib.sha256(raw).hexdigest(), hashlib.sha256(contents).hexdigest()}
    known = next((s for s in (_MNIST, _FASHION) if s.sha256[stem] in sha256), None)
    if known not in (source, None):
        raise DataError(
            f"{path}: this is {known.title}, not {source.title}, whose files have the same names; "
            f"put each set into a subfolder of its own, {known.folders[0]} and {source.folders[0]}."
        )
    if original and known is None:
        raise DataError(f"{path}: the SHA-256 is not the one published for {source.title}. Delete it.")
    return parse_idx(contents, path)


# ----------------------------------------------------------------------------------------------- the user's own files


def _read_own(
    source: _Source, stems: tuple[str, str], root: str | os.PathLike[str] | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Images and labels from `root`, or `$MINIGAN_DATA`; None where that is not set or holds neither file."""
    place = root or os.environ.get("MINIGAN_DATA")
    if not place:
        return None
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise DataError(f"{source.title}: {'root' if root else 'MINIGAN_DATA'} is {folder}, which is no folder.")
    paths = [_find(source, folder, stem) for stem in stems]
    if paths == [None, None] and not root:
        return None
    for stem, path in zip(stems, paths):
        if path is None:
            raise DataError(
                f"{source.title}: neither {stem}.gz nor {stem} is in {folder} or its subfolder "
                f"{' or '.join(source.folders)}; put it there."
            )
    images, labels = (_read(source, stem, path, original=False) for stem, path in zip(stems, paths) if path)
    _check(source, paths, images, labels)
    return images, labels


def _check(source: _Source, paths: list[Path | None], images: np.ndarray, labels: np.ndarray) -> None:
    """That images and labels are what a set of this form holds, and as many of the one as of the other."""
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise DataError(
            f"{paths[0]}: expected uint8 images (N, 28, 28) for {source.title}, got {images.dtype} {images.shape}."
        )
    if labels.dtype != np.uint8 or labels.ndim != 1 or labels.max() > 9:
        largest = f" up to {labels.max()}" if labels.ndim == 1 else ""
        raise DataError(
            f"{paths[1]}: expected uint8 labels (N,) from 0 to 9 for {source.title}, "
            f"got {labels.dtype} {labels.shape}{largest}."
        )
    if len(images) != len(labels):
        raise DataError(
            f"{paths[0]} holds {len(images):,} images, but {paths[1]} {len(labels):,} labels: "
            "they are not of the same set. Download both again."
        )


# ------------------------------------------------------------------------------------------ the cache and the mirrors


def _read_cached(source: _Source, stem: str, download: bool) -> np.ndarray:
    """One array from the cache, where it is downloaded to when it is not there or damaged."""
    cache = cache_folder()
    path = _find(source, cache, stem)
    if path is not None:
        try:
            return _read(source, stem, path, original=True)
        except DataError:
            if not download:
                raise
    if not download:
        raise DataError(
            f"{source.title}: {stem}.gz is neither in $MINIGAN_DATA nor in the cache {cache}, and download=False; "
            "set MINIGAN_DATA to a folder that has it, or allow the download."
        )
    return _download(source, stem, cache / source.folders[0])


def _download(source: _Source, stem: str, folder: Path) -> np.ndarray:
    """Fetch one file from the first mirror that gives the original, keep it in the folder, and read it."""
    name = f"{stem}.gz"
    failures = []
    for mirror in source.mirrors:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                part = Path(scratch, name)
                _fetch(mirror + name, part)
                array = _read(source, stem, part, original=True)
                os.replace(part, folder / name)
                return array
        except DataError:
            failures.append(f"{mirror} (wrong contents)")
        except OSError as error:  # requests' exceptions are OSErrors, too
            failures.append(f"{mirror} ({error.strerror or type(error).__name__})")
    own = os.environ.get("MINIGAN_DATA")
    raise DataError(
        f"{source.title}: {f'{stem} is not in MINIGAN_DATA={own}, and ' if own else ''}{name} could not be downloaded to "
        f"{folder}; tried {' and '.join(failures)}. "
        "Set MINIGAN_DATA to a folder that has the files, or use --data glyphs, which needs none."
    )


def _fetch(url: str, path: Path) -> None:
    """Download a file, with a progress bar."""
    import pooch

    print(f"Downloading {url}")
    pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 16, timeout=_TIMEOUT)(url, str(path), None)
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
