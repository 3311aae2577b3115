"""What is set before anything is imported: one thread for BLAS and PyTorch, and a GPU that is simulated.

At the sizes of the tests a second thread only waits.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")  # whichever test imports numba.cuda first

import pytest  # noqa: E402

pytest.register_assert_rewrite("parity")  # its failures show the values, as those in a test file do


@pytest.fixture(scope="session")
def torch():
    """PyTorch, for the tests that compare with it; without it they are skipped."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch
