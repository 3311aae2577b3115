"""Glyphs: a data set of digits that needs no network, drawn from the fonts that matplotlib ships.

Every digit of every font is rendered once, large, and turned into a *signed distance field*: for each point, how far
away the edge of the stroke lies, positive inside the ink. An image is that field, looked up through a random smooth
map of the plane, and turned into grey by how far each pixel lies from the edge. Moving the edge outwards or inwards
makes the stroke heavier or lighter. May import NumPy, minigan.data.dataset and, inside the functions that need them,
matplotlib, Pillow, SciPy, pooch and tqdm.
"""

from __future__ import annotations

import functools
import hashlib
import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigan.data.dataset import DataError, Dataset, to_unit
from minigan.files import cache_folder, write_atomically

if TYPE_CHECKING:
    from PIL import ImageFont

# The name of a cached file holds this number: raise it whenever the same arguments begin to give other images.
VERSION = 1

# The fonts, each with its lightest and heaviest stroke: by how many pixels the edge moves outwards. Hairlines must
# show in 28×28, and the counters of bold digits must stay open. Obliques are left out, for the random slant makes
# them, and so is DejaVu Sans Mono, whose dotted zero reads as an eight.
FONTS = {
    "DejaVuSans": (-0.2, 0.5),
    "DejaVuSans-Bold": (-0.95, -0.2),
    "DejaVuSerif": (0.0, 0.55),
    "DejaVuSerif-Bold": (-0.4, -0.1),
    "STIXGeneral": (0.15, 0.65),
    "STIXGeneralItalic": (0.2, 0.7),
    "STIXGeneralBol": (-0.25, 0.15),
    "STIXGeneralBolIta": (-0.2, 0.2),
    "cmb10": (-0.15, 0.2),
    "cmr10": (0.2, 0.7),
    "cmss10": (-0.05, 0.6),
    "cmti10": (0.3, 0.8),
    "cmtt10": (-0.15, 0.45),
}

SIZE = 28  # an image has SIZE × SIZE pixels
HEIGHT = 20  # a digit at scale 1 is HEIGHT pixels high, as in MNIST
WINDOW = 32  # a master, centred on the digit's centre of mass, covers WINDOW × WINDOW pixels
DENSITY = 2  # with DENSITY points a pixel: so few that all masters fit the processor's cache
FINENESS = 4  # and is measured on a mask with FINENESS times as many
BLOCK = 256  # images drawn at a time: their arrays stay in the processor's cache


def glyphs(n: int = 60_000, seed: int = 0, train: bool = True) -> Dataset:
    """Digits from 13 fonts, warped, slanted, and thickened at random: white on black, 28×28, like MNIST.

    They are drawn in a few seconds and kept in `$MINIGAN_CACHE`, or else in the user's cache folder; a cached file
    that is damaged is drawn anew, and where the folder cannot be written to, nothing is kept.

    Parameters
    ----------
    n : int, default 60000
        How many images.
    seed : int, default 0
        The same seed gives the same images.
    train : bool, default True
        True for the training set; False for the test set of the same seed, other draws from the same distribution.

    Returns
    -------
    Dataset
        Images `(n, 1, 28, 28)` in [-1, 1]; labels `(n,)`, each digit equally likely.

    Raises
    ------
    TypeError, ValueError
        If `n` is no int or less than 1, or `seed` no int or negative.
    DataError
        If one of matplotlib's fonts is missing.

    Examples
    --------
    >>> glyphs(100)
    Dataset glyphs: 100 images of 28×28, grey, 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    """
    for name, value, least in (("n", n, 1), ("seed", seed, 0)):
        if not isinstance(value, int | np.integer):
            raise TypeError(f"glyphs: {name} must be an int, not {value!r}.")
        if value < least:
            raise ValueError(f"glyphs: {name} is {value}; expected {least} or more.")

    part = "train" if train else "test"
    path = cache_folder() / f"glyphs-v{VERSION}-{part}-n{n}-seed{seed}.npy"
    table = _load(path, n)
    if table is None:
        table = _draw(n, np.random.default_rng([seed, int(train)]))
        with suppress(OSError):  # no cache: the next call draws again
            _save(path, table)
    samples = to_unit(table[:, 1:]).reshape(n, 1, SIZE, SIZE)
    return Dataset(
        samples, table[:, 0].astype(np.int64), tuple("0123456789"), name="glyphs" if train else "glyphs (test)"
    )


# ----------------------------------------------------------------------------------------------------------------------
# Drawing
# ----------------------------------------------------------------------------------------------------------------------


def _draw(n: int, rng: np.random.Generator) -> np.ndarray:
    """`(n, 1 + 784)` bytes: a row is a label, then its pixels."""
    from tqdm import tqdm

    atlas = _masters()
    table = np.empty((n, 1 + SIZE * SIZE), dtype=np.uint8)
    with tqdm(total=n, desc="drawing glyphs", unit=" digits", delay=2, leave=False) as bar:
        for start in range(0, n, BLOCK):
            rows = table[start : start + BLOCK]
            rows[:, 0] = rng.integers(10, size=len(rows))
            rows[:, 1:] = _draw_block(rows[:, 0], atlas, rng)
            bar.update(len(rows))
    return table


def _draw_block(digit: np.ndarray, atlas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pixels `(m, 784)`, 0 to 255, of the digits `(m,)`, each in a random font, shape and stroke."""
    from scipy.ndimage import map_coordinates

    m = len(digit)
    font = rng.integers(len(FONTS), size=m)
    size = rng.uniform(0.8, 0.98, m)
    width = size * rng.uniform(0.9, 1.3, m)
    where = _plane_map(m, size, width, rng) @ _monomials()  # (m, 2, 784): x and y in the master, in pixels

    # The masters lie below one another in the atlas, and y points up. Clipping keeps each in its own.
    side = WINDOW * DENSITY
    points = np.clip(where * DENSITY + (side - 1) / 2, 0, side - 1)
    row = (side - 1 - points[:, 1]) + side * (10 * font + digit)[:, None].astype(np.float32)
    distance = map_coordinates(atlas, [row, points[:, 0]], output=np.float32, order=1)

    # Lengths in the image are √(size · width) times those in the master. A pen's edge falls from white to black
    # over `blur` pixels; 1 would be the plain antialiasing of a sharp edge.
    lightest, heaviest = np.array(list(FONTS.values())).T
    weight = rng.uniform(lightest[font], heaviest[font])
    blur = rng.uniform(0.9, 1.4, m)
    scale, shift = np.sqrt(size * width) / blur, 0.5 + weight / blur
    ink = distance * scale[:, None].astype(np.float32) + shift[:, None].astype(np.float32)
    return np.rint(255 * np.clip(ink, 0, 1))


def _plane_map(m: int, size: np.ndarray, width: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coefficients `(m, 2, 10)`, on `_monomials`, of maps from the image's plane to the master's, in pixels.

    The linear part undoes a stretch by `width` and `size`, then a slant k, then a rotation by θ:

        x' = ((c + k s) x + (s − k c) y) / width,   y' = (−s x + c y) / size,   c = cos θ, s = sin θ

    The constant shifts, and a little of every quadratic and cubic monomial bends, as no hand draws straight.
    """
    angle = np.deg2rad(rng.uniform(-9, 9, m))
    slant = rng.uniform(-0.15, 0.3, m)
    c, s = np.cos(angle), np.sin(angle)
    half = HEIGHT / 2  # the monomials take coordinates in units of half a digit's height

    maps = np.empty((m, 2, 10))
    maps[:, :, 0] = rng.uniform(-0.8, 0.8, (m, 2))
    maps[:, 0, 1:3] = half * np.stack([c + slant * s, s - slant * c], axis=1) / width[:, None]
    maps[:, 1, 1:3] = half * np.stack([-s, c], axis=1) / size[:, None]
    maps[:, :, 3:6] = rng.uniform(-0.9, 0.9, (m, 2, 3))
    maps[:, :, 6:] = rng.uniform(-0.4, 0.4, (m, 2, 4))
    return maps.astype(np.float32)


@functools.cache
def _monomials() -> np.ndarray:
    """1, x, y, x², xy, y², x³, x²y, xy², y³ at the image's pixels: `(10, 784)`, x to the right and y up."""
    axis = (np.arange(SIZE) - (SIZE - 1) / 2) / (HEIGHT / 2)
    x, y = (a.ravel() for a in np.meshgrid(axis, -axis))
    return np.stack([x**0, x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3]).astype(np.float32)


@functools.cache
def _masters() -> np.ndarray:
    """The distance fields of all fonts' digits, one below the other, in pixels: `(fonts · 10 · 64, 64)`."""
    import matplotlib
    from PIL import ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fields = []
    for name in FONTS:
        try:
            font = ImageFont.truetype(str(folder / f"{name}.ttf"), size=200)
        except OSError as error:
            raise DataError(
                f"glyphs: cannot read the font {name}.ttf in {folder}, where matplotlib keeps its fonts ({error}). "
                "Install matplotlib anew: pip install --force-reinstall matplotlib."
            ) from error
        fields += [_signed_distance(_silhouette(font, digit)) for digit in "0123456789"]
    return np.concatenate(fields)


def _silhouette(font: ImageFont.FreeTypeFont, digit: str) -> np.ndarray:
    """The digit as a mask, FINENESS times as dense as a master, its centre of mass in the middle."""
    from PIL import Image, ImageDraw

    _, top, _, bottom = font.getbbox(digit)
    font = font.font_variant(size=round(font.size * HEIGHT * DENSITY * FINENESS / (bottom - top)))
    left, top, right, bottom = font.getbbox(digit)
    side = WINDOW * DENSITY * FINENESS
    canvas = Image.new("L", (side, side))
    ImageDraw.Draw(canvas).text(((side - left - right) // 2, (side - top - bottom) // 2), digit, fill=255, font=font)

    ink = np.asarray(canvas) > 127
    off_centre = [round(axis.mean() - (side - 1) / 2) for axis in np.nonzero(ink)]
    return np.roll(ink, [-step for step in off_centre], axis=(0, 1))


def _signed_distance(ink: np.ndarray) -> np.ndarray:
    """Distance of the points of a master to the edge of `ink`, in pixels; positive inside, negative outside."""
    from scipy.ndimage import distance_transform_edt

    # Either transform counts from pixel centre to pixel centre of the other side: their difference jumps by 2 at the
    # edge, from −1 to 1, which is half a step too much on each side.
    inside, outside = distance_transform_edt(ink), distance_transform_edt(~ink)
    distance = np.where(ink, inside - 0.5, 0.5 - outside) / (DENSITY * FINENESS)
    side = WINDOW * DENSITY
    return distance.reshape(side, FINENESS, side, FINENESS).mean(axis=(1, 3)).astype(np.float32)


# ----------------------------------------------------------------------------------------------------------------------
# The cache: an .npy file with its SHA-256 behind it, so that a damaged file is never believed
# ----------------------------------------------------------------------------------------------------------------------


def _load(path: Path, n: int) -> np.ndarray | None:
    """The table in `path`, or None if there is no such file, or it is not what `_save` wrote."""
    try:
        content = path.read_bytes()
        body, digest = content[:-32], content[-32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        table = np.load(io.BytesIO(body), allow_pickle=False)
    except (OSError, ValueError):
        return None
    return table if (table.shape, table.dtype) == ((n, 1 + SIZE * SIZE), np.uint8) else None


def _save(path: Path, table: np.ndarray) -> None:
    """Write the table and its SHA-256 to `path`."""
    body = io.BytesIO()
    np.save(body, table, allow_pickle=False)
    with write_atomically(path) as file:
        file.write(body.getbuffer())
        file.write(hashlib.sha256(body.getbuffer()).digest())
