"""The kernel that section `launches` starts. Imports Numba, which decides at that moment whether CUDA is simulated."""

from numba import cuda


@cuda.jit
def add(a, b, c):
    """c = a + b; a thread makes every gridsize-th number."""
    for i in range(cuda.grid(1), c.size, cuda.gridsize(1)):
        c[i] = a[i] + b[i]
