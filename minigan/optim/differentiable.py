"""An optimiser's step as a place in the graph: what unrolled GANs differentiate. Imports the optimisers and the operations.

`optimizer.step()` overwrites arrays, and no gradient passes through it. `differentiable_step` computes the same numbers in
Tensor operations and changes nothing. The rules below are those of `kernels/reference/optim.py`, name for name, with new
Tensors where those overwrite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from minigan.ops.elementwise import sqrt, where
from minigan.optim.algorithms import SGD, Adam, AdamW, RMSprop
from minigan.optim.optimizer import Optimizer, options_of
from minigan.tensor import Tensor

Moments = dict[str, Tensor]


@dataclass(frozen=True)
class UnrolledState:
    """Where an optimiser would be after some steps that were not made.

    Each dict has an entry for every parameter of the optimiser, the parameter itself being the key.

    Attributes
    ----------
    values : dict of Tensor to Tensor
        What would be the parameter: a place of the graph.
    steps : dict of Tensor to int
        How many steps it would have made.
    moments : dict of Tensor to dict of str to Tensor
        Its running averages by their names, such as `"exp_avg"`.
    """

    values: dict[Tensor, Tensor]
    steps: dict[Tensor, int]
    moments: dict[Tensor, Moments]


def differentiable_step(
    optimizer: Optimizer, gradients: Mapping[Tensor, Tensor | None], state: UnrolledState | None = None
) -> UnrolledState:
    """What the optimiser's next step would make of its parameters, as places of the graph.

    Derivatives go through the step to whatever the gradients depend on, to the values before it, and to the moments that
    earlier such steps have made. The optimiser, its parameters and their `.grad` stay as they are.

    Parameters
    ----------
    optimizer : SGD, RMSprop, Adam or AdamW
        With its options of now.
    gradients : mapping of Tensor to Tensor
        For a parameter of the optimiser, the key, its gradient, in place of `.grad`. Made with
        `minigan.grad(..., create_graph=True)` it is itself a place of the graph. A parameter that is left out, or has None,
        keeps its value, its moments and its age, as in `step()`.
    state : UnrolledState, optional
        What the step before has returned; where the optimiser is now if it is left out. There the moments are constants.

    Returns
    -------
    UnrolledState
        `state.values[p]` is the value that p would have.

    Raises
    ------
    TypeError
        If the optimiser is of another kind, or a gradient is no Tensor.
    ValueError
        If a gradient belongs to none of the optimiser's parameters, or differs from its own in shape or type; if momentum
        was switched on or off after the moments were made.

    Notes
    -----
    Adam and RMSprop divide by `√v + eps`, and √v has no derivative at v = 0, where every gradient so far was 0: a unit that
    is dead. In the first step v is g² but for a factor, and √v is |g|, whose derivative at 0 is taken to be 0 as that of
    `abs` is. The step `lr·g / (|g| + eps)` then has its true derivative there, `lr/eps`. (PyTorch's is NaN.)

    References
    ----------
    Metz, Poole, Pfau & Sohl-Dickstein, "Unrolled generative adversarial networks", ICLR 2017, sections 2.2 and 2.3.
    `minigan.train.unroll` makes their steps; the formulas are those of each optimiser's own docstring.

    Examples
    --------
    Two steps on `c·w²`, which lead from w to `w·(1 − 2·lr·c)²`:

    >>> import minigan as mg
    >>> w, c = mg.tensor([1.0], requires_grad=True), mg.tensor([0.5], requires_grad=True)
    >>> optimizer = mg.optim.SGD([w], lr=0.5)
    >>> (g,) = mg.grad(c * w**2, w, create_graph=True)
    >>> state = differentiable_step(optimizer, {w: g})
    >>> (g,) = mg.grad(c * state.values[w] ** 2, state.values[w], create_graph=True)
    >>> state = differentiable_step(optimizer, {w: g}, state)
    >>> state.values[w].item(), mg.grad(state.values[w], c)[0].item()  # ½², −4·lr·w·½
    (0.25, -1.0)
    >>> w
    Tensor([1.], requires_grad=True)
    """
    rule = _RULES.get(type(optimizer))
    if rule is None:
        raise TypeError(
            f"differentiable_step: no rule for {type(optimizer).__name__}; there are {', '.join(k.__name__ for k in _RULES)}"
        )
    state = _now(optimizer) if state is None else state
    _check_gradients(optimizer, gradients)
    values, steps, moments = dict(state.values), dict(state.steps), dict(state.moments)
    for group in optimizer.param_groups:
        options = options_of(group)
        for p in group["params"]:
            if (g := gradients.get(p)) is None:
                continue
            if tuple(moments[p]) != optimizer._moments(options):
                raise ValueError(
                    f"differentiable_step: the options of {optimizer.name} ask for the moments "
                    f"{optimizer._moments(options)}, but those of {tuple(moments[p])} were made; whether there is momentum "
                    f"is decided when a group is added"
                )
            steps[p] += 1
            values[p], moments[p] = rule(values[p], g, steps[p], **moments[p], **options)
    return UnrolledState(values, steps, moments)


def _now(optimizer: Optimizer) -> UnrolledState:
    """Where the optimiser is. Its moments are copied: the next real step overwrites them, and graphs may hold these."""
    return UnrolledState(
        {p: p for p in optimizer.state},
        optimizer.steps,
        {p: {name: Tensor(m.copy()) for name, m in moments.items()} for p, moments in optimizer.state.items()},
    )


def _check_gradients(optimizer: Optimizer, gradients: Mapping[Tensor, Tensor | None]) -> None:
    name = "differentiable_step"
    if not isinstance(gradients, Mapping):
        raise TypeError(
            f"{name}: gradients is a {type(gradients).__name__}, expected a dict from parameters of the optimiser to their "
            f"gradients, such as dict(zip(parameters, minigan.grad(loss, parameters, create_graph=True)))"
        )
    for p, g in gradients.items():
        if p not in optimizer.state:
            what = f"a Tensor of shape {p.shape}" if isinstance(p, Tensor) else repr(p)
            raise ValueError(
                f"{name}: there is a gradient for {what}, which is no parameter of this {optimizer.name}; the keys are the "
                f"parameters themselves, also in later steps, where they have other values"
            )
        if g is None:
            continue
        if not isinstance(g, Tensor):
            raise TypeError(f"{name}: the gradient of {_called(p)} is a {type(g).__name__}, expected a Tensor or None")
        if g.shape != p.shape or g.dtype != p.dtype:
            raise ValueError(
                f"{name}: the gradient has shape {g.shape} and type {g.dtype}, but {_called(p)} has shape {p.shape} and "
                f"type {p.dtype}"
            )


def _called(p: Tensor) -> str:
    return p.name or "its parameter"


# ------------------------------------------------------------------------------------------------------------- the rules


def _sgd(
    p: Tensor,
    grad: Tensor,
    step: int,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    momentum_buffer: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    if weight_decay:
        grad = grad + weight_decay * p
    if momentum_buffer is None:
        return p - lr * grad, {}
    b = grad if step == 1 else momentum * momentum_buffer + (1 - dampening) * grad
    return p - lr * (grad + momentum * b if nesterov else b), {"momentum_buffer": b}


def _rmsprop(
    p: Tensor,
    grad: Tensor,
    step: int,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    square_avg: Tensor,
    grad_avg: Tensor | None = None,
    momentum_buffer: Tensor | None = None,
) -> tuple[Tensor, Moments]:
    if weight_decay:
        grad = grad + weight_decay * p
    v = variance = alpha * square_avg + (1 - alpha) * grad**2
    moments = {"square_avg": v}
    if grad_avg is not None:
        m = moments["grad_avg"] = alpha * grad_avg + (1 - alpha) * grad
        variance = v - m**2
    direction = grad / (_root(variance) + eps)
    if momentum_buffer is not None:
        direction = moments["momentum_buffer"] = momentum * momentum_buffer + direction
    return p - lr * direction, moments


def _adam(
    p: Tensor,
    grad: Tensor,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
) -> tuple[Tensor, Moments]:
    beta1, beta2 = betas
    if weight_decay:
        grad = grad + weight_decay * p
    m = beta1 * exp_avg + (1 - beta1) * grad
    v = beta2 * exp_avg_sq + (1 - beta2) * grad**2
    m_hat, v_hat = m / (1 - beta1**step), v / (1 - beta2**step)
    return p - lr * m_hat / (_root(v_hat) + eps), {"exp_avg": m, "exp_avg_sq": v}


def _adamw(
    p: Tensor, grad: Tensor, step: int, *, lr: float, weight_decay: float, **rest: Any
) -> tuple[Tensor, Moments]:
    return _adam((1 - lr * weight_decay) * p, grad, step, lr=lr, weight_decay=0.0, **rest)


def _root(v: Tensor) -> Tensor:
    """√v, and 0 with all its derivatives where v is 0 (or below, where rounding has made a variance negative)."""
    positive = v > 0
    return where(positive, sqrt(where(positive, v, 1.0)), 0.0)


_RULES: dict[type[Optimizer], Callable[..., tuple[Tensor, Moments]]] = {
    SGD: _sgd,
    RMSprop: _rmsprop,
    Adam: _adam,
    AdamW: _adamw,
}
