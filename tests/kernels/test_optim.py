"""minigan.kernels.*.optim: the compiled steps against those in NumPy, and the paper; threads; what is left alone."""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn, lay_out_read_only
from simulator import EVERYWHERE, IN_SIMULATOR, simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import optim as cpu_optim
from minigan.kernels.cpu import threads
from minigan.kernels.reference import optim as reference_optim

ULPS = {"float32": 5e-6, "float64": 1e-14}
LAYOUTS = ["C", "Fortran", "reversed", "every second", "repeated"]

# Of each routine: the running averages it may be given (None: left out), and numbers for its other arguments.
ROUTINES = {
    "sgd": ([(None,), ("b",)], {"momentum": 0.9, "dampening": 0.3}),
    "rmsprop": (
        [("v", None, None), ("v", "m", None), ("v", None, "b"), ("v", "m", "b")],
        {"alpha": 0.9, "momentum": 0.7},
    ),
    "adam": ([("m", "v")], {"betas": (0.5, 0.9)}),
}
CASES = [(name, averages) for name, (choices, _) in ROUTINES.items() for averages in choices]
EVERY_CASE = pytest.mark.parametrize(("name", "averages"), CASES, ids=str)


def arrays_for(averages, shape, dtype, rng):
    """The parameter, its gradient and the running averages, of which v is positive."""
    drawn = {name: rng.uniform(1, 2, shape) if name == "v" else rng.standard_normal(shape) for name in "pgvmb"}
    return [None if name is None else np.asarray(drawn[name], dtype) for name in ("p", "g", *averages)]


def step(backend, name, arrays, **numbers):
    """One call, the numbers given by name; what is not given is the routine's in ROUTINES, or nothing special."""
    usual = {
        "step": 2,
        "lr": 0.1,
        "weight_decay": 0.0,
        "eps": 1e-3,
        "nesterov": False,
        "decoupled": False,
        "dampening": 0.0,
    }
    known = usual | ROUTINES[name][1] | numbers
    names = list(inspect.signature(getattr(backend, name)).parameters)[len(arrays) :]
    return getattr(backend, name)(*arrays, *[known[n] for n in names])


@pytest.mark.parametrize("backend", [cpu], ids=["cpu"])
@EVERY_CASE
@drawn(40)
@given(data=st.data())
def test_the_compiled_step_is_that_of_numpy(backend, name, averages, data):
    dtype, layout = data.draw(st.sampled_from(list(ULPS))), data.draw(st.sampled_from(LAYOUTS))
    shape = tuple(data.draw(st.lists(st.integers(0, 5), max_size=3)))
    numbers = {
        "step": data.draw(st.integers(1, 3)),
        "lr": data.draw(st.sampled_from([0.0, 1e-3, 1.0])),
        "weight_decay": data.draw(st.sampled_from([0.0, 0.1])),
        "nesterov": data.draw(st.booleans()),
        "decoupled": data.draw(st.booleans()),
    }
    ours = arrays_for(averages, shape, dtype, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
    ours[1] = lay_out_read_only(ours[1], layout)
    theirs = [None if a is None else a.copy() for a in ours]
    before = ours[1].copy()
    assert step(backend, name, ours, **numbers) is None
    assert step(reference, name, theirs, **numbers) is None
    np.testing.assert_array_equal(ours[1], before)
    for a, b in zip(ours, theirs):
        if a is not None:
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=ULPS[dtype], atol=ULPS[dtype])


test_the_step_in_the_simulator = EVERY_CASE(simulated(test_the_compiled_step_is_that_of_numpy, 20, data=st.data()))


@EVERY_CASE
@IN_SIMULATOR
def test_parameters_behind_each_other_in_one_buffer_take_the_same_steps(backend, name, averages):
    """The whole network in one call, where each of its parameters is a piece of the buffer; to the last bit."""
    rng = np.random.default_rng(0)
    shapes = [(3, 2, 2), (1,), (5,), (2, 7)]
    one_by_one = [arrays_for(averages, shape, "float32", rng) for shape in shapes]
    together = [
        None if arrays[0] is None else np.concatenate([a.reshape(-1) for a in arrays]) for arrays in zip(*one_by_one)
    ]
    for t in (1, 2, 3):
        step(backend, name, together, step=t, weight_decay=0.01)
        for arrays in one_by_one:
            step(backend, name, arrays, step=t, weight_decay=0.01)
    for whole, parts in zip(together, zip(*one_by_one)):
        if whole is not None:
            np.testing.assert_array_equal(whole, np.concatenate([a.reshape(-1) for a in parts]))


@EVERYWHERE
def test_adam_is_algorithm_1_of_the_paper_one_number_at_a_time(backend):
    theta, m, v = 1.0, 0.0, 0.0
    arrays = [np.array([theta]), np.array([0.0]), np.zeros(1), np.zeros(1)]
    for t, g in enumerate([3.0, -1.0, 0.5, 0.0, 2.0], start=1):
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
        theta -= 0.1 * (m / (1 - 0.5**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-8)
        arrays[1] = np.array([g])
        step(backend, "adam", arrays, step=t, eps=1e-8)
        assert arrays[0][0] == pytest.approx(theta, rel=1e-14)


@pytest.mark.parametrize("size", [1, 2, 17, 4096, 100_003])
@pytest.mark.parametrize("shared_among", [2, 3, 7])
def test_the_number_of_threads_changes_no_bit(size, shared_among, monkeypatch):
    """Each number has a history of its own, wherever the array is cut."""
    results = []
    for n in (1, shared_among):
        monkeypatch.setattr(cpu_optim, "threads_for", lambda work, n=n: n)
        arrays = arrays_for(("m", "v"), size, "float32", np.random.default_rng(0))
        step(cpu, "adam", arrays, weight_decay=0.01)
        results.append(arrays)
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


def test_only_long_parameters_are_shared(monkeypatch):
    asked = []
    monkeypatch.setattr(cpu_optim, "threads_for", lambda work: asked.append(work) or 1)
    for size in (100, 1_000_000):
        step(cpu, "adam", arrays_for(("m", "v"), size, "float32", np.random.default_rng(0)))
    assert asked[0] < threads.WORTH_SHARING < asked[1]


@EVERYWHERE
def test_an_infinite_weight_without_decay_is_no_nan(backend):
    """0·∞ would be one."""
    for name, averages in CASES:
        arrays = arrays_for(averages, 3, "float64", np.random.default_rng(0))
        arrays[0][1] = np.inf
        step(backend, name, arrays)
        assert arrays[0][1] == np.inf


@pytest.mark.parametrize("name", ROUTINES)
@EVERYWHERE
def test_numbers_may_be_integers(backend, name):
    """A user may set `group["lr"] = 1`; the loops are compiled for floats."""
    ours, theirs = (arrays_for(ROUTINES[name][0][0], 5, "float32", np.random.default_rng(0)) for _ in "ab")
    numbers = {"lr": 1, "weight_decay": 1, "momentum": 0, "betas": (0, 0)}
    step(backend, name, ours, **numbers)
    step(reference, name, theirs, **numbers)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-5)


def test_both_say_the_same_about_themselves():
    for name in ROUTINES:
        ours, theirs = getattr(cpu_optim, name), getattr(reference_optim, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert ours.__doc__ == re.sub(r"kernels\.reference", "kernels.cpu", theirs.__doc__)
