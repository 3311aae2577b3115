"""Operations on neighbourhoods of pixels: windows, pooling, resampling. Imports shape, index, linalg, conv and the kernels.

Three pairs have rules of their own, each the adjoint of the other: `unfold` copies every window out and `fold` adds windows
back in; the sums of windows, of which average pooling is made; and for max pooling the pixels that a window picks, which to
the derivatives are constants. The rest is composed: resampling of a picture is linear along each axis, so it is a matrix on
its left and a matrix on its right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from minigan import backend
from minigan.backend import Array
from minigan.ops.conv import Geometry, IntOrPair, Pair, pair, show
from minigan.ops.index import gather, getitem
from minigan.ops.linalg import matmul
from minigan.ops.shape import broadcast_to, permute, reshape
from minigan.tensor import Function, Tensor


def _pictures(name: str, input: Tensor) -> Tensor:
    """`input` if it is `(N, C, H, W)`, with pixels."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor, got {type(input).__name__}; mg.tensor(x) makes one")
    if input.ndim != 4 or min(input.shape[2:]) < 1:
        raise ValueError(f"{name}: input must be (N, C, H, W) with H and W of at least 1, got shape {input.shape}")
    return input


def _floating_pictures(name: str, input: Tensor) -> Tensor:
    """`input` if it is `(N, C, H, W)` of a type that has means and gradients."""
    if isinstance(input, Tensor) and not input.is_floating_point():
        raise TypeError(f"{name}: input must be floating, got {input.dtype}; convert with x.to(dtype)")
    return _pictures(name, input)


def _check_border(name: str, geometry: Geometry) -> None:
    """Refuse a border so wide that a window could lie in it and hold no pixel."""
    if any(2 * p > k for p, k in zip(geometry.padding, geometry.kernel_size)):
        raise ValueError(
            f"{name}: padding {show(geometry.padding, 2)} is more than half of kernel_size "
            f"{show(geometry.kernel_size, 2)}; some windows would be empty"
        )


def _windows(
    name: str, size: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1
) -> tuple[Geometry, Pair]:
    """The geometry of windows on a picture, and how many there are."""
    kernel = pair(name, "kernel_size", kernel_size, 2, 1)
    geometry = Geometry(
        kernel,
        kernel if stride is None else pair(name, "stride", stride, 2, 1),
        pair(name, "padding", padding, 2, 0),
        pair(name, "dilation", dilation, 2, 1),
        1,
    )
    out = geometry.output_size(size)
    if min(out) < 1:
        raise ValueError(
            f"{name}: the result would be empty: a window of {show(kernel, 2)} with dilation {show(geometry.dilation, 2)} "
            f"does not fit into a picture of {show(size, 2)} with padding {show(geometry.padding, 2)}"
        )
    return geometry, out


# ------------------------------------------------------------------------------------------------ unfold ⇄ fold


class Unfold(Function):
    """Every window of x, copied out: `(N, C, H, W)` → `(N, C, kh, kw, H', W')`."""

    def __init__(self, geometry: Geometry):
        self.geometry = geometry

    def forward(self, x: Array) -> Array:
        g = self.geometry
        return backend.kernels(x).unfold(x, g.kernel_size, g.stride, g.padding, g.dilation)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Fold(self.geometry, self.inputs[0].shape[2:])(grad),)


class Fold(Function):
    """Windows added back into a picture: `(N, C, kh, kw, H', W')` → `(N, C, H, W)`."""

    def __init__(self, geometry: Geometry, size: tuple[int, ...]):
        self.geometry, self.size = geometry, size

    def forward(self, columns: Array) -> Array:
        g = self.geometry
        return backend.kernels(columns).fold(columns, self.size, g.stride, g.padding, g.dilation)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Unfold(self.geometry)(grad),)


def unfold(
    input: Tensor,
    kernel_size: IntOrPair,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> Tensor:
    """Every window of a picture as a column: "im2col", which turns a convolution into one matrix product.

    Parameters
    ----------
    input : Tensor, `(N, C, H, W)`
    kernel_size, dilation, padding, stride : int or pair

    Returns
    -------
    Tensor, `(N, C·kh·kw, L)`, L the number of windows

    Examples
    --------
    >>> import minigan as mg
    >>> mg.unfold(mg.ones(1, 3, 8, 8), 4, stride=2).shape
    (1, 48, 9)
    """
    x = _pictures("unfold", input)
    geometry, out = _windows("unfold", x.shape[2:], kernel_size, stride, padding, dilation)
    return reshape(Unfold(geometry)(x), x.shape[0], x.shape[1] * math.prod(geometry.kernel_size), math.prod(out))


def fold(
    input: Tensor,
    output_size: IntOrPair,
    kernel_size: IntOrPair,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> Tensor:
    """Columns added up into a picture, where windows overlap: the adjoint of `unfold`, not its inverse.

    Parameters
    ----------
    input : Tensor, `(N, C·kh·kw, L)`
    output_size : int or pair
        The size of the picture that `unfold` would have been given.
    kernel_size, dilation, padding, stride : int or pair

    Returns
    -------
    Tensor, `(N, C, H, W)`
    """
    size = pair("fold", "output_size", output_size, 2, 1)
    geometry, out = _windows("fold", size, kernel_size, stride, padding, dilation)
    taps, count = math.prod(geometry.kernel_size), math.prod(out)
    if input.ndim != 3 or input.shape[1] % taps or input.shape[2] != count:
        raise ValueError(
            f"fold: input must be (N, C·{taps}, {count}) for windows of {show(geometry.kernel_size, 2)} on a picture of "
            f"{show(size, 2)}, got shape {input.shape}"
        )
    columns = reshape(input, input.shape[0], input.shape[1] // taps, *geometry.kernel_size, *out)
    return Fold(geometry, size)(columns)


# ------------------------------------------------------------------------------------------------------ pooling


class MaxPool2d(Function):
    """The largest pixel of every window, to which the gradient goes. `places`, its flat index, can be read off later."""

    def __init__(self, geometry: Geometry):
        self.geometry = geometry

    def forward(self, x: Array) -> Array:
        g = self.geometry
        y, self.places = backend.kernels(x).max_pool2d(x, g.kernel_size, g.stride, g.padding, g.dilation)
        return y

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (PutBack(self.places, self.inputs[0].shape[2:], self.geometry)(grad),)


class PutBack(Function):
    """Pictures of zeros with x added in at `places`;   x̄ is ȳ there. Linear, for the places are constants."""

    def __init__(self, places: Array, size: tuple[int, ...], geometry: Geometry):
        self.places, self.size, self.geometry = places, size, geometry

    def forward(self, x: Array) -> Array:
        g = self.geometry
        windows = g.kernel_size, g.stride, g.padding, g.dilation
        return backend.kernels(x).max_pool2d_backward(x, self.places, self.size, *windows)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        n, c, h, w = self.places.shape
        picked = gather(reshape(grad, n, c, math.prod(self.size)), 2, self.places.reshape(n, c, h * w))
        return (reshape(picked, n, c, h, w),)


class SumPool2d(Function):
    """The sum of every window: `(N, C, H, W)` → `(N, C, H', W')`."""

    def __init__(self, geometry: Geometry):
        self.geometry = geometry

    def forward(self, x: Array) -> Array:
        g = self.geometry
        return backend.kernels(x).sum_pool2d(x, g.kernel_size, g.stride, g.padding)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (Spread(self.geometry, self.inputs[0].shape[2:])(grad),)


class Spread(Function):
    """Each number added to all pixels of its window: `(N, C, H', W')` → `(N, C, H, W)`."""

    def __init__(self, geometry: Geometry, size: tuple[int, ...]):
        self.geometry, self.size = geometry, size

    def forward(self, y: Array) -> Array:
        g = self.geometry
        return backend.kernels(y).sum_pool2d_backward(y, self.size, g.kernel_size, g.stride, g.padding)

    def backward(self, grad: Tensor) -> tuple[Tensor]:
        return (SumPool2d(self.geometry)(grad),)


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Tensor:
    """The largest pixel of every window; the gradient goes to it (to the first, where several are equal).

    Parameters
    ----------
    input : Tensor, `(N, C, H, W)`
    kernel_size : int or pair
    stride : int or pair, optional
        `kernel_size` if left out, so that the windows tile the picture.
    padding : int or pair, default 0
        At most half of the kernel. What is put around is never the largest.
    dilation : int or pair, default 1

    Returns
    -------
    Tensor, `(N, C, H', W')`

    Raises
    ------
    ValueError, TypeError
        If the shape, the type or the geometry does not fit, or a window holds no pixel.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.max_pool2d(mg.arange(16.0).reshape(1, 1, 4, 4), 2).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """
    x = _floating_pictures("max_pool2d", input)
    g, _ = _windows("max_pool2d", x.shape[2:], kernel_size, stride, padding, dilation)
    _check_border("max_pool2d", g)
    pool = MaxPool2d(g)
    y = pool(x)
    if g.dilation != (1, 1) and pool.places.size and pool.places.min() < 0:
        raise ValueError(
            f"max_pool2d: with dilation {show(g.dilation, 2)} a window steps over the picture of {show(x.shape, 2)} and "
            f"holds no pixel of it"
        )
    return y


def avg_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window.

    Parameters
    ----------
    input : Tensor, `(N, C, H, W)`
    kernel_size : int or pair
    stride : int or pair, optional
        `kernel_size` if left out.
    padding : int or pair, default 0
        Zeros around the picture; at most half of the kernel.
    count_include_pad : bool, default True
        Whether these zeros count in the mean.

    Returns
    -------
    Tensor, `(N, C, H', W')`

    Raises
    ------
    ValueError, TypeError
        If the shape, the type or the geometry does not fit.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.avg_pool2d(mg.arange(16.0).reshape(1, 1, 4, 4), 2).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """
    x = _floating_pictures("avg_pool2d", input)
    geometry, _ = _windows("avg_pool2d", x.shape[2:], kernel_size, stride, padding)
    _check_border("avg_pool2d", geometry)
    total = SumPool2d(geometry)(x)
    if count_include_pad or geometry.padding == (0, 0):
        return total / math.prod(geometry.kernel_size)
    return total / SumPool2d(geometry)(Tensor(np.ones((1, 1, *x.shape[2:]), dtype=x.dtype, like=x.data)))


def adaptive_avg_pool2d(input: Tensor, output_size: IntOrPair) -> Tensor:
    """Means of `output_size` regions that cover the picture: region i of m goes from `⌊i·n/m⌋` to `⌈(i + 1)·n/m⌉`.

    Parameters
    ----------
    input : Tensor, `(N, C, H, W)`
    output_size : int or pair

    Examples
    --------
    >>> import minigan as mg
    >>> mg.adaptive_avg_pool2d(mg.ones(2, 3, 7, 5), 1).shape
    (2, 3, 1, 1)
    """
    x = _floating_pictures("adaptive_avg_pool2d", input)
    size = pair("adaptive_avg_pool2d", "output_size", output_size, 2, 1)

    def means(n: int, m: int) -> Array:
        matrix = np.zeros((m, n))
        for i in range(m):
            start, end = i * n // m, -(-(i + 1) * n // m)
            matrix[i, start:end] = 1 / (end - start)
        return matrix

    return _on_both_axes(x, means(x.shape[2], size[0]), means(x.shape[3], size[1]))


def _on_both_axes(x: Tensor, vertical: Array, horizontal: Array) -> Tensor:
    """`V·X·Hᵀ` for each picture X: a linear map of the rows, and one of the columns."""
    v = Tensor(np.asarray(vertical, dtype=x.dtype, like=x.data))
    h = Tensor(np.asarray(horizontal.T, dtype=x.dtype, like=x.data))
    return matmul(v, matmul(x, h))


# --------------------------------------------------------------------------------------------------- resampling


def interpolate(
    input: Tensor,
    size: IntOrPair | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Pictures at another size.

    Parameters
    ----------
    input : Tensor, `(N, C, H, W)`
    size : int or pair, optional
        The new height and width. Give this or `scale_factor`.
    scale_factor : number or pair, optional
        The new size is `⌊n · scale_factor⌋`.
    mode : {"nearest", "bilinear"}
        "nearest" repeats pixels: pixel i comes from `⌊i · n/m⌋`, or `⌊i / scale_factor⌋`. "bilinear" draws straight
        lines between the centres of pixels (or, with `align_corners`, from the first centre to the last).
    align_corners : bool, default False
        For "bilinear" only.

    Returns
    -------
    Tensor, `(N, C, H', W')`

    Raises
    ------
    ValueError
        If not exactly one of `size` and `scale_factor` is given, or `mode` is unknown or has no corners to align.
    TypeError
        If integers are to be interpolated bilinearly.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.interpolate(mg.tensor([[[[1.0, 2.0]]]]), scale_factor=2).tolist()
    [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"interpolate: mode must be 'nearest' or 'bilinear', got {mode!r}")
    if align_corners and mode == "nearest":
        raise ValueError("interpolate: align_corners is for mode 'bilinear'; 'nearest' has no corners to align")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    x = (_pictures if mode == "nearest" else _floating_pictures)("interpolate", input)
    old = x.shape[2:]
    if scale_factor is None:
        new = pair("interpolate", "size", size, 2, 1)
        ratios: list[Any] = list(zip(old, new))
    else:
        factors = _scale_factors(scale_factor)
        new = math.floor(old[0] * factors[0]), math.floor(old[1] * factors[1])
        ratios = [(1, f) for f in factors]
        if min(new) < 1:
            raise ValueError(f"interpolate: scale_factor {scale_factor} makes a picture of {show(old, 2)} empty")
    if mode == "bilinear":
        weights = [_lines(n, m, a / b, align_corners) for n, m, (a, b) in zip(old, new, ratios)]
        return _on_both_axes(x, *weights)
    if all(m % n == 0 and m * a == n * b for n, m, (a, b) in zip(old, new, ratios)):
        return _repeat(x, new[0] // old[0], new[1] // old[1])
    rows, columns = (
        np.minimum((np.arange(m) * a / b).astype(np.int64), n - 1) for n, m, (a, b) in zip(old, new, ratios)
    )
    return getitem(x, (slice(None), slice(None), rows[:, None], columns))


def _scale_factors(scale_factor: Any) -> tuple[float, ...]:
    factors = tuple(scale_factor) if isinstance(scale_factor, tuple | list) else (scale_factor, scale_factor)
    if len(factors) != 2 or not all(isinstance(f, Real) and 0 < float(f) < math.inf for f in factors):
        raise ValueError(f"interpolate: scale_factor must be a positive number or a pair of them, got {scale_factor!r}")
    return tuple(float(f) for f in factors)


def _repeat(x: Tensor, vertical: int, horizontal: int) -> Tensor:
    """Every pixel as a block of `vertical × horizontal`: spread over windows that tile the picture."""
    n, c, h, w = x.shape
    if x.is_floating_point():
        block = (vertical, horizontal)
        return Spread(Geometry(block, block, (0, 0), (1, 1), 1), (h * vertical, w * horizontal))(x)
    blocks = broadcast_to(reshape(x, n, c, h, 1, w, 1), (n, c, h, vertical, w, horizontal))
    return reshape(blocks, n, c, h * vertical, w * horizontal)


def _lines(n: int, m: int, ratio: float, align_corners: bool) -> Array:
    """The `(m, n)` matrix of linear interpolation along an axis."""
    if align_corners:
        places = np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    else:
        places = np.maximum((np.arange(m) + 0.5) * ratio - 0.5, 0)
    left = np.minimum(places.astype(np.int64), n - 1)
    right = np.minimum(left + 1, n - 1)
    matrix = np.zeros((m, n))
    np.add.at(matrix, (np.arange(m), left), 1 - (places - left))
    np.add.at(matrix, (np.arange(m), right), places - left)
    return matrix


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels dealt out as pixels: `(N, C·r², H, W)` → `(N, C, r·H, r·W)` (Shi et al. 2016, eq. 4).

    Examples
    --------
    >>> import minigan as mg
    >>> mg.pixel_shuffle(mg.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1), 2).tolist()
    [[[[1.0, 2.0], [3.0, 4.0]]]]
    """
    n, c, h, w = _pictures("pixel_shuffle", input).shape
    r = upscale_factor
    if r < 1 or c % (r * r):
        raise ValueError(f"pixel_shuffle: {c} channels cannot be dealt out over blocks of {r}×{r}")
    blocks = reshape(input, n, c // (r * r), r, r, h, w)
    return reshape(permute(blocks, 0, 1, 4, 2, 5, 3), n, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels gathered into channels: `(N, C, r·H, r·W)` → `(N, C·r², H, W)`, the inverse of `pixel_shuffle`."""
    n, c, h, w = _pictures("pixel_unshuffle", input).shape
    r = downscale_factor
    if r < 1 or h % r or w % r:
        raise ValueError(f"pixel_unshuffle: a picture of {show((h, w), 2)} cannot be cut into blocks of {r}×{r}")
    blocks = reshape(input, n, c, h // r, r, w // r, r)
    return reshape(permute(blocks, 0, 1, 3, 5, 2, 4), n, c * r * r, h // r, w // r)
