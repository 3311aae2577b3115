"""minigan.init: the distributions, the fans against PyTorch's, orthogonality, and a whole network begun as in DCGAN."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan import init, nn

WEIGHT = (60, 40, 5, 5)  # 60,000 numbers; fan_in 1000, fan_out 1500
UNIFORM = {  # half the width of the distribution around 0
    "xavier_uniform_": lambda w, rng: (init.xavier_uniform_(w, generator=rng), math.sqrt(6 / 2500)),
    "xavier_uniform_ with gain": lambda w, rng: (init.xavier_uniform_(w, 3.0, rng), 3 * math.sqrt(6 / 2500)),
    "kaiming_uniform_": lambda w, rng: (init.kaiming_uniform_(w, generator=rng), math.sqrt(6 / 1000)),
    "kaiming_uniform_ of layers": lambda w, rng: (
        init.kaiming_uniform_(w, a=math.sqrt(5), generator=rng),
        1 / math.sqrt(1000),
    ),
    "kaiming_uniform_, backwards": lambda w, rng: (
        init.kaiming_uniform_(w, 0.2, "fan_out", generator=rng),
        math.sqrt(2 / 1.04) * math.sqrt(3 / 1500),
    ),
    "uniform_": lambda w, rng: (init.uniform_(w, -0.3, 0.3, rng), 0.3),
}
NORMAL = {  # the standard deviation
    "normal_": lambda w, rng: (init.normal_(w, generator=rng), 1.0),
    "xavier_normal_": lambda w, rng: (init.xavier_normal_(w, 2.0, rng), 2 * math.sqrt(2 / 2500)),
    "kaiming_normal_": lambda w, rng: (
        init.kaiming_normal_(w, nonlinearity="relu", generator=rng),
        math.sqrt(2 / 1000),
    ),
    "kaiming_normal_, backwards": lambda w, rng: (
        init.kaiming_normal_(w, mode="fan_out", nonlinearity="tanh", generator=rng),
        5 / 3 / math.sqrt(1500),
    ),
}
DRAWS = {
    "normal_": init.normal_,
    "uniform_": init.uniform_,
    "xavier_uniform_": init.xavier_uniform_,
    "xavier_normal_": init.xavier_normal_,
    "kaiming_uniform_": init.kaiming_uniform_,
    "kaiming_normal_": init.kaiming_normal_,
    "orthogonal_": init.orthogonal_,
}
EVERY_DRAW = pytest.mark.parametrize(("name", "draw"), DRAWS.items(), ids=DRAWS)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def assert_mean(sample, mean, std):
    """Within five standard errors."""
    assert abs(sample.mean() - mean) < 5 * std / math.sqrt(sample.size)


def assert_normal(sample, mean, std):
    """Mean and standard deviation within five standard errors, and a quarter of the numbers beyond 1.1503 std."""
    assert_mean(sample, mean, std)
    assert abs(sample.std() - std) < 5 * std / math.sqrt(2 * sample.size)
    beyond = np.abs(sample - mean) > 1.1503493803760079 * std
    assert_mean(beyond, 0.25, math.sqrt(0.25 * 0.75))


# ----------------------------------------------------------------------------------------------------------------------
# Distributions
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", UNIFORM.values(), ids=UNIFORM)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_weights_fill_their_interval_evenly(draw, dtype):
    w, bound = draw(mg.zeros(WEIGHT, dtype=dtype), np.random.default_rng(0))
    sample = w.data.astype(np.float64)
    assert np.abs(sample).max() <= bound * (1 + 1e-6)
    assert np.abs(sample).max() > bound * (1 - 20 / sample.size)
    assert_mean(sample, 0.0, bound / math.sqrt(3))
    assert_mean(np.abs(sample) < bound / 3, 1 / 3, math.sqrt(2) / 3)


@pytest.mark.parametrize("draw", NORMAL.values(), ids=NORMAL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_weights_have_their_mean_and_width(draw, dtype):
    w, std = draw(mg.zeros(WEIGHT, dtype=dtype), np.random.default_rng(0))
    assert_normal(w.data.astype(np.float64), 0.0, std)


def test_mean_and_interval_can_be_anywhere():
    sample = init.normal_(mg.zeros(60_000), 3.0, 0.5, np.random.default_rng(0)).data.astype(np.float64)
    assert_normal(sample, 3.0, 0.5)
    sample = init.uniform_(mg.zeros(60_000), 2.0, 5.0, np.random.default_rng(0)).data.astype(np.float64)
    assert 2 <= sample.min() < 2.001
    assert 4.999 < sample.max() <= 5
    assert_mean(sample, 3.5, 3 / math.sqrt(12))


def test_constants():
    w = mg.zeros(2, 3, dtype=np.float64)
    assert init.constant_(w, 0.25).tolist() == [[0.25] * 3] * 2
    assert init.ones_(w).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(w).tolist() == [[0.0] * 3] * 2
    assert w.dtype == np.float64


# ----------------------------------------------------------------------------------------------------------------------
# What all that draw have in common
# ----------------------------------------------------------------------------------------------------------------------


@EVERY_DRAW
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tensor_gets_a_new_array_of_its_own_shape_and_type(name, draw, dtype):
    w = mg.Tensor(np.full((3, 4, 2), np.nan, dtype), requires_grad=True)
    before = w.data
    assert draw(w) is w
    assert np.isnan(before).all()
    assert np.isfinite(w.data).all()
    assert (w.shape, w.dtype, w._version, w.requires_grad) == ((3, 4, 2), dtype, 1, True)
    assert len(np.unique(w.data)) == 24


@EVERY_DRAW
def test_chance_comes_from_the_default_generator_or_the_given_one(name, draw):
    state = mg.get_rng_state()
    try:
        mg.manual_seed(7)
        first = draw(mg.zeros(4, 5)).tolist()
        assert draw(mg.zeros(4, 5)).tolist() != first
        mg.manual_seed(7)
        assert draw(mg.zeros(4, 5)).tolist() == first
        mg.manual_seed(8)
        seeded = mg.get_rng_state()
        assert draw(mg.zeros(4, 5), generator=mg.Generator(7)).tolist() == first
        given = [draw(mg.zeros(4, 5), generator=np.random.default_rng(7)).tolist() for _ in range(2)]
        assert given[0] == given[1] != first
        assert mg.get_rng_state() == seeded
    finally:
        mg.set_rng_state(state)


@EVERY_DRAW
def test_what_cannot_be_drawn(name, draw):
    with pytest.raises(TypeError, match=f"{name}: tensor is a ndarray, expected a Tensor"):
        draw(np.ones((2, 2)))
    with pytest.raises(TypeError, match=f"{name}: tensor has type int64, expected float32 or float64"):
        draw(mg.tensor([[1, 2], [3, 4]]))
    with pytest.raises(TypeError, match=r"[a-z]_: generator is a int, expected minigan\.Generator\(seed\) or numpy"):
        draw(mg.ones(2, 2), generator=0)
    with pytest.raises(RuntimeError, match=r"leaf.*Mul|Mul.*leaf"):
        draw(mg.ones(2, 2, requires_grad=True) * 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.normal_(mg.ones(2), std=-1), "normal_: std is -1, expected a finite number, at least 0"),
        (lambda: init.normal_(mg.ones(2), std=math.nan), "normal_: std is nan"),
        (lambda: init.uniform_(mg.ones(2), 1, 0), "uniform_: a is 1 and b is 0, expected finite numbers with a ≤ b"),
        (lambda: init.uniform_(mg.ones(2), 0, math.inf), "uniform_: a is 0 and b is inf"),
        (
            lambda: init.xavier_normal_(mg.ones(2)),
            r"xavier_normal_: tensor has shape \(2,\), expected a weight: \(out, in\)",
        ),
        (lambda: init.kaiming_uniform_(mg.ones(2)), r"kaiming_uniform_: tensor has shape \(2,\)"),
        (lambda: init.kaiming_normal_(mg.ones(2, 0)), r"kaiming_normal_: tensor has shape \(2, 0\)"),
        (lambda: init.orthogonal_(mg.ones(0, 2)), r"orthogonal_: tensor has shape \(0, 2\)"),
        (lambda: init.kaiming_normal_(mg.ones(2, 2), mode="fan"), "mode is 'fan', expected 'fan_in' or 'fan_out'"),
        (
            lambda: init.calculate_gain("gelu"),
            "calculate_gain: nonlinearity is 'gelu', expected one of linear, .*leaky_relu",
        ),
        (lambda: init.kaiming_uniform_(mg.ones(2, 2), nonlinearity="elu"), "nonlinearity is 'elu'"),
    ],
)
def test_arguments_out_of_range(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ----------------------------------------------------------------------------------------------------------------------
# Fans, gains, orthogonal matrices
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Linear", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"])
def test_fans_are_those_of_torch(torch, kind):
    sizes = (6, 4) if kind == "Linear" else (6, 4, 3)
    weight, other = getattr(nn, kind)(*sizes).weight, getattr(torch.nn, kind)(*sizes).weight
    assert weight.shape == tuple(other.shape)
    assert init.calculate_fan_in_and_fan_out(weight) == torch.nn.init._calculate_fan_in_and_fan_out(other)


def test_gains_are_those_of_torch(torch):
    for name in [*init._GAINS, "leaky_relu"]:
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name), rel=1e-15)
    for slope in [0, 0.2, 1, math.sqrt(5)]:
        ours, theirs = (f("leaky_relu", slope) for f in (init.calculate_gain, torch.nn.init.calculate_gain))
        assert ours == pytest.approx(theirs, rel=1e-15)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 3, 2, 2), (40, 2, 3, 3), (1, 1)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_rows_or_columns_are_orthogonal(shape, gain):
    w = init.orthogonal_(mg.zeros(shape, dtype=np.float64), gain, np.random.default_rng(0)).data.reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, gain**2 * np.eye(min(w.shape)), atol=1e-13)


def test_every_orthogonal_matrix_is_equally_likely():
    """So every number of it is as often negative as positive, which is not so for the Q of a plain QR."""
    rng = np.random.default_rng(0)
    draws = np.stack([init.orthogonal_(mg.zeros(3, 3, dtype=np.float64), 1.0, rng).data for _ in range(2000)])
    for sample in draws.reshape(2000, 9).T:
        assert_mean(sample, 0.0, math.sqrt(1 / 3))
        assert_mean(sample**2, 1 / 3, math.sqrt(4 / 45))


# ----------------------------------------------------------------------------------------------------------------------
# Whole networks
# ----------------------------------------------------------------------------------------------------------------------


class Standardised(nn.BatchNorm2d):
    """A norm by inheritance, not by name."""


class Block(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(8, 100, 4)
        self.up = nn.ConvTranspose2d(100, 64, 4, bias=False)
        self.norm = Standardised(20_000)
        self.layer_norm = nn.LayerNorm([64, 20, 20])
        self.plain_norm = nn.BatchNorm1d(3, affine=False)


def test_dcgan_draws_weights_scales_and_biases():
    network = nn.Sequential(nn.Linear(100, 200), Block(), nn.Tanh())
    for p in network.parameters():
        init.constant_(p, 9.0)
    assert init.dcgan_(network, np.random.default_rng(0)) is network
    for name, p in network.named_parameters():
        if name.endswith("bias"):
            assert not p.data.any()
        else:
            assert_normal(p.data.astype(np.float64), 1.0 if "norm" in name else 0.0, 0.02)
    assert len(list(network.parameters())) == 9


def test_dcgan_leaves_other_parameters_and_all_buffers_alone():
    network = nn.Sequential(nn.Embedding(10, 4), nn.BatchNorm1d(4))
    table, state = network[0].weight, {name: b.data.copy() for name, b in network.named_buffers()}
    before = table.data
    init.dcgan_(network)
    assert table.data is before
    assert len(state) == 3
    for name, b in network.named_buffers():
        np.testing.assert_array_equal(b.data, state[name])


def test_dcgan_is_decided_by_the_generator():
    one, other, third = (init.dcgan_(nn.Linear(3, 4), np.random.default_rng(seed)).weight for seed in (0, 0, 1))
    assert one.tolist() == other.tolist() != third.tolist()
