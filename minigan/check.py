"""Is a derivative right? Checks that anyone can run on their own operations. Imports the tensor module and NumPy.

A derivative is a claim about differences. Along any direction v, with an error that shrinks as h²,

    ⟨∇f(x), v⟩  =  (f(x + h·v) − f(x − h·v)) / 2h.

`gradcheck` tests this for a random v, and for a random weighting of f's outputs, so that one comparison covers every input
and output at once. A gradient that `gradcheck` has found right is itself a function of x, so the same test applied to *it*
checks the second derivative, and so on: the check is recursive in the order. (The weighting joins the inputs there, because
the rule of a gradient must be right in the gradient it was handed as well as in x.)

Where f has a kink between x − h·v and x + h·v the difference means nothing, and another v is drawn. Whether that is so is
asked of f alone, by comparing its differences at h and h/2, never of the gradient. So a wrong gradient cannot pick the
directions in which it looks right. If it is off by a vector e, a direction shows the error ⟨e, v⟩ with v normally
distributed, and the chance that this is below the tolerance t in all of three is less than (t/‖e‖)³; less than (20·t/‖e‖)³
where all but a twentieth of the directions cross a kink, and where more do, the inputs are refused.

`adjoint_check` needs no differences. Two linear maps are adjoint, each the gradient rule of the other, exactly when
⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every x and y; for random x and y this holds up to rounding, in float32 as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigan.modes import enable_grad
from minigan.tensor import Tensor, grad


class GradcheckError(AssertionError):
    """A derivative is wrong."""


def gradcheck(
    f: Callable[..., Any],
    inputs: Tensor | Sequence[Tensor],
    order: int = 1,
    *,
    directions: int = 3,
    step: float = 1e-5,
    rtol: float = 1e-5,
    atol: float = 1e-7,
    seed: int = 0,
) -> bool:
    """Hold the derivatives of `f` against finite differences, up to the given order.

    At each order the gradient must also be the same when no graph is recorded, which is how `backward()` computes it and
    where an operation may have a faster rule, and when it is asked for one input at a time, where a rule may skip work.

    Parameters
    ----------
    f : callable
        Takes the inputs, returns a Tensor or several. Must be deterministic. May itself call `grad` on its inputs.
    inputs : Tensor or sequence of Tensors
        Where to check. Floating inputs that require a gradient are differentiated (all floating ones, if none does); they
        are taken in float64 whatever their type, because differences of float32 numbers say little.
    order : int, default 1
        2 checks the gradient of the gradient too, and so on.
    directions : int, default 3
        How many random directions are tried at each order.
    step : float, default 1e-5
        The h of the difference above. It is taken at h and at h/2: where the two disagree, the direction crosses a kink
        (|x| near 0), and another one is drawn.
    rtol, atol : float
        How far the derivative may be from the difference: `atol + rtol·|difference|`, and what rounding in f can cause.
    seed : int, default 0

    Returns
    -------
    bool
        True; anything else raises.

    Raises
    ------
    GradcheckError
        If a derivative is wrong: which order, what the engine says, what the difference says. Also if a rule changes the
        gradient it was given in place.
    TypeError
        If f returns something else than Tensors.
    ValueError
        If there is nothing to check or no way to: no input or no output is floating, the order is below 1, f is not
        deterministic, changes its inputs in place or computes in float32, the inputs lie on a kink, or almost every
        direction crosses one.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.check.gradcheck(lambda x: (x**3).sum(), mg.tensor([1.0, 2.0]), order=3)
    True
    """
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1, got {order}")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    chosen = [x for x in given if x.requires_grad] or [x for x in given if x.is_floating_point()]
    if not chosen:
        raise ValueError("gradcheck: no input is floating, so there is nothing to differentiate")
    variable = [any(x is c for c in chosen) for x in given]
    points = [x.data.astype(np.float64) for x, v in zip(given, variable) if v]

    def of_variables(*values: Tensor) -> list[Tensor]:
        """f as a function of the differentiated inputs alone, its differentiable results as a list."""
        fresh = iter(values)
        fixed = (x.detach().to(np.float64) if x.is_floating_point() else x.detach() for x in given)
        result = f(*[next(fresh) if v else x for x, v in zip(fixed, variable)])
        results = [result] if isinstance(result, Tensor) else list(result) if isinstance(result, list | tuple) else []
        if not results or not all(isinstance(y, Tensor) for y in results):
            raise TypeError(f"gradcheck: f must return a Tensor or several, it returned {type(result).__name__}")
        return [y for y in results if y.is_floating_point()]

    with enable_grad():
        _check_function(of_variables, points)
        _check(of_variables, points, order, 1, np.random.default_rng(seed), directions, step, rtol, atol)
    return True


def _leaves(points: Sequence[np.ndarray]) -> list[Tensor]:
    """Tensors of copies, so that nothing that a rule does wrong reaches the points; f may call `grad` on them itself."""
    return [Tensor(x.copy(order="K"), requires_grad=True) for x in points]


def _check_function(f: Callable[..., list[Tensor]], points: list[np.ndarray]) -> None:
    """Is f a function that can be checked at all? What it returns depends on its inputs alone, in float64."""
    leaves = _leaves(points)
    first, second = f(*leaves), f(*_leaves(points))
    for i, (x, leaf) in enumerate(zip(points, leaves)):
        if not np.array_equal(x, leaf.data, equal_nan=True):
            raise ValueError(f"gradcheck: f changes the values of its input {i} in place")
    if not first:
        raise ValueError("gradcheck: no output of f is floating, so there is nothing to differentiate")
    for i, (a, b) in enumerate(zip(first, second)):
        if a.dtype != np.float64:
            raise ValueError(
                f"gradcheck: output {i} of f is {a.dtype} for float64 inputs; differences of such numbers say little"
            )
        if a.shape != b.shape or not np.allclose(a.data, b.data, rtol=1e-9, atol=1e-12, equal_nan=True):
            raise ValueError(
                f"gradcheck: output {i} of f was different when f was called again with the same inputs; a function that "
                f"draws random numbers must begin from the same seed at each call"
            )


def _check(
    f: Callable[..., list[Tensor]],
    points: list[np.ndarray],
    order: int,
    depth: int,
    rng: np.random.Generator,
    directions: int,
    step: float,
    rtol: float,
    atol: float,
) -> None:
    """Check the gradient of `f` at `points`, then, as a function of its own, the gradient of that."""
    outputs = f(*_leaves(points))
    weights = [rng.standard_normal(y.shape) for y in outputs]

    def gradient(*values: Tensor) -> list[Tensor]:
        """`(x, w) ↦ ∇ₓ Σ⟨w, f(x)⟩`, to be differentiated again by both: a rule must be right in the gradient it is given."""
        xs, ws = values[: len(points)], values[len(points) :]
        found = _gradient(f(*xs), xs, ws, create_graph=True)
        return [Tensor(np.zeros(x.shape)) if g is None else g for x, g in zip(xs, found)]

    gradients = [g.data for g in gradient(*_leaves([*points, *weights]))]
    for i, (g, x) in enumerate(zip(gradients, points)):
        if not np.isfinite(g).all():
            raise GradcheckError(
                f"gradcheck, order {depth}: the gradient of input {i}, of shape {x.shape}, is not finite"
            )
    _check_unrecorded(f, points, weights, gradients, depth, rtol, atol)

    def value(move: list[np.ndarray], h: float) -> float:
        """Σ ⟨w, f(x + h·v)⟩: one number out of all outputs."""
        outputs = f(*_leaves([x + h * v for x, v in zip(points, move)]))
        return float(np.sum([np.vdot(w, y.data) for w, y in zip(weights, outputs)]))

    here = float(np.sum([np.vdot(w, y.data) for w, y in zip(weights, outputs)]))
    magnitude = float(np.sum([np.abs(w * y.data).sum() for w, y in zip(weights, outputs)]))
    rounding = 100 * np.finfo(np.float64).eps * magnitude / step
    tried = agreed = 0
    while agreed < directions:
        tried += 1
        if tried > 20 * directions:
            raise ValueError(
                f"gradcheck, order {depth}: f has a kink in almost every direction; choose inputs away from it"
            )
        move = [rng.standard_normal(x.shape) for x in points]
        (up, down), (near_up, near_down) = ((value(move, h), value(move, -h)) for h in (step, step / 2))
        coarse, fine = (up - down) / (2 * step), (near_up - near_down) / step
        allowed = atol + rtol * abs(fine) + rounding
        if abs(coarse - fine) > allowed:
            continue  # a kink lies between
        claimed = float(np.sum([np.vdot(g, v) for g, v in zip(gradients, move)]))
        if abs(claimed - fine) <= allowed:
            agreed += 1
            continue
        right, left = (up - here) / step, (here - down) / step
        bend = 2 * (near_up - 2 * here + near_down) / (step / 2)  # twice that at h/2: the same as at h if f is smooth
        if abs((right - left) - bend) > allowed:
            raise ValueError(
                f"gradcheck, order {depth}: the inputs lie on a kink of f: along a random direction its slope is {left:.6g} "
                f"on one side and {right:.6g} on the other (the gradients say {claimed:.6g}); choose inputs away from it"
            )
        raise GradcheckError(
            f"gradcheck, order {depth}: along a random direction the derivative is {fine:.10g} by finite differences, "
            f"but {claimed:.10g} by the gradients of inputs of shape {', '.join(str(x.shape) for x in points)} "
            f"(apart {abs(claimed - fine):.3g}, allowed {allowed:.3g})"
        )
    if depth < order:
        _check(gradient, [*points, *weights], order, depth + 1, rng, directions, step, rtol, atol)


def _gradient(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], weights: Sequence[Tensor], create_graph: bool = False
) -> Sequence[Tensor | None]:
    """The gradient of Σ⟨w, y⟩, also where some outputs are constants."""
    reached = [(y, w) for y, w in zip(outputs, weights) if y.requires_grad]
    seeds = [w for _, w in reached]
    return grad([y for y, _ in reached], inputs, seeds, create_graph=create_graph, allow_unused=True)


def _check_unrecorded(
    f: Callable[..., list[Tensor]],
    points: list[np.ndarray],
    weights: list[np.ndarray],
    gradients: list[np.ndarray],
    depth: int,
    rtol: float,
    atol: float,
) -> None:
    """Hold the recorded `gradients` against what comes out with no graph recorded, for all leaves and for each alone."""
    leaves = _leaves(points)
    outputs = f(*leaves)
    every = tuple(range(len(leaves)))
    for wanted in dict.fromkeys([every, *((i,) for i in every)]):
        seeds = [Tensor(w.copy()) for w in weights]
        found = _gradient(outputs, [leaves[i] for i in wanted], seeds)
        if not all(np.array_equal(w, seed.data) for w, seed in zip(weights, seeds)):
            raise GradcheckError(f"gradcheck, order {depth}: a backward rule changes in place the gradient it is given")
        for i, g in zip(wanted, found):
            apart = np.abs(gradients[i] - (0 if g is None else g.data)).max(initial=0)
            allowed = atol + rtol * np.abs(gradients[i]).max(initial=0)
            if not apart <= allowed:
                alone = " and the other inputs' gradients are not wanted" if wanted != every else ""
                raise GradcheckError(
                    f"gradcheck, order {depth}: the gradient of input {i}, of shape {leaves[i].shape}, comes out different "
                    f"where no graph is recorded{alone} (apart {apart:.3g}, allowed {allowed:.3g})"
                )


def adjoint_check(
    linear: Callable[[Tensor], Tensor],
    adjoint: Callable[[Tensor], Tensor],
    input: Tensor,
    *,
    rtol: float | None = None,
    seed: int = 0,
) -> bool:
    """Whether two linear maps are each other's transpose: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩` for random x and y.

    Parameters
    ----------
    linear, adjoint : callables
        A and Aᵀ, each of one Tensor.
    input : Tensor
        Its shape and type are those of x.
    rtol : float, optional
        Relative to `‖A x‖ + ‖Aᵀ y‖`, which is how large the inner products with independent normal y and x are; 1e-5 for
        float32 and 1e-12 for float64 if left out.
    seed : int, default 0

    Raises
    ------
    GradcheckError
        If the inner products differ, or `adjoint` does not lead back to the shape of `input`.

    Examples
    --------
    >>> import minigan as mg
    >>> w = mg.randn(8, 3, 4, 4)
    >>> A = lambda x: mg.conv2d(x, w, stride=2, padding=1)
    >>> At = lambda y: mg.conv_transpose2d(y, w, stride=2, padding=1)
    >>> mg.check.adjoint_check(A, At, mg.zeros(2, 3, 8, 8))
    True
    """
    rng = np.random.default_rng(seed)
    x = Tensor(rng.standard_normal(input.shape).astype(input.dtype))
    ax = linear(x)
    y = Tensor(rng.standard_normal(ax.shape).astype(ax.dtype))
    aty = adjoint(y)
    if aty.shape != x.shape:
        raise GradcheckError(
            f"adjoint_check: the adjoint leads to shape {aty.shape}, the map came from shape {x.shape}"
        )
    left = float(np.vdot(ax.data.astype(np.float64), y.data.astype(np.float64)))
    right = float(np.vdot(x.data.astype(np.float64), aty.data.astype(np.float64)))
    scale = float(np.linalg.norm(ax.data)) + float(np.linalg.norm(aty.data))
    tolerance = rtol if rtol is not None else (1e-5 if input.dtype == np.float32 else 1e-12)
    if not abs(left - right) <= tolerance * scale:
        raise GradcheckError(f"adjoint_check: ⟨A x, y⟩ = {left:.10g}, but ⟨x, Aᵀ y⟩ = {right:.10g}")
    return True
