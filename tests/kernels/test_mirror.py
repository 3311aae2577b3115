"""The folders of minigan.kernels are mirror images: the same files, routines, arguments and formulas."""

import importlib
import inspect
import re

import pytest
from simulator import SKIP, cuda

from minigan.kernels import cpu, reference

FILES = ["activation", "conv", "layout", "loss", "matmul", "norm", "optim", "pool", "random", "reduce"]
ONLY_CUDA = ["tiled_matmul"]
MIRRORS = pytest.mark.parametrize("folder", [pytest.param(cpu, id="cpu"), pytest.param(cuda, id="cuda", marks=SKIP)])


def arguments(routine):
    """Names, kinds and defaults; but not types, for each folder has arrays of its own."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(routine).parameters.values()]


def formulas(routine):
    """What stands in double backquotes, displayed: on a line of its own. Where nothing is, all within the sentences."""
    text = inspect.getdoc(routine)
    displayed = re.findall(r"(?<=\n\n)``.*", text)
    return re.findall("``(.+?)``", "\n".join(displayed) or text)


@MIRRORS
def test_the_routines_are_the_same(folder):
    more = ONLY_CUDA if folder is cuda else []
    assert sorted(folder.__all__) == sorted([*reference.__all__, *more])
    for name in folder.__all__:
        assert callable(getattr(folder, name))


@MIRRORS
@pytest.mark.parametrize("name", reference.__all__)
def test_the_arguments_are_the_same(folder, name):
    assert arguments(getattr(folder, name)) == arguments(getattr(reference, name))


@MIRRORS
@pytest.mark.parametrize("name", reference.__all__)
def test_the_formulas_are_the_same(folder, name):
    ours, theirs = formulas(getattr(folder, name)), formulas(getattr(reference, name))
    assert ours == theirs


@MIRRORS
@pytest.mark.parametrize("file", FILES)
def test_a_routine_is_in_the_file_of_the_same_name(folder, file):
    module = importlib.import_module(f"{reference.__name__}.{file}")
    here = importlib.import_module(f"{folder.__name__}.{file}")
    routines = [name for name in reference.__all__ if getattr(reference, name).__module__ == module.__name__]
    assert routines
    for name in routines:
        if folder is cpu and name in ("fold", "unfold"):  # which have a file of their own there
            continue
        assert getattr(here, name) is getattr(folder, name)


def test_every_routine_is_in_one_of_these_files():
    assert {getattr(reference, name).__module__.rpartition(".")[2] for name in reference.__all__} == set(FILES)


def test_the_losses_of_the_cpu_are_the_references():
    for name in reference.__all__:
        if getattr(reference, name).__module__.endswith(".loss"):
            assert getattr(cpu, name) is getattr(reference, name)
