"""Every example in a docstring of minigan runs, and prints what it says it prints."""

import doctest
import importlib
import io
from pathlib import Path

import pytest

import minigan
import minigan.kernels
from minigan import backend

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_of(package):
    """The dotted names of a package and everything below it, read off the folder, so that nothing is imported yet."""
    (folder,) = map(Path, package.__path__)
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[-1] == "__main__":  # importing it would start the program
            continue
        yield ".".join((package.__name__, *(parts[:-1] if parts[-1] == "__init__" else parts)))


MODULES = [*modules_of(minigan), *modules_of(minigan.kernels)]


def run_doctests(module):
    """How many examples there are, and what the failing ones print."""
    output = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__):
        runner.run(test, out=output.write)
    return runner.tries, output.getvalue()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "minigan":
            raise
        pytest.skip(f"{name} needs {error.name}, which is not installed")
    with backend.use_kernels(backend.get_kernels()):
        _, failures = run_doctests(module)
    assert not failures, f"an example in {name} is wrong:\n{failures}"
    assert list(tmp_path.iterdir()) == [], f"an example in {name} leaves files behind"


def test_the_modules_are_found():
    assert {"minigan", "minigan.tensor", "minigan.ops.conv", "minigan.kernels.reference.conv"} <= set(MODULES)


def test_examples_are_found_and_a_wrong_one_is_reported():
    tries, failures = run_doctests(importlib.import_module("minigan.tensor"))
    assert tries >= 10
    assert not failures

    module = type(doctest)("liar")
    module.__doc__ = ">>> 1 + 1\n3\n"
    tries, failures = run_doctests(module)
    assert tries == 1
    assert "liar" in failures
    assert "Expected:\n    3\nGot:\n    2\n" in failures
