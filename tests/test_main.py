"""`python -m minigan`: what it prints, and its exit codes."""

import dataclasses
import json
import subprocess
import sys

import pytest

from minigan import backend
from minigan.__main__ import main


def test_info_as_a_command_prints_a_page():
    done = subprocess.run([sys.executable, "-m", "minigan", "info"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    labels = [line.split()[0] for line in done.stdout.splitlines()]
    assert labels[:5] == ["versions", "processor", "threads", "kernels", "compiled"]


def test_info_json_is_the_same_for_programs(capsys):
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == dataclasses.asdict(backend.info())


@pytest.mark.parametrize(
    ("argv", "message"),
    [([], "the following arguments are required: COMMAND"), (["paint"], "invalid choice: 'paint'")],
)
def test_a_command_that_is_not_understood_ends_with_2(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_command_that_fails_ends_with_1_and_a_sentence(capsys, monkeypatch):
    monkeypatch.setattr(backend, "_chosen", "gpu")
    assert main(["info"]) == 1
    assert capsys.readouterr() == (
        "",
        "python -m minigan: backend: no kernels are called 'gpu'; there are 'cpu', 'reference'\n",
    )
