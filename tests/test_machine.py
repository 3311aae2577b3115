"""What is said about the machine is true, the advice fits, and the number of threads is what was set."""

import dataclasses
import os
import platform
import re
import subprocess
import sys

import numba
import numpy as np
import pytest
import threadpoolctl

import minigan as mg
from minigan import backend
from minigan.kernels.cpu.threads import LAUNCHED
from minigan.machine import Machine, _advice, _processor


@pytest.fixture(autouse=True)
def _same_number_of_threads_afterwards():
    before = mg.get_num_threads()
    with threadpoolctl.threadpool_limits():
        yield
    mg.set_num_threads(before)


def blas_threads():
    return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}


# --------------------------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize("n", sorted({1, LAUNCHED}))
def test_the_number_of_threads_is_set_for_the_kernels_and_for_blas(n):
    mg.set_num_threads(np.int64(n))
    assert mg.get_num_threads() == backend.info().threads == numba.get_num_threads() == n
    assert blas_threads() <= {n}


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, f"set_num_threads: n is 0, but at least one thread must compute; choose 1 to {LAUNCHED}"),
        (-2, ValueError, "set_num_threads: n is -2, but at least one thread must compute"),
        (
            LAUNCHED + 1,
            ValueError,
            f"set_num_threads: n is {LAUNCHED + 1}, but Numba launches no more than {LAUNCHED} here; choose 1 to "
            f"{LAUNCHED}, or start Python with NUMBA_NUM_THREADS={LAUNCHED + 1} in the environment",
        ),
        (1.0, TypeError, "set_num_threads: n must be a whole number, got 1.0 of type float"),
        ("1", TypeError, "set_num_threads: n must be a whole number, got '1' of type str"),
    ],
)
def test_an_impossible_number_of_threads_is_refused_and_nothing_changes(n, error, message):
    before = mg.get_num_threads(), blas_threads()
    with pytest.raises(error) as caught:
        mg.set_num_threads(n)
    assert str(caught.value).startswith(message)
    assert (mg.get_num_threads(), blas_threads()) == before


def test_the_number_can_be_set_before_the_kernels_are_loaded_and_more_can_be_launched_than_there_are_processors():
    program = """
import sys, minigan as mg
assert "numba" not in sys.modules
mg.set_num_threads(3)
from numba import get_num_threads
print(mg.get_num_threads(), get_num_threads(), mg.backend.info().threads)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NUMBA_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "3 3 3\n"


# ------------------------------------------------------------------------------------------------------------ info


def test_info_is_true():
    with backend.use_kernels("reference"):
        info = backend.info()
    assert info.kernels == "reference"
    assert info.versions["minigan"] == mg.__version__
    assert info.versions["python"] == platform.python_version()
    assert info.versions["numpy"] == np.__version__
    assert info.versions["numba"] == numba.__version__
    assert info.threading_layer == numba.threading_layer()
    assert 1 <= info.threads <= LAUNCHED
    assert info.vector_bits in (128, 256, 512)
    assert 0 <= info.compiled <= info.routines
    assert info.routines > 0
    assert {library["threads"] for library in info.blas} == blas_threads()


def test_the_processor_is_called_what_the_system_calls_it(monkeypatch, tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: A Processor: 9000\n\nprocessor\t: 1\nmodel name\t: Another\n")
    monkeypatch.setattr("minigan.machine.Path", lambda _: cpuinfo)
    assert _processor() == "A Processor: 9000"
    cpuinfo.unlink()
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert _processor() == "arm64"


FAST = Machine(
    versions={"minigan": "1.0", "numpy": "2.0", "numba": "0.60", "llvm": "15.0", "python": "3.11"},
    processor="A Processor 9000",
    architecture="znver5",
    vector_bits=512,
    processors=2,
    threads=2,
    threading_layer="omp",
    kernels="cpu",
    machine_code="/a/folder",
    compiled=9,
    routines=9,
    blas=[{"library": "openblas", "version": "0.3.31", "kernels": "SkylakeX", "threads": 2}],
)
HASWELL = [{"library": "openblas", "version": "0.3.31", "kernels": "Haswell", "threads": 2}]


def test_info_is_a_page_to_read():
    page = str(
        dataclasses.replace(
            FAST, advice=["Do what is written here, " + 4 * "and then some more of the same, " + "end."]
        )
    )
    assert page == (
        "versions   minigan 1.0, NumPy 2.0, Numba 0.60, LLVM 15.0, Python 3.11\n"
        "processor  A Processor 9000 (znver5), vectors of 512 bits\n"
        "threads    2 on 2 processors, OpenMP\n"
        "kernels    cpu\n"
        "compiled   9 of 9 routines, kept in /a/folder\n"
        "BLAS       openblas 0.3.31, kernels for SkylakeX, threads: 2\n"
        "faster     Do what is written here, and then some more of the same, and then some more of the same,\n"
        "           and then some more of the same, and then some more of the same, end."
    )


def test_there_is_no_advice_where_nothing_is_amiss():
    assert list(_advice(FAST, {"OPENBLAS_CORETYPE": "SkylakeX", "NUMBA_DISABLE_JIT": "0"})) == []


@pytest.mark.parametrize(
    ("changed", "environ", "advice"),
    [
        ({}, {"NUMBA_DISABLE_JIT": "1"}, "NUMBA_DISABLE_JIT is set, so the cpu kernels run as plain Python"),
        ({"kernels": "reference"}, {}, "The reference kernels are made to be read.*set MINIGAN_KERNELS=cpu"),
        ({"threads": 1}, {}, r"use 1 of 2 processors: call minigan\.set_num_threads\(2\)"),
        ({"threads": 1}, {"NUMBA_NUM_THREADS": "1"}, "use 1 of 2 processors: start Python without NUMBA_NUM_THREADS=1"),
        ({"threading_layer": "workqueue"}, {}, "workqueue.*start Python with NUMBA_THREADING_LAYER=omp"),
        ({"machine_code": None, "compiled": 0}, {}, "compiles the kernels anew.*with NUMBA_CACHE_DIR"),
        ({"blas": HASWELL}, {}, "kernels for Haswell.*start Python with OPENBLAS_CORETYPE=SkylakeX"),
        ({"blas": HASWELL}, {"OPENBLAS_CORETYPE": "Haswell"}, "Haswell.*without OPENBLAS_CORETYPE=Haswell"),
    ],
)
def test_the_advice_fits(changed, environ, advice):
    (sentence,) = _advice(dataclasses.replace(FAST, **changed), environ)
    assert re.search(advice, sentence)


@pytest.mark.parametrize(
    "changed",
    [
        {"blas": HASWELL, "vector_bits": 256},  # the kernels that such a processor should have
        {"blas": [HASWELL[0] | {"kernels": None}]},  # a library that does not tell
        {"blas": []},  # none that threadpoolctl knows: Accelerate
        {"threads": 4},  # more than there are processors, on request
        {"compiled": 3},  # some dtypes were not needed so far
    ],
)
def test_nothing_is_said_where_nothing_is_known_to_help(changed):
    assert list(_advice(dataclasses.replace(FAST, **changed), {})) == []
