"""Section `kernels`: every routine of kernels/cuda against kernels/reference. Imports trials, clock, minigan's backend.

What is expected is computed by the reference in float64, and so is what float32 is held to. A result may be wrong by

    ε · (10 + 3·√terms)        of the largest number in it

where ε is the distance from 1 to the next number and `terms` is how many numbers were added up. The partial sums of random
terms grow like √k, and each addition rounds by at most ε/2 of its sum in a random direction; so a sum of n such terms is
wrong by about ε·n/√8, and the largest sum is √n or more: their ratio is ε·√n/3. TF32, with its ε of 1/1024, is far outside.

On a card each trial runs in both ways of `launch.WAYS`, on the null stream, and on another, on which the arguments arrive
late: behind some milliseconds of other work, and until then NaN stands in their place. A kernel that does not wait in that
stream finds NaN. The pictures lie in C order in the first case and channels-last in the second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpu.clock import few_threads, host, keep_busy, synchronize
from gpu.record import Check
from gpu.trials import Trial, trials
from minigan import backend
from minigan.kernels import reference

TITLE = "kernels/cuda against kernels/reference"
SECONDS = 110
TYPES = (np.float32, np.float64)


@dataclass(frozen=True)
class Setting:
    """How a trial is run: the way of launching, the stream, and whether pictures lie channels-last."""

    way: str
    stream: str

    def __str__(self) -> str:
        return f"{self.way}, {self.stream} stream"


@dataclass
class Tally:
    """The trials of one routine in one type."""

    runs: int = 0
    error: float = 0.0
    bound: float = 0.0
    worst: str = ""
    wrong: int = 0
    differing: int = 0

    def take(self, error: float, bound: float, where: str) -> None:
        self.runs += 1
        self.wrong += not error <= bound
        if not self.worst or compared(error, bound) > compared(self.error, self.bound):
            self.error, self.bound, self.worst = error, bound, where


def compared(error: float, bound: float) -> float:
    """How much of its bound an error uses up."""
    return error / bound if bound else np.inf if error else 0.0


def run(check: Check) -> None:
    """Try all, and tell for each routine and type the trial that came nearest to its bound."""
    module = backend.kernels(backend.empty((1,), np.float32, check.device))
    if check.device == "cuda":
        backend.allow_tf32(False)
    tallies: dict[tuple[str, str], Tally] = {}
    known = [trial for trial in trials() if hasattr(module, trial.routine)]
    untried = sorted(set(module.__all__) - {trial.routine for trial in known})
    if untried:
        check.fail(f"There is no trial of {', '.join(untried)}.")
    with all_ways(check.device) as settings, few_threads(check.device, 4):
        for trial in check.progress(t for t in known if t.odd or not check.quick):
            with check.part(f"{trial.routine}, {trial.what}"):
                attempt(check, module, trial, settings, tallies)
    for (routine, dtype), t in sorted(tallies.items()):
        found = {"runs": t.runs, "wrong": t.wrong, "largest error": t.error, "bound": t.bound}
        found["other bits"] = t.differing
        check.row("the error that came nearest to its bound", routine=routine, type=dtype, **found, trial=t.worst)
    check.note(f"Settings: {'; '.join(map(str, settings))}.")
    check.note("Other bits: trials whose results were not the same to the last bit in all settings.")


def attempt(
    check: Check, module: Any, trial: Trial, settings: list[Setting], tallies: dict[tuple[str, str], Tally]
) -> None:
    """Run a trial in both types and all settings."""
    arguments = trial.arguments(np.random.default_rng(0))
    exact = expected(trial, arguments, np.float64)
    for dtype in TYPES:
        right = expected(trial, arguments, dtype) if trial.of_type else exact
        tally = tallies.setdefault((trial.routine, dtype.__name__), Tally())
        bound = 0.0 if trial.exact else float(np.finfo(dtype).eps) * (10 + 3 * float(np.sqrt(trial.terms)))
        results = []
        for setting in settings:
            where = f"{trial.what} ({setting})"
            with check.part(f"{trial.routine}, {dtype.__name__}, {where}"), use(setting):
                found = outcome(getattr(module, trial.routine), trial, arguments, dtype, check.device, setting)
                results.append(found)
                error = max((distance(a, b, dtype) for a, b in zip(found, right, strict=True)), default=0.0)
                tally.take(error, bound, where)
                if not error <= bound:
                    check.fail(f"{trial.routine}, {dtype.__name__}, {where}: off by {error:.3g}, allowed {bound:.3g}")
        tally.differing += any(not same_bits(results[0], other) for other in results[1:])


def expected(trial: Trial, arguments: tuple[Any, ...], dtype: Any) -> list[np.ndarray]:
    """What the reference makes of it."""
    routine = getattr(reference, "matmul" if trial.routine == "tiled_matmul" else trial.routine)
    given = [a.astype(dtype) if is_float(a) else a for a in arguments]
    return results_of(routine(*given), given, trial)


def outcome(
    routine: Any, trial: Trial, arguments: tuple[Any, ...], dtype: Any, device: str, setting: Setting
) -> list[np.ndarray]:
    """What the routine makes of it on the device."""
    hosts = [a.astype(dtype) if is_float(a) else a for a in arguments]
    given = [moved(a, device) if isinstance(a, np.ndarray) else a for a in hosts]
    if setting.stream == "another":
        given = delayed(given, trial)
    return [np.asarray(host(a)) for a in results_of(routine(*given), given, trial)]


def moved(array: np.ndarray, device: str) -> Any:
    """A copy on the device, channels-last if the array is."""
    if array.ndim != 4 or array.flags.c_contiguous:
        return backend.to_device(array.copy(), device)
    last = np.ascontiguousarray(array.transpose(0, 2, 3, 1))
    return backend.to_device(last, device).transpose(0, 3, 1, 2)


def delayed(given: list[Any], trial: Trial) -> list[Any]:
    """The same arguments, which arrive in the current stream only after some milliseconds of other work."""
    places = []
    for i, a in enumerate(given):
        if not backend.is_array(a):
            places.append(a)
        elif a.ndim == 4 and i not in trial.overwritten:
            N, C, H, W = a.shape
            places.append(np.empty((N, H, W, C), a.dtype, like=a).transpose(0, 3, 1, 2))
        else:
            places.append(np.empty(a.shape, a.dtype, like=a))
        if backend.is_array(a):
            places[-1][...] = np.nan if a.dtype.kind == "f" else 0
    synchronize("cuda")
    keep_busy("cuda")
    for place, a in zip(places, given):
        if backend.is_array(a):
            place[...] = a
    return places


def results_of(returned: Any, given: list[Any], trial: Trial) -> list[Any]:
    """What came back, and what was overwritten."""
    back = [] if returned is None else list(returned) if isinstance(returned, tuple) else [returned]
    return [*back, *[given[i] for i in trial.overwritten if given[i] is not None]]


def distance(found: np.ndarray, right: np.ndarray, dtype: Any) -> float:
    """The largest difference over the largest number; infinity where shapes, types or NaNs differ."""
    right = np.asarray(right)
    if found.shape != right.shape or found.dtype.kind != right.dtype.kind:
        return np.inf
    if found.dtype.kind != "f":
        return 0.0 if np.array_equal(found, right) else np.inf
    if found.dtype != dtype and found.dtype != np.float64:  # means and variances may be float64
        return np.inf
    if not np.array_equal(np.isfinite(found), np.isfinite(right)):
        return np.inf
    finite = np.isfinite(right)
    if not np.array_equal(found[~finite], right[~finite].astype(found.dtype), equal_nan=True):
        return np.inf
    apart = np.abs(found[finite].astype(np.float64) - right[finite]).max(initial=0.0)
    return float(apart / (np.abs(right[finite]).max(initial=0.0) or 1.0))


def same_bits(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b))


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype == np.float64


# ------------------------------------------------------------------------------------------------------------ settings


@contextlib.contextmanager
def all_ways(device: str) -> Iterator[list[Setting]]:
    """The settings there are on the device; how kernels are launched is put back at the end."""
    if device != "cuda":
        yield [Setting("simulated" if device == "cudasim" else "on the CPU", "no")]
        return
    from minigan.kernels.cuda import launch

    before = launch.run
    try:
        yield [Setting(way, stream) for way in launch.WAYS for stream in ("the null", "another")]
    finally:
        launch.run = before


@contextlib.contextmanager
def use(setting: Setting) -> Iterator[None]:
    """Launch in that way, on that stream."""
    if setting.stream == "no":
        yield
        return
    import cupy

    from minigan.kernels.cuda import launch

    launch.run = launch.WAYS[setting.way]
    with cupy.cuda.Stream.null if setting.stream == "the null" else _another():
        yield


_streams: list[Any] = []


def _another() -> Any:
    """A stream that does not wait for the null stream."""
    import cupy

    if not _streams:
        _streams.append(cupy.cuda.Stream(non_blocking=True))
    return _streams[0]
