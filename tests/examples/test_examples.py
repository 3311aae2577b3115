"""The examples run, learn and resume; the main one is the library's adversarial step spelled out."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan import data, init, train

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _few_glyphs(monkeypatch, tmp_path):
    """Glyph digits, drawn at once and kept nowhere."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("minigan.data._glyphs", lambda train: data.glyphs(640, train=train))


def test_the_example_fits_in_150_lines():
    assert len((EXAMPLES / "dcgan_mnist.py").read_text().splitlines()) < 150


def test_it_trains_and_leaves_a_run(tmp_path, capsys):
    load("dcgan_mnist").main(["--data", "glyphs", "--steps", "3", "--batch-size", "8", "--out", str(tmp_path / "run")])
    run = train.RunFolder.open(tmp_path / "run")
    assert run.config["steps"] == 3
    assert run.config["data"] == "glyphs"
    assert list(run.metrics()) == ["step", "epoch", "d_loss", "g_loss", "D(x)", "D(G(z))"]
    assert len(list(run.samples_path.iterdir())) == 2
    printed = capsys.readouterr().out
    assert "640 images" in printed
    assert "ConvTranspose2d" in printed


def test_resuming_it_is_bit_for_bit(tmp_path):
    example = load("dcgan_mnist")
    short = ["--data", "glyphs", "--batch-size", "8"]
    example.main([*short, "--steps", "4", "--out", str(tmp_path / "whole")])
    example.main([*short, "--steps", "2", "--out", str(tmp_path / "parts")])
    example.main(["--resume", str(tmp_path / "parts"), "--steps", "4"])
    for name in ("checkpoint.safetensors", "metrics.csv", "samples/step-000004.png"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_run_that_has_made_more_steps_than_are_asked_for_is_left_alone(tmp_path, capsys):
    example = load("dcgan_mnist")
    example.main(["--data", "glyphs", "--batch-size", "8", "--steps", "3", "--out", str(tmp_path / "run")])
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(SystemExit):
        example.main(["--resume", str(tmp_path / "run"), "--steps", "2"])
    assert "has made 3 steps already" in capsys.readouterr().err
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_run_remembers_which_pictures_auto_found(tmp_path, monkeypatch):
    """Else a run that fell back to glyphs would go on with MNIST once that can be had."""
    monkeypatch.delenv("MINIGAN_DATA", raising=False)

    def no_mnist(train):
        raise data.DataError("no network")

    monkeypatch.setattr("minigan.data.mnist", no_mnist)
    load("dcgan_mnist").main(["--steps", "1", "--batch-size", "8", "--out", str(tmp_path / "run")])
    assert train.RunFolder.open(tmp_path / "run").config["data"] == "glyphs"


def test_a_run_on_a_folder_can_be_resumed_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    for i in range(4):
        Image.new("RGB", (9, 9), (60 * i, 0, 0)).save(tmp_path / "pictures" / f"{i}.png")
    example = load("dcgan_mnist")
    monkeypatch.chdir(tmp_path)
    example.main(["--data", "pictures", "--steps", "1", "--batch-size", "4", "--out", str(tmp_path / "run")])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    example.main(["--resume", str(tmp_path / "run"), "--steps", "2"])
    assert train.load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")[1]["step"] == 2


def test_a_classifier_needs_a_test_set(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        load("classify_mnist").main(["--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert stopped.value.code == 2
    assert "has no test set" in capsys.readouterr().err


def test_its_step_is_the_librarys_game(tmp_path):
    """The lesson and the library compute the same weights, bit for bit."""
    example = load("dcgan_mnist")
    example.main(["--data", "glyphs", "--steps", "3", "--batch-size", "8", "--out", str(tmp_path / "run")])
    theirs, _ = train.load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")

    mg.manual_seed(0)
    G, D = example.make_generator(1), example.make_discriminator(1)
    init.dcgan_(G)
    init.dcgan_(D)
    game = train.Game(G, D, (100,), train.Rules(lr=5e-4, betas=(0.5, 0.999), real_target=0.9))
    mg.randn(8, 100)  # the fixed latents of the sample grid
    batches = data.Batches(data.load("glyphs"), 8, seed=0)
    for batch in list(batches.epoch(0))[:3]:
        game.step([batch])
    for prefix, net in (("G/", G), ("D/", D)):
        for name, array in net.state_dict().items():
            np.testing.assert_array_equal(theirs[prefix + name], array, err_msg=prefix + name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "mnits"], "Did you mean 'mnist'?"),
        (["--data", "ring"], "ring holds no pictures; choose one of auto, mnist, fashion, glyphs"),
        (["--batch-size", "0"], "0 is less than 1"),
        (["--resume", "no-such-run"], "there is no such folder"),
        (["--resume", "no-such-run", "--lr", "1"], "leave out --lr"),
        (["--device", "tpu"], "invalid choice"),
        (["--lr", "-1"], "-1 is not a positive number"),
        (["--data", "glyphs", "--batch-size", "1000"], "has only 640 pictures"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        load("dcgan_mnist").main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_classify_mnist_learns_glyphs(tmp_path, capsys):
    example = load("classify_mnist")
    accuracy = example.main(["--data", "glyphs", "--epochs", "4", "--batch-size", "16", "--out", str(tmp_path / "run")])
    assert accuracy > 0.8
    net = example.load_lenet(tmp_path / "run")
    pictures = data.load("glyphs", train=False)
    probabilities = example.predict(net, pictures.samples)
    assert probabilities.shape == (640, 10)
    np.testing.assert_allclose(probabilities.sum(1).numpy(), 1, rtol=1e-5)
    assert float((probabilities.argmax(1) == pictures.labels).float().mean()) == pytest.approx(accuracy)


def test_judge_samples_counts_the_digits_that_a_gan_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    load("dcgan_mnist").main(["--data", "glyphs", "--steps", "2", "--batch-size", "8", "--out", str(tmp_path / "gan")])
    load("classify_mnist").main(
        ["--data", "glyphs", "--steps", "2", "--batch-size", "8", "--out", str(tmp_path / "net")]
    )
    found = load("judge_samples").main([str(tmp_path / "gan"), str(tmp_path / "net"), "--samples", "600"])
    assert len(found["share"]) == 10
    assert sum(found["share"]) == pytest.approx(1)
    assert 0 <= found["entropy"] <= np.log(10) + 1e-6
    assert 0 <= found["sure"] <= 1
    assert (tmp_path / "gan" / "digits.png").stat().st_size > 0
    assert "entropy" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan_mnist", "classify_mnist"])
def test_it_runs_from_the_command_line(tmp_path, name):
    command = [
        sys.executable,
        str(EXAMPLES / f"{name}.py"),
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
