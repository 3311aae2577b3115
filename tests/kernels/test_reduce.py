"""minigan.kernels.*.reduce: the largest element and its gradient, also of ties, infinities and NaN."""

import inspect
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn, lay_out_read_only
from simulator import EVERYWHERE, simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import reduce as cpu_reduce
from minigan.kernels.reference import reduce as reference_reduce

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
LAYOUTS = ["C", "Fortran", "channels-last", "reversed", "every second", "repeated"]


@st.composite
def reductions(draw, longest=cpu_reduce.SHORT + 3):
    """x of few different values, so that ties are common, and sorted axes, of which one may be long."""
    sizes = st.sampled_from([1, 2, 3, 5, longest])
    shape = tuple(draw(st.lists(sizes, min_size=0, max_size=3)))
    axes = tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1)) if shape else st.just(set()))))
    values = draw(st.sampled_from([[-1, 0, 1], [-np.inf, 0, np.inf], [-np.inf], [np.nan, 0, 1]]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return lay_out_read_only(np.asarray(rng.choice(values, shape), dtype), draw(st.sampled_from(LAYOUTS))), axes, rng


@BACKENDS
@drawn(150)
@given(reduction=reductions())
def test_is_the_definition(backend, reduction):
    """Every element that equals the largest gets its share of the gradient, in a plain loop over all of them."""
    x, axes, rng = reduction
    before = x.copy()
    y = backend.amax(x, axes)
    np.testing.assert_array_equal(y, np.max(x, axis=axes))
    grad = np.asarray(rng.standard_normal(np.shape(y)), x.dtype)
    grad_x = backend.amax_backward(grad, x, np.asarray(y), axes)
    assert (np.asarray(y).dtype, grad_x.dtype, grad_x.shape) == (x.dtype, x.dtype, x.shape)
    best, arriving = np.expand_dims(y, axes), np.expand_dims(grad, axes)
    best, arriving = np.broadcast_to(best, x.shape), np.broadcast_to(arriving, x.shape)
    hits = np.broadcast_to((x == best).sum(axes, keepdims=True), x.shape)
    for at in np.ndindex(x.shape):
        if np.isnan(best[at]):
            assert np.isnan(grad_x[at])
        elif x[at] == best[at]:
            assert grad_x[at] == pytest.approx(arriving[at] / hits[at], rel=1e-6)
        else:
            assert grad_x[at] == 0
    np.testing.assert_array_equal(x, before)


test_in_the_simulator = simulated(test_is_the_definition, 80, reduction=reductions(longest=11))


@EVERYWHERE
def test_nothing_is_reduced_to_nothing(backend):
    x = np.zeros((0, 3, 2), np.float32)
    y = backend.amax(x, (1,))
    assert y.shape == (0, 2)
    assert backend.amax_backward(y, x, y, (1,)).shape == x.shape


@pytest.mark.parametrize("shape", [(100, 200, 5), (100, 5, 200), (4, 6, 3, 2)])
def test_the_compiled_routines_are_those_of_numpy(shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for axes in ((1,), (2,), (0, 2), tuple(range(len(shape)))):
        y = reference.amax(x, axes)
        np.testing.assert_array_equal(cpu.amax(x, axes), y)
        args = np.ones_like(y), x, np.asarray(y), axes
        np.testing.assert_array_equal(cpu.amax_backward(*args), reference.amax_backward(*args))


def test_both_say_the_same_about_themselves():
    for name in ("amax", "amax_backward"):
        ours, theirs = getattr(cpu_reduce, name), getattr(reference_reduce, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert ours.__doc__ == re.sub(r"kernels\.reference", "kernels.cpu", theirs.__doc__)
