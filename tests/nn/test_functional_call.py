"""minigan.nn.functional_call: what is computed with other parameters, what comes back afterwards, and every refusal."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.nn import functional_call


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def others(module, seed=1):
    """A leaf in the shape of each parameter, with other numbers."""
    rng = np.random.default_rng(seed)
    return {name: mg.Tensor(rng.standard_normal(p.shape), requires_grad=True) for name, p in module.named_parameters()}


def network():
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(12, 2), nn.PReLU()
    ).double()


def attributes(module):
    """Every attribute of every module inside, in order, by identity."""
    return [(path, name, id(value)) for path, m in module.named_modules() for name, value in vars(m).items()]


@pytest.mark.parametrize("training", [True, False])
def test_it_is_the_network_that_has_these_parameters(training):
    net, twin, x = network().train(training), network().train(training), mg.Tensor(normal(4, 1, 4, 4))
    new = others(net)
    for name, p in twin.named_parameters():
        p.data = new[name].data
    before = attributes(net)
    ours, expected = functional_call(net, new, x), twin(x)
    assert attributes(net) == before
    np.testing.assert_array_equal(ours.detach().numpy(), expected.detach().numpy())
    found = mg.grad((ours**3).sum(), list(new.values()))
    for (name, p), g, h in zip(twin.named_parameters(), found, mg.grad((expected**3).sum(), list(twin.parameters()))):
        np.testing.assert_array_equal(g.numpy(), h.numpy(), err_msg=name)
        assert np.any(g.numpy()), name
        assert p.grad is None
    for ours, theirs in zip(net.buffers(), twin.buffers()):  # they move as in any call
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_values_and_derivatives_are_pytorchs(torch):
    net, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), normal(5, 3)
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    theirs.load_state_dict({name: torch.tensor(a) for name, a in net.state_dict().items()})
    arrays = {name: t.detach().numpy() for name, t in others(net).items()}
    del arrays["2.bias"]  # stays as it is

    def second(call, module, tensor, grad):
        leaves = {name: tensor(a) for name, a in arrays.items()}
        y = call(module, leaves)
        first = grad((y**3).sum(), [*leaves.values(), module[2].bias], create_graph=True)
        return [y, *first, *grad(sum((g**2).sum() for g in first), list(leaves.values()))]

    ours = second(lambda m, p: functional_call(m, p, mg.Tensor(x)), net, lambda a: mg.Tensor(a, True), mg.grad)
    expected = second(
        lambda m, p: torch.func.functional_call(m, p, (torch.tensor(x),)),
        theirs,
        lambda a: torch.tensor(a, requires_grad=True),
        torch.autograd.grad,
    )
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_the_gradient_goes_on_to_what_the_parameters_were_computed_from():
    """θ − η·g: with respect to η, to the network's own θ, and to second order against differences."""
    net, x = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double(), mg.Tensor(normal(4, 2))
    directions = others(net)

    def loss(lr):
        return functional_call(net, {n: p - lr * directions[n] for n, p in net.named_parameters()}, x).sum()

    assert mg.check.gradcheck(loss, mg.Tensor(np.array(0.3)), order=2)
    loss(mg.Tensor(np.array(0.3))).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_everything_is_back_after_an_error():
    net = network()
    before = attributes(net)
    with pytest.raises(ValueError, match=r"Conv2d|conv2d"):
        functional_call(net, others(net), mg.ones(2, 2, 4, 4, dtype=np.float64))
    assert attributes(net) == before
    with pytest.raises(ValueError, match="no such parameter"):
        functional_call(net, others(net) | {"nothing": mg.ones(1)}, mg.ones(2, 1, 4, 4))
    assert attributes(net) == before


def test_keywords_go_to_the_module_whatever_their_names():
    class Scaled(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(np.ones(2))

        def forward(self, x, *, module, parameters):
            return x * self.weight * module + parameters

    y = functional_call(Scaled(), {"weight": mg.Tensor(np.full(2, 3.0))}, mg.Tensor(np.ones(2)), module=2, parameters=1)
    assert y.tolist() == [7, 7]


# ------------------------------------------------------------------------------------------------------ tied, and nested


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self):
        self.down = nn.Linear(3, 3, bias=False).double()
        self.up = nn.Linear(3, 3, bias=False).double()
        self.up.weight = self.down.weight

    def forward(self, x):
        return self.up(self.down(x).tanh())


@pytest.mark.parametrize("name", ["down.weight", "up.weight"])
def test_a_shared_parameter_is_replaced_wherever_it_is(name):
    net, x = Tied(), mg.Tensor(normal(2, 3))
    own, new = net.down.weight, mg.Tensor(normal(3, 3, seed=2))
    expected = np.tanh(x.numpy() @ new.numpy().T) @ new.numpy().T
    np.testing.assert_allclose(functional_call(net, {name: new}, x).numpy(), expected, rtol=1e-12)
    assert net.down.weight is own
    assert net.up.weight is own
    assert functional_call(net, {"down.weight": new, "up.weight": new}, x).shape == (2, 3)
    with pytest.raises(ValueError, match=r"up.weight: this parameter is shared, and under another of its names"):
        functional_call(net, {"down.weight": new, "up.weight": new + 1}, x)


def test_calls_inside_of_calls():
    class Outer(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 1).double()

        def forward(self, x):
            return self.inner(x) + functional_call(self.inner, {"weight": 10 * self.inner.weight}, x) + self.inner(x)

    net, x, w = Outer(), mg.Tensor(normal(3, 2)), mg.Tensor(normal(1, 2, seed=3))
    own = net.inner.weight
    y = functional_call(net, {"inner.weight": w, "inner.bias": mg.Tensor(np.zeros(1))}, x)
    np.testing.assert_allclose(y.numpy(), 12 * x.numpy() @ w.numpy().T, rtol=1e-12)
    assert net.inner.weight is own


@pytest.mark.parametrize("training", [True, False])
def test_a_layer_of_spectral_norm_is_normed_by_the_weight_that_is_given(training):
    net, twin = (nn.Sequential(nn.spectral_norm(nn.Linear(3, 4)), nn.Tanh()).double().train(training) for _ in range(2))
    twin.load_state_dict(net.state_dict())
    new, x = others(net), mg.Tensor(normal(5, 3))
    for name, p in twin.named_parameters():
        p.data = new[name].data
    before, own = attributes(net), net.state_dict()
    ours, expected = functional_call(net, new, x), twin(x)
    assert attributes(net) == before
    np.testing.assert_array_equal(ours.detach().numpy(), expected.detach().numpy())
    for g, h in zip(mg.grad(ours.sum(), list(new.values())), mg.grad(expected.sum(), list(twin.parameters()))):
        np.testing.assert_array_equal(g.numpy(), h.numpy())
    for name in ("0.u", "0.v"):  # follow the given weight in training
        np.testing.assert_array_equal(net.state_dict()[name], twin.state_dict()[name])
        assert np.array_equal(net.state_dict()[name], own[name]) != training


def test_derivatives_through_spectral_norm_agree_with_differences():
    net, x = nn.spectral_norm(nn.Linear(3, 2)).double().eval(), mg.Tensor(normal(4, 3))

    def f(w, b):
        return functional_call(net, {"layer.weight": w, "layer.bias": b}, x).tanh()

    assert mg.check.gradcheck(f, [mg.Tensor(normal(2, 3)), mg.Tensor(normal(2))], order=2)


# ----------------------------------------------------------------------------------------------------------- refusals


def test_what_does_not_fit_is_refused_all_at_once():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    with pytest.raises(ValueError, match="do not fit Sequential") as error:
        functional_call(
            net, {"0.wieght": mg.ones(3, 2), "1.weight": mg.ones(3, 1), "1.bias": mg.ones(1)}, mg.ones(1, 2)
        )
    said = str(error.value)
    assert "0.wieght: there is no such parameter; there is 0.weight" in said
    assert r"1.weight: shape (3, 1) and type float32, expected (1, 3) and float32" in said
    assert "bias" not in said.splitlines()[-1]
    with pytest.raises(ValueError, match=r"type float64, expected .* float32"):
        functional_call(net, {"1.bias": mg.ones(1, dtype=np.float64)}, mg.ones(1, 2))
    with pytest.raises(
        ValueError, match=r"zzz: there is no such parameter; there is 0.weight, 0.bias, 1.weight, 1.bias"
    ):
        functional_call(net, {"zzz": mg.ones(1)}, mg.ones(1, 2))
    with pytest.raises(ValueError, match="x: there is no such parameter; there is none"):
        functional_call(nn.ReLU(), {"x": mg.ones(1)}, mg.ones(1, 2))


def test_buffers_are_not_parameters():
    with pytest.raises(ValueError, match="running_mean: there is no such parameter"):
        functional_call(nn.BatchNorm1d(2), {"running_mean": mg.zeros(2)}, mg.randn(4, 2))


def test_other_things_than_tensors_by_name_are_refused():
    net = nn.Linear(2, 1)
    with pytest.raises(TypeError, match="parameters is a list, expected a dict from names"):
        functional_call(net, list(net.parameters()), mg.ones(1, 2))
    with pytest.raises(TypeError, match="weight is to be replaced by a ndarray, expected a Tensor"):
        functional_call(net, {"weight": np.ones((1, 2), np.float32)}, mg.ones(1, 2))
