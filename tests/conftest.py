"""One thread for BLAS and PyTorch, set before either is imported: at the sizes of the tests a second one only waits."""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest  # noqa: E402

pytest.register_assert_rewrite("parity")  # its failures show the values, as those in a test file do


@pytest.fixture(scope="session")
def torch():
    """PyTorch, for the tests that compare with it; without it they are skipped."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch
