"""The CUDA kernels as a GPU would run them: which types they compute in, what they need, and how they are called.

`compile_kernels.py` compiles them all, in a process of its own, because this one may simulate. No GPU is needed.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("compile_kernels.py")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("numba_cuda", "nvidia")),
    reason="needs numba-cuda and nvidia-nvvm: pip install -e '.[test]'",
)

REGISTERS = {"float32": 80, "float64": 80}
"""With 80 registers for a thread a multiprocessor, which has 65536, holds three blocks of 256 threads: while one waits for
memory, another computes. A kernel that takes a few more loses a third of its threads, and nobody would see why."""

MORE_REGISTERS = {"pool._sum_pool": 104}
"""Two blocks. The compiler takes four steps of its inner loop at once, with all their addresses."""

STACK = {"random._normal64"}
"""CUDA's sine in float64 keeps a few bytes in memory for angles beyond 10⁵, which do not come here."""

SHARED = 48 << 10
"""Bytes of shared memory that a block gets without asking for more, on any GPU."""


def run(*arguments):
    """What a process of its own prints, in which Numba compiles."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=SCRIPT.parent,
        timeout=300,
        env=ENVIRONMENT | {"PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What was found of each kernel, type and architecture; and the tables."""
    file = tmp_path_factory.mktemp("compiled") / "rows.json"
    return json.loads((printed := run(SCRIPT, "--json", file)) and file.read_text()), printed


@pytest.fixture(scope="module")
def rows(compiled):
    return compiled[0]


@pytest.fixture(scope="module")
def assembled(rows):
    if "registers" not in rows[0]:
        pytest.skip("needs ptxas: pip install nvidia-cuda-nvcc")
    return rows


def kernels_of_the_source():
    """The names of all kernels, from the source: `@kernel` and the `def` below it."""
    folder = SCRIPT.parents[2] / "kernels" / "cuda"
    return {
        f"{file.stem}.{name}"
        for file in folder.glob("*.py")
        for name in re.findall(r"^@kernel\ndef (\w+)", file.read_text(), re.MULTILINE)
    }


def named(rows):
    return [f"{row['kernel']} {row['dtype']} sm_{row['sm']}" for row in rows]


def test_every_kernel_is_called_by_a_routine_and_compiles_in_both_types_for_all_architectures(rows):
    expected = [
        f"{kernel} float{bits} sm_{sm}"
        for kernel in kernels_of_the_source()
        for bits in (32, 64)
        for sm in (75, 80, 90, 100)
        if not kernel.endswith(str(96 - bits))  # _normal32 is for float32 alone
    ]
    assert sorted(named(rows)) == sorted(expected)


def test_no_float32_kernel_computes_in_float64(rows):
    assert {row["kernel"]: row["float64"] for row in rows if row["dtype"] == "float32" and row["float64"]} == {}


def test_float64_would_be_seen(rows):
    """Every float64 kernel has instructions of that type: else the search above would be blind."""
    assert all(row["float64"] for row in rows if row["dtype"] == "float64")


def test_nothing_is_spilled_and_nothing_lies_in_local_memory(assembled):
    assert named(row for row in assembled if row["spill_stores"] or row["spill_loads"]) == []
    assert {row["kernel"] for row in assembled if row["stack"]} <= STACK


def test_no_thread_takes_too_many_registers(assembled):
    over = {
        name: row["registers"]
        for name, row in zip(named(assembled), assembled)
        if row["registers"] > MORE_REGISTERS.get(row["kernel"], REGISTERS[row["dtype"]])
    }
    assert over == {}


def test_shared_memory_fits(assembled):
    used = {row["kernel"]: row["static_shared"] + row["dynamic_shared"] for row in assembled}
    assert max(used.values()) <= SHARED
    assert used["layout._transpose"] == 32 * 33 * 8
    assert used["norm._partial_moments"] == 3 * 256 * 8


def test_the_way_through_cupy_calls_a_kernel_with_what_its_ptx_expects(rows):
    """No GPU has run it, so at least: as many parameters, of the same sizes, whole numbers and floats in the same places."""
    for name, row in zip(named(rows), rows):
        assert [parameter[:2] for parameter in row["cupy"]] == row["parameters"], name


def test_the_way_through_cupy_calls_a_kernel_with_what_numba_itself_would_hand_over(rows):
    for name, row in zip(named(rows), rows):
        assert row["cupy"] == row["numba"], name


def test_the_tables_are_printed_and_the_one_that_is_kept_has_all_kernels(compiled):
    kept = SCRIPT.with_name("compiled_kernels.txt").read_text()
    names = {re.sub("(32|64)$", "", name) for name in kernels_of_the_source()}
    listed = set(re.findall(r"^(\w+\.\w+) +\|", kept, re.MULTILINE))
    assert listed == names, f"make it anew: python {SCRIPT} --write"
    for name in names:
        assert compiled[1].count(f"\n{name} ") == 4


# --------------------------------------------------------------------------------------------- faults, and are they seen?

PLANT = """
import inspect, json, sys
import compile_kernels as c

calls = {(call.kernel, call.dtype): call for call in c.calls()}
functions = {name: kernel.py_func for name, kernel in c.launch.KERNELS.items()}
def look(kernel, old="", new=""):
    source = inspect.getsource(functions[kernel])
    assert old in source
    exec(source.replace(old, new, 1), dict(functions[kernel].__globals__))  # `@kernel` puts it in the other's place
    row, ptx = c.facts(calls[kernel, "float32"], (9, 0))
    ptxas = c.find_ptxas()
    return row | (c.assemble(ptxas, ptx, 90) if ptxas else {})

print(json.dumps([look(*fault) for fault in json.loads(sys.argv[1])]))
"""

FAULTS = {
    "none": ("activation._leaky_relu",),
    "a constant of float64": ("activation._leaky_relu", "slope * value if", "0.5 * value if"),
    "a quotient of whole numbers": ("norm._gradient", "sum_g[c] / x.dtype.type(M)", "sum_g[c] * (1 / M)"),
    "an array in local memory": (
        "activation._leaky_relu_backward",
        "value = grad[i]\n",
        "kept = cuda.local.array(64, grad.dtype)\n        kept[i % 64] = grad[i]\n"
        "        kept[(i * i) % 64] = sign[i]\n        value = kept[(i * i * i) % 64]\n",
    ),
}


@pytest.fixture(scope="module")
def planted():
    """What is found of kernels with a fault in their source."""
    return dict(zip(FAULTS, json.loads(run("-c", PLANT, json.dumps(list(FAULTS.values()))))))


def test_a_kernel_read_from_its_source_is_as_it_was(planted):
    assert planted["none"]["float64"] == []
    assert planted["none"].get("stack", 0) == 0


@pytest.mark.parametrize("fault", ["a constant of float64", "a quotient of whole numbers"])
def test_float64_in_a_float32_kernel_is_seen(planted, fault):
    assert any("cvt.f64.f32" in line for line in planted[fault]["float64"])


def test_local_memory_is_seen(planted):
    if "stack" not in planted["none"]:
        pytest.skip("needs ptxas: pip install nvidia-cuda-nvcc")
    assert planted["an array in local memory"]["stack"] >= 64 * 4
