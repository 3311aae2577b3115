"""Tensors on other devices: moving, mixing, and the engine's operations on a GPU that Numba simulates, held to the CPU.

A simulated array refuses what an array of a GPU refuses, so an operation that passes here does not lean on NumPy's arrays.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import simulator

import minigan as mg
from minigan import backend, init, nn, optim
from minigan import functional as F
from minigan.simulated import SimulatedArray

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def taking_turns():
    """Numba's own scheduler lets threads wait for milliseconds at each barrier."""
    with simulator.taking_turns(watching=False):
        yield


def normal(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# --- moving ---------------------------------------------------------------------------------------------------------


def test_a_tensor_moves_there_and_back():
    x = mg.Tensor(normal(2, 3), requires_grad=True)
    y = x.to("cudasim")
    assert (y.device, y.shape, y.dtype, y.requires_grad) == ("cudasim", (2, 3), np.float64, True)
    assert y.to("cudasim") is y
    np.testing.assert_array_equal(y.cpu().detach().numpy(), x.detach().numpy())
    (y * y).sum().backward()
    assert x.grad.device == "cpu"
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.detach().numpy())


def test_moving_copies():
    array = normal(3)
    x = mg.Tensor(array).to("cudasim")
    array[:] = 0
    assert x.cpu().numpy().all()


def test_to_follows_another_tensor():
    like = mg.zeros(1, dtype=np.float64, device="cudasim")
    assert mg.ones(2).to(like).device == "cudasim"
    assert mg.ones(2).to(like).dtype == np.float64


def test_what_makes_tensors_makes_them_on_the_device():
    made = [
        mg.zeros(2, device="cudasim"),
        mg.ones(2, device="cudasim"),
        mg.full((2,), 7, device="cudasim"),
        mg.eye(2, device="cudasim"),
        mg.arange(2, device="cudasim"),
        mg.linspace(0, 1, 2, device="cudasim"),
        mg.rand(2, device="cudasim"),
        mg.randn(2, device="cudasim"),
        mg.randint(0, 3, (2,), device="cudasim"),
        mg.randperm(2, device="cudasim"),
        mg.tensor([1.0, 2.0], device="cudasim"),
        mg.tensor(mg.ones(2, device="cudasim").data),
        mg.tensor(mg.ones(2, device="cudasim")),
    ]
    x = made[0]
    made += [mg.zeros_like(x), mg.ones_like(x), mg.full_like(x, 3), mg.randn_like(x), mg.rand_like(x)]
    assert {t.device for t in made} == {"cudasim"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_seed_gives_the_same_numbers_on_every_device(dtype):
    drawn = {}
    for device in ("cpu", "cudasim"):
        mg.manual_seed(3)
        drawn[device] = [f(5, 7, dtype=dtype, device=device).cpu().numpy() for f in (mg.rand, mg.randn, mg.rand)]
    np.testing.assert_array_equal(drawn["cpu"][0], drawn["cudasim"][0])
    np.testing.assert_allclose(drawn["cpu"][1], drawn["cudasim"][1], rtol=2e-6, atol=2e-6)
    np.testing.assert_array_equal(drawn["cpu"][2], drawn["cudasim"][2])


def test_its_numbers_must_be_fetched():
    x = mg.ones(2, device="cudasim")
    with pytest.raises(
        TypeError, match=r"numpy: the tensor is on the device 'cudasim'; fetch its values, x.cpu\(\).numpy"
    ):
        x.numpy()
    with pytest.raises(TypeError, match="fetch its values"):
        np.asarray(x)
    with pytest.raises(TypeError, match="does not become a NumPy array by itself"):
        np.asarray(x.data)
    assert (x.tolist(), x.sum().item(), float(x[0]), bool(x.all())) == ([1, 1], 2, 1, True)
    assert repr(x) == "Tensor([1., 1.], device='cudasim')"
    assert "mean 0, device='cudasim'" in repr(mg.zeros(100, device="cudasim"))


def test_operands_must_be_on_one_device_but_for_numbers():
    x, y = mg.ones(2), mg.ones(2, device="cudasim")
    with pytest.raises(
        backend.DeviceError, match=r"Add: the operands are on different devices: \(2,\) on 'cpu', \(2,\) on 'c"
    ):
        x + y
    with pytest.raises(backend.DeviceError, match="Linear: the operands are on different devices"):
        nn.Linear(2, 1)(y)
    with pytest.raises(backend.DeviceError, match="cross_entropy"):
        F.cross_entropy(mg.ones(2, 3, device="cudasim"), np.array([0, 1]))
    for z in (2 * y, y + mg.tensor(1.0), y / 0.5, mg.where(y > 0, 2.0, y), mg.maximum(y, mg.tensor(2.0))):
        assert (z.device, z.tolist()) == ("cudasim", [2, 2])


def test_a_number_of_the_host_gets_its_gradient_on_the_host():
    scale = mg.tensor(3.0, requires_grad=True)
    loss = (mg.ones(4, device="cudasim") * scale).sum()
    assert (
        (loss * 10).device == (1 + loss).device == loss.mean().device == "cudasim"
    )  # a loss does not come to the host
    loss.backward()
    assert (scale.grad.device, scale.grad.item()) == ("cpu", 4)


# --- the operations -------------------------------------------------------------------------------------------------

PICTURE, POSITIVE = normal(2, 3, 5, 4), np.abs(normal(2, 3)) + 0.5
GEOMETRY = {"stride": (2, 1), "padding": (1, 2)}

OPERATIONS = {  # a function of arrays with derivatives, and the arrays
    "arithmetic": (lambda a, b: (a + b) * (a - b) / (b * b + 1) - a + 2.0 * b - 1, normal(2, 3), normal(3, seed=1)),
    "powers": (lambda a, b: a**2 + a**0.5 + a**b + a.sqrt() + a.rsqrt() + a.reciprocal(), POSITIVE, normal(2, 3)),
    "exponentials": (lambda a: a.exp() + a.expm1() + (a * a + 1).log() + (a * a).log1p(), normal(2, 3)),
    "sigmoids": (lambda a: a.sin() * a.cos() + a.tanh() * a.sigmoid() + a.softplus() + a.erf(), normal(2, 3)),
    "kinks": (
        lambda a, b: (
            a.abs() + a.relu() + mg.maximum(a, b) + mg.minimum(a, 0.1) + a.clamp(-0.5, 0.5) + F.leaky_relu(a, 0.2)
        ),
        normal(2, 3),
        normal(2, 3, seed=1),
    ),
    "where": (lambda a, b: mg.where(a > 0, a * b, b), normal(2, 3), normal(2, 3, seed=1)),
    "shapes": (
        lambda a: a.reshape(3, 2).transpose(0, 1).flip(0).expand(4, 2, 3).permute(1, 0, 2).unsqueeze(0),
        normal(2, 3),
    ),
    "pieces": (
        lambda a, b: mg.cat([a[:, 1:], b, mg.stack([a, b], 0)[1]], 1) * a[0, 1] + F.pad(a, (2, 1, 0, 0))[:, :1],
        normal(2, 3),
        normal(2, 3, seed=1),
    ),
    "index": (
        lambda a: a[[0, 1, 1], [2, 0, 0]] + a.gather(1, mg.tensor([[0], [2]], device=a.device)).sum() + a[a > 0].sum(),
        normal(2, 3),
    ),
    "reductions": (
        lambda a: a.sum((0, 2, 3)) * a.mean() + a.var((0, 2, 3)) + a.amax((0, 2, 3)) + a.norm() + a.max(1)[0].sum(),
        PICTURE,
    ),
    "logsumexp": (
        lambda a: (
            a.logsumexp(1) + mg.softmax(a, 1).sum(1) + a.cumsum(1)[:, 1] if hasattr(a, "cumsum") else a.logsumexp(1)
        ),
        normal(2, 3),
    ),
    "products": (
        lambda a, b, c: F.linear(a @ b, c) + mg.einsum("ij,jk->ik", a, b)[:, :1],
        normal(2, 3),
        normal(3, 4),
        normal(5, 4),
    ),
    "inverse": (lambda a: mg.inverse(a) + mg.slogdet(a)[1], normal(3, 3)),
    "conv2d": (lambda x, w, b: mg.conv2d(x, w, b, **GEOMETRY), PICTURE, normal(4, 3, 3, 2), normal(4)),
    "conv2d in groups": (
        lambda x, w: mg.conv2d(x, w, padding=2, dilation=2, groups=2),
        normal(1, 4, 4, 3),
        normal(2, 2, 2, 2),
    ),
    "conv_transpose2d": (
        lambda x, w, b: mg.conv_transpose2d(x, w, b, **GEOMETRY),
        PICTURE,
        normal(3, 2, 3, 2),
        normal(2),
    ),
    "zero insertion": (
        lambda x, w: mg.conv_transpose2d_by_zero_insertion(x, w, **GEOMETRY),
        PICTURE,
        normal(3, 2, 3, 2),
    ),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        PICTURE,
        normal(3),
        normal(3, seed=1),
    ),
    "batch_norm_leaky_relu": (
        lambda x, w, b: F.batch_norm_leaky_relu(x, None, None, w, b, training=True, negative_slope=0.2),
        PICTURE,
        normal(3),
        normal(3, seed=1),
    ),
    "normalisations": (lambda x: F.layer_norm(x, (5, 4)) + F.group_norm(x, 3) + F.instance_norm(x), PICTURE),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, stride=1, padding=1), PICTURE),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, 1) + F.adaptive_avg_pool2d(x, 1), PICTURE),
    "interpolate": (
        lambda x: F.interpolate(x, scale_factor=2) + F.interpolate(x, (10, 8), mode="bilinear"),
        PICTURE,
    ),
    "unfold": (lambda x: F.fold(F.unfold(x, 2, padding=1), (5, 4), 2, padding=1), PICTURE),
    "losses": (
        lambda a, b: (
            F.binary_cross_entropy_with_logits(a, b.sigmoid())
            + F.binary_cross_entropy_with_logits(a, 0.9)
            + F.mse_loss(a, b)
            + F.l1_loss(a, b)
            + F.cross_entropy(a, mg.tensor([0, 2], device=a.device))
        ),
        normal(2, 3),
        normal(2, 3, seed=1),
    ),
}


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_is_the_cpus_to_second_order(label):
    """Value, gradient, and the gradient of a function of the gradient."""
    f, *arrays = OPERATIONS[label]
    found = []
    for device in ("cpu", "cudasim"):
        xs = [mg.Tensor(a, requires_grad=True).to(device) for a in arrays]
        y = f(*xs)
        assert y.device == device
        direction = mg.Tensor(normal(*y.shape, seed=2)).to(device)
        plain = mg.grad(y, xs, direction)
        first = mg.grad(y, xs, direction, create_graph=True)
        total = sum((g * g).sum() for g in first)
        second = (
            mg.grad(total, xs, allow_unused=True) if total.requires_grad else ()
        )  # no slope: the function is linear
        found.append([y, *plain, *first, *[g for g in second if g is not None]])
    for ours, theirs in zip(found[1], found[0], strict=True):
        assert ours.device == "cudasim"
        np.testing.assert_allclose(ours.cpu().detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-9)


def test_gradcheck_goes_through_the_device():
    w = mg.Tensor(normal(2, 1, 4, 4)).to("cudasim")
    assert mg.check.gradcheck(
        lambda x: mg.conv_transpose2d(x.to("cudasim"), w, stride=2, padding=1).tanh().cpu(),
        [mg.Tensor(normal(1, 2, 2, 2))],
        order=2,
    )


# --- networks -------------------------------------------------------------------------------------------------------


def networks():
    mg.manual_seed(0)
    G = nn.Sequential(
        nn.Linear(5, 4 * 2 * 2, bias=False),
        nn.Unflatten(1, (4, 2, 2)),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2),
        nn.ReLU(),
        nn.ConvTranspose2d(2, 1, 4, 2, 1),
        nn.Tanh(),
    )
    D = nn.Sequential(
        nn.Conv2d(1, 2, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2, 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(16, 1),
    )
    return init.dcgan_(G), init.dcgan_(D)


def test_a_dcgan_trains_as_on_the_cpu(tmp_path):
    """Three steps, each network's weights, running statistics and moments; and a state taken from one device to the
    other."""
    from minigan import train

    real = normal(4, 1, 8, 8, dtype="float32")
    found = {}
    for device in ("cpu", "cudasim"):
        G, D = (net.to(device) for net in networks())
        opts = tuple(optim.Adam(net.parameters(), 1e-2, betas=(0.5, 0.999)) for net in (G, D))
        mg.manual_seed(1)
        batch = mg.Tensor(real).to(device).data
        game = train.Game(G, D, (5,), optimizers=opts)
        losses = [game.step([batch]) for _ in range(3)]
        states = {f"{i}.{k}": a for i, part in enumerate((G, D, *opts)) for k, a in part.state_dict().items()}
        assert all(isinstance(a, np.ndarray) for a in states.values())
        found[device] = losses, states
        assert {p.device for net in (G, D) for p in (*net.parameters(), *net.buffers())} == {device}
    for ours, theirs in zip(found["cudasim"][0], found["cpu"][0]):
        assert ours == pytest.approx(theirs, rel=1e-4)
    for name, theirs in found["cpu"][1].items():
        np.testing.assert_allclose(found["cudasim"][1][name], theirs, rtol=2e-3, atol=2e-4, err_msg=name)

    G, D = networks()
    G.to("cudasim").load_state_dict({k[2:]: a for k, a in found["cpu"][1].items() if k.startswith("0.")})
    opt = optim.Adam(G.parameters(), 1e-2, betas=(0.5, 0.999))
    opt.load_state_dict({k[2:]: a for k, a in found["cpu"][1].items() if k.startswith("2.")})
    for name, array in opt.state_dict().items():
        np.testing.assert_array_equal(array, found["cpu"][1][f"2.{name}"])


@pytest.mark.parametrize("make", [optim.SGD, optim.RMSprop, optim.AdamW])
def test_an_optimiser_steps_as_on_the_cpu(make):
    ends = []
    for device in ("cpu", "cudasim"):
        w = mg.Tensor(normal(3, 4)).to(device).detach().requires_grad_()
        opt = make([w], lr=0.1, **({"momentum": 0.9} if make is not optim.AdamW else {}))
        for _ in range(3):
            opt.zero_grad()
            (w**3).sum().backward()
            mg.optim.clip_grad_norm_([w], 5.0)
            opt.step()
        ends.append(w.detach().cpu().numpy())
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-12)


def test_a_gradient_penalty_is_the_cpus():
    """The gradient of a gradient's norm through a critic: second order through every kernel of it."""
    found = []
    for device in ("cpu", "cudasim"):
        mg.manual_seed(0)
        D = nn.Sequential(
            nn.Conv2d(1, 2, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(2, 3, 4, 2, 1), nn.Tanh(), nn.Flatten()
        ).to(device)
        x = mg.Tensor(normal(2, 1, 8, 8, dtype="float32")).to(device).detach().requires_grad_()
        (slope,) = mg.grad(D(x).sum(), x, create_graph=True)
        ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean().backward()
        found.append([p.grad.cpu().numpy() for p in D.parameters() if p.grad is not None])
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


# --- the simulated array --------------------------------------------------------------------------------------------


def test_a_simulated_array_does_not_mix_with_those_of_the_host():
    x = SimulatedArray(np.arange(3.0))
    for call in (
        lambda: x + np.ones(3),
        lambda: np.ones(3) * x,
        lambda: np.concatenate([x, np.ones(3)]),
        lambda: x.__setitem__(0, np.ones(1)),
        lambda: x.dot(np.ones(3)),
    ):
        with pytest.raises(TypeError, match="met one of the host"):
            call()
    assert isinstance(x.sum(), SimulatedArray)
    assert isinstance(x[1], SimulatedArray)
    assert x[1].shape == np.max(x).shape == ()
    assert (x * np.float32(2)).get().tolist() == [0, 2, 4]
    x[np.array([0, 2])] = 5
    assert x.get().tolist() == [5, 1, 5]
    assert (len(x), bool(x[1]), int(x[0]), repr(x)) == (3, True, 5, "SimulatedArray([5., 1., 5.])")


def test_every_function_that_the_engine_asks_of_numpy_is_in_cupy(monkeypatch):
    cupy = pytest.importorskip("cupy")
    asked = set()
    through = SimulatedArray.__array_function__

    def note(self, function, types, args, kwargs):
        if function is not simulator.spoiled:  # which stands for np.empty here
            asked.add(f"{function.__module__}.{function.__name__}".removeprefix("numpy."))
        return through(self, function, types, args, kwargs)

    monkeypatch.setattr(SimulatedArray, "__array_function__", note)
    for f, *arrays in OPERATIONS.values():
        xs = [mg.Tensor(a, requires_grad=True).to("cudasim") for a in arrays]
        first = mg.grad(f(*xs).sum(), xs, create_graph=True)
        if (total := sum((g * g).sum() for g in first)).requires_grad:
            mg.grad(total, xs, allow_unused=True)
    assert len(asked) > 10
    missing = []
    for name in asked:
        found = cupy
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            missing.append(name)
    assert missing == []


# --- the example ----------------------------------------------------------------------------------------------------


def run_example(folder, *arguments):
    command = [
        sys.executable,
        str(ROOT / "examples" / "dcgan_mnist.py"),
        "--data",
        "glyphs",
        "--steps",
        "1",
        "--batch-size",
        "2",
    ]
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_ENABLE_CUDASIM"}
    return subprocess.run(
        [*command, "--out", str(folder), *arguments], capture_output=True, text=True, env=environment, check=False
    )


def test_the_example_on_a_gpu_that_is_not_there_is_a_sentence_and_exit_code_2(tmp_path):
    told = run_example(tmp_path / "run", "--device", "cuda")
    if told.returncode == 0:
        pytest.skip("there is a GPU")
    assert told.returncode == 2
    assert told.stderr.startswith("dcgan_mnist.py: the device 'cuda' needs")
    assert told.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_example_in_the_simulator_has_the_losses_of_the_cpu(tmp_path):
    rows = []
    for device in ("cpu", "cudasim"):
        done = run_example(tmp_path / device, "--device", device)
        assert done.returncode == 0, done.stderr
        header, row = (tmp_path / device / "metrics.csv").read_text().splitlines()
        rows.append(dict(zip(header.split(","), map(float, row.split(",")))))
    for name in ("d_loss", "g_loss", "D(x)", "D(G(z))"):
        assert rows[1][name] == pytest.approx(rows[0][name], rel=1e-4), json.dumps(rows)


@pytest.mark.parametrize(
    "rules",
    [
        {"loss": "rgan", "penalty": "r1+r2", "ema": 0.9, "pack": 2, "schedule": "cosine", "instance_noise": 0.1},
        {"loss": "wgan", "penalty": "gp+dragan", "drift": 0.1, "clip": 0.5, "optimizer": "rmsprop", "orthogonal": 0.1},
        {"real_target": (0.8, 1.0), "unroll": 1, "skip_d_below": 0.1},
        {"feature_matching": True, "d_steps": 2},
    ],
    ids=lambda rules: next(iter(rules.values())) if isinstance(next(iter(rules.values())), str) else next(iter(rules)),
)
def test_the_game_by_any_rules_is_the_cpus(rules):
    from minigan import train

    real = normal(4, 2, dtype="float32")
    found = []
    for device in ("cpu", "cudasim"):
        mg.manual_seed(0)
        rule = train.Rules(lr=1e-2, **rules)
        G = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).to(device)
        D = nn.Sequential(nn.Linear(2 * rule.pack, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)).to(device)
        game = train.Game(G, D, (3,), rule, steps=4)
        measured = [game.step([real] * rule.d_steps) for _ in range(2)]
        sample = game.sample(mg.randn(2, 3, device=device))
        assert sample.device == device
        found.append((measured, sample.cpu().numpy()))
    for ours, theirs in zip(found[1][0], found[0][0]):
        assert ours == pytest.approx(theirs, rel=2e-3, abs=1e-4)
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=5e-3, atol=5e-3)
