"""Module, the thing that networks are made of: a function with parameters. Imports the tensor module.

A module is an ordinary object. Its parameters, its buffers and the modules inside it are those of its attributes that are
one, in the order in which they were assigned; nothing else keeps a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from minigan import backend
from minigan.modes import mode, no_grad
from minigan.ops.shape import cast
from minigan.tensor import Tensor
from minigan.values import FLOATS


class Parameter(Tensor):
    """A Tensor that a network learns: a leaf that requires a gradient, and that `Module.parameters` finds."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None):
        super().__init__(data, requires_grad, name)


class Buffer(Tensor):
    """A Tensor that belongs to a network's state but is not learned, such as a running mean."""

    __slots__ = ()


class Module:
    """A function with parameters, built of smaller ones. A subclass writes `forward`.

    Attributes
    ----------
    training : bool
        Whether dropout drops and batch norm uses the batch; `train()` and `eval()` set it for the whole tree.

    Examples
    --------
    >>> import minigan as mg
    >>> from minigan import nn
    >>> class Residual(nn.Module):
    ...     def __init__(self, features):
    ...         self.inner = nn.Linear(features, features)
    ...     def forward(self, x):
    ...         return x + self.inner(x).relu()
    >>> net = Residual(8)
    >>> net(mg.ones(2, 8)).shape
    (2, 8)
    >>> [name for name, p in net.named_parameters()]
    ['inner.weight', 'inner.bias']
    """

    training = True
    forward: Callable[..., Any]

    _watch: list[tuple[Module, Any]] | None = None  # while `summary` runs: every call, with its result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.forward(*args, **kwargs)
        if Module._watch is not None:
            Module._watch.append((self, result))
        return result

    def _joined_with(self, following: Module) -> Callable[[Any], Any] | None:
        """One function that does what this module and then `following` do, bit for bit, if there is a faster one.

        `Sequential` asks. Most modules know of none.
        """
        return None

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter | Buffer) and value.name is None:
            value.name = f"{type(self).__name__}.{name}"
        if isinstance(value, list | tuple | dict):
            members = value.values() if isinstance(value, dict) else value
            if any(isinstance(v, Module | Parameter) for v in members):
                raise TypeError(
                    f"{type(self).__name__}.{name}: a plain {type(value).__name__} hides its modules and parameters from "
                    f"the network; assign them one by one, or put modules into nn.ModuleList or nn.Sequential"
                )
        object.__setattr__(self, name, value)

    # ---- what is inside

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all inside it, each once, with dotted names."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                inside = [(f"{path}.{name}" if path else name, child) for name, child in module.named_children()]
                stack.extend(reversed(inside))

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: type, prefix: str = "") -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """The parameters, each once, in the order of definition, with dotted names."""
        return self._named(Parameter, prefix)

    def parameters(self) -> Iterator[Parameter]:
        """The parameters, each once, in the order of definition."""
        return (p for _, p in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Buffer]]:
        """The buffers, each once, with dotted names."""
        return self._named(Buffer, prefix)

    def buffers(self) -> Iterator[Buffer]:
        """The buffers, each once."""
        return (b for _, b in self.named_buffers())

    # ---- what is done to all of them

    def train(self, mode: bool = True) -> Self:
        """Set training mode for this module and all inside it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (False) or thaw the parameters. Gradients still flow *through* a frozen network to its input."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients: every parameter's `.grad` becomes None."""
        for p in self.parameters():
            p.grad = None

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module inside, children first, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, target: Any) -> Self:
        """Move parameters, their gradients and floating buffers to float32 or float64, or to a device."""
        if isinstance(target, str) and target not in ("float32", "float64"):
            device = backend.check_device(target)
            for tensor in [*self.parameters(), *self.buffers()]:
                if tensor.device != device:
                    tensor._data = backend.to_device(tensor._data, device)
                    tensor._version += 1
                    tensor.grad = None if tensor.grad is None else Tensor(backend.to_device(tensor.grad.data, device))
            return self
        dtype = np.dtype(target)
        if dtype not in FLOATS:
            raise TypeError(f"{type(self).__name__}.to: expected float32, float64 or a device, got {dtype}")
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.is_floating_point() and tensor.dtype != dtype:
                tensor._data = cast(tensor.detach(), dtype).data
                tensor._version += 1
                tensor.grad = None if tensor.grad is None else cast(tensor.grad, dtype)
        return self

    def float(self) -> Self:
        """Parameters and floating buffers in float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Parameters and floating buffers in float64, for gradient checks."""
        return self.to(np.float64)

    # ---- state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Parameters and buffers by their dotted names, as arrays. They stay as they are when training goes on."""
        return {
            name: backend.to_host(tensor.data)
            for name, tensor in self._named(Parameter | Buffer)  # type: ignore[arg-type]
        }

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take parameters and buffers from a dictionary such as `state_dict` returns.

        Parameters
        ----------
        state_dict : mapping of str to array
        strict : bool, default True
            Refuse missing and unexpected names. Otherwise what is there is taken and the rest left alone.

        Raises
        ------
        ValueError
            If names are missing or unexpected, or shapes differ: the message lists all of them, and nothing was loaded.
        """
        own: dict[str, Tensor] = dict(self._named(Parameter | Buffer))  # type: ignore[arg-type]
        new = {name: _on_host(value).astype(own[name].dtype) for name, value in state_dict.items() if name in own}
        misshapen = [
            f"{name}: {new[name].shape}, expected {own[name].shape}"
            for name in new
            if new[name].shape != own[name].shape
        ]
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        faults = {"wrong shape": misshapen} | ({"missing": missing, "unexpected": unexpected} if strict else {})
        if any(faults.values()):
            lines = [f"  {fault}: {', '.join(names)}" for fault, names in faults.items() if names]
            raise ValueError("\n".join([f"load_state_dict: the state does not fit {type(self).__name__}:", *lines]))
        for name, array in new.items():
            own[name].data = backend.to_device(array, own[name].device)

    # ---- for people

    def summary(self, input_shape: tuple[int, ...]) -> str:
        """A table of the layers, the shapes they make, and how many parameters they have.

        Parameters
        ----------
        input_shape : tuple of int
            Of one sample, without the batch axis.

        Examples
        --------
        >>> from minigan import nn
        >>> print(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10)).summary((1, 8, 8)))
        layer       output     parameters
        ─────────────────────────────────
        input       1 × 8 × 8
        0  Conv2d   8 × 6 × 6          80
        1  ReLU     8 × 6 × 6           0
        2  Flatten  288                 0
        3  Linear   10              2,890
        ─────────────────────────────────
        total                       2,970
        """
        names = {id(module): name for name, module in self.named_modules()}
        modes = [(module, module.training) for module in self.modules()]
        dtype, device = next(((p.dtype, p.device) for p in self.parameters()), (np.dtype(np.float32), "cpu"))
        calls: list[tuple[Module, Any]] = []
        Module._watch = calls
        try:
            with no_grad():
                self.eval()(Tensor(backend.to_device(np.zeros((1, *input_shape), dtype), device)))
        finally:
            Module._watch = None
            for module, training in modes:
                module.training = training
        rows: list[tuple[str, ...]] = [("input", _times(input_shape), "")]
        for module, result in calls:
            if not any(True for _ in module.children()):
                shape = result.shape[1:] if isinstance(result, Tensor) else ()
                count = sum(p.numel() for p in module.parameters())
                layer = f"{names.get(id(module), '')}  {type(module).__name__}".strip()
                rows.append((layer, _times(shape), f"{count:,}"))
        total = sum(p.numel() for p in self.parameters())
        return _table(("layer", "output", "parameters"), rows, ("total", "", f"{total:,}"))

    def extra_repr(self) -> str:
        """What stands between the brackets of a layer's repr."""
        return ""

    def __repr__(self) -> str:
        inside = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        body = "\n  " + "\n  ".join(inside) + "\n" if inside else self.extra_repr()
        return f"{type(self).__name__}({body})"


@contextmanager
def frozen(module: Module) -> Iterator[Module]:
    """Inside the `with` block the parameters are constants; afterwards those that were learned before are learned again.

    What is computed inside records no path to the weights, so their gradients are not computed when it is differentiated;
    gradients still flow *through* the module to its input.

    Examples
    --------
    >>> import minigan as mg
    >>> D, picture = mg.nn.Linear(4, 1), mg.ones(1, 4, requires_grad=True)
    >>> with mg.nn.frozen(D):
    ...     verdict = D(picture)
    >>> verdict.backward()
    >>> picture.grad is not None, D.weight.grad is None
    (True, True)
    """
    learned = [p for p in module.parameters() if p.requires_grad]
    for p in learned:
        p.requires_grad = False
    try:
        yield module
    finally:
        for p in learned:
            p.requires_grad = True


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], foot: tuple[str, ...]) -> str:
    """Columns aligned with spaces, the last one to the right."""
    widths = [max(len(row[i]) for row in (head, *rows, foot)) for i in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        *left, last = row
        return "  ".join([*(cell.ljust(width) for cell, width in zip(left, widths)), last.rjust(widths[-1])])

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line(head), rule, *(line(row).rstrip() for row in rows), rule, line(foot)])


# --------------------------------------------------------------------------------------------------- containers


class Sequential(Module):
    """Modules one after the other: `Sequential(f, g)(x)` is `g(f(x))`.

    Where batch norm is followed by ReLU or LeakyReLU, the two run as one operation, which gives the same numbers bit for
    bit and is faster: `functional.batch_norm_leaky_relu`. They run one by one in anomaly mode, which names the operation
    that failed; while `summary` watches; and if either is of a subclass, or has had its `forward` replaced.

    Examples
    --------
    >>> import minigan as mg
    >>> from minigan import nn
    >>> net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> len(net), net(mg.ones(4, 2)).shape
    (3, (4, 1))
    """

    def __init__(self, *modules: Module):
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                raise TypeError(f"{type(self).__name__}: item {i} is not a Module but {type(module).__name__}")
            setattr(self, str(i), module)

    def forward(self, x: Any) -> Any:
        for step in self._steps():
            x = step(x)
        return x

    def _steps(self) -> Iterator[Callable[[Any], Any]]:
        """What to call, in turn: the modules, and in place of two that can be joined, the two in one."""
        modules = list(self.children())
        one_by_one = mode.anomaly or Module._watch is not None
        while modules:
            module = modules.pop(0)
            joined = module._joined_with(modules[0]) if modules and not one_by_one else None
            if joined is not None:
                del modules[0]
            yield module if joined is None else joined

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int | slice) -> Any:
        inside = list(self.children())
        return Sequential(*inside[index]) if isinstance(index, slice) else inside[index]


class ModuleList(Module):
    """A list of modules that belongs to the network it is assigned to. How they are called is up to its `forward`."""

    def __init__(self, modules: Any = ()):
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        if not isinstance(module, Module):
            raise TypeError(f"ModuleList: expected a Module, got {type(module).__name__}")
        setattr(self, str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(list(self.children()))

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int) -> Module:
        return list(self.children())[index]


def _on_host(value: Any) -> np.ndarray:
    """A value of a state dictionary as an array of NumPy, wherever it is."""
    value = value.data if isinstance(value, Tensor) else value
    return backend.to_host(value) if backend.is_array(value) else np.asarray(value)
