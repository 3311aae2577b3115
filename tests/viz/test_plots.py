"""Figures show the numbers they are given, and any table of numbers gives a figure."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from PIL import Image

from minigan.viz import plots
from minigan.viz.plots import plot_histogram, plot_losses, read_metrics

pytestmark = pytest.mark.filterwarnings("error")


def run(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "step": np.arange(1, rows + 1),
        "epoch": np.arange(rows) // 100,
        "d_loss": rng.gamma(4, 0.3, rows),
        "g_loss": rng.gamma(4, 0.5, rows),
        "D(x)": rng.uniform(0.4, 1, rows),
        "D(G(z))": rng.uniform(0, 0.6, rows),
    }


@pytest.fixture
def figure_of(monkeypatch, tmp_path):
    """Draw as usual, and hand back the figure that was written."""

    def draw(function, *args, **options):
        figures, save = [], plots.save_figure
        with monkeypatch.context() as patch:
            patch.setattr(plots, "save_figure", lambda figure, *rest: (figures.append(figure), save(figure, *rest)))
            function(*args, path=tmp_path / "figure.png", **options)
        with Image.open(tmp_path / "figure.png") as picture:
            assert picture.format == "PNG"
            assert np.unique(np.array(picture.convert("L"))).size > 5  # something was drawn
        return figures[0]

    return draw


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


# ----------------------------------------------------------------------------------------------------------------------
# read_metrics
# ----------------------------------------------------------------------------------------------------------------------


def test_columns_come_back_with_their_types(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,d_loss,naïve\n1,0.1,nan\n2,-inf,1e-320\n")
    columns = read_metrics(path)
    assert list(columns) == ["step", "d_loss", "naïve"]
    assert columns["step"].dtype == np.int64
    assert columns["step"].tolist() == [1, 2]
    assert columns["d_loss"].tolist() == [0.1, -math.inf]
    assert math.isnan(columns["naïve"][0])
    assert columns["naïve"][1] == 1e-320


@pytest.mark.parametrize("end", range(len("schritt ü,b\n1,2\n3,45\n".encode()) + 1))
def test_a_line_without_an_end_is_left_out(tmp_path, end):
    path = tmp_path / "metrics.csv"
    path.write_bytes("schritt ü,b\n1,2\n3,45\n".encode()[:end])
    columns = {name: values.tolist() for name, values in read_metrics(path).items()}
    whole = path.read_bytes().count(b"\n")
    assert (
        columns
        == [{}, {"schritt ü": [], "b": []}, {"schritt ü": [1], "b": [2]}, {"schritt ü": [1, 3], "b": [2, 45]}][whole]
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"step,a\n1,2\n3\n", "metrics.csv, line 3: 1 cells, but the first line names 2 columns"),
        (b"step,a\n\n1,2\n", "line 2: 0 cells"),
        (b"step,a\n1,2\n3,x\n", "column 'a', line 3: 'x' is no number"),
        (b"\xff\xfe\n", "not a table of numbers in UTF-8"),
        (b"step,a\n1,2\r3\n", "not a table of numbers in UTF-8"),
        (b'step,a\n1,"2\n', "not a table of numbers"),
    ],
)
def test_damaged_tables_say_where(tmp_path, content, message):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_metrics(path)


# ----------------------------------------------------------------------------------------------------------------------
# plot_losses
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 2, 29, 30, 31, 200, 9001])
def test_any_number_of_rows(figure_of, rows):
    figure = figure_of(plot_losses, run(rows))
    if rows == 0:
        (panel,) = figure.axes
        assert [text.get_text() for text in panel.texts] == ["nothing to show yet"]
        return
    upper, lower = figure.axes
    assert [label.split()[0] for label in legend(upper)] == ["d_loss", "g_loss"]
    assert [label.split()[0] for label in legend(lower)] == ["D(x)", "D(G(z))"]
    assert lower.get_xlabel() == "step"
    if rows > 1:
        assert lower.get_xlim() == (1, rows)


def test_one_number_is_enough(figure_of):
    low, high = figure_of(plot_losses, {"loss": [3.0]}).axes[0].get_ylim()
    assert low < 3 < high


def test_few_rows_are_drawn_as_they_are(figure_of):
    metrics = run(7)
    upper, lower = figure_of(plot_losses, metrics).axes
    for axes, names in ((upper, ["d_loss", "g_loss"]), (lower, ["D(x)", "D(G(z))"])):
        for line, name in zip(axes.lines, names):
            np.testing.assert_array_equal(line.get_xdata(), metrics["step"])
            np.testing.assert_array_equal(line.get_ydata(), metrics[name])


def test_many_rows_have_a_light_curve_and_a_strong_one_above_it(figure_of):
    metrics = run(500)
    upper = figure_of(plot_losses, metrics).axes[0]
    light, strong = upper.lines[:2]
    np.testing.assert_array_equal(light.get_ydata(), metrics["d_loss"])
    assert light.get_color() == strong.get_color() == plots.COLOURS[0]
    assert light.get_alpha() < 0.5
    assert strong.get_alpha() is None
    assert strong.get_linewidth() > light.get_linewidth()
    assert all(line.get_zorder() < strong.get_zorder() for line in (light, upper.lines[2]))
    np.testing.assert_allclose(strong.get_ydata().mean(), metrics["d_loss"].mean(), rtol=0.02)
    assert strong.get_ydata().std() < light.get_ydata().std() / 2


def test_the_legend_gives_the_last_value_and_counts_what_is_lost(figure_of):
    values = np.array([1.0, 2.0, np.nan, -0.25, np.inf])
    upper = figure_of(plot_losses, {"step": np.arange(5), "loss": values}).axes[0]
    assert legend(upper) == ["loss   −0.25   (2 not finite)"]


@pytest.mark.parametrize("rows", [5, 100])
def test_columns_without_a_finite_value(figure_of, rows):
    lost = {"d_loss": np.full(rows, np.nan), "x": np.full(rows, np.inf)}
    upper, lower = figure_of(plot_losses, lost).axes
    assert legend(upper) == [f"d_loss   ({rows} not finite)"]
    assert lower.get_xlabel() == "row"
    assert [text.get_text() for text in upper.texts] == ["nothing to show yet"]


def test_one_spike_does_not_flatten_the_rest(figure_of):
    metrics = run(3000)
    metrics["g_loss"][1500] = 1e6
    low, high = figure_of(plot_losses, {"step": metrics["step"], "g_loss": metrics["g_loss"]}).axes[0].get_ylim()
    assert low < 1
    assert high < 1e6 / 10


def test_panels_follow_the_names(figure_of):
    for names, expected in [
        (["critic_loss", "loss"], [["critic_loss", "loss"]]),
        (["wasserstein", "lossy"], [["wasserstein", "lossy"]]),
        (["a", "d_loss", "b"], [["d_loss"], ["a", "b"]]),
        (["_hidden", r"$\oops$"], [["_hidden", r"$\oops$"]]),
    ]:
        figure = figure_of(plot_losses, {"epoch": np.arange(3)} | {name: np.arange(3.0) for name in names})
        assert [[label.split()[0] for label in legend(axes)] for axes in figure.axes] == expected
        assert figure.axes[-1].get_xlabel() == "epoch"


def dashed(axes) -> list[float]:
    return [line.get_ydata()[0] for line in axes.lines if line.is_dashed()]


def test_the_equilibrium_is_marked(figure_of):
    upper, lower = figure_of(plot_losses, run(50), equilibrium={"d_loss": math.log(4), "g_loss": math.log(2)}).axes
    assert dashed(upper) == [math.log(4), math.log(2)]
    assert [text.get_text() for text in upper.texts] == ["log 4", "log 2"]
    assert dashed(lower) == [0.5]
    low, high = lower.get_ylim()
    assert low < 0 < 1 < high
    upper, lower = figure_of(plot_losses, run(50) | {"D(x)": np.full(50, 3.0)}).axes
    assert dashed(upper) == dashed(lower) == []  # no probabilities, so no 1/2
    far = figure_of(plot_losses, run(50), equilibrium={"d_loss": -40, "D(x)": 2}).axes
    assert far[0].get_ylim()[0] < -40
    assert far[1].get_ylim()[1] > 2
    figure_of(plot_losses, {}, equilibrium={"d_loss": math.log(4)})  # drawn before the first row


def test_a_csv_file_and_its_columns_give_the_same_picture(tmp_path):
    metrics = run(40)
    lines = [",".join(metrics)] + [",".join(map(repr, map(float, row))) for row in zip(*metrics.values())]
    (tmp_path / "metrics.csv").write_text("\n".join(lines) + "\n41,0.")
    plot_losses(tmp_path / "metrics.csv", tmp_path / "a.png", title="one $ sign")
    plot_losses(metrics, tmp_path / "b.png", title="one $ sign")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_errors_of_plot_losses(tmp_path):
    with pytest.raises(ValueError, match=r"columns of one length.*\(3,\).*\(2,\)"):
        plot_losses({"step": np.arange(3), "loss": np.arange(2)}, tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"shape \(rows,\).*\(2, 2\)"):
        plot_losses({"loss": np.ones((2, 2))}, tmp_path / "a.png")
    with pytest.raises(ValueError, match="equilibrium names 'g_los'"):
        plot_losses(run(3), tmp_path / "a.png", equilibrium={"g_los": 1.0})
    with pytest.raises(ValueError, match=r"must end in \.png"):
        plot_losses(run(3), tmp_path / "a.pdf")
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "losses.png"
    plot_losses(run(3), path)
    old = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        plot_losses(run(4), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["losses.png"]


# ----------------------------------------------------------------------------------------------------------------------
# Smoothing and thinning
# ----------------------------------------------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    rows=st.integers(30, 20_000),
    value=st.floats(-1e6, 1e6),
    lost=st.lists(st.integers(0, 19_999), max_size=20),
)
def test_the_smooth_curve_of_a_constant_is_the_constant(rows, value, lost):
    values = np.full(rows, value)
    values[[index for index in lost if index < rows]] = np.nan
    time, smooth = plots._smooth(np.arange(rows), values)
    assert len(time) == len(smooth) <= plots.MOST_POINTS
    known = np.isfinite(smooth)
    assert known.sum() >= len(smooth) - len(lost)
    np.testing.assert_allclose(smooth[known], value, rtol=1e-12)


@pytest.mark.parametrize("rows", [30, 999, 4000, 4001, 20_000])
def test_the_smooth_curve_of_a_line_is_the_line_away_from_its_ends(rows):
    time = np.arange(rows, dtype=float)
    when, smooth = plots._smooth(time, 3 * time - 7)
    half = max(5, len(when) // 25) // 2 + 1
    inner = slice(half, -half)
    np.testing.assert_allclose(smooth[inner], 3 * when[inner] - 7, rtol=0, atol=1e-6 * rows)


def test_a_gap_stays_a_gap_and_does_not_pull_the_curve_down():
    values = np.full(1000, 5.0)
    values[400:600] = np.nan
    _, smooth = plots._smooth(np.arange(1000), values)
    assert np.isnan(smooth[400:600]).all()
    np.testing.assert_allclose(smooth[:400], 5)
    np.testing.assert_allclose(smooth[600:], 5)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(rows=st.integers(1, 20_000), seed=st.integers(0, 99))
def test_thinning_keeps_every_peak(rows, seed):
    values = np.random.default_rng(seed).normal(size=rows)
    time, thin = plots._envelope(np.arange(rows), values)
    assert len(time) == len(thin) <= 2 * plots.MOST_POINTS
    assert (thin.min(), thin.max()) == (values.min(), values.max())
    assert (np.diff(time) >= 0).all()


# ----------------------------------------------------------------------------------------------------------------------
# Histograms
# ----------------------------------------------------------------------------------------------------------------------


def test_bars_are_the_counts(figure_of):
    counts = [98, 113, 0, 101]
    (axes,) = figure_of(plot_histogram, counts, labels=["zero", "one", "two_$", "three"], title="Digits").axes
    assert [bar.get_height() for bar in axes.patches] == counts
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["zero", "one", "two_$", "three"]
    assert axes.lines[0].get_ydata()[0] == np.mean(counts)
    written = {text.get_text(): to_hex(text.get_color()) for text in axes.texts}
    assert written["113"] == plots.INK
    assert written["0"] == plots.COLOURS[1].lower()
    assert axes.get_title(loc="right") == "1 of 4 labels missing"


@pytest.mark.parametrize("counts", [[0], [5], np.arange(1000, dtype=np.uint8) % 7, np.zeros(31, np.int64)])
def test_any_number_of_labels(figure_of, counts):
    (axes,) = figure_of(plot_histogram, counts).axes
    assert [bar.get_height() for bar in axes.patches] == list(counts)
    missing = np.count_nonzero(np.asarray(counts) == 0)
    assert axes.get_title(loc="right") == (f"{missing} of {len(counts)} labels missing" if missing else "")


def test_errors_of_plot_histogram(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match=r"shape \(2, 2\), but \(K,\)"):
        plot_histogram(np.ones((2, 2), int), path)
    with pytest.raises(ValueError, match=r"shape \(0,\)"):
        plot_histogram(np.zeros(0, int), path)
    with pytest.raises(TypeError, match="dtype float64, but integers"):
        plot_histogram([0.5, 1.0], path)
    with pytest.raises(ValueError, match=r"counts\[1\] is -2"):
        plot_histogram([3, -2], path)
    with pytest.raises(ValueError, match="1 labels were given for 2 counts"):
        plot_histogram([3, 2], path, labels=["a"])
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------------
# Threads, and no screen
# ----------------------------------------------------------------------------------------------------------------------


def test_threads_draw_the_same_pictures(tmp_path):
    def draw(name: str) -> bytes:
        plot_losses(run(100), tmp_path / f"{name}.png")
        return (tmp_path / f"{name}.png").read_bytes()

    alone = draw("alone")
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, "abcdefgh")) == {alone}


def test_pyplot_is_never_imported_and_matplotlib_only_to_draw(tmp_path):
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from minigan.viz import plot_histogram, plot_losses
assert "matplotlib" not in sys.modules and "PIL" not in sys.modules
plot_losses({"loss": [1.0, 2.0]}, sys.argv[2])
plot_histogram([1, 2], sys.argv[2])
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(plots.__file__).parents[2]
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run([sys.executable, "-c", program, root, tmp_path / "a.png"], check=True, env=environment, timeout=60)
