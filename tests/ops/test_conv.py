"""minigan.ops.conv: the four convolutions against their formula, PyTorch and finite differences, and each other's adjoint.

The kernels that compute them have tests of their own (tests/kernels/test_conv.py); here it is the operations: their
derivatives to every order, what they compute when little is asked for, and what they say to a caller who is mistaken.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import KERNELS, LAYOUTS, as_numbers, closeness, drawn, orders

import minigan as mg
from minigan.ops.conv import Conv2d, Conv2dInputGrad, Conv2dWeightGrad, Geometry

OPERATIONS = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}  # of the largest number; the sums here have a few hundred terms
close = closeness(TOLERANCE)


def lay_out(a, layout):
    """The same numbers, lying differently in memory ("repeated": along the first axis all alike, with stride 0)."""
    if layout == "Fortran":
        return np.asfortranarray(a)
    if layout == "channels-last" and a.ndim > 2:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -3, -1)), -1, -3)
    if layout == "reversed":
        return np.ascontiguousarray(a[..., ::-1])[..., ::-1]
    if layout == "every second":
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "repeated" and len(a):
        return np.broadcast_to(a[:1], a.shape)
    return a


# ------------------------------------------------------------------------------------------------- configurations


@dataclass(frozen=True)
class Case:
    """One call: the operation, the shapes of its tensors, its other arguments, and how the tensors lie in memory."""

    op: str
    x: tuple
    weight: tuple
    arguments: dict = field(default_factory=dict)
    bias: bool = False
    layout: str = "C"
    dtype: str = "float64"
    seed: int = 0

    def __call__(self, *tensors):
        """The operation of minigan on (x, weight) or (x, weight, bias)."""
        return getattr(mg, self.op)(*tensors, **self.arguments)

    def arrays(self):
        rng = np.random.default_rng(self.seed)
        groups, transposed = self.arguments.get("groups", 1), "transpose" in self.op
        channels = self.weight[1] * groups if transposed else self.weight[0]
        shapes = [self.x, self.weight, *([(channels,)] if self.bias else [])]
        return [lay_out(rng.standard_normal(shape).astype(self.dtype), self.layout) for shape in shapes]

    def tensors(self):
        return [mg.Tensor(a, requires_grad=True) for a in self.arrays()]


def as_given(values):
    """A pair as people write it: one number if both are the same (or if there is one axis only)."""
    return values[0] if len(set(values)) == 1 else tuple(values)


@st.composite
def cases(draw, op, dtypes=("float64", "float32")):
    """A call of `op` that is in order; sizes are the smallest that fit the geometry, and a little beyond."""
    axes = 1 if "1d" in op else 2
    per_axis = lambda low, high: [draw(st.integers(low, high)) for _ in range(axes)]  # noqa: E731
    groups, a, b = (draw(st.integers(1, n)) for n in (3, 2, 2))
    kernel, stride, padding, dilation = per_axis(1, 4), per_axis(1, 4), per_axis(0, 4), per_axis(1, 3)
    arguments = {"dilation": as_given(dilation), "groups": groups}
    if "transpose" in op:
        extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation)]
        least = [
            1 + max(0, -((d * (k - 1) + e - 2 * p) // s))
            for k, s, p, d, e in zip(kernel, stride, padding, dilation, extra)
        ]
        arguments |= {"stride": as_given(stride), "padding": as_given(padding), "output_padding": as_given(extra)}
    else:
        by_name = draw(st.sampled_from(["", "", "", "same", "valid"]))
        border = padding if not by_name else [0] * axes
        least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, border, dilation)]
        arguments |= {"stride": 1 if by_name == "same" else as_given(stride), "padding": by_name or as_given(padding)}
    batch = draw(st.sampled_from([(), (0,), (1,), (2,), (3,)]))  # () is no batch axis at all
    return Case(
        op=op,
        x=(*batch, groups * a, *(n + draw(st.integers(0, 4)) for n in least)),
        weight=(groups * a, b, *kernel) if "transpose" in op else (groups * b, a, *kernel),
        arguments=arguments,
        bias=draw(st.booleans()),
        layout=draw(st.sampled_from(LAYOUTS)),
        dtype=draw(st.sampled_from(dtypes)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def call(op, x, weight, *, bias=False, layout="C", **arguments):
    return Case(op, x, weight, arguments, bias, layout)


# The configurations that break implementations.
CONV = {
    "plain": call("conv2d", (2, 2, 4, 4), (3, 2, 3, 3), bias=True),
    "DCGAN, down": call("conv2d", (2, 2, 6, 6), (3, 2, 4, 4), stride=2, padding=1),
    "H ≠ W": call("conv2d", (2, 2, 3, 7), (3, 2, 2, 3), padding=1),
    "asymmetric": call("conv2d", (2, 2, 5, 6), (2, 2, 3, 2), stride=(1, 3), padding=(2, 0), dilation=(2, 1)),
    "k < s": call("conv2d", (1, 2, 8, 7), (2, 2, 2, 1), stride=(3, 4)),
    "stride does not divide": call("conv2d", (2, 1, 6, 8), (2, 1, 3, 3), stride=2),
    "p > k − 1": call("conv2d", (1, 2, 3, 4), (2, 2, 2, 1), padding=(3, 2)),
    "groups": call("conv2d", (2, 6, 4, 5), (4, 3, 3, 2), groups=2, padding=1),
    "depthwise": call("conv2d", (2, 3, 4, 4), (3, 1, 3, 3), groups=3),
    "dilation": call("conv2d", (1, 2, 7, 6), (2, 2, 3, 2), dilation=(2, 3)),
    "same": call("conv2d", (2, 2, 4, 5), (2, 2, 2, 3), padding="same", dilation=(1, 2)),
    "1×1": call("conv2d", (2, 3, 3, 4), (2, 3, 1, 1), bias=True),
    "a window as large as the picture": call("conv2d", (2, 2, 3, 4), (3, 2, 3, 4)),
    "channels-last": call("conv2d", (2, 3, 4, 5), (2, 3, 3, 3), stride=2, padding=1, layout="channels-last"),
    "negative strides": call("conv2d", (2, 2, 4, 5), (2, 2, 3, 3), stride=2, layout="reversed"),
    "unbatched": call("conv2d", (2, 4, 5), (3, 2, 2, 2), stride=2, bias=True),
    "one axis": call("conv1d", (2, 4, 7), (2, 2, 3), stride=2, padding=1, groups=2, bias=True),
    "one axis, unbatched": call("conv1d", (2, 9), (3, 2, 3), dilation=3, padding="same"),
}
TRANSPOSED = {
    "plain": call("conv_transpose2d", (2, 3, 3, 3), (3, 2, 3, 3), bias=True),
    "DCGAN, up": call("conv_transpose2d", (2, 3, 3, 3), (3, 2, 4, 4), stride=2, padding=1),
    "DCGAN, from the code": call("conv_transpose2d", (2, 4, 1, 1), (4, 2, 3, 4)),
    "H ≠ W": call("conv_transpose2d", (2, 2, 2, 5), (2, 3, 3, 2), stride=2),
    "asymmetric": call("conv_transpose2d", (2, 2, 4, 3), (2, 2, 3, 2), stride=(1, 3), padding=(2, 0)),
    "k < s": call("conv_transpose2d", (1, 2, 3, 2), (2, 2, 2, 1), stride=(3, 4)),
    "output_padding": call("conv_transpose2d", (2, 2, 3, 2), (2, 2, 3, 3), stride=(3, 2), output_padding=(2, 1)),
    "p > k − 1": call("conv_transpose2d", (1, 2, 6, 7), (2, 2, 2, 1), padding=(2, 3)),
    "p > k − 1, a crop wider than the picture": call(
        "conv_transpose2d", (1, 2, 1, 1), (2, 2, 1, 1), stride=5, padding=2, output_padding=4
    ),
    "groups": call("conv_transpose2d", (2, 4, 3, 2), (4, 3, 3, 2), groups=2, stride=2, padding=1),
    "dilation": call("conv_transpose2d", (1, 2, 3, 2), (2, 2, 3, 2), dilation=(2, 3), output_padding=(1, 2)),
    "output_padding ≥ stride": call(
        "conv_transpose2d", (2, 2, 3, 2), (2, 2, 2, 2), dilation=(3, 2), output_padding=(2, 1)
    ),
    "output_padding ≥ stride, p > 0": call(
        "conv_transpose2d",
        (2, 2, 2, 3),
        (2, 2, 2, 3),
        stride=(2, 1),
        padding=(1, 2),
        dilation=(6, 3),
        output_padding=(5, 2),
    ),
    "groups, dilation, p > k − 1": call(
        "conv_transpose2d", (2, 4, 4, 5), (4, 1, 2, 1), groups=2, stride=2, padding=(3, 2), dilation=2
    ),
    "channels-last": call("conv_transpose2d", (2, 3, 3, 4), (3, 2, 3, 3), stride=2, layout="channels-last"),
    "unbatched": call("conv_transpose2d", (2, 3, 4), (2, 3, 2, 2), stride=2, bias=True),
    "one axis": call("conv_transpose1d", (2, 4, 3), (4, 2, 3), stride=2, groups=2, output_padding=1, bias=True),
    "one axis, unbatched": call("conv_transpose1d", (2, 4), (2, 3, 3), dilation=2, padding=1),
}
EVERY = {f"{case.op}, {name}": case for table in (CONV, TRANSPOSED) for name, case in table.items()}


def table(cases):
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


# ---------------------------------------------------------------------------------------------------- the formula


def products(case):
    """The index set of the convolution: every three places that meet in a product.

    One in the picture that a convolution reads and a transposed one writes (perhaps beyond its border), one in the
    weight, and one in the other picture.
    """
    transposed = "transpose" in case.op
    groups, (o, c, kh, kw) = case.arguments.get("groups", 1), case.weight
    pair = lambda name, default: np.broadcast_to(case.arguments.get(name, default), 2).tolist()  # noqa: E731
    (sh, sw), (ph, pw), (dh, dw) = pair("stride", 1), pair("padding", 0), pair("dilation", 1)
    (h, w), size = case.x[2:], case(*case.tensors()).shape[2:]
    for out, i, j in itertools.product(range(o), *map(range, (h, w) if transposed else size)):
        for ch, u, v in itertools.product(range(c), range(kh), range(kw)):
            channel = out // (o // groups) * c + ch
            yield (channel, sh * i + dh * u - ph, sw * j + dw * v - pw), (out, ch, u, v), (out, i, j)


@table({name: case for name, case in EVERY.items() if len(case.x) == 4 and case.arguments.get("padding") != "same"})
@KERNELS
def test_value_is_the_sum_in_the_docstring(case, kernels):
    """conv2d gathers what it takes from each place, conv_transpose2d spreads it over the very same places."""
    arrays = case.arrays()
    x, weight, bias = (*arrays, None)[:3]
    with mg.backend.use_kernels(kernels):
        y = case(*case.tensors()).numpy()
        expected = np.zeros(y.shape)
        for (c, row, col), w_place, (o, i, j) in products(case):
            if "transpose" in case.op:
                if 0 <= row < y.shape[2] and 0 <= col < y.shape[3]:
                    expected[:, c, row, col] += x[:, o, i, j] * weight[w_place]
            elif 0 <= row < x.shape[2] and 0 <= col < x.shape[3]:
                expected[:, o, i, j] += x[:, c, row, col] * weight[w_place]
    close(y, expected if bias is None else expected + bias[:, None, None])


# ------------------------------------------------------------------------------------------------ against PyTorch


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch, about a copy that it makes
@KERNELS
@pytest.mark.parametrize("op", OPERATIONS)
@drawn(60)
@given(data=st.data())
def test_value_gradient_and_gradient_of_gradient_are_pytorchs(torch, op, kernels, data):
    case = data.draw(cases(op))
    arrays = case.arrays()
    before = [a.copy() for a in arrays]
    with mg.backend.use_kernels(kernels):
        rng = np.random.default_rng(case.seed)
        shape = case(*map(mg.Tensor, arrays)).shape
        ȳ = lay_out(rng.standard_normal(shape).astype(case.dtype), data.draw(st.sampled_from(LAYOUTS)))
        directions = [rng.standard_normal(a.shape).astype(case.dtype) for a in arrays]
        ours = [mg.Tensor(a, requires_grad=True) for a in (*arrays, ȳ)]
        got = orders(mg.grad, case, ours[:-1], ours[-1], [mg.Tensor(d) for d in directions])
    theirs = [torch.from_numpy(np.array(a, order="C")).requires_grad_() for a in (*arrays, ȳ)]
    f = lambda *tensors: getattr(torch.nn.functional, op)(*tensors, **case.arguments)  # noqa: E731
    expected = orders(torch.autograd.grad, f, theirs[:-1], theirs[-1], [torch.from_numpy(d) for d in directions])

    places = [got[0], *ours[:-1], *ours]
    for a, b, place in zip(as_numbers(got, places), as_numbers(expected, places), places, strict=True):
        assert a.shape == place.shape
        close(a, b, case.dtype)
    assert all(t.dtype == case.dtype for t in got if t is not None)
    for a, b in zip(arrays, before):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------------- against finite differences


@table(EVERY)
@KERNELS
def test_first_and_second_derivatives_agree_with_differences(case, kernels):
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(case, case.tensors(), order=2, directions=2)


@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d"])
@KERNELS
def test_third_derivatives_of_a_smooth_network_agree_with_differences(op, kernels):
    """conv → tanh → sum: the tanh has derivatives of every order, and passes each through the convolution."""
    case = call(op, (2, 2, 4, 3), (2, 2, 3, 2), stride=2, padding=1, bias=True)
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(lambda *tensors: case(*tensors).tanh().sum(), case.tensors(), order=3)


@table({name: EVERY[f"conv2d, {name}"] for name in ("DCGAN, down", "groups")} | {"up": TRANSPOSED["DCGAN, up"]})
@KERNELS
def test_gradients_of_an_empty_batch_are_empty_and_zero(case, kernels):
    x, weight = case.tensors()
    x = mg.Tensor(x.data[:0], requires_grad=True)
    with mg.backend.use_kernels(kernels):
        y = case(x, weight)
        dx, dweight = mg.grad(y.sum(), [x, weight], create_graph=True)
        (ddweight,) = mg.grad(dx.sum(), weight)
    assert y.shape[0] == 0
    assert y.shape[1:] == case(*case.tensors()).shape[1:]
    assert dx.shape == x.shape
    assert not dweight.numpy().any()
    assert not ddweight.numpy().any()


# ------------------------------------------------------------------------------------------------------ the triple


def triple(case):
    """The three Functions for the geometry of a 2-D convolution, and x, W, g to put into them."""
    pair = lambda name, default: tuple(np.broadcast_to(case.arguments.get(name, default), 2).tolist())  # noqa: E731
    groups = case.arguments.get("groups", 1)
    geometry = Geometry(case.weight[2:], pair("stride", 1), pair("padding", 0), pair("dilation", 1), groups)
    x, weight = case.tensors()[:2]
    g_shape = (case.x[0], case.weight[0], *geometry.output_size(case.x[2:]))
    g = np.random.default_rng(1).standard_normal(g_shape).astype(case.dtype)
    return (
        lambda: Conv2d(geometry),
        lambda: Conv2dInputGrad(geometry, case.x[2:]),
        lambda: Conv2dWeightGrad(geometry),
        x,
        weight,
        mg.Tensor(g, requires_grad=True),
    )


@KERNELS
@drawn(80)
@given(case=cases("conv2d").filter(lambda case: len(case.x) == 4 and not isinstance(case.arguments["padding"], str)))
def test_the_three_inner_products_of_the_triple_are_one_number(kernels, case):
    """T(x, W, g) = ⟨conv2d(x, W), g⟩ = ⟨x, input_grad(g, W)⟩ = ⟨W, weight_grad(x, g)⟩, in float32 as in float64."""
    conv, input_grad, weight_grad, x, weight, g = triple(case)
    with mg.backend.use_kernels(kernels):
        pairs = [(conv()(x, weight), g), (x, input_grad()(g, weight)), (weight, weight_grad()(x, g))]
    values = [np.vdot(a.numpy().astype(float), b.numpy().astype(float)) for a, b in pairs]
    size = max(np.linalg.norm(a.numpy()) * np.linalg.norm(b.numpy()) for a, b in pairs)
    np.testing.assert_allclose(values, values[0], rtol=0, atol=TOLERANCE[case.dtype] * size)


@table({name: CONV[name] for name in ("DCGAN, down", "asymmetric", "groups", "dilation", "stride does not divide")})
@KERNELS
def test_the_backward_of_each_of_the_triple_is_the_other_two(case, kernels):
    """The table at the head of the file: which routine, with which arguments, is the gradient to which argument."""
    conv, input_grad, weight_grad, x, weight, g = triple(case)
    rng = np.random.default_rng(2)
    random_like = lambda t: mg.Tensor(rng.standard_normal(t.shape), requires_grad=True)  # noqa: E731
    ȳ, x̄, w̄ = random_like(g), random_like(x), random_like(weight)
    rules = [
        (conv()(x, weight), (x, weight), ȳ, input_grad()(ȳ, weight), weight_grad()(x, ȳ)),
        (input_grad()(g, weight), (g, weight), x̄, conv()(x̄, weight), weight_grad()(x̄, g)),
        (weight_grad()(x, g), (x, g), w̄, input_grad()(g, w̄), conv()(x, w̄)),
    ]
    with mg.backend.use_kernels(kernels):
        for result, arguments, arriving, *expected in rules:
            gradients = mg.grad(result, arguments, arriving, create_graph=True)
            for gradient, rule in zip(gradients, expected):
                assert gradient.grad_fn.name == rule.grad_fn.name
                close(gradient, rule)


@pytest.mark.parametrize("member", ["conv2d", "input_grad", "weight_grad"])
@table({name: CONV[name] for name in ("asymmetric", "groups", "stride does not divide")})
@KERNELS
def test_t_has_three_derivatives_whichever_of_the_triple_computes_it(case, member, kernels):
    """T(x, W, g) is linear in each argument, so its third derivative is all there is to know."""
    conv, input_grad, weight_grad, *arguments = triple(case)
    trilinear = {
        "conv2d": lambda x, weight, g: conv()(x, weight) * g,
        "input_grad": lambda x, weight, g: input_grad()(g, weight) * x,
        "weight_grad": lambda x, weight, g: weight_grad()(x, g) * weight,
    }[member]
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(trilinear, arguments, order=3, directions=1)


# ------------------------------------------------------------------------------- the adjoint, and what it looks like


@table({name: case for name, case in CONV.items() if case.arguments.get("padding") != "same"})
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@KERNELS
def test_conv_transpose_is_the_adjoint_of_conv(case, dtype, kernels):
    """`output_padding` says which of the sizes that the convolution reduces to the same is meant."""
    name = case.op.replace("conv", "conv_transpose")
    x, weight = (mg.Tensor(a.astype(dtype)) for a in case.arrays()[:2])
    y = case(x, weight)
    there = getattr(mg, name)(y, weight, **case.arguments)
    missing = tuple(n - m for n, m in zip(x.shape[-weight.ndim + 2 :], there.shape[-weight.ndim + 2 :]))
    back = lambda y: getattr(mg, name)(y, weight, output_padding=missing, **case.arguments)  # noqa: E731
    with mg.backend.use_kernels(kernels):
        assert mg.check.adjoint_check(lambda x: case(x, weight), back, x)


def test_the_adjoint_check_sees_a_shift_by_one_pixel():
    weight = mg.randn(3, 2, 3, 3, generator=np.random.default_rng(0))
    with pytest.raises(mg.check.GradcheckError, match="adjoint_check"):
        mg.check.adjoint_check(
            lambda x: mg.conv2d(x, weight, padding=(1, 1)),
            lambda y: mg.conv_transpose2d(mg.roll(y, 1, 3), weight, padding=(1, 1)),
            mg.zeros(2, 2, 5, 5),
        )


def same_to_second_order(case):
    """conv_transpose2d and its definition by inserted zeros: value, gradient, gradient of gradient."""
    rng = np.random.default_rng(3)
    inputs = case.tensors()
    results = []
    for f in (mg.conv_transpose2d, mg.conv_transpose2d_by_zero_insertion):
        y = f(*inputs, **case.arguments)
        if not results:
            ȳ = mg.Tensor(rng.standard_normal(y.shape).astype(case.dtype), requires_grad=True)
            directions = [mg.Tensor(rng.standard_normal(x.shape).astype(case.dtype)) for x in inputs]
        results.append(orders(mg.grad, lambda *t, f=f: f(*t, **case.arguments), inputs, ȳ, directions))
    places = [ȳ, *inputs, *inputs, ȳ]
    for a, b in zip(*(as_numbers(r, places) for r in results), strict=True):
        close(b, a, case.dtype)


@table({name: case for name, case in TRANSPOSED.items() if case.op == "conv_transpose2d"})
@KERNELS
def test_conv_transpose_is_a_convolution_of_the_picture_with_zeros_put_in(case, kernels):
    with mg.backend.use_kernels(kernels):
        same_to_second_order(case)


@KERNELS
@drawn(80)
@given(case=cases("conv_transpose2d"))
def test_conv_transpose_is_a_convolution_of_the_picture_with_zeros_put_in_for_any_geometry(kernels, case):
    with mg.backend.use_kernels(kernels):
        same_to_second_order(case)


def test_conv_transpose_multiplies_no_inserted_zero():
    """0·∞ would be NaN: an infinite weight leaves finite every pixel that only inserted zeros could bring it to."""
    x, weight = mg.ones(1, 1, 2, 2), mg.tensor([[[[1.0, np.inf]]]])
    y = mg.conv_transpose2d(x, weight, stride=2)
    assert y.tolist() == [[[[1.0, np.inf, 1.0, np.inf], [0.0] * 4, [1.0, np.inf, 1.0, np.inf]]]]


# ---------------------------------------------------------------------------------- other ways to say the same thing


@pytest.mark.parametrize(
    ("arguments", "kernel"),
    [({}, (3, 3)), ({}, (2, 4)), ({"dilation": (2, 3)}, (3, 2)), ({"groups": 2}, (5, 1))],
    ids=str,
)
def test_same_padding_keeps_the_size_and_puts_the_odd_pixel_on_the_far_side(arguments, kernel):
    rng = np.random.default_rng(4)
    x, weight = (
        mg.randn(2, 4, 5, 6, generator=rng),
        mg.randn(4, 4 // arguments.get("groups", 1), *kernel, generator=rng),
    )
    y = mg.conv2d(x, weight, padding="same", **arguments)
    dilation = np.broadcast_to(arguments.get("dilation", 1), 2)
    total = [int(d) * (k - 1) for d, k in zip(dilation, kernel)]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)))
    assert y.shape == (2, 4, 5, 6)
    np.testing.assert_array_equal(y.numpy(), mg.conv2d(mg.Tensor(padded), weight, **arguments).numpy())


def test_valid_padding_is_none():
    case = CONV["plain"]
    x, weight, bias = case.tensors()
    np.testing.assert_array_equal(
        mg.conv2d(x, weight, bias, padding="valid").numpy(), mg.conv2d(x, weight, bias, padding=0).numpy()
    )


@table({name: case for name, case in EVERY.items() if len(case.x) == len(case.weight) - 1})
def test_a_picture_without_batch_axis_is_a_batch_of_one(case):
    x, *rest = case.tensors()
    np.testing.assert_array_equal(case(x, *rest).numpy(), case(x.unsqueeze(0), *rest).squeeze(0).numpy())


@table({name: case for name, case in EVERY.items() if "1d" in case.op})
def test_a_signal_is_a_picture_of_height_one(case):
    x, weight, *bias = case.tensors()
    flat = {
        k: (least, case.arguments[k])
        for k, least in (("stride", 1), ("dilation", 1), ("output_padding", 0))
        if k in case.arguments
    }
    if "padding" in case.arguments:
        padding = case.arguments["padding"]
        flat["padding"] = padding if isinstance(padding, str) else (0, padding)
    flat["groups"] = case.arguments.get("groups", 1)
    as_picture = getattr(mg, case.op.replace("1d", "2d"))(x.unsqueeze(-2), weight.unsqueeze(2), *bias, **flat)
    np.testing.assert_array_equal(case(x, weight, *bias).numpy(), as_picture.squeeze(-2).numpy())


@pytest.mark.parametrize("op", OPERATIONS)
def test_geometry_may_come_as_integers_of_numpy(op):
    ones = (1,) * (1 if "1d" in op else 2)
    x, weight = mg.ones(1, 1, *(3 * n for n in ones)), mg.ones(1, 1, *ones)
    y = getattr(mg, op)(x, weight, stride=np.int64(2), padding=np.int32(1), dilation=np.int64(1), groups=np.int64(1))
    np.testing.assert_array_equal(y.numpy(), getattr(mg, op)(x, weight, stride=2, padding=1).numpy())


# ---------------------------------------------------------------------------------------- nothing that is not asked for


def counted(kernel, names):
    def run(*arguments):
        names.append(kernel.__name__)
        return kernel(*arguments)

    return run


@pytest.fixture(params=["reference", "cpu"])
def called(request, monkeypatch):
    """The names of the convolution kernels that ran, in order."""
    names = []
    with mg.backend.use_kernels(request.param):
        module = mg.backend.kernels()
        for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"):
            monkeypatch.setattr(module, name, counted(getattr(module, name), names))
        yield names


GRADIENTS = {
    "conv2d": ("conv2d_input_grad", "conv2d_weight_grad"),
    "conv_transpose2d": ("conv2d", "conv2d_weight_grad"),
}


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("op", GRADIENTS)
def test_only_the_gradient_that_is_asked_for_is_computed(op, asked, called):
    inputs = call(op, (2, 2, 4, 4), (2, 2, 3, 3)).tensors()
    loss = getattr(mg, op)(*inputs).sum()
    called.clear()
    mg.grad(loss, inputs[asked])
    assert called == [GRADIENTS[op][asked]]


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("op", GRADIENTS)
def test_no_gradient_is_computed_for_a_tensor_that_does_not_require_one(op, asked, called):
    inputs = call(op, (2, 2, 4, 4), (2, 2, 3, 3)).tensors()
    inputs[1 - asked] = inputs[1 - asked].detach()
    loss = getattr(mg, op)(*inputs).sum()
    called.clear()
    loss.backward()
    assert called == [GRADIENTS[op][asked]]


def test_a_pass_through_the_discriminator_does_not_pay_for_its_weights(called):
    """The generator's step needs D's gradient to the picture, through every layer, and no gradient to a weight."""
    picture, *weights = (mg.Tensor(np.ones(s), requires_grad=True) for s in [(2, 1, 8, 8), (3, 1, 4, 4), (2, 3, 4, 4)])
    h = picture
    for weight in weights:
        h = mg.leaky_relu(mg.conv2d(h, weight, stride=2, padding=1), 0.2)
    loss = h.sum()
    called.clear()
    loss.backward(inputs=[picture])
    assert called == ["conv2d_input_grad", "conv2d_input_grad"]


def test_the_discriminators_step_does_not_pay_for_the_gradient_to_the_data(called):
    data = mg.Tensor(np.ones((2, 1, 8, 8)))
    weights = [mg.Tensor(np.ones(s), requires_grad=True) for s in [(3, 1, 4, 4), (2, 3, 4, 4)]]
    h = data
    for weight in weights:
        h = mg.leaky_relu(mg.conv2d(h, weight, stride=2, padding=1), 0.2)
    loss = h.sum()
    called.clear()
    loss.backward()
    assert sorted(called) == ["conv2d_input_grad", "conv2d_weight_grad", "conv2d_weight_grad"]


def test_the_second_pass_too_computes_only_what_is_asked_for(called):
    """∂/∂W of ⟨∂(W·x)/∂x, x̄⟩ is one weight gradient; the gradient to ȳ, or to x, would be another convolution."""
    x, weight = call("conv2d", (2, 2, 4, 4), (2, 2, 3, 3)).tensors()
    (dx,) = mg.grad(mg.conv2d(x, weight).sum(), x, create_graph=True)
    called.clear()
    mg.grad(dx.sum(), weight)
    assert called == ["conv2d_weight_grad"]


# ------------------------------------------------------------------------------------------------------------- errors


def ones(*shape, dtype=np.float32):
    return mg.ones(*shape, dtype=dtype)


X, W, SIGNAL, TAPS = ones(2, 4, 5, 6), ones(4, 4, 3, 3), ones(2, 4, 6), ones(4, 4, 3)
BOTH = {"conv2d": (X, W), "conv1d": (SIGNAL, TAPS), "conv_transpose2d": (X, W), "conv_transpose1d": (SIGNAL, TAPS)}
BOTH["conv_transpose2d_by_zero_insertion"] = (X, W)
OF_ALL = [(op, *pair) for op, pair in BOTH.items()]
IDS = list(BOTH)


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
@pytest.mark.parametrize("axes", [-2, 1])
def test_an_input_with_too_few_or_too_many_axes_is_refused(op, x, weight, axes):
    wrong = ones(*x.shape[:axes]) if axes < 0 else ones(1, *x.shape)
    layout = r"\(N, C, L\) or \(C, L\)" if "1d" in op else r"\(N, C, H, W\) or \(C, H, W\)"
    with pytest.raises(ValueError, match=rf"^{op}: input must be {layout}, got shape \({wrong.shape[0]},"):
        getattr(mg, op)(wrong, weight)


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_a_weight_with_another_number_of_axes_is_refused(op, x, weight):
    with pytest.raises(ValueError, match=rf"^{op}: weight must have {x.ndim} axes, got shape \(4, 4, 3(, 3)?, 1\)"):
        getattr(mg, op)(x, weight.unsqueeze(-1))


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_an_empty_weight_is_refused(op, x, weight):
    with pytest.raises(ValueError, match=rf"^{op}: weight is empty, its shape is \(0, 4, 3"):
        getattr(mg, op)(x, weight[:0])


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_pictures_without_pixels_are_refused(op, x, weight):
    with pytest.raises(
        ValueError, match=rf"^{op}: input of shape \(2, 4, (5, )?0\) has no pixels; only the batch may be"
    ):
        getattr(mg, op)(x[..., :0], weight, padding=2)


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_another_number_of_channels_is_refused(op, x, weight):
    expected = r"input of shape \(2, 3, (5, )?6\) has 3 channels, but weight of shape \(4, 4, 3(, 3)?\) expects 4"
    with pytest.raises(ValueError, match=rf"^{op}: {expected}$"):
        getattr(mg, op)(x[:, :3], weight)


@pytest.mark.parametrize("op", ["conv1d", "conv2d"])
def test_the_channels_that_a_convolution_expects_are_those_of_all_its_groups(op):
    x, weight = BOTH[op]
    with pytest.raises(ValueError, match=rf"^{op}: .* has 4 channels, but weight .* expects 8 in 2 groups"):
        getattr(mg, op)(x, weight, groups=2)


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_channels_that_the_groups_do_not_divide_are_refused(op, x, weight):
    transposed = "transpose" in op
    x, weight = (x, weight) if transposed else (ones(2, 12, *x.shape[2:]), weight)
    what = "4 input channels" if transposed else r"4 output channels \(weight of shape \(4, 4, 3(, 3)?\)\)"
    with pytest.raises(ValueError, match=rf"^{op}: {what} cannot be cut into 3 groups"):
        getattr(mg, op)(x, weight, groups=3)


@pytest.mark.parametrize("groups", [0, -1, 1.5])
@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_groups_that_are_no_positive_integer_are_refused(op, x, weight, groups):
    with pytest.raises(ValueError, match=rf"^{op}: groups must be a positive integer, got {groups}"):
        getattr(mg, op)(x, weight, groups=groups)


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_input_and_weight_of_different_types_are_refused(op, x, weight):
    message = (
        rf"^{op}: input and weight must be of one floating type, got float64 and float32; convert with x\.to\(dtype\)"
    )
    with pytest.raises(TypeError, match=message):
        getattr(mg, op)(x.to(np.float64), weight)


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_integers_are_refused(op, x, weight):
    with pytest.raises(TypeError, match=rf"^{op}: input and weight must be of one floating type, got int64 and int64"):
        getattr(mg, op)(x.long(), weight.long())


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_a_bias_of_another_shape_is_refused(op, x, weight):
    with pytest.raises(ValueError, match=rf"^{op}: bias must have shape \(4,\), one number a channel; got \(1, 4\)"):
        getattr(mg, op)(x, weight, ones(1, 4))


@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_a_bias_of_another_type_is_refused(op, x, weight):
    """It would silently turn everything behind it into float64."""
    with pytest.raises(TypeError, match=rf"^{op}: bias must be float32, as input and weight are, got float64"):
        getattr(mg, op)(x, weight, ones(4, dtype=np.float64))


WRONG = [
    ("stride", 0, 1),
    ("stride", -1, 1),
    ("stride", 1.5, 1),
    ("stride", (1, 2, 3), 1),
    ("stride", (2, 0), 1),
    ("padding", -1, 0),
    ("padding", "full", 0),
    ("dilation", 0, 1),
    ("output_padding", -1, 0),
]


@pytest.mark.parametrize(("argument", "value", "least"), WRONG)
@pytest.mark.parametrize(("op", "x", "weight"), OF_ALL, ids=IDS)
def test_geometry_out_of_range_is_refused(op, x, weight, argument, value, least):
    if argument == "output_padding" and "transpose" not in op:
        return
    expected = f"an integer of at least {least}" + ("" if "1d" in op else " or a pair of them")
    with pytest.raises(ValueError) as error:
        getattr(mg, op)(x, weight, **{argument: value})
    assert str(error.value) == f"{op}: {argument} must be {expected}, got {value!r}"


@pytest.mark.parametrize("op", ["conv1d", "conv2d"])
def test_same_padding_with_a_stride_is_refused(op):
    with pytest.raises(ValueError, match=rf"^{op}: padding='same' needs stride 1, got 2"):
        getattr(mg, op)(*BOTH[op], stride=2, padding="same")


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("conv2d", "a kernel of 3×3 with dilation 3×3 does not fit into a picture of 5×6 with padding 0×0"),
        ("conv1d", "a kernel of 3 with dilation 3 does not fit into a picture of 6 with padding 0"),
    ],
)
def test_a_kernel_larger_than_the_picture_is_refused(op, message):
    with pytest.raises(ValueError) as error:
        getattr(mg, op)(*BOTH[op], dilation=3)
    assert str(error.value) == f"{op}: the result would be empty: {message}"


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("conv_transpose2d", "a picture of 5×6, a kernel of 3×3 and padding 4×4 leave -1×0"),
        ("conv_transpose2d_by_zero_insertion", "a picture of 5×6, a kernel of 3×3 and padding 4×4 leave -1×0"),
        ("conv_transpose1d", "a picture of 6, a kernel of 3 and padding 4 leave 0"),
    ],
)
def test_a_padding_that_cuts_everything_off_is_refused(op, message):
    with pytest.raises(ValueError) as error:
        getattr(mg, op)(*BOTH[op], padding=4)
    assert str(error.value) == f"{op}: the result would be empty: {message}"


@pytest.mark.parametrize("op", ["conv_transpose1d", "conv_transpose2d", "conv_transpose2d_by_zero_insertion"])
def test_an_output_padding_as_large_as_stride_and_dilation_is_refused(op):
    with pytest.raises(ValueError, match=rf"^{op}: output_padding 2 must be less than the stride 2 or the dilation 1"):
        getattr(mg, op)(*BOTH[op], stride=2, output_padding=2)


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"])
def test_an_array_is_no_tensor(name):
    with pytest.raises(TypeError, match=rf"^{name}: input must be a Tensor, got ndarray; mg.tensor\(x\) makes one"):
        getattr(mg, name)(np.ones((1, 1, 4, 4)), mg.ones(1, 1, 2, 2))
