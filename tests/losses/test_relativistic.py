"""minigan.losses.relativistic: values, PyTorch, and what comparing means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, message, normal

import minigan as mg
from minigan.losses import (
    relativistic_average_discriminator_loss,
    relativistic_average_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
)

close = closeness({"float64": 1e-12, "float32": 2e-6})
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


def log_sigmoid(x):
    return np.log(1 / (1 + np.exp(-x)))


@drawn(40)
@given(shape=SHAPES, seed=st.integers(0, 2**31))
def test_in_pairs_the_values_are_the_papers(shape, seed):
    real, fake = 2 * normal(shape, seed), 2 * normal(shape, seed + 1)
    a, b = mg.Tensor(real), mg.Tensor(fake)
    of_d, of_g = -np.mean(log_sigmoid(real - fake)), -np.mean(log_sigmoid(fake - real))
    assert relativistic_discriminator_loss(a, b).item() == pytest.approx(of_d, rel=1e-10)
    assert relativistic_generator_loss(b, a).item() == pytest.approx(of_g, rel=1e-10)


@drawn(40)
@given(shapes=st.tuples(SHAPES, SHAPES), seed=st.integers(0, 2**31))
def test_with_averages_the_values_are_the_papers(shapes, seed):
    """D̃(x) = σ(C(x) − E C(G(z))), D̃(G(z)) = σ(C(G(z)) − E C(x)); both appear in both losses."""
    real, fake = 2 * normal(shapes[0], seed), 2 * normal(shapes[1], seed + 1)
    a, b = mg.Tensor(real), mg.Tensor(fake)
    d_real, d_fake = (1 / (1 + np.exp(-(x - y.mean()))) for x, y in ((real, fake), (fake, real)))
    of_d = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    of_g = -np.mean(np.log(d_fake)) - np.mean(np.log(1 - d_real))
    assert relativistic_average_discriminator_loss(a, b).item() == pytest.approx(of_d, rel=1e-10)
    assert relativistic_average_generator_loss(b, a).item() == pytest.approx(of_g, rel=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_to_second_order_they_are_pytorchs(torch, dtype):
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    arrays = [normal((4, 1)).astype(dtype), normal((4, 1), 1).astype(dtype)]

    def of_pairs(x, y):
        return bce(x - y, torch.ones_like(x))

    def of_averages(x, y):
        return bce(x - y.mean(), torch.ones_like(x)) + bce(y - x.mean(), torch.zeros_like(y))

    for ours, theirs in (
        (relativistic_discriminator_loss, of_pairs),
        (relativistic_generator_loss, of_pairs),  # of (fake, real): the same function, with the two exchanged
        (relativistic_average_discriminator_loss, of_averages),
        (relativistic_average_generator_loss, of_averages),
    ):
        assert_same_to_second_order(torch, ours, theirs, arrays, (), close)


def test_the_generators_gradient_reaches_the_real_outputs_as_well():
    """G's loss lowers what D says of real samples: half of the paper's idea, though G moves generated samples only."""
    real, fake = (mg.tensor(x, requires_grad=True) for x in ([1.0, 2.0], [0.0, -1.0]))
    for loss in (relativistic_generator_loss, relativistic_average_generator_loss):
        to_fake, to_real = mg.grad(loss(fake, real), [fake, real])
        assert (to_fake.numpy() < 0).all()
        assert (to_real.numpy() > 0).all()


def test_only_differences_count():
    real, fake = mg.Tensor(normal((5,))), mg.Tensor(normal((5,), 1))
    for loss in (relativistic_discriminator_loss, relativistic_average_discriminator_loss):
        assert loss(real + 100, fake + 100).item() == pytest.approx(loss(real, fake).item(), rel=1e-12)
        assert abs(loss(real + 1, fake).item() - loss(real, fake).item()) > 0.1


def test_in_pairs_the_batches_must_be_equal_and_with_averages_they_need_not():
    a, b = mg.zeros(4, 1), mg.zeros(3, 1)
    for f, arguments in ((relativistic_discriminator_loss, (a, b)), (relativistic_generator_loss, (b, a))):
        kind, text = message(f, *arguments)
        assert kind is ValueError
        assert text.startswith(f"{f.__name__}: real has shape (4, 1), fake has shape (3, 1), expected equal shapes")
    kind, text = message(relativistic_generator_loss, a, mg.zeros(4))  # would broadcast to (4, 4)
    assert kind is ValueError
    assert relativistic_average_discriminator_loss(a, b).item() == pytest.approx(2 * np.log(2), rel=1e-6)
    kind, text = message(relativistic_average_generator_loss, a, None)
    assert kind is TypeError
    assert text.startswith("relativistic_average_generator_loss: real_logits is of type NoneType")
