"""Pictures of points and series show the numbers they are given, and a sound file holds them."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from minigan.viz import samples, save_gif
from minigan.viz.samples import save_points, save_samples, save_series, save_wav

pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-1, 1, (50, 2)).astype(np.float32)
SERIES = RNG.uniform(-1, 1, (5, 2, 30)).astype(np.float32)
SOUNDS = np.linspace(-1, 1, 3 * 200).reshape(3, 1, 200)


@pytest.fixture
def figure_of(monkeypatch, tmp_path):
    """Draw as usual, and hand back the figure that was written."""

    def draw(function, *args, **options):
        figures, save = [], samples.save_figure
        with monkeypatch.context() as patch:
            patch.setattr(samples, "save_figure", lambda figure, *rest: (figures.append(figure), save(figure, *rest)))
            function(*args, path=tmp_path / "figure.png", **options)
        with Image.open(tmp_path / "figure.png") as picture:
            assert picture.format == "PNG"
            assert len(np.unique(np.array(picture.convert("L")))) > 2  # something was drawn
        return figures[0]

    return draw


def dots(axes):
    """Each cloud of dots in a panel: its points `(N, 2)` and its colour."""
    return [(line.get_xydata(), line.get_color()) for line in axes.lines if line.get_marker() == "o"]


def remarks(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


# ----------------------------------------------------------------------------------------------------------------------
# save_points
# ----------------------------------------------------------------------------------------------------------------------


def test_points_are_where_they_are(figure_of):
    (axes,) = (figure := figure_of(save_points, POINTS)).axes
    ((drawn, colour),) = dots(axes)
    np.testing.assert_array_equal(drawn, POINTS)
    assert to_hex(colour) == samples.COLOURS[0].lower()
    assert axes.get_aspect() == 1
    assert axes.get_xlim() == axes.get_ylim() == (-1.1, 1.1)
    assert remarks(figure) == []


def test_reals_lie_behind_and_decide_what_is_seen(figure_of):
    reals = np.array([[2.0, 0.0], [6.0, 1.0], [4.0, 2.0]])
    (axes,) = figure_of(save_points, POINTS, reals=reals).axes
    (behind, pale), (before, strong) = dots(axes)
    np.testing.assert_array_equal(behind, reals)
    np.testing.assert_array_equal(before, POINTS)
    back, front = (line for line in axes.lines if line.get_marker() == "o")
    assert back.get_zorder() < front.get_zorder()
    assert pale != strong
    np.testing.assert_allclose(axes.get_xlim(), (1.8, 6.2))
    np.testing.assert_allclose(axes.get_ylim(), (-1.2, 3.2))  # a square: both axes in one unit


def test_limits_go_before_everything(figure_of):
    (axes,) = figure_of(save_points, POINTS, reals=POINTS, limits=(-3, 5)).axes
    assert axes.get_xlim() == axes.get_ylim() == (-3, 5)


def test_many_reals_are_thinned_and_points_are_not(figure_of):
    crowd = RNG.uniform(-1, 1, (samples.MOST_REALS + 500, 2))
    (axes,) = figure_of(save_points, crowd, reals=crowd).axes
    assert [len(cloud) for cloud, _ in dots(axes)] == [samples.MOST_REALS, len(crowd)]


def test_what_cannot_be_seen_is_counted(figure_of):
    points = POINTS.copy()
    points[0, 0], points[1, 0], points[2, 1], points[3, 1] = 7, -7, 2, -2
    points[4], points[5, 0] = np.nan, np.inf
    figure = figure_of(save_points, points)
    assert remarks(figure) == ["4 outside, 2 not finite"]
    ((drawn, _),) = dots(figure.axes[0])
    np.testing.assert_array_equal(drawn, points[[i for i in range(50) if i not in (4, 5)]])
    assert remarks(figure_of(save_points, points * np.nan)) == ["50 not finite"]


def test_the_pictures_of_a_run_make_a_film(tmp_path):
    """Whatever the points are, pixels stand for the same places: the frame around the view does not move."""
    for name, points in (("a", POINTS), ("b", POINTS * 100), ("c", POINTS[:1] * np.nan)):
        save_points(points, tmp_path / f"{name}.png", reals=POINTS)
    save_gif([tmp_path / f"{name}.png" for name in "abc"], tmp_path / "film.gif")
    borders = [np.array(Image.open(tmp_path / f"{name}.png").convert("L"))[:, :10] for name in "abc"]
    np.testing.assert_array_equal(borders[0], borders[1])
    np.testing.assert_array_equal(borders[0], borders[2])


def test_one_real_point_is_enough(figure_of):
    (axes,) = figure_of(save_points, POINTS, reals=np.full((4, 2), 3.0)).axes
    assert axes.get_xlim() == (2, 4)


def test_two_thousand_points_make_a_small_file(tmp_path):
    save_points(RNG.normal(size=(2000, 2)), tmp_path / "a.png")
    assert os.path.getsize(tmp_path / "a.png") < 150_000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"points": [[0.0, 1.0]]}, TypeError, r"points is a list, but a NumPy array \(N, 2\)"),
        ({"points": np.zeros((3, 2), int)}, TypeError, "points has dtype int64, but floats"),
        ({"points": np.zeros((3, 5))}, ValueError, r"points has shape \(3, 5\), but \(N, 2\) was expected; .*:2"),
        ({"points": np.zeros(2)}, ValueError, r"points has shape \(2,\)"),
        ({"points": np.zeros((0, 2))}, ValueError, r"points of shape \(0, 2\) holds no value"),
        ({"points": POINTS, "reals": np.zeros((3, 1))}, ValueError, r"reals has shape \(3, 1\), but \(M, 2\)"),
        ({"points": POINTS, "reals": POINTS * np.nan}, ValueError, "reals hold NaN"),
        ({"points": POINTS, "limits": (1, 1)}, ValueError, r"limits is \(1, 1\), but \(low, high\)"),
        ({"points": POINTS, "limits": (0, np.inf)}, ValueError, "limits is"),
        ({"points": POINTS, "limits": (0, 1, 2, 3)}, ValueError, "limits is"),
    ],
)
def test_errors_of_save_points(tmp_path, arguments, error, message):
    with pytest.raises(error, match=f"^save_points: {message}"):
        save_points(path=tmp_path / "a.png", **arguments)
    with pytest.raises(ValueError, match=r"save_points: path .* must end in \.png"):
        save_points(POINTS, tmp_path / "a.pdf")
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------------
# save_series
# ----------------------------------------------------------------------------------------------------------------------


def curves(axes):
    """The curves of a panel, without the line at zero."""
    return [line.get_ydata() for line in axes.lines[1:]]


def test_a_panel_a_sample_and_a_line_a_channel(figure_of):
    figure = figure_of(save_series, SERIES, ncols=3)
    assert len(figure.axes) == 6  # two rows of three, the last one empty
    for axes, sample in zip(figure.axes, SERIES):
        np.testing.assert_array_equal(curves(axes), sample)
        assert len({line.get_color() for line in axes.lines[1:]}) == 2
        assert axes.get_ylim() == (-1.05, 1.05)
        assert axes.get_xlim() == (0, 29)
    assert len(figure.axes[5].lines) == 0
    assert remarks(figure) == []


def test_at_most_sixteen_are_drawn(figure_of):
    many = RNG.uniform(-1, 1, (40, 1, 5))
    for ncols in (4, 30):
        figure = figure_of(save_series, many, ncols=ncols)
        assert len(figure.axes) == 16
        np.testing.assert_array_equal(curves(figure.axes[15])[0], many[15, 0])


def silhouette(axes):
    """x, least and greatest of the area in a panel."""
    (area,) = axes.collections
    x, y = area.get_paths()[0].vertices.T
    at = np.unique(x)
    return at, np.array([y[x == place].min() for place in at]), np.array([y[x == place].max() for place in at])


@pytest.mark.parametrize("length", [1001, 4096, 20_011])
def test_a_long_series_is_its_silhouette_which_keeps_every_peak(figure_of, length):
    sound = 0.1 * np.sin(np.arange(length))
    peak = length // 2 + 2  # which is not where a stretch begins
    sound[peak], sound[-1], sound[0] = 0.9, -0.8, -0.7
    (axes,) = figure_of(save_series, sound[None, None]).axes
    assert curves(axes) == []
    x, low, high = silhouette(axes)
    assert len(x) == samples.COLUMNS
    assert high.max() == 0.9
    assert abs(x[high.argmax()] - peak) < length / samples.COLUMNS
    assert low[-1] == -0.8
    assert low[0] == -0.7
    assert np.median(high - low) > 0.05


def test_up_to_a_thousand_steps_are_drawn_as_they_are(figure_of):
    series = RNG.uniform(-1, 1, (1, 1, 1000))
    (axes,) = figure_of(save_series, series).axes
    np.testing.assert_array_equal(curves(axes)[0], series[0, 0])
    assert len(axes.collections) == 0


@pytest.mark.parametrize("length", [30, 4096])
def test_values_that_are_lost_or_outside_are_counted_in_their_panel(figure_of, length):
    series = np.zeros((3, 2, length), np.float32)
    series[1, 0, 5:9], series[1, 1, 2] = np.nan, np.inf
    series[2] = np.nan
    series[1, 0, 0] = -1.5
    figure = figure_of(save_series, series)
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts == [[], ["1 outside, 5 not finite"], [f"{2 * length:,} not finite"]]
    if length == 30:
        drawn = curves(figure.axes[1])[0]
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(drawn)), [5, 6, 7, 8])  # a gap


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 2), (16, 1, 24)])
def test_any_shape(figure_of, shape):
    assert len(figure_of(save_series, RNG.uniform(-1, 1, shape)).axes) == shape[0]


def test_pictures_of_series_make_a_film(tmp_path):
    save_series(SERIES, tmp_path / "a.png")
    save_series(SERIES * np.nan, tmp_path / "b.png")
    save_gif([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "film.gif")


@pytest.mark.parametrize(
    ("series", "options", "error", "message"),
    [
        ([[[0.0]]], {}, TypeError, "series is a list"),
        (
            np.zeros((3, 5), np.float32),
            {},
            ValueError,
            r"series has shape \(3, 5\), but \(N, C, L\).*series\[:, None\]",
        ),
        (np.zeros((3, 1, 0)), {}, ValueError, "series of shape .* holds no value"),
        (SERIES, {"ncols": 0}, ValueError, "ncols is 0, but must be at least 1"),
        (SERIES, {"ncols": 2.0}, TypeError, "ncols is 2.0"),
    ],
)
def test_errors_of_save_series(tmp_path, series, options, error, message):
    with pytest.raises(error, match=f"^save_series: {message}"):
        save_series(series, tmp_path / "a.png", **options)
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------------
# save_wav
# ----------------------------------------------------------------------------------------------------------------------


def read_wav(path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getcomptype()) == (1, 2, "NONE")
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2"), sound.getframerate()


def test_sounds_come_one_after_the_other_with_silence_between(tmp_path):
    save_wav(SOUNDS, tmp_path / "a.wav", rate=1000, gap=0.05)
    heard, rate = read_wav(tmp_path / "a.wav")
    silence = np.zeros(50)
    one, two, three = np.rint(32767 * SOUNDS[:, 0])
    np.testing.assert_array_equal(heard, np.concatenate([one, silence, two, silence, three]))
    assert rate == 1000
    assert heard.min() == -32767
    assert heard.max() == 32767


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_too_loud_is_clipped_and_nan_is_silence(tmp_path, dtype):
    save_wav(np.array([[[3, -3, np.inf, -np.inf, np.nan, 0.5, 1.0001]]], dtype), tmp_path / "a.wav")
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [32767, -32767, 32767, -32767, 0, 16384, 32767]


def test_sixteen_sounds_are_enough_and_no_gap_is_possible(tmp_path):
    save_wav(np.zeros((40, 1, 10)), tmp_path / "a.wav", gap=0)
    heard, rate = read_wav(tmp_path / "a.wav")
    assert len(heard) == 160
    assert rate == 16_000


@pytest.mark.parametrize(
    ("series", "options", "error", "message"),
    [
        (SERIES, {}, ValueError, r"series has shape \(5, 2, 30\), but \(N, 1, L\) was expected; of several channels"),
        (np.zeros((3, 1, 9), np.int16), {}, TypeError, "series has dtype int16"),
        (SOUNDS, {"rate": 0}, ValueError, "rate is 0"),
        (SOUNDS, {"rate": 8000.0}, TypeError, "rate is 8000.0"),
        (SOUNDS, {"gap": -0.1}, ValueError, "gap is -0.1"),
        (SOUNDS, {"gap": np.nan}, ValueError, "gap is nan"),
    ],
)
def test_errors_of_save_wav(tmp_path, series, options, error, message):
    with pytest.raises(error, match=f"^save_wav: {message}"):
        save_wav(series, tmp_path / "a.wav", **options)
    with pytest.raises(ValueError, match=r"save_wav: path .* must end in \.wav"):
        save_wav(SOUNDS, tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------------
# save_samples, and what all share
# ----------------------------------------------------------------------------------------------------------------------


def test_the_shape_decides(tmp_path, monkeypatch):
    called = []
    for name in ("save_image", "save_points", "save_series"):
        monkeypatch.setattr(samples, name, lambda *args, name=name, **options: called.append((name, options)))
    save_samples(np.zeros((4, 1, 8, 8)), tmp_path / "a.png", reals=POINTS, nrow=3)
    save_samples(SERIES, tmp_path / "a.png", reals=POINTS)
    save_samples(POINTS, tmp_path / "a.png", reals=POINTS)
    assert called == [("save_image", {"nrow": 3}), ("save_series", {}), ("save_points", {"reals": POINTS})]


@pytest.mark.parametrize("shape", [(), (4,), (1, 1, 1, 1, 1)])
def test_other_shapes_are_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"^save_samples: samples has shape \(.*\), but images .*series .* or points"):
        save_samples(np.zeros(shape), tmp_path / "a.png")


@pytest.mark.parametrize(
    ("save", "name", "old", "new"),
    [
        (save_points, "a.png", POINTS, POINTS / 2),
        (save_series, "a.png", SERIES, SERIES / 2),
        (save_wav, "a.wav", SOUNDS, SOUNDS / 2),
    ],
)
def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch, save, name, old, new):
    path = tmp_path / "deep" / name  # folders are made
    save(old, path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
        with pytest.raises(OSError, match="no"):
            save(new, path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [name]
    save(old, path)
    assert path.read_bytes() == before  # the same samples, the same bytes
    save(new, path)
    assert path.read_bytes() != before


def test_pyplot_is_never_imported_and_matplotlib_only_to_draw(tmp_path):
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from minigan.viz import save_points, save_series, save_wav
save_wav(np.zeros((1, 1, 9)), sys.argv[2] + ".wav")
assert "matplotlib" not in sys.modules and "PIL" not in sys.modules
save_points(np.zeros((3, 2)), sys.argv[2] + ".png")
save_series(np.zeros((3, 2, 9)), sys.argv[2] + ".png")
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(samples.__file__).parents[2]
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    subprocess.run([sys.executable, "-c", program, root, tmp_path / "a"], check=True, env=environment, timeout=60)
