"""Before anything is imported: one thread for BLAS and PyTorch, because a second one only waits at the sizes of the tests."""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
