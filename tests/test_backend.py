"""The choice of kernels and devices, and that importing minigan loads nothing that is not needed yet."""

import inspect
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import minigan as mg
from minigan import backend


@pytest.fixture(autouse=True)
def _same_kernels_afterwards():
    before = backend.get_kernels()
    yield
    backend.set_kernels(before)


def run(program, **environment):
    """What `program` prints in an interpreter of its own, read as JSON."""
    clean = {k: v for k, v in os.environ.items() if k != "MINIGAN_KERNELS"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=clean | environment, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


# --------------------------------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize("name", backend.KERNELS)
def test_kernels_are_the_folder_of_that_name(name):
    backend.set_kernels(name)
    assert backend.get_kernels() == name
    assert backend.kernels().__name__ == f"minigan.kernels.{name}"
    assert backend.kernels() is backend.kernels()


def test_use_kernels_nests_and_puts_back_what_was_before_also_after_an_exception():
    backend.set_kernels("cpu")
    with backend.use_kernels("reference"):
        with backend.use_kernels("cpu"):
            assert backend.get_kernels() == "cpu"
        assert backend.get_kernels() == "reference"
        with pytest.raises(KeyError), backend.use_kernels("cpu"):
            raise KeyError
        assert backend.get_kernels() == "reference"
    assert backend.get_kernels() == "cpu"


def test_use_kernels_is_a_decorator():
    backend.set_kernels("cpu")
    assert backend.use_kernels("reference")(backend.get_kernels)() == "reference"


@pytest.mark.parametrize("choose", [backend.set_kernels, lambda name: backend.use_kernels(name).__enter__()])
def test_unknown_kernels_are_refused_and_nothing_changes(choose):
    before = backend.get_kernels()
    with pytest.raises(ValueError, match="backend: no kernels are called 'gpu'; there are 'cpu', 'reference'"):
        choose("gpu")
    assert backend.get_kernels() == before


def test_operations_run_the_kernels_that_are_chosen(monkeypatch):
    called = []

    class Spy:
        def __getattr__(self, name):
            return lambda *args: (called.append(name), getattr(reference, name)(*args))[1]

    reference = __import__("minigan.kernels.reference", fromlist=["conv2d"])
    monkeypatch.setitem(backend._loaded, "reference", Spy())
    x, w = mg.ones(1, 1, 3, 3), mg.ones(1, 1, 2, 2)
    with backend.use_kernels("reference"):
        mg.conv2d(x, w)
    assert called == ["conv2d"]
    with backend.use_kernels("cpu"):
        mg.conv2d(x, w)
    assert called == ["conv2d"]


def test_the_folders_offer_the_same_routines_with_the_same_signatures():
    offered = []
    for name in backend.KERNELS:
        with backend.use_kernels(name):
            package = backend.kernels()
        routines = {routine: getattr(package, routine) for routine in package.__all__}
        offered.append({name: str(inspect.signature(routine)) for name, routine in routines.items()})
    assert offered[0] == offered[1]


# ------------------------------------------------------------------------------------- the environment, and imports

STATE = """
import json, sys, minigan as mg
heavy = ["numba", "scipy", "matplotlib", "PIL", "pooch", "tqdm", "safetensors", "threadpoolctl", "torch", "cupy"]
loaded = [name for name in heavy if name in sys.modules]
try:
    kernels = mg.backend.kernels().__name__
except ValueError as error:
    kernels = str(error)
print(json.dumps([mg.backend.get_kernels(), kernels, loaded]))
"""


@pytest.mark.parametrize(
    ("environment", "chosen", "kernels"),
    [
        ({}, "cpu", "minigan.kernels.cpu"),
        ({"MINIGAN_KERNELS": "reference"}, "reference", "minigan.kernels.reference"),
        ({"MINIGAN_KERNELS": "gpu"}, "gpu", "backend: no kernels are called 'gpu'; there are 'cpu', 'reference'"),
    ],
)
def test_the_environment_chooses_and_importing_minigan_is_light(environment, chosen, kernels):
    assert run(STATE, **environment) == [chosen, kernels, []]


def test_the_reference_kernels_run_without_numba():
    program = """
import json, sys
sys.modules["numba"] = None  # importing it now fails
import minigan as mg
x = mg.ones(1, 1, 2, 2, requires_grad=True)
mg.conv2d(x, mg.ones(1, 1, 2, 2)).sum().backward()
print(json.dumps(x.grad.tolist()))
"""
    assert run(program, MINIGAN_KERNELS="reference") == [[[[1.0, 1.0], [1.0, 1.0]]]]


# --------------------------------------------------------------------------------------------------- devices, erf


def test_a_device_that_is_none_is_refused_with_those_there_are():
    assert backend.check_device("cpu") == "cpu"
    assert backend.device_of(np.ones(1)) == "cpu"
    for call in (backend.check_device, mg.ones(1).to, lambda device: mg.tensor([1.0], device=device)):
        with pytest.raises(ValueError, match=r"there is no device 'tpu'; there are 'cpu', 'cuda', 'cudasim'"):
            call("tpu")
    with pytest.raises(TypeError, match="expected an array of NumPy or CuPy, got list"):
        backend.device_of([1.0])


WITHOUT = """
import json, sys
for name in {missing}:
    sys.modules[name] = None
    sys.meta_path.insert(0, type("Hidden", (), dict(find_spec=staticmethod(lambda n, *_: None))))
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in {missing} else found(name, *rest)
import minigan as mg
try:
    mg.ones(1).to({device!r})
    said = "it is there"
except mg.backend.DeviceError as error:
    said = str(error)
print(json.dumps(said))
"""


@pytest.mark.parametrize(
    ("device", "missing", "said"),
    [
        ("cuda", ["cupy"], "the device 'cuda' needs CuPy, which is not installed: pip install 'minigan[cuda13]'"),
        (
            "cudasim",
            ["numba_cuda"],
            "the device 'cudasim' needs numba-cuda, which is not installed: pip install 'minigan[",
        ),
    ],
)
def test_what_a_device_lacks_is_said_in_a_sentence(device, missing, said):
    told = run(WITHOUT.format(device=device, missing=missing))
    assert told.startswith(said)
    assert "the device 'cpu'" in told
    assert "\n" not in told


def test_without_a_card_cuda_is_refused_in_a_sentence():
    told = run(WITHOUT.format(device="cuda", missing=[]))
    if told == "it is there":
        pytest.skip("there is a GPU")
    assert told.startswith("the device 'cuda' needs ")
    assert "\n" not in told


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_erf_is_the_error_function(dtype):
    x = np.linspace(-4, 4, 33).astype(dtype)
    y = backend.erf(x)
    assert y.dtype == dtype
    np.testing.assert_allclose(y, [math.erf(v) for v in x], rtol=4 * np.finfo(dtype).eps)
