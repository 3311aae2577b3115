"""The convolution family, and what a transposed convolution is. Imports shape, reduce and the kernels' chooser.

One trilinear form contains the whole family. Over the index set of a convolution (sample n, groups left out, input channel
c, output channel o, output pixel u, kernel pixel i, so that the input pixel is s·u + d·i − p) let

    T(x, W, g) = Σ  x[n, c, s·u + d·i − p] · W[o, c, i] · g[n, o, u].

It is linear in each of its arguments, so its three partial derivatives are all there is:

    ∂T/∂g = conv2d(x, W)              what a convolution computes
    ∂T/∂x = conv2d_input_grad(g, W)   the gradient to its input, which *is* the transposed convolution
    ∂T/∂W = conv2d_weight_grad(x, g)  the gradient to its weight

and the gradient of each of the three is made of the other two. So three routines (in `minigan.kernels`) are enough for
derivatives of every order; nothing else in this file computes.

    operation                     gradient to its first argument     gradient to its second argument
    y = conv2d(x, W)              input_grad(ȳ, W)                   weight_grad(x, ȳ)
    X = input_grad(y, W)          conv2d(X̄, W)                      weight_grad(X̄, y)
    V = weight_grad(x, y)         input_grad(y, V̄)                   conv2d(x, V̄)
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import Any

from minigan import backend
from minigan.backend import Array
from minigan.ops.reduce import sum
from minigan.ops.shape import dilate, flip, pad_constant, reshape, squeeze, transpose, unsqueeze
from minigan.tensor import Function, Tensor

Pair = tuple[int, int]
IntOrPair = int | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a convolution's windows lie; every pair is (vertical, horizontal)."""

    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @property
    def steps(self) -> tuple[Pair, Pair, Pair, int]:
        """What every kernel takes: stride, padding, dilation, groups."""
        return self.stride, self.padding, self.dilation, self.groups

    def output_size(self, size: tuple[int, ...]) -> Pair:
        """How many windows fit: `⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1` on each axis; may be zero or negative."""
        h, w = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(size, self.kernel_size, self.stride, self.padding, self.dilation)
        )
        return h, w


# ------------------------------------------------------------------------------------------------- the triple


class Conv2d(Function):
    """y = ∂T/∂g (x, W), plus the bias of each channel if there is one."""

    def __init__(self, geometry: Geometry):
        self.geometry = geometry

    def forward(self, x: Array, weight: Array, *bias: Array) -> Array:
        return backend.kernels(x).conv2d(x, weight, *self.geometry.steps, *bias)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = self.inputs[:2]
        return (
            Conv2dInputGrad(self.geometry, x.shape[2:])(grad, weight) if self.needs[0] else None,
            Conv2dWeightGrad(self.geometry)(x, grad) if self.needs[1] else None,
            *(sum(grad, (0, 2, 3)) if needed else None for needed in self.needs[2:]),
        )


class Conv2dInputGrad(Function):
    """X = ∂T/∂x (y, W): the transposed convolution, onto a picture of `input_size`; plus the bias if there is one."""

    def __init__(self, geometry: Geometry, input_size: tuple[int, ...]):
        self.geometry, self.input_size = geometry, input_size

    def forward(self, y: Array, weight: Array, *bias: Array) -> Array:
        return backend.kernels(y).conv2d_input_grad(y, weight, self.input_size, *self.geometry.steps, *bias)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        y, weight = self.inputs[:2]
        return (
            Conv2d(self.geometry)(grad, weight) if self.needs[0] else None,
            Conv2dWeightGrad(self.geometry)(grad, y) if self.needs[1] else None,
            *(sum(grad, (0, 2, 3)) if needed else None for needed in self.needs[2:]),
        )


class Conv2dWeightGrad(Function):
    """V = ∂T/∂W (x, y)."""

    def __init__(self, geometry: Geometry):
        self.geometry = geometry

    def forward(self, x: Array, y: Array) -> Array:
        return backend.kernels(x).conv2d_weight_grad(x, y, self.geometry.kernel_size, *self.geometry.steps)

    def backward(self, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y = self.inputs
        return (
            Conv2dInputGrad(self.geometry, x.shape[2:])(y, grad) if self.needs[0] else None,
            Conv2d(self.geometry)(x, grad) if self.needs[1] else None,
        )


# -------------------------------------------------------------------------------------------------- convolution


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution (without flipping the kernel, as everywhere in deep learning).

    `y[n, o, u, v] = bias[o] + Σ_{c, i, j} x[n, c, s·u + d·i − p, s·v + d·j − p] · W[o, c, i, j]`

    Parameters
    ----------
    input : Tensor, `(N, C, H, W)` or `(C, H, W)`
    weight : Tensor, `(O, C/groups, kh, kw)`
    bias : Tensor, `(O,)`, optional
    stride, padding, dilation : int or pair (vertical, horizontal)
        Step between windows; zeros around the picture, or `"valid"` (none) or `"same"` (as many as keep the size, for
        stride 1); distance between the taps of the kernel.
    groups : int, default 1
        The channels are cut into groups, each convolved with weights of its own.

    Returns
    -------
    Tensor, `(N, O, H', W')`
        `H' = ⌊(H + 2p − d(kh − 1) − 1)/s⌋ + 1`.

    Raises
    ------
    ValueError, TypeError
        If shapes, types or geometry do not fit, or the result would be empty.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.conv2d(mg.ones(1, 1, 4, 4), mg.ones(1, 1, 4, 4), stride=2, padding=1)
    Tensor([[[[9., 9.],
              [9., 9.]]]])
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` along one axis: input `(N, C, L)` or `(C, L)`, weight `(O, C/groups, k)`, result `(N, O, L')`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.conv1d(mg.ones(1, 1, 5), mg.ones(1, 1, 3)).tolist()
    [[[3.0, 3.0, 3.0]]]
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def _convolve(
    name: str,
    axes: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrPair,
    padding: IntOrPair | str,
    dilation: IntOrPair,
    groups: int,
) -> Tensor:
    x, w, batched = _as_pictures(name, axes, input, weight)
    _check_groups(name, groups)
    channels, expected = x.shape[1], w.shape[1] * groups
    if channels != expected:
        of_groups = f" in {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"{name}: input of shape {input.shape} has {channels} channels, but weight of shape {weight.shape} expects "
            f"{expected}{of_groups}"
        )
    if w.shape[0] % groups:
        raise ValueError(
            f"{name}: {w.shape[0]} output channels (weight of shape {weight.shape}) cannot be cut into {groups} groups"
        )
    kernel = (w.shape[2], w.shape[3])
    steps = pair(name, "stride", stride, axes, 1)
    taps = pair(name, "dilation", dilation, axes, 1)
    if padding == "same":
        if set(steps) != {1}:
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}")
        total = [d * (k - 1) for d, k in zip(taps, kernel)]
        x = pad_constant(x, ((0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)))
        padding = 0
    border = pair(name, "padding", 0 if padding == "valid" else padding, axes, 0)
    geometry = Geometry(kernel, steps, border, taps, groups)
    out = geometry.output_size(x.shape[2:])
    if min(out) < 1:
        raise ValueError(
            f"{name}: the result would be empty: a kernel of {show(kernel, axes)} with dilation {show(taps, axes)} does "
            f"not fit into a picture of {show(x.shape[2:], axes)} with padding {show(border, axes)}"
        )
    y = Conv2d(geometry)(x, w, *_as_bias(name, bias, w.shape[0], x))
    return _from_pictures(y, axes, batched)


# -------------------------------------------------------------------------------------- transposed convolution


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """The transposed convolution: the adjoint of `conv2d` with the same weight, stride and padding.

    Where `conv2d` gathers the pixels under a window into one number, this spreads one number over the pixels of a window:
    `X[n, c, s·u + d·i − p, s·v + d·j − p] += y[n, o, u, v] · W[o, c, i, j]`. So it is the gradient of `conv2d` with
    respect to its input, and is computed as such; no inserted zero is ever multiplied. What it *means* as a picture is
    `conv_transpose2d_by_zero_insertion`, and the two are equal.

    Parameters
    ----------
    input : Tensor, `(N, O, H, W)` or `(O, H, W)`
    weight : Tensor, `(O, C/groups, kh, kw)`
        The weight of the convolution that this transposes: its *output* channels come first.
    bias : Tensor, `(C,)`, optional
    stride, padding, dilation : int or pair
        Those of the convolution that this transposes.
    output_padding : int or pair, default 0
        Several sizes are reduced to the same by a strided convolution; this many more rows and columns, on the far side,
        choose among them. Less than the stride or the dilation.
    groups : int, default 1

    Returns
    -------
    Tensor, `(N, C, H', W')`
        `H' = (H − 1)·s − 2p + d(kh − 1) + output_padding + 1`.

    Raises
    ------
    ValueError, TypeError
        If shapes, types or geometry do not fit, or the result would be empty.

    Examples
    --------
    A DCGAN's step from 7×7 to 14×14:

    >>> import minigan as mg
    >>> mg.conv_transpose2d(mg.ones(8, 128, 7, 7), mg.ones(128, 64, 4, 4), stride=2, padding=1).shape
    (8, 64, 14, 14)
    """
    return _transpose_convolve(
        "conv_transpose2d", 2, _spread, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """`conv_transpose2d` along one axis: input `(N, O, L)` or `(O, L)`, weight `(O, C/groups, k)`, result `(N, C, L')`.

    Examples
    --------
    >>> import minigan as mg
    >>> mg.conv_transpose1d(mg.ones(1, 1, 2), mg.ones(1, 1, 2), stride=2).tolist()
    [[[1.0, 1.0, 1.0, 1.0]]]
    """
    return _transpose_convolve(
        "conv_transpose1d", 1, _spread, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d_by_zero_insertion(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """What a transposed convolution is, in four steps that one can draw; equal to `conv_transpose2d`.

    With kernel size k, stride s and padding p:

    1. insert `z = s − 1` zeros between neighbouring pixels;
    2. put `p' = k − p − 1` zeros around the border, and `output_padding` more on the far side
       (where p' is negative, that much is cut off instead);
    3. turn the kernel by 180° and exchange its channel axes;
    4. run an ordinary convolution, with stride 1 and no padding.

    For a 2×2 picture, k = 3, s = 2, p = 1, output_padding = 1, so that z = 1 and p' = 1::

        input        1. zeros between      2. zeros around      4. every 3×3 window is one
                                                                   pixel of a 4×4 result
                                             0 0 0 0 0 0          ┌───────┐
          a b            a 0 b               0 a 0 b 0 0          │0 0 0  │0 0 0
          c d            0 0 0               0 0 0 0 0 0          │0 a 0  │b 0 0
                         c 0 d               0 c 0 d 0 0          │0 0 0  │0 0 0
                                             0 0 0 0 0 0          └───────┘ ...
                                             0 0 0 0 0 0

    Most of the products are with zeros that were put in: 3 of 4 for stride 2. `conv_transpose2d` does not form them.
    With dilation d, k − 1 is replaced by d(k − 1). Parameters, result and errors are those of `conv_transpose2d`.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning (2016), §4.

    Examples
    --------
    >>> import minigan as mg
    >>> x, w = mg.randn(1, 2, 3, 3), mg.randn(2, 1, 4, 4)
    >>> fast = mg.conv_transpose2d(x, w, stride=2, padding=1)
    >>> mg.conv_transpose2d_by_zero_insertion(x, w, stride=2, padding=1).allclose(fast, atol=1e-5)
    True
    """
    name = "conv_transpose2d_by_zero_insertion"
    return _transpose_convolve(
        name, 2, _insert_zeros, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _spread(y: Tensor, weight: Tensor, bias: tuple[Tensor, ...], geometry: Geometry, size: Pair, extra: Pair) -> Tensor:
    # With output_padding ≥ stride, which a dilation allows, more windows fit into the result than y has pixels; a zero each.
    more = [e // s for e, s in zip(extra, geometry.stride)]
    if any(more):
        y = pad_constant(y, ((0, 0), (0, 0), (0, more[0]), (0, more[1])))
    return Conv2dInputGrad(geometry, size)(y, weight, *bias)


def _insert_zeros(
    y: Tensor, weight: Tensor, bias: tuple[Tensor, ...], geometry: Geometry, size: Pair, extra: Pair
) -> Tensor:
    stride, padding, dilation, groups = geometry.steps
    y = dilate(y, (1, 1, *stride))
    border = [d * (k - 1) - p for k, p, d in zip(geometry.kernel_size, padding, dilation)]
    y = pad_constant(y, ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])))  # first: a crop may be wider than y without it
    y = pad_constant(y, ((0, 0), (0, 0), (border[0], border[0]), (border[1], border[1])))

    o, c, kh, kw = weight.shape
    w = reshape(weight, groups, o // groups, c, kh, kw)
    w = reshape(flip(transpose(w, 1, 2), (-2, -1)), groups * c, o // groups, kh, kw)
    return conv2d(y, w, bias[0] if bias else None, dilation=dilation, groups=groups)


def _transpose_convolve(
    name: str,
    axes: int,
    compute: Any,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: IntOrPair,
    padding: IntOrPair,
    output_padding: IntOrPair,
    groups: int,
    dilation: IntOrPair,
) -> Tensor:
    y, w, batched = _as_pictures(name, axes, input, weight)
    _check_groups(name, groups)
    if y.shape[1] != w.shape[0]:
        raise ValueError(
            f"{name}: input of shape {input.shape} has {y.shape[1]} channels, but weight of shape {weight.shape} expects "
            f"{w.shape[0]}"
        )
    if w.shape[0] % groups:
        raise ValueError(f"{name}: {w.shape[0]} input channels cannot be cut into {groups} groups")
    kernel = (w.shape[2], w.shape[3])
    steps = pair(name, "stride", stride, axes, 1)
    border = pair(name, "padding", padding, axes, 0)
    taps = pair(name, "dilation", dilation, axes, 1)
    extra = pair(name, "output_padding", output_padding, axes, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, steps, taps)):
        raise ValueError(
            f"{name}: output_padding {output_padding} must be less than the stride {stride} or the dilation {dilation}"
        )
    height, width = (
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, d, e in zip(y.shape[2:], kernel, steps, border, taps, extra)
    )
    if min(height, width) < 1:
        raise ValueError(
            f"{name}: the result would be empty: a picture of {show(y.shape[2:], axes)}, a kernel of "
            f"{show(kernel, axes)} and padding {show(border, axes)} leave {show((height, width), axes)}"
        )
    biases = _as_bias(name, bias, w.shape[1] * groups, y)
    x = compute(y, w, biases, Geometry(kernel, steps, border, taps, groups), (height, width), extra)
    return _from_pictures(x, axes, batched)


# ------------------------------------------------------------------------------------------------- arguments


def _as_pictures(name: str, axes: int, input: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Input and weight with four axes (a signal becomes a picture of height 1), and whether there was a batch axis."""
    layout = "(N, C, H, W) or (C, H, W)" if axes == 2 else "(N, C, L) or (C, L)"
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor, got {type(input).__name__}; mg.tensor(x) makes one")
    if input.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"{name}: input must be {layout}, got shape {input.shape}")
    if weight.ndim != axes + 2:
        raise ValueError(f"{name}: weight must have {axes + 2} axes, got shape {weight.shape}")
    if min(weight.shape) < 1:
        raise ValueError(f"{name}: weight is empty, its shape is {weight.shape}")
    if min(input.shape[-axes:]) < 1:
        raise ValueError(f"{name}: input of shape {input.shape} has no pixels; only the batch may be empty")
    if input.dtype != weight.dtype or not input.is_floating_point():
        raise TypeError(
            f"{name}: input and weight must be of one floating type, got {input.dtype} and {weight.dtype}; convert with "
            f"x.to(dtype)"
        )
    batched = input.ndim == axes + 2
    x = input if batched else unsqueeze(input, 0)
    return (x, weight, batched) if axes == 2 else (unsqueeze(x, 2), unsqueeze(weight, 2), batched)


def _from_pictures(y: Tensor, axes: int, batched: bool) -> Tensor:
    y = y if axes == 2 else squeeze(y, 2)
    return y if batched else squeeze(y, 0)


def _as_bias(name: str, bias: Tensor | None, channels: int, x: Tensor) -> tuple[Tensor, ...]:
    """The bias, if there is one, as what follows input and weight."""
    if bias is None:
        return ()
    if bias.shape != (channels,):
        raise ValueError(f"{name}: bias must have shape ({channels},), one number a channel; got {bias.shape}")
    if bias.dtype != x.dtype:
        raise TypeError(f"{name}: bias must be {x.dtype}, as input and weight are, got {bias.dtype}")
    return (bias,)


def _check_groups(name: str, groups: int) -> None:
    if not isinstance(groups, Integral) or int(groups) < 1:
        raise ValueError(f"{name}: groups must be a positive integer, got {groups!r}")


def pair(name: str, argument: str, value: Any, axes: int, least: int) -> Pair:
    """`value` as (vertical, horizontal); a signal's only axis is the horizontal one, and its vertical values do nothing."""
    values = (value,) * axes if isinstance(value, Integral) else tuple(value) if isinstance(value, tuple | list) else ()
    if len(values) != axes or not all(isinstance(v, Integral) and int(v) >= least for v in values):
        what = f"an integer of at least {least}" + (" or a pair of them" if axes == 2 else "")
        raise ValueError(f"{name}: {argument} must be {what}, got {value!r}")
    return (int(values[0]), int(values[1])) if axes == 2 else (least, int(values[0]))


def show(size: tuple[int, ...], axes: int) -> str:
    """`"4×4"`, or `"4"` for a signal."""
    return "×".join(map(str, size[-axes:]))
