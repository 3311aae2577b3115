"""Optimisers, learning-rate schedules and clipping. Imports NumPy, the tensor module and the name of its arrays.

An optimiser holds parameters, which are leaf Tensors, and gives them new values from their `.grad`:

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

Names, arguments, defaults and formulas are PyTorch's. Each optimiser is one equation, its `_update`; everything else they
share. The equation is applied to one block of a parameter after the other: a block, with all that the equation computes on
the way, fits in the processor's L2 cache, so that every number comes from memory once and not once for each operation.

No array that others may hold is changed in place. A parameter gets a new array, which raises its version, so a backward
pass through a graph that was made with the old one is an error. Only the optimiser's own moments are overwritten.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from minigan.backend import Array
from minigan.tensor import Tensor

BLOCK = 32_768  # numbers: 128 KiB in float32


# -------------------------------------------------------------------------------------------------- what they share


class Optimizer:
    """What every optimiser does, whatever its equation.

    A subclass writes two methods. `_moments(options)` names the running averages that it keeps for each parameter (they
    begin as zeros). `_update(p, g, t, ...)` receives a block of the parameter `p` and of its gradient `g`, the number `t`
    of steps that the parameter has made, this one included, and by their names the options and a block of each moment. It
    overwrites the moments and returns the new block of `p`.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        Either the parameters, or groups of them with options of their own, such as
        `[{"params": g.parameters()}, {"params": d.parameters(), "lr": 4e-4}]`.
    **defaults
        The options of groups that do not set them.

    Attributes
    ----------
    param_groups : list of dict
        The options of each group, and under `"params"` its parameters. Rates may be changed between steps
        (`optimizer.param_groups[0]["lr"] = 1e-4`); whether there is momentum may not, for it decides which moments exist.

    Raises
    ------
    TypeError, ValueError
        If there are no parameters, one of them is no leaf Tensor of floating type or is given twice, or an option is
        unknown, not a number, or out of its range.
    """

    _moments: Callable[[dict[str, Any]], tuple[str, ...]]
    _update: Callable[..., Array]

    def __init__(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], **defaults: Any):
        entries = self._listed(params)
        if not entries:
            raise ValueError(
                f"{self.name}: there are no parameters to train. An iterator, such as module.parameters(), can be read "
                f"only once: list() keeps what it gives."
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Array]] = {}
        self.steps: dict[Tensor, int] = {}
        for group in entries if isinstance(entries[0], Mapping) else [{"params": entries}]:
            self.add_param_group(group)

    @property
    def name(self) -> str:
        return type(self).__name__

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Train more parameters: `{"params": [...], "lr": ...}`, with the defaults for options that are left out."""
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError(
                f'{self.name}: a group is a dict such as {{"params": [...], "lr": 1e-4}}, got {param_group!r}'
            )
        params = self._listed(param_group["params"])
        unknown = param_group.keys() - self.defaults.keys() - {"params"}
        if unknown:
            raise TypeError(
                f"{self.name}: a group has the unknown options {sorted(unknown)}; there are {sorted(self.defaults)}"
            )
        options = self._checked(self.defaults | _options(param_group))
        self._check_parameters(params)
        self.param_groups.append({"params": params, **options})
        for p in params:
            self.steps[p] = 0
            self.state[p] = {moment: np.zeros_like(p.data, order="C") for moment in self._moments(options)}

    def zero_grad(self) -> None:
        """Forget the gradients: sets the `.grad` of every parameter to None."""
        for p in self._parameters():
            p.grad = None

    def step(self) -> None:
        """Give every parameter its next value; one whose `.grad` is None keeps its value, its moments and its age."""
        for group in self.param_groups:
            options = _options(group)
            for p in group["params"]:
                if p.grad is not None:
                    self._step(p, p.grad, options)

    def _step(self, p: Tensor, grad: Tensor, options: dict[str, Any]) -> None:
        if grad.shape != p.shape or grad.dtype != p.dtype:
            raise ValueError(
                f"{self.name}: the gradient has shape {grad.shape} and type {grad.dtype}, but {p.name or 'its parameter'} "
                f"has shape {p.shape} and type {p.dtype}"
            )
        self.steps[p] += 1
        arrays = {"p": p.data, "g": grad.data, **self.state[p]}
        flat = {name: array.reshape(-1) for name, array in arrays.items()}  # views: the moments lie in C order
        new = np.empty_like(p.data, order="C")
        for start in range(0, new.size, BLOCK):
            block = slice(start, start + BLOCK)
            blocks = {name: array[block] for name, array in flat.items()}
            new.reshape(-1)[block] = self._update(t=self.steps[p], **blocks, **options)
        p.data = new

    # ---- saving and loading

    def state_dict(self) -> dict[str, np.ndarray]:
        """All that a run needs to go on as if it had never stopped, as arrays that a checkpoint can hold.

        Returns
        -------
        dict of arrays
            Copies. `"0.step"` counts the steps of parameter 0, `"0.exp_avg"` is a moment of it, `"group0.lr"` an option
            of group 0. Which names there are does not depend on how many steps were made.

        Examples
        --------
        >>> import minigan as mg
        >>> w = mg.tensor([1.0], requires_grad=True)
        >>> state = mg.optim.SGD([w], lr=0.1, momentum=0.9).state_dict()
        >>> list(state)[:3], float(state["group0.lr"])
        (['0.step', '0.momentum_buffer', 'group0.lr'], 0.1)
        """
        return {name: np.array(array) for name, array in self._named_arrays().items()}

    def load_state_dict(self, state_dict: Mapping[str, np.ndarray]) -> None:
        """Take over a state that `state_dict` returned, options included: all of it, or nothing and an error.

        Raises
        ------
        ValueError
            If names are missing, there are others, or an array has another shape or type: the message lists them.
        """
        given = _check_state(self.name, self._named_arrays(), state_dict)
        options = [
            self._checked({name: given[f"group{k}.{name}"].tolist() for name in _options(group)})
            for k, group in enumerate(self.param_groups)
        ]
        for group, loaded in zip(self.param_groups, options):
            group.update(loaded)
        for i, p in enumerate(self._parameters()):
            self.steps[p] = int(given[f"{i}.step"])
            for name, moment in self.state[p].items():
                moment[...] = given[f"{i}.{name}"]

    def _named_arrays(self) -> dict[str, np.ndarray]:
        """What `state_dict` returns, with the moments themselves instead of copies."""
        arrays = {}
        for i, p in enumerate(self._parameters()):
            arrays[f"{i}.step"] = np.array(self.steps[p], np.int64)
            arrays |= {f"{i}.{name}": moment for name, moment in self.state[p].items()}
        for k, group in enumerate(self.param_groups):
            arrays |= {f"group{k}.{name}": np.array(value) for name, value in self._checked(_options(group)).items()}
        return arrays

    # ---- pieces

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _listed(self, params: Any) -> list[Any]:
        if isinstance(params, Tensor | dict | set | frozenset):  # a set has another order in every run
            raise TypeError(
                f"{self.name}: params is a {type(params).__name__}, expected a list (of Tensors, or of groups)"
            )
        return list(params)

    def _check_parameters(self, params: Sequence[Any]) -> None:
        seen = set(self._parameters())
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self.name}: parameter {i} is a {type(p).__name__}, expected a Tensor")
            which = f"{self.name}: parameter {i} of shape {p.shape}"
            if not p.is_leaf:
                raise ValueError(
                    f"{which} was computed by {p.grad_fn}; only leaves, which nothing computed, can be trained"
                )
            if not p.is_floating_point():
                raise TypeError(f"{which} has type {p.dtype}; only float32 and float64 have gradients")
            if p in seen:
                raise ValueError(f"{which} is given twice; a step would change it twice")
            seen.add(p)

    def _checked(self, options: dict[str, Any]) -> dict[str, Any]:
        """The options in the types they are computed with: bool, float, or for `betas` a pair of floats."""
        checked: dict[str, Any] = {}
        for name, value in options.items():
            if name in ("nesterov", "centered"):
                checked[name] = bool(value)
            elif name == "betas":
                if not isinstance(value, tuple | list) or len(value) != 2:
                    raise TypeError(f"{self.name}: betas is {value!r}, expected two numbers, such as (0.5, 0.999)")
                checked[name] = tuple([_number(self.name, f"betas[{i}]", b, below=1.0) for i, b in enumerate(value)])
            else:
                checked[name] = _number(self.name, name, value, below=1.0 if name == "alpha" else math.inf)
        return checked

    def __repr__(self) -> str:
        groups = [", ".join(f"{k}={v}" for k, v in _options(group).items()) for group in self.param_groups]
        return f"{self.name}({'; '.join(groups)}; {len(self.state)} parameters)"


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _number(owner: str, name: str, value: Any, low: float = 0.0, below: float = math.inf) -> float:
    """`value` as a float, if it is a finite number with low ≤ value < below."""
    if not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} is {value!r}, expected a number")
    number = float(value)
    if not low <= number < below:
        upper = f" and less than {below:g}" if below < math.inf else ""
        raise ValueError(f"{owner}: {name} is {value}, expected a finite number, at least {low:g}{upper}")
    return number


def _check_state(owner: str, expected: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of `state`, if they have the names, shapes and types of `expected`."""
    given = {name: np.asarray(array) for name, array in state.items()}
    faults = [f"{name} is missing" for name in expected if name not in given]
    faults += [f"{name} is unexpected" for name in given if name not in expected]
    faults += [
        f"{name} has shape {came.shape} and type {came.dtype}, expected {expected[name].shape} and {expected[name].dtype}"
        for name, came in given.items()
        if name in expected and (came.shape, came.dtype) != (expected[name].shape, expected[name].dtype)
    ]
    if faults:
        raise ValueError(
            f"{owner}.load_state_dict: this state belongs to other parameters or options, and nothing of it was loaded:\n  "
            + "\n  ".join(faults)
        )
    return given


# --------------------------------------------------------------------------------------------------- the optimisers


class SGD(Optimizer):
    """Gradient descent, with momentum if `momentum > 0`.

    With g the gradient plus `weight_decay`·p, the parameter moves by `p ← p − lr·b`, where

        b ← momentum·b + (1 − dampening)·g        (b = g in the first step; without momentum always)

    With `nesterov`, `p ← p − lr·(g + momentum·b)`: the next step that momentum would make is made at once.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr : float, default 1e-3
    momentum, dampening, weight_decay : float, default 0
    nesterov : bool, default False
        Needs `momentum > 0` and `dampening = 0`.

    References
    ----------
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; Sutskever et al., "On the importance
    of initialization and momentum in deep learning", ICML 2013, where lr is inside b.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> optimizer = mg.optim.SGD([w], lr=0.25)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> w
    Tensor([0.5], requires_grad=True)
    """

    def __init__(self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
        )

    def _checked(self, options):
        options = super()._checked(options)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, got momentum={options['momentum']:g} and "
                f"dampening={options['dampening']:g}"
            )
        return options

    def _moments(self, options):
        return ("momentum_buffer",) if options["momentum"] else ()

    def _update(self, p, g, t, lr, momentum, dampening, weight_decay, nesterov, momentum_buffer=None):
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            b = momentum_buffer
            b[:] = g if t == 1 else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        return p - lr * g


class RMSprop(Optimizer):
    """Gradient descent in which each number is divided by the running size of its gradients.

    With g the gradient plus `weight_decay`·p,

        v ← alpha·v + (1 − alpha)·g²
        p ← p − lr·g / (√v + eps).

    With `centered`, v − m² stands for v, where m ← alpha·m + (1 − alpha)·g: the variance of the gradients instead of their
    second moment. With `momentum > 0`, `p ← p − lr·b`, where b ← momentum·b + g / (√v + eps).

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr : float, default 1e-2
    alpha : float, default 0.99
    eps : float, default 1e-8
    weight_decay, momentum : float, default 0
    centered : bool, default False

    References
    ----------
    Tieleman & Hinton, "Lecture 6.5: rmsprop", Coursera, 2012. Centred: Graves, "Generating sequences with recurrent neural
    networks", 2013, equations 38 to 40.

    Examples
    --------
    The optimiser of WGAN: `RMSprop(critic.parameters(), lr=5e-5)`.

    >>> import minigan as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> optimizer = mg.optim.RMSprop([w], lr=0.1)
    >>> (w**2).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.0
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False):
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def _moments(self, options):
        centre = ("grad_avg",) if options["centered"] else ()
        momentum = ("momentum_buffer",) if options["momentum"] else ()
        return ("square_avg", *centre, *momentum)

    def _update(
        self, p, g, t, lr, alpha, eps, weight_decay, momentum, centered, square_avg, grad_avg=None, momentum_buffer=None
    ):
        if weight_decay:
            g = g + weight_decay * p
        v = square_avg
        v[:] = alpha * v + (1 - alpha) * g**2
        if centered:
            m = grad_avg
            m[:] = alpha * m + (1 - alpha) * g
            v = np.maximum(v - m**2, 0)  # a variance, which rounding makes negative where gradients hardly change
        direction = g / (np.sqrt(v) + eps)
        if momentum:
            b = momentum_buffer
            b[:] = momentum * b + direction
            direction = b
        return p - lr * direction


class Adam(Optimizer):
    """Gradient descent with momentum, in which each number is divided by the running size of its gradients.

    With g the gradient plus `weight_decay`·p, in step t (algorithm 1 of the paper):

        m ← β₁·m + (1 − β₁)·g           m̂ = m / (1 − β₁ᵗ)
        v ← β₂·v + (1 − β₂)·g²          v̂ = v / (1 − β₂ᵗ)
        p ← p − lr·m̂ / (√v̂ + eps)

    m and v begin as 0, and are too small at first by just the factors that m̂ and v̂ divide by.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr : float, default 1e-3
    betas : pair of floats, default (0.9, 0.999)
        β₁ and β₂. GANs use a smaller β₁: (0.5, 0.999) in DCGAN, (0, 0.9) in WGAN-GP.
    eps : float, default 1e-8
    weight_decay : float, default 0
        Becomes part of the gradient; see `AdamW`.

    References
    ----------
    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([1.0, 100.0], requires_grad=True)
    >>> optimizer = mg.optim.Adam([w], lr=0.1, betas=(0.5, 0.999))
    >>> (w**2).sum().backward()
    >>> optimizer.step()  # the first step is lr long in every direction, however large the gradient
    >>> w
    Tensor([ 0.9, 99.9], requires_grad=True)
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def _moments(self, options):
        return ("exp_avg", "exp_avg_sq")

    def _update(self, p, g, t, lr, betas, eps, weight_decay, exp_avg, exp_avg_sq):
        if weight_decay:
            g = g + weight_decay * p
        return _adam(p, g, t, lr, betas, eps, exp_avg, exp_avg_sq)


class AdamW(Adam):
    """Adam with the weight decay outside of the gradient: `p ← (1 − lr·weight_decay)·p`, then Adam's step without decay.

    In Adam the decay is part of g and is divided by √v̂ like the rest, so weights with large gradients decay less. Here all
    decay at the same rate.

    Parameters
    ----------
    params : iterable of Tensors, or of dicts
        See `Optimizer`.
    lr, betas, eps
        As in `Adam`.
    weight_decay : float, default 1e-2

    References
    ----------
    Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([1.0], requires_grad=True)
    >>> w.grad = mg.zeros(1)
    >>> mg.optim.AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w
    Tensor([0.95], requires_grad=True)
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)

    def _update(self, p, g, t, lr, betas, eps, weight_decay, exp_avg, exp_avg_sq):
        return _adam((1 - lr * weight_decay) * p, g, t, lr, betas, eps, exp_avg, exp_avg_sq)


def _adam(p: Array, g: Array, t: int, lr: float, betas: tuple[float, float], eps: float, m: Array, v: Array) -> Array:
    beta1, beta2 = betas
    m[:] = beta1 * m + (1 - beta1) * g
    v[:] = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps)


# ------------------------------------------------------------------------------------------- learning-rate schedules


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
        given = _check_state(self.name, self.state_dict(), state_dict)
        self._go_to(int(given["last_epoch"]), given["base_lrs"].tolist())

    def _go_to(self, epoch: int, base_lrs: list[float]) -> None:
        rates = [_number(self.name, f"the learning rate of epoch {epoch}", lr) for lr in self._rates(base_lrs, epoch)]
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
        self.step_size, self.gamma = _count("StepLR", "step_size", step_size), _number("StepLR", "gamma", gamma)
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
        self.milestones, self.gamma = sorted(milestones), _number("MultiStepLR", "gamma", gamma)
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
        self.gamma = _number("ExponentialLR", "gamma", gamma)
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
        self.eta_min = _number("CosineAnnealingLR", "eta_min", eta_min)
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


# --------------------------------------------------------------------------------------------------------- clipping


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Shorten the gradients so that all of them together, as one vector, have a norm of at most `max_norm`.

        g ← g · min(1, max_norm / (‖all g‖ + 10⁻⁶))

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors
        Those without a `.grad` do not count.
    max_norm : float
        Infinity only measures.
    norm_type : float, default 2
        The p of the p-norm; `math.inf` is the largest absolute value.
    error_if_nonfinite : bool, default False
        Raise if the norm is NaN or infinite. Otherwise the gradients become NaN or 0.

    Returns
    -------
    Tensor
        The norm before clipping, of shape ().

    Raises
    ------
    RuntimeError
        See `error_if_nonfinite`.

    References
    ----------
    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = mg.tensor([3.0, 4.0])
    >>> mg.optim.clip_grad_norm_([w], max_norm=1.0).item()
    5.0
    >>> w.grad
    Tensor([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm}, expected a number, at least 0")
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type is {norm_type}, expected a number greater than 0")
    gradients = [(p, p.grad.data) for p in _tensors("clip_grad_norm_", parameters) if p.grad is not None]
    norms = [np.linalg.norm(g.reshape(-1), norm_type) for _, g in gradients]
    total = np.linalg.norm(np.array(norms), norm_type) if norms else np.float32(0)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {total}, so they cannot be clipped; `with minigan.anomaly():` "
            f"around the forward and the backward pass finds the operation that made the first NaN or Inf"
        )
    scale = max_norm / (float(total) + 1e-6)
    if not scale >= 1:  # a NaN goes on into the gradients
        for p, g in gradients:
            p.grad = Tensor(g * scale)
    return Tensor(total)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every number of the gradients to [−clip_value, clip_value].

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors
        Those without a `.grad` are passed over.
    clip_value : float

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = mg.tensor([3.0, -0.4])
    >>> mg.optim.clip_grad_value_(w, 1.0)
    >>> w.grad
    Tensor([ 1. , -0.4])
    """
    clip_value = _number("clip_grad_value_", "clip_value", clip_value)
    for p in _tensors("clip_grad_value_", parameters):
        if p.grad is not None:
            p.grad = Tensor(np.clip(p.grad.data, -clip_value, clip_value))


def clip_weights_(parameters: Tensor | Iterable[Tensor], bound: float) -> None:
    """Clip every number of the parameters to [−bound, bound], as WGAN does after each step of the critic.

    A critic with bounded weights is Lipschitz continuous, with some constant, so its loss estimates a multiple of the
    Wasserstein distance.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensors
        Leaves; they get new arrays, and their versions rise, as in an optimiser's step.
    bound : float
        c in the paper, where it is 0.01.

    References
    ----------
    Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", ICML 2017, algorithm 1, line 7.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.tensor([0.5, -0.004], requires_grad=True)
    >>> mg.optim.clip_weights_([w], 0.01)
    >>> w
    Tensor([ 0.01 , -0.004], requires_grad=True)
    """
    bound = _number("clip_weights_", "bound", bound)
    for p in _tensors("clip_weights_", parameters):
        p.data = np.clip(p.data, -bound, bound)


def _tensors(owner: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise TypeError(f"{owner}: parameter {i} is a {type(p).__name__}, expected a Tensor")
    return tensors
