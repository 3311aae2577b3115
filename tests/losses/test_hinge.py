"""minigan.losses.hinge: values, PyTorch, and who has a gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import assert_same_to_second_order, closeness, drawn, message, normal

import minigan as mg
from minigan.losses import hinge_discriminator_loss, hinge_generator_loss

close = closeness({"float64": 1e-12, "float32": 2e-6})
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@drawn(40)
@given(shapes=st.tuples(SHAPES, SHAPES), seed=st.integers(0, 2**31))
def test_values_are_miyatos_with_the_sign_turned(shapes, seed):
    """Equation 16 maximises E min(0, −1 + D(x)) + E min(0, −1 − D(G(z)))."""
    real, fake = 2 * normal(shapes[0], seed), 2 * normal(shapes[1], seed + 1)
    v = np.minimum(0, -1 + real).mean() + np.minimum(0, -1 - fake).mean()
    assert hinge_discriminator_loss(mg.Tensor(real), mg.Tensor(fake)).item() == pytest.approx(-v, rel=1e-12, abs=1e-14)
    assert hinge_generator_loss(mg.Tensor(fake)).item() == pytest.approx(-np.mean(fake), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_to_second_order_it_is_pytorchs(torch, dtype):
    arrays = [normal((4, 1)).astype(dtype), normal((5, 1), 1).astype(dtype)]
    relu = torch.relu
    assert_same_to_second_order(
        torch,
        lambda x, y: hinge_discriminator_loss(x**3, y**2),
        lambda x, y: relu(1 - x**3).mean() + relu(1 + y**2).mean(),
        arrays,
        (),
        close,
    )
    assert_same_to_second_order(
        torch, lambda y: hinge_generator_loss(y**3), lambda y: -(y**3).mean(), arrays[1:], (), close
    )


def test_only_samples_inside_the_margin_or_on_the_wrong_side_move_d():
    real = mg.tensor([-2.0, 0.5, 1.5], requires_grad=True)
    fake = mg.tensor([-1.5, -0.5, 2.0], requires_grad=True)
    to_real, to_fake = mg.grad(3 * hinge_discriminator_loss(real, fake), [real, fake])
    assert to_real.tolist() == [-1.0, -1.0, 0.0]
    assert to_fake.tolist() == [0.0, 1.0, 1.0]
    assert mg.grad(3 * hinge_generator_loss(fake), fake)[0].tolist() == [-1.0, -1.0, -1.0]


def test_errors_name_the_argument():
    kind, text = message(hinge_discriminator_loss, mg.zeros(3), None)
    assert kind is TypeError
    assert text.startswith("hinge_discriminator_loss: fake_outputs is of type NoneType")
    kind, text = message(hinge_generator_loss, mg.tensor([True]))
    assert kind is TypeError
    assert "fake_outputs has type bool" in text
