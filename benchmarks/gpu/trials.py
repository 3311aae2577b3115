"""The arguments with which section `kernels` tries every routine. Imports NumPy.

Sizes are those of the layers of cases.py, and odd ones: primes, one picture, none, sizes that the stride does not divide,
groups, dilation, padding beyond the kernel, strides beyond it. Numbers are such as float32 holds, so that float32 and
float64 compute with the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = tuple[int, int]


@dataclass(frozen=True)
class Trial:
    """A routine and its arguments.

    Attributes
    ----------
    routine, what : str
    arguments : callable
        `arguments(rng)` draws them: float64 arrays that float32 can hold, int64 arrays, and plain numbers and tuples.
    terms : int
        How many numbers are added up, at most, for one number of the result: rounding grows with its root.
    overwritten : tuple of int
        The arguments that are results as well.
    of_type : bool
        Whether the result depends on the type, so that what is expected has to be computed in it.
    odd : bool
        An odd size, and a small one, which the simulator can do as well.
    exact : bool
        Whether the result must be equal to the last bit.
    """

    routine: str
    what: str
    arguments: Callable[[np.random.Generator], tuple[Any, ...]]
    terms: int = 1
    overwritten: tuple[int, ...] = ()
    of_type: bool = False
    odd: bool = True
    exact: bool = False


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32).astype(np.float64)


def as_float32(array: np.ndarray) -> np.ndarray:
    """The nearest numbers that float32 holds."""
    return array.astype(np.float32).astype(np.float64)


def trials() -> list[Trial]:
    """All of them, the odd ones first."""
    found = [*convolutions(), *windows(), *products(), *norms(), *elementwise(), *losses(), *optimisers(), *chance()]
    return sorted(found, key=lambda trial: not trial.odd)


# -------------------------------------------------------------------------------------------------------- convolution

# what, (N, C, H, W), (O, kh, kw), stride, padding, dilation, groups
ODD = (
    ("primes", (3, 5, 13, 11), (7, 3, 5), (1, 1), (1, 2), (1, 1), 1),
    ("one picture", (1, 4, 9, 9), (6, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("no picture", (0, 4, 9, 9), (6, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("the stride does not divide", (2, 3, 10, 12), (5, 4, 3), (3, 2), (1, 0), (1, 1), 1),
    ("groups", (2, 6, 9, 8), (4, 3, 3), (2, 1), (1, 1), (1, 1), 2),
    ("a group for each channel", (2, 5, 7, 8), (5, 3, 3), (1, 1), (1, 1), (1, 1), 5),
    ("dilation", (2, 3, 14, 13), (4, 3, 2), (1, 2), (2, 1), (2, 3), 1),
    ("p > k − 1", (2, 3, 6, 5), (4, 2, 2), (1, 1), (3, 2), (1, 1), 1),
    ("k < s", (2, 3, 11, 11), (4, 2, 2), (3, 4), (0, 0), (1, 1), 1),
)
REAL = (  # a layer of a generator is one of these with input and output exchanged
    ("dcgan-mnist 1→64", (8, 1, 28, 28), (64, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("dcgan-mnist 64→128", (8, 64, 14, 14), (128, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("dcgan-64 3→64", (4, 3, 64, 64), (64, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("dcgan-64 64→128", (4, 64, 32, 32), (128, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("dcgan-64 128→256", (4, 128, 16, 16), (256, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("dcgan-64 256→512", (4, 256, 8, 8), (512, 4, 4), (2, 2), (1, 1), (1, 1), 1),
    ("dcgan-64 512→1", (4, 512, 4, 4), (1, 4, 4), (1, 1), (0, 0), (1, 1), 1),
    ("dcgan-64 512→100", (4, 512, 4, 4), (100, 4, 4), (1, 1), (0, 0), (1, 1), 1),
    ("lenet 1→16", (8, 1, 28, 28), (16, 5, 5), (1, 1), (2, 2), (1, 1), 1),
    ("lenet 16→32", (8, 16, 14, 14), (32, 5, 5), (1, 1), (0, 0), (1, 1), 1),
)


def convolutions() -> Iterator[Trial]:
    """The three of the triple at each size, and the moves they are made of."""
    for i, (what, (N, C, H, W), (O, kh, kw), *geometry) in enumerate(ODD + REAL):
        stride, padding, dilation, groups = geometry
        OH, OW = count((H, W), (kh, kw), stride, padding, dilation)
        x, w, g = (N, C, H, W), (O, C // groups, kh, kw), (N, O, OH, OW)
        has_bias, odd = i % 2 == 0, i < len(ODD)

        def forward(rng: Any, x=x, w=w, geometry=geometry, has_bias=has_bias) -> tuple[Any, ...]:
            return (normal(rng, *x), normal(rng, *w), *geometry, normal(rng, w[0]) if has_bias else None)

        def to_input(rng: Any, g=g, w=w, x=x, geometry=geometry, has_bias=has_bias) -> tuple[Any, ...]:
            bias = normal(rng, x[1]) if has_bias else None
            return (normal(rng, *g), normal(rng, *w), x[2:], *geometry, bias)

        def to_weight(rng: Any, x=x, g=g, w=w, geometry=geometry) -> tuple[Any, ...]:
            return (normal(rng, *x), normal(rng, *g), w[2:], *geometry)

        yield Trial("conv2d", what, forward, C // groups * kh * kw + 1, odd=odd)
        yield Trial("conv2d_input_grad", what, to_input, O // groups * kh * kw + 1, odd=odd)
        yield Trial("conv2d_weight_grad", what, to_weight, N * OH * OW, odd=odd)
        if odd and groups == 1:

            def gather(rng: Any, x=x, w=w, geometry=geometry) -> tuple[Any, ...]:
                return (normal(rng, *x), w[2:], *geometry[:3])

            def add(rng: Any, x=x, w=w, g=g, geometry=geometry) -> tuple[Any, ...]:
                return (normal(rng, *x[:2], *w[2:], *g[2:]), x[2:], *geometry[:3])

            yield Trial("unfold", what, gather, exact=True)
            yield Trial("fold", what, add, kh * kw)


def count(size: Pair, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)) -> Pair:
    """How many windows there are."""
    h, w = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel_size, stride, padding, dilation)
    )
    return h, w


def windows() -> Iterator[Trial]:
    """Pooling."""
    for what, (N, C, H, W), k, s, p, d in (
        ("primes", (2, 3, 13, 11), (3, 2), (2, 3), (1, 1), (1, 1)),
        ("dilation", (1, 5, 9, 10), (2, 3), (1, 2), (1, 0), (3, 2)),
        ("lenet", (8, 16, 28, 28), (2, 2), (2, 2), (0, 0), (1, 1)),
    ):
        odd, (OH, OW) = what != "lenet", count((H, W), k, s, p, d)
        undilated = count((H, W), k, s, p)

        def largest(rng: Any, x=(N, C, H, W), geometry=(k, s, p, d)) -> tuple[Any, ...]:
            return (normal(rng, *x), *geometry)

        def back(rng: Any, x=(N, C, H, W), g=(N, C, OH, OW), geometry=(k, s, p, d)) -> tuple[Any, ...]:
            from minigan.kernels import reference

            _, index = reference.max_pool2d(normal(rng, *x), *geometry)
            return (normal(rng, *g), index, x[2:], *geometry)

        def added(rng: Any, x=(N, C, H, W), geometry=(k, s, p)) -> tuple[Any, ...]:
            return (normal(rng, *x), *geometry)

        def spread(rng: Any, x=(N, C, H, W), g=(N, C, *undilated), geometry=(k, s, p)) -> tuple[Any, ...]:
            return (normal(rng, *g), x[2:], *geometry)

        yield Trial("max_pool2d", what, largest, odd=odd, exact=True)
        yield Trial("max_pool2d_backward", what, back, k[0] * k[1], odd=odd)
        yield Trial("sum_pool2d", what, added, k[0] * k[1], odd=odd)
        yield Trial("sum_pool2d_backward", what, spread, k[0] * k[1], odd=odd)


# ---------------------------------------------------------------------------------------------------- products, norms


def products() -> Iterator[Trial]:
    """Matrices, and the tile by tile product."""
    for what, (M, K, N), odd in (
        ("primes", (7, 13, 5), True),
        ("one row", (1, 17, 9), True),
        ("dcgan-mnist, noise to 128×7×7", (64, 100, 6272), False),
        ("dcgan-mnist, 128×7×7 to one", (64, 6272, 1), False),
        ("mlp-ring", (100, 200, 1000), False),
        ("large primes", (211, 499, 307), False),
    ):

        def plain(rng: Any, M=M, K=K, N=N) -> tuple[Any, ...]:
            return (normal(rng, M, K), normal(rng, K, N))

        def with_bias(rng: Any, M=M, K=K, N=N) -> tuple[Any, ...]:
            return (normal(rng, M, K), normal(rng, K, N), normal(rng, N))

        yield Trial("matmul", what, plain, K, odd=odd)
        yield Trial("matmul", f"{what}, bias", with_bias, K + 1, odd=odd)
        yield Trial("tiled_matmul", what, plain, K, odd=odd)


def norms() -> Iterator[Trial]:
    """Batch norm with and without LeakyReLU, and what belongs to it."""
    for what, x, offset, slope, affine in (
        ("primes", (3, 5, 7), 0.0, 1.0, True),
        ("one picture, leaky", (1, 3, 5, 4), 0.0, 0.2, True),
        ("far from zero", (6, 3, 2, 5), 100.0, 1.0, False),
        ("matrix, ReLU", (11, 6), 0.0, 0.0, True),
        ("dcgan-mnist 64, 14²", (64, 64, 14, 14), 0.0, 0.0, True),
        ("dcgan-64 512, 4²", (32, 512, 4, 4), 0.0, 0.2, True),
        ("mlp-ring", (100, 400), 0.0, 0.0, True),
        ("many rows of 37", (17, 37, 101, 59), 3.0, 0.2, True),
    ):
        M, odd = x[0] * int(np.prod(x[2:])), np.prod(x) < 1000
        # dividing by the deviation makes a result of what is left when the offset is taken away
        terms = M * (1 + int(offset))

        def forward(rng: Any, x=x, offset=offset, slope=slope, affine=affine) -> tuple[Any, ...]:
            return (as_float32(normal(rng, *x) + offset), *scale(rng, x[1], affine), 1e-5, slope)

        def backward(rng: Any, x=x, offset=offset, slope=slope, affine=affine) -> tuple[Any, ...]:
            from minigan.kernels import reference

            values, (weight, bias) = as_float32(normal(rng, *x) + offset), scale(rng, x[1], affine)
            _, mean, var = reference.batch_norm(values, weight, bias, 1e-5)
            mean, var = as_float32(mean), as_float32(var)
            if slope != 1:  # away from the kink, where rounding alone decides on the gradient
                near = np.abs(affine_of(values, weight, bias, mean, var)) < 1e-3
                values = as_float32(values + 0.05 * near * by_channel(np.sqrt(var), values))
            return (normal(rng, *x), values, weight, bias, mean, var, 1e-5, slope)

        def shift(rng: Any, x=x, slope=slope) -> tuple[Any, ...]:
            return (normal(rng, *x), normal(rng, x[1]), normal(rng, x[1]), slope)

        yield Trial("batch_norm", what, forward, terms, odd=odd)
        yield Trial("batch_norm_backward", what, backward, terms, odd=odd)
        yield Trial("channel_sum", what, lambda rng, x=x: (normal(rng, *x),), M, odd=odd)
        yield Trial("scale_and_shift", what, shift, odd=odd)


def scale(rng: np.random.Generator, C: int, affine: bool) -> tuple[Any, Any]:
    """γ and β, or nothing."""
    return (as_float32(1 + 0.1 * normal(rng, C)), normal(rng, C)) if affine else (None, None)


def affine_of(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, var: np.ndarray) -> np.ndarray:
    """γ·x̂ + β."""
    weight, bias, mean, std = (by_channel(a, x) for a in (weight, bias, mean, np.sqrt(var + 1e-5)))
    return weight * (x - mean) / std + bias


def by_channel(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Numbers of the channels in a shape that goes along with x."""
    return values.reshape(x.shape[1], *[1] * (x.ndim - 2))


# ---------------------------------------------------------------------------------------------------------- the others


def elementwise() -> Iterator[Trial]:
    """LeakyReLU, the largest over axes, order in memory."""
    for what, x, axes in (
        ("primes", (3, 5, 7), (1,)),
        ("two axes", (2, 3, 4, 5), (1, 3)),
        ("all", (7, 11), (0, 1)),
        ("mlp-ring, maxout", (100, 200, 5), (2,)),
        ("long rows", (7, 100_003), (1,)),
        ("many rows", (100_003, 3), (1,)),
    ):
        odd = int(np.prod(x)) < 1000

        def largest(rng: Any, x=x, axes=axes) -> tuple[Any, ...]:
            return (rounded(rng, *x), axes)

        def back(rng: Any, x=x, axes=axes) -> tuple[Any, ...]:
            values = rounded(rng, *x)
            top = values.max(axes)
            return (normal(rng, *top.shape) if top.ndim else np.array(1.5), values, np.asarray(top), axes)

        yield Trial("amax", what, largest, odd=odd, exact=True)
        yield Trial("amax_backward", what, back, odd=odd)
    for what, shape, odd in (
        ("primes", (3, 5, 7, 11), True),
        ("one number", (1,), True),
        ("dcgan-mnist 64, 14²", (64, 64, 14, 14), False),
        ("a million and three", (1_000_003,), False),
    ):
        for slope in (0.0, 0.2):

            def forward(rng: Any, shape=shape, slope=slope) -> tuple[Any, ...]:
                return (normal(rng, *shape), slope)

            def backward(rng: Any, shape=shape, slope=slope) -> tuple[Any, ...]:
                return (normal(rng, *shape), normal(rng, *shape), slope)

            yield Trial("leaky_relu", f"{what}, slope {slope}", forward, odd=odd)
            yield Trial("leaky_relu_backward", f"{what}, slope {slope}", backward, odd=odd)
    for what, shape, odd in (("primes", (2, 5, 7, 11), True), ("large primes", (3, 131, 97, 41), False)):

        def last(rng: Any, shape=shape) -> tuple[Any, ...]:
            N, C, H, W = shape
            return (normal(rng, N, H, W, C).transpose(0, 3, 1, 2),)

        yield Trial("contiguous", what, last, odd=odd, exact=True)


def rounded(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Tenths, so that there are ties."""
    return as_float32(np.round(normal(rng, *shape), 1))


def losses() -> Iterator[Trial]:
    """The heads, with each reduction."""
    for what, n, odd in (("primes", 13, True), ("a batch", 64, False), ("large prime", 100_003, False)):
        for reduction in ("none", "mean", "sum"):
            terms = 1 if reduction == "none" else n
            for name in ("bce_with_logits", "squared_error"):
                for one in (False, True):

                    def forward(rng: Any, n=n, one=one, reduction=reduction) -> tuple[Any, ...]:
                        return (3 * normal(rng, n), target(rng, n, one), reduction)

                    def backward(rng: Any, n=n, one=one, reduction=reduction) -> tuple[Any, ...]:
                        g = normal(rng, n) if reduction == "none" else np.array(1.5)
                        return (g, 3 * normal(rng, n), target(rng, n, one), reduction)

                    told = f"{what}, {reduction}" + (", one target" if one else "")
                    yield Trial(name, told, forward, terms, odd=odd)
                    yield Trial(f"{name}_backward", told, backward, odd=odd)
    for what, x, odd in (
        ("primes", (13, 7), True),
        ("pixels", (2, 5, 3, 4), True),
        ("lenet", (64, 10), False),
        ("many", (10_007, 11), False),
    ):
        for reduction in ("none", "mean", "sum"):

            def forward(rng: Any, x=x, reduction=reduction) -> tuple[Any, ...]:
                return (3 * normal(rng, *x), rng.integers(x[1], size=(x[0], *x[2:])), reduction)

            def backward(rng: Any, x=x, reduction=reduction) -> tuple[Any, ...]:
                index = rng.integers(x[1], size=(x[0], *x[2:]))
                g = normal(rng, *index.shape) if reduction == "none" else np.array(1.5)
                return (g, 3 * normal(rng, *x), index, reduction)

            terms = x[1] * (1 if reduction == "none" else x[0])
            yield Trial("cross_entropy", f"{what}, {reduction}", forward, terms, odd=odd)
            yield Trial("cross_entropy_backward", f"{what}, {reduction}", backward, x[1], odd=odd)


def target(rng: np.random.Generator, n: int, one: bool) -> np.ndarray:
    """Halves between 0 and 1; or a single one for all."""
    return np.array(1.0) if one else rng.integers(3, size=n) / 2


def optimisers() -> Iterator[Trial]:
    """Steps, first and later."""
    for n, odd in ((11, True), (1_000_003, False)):
        for step in (1, 7):
            for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):

                def sgd(rng: Any, n=n, step=step, momentum=momentum, nesterov=nesterov) -> tuple[Any, ...]:
                    p, g, buffer = normal(rng, n), normal(rng, n), normal(rng, n)
                    return (
                        p,
                        g,
                        buffer if momentum else None,
                        step,
                        0.1,
                        momentum,
                        0.1 * (not nesterov),
                        0.01,
                        nesterov,
                    )

                yield Trial("sgd", f"{n}, step {step}, momentum {momentum}, {nesterov}", sgd, 4, (0, 2), odd=odd)
            for decoupled in (False, True):

                def adam(rng: Any, n=n, step=step, decoupled=decoupled) -> tuple[Any, ...]:
                    moments = normal(rng, n), as_float32(normal(rng, n) ** 2)
                    return (normal(rng, n), normal(rng, n), *moments, step, 1e-2, (0.5, 0.999), 1e-8, 0.01, decoupled)

                yield Trial("adam", f"{n}, step {step}, decoupled {decoupled}", adam, 8, (0, 2, 3), odd=odd)
        for centred in (False, True):

            def rmsprop(rng: Any, n=n, centred=centred) -> tuple[Any, ...]:
                mean = as_float32(0.1 * normal(rng, n))
                square = as_float32(mean**2 + 1 + normal(rng, n) ** 2)
                moments = (square, mean, normal(rng, n)) if centred else (square, None, None)
                return (normal(rng, n), normal(rng, n), *moments, 1e-2, 0.99, 1e-8, 0.01, 0.9 * centred)

            yield Trial("rmsprop", f"{n}, centred {centred}", rmsprop, 8, (0, 2, 3, 4), odd=odd)


def chance() -> Iterator[Trial]:
    """Random numbers: uniform ones to the last bit, normal ones but for the rounding of a logarithm and a sine."""
    for n, odd in ((1, True), (13, True), (1_000_003, False)):
        for counter in (0, 2**32 - 2):

            def fill(rng: Any, n=n, counter=counter) -> tuple[Any, ...]:
                return (np.zeros(n), 0x0123456789ABCDEF, counter)

            what = f"{n} from {counter}"
            yield Trial("fill_uniform", what, fill, overwritten=(0,), of_type=True, odd=odd, exact=True)
            yield Trial("fill_normal", what, fill, 16, (0,), of_type=True, odd=odd)
