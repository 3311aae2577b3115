"""A variant at work in a run folder: begun, gone on with, opened to draw samples. Imports train, data and the variants."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minigan import backend
from minigan.creation import manual_seed, randn
from minigan.data import NAMES, Batches, Dataset, load
from minigan.generator import Generator
from minigan.models.variant import Variant
from minigan.modes import no_grad
from minigan.tensor import Tensor
from minigan.train.checkpoint import load_checkpoint
from minigan.train.fit import fit, restore
from minigan.train.game import Game
from minigan.train.rules import Rules, known
from minigan.train.run_folder import RunError, RunFolder

SETTINGS = ("data", "epochs", "steps", "batch_size", "latent", "seed", "device")


class Session:
    """A variant, its networks and its run folder. Made by `Session.begin` and `Session.open`.

    Attributes
    ----------
    variant : Variant
        As it is played here: with the rules and settings of this run.
    settings : dict
        `data, epochs, steps, batch_size, latent, seed, device`.
    run : RunFolder
    game : Game
    shape : tuple of int
        Of a sample.
    classes : tuple of str
        Their names, if the variant is told them.
    """

    run: RunFolder

    def __init__(self, variant: Variant, config: Mapping[str, Any], dataset: Dataset | None = None):
        self.variant, self.dataset = variant, dataset
        self.settings = {name: config[name] for name in SETTINGS}
        self.shape, self.classes = tuple(config["shape"]), tuple(config["classes"])
        manual_seed(config["seed"])
        networks = variant.networks(self.shape, len(self.classes))
        for net in filter(None, networks):
            net.to(config["device"])
        self.game = Game(
            networks.G,
            networks.D,
            (variant.latent,),
            variant.rules,
            steps=config["steps"],
            classes=len(self.classes),
            companion=networks.companion,
        )

    # ------------------------------------------------------------------------------------------------------------------
    # From and to the disk
    # ------------------------------------------------------------------------------------------------------------------

    @classmethod
    def begin(
        cls,
        variant: Variant,
        out: str | os.PathLike[str] | None = None,
        *,
        rules: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Session:
        """A new run; `train` trains it.

        Parameters
        ----------
        variant : Variant
        out : path, optional
            The run folder; `runs/NAME-date-time` if left out.
        rules : mapping, optional
            Rules that are not the variant's.
        **settings
            `data`, `epochs` or `steps`, `batch_size`, `latent`, `seed` (0), `device` ("cpu"), where they are not the
            variant's.

        Raises
        ------
        ValueError, TypeError, RunError
            If something is unknown or out of range, the data are too few for a batch, have no labels but the variant needs
            them, or the folder holds something; nothing is written then.
        """
        for name in settings:
            known("setting", name, SETTINGS)
        given = {name: value for name, value in settings.items() if value is not None}
        changed = replace(variant.rules, **dict(rules or {}))
        variant = replace(
            variant,
            rules=changed,
            **{name: given[name] for name in ("data", "epochs", "batch_size", "latent") if name in given},
        )
        for name in ("epochs", "batch_size", "latent"):
            _whole(name, getattr(variant, name), 1)
        _whole("seed", given.get("seed", 0), 0)
        device = backend.check_device(given.get("device", "cpu"))
        dataset = load(variant.data)
        if variant.conditional and not dataset.classes:
            variant.networks(dataset.samples.shape[1:])  # says what is missing
        if variant.batch_size > len(dataset):
            raise ValueError(
                f"batch_size: {variant.data} has only {len(dataset)} samples, too few for batches of {variant.batch_size}; "
                f"choose a smaller number"
            )
        if variant.batch_size % changed.pack:
            raise ValueError(
                f"batch_size: {variant.batch_size} samples cannot be cut into packs of {changed.pack}; choose a multiple"
            )
        steps = given.get("steps") or variant.epochs * max(1, len(dataset) // variant.batch_size // changed.d_steps)
        config = {
            "variant": variant.name,
            "data": _source(variant.data, dataset),
            "epochs": variant.epochs,
            "steps": _whole("steps", steps, 1),
            "batch_size": variant.batch_size,
            "latent": variant.latent,
            "seed": given.get("seed", 0),
            "device": device,
            "shape": dataset.samples.shape[1:],
            "classes": dataset.classes if variant.conditional else (),
            "rules": changed.as_dict(),
        }
        session = cls(variant, config, dataset)  # before the folder is made: the rules may not fit the networks
        session.run = RunFolder.create(out, config, variant.name)
        return session

    @classmethod
    def open(cls, path: str | os.PathLike[str], find: Any, device: str | None = None) -> Session:
        """A run as its checkpoint left it.

        Parameters
        ----------
        path : path
            A run folder that `begin` made.
        find : callable
            From a name to the Variant: `find_variant`.
        device : str, optional
            Where to compute, if not where the run did.

        Raises
        ------
        RunError
            If the folder is no such run, a file is missing or damaged, or was written by another version. Nothing on the
            disk is touched.
        """
        run = RunFolder.open(path)
        missing = [name for name in ("variant", "shape", "classes", "rules", *SETTINGS) if name not in run.config]
        if missing:
            raise RunError(
                f"{run.config_path}: has no {missing[0]!r}, so it is not a run of `minigan train`; runs of examples that "
                f"spell out their own loop are resumed by the example that made them"
            )
        config = dict(run.config)
        _check_config(run)
        try:
            variant = replace(
                find(config["variant"]),
                rules=Rules.from_dict(config["rules"]),
                **{name: config[name] for name in ("data", "epochs", "batch_size", "latent")},
            )
        except (ValueError, TypeError) as error:
            raise RunError(f"{run.config_path}: not what this version of minigan can go on with. {error}") from error
        if device is not None:
            config["device"] = backend.check_device(device)
        try:
            session = cls(variant, config)
        except (ValueError, TypeError) as error:
            raise RunError(f"{run.config_path}: describes a game that cannot be played. {error}") from error
        session.run = run
        arrays, meta = load_checkpoint(run.checkpoint_path)
        if not {"step", "rng"} <= meta.keys():
            raise RunError(f"{run.checkpoint_path}: a checkpoint, but not one of a run; restore it from a copy")
        there, needed = {key.partition("/")[0] for key in arrays}, set(session.game.state)
        if there != needed:
            raise RunError(
                f"{run.checkpoint_path}: holds {', '.join(sorted(there))}, but by the rules in config.json a run has "
                f"{', '.join(sorted(needed))}; put back the file that is not this run's"
            )
        for name in ("G", "D", "mean_G"):
            if name in session.game.state:
                part = {key[len(name) + 1 :]: a for key, a in arrays.items() if key.startswith(f"{name}/")}
                try:
                    session.game.state[name].load_state_dict(part)
                except ValueError as error:
                    raise RunError(
                        f"{run.checkpoint_path}: {name} is not the network that its config.json describes: {error}"
                    ) from None
        return session

    def train(self, steps: int | None = None) -> dict[str, float]:
        """Train until `steps` steps (by default those of the settings) have been made in all; see `train.fit`."""
        if self.dataset is None:
            self.dataset = load(self.settings["data"])
        if self.dataset.samples.shape[1:] != self.shape:
            raise RunError(
                f"{self.run.path}: was trained on samples of shape {self.shape}, but {self.settings['data']} has now "
                f"{self.dataset.samples.shape[1:]}; put the data back that it began with"
            )
        settings, labels = self.settings, bool(self.classes)
        if labels and self.dataset.classes != self.classes:
            raise RunError(
                f"{self.run.path}: was trained on the classes {', '.join(self.classes)}, but {settings['data']} has now "
                f"{', '.join(self.dataset.classes) or 'none'}; put the data back that it began with"
            )
        batches = Batches(self.dataset, settings["batch_size"], settings["seed"], with_labels=labels)
        if steps is not None and steps != settings["steps"]:
            done = restore(self.run, self.game.state)  # what cannot be gone on with is not written to
            if steps < done:
                raise ValueError(
                    f"train: {self.run.path} has made {done} steps already, got steps={steps}; ask for more"
                )
            settings["steps"] = self.game.steps = _whole("steps", steps, 1)
            self.run.update_config({"steps": steps})
        manual_seed(settings["seed"] + 1)  # a resumed run takes up the numbers of its checkpoint instead
        shown = {1: 2000, 2: 16, 3: 64}[len(self.shape)]
        count = max(1, shown // len(self.classes)) * len(self.classes) if labels else shown
        z = randn(count, self.variant.latent, device=settings["device"], generator=Generator(settings["seed"]))
        wanted = self._classes_in_turn(count) if labels else None
        drawing: dict[str, Any] = {"nrow": len(self.classes)} if labels and len(self.shape) == 3 else {}
        if len(self.shape) == 1:
            drawing["reals"] = self.dataset.samples[:2000]
        return fit(
            self.run,
            self.game.step,
            batches,
            self.game.state,
            steps=settings["steps"],
            batches_per_step=self.variant.rules.d_steps,
            sample=lambda: self.game.sample(z, wanted),
            drawing=drawing,
            resume="minigan resume {run}",
        )

    # ------------------------------------------------------------------------------------------------------------------
    # Samples
    # ------------------------------------------------------------------------------------------------------------------

    def latents(self, n: int, seed: int = 0) -> Tensor:
        """`n` latents (n, latent) from N(0, I); of one seed always the same, on every device."""
        return randn(n, self.variant.latent, generator=Generator(seed), device=self.settings["device"])

    def decode(self, z: Tensor, labels: Any = None, batch_size: int = 500) -> np.ndarray:
        """The samples (N, ...) that G makes of latents (N, latent), with the mean weights if the run has such.

        `labels` are class numbers (N,), needed if the variant is told the class.

        Raises
        ------
        ValueError
            If labels are missing, not wanted, or out of range.
        """
        if (labels is None) == bool(self.classes):
            raise ValueError(
                f"decode: {self.variant.name} needs class numbers" if self.classes else
                f"decode: {self.variant.name} is not told classes; leave out labels"
            )  # fmt: skip
        pieces = []
        y = None if labels is None else self._labels(labels, len(z))
        with no_grad():
            for i in range(0, len(z), batch_size):
                part = None if y is None else y[i : i + batch_size]
                pieces.append(self.game.sample(z[i : i + batch_size], part).cpu().numpy())
        return np.concatenate(pieces)

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """`n` samples (n, ...); of all classes in turn if there are any."""
        return self.decode(self.latents(n, seed), np.arange(n) % len(self.classes) if self.classes else None)

    def _labels(self, labels: Any, n: int) -> Tensor:
        labels = np.broadcast_to(np.asarray(labels, np.int64), (n,))
        if n and (labels.min() < 0 or labels.max() >= len(self.classes)):
            raise ValueError(
                f"decode: class numbers from {labels.min()} to {labels.max()}, expected 0 to {len(self.classes) - 1}, for "
                f"{', '.join(self.classes)}"
            )
        return Tensor(labels.copy()).to(self.settings["device"])

    def _classes_in_turn(self, n: int) -> Tensor:
        return self._labels(np.arange(n) % len(self.classes), n)


def _check_config(run: RunFolder) -> None:
    """A RunError if a setting in `config.json` is of a kind that `begin` never writes."""

    def whole(least: int) -> Callable[[Any], bool]:
        return lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= least

    def each(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
        return lambda x: isinstance(x, list) and all(good(item) for item in x)

    def text(x: Any) -> bool:
        return isinstance(x, str)

    expected: dict[str, Callable[[Any], bool]] = {
        **dict.fromkeys(("variant", "data", "device"), text),
        **dict.fromkeys(("epochs", "steps", "batch_size", "latent"), whole(1)),
        "seed": whole(0),
        "shape": lambda x: each(whole(1))(x) and 1 <= len(x) <= 3,
        "classes": each(text),
        "rules": lambda x: isinstance(x, dict),
    }
    for name, good in expected.items():
        if not good(run.config[name]):
            raise RunError(
                f"{run.config_path}: damaged: {name} is {run.config[name]!r}; restore it from a copy, or begin the run anew"
            )


def _source(name: str, dataset: Dataset) -> str:
    """How a resumed run finds the same data: "auto" by what it found, a folder by its whole path."""
    if name == "auto":
        return dataset.name
    return name if name in NAMES else str(Path(name).expanduser().resolve())


def _whole(name: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: got {value!r}, expected a whole number, at least {least}")
    return value
