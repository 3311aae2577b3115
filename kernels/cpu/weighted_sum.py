"""Weighted sums of rows of numbers, which is all that Winograd's transforms do. Imports only Numba.

``to[j] = Σ_t factor[t] · source[at[t] + j]``, with the sums kept in vector registers until they are complete. As in tile.py
the instructions are spelled out: a compiler would first have to make sure that `to` and `source` do not overlap, and the
rows are so short (the channels of one pixel) that this takes longer than the sum.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .tile import REGISTER_BYTES

UNROLLED = 4  # vectors at a time


@intrinsic
def weighted_sum(typing, to, to_at, source, source_from, at, factor, terms, n):
    """``to[to_at + j] = Σ_{t < terms} factor[t] · source[source_from + at[t] + j]`` for j < n, whole vectors of them.

    `to`, `source` and `factor` are flat arrays of one floating-point type, `at` is one of int64. No terms give zeros.
    """
    long = types.intp
    return types.void(to, long, source, long, at, factor, long, long), _emit


def _emit(context, builder, signature, arguments):
    to, to_at, source, source_from, at, factor, terms, n = arguments
    size = signature.args[0].dtype.bitwidth // 8
    lanes = REGISTER_BYTES // size
    number = ir.FloatType() if size == 4 else ir.DoubleType()
    vector = ir.VectorType(number, lanes)
    long, int32 = ir.IntType(64), ir.IntType(32)
    multiply_add = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{lanes}f{8 * size}"
    )

    def whole(value):
        return ir.Constant(long, value)

    def memory(argument):
        return context.make_array(signature.args[argument])(context, builder, arguments[argument]).data

    def vector_at(start, position, v):
        place = builder.gep(start, [builder.add(position, whole(v * lanes))])
        return builder.bitcast(place, vector.as_pointer())

    to_start, at_start, factor_start = memory(0), memory(4), memory(5)
    source_start = builder.gep(memory(2), [source_from])
    zero = ir.Constant(vector, None)
    position = cgutils.alloca_once_value(builder, whole(0))
    for vectors in (UNROLLED, 1):
        blocks = [builder.append_basic_block(name) for name in ("more", "begin", "check", "term", "store", "done")]
        more, begin, check, term, store, done = blocks
        builder.branch(more)

        builder.position_at_end(more)
        j = builder.load(position)
        after = builder.add(j, whole(vectors * lanes))
        builder.cbranch(builder.icmp_signed("<=", after, n), begin, done)

        builder.position_at_end(begin)
        builder.branch(check)

        builder.position_at_end(check)
        t = builder.phi(long)
        sums = [builder.phi(vector) for _ in range(vectors)]
        builder.cbranch(builder.icmp_signed("<", t, terms), term, store)

        builder.position_at_end(term)
        row = builder.add(builder.load(builder.gep(at_start, [t])), j)
        one = builder.load(builder.gep(factor_start, [t]))
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), one, ir.Constant(int32, 0))
        zeros = ir.Constant(ir.VectorType(int32, lanes), None)
        weight = builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)
        rows = [builder.load(vector_at(source_start, row, v), align=size) for v in range(vectors)]
        new = [builder.call(multiply_add, [weight, values, total]) for values, total in zip(rows, sums)]
        for variable, first, following in (
            (t, whole(0), builder.add(t, whole(1))),
            *((s, zero, n) for s, n in zip(sums, new)),
        ):
            variable.add_incoming(first, begin)
            variable.add_incoming(following, term)
        builder.branch(check)

        builder.position_at_end(store)
        for v in range(vectors):
            builder.store(sums[v], vector_at(to_start, builder.add(to_at, j), v), align=size)
        builder.store(after, position)
        builder.branch(more)

        builder.position_at_end(done)
    return context.get_dummy_value()
