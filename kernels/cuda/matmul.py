"""Products of matrices on a GPU, and how one is made. Imports launch and layout.

`matmul` is the library's, cuBLAS through CuPy: it uses registers and tensor cores in ways that Numba cannot express.
`tiled_matmul` is the lesson: the same product by a kernel one can read, with the idea that all fast ones begin with.
"""

from numba import cuda

from . import launch as launching
from .launch import Array, kernel, launch
from .layout import empty


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """The product of two matrices, ``C[i, j] = Σ_k A[i, k] · B[k, j]``, plus ``bias[j]`` if there is one."""
    y = a @ b
    if bias is not None:
        y += bias
    return y


def tiled_matmul(a: Array, b: Array) -> Array:
    """The product of two matrices, computed tile by tile in shared memory.

    ``y[i, j] = Σ a[i, k] · b[k, j]``

    Parameters
    ----------
    a : array of shape (M, K)
    b : array of shape (K, N)

    Returns
    -------
    array of shape (M, N)
    """
    (M, K), N = a.shape, b.shape[1]
    y = empty((M, N), a)
    side = 1
    while 4 * side * side <= min(launching.TEAM, 1024):
        side *= 2
    shared = 2 * side * side * a.itemsize
    numbers = [x.copy(order="C").reshape(-1) for x in (a, b)]
    launch(_tiled_matmul, (N, M), *numbers, y.reshape(-1), M, N, K, block=(side, side, 1), shared=shared)
    return y


@kernel
def _tiled_matmul(a, b, y, M, N, K):
    """y = a·b; all three flat, in C order. A block makes a square tile of y, a thread one number of it.

    One thread alone would read a row of a and a column of b from memory, 2·K numbers for 2·K operations, and memory is fifty
    times too slow for that. But the threads of a tile need the same rows and the same columns. So the block goes along K in
    steps of the tile's side; in each step every thread brings one number of a and one of b into shared memory,

        A[ty, tx] = a[i, k + tx]        B[ty, tx] = b[k + ty, j]

    all wait until both tiles are there, and each thread adds up `side` products, of which it fetched one pair and others the
    rest. Every number is read from memory K/side times less often. Then all wait again, before the tiles are overwritten.
    """
    side = cuda.blockDim.x
    tiles = cuda.shared.array(0, a.dtype)  # A, and behind it B
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    behind = side * side
    zero = a.dtype.type(0)
    for top in range(cuda.blockIdx.y * side, M, cuda.gridDim.y * side):
        for left in range(cuda.blockIdx.x * side, N, cuda.gridDim.x * side):
            i, j = top + ty, left + tx
            total = zero
            for k in range(0, K, side):
                tiles[ty * side + tx] = a[i * K + k + tx] if i < M and k + tx < K else zero
                tiles[behind + ty * side + tx] = b[(k + ty) * N + j] if k + ty < K and j < N else zero
                cuda.syncthreads()
                for t in range(side):
                    total += tiles[ty * side + t] * tiles[behind + t * side + tx]
                cuda.syncthreads()
            if i < M and j < N:
                y[i * N + j] = total
