"""A network computed with other parameters than its own, such as those after a step. Imports module."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from minigan.nn.module import Buffer, Module
from minigan.tensor import Tensor


def functional_call(module: Module, parameters: Mapping[str, Tensor], /, *args: Any, **kwargs: Any) -> Any:
    """`module(*args, **kwargs)`, computed with the given Tensors in place of its parameters of those names.

    To a module its parameters are leaves. Here a network f(x; θ) is a function of θ as well: θ may be any place of a graph,
    such as θ − η·∂L/∂θ, and the gradient travels on through it.

    Parameters
    ----------
    module : Module
    parameters : mapping of str to Tensor
        By the dotted names of `named_parameters()`; those that are left out stay as they are. A parameter that two layers
        share is replaced in both, and may be called by either name.
    *args, **kwargs
        What the module is called with. (`torch.func.functional_call` takes them as one tuple and one dict.)

    Returns
    -------
    What the module returns. Afterwards, also after an error, it has its own parameters again.

    Raises
    ------
    TypeError
        If `parameters` is no mapping, or holds something else than Tensors.
    ValueError
        If the module has no parameter of a name, a Tensor differs from its parameter in shape or type, or a shared
        parameter is given twice: the message lists all of them.

    Notes
    -----
    Buffers are the module's own and move as in any other call: in training the running statistics of batch norm, and the
    vectors of spectral norm, which then follow the weight that was given.

    During the call `module.parameters()` lists only those that were left out, and `Module.to` and `frozen` reach no others.

    Examples
    --------
    The loss after a step of gradient descent, differentiated with respect to the step's length:

    >>> import minigan as mg
    >>> from minigan import nn
    >>> net, x = nn.Linear(1, 1, bias=False), mg.ones(1, 1)
    >>> net.weight.data = mg.tensor([[3.0]]).data
    >>> lr = mg.tensor(0.25, requires_grad=True)
    >>> (g,) = mg.grad((net(x) ** 2).sum(), net.weight, create_graph=True)  # 2·w = 6
    >>> loss = (nn.functional_call(net, {"weight": net.weight - lr * g}, x) ** 2).sum()
    >>> loss.item(), mg.grad(loss, lr)[0].item()  # (3 − 6·lr)², −12·(3 − 6·lr)
    (2.25, -18.0)
    >>> net.weight
    Tensor([[3.]], requires_grad=True)
    """
    with computing_with(module, parameters):
        return module(*args, **kwargs)


@contextmanager
def computing_with(module: Module, parameters: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside the `with` block the Tensors are in the places of the parameters that have their names."""
    exchanged = list(_exchanges(module, parameters))
    for attributes, attribute, _, new in exchanged:
        attributes[attribute] = new
    try:
        yield
    finally:
        for attributes, attribute, own, _ in exchanged:
            attributes[attribute] = own


def _exchanges(
    module: Module, parameters: Mapping[str, Tensor]
) -> Iterator[tuple[dict[str, Any], str, Tensor, Tensor]]:
    """The attributes of which module, which of them, what it is, and what is to be in its place."""
    places = {
        (f"{path}.{attribute}" if path else attribute): (vars(inside), attribute, value)
        for path, inside in module.named_modules()
        for attribute, value in vars(inside).items()
        if isinstance(value, Tensor) and not isinstance(value, Buffer)  # inside another call, not all are Parameters
    }
    new = _checked(module, {name: own for name, (_, _, own) in places.items()}, parameters)
    for attributes, attribute, own in places.values():
        if own in new:
            yield attributes, attribute, own, new[own]


def _checked(module: Module, own: dict[str, Tensor], parameters: Mapping[str, Tensor]) -> dict[Tensor, Tensor]:
    """What is to be in the place of which parameter, if all of it fits."""
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"functional_call: parameters is a {type(parameters).__name__}, expected a dict from names, as "
            f"named_parameters() gives them, to Tensors"
        )
    new: dict[Tensor, Tensor] = {}
    faults = []
    for name, tensor in parameters.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"functional_call: {name} is to be replaced by a {type(tensor).__name__}, expected a Tensor"
            )
        if name not in own:
            near = difflib.get_close_matches(str(name), own, n=3, cutoff=0.5) or own
            faults.append(f"{name}: there is no such parameter; there is {', '.join(near) or 'none'}")
        elif (tensor.shape, tensor.dtype) != (own[name].shape, own[name].dtype):
            faults.append(
                f"{name}: shape {tensor.shape} and type {tensor.dtype}, expected {own[name].shape} and {own[name].dtype}"
            )
        elif new.setdefault(own[name], tensor) is not tensor:
            faults.append(f"{name}: this parameter is shared, and under another of its names another Tensor was given")
    if faults:
        raise ValueError("\n  ".join([f"functional_call: these do not fit {type(module).__name__}:", *faults]))
    return new
