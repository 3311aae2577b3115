"""The discriminator of the next K steps, as a function of the generator: unrolled GANs. Imports nn, optim and the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from minigan.modes import enable_grad
from minigan.nn.functional_call import functional_call
from minigan.nn.module import Module, Parameter
from minigan.ops.shape import Int
from minigan.optim import Optimizer, differentiable_step
from minigan.tensor import Tensor, grad


def unrolled(
    discriminator: Module, optimizer: Optimizer, loss: Callable[[Callable[..., Any]], Tensor], steps: int
) -> dict[str, Tensor]:
    """The parameters that D would have after K more steps of its optimiser, as places of the graph.

        θ_D⁰ = θ_D,        θ_Dᵏ⁺¹ = θ_Dᵏ + (the optimiser's step along −∂L_D(θ_G, θ_Dᵏ)/∂θ_Dᵏ)

    G then learns against D as it will be, `L_G(θ_G, θ_Dᴷ(θ_G))`, and its gradient has two parts:

        ∂L_G/∂θ_G  +  ∂L_G/∂θ_Dᴷ · ∂θ_Dᴷ/∂θ_G.

    The second one says how D would answer to a change of G, which makes it less tempting to put everything on one mode.

    Parameters
    ----------
    discriminator : Module
    optimizer : SGD, RMSprop, Adam or AdamW
        D's own. Its options and its moments of now are those of the unrolled steps.
    loss : callable
        `loss(call)` is D's loss, a Tensor of one element, in which `call(x)` is D with the parameters of the step. Samples
        of G take part in it *not detached*, or the second part of the gradient is lost. It is called K times; whether each
        time with the same samples is up to it.
    steps : int
        K. With 0 the parameters themselves are returned.

    Returns
    -------
    dict of str to Tensor
        By their names in D, for `minigan.nn.functional_call`. A parameter that the optimiser does not train, or that is
        frozen, is itself.

    Raises
    ------
    ValueError
        If the number of steps is negative, if the optimiser trains what is not in D, or all of D is frozen, or if a loss
        depends on none of the parameters.
    TypeError
        If the optimiser is of another kind (see `minigan.optim.differentiable_step`), or a loss is no Tensor.

    Notes
    -----
    D, its optimiser and every `.grad` stay as they are. So do D's buffers, such as the running statistics of batch norm:
    they move during the unrolled steps and are put back, for those steps were never made. Random numbers that they draw are
    used up.

    The graph begins at D's own parameters. So `backward()` adds to their `.grad` as well, which costs a walk through all
    K steps and is in vain; `backward(inputs=list(G.parameters()))` does not. And it must come before D's next real step.

    Memory and time grow with K: the graph holds K forward and K backward passes.

    References
    ----------
    Metz, Poole, Pfau & Sohl-Dickstein, "Unrolled generative adversarial networks", ICLR 2017, sections 2.2 to 2.4.

    Examples
    --------
    A step of G against D as it will be in 5 steps:

    >>> import minigan as mg
    >>> from minigan import losses, nn, optim
    >>> G, D = nn.Linear(2, 2), nn.Linear(2, 1)
    >>> optimizer_G, optimizer_D = optim.Adam(G.parameters(), lr=1e-3), optim.Adam(D.parameters(), lr=1e-2)
    >>> real, z = mg.randn(16, 2), mg.randn(16, 2)
    >>> fake = G(z)
    >>> later = unrolled(D, optimizer_D, lambda D: losses.discriminator_loss(D(real), D(fake)), steps=5)
    >>> loss = losses.nonsaturating_generator_loss(nn.functional_call(D, later, fake))
    >>> loss.backward(inputs=list(G.parameters()))
    >>> optimizer_G.step()
    """
    parameters = dict(discriminator.named_parameters())
    trained = {name: p for name, p in parameters.items() if p in optimizer.state and p.requires_grad}
    _check(discriminator, optimizer, parameters, trained, steps)
    state, current = None, dict[str, Tensor](parameters)
    with enable_grad(), _buffers_kept(discriminator):
        for k in range(steps):
            value = loss(partial(functional_call, discriminator, current))
            if not isinstance(value, Tensor):
                raise TypeError(f"unrolled: loss must return a Tensor, it returned a {type(value).__name__}")
            found = grad(value, [current[name] for name in trained], create_graph=True, allow_unused=True)
            if all(g is None for g in found):
                raise ValueError(
                    f"unrolled: the loss of step {k + 1} depends on none of the parameters that {optimizer.name} trains; it "
                    f"is to be computed with the function that loss is given, not with the discriminator itself"
                )
            state = differentiable_step(optimizer, dict(zip(trained.values(), found)), state)
            current = {name: state.values.get(p, p) for name, p in parameters.items()}
    return current


def _check(
    D: Module, optimizer: Optimizer, parameters: dict[str, Parameter], trained: dict[str, Parameter], steps: int
) -> None:
    if not isinstance(steps, Int) or steps < 0:
        raise ValueError(f"unrolled: steps must be an integer, 0 or more, got {steps!r}")
    strangers = optimizer.state.keys() - set(parameters.values())
    if strangers:
        raise ValueError(
            f"unrolled: {optimizer.name} trains {len(strangers)} parameters that are not in {type(D).__name__}, such as one "
            f"of shape {next(iter(strangers)).shape}; give the discriminator's own optimiser"
        )
    if not trained:
        raise ValueError(
            f"unrolled: {optimizer.name} trains nothing, for all parameters of {type(D).__name__} are frozen; call unrolled "
            f"outside of nn.frozen"
        )


@contextmanager
def _buffers_kept(module: Module) -> Iterator[None]:
    """After the `with` block the module's buffers are what they were before it."""
    before = [(buffer, buffer.data) for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, array in before:
            if buffer.data is not array:
                buffer.data = array
