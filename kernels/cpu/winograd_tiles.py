"""Winograd's matrices, and one axis of a convolution cut into tiles for them; winograd.py has the derivation. Imports NumPy.

y = Aᵀ [(G g) ⊙ (D d)]        for tiles of one, two or three outputs
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Tile(NamedTuple):
    """The matrices of a few outputs: y = Aᵀ [(G g) ⊙ (D d)], one row of D and A for each point used."""

    points: list[int]  # rows of G
    D: np.ndarray
    A: np.ndarray


ZERO, ONE, MINUS, INFINITY = range(4)  # the points t

# The kernel's polynomial at the four points; by the number of taps.
G = {
    2: np.array([[1, 0], [1, 1], [1, -1], [0, 1]]),
    3: np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]]),
}
# By the number of taps and of outputs.
TILES = {
    (2, 1): Tile([ZERO, INFINITY], np.array([[1, 0], [0, 1]]), np.array([[1], [1]])),
    (2, 2): Tile(
        [ZERO, ONE, INFINITY], np.array([[1, -1, 0], [0, 1, 0], [0, -1, 1]]), np.array([[1, 0], [1, 1], [0, 1]])
    ),
    (2, 3): Tile(
        [ZERO, ONE, MINUS, INFINITY],
        np.array([[1, 0, -1, 0], [0, 0.5, 0.5, 0], [0, -0.5, 0.5, 0], [0, -1, 0, 1]]),
        np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]]),
    ),
    (3, 2): Tile(
        [ZERO, ONE, MINUS, INFINITY],
        np.array([[1, 0, -1, 0], [0, 0.5, 0.5, 0], [0, -0.5, 0.5, 0], [0, -1, 0, 1]]),
        np.array([[1, 0], [1, 1], [1, -1], [0, 1]]),
    ),
}


Terms = tuple[np.ndarray, np.ndarray, np.ndarray]


class Axis(NamedTuple):
    """One axis cut into tiles. A slot is one point of one tile; slots are sorted by point.

    A matrix is kept as the few terms of each of its rows: where they lie, their factors, and how many there are.
    """

    G: np.ndarray  # (points, taps)
    taps: np.ndarray  # (parts, taps): rows of the kernel
    first_slot: np.ndarray  # of each point, and the end
    data: Terms  # D, (parts, slots, 2): a slot, from rows of the picture
    spread: Terms  # A, (1, slots, 3): a slot, from outputs
    sums: tuple[np.ndarray, ...]  # Aᵀ, (outputs, 3): an output, from slots; and of which part: 0
    back: tuple[np.ndarray, ...]  # Dᵀ, (rows, 4): a row of the picture, from slots; and its part


@lru_cache(maxsize=256)
def cut(k: int, size: int, outputs: int, padding: int) -> Axis:
    """Tiles for outputs Σ over parts α and taps a of x[s(u + a) + α − p]·W[s·a + α]; 4 taps are s = 2 parts, 3 are one."""
    parts = k // 2 if k == 4 else 1
    tiles, done = [], 0
    for m in _sizes(k // parts, outputs):
        tiles.append((done, TILES[k // parts, m]))
        done += m
    slots = sorted(
        [(point, start, i, tile) for start, tile in tiles for i, point in enumerate(tile.points)], key=lambda s: s[:2]
    )
    points = sorted({s[0] for s in slots})
    data, spread = [[[] for _ in slots] for _ in range(parts)], [[] for _ in slots]
    sums, back = [[] for _ in range(outputs)], [[] for _ in range(size)]
    for at, (_, start, i, tile) in enumerate(slots):
        for j in np.flatnonzero(tile.A[i]):
            if start + j < outputs:
                spread[at].append((start + j, tile.A[i, j]))
                sums[start + j].append((at, tile.A[i, j]))
        for part in range(parts):
            for d in np.flatnonzero(tile.D[i]):
                row = parts * (start + d) + part - padding
                if 0 <= row < size:
                    data[part][at].append((row, tile.D[i, d]))
                    back[row].append((at, tile.D[i, d]))
    return Axis(
        G[k // parts][points].astype(np.float64),
        np.array([[part + parts * a for a in range(k // parts)] for part in range(parts)]),
        np.cumsum([0, *[sum(s[0] == point for s in slots) for point in points]]),
        _terms(data, 2),
        _terms([spread], 3),
        (*_terms(sums, 3), np.zeros(outputs, np.int64)),
        (*_terms(back, 4), (np.arange(size) + padding) % parts),
    )


def _terms(rows: list, most: int) -> Terms:
    """Lists, or lists of lists, of at most so many (position, factor): the positions, the factors, and their number."""
    if rows and rows[0] and isinstance(rows[0][0], list):
        positions, factors, counts = zip(*[_terms(part, most) for part in rows])
        return np.stack(positions), np.stack(factors), np.stack(counts)
    position, factor = np.zeros((len(rows), most), np.int64), np.zeros((len(rows), most))
    for i, row in enumerate(rows):
        for j, (at, f) in enumerate(row):
            position[i, j], factor[i, j] = at, f
    return position, factor, np.array([len(row) for row in rows])


def _sizes(taps: int, outputs: int) -> list[int]:
    """Tiles for so many outputs, with as few points as possible; the last one may reach beyond."""
    if taps == 3:
        return [2] * -(-outputs // 2)
    if outputs in (2, 4):
        return [2] * (outputs // 2)
    return [3] * (outputs // 3) + [outputs % 3] * (outputs % 3 > 0)
