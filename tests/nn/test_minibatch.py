"""minigan.nn.minibatch: the two layers against loops in NumPy, their derivatives, and what they are for."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parity import drawn

import minigan as mg
from minigan import nn


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def deviations_by_hand(x, group_size, parts):
    """Of each sample, `parts` numbers: which samples are in its group, then √variance of each number, then the mean."""
    n, channels = x.shape[:2]
    groups = n // min(group_size, n)
    width = channels // parts
    result = np.zeros((n, parts))
    for i in range(n):
        members = [x[j] for j in range(n) if j % groups == i % groups]
        for k in range(parts):
            numbers = [m[k * width : (k + 1) * width].ravel() for m in members]
            spreads = [np.sqrt(np.mean((np.array(a) - np.mean(a)) ** 2) + 1e-8) for a in zip(*numbers)]
            result[i, k] = np.mean(spreads)
    return result


@drawn(40)
@given(
    size=st.integers(1, 4),
    groups=st.integers(1, 3),
    parts=st.integers(1, 3),
    width=st.integers(1, 3),
    pixels=st.lists(st.integers(1, 3), max_size=3).map(tuple),
    seed=st.integers(0, 2**31),
)
def test_the_standard_deviation_of_each_group_is_another_channel(size, groups, parts, width, pixels, seed):
    n = size * groups
    x = normal(n, parts * width, *pixels, seed=seed)
    y = nn.MinibatchStdDev(size, parts)(mg.Tensor(x)).numpy()
    assert y.shape == (n, parts * (width + 1), *pixels)
    np.testing.assert_array_equal(y[:, : parts * width], x)
    expected = deviations_by_hand(x, size, parts).reshape(n, parts, *[1] * len(pixels))
    np.testing.assert_allclose(y[:, parts * width :], np.broadcast_to(expected, (n, parts, *pixels)), rtol=1e-10)


def test_a_batch_smaller_than_a_group_is_one_group():
    x = mg.Tensor(normal(3, 2, 2, 2))
    np.testing.assert_array_equal(nn.MinibatchStdDev(8)(x).numpy(), nn.MinibatchStdDev(3)(x).numpy())


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 2, 3)], ids=str)
def test_its_derivatives_to_second_order_agree_with_differences(shape):
    layer = nn.MinibatchStdDev(2)
    assert mg.check.gradcheck(layer, mg.Tensor(normal(*shape)), order=2)


def test_samples_all_alike_give_themselves_away_and_have_finite_derivatives():
    x = mg.ones(4, 3, 2, 2, requires_grad=True)
    y = nn.MinibatchStdDev()(x)
    assert y[:, 3:].detach().numpy().max() == pytest.approx(1e-4)  # √10⁻⁸
    (g,) = mg.grad((y**2).sum(), x, create_graph=True)
    (gg,) = mg.grad((g**2).sum(), x)
    assert np.isfinite(g.detach().numpy()).all()
    assert np.isfinite(gg.numpy()).all()


def nearness_by_hand(x, t):
    n, out = len(x), t.shape[1]
    o = np.zeros((n, out))
    m = np.einsum("na,abc->nbc", x, t)
    for i in range(n):
        for j in range(n):
            for b in range(out):
                o[i, b] += np.exp(-np.abs(m[i, b] - m[j, b]).sum())
    return o


@drawn(30)
@given(
    n=st.integers(1, 5),
    features=st.integers(1, 4),
    out=st.integers(1, 3),
    kernel=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_nearness_to_the_other_samples_is_more_features(n, features, out, kernel, seed):
    layer = nn.MinibatchDiscrimination(features, out, kernel).double()
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("weight", (features, out, kernel))]
    layer.weight.data = normal(features, out, kernel, seed=seed)
    x = normal(n, features, seed=seed + 1)
    y = layer(mg.Tensor(x)).detach().numpy()
    assert y.shape == (n, features + out)
    np.testing.assert_array_equal(y[:, :features], x)
    np.testing.assert_allclose(y[:, features:], nearness_by_hand(x, layer.weight.detach().numpy()), rtol=1e-10)


def test_the_derivatives_of_nearness_to_second_order_agree_with_differences():
    def f(x, t):
        layer = nn.MinibatchDiscrimination(3, 2, 4)
        vars(layer)["weight"] = t
        return layer(x)

    assert mg.check.gradcheck(f, [mg.Tensor(normal(4, 3)), mg.Tensor(normal(3, 2, 4, seed=1))], order=2)


def test_its_weight_begins_as_that_of_a_linear_layer():
    mg.manual_seed(0)
    w = nn.MinibatchDiscrimination(100, 20, 5).weight.detach().numpy()
    assert w.dtype == np.float32
    assert 0.098 < abs(w).max() <= 0.1
    assert abs(w.mean()) < 0.002


def test_far_samples_are_seen_as_alone():
    x = mg.tensor([[0.0], [0.0], [1e4]])
    layer = nn.MinibatchDiscrimination(1, 1, 1)
    layer.weight.data = np.ones((1, 1, 1), np.float32)
    assert layer(x)[:, 1].tolist() == [2.0, 2.0, 1.0]


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
def test_on_a_device_they_are_the_cpus():
    found = []
    for device in ("cpu", "cudasim"):
        mg.manual_seed(0)
        net = nn.Sequential(nn.MinibatchStdDev(2), nn.Flatten(), nn.MinibatchDiscrimination(6, 2, 2)).to(device)
        x = mg.tensor(normal(4, 2, 1, 2).astype("float32"), device=device, requires_grad=True)
        y = net(x)
        (y**2).sum().backward()
        found.append([t.cpu().detach().numpy() for t in (y, x.grad)])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused_and_sizes_are_shown():
    with pytest.raises(ValueError, match="a batch of 6 cannot be cut into groups of 4"):
        nn.MinibatchStdDev()(mg.ones(6, 2))
    with pytest.raises(ValueError, match="3 channels cannot be cut into num_channels = 2 parts"):
        nn.MinibatchStdDev(4, 2)(mg.ones(4, 3))
    for shape in ((4,), (0, 3), (4, 0), (4, 3, 0)):
        with pytest.raises(ValueError, match=r"MinibatchStdDev: expected \(N, C, ...\)"):
            nn.MinibatchStdDev()(mg.ones(*shape))
    with pytest.raises(ValueError, match="group_size must be a positive integer, got 0"):
        nn.MinibatchStdDev(0)
    with pytest.raises(ValueError, match=r"expected \(N, 3\), got shape \(2, 4\)"):
        nn.MinibatchDiscrimination(3, 1, 1)(mg.ones(2, 4))
    with pytest.raises(ValueError, match=r"expected \(N, 3\), got shape \(2, 2, 3\)"):
        nn.MinibatchDiscrimination(3, 1, 1)(mg.ones(2, 2, 3))
    with pytest.raises(ValueError, match="kernel_dims must be a positive integer"):
        nn.MinibatchDiscrimination(3, 1, 0)
    assert repr(nn.MinibatchStdDev(8, 2)) == "MinibatchStdDev(group_size=8, num_channels=2)"
    assert repr(nn.MinibatchDiscrimination(3, 4, 5)) == "MinibatchDiscrimination(3, 4, kernel_dims=5)"
