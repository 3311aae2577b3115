"""Suite `layers`: every distinct layer of the cases, forward and backward. Imports cases, libraries, pairs, workers.

The networks are walked with a batch, and each layer is measured by itself, with inputs and gradients of the shape and in the
memory layout in which they arrive there. A direction that training has no use for, such as the gradient to a picture that
is given, has no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cases import CASES, Training, find, pictures
from libraries import Library, Minigan, Torch
from pairs import Bench, Section
from workers import Work

Shape = tuple[int, ...]


def names() -> list[str]:
    """The cases whose layers there are."""
    return list(CASES)


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Measure each layer once, however many of the cases called `names` it occurs in."""
    layers = bench.minigan.call("ask", suite="layers", function="distinct", cases=list(names))
    bench.bar.reset(total=bench.pairs * sum(len(directions) for _, _, directions in layers))
    rows = []
    for what, place, directions in layers:
        layouts = Torch.layouts if "×" in what else Torch.layouts[:1]
        measured = [bench.measure("layers", place, layouts, direction) for direction in directions]
        rows += [replace(row, case=what) for row in measured]
    return Section("layers", "the layers by themselves", rows)


# ---------------------------------------------------------------------------------------------- which layers there are


def walk(case: str, lib: Library) -> Iterator[tuple[str, Any, Any, Any]]:
    """Where each layer stands (`dcgan-64/G.3`), the layer, and its input and output."""
    for network, net in Training(find(case), lib).networks.items():
        x = lib.tensor(pictures(find(case), network, np.random.default_rng(0)))
        for i, layer in enumerate(net):
            with lib.no_grad():
                y = layer(x)
            yield f"{case}/{network}.{i}", layer, x, y
            x = y


def distinct(cases: Sequence[str]) -> list[tuple[str, str, list[str]]]:
    """What each layer is, where it is found first, and the directions in which training goes through it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for case in cases:
        learning: set[str] = set()  # networks with weights before this layer, to which a gradient has to travel
        for place, layer, x, y in walk(case, Minigan()):
            kind, network = type(layer).__name__, place.split("/")[1].split(".")[0]
            has_weights = bool(list(layer.parameters()))
            travels = network == "D" or network in learning  # through D, to what G has drawn
            if has_weights:
                learning.add(network)
            if kind in ("Flatten", "Unflatten"):
                continue
            if kind.startswith("BatchNorm"):
                directions = ["forward", "backward"]  # its gradients come out of one computation
            else:
                directions = ["forward", *["input gradient"] * travels, *["weight gradient"] * has_weights]
            _, known = found.setdefault(described(layer, x.shape, y.shape), (place, []))
            known += [direction for direction in directions if direction not in known]
    return [(what, place, directions) for what, (place, directions) in found.items()]


def described(layer: Any, x: Shape, y: Shape) -> str:
    """For example `conv 4×4 stride 2, 64→128, 14×14→7×7, N 64`."""
    kind = type(layer).__name__
    if hasattr(layer, "geometry"):
        name = "convT" if kind == "ConvTranspose2d" else "conv"
        steps = f"{side(layer.kernel_size)} stride {layer.geometry['stride']}"
        what = f"{name} {steps}, {x[1]}→{y[1]}, {side(x[2:])}→{side(y[2:])}"
    elif kind == "Linear":
        what = f"linear {x[1]}→{y[1]}"
    else:
        what = f"{kind} {x[1]}" + (f", {side(x[2:])}" if x[2:] else "")
    bias = ", bias" if kind in ("Conv2d", "ConvTranspose2d", "Linear") and layer.bias is not None else ""
    return f"{what}{bias}, N {x[0]}"


def side(size: Shape) -> str:
    """`14×7`."""
    return "×".join(map(str, size))


# ------------------------------------------------------------------------------------------------- one of them, at work


def prepare(lib: Library, case: str) -> Work:
    """One direction of a layer: `case` is such as `dcgan-64/G.3 | input gradient`."""
    place, direction = case.split(" | ")
    layer, x, y = next((layer, x, y) for where, layer, x, y in walk(place.split("/")[0], lib) if where == place)
    rng = np.random.default_rng(1)
    x = lib.like(x, rng.standard_normal(tuple(x.shape), dtype=np.float32))
    g = lib.like(y, rng.standard_normal(tuple(y.shape), dtype=np.float32))

    if direction == "forward":

        def forward() -> list[Any]:
            with lib.no_grad():
                return [layer(x)]

        return work(lib, direction, forward)

    wanted = [] if direction == "input gradient" else list(layer.parameters())
    if direction != "weight gradient":
        wanted.append(x)
    layer.requires_grad_(direction != "input gradient")
    x.requires_grad_(direction != "weight gradient")
    if lib.name == "torch" and hasattr(layer, "transposed"):
        return work(lib, direction, torch_convolution_backward(layer, x, g, direction))
    y = layer(x)
    return work(lib, direction, lambda: lib.backward(y, wanted, g))


def torch_convolution_backward(layer: Any, x: Any, g: Any, direction: str) -> Any:
    """PyTorch's routine behind the gradient of a convolution, without the walk through the graph that leads to it."""
    import torch

    bias = None if layer.bias is None else list(layer.bias.shape)
    geometry = (layer.stride, layer.padding, layer.dilation, layer.transposed, layer.output_padding, layer.groups)
    to_weight = direction == "weight gradient"
    mask = [not to_weight, to_weight, to_weight and layer.bias is not None]

    def backward() -> list[Any]:
        with torch.no_grad():
            found = torch.ops.aten.convolution_backward(g, x, layer.weight, bias, *geometry, mask)
        return [found[1], found[2], found[0]]

    return lambda: [gradient for gradient in backward() if gradient is not None]


def work(lib: Library, direction: str, run: Any) -> Work:
    """`run`, and what it computes as results to compare."""
    return Work(run, lambda: {f"value: {i} of the {direction}": lib.numpy(t) for i, t in enumerate(run())})
