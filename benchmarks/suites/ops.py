"""Suite `ops`: single operations, small and large, and what the engine costs. Imports cases, libraries, pairs, workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cases import draw_state, find
from libraries import Library
from pairs import Bench, Section
from workers import Work

SMALL, LARGE = (100, 400), (64, 64, 28, 28)
CHAIN = 1000

Operation = Callable[..., Any]

ELEMENTWISE: dict[str, Callable[[Library], Operation]] = {
    "add": lambda lib: lambda x, y: x + y,
    "mul": lambda lib: lambda x, y: x * y,
    "exp": lambda lib: lambda x: lib.api.exp(x),
    "tanh": lambda lib: lambda x: lib.api.tanh(x),
    "sigmoid": lambda lib: lambda x: lib.api.sigmoid(x),
    "leaky_relu": lambda lib: lambda x: lib.F.leaky_relu(x, 0.2),
    "sum": lambda lib: lambda x: x.sum(),
    "mean": lambda lib: lambda x: x.mean(),
    "bce_with_logits": lambda lib: lambda x: lib.F.binary_cross_entropy_with_logits(x, lib.api.ones_like(x)),
}
MATMULS = {
    "matmul (100, 400) × (400, 400)": ((100, 400), (400, 400)),
    "matmul (50176, 64) × (64, 64)": ((64 * 28 * 28, 64), (64, 64)),  # a 1×1 convolution of LARGE
    "matmul (64, 64, 28, 28) × (64, 64, 28, 28)": (LARGE, LARGE),
}
SIZES = {f"{name} {size}": (name, size) for name in ELEMENTWISE for size in (SMALL, LARGE)}
ADAM = "Adam, dcgan-mnist"
CHAIN_NAME = f"chain of {CHAIN} operations on 10 numbers"


def names() -> list[str]:
    """The operations."""
    return [*SIZES, *MATMULS, ADAM, CHAIN_NAME]


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Measure the operations called `names`, forward and backward."""
    parts = [(name, part) for name in names for part in (("step",) if name == ADAM else ("forward", "backward"))]
    bench.bar.reset(total=bench.pairs * len(parts))
    rows = [bench.measure("ops", name, ["contiguous"], part) for name, part in parts]
    return Section("ops", "single operations", rows)


def prepare(lib: Library, case: str) -> Work:
    """One part of an operation: `case` is such as `exp (100, 400) | backward`."""
    name, part = case.split(" | ")
    if name == ADAM:
        return adam(lib)
    if name == CHAIN_NAME:
        return differentiated(lib, chain, [(10,)], part, record=True)
    if name in MATMULS:
        return differentiated(lib, lambda x, y: x @ y, MATMULS[name], part)
    kind, size = SIZES[name]
    return differentiated(lib, ELEMENTWISE[kind](lib), [size] * (2 if kind in ("add", "mul") else 1), part)


def chain(x: Any) -> Any:
    """Many operations that cost nothing but themselves."""
    for _ in range(CHAIN // 2):
        x = x * 0.999 + 0.001
    return x


def differentiated(
    lib: Library, f: Operation, shapes: Sequence[tuple[int, ...]], part: str, record: bool = False
) -> Work:
    """f at tensors of these shapes: forward without a graph (or with one, if it is to `record`), or backward through one."""
    rng = np.random.default_rng(0)
    xs = [lib.tensor(rng.standard_normal(shape, dtype=np.float32)).requires_grad_() for shape in shapes]
    y = f(*xs)
    g = lib.like(y, rng.standard_normal(tuple(y.shape), dtype=np.float32))

    def forward() -> list[Any]:
        if record:
            return [f(*xs)]
        with lib.no_grad():
            return [f(*xs)]

    run = forward if part == "forward" else lambda: lib.backward(y, xs, g)
    return Work(run, lambda: {f"value: {i} of {part}": lib.numpy(t) for i, t in enumerate(run())})


def adam(lib: Library) -> Work:
    """A step of both optimisers of a DCGAN, whose gradients are twice the parameters."""
    case = find("dcgan-mnist-64")
    networks, optimizers = case.networks(lib), []
    for net in networks.values():
        shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
        lib.load(net, draw_state(shapes, case.std, np.random.default_rng(0)))
        optimizers.append(lib.adam(lib.place(net), 2e-4, (0.5, 0.999)))
        for p in net.parameters():
            (p**2).sum().backward()

    def step() -> None:
        for optimizer in optimizers:
            optimizer.step()

    def results() -> dict[str, np.ndarray]:
        step()
        named = [(f"{key}.{name}", p) for key, net in networks.items() for name, p in net.named_parameters()]
        return {f"value: of {name}": lib.numpy(p) for name, p in named}

    return Work(step, results)
