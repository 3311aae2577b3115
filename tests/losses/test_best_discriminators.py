"""What each loss makes of a discriminator that can say anything: its optimum, found by Newton's method on the loss itself.

There are four places. P and Q are how many samples lie in each, and D is a table of four outputs.
"""

import numpy as np
import pytest

import minigan as mg
from minigan.losses import LOSSES, js_divergence

P, Q = np.array([5, 2, 1, 2]), np.array([1, 2, 5, 4])
p, q = P / P.sum(), Q / Q.sum()


def samples(counts):
    return np.repeat(np.arange(len(counts)), counts)


def loss_of_table(name, outputs):
    """The discriminator's loss where its output at each sample is that of its place."""
    real, fake = samples(P), samples(Q)
    if name == "rgan":  # every real sample with every generated one, as the expectation over pairs has it
        real, fake = (x.ravel() for x in np.meshgrid(real, fake))
    return LOSSES[name].discriminator(outputs[real], outputs[fake])


def best_outputs(name):
    """Newton's method, with steps of at most ½; by least squares, because relativistic losses leave a constant free."""
    v = np.full(len(P), 0.1)
    for _ in range(200):
        x = mg.Tensor(v, requires_grad=True)
        (slope,) = mg.grad(loss_of_table(name, x), x, create_graph=True)
        bend = np.array([mg.grad(slope[i], x, create_graph=True)[0].numpy() for i in range(len(v))])
        values, vectors = np.linalg.eigh(bend)
        inverse = [1 / abs(w) if abs(w) > 1e-10 else 0 for w in values]  # |w|: away from saddles
        step = vectors @ (inverse * (vectors.T @ slope.numpy()))
        v = v - np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-12:
            break
    assert np.abs(slope.numpy()).max() < 1e-9
    return v


r = np.log(p / q)
KNOWN = {
    "minimax": r,  # logit of p/(p + q)
    "saturating": r,
    "lsgan": (p - q) / (p + q),  # (bp + aq)/(p + q)
    "lsgan-01": p / (p + q),
    "f-kl": 1 + r,
    "f-reverse-kl": r,
    "f-js": r,
    "f-gan": r,
    "f-pearson": 2 * (p / q - 1),
    "f-neyman": 2 * r,
    "f-hellinger": r / 2,
    "f-jeffrey": 1 + r - q / p,
}

LEAST = {
    "minimax": -(np.sum(p * np.log(p / (p + q))) + np.sum(q * np.log(q / (p + q)))),
    "lsgan": np.sum(2 * p * q / (p + q)),
    "f-kl": -np.sum(p * r),
    "f-reverse-kl": np.sum(q * r),
    "f-pearson": -np.sum((p - q) ** 2 / q),
    "f-neyman": -np.sum((p - q) ** 2 / p),
    "f-hellinger": -np.sum((np.sqrt(p) - np.sqrt(q)) ** 2),
    "f-jeffrey": -np.sum((p - q) * r),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_minimum_is_where_theory_says(name):
    found = best_outputs(name)
    np.testing.assert_allclose(found, KNOWN[name], rtol=1e-7, atol=1e-8)
    if name in LEAST:
        assert loss_of_table(name, mg.Tensor(found)).item() == pytest.approx(LEAST[name], rel=1e-9)


def test_the_least_loss_of_the_original_is_in_terms_of_js():
    js = js_divergence(mg.Tensor(p), mg.Tensor(q)).item()
    value = -loss_of_table("minimax", mg.Tensor(KNOWN["minimax"])).item()
    assert value == pytest.approx(2 * js - 2 * np.log(2), rel=1e-12)
    assert -loss_of_table("f-js", mg.Tensor(KNOWN["f-js"])).item() == pytest.approx(2 * js, rel=1e-10)


def test_lsgans_best_discriminator_leaves_g_a_pearson_divergence():
    """½ E_p (D* − c)² + ½ E_q (D* − c)² = ½ Σ (2q − (p + q))²/(p + q), for (a, b, c) = (−1, 1, 0)."""
    best, g = mg.Tensor(best_outputs("lsgan")), LOSSES["lsgan"].generator
    both = g(best[samples(P)], None).item() + g(best[samples(Q)], None).item()
    assert both == pytest.approx(0.5 * np.sum((2 * q - (p + q)) ** 2 / (p + q)), rel=1e-9)


def test_of_pairs_the_best_comparison_is_the_log_ratio_up_to_a_constant():
    """P(i is the real one of i and j) = p_i q_j / (p_i q_j + p_j q_i) = σ(r_i − r_j)."""
    found = best_outputs("rgan")
    np.testing.assert_allclose(found - found[0], r - r[0], rtol=1e-6, atol=1e-8)


def test_with_averages_the_best_output_rises_with_the_ratio_and_leaves_a_constant_free():
    found = best_outputs("ragan")
    assert (np.diff(found[np.argsort(r)]) > 0.1).all()
    a, b = (loss_of_table("ragan", mg.Tensor(found + c)).item() for c in (0, 7))
    assert a == pytest.approx(b, rel=1e-12)
    assert a < 2 * np.log(2)


def test_the_best_hinge_output_is_the_sign_of_p_minus_q_and_costs_the_overlap():
    """Piecewise linear, so all tables of −1, 0 and 1 are tried: the minimum is at corners. Where p = q, it is flat."""
    tables = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 4), -1).reshape(-1, 4)
    costs = [loss_of_table("hinge", mg.Tensor(t)).item() for t in tables]
    least = 2 * np.minimum(p, q).sum()
    assert min(costs) == pytest.approx(least, rel=1e-12)
    for t in tables[np.array(costs) < least + 1e-9]:
        assert (t[p != q] == np.sign(p - q)[p != q]).all()
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert loss_of_table("hinge", mg.Tensor(rng.normal(0, 3, 4))).item() >= least
    total_variation = np.abs(p - q).sum() / 2
    assert least == pytest.approx(2 - 2 * total_variation)


def test_without_a_bound_on_its_slope_the_critic_has_no_minimum():
    direction = np.sign(p - q)
    losses = [loss_of_table("wgan", mg.Tensor(s * direction)).item() for s in (1.0, 10.0, 100.0)]
    total_variation = np.abs(p - q).sum() / 2
    np.testing.assert_allclose(losses, -2 * total_variation * np.array([1, 10, 100]), rtol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_where_p_is_q_no_change_of_the_generator_pays(name):
    """D at its optimum for p = q is constant, so G's loss is equal for all places."""
    of = {"f-kl": 1.0, "lsgan-01": 0.5}  # g_f⁻¹(f′(1)), and (a + b)/2; 0 elsewhere
    v = mg.full((5,), of.get(name, 0.0), dtype=np.float64, requires_grad=True)
    (slope,) = mg.grad(LOSSES[name].discriminator(v, v), v)
    np.testing.assert_allclose(slope.numpy(), 0, atol=1e-15)
    (slope,) = mg.grad(LOSSES[name].generator(v, v.detach()), v, allow_unused=True)
    assert len(set(slope.numpy().round(14))) == 1
