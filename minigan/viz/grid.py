"""Sample grids: many small images in one picture, as a PNG file or as an animation of the training run.

Imports `minigan.files`, and Pillow when a file is written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigan.files import write_atomically

if TYPE_CHECKING:
    from PIL import Image

NOT_FINITE_COLOUR = (255, 0, 255)  # no grey image holds magenta, and hardly a photograph


# ----------------------------------------------------------------------------------------------------------------------
# Grids
# ----------------------------------------------------------------------------------------------------------------------


def make_grid(images: np.ndarray, nrow: int = 8, padding: int = 2, pad_value: float = -1.0) -> np.ndarray:
    """Lay images out in rows, as `torchvision.utils.make_grid` does, and turn them into bytes.

    A pixel `x` becomes `round(255 (x + 1) / 2)`; what lies outside [-1, 1] is clipped to it. A pixel that is NaN or
    infinite in any channel comes out magenta, and then the grid of grey images has colours too: a network that has
    diverged should be seen to have.

    Parameters
    ----------
    images : array (N, C, H, W)
        Floats in [-1, 1]; C = 1 (grey) or 3 (red, green, blue); at least one image.
    nrow : int, default 8
        Images in a row. Fewer images than that make a narrower grid.
    padding : int, default 2
        Width of the frame around each image, in pixels.
    pad_value : float, default -1 (black)
        Brightness, in [-1, 1], of the frames and of the cells left empty in the last row.

    Returns
    -------
    grid : uint8 array (H', W') of grey images, (H', W', 3) of coloured ones
        With `columns = min(nrow, N)` and `rows = ceil(N / columns)`: `H' = rows (H + padding) + padding` and
        `W' = columns (W + padding) + padding`.

    Raises
    ------
    TypeError
        If `images` is no array of floats, or `nrow` or `padding` no integer.
    ValueError
        If `images` has another shape or no pixels, `nrow < 1`, `padding < 0` or `pad_value` lies outside [-1, 1].

    Examples
    --------
    >>> make_grid(np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1), padding=1, pad_value=1.0)
    array([[255, 255, 255, 255, 255, 255, 255],
           [255,   0, 255, 128, 255, 255, 255],
           [255, 255, 255, 255, 255, 255, 255]], dtype=uint8)
    """
    _check_images(images)
    nrow, padding = _integer("make_grid", "nrow", nrow, 1), _integer("make_grid", "padding", padding, 0)
    if not -1 <= pad_value <= 1:
        raise ValueError(f"make_grid: pad_value is {pad_value}, but a brightness lies in [-1, 1] (black to white)")

    finite = np.isfinite(images).all(axis=1)  # (N, H, W)
    pixels = _to_bytes(np.where(np.isfinite(images), images, 0)).transpose(0, 2, 3, 1)  # (N, H, W, C)
    if not finite.all():
        pixels = np.where(finite[..., None], pixels, np.array(NOT_FINITE_COLOUR, np.uint8))  # C = 3 from here on

    count, height, width, channels = pixels.shape
    columns = min(nrow, count)
    rows = -(-count // columns)
    shape = (rows * (height + padding) + padding, columns * (width + padding) + padding, channels)
    grid = np.full(shape, _to_bytes(np.array(pad_value)))
    for index, image in enumerate(pixels):
        row, column = divmod(index, columns)
        top, left = padding + row * (height + padding), padding + column * (width + padding)
        grid[top : top + height, left : left + width] = image
    return grid[:, :, 0] if channels == 1 else grid


def save_image(
    images: np.ndarray,
    path: str | os.PathLike[str],
    nrow: int = 8,
    padding: int = 2,
    pad_value: float = -1.0,
    scale: int = 2,
) -> None:
    """Write the grid of some images as a PNG file.

    Parameters
    ----------
    images, nrow, padding, pad_value
        As in `make_grid`.
    path : path
        Ends in `.png`. Written whole or not at all; missing folders are made.
    scale : int, default 2
        Each pixel is drawn as a square of `scale` by `scale` pixels, which keeps the small images of this field sharp
        on a screen.

    Raises
    ------
    TypeError, ValueError
        As `make_grid`; also where `path` does not end in `.png` or `scale < 1`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> save_image(np.zeros((10, 1, 28, 28)), folder / "samples.png", nrow=5)
    """
    from PIL import Image

    path, scale = _with_suffix("save_image", path, ".png"), _integer("save_image", "scale", scale, 1)
    grid = make_grid(images, nrow, padding, pad_value)
    grid = grid.repeat(scale, axis=0).repeat(scale, axis=1)
    with write_atomically(path) as file:
        Image.fromarray(grid).save(file, format="PNG")


def save_gif(
    frames: Sequence[np.ndarray | str | os.PathLike[str]],
    path: str | os.PathLike[str],
    fps: float = 5.0,
    hold: float = 2.0,
) -> None:
    """Write an animation that shows sample grids one after the other, for ever.

    Grey frames are kept exactly; a coloured one is reduced to the 256 colours that suit it best, which is all that the
    format holds.

    Parameters
    ----------
    frames : sequence of uint8 arrays (H, W) or (H, W, 3), or of paths of PNG files
        At least one, all of the same size: what `make_grid` returned and `save_image` wrote, in the order of time.
    path : path
        Ends in `.gif`. Written whole or not at all; missing folders are made.
    fps : float, default 5
        Frames a second, at most 50: browsers slow down what is faster.
    hold : float, default 2
        Seconds for which the last frame stays, so that one sees where the training arrived.

    Raises
    ------
    TypeError
        If a frame is neither a path nor a uint8 array.
    ValueError
        If there is no frame, a frame's size differs from the first one's, or `path`, `fps` or `hold` is out of range.
    OSError
        If a frame's file is missing or no picture.

    Examples
    --------
    >>> import tempfile
    >>> rng = np.random.default_rng(0)
    >>> frames = [make_grid(sharpness * rng.uniform(-1, 1, (4, 1, 8, 8)), nrow=2) for sharpness in (0.1, 0.5, 1.0)]
    >>> save_gif(frames, Path(tempfile.mkdtemp()) / "training.gif")
    """
    path = _with_suffix("save_gif", path, ".gif")
    if not 0 < fps <= 50:
        raise ValueError(f"save_gif: fps is {fps}, but must lie above 0 and be at most 50 frames a second")
    if not 0 < hold <= 600:
        raise ValueError(f"save_gif: hold is {hold}, but must be a number of seconds above 0 and at most 600")
    if not len(frames):
        raise ValueError("save_gif: there are no frames; pass at least one grid, or the path of one PNG file")

    pictures = [_frame(frame, index) for index, frame in enumerate(frames)]
    for index, (frame, picture) in enumerate(zip(frames, pictures)):
        if picture.size != pictures[0].size:
            name = "" if isinstance(frame, np.ndarray) else f" ({os.fspath(frame)})"
            raise ValueError(
                f"save_gif: frame {index}{name} is {picture.width} pixels wide and {picture.height} high, but frame 0 "
                f"is {pictures[0].width} by {pictures[0].height}; make all grids with the same arguments"
            )
    mode = "L" if all(picture.mode == "L" for picture in pictures) else "RGB"
    pictures = [picture.convert(mode) for picture in pictures]
    durations = [round(1000 / fps)] * (len(pictures) - 1) + [round(1000 * hold)]
    with write_atomically(path) as file:
        pictures[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=durations if len(durations) > 1 else durations[0],
            loop=0,
        )


# ----------------------------------------------------------------------------------------------------------------------
# Pieces
# ----------------------------------------------------------------------------------------------------------------------


def _to_bytes(brightness: np.ndarray) -> np.ndarray:
    """Map finite brightness in [-1, 1] to 0 ... 255."""
    return np.rint((np.clip(brightness, -1, 1).astype(np.float64) + 1) * 127.5).astype(np.uint8)


def _check_images(images: np.ndarray) -> None:
    if not isinstance(images, np.ndarray):
        raise TypeError(
            f"make_grid: images is a {type(images).__name__}, but a NumPy array of shape (N, C, H, W) was expected"
        )
    if images.dtype.kind != "f":
        raise TypeError(
            f"make_grid: images has dtype {images.dtype}, but floats in [-1, 1] were expected; "
            "bytes become such floats by images / 127.5 - 1"
        )
    if images.ndim != 4:
        raise ValueError(
            f"make_grid: images has shape {images.shape}, but (N, C, H, W) was expected; a single image of shape "
            "(C, H, W) becomes image[None], grey images of shape (N, H, W) become images[:, None]"
        )
    if images.shape[1] not in (1, 3):
        hint = "; channels come second: images.transpose(0, 3, 1, 2)" if images.shape[3] in (1, 3) else ""
        raise ValueError(
            f"make_grid: images of shape {images.shape} have {images.shape[1]} channels, "
            f"but 1 (grey) or 3 (red, green, blue) were expected{hint}"
        )
    if images.size == 0:
        raise ValueError(f"make_grid: images of shape {images.shape} hold no pixel; pass at least one image")


def _integer(operation: str, name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{operation}: {name} is {value!r}, but an integer of at least {least} was expected")
    if value < least:
        raise ValueError(f"{operation}: {name} is {value}, but must be at least {least}")
    return int(value)


def _with_suffix(operation: str, path: str | os.PathLike[str], suffix: str) -> Path:
    path = Path(path)
    if path.suffix.lower() != suffix:
        raise ValueError(f"{operation}: path is {str(path)!r}, but must end in {suffix}, the format that is written")
    return path


def _frame(frame: np.ndarray | str | os.PathLike[str], index: int) -> Image.Image:
    """One frame of an animation as a grey ("L") or coloured ("RGB") picture in memory."""
    from PIL import Image

    if isinstance(frame, str | os.PathLike):
        with Image.open(frame) as picture:
            return picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8:
        came = f"of dtype {frame.dtype}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"
        raise TypeError(f"save_gif: frame {index} is {came}, but a uint8 array from make_grid or a path was expected")
    if frame.size == 0 or (frame.ndim != 2 and frame.shape[2:] != (3,)):
        raise ValueError(f"save_gif: frame {index} has shape {frame.shape}, but (H, W) or (H, W, 3) was expected")
    return Image.fromarray(np.ascontiguousarray(frame))
