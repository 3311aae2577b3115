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
each picture. These products are the work that is left, and the sums around them take a fifth of the time.

**Three routines.** The form Σ (D d)(G g)(A y) is linear in data, kernel and output alike, so its other two derivatives are
the other two routines of the convolution, with the same matrices and the same saving:

    input gradient      d̂ = Dᵀ [(G g) ⊙ (A ŷ)]            a row of the picture may lie in two tiles: their sum
    weight gradient     ĝ = Gᵀ [(D d) ⊙ (A ŷ)]            summed over all tiles

**Kernels of 4x4 with stride 2**, which DCGANs are made of, have 2x2 taps once picture and kernel are sorted by even and odd
rows and columns: y = Σ over four phases of (phase of the picture) * (2x2 taps of that phase). The four go side by side into
the channels of one matrix product.

**Kernels of 3x3 with stride 1** have tiles of two outputs, at the same four points.

**Threads** share nothing but what is given: each goes through all steps with pictures, or channels, of its own, a few at a
time, and its intermediate results stay in its own caches. Transforming a kernel or a picture twice costs less than passing
one on, where processors do not share a cache.

The factors are 0, ±1 and ½ alone, so little precision is lost: the error is about twice that of the ordinary sum.
"""

import numpy as np
from numba import prange

from .compile import compiled
from .layout import aligned, aligned_like, empty, flat, transpose
from .matmul import multiply, panel_width
from .tile import ITSELF, NOTHING, REGISTER_BYTES, add_run
from .weighted_sum import weighted_sum
from .winograd_tiles import cut

Pair = tuple[int, int]

TOGETHER = 8  # pictures for which a pixel of the result is worked out at a time
OWN = 1 << 19  # numbers of transformed pictures that a thread has at a time, about
FEW = 32  # channels: with fewer, the ordinary convolution is faster
STRIP = 1 << 20  # numbers of a transformed kernel that a thread has at a time
PRODUCTS = 26  # in the time in which a transform makes one number
SKEW = 16  # numbers between the rows of matrices: rows a power of two apart would meet in the same few lines of a cache
LANES = REGISTER_BYTES // 4  # numbers in a vector, at most
SOME = 8  # channels whose taps are sorted at a time


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
    y = empty((x.shape[0], *output_size, weight.shape[0]), x.dtype)
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
    width = panel_width(outer, y.itemsize)
    while adjoint and outer % width:  # a panel belongs to one part
        width //= 2
    panels, rows = -(-outer // width), v.first_slot[-1] * h.first_slot[-1] * x_parts * inner
    numbers = len(v.G) * len(h.G) * x_parts * inner * y_parts * width  # of U, for a panel
    shares = _shares(N, panels, rows, numbers, y_parts * width, threads)
    mine, own_panels = -(-N // shares[0]), -(-panels // shares[1])
    strip = max(1, min(own_panels, STRIP // numbers))
    group = _group(mine, rows + v.first_slot[-1] * h.first_slot[-1] * strip * y_parts * width, strip < own_panels)
    into, out_of = (v.spread + h.spread, v.back + h.back) if adjoint else (v.data + h.data, v.sums + h.sums)
    points, kernel = (v.first_slot, h.first_slot), (v.taps, h.taps, v.G, h.G)
    row = np.empty(0, x.dtype) if bias is None else flat(bias)
    _convolve_shares(
        x,
        np.ascontiguousarray(weight),
        adjoint,
        into,
        points,
        kernel,
        out_of,
        row,
        y,
        width,
        y_parts,
        *shares,
        strip,
        group,
    )


def _shares(N: int, panels: int, rows: int, numbers: int, columns: int, threads: int) -> Pair:
    """In how many parts to cut the pictures, and the panels, so that a thread takes as little time as possible."""

    def time(shares: Pair) -> float:
        pictures, mine = -(-N // shares[0]), -(-panels // shares[1])
        return pictures * rows * mine * columns / PRODUCTS + pictures * rows + mine * numbers

    possible = [(p, q) for p in range(1, min(threads, N) + 1) for q in range(1, min(threads // p, panels) + 1)]
    return min(possible, key=time)


def conv2d_weight_grad(x: np.ndarray, grad: np.ndarray, kernel_size: Pair, padding: Pair, threads: int) -> np.ndarray:
    """The gradient of the weight, (O, C, k, k), for pictures (N, H, W, C) and gradients (N, OH, OW, O), channels-last."""
    (N, *size, C), (*outputs, O) = x.shape, grad.shape[1:]
    v, h = (cut(kernel_size[0], n, m, p) for n, m, p in zip(size, outputs, padding))
    parts, slots, points = len(v.taps) * len(h.taps), v.first_slot[-1] * h.first_slot[-1], len(v.G) * len(h.G)
    halves = 2 if N > 1 and 4 * points * parts * C * O < slots * N * (parts * C + O) else 1  # of the pictures
    chunks = max(1, min(threads // halves, C // LANES))  # of the channels
    o_chunks = max(1, min(threads // (halves * chunks), O // LANES))  # and of the outputs'
    strip = -(-C // LANES // chunks) * LANES + C % LANES
    O_most, strips = -(-O // LANES // o_chunks) * LANES + O % LANES, 1
    if halves == 1:
        strips = max(1, points * parts * strip * O_most // OWN)
        strip = -(-strip // LANES // strips) * LANES
    group = _group(-(-N // halves), slots * (parts * strip + O_most), strips > 1)
    U = aligned(chunks * o_chunks * halves * points * parts * strip * O_most, x.dtype)
    U = U.reshape(chunks * o_chunks, halves, len(v.G), len(h.G), parts * strip, O_most)
    weight = empty((O, C, *kernel_size), x.dtype)
    where, back = (v.first_slot, h.first_slot), (v.taps, h.taps, v.G, h.G)
    _by_channels(x, grad, v.data + h.data, v.spread + h.spread, where, back, chunks, o_chunks, strip, group, U, weight)
    if halves > 1:
        _add_halves(U, back, chunks, o_chunks, weight, threads)
    return weight


def _group(N: int, numbers: int, again: bool) -> int:
    """How many of N pictures to take at a time, when each takes so many numbers; more if they would be worked out again."""
    groups = max(1, -(-N * numbers // (2 * OWN if again else OWN)))
    return -(-N // groups)


# ---------------------------------------------------------------------------------------------------------------------
# The loops
# ---------------------------------------------------------------------------------------------------------------------


@compiled(parallel=True)
def _convolve_shares(
    x, weight, adjoint, into, points, kernel, out_of, bias, y, width, parts, shares, panel_shares, strip, group
):
    """Each share of the pictures with each share of the panels. A thread reads nothing that another one wrote."""
    N, outer, K = len(x), y.shape[3], into[0].shape[0] * into[3].shape[0] * x.shape[3]
    v_points, h_points, panels = len(kernel[2]), len(kernel[3]), (outer + width - 1) // width
    for thread in prange(shares * panel_shares):
        share, panel_share = thread // panel_shares, thread % panel_shares
        first, end = N * share // shares, N * (share + 1) // shares
        first_panel, last_panel = panels * panel_share // panel_shares, panels * (panel_share + 1) // panel_shares
        U = aligned_like(x, v_points * h_points * strip * parts * K * width)
        U = U.reshape((v_points, h_points, strip * parts, K, width))
        V, M = _room(x, points, group, K), _room(x, points, group, parts * strip * width)
        V_at, M_at = np.empty(V.size // V.shape[3], np.int64), np.empty(V.size // V.shape[3], np.int64)
        for panel in range(first_panel, last_panel, strip):
            count = min(strip, last_panel - panel)
            columns = min(count * width, outer - panel * width)
            _evaluate(weight, adjoint, panel, count, kernel, U)
            for n in range(first, end, group):
                pictures = min(group, end - n)
                if panel == first_panel or group < end - first:
                    _slots_from(x, n, pictures, 0, x.shape[3], into, V)
                for point in range(v_points * h_points):
                    rows = _rows_of(point, points, pictures, V, M, V_at, M_at)
                    for each in range(count * parts):
                        at, part = each // parts * width, each % parts
                        multiply(
                            V.reshape(-1), 0, V_at, np.arange(K), U.reshape(-1), (point * strip * parts + each) * K * width,
                            np.arange(K) * width, 0, width, M.reshape(-1), part * strip * width + at, M_at,
                            0, rows, min(width, columns - at), 0, K, NOTHING, bias, 0,
                        )  # fmt: skip
                _pixels_from(M, n, pictures, panel * width, columns, strip * width, out_of, len(kernel[1]), bias, y)


@compiled()
def _room(x, points, pictures, columns):
    """(slot, slot, picture, column), for a thread's own."""
    shape = (points[0][-1], points[1][-1], pictures, columns + SKEW)
    return aligned_like(x, shape[0] * shape[1] * shape[2] * shape[3]).reshape(shape)


@compiled()
def _slots_from(x, first, count, channel, channels, into, V):
    """D d, or A ŷ, for some channels: V[slot, slot, n, (part, channel)]; first down the columns, then along the rows.

    What is between the two, a row of pixels, stays in the first cache.
    """
    H, W, C = x.shape[1:]
    v_at, v_factor, v_terms, h_at, h_factor, h_terms = into
    v_parts, v_slots, most = v_at.shape
    h_parts, h_slots, _ = h_at.shape
    room, size = V.shape[2:]
    flat_x, flat_V = x.reshape(-1), V.reshape(-1)
    row = aligned_like(x, W * channels)
    places, factors = h_at * channels, h_factor.astype(x.dtype)
    at, factor = np.empty(most, np.int64), np.empty(most, x.dtype)
    for n in range(count):
        for a in range(v_slots):
            for p in range(v_parts):
                terms = v_terms[p, a]
                for i in range(terms):
                    at[i], factor[i] = (((first + n) * H + v_at[p, a, i]) * W) * C + channel, v_factor[p, a, i]
                if channels == C:
                    weighted_sum(row, 0, flat_x, 0, at, factor, terms, W * C)
                else:
                    for col in range(W):
                        weighted_sum(row, col * channels, flat_x, col * C, at, factor, terms, channels)
                for b in range(h_slots):
                    to = ((a * h_slots + b) * room + n) * size + p * h_parts * channels
                    for q in range(h_parts):
                        weighted_sum(
                            flat_V, to + q * channels, row, 0, places[q, b], factors[q, b], h_terms[q, b], channels
                        )


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
def _pixels_from(M, first, count, channel, channels, part_columns, out_of, h_parts, bias, y):
    """Aᵀ m, or Dᵀ m, on both axes, for some channels: each pixel of y from a few slots, plus the bias."""
    _, h_slots, room, columns = M.shape
    YH, YW, C = y.shape[1:]
    v_at, v_factor, v_terms, v_part, h_at, h_factor, h_terms, h_part = out_of
    most = v_at.shape[1]
    flat_M, flat_y = M.reshape(-1), y.reshape(-1)
    at, factor = np.empty(most * most, np.int64), np.empty(most * most, M.dtype)
    for begin in range(0, count, TOGETHER):
        end = min(begin + TOGETHER, count)
        for u in range(YH):
            for v in range(YW):
                terms = 0
                for i in range(v_terms[u]):
                    for j in range(h_terms[v]):
                        at[terms] = (v_at[u, i] * h_slots + h_at[v, j]) * room * columns
                        factor[terms] = v_factor[u, i] * h_factor[v, j]
                        terms += 1
                column = (v_part[u] * h_parts + h_part[v]) * part_columns
                for n in range(begin, end):
                    to = (((first + n) * YH + u) * YW + v) * C + channel
                    weighted_sum(flat_y, to, flat_M, n * columns + column, at, factor, terms, channels)
                    if bias.size:
                        add_run(bias, channel, flat_y, to, channels)


@compiled()
def _evaluate(weight, adjoint, first, count, kernel, U):
    """G g on both axes, some panels of it: U[point, point, panel, row, column].

    Rows are (part, c) and columns o; of the adjoint, rows are o and columns (part, c), with a panel for each part.
    """
    O, C, k, _ = weight.shape
    v_taps, h_taps, v_G, h_G = kernel
    (v_parts, size), h_parts, T = v_taps.shape, h_taps.shape[0], k * k
    v_points, h_points, panels, K, width = U.shape
    inner, outer = (O, C) if adjoint else (C, O)
    flat_U, flat_weight = U.reshape(-1), weight.reshape(-1)
    tap_at = np.empty(T if adjoint else SOME * T, np.int64)  # of W's (tap) or (c, tap), in `taps`
    for i in range(tap_at.size):
        tap_at[i] = (i % T * SOME + i // T) * width
    taps = aligned_like(weight, T * SOME * width)  # (tap, row, column)
    at, factor = np.empty(size * size, np.int64), np.empty(size * size, weight.dtype)
    for panel in range(count):
        column = (first + panel) * width
        columns = min(width, outer - column)
        for row in range(0, inner, SOME):
            rows = min(SOME, inner - row)
            if adjoint:
                for i in range(rows):
                    transpose(flat_weight, ((row + i) * C + column) * T, T, columns, T, taps, i * width, tap_at, 0)
            else:
                transpose(flat_weight, (column * C + row) * T, C * T, columns, rows * T, taps, 0, tap_at, 0)
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
def _by_channels(x, grad, data, spread, points, back, chunks, o_chunks, strip, group, U, weight):
    """Some channels, the gradients of their kernels for some outputs, and some pictures for each thread, strip after strip.

    What it reads it wrote itself. The sums over two halves of the pictures stay in U.
    """
    (N, _, _, C), O = x.shape, grad.shape[3]
    parts, halves = len(back[0]) * len(back[1]), U.shape[1]
    for thread in prange(chunks * o_chunks * halves):
        share, half = thread // halves, thread % halves
        first, end = _chunk(C, share // o_chunks, chunks)
        o, o_end = _chunk(O, share % o_chunks, o_chunks)
        n_first, n_end = N * half // halves, N * (half + 1) // halves
        V, Y = _room(x, points, group, parts * strip), _room(x, points, group, o_end - o)
        for channel in range(first, end, strip):
            channels = min(strip, end - channel)
            for n in range(n_first, n_end, group):
                count = min(group, n_end - n)
                _slots_from(x, n, count, channel, channels, data, V)
                if channel == first or group < n_end - n_first:
                    _slots_from(grad, n, count, o, o_end - o, spread, Y)
                _add_products(V, Y, U[share, half], parts, channels, o_end - o, count, points, n > n_first)
            if halves == 1:
                _kernels_from(U[share], channels, 0, channel, channels, o, o_end - o, back, weight)


@compiled(parallel=True)
def _add_halves(U, back, chunks, o_chunks, weight, threads):
    O, C = weight.shape[:2]
    for thread in prange(threads):
        for share in range(chunks * o_chunks):
            first, end = _chunk(C, share // o_chunks, chunks)
            o, o_end = _chunk(O, share % o_chunks, o_chunks)
            begin, stop = _chunk(end - first, thread, threads)
            _kernels_from(U[share], end - first, begin, first + begin, stop - begin, o, o_end - o, back, weight)


@compiled()
def _chunk(channels, chunk, chunks):
    """The first channel of a chunk, and of the next: whole vectors."""
    vectors = channels // LANES
    return vectors * chunk // chunks * LANES, channels if chunk == chunks - 1 else vectors * (
        chunk + 1
    ) // chunks * LANES


@compiled()
def _add_products(V, Y, U, parts, channels, outputs, count, points, add):
    """U[point, point, (part, c), o] (+)= Σ over the point's slots and the pictures of V·Y."""
    v_points, h_points, K, O = U.shape
    width, rows = panel_width(outputs, V.itemsize), parts * channels
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
                begin, min(chunk, rows - begin), outputs, 0, terms, ITSELF if add else NOTHING, U.reshape(-1), 0,
            )  # fmt: skip


@compiled()
def _kernels_from(U, part_rows, first, channel, channels, output, outputs, back, weight):
    """Gᵀ on both axes: weight[o, c, i, j] = Σ G[point, i]·G[point, j]·U[half, point, point, (part, c), o].

    For channels `channel`, … and outputs `output`, …, the first of which are channel `first`, and output 0, of U.
    """
    _, C, k, _ = weight.shape
    halves, v_points, h_points, K, O = U.shape
    v_taps, h_taps, v_G, h_G = back
    (v_parts, size), h_parts, T, points = v_taps.shape, h_taps.shape[0], k * k, halves * v_points * h_points
    flat_U, flat_weight, weight_at = U.reshape(-1), weight.reshape(-1), (output + np.arange(outputs)) * C * T
    taps = aligned_like(U, SOME * T * O)
    at, factor = np.empty(points, np.int64), np.empty(points, U.dtype)
    for c in range(0, channels, SOME):
        here = min(SOME, channels - c)
        for i in range(here):
            for part in range(v_parts * h_parts):
                row = part * part_rows + first + c + i
                for a in range(size):
                    for b in range(size):
                        terms = 0
                        for point in range(points):
                            f = v_G[point // h_points % v_points, a] * h_G[point % h_points, b]
                            if f != 0:
                                at[terms], factor[terms] = (point * K + row) * O, f
                                terms += 1
                        tap = i * T + v_taps[part // h_parts, a] * k + h_taps[part % h_parts, b]
                        weighted_sum(taps, tap * O, flat_U, 0, at, factor, terms, outputs)
        transpose(taps, 0, O, here * T, outputs, flat_weight, (channel + c) * T, weight_at, 0)
