"""The engine: Tensor, Function, and the walk that differentiates. Imports NumPy, backend, modes and values.

A computation is a graph. Its places are Tensors; each was made by a Function, called its `grad_fn`, from other Tensors:

        x ──┐
            ├── Mul ── y ── Sum ── loss          loss.grad_fn is the Sum, whose inputs are (y,);
        w ──┘                                    y.grad_fn is the Mul, whose inputs are (x, w)

A Tensor that no Function made, like x and w here, is a *leaf*. What is wanted is ∂loss/∂x, the gradient that arrives at x;
in formulas it is written x̄, and the rule of the Mul, y = x·w, is x̄ = ȳ·w and w̄ = ȳ·x.

A Function has two rules. `forward` computes with arrays. `backward` says what a gradient that arrives at the output is
worth at each input, and it is written *in Tensor operations*: so a backward pass under `create_graph=True` records a graph
like any other computation, and the gradient can be differentiated again, to any order.

`grad` walks the graph from the outputs to the inputs, newest node first, and adds up what arrives.

Three decisions keep it safe:

- A node refers to its inputs, never to its output. So the graph has no cycle and is freed the moment the loss is.
- minigan changes no array that anyone else can see (nor may a program, while a graph holds it). New values, such as an
  optimiser's, raise a parameter's version; nodes remember the versions they saw, so a backward through a parameter that
  has been given new values since is an error, never a wrong number.
- A Function has one output, so a Tensor and its `grad_fn` are two names for one place in the graph.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigan.backend import Array, together
from minigan.modes import inspect_forward, mode, refuse_nonfinite, switch
from minigan.values import Values, as_array

_clock = itertools.count()  # numbers the nodes: an input is always older than what is made of it


class Function:
    """One differentiable operation, and, once called on Tensors that need gradients, one node of the graph.

    A subclass writes `forward(self, *arrays)`, which returns an array, and `backward(self, grad)`, which returns one
    gradient for each input (None where there is none). Parameters that are not differentiated go to the constructor.
    In `backward`, written in Tensor operations:

    - `self.inputs` are the input Tensors; `self.output()` is the output (for a class that sets `keeps_output = True`);
    - `self.needs[i]` says whether the gradient of input `i` is wanted; an expensive one may be skipped if it is not;
    - nothing else that was computed from the inputs may be used, except masks and indices: to the second derivative it
      would be a constant.

    Examples
    --------
    >>> import minigan as mg
    >>> class Cube(mg.Function):
    ...     def forward(self, x):
    ...         return x**3
    ...     def backward(self, grad):
    ...         (x,) = self.inputs
    ...         return (grad * 3 * x**2,)
    >>> x = mg.tensor([2.0], requires_grad=True)
    >>> (dx,) = mg.grad(Cube()(x), x, create_graph=True)
    >>> (ddx,) = mg.grad(dx, x)
    >>> dx.item(), ddx.item()
    (12.0, 12.0)
    """

    keeps_output = False
    forward: Callable[..., Array]
    backward: Callable[..., Sequence[Tensor | None]]

    inputs: tuple[Tensor, ...] = ()
    versions: tuple[int, ...] = ()  # of the inputs, when `forward` read them
    tracked: tuple[bool, ...] = ()  # which of them required a gradient then
    needs: tuple[bool, ...] = ()  # set by the walk when it calls `backward`
    age: int = -1
    result: Array = None  # the output's array, where `keeps_output`
    stack: Any = None  # of the forward call, in anomaly mode

    def __call__(self, *inputs: Tensor) -> Tensor:
        try:
            arrays = [x._data for x in inputs]
        except AttributeError:
            raise TypeError(f"{self.name}: expected Tensors, got {[type(x).__name__ for x in inputs]}") from None
        if any([type(a) is not np.ndarray for a in arrays]):
            arrays = together(self.name, arrays)
        if mode.differentiating:  # then `_walk` has silenced NumPy already
            out = Tensor._wrap(self.forward(*arrays))
        else:
            with np.errstate(all="ignore"):  # overflow is no news, as in PyTorch; anomaly mode finds where it began
                out = Tensor._wrap(self.forward(*arrays))
        if mode.anomaly:
            self.stack = inspect_forward(out._data, self.name)
        if mode.recording and True in (tracked := tuple([x.requires_grad for x in inputs])):
            if self.inputs:
                raise RuntimeError(f"{self.name}: a Function is one node of the graph; make a new one for each call")
            self.inputs, self.tracked, self.versions = inputs, tracked, tuple([x._version for x in inputs])
            self.age = next(_clock)
            self.result = out._data if self.keeps_output else self.result
            out.requires_grad, out.grad_fn = True, self
        return out

    def output(self) -> Tensor:
        """The output Tensor, rebuilt: the same array at the same place in the graph, so it differentiates onwards."""
        return Tensor._wrap(self.result, self)

    @property
    def name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def pass_back(self, grad: Tensor, needs: tuple[bool, ...]) -> Iterator[tuple[Tensor, Tensor]]:
        """`backward`, with what goes in and what comes out checked: the inputs that need a gradient, each with its own."""
        if tuple([x._version for x in self.inputs]) != self.versions:
            i, x = next((i, x) for i, x in enumerate(self.inputs) if x._version != self.versions[i])
            raise RuntimeError(
                f"{self.name}: backward through {x.name or 'a tensor'} of shape {x.shape} (input {i}), which was given new "
                f"values after the forward pass, so the gradient may be wrong. Call backward() before the optimiser's "
                f"step(), or run the forward pass again after it."
            )
        self.needs = needs
        gradients = self.backward(grad)
        if not isinstance(gradients, tuple | list) or len(gradients) != len(self.inputs):
            raise RuntimeError(f"{self.name}.backward must return a tuple, one gradient for each input")
        for i, (x, gradient, needed) in enumerate(zip(self.inputs, gradients, needs)):
            if gradient is None or not needed:
                continue
            if not isinstance(gradient, Tensor):
                raise TypeError(f"{self.name}.backward must return Tensors, not {type(gradient).__name__} (input {i})")
            if (came := gradient._data).shape != x._data.shape or came.dtype != x._data.dtype:
                raise RuntimeError(
                    f"{self.name}.backward returned a gradient of shape {came.shape} and type {came.dtype} for input {i}, "
                    f"which has shape {x.shape} and type {x.dtype}"
                )
            if mode.anomaly:
                refuse_nonfinite(gradient._data, self.name, f"backward pass to input {i}", self.stack)
            yield x, gradient


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    *,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """Gradients of `outputs` with respect to `inputs`: `Σₖ grad_outputsₖ · ∂outputsₖ/∂inputᵢ` for each input i.

    Visits only the part of the graph that lies between the two, and leaves every `.grad` alone.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensors
        The inputs may be any place of the graph, leaves or not.
    grad_outputs : Tensor or sequence, optional
        The vector of the vector-Jacobian product; may be left out (or None) for outputs of one element, where it is 1.
    create_graph : bool, default False
        Record the backward pass, so that the result can be differentiated again.
    allow_unused : bool, default False
        Return None for an input that no output depends on, instead of raising.

    Returns
    -------
    tuple of Tensor
        One for each input, with its shape and dtype.

    Raises
    ------
    RuntimeError
        If an output depends on nothing that requires a gradient, an input cannot be reached, an output of several elements
        has no `grad_outputs`, or a tensor has been given new values since the forward pass.

    Examples
    --------
    The inner derivative of a gradient penalty, ready to be differentiated again:

    >>> import minigan as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> (g,) = mg.grad((x**3).sum(), x, create_graph=True)
    >>> g.sum().backward()
    >>> x.grad
    Tensor([ 6., 12.])
    """
    outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if not isinstance(grad_outputs, Sequence):
        grad_outputs = (None,) * len(outputs) if grad_outputs is None else (grad_outputs,)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs need as many grad_outputs, got {len(grad_outputs)}")
    grads = _walk(_ancestors(outputs), outputs, grad_outputs, {_place(x) for x in inputs}, create_graph)
    for i, x in enumerate(inputs):
        if _place(x) not in grads and not allow_unused:
            why = "" if x.requires_grad else ", which has requires_grad=False"
            raise RuntimeError(
                f"grad: no output depends on input {i} of shape {x.shape}{why}. Pass allow_unused=True to get None for it."
            )
    found = [grads.get(_place(x)) for x in inputs]  # may be one Tensor twice, for a and b in a + b: detach parts them
    return tuple([g if g is None or g.requires_grad else g.detach() for g in found])


def _walk(nodes: list[Function], outputs: Sequence[Tensor], seeds: Any, targets: set[Any], create_graph: bool) -> Any:
    """The dictionary of what arrives at the targets; `nodes` are the ancestors of the outputs."""
    grads: dict[Tensor | Function, Tensor] = {}

    def arrive(place: Tensor | Function, gradient: Tensor) -> None:
        if (before := grads.get(place)) is not None:  # outside of a graph it is enough to add arrays
            gradient = before + gradient if create_graph else Tensor._wrap(before._data + gradient._data)
        grads[place] = gradient

    with switch("recording", create_graph), switch("differentiating", True), np.errstate(all="ignore"):
        for y, seed in zip(outputs, seeds):
            arrive(_place(y), _seed(y, seed))
        for node, needs in _leading_to(targets, nodes):
            gradient = grads.get(node) if node in targets else grads.pop(node, None)
            if gradient is not None:
                for x, contribution in node.pass_back(gradient, needs):
                    arrive(_place(x), contribution)
    return grads


def _place(x: Tensor) -> Tensor | Function:
    """What names this place of the graph: the node that made the tensor, or the tensor itself if it is a leaf."""
    return x if x.grad_fn is None else x.grad_fn


def _ancestors(outputs: Sequence[Tensor]) -> list[Function]:
    """Every node that the outputs were computed with, oldest first. A loop: chains may be too long for a recursion."""
    seen: set[Function] = set()
    stack = [y.grad_fn for y in outputs]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend([x.grad_fn for x in node.inputs])
    return sorted(seen, key=lambda node: node.age)


def _leading_to(targets: set[Any], nodes: list[Function]) -> list[tuple[Function, tuple[bool, ...]]]:
    """The nodes from which a target can be reached, newest first, and which of their inputs lead to one."""
    path = []
    reaching = set(targets)
    for node in nodes:
        needs = tuple([was and x.requires_grad and _place(x) in reaching for x, was in zip(node.inputs, node.tracked)])
        if True in needs:
            reaching.add(node)
            path.append((node, needs))
    return path[::-1]


def _seed(y: Tensor, gradient: Tensor | None) -> Tensor:
    """The gradient that the walk starts with at output `y`."""
    if not y.requires_grad:
        raise RuntimeError(
            f"backward: the output of shape {y.shape} depends on nothing that requires a gradient. Was it computed under "
            f"no_grad() or from detach(), or are all parameters frozen?"
        )
    if gradient is None:
        if y._data.size != 1:
            raise RuntimeError(
                f"backward: the output has shape {y.shape}, and only a single number has a gradient by itself. Reduce it "
                f"(y.sum(), y.mean()), or pass the gradient that arrives at it, of the same shape."
            )
        return Tensor._wrap(np.ones_like(y._data))
    if not isinstance(gradient, Tensor):
        raise TypeError(f"backward: the gradient of an output must be a Tensor, got {type(gradient).__name__}")
    if gradient.shape != y.shape or gradient.dtype != y.dtype:
        raise RuntimeError(
            f"backward: the gradient has shape {gradient.shape} and type {gradient.dtype}, but the output it belongs to has "
            f"shape {y.shape} and type {y.dtype}"
        )
    return gradient if mode.recording else gradient.detach()


class Tensor(Values):
    """An array, and its place in the graph.

    Operations are functions of `minigan` and methods of Tensor alike (`mg.exp(x)` is `x.exp()`), with the names and the
    argument order of PyTorch. `minigan.tensor` makes a Tensor from numbers.

    Parameters
    ----------
    data : array_like
        An array is used as it is, not copied: float32 and float64 are kept, Python floats become float32.
    requires_grad : bool, default False
        Whether gradients should reach this tensor.
    name : str, optional
        What error messages call it.

    Attributes
    ----------
    grad : Tensor or None
        What `backward()` has added up here. None, which is not zero, until a gradient has arrived.
    grad_fn : Function or None
        The node that made this tensor; None for a leaf.
    """

    __slots__ = ("__weakref__", "_version", "grad", "grad_fn", "name", "requires_grad")

    grad: Tensor | None
    grad_fn: Function | None
    name: str | None
    requires_grad: bool

    __hash__ = object.__hash__  # `==` compares values, a set of Tensors goes by identity

    if TYPE_CHECKING:  # the operators and most methods are attached by minigan.ops

        def __getattr__(self, name: str) -> Any: ...
        def _attached(self, *args: Any) -> Tensor: ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _attached
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __abs__ = __getitem__ = _attached
        __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __xor__ = __invert__ = _attached

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None):
        self._data, self._version, self.name = as_array(data), 0, name
        self.grad = self.grad_fn = None
        self.requires_grad_(requires_grad)

    @staticmethod
    def _wrap(data: Array, grad_fn: Function | None = None) -> Tensor:
        """A Tensor around an array that an operation made, with nothing checked."""
        self = object.__new__(Tensor)
        self._data = data if isinstance(data, np.ndarray) else as_array(data)
        self.grad = self.name = None
        self.grad_fn, self.requires_grad, self._version = grad_fn, grad_fn is not None, 0
        return self

    @property
    def data(self) -> Array:
        """The array itself, to be read. Giving a leaf a new one (`p.data = p.data - lr * g`) raises its version."""
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        if self.grad_fn is not None:
            raise RuntimeError(f"data: only a leaf gets new data; {self.grad_fn.name} made this tensor: detach() it")
        if array is self._data:
            raise RuntimeError("data: p.data -= v changed an array that a graph may hold; write p.data = p.data - v")
        array = as_array(array)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(
                f"data: the new array has shape {array.shape} and type {array.dtype}, but {self.name or 'the tensor'} has "
                f"shape {self.shape} and type {self.dtype}"
            )
        self._data = array
        self._version += 1

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    def backward(self, gradient: Tensor | None = None, *, inputs: Tensor | Sequence[Tensor] | None = None) -> None:
        """Add the gradient of this tensor to the `.grad` of every leaf it depends on, or of `inputs` alone.

        Parameters
        ----------
        gradient : Tensor, optional
            What arrives at this tensor; 1 if it has one element.
        inputs : Tensor or sequence of Tensors, optional
            The places to differentiate with respect to; the gradients of others are not computed.
        """
        nodes = _ancestors([self])
        if inputs is None:
            ancestors = [self, *[x for node in nodes for x in node.inputs]]
            inputs = [x for x in ancestors if x.grad_fn is None and x.requires_grad]
        places = {_place(x): x for x in ((inputs,) if isinstance(inputs, Tensor) else inputs)}
        grads = _walk(nodes, [self], [gradient], set(places), create_graph=False)
        for place in places.keys() & grads.keys():
            x, g = places[place], grads.pop(place).detach()  # so `_own_array` need not copy what nobody else holds
            x.grad = Tensor._wrap(g._own_array() if x.grad is None else x.grad._data + g._data)

    def detach(self) -> Tensor:
        """The same values, outside the graph: no gradient passes here."""
        return Tensor._wrap(self._data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Say whether gradients should reach this leaf; returns the tensor itself."""
        if requires_grad and not self.is_floating_point():
            raise TypeError(f"requires_grad: only float32 and float64 have gradients, this tensor is {self.dtype}")
        if self.grad_fn is not None and not requires_grad:
            raise RuntimeError("requires_grad: only a leaf can be told so; detach() gives a tensor outside the graph")
        self.requires_grad = requires_grad
        return self

    def __repr__(self) -> str:
        place = [f"grad_fn={self.grad_fn}"] if self.grad_fn else ["requires_grad=True"] if self.requires_grad else []
        return f"Tensor({', '.join(self._describe() + place)})"


def tensor_method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of an operation: makes it a method of Tensor as well, under the same name."""
    setattr(Tensor, function.__name__, function)
    return function
