"""minigan.losses.minimax: the game of the original paper, its equilibrium, and what its gradients are for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.losses import discriminator_loss, nonsaturating_generator_loss, saturating_generator_loss

SHAPES = [(), (1,), (5,), (4, 1), (2, 1, 3, 3)]  # a PatchGAN's discriminator says one logit a patch


def drawn(max_examples):
    return settings(deadline=None, derandomize=True, max_examples=max_examples)


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def logits(shape, seed, dtype=np.float64):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * 3, dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_are_the_formulas(shape):
    real, fake = logits(shape, 0), logits(shape, 1)
    a, b = mg.Tensor(real), mg.Tensor(fake)
    of_d = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    assert discriminator_loss(a, b).item() == pytest.approx(of_d, rel=1e-12)
    assert nonsaturating_generator_loss(b).item() == pytest.approx(-np.log(sigmoid(fake)).mean(), rel=1e-12)
    assert saturating_generator_loss(b).item() == pytest.approx(np.log(1 - sigmoid(fake)).mean(), rel=1e-12)


@drawn(40)
@given(
    n=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    target=st.sampled_from([1.0, 0.9, 0.7]),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 2**31),
)
def test_values_and_gradients_are_those_of_pytorchs_binary_cross_entropy(torch, n, target, dtype, seed):
    """Real and generated batches may differ in size: each is averaged by itself."""
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    real, fake = logits((n[0], 1), seed, dtype), logits((n[1], 1), seed + 1, dtype)
    a, b = (mg.Tensor(x, requires_grad=True) for x in (real, fake))
    u, v = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (real, fake))
    theirs = bce(u, torch.full_like(u, target)) + bce(v, torch.zeros_like(v))
    ours = discriminator_loss(a, b, real_target=target)
    tolerance = {"rtol": 1e-12, "atol": 1e-14} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-6}
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours.item(), theirs.item(), **tolerance)
    for g, h in zip(mg.grad(ours, [a, b]), torch.autograd.grad(theirs, [u, v])):
        np.testing.assert_allclose(g.numpy(), h.numpy(), **tolerance)
    ours, theirs = nonsaturating_generator_loss(b), bce(v, torch.ones_like(v))
    np.testing.assert_allclose(ours.item(), theirs.item(), **tolerance)
    np.testing.assert_allclose(mg.grad(ours, b)[0].numpy(), torch.autograd.grad(theirs, v)[0].numpy(), **tolerance)


def test_first_and_second_derivatives_agree_with_differences():
    real, fake = mg.Tensor(logits((4, 1), 0)), mg.Tensor(logits((3, 1), 1))
    assert mg.check.gradcheck(discriminator_loss, [real, fake], order=2)
    assert mg.check.gradcheck(lambda a, b: discriminator_loss(a, b, 0.9), [real, fake], order=2)
    assert mg.check.gradcheck(nonsaturating_generator_loss, fake, order=2)
    assert mg.check.gradcheck(saturating_generator_loss, fake, order=2)


# ---------------------------------------------------------------------------------------------------------- the game


def test_at_the_equilibrium_d_pays_2_log_2_and_g_log_2():
    """D = ½ everywhere (Goodfellow et al. 2014, theorem 1); there the two losses of D pull with equal force."""
    zero = mg.zeros(4, dtype=np.float64, requires_grad=True)
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * np.log(2))
    assert nonsaturating_generator_loss(zero).item() == pytest.approx(np.log(2))
    assert saturating_generator_loss(zero).item() == pytest.approx(-np.log(2))
    assert mg.grad(discriminator_loss(zero, zero), zero)[0].tolist() == [0.0] * 4


@pytest.mark.parametrize(("p_data", "p_g"), [(0.5, 0.5), (0.8, 0.1), (0.02, 0.4)])
def test_the_best_discriminator_is_the_ratio_of_densities(p_data, p_g):
    """D* = p_data/(p_data + p_g), proposition 1: there −p_data·log D − p_g·log(1 − D) is least."""
    best = np.log(p_data / p_g)

    def cost(logit):
        x = mg.Tensor(np.float64(logit), requires_grad=True)
        of_real, of_fake = discriminator_loss(x, mg.Tensor(np.float64(-1e3))), discriminator_loss(mg.Tensor(1e3), x)
        loss = p_data * of_real + p_g * of_fake
        return loss.item(), mg.grad(loss, x)[0].item()

    assert abs(cost(best)[1]) < 1e-12
    assert cost(best)[0] < min(cost(best - 0.1)[0], cost(best + 0.1)[0])


def test_what_g_minimises_is_the_part_of_the_game_that_depends_on_it():
    """The saturating loss is minus D's loss of generated samples: what D loses, G wins."""
    fake = mg.Tensor(logits((5,), 0))
    sure = mg.full((5,), 1e4, dtype=np.float64)  # real samples that D is sure of cost it nothing
    assert saturating_generator_loss(fake).item() == pytest.approx(-discriminator_loss(sure, fake).item(), rel=1e-12)


def test_the_gradient_of_the_saturating_loss_vanishes_where_d_is_sure_and_that_of_the_other_does_not():
    """∂/∂logit is −σ(logit) for one, σ(logit) − 1 for the other."""
    x = mg.Tensor(np.array([-20.0, -2.0, 0.0, 2.0]), requires_grad=True)
    (saturating,) = mg.grad(saturating_generator_loss(x) * 4, x)
    (nonsaturating,) = mg.grad(nonsaturating_generator_loss(x) * 4, x)
    np.testing.assert_allclose(saturating.numpy(), -sigmoid(x.numpy()), rtol=1e-12)
    np.testing.assert_allclose(nonsaturating.numpy(), sigmoid(x.numpy()) - 1, rtol=1e-12)
    assert abs(saturating[0].item()) < 1e-8 < 0.99 < abs(nonsaturating[0].item())
    assert saturating[2].item() == nonsaturating[2].item()  # the same at D = ½: the same fixed point


def test_one_sided_smoothing_draws_d_towards_the_target_for_real_and_leaves_generated_samples_alone():
    real = mg.Tensor(np.log([0.9 / 0.1]), requires_grad=True)
    fake = mg.Tensor(logits((1,), 0), requires_grad=True)
    to_real, to_fake = mg.grad(discriminator_loss(real, fake, real_target=0.9), [real, fake])
    assert abs(to_real.item()) < 1e-15
    np.testing.assert_allclose(to_fake.numpy(), sigmoid(fake.numpy()), rtol=1e-12)


# --------------------------------------------------------------------------------------------------------- stability


@pytest.mark.parametrize("scale", [100.0, 1e4])
@pytest.mark.parametrize("target", [1.0, 0.9])
def test_values_and_gradients_are_exact_at_extreme_logits(scale, target):
    """float32: where D is sure and right it pays nothing, where it is sure and wrong it pays the logit."""
    for sign in (1, -1):
        real, fake = (mg.tensor([s * sign * scale], requires_grad=True) for s in (1, -1))
        loss = discriminator_loss(real, fake, target)
        wrong = 0 if sign == 1 else 2 * scale
        expected = wrong + sign * (1 - target) * scale
        assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-30)
        to_real, to_fake = mg.grad(loss, [real, fake])
        assert to_real.item() == pytest.approx((1 if sign == 1 else 0) - target, abs=1e-6)
        assert to_fake.item() == pytest.approx(0 if sign == 1 else 1, abs=1e-6)
    x = mg.tensor([-scale, scale], requires_grad=True)
    for loss, value, gradient in (
        (nonsaturating_generator_loss(x), scale / 2, [-0.5, 0.0]),
        (saturating_generator_loss(x), -scale / 2, [0.0, -0.5]),
    ):
        assert loss.item() == pytest.approx(value, rel=1e-6)
        np.testing.assert_allclose(mg.grad(loss, x)[0].numpy(), gradient, atol=1e-30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_loss_has_the_type_of_the_logits_and_does_not_touch_them(dtype):
    real, fake = logits((3,), 0, dtype), logits((3,), 1, dtype)
    before = real.copy(), fake.copy()
    for loss in (
        discriminator_loss(mg.Tensor(real), mg.Tensor(fake), 0.9),
        nonsaturating_generator_loss(mg.Tensor(fake)),
        saturating_generator_loss(mg.Tensor(fake)),
    ):
        assert (loss.dtype, loss.shape) == (dtype, ())
    np.testing.assert_array_equal((real, fake), before)
