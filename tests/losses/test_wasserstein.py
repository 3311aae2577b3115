"""minigan.losses.wasserstein: the critic's loss in the paper's form and the courses', and the distance it estimates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, message, normal
from scipy.stats import wasserstein_distance

import minigan as mg
from minigan.losses import wasserstein_critic_loss, wasserstein_generator_loss, wasserstein_loss

close = closeness({"float64": 1e-12, "float32": 2e-6})
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@drawn(40)
@given(shapes=st.tuples(SHAPES, SHAPES), seed=st.integers(0, 2**31))
def test_values_are_differences_of_means(shapes, seed):
    real, fake = 3 * normal(shapes[0], seed), 3 * normal(shapes[1], seed + 1) + 1
    of_critic = np.sum(fake) / fake.size - np.sum(real) / real.size
    assert wasserstein_critic_loss(mg.Tensor(real), mg.Tensor(fake)).item() == pytest.approx(
        of_critic, rel=1e-9, abs=1e-12
    )
    of_g = -np.sum(fake) / fake.size
    assert wasserstein_generator_loss(mg.Tensor(fake)).item() == pytest.approx(of_g, rel=1e-9, abs=1e-12)


def test_the_courses_form_over_a_shuffled_batch_is_half_of_the_papers():
    real, fake = normal((6,)), normal((6,), 1)
    order = np.random.default_rng(0).permutation(12)
    outputs, labels = np.concatenate([real, fake])[order], np.repeat([1.0, -1.0], 6)[order]
    assert wasserstein_loss(mg.Tensor(outputs), mg.Tensor(labels)).item() == pytest.approx(-np.mean(labels * outputs))
    paper = wasserstein_critic_loss(mg.Tensor(real), mg.Tensor(fake))
    assert wasserstein_loss(mg.Tensor(outputs), mg.Tensor(labels)).item() == pytest.approx(paper.item() / 2, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_to_second_order_it_is_pytorchs(torch, dtype):
    arrays = [normal((4, 1)).astype(dtype), normal((3, 1), 1).astype(dtype)]
    assert_same_to_second_order(  # the outputs are linear in the loss, so the critic squares them to have second derivatives
        torch,
        lambda x, y: wasserstein_critic_loss(x**3, y**2),
        lambda x, y: (y**2).mean() - (x**3).mean(),
        arrays,
        (),
        close,
    )
    assert_same_to_second_order(
        torch, lambda y: wasserstein_generator_loss(y**3), lambda y: -(y**3).mean(), arrays[1:], (), close
    )


def test_with_the_best_critic_the_loss_is_minus_the_distance():
    """On the line, f′ = sign(F_q − F_p), of the distribution functions, is the f of slope 1 that attains the maximum."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal(40), 2 * rng.standard_normal(25) + 0.7
    places = np.sort(np.concatenate([real, fake]))
    above = [np.sign(np.mean(fake <= t) - np.mean(real <= t)) for t in places[:-1]]
    f = np.concatenate([[0.0], np.cumsum(above * np.diff(places))])
    at_real, at_fake = (mg.Tensor(np.interp(x, places, f)) for x in (real, fake))
    distance = wasserstein_distance(real, fake)
    assert wasserstein_critic_loss(at_real, at_fake).item() == pytest.approx(-distance, rel=1e-12)
    worse = [mg.Tensor(np.asarray(x)) for x in (real, fake)]  # f(x) = x has slope 1 as well
    assert wasserstein_critic_loss(*worse).item() > -distance + 0.1


def test_errors_name_the_argument():
    kind, text = message(wasserstein_critic_loss, [1.0], mg.zeros(3))
    assert kind is TypeError
    assert text.startswith("wasserstein_critic_loss: real_outputs is of type list")
    kind, text = message(wasserstein_generator_loss, mg.tensor([1, 2]))
    assert kind is TypeError
    assert "fake_outputs has type int64, expected float32 or float64" in text
    kind, text = message(wasserstein_loss, mg.zeros(3, 1), mg.zeros(3))  # which would broadcast to (3, 3)
    assert kind is ValueError
    assert "outputs has shape (3, 1), labels has shape (3,)" in text
    assert "labels.reshape(3, 1)" in text
