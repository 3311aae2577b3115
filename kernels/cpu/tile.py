"""The register tiles: the two loops in which all matrix products, and so all convolutions, spend their time.

Imports only Numba. A matrix product is made of tiles of a few rows and columns, ``C[i, j] += Σ_k A[i, k] · B[k, j]``, each
small enough that its sums never leave the processor's registers. For each k, one row of B is loaded into vector registers,
each A[i, k] is spread over a register of its own, and every pair is multiplied and added in one instruction:

    for k in range(depth):                              on a processor with AVX-512, in float32:
        b[0..3]   = B[k, 0:64]                            4 registers of 16 numbers
        for i in range(6):
            a     = A[i, k], repeated                     1 register
            sum[i, 0..3] += a * b[0..3]                   24 registers, 24 multiply-adds

So 10 loads feed 24 multiply-adds, and the 24 sums are independent of each other: enough to keep both multipliers busy while
earlier results are still on their way. What remains for the rest of this folder is to put A and B where a tile finds them.
Most of that is transposing, and that has a tile as well: as many vectors as they have lanes change places in registers.

A compiler does not find these loops by itself (it keeps the sums in memory), so the instructions are spelled out in LLVM's
own language, which Numba compiles for the processor at hand. The vectors are as wide as its registers.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic


def _registers() -> tuple[int, int]:
    """Bytes in a vector register of the processor that Numba compiles for, and how many vectors wide the widest tile is."""
    triple, _, features = cpu_target.target_context.codegen().magic_tuple()
    features = features.split(",")
    if "+avx512f" in features:
        return 64, 4  # 32 registers: 6·4 sums, 4 of B, 1 of A
    if "+avx" in features:
        return 32, 2  # 16 registers: 6·2 sums, 2 of B, 1 of A
    return (16, 4) if triple.startswith(("aarch64", "arm64")) else (16, 2)


REGISTER_BYTES, VECTORS = _registers()
TILE_BYTES = VECTORS * REGISTER_BYTES  # of a row of the widest tile
ROWS, ROWS_OF_NARROW = 6, 9  # of a tile; the narrowest has more, so that there are enough independent sums
NOTHING, ITSELF, BIAS = range(3)  # onto what a tile's sums are put

MASKS = REGISTER_BYTES > 16  # a part of a vector is loaded as fast as a whole one

INT, INT32, FLAG = ir.IntType(64), ir.IntType(32), ir.IntType(1)
BYTES = ir.IntType(8).as_pointer()


class _Writer:
    """Writes LLVM instructions on vectors of one dtype."""

    def __init__(self, context, builder, signature, arguments):
        self.context, self.builder, self.kinds, self.arguments = context, builder, signature.args, arguments
        self.size = signature.args[0].dtype.bitwidth // 8  # of a number, in bytes
        self.lanes = REGISTER_BYTES // self.size  # numbers in a vector
        self.number = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.number, self.lanes)
        self.zero = ir.Constant(self.vector, None)

    def call(self, name, returns, *arguments):
        suffix = f"v{self.lanes}f{8 * self.size}" + (".p0" if "masked" in name else "")
        kind = ir.FunctionType(returns, [argument.type for argument in arguments])
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.{suffix}"), arguments
        )

    def whole(self, n):
        return ir.Constant(INT, n)

    def start(self, array, position):
        """The address of number `position` of the argument called number `array`."""
        data = self.context.make_array(self.kinds[array])(self.context, self.builder, self.arguments[array]).data
        return self.offset(self.builder.bitcast(data, BYTES), position)

    def offset(self, pointer, position):
        return self.builder.gep(pointer, [self.builder.mul(position, self.whole(self.size))])

    def entry(self, table, index):
        """Entry `index` of the table of positions that is argument number `table`."""
        data = self.context.make_array(self.kinds[table])(self.context, self.builder, self.arguments[table]).data
        return self.builder.load(self.builder.gep(data, [index]))

    def at(self, pointer, v=0):
        """The address of the v-th vector from here."""
        return self.builder.bitcast(
            self.builder.gep(pointer, [self.whole(v * REGISTER_BYTES)]), self.vector.as_pointer()
        )

    def load(self, place):
        return self.builder.load(place, align=self.size)

    def store(self, value, place):
        self.builder.store(value, place, align=self.size)

    def load_some(self, place, wanted):
        """The lanes that are wanted; memory is not touched for the others, and they are 0."""
        return self.call("masked.load", self.vector, place, ir.Constant(INT32, self.size), wanted, self.zero)

    def store_some(self, value, place, wanted):
        self.call("masked.store", ir.VoidType(), value, place, ir.Constant(INT32, self.size), wanted)

    def spread(self, value, kind=None):
        """A vector of `value` in all lanes."""
        kind = kind or self.vector
        one = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(INT32, 0))
        return self.builder.shuffle_vector(
            one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(INT32, kind.count), None)
        )

    def below(self, first, limit):
        """For lanes first, first + 1, …: whether they are < limit."""
        kind = ir.VectorType(INT32, self.lanes)
        lanes = ir.Constant(kind, [first + lane for lane in range(self.lanes)])
        return self.builder.icmp_signed("<", lanes, self.spread(self.builder.trunc(limit, INT32), kind))

    def at_most(self, n, limit):
        """min(n, limit)"""
        n = self.whole(n)
        return self.builder.select(self.builder.icmp_signed("<", n, limit), n, limit)


def _tile_of(vectors: int, rows_of_tile: int):
    """The tile that is `vectors` registers wide and so many rows high."""

    @intrinsic
    def tile(
        typing, a, a_from, a_rows, a_cols, b, b_from, b_rows, c, c_from, c_rows, first, rows, columns, k, depth,
        onto, bias, bias_from
    ):  # fmt: skip
        """C[i, j] = Σ_k A[i, k] · B[k, j] for i < rows and j < columns, onto NOTHING, C ITSELF or a BIAS of every row.

        The matrices need not lie in memory as matrices do; three flat arrays and tables of positions say where they are:

            A[i, k]   a[a_from + a_rows[first + i] + a_cols[k]]
            B[k, j]   b[b_from + b_rows[k] + j]                     without MASKS, readable for the whole width of the tile
            C[i, j]   c[c_from + c_rows[first + i] + j]
            bias[j]   bias[bias_from + j]                   read only if onto == BIAS

        for k, k + 1, …, k + depth − 1, with depth ≥ 1.
        """
        long = types.intp
        signature = types.void(
            a, long, a_rows, a_cols, b, long, b_rows, c, long, c_rows, long, long, long, long, long, long, bias, long
        )
        return signature, _emit

    def _emit(context, builder, signature, arguments):
        (_, a_from, _, _, _, b_from, _, _, c_from, _, first, rows, columns, k, depth, onto, _, bias_from) = arguments
        w = _Writer(context, builder, signature, arguments)
        A, A_ROWS, A_COLS, B, B_ROWS, C, C_ROWS, BIAS_ROW = 0, 2, 3, 4, 6, 7, 9, 16

        # Rows past the last one are the last one again: they compute, and store, the same numbers.
        last = builder.sub(rows, w.whole(1))
        row = [builder.add(first, w.at_most(i, last)) for i in range(rows_of_tile)]
        a_start, b_start, c_start = w.start(A, a_from), w.start(B, b_from), w.start(C, c_from)
        a_row = [w.offset(a_start, w.entry(A_ROWS, i)) for i in row]
        c_row = [w.offset(c_start, w.entry(C_ROWS, i)) for i in row]
        wanted = [w.below(v * w.lanes, columns) for v in range(vectors)]
        each = [(i, v) for i in range(rows_of_tile) for v in range(vectors)]
        end = builder.add(k, depth)

        before = builder.block
        loop, after = builder.append_basic_block("k"), builder.append_basic_block("store")
        builder.branch(loop)

        builder.position_at_end(loop)
        index = builder.phi(INT)
        sums = {at: builder.phi(w.vector) for at in each}
        a_column = builder.mul(w.entry(A_COLS, index), w.whole(w.size))
        b_row = w.offset(b_start, w.entry(B_ROWS, index))
        places = [w.at(b_row, v) for v in range(vectors)]
        b_values = [w.load_some(place, some) if MASKS else w.load(place) for place, some in zip(places, wanted)]
        new = {}
        for i in range(rows_of_tile):
            place = builder.bitcast(builder.gep(a_row[i], [a_column]), w.number.as_pointer())
            value = w.spread(w.load(place))
            for v in range(vectors):
                new[i, v] = w.call("fmuladd", w.vector, value, b_values[v], sums[i, v])
        following = builder.add(index, w.whole(1))
        index.add_incoming(k, before)
        index.add_incoming(following, loop)
        for at in each:
            sums[at].add_incoming(w.zero, before)
            sums[at].add_incoming(new[at], loop)
        builder.cbranch(builder.icmp_signed("<", following, end), loop, after)

        builder.position_at_end(after)
        itself = builder.icmp_signed("==", onto, w.whole(ITSELF))
        bias = w.start(BIAS_ROW, bias_from)
        with builder.if_else(builder.icmp_signed("!=", onto, w.whole(NOTHING))) as (adding, replacing):
            with adding:  # all is loaded before anything is stored, because the last rows may be one and the same
                onto_row = [builder.select(itself, row, bias) for row in c_row]
                old = {(i, v): w.load_some(w.at(onto_row[i], v), wanted[v]) for i, v in each}
                for i, v in each:
                    w.store_some(builder.fadd(new[i, v], old[i, v]), w.at(c_row[i], v), wanted[v])
            with replacing:
                for i, v in each:
                    w.store_some(new[i, v], w.at(c_row[i], v), wanted[v])
        return context.get_dummy_value()

    return tile


wide_tile = _tile_of(VECTORS, ROWS)
half_tile = _tile_of(max(1, VECTORS // 2), ROWS)
narrow_tile = _tile_of(max(1, VECTORS // 4), ROWS_OF_NARROW)


@intrinsic
def transpose_tile(typing, a, a_from, a_row, b, b_from, b_rows, first, rows, columns):
    """b[b_from + b_rows[first + j] + i] = a[a_from + i·a_row + j] for i < rows, j < columns.

    Both are at most the lanes of a vector. The rows are loaded, and in log₂(lanes) rounds every pair of vectors exchanges
    blocks across the diagonal:

        1 2 3 4        1 a 3 c        1 a A E
        a b c d   →    2 b 4 d   →    2 b B F
        A B C D        A E C G        3 c C G
        E F G H        B F D H        4 d D H
    """
    long = types.intp
    return types.void(a, long, long, b, long, b_rows, long, long, long), _emit_transpose


def _emit_transpose(context, builder, signature, arguments):
    (_, a_from, a_row, _, b_from, _, first, rows, columns) = arguments
    w = _Writer(context, builder, signature, arguments)
    A, B, B_ROWS = 0, 3, 5
    a_start, b_start = w.start(A, a_from), w.start(B, b_from)
    last = builder.sub(columns, w.whole(1))

    def exchanged(vectors):
        step = 1
        while step < w.lanes:
            upper = [lane + (w.lanes - step if lane & step else 0) for lane in range(w.lanes)]
            lower = [lane + (w.lanes if lane & step else step) for lane in range(w.lanes)]
            for i in range(w.lanes):
                if not i & step:
                    pair = vectors[i], vectors[i + step]
                    vectors[i], vectors[i + step] = (
                        builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(INT32, w.lanes), order))
                        for order in (upper, lower)
                    )
            step *= 2
        return vectors

    source = [w.at(w.offset(a_start, builder.mul(a_row, w.whole(i)))) for i in range(w.lanes)]

    def target(j):
        return w.at(w.offset(b_start, w.entry(B_ROWS, builder.add(first, j))))

    lanes = w.whole(w.lanes)
    full = builder.and_(builder.icmp_signed("==", rows, lanes), builder.icmp_signed("==", columns, lanes))
    with builder.if_else(full, likely=True) as (all_of_it, a_part):
        with all_of_it:
            for j, value in enumerate(exchanged([w.load(place) for place in source])):
                w.store(value, target(w.whole(j)))
        with a_part:  # nothing is loaded or stored beyond the block
            none = ir.Constant(ir.VectorType(FLAG, w.lanes), None)
            wanted_columns, wanted_rows = w.below(0, columns), w.below(0, rows)

            def only(i, limit, wanted):
                return builder.select(builder.icmp_signed("<", w.whole(i), limit), wanted, none)

            values = [w.load_some(place, only(i, rows, wanted_columns)) for i, place in enumerate(source)]
            for j, value in enumerate(exchanged(values)):
                w.store_some(value, target(w.at_most(j, last)), only(j, columns, wanted_rows))
    return context.get_dummy_value()


def _run(add: bool):
    """A loop over a run of some ten to some hundred numbers, such as the channels of a pixel.

    A compiler's own loop first has to make sure that the arrays do not overlap, and a library's copy has to be called; both
    take longer than so short a run.
    """

    @intrinsic
    def run(typing, a, a_from, b, b_from, n):
        """b[b_from + i] = a[a_from + i], or += if it is `add_run`, for i < n."""
        long = types.intp
        return types.void(a, long, b, long, long), _emit

    def _emit(context, builder, signature, arguments):
        (_, a_from, _, b_from, n) = arguments
        w = _Writer(context, builder, signature, arguments)
        a, b = w.start(0, a_from), w.start(2, b_from)
        in_vectors = builder.and_(n, w.whole(-w.lanes))
        with cgutils.for_range_slice(builder, w.whole(0), in_vectors, w.whole(w.lanes), INT) as (i, _):
            source, target = w.at(w.offset(a, i)), w.at(w.offset(b, i))
            value = w.load(source)
            w.store(builder.fadd(w.load(target), value) if add else value, target)
        rest = builder.sub(n, in_vectors)
        with builder.if_then(builder.icmp_signed(">", rest, w.whole(0))):
            wanted = w.below(0, rest)
            source, target = w.at(w.offset(a, in_vectors)), w.at(w.offset(b, in_vectors))
            value = w.load_some(source, wanted)
            w.store_some(builder.fadd(w.load_some(target, wanted), value) if add else value, target, wanted)
        return context.get_dummy_value()

    return run


copy_run, add_run = _run(add=False), _run(add=True)


@intrinsic
def repeat_run(typing, a, a_from, n, times, b, b_from):
    """b[b_from + i·times + j] = a[a_from + i] for i < n and j < times; up to a vector more is overwritten after the end."""
    long = types.intp
    return types.void(a, long, long, long, b, long), _emit_repeat


def _emit_repeat(context, builder, signature, arguments):
    (_, a_from, n, times, _, b_from) = arguments
    w = _Writer(context, builder, signature, arguments)
    a, b = w.start(0, a_from), w.start(4, b_from)
    with cgutils.for_range(builder, n, intp=INT) as loop:
        value = w.spread(builder.load(builder.bitcast(w.offset(a, loop.index), w.number.as_pointer())))
        start = w.offset(b, builder.mul(loop.index, times))
        with cgutils.for_range_slice(builder, w.whole(0), times, w.whole(w.lanes), INT) as (j, _):
            w.store(value, w.at(w.offset(start, j)))
    return context.get_dummy_value()


@intrinsic
def interleave_three(typing, a, a_from, step, b, b_from, n):
    """b[b_from + 3·i + c] = a[a_from + c·step + i] for i < n, whole vectors, and c < 3: planes of colour to pixels."""
    long = types.intp
    return types.void(a, long, long, b, long, long), _emit_interleave


def _emit_interleave(context, builder, signature, arguments):
    (_, a_from, step, _, b_from, n) = arguments
    w = _Writer(context, builder, signature, arguments)
    planes = [w.start(0, builder.add(a_from, builder.mul(step, w.whole(c)))) for c in range(3)]
    pixels, order = w.start(3, b_from), ir.VectorType(INT32, w.lanes)
    with cgutils.for_range_slice(builder, w.whole(0), n, w.whole(w.lanes), INT) as (i, _):
        red, green, blue = (w.load(w.at(w.offset(plane, i))) for plane in planes)
        for v in range(3):
            places = [divmod(v * w.lanes + lane, 3) for lane in range(w.lanes)]  # (pixel, colour)
            two = ir.Constant(order, [pixel + w.lanes * (colour == 1) for pixel, colour in places])
            third = ir.Constant(order, [w.lanes + at[0] if at[1] == 2 else lane for lane, at in enumerate(places)])
            both = builder.shuffle_vector(red, green, two)
            w.store(builder.shuffle_vector(both, blue, third), w.at(w.offset(pixels, builder.mul(i, w.whole(3))), v))
    return context.get_dummy_value()
