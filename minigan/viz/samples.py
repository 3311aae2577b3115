"""Samples that are no images, made visible and audible: points as a scatter plot, series as curves, sounds as a WAV file.

`save_samples` chooses by the shape. Imports of minigan the grid, the pieces of `minigan.viz.plots` and the atomic file;
matplotlib when a figure is drawn.
"""

from __future__ import annotations

import math
import os
import wave
from typing import TYPE_CHECKING, Any

import numpy as np

from minigan.files import write_atomically
from minigan.viz.grid import _integer, _with_suffix, save_image
from minigan.viz.plots import COLOURS, FAINT, GRID, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REAL, ALARM = "#B8BEC6", COLOURS[1]

MOST_REALS = 10_000  # points in the background: more take longer to draw, and look the same
MOST_SERIES = 16  # in a picture or a sound file
MANY_STEPS = 1000  # above which a curve is a blot, and its silhouette says more
COLUMNS = 230  # stretches of a silhouette: about as many as a panel has pixels across


def save_samples(
    samples: np.ndarray, path: str | os.PathLike[str], reals: np.ndarray | None = None, nrow: int = 8
) -> None:
    """Draw samples in the way that suits their shape.

    Parameters
    ----------
    samples : array of floats
        Images `(N, C, H, W)` go to `save_image`, series `(N, C, L)` to `save_series`, points `(N, 2)` to `save_points`.
    path : path
        Ends in `.png`. Written whole or not at all; missing folders are made.
    reals : array of floats (M, 2), optional
        Drawn behind points; nothing to images and series.
    nrow : int, default 8
        Images in a row; nothing to points and series.

    Raises
    ------
    TypeError, ValueError
        If `samples` has no such shape, and as the function that draws.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for shape in [(8, 3, 28, 28), (8, 1, 4096), (8, 2)]:
    ...     save_samples(np.zeros(shape), folder / f"{len(shape)}.png")
    """
    shape = np.shape(samples)
    if len(shape) == 4:
        save_image(samples, path, nrow=nrow)
    elif len(shape) == 3:
        save_series(samples, path)
    elif len(shape) == 2:
        save_points(samples, path, reals=reals)
    else:
        raise ValueError(
            f"save_samples: samples has shape {shape}, but images (N, C, H, W), series (N, C, L) or points (N, 2) were "
            "expected; a single sample becomes sample[None]"
        )


# ----------------------------------------------------------------------------------------------------------------------
# Points
# ----------------------------------------------------------------------------------------------------------------------


def save_points(
    points: np.ndarray,
    path: str | os.PathLike[str],
    reals: np.ndarray | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw points in the plane as a scatter plot, with the real ones behind them.

    The picture's size and view do not depend on `points`, so that pictures of one run make a film (`save_gif`). Points
    that lie outside of the view, or are NaN or infinite, are counted in the corner.

    Parameters
    ----------
    points : array of floats (N, 2)
        At least one.
    path : path
        Ends in `.png`. Written whole or not at all; missing folders are made.
    reals : array of floats (M, 2), optional
        All finite. The first 10,000 are drawn, light, behind the points.
    limits : (low, high), optional
        Of both axes. By default the smallest square around the reals, and a tenth more; without reals [-1.1, 1.1].

    Raises
    ------
    TypeError
        If `points` or `reals` is no array of floats.
    ValueError
        If one has another shape or no points, `limits` is no interval, or `path` does not end in `.png`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> angle = np.linspace(0, 2 * np.pi, 500)
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> save_points(0.9 * circle, Path(tempfile.mkdtemp()) / "points.png", reals=circle)
    """
    from matplotlib.figure import Figure

    _check("save_points", "points", points, "(N, 2)", "; of points in more dimensions choose two, points[:, :2]")
    if reals is not None:
        _check("save_points", "reals", reals, "(M, 2)", "; of points in more dimensions choose two, reals[:, :2]")
        if not np.isfinite(reals).all():
            raise ValueError("save_points: reals hold NaN or infinity, but real points are finite; look at the data")
    (left, right), (bottom, top) = _view(reals, limits)

    figure = Figure(figsize=(4, 4), dpi=144)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color(GRID)
    for value, draw in ((0, axes.axhline), (0, axes.axvline)):
        draw(value, color=GRID, linewidth=0.8, zorder=0)
    if reals is not None:
        _scatter(axes, reals[:MOST_REALS], REAL, zorder=1, larger=1.6)  # so that they look out from under the others
    finite = np.isfinite(points).all(axis=1)
    _scatter(axes, points[finite], COLOURS[0], zorder=2)
    x, y = points[finite].T
    _remark(axes, outside=(x < left) | (x > right) | (y < bottom) | (y > top), lost=~finite)
    save_figure(figure, path, "save_points")


def _scatter(axes: Axes, points: np.ndarray, colour: str, zorder: int, larger: float = 1.0) -> None:
    """Dots that are smaller and fainter the more there are, so that a crowd still shows where it is dense."""
    crowd = math.sqrt(len(points) + 1)
    style: dict[str, Any] = {"marker": "o", "markeredgewidth": 0, "linestyle": "", "zorder": zorder}
    style |= {"markersize": larger * np.clip(90 / crowd, 1.6, 6), "alpha": np.clip(25 / crowd, 0.3, 0.9)}
    axes.plot(*points.T, color=colour, **style)


def _view(
    reals: np.ndarray | None, limits: tuple[float, float] | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """What both axes show: intervals of the same length."""
    if limits is not None:
        if len(limits) != 2 or not -math.inf < limits[0] < limits[1] < math.inf:
            raise ValueError(f"save_points: limits is {limits!r}, but (low, high) with low < high was expected")
        return (limits[0], limits[1]), (limits[0], limits[1])
    if reals is None:
        return (-1.1, 1.1), (-1.1, 1.1)
    low, high = reals.min(axis=0).astype(np.float64), reals.max(axis=0).astype(np.float64)
    half = 0.55 * float((high - low).max()) or 1.0  # reals may all be the same
    (x, y) = (low + high) / 2
    return (x - half, x + half), (y - half, y + half)


# ----------------------------------------------------------------------------------------------------------------------
# Series
# ----------------------------------------------------------------------------------------------------------------------


def save_series(series: np.ndarray, path: str | os.PathLike[str], ncols: int = 4) -> None:
    """Draw each of the first 16 series in a panel of its own, each channel as a curve.

    All panels show [-1, 1]. Of more than 1000 steps the silhouette is drawn: for each of some hundred stretches, from
    its least to its greatest value, as programs for sound do. Values that are NaN or infinite leave a gap; these, and
    values outside of [-1, 1], are counted in the corner of their panel.

    Parameters
    ----------
    series : array of floats (N, C, L)
        At least one, of at least one step.
    path : path
        Ends in `.png`. Written whole or not at all; missing folders are made.
    ncols : int, default 4
        Panels in a row. Fewer series than that make a narrower picture.

    Raises
    ------
    TypeError
        If `series` is no array of floats, or `ncols` no integer.
    ValueError
        If `series` has another shape or no values, `ncols < 1`, or `path` does not end in `.png`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> waves = np.sin(np.arange(24) * np.arange(1, 9).reshape(4, 2, 1) / 8)
    >>> save_series(waves, Path(tempfile.mkdtemp()) / "series.png")
    """
    _check("save_series", "series", series, "(N, C, L)", "; series (N, L) of one channel become series[:, None]")
    shown = series[:MOST_SERIES].astype(np.float64)
    ncols = min(_integer("save_series", "ncols", ncols, 1), len(shown))
    save_figure(_draw_series(shown, ncols), path, "save_series")


def _draw_series(series: np.ndarray, ncols: int) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    count, channels, steps = series.shape
    nrows = -(-count // ncols)
    layout = ConstrainedLayoutEngine(hspace=0.06, wspace=0.04, h_pad=0.05, w_pad=0.05)
    figure = Figure(figsize=(0.45 + 2.2 * ncols, 0.35 + 1.15 * nrows), dpi=110, layout=layout)
    panels = figure.subplots(nrows, ncols, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(panels.flat):
        # One panel carries the scale of all.
        key = index == (nrows - 1) * ncols
        axes.tick_params(axis="both", colors=FAINT, labelsize=9, length=0, labelleft=key, labelbottom=key)
        axes.spines[:].set_visible(False)
        if index >= count:
            continue
        finite = np.isfinite(series[index])
        axes.axhline(0, color=GRID, linewidth=0.8, zorder=0)
        for channel, values in enumerate(np.where(finite, series[index], np.nan)):
            colour = COLOURS[channel % len(COLOURS)]
            if steps > MANY_STEPS:
                # Other channels must show through. A stretch without change has no area, only an edge.
                alpha = 1.0 if channels == 1 else 0.6
                axes.fill_between(*_silhouette(values), color=colour, alpha=alpha, linewidth=0.6)
            else:
                dots: dict[str, Any] = {"marker": "o", "markersize": 3} if steps == 1 else {}
                axes.plot(values, color=colour, linewidth=1.4, solid_capstyle="round", **dots)
        _remark(axes, outside=finite & (np.abs(series[index]) > 1), lost=~finite)
    scale = panels[-1, 0]
    scale.set(xlim=(0, max(steps - 1, 1)), ylim=(-1.05, 1.05), yticks=[-1, 0, 1])
    scale.set_xticks([0, steps - 1] if steps > 1 else [0])
    if steps > 1:
        scale.get_xticklabels()[-1].set_ha("right")  # else it keeps the next panel at a distance
    return figure


def _silhouette(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where `COLUMNS` stretches of the values have their middle, and the least and greatest value of each."""
    starts = np.linspace(0, len(values), COLUMNS, endpoint=False).astype(int)
    middle = (starts + np.append(starts[1:], len(values)) - 1) / 2
    return middle, np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)


# ----------------------------------------------------------------------------------------------------------------------
# Sound
# ----------------------------------------------------------------------------------------------------------------------


def save_wav(series: np.ndarray, path: str | os.PathLike[str], rate: int = 16_000, gap: float = 0.1) -> None:
    """Write the first 16 sounds, one after the other, as a WAV file of one channel and 16 bits.

    A value `x` becomes `round(32767 x)`; what lies outside [-1, 1] is clipped to it, and NaN is silence.

    Parameters
    ----------
    series : array of floats (N, 1, L)
        At least one, of at least one step.
    path : path
        Ends in `.wav`. Written whole or not at all; missing folders are made.
    rate : int, default 16,000
        Steps a second, in Hz.
    gap : float, default 0.1
        Seconds of silence between two sounds.

    Raises
    ------
    TypeError
        If `series` is no array of floats, or `rate` no integer.
    ValueError
        If `series` has another shape or no values, `rate < 1`, `gap` is negative, or `path` does not end in `.wav`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> second = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    >>> save_wav(0.5 * second[None, None], Path(tempfile.mkdtemp()) / "a4.wav")
    """
    _check("save_wav", "series", series, "(N, 1, L)", "; of several channels choose one, series[:, :1]")
    path, rate = _with_suffix("save_wav", path, ".wav"), _integer("save_wav", "rate", rate, 1)
    if not 0 <= gap < math.inf:
        raise ValueError(f"save_wav: gap is {gap}, but must be a number of seconds of at least 0")
    sounds = np.nan_to_num(np.clip(series[:MOST_SERIES, 0].astype(np.float64), -1, 1))
    spaced = np.pad(np.rint(32767 * sounds).astype("<i2"), ((0, 0), (0, round(gap * rate))))
    with write_atomically(path) as file, wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)  # bytes
        sound.setframerate(rate)
        sound.writeframes(spaced.tobytes()[: 2 * (spaced.size - round(gap * rate))])  # none after the last sound


# ----------------------------------------------------------------------------------------------------------------------
# Pieces
# ----------------------------------------------------------------------------------------------------------------------


def _remark(axes: Axes, outside: np.ndarray, lost: np.ndarray) -> None:
    """Say in the corner how much is not to be seen: a network that has diverged should be seen to have."""
    counts = {"outside": np.count_nonzero(outside), "not finite": np.count_nonzero(lost)}
    text = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    if text:
        axes.text(0.98, 0.975, text, transform=axes.transAxes, ha="right", va="top", color=ALARM, fontsize=9)


def _check(operation: str, name: str, array: np.ndarray, form: str, hint: str) -> None:
    """That an array of floats has a form such as "(N, 1, L)", where a letter stands for any number but 0."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{operation}: {name} is a {type(array).__name__}, but a NumPy array {form} was expected")
    if array.dtype.kind != "f":
        raise TypeError(f"{operation}: {name} has dtype {array.dtype}, but floats were expected; convert with .astype")
    sizes = form.strip("()").split(", ")
    if array.ndim != len(sizes) or any(s.isdigit() and n != int(s) for n, s in zip(array.shape, sizes)):
        raise ValueError(f"{operation}: {name} has shape {array.shape}, but {form} was expected{hint}")
    if array.size == 0:
        raise ValueError(f"{operation}: {name} of shape {array.shape} holds no value; pass at least one sample")
