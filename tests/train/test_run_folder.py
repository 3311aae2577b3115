"""A run folder keeps what it is given, refuses what it did not make, and forgets exactly what it is told to."""

from __future__ import annotations

import json
import math
import os
import platform
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from minigan.train import run_folder
from minigan.train.checkpoint import load_checkpoint, save_checkpoint
from minigan.train.run_folder import RunError, RunFolder

CONFIG = {"seed": 0, "device": "cpu", "lr": 2e-4, "betas": (0.5, 0.999), "epochs": 5, "data": None}


def row(step: int) -> dict[str, float]:
    rng = np.random.default_rng(step)
    return {"step": step, "epoch": step // 10, "d_loss": rng.normal(), "g_loss": float(np.float32(rng.normal()))}


@pytest.fixture
def resumable(tmp_path) -> RunFolder:
    with RunFolder.create(tmp_path / "run", CONFIG) as run:
        for step in range(1, 31):
            run.log(row(step))
        run.flush()
        save_checkpoint(run.checkpoint_path, {"w": np.ones(3)}, {"step": 20})
    return run


# ----------------------------------------------------------------------------------------------------------------------
# create
# ----------------------------------------------------------------------------------------------------------------------


def test_config_json_holds_the_settings_and_what_computed_with_them(tmp_path):
    run = RunFolder.create(tmp_path / "a" / "run", CONFIG)
    record = json.loads((tmp_path / "a" / "run" / "config.json").read_text())
    assert record["config"] == run.config == CONFIG | {"betas": [0.5, 0.999]}
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["numpy"] == np.__version__
    assert record["versions"].keys() >= {"minigan", "numba"}
    assert record["platform"] == platform.platform()
    assert sorted(os.listdir(run.path)) == ["config.json", "samples"]


def test_a_package_that_is_not_installed_is_no_obstacle():
    assert run_folder._version("no-such-distribution-anywhere") == "not installed"


def test_by_default_the_folder_is_named_after_the_moment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [RunFolder.create(None, CONFIG).path for _ in range(3)]
    paths.append(RunFolder.create(None, CONFIG, name="wgan").path)
    assert len(set(paths)) == 4
    assert all(re.fullmatch(r"runs/dcgan-mnist-\d{8}-\d{6}(-\d)?", path.as_posix()) for path in paths[:3])
    assert re.fullmatch(r"runs/wgan-\d{8}-\d{6}", paths[3].as_posix())
    assert all((tmp_path / path / "config.json").is_file() for path in paths)


def test_an_empty_folder_may_be_filled_and_a_path_may_be_a_string(tmp_path):
    (tmp_path / "run").mkdir()
    assert RunFolder.create(str(tmp_path / "run"), CONFIG).path == tmp_path / "run"


def test_nothing_is_written_into_a_folder_that_holds_something(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match=r"is not empty.*choose a new folder"):
        RunFolder.create(tmp_path, CONFIG)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_run_is_not_overwritten(resumable):
    before = {entry.name: entry.read_bytes() for entry in resumable.path.iterdir() if entry.is_file()}
    with pytest.raises(RunError, match="holds a run already; resume it, choose another folder"):
        RunFolder.create(resumable.path, {"seed": 1})
    assert {entry.name: entry.read_bytes() for entry in resumable.path.iterdir() if entry.is_file()} == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match=r"file.*cannot be made a run folder.*choose another name"):
            RunFolder.create(path, CONFIG)


def test_settings_that_json_cannot_hold_are_named_before_a_folder_is_made(tmp_path):
    with pytest.raises(TypeError, match=r"config\['data'\] is a \w*Path"):
        RunFolder.create(tmp_path / "run", {"data": Path("x")})
    with pytest.raises(ValueError, match=r"config\['lr'\] is nan"):
        RunFolder.create(tmp_path / "run", {"lr": math.nan})
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------------
# open
# ----------------------------------------------------------------------------------------------------------------------


def test_an_opened_run_has_its_settings_and_unknown_keys_survive(resumable):
    record = json.loads(resumable.config_path.read_text())
    record["note"] = "by hand"
    record["config"]["of the future"] = [1]
    resumable.config_path.write_text(json.dumps(record))

    run = RunFolder.open(resumable.path)
    assert run.config == CONFIG | {"betas": [0.5, 0.999], "of the future": [1]}
    run.update_config({"epochs": 9, "new": (1, 2)})
    assert RunFolder.open(resumable.path).config == run.config
    assert run.config == CONFIG | {"betas": [0.5, 0.999], "of the future": [1], "epochs": 9, "new": [1, 2]}
    assert json.loads(resumable.config_path.read_text())["note"] == "by hand"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "config.json: missing"),
        (b"", "config.json: damaged, not JSON"),
        (b'{"format": "minigan run, version 1", "conf', "config.json: damaged"),
        (b"\xff\xfe\x00", "config.json: damaged"),
        (b"[" * 100_000, "config.json: damaged"),
        (b"[]", "config.json: not the record of a run"),
        (b'{"config": {}}', "config.json: not the record of a run"),
        (b'{"format": "minigan run, version 1", "config": 3}', "config.json: not the record of a run"),
        (b'{"format": "minigan run, version 9", "config": {}}', "config.json: the format is .*version 9.*reads"),
    ],
)
def test_a_damaged_config_is_named(resumable, content, message):
    if content is None:
        resumable.config_path.unlink()
    else:
        resumable.config_path.write_bytes(content)
    with pytest.raises(RunError, match=message):
        RunFolder.open(resumable.path)


def test_a_damaged_checkpoint_is_named(resumable):
    whole = resumable.checkpoint_path.read_bytes()
    assert load_checkpoint(RunFolder.open(resumable.path).checkpoint_path)[1] == {"step": 20}
    damaged = bytearray(whole)
    damaged[-1] ^= 1
    resumable.checkpoint_path.write_bytes(damaged)
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: damaged"):
        RunFolder.open(resumable.path)
    resumable.checkpoint_path.unlink()
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: missing.*start it anew"):
        RunFolder.open(resumable.path)
    resumable.checkpoint_path.mkdir()
    with pytest.raises(RunError, match=r"checkpoint\.safetensors"):
        RunFolder.open(resumable.path)
    with pytest.raises(RunError, match="nowhere: there is no such folder"):
        RunFolder.open(resumable.path / "nowhere")


# ----------------------------------------------------------------------------------------------------------------------
# Metrics
# ----------------------------------------------------------------------------------------------------------------------

NUMBERS = st.floats() | st.floats(width=32).map(np.float32) | st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    rows=st.lists(
        st.fixed_dictionaries({"step": st.integers(0, 2**62), "D(x)": NUMBERS, "a b": st.floats()}), max_size=5
    )
)
def test_numbers_come_back_exactly(tmp_path_factory, rows):
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "run", CONFIG)
    for entry in rows:
        run.log(entry)
        assert len(run.metrics()["step"]) == len(run.metrics()["a b"]) > 0  # read while it is written
    run.close()
    columns = run.metrics()
    assert list(columns) == (list(rows[0]) if rows else [])
    for name, values in columns.items():
        integers = all(isinstance(entry[name], int) for entry in rows)
        assert values.dtype == (np.int64 if integers else np.float64)
        expected = np.array([entry[name] for entry in rows], dtype=values.dtype)
        np.testing.assert_array_equal(values, expected)  # NaN equals NaN here
        assert np.signbit(values).tolist() == np.signbit(expected).tolist() or np.isnan(expected).any()


def test_the_file_is_plain_csv(tmp_path):
    with RunFolder.create(tmp_path / "run", CONFIG) as run:
        run.log({"step": 1, "loss": 0.1, "x": np.float32(0.1)})
        run.log({"x": np.int64(3), "loss": math.nan, "step": 2})  # the order of the keys does not matter
    assert run.metrics_path.read_bytes() == b"step,loss,x\n1,0.1,0.10000000149011612\n2,nan,3\n"


def test_rows_with_other_names_are_refused_and_leave_no_trace(tmp_path):
    with RunFolder.create(tmp_path / "run", CONFIG) as run:
        with pytest.raises(ValueError, match="no 'step'"):
            run.log({"loss": 1.0})
        run.log({"step": 1, "loss": 1.0})
        for wrong in ({"step": 2}, {"step": 2, "loss": 1.0, "new": 1.0}, {"step": 2, "los": 1.0}):
            with pytest.raises(ValueError, match=r"the columns of .*metrics\.csv are \['step', 'loss'\]"):
                run.log(wrong)
        for value in ("1", None, True, [1.0], np.ones(1), np.bool_(True), 1j):
            with pytest.raises(TypeError, match=r"loss is a .*, but a number"):
                run.log({"step": 2, "loss": value})
    assert run.metrics_path.read_text() == "step,loss\n1,1.0\n"
    resumed = RunFolder(run.path, {"config": {}})
    with pytest.raises(ValueError, match="the columns of"):
        resumed.log({"step": 2, "g_loss": 1.0})


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb", "a\rb", "a\u2028b", "", 3])
def test_names_that_would_break_the_table_are_refused(tmp_path, name):
    with RunFolder.create(tmp_path / "run", CONFIG) as run, pytest.raises(ValueError, match="cannot name a column"):
        run.log({"step": 1, name: 1.0})


def test_rows_are_on_the_disk_after_a_flush(tmp_path):
    run = RunFolder.create(tmp_path / "run", CONFIG)
    run.flush()  # nothing to do yet
    run.log(row(1))
    run.flush()
    assert run.metrics_path.read_bytes().count(b"\n") == 2
    run.close()


def test_closing_twice_is_safe_and_logging_goes_on(tmp_path):
    run = RunFolder.create(tmp_path / "run", CONFIG)
    run.close()
    run.log(row(1))
    run.close()
    run.close()
    run.log(row(2))
    run.close()
    assert run.metrics()["step"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="no 'step'"), run:
        run.log(row(3)) or run.log({})
    assert run.metrics_path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("checkpoint", [0, 1, 20, 29, 30])
@pytest.mark.parametrize("lost", [0, 1, 2, 7, 40])
def test_a_killed_and_resumed_run_has_the_metrics_of_one_that_was_not(resumable, checkpoint, lost):
    expected = resumable.metrics_path.read_bytes()
    # The process went on past its checkpoint and was killed in the middle of a line.
    written = expected.splitlines(keepends=True)
    flushed = b"".join(written[: checkpoint + 1])
    resumable.metrics_path.write_bytes(flushed + expected[len(flushed) :][: lost * 11])

    with RunFolder.open(resumable.path) as run:
        run.truncate_metrics(checkpoint)
        assert run.metrics()["step"].tolist() == list(range(1, checkpoint + 1))
        for step in range(checkpoint + 1, 31):
            run.log(row(step))
    assert resumable.metrics_path.read_bytes() == expected


def test_wherever_a_line_breaks_off_the_next_row_starts_on_its_own(resumable):
    expected = resumable.metrics_path.read_bytes()
    for end in [*range(60), *range(len(expected) - 60, len(expected) + 1)]:
        resumable.metrics_path.write_bytes(expected[:end])
        with RunFolder.open(resumable.path) as run:
            last = int(run.metrics().get("step", np.array([0]))[-1:].sum())
            for step in range(last + 1, 31):
                run.log(row(step))
        assert resumable.metrics_path.read_bytes() == expected, end


def test_truncation_keeps_what_it_keeps_byte_for_byte(tmp_path):
    with RunFolder.create(tmp_path / "run", CONFIG) as run:
        run.truncate_metrics(5)  # no file yet
        assert not run.metrics_path.exists()
        run.metrics_path.write_bytes(b"step,x\n1,1e3\n5,+0.50\n3,nan\n7,2\n5.0,1\n6")
        run.truncate_metrics(5)
        assert run.metrics_path.read_bytes() == b"step,x\n1,1e3\n5,+0.50\n3,nan\n5.0,1\n"
        inode = run.metrics_path.stat().st_ino
        run.truncate_metrics(5)
        assert run.metrics_path.stat().st_ino == inode  # nothing to drop, nothing written
        run.truncate_metrics(0)
        assert run.metrics_path.read_bytes() == b"step,x\n"


def test_truncation_is_atomic(resumable, monkeypatch):
    before = resumable.metrics_path.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        resumable.truncate_metrics(3)
    assert resumable.metrics_path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"step,x\n1\n", r"metrics\.csv, line 2: 1 cells.*mend the file"),
        (b"step,x\n1,2\n\0\0\0\0\n", r"metrics\.csv, line 3"),
        (b"step,x\nabc,2\n", r"metrics\.csv, column 'step', line 2: 'abc' is no number"),
        (b"epoch,x\n1,2\n", r"metrics\.csv: has no column 'step'"),
        (b"epoch,x\n", r"metrics\.csv: has no column 'step'"),
    ],
)
def test_damaged_metrics_are_named_and_left_alone(resumable, content, message):
    resumable.metrics_path.write_bytes(content)
    with pytest.raises(RunError, match=message):
        resumable.truncate_metrics(1)
    with pytest.raises(RunError, match=message):
        resumable.log(row(2))
    assert resumable.metrics_path.read_bytes() == content


# ----------------------------------------------------------------------------------------------------------------------
# Pictures
# ----------------------------------------------------------------------------------------------------------------------


def test_samples_and_curves_land_in_the_folder(resumable):
    path = resumable.save_samples(np.zeros((6, 1, 4, 4), np.float32), "step-000123", nrow=3)
    assert path == resumable.path / "samples" / "step-000123.png"
    with Image.open(path) as picture:
        assert picture.size == (2 * (3 * 6 + 2), 2 * (2 * 6 + 2))
    resumable.plot(equilibrium={"d_loss": math.log(4)})
    with Image.open(resumable.path / "losses.png") as picture:
        assert picture.format == "PNG"


def test_samples_of_any_kind_land_in_the_folder(tmp_path):
    """Points get the real ones behind them, series a picture of their own, and a shape that is none of these an error."""
    run = RunFolder.create(tmp_path / "run", CONFIG)
    points = np.zeros((3, 2), np.float32)
    alone = run.save_samples(points, "alone").read_bytes()
    assert run.save_samples(points, "beside", reals=points + 0.5).read_bytes() != alone
    path = run.save_samples(np.zeros((3, 2, 5), np.float32), "series")
    assert path == run.samples_path / "series.png"
    with Image.open(path) as picture:
        assert picture.width > 2 * picture.height  # three panels in a row
    with pytest.raises(ValueError, match=r"samples has shape \(3,\), but images"):
        run.save_samples(np.zeros(3), "numbers")
    assert sorted(os.listdir(run.samples_path)) == ["alone.png", "beside.png", "series.png"]


def test_curves_can_be_drawn_before_the_first_row(tmp_path):
    run = RunFolder.create(tmp_path / "run", CONFIG)
    assert run.metrics() == {}
    run.plot()
    assert run.losses_path.exists()


@pytest.mark.parametrize("label", ["", ".", "a/b", "../a", "/a", "a\\b", "a/"])
def test_labels_do_not_leave_the_folder(tmp_path, label):
    run = RunFolder.create(tmp_path / "run", CONFIG)
    with pytest.raises(ValueError, match="a plain name such as"):
        run.save_samples(np.zeros((1, 1, 2, 2)), label)
    assert list(run.samples_path.iterdir()) == []


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_anew(tmp_path):
    RunFolder.create(tmp_path / "run", CONFIG).close()
    assert RunFolder.create(tmp_path / "run", {"seed": 7}).config == {"seed": 7}
