"""minigan.losses.registry: what is true of every loss, and that each name means what it says."""

import numpy as np
import pytest
from parity import message, normal

import minigan as mg
from minigan import losses
from minigan.losses import LOSSES, Adversarial, find_loss

NAMES = list(LOSSES)
EXPONENTIAL = {"f-kl", "f-reverse-kl", "f-neyman", "f-hellinger", "f-jeffrey"}  # these overflow, and say so


def each(name):
    """D's loss as a function of (real, fake), and G's of the same."""
    loss = LOSSES[name]
    return loss.discriminator, lambda real, fake: loss.generator(fake, real)


def test_the_names():
    assert NAMES[:8] == ["minimax", "saturating", "lsgan", "lsgan-01", "wgan", "hinge", "rgan", "ragan"]
    assert NAMES[8:] == [f"f-{name}" for name in losses.DIVERGENCES]
    for name, loss in LOSSES.items():
        assert isinstance(loss, Adversarial)
        assert loss.name == name
        assert find_loss(name) is loss
        assert loss.paper.split(" ")[-1]
    assert {n for n in NAMES if LOSSES[n].output == "logit"} == {"minimax", "saturating", "f-js", "f-gan"}
    assert {LOSSES[n].output for n in NAMES} == {"logit", "critic"}


def test_each_name_has_its_own_functions():
    real, fake = mg.Tensor(normal((4,))), mg.Tensor(normal((4,), 1))
    expected = {
        "minimax": (losses.discriminator_loss(real, fake), losses.nonsaturating_generator_loss(fake)),
        "saturating": (losses.discriminator_loss(real, fake), losses.saturating_generator_loss(fake)),
        "lsgan": (
            losses.least_squares_discriminator_loss(real, fake, -1, 1),
            losses.least_squares_generator_loss(fake, 0),
        ),
        "lsgan-01": (
            losses.least_squares_discriminator_loss(real, fake, 0, 1),
            losses.least_squares_generator_loss(fake, 1),
        ),
        "wgan": (losses.wasserstein_critic_loss(real, fake), losses.wasserstein_generator_loss(fake)),
        "hinge": (losses.hinge_discriminator_loss(real, fake), losses.hinge_generator_loss(fake)),
        "rgan": (losses.relativistic_discriminator_loss(real, fake), losses.relativistic_generator_loss(fake, real)),
        "ragan": (
            losses.relativistic_average_discriminator_loss(real, fake),
            losses.relativistic_average_generator_loss(fake, real),
        ),
        **{
            f"f-{name}": (
                losses.f_gan_discriminator_loss(real, fake, name),
                losses.f_gan_nonsaturating_generator_loss(fake, name),
            )
            for name in losses.DIVERGENCES
        },
    }
    assert list(expected) == NAMES
    for name, (of_d, of_g) in expected.items():
        d, g = each(name)
        assert d(real, fake).item() == of_d.item()
        assert g(real, fake).item() == of_g.item()
    assert len({of_d.item() for of_d, _ in expected.values()}) >= len(NAMES) - 2  # minimax = saturating = f-gan


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_agree_with_differences(name):
    real, fake = mg.Tensor(normal((4, 1))), mg.Tensor(normal((4, 1), 1))
    d, g = each(name)
    assert mg.check.gradcheck(d, [real, fake], order=2)
    inputs = [real, fake] if LOSSES[name].uses_real else [fake]
    assert mg.check.gradcheck(lambda *x: g(real if len(x) == 1 else x[0], x[-1]), inputs, order=2)


@pytest.mark.parametrize("name", NAMES)
def test_whether_the_generators_loss_looks_at_real_samples(name):
    real, fake = (mg.Tensor(normal((4,), i), requires_grad=True) for i in range(2))
    to_real, to_fake = mg.grad(LOSSES[name].generator(fake, real), [real, fake], allow_unused=True)
    assert to_fake is not None
    assert (to_real is not None) == LOSSES[name].uses_real
    if not LOSSES[name].uses_real:
        assert LOSSES[name].generator(fake, None).item() == LOSSES[name].generator(fake, real).item()


@pytest.mark.parametrize("name", NAMES)
def test_descent_moves_the_outputs_the_right_way(name):
    """D's step raises real outputs and lowers generated ones; G's step raises its own: about D's middle, for every loss."""
    middle = 0.5 if name == "lsgan-01" else 0.7 if name == "f-kl" else 0.0
    real, fake = (mg.full((3,), middle, dtype=np.float64, requires_grad=True) for _ in range(2))
    d, g = each(name)
    to_real, to_fake = mg.grad(d(real, fake), [real, fake])
    assert (to_real.numpy() < 0).all()
    assert (to_fake.numpy() > 0).all()
    fake = mg.full((3,), middle - 0.5, dtype=np.float64, requires_grad=True)
    assert (mg.grad(g(real, fake), fake)[0].numpy() < 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [50.0, 100.0])
def test_in_float32_extreme_outputs_give_finite_losses_where_the_formula_is_finite_and_never_a_nan_gradient(
    name, scale
):
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        arrays = [np.array([s * scale, 0.5]) for s in signs]
        for f in each(name):
            got, expected = ([], [])
            for dtype, to in ((np.float32, got), (np.float64, expected)):
                real, fake = (mg.Tensor(x.astype(dtype), requires_grad=True) for x in arrays)
                loss = f(real, fake)
                slopes = mg.grad(loss, [real, fake], allow_unused=True)
                to.extend([loss.numpy(), *[g.numpy() for g in slopes if g is not None]])
                assert loss.dtype == dtype
            if scale == 50 or name not in EXPONENTIAL:
                assert all(np.isfinite(x).all() for x in got)
            for a, b in zip(got, expected):
                assert not np.isnan(a).any()
                honest = np.abs(b) < np.finfo(np.float32).max / 4
                np.testing.assert_allclose(a[honest], b[honest], rtol=3e-5, atol=1e-30)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (1,), (5, 1), (2, 1, 3, 3)], ids=str)
def test_a_loss_is_one_number_of_the_outputs_type_and_does_not_touch_them(name, shape):
    for dtype in (np.float32, np.float64):
        real, fake = (np.asarray(normal(shape, i), dtype).copy() for i in range(2))
        before = real.copy(), fake.copy()
        for f in each(name):
            loss = f(mg.Tensor(real), mg.Tensor(fake))
            assert (loss.dtype, loss.shape) == (dtype, ())
        np.testing.assert_array_equal((real, fake), before)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_discriminators_output_is_refused_by_name(name):
    x = mg.zeros(3, 1)
    d, g = each(name)
    for bad, kind, says in (
        (np.zeros(3), TypeError, "is of type ndarray, expected a Tensor"),
        (mg.tensor([1, 0, 1]), TypeError, "has type int64, expected float32 or float64"),
        (mg.zeros(0, 1), ValueError, "is empty, of shape (0, 1)"),
    ):
        for f, arguments, argument in ((d, (bad, x), "real_"), (d, (x, bad), "fake_"), (g, (x, bad), "fake_")):
            found, text = message(f, *arguments)
            assert found is kind
            assert f": {argument}" in text
            assert says in text
        if LOSSES[name].uses_real:
            assert says in message(g, bad, x)[1]


def test_an_unknown_name_gets_the_nearest_one():
    kind, text = message(find_loss, "hingee")
    assert kind is ValueError
    assert text.startswith(
        "find_loss: no loss is called 'hingee'. Did you mean 'hinge'? Known are minimax, saturating,"
    )
    assert "'lsgan'" in message(find_loss, "LSGAN ")[1]
    assert "Did you mean" not in message(find_loss, "?")[1]
