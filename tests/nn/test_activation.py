"""minigan.nn.activation: each layer is its function with its settings, and PyTorch's layer of the same name."""

import numpy as np
import pytest

import minigan as mg
from minigan import functional, nn

# The layer, the function that it stands for, and its repr.
LAYERS = {
    "ReLU": (lambda nn: nn.ReLU(), functional.relu, "ReLU()"),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(), lambda x: functional.leaky_relu(x, 0.01), "LeakyReLU(0.01)"),
    "LeakyReLU, slope": (lambda nn: nn.LeakyReLU(0.2), lambda x: functional.leaky_relu(x, 0.2), "LeakyReLU(0.2)"),
    "PReLU": (lambda nn: nn.PReLU(), lambda x: functional.leaky_relu(x, 0.25), "PReLU()"),
    "PReLU, channels": (lambda nn: nn.PReLU(3, 0.1), lambda x: functional.leaky_relu(x, 0.1), "PReLU()"),
    "ELU": (lambda nn: nn.ELU(), functional.elu, "ELU(1.0)"),
    "ELU, α": (lambda nn: nn.ELU(0.3), lambda x: functional.elu(x, 0.3), "ELU(0.3)"),
    "GELU": (lambda nn: nn.GELU(), functional.gelu, "GELU()"),
    "GELU, tanh": (lambda nn: nn.GELU("tanh"), lambda x: functional.gelu(x, "tanh"), "GELU()"),
    "SiLU": (lambda nn: nn.SiLU(), functional.silu, "SiLU()"),
    "Sigmoid": (lambda nn: nn.Sigmoid(), functional.sigmoid, "Sigmoid()"),
    "Tanh": (lambda nn: nn.Tanh(), functional.tanh, "Tanh()"),
    "Softplus": (lambda nn: nn.Softplus(), functional.softplus, "Softplus()"),
    "Softplus, β": (lambda nn: nn.Softplus(2.0), lambda x: functional.softplus(x, 2.0), "Softplus()"),
    "Softmax": (lambda nn: nn.Softmax(1), lambda x: functional.softmax(x, 1), "Softmax()"),
    "LogSoftmax": (lambda nn: nn.LogSoftmax(dim=-1), lambda x: functional.log_softmax(x, -1), "LogSoftmax()"),
}
EVERY = pytest.mark.parametrize("name", LAYERS)
X = np.random.default_rng(0).standard_normal((2, 3, 4)) * 2


@EVERY
def test_a_layer_is_its_function_in_training_and_in_evaluation(name):
    build, function, _ = LAYERS[name]
    layer, x = build(nn), mg.Tensor(X.astype(np.float32))
    expected = function(x).numpy()
    for y in (layer(x), layer.eval()(x)):
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-6)


@EVERY
def test_outputs_and_gradients_are_pytorchs(torch, name):
    ours, theirs = LAYERS[name][0](nn).double(), LAYERS[name][0](torch.nn).double()
    assert [(key, value.tolist()) for key, value in ours.state_dict().items()] == [
        (key, value.tolist()) for key, value in theirs.state_dict().items()
    ]
    mine, yours = mg.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    a, b = ours(mine), theirs(yours)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-15)
    (a**3).sum().backward(), (b**3).sum().backward()
    for t, u in zip((mine, *ours.parameters()), (yours, *theirs.parameters()), strict=True):
        np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy(), rtol=1e-10, atol=1e-12)


@EVERY
def test_repr(name):
    assert repr(LAYERS[name][0](nn)) == LAYERS[name][2]


def test_softplus_has_no_threshold_beyond_which_it_is_the_identity(torch):
    """PyTorch's has one at 20, where it drops 2·10⁻⁹."""
    x = mg.tensor([21.0], dtype=np.float64)
    assert nn.Softplus()(x).item() == np.log1p(np.exp(-21)) + 21 != 21
    assert torch.nn.Softplus()(torch.tensor([21.0], dtype=torch.float64)).item() == 21


def test_the_slope_of_prelu_is_learned():
    layer = nn.PReLU()
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    layer(mg.tensor([-2.0, 3.0])).sum().backward()
    assert layer.weight.grad.tolist() == [-2.0]


def test_maxout_takes_the_largest_of_neighbouring_units():
    net = nn.Sequential(nn.Linear(3, 8), nn.Maxout(4))
    x = mg.randn(5, 3, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(net(x).detach().numpy(), net[0](x).detach().numpy().reshape(5, 2, 4).max(-1))
    assert repr(nn.Maxout(4)) == "Maxout(4)"
    assert nn.Maxout(2, dim=0)(mg.tensor([1.0, 3.0, 2.0, 0.0])).tolist() == [3.0, 2.0]


def test_an_input_that_does_not_fit_is_refused_by_the_function():
    with pytest.raises(ValueError, match=r"^maxout: 3 places of dim 1 cannot be cut into groups of 2$"):
        nn.Maxout(2)(mg.ones(4, 3))
    with pytest.raises(
        ValueError, match=r"^prelu: weight has shape \(4,\), expected one number or one for each channel"
    ):
        nn.PReLU(4)(mg.ones(2, 3))
    with pytest.raises(IndexError, match=r"^softmax: dim is 1, but a tensor of 1 axes has dims -1 to 0$"):
        nn.Softmax(1)(mg.ones(3))
    with pytest.raises(ValueError, match=r"^gelu: approximate must be 'none' or 'tanh', got 'erf'$"):
        nn.GELU("erf")(mg.ones(3))


@pytest.mark.parametrize("layer", [nn.ReLU(True), nn.LeakyReLU(0.2, inplace=True), nn.ELU(inplace=True), nn.SiLU(True)])
def test_inplace_is_taken_and_changes_nothing_in_place(layer):
    x = mg.tensor([-1.0, 2.0])
    layer(x)
    assert x.tolist() == [-1, 2]
