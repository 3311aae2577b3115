"""minigan.ops.pool: windows, pooling and resampling against their formula, PyTorch, finite differences and adjoints.

The kernels have tests of their own (tests/kernels/test_conv.py and test_pool.py); here it is the operations.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import KERNELS, LAYOUTS, closeness, drawn, lay_out

import minigan as mg

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}  # of the largest number
close = closeness(TOLERANCE)


def picture(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ------------------------------------------------------------------------------------------------ against PyTorch
#
# A strategy for each operation draws an input shape and the arguments, under the names that PyTorch gives them too.


def as_given(pair):
    """A pair as people write it: one number if both are the same."""
    return pair[0] if pair[0] == pair[1] else tuple(pair)


@st.composite
def windows(draw, padding_to="kernel", dilated=True):
    """An input size, and windows that fit: kernel_size, stride, padding, dilation."""
    per_axis = lambda low, high: [draw(st.integers(low, high)) for _ in "hw"]  # noqa: E731
    kernel, stride, dilation = per_axis(1, 4), per_axis(1, 4), per_axis(1, 3) if dilated else [1, 1]
    padding = [draw(st.integers(0, k // 2 if padding_to == "half" else k)) for k in kernel]
    # Under max_pool2d's limit for the padding, a window of a picture this large has a pixel in it.
    least = [max(1, d * (k - 1) + 1 - 2 * p, d if k > 1 else 1) for k, p, d in zip(kernel, padding, dilation)]
    size = [n + draw(st.integers(0, 4)) for n in least]
    arguments = {"kernel_size": as_given(kernel), "stride": as_given(stride), "padding": as_given(padding)}
    return size, arguments | ({"dilation": as_given(dilation)} if dilated else {})


def pictures(draw, size, channels=None, least_batch=0):
    return (draw(st.integers(least_batch, 2)), draw(st.integers(1, 3)) if channels is None else channels, *size)


@st.composite
def max_pool2d(draw):
    size, arguments = draw(windows(padding_to="half"))
    if draw(st.booleans()):
        del arguments["stride"]
    return pictures(draw, size), arguments


@st.composite
def avg_pool2d(draw):
    size, arguments = draw(windows(padding_to="half", dilated=False))
    return pictures(draw, size), arguments | {"count_include_pad": draw(st.booleans())}


@st.composite
def adaptive_avg_pool2d(draw):
    size, new = ([draw(st.integers(1, 7)) for _ in "hw"] for _ in "xy")
    return pictures(draw, size), {"output_size": as_given(new)}


@st.composite
def interpolate(draw):
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    size, new = ([draw(st.integers(1, 9)) for _ in "hw"] for _ in "xy")
    arguments = {"mode": mode} | ({"align_corners": draw(st.booleans())} if mode == "bilinear" else {})
    if draw(st.booleans()):
        return pictures(draw, size), arguments | {"size": as_given(new)}
    factors = [draw(st.sampled_from([f for f in (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0) if n * f >= 1])) for n in size]
    return pictures(draw, size), arguments | {"scale_factor": as_given(factors)}


@st.composite
def unfold(draw):
    size, arguments = draw(windows())
    return pictures(draw, size), arguments


@st.composite
def fold(draw):
    size, arguments = draw(windows())
    batch, channels, *_ = pictures(draw, size)
    columns = mg.unfold(mg.zeros(batch, channels, *size), **arguments)
    return columns.shape, arguments | {"output_size": as_given(size)}


@st.composite
def pixel_shuffle(draw):  # no empty batch: PyTorch hands it back as it is
    r, c = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    return pictures(draw, [draw(st.integers(1, 4)) for _ in "hw"], c * r * r, 1), {"upscale_factor": r}


@st.composite
def pixel_unshuffle(draw):
    r = draw(st.integers(1, 3))
    return pictures(draw, [r * draw(st.integers(1, 3)) for _ in "hw"], least_batch=1), {"downscale_factor": r}


STRATEGIES = [
    max_pool2d,
    avg_pool2d,
    adaptive_avg_pool2d,
    interpolate,
    unfold,
    fold,
    pixel_shuffle,
    pixel_unshuffle,
]


def orders(grad, f, x, ȳ, direction):
    """y; its gradient g; and the gradient of ⟨g, direction⟩ to ȳ and x: in words that minigan and PyTorch share."""
    y = f(x)
    (g,) = grad(y, [x], ȳ, create_graph=True)
    return y, g, *grad((g * direction).sum(), [ȳ, x], allow_unused=True)


@KERNELS
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.__name__)
@drawn(40)
@given(data=st.data())
def test_value_gradient_and_gradient_of_gradient_are_pytorchs(torch, strategy, kernels, data):
    """All these operations are linear (max_pool2d: in pieces), so that the second derivative is 0 and only ȳ has one."""
    op, dtype = strategy.__name__, data.draw(st.sampled_from(["float32", "float64"]))
    shape, arguments = data.draw(strategy())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    few_values = data.draw(st.booleans())  # so that several pixels of a window are the largest
    x = rng.integers(-2, 3, shape) if few_values else rng.standard_normal(shape)
    x = x.astype(dtype)
    if op != "fold":
        x = lay_out(x, data.draw(st.sampled_from(LAYOUTS)))
    before = x.copy()
    f, g = getattr(mg, op), getattr(torch.nn.functional, op)
    with mg.backend.use_kernels(kernels):
        ours = mg.Tensor(x, requires_grad=True)
        ȳ = rng.standard_normal(f(ours, **arguments).shape).astype(dtype)
        direction = rng.standard_normal(shape).astype(dtype)
        seed = mg.Tensor(ȳ, requires_grad=True)
        got = orders(mg.grad, lambda x: f(x, **arguments), ours, seed, mg.Tensor(direction))
    theirs, seed = (torch.from_numpy(np.array(a, order="C")).requires_grad_() for a in (x, ȳ))
    expected = orders(torch.autograd.grad, lambda x: g(x, **arguments), theirs, seed, torch.from_numpy(direction))
    for a, b in zip(got[:3], expected[:3]):
        assert a.dtype == dtype
        close(a.detach(), b.detach(), dtype)
    for none in (got[3], expected[3]):
        assert none is None or not none.detach().numpy().any()
    np.testing.assert_array_equal(x, before)


# ------------------------------------------------------------------------------------- against finite differences

CASES = {
    "max_pool2d": ((2, 2, 4, 6), {"kernel_size": 2}),
    "max_pool2d, overlapping": ((1, 2, 5, 6), {"kernel_size": (3, 2), "stride": (1, 2), "padding": 1}),
    "max_pool2d, dilated": ((2, 1, 7, 6), {"kernel_size": 2, "stride": 1, "dilation": (3, 2)}),
    "avg_pool2d": ((2, 2, 4, 6), {"kernel_size": (2, 3)}),
    "avg_pool2d, overlapping": ((1, 2, 5, 6), {"kernel_size": 3, "stride": (1, 2), "padding": (1, 0)}),
    "avg_pool2d, of pixels only": ((1, 2, 4, 5), {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    "adaptive_avg_pool2d": ((2, 2, 7, 5), {"output_size": (3, 2)}),
    "adaptive_avg_pool2d, larger": ((1, 2, 3, 2), {"output_size": (5, 7)}),
    "interpolate, nearest, repeated": ((2, 2, 3, 2), {"scale_factor": (2, 3)}),
    "interpolate, nearest": ((2, 2, 3, 5), {"size": (5, 4)}),
    "interpolate, bilinear": ((2, 2, 3, 5), {"size": (5, 4), "mode": "bilinear"}),
    "interpolate, bilinear, corners": ((2, 2, 3, 5), {"size": (5, 4), "mode": "bilinear", "align_corners": True}),
    "interpolate, bilinear, by a factor": ((1, 2, 3, 5), {"scale_factor": 1.7, "mode": "bilinear"}),
    "unfold": ((2, 2, 5, 6), {"kernel_size": (3, 2), "stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)}),
    "fold": (
        (2, 12, 18),
        {"output_size": (5, 6), "kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1), "dilation": (1, 2)},
    ),
    "pixel_shuffle": ((2, 8, 2, 3), {"upscale_factor": 2}),
    "pixel_unshuffle": ((2, 2, 4, 6), {"downscale_factor": 2}),
}


@pytest.mark.parametrize("name", CASES)
@KERNELS
def test_first_and_second_derivatives_agree_with_differences(name, kernels):
    shape, arguments = CASES[name]
    f = lambda x: getattr(mg, name.split(",")[0])(x, **arguments)  # noqa: E731
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(f, mg.Tensor(picture(*shape)), order=2)
        assert mg.check.gradcheck(lambda x: f(x).tanh(), mg.Tensor(picture(*shape)), order=2, directions=1)


@pytest.mark.parametrize("name", [name for name in CASES if "fold" not in name])
def test_an_empty_batch_gives_an_empty_batch(name):
    shape, arguments = CASES[name]
    op = getattr(mg, name.split(",")[0])
    x = mg.Tensor(np.zeros((0, *shape[1:])), requires_grad=True)
    y = op(x, **arguments)
    assert y.shape == (0, *op(mg.zeros(shape), **arguments).shape[1:])
    assert mg.grad(y.sum(), x)[0].shape == x.shape


# --------------------------------------------------------------------------------------------------- unfold ⇄ fold


@drawn(40)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
@KERNELS
def test_unfold_and_fold_are_adjoint(kernels, data, dtype):
    shape, arguments = data.draw(unfold())
    with mg.backend.use_kernels(kernels):
        there = lambda x: mg.unfold(x, **arguments)  # noqa: E731
        back = lambda columns: mg.fold(columns, shape[2:], **arguments)  # noqa: E731
        x = mg.zeros(shape, dtype=dtype)
        assert mg.check.adjoint_check(there, back, x)
        assert mg.check.adjoint_check(back, there, there(x))


@KERNELS
def test_unfold_turns_a_convolution_into_a_matrix_product(kernels):
    x, weight = mg.Tensor(picture(2, 3, 6, 7)), mg.Tensor(picture(4, 3, 3, 2, seed=1))
    geometry = {"stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}
    with mg.backend.use_kernels(kernels):
        y = mg.conv2d(x, weight, **geometry)
        product = weight.reshape(4, -1) @ mg.unfold(x, (3, 2), **geometry)
    close(product.reshape(y.shape), y)


def test_fold_counts_a_pixel_as_often_as_a_window_held_it():
    x = mg.ones(1, 1, 3, 4)
    assert mg.fold(mg.unfold(x, 2), (3, 4), 2).tolist() == [[[[1, 2, 2, 1], [2, 4, 4, 2], [1, 2, 2, 1]]]]


def test_integers_can_be_unfolded():
    """It copies and computes nothing, so any type will do."""
    assert mg.unfold(mg.arange(4).reshape(1, 1, 2, 2), 2).tolist() == [[[0], [1], [2], [3]]]


# --------------------------------------------------------------------------------------------------------- pooling


@KERNELS
def test_of_equal_pixels_the_first_of_the_window_gets_the_gradient(kernels):
    x = mg.tensor([[[[1.0, 2.0, 2.0], [2.0, 2.0, 2.0]]]], requires_grad=True)
    with mg.backend.use_kernels(kernels):
        (g,) = mg.grad(mg.max_pool2d(x, 2, stride=1).sum(), x)
    assert g.tolist() == [[[[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]]


@KERNELS
def test_what_is_put_around_is_never_the_largest(kernels):
    x = mg.tensor([[[[-3.0, -2.0], [-4.0, -np.inf]]]])
    with mg.backend.use_kernels(kernels):
        assert mg.max_pool2d(x, 2, padding=1).tolist() == [[[[-3.0, -2.0], [-4.0, -np.inf]]]]


@KERNELS
def test_a_nan_is_the_largest_of_its_window(kernels):
    x = mg.tensor([[[[np.nan, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 4.0]]]])
    with mg.backend.use_kernels(kernels):
        assert str(mg.max_pool2d(x, 2).tolist()) == "[[[[nan, 4.0]]]]"


@KERNELS
def test_an_average_that_does_not_count_the_border_of_ones_is_one_everywhere(kernels):
    with mg.backend.use_kernels(kernels):
        counted, not_counted = (
            mg.avg_pool2d(mg.ones(1, 1, 4, 5), (3, 2), stride=2, padding=1, count_include_pad=c) for c in (True, False)
        )
    close(not_counted, np.ones((1, 1, 2, 3)), "float32")
    close(counted, np.array([[[[2 / 6, 4 / 6, 4 / 6], [3 / 6, 1, 1]]]]), "float32")


def test_adaptive_average_takes_the_regions_that_cover_the_picture():
    """Region i of m goes from ⌊i·n/m⌋ to ⌈(i + 1)·n/m⌉; neighbours overlap where m does not divide n."""
    x = mg.arange(5.0).reshape(1, 1, 1, 5)
    assert mg.adaptive_avg_pool2d(x, (1, 3)).tolist() == [[[[0.5, 2.0, 3.5]]]]  # (0, 1), (1, 2, 3), (3, 4)
    close(mg.adaptive_avg_pool2d(mg.Tensor(picture(2, 3, 4, 5)), 1), picture(2, 3, 4, 5).mean((2, 3), keepdims=True))


# ------------------------------------------------------------------------------------------------------- resampling


@pytest.mark.parametrize(
    ("linear", "adjoint", "shape"),
    [
        (lambda x: mg.interpolate(x, scale_factor=(2, 3)), lambda y: 6 * mg.avg_pool2d(y, (2, 3)), (2, 2, 3, 4)),
        (lambda x: mg.pixel_shuffle(x, 2), lambda y: mg.pixel_unshuffle(y, 2), (2, 8, 3, 4)),
        (lambda x: mg.pixel_unshuffle(x, 3), lambda y: mg.pixel_shuffle(y, 3), (2, 2, 3, 6)),
    ],
    ids=["nearest upsampling, sums of blocks", "pixel_shuffle, pixel_unshuffle", "pixel_unshuffle, pixel_shuffle"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_upsampling_and_what_undoes_it_are_adjoint(linear, adjoint, shape, dtype):
    assert mg.check.adjoint_check(linear, adjoint, mg.zeros(shape, dtype=dtype))


def test_pixel_unshuffle_is_the_inverse_of_pixel_shuffle():
    x = mg.arange(2 * 12 * 3 * 2).reshape(2, 12, 3, 2)
    np.testing.assert_array_equal(mg.pixel_unshuffle(mg.pixel_shuffle(x, 2), 2).numpy(), x.numpy())


@pytest.mark.parametrize(("n", "m"), [(4, 98), (18, 66), (20, 154), (24, 88), (33, 39), (66, 18), (98, 4)])
def test_the_nearest_pixel_is_found_in_whole_numbers(n, m):
    """⌊i·n/m⌋ exactly: in floating point, i·(n/m) may fall short of the whole number that it is."""
    x = mg.arange(n).reshape(1, 1, 1, n)
    assert mg.interpolate(x, size=(1, m)).numpy().ravel().tolist() == [i * n // m for i in range(m)]


def test_the_nearest_pixel_goes_by_the_factor_where_that_is_given():
    """By 3.4, two pixels become six, but not as three and three: ⌊3/3.4⌋ is still 0."""
    x = mg.arange(2.0).reshape(1, 1, 1, 2)
    assert mg.interpolate(x, scale_factor=(1, 3.4)).tolist() == [[[[0.0, 0.0, 0.0, 0.0, 1.0, 1.0]]]]
    assert mg.interpolate(x, size=(1, 6)).tolist() == [[[[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]]]


def test_bilinear_draws_straight_lines_between_the_centres_of_pixels():
    """The centres of two pixels lie at 1/4 and 3/4 of the picture, those of four at 1/8, 3/8, 5/8 and 7/8."""
    x = mg.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert mg.interpolate(x, size=(1, 4), mode="bilinear").tolist() == [[[[0.0, 0.25, 0.75, 1.0]]]]


def test_a_plane_stays_a_plane_when_interpolated_from_corner_to_corner():
    rows, columns = np.mgrid[0:4, 0:5].astype(float)
    finer = mg.interpolate(
        mg.Tensor((2 * rows - columns)[None, None]), size=(7, 9), mode="bilinear", align_corners=True
    )
    rows, columns = np.mgrid[0:7, 0:9] / 2
    close(finer, (2 * rows - columns)[None, None])


def test_scale_factors_may_come_from_numpy():
    x = mg.ones(1, 1, 2, 3)
    assert mg.interpolate(x, scale_factor=np.float32(2)).shape == (1, 1, 4, 6)
    assert mg.interpolate(x, scale_factor=[np.float64(1.5), np.int64(2)]).shape == (1, 1, 3, 6)


# ------------------------------------------------------------------------------------------------------------ errors

X = mg.ones(1, 2, 4, 5)

SIZES = {  # an operation, and what it needs besides the input
    "max_pool2d": {"kernel_size": 2},
    "avg_pool2d": {"kernel_size": 2},
    "adaptive_avg_pool2d": {"output_size": 2},
    "interpolate": {"size": 2},
    "unfold": {"kernel_size": 2},
    "pixel_shuffle": {"upscale_factor": 1},
    "pixel_unshuffle": {"downscale_factor": 1},
}


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 1, 2, 4, 5), (1, 2, 0, 5), (1, 2, 4, 0)], ids=str)
@pytest.mark.parametrize("op", SIZES)
def test_what_is_no_batch_of_pictures_is_refused(op, shape):
    with pytest.raises(ValueError) as error:
        getattr(mg, op)(mg.zeros(shape), **SIZES[op])
    assert str(error.value) == f"{op}: input must be (N, C, H, W) with H and W of at least 1, got shape {shape}"


@pytest.mark.parametrize(
    ("op", "arguments"),
    [
        *((op, SIZES[op]) for op in ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d")),
        ("interpolate", {"size": 2, "mode": "bilinear"}),
    ],
)
def test_means_and_maxima_of_integers_are_refused(op, arguments):
    with pytest.raises(TypeError, match=rf"^{op}: input must be floating, got int64; convert with x\.to\(dtype\)"):
        getattr(mg, op)(X.long(), **arguments)


@pytest.mark.parametrize(
    ("argument", "value", "least"),
    [
        ("kernel_size", 0, 1),
        ("kernel_size", (2, 3, 1), 1),
        ("kernel_size", 1.5, 1),
        ("stride", 0, 1),
        ("stride", (1, -1), 1),
        ("padding", -1, 0),
        ("dilation", 0, 1),
    ],
)
@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d", "unfold", "fold"])
def test_windows_out_of_range_are_refused(op, argument, value, least):
    if op == "avg_pool2d" and argument == "dilation":
        return
    arguments = {"kernel_size": 2} | ({"output_size": (4, 5)} if op == "fold" else {}) | {argument: value}
    with pytest.raises(ValueError) as error:
        getattr(mg, op)(mg.ones(1, 8, 12) if op == "fold" else X, **arguments)
    assert (
        str(error.value) == f"{op}: {argument} must be an integer of at least {least} or a pair of them, got {value!r}"
    )


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d", "unfold", "fold"])
def test_windows_larger_than_the_picture_are_refused(op):
    picture, arguments = (mg.ones(1, 25, 1), {"output_size": (4, 5)}) if op == "fold" else (X, {})
    with pytest.raises(ValueError) as error:
        getattr(mg, op)(picture, kernel_size=5, **arguments)
    assert str(error.value) == (
        f"{op}: the result would be empty: a window of 5×5 with dilation 1×1 does not fit into a picture of 4×5 with "
        f"padding 0×0"
    )


@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
def test_a_border_that_could_hold_a_whole_window_is_refused(op):
    with pytest.raises(
        ValueError, match=rf"^{op}: padding 2×0 is more than half of kernel_size 3×3; some windows would"
    ):
        getattr(mg, op)(X, 3, padding=(2, 0))


@KERNELS
def test_a_dilated_window_that_steps_over_the_picture_is_refused(kernels):
    message = "max_pool2d: with dilation 2×2 a window steps over the picture of 1×1 and holds no pixel of it"
    with mg.backend.use_kernels(kernels), pytest.raises(ValueError) as error:
        mg.max_pool2d(mg.ones(1, 1, 1, 1), 2, padding=1, dilation=2)
    assert str(error.value) == message


@pytest.mark.parametrize("shape", [(1, 8, 11), (1, 9, 12), (8, 12), (1, 8, 3, 4)], ids=str)
def test_columns_that_are_not_those_of_the_windows_are_refused(shape):
    with pytest.raises(ValueError) as error:
        mg.fold(mg.ones(shape), (4, 5), 2)
    assert str(error.value) == (
        f"fold: input must be (N, C·4, 12) for windows of 2×2 on a picture of 4×5, got shape {shape}"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either size or scale_factor"),
        ({"size": 2, "scale_factor": 2}, "give either size or scale_factor"),
        ({"size": 2, "mode": "cubic"}, "mode must be 'nearest' or 'bilinear', got 'cubic'"),
        ({"size": 2, "align_corners": True}, "align_corners is for mode 'bilinear'; 'nearest' has no corners to align"),
        ({"size": 0}, "size must be an integer of at least 1 or a pair of them, got 0"),
        ({"size": (2, 2.5)}, "size must be an integer of at least 1 or a pair of them, got (2, 2.5)"),
        ({"scale_factor": 0.1}, "scale_factor 0.1 makes a picture of 4×5 empty"),
        ({"scale_factor": -2}, "scale_factor must be a positive number or a pair of them, got -2"),
        ({"scale_factor": (1, 2, 3)}, "scale_factor must be a positive number or a pair of them, got (1, 2, 3)"),
        ({"scale_factor": "2"}, "scale_factor must be a positive number or a pair of them, got '2'"),
        ({"scale_factor": math.inf}, "scale_factor must be a positive number or a pair of them, got inf"),
    ],
    ids=str,
)
def test_interpolate_says_what_is_wrong_with_its_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        mg.interpolate(X, **arguments)
    assert str(error.value) == f"interpolate: {message}"


@pytest.mark.parametrize("size", [0, (2, 0), (1, 2, 3)], ids=str)
def test_adaptive_average_refuses_an_empty_result(size):
    with pytest.raises(ValueError) as error:
        mg.adaptive_avg_pool2d(X, size)
    assert str(error.value) == (
        f"adaptive_avg_pool2d: output_size must be an integer of at least 1 or a pair of them, got {size!r}"
    )


@pytest.mark.parametrize("r", [0, -1, 2])
def test_channels_that_cannot_be_dealt_out_are_refused(r):
    with pytest.raises(ValueError, match=rf"^pixel_shuffle: 2 channels cannot be dealt out over blocks of {r}×{r}"):
        mg.pixel_shuffle(X, r)


@pytest.mark.parametrize("r", [0, -1, 2])
def test_a_picture_that_cannot_be_cut_into_blocks_is_refused(r):
    with pytest.raises(ValueError, match=rf"^pixel_unshuffle: a picture of 4×5 cannot be cut into blocks of {r}×{r}"):
        mg.pixel_unshuffle(X, r)


def test_an_array_is_no_tensor():
    for pool in (mg.max_pool2d, mg.avg_pool2d):
        with pytest.raises(TypeError, match=r"pool2d: input must be a Tensor, got ndarray; mg.tensor\(x\) makes one"):
            pool(np.ones((1, 1, 4, 4)), 2)
