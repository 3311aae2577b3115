"""The loops are compiled also where no cache can be kept."""

import numba

from minigan.kernels.cpu import compile as module


def test_without_a_place_for_a_cache_the_routine_is_compiled_all_the_same(monkeypatch):
    asked = []

    def njit(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return numba.njit(**options)

    monkeypatch.setattr(module, "njit", njit)

    @module.compiled()
    def double(x):
        return 2 * x

    assert double(21) == 42
    assert asked == [True, False]
