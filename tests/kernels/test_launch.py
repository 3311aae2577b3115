"""minigan.kernels.cuda.launch: how many threads a kernel gets, and that any number of them is right."""

import importlib

import numpy as np
import pytest
from simulator import SKIP, Simulated, launch

pytestmark = SKIP or []


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 255, 256, 257])
def test_the_least_power_of_two(n):
    power = launch.power_of_two(n)
    assert power >= n
    assert bin(power).count("1") == 1
    assert power == 1 or power // 2 < n


@pytest.mark.parametrize("threads", [1, 4, 256, 1024])
@pytest.mark.parametrize("extent", [(1,), (5,), (3, 7), (1, 1, 100), (2000, 9, 4), (64, 14, 128)])
def test_a_block_has_no_more_threads_than_it_may_and_none_in_vain(extent, threads):
    block = launch.block_of(extent, threads)
    assert np.prod(block) <= threads
    assert block[2] <= 64  # CUDA's limit
    for side, n in zip(block, (*extent, 1, 1)):
        assert bin(side).count("1") == 1
        assert side <= launch.power_of_two(n)


def test_a_grid_has_a_thread_for_each_or_as_many_blocks_as_it_may(monkeypatch):
    seen = []
    monkeypatch.setattr(launch, "run", lambda kernel, grid, block, shared, args: seen.append((grid, block)))
    with launch.using(threads=4, blocks=3):
        for extent in ((1,), (9,), (100,), (2, 5), (0,), (3, 0)):
            launch.launch(None, extent)
    assert seen == [
        ((1, 1, 1), (1, 1, 1)),
        ((3, 1, 1), (4, 1, 1)),
        ((3, 1, 1), (4, 1, 1)),
        ((1, 3, 1), (2, 2, 1)),
    ]


def test_using_ends_with_its_block_also_by_an_error():
    def chosen():
        return launch.THREADS, launch.TEAM, launch.BLOCKS

    def fail():
        with launch.using(threads=2, blocks=5):
            assert chosen() == (2, 2, (5, 5, 5))
            raise ZeroDivisionError

    before = chosen()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert chosen() == before


@pytest.mark.parametrize("threads", [1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("blocks", [1, 5])
def test_routines_are_right_with_any_number_of_threads(threads, blocks):
    backend, x = Simulated(threads, blocks), np.random.default_rng(0).standard_normal((9, 5))
    np.testing.assert_array_equal(backend.leaky_relu(x, 0), np.maximum(x, 0))
    np.testing.assert_array_equal(backend.amax(x, (1,)), x.max(1))
    np.testing.assert_allclose(backend.channel_sum(x), x.sum(0), rtol=1e-13)
    np.testing.assert_allclose(backend.batch_norm(x, None, None, 1e-5)[2], x.var(0), rtol=1e-13)
    np.testing.assert_allclose(backend.tiled_matmul(x, x.T), x @ x.T, rtol=1e-13)
    np.testing.assert_allclose(backend.squared_error(x, np.zeros(()), "sum"), np.square(x).sum(), rtol=1e-13)


def test_all_kernels_are_known_by_name():
    """For whoever compiles or times them all."""
    files = {name.partition(".")[0] for name in launch.KERNELS}
    assert files == {"activation", "conv", "layout", "loss", "matmul", "norm", "optim", "pool", "random", "reduce"}
    for name, kernel in launch.KERNELS.items():
        file, _, function = name.partition(".")
        assert getattr(importlib.import_module(f"minigan.kernels.cuda.{file}"), function) is kernel
