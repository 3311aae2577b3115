"""A variant in a run folder: begun, resumed bit for bit, opened to draw; and what is refused before anything is written."""

import json

import numpy as np
import pytest

import minigan as mg
from minigan import data
from minigan.models import Session, find_variant
from minigan.train import RunError


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    """One thread, and few glyphs that are kept nowhere."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("minigan.data._glyphs", lambda train: data.glyphs(640, train=train))
    before = mg.get_num_threads()
    mg.set_num_threads(1)
    yield
    mg.set_num_threads(before)


def begin(name, out, steps=2, **options):
    variant = {"data": "ring", "batch_size": 8, "steps": steps} | options
    return Session.begin(find_variant(name), out, **variant)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("r3gan", {"ema": 0.9, "schedule": "cosine", "instance_noise": 0.1, "augment": ""}),
        ("cgan", {}),
        ("pacgan", {"d_steps": 2}),
        ("unrolled", {"unroll": 1, "real_target": (0.8, 1.0)}),
    ],
)
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(tmp_path, monkeypatch, name, rules):
    begin(name, tmp_path / "whole", steps=4, rules=rules).train()

    session = begin(name, tmp_path / "parts", steps=4, rules=rules)
    step, made = session.game.step, []

    def interrupted(reals):
        if len(made) == 2:
            raise KeyboardInterrupt
        made.append(1)
        return step(reals)

    session.game.step = interrupted
    with monkeypatch.context() as patch:
        patch.setitem(session.train.__globals__["fit"].__globals__, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            session.train()
    session.run.close()
    again = Session.open(tmp_path / "parts", find_variant)
    again.train()
    for file in ("checkpoint.safetensors", "metrics.csv", "samples/step-000004.png"):
        assert (tmp_path / "parts" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


def test_an_opened_run_draws_what_the_trained_one_drew(tmp_path):
    session = begin("vanilla", tmp_path / "run", rules={"ema": 0.5})
    session.train()
    opened = Session.open(tmp_path / "run", find_variant)
    np.testing.assert_array_equal(opened.sample(5, seed=3), session.sample(5, seed=3))
    assert not np.array_equal(opened.sample(5, seed=3), opened.sample(5, seed=4))
    assert opened.variant.rules == session.variant.rules


def test_labels(tmp_path):
    session = begin("cgan", tmp_path / "run", data="glyphs", steps=1)
    session.train()
    z = session.latents(3)
    assert session.classes == tuple("0123456789")
    assert session.decode(z, 7).shape == (3, 1, 28, 28)
    np.testing.assert_array_equal(session.decode(z, [7, 7, 7]), session.decode(z, 7))
    for labels, message in ((None, "needs class numbers"), ([1, 2, 10], "expected 0 to 9")):
        with pytest.raises(ValueError, match=message):
            session.decode(z, labels)
    with pytest.raises(ValueError, match="leave out labels"):
        (other := begin("dcgan", tmp_path / "other", data="glyphs", steps=1)).decode(other.latents(1), 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vanilla", {"rules": {"penalty": "pg"}}, "Did you mean 'gp'"),
        ("vanilla", {"data": "rnig"}, "Did you mean 'ring'"),
        ("vanilla", {"batch_size": 0}, "batch_size: got 0"),
        ("vanilla", {"batch_size": 10**6}, "too few for batches"),
        ("vanilla", {"stepps": 3}, "Did you mean 'steps'"),
        ("vanilla", {"seed": -1}, "seed: got -1"),
        ("pacgan", {"batch_size": 7}, "packs of 2"),
        ("cgan", {"data": "sines"}, "have no labels"),
        ("wavegan", {}, "series"),
        ("dcgan", {"data": "glyphs", "rules": {"penalty": "gp"}}, "batch norm"),
        ("vanilla", {"device": "gpu"}, "gpu"),
    ],
)
def test_what_cannot_be_begun_leaves_nothing_behind(tmp_path, name, options, message):
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message):
        begin(name, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["config"].pop("rules"), "has no 'rules'"),
        (lambda config: config["config"].update(variant="vanila"), "Did you mean 'vanilla'"),
        (lambda config: config["config"]["rules"].update(penalti="gp"), "Did you mean 'penalty'"),
        (lambda config: config["config"].update(latent=3), "G is not the network"),
    ],
)
def test_a_run_that_cannot_be_opened_says_why_and_stays(tmp_path, change, message):
    session = begin("vanilla", tmp_path / "run")
    session.train()
    session.run.close()
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))
    before = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()}
    with pytest.raises(RunError, match=message):
        Session.open(tmp_path / "run", find_variant)
    assert {file: file.read_bytes() for file in (tmp_path / "run").rglob("*") if file.is_file()} == before


def test_what_a_program_draws_before_training_has_no_part_in_it(tmp_path):
    ends = []
    for drawn in (0, 3):
        session = begin("vanilla", tmp_path / f"run{drawn}")
        mg.randn(100 * drawn)
        ends.append(session.train())
    assert ends[0] == ends[1]


def test_samples_of_a_variant_with_labels_are_of_all_classes_in_turn(tmp_path):
    session = begin("cgan", tmp_path / "run", data="moons", steps=1)
    expected = session.decode(session.latents(5, seed=1), [0, 1, 0, 1, 0])
    np.testing.assert_array_equal(session.sample(5, seed=1), expected)
    assert not np.allclose(expected[1], session.decode(session.latents(5, seed=1), 0)[1])
