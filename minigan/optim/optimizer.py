"""What every optimiser does, whatever its equation. Imports NumPy, the tensor module and the name of its arrays.

An optimiser holds parameters, which are leaf Tensors, and gives them new values from their `.grad`:

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

Names, arguments, defaults and formulas are PyTorch's. Each optimiser is one equation, its `_update`, which is a kernel that
goes through memory once; everything else they share.

No array that others hold is changed in place. A parameter gets new values, which raises its version, so a backward pass
through a graph that was made with the old ones is an error. They are written over the old ones if nobody else refers to
these, and otherwise (a `state_dict()` that was kept, a view, `p.data` in a variable) into a copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from minigan.backend import Array, DeviceError, device_of, is_array, to_device, to_host
from minigan.tensor import Tensor

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer:
    """What every optimiser does, whatever its equation.

    A subclass writes two methods. `_moments(options)` names the running averages that it keeps for each parameter (they
    begin as zeros). `_update(p, g, t, ...)` receives the arrays of the parameter `p` and of its gradient `g`, the number `t`
    of steps that the parameter has made, this one included, and by their names the options and the moments. It overwrites
    `p`, which lies in C order, and the moments.

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
    _update: Callable[..., None]
    _elementwise = False  # is what happens to a number a matter of its own gradient and moments alone?

    def __init__(self, params: Params, **defaults: Any):
        entries = self._listed(params)
        if not entries:
            raise ValueError(
                f"{self.name}: there are no parameters to train. An iterator, such as module.parameters(), can be read "
                f"only once: list() keeps what it gives."
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Array]] = {}
        self._flat: list[dict[str, Array] | None] = []  # of each group on a GPU, its moments one behind the other
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
        options = self._checked(self.defaults | options_of(param_group))
        self._check_parameters(params)
        self.param_groups.append({"params": params, **options})
        for p in params:
            self.steps[p] = 0
            self.state[p] = {moment: np.zeros_like(p.data, order="C") for moment in self._moments(options)}
        flat = None
        if (
            params
            and self._elementwise
            and params[0].device != "cpu"
            and len({(p.device, p.dtype) for p in params}) == 1
        ):
            flat = {moment: joined([self.state[p][moment] for p in params]) for moment in self._moments(options)}
            for moment, buffer in flat.items():
                for p, view in zip(params, pieces(buffer, params)):
                    self.state[p][moment] = view
        self._flat.append(flat)

    def zero_grad(self) -> None:
        """Forget the gradients: sets the `.grad` of every parameter to None."""
        for p in self._parameters():
            p.grad = None

    def step(self) -> None:
        """Give every parameter its next value; one whose `.grad` is None keeps its value, its moments and its age."""
        for group, flat in zip(self.param_groups, self._flat):
            options = options_of(group)
            moments = self._moments(options)
            reached = [p for p in group["params"] if p.grad is not None]
            for p in reached:
                if tuple(self.state[p]) != moments:
                    raise ValueError(
                        f"{self.name}: the options ask for the moments {moments}, but those of {tuple(self.state[p])} "
                        f"were made; whether there is momentum is decided when a group is added"
                    )
                self._check_gradient(p, p.grad)
            for p in reached:
                self.steps[p] += 1
            if flat is not None and len(reached) == len(group["params"]) and len({self.steps[p] for p in reached}) == 1:
                self._step_together(reached, flat, options)
            else:
                for p in reached:
                    p._data, p._version = p._own_array(), p._version + 1
                    self._update(p._data, p.grad.data, self.steps[p], **self.state[p], **options)

    def _step_together(self, params: list[Tensor], flat: dict[str, Array], options: dict[str, Any]) -> None:
        """The step of a whole group on a GPU, where a launch costs as much as a million numbers: one for all of them.

        The parameters' numbers go into a new buffer, one behind the other, and so do the gradients'; the moments lie in such
        buffers from the beginning. Afterwards the parameters are views of the new buffer, and who has an old array keeps it.
        """
        values, gradients = (
            joined([p._data for p in params]),
            joined([p.grad._data for p in params if p.grad is not None]),
        )
        self._update(values, gradients, self.steps[params[0]], **flat, **options)
        for p, array in zip(params, pieces(values, params)):
            p._data, p._version = array, p._version + 1

    def _check_gradient(self, p: Tensor, grad: Tensor | None) -> None:
        if grad is not None and (grad.shape != p.shape or grad.dtype != p.dtype):
            raise ValueError(
                f"{self.name}: the gradient has shape {grad.shape} and type {grad.dtype}, but {p.name or 'its parameter'} "
                f"has shape {p.shape} and type {p.dtype}"
            )
        for moment in self.state[p].values():
            if type(moment) is not type(p._data):
                raise DeviceError(
                    f"{self.name}: {p.name or 'a parameter'} is on the device {p.device!r}, but its moments were made on "
                    f"{device_of(moment)!r}; move a network before its optimiser is made"
                )
            break  # all were made together

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
        return {name: np.array(to_host(array)) for name, array in self._named_arrays().items()}

    def load_state_dict(self, state_dict: Mapping[str, np.ndarray]) -> None:
        """Take over a state that `state_dict` returned, options included: all of it, or nothing and an error.

        Raises
        ------
        ValueError
            If names are missing, there are others, or an array has another shape or type: the message lists them.
        """
        given = check_state(self.name, self._named_arrays(), state_dict)
        options = [
            self._checked({name: given[f"group{k}.{name}"].tolist() for name in options_of(group)})
            for k, group in enumerate(self.param_groups)
        ]
        for group, loaded in zip(self.param_groups, options):
            group.update(loaded)
        for i, p in enumerate(self._parameters()):
            self.steps[p] = int(given[f"{i}.step"])
            for name, moment in self.state[p].items():
                moment[...] = to_device(given[f"{i}.{name}"], device_of(moment))

    def _named_arrays(self) -> dict[str, np.ndarray]:
        """What `state_dict` returns, with the moments themselves instead of copies."""
        arrays = {}
        for i, p in enumerate(self._parameters()):
            arrays[f"{i}.step"] = np.array(self.steps[p], np.int64)
            arrays |= {f"{i}.{name}": moment for name, moment in self.state[p].items()}
        for k, group in enumerate(self.param_groups):
            arrays |= {f"group{k}.{name}": np.array(value) for name, value in self._checked(options_of(group)).items()}
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
                checked[name] = tuple([number(self.name, f"betas[{i}]", b, below=1.0) for i, b in enumerate(value)])
            else:
                checked[name] = number(self.name, name, value, below=1.0 if name == "alpha" else math.inf)
        return checked

    def __repr__(self) -> str:
        groups = [", ".join(f"{k}={v}" for k, v in options_of(group).items()) for group in self.param_groups]
        return f"{self.name}({'; '.join(groups)}; {len(self.state)} parameters)"


def joined(arrays: Sequence[Array]) -> Array:
    """The numbers of the arrays in one buffer, each array's in C order."""
    return np.concatenate([array.reshape(-1) for array in arrays])


def pieces(buffer: Array, params: Sequence[Tensor]) -> list[Array]:
    """A buffer's parts, one behind the other, in the shapes of the parameters."""
    ends = np.cumsum([p.numel() for p in params]).tolist()
    return [buffer[end - p.numel() : end].reshape(p.shape) for p, end in zip(params, ends)]


def options_of(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def number(owner: str, name: str, value: Any, low: float = 0.0, below: float = math.inf) -> float:
    """`value` as a float, if it is a finite number with low ≤ value < below."""
    if not isinstance(value, Real):
        raise TypeError(f"{owner}: {name} is {value!r}, expected a number")
    number = float(value)
    if not low <= number < below:
        upper = f" and less than {below:g}" if below < math.inf else ""
        raise ValueError(f"{owner}: {name} is {value}, expected a finite number, at least {low:g}{upper}")
    return number


def check_state(owner: str, expected: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays of `state`, if they have the names, shapes and types of `expected`."""
    given = {name: to_host(array) if is_array(array) else np.asarray(array) for name, array in state.items()}
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
