"""minigan.losses.least_squares: LSGAN's values, both codings, and PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, message, normal

import minigan as mg
from minigan.losses import least_squares_discriminator_loss, least_squares_generator_loss

close = closeness({"float64": 1e-12, "float32": 2e-6})
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
CODINGS = [(-1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (-2.0, 0.5, 3.0)]


@drawn(40)
@given(shapes=st.tuples(SHAPES, SHAPES), coding=st.sampled_from(CODINGS), seed=st.integers(0, 2**31))
def test_values_are_equation_2_with_its_halves(shapes, coding, seed):
    a, b, c = coding
    real, fake = normal(shapes[0], seed), 2 * normal(shapes[1], seed + 1)
    of_d = 0.5 * np.mean((real - b) ** 2) + 0.5 * np.mean((fake - a) ** 2)
    assert least_squares_discriminator_loss(mg.Tensor(real), mg.Tensor(fake), a, b).item() == pytest.approx(
        of_d, rel=1e-12
    )
    of_g = 0.5 * np.mean((fake - c) ** 2)
    assert least_squares_generator_loss(mg.Tensor(fake), c).item() == pytest.approx(of_g, rel=1e-12)


def test_the_coding_that_is_used_if_none_is_named_is_minus_one_one_zero():
    real, fake = mg.Tensor(normal((5,))), mg.Tensor(normal((4,), 1))
    a, b, c = CODINGS[0]
    default, named = (least_squares_discriminator_loss(real, fake, *o) for o in ((), (a, b)))
    assert default.item() == named.item()
    assert least_squares_generator_loss(fake).item() == least_squares_generator_loss(fake, c).item()


@pytest.mark.parametrize(("a", "b", "c"), CODINGS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_to_second_order_it_is_pytorchs_mean_squared_error(torch, a, b, c, dtype):
    def theirs(x, y):
        mse = torch.nn.functional.mse_loss
        return (mse(x, torch.full_like(x, b)) + mse(y, torch.full_like(y, a))) / 2

    real, fake = normal((4, 1)).astype(dtype), normal((3, 1, 2), 1).astype(dtype)
    ours = lambda x, y: least_squares_discriminator_loss(x, y, a, b)  # noqa: E731
    assert_same_to_second_order(torch, ours, theirs, [real, fake], (), close)
    half = lambda y: torch.nn.functional.mse_loss(y, torch.full_like(y, c)) / 2  # noqa: E731
    assert_same_to_second_order(torch, lambda y: least_squares_generator_loss(y, c), half, [fake], (), close)


def test_a_sample_on_the_right_side_but_far_from_the_label_is_pulled_back():
    """What a logistic loss does not do, and why the paper wants squares: D says 10 of it, G wants it to be 1."""
    far = mg.tensor([10.0], requires_grad=True)
    assert mg.grad(least_squares_generator_loss(far, c=1.0), far)[0].item() == 9.0
    assert abs(mg.grad(mg.losses.nonsaturating_generator_loss(far), far)[0].item()) < 1e-4


def test_errors_name_the_argument():
    x = mg.zeros(3)
    kind, text = message(least_squares_discriminator_loss, x, np.zeros(3))
    assert kind is TypeError
    assert text.startswith("least_squares_discriminator_loss: fake_outputs is of type ndarray, expected a Tensor")
    kind, text = message(least_squares_generator_loss, mg.zeros(0, 1))
    assert kind is ValueError
    assert "fake_outputs is empty, of shape (0, 1)" in text
