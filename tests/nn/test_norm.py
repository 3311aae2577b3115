"""minigan.nn.norm: the layers are PyTorch's in training and evaluation, with their running statistics over several steps."""

import numpy as np
import pytest
from parity import KERNELS

import minigan as mg
from minigan import nn

BATCH_NORMS = {
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(3), (5, 3)),
    "BatchNorm1d, signals": (lambda nn: nn.BatchNorm1d(3), (4, 3, 6)),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3), (2, 3, 4, 5)),
    "momentum and ε": (lambda nn: nn.BatchNorm2d(3, 0.8, 0.3), (2, 3, 4, 5)),
    "not affine": (lambda nn: nn.BatchNorm2d(3, affine=False), (2, 3, 4, 5)),
    "no running statistics": (lambda nn: nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 5)),
    "neither": (lambda nn: nn.BatchNorm1d(3, affine=False, track_running_stats=False), (5, 3)),
}
OTHERS = {
    "LayerNorm": (lambda nn: nn.LayerNorm(5), (2, 3, 4, 5)),
    "LayerNorm, several axes": (lambda nn: nn.LayerNorm([4, 5], 0.1), (2, 3, 4, 5)),
    "LayerNorm, not affine": (lambda nn: nn.LayerNorm((3, 4, 5), elementwise_affine=False), (2, 3, 4, 5)),
    "GroupNorm": (lambda nn: nn.GroupNorm(3, 6, 0.1), (2, 6, 4, 5)),
    "GroupNorm, not affine": (lambda nn: nn.GroupNorm(2, 6, affine=False), (2, 6, 4, 5)),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(3), (2, 3, 4, 5)),
    "InstanceNorm2d, affine": (lambda nn: nn.InstanceNorm2d(3, 0.1, affine=True), (2, 3, 4, 5)),
}


def same_step(torch, ours, theirs, x):
    """One pass both ways: output, gradients, and all that the layers hold afterwards."""
    mine, yours = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    ours.zero_grad(), theirs.zero_grad()
    a, b = ours(mine), theirs(yours)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-10)
    (a**3).sum().backward(), (b**3).sum().backward()
    for t, u in zip((mine, *ours.parameters()), (yours, *theirs.parameters()), strict=True):
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy(), rtol=1e-8, atol=1e-8)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert state[key].dtype == value.numpy().dtype
        np.testing.assert_allclose(state[key], value.numpy(), rtol=1e-12, atol=1e-12)


def pair(torch, build):
    """The layer in both libraries, in float64, with random weights that are the same."""
    ours, theirs = build(nn).double(), build(torch.nn).double()
    rng = np.random.default_rng(0)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        p.data = rng.standard_normal(p.shape)
        q.data = torch.tensor(p.data)
    return ours, theirs


@KERNELS
@pytest.mark.parametrize("name", BATCH_NORMS)
def test_batch_norm_is_pytorchs_over_several_steps_and_in_evaluation(torch, name, kernels):
    build, shape = BATCH_NORMS[name]
    ours, theirs = pair(torch, build)
    rng = np.random.default_rng(1)
    with mg.backend.use_kernels(kernels):
        for step, training in enumerate([True, True, True, False, True, False]):
            ours.train(training), theirs.train(training)
            same_step(torch, ours, theirs, rng.standard_normal(shape) * (step + 1) + step)
    if ours.running_mean is not None:
        assert ours.num_batches_tracked.item() == 4


@KERNELS
@pytest.mark.parametrize("name", OTHERS)
def test_the_others_are_pytorchs_in_training_and_in_evaluation_alike(torch, name, kernels):
    build, shape = OTHERS[name]
    ours, theirs = pair(torch, build)
    x = np.random.default_rng(1).standard_normal(shape)
    with mg.backend.use_kernels(kernels):
        same_step(torch, ours, theirs, x)
        before = ours(mg.tensor(x)).tolist()
        assert ours.eval()(mg.tensor(x)).tolist() == before


@pytest.mark.parametrize("name", [*BATCH_NORMS, *OTHERS])
def test_a_layer_begins_as_pytorchs_does(torch, name):
    """Weight 1, bias 0, running mean 0, running variance 1, no batch seen; float32 and int64."""
    build = (BATCH_NORMS | OTHERS)[name][0]
    ours, theirs = build(nn).state_dict(), build(torch.nn).state_dict()
    assert [(k, v.dtype, v.tolist()) for k, v in ours.items()] == [
        (k, v.numpy().dtype, v.tolist()) for k, v in theirs.items()
    ]


def test_without_running_statistics_evaluation_uses_the_batch():
    layer = nn.BatchNorm1d(2, track_running_stats=False)
    x = mg.randn(5, 2, generator=np.random.default_rng(0))
    assert layer.eval()(x).tolist() == layer.train()(x).tolist()


def test_a_pass_in_evaluation_moves_nothing():
    layer = nn.BatchNorm1d(2).eval()
    layer(mg.randn(5, 2))
    assert [b.tolist() for b in layer.buffers()] == [[0, 0], [1, 1], 0]


@KERNELS
@pytest.mark.parametrize("name", [*BATCH_NORMS, *OTHERS])
def test_first_and_second_derivatives_agree_with_differences(name, kernels):
    """To the input; that the running statistics move meanwhile changes nothing, for training does not use them."""
    build, shape = (BATCH_NORMS | OTHERS)[name]
    layer = build(nn).double()
    x = mg.randn(*shape, dtype=np.float64, generator=np.random.default_rng(0), requires_grad=True)
    with mg.backend.use_kernels(kernels):
        assert mg.check.gradcheck(lambda x: layer(x) ** 2, x, order=2, directions=2)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.BatchNorm1d(3), "BatchNorm1d(3, eps=1e-05, momentum=0.1)"),
        (nn.BatchNorm2d(3, 0.8), "BatchNorm2d(3, eps=0.8, momentum=0.1)"),
        (nn.LayerNorm(5), "LayerNorm((5,), eps=1e-05)"),
        (nn.LayerNorm([4, 5]), "LayerNorm((4, 5), eps=1e-05)"),
        (nn.GroupNorm(3, 6), "GroupNorm(3, 6, eps=1e-05)"),
        (nn.InstanceNorm2d(3), "InstanceNorm2d(3, eps=1e-05)"),
    ],
)
def test_repr_says_which_number_is_ε(layer, expected):
    assert repr(layer) == expected


# ------------------------------------------------------------------------------------------------------------ errors


def x(*shape):
    return mg.ones(*shape)


ERRORS = {
    "BatchNorm1d: expected 2 or 3 axes, got shape (2, 3, 4, 5)": lambda: nn.BatchNorm1d(3)(x(2, 3, 4, 5)),
    "BatchNorm2d: expected 4 axes, got shape (2, 3)": lambda: nn.BatchNorm2d(3)(x(2, 3)),
    "BatchNorm2d: expected 3 channels, got shape (2, 4, 5, 5)": lambda: nn.BatchNorm2d(3)(x(2, 4, 5, 5)),
    "batch_norm: needs at least 2 values a channel in training, input has shape (1, 3)": (
        lambda: nn.BatchNorm1d(3)(x(1, 3))
    ),
    "BatchNorm2d: num_features must be a positive integer, got 0": lambda: nn.BatchNorm2d(0),
    "LayerNorm: normalized_shape must be a positive integer, got 0": lambda: nn.LayerNorm((3, 0)),
    "layer_norm: the last axes of input, of shape (2, 3), are not (5,)": lambda: nn.LayerNorm(5)(x(2, 3)),
    "GroupNorm: num_groups must be a positive integer, got 0": lambda: nn.GroupNorm(0, 3),
    "GroupNorm: num_channels must be a positive integer, got -6": lambda: nn.GroupNorm(2, -6),
    "GroupNorm: 6 channels cannot be cut into 4 groups": lambda: nn.GroupNorm(4, 6),
    "group_norm: the channels of input (2, 4, 5) cannot be cut into 3 groups": (lambda: nn.GroupNorm(3, 6)(x(2, 4, 5))),
    "group_norm: weight must have shape (9,) for input of shape (2, 9, 5), got (6,)": (
        lambda: nn.GroupNorm(3, 6)(x(2, 9, 5))
    ),
    "InstanceNorm2d: num_features must be a positive integer, got '3'": lambda: nn.InstanceNorm2d("3"),
    "InstanceNorm2d: expected (N, 3, H, W), got shape (2, 4, 5, 5)": lambda: nn.InstanceNorm2d(3)(x(2, 4, 5, 5)),
    "InstanceNorm2d: expected (N, 3, H, W), got shape (3, 5, 5)": lambda: nn.InstanceNorm2d(3)(x(3, 5, 5)),
    "InstanceNorm2d: needs at least 2 pixels a channel, got shape (2, 3, 1, 1)": (
        lambda: nn.InstanceNorm2d(3)(x(2, 3, 1, 1))
    ),
}


@pytest.mark.parametrize("expected", ERRORS)
def test_error_says_what_came_and_what_was_expected(expected):
    with pytest.raises(ValueError) as error:
        ERRORS[expected]()
    assert str(error.value) == expected


def test_without_a_momentum_the_running_statistics_are_the_plain_average(torch):
    ours, theirs = nn.BatchNorm1d(2, momentum=None), torch.nn.BatchNorm1d(2, momentum=None)
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal((5, 2)).astype(np.float32)
        ours(mg.Tensor(x))
        theirs(torch.tensor(x))
    np.testing.assert_allclose(ours.running_mean.numpy(), theirs.running_mean.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.running_var.numpy(), theirs.running_var.numpy(), rtol=1e-5)
