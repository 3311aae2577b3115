"""Curves of a training run and histograms of labels, drawn with matplotlib.

Figures are built as objects, without pyplot and its global state, so that they may be drawn in any thread and without a
screen. Imports of minigan only the atomic file of `minigan.viz.grid`; matplotlib when a figure is drawn.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minigan.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK, FAINT, GRID = "#333333", "#767676", "#E6E6E6"

AXIS_COLUMNS = ("step", "epoch")  # where a row stands in time, not what was measured there
FEW_ROWS = 30  # below this the points themselves are the curve
MOST_POINTS = 4000  # of a curve; a panel is about 1100 pixels wide
NAMED_VALUES = {0.5: "½", math.log(2): "log 2", math.log(4): "log 4"}


# ----------------------------------------------------------------------------------------------------------------------
# The curves of a run
# ----------------------------------------------------------------------------------------------------------------------


def read_metrics(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the columns of a table of numbers, such as the `metrics.csv` of a run.

    A last line that does not end (a run is writing it, or was killed while it did) is left out.

    Parameters
    ----------
    path : path
        A CSV file in UTF-8 whose first line names the columns.

    Returns
    -------
    columns : dict of arrays (rows,)
        int64 where every number of a column is an integer, else float64; in the order of the file. Empty for an empty
        file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line has too few or too many cells, or one that is no number; the message names file, line and column.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "metrics.csv"
    >>> _ = path.write_text("step,d_loss\\n1,1.375\\n2,1.25\\n")
    >>> read_metrics(path)
    {'step': array([1, 2]), 'd_loss': array([1.375, 1.25 ])}
    """
    content = Path(path).read_bytes()
    try:
        *lines, _ = content.split(b"\n")  # the last piece is empty, or the beginning of a line
        header, *rows = csv.reader([line.decode() for line in lines], strict=True) if lines else [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a table of numbers in UTF-8 ({error})") from None
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(f"{path}, line {number}: {len(row)} cells, but the first line names {len(header)} columns")
    return {name: _column([row[i] for row in rows], f"{path}, column {name!r}") for i, name in enumerate(header)}


def plot_losses(
    metrics: Mapping[str, np.ndarray] | str | os.PathLike[str],
    path: str | os.PathLike[str],
    title: str = "",
    equilibrium: Mapping[str, float] | None = None,
) -> None:
    """Draw the losses of a run and, in a panel below them, everything else that was measured, over its steps.

    Columns whose names end in `loss` go to the upper panel, all others but `step` and `epoch` to the lower one, such as
    D(x) and D(G(z)), the discriminator's mean answers on real and on generated images. The light curve is what was
    logged, the strong one its mean under a Hann window of about a twenty-fifth of the rows; the legend gives the strong
    curve's last value. Values that are NaN or infinite leave a gap and are counted in the legend. From 30 rows on,
    an axis covers the whole strong curve but only the middle 99 % of the light one, so that a single spike does not
    flatten the rest.

    Parameters
    ----------
    metrics : mapping of names to arrays (rows,), or path of a CSV file
        Any names, any number of rows, none included.
    path : path
        Ends in `.png`. Written whole or not at all.
    title : str, default ""
        What stands above the panels.
    equilibrium : mapping of column names to numbers, optional
        Values that the columns take at the game's equilibrium, drawn as dashed lines. In the original game [1]_ D is
        1/2 everywhere, so its loss, `-log D(x) - log(1 - D(G(z)))`, is `log 4`, and G's, `-log D(G(z))`, is `log 2`.
        By default 1/2 is marked in the lower panel where all its values lie in [0, 1], and nothing in the upper one.

    Raises
    ------
    ValueError
        If the columns differ in length, `path` does not end in `.png`, or the CSV file is damaged.

    References
    ----------
    .. [1] I. Goodfellow et al., "Generative Adversarial Nets", 2014, theorem 1 and section 3.

    Examples
    --------
    >>> import tempfile
    >>> metrics = {"step": np.arange(100), "d_loss": np.linspace(2, 1.4, 100), "D(x)": np.linspace(0.9, 0.5, 100)}
    >>> plot_losses(metrics, Path(tempfile.mkdtemp()) / "losses.png", equilibrium={"d_loss": np.log(4)})
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    columns = read_metrics(metrics) if isinstance(metrics, str | os.PathLike) else metrics
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    shapes = {name: values.shape for name, values in columns.items()}
    if any(len(shape) != 1 for shape in shapes.values()) or len(set(shapes.values())) > 1:
        raise ValueError(f"plot_losses: expected columns of one length, each of shape (rows,), but got {shapes}")
    equilibrium = dict(equilibrium or {})
    for name in equilibrium:
        if columns and name not in columns:
            raise ValueError(f"plot_losses: equilibrium names {name!r}, but the columns are {list(columns)}")

    axis = next((name for name in AXIS_COLUMNS if name in columns), "row")
    rows = len(next(iter(columns.values()), ()))
    time = columns.get(axis, np.arange(rows, dtype=np.float64))
    measured = {name: values for name, values in columns.items() if name not in AXIS_COLUMNS}
    losses = {name: values for name, values in measured.items() if name.endswith("loss")}
    others = {name: values for name, values in measured.items() if name not in losses}
    panels = [panel for panel in (losses, others) if panel and rows] or [{}]

    figure = Figure(
        figsize=(9, 0.9 + 2.9 * len(panels)),
        dpi=144,
        layout=ConstrainedLayoutEngine(hspace=0.05, h_pad=0.08, w_pad=0.08),
    )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)
    subplots = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(subplots, panels):
        _draw_panel(axes, time, panel, equilibrium)
        if panel is losses:
            axes.set_ylabel("loss", color=INK)
    bottom = subplots[-1]
    bottom.set_xlabel(axis, color=INK)
    moments = np.unique(time[np.isfinite(time)])
    if len(moments) > 1:
        bottom.set_xlim(moments[0], moments[-1])
        bottom.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=(1, 2, 5, 10)))
    else:
        bottom.set_xticks(moments)
    save_figure(figure, path, "plot_losses")


def _draw_panel(
    axes: Axes, time: np.ndarray, panel: Mapping[str, np.ndarray], equilibrium: Mapping[str, float]
) -> None:
    """Draw the curves of one panel, the legend above them, and the values at equilibrium."""
    _dress(axes)
    handles, labels = [], []
    extent: list[float] = []  # what the axis has to cover
    marks: dict[float, str] = {}  # colours of the lines at equilibrium
    for index, (name, values) in enumerate(panel.items()):
        colour = COLOURS[index % len(COLOURS)]
        finite = np.isfinite(values)
        shown = np.where(finite, values, np.nan)
        dots: dict[str, Any] = {}
        if len(values) < FEW_ROWS:
            when, strong = time, shown
            dots |= {"marker": "o", "markersize": 4.5, "clip_on": False}
            extent += [*values[finite]]
        else:
            when, strong = _smooth(time, shown)
            axes.plot(*_envelope(time, shown), color=colour, linewidth=0.7, alpha=0.28, zorder=2)
            if finite.any():
                extent += [*np.quantile(values[finite], (0.005, 0.995)), np.nanmin(strong), np.nanmax(strong)]
        handles += axes.plot(when, strong, color=colour, linewidth=2.0, solid_capstyle="round", zorder=3, **dots)
        label = name
        if finite.any():
            label += f"   {strong[np.isfinite(strong)][-1]:.3g}".replace("-", "−")
        if not finite.all():
            label += f"   ({np.count_nonzero(~finite)} not finite)"
        labels.append(label)
        if name in equilibrium:
            value = float(equilibrium[name])
            marks[value] = FAINT if value in marks else colour

    covered = [*extent, *marks] if extent else []
    low, high = min(covered, default=0), max(covered, default=0)
    answers = bool(covered) and low >= 0 and high <= 1 and not any(name.endswith("loss") for name in panel)
    if answers:
        marks = marks or {0.5: FAINT}
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.set_ylim(-0.03, 1.03)
    elif covered:
        margin = 0.06 * (high - low) or 0.5
        axes.set_ylim(low - margin, high + margin)
    else:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "nothing to show yet", transform=axes.transAxes, ha="center", va="center", color=FAINT)
    for value, colour in marks.items():
        axes.axhline(value, color=colour, linewidth=1.2, dashes=(5, 4), zorder=1.5)
        if not answers:
            name = next((name for known, name in NAMED_VALUES.items() if math.isclose(value, known)), f"{value:.3g}")
            _beside(axes, value, name, colour)
    if handles:
        legend = axes.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0.3,
            borderpad=0.2,
            ncols=4,
            frameon=False,
            labelcolor=INK,
            handlelength=1.3,
            columnspacing=2.4,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _blocks(values: np.ndarray) -> np.ndarray:
    """Where the stretches of rows begin that share one point, so that a curve has at most `MOST_POINTS`."""
    return np.arange(0, len(values), -(-len(values) // MOST_POINTS))


def _smooth(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the finite values around each moment under a Hann window; NaN where the value itself is."""
    starts, finite = _blocks(values), np.isfinite(values)
    total = np.add.reduceat(np.where(finite, values, 0), starts)
    weight = np.add.reduceat(finite, starts, dtype=np.float64)
    kernel = np.hanning((max(5, len(starts) // 25) | 1) + 2)[1:-1]
    mean = np.full(len(starts), np.nan)
    np.divide(
        np.convolve(total, kernel, mode="same"), np.convolve(weight, kernel, mode="same"), out=mean, where=weight > 0
    )
    return (time[starts] + time[np.append(starts[1:], len(time)) - 1]) / 2, mean


def _envelope(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same silhouette in fewer points: the least and the greatest value of each stretch, in turn."""
    starts = _blocks(values)
    if len(starts) == len(values):
        return time, values
    extremes = np.stack([np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)], axis=1)
    return time[starts].repeat(2), extremes.ravel()


def _column(cells: Sequence[str], where: str) -> np.ndarray:
    """Numbers of one column: integers if all of them are."""
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    numbers = []
    for number, cell in enumerate(cells, start=2):
        try:
            numbers.append(float(cell))
        except ValueError:
            raise ValueError(f"{where}, line {number}: {cell!r} is no number") from None
    return np.array(numbers, dtype=np.float64)


# ----------------------------------------------------------------------------------------------------------------------
# Histograms of labels
# ----------------------------------------------------------------------------------------------------------------------


def plot_histogram(
    counts: np.ndarray | Sequence[int],
    path: str | os.PathLike[str],
    labels: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """Draw how many samples have each label, beside the uniform share `sum(counts) / K` as a dashed line.

    Labels that no sample has, the modes that a generator has lost, are marked in a colour of their own and counted in
    the corner.

    Parameters
    ----------
    counts : integers (K,)
        Number of samples with each label, K at least 1: `np.bincount(labels, minlength=10)`.
    path : path
        Ends in `.png`. Written whole or not at all.
    labels : sequence of K strings, optional
        Names of the labels; by default 0 ... K - 1.
    title : str, default ""
        What stands above the bars.

    Raises
    ------
    TypeError
        If the counts are no integers.
    ValueError
        If a count is negative, the shape is not (K,), or there are not K labels.

    Examples
    --------
    >>> import tempfile
    >>> plot_histogram([98, 113, 0, 101], Path(tempfile.mkdtemp()) / "digits.png", title="Digits of 312 samples")
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.patheffects import withStroke

    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.size == 0:
        raise ValueError(f"plot_histogram: counts has shape {counts.shape}, but (K,) with K >= 1 was expected")
    if counts.dtype.kind not in "iu":
        raise TypeError(f"plot_histogram: counts has dtype {counts.dtype}, but integers were expected (np.bincount)")
    if counts.min() < 0:
        raise ValueError(f"plot_histogram: counts[{counts.argmin()}] is {counts.min()}, but no count is negative")
    if labels is not None and len(labels) != len(counts):
        raise ValueError(f"plot_histogram: {len(labels)} labels were given for {len(counts)} counts")

    figure = Figure(figsize=(9, 4.2), dpi=144, layout=ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08))
    axes = figure.subplots()
    _dress(axes)
    places = np.arange(len(counts))
    missing = counts == 0
    few = len(counts) <= 30
    axes.bar(places, counts, width=0.72 if few else 1.0, color=COLOURS[0], linewidth=0)
    axes.axhline(counts.mean(), color=FAINT, linewidth=1.2, dashes=(5, 4), zorder=1.5)
    _beside(axes, counts.mean(), f"uniform\n{counts.mean():.4g}", FAINT)
    if few:
        for place, count in zip(places, counts):
            colour, weight = (COLOURS[1], "bold") if count == 0 else (INK, "normal")
            axes.annotate(
                f"{count}",
                (place, count),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=colour,
                fontsize=9,
                fontweight=weight,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
        axes.set_xticks(places, labels if labels is not None else [str(place) for place in places], parse_math=False)
    else:
        axes.plot(places[missing], np.zeros(missing.sum()), "|", color=COLOURS[1], markersize=7, clip_on=False)
    axes.set_xlim(-0.6, len(counts) - 0.4)
    axes.set_ylim(0, 1.12 * max(counts.max(), 1))
    axes.set_xlabel("label", color=INK)
    axes.set_ylabel("samples", color=INK)
    if title:
        axes.set_title(title, loc="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)
    if missing.any():
        corner = f"{missing.sum()} of {len(counts)} labels missing"
        axes.set_title(corner, loc="right", fontsize=10, color=COLOURS[1])
    save_figure(figure, path, "plot_histogram")


# ----------------------------------------------------------------------------------------------------------------------
# What the figures share
# ----------------------------------------------------------------------------------------------------------------------


def _dress(axes: Axes) -> None:
    """Leave of the frame what a reader needs: one line below, faint lines across."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="both", colors=FAINT, labelcolor=INK, labelsize=9, length=0)


def _beside(axes: Axes, value: float, text: str, colour: str) -> None:
    """Write to the right of the panel, at the height of a value."""
    across = axes.get_yaxis_transform()  # x in parts of the panel, y in units of the data
    axes.text(1.008, value, text, transform=across, color=colour, fontsize=9, ha="left", va="center")


def save_figure(figure: Figure, path: str | os.PathLike[str], operation: str = "save_figure") -> None:
    """Write a figure of matplotlib as a PNG file, whole or not at all; `operation` is what an error names."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{operation}: path is {str(path)!r}, but must end in .png, the format that is written")
    with write_atomically(path) as file:
        FigureCanvasAgg(figure).print_png(file)
