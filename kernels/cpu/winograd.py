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

import numpy as np
from numba import prange

from .compile import compiled
from .layout import aligned, aligned_like, flat, transpose
from .matmul import multiply, panel_width
from .tile import ITSELF, NOTHING, REGISTER_BYTES, add_run
from .weighted_sum import weighted_sum
from .winograd_tiles import cut

Pair = tuple[int, int]

TOGETHER = 8  # pictures for which one row of a transform is worked out at a time
OWN = 3 << 18  # numbers of transformed pictures that a thread has at a time, about
GROUP = 5 << 18  # that all threads have together, where they share them
FEW = 32  # channels: with fewer, the ordinary convolution is faster
STRIP = 1 << 20  # numbers of a transformed kernel at a time, likewise
LANES = REGISTER_BYTES // 4  # numbers in a vector, at most
SOME = 8  # channels whose taps are sorted at a time
SKEW = 16  # numbers between the rows of matrices: rows a power of two apart would meet in the same few lines of a cache


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
    v, h = (cut(k, *((n, m) if adjoint else (m, n)), p) for m, n, p in zip(x_size, y_size, padding))
    parts = len(v.taps) * len(h.taps)
    x_parts, y_parts = (1, parts) if adjoint else (parts, 1)
    K, columns, slots = x_parts * inner, y_parts * outer, (v.first_slot[-1], h.first_slot[-1])
    width = panel_width(outer, y.itemsize)
    while adjoint and outer % width:  # a panel belongs to one part
        width //= 2
    panels = -(-outer // width)
    taps, row = np.ascontiguousarray(weight).reshape(-1), np.empty(0, x.dtype) if bias is None else flat(bias)
    into, out_of = (v.spread + h.spread, v.back + h.back) if adjoint else (v.data + h.data, v.sums + h.sums)
    points = v.first_slot, h.first_slot

    def evaluate(panel, count, U):
        _evaluate(taps, weight.shape, adjoint, panel, count, v.taps, h.taps, v.G, h.G, U, threads)

    numbers = len(v.G) * len(h.G) * K  # of a column of U
    if N >= threads and numbers * columns < slots[0] * slots[1] * N * (K + columns):
        U = _empty((len(v.G), len(h.G), panels * y_parts, K, width), x.dtype)
        evaluate(0, panels, U)
        room = max(1, min(-(-N // threads), OWN // (slots[0] * slots[1] * (K + columns))))
        _by_pictures(x, into, U, y_parts, points, out_of, len(h.taps), row, y, room, threads)
        return
    strip = max(1, min(panels, STRIP // (numbers * width * y_parts)))
    U = _empty((len(v.G), len(h.G), strip * y_parts, K, width), x.dtype)
    group = _group(N, slots[0] * slots[1] * parts * (outer if adjoint else inner))
    V, M = _empty((*slots, group, K + SKEW), x.dtype), _empty((*slots, group, columns + SKEW), x.dtype)
    for first in range(0, N, group):
        count = min(group, N - first)
        _into_slots(x, first, count, into, V, threads)
        for panel in range(0, panels, strip):
            here = min(strip, panels - panel)
            if first == 0 or strip < panels:
                evaluate(panel, here, U)
            _by_panels(V, U, M, panel, here, y_parts, outer, count, points, threads)
        _out_of_slots(M, first, count, out_of, len(h.taps), row, y, threads)


def conv2d_weight_grad(x: np.ndarray, grad: np.ndarray, kernel_size: Pair, padding: Pair, threads: int) -> np.ndarray:
    """The gradient of the weight, (O, C, k, k), for pictures (N, H, W, C) and gradients (N, OH, OW, O), channels-last."""
    (N, *size, C), (*outputs, O) = x.shape, grad.shape[1:]
    v, h = (cut(kernel_size[0], n, m, p) for n, m, p in zip(size, outputs, padding))
    parts, slots, points = len(v.taps) * len(h.taps), v.first_slot[-1] * h.first_slot[-1], len(v.G) * len(h.G)
    chunks = min(threads, C // LANES)  # of the channels
    chunks = chunks, max(1, min(threads // chunks, O // LANES))  # and of the outputs'
    strip = max(LANES, min(-(-C // chunks[0]), OWN // (points * parts * O) * chunks[1]) // LANES * LANES)
    group = _group(N, slots * (parts * strip + O // chunks[1]))
    weight = np.empty((O, C, *kernel_size), x.dtype)
    points = v.first_slot, h.first_slot
    back = v.taps, h.taps, v.G, h.G
    _by_channels(x, grad, v.data + h.data, v.spread + h.spread, points, back, *chunks, strip, group, weight)
    return weight


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    return aligned(math.prod(shape), dtype).reshape(shape)


def _group(N: int, numbers: int) -> int:
    """How many of N pictures to work on at a time, when each takes so many numbers."""
    groups = -(-N * numbers // GROUP)
    return max(1, -(-N // max(1, groups)))


# ---------------------------------------------------------------------------------------------------------------------
# The loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _by_pictures(x, into, U, parts, points, out_of, h_parts, bias, y, room, threads):
    """All of it for one picture after the other: a thread writes nothing that another one reads."""
    N, outer = len(x), y.shape[3]
    v_points, h_points, panels, K, width = U.shape
    v_slots, h_slots = points[0][-1], points[1][-1]
    for thread in prange(threads):
        V, M = _room(x, points, room, K), _room(x, points, room, parts * outer)
        V_at, M_at = np.empty(v_slots * h_slots * room, np.int64), np.empty(v_slots * h_slots * room, np.int64)
        end = N * (thread + 1) // threads
        for first in range(N * thread // threads, end, room):
            count = min(room, end - first)
            _slots_from(x, first, count, 0, x.shape[3], into, V, 0, count * v_slots)
            for point in range(v_points * h_points):
                rows = _rows_of(point, points, count, V, M, V_at, M_at)
                for panel in range(panels):
                    column, part = panel // parts * width, panel % parts
                    _multiply(V, V_at, U, point, panel, M, M_at, part * outer + column, rows, outer - column)
            _pixels_from(M, first, count, out_of, h_parts, bias, y, 0, count * y.shape[1])


@compiled(parallel=True)
def _into_slots(x, first, count, into, V, threads):
    units = count * V.shape[0]
    for thread in prange(threads):
        begin, end = units * thread // threads, units * (thread + 1) // threads
        _slots_from(x, first, count, 0, x.shape[3], into, V, begin, end)


@compiled(parallel=True)
def _by_panels(V, U, M, first, count, parts, outer, pictures, points, threads):
    """For each pair of points, the rows of V at its slots times its U, to the columns of M of some panels."""
    v_points, h_points, _, K, width = U.shape
    rows_at_most = V.shape[0] * V.shape[1] * V.shape[2]
    tasks = v_points * h_points * count * parts
    for thread in prange(threads):
        V_at, M_at = np.empty(rows_at_most, np.int64), np.empty(rows_at_most, np.int64)
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            point, panel = task % (v_points * h_points), task // (v_points * h_points)
            rows = _rows_of(point, points, pictures, V, M, V_at, M_at)
            column, part = (first + panel // parts) * width, panel % parts
            _multiply(V, V_at, U, point, panel, M, M_at, part * outer + column, rows, outer - column)


@compiled(parallel=True)
def _out_of_slots(M, first, count, out_of, h_parts, bias, y, threads):
    units = count * y.shape[1]
    for thread in prange(threads):
        begin, end = units * thread // threads, units * (thread + 1) // threads
        _pixels_from(M, first, count, out_of, h_parts, bias, y, begin, end)


@compiled()
def _room(x, points, pictures, columns):
    """(slot, slot, picture, column), for a thread's own."""
    shape = (points[0][-1], points[1][-1], pictures, columns + SKEW)
    return aligned_like(x, shape[0] * shape[1] * shape[2] * shape[3]).reshape(shape)


@compiled()
def _among(begin, end, rows, row, n, count):
    """Of TOGETHER pictures from n on, those whose row `row` is among rows begin, …, end − 1 of all pictures, one after the other."""
    return max(n, (begin - row + rows - 1) // rows), min(n + TOGETHER, count, (end - row + rows - 1) // rows)


@compiled()
def _slots_from(x, first, count, channel, channels, into, V, begin, end):
    """D d, or A ŷ, on both axes: V[slot, slot, n, (part, channel)], each from a few pixels.

    For some of the channels, and some units (n, slot).
    """
    H, W, C = x.shape[1:]
    v_at, v_factor, v_terms, h_at, h_factor, h_terms = into
    v_parts, v_slots, most = v_at.shape
    h_parts, h_slots, _ = h_at.shape
    room, row = V.shape[2:]
    flat_x, flat_V = x.reshape(-1), V.reshape(-1)
    at, factor = np.empty(most * most, np.int64), np.empty(most * most, x.dtype)
    for n in range(0, count, TOGETHER):
        for a in range(v_slots):
            some, last = _among(begin, end, v_slots, a, n, count)
            for b in range(h_slots if some < last else 0):
                for part in range(v_parts * h_parts):
                    p, q, terms = part // h_parts, part % h_parts, 0
                    for i in range(v_terms[p, a]):
                        for j in range(h_terms[q, b]):
                            at[terms] = (v_at[p, a, i] * W + h_at[q, b, j]) * C
                            factor[terms] = v_factor[p, a, i] * h_factor[q, b, j]
                            terms += 1
                    for m in range(some, last):
                        to = ((a * h_slots + b) * room + m) * row + part * channels
                        weighted_sum(flat_V, to, flat_x, (first + m) * H * W * C + channel, at, factor, terms, channels)


@compiled()
def _rows_of(point, points, count, V, M, V_at, M_at):
    """The rows of V, and of M, at the slots of a pair of points; how many there are."""
    v_first, h_first = points
    y, z, rows = point // (len(h_first) - 1), point % (len(h_first) - 1), 0
    for a in range(v_first[y], v_first[y + 1]):
        for b in range(h_first[z], h_first[z + 1]):
            for n in range(count):
                slot = (a * V.shape[1] + b) * V.shape[2] + n
                V_at[rows], M_at[rows] = slot * V.shape[3], slot * M.shape[3]
                rows += 1
    return rows


@compiled()
def _multiply(V, V_at, U, point, panel, M, M_at, column, rows, columns):
    """M's rows = V's rows times a panel of U."""
    panels, K, width = U.shape[2:]
    multiply(
        V.reshape(-1), 0, V_at, np.arange(K), U.reshape(-1), (point * panels + panel) * K * width, np.arange(K) * width,
        0, width, M.reshape(-1), column, M_at, 0, rows, min(width, columns), 0, K, NOTHING, M.reshape(-1), 0,
    )  # fmt: skip


@compiled()
def _pixels_from(M, first, count, out_of, h_parts, bias, y, begin, end):
    """Aᵀ m, or Dᵀ m, on both axes: each pixel of y from a few slots, plus the bias, for some units (n, row of pixels)."""
    _, h_slots, room, columns = M.shape
    YH, YW, C = y.shape[1:]
    v_at, v_factor, v_terms, v_part, h_at, h_factor, h_terms, h_part = out_of
    most = v_at.shape[1]
    flat_M, flat_y = M.reshape(-1), y.reshape(-1)
    at, factor = np.empty(most * most, np.int64), np.empty(most * most, M.dtype)
    for n in range(0, count, TOGETHER):
        for u in range(YH):
            some, last = _among(begin, end, YH, u, n, count)
            for v in range(YW if some < last else 0):
                terms = 0
                for i in range(v_terms[u]):
                    for j in range(h_terms[v]):
                        at[terms] = (v_at[u, i] * h_slots + h_at[v, j]) * room * columns
                        factor[terms] = v_factor[u, i] * h_factor[v, j]
                        terms += 1
                column = (v_part[u] * h_parts + h_part[v]) * C
                for m in range(some, last):
                    to = (((first + m) * YH + u) * YW + v) * C
                    weighted_sum(flat_y, to, flat_M, m * columns + column, at, factor, terms, C)
                    if bias.size:
                        add_run(bias, 0, flat_y, to, C)


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
        taps = aligned_like(weight, T * SOME * width)  # (tap, row, column)
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
def _by_channels(x, grad, data, spread, points, back, chunks, o_chunks, strip, group, weight):
    """All of it for one strip of channels after the other. A thread has some channels, or their kernels' gradients for some
    outputs, for itself: what it reads it wrote itself."""
    (N, _, _, C), O = x.shape, grad.shape[3]
    parts, v_points, h_points = len(back[0]) * len(back[1]), len(back[2]), len(back[3])
    for thread in prange(chunks * o_chunks):
        first, end = _chunk(C, thread // o_chunks, chunks)
        o, o_end = _chunk(O, thread % o_chunks, o_chunks)
        outputs, room = o_end - o, min(group, N)
        V, Y = _room(x, points, room, parts * strip), _room(x, points, room, outputs)
        U = aligned_like(x, v_points * h_points * parts * strip * outputs)
        U = U.reshape((v_points, h_points, parts * strip, outputs))
        for channel in range(first, end, strip):
            channels = min(strip, end - channel)
            for n in range(0, N, group):
                count = min(group, N - n)
                _slots_from(x, n, count, channel, channels, data, V, 0, count * V.shape[0])
                if channel == first or group < N:
                    _slots_from(grad, n, count, o, outputs, spread, Y, 0, count * Y.shape[0])
                _add_products(V, Y, U, parts, channels, count, points, n > 0)
            _kernels_from(U, channel, channels, o, back, weight)


@compiled()
def _chunk(channels, chunk, chunks):
    """The first channel of a chunk, and of the next: whole vectors."""
    vectors = channels // LANES
    return vectors * chunk // chunks * LANES, channels if chunk == chunks - 1 else vectors * (
        chunk + 1
    ) // chunks * LANES


@compiled()
def _add_products(V, Y, U, parts, channels, count, points, add):
    """U[point, point, (part, c), o] (+)= Σ over the point's slots and the pictures of V·Y."""
    v_points, h_points, K, O = U.shape
    width, rows = panel_width(O, V.itemsize), parts * channels
    V_column, U_at = np.arange(rows), np.arange(rows) * O
    most = V.shape[0] * V.shape[1] * V.shape[2]
    V_at, Y_at = np.empty(most, np.int64), np.empty(most, np.int64)
    chunks = (rows + 255) // 256
    chunk = (rows + chunks - 1) // chunks  # rows at a time
    for point in range(v_points * h_points):
        terms = _rows_of(point, points, count, V, Y, V_at, Y_at)
        for begin in range(0, rows, chunk):
            multiply(
                V.reshape(-1), 0, V_column, V_at, Y.reshape(-1), 0, Y_at, width, width, U.reshape(-1), point * K * O, U_at,
                begin, min(chunk, rows - begin), O, 0, terms, ITSELF if add else NOTHING, U.reshape(-1), 0,
            )  # fmt: skip


@compiled()
def _kernels_from(U, channel, channels, first, back, weight):
    """Gᵀ on both axes: weight[o, c, i, j] = Σ G[point, i]·G[point, j]·U[point, point, (part, c), o].

    For channels `channel`, … and outputs `first`, ….
    """
    _, C, k, _ = weight.shape
    v_points, h_points, K, O = U.shape
    v_taps, h_taps, v_G, h_G = back
    (v_parts, size), h_parts, T = v_taps.shape, h_taps.shape[0], k * k
    flat_U, flat_weight, weight_at = U.reshape(-1), weight.reshape(-1), (first + np.arange(O)) * C * T
    taps = aligned_like(U, SOME * T * O)
    at, factor = np.empty(v_points * h_points, np.int64), np.empty(v_points * h_points, U.dtype)
    for c in range(0, channels, SOME):
        here = min(SOME, channels - c)
        for i in range(here):
            for part in range(v_parts * h_parts):
                row = part * channels + c + i
                for a in range(size):
                    for b in range(size):
                        terms = 0
                        for y in range(v_points):
                            for z in range(h_points):
                                f = v_G[y, a] * h_G[z, b]
                                if f != 0:
                                    at[terms], factor[terms] = ((y * h_points + z) * K + row) * O, f
                                    terms += 1
                        tap = i * T + v_taps[part // h_parts, a] * k + h_taps[part % h_parts, b]
                        weighted_sum(taps, tap * O, flat_U, 0, at, factor, terms, O)
        transpose(taps, 0, O, here * T, O, flat_weight, (channel + c) * T, weight_at, 0)
