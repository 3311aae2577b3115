"""The command line: every command does what it says, and says in a sentence what it will not do."""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan import backend, data, metrics, train
from minigan.cli import main
from minigan.data.series import sines, tones
from minigan.data.toy import grid, ring
from minigan.losses import LOSSES
from minigan.models import VARIANTS, Session, find_variant
from minigan.train.game import Game
from minigan.train.rules import Rules

SMALL = {"ring": (ring, 1000, 600), "grid": (grid, 1000, 600), "tones": (tones, 32, 16), "sines": (sines, 64, 40)}
QUICK = ["--steps", "2", "--batch-size", "4"]


@pytest.fixture(autouse=True, scope="module")
def _small(tmp_path_factory):
    """Data that are there at once, nothing kept, one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("minigan.data._DRAWN", SMALL)
        patch.setattr("minigan.data._glyphs", lambda train: data.glyphs(640 if train else 200, train=train))
        before = mg.get_num_threads()
        mg.set_num_threads(1)
        yield
        mg.set_num_threads(before)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, _small):
    """A run of each kind of data, made once. Tests that write into one take a copy."""
    folder = tmp_path_factory.mktemp("runs")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for name, variant, source in (
            ("points", "vanilla", "ring"),
            ("classes", "cgan", "ring"),
            ("digits", "dcgan", "glyphs"),
            ("told", "cgan", "glyphs"),
            ("sounds", "wavegan", "tones"),
            ("series", "timegan-1d", "sines"),
        ):
            assert main(["train", variant, "--data", source, *QUICK, "--out", str(folder / name)]) == 0
    return folder


@pytest.fixture
def run(capsys):
    """Run a command in this process: its exit code, stdout and stderr."""

    def run(*argv):
        capsys.readouterr()
        try:
            code = main([str(word) for word in argv])
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


def refused(result, code, message):
    """That a command ended with this code and a sentence on stderr, and has not said that it did anything.

    A run may have said first what it is going to do.
    """
    came, out, err = result
    assert message in err
    assert came == code
    assert not out or (out.count("\n") == 2 and "goes on from step" in out)
    assert err.startswith("minigan")
    assert "Traceback" not in err


def content(folder):
    """Every file of a folder, by its hash."""
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(folder).rglob("*") if path.is_file()}


def copy(run, tmp_path):
    return Path(shutil.copytree(run, tmp_path / "run"))


# ----------------------------------------------------------------------------------------------------------------------
# The program
# ----------------------------------------------------------------------------------------------------------------------


def test_it_is_a_program():
    """Also that help needs none of the libraries that take long to load."""
    program = (
        "import sys; sys.argv = ['minigan', '--help']; from minigan.cli import main\n"
        "try: main()\n"
        "finally: print(*[m for m in ('numba', 'scipy', 'matplotlib', 'PIL', 'safetensors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: minigan [-h] COMMAND")
    assert done.stdout.splitlines()[-1] == ""
    done = subprocess.run([sys.executable, "-m", "minigan", "info"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    labels = [line.split()[0] for line in done.stdout.splitlines()]
    assert labels[:5] == ["versions", "processor", "threads", "kernels", "compiled"]


def test_the_package_says_what_is_installed():
    """The console script, and every folder of the package."""
    tomllib = pytest.importorskip("tomllib")
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"minigan": "minigan.cli:main"}
    folders = {".".join(path.parent.relative_to(root).parts) for path in (root / "minigan").rglob("__init__.py")}
    assert folders <= set(project["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("command", ["list", "train", "resume", "sample", "evaluate", "diff", "info"])
def test_help_teaches_with_examples(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert f"\nexamples:\n  minigan {command}" in out


def test_an_example_in_the_help_is_a_command_that_is_understood(run, monkeypatch):
    """Each is parsed; nothing is run."""
    for command in ("list", "train", "resume", "sample", "evaluate", "diff", "info"):
        monkeypatch.setattr(f"minigan.cli._{command}", lambda arguments, command: None)
    for command in ("list", "train", "resume", "sample", "evaluate", "diff", "info"):
        _, out, _ = run(command, "--help")
        examples = out.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
        assert examples
        for line in examples:
            words = line.partition("(")[0].split()[1:]
            assert run(*words)[0] == 0, line


def test_nothing_is_help_and_code_2(run):
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err.startswith("usage: minigan")


def test_info_json_is_the_same_for_programs(run):
    code, out, _ = run("info", "--json")
    assert code == 0
    assert json.loads(out) == dataclasses.asdict(backend.info())


def test_a_command_that_fails_ends_with_1_and_a_sentence(run, monkeypatch):
    monkeypatch.setattr(backend, "_chosen", "gpu")
    assert run("info") == (
        1,
        "",
        "minigan info: backend: no kernels are called 'gpu'; there are 'cpu', 'reference'\n",
    )


def test_ctrl_c_ends_with_130(run, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(backend, "info", interrupt)
    assert run("info") == (130, "", "minigan info: interrupted\n")


def test_a_reader_that_leaves_is_told_nothing():
    reader, writer = os.pipe()
    os.close(reader)
    for unbuffered in ("", "1"):
        command, environ = [sys.executable, "-m", "minigan", "list"], os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=60, env=environ)
        assert (done.returncode, done.stderr) == (1, b"")
    os.close(writer)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["paint"], "no command is called 'paint'"),
        (["trian"], "Did you mean 'train'?"),
        (["train"], "the following arguments are required: VARIANT"),
        (["train", "wgan-pg"], "Did you mean 'wgan-gp'?"),
        (["train", "vanilla", "--batchsize", "4"], "Did you mean --batch-size?"),
        (["train", "vanilla", "--d_steps", "4"], "Did you mean --d-steps?"),
        (["train", "vanilla", "--xyz"], "there is no option --xyz. `minigan train --help` shows them all."),
        (["train", "vanilla", "dcgan"], "what to do with 'dcgan' is not clear"),
        (["train", "vanilla", "--step", "3"], "Did you mean --steps?"),
        (["train", "vanilla", "--data", "rign"], "Did you mean 'ring'?"),
        (["train", "vanilla", "--loss", "wagn"], "Did you mean 'wgan'?"),
        (["train", "vanilla", "--penalty", "r1+r3"], "no penalty is called 'r3'"),
        (["train", "vanilla", "--device", "cuad"], "Did you mean 'cuda'?"),
        (["train", "vanilla", "--lr", "fast"], "'fast' is not a number"),
        (["train", "vanilla", "--lr", "0"], "lr is 0.0"),
        (["train", "vanilla", "--lr", "nan"], "lr is nan"),
        (["train", "vanilla", "--d-steps", "1.5"], "'1.5' is not a whole number"),
        (["train", "vanilla", "--d-steps", "0"], "d_steps is 0"),
        (["train", "vanilla", "--steps", "0"], "0 is less than 1"),
        (["train", "vanilla", "--seed", "-1"], "-1 is less than 0"),
        (["train", "vanilla", "--steps", "2", "--epochs", "2"], "not allowed with"),
        (["train", "vanilla", "--betas", "0.5"], "expected 2 arguments"),
        (["train", "vanilla", "--real-target", "0.7", "0.8", "0.9"], "expected one or two"),
        (["train", "vanilla", "--ema", "1"], "ema is 1.0"),
        (["train", "dcgan", "--data", "glyphs", "--penalty", "gp"], "batch norm"),
        (["train", "vanilla", "--data", "ring", "--batch-size", "2000"], "only 1000 samples"),
        (["train", "vanilla", "--data", "ring", "--pack", "3"], "choose a multiple"),
        (["train", "wavegan", "--data", "ring"], "its networks are for series"),
        (["train", "cgan", "--data", "sines"], "have no labels"),
        (["train", "vanilla", "--data", "ring", "--auxiliary", "1"], "auxiliary"),
        (["diff", "dcgan"], "the following arguments are required: B"),
        (["diff", "dcgan", "dcgna"], "Did you mean 'dcgan'?"),
        (["list", "--josn"], "Did you mean --json?"),
    ],
)
def test_what_is_not_understood_is_a_sentence_and_code_2(run, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    refused(run(*argv), 2, message)
    assert not list(tmp_path.iterdir())


# ----------------------------------------------------------------------------------------------------------------------
# list, diff
# ----------------------------------------------------------------------------------------------------------------------


def test_list_names_every_variant_and_loss(run):
    _, out, _ = run("list")
    for variant in VARIANTS.values():
        assert variant.name in out
        assert variant.about in out
        assert variant.paper in out
    _, out, _ = run("list", "--losses")
    assert [line.split()[0] for line in out.splitlines()[::2]] == list(LOSSES)
    assert [row["name"] for row in json.loads(run("list", "--json")[1])] == list(VARIANTS)
    assert [row["name"] for row in json.loads(run("list", "--losses", "--json")[1])] == list(LOSSES)


def test_diff_says_only_what_differs(run):
    code, out, _ = run("diff", "dcgan", "wgan-gp")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) < 30
    rules = {line.split()[0] for line in lines[lines.index("rules") + 1 : lines.index("settings") - 1]}
    assert rules == {name.replace("_", "-") for name in VARIANTS["wgan-gp"].rules.differences(VARIANTS["dcgan"].rules)}
    assert any("BatchNorm2d" in line for line in lines)
    assert not any("LeakyReLU" in line for line in lines)


def test_diff_of_the_same_says_so(run):
    code, out, _ = run("diff", "dcgan", "dcgan")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "the same" in out


@pytest.mark.parametrize("name", list(VARIANTS))
def test_diff_compares_any_variant_with_dcgan(run, name):
    code, out, err = run("diff", "dcgan", name, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["same"] == (not found["rows"])
    assert all(row["a"] != row["b"] for row in found["rows"])
    rules = {row["name"] for row in found["rows"] if row["part"] == "rules"}
    assert rules == {key.replace("_", "-") for key in VARIANTS[name].rules.differences(VARIANTS["dcgan"].rules)}


def test_diff_all_shows_everything(run):
    out = run("diff", "dcgan", "wgan-gp", "--all")[1]
    assert all(f.name.replace("_", "-") in out for f in dataclasses.fields(Rules))
    assert sum(line.startswith(" *") for line in out.splitlines()) == len(
        json.loads(run("diff", "dcgan", "wgan-gp", "--json")[1])["rows"]
    )


def test_diff_of_a_run_takes_its_own_rules(run, tmp_path):
    folder = tmp_path / "run"
    assert run("train", "vanilla", "--data", "ring", *QUICK, "--ema", "0.9", "--out", folder)[0] == 0
    rows = json.loads(run("diff", "vanilla", folder, "--json")[1])["rows"]
    assert {(row["name"], row["a"], row["b"]) for row in rows} == {
        ("ema", "0", "0.9"),
        ("data", "auto", "ring"),
        ("batch-size", "64", "4"),
    }
    refused(run("diff", folder, folder), 2, "name two")


def test_diff_of_two_runs_tells_their_seeds(run, runs, tmp_path):
    folder = tmp_path / "run"
    assert run("train", "vanilla", "--data", "ring", *QUICK, "--seed", "7", "--out", folder)[0] == 0
    rows = json.loads(run("diff", runs / "points", folder, "--json")[1])["rows"]
    assert [(row["name"], row["a"], row["b"]) for row in rows] == [("seed", "0", "7")]


# ----------------------------------------------------------------------------------------------------------------------
# train, resume
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_trains_and_draws(run, tmp_path, name):
    source = VARIANTS[name].data if VARIANTS[name].data in SMALL else "ring"
    folder = tmp_path / "run"
    code, out, _ = run("train", name, "--data", source, *QUICK, "--out", folder)
    assert code == 0
    assert VARIANTS[name].about in " ".join(out.split())
    for command in (f"minigan sample {folder}", f"minigan evaluate {folder}", f"minigan resume {folder} --steps 4"):
        assert command in out
    for rule, value in VARIANTS[name].rules.differences(Rules()).items():
        if isinstance(value, str):
            assert f"{rule.replace('_', '-')} {value}" in " ".join(out.split())
    config = train.RunFolder.open(folder).config
    assert (config["variant"], config["steps"], config["batch_size"]) == (name, 2, 4)
    assert Rules.from_dict(config["rules"]) == VARIANTS[name].rules
    code, out, _ = run("sample", folder, "--n", "3")
    assert code == 0
    assert (folder / "samples-seed0.png").exists()


@pytest.mark.parametrize("name", list(VARIANTS))
def test_help_shows_the_variants_own_defaults(run, name):
    out = " ".join(run("train", name, "--help")[1].split())
    rules = VARIANTS[name].rules
    assert f"default: those of {name}" in out
    assert f"leaves them (default: {rules.clip:g})" in out
    assert f"each one of G (default: {rules.d_steps})" in out
    assert f"Adam's two (default: {rules.betas[0]:g} {rules.betas[1]:g})" in out


def test_every_rule_is_an_option(run, tmp_path):
    other = {
        "loss": ["lsgan"],
        "penalty": ["r1+r2"],
        "optimizer": ["rmsprop"],
        "betas": ["0.1", "0.9"],
        "schedule": ["cosine"],
        "augment": ["translation"],
        "minibatch": ["std"],
        "skip_d_below": ["0.5"],
    }
    chosen = {}
    for f in dataclasses.fields(Rules):
        name = "--" + f.name.replace("_", "-")
        if isinstance(f.default, bool):
            words = [name]
        elif f.name in other:
            words = [name, *other[f.name]]
        else:
            words = [name, "2" if isinstance(f.default, int) else "0.25"]
        chosen[f.name] = words
    alone = {"real_target", "unroll", "feature_matching", "pack", "auxiliary", "companion", "augment"}
    folder = tmp_path / "run"
    words = [word for name in chosen.keys() - alone for word in chosen[name]]
    assert run("train", "vanilla", "--data", "ring", *QUICK, *words, "--out", folder)[0] == 0
    changed = Rules.from_dict(train.RunFolder.open(folder).config["rules"]).differences(Rules())
    assert set(changed) == set(chosen) - alone
    assert (changed["betas"], changed["penalty"], changed["clip"]) == ((0.1, 0.9), "r1+r2", 0.25)
    for i, (variant, words, expected) in enumerate(
        [
            ("vanilla", chosen["real_target"], {"real_target": 0.25}),
            ("vanilla", ["--real-target", "0.7", "1.0"], {"real_target": (0.7, 1.0)}),
            ("vanilla", chosen["unroll"], {"unroll": 2}),
            ("vanilla", chosen["feature_matching"], {"feature_matching": True}),
            ("vanilla", chosen["pack"], {"pack": 2}),
            ("feature-matching", ["--no-feature-matching"], {"feature_matching": False}),
            ("vanilla", ["--augment", "none"], {"augment": ""}),
        ]
    ):
        folder = tmp_path / str(i)
        assert run("train", variant, "--data", "ring", *QUICK, *words, "--out", folder)[0] == 0
        rules = Rules.from_dict(train.RunFolder.open(folder).config["rules"])
        assert expected == {name: getattr(rules, name) for name in expected}


def test_a_run_resumed_is_the_run_that_was_not_broken(run, tmp_path):
    short = ["train", "vanilla", "--data", "ring", "--batch-size", "4", "--instance-noise", "0.1", "--ema", "0.5"]
    assert run(*short, "--steps", "6", "--out", tmp_path / "whole")[0] == 0
    assert run(*short, "--steps", "3", "--out", tmp_path / "parts")[0] == 0
    code, out, _ = run("resume", tmp_path / "parts", "--steps", "6")
    assert code == 0
    assert "goes on from step 3 to 6" in out
    whole, parts = (Session.open(tmp_path / name, find_variant) for name in ("whole", "parts"))
    assert parts.settings["steps"] == 6
    assert whole.run.metrics()["step"].tolist() == parts.run.metrics()["step"].tolist() == [1, 2, 3, 4, 5, 6]


def test_resume_is_bit_for_bit_where_no_rule_looks_at_the_end(run, tmp_path):
    short = ["train", "wgan-gp", "--data", "ring", "--batch-size", "4"]
    assert run(*short, "--steps", "4", "--out", tmp_path / "whole")[0] == 0
    assert run(*short, "--steps", "2", "--out", tmp_path / "parts")[0] == 0
    assert run("resume", tmp_path / "parts", "--steps", "4")[0] == 0
    for name in ("checkpoint.safetensors", "metrics.csv", "samples/step-000004.png"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_resume_counts_epochs_in_all(run, tmp_path):
    folder = tmp_path / "run"
    assert run("train", "wgan-gp", "--data", "sines", "--batch-size", "4", "--steps", "1", "--out", folder)[0] == 2
    assert run("train", "wgan-gp", "--data", "ring", "--batch-size", "100", "--steps", "1", "--out", folder)[0] == 0
    assert run("resume", folder, "--epochs", "2")[0] == 0
    assert train.load_checkpoint(folder / "checkpoint.safetensors")[1]["step"] == 4  # 1000 / 100 / 5 steps of D, twice


def test_an_interrupted_run_goes_on(run, tmp_path, monkeypatch):
    step, folder = Game.step, tmp_path / "run"

    def interrupted(game, reals):
        signal.raise_signal(signal.SIGINT)
        return step(game, reals)

    monkeypatch.setattr(Game, "step", interrupted)
    code, out, _ = run("train", "vanilla", "--data", "ring", *QUICK, "--out", folder)
    assert code == 130
    assert f"minigan resume {folder}" in out
    monkeypatch.setattr(Game, "step", step)
    assert run("resume", folder)[0] == 0
    assert train.load_checkpoint(folder / "checkpoint.safetensors")[1]["step"] == 2


def test_resume_with_nothing_left_to_do_says_what_to_ask_for(run, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    before = content(folder)
    for words in ([], ["--steps", "2"], ["--steps", "1"]):
        refused(run("resume", folder, *words), 2, "has made 2 steps already")
    assert content(folder) == before


def test_train_leaves_what_lies_in_a_folder(run, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    before = content(folder)
    refused(run("train", "vanilla", "--data", "ring", *QUICK, "--out", folder), 1, "holds a run already")
    assert content(folder) == before
    (tmp_path / "note").write_text("mine")
    refused(run("train", "vanilla", "--data", "ring", *QUICK, "--out", tmp_path / "note"), 1, "cannot be made")


# ----------------------------------------------------------------------------------------------------------------------
# sample
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "file", "said"),
    [
        ("points", [], "samples-seed0", "2,000 points"),
        ("points", ["--interpolate", "2"], "interpolation-seed0", "400 points"),
        ("classes", [], "samples-seed0", "2,000 points"),
        ("classes", ["--label", "7"], "samples-seed0-label7", "2,000 points"),
        ("classes", ["--labels", "--n", "16"], "samples-seed0-labels", "16 points"),
        ("digits", ["--n", "5", "--seed", "3"], "samples-seed3", "5 pictures"),
        ("digits", ["--interpolate", "3"], "interpolation-seed0", "30 pictures"),
        ("digits", ["--truncation", "0.7"], "samples-seed0-truncated0.7", "64 pictures"),
        ("told", [], "samples-seed0", "60 pictures"),
        ("told", ["--label", "3", "--n", "9"], "samples-seed0-label3", "9 pictures"),
        ("told", ["--labels"], "samples-seed0-labels", "60 pictures"),
        ("told", ["--interpolate", "2", "--label", "4"], "interpolation-seed0-label4", "20 pictures"),
        ("series", [], "samples-seed0", "16 series"),
        ("sounds", ["--n", "4", "--wav"], "samples-seed0", "4 series"),
        ("sounds", ["--interpolate", "2"], "interpolation-seed0", "8 series"),
    ],
)
def test_sample_draws(run, runs, tmp_path, name, words, file, said):
    folder = copy(runs / name, tmp_path)
    code, out, _ = run("sample", folder, *words)
    assert code == 0
    assert out.startswith(said)
    picture = folder / f"{file}.png"
    assert str(picture) in out
    assert Image.open(picture).size > (30, 30)
    first = picture.read_bytes()
    assert run("sample", folder, *words)[0] == 0  # its own file it replaces
    assert picture.read_bytes() == first  # one seed, one picture
    assert (folder / f"{file}.wav").exists() == ("--wav" in words)


def test_the_forms_of_the_pictures(run, runs, tmp_path):
    """28 pixels and 2 of a frame, twice as large: how many columns and rows."""
    for words, columns, rows in (
        (["--labels"], 10, 6),
        (["--interpolate", "3"], 10, 3),
        (["--n", "100"], 10, 10),
        (["--n", "9"], 8, 2),
        ([], 10, 6),
    ):
        out = tmp_path / "picture.png"
        assert run("sample", runs / "told", *words, "--out", out, "--force")[0] == 0
        assert Image.open(out).size == (2 * (30 * columns + 2), 2 * (30 * rows + 2))


def test_labels_are_columns_of_one_latent(run, runs, tmp_path, monkeypatch):
    seen = []
    decode = Session.decode

    def watched(session, z, labels=None, **options):
        seen.append((z.numpy().copy(), labels))
        return decode(session, z, labels, **options)

    monkeypatch.setattr(Session, "decode", watched)
    assert run("sample", runs / "told", "--labels", "--n", "30", "--out", tmp_path / "a.png")[0] == 0
    assert run("sample", runs / "told", "--interpolate", "2", "--out", tmp_path / "b.png")[0] == 0
    assert run("sample", runs / "told", "--truncation", "0.3", "--out", tmp_path / "c.png")[0] == 0
    (z, labels), (way, one), (near, _) = seen
    z = z.reshape(3, 10, -1)
    np.testing.assert_array_equal(z, np.broadcast_to(z[:, :1], z.shape))
    np.testing.assert_array_equal(labels, [*range(10)] * 3)
    np.testing.assert_array_equal(one, [0] * 10 + [1] * 10)
    ends = Session.open(runs / "told", find_variant).latents(4).numpy()
    np.testing.assert_allclose(way[[0, 9, 10, 19]], ends, rtol=1e-5, atol=1e-6)
    assert np.abs(near).max() <= 0.3


def test_a_class_by_its_name(run, runs, tmp_path):
    out = tmp_path / "a.png"
    config = json.loads((runs / "told" / "config.json").read_text())
    folder = copy(runs / "told", tmp_path)
    config["config"]["classes"] = ["nought", *map(str, range(1, 10))]
    (folder / "config.json").write_text(json.dumps(config))
    assert run("sample", folder, "--label", "nought", "--out", out)[0] == 0
    refused(run("sample", folder, "--label", "nougth", "--out", tmp_path / "b.png"), 2, "Did you mean 'nought'?")


def test_sounds_can_be_heard(run, runs, tmp_path):
    folder = copy(runs / "sounds", tmp_path)
    assert run("sample", folder, "--n", "2", "--wav", "--out", tmp_path / "two.png")[0] == 0
    with wave.open(str(tmp_path / "two.wav")) as sound:
        assert sound.getnframes() == 2 * 4096 + 1600


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("points", ["--label", "1"], "vanilla is not told classes"),
        ("points", ["--labels"], "vanilla is not told classes"),
        ("told", ["--label", "10"], "no class is called '10'"),
        ("told", ["--label", "-1"], "no class is called '-1'"),
        ("told", ["--label", "1", "--labels"], "not allowed with"),
        ("told", ["--labels", "--interpolate", "2"], "leave out --n and --labels"),
        ("digits", ["--n", "5", "--interpolate", "2"], "leave out --n and --labels"),
        ("digits", ["--n", "0"], "0 is less than 1"),
        ("digits", ["--n", "20000"], "holds 10,000"),
        ("digits", ["--wav"], "sounds are series of one channel"),
        ("series", ["--wav"], "sounds are series of one channel"),
        ("series", ["--n", "17"], "holds 16"),
        ("series", ["--interpolate", "5"], "holds 4"),
        ("digits", ["--truncation", "0"], "expected 0.01 or more"),
        ("digits", ["--truncation", "nan"], "expected 0.01 or more"),
        ("digits", ["--truncation", "some"], "'some' is not a number"),
        ("digits", ["--out", "picture.jpg"], "must end in .png"),
        ("digits", ["--device", "tpu"], "no device is called 'tpu'"),
        ("digits", ["--interpolat", "2"], "Did you mean --interpolate?"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(run, runs, tmp_path, monkeypatch, name, words, message):
    monkeypatch.chdir(tmp_path)
    before = content(runs)
    refused(run("sample", runs / name, *words), 2, message)
    assert content(runs) == before
    assert not list(tmp_path.iterdir())


def test_a_file_of_yours_is_replaced_only_by_force(run, runs, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_text("mine")
    refused(run("sample", runs / "points", "--out", mine), 2, "is there already")
    assert mine.read_text() == "mine"
    assert run("sample", runs / "points", "--out", mine, "--force")[0] == 0
    assert Image.open(mine).size[0] > 100
    (tmp_path / "two.wav").write_text("mine")
    refused(run("sample", runs / "sounds", "--wav", "--out", tmp_path / "two.png"), 2, "two.wav is there already")
    assert not (tmp_path / "two.png").exists()


def test_data_that_are_not_to_be_had_are_a_failure(run, tmp_path, monkeypatch):
    def missing(train):
        raise data.DataError("no network")

    monkeypatch.setattr("minigan.data.mnist", missing)
    refused(run("train", "dcgan", "--data", "mnist", "--out", tmp_path / "run"), 1, "no network")
    assert not (tmp_path / "run").exists()


def test_a_device_that_is_not_there_is_a_failure(run, runs, tmp_path, monkeypatch):
    def missing():
        raise backend.DeviceError("the device 'cuda' needs a GPU; choose 'cpu'")

    monkeypatch.setattr(backend, "_find_gpu", missing)
    monkeypatch.setattr(backend, "_ready", {"cpu"})
    before = content(runs)
    refused(run("sample", runs / "points", "--device", "cuda"), 1, "choose 'cpu'")
    out = tmp_path / "run"
    refused(run("train", "vanilla", "--data", "ring", "--device", "cuda", "--out", out), 1, "choose 'cpu'")
    assert content(runs) == before
    assert not out.exists()


# ----------------------------------------------------------------------------------------------------------------------
# evaluate
# ----------------------------------------------------------------------------------------------------------------------


def test_evaluate_counts_modes(run, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    code, out, _ = run("evaluate", folder, "--json")
    assert code == 0
    found = json.loads(out)
    assert found == json.loads((folder / "evaluation.json").read_text())
    assert (found["kind"], found["n"], found["step"], found["modes"]) == ("modes", 2500, 2, 8)
    samples = Session.open(folder, find_variant).sample(2500)
    expected = metrics.mode_coverage(samples, *data.toy.ring_mixture())
    assert found["rows"]["generated"]["captured"] == expected.captured
    assert found["counts"] == expected.counts.tolist()
    assert found["rows"]["perfect sampler"] == metrics.perfect_coverage(2500, 8)._asdict()
    assert "perfect sampler" in run("evaluate", folder)[1]


def test_evaluate_reads_pictures_with_a_classifier_that_is_made_once(run, runs, tmp_path):
    folder = copy(runs / "digits", tmp_path)
    code, out, err = run("evaluate", folder, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["kind"], found["n"]) == ("classifier", 200)  # as many as the test set has
    assert {"generated", "test (the floor)", "blurred", "noise"} <= set(found["rows"])
    assert "learning to read glyphs" in err
    code, out, err = run("evaluate", folder, "--n", "100")
    assert code == 0
    assert "learning to read" not in err
    assert found["sha256"] in out
    code, out, _ = run(
        "evaluate", folder, "--n", "100", "--classifier", next(Path(os.environ["MINIGAN_CACHE"]).iterdir())
    )
    assert code == 0
    assert found["sha256"] in out


@pytest.mark.parametrize(("name", "n"), [("series", 40), ("sounds", 16)])
def test_evaluate_compares_raw_numbers_of_all_else(run, runs, tmp_path, name, n):
    folder = copy(runs / name, tmp_path)
    found = json.loads(run("evaluate", folder, "--json")[1])
    assert (found["kind"], found["n"]) == ("raw", n)
    fake, real = found["rows"].values()
    assert list(found["rows"]) == ["generated", "test set (the floor)"]
    assert fake["sliced_wasserstein"] > real["sliced_wasserstein"] > 0
    assert fake["recall"] < real["recall"]  # after two steps
    assert set(fake) == {"sliced_wasserstein", *metrics.neighbours.NeighbourScores._fields}


def test_evaluate_of_a_folder_holds_one_half_against_the_other(run, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for i in range(20):
        Image.fromarray(rng.integers(0, 256, (28, 28, 3), np.uint8)).save(tmp_path / "pictures" / f"{i}.png")
    folder = tmp_path / "run"
    assert run("train", "vanilla", "--data", tmp_path / "pictures", *QUICK, "--out", folder)[0] == 0
    found = json.loads(run("evaluate", folder, "--json")[1])
    assert (found["n"], list(found["rows"])) == (10, ["generated", "other half (the floor)"])
    assert found["rows"]["other half (the floor)"]["sliced_wasserstein"] > 0
    refused(run("evaluate", folder, "--n", "11"), 1, "expected 6 to 10")
    for path in list((tmp_path / "pictures").iterdir())[:12]:
        path.unlink()
    refused(run("evaluate", folder), 1, "too few samples")
    shutil.rmtree(tmp_path / "pictures")
    refused(run("evaluate", folder), 1, "no dataset or folder is called")


def test_what_cannot_be_judged_is_a_sentence(run, runs, tmp_path):
    before = content(runs)
    refused(run("evaluate", runs / "points", "--n", "0"), 2, "0 is less than 1")
    refused(run("evaluate", runs / "points", "--classifier", tmp_path), 1, "leave it out")
    refused(run("evaluate", runs / "digits", "--classifier", tmp_path / "none"), 1, "not there")
    refused(run("evaluate", runs / "digits", "--classifier", tmp_path), 1, "checkpoint.safetensors: No such file")
    refused(run("evaluate", runs / "digits", "--classifier", runs / "points"), 1, "no network called 'net'")
    refused(run("evaluate", runs / "digits", "--n", "84"), 1, "expected 85 to 200")
    assert content(runs) == before


def test_samples_that_are_not_finite_are_a_sentence(run, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    arrays, meta = train.load_checkpoint(folder / "checkpoint.safetensors")
    arrays["G/0.weight"][:] = np.nan
    train.save_checkpoint(folder / "checkpoint.safetensors", arrays, meta)
    refused(run("evaluate", folder), 1, "NaN")
    assert not (folder / "evaluation.json").exists()
    assert run("sample", folder)[0] == 0  # the picture counts them


# ----------------------------------------------------------------------------------------------------------------------
# Folders that are no runs, or damaged ones
# ----------------------------------------------------------------------------------------------------------------------

COMMANDS = [["resume", "RUN", "--steps", "9"], ["sample", "RUN"], ["evaluate", "RUN"], ["diff", "vanilla", "RUN"]]


@pytest.fixture
def all_refuse(run):
    """That each command which opens a run says what is wrong with this one, and leaves it as it is."""

    def all_refuse(folder, message, commands=COMMANDS):
        before = content(folder)
        for command in commands:
            refused(run(*[folder if word == "RUN" else word for word in command]), 1, message)
        assert content(folder) == before

    return all_refuse


def test_a_folder_that_is_no_run(all_refuse, run, tmp_path):
    all_refuse(tmp_path, "no run folder")
    for command in COMMANDS[:3]:
        refused(run(*[tmp_path / "none" if word == "RUN" else word for word in command]), 1, "there is no such folder")
    refused(run("diff", "vanilla", tmp_path / "none"), 2, "or name the folder of a run")


def test_a_run_of_an_example(all_refuse, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    record = json.loads((folder / "config.json").read_text())
    del record["config"]["variant"]
    (folder / "config.json").write_text(json.dumps(record))
    all_refuse(folder, "not a run of `minigan train`")


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("config.json", None, "config.json: missing"),
        ("config.json", b"{", "config.json: damaged"),
        ("config.json", b"[]", "not the record of a run"),
        ("config.json", b'{"format": "minigan run, version 9", "config": {}}', "this minigan reads"),
        ("checkpoint.safetensors", None, "checkpoint.safetensors: missing"),
        ("checkpoint.safetensors", b"", "damaged"),
        ("checkpoint.safetensors", b"x" * 1000, "damaged"),
    ],
)
def test_a_file_that_is_missing_or_damaged(all_refuse, runs, tmp_path, file, damage, message):
    folder = copy(runs / "points", tmp_path)
    (folder / file).unlink()
    if damage is not None:
        (folder / file).write_bytes(damage)
    all_refuse(folder, message)


def test_a_checkpoint_of_something_else(all_refuse, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    path = folder / "checkpoint.safetensors"
    arrays, meta = train.load_checkpoint(path)
    content = path.read_bytes()
    path.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    all_refuse(folder, "damaged")
    train.save_checkpoint(path, arrays, {})
    all_refuse(folder, "not one of a run")
    train.save_checkpoint(path, {name: a for name, a in arrays.items() if not name.startswith("D/")}, meta)
    all_refuse(folder, "a run has D, ")
    train.save_checkpoint(path, arrays | {"G/0.weight": np.zeros((3, 3), np.float32)}, meta)
    all_refuse(folder, "G is not the network that its config.json describes")
    train.save_checkpoint(path, arrays | {"D_optimizer/0.step": np.zeros(3)}, meta)
    all_refuse(folder, "D_optimizer is not the one", COMMANDS[:1])
    train.save_checkpoint(path, arrays, meta | {"rng": {"of": "another version"}})
    all_refuse(folder, "begin the run anew", COMMANDS[:1])


def test_metrics_that_are_damaged(all_refuse, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    (folder / "metrics.csv").write_text("step,d_loss\n1,x\n2,0.1\n")
    all_refuse(folder, "metrics.csv", COMMANDS[:1])


@pytest.mark.parametrize("junk", [None, "junk", -1, 0.5, [], {}, [1, 2, 3, 4], ["a"], True], ids=repr)
def test_settings_that_are_damaged(run, runs, tmp_path, junk):
    """Whatever a setting becomes, it is read, or refused with a sentence; nothing is written."""
    folder = copy(runs / "classes", tmp_path)
    path = folder / "config.json"
    record = json.loads(path.read_text())
    for name in record["config"]:
        path.write_text(json.dumps(record | {"config": record["config"] | {name: junk}}))
        before = content(folder)
        code, out, err = run("sample", folder, "--n", "1", "--out", tmp_path / "picture.png", "--force")
        assert "Traceback" not in err
        assert (code == 0 and not err) or (code in (1, 2) and err.count("\n") <= 4 and not out), (name, err)
        assert content(folder) == before
    for name in record["config"]["rules"]:
        rules = record["config"]["rules"] | {name: junk}
        path.write_text(json.dumps(record | {"config": record["config"] | {"rules": rules}}))
        before = content(folder)
        code, _, err = run("resume", folder, "--steps", "2")  # has made 2 steps, if the rules are rules
        assert code in (1, 2)
        assert content(folder) == before


def test_data_that_have_changed(run, runs, tmp_path, monkeypatch):
    folder = copy(runs / "classes", tmp_path)
    before = content(folder)
    monkeypatch.setattr("minigan.data._DRAWN", SMALL | {"ring": (sines, 100, 100)})
    refused(run("resume", folder, "--steps", "4"), 1, "put the data back")
    monkeypatch.setattr("minigan.data._DRAWN", SMALL | {"ring": (grid, 100, 100)})
    refused(run("resume", folder, "--steps", "4"), 1, "was trained on the classes")
    monkeypatch.setattr("minigan.data._DRAWN", SMALL | {"ring": (ring, 3, 3)})
    refused(run("resume", folder, "--steps", "4"), 1, "make the batches smaller")
    assert content(folder) == before


def test_a_folder_that_cannot_be_written_to(run, runs, tmp_path):
    folder = copy(runs / "points", tmp_path)
    (tmp_path / "file").write_text("mine")
    code, _, err = run("sample", folder, "--out", tmp_path / "file" / "picture.png")
    assert code == 1
    assert err.startswith("minigan sample: ")
    assert (tmp_path / "file").read_text() == "mine"
