"""The rules of the game between G and D: which loss, which cures, which rates. Imports losses for their names.

Almost every GAN is the same loop with other rules. `Rules` holds all of them as plain values, so that a variant is a few
values that differ, a run can write its rules down, and the command line can offer each of them. What the rules mean is in
`game.py`, which plays by them.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from minigan.functional.augment import POLICIES
from minigan.losses import find_loss

PENALTIES = ("gp", "gp-one-sided", "r1", "r2", "dragan")
OPTIMIZERS = ("adam", "rmsprop", "sgd")
SCHEDULES = ("constant", "linear", "cosine")
MINIBATCH = ("none", "std", "discrimination")


def rule(default: Any, help: str) -> Any:
    """A field of `Rules` with the sentence that `--help` says of it."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Rules:
    """By which rules G and D play. The defaults are a plain DCGAN's: `Rules()`.

    Parameters
    ----------
    loss : str, default "minimax"
        One of `minigan.losses.LOSSES`.
    penalty : str, default "none"
        Added to D's loss, times `penalty_weight`: "gp" (WGAN-GP's), "gp-one-sided", "r1", "r2", "dragan", or several joined
        by "+", such as "r1+r2".
    penalty_weight : float, default 10
        λ of the gradient penalties and DRAGAN, γ of R1 and R2, which have their ½ inside.
    drift : float, default 0
        Weight of `E D(x)²` in D's loss.
    clip : float, default 0
        After each step of D its weights are cut to [−clip, clip] (WGAN: 0.01); 0 leaves them.
    d_steps : int, default 1
        Steps of D for each one of G.
    optimizer : {"adam", "rmsprop", "sgd"}, default "adam"
        Of both networks.
    lr : float, default 5e-4
        Learning rate of G, and of D if it has none of its own.
    d_lr : float, default 0
        Learning rate of D; 0 means that of G. Two rates are the TTUR of Heusel et al. 2017.
    betas : pair of float, default (0.5, 0.999)
        Adam's.
    schedule : {"constant", "linear", "cosine"}, default "constant"
        How the rates go down, to 0 at the end of the run.
    real_target : float or pair of float, default 1
        One-sided label smoothing (Salimans et al. 2016, §3.4): D's target for real samples; of a pair, drawn uniformly
        between the two for each batch. For the losses "minimax" and "saturating".
    skip_d_below : float, default −∞
        D makes no step on a batch for which its loss is already under this.
    instance_noise : float, default 0
        Standard deviation of the noise on all that D sees (Sønderby et al. 2017); it goes down to 0 over the run, linearly.
    augment : str, default ""
        DiffAugment's policy for all that D sees, such as "color,translation,cutout" (Zhao et al. 2020).
    ema : float, default 0
        Decay of a running mean of G's weights, with which samples are then drawn; 0 keeps none.
    pack : int, default 1
        How many samples D judges together (PacGAN, Lin et al. 2018).
    minibatch : {"none", "std", "discrimination"}, default "none"
        What D sees of the rest of the batch: ProGAN's standard deviation, or Salimans's nearness (2016, §3.2).
    unroll : int, default 0
        How many steps of D's future G looks ahead, and differentiates through (Metz et al. 2017).
    feature_matching : bool, default False
        G's loss is `‖E f(x) − E f(G(z))‖²` with f what D's last layer is given (Salimans et al. 2016, §3.1).
    auxiliary : float, default 0
        Weight of D's second task, to name the class (AC-GAN, Odena et al. 2017); D then answers with a pair.
    orthogonal : float, default 0
        Weight of the orthogonal regularisation of G (Brock et al. 2019, eq. 3).
    companion : float, default 0
        Weight of the loss that a third network has for G, see `Game`.

    Raises
    ------
    ValueError, TypeError
        If a rule is unknown, of another type or out of range, or two do not go together.

    Examples
    --------
    >>> Rules(loss="wgan", penalty="gp", d_steps=5, lr=1e-4, betas=(0.0, 0.9)).differences(Rules())
    {'loss': 'wgan', 'penalty': 'gp', 'd_steps': 5, 'lr': 0.0001, 'betas': (0.0, 0.9)}
    >>> Rules(penalty="pg")
    Traceback (most recent call last):
    ValueError: no penalty is called 'pg'. Did you mean 'gp'? Known are none, gp, gp-one-sided, r1, r2, dragan
    """

    loss: str = rule("minimax", "the adversarial loss; `minigan list --losses` shows them all")
    penalty: str = rule("none", "added to D's loss: gp, gp-one-sided, r1, r2, dragan; several as r1+r2")
    penalty_weight: float = rule(10.0, "λ or γ of the penalty")
    drift: float = rule(0.0, "weight of E D(x)² in D's loss, which keeps a critic's numbers near 0")
    clip: float = rule(0.0, "cut D's weights to ± this after each step; 0 leaves them")
    d_steps: int = rule(1, "steps of D for each one of G")
    optimizer: str = rule("adam", "of both networks: adam, rmsprop or sgd")
    lr: float = rule(5e-4, "learning rate of G, and of D if --d-lr is 0")
    d_lr: float = rule(0.0, "learning rate of D; 0 means that of G")
    betas: tuple[float, float] = rule((0.5, 0.999), "Adam's two")
    schedule: str = rule("constant", "how the rates go down to 0 over the run: constant (not at all), linear or cosine")
    real_target: float | tuple[float, float] = rule(
        1.0,
        "D's target for real samples, such as 0.9 (label smoothing); of two numbers, drawn between them for each batch",
    )
    skip_d_below: float = rule(-math.inf, "D makes no step on a batch for which its loss is under this")
    instance_noise: float = rule(0.0, "σ of the noise on all that D sees, at the beginning; it goes down to 0")
    augment: str = rule("", "DiffAugment on all that D sees, such as color,translation,cutout")
    ema: float = rule(0.0, "decay of a running mean of G's weights, which then draws the samples, such as 0.999")
    pack: int = rule(1, "how many samples D judges together (PacGAN)")
    minibatch: str = rule("none", "what D sees of the rest of the batch: none, std or discrimination")
    unroll: int = rule(0, "steps of D's future that G looks ahead and differentiates through")
    feature_matching: bool = rule(
        False, "G matches the mean features of D's last layer, in place of its adversarial loss"
    )
    auxiliary: float = rule(0.0, "weight of D's second task, to name the class (variants with labels)")
    orthogonal: float = rule(0.0, "weight of the orthogonal regularisation of G, such as 1e-4")
    companion: float = rule(0.0, "weight of the third network's loss for G (variants that have one)")

    def __post_init__(self) -> None:
        for name, pair in (("betas", True), ("real_target", not isinstance(self.real_target, int | float))):
            if pair:
                object.__setattr__(self, name, _pair(name, getattr(self, name)))
        for f in dataclasses.fields(self):
            _check_type(f.name, getattr(self, f.name), f.default)
        find_loss(self.loss)
        if self.penalty != "none":
            for name in self.penalties:
                known("penalty", name, PENALTIES, ("none",))
        for name in filter(None, self.augment.split(",")):
            known("augmentation", name, POLICIES)
        known("optimizer", self.optimizer, OPTIMIZERS)
        known("schedule", self.schedule, SCHEDULES)
        known("minibatch option", self.minibatch, MINIBATCH)
        for name in ("d_steps", "pack"):
            _at_least(name, getattr(self, name), 1)
        for name in (
            *("penalty_weight", "drift", "clip", "d_lr", "instance_noise", "ema", "unroll"),
            *("auxiliary", "orthogonal", "companion"),
        ):
            _at_least(name, getattr(self, name), 0)
        if not (0 < self.lr < math.inf and self.d_lr < math.inf):
            raise ValueError(f"Rules: lr is {self.lr} and d_lr {self.d_lr}, expected finite numbers, lr above 0")
        if self.ema >= 1:
            raise ValueError(
                f"Rules: ema is {self.ema}, expected a decay under 1, such as 0.999: at 1 the mean stays at 0"
            )
        if self.real_target != 1.0 and self.loss not in ("minimax", "saturating"):
            raise ValueError(
                f"Rules: real_target={self.real_target} smooths the target of a cross-entropy, but {self.loss!r} has "
                f"none; leave it at 1, or take the loss 'minimax'"
            )
        if self.feature_matching and (self.unroll or self.auxiliary):
            raise ValueError(
                "Rules: feature_matching puts another loss in the place of G's, so unroll and auxiliary have nothing to act "
                "on; leave out one or the other"
            )
        if self.pack > 1 and self.auxiliary:
            raise ValueError("Rules: a pack of samples has no one class to name; leave out pack or auxiliary")

    @property
    def penalties(self) -> tuple[str, ...]:
        """The names in `penalty`."""
        return () if self.penalty == "none" else tuple(self.penalty.split("+"))

    def differences(self, other: Rules) -> dict[str, Any]:
        """The rules that are not `other`'s, with the values here."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != getattr(other, f.name)
        }

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold, for `from_dict`: −∞ becomes None."""
        return {name: None if value == -math.inf else value for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Rules:
        """The rules that `as_dict` wrote. A name that is no rule is an error with the nearest one."""
        names = [f.name for f in dataclasses.fields(cls)]
        for name in values:
            known("rule", name, names)
        given: dict[str, Any] = {name: -math.inf if value is None else value for name, value in values.items()}
        return cls(**given)


def known(what: str, name: str, names: Iterable[str], others: Iterable[str] = ()) -> None:
    """A ValueError with the nearest name, unless `name` is one of `names`; `others` are only listed."""
    names = list(names)
    if name not in names:
        near = difflib.get_close_matches(str(name).lower().replace("_", "-"), names, n=1, cutoff=0.5)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no {what} is called {name!r}.{guess} Known are {', '.join([*others, *names])}")


def _pair(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(isinstance(v, int | float) for v in value):
        raise TypeError(f"Rules: {name} is {value!r}, expected two numbers, such as {'(0.5, 0.999)'}")
    low, high = map(float, value)
    return low, high


def _check_type(name: str, value: Any, default: Any) -> None:
    expected = int | float if isinstance(default, float) else type(default)
    if name == "real_target" and isinstance(value, tuple):
        return
    if not isinstance(value, expected) or (isinstance(value, bool) and not isinstance(default, bool)) or value != value:
        kind = "a number" if isinstance(default, float) else f"of type {type(default).__name__}"
        raise TypeError(f"Rules: {name} is {value!r}, expected {kind}, such as {default!r}")


def _at_least(name: str, value: float, least: float) -> None:
    if not least <= value < math.inf:
        raise ValueError(f"Rules: {name} is {value}, expected a finite number, at least {least}")
