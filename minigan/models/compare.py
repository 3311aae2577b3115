"""What distinguishes two variants: rules, settings and layers, side by side. Imports variant, and the rules.

The networks are built and their layers lined up as `diff` lines up the lines of two files.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from minigan import nn
from minigan.models.variant import Networks, Shape, Variant
from minigan.train.rules import Rules

SETTINGS = ("data", "epochs", "batch_size", "latent", "conditional")

PICTURE: Shape = (1, 28, 28)  # for which networks are built, wherever they can be
SHAPES: dict[str, Shape] = {"tones": (1, 4096), "sines": (5, 24)}  # of the data of variants that draw no pictures
CLASSES = 10


@dataclass(frozen=True)
class Definition:
    """One side of a comparison.

    Parameters
    ----------
    name : str
    variant : Variant
    settings : mapping, optional
        More than the variant says: of a run, its seed and so on.
    shape : tuple of int, optional
        Of a sample, if it is known: of a run.
    classes : int, default 10
        If the variant is conditional.
    """

    name: str
    variant: Variant
    settings: Mapping[str, Any] = field(default_factory=dict)
    shape: Shape | None = None
    classes: int = CLASSES

    def networks(self, shape: Shape) -> Networks:
        """New networks for samples of this shape; a ValueError if there are none."""
        return self.variant.networks(shape, self.classes if self.variant.conditional else 0)


@dataclass(frozen=True)
class Row:
    """A line of the comparison. Of layers, `a` or `b` is None where that side has none."""

    part: str  # "rules", "settings", "G", "D" or "companion"
    name: str  # of the rule or the setting; of layers, their place in A and B
    a: str | None
    b: str | None

    @property
    def same(self) -> bool:
        return self.a == self.b


@dataclass(frozen=True)
class Comparison:
    """What `compare` finds: `str(...)` is a table, `as_dict()` is for JSON."""

    names: tuple[str, str]
    shapes: tuple[Shape, Shape]
    rows: tuple[Row, ...]

    def differing(self) -> Comparison:
        """Only what differs."""
        return dataclasses.replace(self, rows=tuple(row for row in self.rows if not row.same))

    def as_dict(self) -> dict[str, Any]:
        """Strings, lists and dicts only."""
        return {
            "names": list(self.names),
            "shapes": [list(shape) for shape in self.shapes],
            "rows": [dataclasses.asdict(row) for row in self.rows],
        }

    def __str__(self) -> str:
        cells = [(row.name, row.a or "–", row.b or "–") for row in self.rows]
        first, second = (max(map(len, (cell[i] for cell in cells)), default=0) for i in (0, 1))
        first, second = max(first, 12), max(second, len(self.names[0]))
        lines, part = [f"{'':<{first + 4}}{self.names[0]:<{second + 2}}{self.names[1]}"], ""
        for row, (name, a, b) in zip(self.rows, cells):
            if row.part != part:
                part = row.part
                built = "" if part in ("rules", "settings") else f", for samples of {_shapes(self.shapes)}"
                lines += ["", part + built]
            mark = " " if row.same else "*" if len(self.rows) > len(self.differing().rows) else " "
            lines.append(f" {mark}{name:<{first + 2}}{a:<{second + 2}}{b}".rstrip())
        return "\n".join(lines)


def compare(a: Definition, b: Definition) -> Comparison:
    """All rules, settings and layers of two variants, lined up.

    Parameters
    ----------
    a, b : Definition

    Returns
    -------
    Comparison

    Examples
    --------
    >>> from minigan.models import find_variant
    >>> found = compare(*(Definition(name, find_variant(name)) for name in ("dcgan", "wgan-gp"))).differing()
    >>> [(row.name, row.a, row.b) for row in found.rows if row.part == "rules"][:2]
    [('loss', 'minimax', 'wgan'), ('penalty', 'none', 'gp')]
    >>> print(next(row for row in found.rows if row.part == "D" and row.b is None))
    Row(part='D', name='3 → –', a='BatchNorm2d(128)', b=None)
    """
    rules = [
        Row("rules", name.replace("_", "-"), in_words(x), in_words(y))
        for name, x, y in (
            (f.name, getattr(a.variant.rules, f.name), getattr(b.variant.rules, f.name))
            for f in dataclasses.fields(Rules)
        )
    ]
    ours, theirs = ({name: getattr(side.variant, name) for name in SETTINGS} | dict(side.settings) for side in (a, b))
    settings = [
        Row("settings", name.replace("_", "-"), in_words(ours[name]), in_words(theirs[name]))
        for name in ours
        if name in theirs
    ]
    layers: list[Row] = []
    shapes, nets = _built(a, b)
    for part, x, y in zip(("G", "D", "companion"), *nets):
        layers += _lined_up(part, *([] if net is None else list(layers_of(net)) for net in (x, y)))
    return Comparison((a.name, b.name), shapes, (*rules, *settings, *layers))


def layers_of(net: nn.Module, place: str = "") -> Iterator[tuple[str, str]]:
    """The layers of a network in the order of their definition: their dotted places, and what they are.

    A Sequential is only its layers; a network with a `forward` of its own is a line, and then its layers.

    Examples
    --------
    >>> list(layers_of(nn.Sequential(nn.Linear(2, 3), nn.ReLU())))
    [('0', 'Linear(2, 3)'), ('1', 'ReLU()')]
    >>> list(layers_of(nn.spectral_norm(nn.Linear(2, 3)), "0"))
    [('0', 'SpectralNorm(Linear(2, 3))')]
    """
    children = list(net.named_children())
    if not children:
        yield place, _layer(net)
    elif (
        len(children) == 1
        and not list(children[0][1].children())
        and not isinstance(net, nn.Sequential | nn.ModuleList)
    ):
        yield place, f"{type(net).__name__}({_layer(children[0][1])})"
    else:
        if not isinstance(net, nn.Sequential | nn.ModuleList):
            yield place, type(net).__name__
        for name, child in children:
            yield from layers_of(child, f"{place}.{name}" if place else name)


def in_words(value: Any) -> str:
    """A rule or a setting as it is typed on the command line.

    Examples
    --------
    >>> in_words((0.5, 0.999)), in_words(0.0002), in_words(False), in_words(""), in_words(float("-inf"))
    ('0.5 0.999', '0.0002', 'no', 'none', '-inf')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return " ".join(map(in_words, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value == "" else str(value)


def _layer(layer: nn.Module) -> str:
    """A layer in a line, without the numbers that every batch norm has, and without a word that goes without saying."""
    return repr(layer).replace(", eps=1e-05, momentum=0.1", "").replace("kernel_size=", "")


def _lined_up(part: str, a: Sequence[tuple[str, str]], b: Sequence[tuple[str, str]]) -> Iterator[Row]:
    matcher = difflib.SequenceMatcher(None, [text for _, text in a], [text for _, text in b], autojunk=False)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        for k in range(max(i_end - i, j_end - j)):
            place, layer = a[i + k] if i + k < i_end else ("", None)
            their_place, theirs = b[j + k] if j + k < j_end else ("", None)
            moved = f"{'–' if layer is None else place} → {'–' if theirs is None else their_place}"
            yield Row(part, place if place == their_place else moved, layer, theirs)


def _built(a: Definition, b: Definition) -> tuple[tuple[Shape, Shape], tuple[Networks, Networks]]:
    """Both sides' networks and the shape of a sample: the same for both, if there is one that suits both."""
    own = [side.shape or SHAPES.get(side.variant.data, (2,)) for side in (a, b)]
    for shape in dict.fromkeys((*(side.shape for side in (a, b) if side.shape), PICTURE, *own)):
        with suppress(ValueError):  # unfit for this shape
            return (shape, shape), (a.networks(shape), b.networks(shape))
    each = [(shape, net) for side, last in zip((a, b), own) for shape, net in [_alone(side, last)]]
    return (each[0][0], each[1][0]), (each[0][1], each[1][1])


def _alone(side: Definition, own: Shape) -> tuple[Shape, Networks]:
    if side.shape is None:
        with suppress(ValueError):
            return PICTURE, side.networks(PICTURE)
    return own, side.networks(own)


def _shapes(shapes: tuple[Shape, Shape]) -> str:
    return " and ".join("×".join(map(str, shape)) for shape in dict.fromkeys(shapes))
