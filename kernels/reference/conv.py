"""Convolution, its two adjoints, and the unfold/fold pair, in NumPy. Imports only NumPy.

Everything in this file walks over one index set. The output pixel (u, v) and the kernel offset (i, j) meet at one pixel
of the padded input:

    row = u·stride + i·dilation        col = v·stride + j·dilation

Hold the offset (i, j) fixed, and the input pixels that *all* the outputs meet there form a strided slice: the picture,
shifted by the offset and thinned out by the stride. With a 3x3 kernel and stride 2, offset (0, 1) pairs

    padded input (5x5)         output (2x2)
      .  a  .  b  .
      .  .  .  .  .               a  b
      .  c  .  d  .               c  d
      .  .  .  .  .
      .  .  .  .  .

so a convolution is one matrix product over the channels for each offset, and their sum. Summed over the index set,

    T(x, W, g) = Σ x[n, c, row, col] · W[o, c, i, j] · g[n, o, u, v]

is linear in each of its three arguments, and the three routines are its three partial derivatives:

    conv2d = ∂T/∂g        conv2d_input_grad = ∂T/∂x        conv2d_weight_grad = ∂T/∂W

which is why the same slice stands in the middle of all of them.
"""

import numpy as np

Pair = tuple[int, int]


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Cross-correlate pictures with a bank of kernels.

    ``y[n, o, u, v] = bias[o] + Σ W[o, c, i, j] · x[n, c, row, col]``

    over all (c, i, j), with ``row = u·stride + i·dilation − padding`` and ``col = v·stride + j·dilation − padding``;
    pixels outside the picture count as 0. The channels are split into `groups` that do not see each other.

    Parameters
    ----------
    x : array of shape (N, Cin, H, W)
    weight : array of shape (Cout, Cin / groups, kh, kw)
    stride, padding, dilation : pairs of ints
    groups : int
    bias : array of shape (Cout,), optional

    Returns
    -------
    array of shape (N, Cout, OH, OW)
        with ``OH = (H + 2·padding − dilation·(kh − 1) − 1) // stride + 1``, and OW likewise.

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import conv2d
    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), (1, 1), (0, 0), (1, 1), 1)[0, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    N = x.shape[0]
    Cout, _, kh, kw = weight.shape
    OH, OW = _output_size(x.shape[2:], (kh, kw), stride, padding, dilation)
    x, weight = _split(_pad(x, padding), 1, groups), _split(weight, 0, groups)

    y = np.zeros((N, groups, Cout // groups, OH, OW), x.dtype)
    for i, j in np.ndindex(kh, kw):
        rows, cols = _met(i, j, (OH, OW), stride, dilation)
        y += np.einsum("goc,ngcuv->ngouv", weight[..., i, j], x[..., rows, cols])
    return _plus(y.reshape(N, Cout, OH, OW), bias)


def conv2d_input_grad(
    grad: np.ndarray,
    weight: np.ndarray,
    input_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    bias: np.ndarray | None = None,
) -> np.ndarray:
    """Send an output's gradient back to the input: the adjoint of `conv2d` in `x`, the transposed convolution.

    ``x̂[n, c, row, col] = bias[c] + Σ W[o, c, i, j] · g[n, o, u, v]``

    over all (o, i, j, u, v) that lead to (row, col) as in `conv2d`. Every g-pixel stamps the kernel, times
    its value, onto x̂; where stamps overlap they add. Pixels that no window touched get 0, or the bias.

    Parameters
    ----------
    grad : array of shape (N, Cout, OH, OW)
    weight : array of shape (Cout, Cin / groups, kh, kw)
    input_size : pair of ints
        (H, W). With a stride, several sizes lead to the same (OH, OW), so it has to be said which is meant.
    stride, padding, dilation : pairs of ints
    groups : int
    bias : array of shape (Cin,), optional
        of the transposed convolution

    Returns
    -------
    array of shape (N, Cin, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import conv2d_input_grad
    >>> g = np.array([[[[1.0, 10.0]]]])
    >>> conv2d_input_grad(g, np.ones((1, 1, 1, 3)), (1, 5), (1, 2), (0, 0), (1, 1), 1)[0, 0]
    array([[ 1.,  1., 11., 10., 10.]])
    """
    N, _, OH, OW = grad.shape
    _, group_size, kh, kw = weight.shape
    (H, W), (ph, pw) = input_size, padding
    grad, weight = _split(grad, 1, groups), _split(weight, 0, groups)

    x = np.zeros((N, groups, group_size, H + 2 * ph, W + 2 * pw), grad.dtype)
    for i, j in np.ndindex(kh, kw):
        rows, cols = _met(i, j, (OH, OW), stride, dilation)
        x[..., rows, cols] += np.einsum("goc,ngouv->ngcuv", weight[..., i, j], grad)
    return _plus(x[..., ph : ph + H, pw : pw + W].reshape(N, groups * group_size, H, W), bias)


def conv2d_weight_grad(
    x: np.ndarray, grad: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> np.ndarray:
    """Send an output's gradient to the kernels: the adjoint of `conv2d` in `weight`.

    ``Ŵ[o, c, i, j] = Σ g[n, o, u, v] · x[n, c, row, col]``

    over all (n, u, v), with row and col as in `conv2d`.

    Parameters
    ----------
    x : array of shape (N, Cin, H, W)
    grad : array of shape (N, Cout, OH, OW)
    kernel_size : pair of ints
        (kh, kw). With a stride, several sizes lead to the same (OH, OW), so it has to be said which is meant.
    stride, padding, dilation : pairs of ints
    groups : int

    Returns
    -------
    array of shape (Cout, Cin / groups, kh, kw)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import conv2d_weight_grad
    >>> x, g = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> conv2d_weight_grad(x, g, (1, 2), (1, 1), (0, 0), (1, 1), 1)[0, 0]
    array([[21., 32.]])
    """
    _, Cout, OH, OW = grad.shape
    Cin = x.shape[1]
    x, grad = _split(_pad(x, padding), 1, groups), _split(grad, 1, groups)

    weight = np.empty((groups, Cout // groups, Cin // groups, *kernel_size), x.dtype)
    for i, j in np.ndindex(kernel_size):
        rows, cols = _met(i, j, (OH, OW), stride, dilation)
        weight[..., i, j] = np.einsum("ngouv,ngcuv->goc", grad, x[..., rows, cols])
    return weight.reshape(Cout, Cin // groups, *kernel_size)


def unfold(x: np.ndarray, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """Gather every window of the pictures ("im2col").

    ``columns[n, c, i, j, u, v] = x[n, c, row, col]``

    with row and col as in `conv2d`; pixels outside the picture count as 0.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel_size, stride, padding, dilation : pairs of ints

    Returns
    -------
    array of shape (N, C, kh, kw, OH, OW)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import unfold
    >>> unfold(np.array([[[[1.0, 2.0, 3.0]]]]), (1, 2), (1, 1), (0, 0), (1, 1))[0, 0, 0, :, 0]
    array([[1., 2.],
           [2., 3.]])
    """
    N, C, *input_size = x.shape
    output_size = _output_size(input_size, kernel_size, stride, padding, dilation)
    x = _pad(x, padding)
    columns = np.empty((N, C, *kernel_size, *output_size), x.dtype)
    for i, j in np.ndindex(kernel_size):
        rows, cols = _met(i, j, output_size, stride, dilation)
        columns[:, :, i, j] = x[..., rows, cols]
    return columns


def fold(columns: np.ndarray, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> np.ndarray:
    """Add every window back where it was gathered ("col2im"): the adjoint of `unfold`.

    ``x[n, c, row, col] = Σ columns[n, c, i, j, u, v]``

    over all (i, j, u, v) that lead to (row, col) as in `conv2d`. It is not `unfold`'s inverse: a pixel that several
    windows held is counted as often.

    Parameters
    ----------
    columns : array of shape (N, C, kh, kw, OH, OW)
    input_size : pair of ints
        (H, W)
    stride, padding, dilation : pairs of ints

    Returns
    -------
    array of shape (N, C, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from minigan.kernels.reference import fold, unfold
    >>> columns = unfold(np.ones((1, 1, 1, 4)), (1, 2), (1, 1), (0, 0), (1, 1))
    >>> fold(columns, (1, 4), (1, 1), (0, 0), (1, 1))[0, 0]
    array([[1., 2., 2., 1.]])
    """
    N, C, kh, kw, OH, OW = columns.shape
    (H, W), (ph, pw) = input_size, padding
    x = np.zeros((N, C, H + 2 * ph, W + 2 * pw), columns.dtype)
    for i, j in np.ndindex(kh, kw):
        rows, cols = _met(i, j, (OH, OW), stride, dilation)
        x[..., rows, cols] += columns[:, :, i, j]
    return x[..., ph : ph + H, pw : pw + W].copy()


def _met(i: int, j: int, output_size: Pair, stride: Pair, dilation: Pair) -> tuple[slice, slice]:
    """The rows and columns of the padded input that kernel offset (i, j) meets, one for each output pixel."""
    top, left = i * dilation[0], j * dilation[1]
    return (
        slice(top, top + stride[0] * (output_size[0] - 1) + 1, stride[0]),
        slice(left, left + stride[1] * (output_size[1] - 1) + 1, stride[1]),
    )


def _plus(pictures: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return pictures if bias is None else pictures + bias[:, None, None]


def _output_size(input_size, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """How often the dilated kernel fits into the padded input, stepping by the stride: (OH, OW)."""
    OH, OW = (
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(input_size, kernel_size, stride, padding, dilation)
    )
    return OH, OW


def _pad(x: np.ndarray, padding: Pair) -> np.ndarray:
    """Lay `padding` rows and columns of zeros around every picture."""
    ph, pw = padding
    return np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))


def _split(a: np.ndarray, axis: int, groups: int) -> np.ndarray:
    """Split the axis of the channels in two: (..., groups, channels / groups, ...)."""
    return a.reshape(*a.shape[:axis], groups, a.shape[axis] // groups, *a.shape[axis + 1 :])
