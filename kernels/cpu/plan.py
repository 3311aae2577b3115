"""How a convolution is cut into pieces, worked out once for each shape. Imports only NumPy.

The pieces are *bands*: some rows of windows of a picture, or some whole pictures, and of their pixels some of the channels;
as much as fits into a processor's cache with the borders of zeros put around it. In a band, the windows of the pictures need
not be copied out. The number that tap (i, j) of window (u, v) meets in channel c lies at

    window_at[u, v] + tap_at[i, j, c]            window_at = ((u·stride) · width + v·stride) · channels
                                                 tap_at = ((i·dilation) · width + j·dilation) · channels + c

so two short tables of positions stand for the matrix of windows, which is many times as large as the pictures.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

Pair = tuple[int, int]

BAND = 1 << 17  # numbers in a band, at most: they stay in the second cache
CHANNELS = 64  # of a pixel in a band, about
WINDOWS = 256  # in a band, about: for so many the kernels are read once


class Band(NamedTuple):
    """The size of a band, and where it begins."""

    pictures: int
    rows: int  # of windows, in each picture
    height: int  # in pixels
    width: int
    row: int  # of the picture's pixel at the beginning of the band whose first window is (0, 0)
    col: int
    channels: int


class Plan(NamedTuple):
    """The bands of a convolution, and the order k of its taps and channels: (phase, channels of a band, tap, channel)."""

    grid: Pair  # windows in a picture, vertically and horizontally
    band: Band
    tap_at: np.ndarray  # of k: its distance from the window's beginning, in numbers
    phases: np.ndarray  # for each phase: taps before it, its taps, its grid (2), its first pixel in the result (2)
    place: np.ndarray  # (channels, taps): their k


class Phase(NamedTuple):
    """Windows that meet the same taps: those at rows × cols of the kernel, at the same distances from all the windows."""

    taps: np.ndarray  # numbers of the taps, row by row
    rows: list[int]  # of the picture, for window (0, 0)
    cols: list[int]
    grid: Pair
    first: Pair  # pixel in the result


@lru_cache(maxsize=256)
def forward_plan(N: int, C: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Plan:
    """The plan of `conv2d` and its weight gradient: one phase of all the taps."""
    h, w = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(size, padding, dilation, kernel, stride))
    rows, cols = ([i * d - p for i in range(k)] for k, p, d in zip(kernel, padding, dilation))
    return _plan(N, C, kernel, stride, [Phase(np.arange(kernel[0] * kernel[1]), rows, cols, (h, w), (0, 0))])


@lru_cache(maxsize=256)
def phases_plan(N: int, C: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Plan | None:
    """The plan of the transposed convolution, with as many phases as the stride has pixels; None if no window has any pixel.

    On one axis, pixel r + a·s meets tap i where (r + p − i·d) is a multiple of s, and then output pixel a + (r + p − i·d)/s.
    """

    def axis(n: int, k: int, s: int, p: int, d: int) -> list[tuple[int, int, np.ndarray, list[int]]]:
        found = []
        for r in range(min(s, n)):
            taps = [i for i in range(k) if (r + p - i * d) % s == 0]
            if taps:
                found.append((r, -(-(n - r) // s), np.array(taps), [(r + p - i * d) // s for i in taps]))
        return found

    vertical, horizontal = (axis(*values) for values in zip(size, kernel, stride, padding, dilation))
    phases = [
        Phase(np.add.outer(i * kernel[1], j).ravel(), u, v, (rows, cols), (row, col))
        for row, rows, i, u in vertical
        for col, cols, j, v in horizontal
    ]
    return _plan(N, C, kernel, (1, 1), phases) if phases else None


def _plan(N: int, C: int, kernel: Pair, stride: Pair, phases: list[Phase]) -> Plan:
    grid = (max(p.grid[0] for p in phases), max(p.grid[1] for p in phases))
    row, col = min(r for p in phases for r in p.rows), min(c for p in phases for c in p.cols)
    reach = max(r for p in phases for r in p.rows) - row, max(c for p in phases for c in p.cols) - col
    channels = -(-C // max(1, round(C / CHANNELS)))
    width = (grid[1] - 1) * stride[1] + reach[1] + 1

    # As many rows as there is room for, but all bands about equally many; if a picture has few windows, several pictures.
    room = BAND // (width * channels)
    rows = min(grid[0], max(1, WINDOWS // grid[1]), max(1, (room - reach[0] - 1) // stride[0] + 1))
    rows = -(-grid[0] // -(-grid[0] // rows))
    height = (rows - 1) * stride[0] + reach[0] + 1
    pictures = 1
    if rows == grid[0]:
        pictures = max(1, min(N, WINDOWS // (grid[0] * grid[1]), room // height))
        pictures = -(-N // -(-N // pictures)) if N else 1

    T, before = kernel[0] * kernel[1], 0
    tap_at, place, table = np.zeros(C * T, np.int64), np.empty((C, T), np.int64), []
    unused = np.setdiff1d(np.arange(T), np.concatenate([p.taps for p in phases]))
    for taps, rows_met, cols_met, count, first in [*phases, Phase(unused, [row], [col] * len(unused), (0, 0), (0, 0))]:
        pixel = np.add.outer((np.array(rows_met) - row) * width, np.array(cols_met, np.int64) - col).ravel()
        for channel in range(0, C, channels):
            some = np.arange(min(channels, C - channel))
            k = before * C + channel * len(taps) + np.add.outer(np.arange(len(taps)) * len(some), some)
            place[channel : channel + len(some), taps] = k.T
            tap_at[k] = np.add.outer(pixel * channels, some)
        table.append((before, len(taps), *count, *first))
        before += len(taps)
    return Plan(
        grid, Band(pictures, rows, height, width, row, col, channels), tap_at, np.array(table[: len(phases)]), place
    )
