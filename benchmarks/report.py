"""What was found, for people: a table and a chart. Imports pairs, matplotlib when it draws."""

from __future__ import annotations

from typing import Any, BinaryIO

from pairs import Row, Section

PER_UNIT = {"ms": 1e-3, "s": 1.0, "MiB": 2.0**20}
COLORS = ("#3b6ea8", "#d98a3d", "#6aa84f", "#9a68ad")  # of the parts of a case
ROWS_IN_COLUMN = 60  # of a chart
RATIO = {
    "minigan": "PyTorch's time / minigan's: more than 1, and minigan is faster",
    "peer": "minigan's memory / PyTorch's: less than 1, and minigan needs less",
}


def table(section: Section) -> str:
    """The rows in aligned columns: each side's median, and the paired ratios.

    Examples
    --------
    >>> from pairs import Row
    >>> print(table(Section("train", "a step", [Row("dcgan", "", [0.1, 0.1], [0.1, 0.2])])))
    train: a step; medians in ms
    ratio: PyTorch's time / minigan's: more than 1, and minigan is faster
    ──────────────────────────────────────────────────────────
    case   minigan  PyTorch  ratio     quartiles         range
    dcgan      100      150   1.50  1.25 to 1.75  1.00 to 2.00
    ──────────────────────────────────────────────────────────
    """
    lines = [["case", "part", "minigan", "PyTorch", "ratio", "quartiles", "range", "PyTorch's layout"]]
    for row in section.rows:
        s = row.summary(section.over)
        medians = [digits(s[side] / PER_UNIT[section.unit]) for side in ("minigan", "peer")]
        spread = [f"{s['ratio']:.2f}", f"{s['q1']:.2f} to {s['q3']:.2f}", f"{s['min']:.2f} to {s['max']:.2f}"]
        lines.append([row.case, row.part, *medians, *spread, row.layout])
    columns = [column for column in zip(*lines) if any(column[1:])]
    words = ("case", "part", "PyTorch's layout")
    aligned = []
    for column in columns:
        width = max(map(len, column))
        aligned.append([cell.ljust(width) if column[0] in words else cell.rjust(width) for cell in column])
    head, *body = ["  ".join(cells).rstrip() for cells in zip(*aligned)]
    rule = "─" * max(map(len, [head, *body]))
    title = f"{section.suite}: {section.title}; medians in {section.unit}"
    return "\n".join([title, f"ratio: {RATIO[section.over]}", rule, head, *body, rule, *section.notes])


def digits(x: float) -> str:
    """Three digits that count: 0.0123, 1.23, 123, 1234."""
    return f"{x:.0f}" if x >= 99.95 else f"{x:#.3g}"


def draw(section: Section, machine: str, file: BinaryIO) -> None:
    """A chart as PNG: a bar for each ratio, which begins at 1; of the suite `scaling`, the times by size.

    Parameters
    ----------
    section : Section
    machine : str
        Written below the chart.
    file : binary file
    """
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained", dpi=150)
    (_draw_sizes if section.suite == "scaling" else _draw_ratios)(figure, section)
    figure.suptitle(f"minigan beside PyTorch: {section.title}", fontsize=11)
    figure.supxlabel(machine, fontsize=6, color="0.5")
    figure.savefig(file, format="png")


def _draw_ratios(figure: Any, section: Section) -> None:
    """A bar for each row from 1 to its ratio, with the quartiles; the rows of a case lie together."""
    cases: dict[str, list[Row]] = {}
    for row in section.rows:
        cases.setdefault(row.case, []).append(row)
    columns: list[dict[str, list[Row]]] = [{}]
    for case, rows in cases.items():
        if sum(map(len, columns[-1].values())) + len(rows) > ROWS_IN_COLUMN:
            columns.append({})
        columns[-1][case] = rows
    longest = max(sum(map(len, column.values())) + 0.6 * len(column) for column in columns)
    figure.set_size_inches(8 * len(columns), 1.5 + 0.19 * longest)

    parts = list(dict.fromkeys(row.part for row in section.rows))
    colors = dict(zip(parts, COLORS))
    summaries = [row.summary(section.over) for row in section.rows]
    left, right = min(0.8, *[s["q1"] for s in summaries]), max(1.25, *[s["q3"] for s in summaries])
    room = (right / left) ** 0.12  # for the numbers
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns):
        axes.set_xscale("log")
        axes.set_xlim(left / room, right * room)
        _draw_column(axes, column, colors, section)
    if len(parts) > 1:
        from matplotlib.patches import Patch

        marks = [Patch(color=colors[part], label=part) for part in parts]
        figure.legend(handles=marks, loc="outside upper left", ncols=len(parts), frameon=False, fontsize=8)


def _draw_column(axes: Any, cases: dict[str, list[Row]], colors: dict[str, str], section: Section) -> None:
    """The bars of some cases from top to bottom, and the medians to the right of them."""
    from matplotlib.ticker import NullFormatter

    small = {"textcoords": "offset points", "va": "center", "fontsize": 7}
    edge = {"xycoords": axes.get_yaxis_transform(), "ha": "right", "color": "0.35", **small}
    y, middles = 0.0, []
    for rows in cases.values():
        middles.append(y + (len(rows) - 1) / 2)
        for row in rows:
            s = row.summary(section.over)
            ratio, spread = s["ratio"], [[s["ratio"] - s["q1"]], [s["q3"] - s["ratio"]]]
            axes.barh(y, ratio - 1, left=1, height=0.76, color=colors[row.part])
            axes.errorbar(ratio, y, xerr=spread, fmt="none", ecolor="0.25", elinewidth=0.9)
            if ratio >= 1:
                axes.annotate(f"{ratio:.2f}", (s["q3"], y), (4, 0), ha="left", **small)
            else:
                axes.annotate(f"{ratio:.2f}", (s["q1"], y), (-4, 0), ha="right", **small)
            axes.annotate(digits(s["minigan"] / PER_UNIT[section.unit]), (1, y), (38, 0), **edge)
            axes.annotate(digits(s["peer"] / PER_UNIT[section.unit]), (1, y), (78, 0), **edge)
            y += 1
        y += 0.6
    for offset, head in ((38, "minigan"), (78, "PyTorch")):
        axes.annotate(f"{head}\n{section.unit}", (1, -1.3), (offset, 0), **edge)

    axes.axvline(1, color="0.1", linewidth=1)
    axes.set_ylim(y - 0.4, -0.8)
    axes.set_yticks(middles, list(cases), fontsize=8)
    axes.tick_params(axis="y", length=0)
    low, high = axes.get_xlim()
    steps = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8) if high / low < 5 else (1, 2, 5) if high / low < 200 else (1,)
    ticks = [step * 10.0**n for n in range(-3, 4) for step in steps if low < step * 10.0**n < high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks], fontsize=8)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(RATIO[section.over], fontsize=8)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _draw_sizes(figure: Any, section: Section) -> None:
    """Milliseconds over size, both logarithmic: the slope of a line is the exponent."""
    from matplotlib.ticker import LogFormatter, LogLocator, NullFormatter

    sweeps = list(dict.fromkeys(row.case for row in section.rows))
    figure.set_size_inches(max(6, 4.2 * len(sweeps)), 4)
    for axes, name, note in zip(figure.subplots(1, len(sweeps), squeeze=False)[0], sweeps, section.notes):
        rows = [row for row in section.rows if row.case == name]
        sizes = [int(row.part) for row in rows]
        for side, label, color in (("minigan", "minigan", COLORS[0]), ("peer", "PyTorch", COLORS[1])):
            times = [row.summary()[side] * 1e3 for row in rows]
            axes.plot(sizes, times, "o-", color=color, label=label, markersize=4)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(9, 9)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(name)
        axes.set_ylabel("ms")
        axes.set_title(note.replace(", a step", ",\na step"), fontsize=8)
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
