"""minigan.kernels.cpu.memory: freed memory is reused, without new pages of the system, unless the user has said otherwise.

Each in a process of its own, because what glibc has been told cannot be taken back.
"""

import os
import subprocess
import sys

import pytest

from minigan.kernels.cpu import memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told")

STEPS = """
import resource
import numpy as np
from minigan.kernels.cpu.memory import keep_freed_memory

def step():  # twelve arrays of 3 MB, freed together, as a graph is
    arrays = [np.ones(750_000, np.float32) for _ in range(12)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    step()
print(keep_freed_memory(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(**environment):
    """How often three steps had to ask the system for a page; 12 · 3 MB are some 9,000 pages a step."""
    told = ("MALLOC_", "GLIBC_TUNABLES")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    result = subprocess.run(
        [sys.executable, "-c", STEPS], env=inherited | environment, capture_output=True, text=True, check=True
    )
    kept, faults = result.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(not hasattr(memory.ctypes.CDLL(None), "mallopt"), reason="this C library cannot be told")
def test_freed_memory_is_reused_without_new_pages():
    kept, faults = page_faults()
    assert kept
    assert faults < 500


@pytest.mark.parametrize("variable", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_what_the_user_has_told_glibc_is_respected(variable):
    kept, faults = page_faults(**{variable: "100000"})
    assert not kept
    assert faults > 5_000


def test_a_tunable_of_glibc_is_respected():
    kept, _ = page_faults(GLIBC_TUNABLES="glibc.malloc.trim_threshold=100000")
    assert not kept
