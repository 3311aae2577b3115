"""Machine code is kept, thrown away when any file of the folder changes, and compiled where it cannot be kept; and said."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import pytest

from minigan.kernels.cpu import compile as module

ANNOUNCED = "minigan: compiling kernels for this processor; once, up to a minute\n"


def test_without_a_place_for_a_cache_the_routine_is_compiled_all_the_same(monkeypatch):
    asked = []

    def njit(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(module, "njit", njit)

    @module.compiled()
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert asked == [True, False]


def test_without_numbas_compiler_the_routine_is_plain_python(monkeypatch):
    monkeypatch.setattr(module.config, "DISABLE_JIT", 1)

    def double(x):
        return 2 * x

    assert module.compiled()(double) is double


# ----------------------------------------------------------------- a folder of kernels of its own, in fresh interpreters

FILES = {
    "__init__.py": "",
    "inner.py": "from .compile import compiled\n\n@compiled()\ndef step(x): return x + 1",
    "outer.py": "from .compile import compiled\nfrom .inner import step\n\n@compiled()\ndef twice(x): return 2 * step(x)",
}
PROGRAM = """
from numba import njit
njit(lambda x: x)(1)  # another package's function: no concern of ours
from folder import compile, outer
print(compile.machine_code())
print(outer.twice(20), outer.twice(20.0))
"""


@pytest.fixture
def folder(tmp_path):
    """A package of two routines, one within the other, compiled as those of `kernels/cpu` are."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    shutil.copy(module.__file__, folder)
    return folder


def run(folder, program=PROGRAM):
    """What `program` prints in an interpreter of its own: stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder.parent, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, done.stderr


def found(folder, kept):
    return f"MachineCode(folder='{folder / '__pycache__'}', kept={kept}, routines=2)\n"


def test_machine_code_is_kept_until_any_file_of_the_folder_changes_and_compiling_is_announced(folder, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert run(folder) == (found(folder, 0) + "42 42.0\n", ANNOUNCED)
    assert run(folder) == (found(folder, 2) + "42 42.0\n", "")

    inner = folder / "inner.py"  # `twice`, whose own file stays as it is, has it compiled in
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    assert run(folder) == (found(folder, 0) + "44 44.0\n", ANNOUNCED)
    assert run(folder) == (found(folder, 2) + "44 44.0\n", "")


def test_numba_cache_dir_says_where_machine_code_is_kept(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert str(tmp_path / "elsewhere") in run(folder)[0]
    assert any((tmp_path / "elsewhere").rglob("*.nbc"))
    assert not any(Path(folder).rglob("*.nbc"))


# ----------------------------------------------------------------------------------------------------- the announcement


@pytest.fixture
def announcer():
    module._announce.cache_clear()
    yield module._Announcer()
    module._announce.cache_clear()


def compiling(module_name, cache_path="/somewhere"):
    """What Numba tells its listeners when it begins to compile a function."""
    function = SimpleNamespace(__module__=module_name)
    routine = SimpleNamespace(py_func=function, stats=SimpleNamespace(cache_path=cache_path))
    return SimpleNamespace(data={"dispatcher": routine})


def test_compiling_is_announced_once(announcer, capsys):
    for name in ("minigan.kernels.cpu.conv", "minigan.kernels.cpu.norm"):
        announcer.on_start(compiling(name))
    assert capsys.readouterr() == ("", ANNOUNCED)


@pytest.mark.parametrize(
    "name", ["umap.layouts", "minigan_kernels.cpu", "minigan.kernels.cpuid.conv", "__main__", None]
)
def test_the_functions_of_others_are_not_announced(announcer, capsys, name):
    announcer.on_start(compiling(name))
    assert capsys.readouterr() == ("", "")


def test_where_nothing_can_be_kept_the_announcement_says_what_to_do(announcer, capsys):
    announcer.on_start(compiling("minigan.kernels.cpu.conv", cache_path=None))
    assert "every time, because no folder for a cache can be written: set NUMBA_CACHE_DIR" in capsys.readouterr().err
