"""load: names, folders, sets from formulas, and what happens when there is no MNIST."""

import numpy as np
import pytest
from PIL import Image

import minigan.data as data
from minigan.data import DataError, Dataset, load


def fake(title):
    def make(*args, **options):
        return Dataset(np.zeros((2, 1, 28, 28), np.float32), name=f"{title} {args} {options}")

    return make


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    for name in ("mnist", "fashion_mnist", "glyphs"):
        monkeypatch.setattr(data, name, fake(name))


@pytest.mark.parametrize(
    ("name", "train", "called"),
    [
        ("mnist", True, "mnist (True,) {}"),
        ("fashion", False, "fashion_mnist (False,) {}"),
        ("glyphs", True, "glyphs (60000,) {'train': True}"),
        ("glyphs", False, "glyphs (10000,) {'train': False}"),
        ("auto", False, "mnist (False,) {}"),
    ],
)
def test_a_name(name, train, called, capsys):
    assert load(name, train=train).name == called
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "called", "training", "test", "shape"),
    [
        ("ring", "ring", 100_000, 10_000, (2,)),
        ("grid", "grid", 100_000, 10_000, (2,)),
        ("swiss-roll", "swiss_roll", 100_000, 10_000, (2,)),
        ("moons", "two_moons", 100_000, 10_000, (2,)),
        ("sines", "sines", 10_000, 2_000, (5, 24)),
    ],
)
def test_points_and_series_are_drawn_the_same_each_time_and_never_a_sample_twice(name, called, training, test, shape):
    first, again, other = load(name), load(name), load(name, train=False)
    assert first.name == called
    assert first.samples.shape == (training, *shape)
    assert other.samples.shape == (test, *shape)
    assert np.abs(first.samples).max() <= 1
    np.testing.assert_array_equal(first.samples, again.samples)
    assert not (first.samples[:test] == other.samples).all(axis=tuple(range(1, first.samples.ndim))).any()


def test_tones_are_a_named_set(monkeypatch):
    draw, training, test = data._DRAWN["tones"]
    assert (draw, training, test) == (data.tones, 8192, 1024)
    monkeypatch.setitem(data._DRAWN, "tones", (draw, 3, 2))  # all of them would take a second
    np.testing.assert_array_equal(load("tones").samples, data.tones(3, seed=0).samples)
    np.testing.assert_array_equal(load("tones", train=False).samples, data.tones(2, seed=1).samples)


def test_the_names():
    known = ("auto", "mnist", "fashion", "glyphs", "ring", "grid", "swiss-roll", "moons", "tones", "sines")
    assert known == data.NAMES
    assert known[:4] == data.PICTURES


@pytest.mark.parametrize("options", [{"size": 32}, {"mode": "L"}])
def test_points_have_no_size_and_no_colour(options):
    with pytest.raises(ValueError, match="are for folders of images; ring holds no images: leave them out"):
        load("ring", **options)


def test_auto_falls_back_to_glyphs_and_says_why(monkeypatch, capsys):
    def fail(train):
        raise DataError("No network. Set MINIGAN_DATA.")

    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    monkeypatch.setattr(data, "mnist", fail)
    assert load(train=False).name == "glyphs (10000,) {'train': False}"
    out = capsys.readouterr().out
    assert out == "No MNIST, so digits drawn from fonts instead. No network. Set MINIGAN_DATA.\n"
    with pytest.raises(DataError):
        load("mnist")


def test_a_folder(tmp_path):
    Image.new("RGB", (5, 9), "red").save(tmp_path / "a.png")
    assert load(tmp_path).samples.shape == (1, 3, 28, 28)
    assert load(str(tmp_path), size=8, mode="L").samples.shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="has no test set"):
        load(tmp_path, train=False)
    with pytest.raises(DataError, match="is a file"):
        load(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "near"),
    [("mnits", "mnist"), ("MNIST", "mnist"), ("fashion-mnist", "fashion"), ("swiss_roll", "swiss-roll")],
)
def test_an_unknown_name_suggests_the_nearest(name, near):
    with pytest.raises(ValueError, match=f"called '{name}'. Did you mean '{near}'[?] Known are auto, mnist, fashion"):
        load(name)


def test_a_name_like_none_of_them():
    with pytest.raises(ValueError, match=r"called 'data/faces'\. Known are"):
        load("data/faces")


@pytest.mark.parametrize("name", ["mnist", "auto"])
@pytest.mark.parametrize("options", [{"size": 32}, {"mode": "RGB"}])
def test_named_sets_have_the_size_that_they_have(name, options):
    with pytest.raises(ValueError, match=r"are for folders of images; .* is 28×28 and grey"):
        load(name, **options)


def test_auto_does_not_pass_over_files_that_the_user_named(monkeypatch, tmp_path):
    def fail(train):
        raise DataError("truncated")

    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path))
    monkeypatch.setattr(data, "mnist", fail)
    with pytest.raises(DataError, match="truncated"):
        load("auto")
