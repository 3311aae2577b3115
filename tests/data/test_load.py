"""load: names, folders, and what happens when there is no MNIST."""

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


@pytest.mark.parametrize(("name", "near"), [("mnits", "mnist"), ("MNIST", "mnist"), ("fashion-mnist", "fashion")])
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
