"""f-GAN: one loss for each f-divergence, all in one table. Imports ops, tensor and the checks of outputs.

A convex f with f(1) = 0 makes a distance of two distributions, `D_f(p‖q) = E_q f(p/q)` (Nowozin et al. 2016, eq. 2). Every
convex function is the upper edge of the lines below it, `f(u) = max_t t·u − f*(t)`, where f* is its *conjugate*. Put under
the expectation, with one line t = T(x) chosen at each x, this is a bound that needs samples only, no densities (eq. 4):

    D_f(p‖q)  ≥  E_p T(x) − E_q f*(T(x)),      equal for T* = f′(p/q)   (eq. 5).

So a discriminator that raises the right side estimates the divergence, and a generator that lowers it makes the divergence
small. T must stay where f* is finite. That is what the *output activation* g_f is for: T = g_f(V), with V the network's
linear output (eq. 7). All g_f here increase, so a large V says "real".

    name        D_f(p‖q)              f(u)                           g_f(v)                   f*(t), and where
    kl          Σ p log p/q           u log u                        v                        e^(t−1)
    reverse-kl  Σ q log q/p           −log u                         −e^(−v)                  −1 − log(−t),   t < 0
    js          2·JS(p, q)            u log u − (u+1) log((u+1)/2)   log 2 − log(1 + e^(−v))  −log(2 − e^t),  t < log 2
    gan         2·JS(p, q) − 2 log 2  u log u − (u+1) log(u+1)       −log(1 + e^(−v))         −log(1 − e^t),  t < 0
    pearson     Σ (p − q)²/q          (u − 1)²                       v                        t²/4 + t
    neyman      Σ (p − q)²/p          (1 − u)²/u                     1 − e^(−v)               2 − 2√(1 − t),  t < 1
    hellinger   Σ (√p − √q)²          (√u − 1)²                      1 − e^(−v)               t/(1 − t),      t < 1
    jeffrey     Σ (p − q) log p/q     (u − 1) log u                  v                        W + 1/W + t − 2

W is Lambert's function at e^(1−t): the w for which w·e^w = e^(1−t). D_f is what `E_q f(p/q)` gives for each f; "js" comes
out as twice the Jensen–Shannon divergence. "gan" is the original GAN, with V its logit; its f(1) is −2 log 2. Pearson's f*
is that of (u − 1)² on the whole line, which is a bound as well; at T* ≥ −2 the two are equal.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigan.backend import Array
from minigan.losses.outputs import check_outputs
from minigan.ops.elementwise import exp, log, sigmoid, softplus, sqrt, where
from minigan.ops.reduce import mean
from minigan.tensor import Function, Tensor

LOG_2 = math.log(2)


@dataclass(frozen=True)
class Divergence:
    """A row of the table: all that an f-GAN needs to know of its divergence. Its functions take and give Tensors.

    Parameters
    ----------
    name : str
    f : callable
        The convex f(u) of u = p/q.
    activation : callable
        g_f(v), increasing, from the real line into the domain of f*.
    conjugate : callable
        `v ↦ f*(g_f(v))`: of v, not of t, because composed they are often simpler, and stable.
    optimum : callable
        `u ↦ f′(u)`, the T at which the bound is the divergence.
    domain : str
        Where f* is finite, in words.

    Examples
    --------
    The bound is the divergence at V = 1 + log p/q, and below it elsewhere:

    >>> import minigan as mg
    >>> p, q = mg.tensor([0.5, 0.5]), mg.tensor([0.9, 0.1])
    >>> kl = DIVERGENCES["kl"]
    >>> bound = lambda v: (p * kl.activation(v) - q * kl.conjugate(v)).sum()
    >>> bound(kl.optimum(p / q)), (q * kl.f(p / q)).sum(), bound(mg.zeros(2))
    (Tensor(0.5108), Tensor(0.5108), Tensor(-0.3679))
    """

    name: str
    f: Callable[[Tensor], Tensor]
    activation: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]
    optimum: Callable[[Tensor], Tensor]
    domain: str


# ----------------------------------------------------------------------------------------------------- the table


def _u_log_u(u: Tensor) -> Tensor:
    """`u log u`, with its limit 0 at 0."""
    return u * log(where(u > 0, u, 1.0))


class JeffreyLogRatio(Function):
    """s, where 1 + s − e⁻ˢ = t;   t̄ = s̄·σ(s), because dt/ds = 1 + e⁻ˢ.

    It is the log-ratio log p/q at which Jeffrey's T* is t. In Lambert's W, s = −log W(e^(1−t)), but e^(1−t) overflows long
    before s does. Newton's method: the function is concave and the start lies left of the root, so no step passes it.
    """

    keeps_output = True

    def forward(self, t: Array) -> Array:
        c = t - 1
        s = np.maximum(c, 0) - np.log(np.maximum(-c, 1))
        for _ in range(6):
            e = np.exp(-s)
            s = s - (s - e - c) / (1 + e)
        return s

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (grad * sigmoid(self.output()),)


def _jeffrey_conjugate(v: Tensor) -> Tensor:
    """`f*(f′(u)) = u·f′(u) − f(u) = u + log u − 1`, at the u = eˢ for which f′(u) = v."""
    s = JeffreyLogRatio()(v)
    return exp(s) + s - 1


DIVERGENCES = {
    divergence.name: divergence
    for divergence in (
        Divergence(
            "kl",
            f=_u_log_u,
            activation=lambda v: v,
            conjugate=lambda v: exp(v - 1),
            optimum=lambda u: 1 + log(u),
            domain="all t",
        ),
        Divergence(
            "reverse-kl",
            f=lambda u: -log(u),
            activation=lambda v: -exp(-v),
            conjugate=lambda v: v - 1,  # −1 − log(e^(−v))
            optimum=lambda u: -1 / u,
            domain="t < 0",
        ),
        Divergence(
            "js",
            f=lambda u: _u_log_u(u) - (u + 1) * log((u + 1) / 2),
            activation=lambda v: LOG_2 - softplus(-v),
            conjugate=lambda v: softplus(v) - LOG_2,  # −log(2 − 2σ(v)) = −log 2 − log σ(−v)
            optimum=lambda u: log(2 * u / (u + 1)),
            domain="t < log 2",
        ),
        Divergence(
            "gan",
            f=lambda u: _u_log_u(u) - (u + 1) * log(u + 1),
            activation=lambda v: -softplus(-v),  # log D, with D = σ(v)
            conjugate=lambda v: softplus(v),  # −log(1 − D)
            optimum=lambda u: log(u / (u + 1)),
            domain="t < 0",
        ),
        Divergence(
            "pearson",
            f=lambda u: (u - 1) ** 2,
            activation=lambda v: v,
            conjugate=lambda v: v * v / 4 + v,
            optimum=lambda u: 2 * (u - 1),
            domain="all t",
        ),
        Divergence(
            "neyman",
            f=lambda u: (1 - u) ** 2 / u,
            activation=lambda v: 1 - exp(-v),
            conjugate=lambda v: 2 - 2 * exp(-v / 2),  # 2 − 2√(e^(−v))
            optimum=lambda u: 1 - 1 / u**2,
            domain="t < 1",
        ),
        Divergence(
            "hellinger",
            f=lambda u: (sqrt(u) - 1) ** 2,
            activation=lambda v: 1 - exp(-v),
            conjugate=lambda v: exp(v) - 1,  # (1 − e^(−v))/e^(−v)
            optimum=lambda u: 1 - 1 / sqrt(u),
            domain="t < 1",
        ),
        Divergence(
            "jeffrey",
            f=lambda u: (u - 1) * log(u),
            activation=lambda v: v,
            conjugate=_jeffrey_conjugate,
            optimum=lambda u: 1 + log(u) - 1 / u,
            domain="all t",
        ),
    )
}


def find_divergence(divergence: str | Divergence) -> Divergence:
    """The row of `DIVERGENCES` that has this name; a Divergence of your own is given back.

    Raises
    ------
    ValueError
        If there is no such name; it tells the nearest one.

    Examples
    --------
    >>> find_divergence("pearson").domain
    'all t'
    """
    if isinstance(divergence, Divergence):
        return divergence
    if divergence not in DIVERGENCES:
        near = difflib.get_close_matches(str(divergence).lower(), DIVERGENCES, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"find_divergence: no divergence is called {divergence!r}.{guess} Known are {', '.join(DIVERGENCES)}; or give a "
            f"Divergence of your own"
        )
    return DIVERGENCES[divergence]


# ---------------------------------------------------------------------------------------------------- the losses


def f_gan_discriminator_loss(real_outputs: Tensor, fake_outputs: Tensor, divergence: str | Divergence) -> Tensor:
    """`−(E_p g_f(V) − E_q f*(g_f(V)))`: minus the bound, so the lower, the better the divergence is known.

    In float32 these are finite for |V| up to 87 (the exponential's range), and "js", "gan", "pearson" far beyond. Where the
    formula is an exponential it is honest about it, and overflows to infinity: for generated samples with large V "kl",
    "hellinger" and "jeffrey"; for those with very negative V "neyman" (below −174); for real ones with very negative V
    "reverse-kl", "neyman" and "hellinger".

    Parameters
    ----------
    real_outputs, fake_outputs : Tensor
        V, D's linear outputs, of any shape; each is averaged by itself.
    divergence : str or Divergence
        A name in `DIVERGENCES`, or one of your own.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, or are empty; or if no divergence has this name.

    References
    ----------
    Nowozin et al. 2016, "f-GAN", eq. 7 and Tables 2 and 6.

    Examples
    --------
    "gan" is the loss of the original:

    >>> import minigan as mg
    >>> f_gan_discriminator_loss(mg.zeros(4), mg.zeros(4), "gan")  # 2 log 2
    Tensor(1.3863)
    >>> f_gan_discriminator_loss(mg.zeros(4), mg.zeros(4), "hellinger")
    Tensor(0.)
    """
    check_outputs("f_gan_discriminator_loss", real_outputs=real_outputs, fake_outputs=fake_outputs)
    d = find_divergence(divergence)
    return mean(d.conjugate(fake_outputs)) - mean(d.activation(real_outputs))


def f_gan_generator_loss(fake_outputs: Tensor, divergence: str | Divergence) -> Tensor:
    """`−E_q f*(g_f(V))`: what G can lower of the bound, the game as the theory has it.

    For "gan" it is the saturating loss. `f_gan_nonsaturating_generator_loss` is what the paper trains with.

    Parameters
    ----------
    fake_outputs : Tensor
        V, D's linear outputs, of any shape. For large V "kl", "hellinger" and "jeffrey" overflow, as in D's loss.
    divergence : str or Divergence
        A name in `DIVERGENCES`, or one of your own.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensor, are not floating, or are empty; or if no divergence has this name.

    References
    ----------
    Nowozin et al. 2016, "f-GAN", eq. 7 and Algorithm 1.

    Examples
    --------
    >>> import minigan as mg
    >>> f_gan_generator_loss(mg.zeros(4), "gan")  # −log 2
    Tensor(-0.6931)
    """
    check_outputs("f_gan_generator_loss", fake_outputs=fake_outputs)
    return -mean(find_divergence(divergence).conjugate(fake_outputs))


def f_gan_nonsaturating_generator_loss(fake_outputs: Tensor, divergence: str | Divergence) -> Tensor:
    """`−E_q g_f(V)`: G raises the outputs of its samples, as non-saturating G does in the original GAN.

    At equilibrium (p = q) it has the gradient of `f_gan_generator_loss`, because there (f*)′(T*) = 1. Far from it, where
    generated samples have p/q near 0, so has (f*)′(T*) = p/q, and the factor is what this loss leaves out.

    Parameters
    ----------
    fake_outputs : Tensor
        V, D's linear outputs, of any shape. For very negative V "reverse-kl", "neyman" and "hellinger" overflow.
    divergence : str or Divergence
        A name in `DIVERGENCES`, or one of your own.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensor, are not floating, or are empty; or if no divergence has this name.

    References
    ----------
    Nowozin et al. 2016, "f-GAN", §3.2 (practical considerations).

    Examples
    --------
    >>> import minigan as mg
    >>> f_gan_nonsaturating_generator_loss(mg.zeros(4), "gan")  # log 2
    Tensor(0.6931)
    """
    check_outputs("f_gan_nonsaturating_generator_loss", fake_outputs=fake_outputs)
    return -mean(find_divergence(divergence).activation(fake_outputs))
