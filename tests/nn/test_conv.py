"""minigan.nn.conv: the four layers compute PyTorch's outputs and gradients, and begin as PyTorch's do."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan import nn

LAYERS = {
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3, 2, 1, 2, 2, False), (2, 4, 11)),
    "Conv1d, same": (lambda nn: nn.Conv1d(2, 3, 3, padding="same"), (2, 2, 5)),
    "Conv2d": (lambda nn: nn.Conv2d(2, 3, 4, 2, 1), (2, 2, 6, 6)),
    "Conv2d, pairs": (lambda nn: nn.Conv2d(2, 3, (2, 3), (1, 2), (2, 0), (2, 1)), (2, 2, 5, 6)),
    "Conv2d, groups": (lambda nn: nn.Conv2d(4, 6, 3, groups=2, bias=False), (2, 4, 5, 4)),
    "ConvTranspose1d": (lambda nn: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2, True, 2), (2, 4, 5)),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(2, 3, 4, 2, 1), (2, 2, 3, 3)),
    "ConvTranspose2d, pairs": (
        lambda nn: nn.ConvTranspose2d(2, 3, (2, 3), (1, 2), (0, 1), output_padding=(0, 1), dilation=(2, 1)),
        (2, 2, 3, 4),
    ),
    "ConvTranspose2d, groups": (lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, groups=2, bias=False), (2, 4, 2, 3)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch, about a copy that it makes
@pytest.mark.parametrize("kernels", ["reference", "cpu"])
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_pytorchs(torch, name, kernels):
    build, shape = LAYERS[name]
    ours, theirs = build(nn).double(), build(torch.nn).double()
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [
        (n, tuple(p.shape)) for n, p in theirs.named_parameters()
    ]
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal(shape)
    mine, yours = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    with mg.backend.use_kernels(kernels):
        a, b = ours(mine), theirs(yours)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)
        (a**2).sum().backward(), (b**2).sum().backward()
    for t, u in zip((mine, *ours.parameters()), (yours, *theirs.parameters()), strict=True):
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("build", "fan_in"),
    [
        (lambda nn: nn.Conv1d(6, 400, 5, groups=2), 3 * 5),
        (lambda nn: nn.Conv2d(3, 400, (4, 2)), 3 * 8),
        (lambda nn: nn.ConvTranspose1d(300, 400, 3), 400 * 3),
        (lambda nn: nn.ConvTranspose2d(8, 400, (2, 3), groups=4), 100 * 6),
    ],
    ids=["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"],
)
def test_the_initial_distribution_is_pytorchs(torch, build, fan_in):
    """Uniform in ±1/√fan_in; a transposed convolution counts its *outputs* as fan_in, in PyTorch as well."""
    from scipy.stats import ks_2samp

    mg.manual_seed(0)
    torch.manual_seed(0)
    for (_, p), (_, q) in zip(build(nn).named_parameters(), build(torch.nn).named_parameters(), strict=True):
        for values in (p.numpy(), q.detach().numpy()):
            assert 0.97 / math.sqrt(fan_in) < abs(values).max() <= 1.000001 / math.sqrt(fan_in)
        assert ks_2samp(p.numpy().ravel()[:10_000], q.detach().numpy().ravel()[:10_000]).pvalue > 0.01
        assert p.dtype == np.float32


def test_the_same_seed_gives_the_same_layer():
    def weights(seed):
        mg.manual_seed(seed)
        return [p.tolist() for p in nn.Conv2d(2, 3, 3).parameters()]

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(1, 64, 4, stride=2, padding=1), "Conv2d(1, 64, kernel_size=4, stride=2, padding=1)"),
        (nn.Conv2d(1, 2, 3, padding="same", bias=False), "Conv2d(1, 2, kernel_size=3, padding=same, bias=False)"),
        (nn.Conv2d(4, 4, (3, 5), groups=2), "Conv2d(4, 4, kernel_size=(3, 5), groups=2)"),
        (nn.Conv1d(1, 2, 3, dilation=2), "Conv1d(1, 2, kernel_size=3, dilation=2)"),
        (
            nn.ConvTranspose2d(2, 1, 4, 2, 1, output_padding=1),
            "ConvTranspose2d(2, 1, kernel_size=4, stride=2, padding=1, output_padding=1)",
        ),
        (nn.ConvTranspose1d(2, 1, 4), "ConvTranspose1d(2, 1, kernel_size=4)"),
    ],
)
def test_repr_tells_what_is_not_the_default(layer, expected):
    assert repr(layer) == expected


def test_sizes_may_be_integers_of_numpy():
    n = np.int64(2)
    assert nn.Conv2d(n, n, n, stride=n, padding=n, dilation=n, groups=n)(mg.ones(1, 2, 4, 4)).shape == (1, 2, 3, 3)


NAMES = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((0, 4, 3), "in_channels must be a positive integer, got 0"),
        ((4, 2.0, 3), "out_channels must be a positive integer, got 2.0"),
        ((4, 4, 0), "kernel_size must be a positive integer, got 0"),
        ((4, 4, (3, 3, 3)), "kernel_size must have {axes} entries, got (3, 3, 3)"),
        ((4, 4, 3, 1, 0), "4 and 4 channels cannot be cut into 3 groups"),
        ((4, 4, 3, 1, 0), "groups must be a positive integer, got -1"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(name, arguments, what):
    groups = {"groups": 3} if "cut" in what else {"groups": -1} if "groups" in what else {}
    with pytest.raises(ValueError) as error:
        getattr(nn, name)(*arguments, **groups)
    assert str(error.value) == f"{name}: {what.format(axes=1 if '1d' in name else 2)}"


def test_an_input_that_does_not_fit_is_refused_by_the_function():
    message = r"^conv2d: input of shape \(2, 3, 8, 8\) has 3 channels, but weight of shape \(4, 1, 3, 3\) expects 1$"
    with pytest.raises(ValueError, match=message):
        nn.Conv2d(1, 4, 3)(mg.ones(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"^conv_transpose2d: input must be \(N, C, H, W\) or \(C, H, W\)"):
        nn.ConvTranspose2d(1, 4, 3)(mg.ones(2, 3))
