"""minigan.kernels.*.conv: every backend against the definition, against PyTorch, and against its own adjoints."""

import inspect
import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator import EVERYWHERE, IN_SIMULATOR, cuda, simulated

from minigan.kernels import cpu, reference
from minigan.kernels.cpu import conv as cpu_conv
from minigan.kernels.cpu import plan, threads
from minigan.kernels.cpu.fold import scatter
from minigan.kernels.reference import conv as reference_conv

BACKENDS = pytest.mark.parametrize("backend", [reference, cpu], ids=["reference", "cpu"])
LAYOUTS = ["channels-first", "channels-last", "reversed", "every second", "repeated", "read-only"]


def drawn(max_examples):
    # Drawing may be slow on a busy machine; that says nothing about the kernels.
    return settings(
        deadline=None, derandomize=True, max_examples=max_examples, suppress_health_check=[HealthCheck.too_slow]
    )


def lay_out(a, layout):
    """The same numbers, lying differently in memory ("repeated": the first picture's numbers, N times)."""
    if layout == "channels-last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    if layout == "reversed":
        return np.ascontiguousarray(a[..., ::-1, ::-1])[..., ::-1, ::-1]
    if layout == "every second":
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "repeated" and len(a):
        return np.broadcast_to(a[:1], a.shape)
    if layout == "read-only":
        a.flags.writeable = False
    return a


@dataclass(frozen=True)
class Convolution:
    """One configuration, with its arrays: x, weight, and the gradient g of the output."""

    x_shape: tuple
    weight_shape: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    dtype: str
    layout: str
    seed: int

    @property
    def geometry(self):
        return self.stride, self.padding, self.dilation

    @property
    def kernel_size(self):
        return self.weight_shape[2:]

    @property
    def output_size(self):
        return tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(self.x_shape[2:], self.kernel_size, *self.geometry)
        )

    def arrays(self):
        rng = np.random.default_rng(self.seed)
        g_shape = (self.x_shape[0], self.weight_shape[0], *self.output_size)
        draw = (rng.standard_normal(shape).astype(self.dtype) for shape in (self.x_shape, self.weight_shape, g_shape))
        return tuple(lay_out(a, self.layout) for a in draw)


@st.composite
def convolutions(draw, dtypes=("float32", "float64"), max_channels=5, max_groups=3, max_batch=3, beyond=6):
    groups = draw(st.integers(1, max_groups))
    Cin, Cout = draw(st.integers(1, max_channels)), draw(st.integers(1, max_channels))
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    kernel_size, stride, padding, dilation = draw(pair(1, 4)), draw(pair(1, 5)), draw(pair(0, 4)), draw(pair(1, 3))
    beyond = draw(pair(0, beyond))
    smallest = (max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel_size, padding, dilation))
    return Convolution(
        x_shape=(draw(st.integers(0, max_batch)), groups * Cin, *(n + b for n, b in zip(smallest, beyond))),
        weight_shape=(groups * Cout, Cin, *kernel_size),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        dtype=draw(st.sampled_from(dtypes)),
        layout=draw(st.sampled_from(LAYOUTS)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def convolution(x_shape, weight_shape, stride=(1, 1), padding=(0, 0), dtype="float32", layout="channels-first"):
    return Convolution(x_shape, weight_shape, stride, padding, (1, 1), 1, dtype, layout, seed=0)


# The layers of a DCGAN for 28x28 pictures and of LeNet, and the shapes that take a short cut, with a small batch.
TYPICAL = {
    "first of D": convolution((3, 1, 28, 28), (64, 1, 4, 4), (2, 2), (1, 1)),
    "second of D": convolution((3, 64, 14, 14), (128, 64, 4, 4), (2, 2), (1, 1), layout="channels-last"),
    "last of D, a single window": convolution((3, 128, 7, 7), (1, 128, 7, 7)),
    "single window of a flat picture": convolution((3, 4, 1, 5), (2, 4, 1, 5)),
    "LeNet": convolution((3, 1, 28, 28), (6, 1, 5, 5), padding=(2, 2)),
    "1x1": convolution((3, 8, 5, 6), (4, 8, 1, 1)),
    "1x1 with gaps": convolution((3, 8, 5, 6), (4, 8, 1, 1), stride=(2, 3)),
    "1x1 padded": convolution((3, 8, 5, 6), (4, 8, 1, 1), padding=(1, 0)),
    "windows side by side": convolution((3, 4, 6, 6), (5, 4, 2, 3), stride=(2, 3)),
    "column of windows": convolution((3, 4, 6, 3), (5, 4, 2, 3)),
}


# --- the definition, spelled out --------------------------------------------------------------------------------------


def each_product(case):
    """Every (n, o, c, i, j, y, x, row, col) of the index set T sums over, c counted within the group."""
    N, Cin, H, W = case.x_shape
    Cout, group_size, kh, kw = case.weight_shape
    (sh, sw), (ph, pw), (dh, dw) = case.geometry
    OH, OW = case.output_size
    for n in range(N):
        for o in range(Cout):
            first = o // (Cout // case.groups) * group_size
            for c in range(group_size):
                for i in range(kh):
                    for j in range(kw):
                        for y in range(OH):
                            for x in range(OW):
                                row, col = y * sh + i * dh - ph, x * sw + j * dw - pw
                                if 0 <= row < H and 0 <= col < W:
                                    yield (n, first + c, row, col), (o, c, i, j), (n, o, y, x)


def naive(case, x, weight, g):
    """All three partial derivatives of T = Σ x·W·g, in float64, one product at a time."""
    x, weight, g = (a.astype(np.float64) for a in (x, weight, g))
    y, x_hat, w_hat = np.zeros(g.shape), np.zeros(x.shape), np.zeros(weight.shape)
    for at_x, at_w, at_g in each_product(case):
        y[at_g] += x[at_x] * weight[at_w]
        x_hat[at_x] += weight[at_w] * g[at_g]
        w_hat[at_w] += x[at_x] * g[at_g]
    return y, x_hat, w_hat


def triple(backend, case, x, weight, g):
    """The same three from a backend."""
    return (
        backend.conv2d(x, weight, *case.geometry, case.groups),
        backend.conv2d_input_grad(g, weight, case.x_shape[2:], *case.geometry, case.groups),
        backend.conv2d_weight_grad(x, g, case.kernel_size, *case.geometry, case.groups),
    )


def assert_triples_agree(case, got, expected, arrays):
    """Agree to rounding: within a few ulp of the sum of the products' magnitudes, element by element."""
    magnitudes = triple(reference, case, *(np.abs(a.astype(np.float64)) for a in arrays))
    for name, a, b, magnitude in zip(("conv2d", "conv2d_input_grad", "conv2d_weight_grad"), got, expected, magnitudes):
        assert a.shape == b.shape, name
        assert a.dtype == case.dtype, name
        allowed = 50 * np.finfo(case.dtype).eps * magnitude + np.finfo(case.dtype).tiny
        assert (np.abs(a.astype(np.float64) - b) <= allowed).all(), (name, np.abs(a - b).max())


@BACKENDS
@drawn(40)
@given(case=convolutions(max_channels=2, max_groups=2, max_batch=2))
def test_triple_is_the_definition(backend, case):
    arrays = case.arrays()
    assert_triples_agree(case, triple(backend, case, *arrays), naive(case, *arrays), arrays)


@BACKENDS
@drawn(60)
@given(case=convolutions())
def test_triple_is_pytorchs(backend, case):
    torch = pytest.importorskip("torch")
    arrays = case.arrays()
    x, weight, g = (torch.from_numpy(np.array(a, order="C")) for a in arrays)
    x.requires_grad_(), weight.requires_grad_()
    y = torch.nn.functional.conv2d(x, weight, None, *case.geometry, case.groups)
    expected = (y, *torch.autograd.grad(y, (x, weight), g))
    assert_triples_agree(case, triple(backend, case, *arrays), [t.detach().numpy() for t in expected], arrays)


@drawn(200)
@given(case=convolutions(max_channels=12))  # enough for either way to the input gradient
def test_cpu_is_the_reference(case):
    arrays = case.arrays()
    assert_triples_agree(case, triple(cpu, case, *arrays), triple(reference, case, *arrays), arrays)


@BACKENDS
@pytest.mark.parametrize("case", TYPICAL.values(), ids=TYPICAL.keys())
def test_typical_layers(backend, case):
    x, weight, g = case.arrays()
    in_float64 = triple(reference, case, *(a.astype(np.float64) for a in (x, weight, g)))
    assert_triples_agree(case, triple(backend, case, x, weight, g), in_float64, (x, weight, g))


@drawn(60)
@given(
    case=convolutions(max_channels=9),
    band=st.sampled_from([1, 100, 1000]),
    channels=st.sampled_from([1, 2, 4]),
    windows=st.sampled_from([1, 5, 30]),
)
def test_bands_of_any_size_give_the_same(case, band, channels, windows):
    """Bands of one row, of some rows, of several pictures, the last one smaller; of some channels, the last ones fewer."""
    arrays = case.arrays()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("BAND", band), ("CHANNELS", channels), ("WINDOWS", windows)):
            patch.setattr(plan, name, value)
        for uncached in ("forward_plan", "phases_plan"):
            patch.setattr(cpu_conv, uncached, getattr(plan, uncached).__wrapped__)
        got = triple(cpu, case, *arrays)
    assert_triples_agree(case, got, triple(reference, case, *arrays), arrays)


WIDE = {
    "wide tiles, several panels": convolution((9, 33, 9, 8), (150, 33, 4, 3), (2, 2), (1, 1), layout="channels-last"),
    "several slices of channels": convolution((2, 150, 6, 7), (20, 150, 3, 2), padding=(1, 1), layout="channels-last"),
    "a half tile": convolution((5, 17, 9, 9), (29, 17, 3, 3), (2, 1), (0, 1)),
    "one kernel": convolution((5, 40, 9, 9), (1, 40, 4, 4), padding=(1, 1)),
    "double precision": convolution((3, 70, 7, 7), (40, 70, 5, 4), (2, 2), (1, 1), dtype="float64"),
}


@pytest.mark.parametrize("case", WIDE.values(), ids=WIDE.keys())
def test_many_channels(case):
    arrays = case.arrays()
    in_float64 = triple(reference, case, *(a.astype(np.float64) for a in arrays))
    assert_triples_agree(case, triple(cpu, case, *arrays), in_float64, arrays)


@pytest.mark.parametrize("case", [*TYPICAL.values(), *WIDE.values()], ids=[*TYPICAL, *WIDE])
def test_results_are_the_same_bit_for_bit_on_one_thread_and_on_all(case, monkeypatch):
    arrays, results = case.arrays(), []
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    for count in (1, threads.LAUNCHED):
        monkeypatch.setattr(threads, "_threads", count)
        results.append(triple(cpu, case, *arrays))
    for one, other in zip(*results):
        np.testing.assert_array_equal(one, other)


@BACKENDS
@drawn(60)
@given(case=convolutions(max_channels=9))
def test_biases_are_added_to_every_pixel(backend, case):
    x, weight, g = case.arrays()
    y, x_hat, _ = triple(backend, case, x, weight, g)
    o, c = (np.linspace(1, 2, n, dtype=case.dtype) for n in (weight.shape[0], x.shape[1]))
    with_bias = backend.conv2d(x, weight, *case.geometry, case.groups, o)
    x_with_bias = backend.conv2d_input_grad(g, weight, x.shape[2:], *case.geometry, case.groups, c)
    tolerance = 1e-5 if case.dtype == "float32" else 1e-13
    for found, plain, bias in ((with_bias, y, o), (x_with_bias, x_hat, c)):
        assert found.dtype == case.dtype
        np.testing.assert_allclose(found, plain + bias[:, None, None], rtol=tolerance, atol=30 * tolerance)


ROWS = {  # whose kernels' rows are long enough to be added to the pictures by the tiles
    "stride 1": convolution((5, 16, 14, 14), (32, 16, 5, 5)),
    "padded, all sides cut off": convolution((7, 16, 9, 8), (20, 16, 5, 4), padding=(3, 2)),
    "stride": convolution((3, 9, 13, 12), (8, 9, 4, 5), (2, 3), (1, 1)),
    "double precision": convolution((4, 8, 10, 11), (16, 8, 3, 4), (1, 2), (2, 1), dtype="float64"),
}


@pytest.mark.parametrize("case", ROWS.values(), ids=ROWS)
def test_rows_of_kernels_added_to_the_pictures(case, monkeypatch):
    x, weight, g = case.arrays()
    expected = reference.conv2d_input_grad(g.astype(float), weight.astype(float), x.shape[2:], *case.geometry, 1)
    monkeypatch.setattr(threads, "WORTH_SHARING", 0)
    for windows in (1, 7, 96):
        monkeypatch.setattr(inspect.getmodule(scatter), "WINDOWS", windows)
        found = cpu.conv2d_input_grad(g, weight, x.shape[2:], *case.geometry, 1)
        tolerance = 1e-5 if case.dtype == "float32" else 1e-13
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


# --- adjoints ---------------------------------------------------------------------------------------------------------


def inner(a, b):
    return float(np.vdot(a.astype(np.float64), b.astype(np.float64)))


def nearly(expected, dtype, magnitude):
    """Equal to rounding, where `magnitude` is the sum of the products' magnitudes."""
    return pytest.approx(expected, rel=0, abs=50 * float(np.finfo(dtype).eps) * magnitude)


@BACKENDS
@drawn(100)
@given(case=convolutions())
def test_three_inner_products_are_equal(backend, case):
    """⟨conv(x, W), g⟩ = ⟨x, input_grad(g, W)⟩ = ⟨W, weight_grad(x, g)⟩ = T(x, W, g)"""
    x, weight, g = case.arrays()
    y, x_hat, w_hat = triple(backend, case, x, weight, g)
    T = inner(y, g)
    magnitude = inner(triple(reference, case, *map(np.abs, (x, weight, g)))[0], np.abs(g))
    assert inner(x, x_hat) == nearly(T, case.dtype, magnitude)
    assert inner(weight, w_hat) == nearly(T, case.dtype, magnitude)


@BACKENDS
@drawn(100)
@given(case=convolutions())
def test_fold_is_the_adjoint_of_unfold(backend, case):
    """⟨unfold(x), c⟩ = ⟨x, fold(c)⟩"""
    x, _, _ = case.arrays()
    windows = backend.unfold(x, case.kernel_size, *case.geometry)
    assert windows.shape == (*x.shape[:2], *case.kernel_size, *case.output_size)
    columns = np.random.default_rng(1).standard_normal(windows.shape).astype(case.dtype)
    back = backend.fold(columns, x.shape[2:], *case.geometry)
    assert windows.dtype == back.dtype == case.dtype
    assert back.shape == x.shape
    magnitude = inner(np.abs(windows), np.abs(columns))
    assert inner(x, back) == nearly(inner(windows, columns), case.dtype, magnitude)


@BACKENDS
@drawn(100)
@given(case=convolutions(max_groups=1))
def test_a_convolution_is_unfold_and_a_sum(backend, case):
    x, weight, _ = case.arrays()
    windows = backend.unfold(x, case.kernel_size, *case.geometry)
    y = backend.conv2d(x, weight, *case.geometry, 1)
    tolerance = 1e-4 if case.dtype == "float32" else 1e-12
    np.testing.assert_allclose(np.einsum("ocij,ncijyx->noyx", weight, windows), y, rtol=tolerance, atol=tolerance)


@BACKENDS
@drawn(50)
@given(case=convolutions(), layout=st.sampled_from(LAYOUTS))
def test_fold_takes_any_layout(backend, case, layout):
    x, _, _ = case.arrays()
    columns = lay_out(reference.unfold(x, case.kernel_size, *case.geometry), layout)
    expected = reference.fold(np.array(columns), x.shape[2:], *case.geometry)
    back = backend.fold(columns, x.shape[2:], *case.geometry)
    tolerance = 1e-5 if case.dtype == "float32" else 1e-13
    np.testing.assert_allclose(back, expected, rtol=tolerance, atol=tolerance)


@EVERYWHERE
def test_pixels_that_no_window_touches_get_zero(backend):
    grad, weight = np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2))
    x = backend.conv2d_input_grad(grad, weight, (7, 6), (3, 3), (0, 0), (1, 1), 1)
    stamped = np.array([1, 1, 0, 1, 1, 0, 0])
    np.testing.assert_array_equal(x[0, 0], np.outer(stamped, stamped[:6]))


# --- manners ----------------------------------------------------------------------------------------------------------


@BACKENDS
@drawn(60)
@given(case=convolutions())
def test_inputs_stay_as_they_are_and_outputs_are_fresh(backend, case):
    arrays = case.arrays()
    before = [a.copy() for a in arrays]
    x, _, _ = arrays
    columns = backend.unfold(x, case.kernel_size, *case.geometry)
    columns_before = columns.copy()
    results = [*triple(backend, case, *arrays), columns, backend.fold(columns, x.shape[2:], *case.geometry)]
    for a, b in zip((*arrays, columns), (*before, columns_before)):
        np.testing.assert_array_equal(a, b)
    for i, result in enumerate(results):
        assert result.flags.writeable
        assert not any(np.shares_memory(result, other) for other in (*arrays, *results[:i]))


def test_both_backends_have_the_same_routines():
    assert cpu.__all__ == reference.__all__
    assert all(hasattr(backend, name) for backend in (cpu, reference) for name in backend.__all__)

    def public(module):
        return {
            name: function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if function.__module__ == module.__name__ and not name.startswith("_")
        }

    ours, theirs = public(reference_conv), public(cpu_conv) | public(inspect.getmodule(scatter))
    del theirs["scatter"]
    assert list(ours) == list(theirs) == ["conv2d", "conv2d_input_grad", "conv2d_weight_grad", "fold", "unfold"]
    for name, function in ours.items():
        assert inspect.signature(function) == inspect.signature(theirs[name]), name
        formula = re.search("``(.+?)``", function.__doc__).group()
        assert formula in theirs[name].__doc__, name


# --- the kernels of CUDA ----------------------------------------------------------------------------------------------

FEW = convolutions(max_channels=2, max_groups=2, max_batch=2, beyond=3)
test_triple_in_the_simulator = simulated(test_triple_is_the_definition, 37, case=FEW)
test_triple_is_pytorchs_in_the_simulator = simulated(test_triple_is_pytorchs, 37, case=FEW)
test_biases_in_the_simulator = simulated(test_biases_are_added_to_every_pixel, 30, case=FEW)
test_inner_products_in_the_simulator = simulated(test_three_inner_products_are_equal, 30, case=FEW)
test_fold_and_unfold_in_the_simulator = simulated(test_fold_is_the_adjoint_of_unfold, 30, case=FEW)
test_unfold_and_a_sum_in_the_simulator = simulated(
    test_a_convolution_is_unfold_and_a_sum, 20, case=convolutions(max_channels=2, max_groups=1, max_batch=2, beyond=3)
)
test_layouts_of_fold_in_the_simulator = simulated(
    test_fold_takes_any_layout, 30, case=FEW, layout=st.sampled_from(LAYOUTS)
)
test_manners_in_the_simulator = simulated(test_inputs_stay_as_they_are_and_outputs_are_fresh, 20, case=FEW)

SMALL = {  # the kinds of layers in TYPICAL
    "stride 2, padded": convolution((2, 3, 6, 6), (4, 3, 4, 4), (2, 2), (1, 1)),
    "a single window": convolution((3, 4, 3, 3), (2, 4, 3, 3)),
    "1x1": convolution((2, 5, 3, 4), (4, 5, 1, 1)),
    "1x1 with gaps": convolution((2, 5, 5, 6), (4, 5, 1, 1), stride=(2, 3)),
    "1x1 padded": convolution((2, 5, 3, 4), (4, 5, 1, 1), padding=(1, 0)),
    "windows side by side": convolution((2, 4, 4, 6), (5, 4, 2, 3), stride=(2, 3), layout="channels-last"),
    "more padding than the kernel has room for": convolution((2, 2, 3, 4), (3, 2, 2, 1), padding=(3, 2)),
    "the stride leaves a rest": convolution((1, 2, 8, 7), (3, 2, 3, 2), stride=(3, 4)),
    "nothing": convolution((0, 2, 5, 5), (3, 2, 3, 3)),
}


@IN_SIMULATOR
@pytest.mark.parametrize("case", SMALL.values(), ids=SMALL)
def test_small_layers(backend, case):
    arrays = case.arrays()
    in_float64 = triple(reference, case, *(a.astype(np.float64) for a in arrays))
    assert_triples_agree(case, triple(backend, case, *arrays), in_float64, arrays)


@IN_SIMULATOR
@pytest.mark.parametrize("numbers", [1, 40, 200])
def test_a_batch_that_is_cut_gives_the_same(backend, numbers, monkeypatch):
    """Into pictures, or pieces of which the last is smaller, so that no matrix of windows has more numbers than that."""
    case = Convolution((5, 4, 4, 3), (6, 2, 2, 2), (2, 1), (1, 0), (1, 1), 2, "float64", "channels-first", seed=0)
    arrays = case.arrays()
    monkeypatch.setattr(inspect.getmodule(cuda.conv2d), "PIECE", numbers)
    assert_triples_agree(case, triple(backend, case, *arrays), triple(reference, case, *arrays), arrays)
