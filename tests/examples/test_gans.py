"""The examples of examples/gans run, draw their picture, and find what they say: some of it at once, the rest when slow."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import data
from minigan.models import VARIANTS

FOLDER = Path(__file__).parents[2] / "examples" / "gans"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
DATA = {"pacgan": "ring", "unrolled": "ring", "wavegan": "tones", "timegan_1d": "sines"}


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    """Few glyph digits and tones, drawn at once and kept nowhere; and one thread."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("minigan.data._glyphs", lambda train: data.glyphs(640, train=train))
    monkeypatch.setitem(data._DRAWN, "tones", (data.tones, 256, 16))
    before = mg.get_num_threads()
    mg.set_num_threads(1)
    yield
    mg.set_num_threads(before)


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name, tmp_path, *arguments):
    """The numbers of the example, which leaves its picture in the run folder."""
    chosen = ["--data", DATA.get(name, "glyphs"), "--out", str(tmp_path / "run"), *arguments]
    found = load(name).main(chosen)
    assert (tmp_path / "run" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    return found


def numbers(found):
    """All numbers in dicts and tuples of them."""
    if isinstance(found, dict):
        return [number for value in found.values() for number in numbers(value)]
    return np.ravel(found).tolist() if not isinstance(found, tuple) else [n for part in found for n in numbers(part)]


def test_there_is_one_for_each_variant():
    assert set(NAMES) == {name.replace("-", "_") for name in VARIANTS} - {"cgan_projection"}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_short(name):
    lines = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 85


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_draws(name, tmp_path, capsys):
    found = run(name, tmp_path, "--steps", "2", "--batch-size", "8")
    assert all(math.isfinite(n) for n in numbers(found) if name not in ("pacgan", "unrolled")), found
    assert str(tmp_path / "run" / f"{name}.png") in capsys.readouterr().out


def test_what_holds_after_two_steps(tmp_path):
    """The bounds that are there from the first step on."""
    layers = run("hinge", tmp_path / "hinge", "--steps", "2", "--batch-size", "8")
    assert len(layers) == 3
    for learned, used in layers.values():
        assert learned > 0
        assert used == pytest.approx(1, abs=0.05)
    assert run("wgan", tmp_path / "wgan", "--steps", "2", "--batch-size", "8", "--clip", "0.001")["at the ends"] > 0.5
    found = run("fgan", tmp_path / "fgan", "--steps", "8", "--batch-size", "8")
    assert max(found.values()) <= 2  # squared Hellinger distance


def test_cgan_takes_a_projection(tmp_path):
    found = run("cgan", tmp_path, "--projection", "--steps", "2", "--batch-size", "8")
    assert 0 <= found["generated"] <= 1
    assert '"cgan-projection"' in (tmp_path / "run" / "config.json").read_text(encoding="utf-8")


def test_a_tones_pitch_is_found():
    module = load("wavegan")
    tones = data.tones(40, seed=3)
    heard, share = np.transpose([module.pitch(sound) for sound in tones.samples[:, 0]])
    cents = 1200 * np.abs(np.log2(heard / data.series.PITCHES[tones.labels]))
    assert cents.max() < 20  # a tone is off by up to 10
    assert share.min() > 0.9
    noise = np.random.default_rng(0).standard_normal(4096)
    assert module.pitch(noise)[1] < 0.1


def test_its_sounds_can_be_heard(tmp_path):
    run("wavegan", tmp_path, "--steps", "1", "--batch-size", "8")
    assert (tmp_path / "run" / "tones.wav").read_bytes()[:4] == b"RIFF"


@pytest.mark.slow
def test_it_runs_from_the_command_line(tmp_path):
    command = [
        sys.executable,
        str(FOLDER / "vanilla.py"),
        "--data",
        "glyphs",
        "--steps",
        "2",
        "--out",
        str(tmp_path / "run"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, timeout=300, env=os.environ | {"PYTHONUTF8": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "vanilla.png").exists()


@pytest.mark.slow
def test_pacgan_finds_all_modes(tmp_path):
    """Lin et al. 2018, Table 1: 7.9 of 8, more evenly than without packs."""
    found = run("pacgan", tmp_path)
    assert found[2].captured == 8
    assert found[2].reverse_kl < found[1].reverse_kl


@pytest.mark.slow
def test_foresight_holds_all_spots(tmp_path):
    """Metz et al. 2017, figure 2: two minutes."""
    found = run("unrolled", tmp_path)
    assert (tmp_path / "run" / "unrolled.gif").read_bytes().startswith(b"GIF")
    assert found[5] == 8
    assert found[0] <= 2
