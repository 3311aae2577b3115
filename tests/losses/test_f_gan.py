"""minigan.losses.f_gan: every row of the table against definitions that are written here, and the bound it is made for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, message, normal
from scipy.special import lambertw

import minigan as mg
from minigan.losses import (
    DIVERGENCES,
    Divergence,
    discriminator_loss,
    f_gan_discriminator_loss,
    f_gan_generator_loss,
    f_gan_nonsaturating_generator_loss,
    find_divergence,
    nonsaturating_generator_loss,
    saturating_generator_loss,
)
from minigan.losses.f_gan import JeffreyLogRatio

close = closeness({"float64": 1e-12, "float32": 1e-5})
NAMES = list(DIVERGENCES)

# D_f(p‖q), as its name says
DIRECT = {
    "kl": lambda p, q: np.sum(p * np.log(p / q)),
    "reverse-kl": lambda p, q: np.sum(q * np.log(q / p)),
    "js": lambda p, q: np.sum(p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))),
    "gan": lambda p, q: np.sum(p * np.log(p / (p + q)) + q * np.log(q / (p + q))),
    "pearson": lambda p, q: np.sum((p - q) ** 2 / q),
    "neyman": lambda p, q: np.sum((p - q) ** 2 / p),
    "hellinger": lambda p, q: np.sum((np.sqrt(p) - np.sqrt(q)) ** 2),
    "jeffrey": lambda p, q: np.sum((p - q) * np.log(p / q)),
}

# g_f(v) and f*(t), as in the paper's tables; and the v at which g_f(v) = f′(eʳ)
PAPER = {
    "kl": (lambda v: v, lambda t: np.exp(t - 1), lambda r: 1 + r),
    "reverse-kl": (lambda v: -np.exp(-v), lambda t: -1 - np.log(-t), lambda r: r),
    "js": (lambda v: np.log(2) - np.log(1 + np.exp(-v)), lambda t: -np.log(2 - np.exp(t)), lambda r: r),
    "gan": (lambda v: -np.log(1 + np.exp(-v)), lambda t: -np.log(1 - np.exp(t)), lambda r: r),
    "pearson": (lambda v: v, lambda t: t**2 / 4 + t, lambda r: 2 * (np.exp(r) - 1)),
    "neyman": (lambda v: 1 - np.exp(-v), lambda t: 2 - 2 * np.sqrt(1 - t), lambda r: 2 * r),
    "hellinger": (lambda v: 1 - np.exp(-v), lambda t: t / (1 - t), lambda r: r / 2),
    "jeffrey": (
        lambda v: v,
        lambda t: (w := lambertw(np.exp(1 - t)).real) + 1 / w + t - 2,
        lambda r: 1 + r - np.exp(-r),
    ),
}


def histograms(seed, k=5):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(k, 2.0)) * 0.9 + 0.1 / k, rng.dirichlet(np.full(k, 2.0)) * 0.9 + 0.1 / k


def bound(name, v, p, q):
    """E_p g_f(V) − E_q f*(g_f(V))."""
    d, v = DIVERGENCES[name], mg.Tensor(np.asarray(v, np.float64))
    return float(np.sum(p * d.activation(v).numpy() - q * d.conjugate(v).numpy()))


def test_the_table_here_has_the_rows_of_the_table_there():
    assert list(DIRECT) == list(PAPER) == NAMES
    assert all(d.name == name for name, d in DIVERGENCES.items())


@pytest.mark.parametrize("name", NAMES)
def test_f_is_convex_and_gives_the_divergence_of_its_name(name):
    f = DIVERGENCES[name].f
    for seed in range(5):
        p, q = histograms(seed)
        assert np.sum(q * f(mg.Tensor(p / q)).numpy()) == pytest.approx(DIRECT[name](p, q), rel=1e-10)
    u = np.linspace(0.05, 4, 80)
    values = f(mg.Tensor(u)).numpy()
    assert (np.diff(values, 2) > 0).all()
    assert f(mg.Tensor(np.float64(1))).item() == pytest.approx(-2 * np.log(2) if name == "gan" else 0, abs=1e-15)


@pytest.mark.parametrize("name", ["kl", "js", "gan", "pearson", "hellinger"])
def test_f_at_0_is_its_limit(name):
    limit = DIVERGENCES[name].f(mg.Tensor(np.float64(1e-14))).item()
    assert DIVERGENCES[name].f(mg.Tensor(np.float64(0))).item() == pytest.approx(limit, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_activation_and_conjugate_are_the_papers(name):
    v = np.linspace(-4, 4, 41)
    activation, conjugate, _ = PAPER[name]
    np.testing.assert_allclose(
        DIVERGENCES[name].activation(mg.Tensor(v)).numpy(), activation(v), rtol=1e-12, atol=1e-14
    )
    theirs = conjugate(activation(v))
    np.testing.assert_allclose(DIVERGENCES[name].conjugate(mg.Tensor(v)).numpy(), theirs, rtol=1e-9, atol=1e-12)
    assert (np.diff(activation(v)) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_conjugate_is_the_maximum_over_lines(name):
    """f*(t) = max_u t·u − f(u), by trying many u."""
    d = DIVERGENCES[name]
    u = np.exp(np.linspace(-9, 9, 200_001))
    f = d.f(mg.Tensor(u)).numpy()
    for v in (-1.0, -0.3, 0.2, 1.0, 1.7):
        v = mg.Tensor(np.float64(v))
        assert d.conjugate(v).item() == pytest.approx(np.max(d.activation(v).item() * u - f), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_optimum_is_the_slope_of_f_and_in_the_range_of_the_activation(name):
    d = DIVERGENCES[name]
    u = mg.Tensor(np.linspace(0.1, 3, 20), requires_grad=True)
    (slope,) = mg.grad(d.f(u).sum(), u)
    np.testing.assert_allclose(d.optimum(u).numpy(), slope.numpy(), rtol=1e-10, atol=1e-12)
    v = mg.Tensor(PAPER[name][2](np.log(u.numpy())))
    np.testing.assert_allclose(d.activation(v).numpy(), slope.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@drawn(15)
@given(seed=st.integers(0, 2**31))
def test_the_bound_is_the_divergence_at_the_best_t_and_less_at_any_other(name, seed):
    p, q = histograms(seed)
    best, divergence = PAPER[name][2](np.log(p / q)), DIRECT[name](p, q)
    assert bound(name, best, p, q) == pytest.approx(divergence, rel=1e-9, abs=1e-12)
    rng = np.random.default_rng(seed)
    for size in (0.03, 0.5, 3.0):
        assert bound(name, best + size * rng.choice([-1, 1], 5), p, q) < divergence - 1e-5 * size


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_bound_and_its_parts(name):
    real, fake = normal((4, 1)), normal((3, 2), 1)
    activation, conjugate, _ = PAPER[name]
    a, b = mg.Tensor(real), mg.Tensor(fake)
    of_d = -(np.mean(activation(real)) - np.mean(conjugate(activation(fake))))
    assert f_gan_discriminator_loss(a, b, name).item() == pytest.approx(of_d, rel=1e-9)
    assert f_gan_generator_loss(b, name).item() == pytest.approx(-np.mean(conjugate(activation(fake))), rel=1e-9)
    assert f_gan_nonsaturating_generator_loss(b, name).item() == pytest.approx(-np.mean(activation(fake)), rel=1e-9)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "jeffrey"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_to_second_order_they_are_pytorchs(torch, name, dtype):
    g, star = {
        "kl": (lambda v: v, lambda t: torch.exp(t - 1)),
        "reverse-kl": (lambda v: -torch.exp(-v), lambda t: -1 - torch.log(-t)),
        "js": (lambda v: np.log(2) + torch.nn.functional.logsigmoid(v), lambda t: -torch.log(2 - torch.exp(t))),
        "gan": (lambda v: torch.nn.functional.logsigmoid(v), lambda t: -torch.log(1 - torch.exp(t))),
        "pearson": (lambda v: v, lambda t: t * t / 4 + t),
        "neyman": (lambda v: 1 - torch.exp(-v), lambda t: 2 - 2 * torch.sqrt(1 - t)),
        "hellinger": (lambda v: 1 - torch.exp(-v), lambda t: t / (1 - t)),
    }[name]
    real, fake = normal((4, 1)).astype(dtype), normal((3, 1), 1).astype(dtype)
    ours = lambda x, y: f_gan_discriminator_loss(x**3, y, name)  # noqa: E731
    theirs = lambda x, y: -(g(x**3).mean() - star(g(y)).mean())  # noqa: E731
    assert_same_to_second_order(torch, ours, theirs, [real, fake], (), close)
    ours = lambda y: f_gan_generator_loss(y, name) + f_gan_nonsaturating_generator_loss(y**2, name)  # noqa: E731
    theirs = lambda y: -star(g(y)).mean() - g(y**2).mean()  # noqa: E731
    assert_same_to_second_order(torch, ours, theirs, [fake], (), close)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_agree_with_differences(name):
    real, fake = mg.Tensor(normal((4, 1))), mg.Tensor(normal((3, 1), 1))
    assert mg.check.gradcheck(lambda a, b: f_gan_discriminator_loss(a, b, name), [real, fake], order=2)
    assert mg.check.gradcheck(lambda b: f_gan_generator_loss(b, name), fake, order=2)
    assert mg.check.gradcheck(lambda b: f_gan_nonsaturating_generator_loss(b, name), fake, order=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_jeffreys_log_ratio_solves_its_equation_wherever_lamberts_function_would_overflow(dtype):
    t = np.concatenate([np.linspace(-100, 100, 2001), [-1e5, 1e5]]).astype(dtype)
    s = JeffreyLogRatio()(mg.Tensor(t))
    assert s.dtype == dtype
    s = s.numpy().astype(np.float64)
    off = (1 + s - np.exp(-s) - t) / (1 + np.exp(-s))  # in s, by Newton's step
    assert np.max(np.abs(off) / (1 + np.abs(s))) < 8 * np.finfo(dtype).eps
    assert JeffreyLogRatio()(mg.Tensor(dtype(0))).item() == 0  # 1 + 0 − 1
    t = mg.Tensor(np.array([-3.0, -0.5, 0.0, 0.7, 4.0]))
    assert mg.check.gradcheck(lambda t: JeffreyLogRatio()(t), t, order=3)


def test_gan_is_the_original_game_and_its_two_generators():
    real, fake = mg.Tensor(normal((5, 1))), mg.Tensor(normal((4, 1), 1))
    of_d = discriminator_loss(real, fake).item()
    assert f_gan_discriminator_loss(real, fake, "gan").item() == pytest.approx(of_d, rel=1e-12)
    assert f_gan_generator_loss(fake, "gan").item() == pytest.approx(saturating_generator_loss(fake).item(), rel=1e-12)
    of_g = nonsaturating_generator_loss(fake).item()
    assert f_gan_nonsaturating_generator_loss(fake, "gan").item() == pytest.approx(of_g, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_at_the_equilibrium_the_two_generators_have_one_gradient(name):
    """(f*)′(T*) = p/q, which is 1 there."""
    v = mg.Tensor(np.full(3, PAPER[name][2](0.0)), requires_grad=True)
    (a,) = mg.grad(f_gan_generator_loss(v, name), v)
    (b,) = mg.grad(f_gan_nonsaturating_generator_loss(v, name), v)
    factor = 0.5 if name in ("gan", "js") else 1.0
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)
    assert b[0].item() * 3 == pytest.approx(-factor, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_at_outputs_of_50_float32_has_the_values_of_float64(name):
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        of = {}
        for dtype in (np.float32, np.float64):
            real, fake = (mg.Tensor(np.array([s * 50.0, s * 3.0], dtype), requires_grad=True) for s in signs)
            loss = f_gan_discriminator_loss(real, fake, name)
            first = mg.grad(loss, [real, fake], create_graph=True)
            second = mg.grad(first[0].sum() + first[1].sum(), [real, fake], allow_unused=True)
            of[dtype] = [loss, *first, *[g for g in second if g is not None]]
        for a, b in zip(of[np.float32], of[np.float64], strict=True):
            assert a.dtype == np.float32
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=1e-30)


def test_a_divergence_of_ones_own():
    twice = Divergence(
        "twice", lambda u: 2 * (u - 1) ** 2, lambda v: v, lambda v: v * v / 8 + v, lambda u: 4 * (u - 1), "all t"
    )
    p, q = histograms(0)
    v = mg.Tensor(4 * (p / q - 1))
    assert np.sum(p * v.numpy() - q * twice.conjugate(v).numpy()) == pytest.approx(2 * DIRECT["pearson"](p, q))
    assert find_divergence(twice) is twice
    assert f_gan_generator_loss(v, twice).item() == pytest.approx(-np.mean(v.numpy() ** 2 / 8 + v.numpy()))


def test_errors_name_what_is_wrong():
    x = mg.zeros(2)
    kind, text = message(f_gan_discriminator_loss, x, x, "helinger")
    assert kind is ValueError
    assert "no divergence is called 'helinger'. Did you mean 'hellinger'? Known are kl, reverse-kl" in text
    kind, text = message(f_gan_generator_loss, x, "???")
    assert "Did you mean" not in text
    for f in (f_gan_generator_loss, f_gan_nonsaturating_generator_loss):
        kind, text = message(f, np.zeros(2), "kl")
        assert kind is TypeError
        assert text.startswith(f"{f.__name__}: fake_outputs is of type ndarray")
    kind, text = message(f_gan_discriminator_loss, mg.tensor([1]), x, "kl")
    assert text.startswith("f_gan_discriminator_loss: real_outputs has type int64")
