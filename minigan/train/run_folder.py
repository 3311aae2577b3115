"""The folder that a training run fills: its settings, metrics, samples, curves and checkpoint.

Imports of minigan: the checkpoint beside it, and `minigan.viz` for everything that is drawn.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from minigan.files import write_atomically
from minigan.train.checkpoint import CheckpointError, load_checkpoint, to_json
from minigan.viz.plots import plot_losses, read_metrics
from minigan.viz.samples import save_samples

FORMAT = "minigan run, version 1"
RECORDED_PACKAGES = ("minigan", "numpy", "numba", "scipy")  # those that decide what a run computes


class RunError(RuntimeError):
    """A run folder cannot be created, or is damaged and cannot be resumed."""


class RunFolder:
    """One training run on disk::

        runs/dcgan-mnist-20260131-235959/
            config.json              every setting, the versions of the packages, the platform
            metrics.csv              a row of numbers for each logged step
            samples/step-000123.png  generated images, points or series
            losses.png               the metrics as curves
            checkpoint.safetensors   everything needed to go on

    All but `metrics.csv` are replaced whole or not at all. Rows of `metrics.csv` are buffered: call `flush` before a
    checkpoint is saved, so that every row up to its step is on the disk, and `truncate_metrics` with its step after it
    was loaded. Then the file of a run that was killed and resumed is, byte for byte, that of a run that was not.

    Made by `RunFolder.create` and `RunFolder.open`. As a context manager it closes `metrics.csv` at the end.

    Attributes
    ----------
    path : Path
        The folder; `config_path`, `metrics_path`, `samples_path`, `losses_path`, `checkpoint_path` lie in it.
    config : dict
        The settings that `create` was given.

    Examples
    --------
    >>> import tempfile
    >>> with RunFolder.create(Path(tempfile.mkdtemp()) / "run", {"seed": 0, "lr": 2e-4}) as run:
    ...     run.log({"step": 1, "d_loss": 1.386, "g_loss": 0.693})
    ...     _ = run.save_samples(np.zeros((16, 1, 28, 28)), "step-000001")
    ...     run.plot()
    >>> sorted(entry.name for entry in run.path.iterdir())
    ['config.json', 'losses.png', 'metrics.csv', 'samples']
    """

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.config_path = path / "config.json"
        self.metrics_path = path / "metrics.csv"
        self.samples_path = path / "samples"
        self.losses_path = path / "losses.png"
        self.checkpoint_path = path / "checkpoint.safetensors"
        self._record = record  # all that config.json holds
        self._file: TextIO | None = None  # metrics.csv, from the first row on
        self._columns: list[str] = []

    @property
    def config(self) -> dict[str, Any]:
        return self._record["config"]

    # ------------------------------------------------------------------------------------------------------------------
    # Beginning and end
    # ------------------------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, out: str | os.PathLike[str] | None, config: Mapping[str, Any], name: str = "dcgan-mnist"
    ) -> RunFolder:
        """Make the folder of a new run and write its `config.json`.

        Parameters
        ----------
        out : path or None
            A folder that does not exist or is empty. None makes `runs/<name>-<YYYYmmdd-HHMMSS>` in the working folder.
        config : mapping
            Every setting of the run, seed and device included; what JSON holds (see `save_checkpoint`).
        name : str, default "dcgan-mnist"
            Begins the name of the folder where `out` is None.

        Raises
        ------
        RunError
            If `out` is a file, or a folder with something in it.
        TypeError, ValueError
            If JSON cannot hold a setting.
        """
        record = {
            "format": FORMAT,
            "config": to_json(config, "config"),
            "versions": {"python": platform.python_version()} | {p: _version(p) for p in RECORDED_PACKAGES},
            "platform": platform.platform(),
        }
        path = Path(out) if out is not None else _fresh(Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise RunError(f"{path}: cannot be made a run folder ({error.strerror}); choose another name") from None
        left = {entry.name for entry in path.iterdir()}
        if "config.json" in left and left - {
            "config.json",
            "samples",
        }:  # otherwise it ended before it began: begin anew
            raise RunError(f"{path}: holds a run already; resume it, choose another folder, or delete this one")
        if left and "config.json" not in left:
            raise RunError(f"{path}: is not empty, and a run would mix its files with those in it; choose a new folder")
        run = cls(path, record)
        run._write_record()
        run.samples_path.mkdir(exist_ok=True)
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Open the folder of a run to go on with it.

        Parameters
        ----------
        path : path
            A folder that `create` made and in which a checkpoint was saved.

        Raises
        ------
        RunError
            If the folder, its `config.json` or its checkpoint is missing or damaged; the message names the file.
        """
        path = Path(path)
        if not path.is_dir():
            raise RunError(f"{path}: there is no such folder; a run folder has a config.json and a checkpoint in it")
        run = cls(path, _read_record(path / "config.json"))
        try:
            load_checkpoint(run.checkpoint_path)
        except FileNotFoundError:
            raise RunError(
                f"{run.checkpoint_path}: missing; the run ended before its first checkpoint, so start it anew"
            ) from None
        except (CheckpointError, OSError) as error:
            raise RunError(str(error)) from error
        run.samples_path.mkdir(exist_ok=True)
        return run

    def update_config(self, changes: Mapping[str, Any]) -> None:
        """Change settings in `config.json`, such as the epochs of a run that goes on for longer; all others stay."""
        self._record = self._record | {"config": self.config | to_json(changes, "changes")}
        self._write_record()

    def close(self) -> None:
        """Flush and close `metrics.csv`; once is as good as twice, and a later `log` opens it again."""
        try:
            self.flush()
        finally:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------------------
    # Metrics
    # ------------------------------------------------------------------------------------------------------------------

    def log(self, row: Mapping[str, float]) -> None:
        """Append a row to `metrics.csv`, whose first line names the keys of the first row.

        Parameters
        ----------
        row : mapping of names to numbers
            Has a `step`, and the same names each time. Floats are written so that they come back exactly; a float32 is
            widened first. NaN and infinities are numbers here.

        Raises
        ------
        ValueError
            If there is no `step`, or the names are not those of the first row.
        TypeError
            If a value is no number.
        """
        cells = {name: _cell(name, value) for name, value in row.items()}
        if "step" not in cells:
            raise ValueError(f"log: the row has no 'step', only {list(row)}; without it a run cannot be resumed")
        if self._file is None:
            self._open_metrics()
        assert self._file is not None
        writer = csv.writer(self._file, lineterminator="\n")
        if not self._columns:
            _check_names(cells)
            self._columns = list(cells)
            writer.writerow(self._columns)
        if cells.keys() != set(self._columns):
            raise ValueError(
                f"log: the row names {list(cells)}, but the columns of {self.metrics_path} are {self._columns}; "
                "log the same names each time, nan where there is no value"
            )
        writer.writerow([cells[name] for name in self._columns])

    def flush(self) -> None:
        """See to it that every logged row is on the disk."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def truncate_metrics(self, step: float) -> None:
        """Drop every row with a greater step than `step`, and a last line that a killed process left half written.

        Raises
        ------
        RunError
            If `metrics.csv` is damaged in any other way; the message names the line.
        """
        self.close()
        if not self.metrics_path.exists():
            return
        try:
            columns = read_metrics(self.metrics_path)
        except ValueError as error:
            raise RunError(f"{error}; mend the file or remove it") from None
        if columns and "step" not in columns:
            raise RunError(f"{self.metrics_path}: has no column 'step', so it cannot be cut back to one; remove it")
        content = self.metrics_path.read_bytes()
        *lines, _ = content.split(b"\n")  # the last piece is empty, or the beginning of a line
        kept = lines[:1] + [line for line, at in zip(lines[1:], columns.get("step", ())) if at <= step]
        whole = b"".join(line + b"\n" for line in kept)
        if whole != content:
            with write_atomically(self.metrics_path) as file:
                file.write(whole)

    def metrics(self) -> dict[str, np.ndarray]:
        """The columns of `metrics.csv`, each of shape `(rows,)`; empty before the first row."""
        if self._file is not None:
            self._file.flush()
        return read_metrics(self.metrics_path) if self.metrics_path.exists() else {}

    # ------------------------------------------------------------------------------------------------------------------
    # Pictures
    # ------------------------------------------------------------------------------------------------------------------

    def save_samples(self, samples: np.ndarray, label: str, nrow: int = 8, reals: np.ndarray | None = None) -> Path:
        """Write the picture `samples/<label>.png` and return its path.

        Images `(N, C, H, W)` become a grid, `nrow` in a row; points `(N, 2)` a scatter plot, over `reals` if given;
        series `(N, C, L)` curves. See `minigan.viz.save_samples`.
        """
        if not label or label != Path(label).name or "\\" in label:
            raise ValueError(f"save_samples: label is {label!r}, but a plain name such as 'step-000123' was expected")
        path = self.samples_path / f"{label}.png"
        save_samples(samples, path, reals=reals, nrow=nrow)
        return path

    def plot(self, equilibrium: Mapping[str, float] | None = None) -> None:
        """Draw `metrics.csv` into `losses.png`; `equilibrium` as in `minigan.viz.plot_losses`."""
        plot_losses(self.metrics(), self.losses_path, title=self.path.resolve().name, equilibrium=equilibrium)

    # ------------------------------------------------------------------------------------------------------------------
    # Pieces
    # ------------------------------------------------------------------------------------------------------------------

    def _write_record(self) -> None:
        with write_atomically(self.config_path) as file:
            file.write((json.dumps(self._record, indent=2) + "\n").encode())

    def _open_metrics(self) -> None:
        """Open `metrics.csv` at its end, behind a whole line."""
        self.truncate_metrics(math.inf)
        self._columns = list(self.metrics())
        self._file = open(self.metrics_path, "a", encoding="utf-8", newline="")  # noqa: SIM115 (close() closes it)


def _fresh(path: Path) -> Path:
    """The path, or with -2, -3, ... behind it: two runs may start within a second."""
    names = itertools.chain([path], (path.with_name(f"{path.name}-{n}") for n in itertools.count(2)))
    return next(name for name in names if not name.exists())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _read_record(path: Path) -> dict[str, Any]:
    """The content of a run's `config.json`."""
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path}: missing, so {path.parent} is no run folder; pass one that a run has made") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged, not JSON ({error}); restore it from a copy, or start the run anew") from None
    if not isinstance(record, dict) or "format" not in record or not isinstance(record.get("config"), dict):
        raise RunError(f"{path}: not the record of a run: it has no 'format' or no 'config'; pass the folder of a run")
    if record["format"] != FORMAT:
        raise RunError(f"{path}: the format is {record['format']!r}, but this minigan reads {FORMAT!r}")
    return record


def _cell(name: str, value: float) -> str:
    """A number as text that gives the same number back."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"log: {name} is a {type(value).__name__}, but a number was expected (float(x) or x.item())")
    return repr(value)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not isinstance(name, str) or not name or not name.isprintable() or set(name) & set(',"'):
            raise ValueError(f"log: {name!r} cannot name a column; use printable characters without commas and quotes")
