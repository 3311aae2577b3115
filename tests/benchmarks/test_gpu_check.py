"""That gpu_check.py checks: on a simulated GPU, at sizes that take no time; and what it does where something fails."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))  # where gpu_check.py, started as a script, finds its modules

import gpu_check  # noqa: E402
from gpu import SECTIONS, card, kernels, memory, process, rates  # noqa: E402
from gpu.record import Check, Record, cell, table, text  # noqa: E402
from gpu.trials import trials  # noqa: E402

from minigan import backend  # noqa: E402

simulator = pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda")


def in_this_process(plan, finished):
    """In the place of `process.run_all`: for tests that plant something."""
    for name in plan.until:
        finished(process.run_section(name, plan))


def python(*arguments, **environment):
    """Python in a process of its own, because numba.cuda is simulated in a process for good, or never."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks"), **environment}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, timeout=120)


# --- a whole run ------------------------------------------------------------------------------------------------------


def test_without_a_card_there_is_one_sentence():
    done = python(str(ROOT / "benchmarks" / "gpu_check.py"), CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the device 'cuda' needs")


@simulator
def test_on_a_simulated_gpu_all_that_can_be_checked_passes(tmp_path):
    out = tmp_path / "found.json"
    chosen = "card,kernels,derivatives,agreement,launches,rates"
    options = ["--device", "cudasim", "--quick", "--only", chosen, "--out", str(out)]
    done = python(str(ROOT / "benchmarks" / "gpu_check.py"), *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all passed" in done.stdout
    sections = json.loads(out.read_text())["sections"]
    assert list(sections) == chosen.split(",")
    (rows,) = sections["kernels"]["tables"].values()
    assert {(row["routine"], row["type"]) for row in rows} >= {("conv2d", "float32"), ("conv2d", "float64")}
    assert all(row["largest error"] <= row["bound"] for row in rows)
    (rows,) = sections["derivatives"]["tables"].values()
    assert all(row["right"] for row in rows)
    assert len(sections["agreement"]["kept"]["distances"]["device − cpu, float64"]) == 3
    assert {"found.json", "found-rates.png"} == {path.name for path in tmp_path.iterdir()}


@simulator
def test_a_wrong_kernel_is_named():
    planted = """
import time
from minigan import backend
from gpu import kernels
from gpu.record import Check, Record
from gpu.trials import trials

backend.check_device("cudasim")
from minigan.kernels import cuda

right = cuda.leaky_relu
cuda.leaky_relu = lambda x, slope: right(x, slope) * x.dtype.type(1.00001)
kernels.trials = lambda: [trial for trial in trials() if trial.routine in ("leaky_relu", "max_pool2d")]
check = Check("cudasim", True, time.monotonic() + 60, Record("kernels", ""))
kernels.run(check)
print("\\n".join(check.record.failures))
"""
    done = python("-c", planted)
    assert done.returncode == 0, done.stderr
    untried, *told = done.stdout.splitlines()
    assert untried.startswith("There is no trial of adam, amax")  # they were left out
    assert len(told) == 8  # four trials in two types
    assert told[0].startswith("leaky_relu, float32, ")
    assert "off by 1e-05, allowed 1.55e-06" in told[0]


def test_beside_pytorch_on_the_cpu(torch, tmp_path):
    out = tmp_path / "found.json"
    assert gpu_check.main(["--device", "cpu", "--quick", "--only", "steps,memory", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    assert (found["device"], found["quick"]) == ("cpu", True)
    (row,) = found["sections"]["steps"]["kept"]["chart"]
    assert len(row["minigan"]) == len(row["peer"]) == 2
    assert (tmp_path / "found-steps.png").read_bytes().startswith(b"\x89PNG")


# --- what fails -------------------------------------------------------------------------------------------------------


def test_a_section_that_fails_is_recorded_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    out, seen = tmp_path / "found.json", []

    def fail(check):
        check.row("so far", number=1)
        raise ValueError("planted")

    def look(check):
        seen.append(json.loads(out.read_text()))

    monkeypatch.setattr(gpu_check, "run_all", in_this_process)
    monkeypatch.setattr(card, "run", fail)
    monkeypatch.setattr(memory, "run", look)
    assert gpu_check.main(["--device", "cpu", "--only", "card,memory", "--out", str(out)]) == 1
    printed = capsys.readouterr().out
    assert "FAILED: ValueError: planted" in printed
    assert "failed: card" in printed
    assert list(seen[0]["sections"]) == ["card"]  # it was on the disk before the next section began
    found = json.loads(out.read_text())["sections"]
    assert found["card"]["tables"] == {"so far": [{"number": 1}]}
    assert "planted" in found["card"]["kept"]["tracebacks"]["the section"]
    assert found["memory"]["failures"] == []
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_what_was_kept_before_stays_if_writing_fails(tmp_path, monkeypatch):
    out = tmp_path / "found.json"
    out.write_text("what was kept before")
    monkeypatch.setattr(gpu_check, "run_all", in_this_process)
    monkeypatch.setattr(memory, "run", lambda check: check.row("t", number=object()))  # which JSON does not know
    with pytest.raises(TypeError):
        gpu_check.main(["--device", "cpu", "--only", "memory", "--out", str(out)])
    assert out.read_text() == "what was kept before"
    assert len(list(tmp_path.iterdir())) == 1


WORK = """
import os
from gpu.record import Record

def work(sender, names, plan):
    for name in names:
        record = Record(name, "")
        if name == "kernels":
            record.notes.append("so far")
            sender.send(("partial", record))
            os._exit(3)
        if name == "agreement":
            record.failures.append("an address outside of all arrays")
        sender.send(("finished", record))
        if name == "agreement":
            sender.send(("broken", None))
            return
"""


def test_a_process_that_is_lost_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "lost_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    import lost_work

    monkeypatch.setattr(process, "_work", lost_work.work)
    names, records = ["card", "kernels", "derivatives", "agreement", "memory"], []
    process.run_all(process.plan("cpu", True, names, 60), records.append)
    assert [record.name for record in records] == names
    found = {record.name: record.failures for record in records}
    assert found["kernels"] == ["The process ended with exit code 3."]
    assert found["agreement"] == ["an address outside of all arrays"]
    assert not found["card"] + found["derivatives"] + found["memory"]
    assert records[1].notes == ["so far"]


def test_a_section_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    (tmp_path / "endless_work.py").write_text("import time\ndef work(sender, names, plan): time.sleep(60)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import endless_work

    monkeypatch.setattr(process, "_work", endless_work.work)
    monkeypatch.setattr(process, "GRACE", 0.0)
    records, begin = [], time.monotonic()
    process.run_all(process.plan("cpu", True, ["card"], 0.5), records.append)
    assert time.monotonic() - begin < 10
    assert records[0].failures == ["The section did not end in its time, and was stopped."]


def test_when_the_time_is_up_sections_are_left_out():
    plan = process.plan("cpu", True, ["kernels"], 0.0)
    record = process.run_section("kernels", plan)
    assert record.notes == ["Left out: the time was up."]
    assert not record.failures


def test_a_part_that_fails_is_a_failure_of_that_part():
    check = Check("cpu", True, time.monotonic() + 60, Record("rates", ""))
    with check.part("a copy"):
        raise RuntimeError("planted")
    check.row("t", reached=True)
    assert check.record.failures == ["a copy: RuntimeError: planted"]
    assert check.record.tables == {"t": [{"reached": True}]}


@pytest.mark.parametrize("options", [["--only", "kernels,colours"], ["--out", "found.txt"], ["--minutes", "0"]])
def test_wrong_options_are_refused(options, capsys):
    with pytest.raises(SystemExit) as stop:
        gpu_check.main(options)
    assert stop.value.code == 2
    assert options[0] in capsys.readouterr().err


# --- its own arithmetic -----------------------------------------------------------------------------------------------


def test_the_time_is_shared_out():
    plan = process.plan("cpu", False, SECTIONS, 450.0)
    ends = list(plan.until.values())
    assert ends == sorted(ends)
    assert ends[-1] - time.monotonic() == pytest.approx(450, abs=5)


def test_every_routine_has_a_trial():
    for name in ("cpu", "reference"):
        with backend.use_kernels(name):
            assert set(backend.kernels().__all__) <= {trial.routine for trial in trials()}


@pytest.mark.parametrize(
    ("found", "right", "expected"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 4.0]), 0.5),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), 0.0),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), np.inf),
        (np.array([1.0, -np.inf]), np.array([1.0, np.inf]), np.inf),
        (np.array([1.0]), np.array([[1.0]]), np.inf),
        (np.array([1]), np.array([2]), np.inf),
        (np.zeros(0), np.zeros(0), 0.0),
    ],
)
def test_the_distance_of_results(found, right, expected):
    assert kernels.distance(found, right, np.float64) == expected


def test_bytes_are_counted_once_or_twice():
    p, g = np.zeros(3, np.float32), np.zeros(3, np.float32)
    arrays = [type("Array", (), {"nbytes": 12, "at": at})() for at in (1, 2, 1)]  # p stands in the third place as well
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "address", lambda array: array.at)
        patch.setattr(rates.backend, "is_array", lambda a: hasattr(a, "nbytes"))
        assert rates.moved("optim._sgd", (*arrays, 0, 1)) == 2 * p.nbytes + g.nbytes
        assert rates.moved("activation._leaky_relu", tuple(arrays[:2])) == p.nbytes + g.nbytes


def test_tables_are_aligned():
    lines = table("t", [{"a": "x", "µs": 1.5}, {"a": "long", "µs": 1234.6, "more": True}]).splitlines()
    assert lines[2:5] == ["a       µs  more", "x     1.50", "long  1235   yes"]
    assert [cell(x) for x in (0.0, 1e-7, 0.5, 12345.6, 3, None, False)] == [
        "0",
        "1.0e-07",
        "0.500",
        "12346",
        "3",
        "",
        "no",
    ]
    record = Record("card", "a card", failures=["one"], seconds=2.4)
    assert text(record).splitlines()[-2:] == ["FAILED: one", "1 failure in 2 s"]
