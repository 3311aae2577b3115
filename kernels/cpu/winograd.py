"""Convolutions with fewer multiplications than a convolution has (Winograd 1980; Lavin & Gray 2016). Imports NumPy, Numba.

**One axis, two taps.** Three outputs y_j = d_j·g₀ + d_{j+1}·g₁ take six multiplications. Four will do:

    m₀ = (d₀ − d₂) · g₀                         y₀ = m₀ + m₁ + m₂
    m₁ = (d₁ + d₂)/2 · (g₀ + g₁)                y₁ = m₁ − m₂
    m₂ = (d₂ − d₁)/2 · (g₀ − g₁)                y₂ = m₁ + m₂ + m₃
    m₃ = (d₃ − d₁) · g₁

(put m₁ ± m₂ together, and every d_i·g_k that should not be there cancels). It is interpolation in disguise: the right-hand
factors are the polynomial g₀ + g₁·t at t = 0, 1, −1 and ∞, and a product of polynomials is known from as many of its values
as it has coefficients. Tiles of two outputs do without t = −1, tiles of one without t = 1 as well. In matrices, with ⊙ for
the product number by number:

    y = Aᵀ [(G g) ⊙ (D d)]

**Two axes** apply it twice: 16 multiplications where 36 were (9 for 16 with tiles of two). What was a number is now a vector
of channels, so each ⊙ becomes a matrix product over the channels, one for each pair of points, with a row for each tile of
each picture. These products are all the work that is left; the sums around them are a few per cent of it.

**Three routines.** The form Σ (D d)(G g)(A y) is linear in data, kernel and output alike, so its other two derivatives are
the other two routines of the convolution, with the same matrices and the same saving:

    weight gradient     ĝ = Gᵀ [(D d) ⊙ (A ŷ)]            summed over all tiles
    input gradient      each phase is itself a small convolution of ŷ, so: the first formula again

**Kernels of 4x4 with stride 2**, which DCGANs are made of, have 2x2 taps once picture and kernel are sorted by even and odd
rows and columns: y = Σ over four phases of (phase of the picture) * (2x2 taps of that phase). The four go side by side into
the channels of one matrix product. The transposed convolution has four phases of the result instead, each with 2x2 taps.

**Kernels of 3x3 with stride 1** have tiles of two outputs, at the same four points.

The factors are 0, ±1 and ½ alone, so little precision is lost: the error is about twice that of the ordinary sum.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange

from .compile import compiled
from .layout import aligned
from .matmul import multiply, pack, panel_width
from .tile import REGISTER_BYTES
from .weighted_sum import weighted_sum

Pair = tuple[int, int]

TOGETHER = 8  # pictures for which one row of a transform is worked out at a time
GROUP = 5 << 18  # numbers of transformed pictures at a time, about: they stay in the caches that the threads share
FEW = 32  # channels: with fewer, the ordinary convolution is faster
STRIP = 1 << 20  # numbers of a transformed kernel at a time, likewise
SKEW = 16  # numbers between the rows of matrices: rows a power of two apart would meet in the same few lines of a cache


class Tile(NamedTuple):
    """The matrices of a few outputs: y = Aᵀ [(G g) ⊙ (D d)], one row of D and A for each point used."""

    points: list[int]  # rows of G
    D: np.ndarray
    A: np.ndarray


ZERO, ONE, MINUS, INFINITY = range(4)  # the points t

# The kernel's polynomial at the four points; by the number of taps.
G = {
    2: np.array([[1, 0], [1, 1], [1, -1], [0, 1]]),
    3: np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]]),
}
# By the number of taps and of outputs.
TILES = {
    (2, 1): Tile([ZERO, INFINITY], np.array([[1, 0], [0, 1]]), np.array([[1], [1]])),
    (2, 2): Tile(
        [ZERO, ONE, INFINITY], np.array([[1, -1, 0], [0, 1, 0], [0, -1, 1]]), np.array([[1, 0], [1, 1], [0, 1]])
    ),
    (2, 3): Tile(
        [ZERO, ONE, MINUS, INFINITY],
        np.array([[1, 0, -1, 0], [0, 0.5, 0.5, 0], [0, -0.5, 0.5, 0], [0, -1, 0, 1]]),
        np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]]),
    ),
    (3, 2): Tile(
        [ZERO, ONE, MINUS, INFINITY],
        np.array([[1, 0, -1, 0], [0, 0.5, 0.5, 0], [0, -0.5, 0.5, 0], [0, -1, 0, 1]]),
        np.array([[1, 0], [1, 1], [1, -1], [0, 1]]),
    ),
}


def suits(x: np.ndarray, weight_shape: tuple[int, ...], input_size: Pair, stride: Pair, dilation: Pair) -> bool:
    """Whether this algorithm can compute a convolution with such a weight, and is the faster one at it.

    `x` is the picture that is convolved. The sums before and after the products take as long as the products themselves
    where there are few channels.
    """
    O, C, *kernel = weight_shape
    lanes = REGISTER_BYTES // x.itemsize
    if C % lanes or O % lanes or min(C, O) < FEW or dilation != (1, 1) or not len(x):
        return False
    if kernel == [4, 4]:
        return stride == (2, 2) and input_size[0] % 2 == input_size[1] % 2 == 0  # else the phases differ in size
    return kernel == [3, 3] and stride == (1, 1)


# ---------------------------------------------------------------------------------------------------------------------
# The three routines
# ---------------------------------------------------------------------------------------------------------------------


def conv2d(
    x: np.ndarray, weight: np.ndarray, stride: Pair, padding: Pair, output_size: Pair, threads: int
) -> np.ndarray:
    """The convolution of pictures (N, H, W, C), channels-last, with weight (O, C, k, k): (N, OH, OW, O)."""
    axes = [_forward_axis(weight.shape[2], n, m, p) for n, m, p in zip(x.shape[1:3], output_size, padding)]
    y = np.empty((x.shape[0], *output_size, weight.shape[0]), x.dtype)
    return _convolve(x, weight, False, axes, y, (1, 1), threads)


def conv2d_input_grad(
    grad: np.ndarray, weight: np.ndarray, input_size: Pair, stride: Pair, padding: Pair, threads: int
) -> np.ndarray:
    """The transposed convolution of (N, OH, OW, O), channels-last, with weight (O, C, k, k): (N, H, W, C)."""
    axes = [_adjoint_axis(weight.shape[2], n, m, p) for n, m, p in zip(input_size, grad.shape[1:3], padding)]
    x = np.empty((grad.shape[0], *input_size, weight.shape[1]), grad.dtype)
    return _convolve(grad, weight, True, axes, x, stride, threads)


def _convolve(x, weight, adjoint, axes, y, y_step, threads):
    (v, h), (N, *_, C), width = axes, x.shape, panel_width(y.shape[3], y.itemsize)
    O, I, k, _ = weight.shape
    inner, columns = (O, I) if adjoint else (I, O)
    tap, channel = np.arange(k * k), np.arange(inner)
    if adjoint:
        taps = pack(np.ascontiguousarray(weight).reshape(O, I, k * k), np.add.outer(channel, tap * O), threads)
    else:
        taps = pack(np.ascontiguousarray(weight).reshape(1, O, -1), np.add.outer(channel, tap * I), threads)
    panels = -(-columns // width)
    results, parts = len(v.taps) * len(h.taps), v.taps.shape[1] * h.taps.shape[1]
    K = parts * C
    taps = taps.reshape(panels, k, k, inner, width)
    points = results * len(v.G) * len(h.G)
    strip = max(1, min(panels, STRIP // (points * K * width)))
    U = _empty((results, len(v.G), len(h.G), strip, K, width), x.dtype)
    slots = len(v.slots), len(h.slots)
    group = _group(N, results * slots[0] * slots[1] * K)
    V = _empty((results, *slots, group, K + SKEW), x.dtype)
    M = _empty((results, *slots, group, columns + SKEW), x.dtype)
    for first in range(0, N, group):
        count = min(group, N - first)
        _transform(x, first, count, v.data, v.factor, h.data, h.factor, V, threads)
        for panel in range(0, panels, strip):
            if first == 0 or strip < panels:
                _evaluate(taps[panel : panel + strip], v.taps, h.taps, v.G, h.G, U, threads)
            used = min(columns - panel * width, strip * width)
            _multiply_points(V, U, M, panel * width, used, count, v.first_slot, h.first_slot, threads)
        _assemble(M, first, count, v.sums, v.sign, h.sums, h.sign, y, v.origin, h.origin, y_step, threads)
    return y


def conv2d_weight_grad(
    x: np.ndarray, grad: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, threads: int
) -> np.ndarray:
    """The gradient of the weight, as (C, k, k, O), for pictures (N, H, W, C) and gradients (N, OH, OW, O)."""
    N, OH, OW, O = grad.shape
    C = x.shape[3]
    v, h = (_forward_axis(kernel_size[0], n, m, p) for n, m, p in zip(x.shape[1:3], (OH, OW), padding))
    K = v.taps.shape[1] * h.taps.shape[1] * C
    slots = len(v.slots), len(h.slots)
    group = _group(N, slots[0] * slots[1] * K)
    V = _empty((1, *slots, group, K + SKEW), x.dtype)
    Y = _empty((1, *slots, group, O + SKEW), x.dtype)
    U = _empty((len(v.G), len(h.G), K, O), x.dtype)
    for first in range(0, N, group):
        count = min(group, N - first)
        _transform(x, first, count, v.data, v.factor, h.data, h.factor, V, threads)
        _spread_out(grad, first, count, v.slots, v.spread, h.slots, h.spread, Y, threads)
        _accumulate_points(V, Y, U, count, first > 0, v.first_slot, h.first_slot, threads)
    W = np.empty((C, *kernel_size, O), x.dtype)
    _collect(U, v.taps, h.taps, v.G, h.G, W, threads)
    return W


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return aligned(math.prod(shape), dtype).reshape(shape)


def _group(N: int, numbers: int) -> int:
    """How many of N pictures to work on at a time, when each takes so many numbers."""
    groups = -(-N * numbers // GROUP)
    return max(1, -(-N // max(1, groups)))


# ---------------------------------------------------------------------------------------------------------------------
# One axis: tiles, and where their numbers come from and go to
# ---------------------------------------------------------------------------------------------------------------------


class Axis(NamedTuple):
    """One axis cut into tiles. A slot is one point of one tile; slots are sorted by point."""

    G: np.ndarray  # (points, taps)
    first_slot: np.ndarray  # of each point, and the end
    slots: np.ndarray  # (slots, 3): the outputs of a slot's tile, −1 for none
    spread: np.ndarray  # (slots, 3): A, the factors that go with them
    data: np.ndarray  # (results, parts, slots, 2): the one or two rows of the picture that D takes a slot from
    factor: np.ndarray  # (results, parts, slots, 2): and their factors, 0 outside the picture
    sums: np.ndarray  # (outputs, 3): the slots that Aᵀ takes an output from
    sign: np.ndarray  # (outputs, 3): and their factors
    taps: np.ndarray  # (results, parts, taps): rows of the kernel
    origin: np.ndarray  # (results,): where in the result the first output lies


@lru_cache(maxsize=256)
def _forward_axis(k: int, size: int, outputs: int, padding: int) -> Axis:
    """Output u of a 4-tap kernel with stride 2: Σ over phases α of x[2(u + a) + α − p]·W[2a + α]; 3 taps have one phase."""
    phases = k // 2 if k == 4 else 1
    starts = [[(phases, part - padding) for part in range(phases)]]
    taps = [[[part + phases * a for a in range(k // phases)] for part in range(phases)]]
    return _axis(k // phases, size, outputs, starts, taps, [0])


@lru_cache(maxsize=256)
def _adjoint_axis(k: int, size: int, inputs: int, padding: int) -> Axis:
    """Pixel r of the result: Σ_i g[(r + p − i)/s]·W[i] over the taps i for which that is a whole number, last tap first."""
    phases = k // 2 if k == 4 else 1
    starts, taps, origin = [], [], []
    for r in range(phases):
        used = [i for i in reversed(range(k)) if (r + padding - i) % phases == 0]
        starts.append([(1, (r + padding - used[0]) // phases)])
        taps.append([used])
        origin.append(r)
    return _axis(k // phases, inputs, size // phases, starts, taps, origin)


def _axis(taps: int, size: int, outputs: int, starts, kernel_rows, origin) -> Axis:
    """`starts`: for each result and part, (step, first): datum d of output 0 is row first + step·d of `size` rows."""
    tiles, done = [], 0
    for m in _cut(taps, outputs):
        tiles.append((done, TILES[taps, m]))
        done += m
    slots = sorted(
        [(point, start, i, tile) for start, tile in tiles for i, point in enumerate(tile.points)], key=lambda s: s[:2]
    )
    points = sorted({s[0] for s in slots})
    counts = [sum(s[0] == point for s in slots) for point in points]
    reach, spread = np.full((len(slots), 3), -1), np.zeros((len(slots), 3))
    results, parts = len(starts), len(starts[0])
    data, factor = np.zeros((results, parts, len(slots), 2), np.int64), np.zeros((results, parts, len(slots), 2))
    sums, sign = np.zeros((outputs, 3), np.int64), np.zeros((outputs, 3))
    used = [0] * outputs
    for at, (_, start, i, tile) in enumerate(slots):
        for j, a in enumerate(tile.A[i]):
            u = start + j
            if a and u < outputs:
                reach[at, j], spread[at, j] = u, a
                sums[u, used[u]], sign[u, used[u]] = at, a
                used[u] += 1
        for result in range(results):
            for part in range(parts):
                step, first = starts[result][part]
                for n, d in enumerate(np.flatnonzero(tile.D[i])):
                    row = first + step * (start + d)
                    if 0 <= row < size:
                        data[result, part, at, n], factor[result, part, at, n] = row, tile.D[i, d]
    return Axis(
        G[taps][points].astype(np.float64), np.cumsum([0, *counts]), reach, spread, data, factor, sums, sign,
        np.array(kernel_rows), np.array(origin),
    )  # fmt: skip


def _cut(taps: int, outputs: int) -> list[int]:
    """Tiles for so many outputs, with as few points as possible; the last one may reach beyond."""
    if taps == 3:
        return [2] * -(-outputs // 2)
    if outputs in (2, 4):
        return [2] * (outputs // 2)
    return [3] * (outputs // 3) + [outputs % 3] * (outputs % 3 > 0)


# ---------------------------------------------------------------------------------------------------------------------
# The loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _transform(x, first, count, v_data, v_factor, h_data, h_factor, V, threads):
    """D d on both axes: V[result, slot, slot, n, (part, channel)], each from at most four pixels."""
    H, W, C = x.shape[1:]
    v_results, v_parts, v_slots, _ = v_data.shape
    h_results, h_parts, h_slots, _ = h_data.shape
    room, row = V.shape[3:]
    flat_x, flat_V = x.reshape(-1), V.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(4, np.int64), np.empty(4, x.dtype)
        for task in range(thread, (count + TOGETHER - 1) // TOGETHER * v_slots, threads):
            begin, a = task // v_slots * TOGETHER, task % v_slots
            for r in range(v_results):
                for s in range(h_results):
                    for b in range(h_slots):
                        slot = ((r * h_results + s) * v_slots + a) * h_slots + b
                        for p in range(v_parts):
                            for q in range(h_parts):
                                terms = 0
                                for i in range(2):
                                    for j in range(2):
                                        f = v_factor[r, p, a, i] * h_factor[s, q, b, j]
                                        if f != 0:
                                            at[terms] = (v_data[r, p, a, i] * W + h_data[s, q, b, j]) * C
                                            factor[terms] = f
                                            terms += 1
                                for n in range(begin, min(begin + TOGETHER, count)):
                                    to = (slot * room + n) * row + (p * h_parts + q) * C
                                    weighted_sum(flat_V, to, flat_x, (first + n) * H * W * C, at, factor, terms, C)


@compiled(parallel=True)
def _spread_out(g, first, count, v_slots, v_factor, h_slots, h_factor, Y, threads):
    """A ŷ on both axes: Y[0, slot, slot, n, channel], each from at most nine pixels."""
    OH, OW, O = g.shape[1:]
    room, row = Y.shape[3:]
    flat_g, flat_Y = g.reshape(-1), Y.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(9, np.int64), np.empty(9, g.dtype)
        for task in range(thread, (count + TOGETHER - 1) // TOGETHER * len(v_slots), threads):
            begin, a = task // len(v_slots) * TOGETHER, task % len(v_slots)
            for b in range(len(h_slots)):
                terms = 0
                for i in range(3):
                    for j in range(3):
                        f = v_factor[a, i] * h_factor[b, j]
                        if f != 0:
                            at[terms], factor[terms] = (v_slots[a, i] * OW + h_slots[b, j]) * O, f
                            terms += 1
                for n in range(begin, min(begin + TOGETHER, count)):
                    to = ((a * len(h_slots) + b) * room + n) * row
                    weighted_sum(flat_Y, to, flat_g, (first + n) * OH * OW * O, at, factor, terms, O)


@compiled(parallel=True)
def _evaluate(taps, v_taps, h_taps, v_G, h_G, U, threads):
    """G g on both axes: U[result, point, point, panel, (part, channel), column], from panels of single taps."""
    panels, k, _, inner, width = taps.shape
    v_results, v_parts, size = v_taps.shape
    h_results, h_parts, _ = h_taps.shape
    v_points, h_points, strip, K = len(v_G), len(h_G), U.shape[3], U.shape[4]
    flat_taps, flat_U = taps.reshape(-1), U.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(9, np.int64), np.empty(9, taps.dtype)
        for task in range(thread, panels * v_results * h_results * v_points * h_points, threads):
            point, panel = task // panels, task % panels
            z, y, result = point % h_points, point // h_points % v_points, point // (h_points * v_points)
            for part in range(v_parts * h_parts):
                terms = 0
                for a in range(size):
                    for b in range(size):
                        f = v_G[y, a] * h_G[z, b]
                        if f != 0:
                            i = v_taps[result // h_results, part // h_parts, a]
                            j = h_taps[result % h_results, part % h_parts, b]
                            at[terms], factor[terms] = ((panel * k + i) * k + j) * inner * width, f
                            terms += 1
                to = ((point * strip + panel) * K + part * inner) * width
                weighted_sum(flat_U, to, flat_taps, 0, at, factor, terms, inner * width)


@compiled(parallel=True)
def _multiply_points(V, U, M, column, columns, count, v_first, h_first, threads):
    """For each pair of points, the rows of V at its slots times its U, to some columns of M."""
    _, v_slots, h_slots, room, row = V.shape
    results, v_points, h_points, strip, K, width = U.shape
    flat_V, flat_U, flat_M = V.reshape(-1), U.reshape(-1), M.reshape(-1)
    channel, U_at = np.arange(K), np.arange(K) * width
    panels = (columns + width - 1) // width
    for thread in prange(threads):
        V_at, M_at = np.empty(v_slots * h_slots * room, np.int64), np.empty(v_slots * h_slots * room, np.int64)
        for task in range(thread, results * v_points * h_points * panels, threads):
            point, panel = task // panels, task % panels
            z, y, result = point % h_points, point // h_points % v_points, point // (h_points * v_points)
            rows = 0
            for a in range(v_first[y], v_first[y + 1]):
                for b in range(h_first[z], h_first[z + 1]):
                    for n in range(count):
                        slot = ((result * v_slots + a) * h_slots + b) * room + n
                        V_at[rows], M_at[rows] = slot * row, slot * M.shape[4]
                        rows += 1
            multiply(
                flat_V, 0, V_at, channel, flat_U, (point * strip + panel) * K * width, U_at, 0, width,
                flat_M, column + panel * width, M_at, 0, rows, min(width, columns - panel * width), 0, K, False,
            )  # fmt: skip


@compiled(parallel=True)
def _accumulate_points(V, Y, U, count, add, v_first, h_first, threads):
    """U[point, point, (part, channel), o] (+)= Σ over the point's slots and the pictures of V·Y."""
    _, v_slots, h_slots, room, row = V.shape
    _, _, K, O = U.shape
    width = panel_width(O, V.itemsize)
    v_points, h_points = len(v_first) - 1, len(h_first) - 1
    flat_V, flat_Y, flat_U = V.reshape(-1), Y.reshape(-1), U.reshape(-1)
    channel, U_at = np.arange(K), np.arange(K) * O
    chunks = (K + 255) // 256
    chunk = (K + chunks - 1) // chunks  # rows of U at a time
    for thread in prange(threads):
        V_at, Y_at = np.empty(v_slots * h_slots * room, np.int64), np.empty(v_slots * h_slots * room, np.int64)
        for task in range(thread, v_points * h_points * chunks, threads):
            point, first = task // chunks, task % chunks * chunk
            y, z = point // h_points, point % h_points
            rows = 0
            for a in range(v_first[y], v_first[y + 1]):
                for b in range(h_first[z], h_first[z + 1]):
                    for n in range(count):
                        slot = (a * h_slots + b) * room + n
                        V_at[rows], Y_at[rows] = slot * row, slot * Y.shape[4]
                        rows += 1
            multiply(
                flat_V, 0, channel, V_at, flat_Y, 0, Y_at, width, width,
                flat_U, point * K * O, U_at, first, min(chunk, K - first), O, 0, rows, add,
            )  # fmt: skip


@compiled(parallel=True)
def _assemble(M, first, count, v_sums, v_sign, h_sums, h_sign, y, v_origin, h_origin, step, threads):
    """Aᵀ m on both axes, each output from at most nine slots, to its place in y."""
    results, v_slots, h_slots, room, columns = M.shape
    YH, YW, C = y.shape[1:]
    flat_M, flat_y = M.reshape(-1), y.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(9, np.int64), np.empty(9, M.dtype)
        for task in range(thread, (count + TOGETHER - 1) // TOGETHER * len(v_sums), threads):
            begin, u = task // len(v_sums) * TOGETHER, task % len(v_sums)
            for result in range(results):
                y_row = v_origin[result // len(h_origin)] + u * step[0]
                for v in range(len(h_sums)):
                    terms = 0
                    for i in range(3):
                        for j in range(3):
                            f = v_sign[u, i] * h_sign[v, j]
                            if f != 0:
                                slot = (result * v_slots + v_sums[u, i]) * h_slots + h_sums[v, j]
                                at[terms], factor[terms] = slot * room * columns, f
                                terms += 1
                    col = h_origin[result % len(h_origin)] + v * step[1]
                    for n in range(begin, min(begin + TOGETHER, count)):
                        to = (((first + n) * YH + y_row) * YW + col) * C
                        weighted_sum(flat_y, to, flat_M, n * columns, at, factor, terms, C)


@compiled(parallel=True)
def _collect(U, v_taps, h_taps, v_G, h_G, W, threads):
    """Gᵀ on both axes: W[c, i, j, o] = Σ G[point, a]·G[point, b]·U[point, point, (part, c), o]."""
    C, k, _, O = W.shape
    v_points, h_points, K, _ = U.shape
    _, v_parts, size = v_taps.shape
    h_parts = h_taps.shape[1]
    flat_U, flat_W = U.reshape(-1), W.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(16, np.int64), np.empty(16, U.dtype)
        for c in range(thread, C, threads):
            for p in range(v_parts):
                for q in range(h_parts):
                    for a in range(size):
                        for b in range(size):
                            terms = 0
                            for y in range(v_points):
                                for z in range(h_points):
                                    f = v_G[y, a] * h_G[z, b]
                                    if f != 0:
                                        at[terms] = ((y * h_points + z) * K + (p * h_parts + q) * C + c) * O
                                        factor[terms] = f
                                        terms += 1
                            to = ((c * k + v_taps[0, p, a]) * k + h_taps[0, q, b]) * O
                            weighted_sum(flat_W, to, flat_U, 0, at, factor, terms, O)
