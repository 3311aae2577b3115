"""The loop around the steps: progress, metrics, samples, checkpoints, interruption, resuming. Imports run_folder.

It knows nothing of GANs. A step is a function of k batches that changes the state and returns numbers to log; the state is
whatever has `state_dict` and `load_state_dict`. Batches are a pure function of the step (`data.Batches`) and all chance
comes from one generator whose state is saved, so a resumed run computes what it would have computed: bit for bit.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from minigan.creation import get_rng_state, set_rng_state
from minigan.data import Batches
from minigan.tensor import Tensor
from minigan.train.checkpoint import load_checkpoint, save_checkpoint
from minigan.train.run_folder import RunError, RunFolder

SECONDS_BETWEEN_CHECKPOINTS = 120.0


class Stateful(Protocol):
    """A network, an optimiser, a schedule: what can be saved and put back."""

    def state_dict(self) -> Mapping[str, Any]: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...


def fit(
    run: RunFolder,
    step: Callable[[Sequence[Any]], Mapping[str, float]],
    batches: Batches,
    state: Mapping[str, Stateful],
    *,
    steps: int,
    batches_per_step: int = 1,
    sample: Callable[[], Tensor] | None = None,
    drawing: Mapping[str, Any] | None = None,
    resume: str = "--resume {run}",
) -> dict[str, float]:
    """Run `step` until `steps` have been made in all, from wherever the run's checkpoint stands.

    Parameters
    ----------
    run : RunFolder
        Gets a row of `metrics.csv` each step; at step 0, at the end of each epoch and at the end of the run a grid of
        samples; with each checkpoint the curves. A checkpoint is saved at step 0, at the end of each epoch, at the end
        of the run, every two minutes, and when the run is interrupted with Ctrl-C.
    step : callable
        Takes a list of `batches_per_step` batches, changes the state, returns the metrics.
    batches : Batches
    state : mapping of names to objects with `state_dict` and `load_state_dict`
    steps : int
        How many steps the run has in all, those before a resume included.
    batches_per_step : int, default 1
    sample : callable, optional
        Draws samples `(N, ...)` from fixed latents; must draw nothing by chance.
    drawing : mapping, optional
        How `RunFolder.save_samples` is to draw them: `nrow`, `reals`.
    resume : str, default "--resume {run}"
        By what, an interrupted run says, one goes on with it.

    Returns
    -------
    dict
        The metrics of the last step (empty if there was none left to make).

    Raises
    ------
    RunError
        If the checkpoint does not fit the state.
    SystemExit
        With code 130, after Ctrl-C: the checkpoint is saved, and a line says how to resume.
    """
    from tqdm import tqdm

    drawing = dict(drawing or {})
    done = restore(run, state)
    epoch_steps = max(1, len(batches) // batches_per_step)
    stream = _stream(batches, start=done * batches_per_step)
    metrics: dict[str, float] = {}
    if done == 0:
        if sample is not None:
            run.save_samples(sample().cpu().numpy(), "step-000000", **drawing)
        save(run, state, 0)  # from here on the run can be resumed
    saved_at = time.monotonic()
    size = batches.batch_size * batches_per_step
    with (
        _interruptible() as interrupted,
        tqdm(total=steps * size, initial=done * size, unit=" samples", smoothing=0.05) as bar,
    ):
        while done < steps and not interrupted():
            metrics = dict(step(list(itertools.islice(stream, batches_per_step))))
            done += 1
            epoch_ends = done % epoch_steps == 0
            run.log({"step": done, "epoch": done / epoch_steps, **metrics})
            bar.set_postfix({name: f"{value:.3f}" for name, value in metrics.items()}, refresh=False)
            bar.update(size)
            if sample is not None and (epoch_ends or done == steps):
                run.save_samples(sample().cpu().numpy(), f"step-{done:06d}", **drawing)
            if (
                epoch_ends
                or done == steps
                or interrupted()
                or time.monotonic() - saved_at > SECONDS_BETWEEN_CHECKPOINTS
            ):
                save(run, state, done)
                saved_at = time.monotonic()
    stream.close()
    if done < steps:
        print(
            f"Interrupted after step {done} of {steps}; everything is saved. Go on with:  {resume.format(run=run.path)}"
        )
        raise SystemExit(130)
    return metrics


def save(run: RunFolder, state: Mapping[str, Stateful], step: int) -> None:
    """Put the metrics on the disk, save the state and that of the random generator, and draw the curves."""
    run.flush()
    arrays = {
        f"{name}/{key}": np.asarray(value) for name, part in state.items() for key, value in part.state_dict().items()
    }
    save_checkpoint(run.checkpoint_path, arrays, {"step": step, "rng": get_rng_state()})
    run.plot()


def restore(run: RunFolder, state: Mapping[str, Stateful]) -> int:
    """Put back the state of the run's checkpoint, cut the metrics off behind it, and return its step (0 without one)."""
    if not run.checkpoint_path.exists():
        return 0
    arrays, meta = load_checkpoint(run.checkpoint_path)
    parts: dict[str, dict[str, np.ndarray]] = {name: {} for name in state}
    for key, array in arrays.items():
        name, _, inner = key.partition("/")
        if name not in parts:
            raise RunError(f"{run.checkpoint_path}: holds {name!r}, but this program trains {', '.join(state)}")
        parts[name][inner] = array
    for name, part in state.items():
        try:
            part.load_state_dict(parts[name])
        except ValueError as error:
            raise RunError(f"{run.checkpoint_path}: {name} is not the one of this program: {error}") from error
    try:
        set_rng_state(meta["rng"])
    except ValueError:
        raise RunError(
            f"{run.checkpoint_path}: its random numbers are those of an earlier version of minigan, which this one cannot "
            f"go on with; begin the run anew"
        ) from None
    run.truncate_metrics(meta["step"])
    return int(meta["step"])


def _stream(batches: Batches, start: int) -> Generator[Any, None, None]:
    """Batches without end, epoch after epoch, from batch `start` of all on."""
    first, offset = divmod(start, len(batches))
    for epoch in itertools.count(first):
        yield from batches.epoch(epoch, offset)
        offset = 0


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Inside the block the first Ctrl-C only makes the returned function true, so that a step is never left half made."""
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(signum: int, frame: Any) -> None:
        pressed.append(signum)
        signal.signal(signal.SIGINT, before)  # a second Ctrl-C ends the program at once

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
