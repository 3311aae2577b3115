"""The judge's recipe: it is the example's, it learns, it is kept, and what is not it is not taken for it."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import data, train
from minigan.metrics import load_classifier, make_lenet, weights_sha256
from minigan.metrics.train_classifier import RECIPE, cached_classifier, train_classifier

EXAMPLE = Path(__file__).parents[2] / "examples" / "classify_mnist.py"


@pytest.fixture(autouse=True)
def _few_glyphs(monkeypatch, tmp_path):
    """Glyph digits, drawn at once; one thread."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    digits = {part: data.glyphs(1280, train=part) for part in (True, False)}
    monkeypatch.setattr("minigan.data._glyphs", digits.__getitem__)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    before = mg.get_num_threads()
    mg.set_num_threads(1)
    yield
    mg.set_num_threads(before)


def test_it_makes_the_weights_of_the_example(tmp_path):
    spec = importlib.util.spec_from_file_location("classify_mnist", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(["--data", "glyphs", "--out", str(tmp_path / "run")])
    mg.manual_seed(5)
    before = mg.get_rng_state()
    weights = train_classifier(data.load("glyphs"))
    assert mg.get_rng_state() == before  # whoever evaluates while training draws the same numbers
    assert weights_sha256(weights) == load_classifier(tmp_path / "run").sha256


def test_it_is_made_once_and_kept(tmp_path, monkeypatch):
    made = cached_classifier("glyphs")
    assert made.path.parent == tmp_path / "cache"
    assert 0.3 < made.accuracy <= 1  # after forty steps
    assert load_classifier(made.path).sha256 == made.classifier.sha256

    def no_second_time(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr("minigan.metrics.train_classifier.train_classifier", no_second_time)
    again = cached_classifier("glyphs")
    assert (again.classifier.sha256, again.accuracy, again.path) == (made.classifier.sha256, made.accuracy, made.path)


@pytest.mark.parametrize("damage", ["bytes", "recipe", "network", "accuracy"])
def test_what_is_not_it_is_made_anew(damage, monkeypatch):
    made = cached_classifier("glyphs")
    arrays, meta = train.load_checkpoint(made.path)
    if damage == "bytes":
        made.path.write_bytes(b"x" * 100)
    elif damage == "recipe":
        train.save_checkpoint(made.path, arrays, meta | {"recipe": RECIPE | {"lr": 1.0}})
    elif damage == "network":
        train.save_checkpoint(made.path, {"net/0.weight": np.zeros(3, np.float32)}, meta)
    else:
        train.save_checkpoint(made.path, arrays, {k: v for k, v in meta.items() if k != "accuracy"})
    trained = []

    def remembered(*arguments):
        trained.append(arguments)
        return {name.removeprefix("net/"): array for name, array in arrays.items()}

    monkeypatch.setattr("minigan.metrics.train_classifier.train_classifier", remembered)
    assert cached_classifier("glyphs").classifier.sha256 == made.classifier.sha256
    assert len(trained) == 1
    assert cached_classifier("glyphs").path == made.path
    assert len(trained) == 1  # and kept


def test_without_a_cache_nothing_is_kept(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("minigan.metrics.train_classifier.train_classifier", lambda *a: make_lenet().state_dict())
    assert cached_classifier("glyphs").path is None
    assert (tmp_path / "file").read_text() == "mine"
