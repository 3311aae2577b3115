"""Is a derivative right? Checks that anyone can run on their own operations. Imports the tensor module and NumPy.

A derivative is a claim about differences. Along any direction v, with an error that shrinks as h²,

    ⟨∇f(x), v⟩  =  (f(x + h·v) − f(x − h·v)) / 2h.

`gradcheck` tests this for a random v, and for a random weighting of f's outputs, so that one comparison covers every input
and output at once. A gradient that `gradcheck` has found right is itself a function of x, so the same test applied to *it*
checks the second derivative, and so on: the check is recursive in the order.

`adjoint_check` needs no differences. Two linear maps are adjoint, each the gradient rule of the other, exactly when
⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every x and y; for random x and y this holds up to rounding, in float32 as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigan.modes import enable_grad
from minigan.ops.elementwise import mul
from minigan.ops.reduce import sum
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

    Parameters
    ----------
    f : callable
        Takes the inputs, returns a Tensor or several. Must be deterministic.
    inputs : Tensor or sequence of Tensors
        Where to check. Floating inputs that require a gradient are differentiated (all floating ones, if none does); they
        are taken in float64 whatever their type, because differences of float32 numbers say little.
    order : int, default 1
        2 checks the gradient of the gradient too, and so on.
    directions : int, default 3
        How many random directions are tried at each order.
    step : float, default 1e-5
        h above. The comparison is made at h and at h/2: where the two disagree with each other, the direction crosses a
        kink (|x| near 0), and another one is drawn.
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
        If a derivative is wrong: which order, what the engine says, what the difference says.
    ValueError
        If no input is floating, an order is below 1, or every direction crosses a kink.

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
        results = [result] if isinstance(result, Tensor) else list(result)
        return [y for y in results if y.is_floating_point()]

    with enable_grad():
        _check(of_variables, points, order, 1, np.random.default_rng(seed), directions, step, rtol, atol)
    return True


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
    weights = [rng.standard_normal(y.shape) for y in f(*map(Tensor, points))]

    def weighted(*values: Tensor) -> Tensor:
        """One number out of all outputs: Σ ⟨w, y⟩."""
        total = Tensor(np.float64(0))
        for w, y in zip(weights, f(*values)):
            total = total + sum(mul(Tensor(w), y))
        return total

    def gradient(*values: Tensor) -> list[Tensor]:
        """The gradient of that number, as Tensors that can be differentiated again (zeros where there is none)."""
        leaves = [x if x.requires_grad else Tensor(x.data, requires_grad=True) for x in values]
        y = weighted(*leaves)
        if not y.requires_grad:
            return [Tensor(np.zeros(x.shape)) for x in values]
        found = grad(y, leaves, create_graph=True, allow_unused=True)
        return [Tensor(np.zeros(x.shape)) if g is None else g for x, g in zip(values, found)]

    gradients = [g.data for g in gradient(*map(Tensor, points))]
    for i, (g, x) in enumerate(zip(gradients, points)):
        if not np.isfinite(g).all():
            raise GradcheckError(
                f"gradcheck, order {depth}: the gradient of input {i}, of shape {x.shape}, is not finite"
            )

    def value(move: list[np.ndarray], h: float) -> tuple[float, float]:
        moved = [Tensor(x + h * v) for x, v in zip(points, move)]
        outputs = f(*moved)
        magnitude = np.sum([np.abs(w * y.data).sum() for w, y in zip(weights, outputs)])
        return weighted(*moved).item(), float(magnitude)

    tried = agreed = 0
    while agreed < directions:
        tried += 1
        if tried > 20 * directions:
            raise ValueError(
                f"gradcheck, order {depth}: f has a kink in almost every direction; choose inputs away from it"
            )
        move = [rng.standard_normal(x.shape) for x in points]
        numeric, finer = ((value(move, h)[0] - value(move, -h)[0]) / (2 * h) for h in (step, step / 2))
        claimed = float(np.sum([np.vdot(g, v) for g, v in zip(gradients, move)]))
        rounding = 100 * np.finfo(np.float64).eps * value(move, 0.0)[1] / step
        allowed = atol + rtol * max(abs(numeric), abs(claimed)) + rounding
        if abs(numeric - finer) > allowed and abs(claimed - finer) > allowed:
            continue  # the differences disagree with each other: a kink lies between
        if not abs(claimed - finer) <= allowed:
            raise GradcheckError(
                f"gradcheck, order {depth}: along a random direction the derivative is {finer:.10g} by finite differences, "
                f"but {claimed:.10g} by the gradients of inputs of shape {', '.join(str(x.shape) for x in points)} "
                f"(apart {abs(claimed - finer):.3g}, allowed {allowed:.3g})"
            )
        agreed += 1
    if depth < order:
        _check(gradient, points, order, depth + 1, rng, directions, step, rtol, atol)


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
        Relative to `‖A x‖·‖y‖`; 1e-5 for float32 and 1e-12 for float64 if left out.
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
    scale = float(np.linalg.norm(ax.data) * np.linalg.norm(y.data)) + float(
        np.linalg.norm(x.data) * np.linalg.norm(aty.data)
    )
    tolerance = rtol if rtol is not None else (1e-5 if input.dtype == np.float32 else 1e-12)
    if not abs(left - right) <= tolerance * scale:
        raise GradcheckError(f"adjoint_check: ⟨A x, y⟩ = {left:.10g}, but ⟨x, Aᵀ y⟩ = {right:.10g}")
    return True
