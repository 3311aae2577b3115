"""minigan.functional.diff_augment: the definition written out pixel by pixel, derivatives, chance, and every refusal."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn

import minigan as mg
from minigan import functional, losses, nn
from minigan.functional import diff_augment

POLICIES = ["color", "translation", "cutout"]
ALL = "color,translation,cutout"


def pictures(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(dtype)


# ------------------------------------------------------------------------------------------- the definition, in NumPy


class Draws:
    """The numbers that minigan draws, in the order in which the definition names them."""

    def __init__(self, seed, n, dtype):
        self.generator, self.n, self.dtype = mg.Generator(seed), n, dtype

    def uniform(self):
        return mg.rand(self.n, dtype=self.dtype, generator=self.generator).numpy()

    def integers(self, low, high):
        return mg.randint(low, high, (self.n,), generator=self.generator).numpy()


def color(xs, draws):
    brightness, saturation, contrast = draws.uniform(), draws.uniform(), draws.uniform()
    ys = np.empty_like(xs)
    for n, x in enumerate(xs):
        y = x + (brightness[n] - 0.5)
        for i, j in np.ndindex(x.shape[1:]):
            grey = sum(y[:, i, j]) / len(x)
            y[:, i, j] = grey + 2 * saturation[n] * (y[:, i, j] - grey)
        grey = y.sum() / y.size
        ys[n] = grey + (0.5 + contrast[n]) * (y - grey)
    return ys


def translation(xs, draws):
    _, _, height, width = xs.shape
    h, w = int(height / 8 + 0.5), int(width / 8 + 0.5)
    down, right = draws.integers(-h, h + 1), draws.integers(-w, w + 1)
    ys = np.zeros_like(xs)
    for n, i, j in np.ndindex(len(xs), height, width):
        if 0 <= i + down[n] < height and 0 <= j + right[n] < width:
            ys[n, :, i + down[n], j + right[n]] = xs[n, :, i, j]
    return ys


def cutout(xs, draws):
    _, _, height, width = xs.shape
    h, w = int(height / 2 + 0.5), int(width / 2 + 0.5)
    rows = draws.integers(0, height + (1 if h % 2 == 0 else 0))
    columns = draws.integers(0, width + (1 if w % 2 == 0 else 0))
    ys = xs.copy()
    for n in range(len(xs)):
        for i in range(rows[n] - h // 2, rows[n] - h // 2 + h):
            for j in range(columns[n] - w // 2, columns[n] - w // 2 + w):
                if 0 <= i < height and 0 <= j < width:
                    ys[n, :, i, j] = 0
    return ys


DEFINITION = {"color": color, "translation": translation, "cutout": cutout}


@drawn(60)
@given(
    shape=st.tuples(st.integers(0, 4), st.integers(1, 3), st.integers(1, 19), st.integers(1, 19)),
    policy=st.lists(st.sampled_from(POLICIES), max_size=4),
    dtype=st.sampled_from(["float64", "float32"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_the_definition(shape, policy, dtype, seed):
    x = pictures(*shape, dtype=dtype, seed=seed)
    y = diff_augment(mg.Tensor(x), ",".join(policy), generator=mg.Generator(seed))
    expected, draws = x.copy(), Draws(seed, len(x), dtype)
    for name in policy:
        expected = DEFINITION[name](expected, draws)
    assert (y.shape, y.dtype) == (shape, dtype)
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-13 if dtype == "float64" else 1e-5)


def test_with_nothing_to_do_it_does_nothing():
    x = mg.Tensor(pictures(2, 1, 4, 4))
    assert diff_augment(x, "") is x


def test_the_order_of_the_names_is_kept_and_spaces_are_no_matter():
    """A hole that is made first takes part in the contrast, and is no longer 0."""
    x = mg.Tensor(pictures(4, 3, 8, 8))
    last = diff_augment(x, "color, cutout", generator=mg.Generator(0))
    first = diff_augment(x, " cutout , color", generator=mg.Generator(0))
    assert (last == 0).sum().item() > 0
    assert (first == 0).sum().item() == 0


def test_the_shape_of_what_is_moved_and_cut():
    """Up to 4 of 28 rows and columns come in, and the hole has 14 by 14 pixels where none lie outside."""
    x = mg.ones(4000, 1, 28, 28)
    moved = diff_augment(x, "translation", generator=mg.Generator(0)).numpy()[:, 0]
    for axis in (1, 2):
        came_in = (moved == 0).all(axis=3 - axis).sum(axis=1)
        assert np.bincount(came_in).nonzero()[0].tolist() == [0, 1, 2, 3, 4]
        assert abs((came_in > 0).mean() - 8 / 9) < 0.02
    for side in (moved[:, 0, 14], moved[:, -1, 14], moved[:, 14, 0], moved[:, 14, -1]):
        assert (side == 0).mean() == pytest.approx(4 / 9, abs=0.03)
    cut = diff_augment(x, "cutout", generator=mg.Generator(0)).numpy()[:, 0] == 0
    assert cut.sum(axis=(1, 2)).max() == 14 * 14
    assert cut.any(axis=2).sum(axis=1).min() == 7
    assert cut.any(axis=0).all()


def test_the_amounts_of_color_are_uniform_and_each_samples_own():
    """A picture of ±1 in equal parts, grey: brightness moves its mean, contrast its spread, by u and u″ alone."""
    x = np.ones((4000, 1, 2, 2))
    x[:, :, 0] = -1
    y = diff_augment(mg.Tensor(x), "color", generator=mg.Generator(0)).numpy()
    for amount, low, high in ((y.mean(axis=(1, 2, 3)), -0.5, 0.5), (y.std(axis=(1, 2, 3)), 0.5, 1.5)):
        assert low <= amount.min() < low + 0.01
        assert high - 0.01 < amount.max() < high
        assert np.quantile(amount, [0.25, 0.5, 0.75]) == pytest.approx(low + np.array([0.25, 0.5, 0.75]), abs=0.03)
    coloured = np.zeros((4000, 3, 1, 1))
    coloured[:, 0], coloured[:, 2] = 1, -1
    y = diff_augment(mg.Tensor(coloured), "color", generator=mg.Generator(1)).numpy()
    spread = (y[:, 0] - y[:, 2]).ravel() / 2  # 2u′·(½ + u″)
    assert spread.min() < 0.01
    assert spread.max() > 2.7
    assert spread.mean() == pytest.approx(1, abs=0.05)


# ---------------------------------------------------------------------------------------------------- the derivatives


@pytest.mark.parametrize("policy", [*POLICIES, ALL])
@pytest.mark.parametrize("shape", [(3, 1, 5, 6), (2, 3, 8, 4)])
def test_derivatives_agree_with_differences_to_second_order(policy, shape):
    def f(x):
        return diff_augment(x, policy, generator=mg.Generator(7))

    x = mg.Tensor(pictures(*shape))
    assert mg.check.gradcheck(f, x)
    assert mg.check.gradcheck(lambda x: f(x**2).tanh(), x, order=2)


@pytest.mark.parametrize("policy", [*POLICIES, ALL])
def test_it_is_affine_in_the_picture_and_linear_but_for_the_brightness(policy):
    a, b = (pictures(3, 3, 9, 7, seed=seed) for seed in (1, 2))

    def f(x):
        return diff_augment(mg.Tensor(x), policy, generator=mg.Generator(3)).numpy()

    constant = f(np.zeros_like(a))
    np.testing.assert_allclose(f(2 * a - 3 * b) - constant, 2 * (f(a) - constant) - 3 * (f(b) - constant), atol=1e-12)
    assert np.any(constant) == ("color" in policy)


@pytest.mark.parametrize("policy", ["translation", "cutout"])
def test_the_gradient_is_the_adjoint(policy):
    x, w = (mg.Tensor(pictures(3, 2, 9, 7, seed=seed), requires_grad=True) for seed in (1, 2))
    y = diff_augment(x, policy, generator=mg.Generator(3))
    (g,) = mg.grad((y * w).sum(), x)
    assert (g * x).sum().item() == pytest.approx((y * w).sum().item())
    if policy == "cutout":  # a projection is its own
        np.testing.assert_array_equal(g.numpy(), diff_augment(w, policy, generator=mg.Generator(3)).detach().numpy())


def test_a_gradient_penalty_goes_through_it_to_the_weights():
    mg.manual_seed(0)
    D = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(3 * 36, 1)).double()
    x = mg.Tensor(pictures(4, 1, 8, 8))

    def penalty(w):
        def T_then_D(x):
            return nn.functional_call(D, {"0.weight": w}, diff_augment(x, generator=mg.Generator(5)))

        return losses.r1_penalty(T_then_D, x)

    assert mg.check.gradcheck(penalty, D[0].weight)
    penalty(D[0].weight).backward()
    assert abs(D[0].weight.grad.data).max() > 1e-6


# --------------------------------------------------------------------------------------------- chance and the devices


def test_one_seed_gives_the_same_and_the_next_draw_another():
    x = mg.Tensor(pictures(4, 3, 8, 8))
    for make in (mg.Generator, np.random.default_rng):
        generator = make(0)
        first, second = (diff_augment(x, generator=generator).numpy() for _ in range(2))
        assert not np.array_equal(first, second)
        np.testing.assert_array_equal(first, diff_augment(x, generator=make(0)).numpy())
    mg.manual_seed(0)
    default = diff_augment(x).numpy()
    np.testing.assert_array_equal(default, diff_augment(x, generator=mg.Generator(0)).numpy())


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
def test_on_a_device_it_is_the_cpus():
    found = []
    for device in ("cpu", "cudasim"):
        x = mg.tensor(pictures(2, 3, 6, 5), device=device, requires_grad=True)
        y = diff_augment(x, generator=mg.Generator(2))
        (g,) = mg.grad((y**2).sum(), x, create_graph=True)
        (gg,) = mg.grad((g**2).sum(), x)
        assert {t.device for t in (y, g, gg)} == {device}
        found.append([t.cpu().detach().numpy() for t in (y, g, gg)])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------- refusals


def test_what_it_cannot_do_is_refused():
    x = mg.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"policy names 'colour', but there are color, .*; did you mean 'color'\?"):
        diff_augment(x, "translation,colour")
    with pytest.raises(ValueError, match=r"policy names '', but there are color, translation, cutout$"):
        diff_augment(x, "color,")
    with pytest.raises(ValueError, match=r"pictures \(N, C, H, W\), got shape \(1, 4, 4\)"):
        diff_augment(x[0])
    with pytest.raises(TypeError, match="float32 or float64, got a Tensor of int64"):
        diff_augment(mg.zeros(1, 1, 4, 4, dtype=np.int64))
    with pytest.raises(TypeError, match="float32 or float64, got ndarray"):
        diff_augment(x.numpy())
    with pytest.raises(TypeError, match="generator is a int"):
        diff_augment(x, generator=3)


def test_it_is_found_beside_the_other_functions():
    assert functional.diff_augment is diff_augment
