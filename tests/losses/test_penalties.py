"""minigan.losses.penalties: values, gradients by the weights (which are second derivatives), closed forms, and refusals."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn

import minigan as mg
from minigan import nn
from minigan.losses.penalties import (
    dragan_penalty,
    drift_penalty,
    feature_matching_loss,
    gradient_penalty,
    orthogonal_regularisation,
    r1_penalty,
    r2_penalty,
)

OF_SAMPLES = {  # each as a function of D, real and generated samples
    "WGAN-GP": lambda D, real, fake, **options: gradient_penalty(D, real, fake, **options),
    "WGAN-LP": lambda D, real, fake, **options: gradient_penalty(D, real, fake, one_sided=True, **options),
    "R1": lambda D, real, fake, generator=None: r1_penalty(D, real),
    "R2": lambda D, real, fake, generator=None: r2_penalty(D, fake),
    "DRAGAN": lambda D, real, fake, **options: dragan_penalty(D, real, **options),
}
EACH = pytest.mark.parametrize("penalty", OF_SAMPLES.values(), ids=OF_SAMPLES)
PICTURES = (5, 2, 8, 6)


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def normal(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def weights_of_a_critic(seed=0):
    """Of `critic`."""
    return [normal(4, 2, 4, 4, seed=seed) * 0.6, normal(4, seed=seed + 1), normal(1, 4, 3, 2, seed=seed + 2)]


def critic(lib, activation, weights, x):
    """conv, stride 2 → activation → conv: a map of verdicts for each picture."""
    first, bias, second = weights
    h = lib.conv2d(x, first, bias, stride=2, padding=1)
    return lib.conv2d(lib.tanh(h) if activation == "tanh" else lib.leaky_relu(h, 0.2), second)


def steepness(torch, D, x):
    x = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return g.flatten(1).norm(dim=1)


def in_pytorch(torch, name, D, real, fake, seed):
    """The formulas once more, in PyTorch, with the numbers that minigan's generator draws."""
    chance = mg.Generator(seed)
    of_each = (len(real), *[1] * (real.ndim - 1))
    if name in ("WGAN-GP", "WGAN-LP"):
        eps = torch.tensor(chance.random(of_each))
        excess = steepness(torch, D, eps * real + (1 - eps) * fake) - 1
        return ((excess.clamp(min=0) if name == "WGAN-LP" else excess) ** 2).mean()
    if name == "DRAGAN":
        u, alpha = torch.tensor(chance.random(tuple(real.shape))), torch.tensor(chance.random(of_each))
        perturbed = real + 0.5 * real.std(correction=0) * u
        return ((steepness(torch, D, real + alpha * (perturbed - real)) - 1) ** 2).mean()
    return (steepness(torch, D, real if name == "R1" else fake) ** 2).mean() / 2


@pytest.mark.parametrize("activation", ["tanh", "LeakyReLU"])
@pytest.mark.parametrize("name", OF_SAMPLES)
def test_values_and_gradients_by_the_weights_are_pytorchs(torch, name, activation):
    arrays = weights_of_a_critic()
    real, fake = normal(*PICTURES, seed=5), 2 * normal(*PICTURES, seed=6)
    ours = [mg.Tensor(w, requires_grad=True) for w in arrays]
    theirs = [torch.tensor(w, requires_grad=True) for w in arrays]
    lib = torch.nn.functional
    value = OF_SAMPLES[name](
        lambda x: critic(mg, activation, ours, x), mg.Tensor(real), mg.Tensor(fake), generator=mg.Generator(3)
    )
    expected = in_pytorch(
        torch, name, lambda x: critic(lib, activation, theirs, x), torch.tensor(real), torch.tensor(fake), 3
    )
    assert value.shape == ()
    assert value.item() > 0.01
    np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-12)
    expected = torch.autograd.grad(expected, theirs, allow_unused=True)
    for got, g in zip(mg.grad(value, ours, allow_unused=True), expected):
        if got is None:  # a bias moves a LeakyReLU's slopes only where it crosses the kink
            assert g is None or not g.any()
        else:
            np.testing.assert_allclose(got.numpy(), g.numpy(), rtol=1e-9, atol=1e-13)


@EACH
def test_first_and_second_derivatives_by_the_weights_agree_with_differences(penalty):
    real, fake = mg.Tensor(normal(3, 4)), mg.Tensor(normal(3, 4, seed=1))

    def f(first, second):
        return penalty(lambda x: (x @ first).tanh() @ second, real, fake, generator=mg.Generator(0))

    weights = [2 * normal(4, 5, seed=2), normal(5, 1, seed=3)]
    assert f(*map(mg.Tensor, weights)).item() > 0.01
    assert mg.check.gradcheck(f, [mg.Tensor(w) for w in weights], order=2)


# ------------------------------------------------------------------------------------------------------- closed forms


@drawn(40)
@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple),
    dtype=st.sampled_from([np.float32, np.float64]),
    target=st.sampled_from([0.0, 1.0, 2.5]),
    scale=st.sampled_from([0.1, 3.0]),
    seed=st.integers(0, 2**31),
)
def test_a_linear_critic_has_the_same_slope_everywhere(shape, dtype, target, scale, seed):
    """D(x) = ⟨w, x⟩: ∇D = w, whatever x is; the gradient of (‖w‖ − c)² is 2(‖w‖ − c)·w/‖w‖, that of ½‖w‖² is w."""
    array = scale * normal(*shape[1:], seed=seed, dtype=dtype)
    norm = np.linalg.norm(array.astype(np.float64))
    real, fake = (
        mg.Tensor(normal(*shape, seed=seed, dtype=dtype)),
        mg.Tensor(normal(*shape, seed=seed + 1, dtype=dtype)),
    )
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-12}
    toward = lambda c: ((norm - c) ** 2, 2 * (norm - c) * array / norm)  # noqa: E731
    for penalty, (value, gradient) in (
        (lambda D: gradient_penalty(D, real, fake, target=target), toward(target)),
        (
            lambda D: gradient_penalty(D, real, fake, target=target, one_sided=True),
            toward(target) if norm > target else (0, 0 * array),
        ),
        (lambda D: r1_penalty(D, real), (norm**2 / 2, array)),
        (lambda D: r2_penalty(D, fake), (norm**2 / 2, array)),
        (lambda D: dragan_penalty(D, real), toward(1)),
    ):
        w = mg.Tensor(array, requires_grad=True)
        got = penalty(lambda x, w=w: (x * w).flatten(1).sum(dim=1))
        assert (got.shape, got.dtype) == ((), dtype)
        np.testing.assert_allclose(got.item(), value, **tolerance)
        np.testing.assert_allclose(mg.grad(got, w)[0].numpy(), gradient, **tolerance)


def test_the_places_between_are_on_the_lines_one_eps_a_sample_and_everywhere_on_them():
    """D(x) = ½‖x‖² has the slope x, so that the places can be seen: with target 0, the penalty is E‖x̂‖²."""
    n, seen = 400, []

    def D(x):
        seen.append(x.detach().numpy())
        return 0.5 * (x**2).sum(1)

    real, fake = normal(n, 3), normal(n, 3, seed=1) + 5
    value = gradient_penalty(D, mg.Tensor(real), mg.Tensor(fake), target=0.0, generator=mg.Generator(0)).item()
    (places,) = seen
    eps = (places - fake) / (real - fake)  # three times the same for each sample
    np.testing.assert_allclose(eps, np.broadcast_to(eps[:, :1], eps.shape), rtol=1e-9)
    assert 0 <= eps.min() < 0.05
    assert 0.95 < eps.max() < 1
    assert abs(eps.mean() - 0.5) < 0.05
    np.testing.assert_array_equal(eps[:, 0].round(12), mg.Generator(0).random((n, 1))[:, 0].round(12))
    assert value == pytest.approx((places**2).sum(1).mean())


def test_dragan_looks_near_real_samples_and_up():
    seen = []
    real = 3 * normal(300, 4)
    dragan_penalty(lambda x: seen.append(x.detach().numpy()) or x.sum(1), mg.Tensor(real))
    steps = (seen[0] - real) / (0.5 * real.std())  # α·u
    assert 0 <= steps.min() < 0.01
    assert 0.9 < steps.max() < 1
    assert abs(steps.mean() - 0.25) < 0.03
    assert np.corrcoef(steps[:, 0], steps[:, 1])[0, 1] > 0.2  # one α for all numbers of a sample


def test_the_default_generator_is_used_and_a_seed_repeats_the_penalty():
    D, real, fake = (lambda x: (x**3).sum(1)), mg.Tensor(normal(4, 3)), mg.Tensor(normal(4, 3, seed=1))
    for penalty in (lambda **o: gradient_penalty(D, real, fake, **o), lambda **o: dragan_penalty(D, real, **o)):
        values = []
        for _ in range(2):
            mg.manual_seed(7)
            values.append(penalty().item())
        assert values[0] == values[1] != penalty().item()
        assert penalty(generator=np.random.default_rng(0)).item() == penalty(generator=np.random.default_rng(0)).item()


@EACH
def test_a_critic_that_is_flat_has_finite_derivatives(penalty):
    """∇D = 0: the norm's derivative is taken to be 0; a square root's would be infinite, and 0·∞ is NaN."""
    w = mg.zeros(3, dtype=np.float64, requires_grad=True)
    value = penalty(lambda x: x.tanh() @ w, mg.Tensor(normal(4, 3)), mg.Tensor(normal(4, 3, seed=1)))
    (first,) = mg.grad(value, w, create_graph=True)
    assert np.isfinite(value.item())
    np.testing.assert_array_equal(first.detach().numpy(), 0)
    if first.requires_grad:
        (second,) = mg.grad(first.sum(), w, allow_unused=True)
        assert second is None or np.isfinite(second.numpy()).all()


@EACH
def test_no_gradient_reaches_the_samples_and_no_grad_gives_the_value_alone(penalty):
    z = mg.Tensor(normal(4, 3), requires_grad=True)
    D = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    samples = 2 * z, 3 * z  # made by a generator
    value = penalty(D, *samples, generator=mg.Generator(0))
    value.backward()
    assert z.grad is None
    assert D[0].weight.grad is not None
    with mg.no_grad():
        alone = penalty(D, *samples, generator=mg.Generator(0))
    assert not alone.requires_grad
    assert alone.item() == value.item()


def test_the_penalty_alone_draws_the_slopes_to_one():
    D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    optimiser = mg.optim.Adam(D.parameters(), lr=0.02)
    values = []
    for _ in range(60):
        penalty = gradient_penalty(D, mg.randn(32, 2), mg.randn(32, 2))
        optimiser.zero_grad()
        penalty.backward()
        optimiser.step()
        values.append(penalty.item())
    assert values[0] > 0.2
    assert values[-1] < 0.02


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
def test_on_a_device_it_is_the_cpus():
    found = []
    for device in ("cpu", "cudasim"):
        mg.manual_seed(0)
        D = nn.Sequential(nn.Conv2d(1, 2, 4, 2, 1), nn.Tanh(), nn.Flatten(), nn.Linear(8, 1)).to(device)
        real, fake = (mg.Tensor(normal(2, 1, 4, 4, seed=s, dtype="float32")).to(device) for s in (0, 1))
        generator = mg.Generator(1)
        value = gradient_penalty(D, real, fake, generator=generator) + dragan_penalty(D, real, generator=generator)
        (value + orthogonal_regularisation(D)).backward()
        assert {p.grad.device for p in D.parameters() if p.grad is not None} == {device}
        found.append([value.item(), *[p.grad.cpu().numpy() for p in D.parameters() if p.grad is not None]])
    assert len(found[0]) > 3
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# -------------------------------------------------------------------------------------------------------- other terms


@drawn(20)
@given(shape=st.lists(st.integers(1, 4), max_size=4).map(tuple), seed=st.integers(0, 2**31))
def test_drift_is_the_mean_square(shape, seed):
    a = np.asarray(normal(*shape, seed=seed))
    x = mg.Tensor(a, requires_grad=True)
    assert drift_penalty(x).item() == pytest.approx((a**2).mean())
    np.testing.assert_allclose(mg.grad(drift_penalty(x), x)[0].numpy(), 2 * a / a.size, rtol=1e-12)


@drawn(30)
@given(
    layers=st.lists(st.lists(st.integers(1, 3), max_size=3).map(tuple), min_size=1, max_size=3),
    n=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 2**31),
)
def test_feature_matching_compares_averages_of_features(layers, n, seed):
    real = [np.asarray(normal(n[0], *shape, seed=seed + i)) for i, shape in enumerate(layers)]
    fake = [np.asarray(normal(n[1], *shape, seed=seed + 3 + i)) for i, shape in enumerate(layers)]
    expected = sum(np.sum((a.mean(0) - b.mean(0)) ** 2) for a, b in zip(real, fake))
    ours = [mg.Tensor(a) for a in real], [mg.Tensor(b, requires_grad=True) for b in fake]
    loss = feature_matching_loss(*ours)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(expected, rel=1e-10, abs=1e-14)
    if len(layers) == 1:
        assert feature_matching_loss(ours[0][0], ours[1][0]).item() == loss.item()
    for g, a, b in zip(mg.grad(loss, ours[1]), real, fake):
        gradient = np.broadcast_to(2 * (b.mean(0) - a.mean(0)) / n[1], b.shape)
        np.testing.assert_allclose(g.numpy(), gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3, 3)], ids=str)
def test_orthogonal_regularisation_is_the_formula_and_its_gradient(shape):
    a = normal(*shape)
    columns = a.reshape(shape[0], -1).T  # W of the paper: a column for each filter
    gram, one = columns.T @ columns, np.eye(shape[0])
    w = mg.Tensor(a, requires_grad=True)
    for only, off in ((False, gram - one), (True, gram * (1 - one))):
        loss = orthogonal_regularisation(w, off_diagonal_only=only)
        assert loss.item() == pytest.approx((off**2).sum(), rel=1e-12)
        np.testing.assert_allclose(mg.grad(loss, w)[0].numpy(), (4 * columns @ off).T.reshape(shape), rtol=1e-10)
        assert mg.check.gradcheck(lambda w, only=only: orthogonal_regularisation(w, only), w, order=2)


def test_orthonormal_filters_cost_nothing_and_longer_ones_only_without_the_diagonal():
    q = mg.init.orthogonal_(mg.zeros(3, 6, dtype=np.float64))
    assert orthogonal_regularisation(q).item() == pytest.approx(0, abs=1e-20)
    assert orthogonal_regularisation(2 * q).item() == pytest.approx(3 * 3**2)
    assert orthogonal_regularisation(2 * q, off_diagonal_only=True).item() == pytest.approx(0, abs=1e-20)


def test_of_a_module_it_takes_linear_and_convolution_weights_with_the_outputs_first():
    net = nn.Sequential(
        nn.Linear(4, 2),
        nn.Embedding(3, 2),
        nn.Conv2d(1, 3, 2),
        nn.Sequential(nn.ConvTranspose2d(3, 2, 2)),
        nn.spectral_norm(nn.Conv1d(2, 2, 3)),
    ).double()
    linear, conv, up, normed = net[0].weight, net[2].weight, net[3][0].weight, net[4].layer.weight
    for only in (False, True):
        expected = orthogonal_regularisation([linear, conv, up.transpose(0, 1), normed], only)
        assert orthogonal_regularisation(net, only).item() == pytest.approx(expected.item(), rel=1e-12)
        expected = sum(orthogonal_regularisation(w, only).item() for w in (linear, conv, up.transpose(0, 1), normed))
        assert orthogonal_regularisation(net, only).item() == pytest.approx(expected, rel=1e-12)


# ----------------------------------------------------------------------------------------------------------- refusals


def test_batch_norm_that_uses_the_batch_is_refused():
    real, fake = mg.randn(4, 3), mg.randn(4, 3)
    D = nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.BatchNorm1d(5), nn.ReLU()), nn.Linear(5, 1))
    with pytest.raises(ValueError, match=r"the critic has batch norm \(1.0: BatchNorm1d\).* by itself.*Use LayerNorm"):
        gradient_penalty(D, real, fake)
    assert np.isfinite(gradient_penalty(D.eval(), real, fake).item())  # its numbers are constants then
    without = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.Linear(3, 1)).eval()
    with pytest.raises(ValueError, match="batch norm"):  # it has no other numbers than the batch's
        gradient_penalty(without, real, fake)
    with pytest.raises(ValueError, match=r"itself: BatchNorm2d"):
        gradient_penalty(nn.BatchNorm2d(1), mg.randn(4, 1, 2, 2), mg.randn(4, 1, 2, 2))
    layer_norm = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 1))
    assert np.isfinite(gradient_penalty(layer_norm, real, fake).item())
    assert np.isfinite(r1_penalty(D.train(), real).item())


def test_samples_that_do_not_fit_are_refused():
    D, x = (lambda x: x.flatten(1).sum(1)), mg.randn(4, 3)
    with pytest.raises(ValueError, match=r"real of shape \(4, 3\).*fake of shape \(2, 3\)"):
        gradient_penalty(D, x, mg.randn(2, 3))
    with pytest.raises(TypeError, match=r"type float32, fake of .* type float64"):
        gradient_penalty(D, x, x.to(np.float64))
    with pytest.raises(TypeError, match="fake must be a Tensor of float32 or float64, got a Tensor of int64"):
        gradient_penalty(D, x, mg.tensor([[1, 2, 3]]))
    with pytest.raises(TypeError, match="r1_penalty: real must be a Tensor of float32 or float64, got ndarray"):
        r1_penalty(D, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"r2_penalty: fake must be \(N, \.\.\.\).*got \(3,\)"):
        r2_penalty(D, mg.randn(3))
    with pytest.raises(ValueError, match=r"dragan_penalty: real must be .* at least one sample, got \(0, 3\)"):
        dragan_penalty(D, mg.zeros(0, 3))
    with pytest.raises(TypeError, match="generator is a int"):
        gradient_penalty(D, x, x, generator=3)


@EACH
def test_a_discriminator_that_has_no_gradient_there_is_refused(penalty):
    x, w = mg.randn(4, 3), mg.ones(4, requires_grad=True)
    for D in (lambda x: mg.zeros(4), lambda x: w * 2, lambda x: x.detach() @ mg.ones(3) * w):
        with pytest.raises(ValueError, match="what D says does not depend on its input"):
            penalty(D, x, x)
    for D in (lambda x: x.mean(), lambda x: x.sum(0), lambda x: x.detach().numpy()):
        with pytest.raises(ValueError, match=r"each of the 4 samples, as a Tensor \(4, ...\), got"):
            penalty(D, x, x)


def test_features_and_weights_that_do_not_fit_are_refused():
    x = mg.ones(2, 3)
    with pytest.raises(ValueError, match=r"layer 1 must be .* got \(2, 3\) and \(2, 4\)"):
        feature_matching_loss([x, x], [x, mg.ones(2, 4)])
    for a, b in (([x], [x, x]), ([], [])):
        with pytest.raises(ValueError, match="the same layers of both"):
            feature_matching_loss(a, b)
    with pytest.raises(ValueError, match=r"weight 1 must be \(out, ...\).*got shape \(3,\)"):
        orthogonal_regularisation([x, mg.ones(3)])
    with pytest.raises(TypeError, match="weight 0 is a int"):
        orthogonal_regularisation([3])
    for nothing in ([], nn.ReLU()):
        with pytest.raises(ValueError, match="there is no weight"):
            orthogonal_regularisation(nothing)
