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

    input gradient      d̂ = Dᵀ [(G g) ⊙ (A ŷ)]            a row of the picture may lie in two tiles: their sum
    weight gradient     ĝ = Gᵀ [(D d) ⊙ (A ŷ)]            summed over all tiles

**Kernels of 4x4 with stride 2**, which DCGANs are made of, have 2x2 taps once picture and kernel are sorted by even and odd
rows and columns: y = Σ over four phases of (phase of the picture) * (2x2 taps of that phase). The four go side by side into
the channels of one matrix product.

**Kernels of 3x3 with stride 1** have tiles of two outputs, at the same four points.

The factors are 0, ±1 and ½ alone, so little precision is lost: the error is about twice that of the ordinary sum.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import prange

from .compile import compiled
from .layout import aligned, flat, transpose
from .matmul import multiply, panel_width
from .tile import ITSELF, NOTHING, REGISTER_BYTES, add_run
from .weighted_sum import weighted_sum

Pair = tuple[int, int]

TOGETHER = 8  # pictures for which one row of a transform is worked out at a time
GROUP = 5 << 18  # numbers of transformed pictures at a time, about: they stay in the caches that the threads share
FEW = 32  # channels: with fewer, the ordinary convolution is faster
STRIP = 1 << 20  # numbers of a transformed kernel at a time, likewise
SOME = 8  # channels whose taps are sorted at a time
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
    x: np.ndarray, weight: np.ndarray, padding: Pair, output_size: Pair, bias: np.ndarray | None, threads: int
) -> np.ndarray:
    """The convolution of pictures (N, H, W, C), channels-last, with weight (O, C, k, k): (N, OH, OW, O)."""
    y = np.empty((x.shape[0], *output_size, weight.shape[0]), x.dtype)
    _convolve(x, weight, False, padding, bias, y, threads)
    return y


def conv2d_input_grad(
    grad: np.ndarray, weight: np.ndarray, x: np.ndarray, padding: Pair, bias: np.ndarray | None, threads: int
) -> None:
    """The transposed convolution of (N, OH, OW, O), channels-last, with weight (O, C, k, k), to x: (N, H, W, C)."""
    _convolve(grad, weight, True, padding, bias, x, threads)


def _convolve(x, weight, adjoint, padding, bias, y, threads):
    (N, *x_size, inner), (*y_size, outer), k = x.shape, y.shape[1:], weight.shape[2]
    v, h = (_axis(k, *((n, m) if adjoint else (m, n)), p) for m, n, p in zip(x_size, y_size, padding))
    parts = len(v.taps) * len(h.taps)
    x_parts, y_parts = (1, parts) if adjoint else (parts, 1)
    K, columns = x_parts * inner, y_parts * outer
    width = panel_width(outer, y.itemsize)
    while adjoint and outer % width:  # a panel belongs to one part
        width //= 2
    panels = -(-outer // width)
    strip = max(1, min(panels, STRIP // (len(v.G) * len(h.G) * K * width * y_parts)))
    U = _empty((len(v.G), len(h.G), strip * y_parts, K, width), x.dtype)
    slots = v.first_slot[-1], h.first_slot[-1]
    group = _group(N, slots[0] * slots[1] * parts * (outer if adjoint else inner))
    V = _empty((*slots, group, K + SKEW), x.dtype)
    M = _empty((*slots, group, columns + SKEW), x.dtype)
    row = np.empty(0, x.dtype) if bias is None else flat(bias)
    into, out_of = ("spread", "back") if adjoint else ("data", "sums")
    by_panels = U.size // strip * panels > slots[0] * slots[1] * N * (K + columns)
    taps = np.ascontiguousarray(weight).reshape(-1)
    for first in range(0, N, group):
        count = min(group, N - first)
        _into_slots(x, first, count, *getattr(v, into), *getattr(h, into), V, threads)
        for panel in range(0, panels, strip):
            here = min(strip, panels - panel)
            if first == 0 or strip < panels:
                _evaluate(taps, weight.shape, adjoint, panel, here, v.taps, h.taps, v.G, h.G, U, threads)
            _multiply_points(V, U, M, panel, here, y_parts, outer, count, v.first_slot, h.first_slot, by_panels, threads)
        _out_of_slots(M, first, count, *getattr(v, out_of), *getattr(h, out_of), len(h.taps), row, y, threads)


def conv2d_weight_grad(
    x: np.ndarray, grad: np.ndarray, kernel_size: Pair, padding: Pair, threads: int
) -> np.ndarray:
    """The gradient of the weight, (O, C, k, k), for pictures (N, H, W, C) and gradients (N, OH, OW, O), channels-last."""
    (N, *size, C), (*outputs, O) = x.shape, grad.shape[1:]
    v, h = (_axis(kernel_size[0], n, m, p) for n, m, p in zip(size, outputs, padding))
    parts = len(v.taps) * len(h.taps)
    slots = v.first_slot[-1], h.first_slot[-1]
    group = _group(N, slots[0] * slots[1] * parts * C)
    V = _empty((*slots, group, parts * C + SKEW), x.dtype)
    Y = _empty((*slots, group, O + SKEW), x.dtype)
    strip = C  # channels at a time; with several groups of pictures, the sums of all channels have to wait
    if group == N:
        strip = -(-C // -(-len(v.G) * len(h.G) * parts * C * O // STRIP))
    numbers = len(v.G) * len(h.G) * parts * C * O
    halves = 2 if group > 1 and numbers < slots[0] * slots[1] * N * (parts * C + O) else 1  # of the pictures
    U = _empty((halves, len(v.G), len(h.G), strip * parts, O), x.dtype)
    weight = np.empty((O, C, *kernel_size), x.dtype)
    for first in range(0, N, group):
        count = min(group, N - first)
        _into_slots(x, first, count, *v.data, *h.data, V, threads)
        _into_slots(grad, first, count, *v.spread, *h.spread, Y, threads)
        for channel in range(0, C, strip):
            here = min(strip, C - channel)
            _accumulate_points(V, Y, U, C, channel, here, count, first > 0, v.first_slot, h.first_slot, threads)
            if first + count == N:
                _collect(U, channel, here, v.taps, h.taps, v.G, h.G, weight, threads)
    return weight


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return aligned(math.prod(shape), dtype).reshape(shape)


def _group(N: int, numbers: int) -> int:
    """How many of N pictures to work on at a time, when each takes so many numbers."""
    groups = -(-N * numbers // GROUP)
    return max(1, -(-N // max(1, groups)))


# ---------------------------------------------------------------------------------------------------------------------
# One axis: tiles, and where their numbers come from and go to
# ---------------------------------------------------------------------------------------------------------------------


Terms = tuple[np.ndarray, np.ndarray, np.ndarray]


class Axis(NamedTuple):
    """One axis cut into tiles. A slot is one point of one tile; slots are sorted by point.

    A matrix is kept as the few terms of each of its rows: where they lie, their factors, and how many there are.
    """

    G: np.ndarray  # (points, taps)
    taps: np.ndarray  # (parts, taps): rows of the kernel
    first_slot: np.ndarray  # of each point, and the end
    data: Terms  # D, (parts, slots, 2): a slot, from rows of the picture
    spread: Terms  # A, (1, slots, 3): a slot, from outputs
    sums: tuple[np.ndarray, ...]  # Aᵀ, (outputs, 3): an output, from slots; and of which part: 0
    back: tuple[np.ndarray, ...]  # Dᵀ, (rows, 4): a row of the picture, from slots; and its part


@lru_cache(maxsize=256)
def _axis(k: int, size: int, outputs: int, padding: int) -> Axis:
    """Output u is Σ over parts α and taps a of x[s(u + a) + α − p]·W[s·a + α]: s = 2 parts of a 4-tap kernel, one of 3 taps."""
    parts = k // 2 if k == 4 else 1
    tiles, done = [], 0
    for m in _cut(k // parts, outputs):
        tiles.append((done, TILES[k // parts, m]))
        done += m
    slots = sorted(
        [(point, start, i, tile) for start, tile in tiles for i, point in enumerate(tile.points)], key=lambda s: s[:2]
    )
    points = sorted({s[0] for s in slots})
    data, spread = [[[] for _ in slots] for _ in range(parts)], [[] for _ in slots]
    sums, back = [[] for _ in range(outputs)], [[] for _ in range(size)]
    for at, (_, start, i, tile) in enumerate(slots):
        for j in np.flatnonzero(tile.A[i]):
            if start + j < outputs:
                spread[at].append((start + j, tile.A[i, j]))
                sums[start + j].append((at, tile.A[i, j]))
        for part in range(parts):
            for d in np.flatnonzero(tile.D[i]):
                row = parts * (start + d) + part - padding
                if 0 <= row < size:
                    data[part][at].append((row, tile.D[i, d]))
                    back[row].append((at, tile.D[i, d]))
    return Axis(
        G[k // parts][points].astype(np.float64),
        np.array([[part + parts * a for a in range(k // parts)] for part in range(parts)]),
        np.cumsum([0, *[sum(s[0] == point for s in slots) for point in points]]),
        _terms(data, 2),
        _terms([spread], 3),
        (*_terms(sums, 3), np.zeros(outputs, np.int64)),
        (*_terms(back, 4), (np.arange(size) + padding) % parts),
    )


def _terms(rows: list, most: int) -> Terms:
    """Lists, or lists of lists, of at most so many (position, factor): the positions, the factors, and their number."""
    if rows and rows[0] and isinstance(rows[0][0], list):
        positions, factors, counts = zip(*[_terms(part, most) for part in rows])
        return np.stack(positions), np.stack(factors), np.stack(counts)
    position, factor = np.zeros((len(rows), most), np.int64), np.zeros((len(rows), most))
    for i, row in enumerate(rows):
        for j, (at, f) in enumerate(row):
            position[i, j], factor[i, j] = at, f
    return position, factor, np.array([len(row) for row in rows])


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


@compiled()
def _own(thread, threads, count, rows, row, begin):
    """Of TOGETHER pictures from `begin` on, those whose row `row` is this thread's.

    A thread has the same pictures in every pass, so that it reads what it wrote itself: the rows of all pictures, one picture
    after the other, are cut into as many parts as there are threads.
    """
    first, last = count * rows * thread // threads, count * rows * (thread + 1) // threads
    return max(begin, (first - row + rows - 1) // rows), min(begin + TOGETHER, count, (last - row + rows - 1) // rows)


@compiled(parallel=True)
def _into_slots(x, first, count, v_at, v_factor, v_terms, h_at, h_factor, h_terms, V, threads):
    """D d, or A ŷ, on both axes: V[slot, slot, n, (part, channel)], each from a few pixels."""
    H, W, C = x.shape[1:]
    v_parts, v_slots, most = v_at.shape
    h_parts, h_slots, _ = h_at.shape
    room, row = V.shape[2:]
    flat_x, flat_V = x.reshape(-1), V.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(most * most, np.int64), np.empty(most * most, x.dtype)
        for task in range((count + TOGETHER - 1) // TOGETHER * v_slots):
            a = task % v_slots
            begin, end = _own(thread, threads, count, v_slots, a, task // v_slots * TOGETHER)
            for b in range(h_slots if begin < end else 0):
                for part in range(v_parts * h_parts):
                    p, q, terms = part // h_parts, part % h_parts, 0
                    for i in range(v_terms[p, a]):
                        for j in range(h_terms[q, b]):
                            at[terms] = (v_at[p, a, i] * W + h_at[q, b, j]) * C
                            factor[terms] = v_factor[p, a, i] * h_factor[q, b, j]
                            terms += 1
                    for n in range(begin, end):
                        to = ((a * h_slots + b) * room + n) * row + part * C
                        weighted_sum(flat_V, to, flat_x, (first + n) * H * W * C, at, factor, terms, C)


@compiled(parallel=True)
def _evaluate(weight, shape, adjoint, first, count, v_taps, h_taps, v_G, h_G, U, threads):
    """G g on both axes, some panels of it: U[point, point, panel, row, column].

    Rows are (part, c) and columns o; of the adjoint, rows are o and columns (part, c), with a panel for each part.
    """
    O, C, k, _ = shape
    v_parts, size = v_taps.shape
    h_parts, T = h_taps.shape[0], k * k
    v_points, h_points, panels, K, width = U.shape
    inner, outer = (O, C) if adjoint else (C, O)
    share = (inner + SOME - 1) // SOME
    flat_U = U.reshape(-1)
    tap_at = np.empty(T if adjoint else SOME * T, np.int64)  # of W's (tap) or (c, tap), in `taps`
    for i in range(tap_at.size):
        tap_at[i] = (i % T * SOME + i // T) * width
    for thread in prange(threads):
        taps = np.zeros(T * SOME * width, weight.dtype)  # (tap, row, column)
        at, factor = np.empty(size * size, np.int64), np.empty(size * size, weight.dtype)
        for task in range(count * share * thread // threads, count * share * (thread + 1) // threads):
            panel, row = task // share, task % share * SOME
            column = (first + panel) * width
            rows, columns = min(SOME, inner - row), min(width, outer - column)
            if adjoint:
                for i in range(rows):
                    transpose(weight, ((row + i) * C + column) * T, T, columns, T, taps, i * width, tap_at, 0)
            else:
                transpose(weight, (column * C + row) * T, C * T, columns, rows * T, taps, 0, tap_at, 0)
            for part in range(v_parts * h_parts):
                for y in range(v_points):
                    for z in range(h_points):
                        terms = 0
                        for a in range(size):
                            for b in range(size):
                                f = v_G[y, a] * h_G[z, b]
                                if f != 0:
                                    tap = v_taps[part // h_parts, a] * k + h_taps[part % h_parts, b]
                                    at[terms], factor[terms] = tap * SOME * width, f
                                    terms += 1
                        to = (y * h_points + z) * panels
                        to += panel * v_parts * h_parts + part if adjoint else panel
                        to = (to * K + (row if adjoint else part * C + row)) * width
                        weighted_sum(flat_U, to, taps, 0, at, factor, terms, rows * width)


@compiled(parallel=True)
def _multiply_points(V, U, M, first, count, parts, outer, pictures, v_first, h_first, by_panels, threads):
    """For each pair of points, the rows of V at its slots times its U, to the columns of M of some panels.

    A thread has some panels, or its own pictures: what there is more of stays where it is.
    """
    v_slots, h_slots, room, row = V.shape
    v_points, h_points, panels, K, width = U.shape
    flat_V, flat_U, flat_M = V.reshape(-1), U.reshape(-1), M.reshape(-1)
    channel, U_at = np.arange(K), np.arange(K) * width
    points, here = v_points * h_points, count * parts
    for thread in prange(threads):
        V_at, M_at = np.empty(v_slots * h_slots * room, np.int64), np.empty(v_slots * h_slots * room, np.int64)
        begin, end = 0, points * here
        if by_panels:
            begin, end = end * thread // threads, end * (thread + 1) // threads
        before, rows = -1, 0
        for task in range(begin, end):
            point, panel = (task % points, task // points) if by_panels else (task // here, task % here)
            y, z, column = point // h_points, point % h_points, (first + panel // parts) * width
            if point != before:
                before, rows = point, 0
                for a in range(v_first[y], v_first[y + 1]):
                    for b in range(h_first[z], h_first[z + 1]):
                        for some in range(0, pictures, TOGETHER):
                            n, last = some, min(some + TOGETHER, pictures)
                            if not by_panels:
                                n, last = _own(thread, threads, pictures, v_slots, a, some)
                            for n in range(n, last):
                                slot = (a * h_slots + b) * room + n
                                V_at[rows], M_at[rows] = slot * row, slot * M.shape[3]
                                rows += 1
            multiply(
                flat_V, 0, V_at, channel, flat_U, (point * panels + panel) * K * width, U_at, 0, width,
                flat_M, panel % parts * outer + column, M_at, 0, rows, min(width, outer - column), 0, K,
                NOTHING, flat_M, 0,
            )  # fmt: skip


@compiled(parallel=True)
def _out_of_slots(
    M, first, count, v_at, v_factor, v_terms, v_part, h_at, h_factor, h_terms, h_part, h_parts, bias, y, threads
):
    """Aᵀ m, or Dᵀ m, on both axes: each pixel of y from a few slots, plus the bias."""
    _, h_slots, room, columns = M.shape
    YH, YW, C = y.shape[1:]
    most = v_at.shape[1]
    flat_M, flat_y = M.reshape(-1), y.reshape(-1)
    for thread in prange(threads):
        at, factor = np.empty(most * most, np.int64), np.empty(most * most, M.dtype)
        for task in range((count + TOGETHER - 1) // TOGETHER * YH):
            u = task % YH
            begin, end = _own(thread, threads, count, YH, u, task // YH * TOGETHER)
            for v in range(YW if begin < end else 0):
                terms = 0
                for i in range(v_terms[u]):
                    for j in range(h_terms[v]):
                        at[terms] = (v_at[u, i] * h_slots + h_at[v, j]) * room * columns
                        factor[terms] = v_factor[u, i] * h_factor[v, j]
                        terms += 1
                column = (v_part[u] * h_parts + h_part[v]) * C
                for n in range(begin, end):
                    to = (((first + n) * YH + u) * YW + v) * C
                    weighted_sum(flat_y, to, flat_M, n * columns + column, at, factor, terms, C)
                    if bias.size:
                        add_run(bias, 0, flat_y, to, C)


@compiled(parallel=True)
def _accumulate_points(V, Y, U, C, channel, channels, count, add, v_first, h_first, threads):
    """U[half, point, point, (c, part), o] (+)= Σ over the point's slots and half of the pictures of V·Y, for some channels."""
    v_slots, h_slots, room, row = V.shape
    halves, v_points, h_points, K, O = U.shape
    width = panel_width(O, V.itemsize)
    flat_V, flat_Y, flat_U = V.reshape(-1), Y.reshape(-1), U.reshape(-1)
    parts, points = (row - SKEW) // C, v_points * h_points
    used = channels * parts  # rows of U
    V_column, U_at = np.empty(used, np.int64), np.arange(used) * O
    for r in range(used):
        V_column[r] = r % parts * C + channel + r // parts
    chunks = (used + 255) // 256
    chunk = (used + chunks - 1) // chunks  # of them at a time
    tasks = halves * chunks * points
    for thread in prange(threads):
        V_at, Y_at = np.empty(v_slots * h_slots * room, np.int64), np.empty(v_slots * h_slots * room, np.int64)
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            point, begin, half = task % points, task // points % chunks * chunk, task // (points * chunks)
            y, z, rows = point // h_points, point % h_points, 0
            for a in range(v_first[y], v_first[y + 1]):
                for b in range(h_first[z], h_first[z + 1]):
                    for n in range(count * half // halves, count * (half + 1) // halves):
                        slot = (a * h_slots + b) * room + n
                        V_at[rows], Y_at[rows] = slot * row, slot * Y.shape[3]
                        rows += 1
            to = (half * points + point) * K * O
            if rows:
                multiply(
                    flat_V, 0, V_column, V_at, flat_Y, 0, Y_at, width, width, flat_U, to, U_at,
                    begin, min(chunk, used - begin), O, 0, rows, ITSELF if add else NOTHING, flat_U, 0,
                )  # fmt: skip
            elif not add:
                flat_U[to + begin * O : to + min(begin + chunk, used) * O] = 0


@compiled(parallel=True)
def _collect(U, channel, channels, v_taps, h_taps, v_G, h_G, weight, threads):
    """Gᵀ on both axes, and both halves: weight[o, c, i, j] = Σ G[point, i]·G[point, j]·U[half, point, point, (c, part), o]."""
    O, C, k, _ = weight.shape
    halves, v_points, h_points, K, _ = U.shape
    v_parts, size = v_taps.shape
    h_parts, T = h_taps.shape[0], k * k
    flat_U, flat_weight, weight_at = U.reshape(-1), weight.reshape(-1), np.arange(O) * C * T
    blocks = (channels + SOME - 1) // SOME
    for thread in prange(threads):
        taps = np.empty(SOME * T * O, U.dtype)
        at, factor = np.empty(halves * v_points * h_points, np.int64), np.empty(halves * v_points * h_points, U.dtype)
        for first in range(blocks * thread // threads * SOME, min(channels, blocks * (thread + 1) // threads * SOME), SOME):
            here = min(SOME, channels - first)
            for i in range(here):
                for part in range(v_parts * h_parts):
                    row = (first + i) * v_parts * h_parts + part
                    for a in range(size):
                        for b in range(size):
                            terms = 0
                            for point in range(halves * v_points * h_points):
                                f = v_G[point // h_points % v_points, a] * h_G[point % h_points, b]
                                if f != 0:
                                    at[terms], factor[terms] = (point * K + row) * O, f
                                    terms += 1
                            tap = i * T + v_taps[part // h_parts, a] * k + h_taps[part % h_parts, b]
                            weighted_sum(taps, tap * O, flat_U, 0, at, factor, terms, O)
            transpose(taps, 0, O, here * T, O, flat_weight, (channel + first) * T, weight_at, 0)
