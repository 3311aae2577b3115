"""One thread for BLAS and PyTorch, set before either is imported: at the sizes of the tests a second one only waits."""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
