"""minigan.losses.divergences: values against definitions, SciPy and PyTorch; the identities; what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, message, normal
from scipy.integrate import quad
from scipy.special import rel_entr
from scipy.stats import norm

import minigan as mg
from minigan.losses import (
    discriminator_loss,
    gaussian_js,
    gaussian_js_sampled,
    gaussian_kl,
    gaussian_kl_full,
    js_divergence,
    kl_divergence,
)

close = closeness({"float64": 1e-12, "float32": 1e-5})


def histograms(seed, shape=(5,), zeros=False):
    rng = np.random.default_rng(seed)
    p, q = rng.gamma(1.0, size=(2, *shape)) + 0.05
    if zeros:
        p[..., 0], q[..., 0], p[..., -1] = 0, 0, 0
    return p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)


def js_of(p, q):
    m = (p + q) / 2
    return (rel_entr(p, m).sum(-1) + rel_entr(q, m).sum(-1)) / 2


# ---------------------------------------------------------------------------------------------------- histograms


@drawn(60)
@given(
    shape=st.lists(st.integers(1, 4), max_size=2).map(lambda s: (*s, 4)),
    zeros=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_of_histograms_the_values_are_scipys(shape, zeros, seed):
    p, q = histograms(seed, shape, zeros)
    a, b = mg.Tensor(p), mg.Tensor(q)
    np.testing.assert_allclose(kl_divergence(a, b).numpy(), rel_entr(p, q).sum(-1), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(js_divergence(a, b).numpy(), js_of(p, q), rtol=1e-10, atol=1e-14)
    moved = [mg.Tensor(np.moveaxis(x, -1, 0)) for x in (p, q)]
    np.testing.assert_allclose(
        kl_divergence(*moved, dim=0).numpy(), kl_divergence(a, b).numpy(), rtol=1e-12, atol=1e-15
    )
    np.testing.assert_allclose(
        js_divergence(*moved, dim=0).numpy(), js_divergence(a, b).numpy(), rtol=1e-12, atol=1e-15
    )


@drawn(40)
@given(seed=st.integers(0, 2**31))
def test_what_is_true_of_them(seed):
    """Positive unless equal; JS symmetric, at most log 2, its root a metric; KL(p‖q) + KL(q‖p) is Jeffrey's."""
    p, q = (mg.Tensor(x) for x in histograms(seed))
    r = mg.Tensor(histograms(seed + 1)[0])
    assert kl_divergence(p, p).item() == js_divergence(p, p).item() == 0
    assert kl_divergence(p, q).item() > 0
    assert 0 < js_divergence(p, q).item() < np.log(2)
    assert js_divergence(p, q).item() == pytest.approx(js_divergence(q, p).item(), rel=1e-12)
    jeffrey = ((p - q) * (p / q).log()).sum().item()
    assert kl_divergence(p, q).item() + kl_divergence(q, p).item() == pytest.approx(jeffrey, rel=1e-10)
    roots = [js_divergence(*pair).item() ** 0.5 for pair in ((p, q), (q, r), (p, r))]
    assert roots[2] <= roots[0] + roots[1]


def test_what_does_not_meet():
    p, q = mg.tensor([1.0, 0.0, 0.0], requires_grad=True), mg.tensor([0.0, 0.5, 0.5], requires_grad=True)
    assert kl_divergence(p, q).item() == np.inf
    assert js_divergence(p, q).item() == pytest.approx(np.log(2), rel=1e-6)
    for g in mg.grad(js_divergence(p, q), [p, q]):
        assert np.isfinite(g.numpy()).all()


def test_the_best_discriminators_loss_is_2_log_2_minus_twice_the_js_divergence():
    """Goodfellow et al. 2014, theorem 1, by the loss itself: 8 of 10 real samples lie here and 2 there, and so on."""
    p, q = np.array([0.8, 0.2]), np.array([0.3, 0.7])
    best = np.log(p / q)
    real, fake = (mg.Tensor(np.repeat(best, np.rint(10 * x).astype(int))) for x in (p, q))
    js = js_divergence(mg.Tensor(p), mg.Tensor(q)).item()
    assert discriminator_loss(real, fake).item() == pytest.approx(2 * np.log(2) - 2 * js, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_of_softmaxes_they_are_pytorchs_to_second_order(torch, dtype):
    def kl(a, b):
        p, q = torch.softmax(a, -1), torch.softmax(b, -1)
        return (p * (torch.log(p) - torch.log(q))).sum(-1)

    def js(a, b):
        p, q = torch.softmax(a, -1), torch.softmax(b, -1)
        m = (p + q) / 2
        return ((p * (p / m).log()).sum(-1) + (q * (q / m).log()).sum(-1)) / 2

    arrays = [normal((3, 4)).astype(dtype), normal((3, 4), 1).astype(dtype)]
    for ours, theirs in ((kl_divergence, kl), (js_divergence, js)):
        f = lambda a, b, ours=ours: ours(mg.softmax(a, -1), mg.softmax(b, -1))  # noqa: E731
        assert_same_to_second_order(torch, f, theirs, arrays, (3,), close)


def test_derivatives_of_histograms_agree_with_differences():
    a, b = mg.Tensor(normal((4,))), mg.Tensor(normal((4,), 1))
    for f in (kl_divergence, js_divergence):
        assert mg.check.gradcheck(lambda a, b, f=f: f(mg.softmax(a, -1), mg.softmax(b, -1)), [a, b], order=2)


def test_an_outcome_that_neither_has_takes_no_gradient_and_makes_no_nan():
    p, q = (mg.Tensor(x, requires_grad=True) for x in histograms(0, zeros=True))
    for f in (kl_divergence, js_divergence):
        to_p, to_q = mg.grad(f(p, q), [p, q])
        assert np.isfinite(to_p.numpy()).all()
        assert np.isfinite(to_q.numpy()).all()
        assert to_p[0].item() == to_q[0].item() == 0
    np.testing.assert_allclose(
        mg.grad(kl_divergence(p, q), q)[0].numpy()[1:], -p.numpy()[1:] / q.numpy()[1:], rtol=1e-12
    )


def test_what_is_no_histogram_is_refused():
    p = mg.tensor([0.25, 0.75])
    for f in (kl_divergence, js_divergence):
        name = f.__name__
        kind, text = message(f, p, mg.tensor([0.5, 0.25, 0.25]))
        assert kind is ValueError
        assert text.startswith(f"{name}: p has shape (2,), q has shape (3,), expected equal shapes")
        kind, text = message(f, p, mg.tensor([1.25, -0.25]))
        assert kind is ValueError
        assert text.startswith(f"{name}: q has entries that are negative or NaN (the least is -0.25)")
        kind, text = message(f, mg.tensor([np.nan, 1.0]), p)
        assert text.startswith(f"{name}: p has entries that are negative or NaN")
        kind, text = message(f, mg.tensor([3, 1]), p)
        assert kind is ValueError
        assert text.startswith(f"{name}: p adds up to 1 only within 3, expected")
        assert "divide counts by their sum" in text
    many = mg.Tensor(np.full(1_000_000, 1e-6, np.float32))  # rounding of a long sum is no reason
    assert kl_divergence(many, many).item() == 0


# ----------------------------------------------------------------------------------------------------- Gaussians


@drawn(30)
@given(shape=st.lists(st.integers(1, 3), max_size=2).map(tuple), d=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_of_gaussians_the_diagonal_and_the_full_form_agree(shape, d, seed):
    mean_p, mean_q, log_p, log_q = (normal((*shape, d), seed + i) for i in range(4))
    full_p, full_q = (mg.Tensor(np.exp(x)[..., None] * np.eye(d)) for x in (log_p, log_q))
    m, n = mg.Tensor(mean_p), mg.Tensor(mean_q)
    ours = gaussian_kl(m, mg.Tensor(log_p), n, mg.Tensor(log_q))
    assert ours.shape == shape
    np.testing.assert_allclose(gaussian_kl_full(m, full_p, n, full_q).numpy(), ours.numpy(), rtol=1e-9, atol=1e-11)


def test_of_gaussians_on_the_line_it_is_the_integral():
    """∫ p (log p − log q), with SciPy's densities and quadrature."""
    for mean_p, std_p, mean_q, std_q in ((0.0, 1.0, 1.5, 0.7), (-1.0, 0.3, 0.2, 2.0), (0.0, 1.0, 0.0, 1.0)):
        p, q = norm(mean_p, std_p), norm(mean_q, std_q)
        integral = quad(
            lambda x, p=p, q=q: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), mean_p - 12 * std_p, mean_p + 12 * std_p
        )
        given = [mg.Tensor(np.array([x])) for x in (mean_p, 2 * np.log(std_p), mean_q, 2 * np.log(std_q))]
        assert gaussian_kl(*given).item() == pytest.approx(integral[0], rel=1e-8, abs=1e-10)


def test_with_two_arguments_it_is_the_vaes():
    """−½ Σ (1 + log σ² − μ² − σ²), Kingma and Welling 2014, appendix B."""
    mean, log_var = normal((4, 3)), normal((4, 3), 1)
    vae = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), -1)
    np.testing.assert_allclose(gaussian_kl(mg.Tensor(mean), mg.Tensor(log_var)).numpy(), vae, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_of_gaussians_they_are_pytorchs_to_second_order(torch, dtype):
    N, M = torch.distributions.Normal, torch.distributions.MultivariateNormal

    def diagonal(m, s, n, t):
        return torch.distributions.kl_divergence(N(m, (s / 2).exp()), N(n, (t / 2).exp())).sum(-1)

    def full(m, a, n, b):
        p, q = (M(x, y @ y.transpose(-1, -2) + torch.eye(3, dtype=x.dtype)) for x, y in ((m, a), (n, b)))
        return torch.distributions.kl_divergence(p, q)

    def ours(m, a, n, b):
        eye = mg.eye(3, dtype=m.dtype)
        return gaussian_kl_full(m, a @ a.transpose(-1, -2) + eye, n, b @ b.transpose(-1, -2) + eye)

    arrays = [normal((2, 3), i).astype(dtype) for i in range(4)]
    assert_same_to_second_order(torch, gaussian_kl, diagonal, arrays, (2,), close)
    if dtype == "float64":
        arrays[1::2] = normal((2, 3, 3), 5), normal((2, 3, 3), 6)
        assert_same_to_second_order(torch, ours, full, arrays, (2,), closeness({"float64": 1e-10}))


def test_derivatives_of_gaussians_agree_with_differences():
    m, s, n, t = (mg.Tensor(normal((2, 2), i)) for i in range(4))
    assert mg.check.gradcheck(gaussian_kl, [m, s, n, t], order=2)
    assert mg.check.gradcheck(gaussian_js, [m, s, n, t], order=2)
    assert mg.check.gradcheck(
        lambda *x: gaussian_js_sampled(*x, samples=20, generator=mg.Generator(0)), [m, s, n, t], order=2
    )
    eye = mg.eye(2, dtype=np.float64)
    assert mg.check.gradcheck(
        lambda m, a, n, b: gaussian_kl_full(m, a @ a.transpose(-1, -2) + eye, n, b @ b.transpose(-1, -2) + eye),
        [m, mg.Tensor(normal((2, 2, 2), 4)), n, mg.Tensor(normal((2, 2, 2), 5))],
        order=2,
    )


@pytest.mark.parametrize(
    ("mean_p", "std_p", "mean_q", "std_q"),
    [(0.0, 1.0, 1.0, 1.0), (2.0, 0.5, -1.0, 3.0), (0.0, 1.0, 8.0, 1.0), (5.0, 1.0, 5.0, 0.05), (3.0, 2.0, 3.0, 2.0)],
)
def test_js_of_gaussians_is_the_integral_and_samples_agree(mean_p, std_p, mean_q, std_q):
    p, q = norm(mean_p, std_p), norm(mean_q, std_q)

    def integrand(x):
        log_m = np.logaddexp(p.logpdf(x), q.logpdf(x)) - np.log(2)
        return p.pdf(x) * (p.logpdf(x) - log_m) / 2 + q.pdf(x) * (q.logpdf(x) - log_m) / 2

    edges = sorted({m + s * k for m, s in ((mean_p, std_p), (mean_q, std_q)) for k in (-10, -3, 0, 3, 10)})
    integral = sum(quad(integrand, a, b, epsabs=1e-13)[0] for a, b in pairwise(edges))
    given = [mg.Tensor(np.array([x])) for x in (mean_p, 2 * np.log(std_p), mean_q, 2 * np.log(std_q))]
    ours = gaussian_js(*given)
    assert ours.item() == pytest.approx(integral, rel=1e-9, abs=1e-11)
    assert gaussian_js(*given[2:], *given[:2]).item() == pytest.approx(ours.item(), abs=1e-11)
    for d, samples in ((1, 20_000), (3, 5_000)):  # in the further dimensions they are alike, so nothing changes
        alike = [mg.Tensor(np.concatenate([x.numpy(), np.zeros(d - 1)])) for x in given]
        estimate = gaussian_js_sampled(*alike, samples=samples, generator=mg.Generator(0)).item()
        assert estimate == pytest.approx(integral, abs=2 / samples**0.5)
    again = [gaussian_js_sampled(*given, samples=50, generator=mg.Generator(s)).item() for s in (3, 3, 4)]
    assert again[0] == again[1]
    assert again[0] != again[2] or integral == 0


@pytest.mark.parametrize(
    ("mean_q", "std_q", "integral", "within"),
    [(0.0, 0.03, 0.57634866915685, 1e-11), (0.3, 0.001, 0.684875851455, 2e-4)],
)
def test_js_of_very_unequal_widths_is_as_exact_as_the_docstring_says(mean_q, std_q, integral, within):
    """The integrals are by the trapezoid rule with two million points about each of the two means."""
    zero = mg.tensor(0.0).to(np.float64)
    js = gaussian_js(zero, zero, mg.Tensor(np.float64(mean_q)), mg.Tensor(np.float64(2 * np.log(std_q))))
    assert js.item() == pytest.approx(integral, rel=0, abs=within)


def test_far_apart_js_is_log_2_and_has_no_gradient_while_kl_has():
    """Why the original GAN gives G nothing to follow while p and q do not meet."""
    for dtype in (np.float32, np.float64):
        mean = mg.Tensor(np.full(1, 60, dtype), requires_grad=True)
        zero = mg.zeros(1, dtype=dtype)
        js = gaussian_js(mean, zero, zero, zero)
        assert js.dtype == dtype
        assert js.item() == pytest.approx(np.log(2), rel=1e-5)
        assert mg.grad(js.sum(), mean)[0].item() == pytest.approx(0, abs=1e-6)
        assert mg.grad(gaussian_kl(mean, zero), mean)[0].item() == pytest.approx(60)


def test_what_is_no_gaussian_is_refused():
    x, eye = mg.zeros(2), mg.eye(2)
    for f in (gaussian_kl, gaussian_js, gaussian_js_sampled):
        kind, text = message(f, mg.zeros(2), mg.zeros(3), x, x)
        assert kind is ValueError
        assert text.startswith(f"{f.__name__}: mean_p, log_var_p, mean_q, log_var_q have shapes (2,), (3,), (2,), (2,)")
    number = mg.tensor(0.0)
    for f in (gaussian_kl, gaussian_js_sampled):
        kind, text = message(f, number, number, number, number)
        assert kind is ValueError
        assert f"{f.__name__}: mean_p is a single number" in text
    assert gaussian_js(number, number, number, number).item() == pytest.approx(0, abs=1e-7)
    assert "samples is 0, expected at least 1" in message(gaussian_js_sampled, x, x, x, x, 0)[1]
    kind, text = message(gaussian_kl_full, x, eye, mg.zeros(3), eye)
    assert "mean_p has shape (2,), mean_q has shape (3,)" in text
    kind, text = message(gaussian_kl_full, x, x, x, eye)
    assert text.startswith("gaussian_kl_full: covariance_p has shape (2,), expected (2, 2)")
    kind, text = message(gaussian_kl_full, x, eye, x, mg.tensor([[1.0, 0.5], [0.0, 1.0]]))
    assert text.startswith("gaussian_kl_full: covariance_q is not symmetric")
    kind, text = message(gaussian_kl_full, x, mg.tensor([[1.0, 2.0], [2.0, 1.0]]), x, eye)
    assert text.startswith("gaussian_kl_full: covariance_p has an eigenvalue -1")
