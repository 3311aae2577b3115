"""minigan.nn.spectral_norm: numbers and derivatives are PyTorch's, σ is the largest singular value, the state is kept."""

import importlib.util

import numpy as np
import pytest

import minigan as mg
from minigan import nn

LAYERS = {  # how either library makes it, and the shape of an input
    "Linear": (lambda nn: nn.Linear(5, 4), (3, 5)),
    "Linear without bias": (lambda nn: nn.Linear(2, 6, bias=False), (3, 2)),
    "Conv1d": (lambda nn: nn.Conv1d(2, 3, 3, padding=1), (2, 2, 6)),
    "Conv2d": (lambda nn: nn.Conv2d(2, 6, (4, 3), stride=2, padding=1, groups=2), (2, 2, 6, 5)),
    "ConvTranspose1d": (lambda nn: nn.ConvTranspose1d(3, 2, 4, stride=2), (2, 3, 4)),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(4, 6, (4, 3), stride=2, padding=1, groups=2), (2, 4, 3, 2)),
    "Embedding": (lambda nn: nn.Embedding(5, 3), None),
}
EACH = pytest.mark.parametrize("layer", LAYERS)


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def input_of(layer):
    shape = LAYERS[layer][1]
    return np.array([0, 3, 3, 1]) if shape is None else normal(*shape)


def matrix_of(layer):
    """The weight as (out, rest), made in NumPy."""
    w = layer.weight.detach().numpy()
    w = np.moveaxis(w, 1, 0) if isinstance(layer, nn.ConvTranspose2d) else w
    return w.reshape(len(w), -1)


def pair(torch, layer):
    """The layer in both libraries, in float64 and in the same state."""
    torch.manual_seed(0)
    theirs = torch.nn.utils.parametrizations.spectral_norm(LAYERS[layer][0](torch.nn).double())
    ours = nn.spectral_norm(LAYERS[layer][0](nn)).double()
    state = {name: a.detach().numpy().copy() for name, a in theirs.state_dict().items()}
    names = {"parametrizations.weight.original": "layer.weight", "bias": "layer.bias"} | {
        f"parametrizations.weight.0._{x}": x for x in "uv"
    }
    ours.load_state_dict({names[name]: a for name, a in state.items()})
    return ours, theirs


def weight_of(theirs):
    return theirs.parametrizations.weight.original


def assert_same_state(ours, theirs):
    for x in "uv":
        np.testing.assert_allclose(
            getattr(ours, x).numpy(),
            getattr(theirs.parametrizations.weight[0], f"_{x}").numpy(),
            rtol=1e-10,
            atol=1e-13,
        )


@EACH
def test_outputs_gradients_and_vectors_are_pytorchs_over_several_steps(torch, layer):
    """In training and evaluation by turns, with steps of gradient descent in between."""
    ours, theirs = pair(torch, layer)
    array = input_of(layer)
    for training in (True, True, False, True):
        ours.train(training), theirs.train(training)
        mine, yours = mg.tensor(array), torch.tensor(array)
        if array.dtype == np.float64:
            mine.requires_grad_(), yours.requires_grad_()
        a, b = ours(mine), theirs(yours)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-13)
        assert_same_state(ours, theirs)
        leaves = [ours.layer.weight] + ([mine] if mine.requires_grad else [])
        (first, *rest) = mg.grad((a**3).sum(), leaves)
        expected = torch.autograd.grad((b**3).sum(), [weight_of(theirs)] + ([yours] if rest else []))
        for g, h in zip((first, *rest), expected, strict=True):
            np.testing.assert_allclose(g.numpy(), h.numpy(), rtol=1e-9, atol=1e-12)
        ours.layer.weight.data = ours.layer.weight.data - 0.3 * first.data
        with torch.no_grad():
            weight_of(theirs).sub_(0.3 * expected[0])


@EACH
def test_second_derivatives_are_pytorchs(torch, layer):
    ours, theirs = (m.eval() for m in pair(torch, layer))
    array = input_of(layer)
    a, b = ours(mg.tensor(array)).tanh(), theirs(torch.tensor(array)).tanh()
    (g,) = mg.grad((a**2).sum(), ours.layer.weight, create_graph=True)
    (h,) = torch.autograd.grad((b**2).sum(), weight_of(theirs), create_graph=True)
    (gg,) = mg.grad((g**2).sum(), ours.layer.weight)
    (hh,) = torch.autograd.grad((h**2).sum(), weight_of(theirs))
    np.testing.assert_allclose(gg.numpy(), hh.numpy(), rtol=1e-8, atol=1e-11)


def test_derivatives_to_second_order_agree_with_differences():
    layer = nn.spectral_norm(nn.Linear(3, 4)).double().eval()
    own = layer.layer.weight

    def f(w, x):
        vars(layer.layer)["weight"] = w
        try:
            return layer(x).tanh()
        finally:
            vars(layer.layer)["weight"] = own

    assert mg.check.gradcheck(f, [own, mg.Tensor(normal(2, 3))], order=2)


@EACH
def test_sigma_comes_to_the_largest_singular_value(layer):
    ours = nn.spectral_norm(LAYERS[layer][0](nn).double())
    x = mg.tensor(input_of(layer))
    for _ in range(300):
        ours(x)
    w = matrix_of(ours.layer)
    u, s, vt = np.linalg.svd(w)
    assert s[0] / s[1] > 1.02  # else this may take long
    np.testing.assert_allclose(ours.weight.detach().numpy() * s[0], ours.layer.weight.detach().numpy(), rtol=1e-4)
    assert abs(u[:, 0] @ ours.u.numpy()) == pytest.approx(1, abs=1e-3)
    assert abs(vt[0] @ ours.v.numpy()) == pytest.approx(1, abs=1e-3)


def test_a_weight_may_be_scaled_by_anything():
    """W/σ(W) does not depend on the length of W, so the gradient is at right angles to W (Miyato et al. 2018, eq. 12)."""
    layer = nn.spectral_norm(nn.Linear(5, 4, bias=False)).double().eval()
    x = mg.Tensor(normal(3, 5))
    before = layer(x)
    (g,) = mg.grad((before**3).sum(), layer.layer.weight)
    assert abs((g * layer.layer.weight).sum().item()) < 1e-12 * g.norm().item()
    layer.layer.weight.data = 100 * layer.layer.weight.data
    np.testing.assert_allclose(layer(x).detach().numpy(), before.detach().numpy(), rtol=1e-12)


# ---------------------------------------------------------------------------------------------------------- the state


def test_the_vectors_move_in_training_and_stay_in_evaluation():
    layer = nn.spectral_norm(nn.Linear(5, 4))
    layer.layer.weight.data = np.float32(normal(4, 5))

    def vectors():
        return np.concatenate([layer.u.numpy(), layer.v.numpy()])

    x, start = mg.ones(2, 5), vectors()
    layer.eval()(x)
    np.testing.assert_array_equal(vectors(), start)
    layer.train()
    layer(x)
    once = vectors()
    assert abs(once - start).max() > 1e-3
    with mg.no_grad():
        layer(x)
    twice = vectors()
    assert abs(twice - once).max() > 1e-4

    steps_at_once = nn.spectral_norm(nn.Linear(5, 4), n_power_iterations=2)
    steps_at_once.load_state_dict(layer.state_dict() | {"u": start[:4], "v": start[4:]})
    steps_at_once(x)
    np.testing.assert_array_equal(steps_at_once.u.numpy(), layer.u.numpy())


def test_the_vectors_begin_with_15_iterations_from_chance():
    inner = nn.Linear(5, 4).double()
    mg.manual_seed(1)
    layer = nn.spectral_norm(inner)
    mg.manual_seed(1)
    _, v = mg.randn(4, dtype=np.float64), mg.randn(5, dtype=np.float64).numpy()
    w = inner.weight.detach().numpy()
    for _ in range(15):
        u = w @ v / np.linalg.norm(w @ v)
        v = w.T @ u / np.linalg.norm(w.T @ u)
    np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-10)
    np.testing.assert_allclose(layer.v.numpy(), v, rtol=1e-10)


def test_two_passes_make_one_loss():
    """D(real) − D(fake): the second pass moves u and v, and the first one's graph still holds those that it used."""
    layer = nn.spectral_norm(nn.Linear(5, 1))
    layer.layer.weight.data = np.float32(normal(1, 5))
    (layer(mg.ones(2, 5)) - layer(mg.zeros(2, 5))).sum().backward()
    assert np.isfinite(layer.layer.weight.grad.numpy()).all()


def test_parameters_and_state_are_those_of_the_layer_and_the_vectors():
    layer = nn.spectral_norm(nn.Conv2d(2, 3, 4))
    assert [name for name, _ in layer.named_parameters()] == ["layer.weight", "layer.bias"]
    assert {name: a.shape for name, a in layer.state_dict().items()} == {
        "u": (3,),
        "v": (32,),
        "layer.weight": (3, 2, 4, 4),
        "layer.bias": (3,),
    }
    net, other = (nn.Sequential(nn.spectral_norm(nn.Conv2d(1, 3, 4)), nn.Flatten()) for _ in range(2))
    x = mg.randn(2, 1, 5, 5)
    net(x)
    other.load_state_dict(net.state_dict())
    for _ in range(2):  # in training, so that the vectors count
        np.testing.assert_array_equal(net(x).detach().numpy(), other(x).detach().numpy())
    assert repr(layer) == "SpectralNorm(\n  (layer): Conv2d(2, 3, kernel_size=4)\n)"
    line = next(line for line in net.summary((1, 5, 5)).splitlines() if "Conv2d" in line)
    assert line.split() == ["0.layer", "Conv2d", "3", "×", "2", "×", "2", "51"]  # 3·16 + 3 parameters


def test_the_layers_own_weight_is_back_in_its_place_after_an_error():
    layer = nn.spectral_norm(nn.Linear(3, 2))
    own = layer.layer.weight
    with pytest.raises(ValueError, match="linear"):
        layer(mg.ones(2, 4))
    assert layer.layer.weight is own
    assert isinstance(own, nn.Parameter)


def test_an_optimiser_and_a_frozen_network_see_the_layers_weight():
    D = nn.Sequential(nn.spectral_norm(nn.Linear(3, 2)), nn.LeakyReLU(0.2), nn.spectral_norm(nn.Linear(2, 1)))
    before = D[0].layer.weight.data.copy()
    x = mg.ones(2, 3, requires_grad=True)
    with nn.frozen(D):
        D(x).sum().backward()
    assert x.grad is not None
    assert D[0].layer.weight.grad is None
    optimiser = mg.optim.SGD(D.parameters(), lr=0.1)
    D(x).sum().backward()
    optimiser.step()
    assert abs(D[0].layer.weight.data - before).max() > 1e-4


def test_a_discriminator_of_such_layers_stretches_nothing():
    D = nn.Sequential(nn.spectral_norm(nn.Linear(6, 8)), nn.LeakyReLU(0.2), nn.spectral_norm(nn.Linear(8, 1))).double()
    for p in D.parameters():
        p.data = 10 * p.data
    for _ in range(100):
        D(mg.zeros(1, 6, dtype=np.float64))
    x = mg.Tensor(5 * normal(50, 6), requires_grad=True)
    (slopes,) = mg.grad(D.eval()(x).sum(), x)
    assert 0.05 < slopes.norm(dim=1).max().item() <= 1 + 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_computes_in_the_layers_type(dtype):
    layer = nn.spectral_norm(nn.Linear(3, 2)).to(dtype)
    assert (layer(mg.ones(2, 3, dtype=dtype)).dtype, layer.u.dtype, layer.v.dtype) == (dtype,) * 3


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
def test_on_a_device_it_is_the_cpus():
    found = []
    for device in ("cpu", "cudasim"):
        mg.manual_seed(0)
        layer = nn.spectral_norm(nn.Conv2d(1, 2, 3).to(device))
        y = layer(mg.tensor(normal(1, 1, 4, 4).astype("float32"), device=device))
        (y**2).sum().backward()
        found.append([t.cpu().detach().numpy() for t in (y, layer.u, layer.v, layer.layer.weight.grad)])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


# ----------------------------------------------------------------------------------------------------------- refusals


def test_what_has_no_weight_to_norm_is_refused():
    for module, said in (
        (nn.ReLU(), "ReLU, which has no weight of its own"),
        (nn.BatchNorm2d(3), r"BatchNorm2d, which has a weight of shape \(3,\)"),
        (nn.spectral_norm(nn.Linear(2, 2)), "SpectralNorm, which has no weight"),
        (3, "got int, which has no weight"),
    ):
        with pytest.raises(TypeError, match=said):
            nn.spectral_norm(module)
    with pytest.raises(ValueError, match="n_power_iterations must be a positive integer, got 0"):
        nn.spectral_norm(nn.Linear(2, 2), 0)
    layer = nn.Linear(2, 2)
    layer.weight.data = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match="the weight is 0 everywhere"):
        nn.spectral_norm(layer)
