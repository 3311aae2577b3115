"""Learning-rate schedules: the rate as a function of the number of steps. Imports the base and NumPy."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from minigan.optim.optimizer import Optimizer, check_state, number


class LRScheduler:
    """Sets the learning rates of an optimiser from the number of the epoch.

    Call `step()` at the end of every epoch (or of whatever is counted). A schedule is a function of the rate that each
    group had when the schedule was made, `base_lr`, and of the epoch, which begins at 0; so two schedules of one optimiser
    do not multiply: the last to step decides. Groups added later keep the rate they were given.

    Parameters
    ----------
    optimizer : Optimizer

    Attributes
    ----------
    last_epoch : int
        The number of steps made.
    base_lrs : list of float
    """

    _rate: Callable[[float, int], float]  # of one group, from its base_lr and the epoch

    def __init__(self, optimizer: Optimizer):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self.name}: optimizer is a {type(optimizer).__name__}, expected an Optimizer")
        self.optimizer = optimizer
        self._go_to(0, [group["lr"] for group in optimizer.param_groups])

    @property
    def name(self) -> str:
        return type(self).__name__

    def step(self) -> None:
        """Begin the next epoch."""
        self._go_to(self.last_epoch + 1, self.base_lrs)

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group, now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, np.ndarray]:
        """The epoch and the base rates, as arrays that a checkpoint can hold."""
        return {"last_epoch": np.array(self.last_epoch, np.int64), "base_lrs": np.array(self.base_lrs, np.float64)}

    def load_state_dict(self, state_dict: Mapping[str, np.ndarray]) -> None:
        """Take over a state that `state_dict` returned, and set the optimiser's learning rates to match.

        Raises
        ------
        ValueError
            If names are missing, there are others, or there are not as many base rates as here; nothing is loaded.
        """
        given = check_state(self.name, self.state_dict(), state_dict)
        self._go_to(int(given["last_epoch"]), given["base_lrs"].tolist())

    def _go_to(self, epoch: int, base_lrs: list[float]) -> None:
        rates = [number(self.name, f"the learning rate of epoch {epoch}", lr) for lr in self._rates(base_lrs, epoch)]
        self.last_epoch, self.base_lrs = epoch, base_lrs
        for group, lr in zip(self.optimizer.param_groups, rates):
            group["lr"] = lr

    def _rates(self, base_lrs: list[float], epoch: int) -> list[float]:
        return [self._rate(base_lr, epoch) for base_lr in base_lrs]


class LambdaLR(LRScheduler):
    """`lr = base_lr · lr_lambda(epoch)`.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : function of an int, or list of functions, one for each group

    Examples
    --------
    The linear decay that follows 100 constant epochs in CycleGAN:

    >>> import minigan as mg
    >>> optimizer = mg.optim.SGD([mg.tensor([1.0])], lr=2e-4)
    >>> schedule = mg.optim.LambdaLR(optimizer, lambda epoch: 1 - max(0, epoch - 100) / 100)
    >>> for epoch in range(150):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.0001]
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]):
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: lr_lambda has {len(self.lr_lambdas)} functions, but optimizer has {groups} groups"
            )
        super().__init__(optimizer)

    def _rates(self, base_lrs, epoch):
        return [base_lr * function(epoch) for base_lr, function in zip(base_lrs, self.lr_lambdas)]


class StepLR(LRScheduler):
    """Multiplied by gamma every `step_size` epochs: `lr = base_lr · gamma^⌊epoch / step_size⌋`.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float, default 0.1

    Examples
    --------
    >>> import minigan as mg
    >>> schedule = mg.optim.StepLR(mg.optim.SGD([mg.tensor([1.0])], lr=1.0), step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = _count("StepLR", "step_size", step_size), number("StepLR", "gamma", gamma)
        super().__init__(optimizer)

    def _rate(self, base_lr, epoch):
        return base_lr * self.gamma ** (epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """Multiplied by gamma at each milestone: `lr = base_lr · gamma^|{milestones ≤ epoch}|`.

    Parameters
    ----------
    optimizer : Optimizer
    milestones : iterable of int
    gamma : float, default 0.1
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(milestones), number("MultiStepLR", "gamma", gamma)
        super().__init__(optimizer)

    def _rate(self, base_lr, epoch):
        return base_lr * self.gamma ** bisect_right(self.milestones, epoch)


class ExponentialLR(LRScheduler):
    """Multiplied by gamma every epoch: `lr = base_lr · gamma^epoch`.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    """

    def __init__(self, optimizer: Optimizer, gamma: float):
        self.gamma = number("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer)

    def _rate(self, base_lr, epoch):
        return base_lr * self.gamma**epoch


class CosineAnnealingLR(LRScheduler):
    """Half a wave of the cosine: `lr = eta_min + (base_lr − eta_min)·(1 + cos(π · epoch / T_max)) / 2`.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        The epoch at which the rate is lowest; it rises again afterwards.
    eta_min : float, default 0
        The lowest rate.

    References
    ----------
    Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5, without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max = _count("CosineAnnealingLR", "T_max", T_max)
        self.eta_min = number("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer)

    def _rate(self, base_lr, epoch):
        return self.eta_min + (base_lr - self.eta_min) * (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class LinearLR(LRScheduler):
    """A line from `start_factor` to `end_factor` during `total_iters` epochs, then constant.

        lr = base_lr · (start_factor + (end_factor − start_factor) · min(epoch, total_iters) / total_iters)

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float, default 1/3
        In (0, 1].
    end_factor : float, default 1
        In [0, 1].
    total_iters : int, default 5
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
    ):
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ValueError(
                f"LinearLR: start_factor is {start_factor} and end_factor is {end_factor}, expected numbers from 0 to 1, "
                f"the first greater than 0"
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = _count("LinearLR", "total_iters", total_iters)
        super().__init__(optimizer)

    def _rate(self, base_lr, epoch):
        progress = min(epoch, self.total_iters) / self.total_iters
        return base_lr * (self.start_factor + (self.end_factor - self.start_factor) * progress)


def _count(owner: str, name: str, value: Any) -> int:
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{owner}: {name} is {value!r}, expected an integer, at least 1")
    return int(value)
