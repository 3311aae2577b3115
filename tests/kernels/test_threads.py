"""Short routines run on one thread, long ones on as many as are set."""

import numba
import numpy as np
import pytest

from minigan.kernels import cpu
from minigan.kernels.cpu import threads


@pytest.fixture(autouse=True)
def _same_number_afterwards():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def test_at_first_all_that_numba_launches_are_used():
    assert threads.get_num_threads() == threads.LAUNCHED == numba.config.NUMBA_NUM_THREADS


def test_short_work_stays_on_one_thread_and_long_work_is_shared():
    for nanoseconds in (0, 500, threads.WORTH_SHARING - 1):
        assert threads.threads_for(nanoseconds) == 1
    for nanoseconds in (threads.WORTH_SHARING, 1e9):
        assert threads.threads_for(nanoseconds) == threads.LAUNCHED


def test_the_number_that_is_set_counts_for_us_and_for_numba():
    for n in {1, threads.LAUNCHED}:
        threads.set_num_threads(n)
        assert threads.get_num_threads() == threads.threads_for(1e9) == numba.get_num_threads() == n


def test_a_number_that_numba_refuses_changes_nothing():
    for n in (0, threads.LAUNCHED + 1):
        with pytest.raises(ValueError, match="number of threads must be between 1 and"):
            threads.set_num_threads(n)
    assert threads.get_num_threads() == threads.LAUNCHED


def test_the_results_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape, np.float32) for shape in ((9, 24, 14, 14), (40, 24, 4, 4)))
    geometry = (2, 2), (1, 1), (1, 1), 1
    results = []
    for n in (1, threads.LAUNCHED):
        threads.set_num_threads(n)
        y = cpu.conv2d(x, weight, *geometry)
        x_grad = cpu.conv2d_input_grad(y, weight, (14, 14), *geometry)
        weight_grad = cpu.conv2d_weight_grad(x, y, (4, 4), *geometry)
        z, mean, var = cpu.batch_norm(y, None, None, 1e-5)
        results.append((y, x_grad, weight_grad, z, mean, var))
    for one, shared in zip(*results):
        np.testing.assert_array_equal(one, shared)
