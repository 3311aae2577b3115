"""minigan.optim: the formulas against PyTorch's and the papers', states that continue bit for bit, and every error."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import KERNELS

import minigan as mg
from minigan import optim

SHAPES = [(3,), (2, 3, 4), (), (0, 2), (37,)]
OPTIMISERS = {
    "SGD": {"lr": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    "SGD with Nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "RMSprop": {"lr": 0.01, "weight_decay": 0.01},
    "RMSprop, centred, with momentum": {"lr": 0.01, "centered": True, "momentum": 0.9},
    "Adam": {"lr": 0.01, "betas": (0.5, 0.999), "weight_decay": 0.01},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
}
EVERY_OPTIMISER = pytest.mark.parametrize(("name", "options"), OPTIMISERS.items(), ids=OPTIMISERS)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def drawn(max_examples):
    return settings(deadline=None, derandomize=True, max_examples=max_examples)


def make(name, params, **options):
    return getattr(optim, name.replace(",", "").split()[0])(params, **options)


def parameters(rng, shapes=SHAPES, dtype=np.float64):
    return [mg.Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in map(tuple, shapes)]


def give_gradients(params, rng):
    for p in params:
        p.grad = mg.Tensor(np.asarray(rng.standard_normal(p.shape), dtype=p.dtype))


def run(optimizer, params, rng, steps):
    for _ in range(steps):
        give_gradients(params, rng)
        optimizer.step()


def assert_same(state, other):
    assert list(state) == list(other)
    for name, array in state.items():
        assert array.dtype == other[name].dtype
        np.testing.assert_array_equal(array, other[name], err_msg=name)


# ----------------------------------------------------------------------------------------------------------------------
# The formulas
# ----------------------------------------------------------------------------------------------------------------------


def number(low, high):
    return st.floats(low, high, allow_subnormal=False)


LR = number(1e-5, 0.5)
DECAY = st.sampled_from([0.0, 0.01, 0.3])
HYPERPARAMETERS = {
    "SGD": st.one_of(
        st.fixed_dictionaries(
            {"lr": LR, "weight_decay": DECAY, "momentum": number(0, 0.99), "dampening": number(0, 1)}
        ),
        st.fixed_dictionaries(
            {"lr": LR, "weight_decay": DECAY, "momentum": number(0.01, 0.99), "nesterov": st.just(True)}
        ),
    ),
    "RMSprop": st.fixed_dictionaries(
        {
            "lr": LR,
            "alpha": number(0.5, 0.999),
            "eps": number(1e-8, 1e-2),
            "weight_decay": DECAY,
            "momentum": st.sampled_from([0.0, 0.5, 0.9]),
            "centered": st.booleans(),
        }
    ),
    "Adam": st.fixed_dictionaries(
        {
            "lr": LR,
            "betas": st.tuples(number(0, 0.99), number(0.5, 0.9999)),
            "eps": number(1e-10, 1e-2),
            "weight_decay": DECAY,
        }
    ),
}
HYPERPARAMETERS["AdamW"] = HYPERPARAMETERS["Adam"]


@pytest.mark.parametrize("name", HYPERPARAMETERS)
@KERNELS
@given(data=st.data())
@drawn(25)
def test_twenty_steps_are_those_of_torch(torch, kernels, name, data):
    """With parameters that no gradient reaches now and then."""
    options = data.draw(HYPERPARAMETERS[name])
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    ours = parameters(rng)
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]
    optimizer, reference = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for _ in range(20):
        for p, q in zip(ours, theirs):
            if rng.random() < 0.2:
                p.grad = q.grad = None
            else:
                g = np.asarray(rng.standard_normal(p.shape))
                p.grad, q.grad = mg.Tensor(g), torch.tensor(g)
        with mg.backend.use_kernels(kernels):
            optimizer.step()
        reference.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12, atol=1e-12)


def test_defaults_are_those_of_torch(torch):
    for name in HYPERPARAMETERS:
        ours = getattr(optim, name)([mg.tensor([1.0])]).param_groups[0]
        theirs = getattr(torch.optim, name)([torch.ones(1)]).param_groups[0]
        assert {key: theirs[key] for key in ours if key != "params"} == {k: v for k, v in ours.items() if k != "params"}


def test_groups_have_options_of_their_own(torch):
    rng = np.random.default_rng(0)
    ours = parameters(rng, [(3,), (4,)])
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]

    def groups(a, b):
        return [{"params": [a]}, {"params": [b], "lr": 0.5, "betas": (0.0, 0.9)}]

    optimizer, reference = optim.Adam(groups(*ours), lr=0.1), torch.optim.Adam(groups(*theirs), lr=0.1)
    for _ in range(5):
        give_gradients(ours, rng)
        for p, q in zip(ours, theirs):
            q.grad = torch.tensor(p.grad.numpy().copy())
        optimizer.step()
        reference.step()
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-12)


def test_adam_is_algorithm_1_of_the_paper():
    """Kingma & Ba 2015, one number at a time."""
    alpha, beta1, beta2, eps = 0.1, 0.5, 0.9, 1e-8
    gradients = [3.0, -1.0, 0.5, 0.0, 2.0]
    theta, m, v = 1.0, 0.0, 0.0
    p = mg.Tensor(np.array([theta]), requires_grad=True)
    optimizer = optim.Adam([p], lr=alpha, betas=(beta1, beta2), eps=eps)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        theta -= alpha * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + eps)
        p.grad = mg.Tensor(np.array([g]))
        optimizer.step()
        assert p.item() == pytest.approx(theta, rel=1e-14)


def test_centred_rmsprop_survives_gradients_that_do_not_change():
    """Their variance is 0, and rounding must not make it negative: its root would be NaN."""
    p = mg.tensor(np.linspace(0.1, 5, 100), dtype=np.float32, requires_grad=True)
    p.grad = mg.Tensor(np.linspace(0.1, 5, 100).astype(np.float32))
    optimizer = optim.RMSprop([p], lr=1e-6, alpha=0.5, centered=True)
    for _ in range(200):
        optimizer.step()
    assert np.isfinite(p.data).all()


@EVERY_OPTIMISER
def test_a_parabola_is_descended(name, options):
    p = mg.tensor([1.0, -2.0], requires_grad=True)
    optimizer = make(name, [p], **options)
    for _ in range(200):
        optimizer.zero_grad()
        assert p.grad is None
        (p**2).sum().backward()
        optimizer.step()
    assert abs(p).max().item() < 0.6


# ----------------------------------------------------------------------------------------------------------------------
# Arrays, versions, types
# ----------------------------------------------------------------------------------------------------------------------


@EVERY_OPTIMISER
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_makes_new_arrays_and_changes_none(name, options, dtype):
    rng = np.random.default_rng(0)
    params = parameters(rng, dtype=dtype)
    optimizer = make(name, params, **options)
    for _ in range(3):
        give_gradients(params, rng)
        arrays = [array for p in params for array in (p.data, p.grad.data)]
        copies = [array.copy() for array in arrays]
        versions = [p._version for p in params]
        optimizer.step()
        for array, copy in zip(arrays, copies):
            np.testing.assert_array_equal(array, copy)
        for p, version in zip(params, versions):
            assert p.dtype == dtype
            assert p._version == version + 1
            assert not any(np.shares_memory(p.data, array) for array in arrays)
    assert all(moment.dtype == dtype for state in optimizer.state.values() for moment in state.values())


@EVERY_OPTIMISER
def test_old_values_that_nobody_holds_are_written_over(name, options):
    """So a step needs no memory of its own."""
    rng = np.random.default_rng(0)
    params = parameters(rng)
    optimizer = make(name, params, **options)
    run(optimizer, params, rng, 1)
    addresses, versions = [p.data.ctypes.data for p in params], [p._version for p in params]
    run(optimizer, params, rng, 2)
    assert [p.data.ctypes.data for p in params] == addresses
    assert [p._version for p in params] == [version + 2 for version in versions]


@EVERY_OPTIMISER
def test_whether_anybody_holds_the_old_values_changes_no_bit(name, options):
    results = []
    for hold in (False, True):
        rng, held = np.random.default_rng(0), []
        params = parameters(rng)
        optimizer = make(name, params, **options)
        for _ in range(4):
            held.append([p.data for p in params] if hold else None)
            run(optimizer, params, rng, 1)
        results.append([p.data for p in params])
    for a, b in zip(*results):
        np.testing.assert_array_equal(a, b)


def test_a_state_that_was_saved_and_a_parameter_that_was_given_another_array_are_left_alone():
    net = mg.nn.Linear(3, 2)
    optimizer, rng = optim.Adam(net.parameters(), lr=0.1), np.random.default_rng(0)
    run(optimizer, list(net.parameters()), rng, 2)
    saved = net.state_dict()
    copies = {name: array.copy() for name, array in saved.items()}
    run(optimizer, list(net.parameters()), rng, 2)
    assert_same(saved, copies)
    net.load_state_dict(saved)
    run(optimizer, list(net.parameters()), rng, 2)
    assert_same(saved, copies)
    array = np.zeros((2, 3), np.float32)
    net.weight.data = array
    run(optimizer, list(net.parameters()), rng, 1)
    assert not array.any()
    assert net.weight.data.all()


@pytest.mark.parametrize(
    ("name", "options", "change"),
    [
        ("SGD", {}, {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9}, {"momentum": 0.0}),
        ("RMSprop", {}, {"centered": True}),
        ("RMSprop", {"momentum": 0.9}, {"momentum": 0.0}),
    ],
)
def test_whether_there_is_momentum_cannot_change_on_the_way(name, options, change):
    p = mg.ones(2, requires_grad=True)
    optimizer = getattr(optim, name)([p], **options)
    optimizer.param_groups[0].update(change)
    p.grad = mg.ones(2)
    with pytest.raises(
        ValueError, match=f"{name}: the options ask for the moments .* is decided when a group is added"
    ):
        optimizer.step()
    assert p.tolist() == [1, 1]


def test_backward_through_a_graph_older_than_the_step_is_refused():
    p = mg.Tensor(np.ones(3), requires_grad=True, name="weight")
    loss = (p * p).sum()
    give_gradients([p], np.random.default_rng(0))
    optim.SGD([p]).step()
    with pytest.raises(RuntimeError, match="Mul: backward through weight"):
        loss.backward()


@EVERY_OPTIMISER
def test_a_parameter_without_gradient_stays_as_it_is(name, options):
    rng = np.random.default_rng(0)
    reached, frozen = parameters(rng, [(3,), (4,)])
    optimizer = make(name, [reached, frozen], **options)
    before, moments = frozen.data, {key: moment.copy() for key, moment in optimizer.state[frozen].items()}
    run(optimizer, [reached], rng, 3)
    assert frozen.data is before
    assert frozen._version == 0
    assert optimizer.steps == {reached: 3, frozen: 0}
    assert_same(optimizer.state[frozen], moments)


@EVERY_OPTIMISER
def test_the_layout_in_memory_changes_no_bit(name, options):
    """A parameter in Fortran order with a transposed gradient, against C order."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((3, 4, 5)).astype(np.float32)
    plain = mg.Tensor(values.copy(), requires_grad=True)
    odd = mg.Tensor(np.asfortranarray(values), requires_grad=True)
    one, other = make(name, [plain], **options), make(name, [odd], **options)
    for _ in range(4):
        g = rng.standard_normal((5, 4, 3)).astype(np.float32).T
        plain.grad, odd.grad = mg.Tensor(g.copy()), mg.Tensor(g)
        one.step()
        other.step()
    np.testing.assert_array_equal(plain.data, odd.data)


# ----------------------------------------------------------------------------------------------------------------------
# States
# ----------------------------------------------------------------------------------------------------------------------


@EVERY_OPTIMISER
def test_a_loaded_state_continues_bit_for_bit(name, options):
    """Through the bytes of a safetensors file, into an optimiser that was made with other rates."""
    safetensors = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(0)
    params = parameters(rng, [(3,), (2, 4)], np.float32)
    optimizer = make(name, params, **options)
    run(optimizer, params, rng, 5)
    optimizer.param_groups[0]["lr"] = 1e-3

    resumed = [mg.Tensor(p.data.copy(), requires_grad=True) for p in params]
    other = make(name, resumed, **options | {"lr": 7})
    other.load_state_dict(safetensors.load(safetensors.save(optimizer.state_dict())))
    assert_same(other.state_dict(), optimizer.state_dict())
    assert other.param_groups[0].keys() == optimizer.param_groups[0].keys()
    assert all(type(other.param_groups[0][k]) is type(v) for k, v in optimizer.param_groups[0].items())

    run(optimizer, params, np.random.default_rng(1), 5)
    run(other, resumed, np.random.default_rng(1), 5)
    for p, q in zip(params, resumed):
        np.testing.assert_array_equal(p.data, q.data)


def test_the_names_in_a_state_say_what_they_are():
    params = [{"params": [mg.zeros(2)]}, {"params": [mg.zeros(3, 4)], "lr": 1.0}]
    state = optim.Adam(params, betas=(0.5, 0.9)).state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "0.step": (),
        "0.exp_avg": (2,),
        "0.exp_avg_sq": (2,),
        "1.step": (),
        "1.exp_avg": (3, 4),
        "1.exp_avg_sq": (3, 4),
        "group0.lr": (),
        "group0.betas": (2,),
        "group0.eps": (),
        "group0.weight_decay": (),
        "group1.lr": (),
        "group1.betas": (2,),
        "group1.eps": (),
        "group1.weight_decay": (),
    }
    assert state["group1.lr"] == 1.0
    assert state["group1.betas"].tolist() == [0.5, 0.9]
    assert state["0.step"].dtype == np.int64


def test_a_state_is_a_copy():
    rng = np.random.default_rng(0)
    params = parameters(rng)
    optimizer = optim.Adam(params)
    run(optimizer, params, rng, 1)
    state = optimizer.state_dict()
    kept = {name: array.copy() for name, array in state.items()}
    run(optimizer, params, rng, 1)
    assert_same(state, kept)
    optimizer.load_state_dict(state)
    run(optimizer, params, rng, 1)
    assert_same(state, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"1.exp_avg": None, "group0.lr": None}, r"1\.exp_avg is missing\n  group0\.lr is missing"),
        ({"2.exp_avg": np.zeros(3)}, r"2\.exp_avg is unexpected"),
        ({"0.exp_avg": np.zeros(4)}, r"0\.exp_avg has shape \(4,\) and type float64, expected \(3,\) and float64"),
        ({"0.exp_avg": np.zeros(3, np.float32)}, r"0\.exp_avg has shape \(3,\) and type float32, expected \(3,\)"),
        ({"group0.betas": np.array(0.5)}, r"group0\.betas has shape \(\) and type float64, expected \(2,\)"),
        ({"group0.lr": np.array(np.nan)}, r"lr is nan, expected a finite number"),
        ({"group0.betas": np.array([0.5, 1.0])}, r"betas\[1\] is 1\.0, expected .* less than 1"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change, message):
    rng = np.random.default_rng(0)
    params = parameters(rng, [(3,), (2,)])
    optimizer = optim.Adam(params)
    run(optimizer, params, rng, 2)
    before = optimizer.state_dict()
    run(optimizer, params, rng, 2)
    after = optimizer.state_dict()
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict({k: v for k, v in (before | change).items() if v is not None})
    assert_same(optimizer.state_dict(), after)
    optimizer.load_state_dict(before)
    assert_same(optimizer.state_dict(), before)


# ----------------------------------------------------------------------------------------------------------------------
# Errors
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("SGD", {"lr": -0.1}, ValueError, r"SGD: lr is -0\.1, expected a finite number, at least 0"),
        ("Adam", {"lr": math.nan}, ValueError, "Adam: lr is nan"),
        ("AdamW", {"lr": math.inf}, ValueError, "AdamW: lr is inf"),
        ("Adam", {"lr": "fast"}, TypeError, "Adam: lr is 'fast', expected a number"),
        ("Adam", {"betas": (0.5, 1.0)}, ValueError, r"Adam: betas\[1\] is 1\.0, .* at least 0 and less than 1"),
        ("Adam", {"betas": (-0.1, 0.9)}, ValueError, r"Adam: betas\[0\] is -0\.1"),
        ("Adam", {"betas": 0.5}, TypeError, r"Adam: betas is 0\.5, expected two numbers"),
        ("Adam", {"eps": -1e-8}, ValueError, "Adam: eps is -1e-08"),
        ("AdamW", {"weight_decay": -1}, ValueError, "AdamW: weight_decay is -1"),
        ("RMSprop", {"alpha": 1.5}, ValueError, r"RMSprop: alpha is 1\.5, .* less than 1"),
        ("RMSprop", {"momentum": -0.9}, ValueError, r"RMSprop: momentum is -0\.9"),
        ("SGD", {"nesterov": True}, ValueError, "SGD: nesterov needs momentum > 0 and dampening = 0, got momentum=0"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.5}, ValueError, r"momentum=0\.9 and dampening=0\.5"),
    ],
)
def test_options_out_of_range(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(optim, name)([mg.tensor([1.0])], **options)


def computed():
    return mg.tensor([1.0], requires_grad=True) * 2


ONE_TENSOR = mg.ones(2)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (list, ValueError, "Adam: there are no parameters to train. An iterator"),
        (lambda: mg.ones(2), TypeError, "params is a Tensor, expected a list"),
        (lambda: {mg.ones(2)}, TypeError, "params is a set, expected a list"),
        (lambda: [{"params": {mg.ones(2)}}], TypeError, "params is a set, expected a list"),
        (lambda: [{"params": mg.ones(2)}], TypeError, "params is a Tensor, expected a list"),
        (lambda: {"params": [mg.ones(2)]}, TypeError, "params is a dict, expected a list"),
        (lambda: [("weight", mg.ones(2))], TypeError, "parameter 0 is a tuple, expected a Tensor"),
        (lambda: [mg.ones(2), np.ones(2)], TypeError, "parameter 1 is a ndarray, expected a Tensor"),
        (lambda: [computed()], ValueError, r"parameter 0 of shape \(1,\) was computed by <Mul>; only leaves"),
        (lambda: [mg.arange(3)], TypeError, r"parameter 0 of shape \(3,\) has type int64; only float32 and float64"),
        (lambda: [ONE_TENSOR, ONE_TENSOR], ValueError, r"parameter 1 of shape \(2,\) is given twice"),
        (lambda: [{"params": [ONE_TENSOR]}, {"params": [ONE_TENSOR]}], ValueError, "parameter 0 .* is given twice"),
        (lambda: [{"params": [mg.ones(2)], "momentum": 0.9}], TypeError, r"unknown options \['momentum'\]; there are"),
        (lambda: [{"params": [mg.ones(2)], "lr": -1}], ValueError, "Adam: lr is -1"),
        (lambda: [{"lr": 0.1}], TypeError, 'a group is a dict such as {"params"'),
        (lambda: [{"params": [mg.ones(2)]}, mg.ones(2)], TypeError, 'a group is a dict such as {"params"'),
    ],
)
def test_parameters_that_cannot_be_trained(params, error, message):
    with pytest.raises(error, match=message):
        optim.Adam(params())


def test_a_group_that_is_refused_is_not_half_added():
    p = mg.ones(2)
    optimizer = optim.Adam([p])
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": [mg.ones(3), p]})
    assert len(optimizer.param_groups) == len(optimizer.state) == 1


@pytest.mark.parametrize("gradient", [np.ones(1, np.float32), np.ones(2, np.float64)])
def test_a_gradient_that_does_not_fit(gradient):
    p = mg.Tensor(np.ones(2, np.float32), requires_grad=True, name="Linear.bias")
    p.grad = mg.Tensor(gradient)
    with pytest.raises(ValueError, match=r"Adam: the gradient has shape .* but Linear.bias has shape \(2,\)"):
        optim.Adam([p]).step()


def test_repr_shows_the_options():
    text = repr(optim.SGD([mg.ones(2), mg.ones(3)], lr=0.1))
    assert text == "SGD(lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False; 2 parameters)"


# ----------------------------------------------------------------------------------------------------------------------
# Learning-rate schedules
# ----------------------------------------------------------------------------------------------------------------------

SCHEDULES = [
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.95**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (1 + epoch), lambda epoch: 0.5]}),
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [7, 2, 2]}),
    ("MultiStepLR", {"milestones": [0, 4], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("CosineAnnealingLR", {"T_max": 1, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 12, "eta_min": 0.001}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 9}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.7, "total_iters": 1}),
]
EVERY_SCHEDULE = pytest.mark.parametrize(("name", "options"), SCHEDULES)


def two_groups():
    return optim.SGD([{"params": [mg.ones(2)]}, {"params": [mg.ones(3)], "lr": 0.3}], lr=0.1)


@EVERY_SCHEDULE
@pytest.mark.filterwarnings("ignore:Detected call of")
def test_rates_are_those_of_torch(torch, name, options):
    reference = torch.optim.SGD([{"params": [torch.ones(2)]}, {"params": [torch.ones(3)], "lr": 0.3}], lr=0.1)
    schedule = getattr(optim, name)(two_groups(), **options)
    other = getattr(torch.optim.lr_scheduler, name)(reference, **options)
    for _ in range(30):
        assert schedule.get_last_lr() == [group["lr"] for group in schedule.optimizer.param_groups]
        assert schedule.last_epoch == other.last_epoch
        np.testing.assert_allclose(schedule.get_last_lr(), other.get_last_lr(), rtol=1e-12, atol=1e-15)
        schedule.step()
        other.step()


@EVERY_SCHEDULE
def test_a_loaded_schedule_continues_bit_for_bit(name, options):
    schedule = getattr(optim, name)(two_groups(), **options)
    for _ in range(4):
        schedule.step()
    resumed = getattr(optim, name)(optim.SGD([{"params": [mg.ones(2)]}, {"params": [mg.ones(3)]}], lr=5.0), **options)
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(10):
        assert resumed.last_epoch == schedule.last_epoch
        assert resumed.get_last_lr() == schedule.get_last_lr()
        resumed.step()
        schedule.step()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last_epoch": None}, "last_epoch is missing"),
        ({"base_lrs": np.ones(3)}, r"base_lrs has shape \(3,\) and type float64, expected \(2,\)"),
        ({"gamma": np.ones(1)}, "gamma is unexpected"),
        ({"base_lrs": np.array([0.1, np.nan])}, "the learning rate of epoch 2 is nan"),
    ],
)
def test_a_schedule_refuses_a_state_that_does_not_fit(change, message):
    schedule = optim.StepLR(two_groups(), 1)
    schedule.step()
    state = schedule.state_dict() | {"last_epoch": np.array(2)} | change
    with pytest.raises(ValueError, match=f"StepLR.*: (?s:.)*{message}"):
        schedule.load_state_dict({k: v for k, v in state.items() if v is not None})
    assert schedule.last_epoch == 1
    assert schedule.get_last_lr() == pytest.approx([0.01, 0.03])


@pytest.mark.parametrize(
    ("make_schedule", "error", "message"),
    [
        (lambda o: optim.StepLR("Adam", 3), TypeError, "StepLR: optimizer is a str, expected an Optimizer"),
        (lambda o: optim.StepLR(o, 0), ValueError, "StepLR: step_size is 0, expected an integer, at least 1"),
        (lambda o: optim.StepLR(o, 1.5), ValueError, r"StepLR: step_size is 1\.5, expected an integer"),
        (lambda o: optim.StepLR(o, 1, -0.1), ValueError, r"StepLR: gamma is -0\.1"),
        (lambda o: optim.MultiStepLR(o, [1], math.nan), ValueError, "MultiStepLR: gamma is nan"),
        (lambda o: optim.ExponentialLR(o, -1), ValueError, "ExponentialLR: gamma is -1"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ValueError, "CosineAnnealingLR: T_max is 0"),
        (lambda o: optim.CosineAnnealingLR(o, 5, -1), ValueError, "CosineAnnealingLR: eta_min is -1"),
        (lambda o: optim.LinearLR(o, 0), ValueError, "LinearLR: start_factor is 0 and end_factor is 1.0, expected"),
        (lambda o: optim.LinearLR(o, end_factor=2), ValueError, "end_factor is 2, expected"),
        (lambda o: optim.LinearLR(o, total_iters=0), ValueError, "LinearLR: total_iters is 0"),
        (lambda o: optim.LambdaLR(o, [abs]), ValueError, "LambdaLR: lr_lambda has 1 functions, .* has 2 groups"),
        (lambda o: optim.LambdaLR(o, lambda epoch: -1), ValueError, r"LambdaLR: the learning rate of epoch 0 is -0\.1"),
        (
            lambda o: optim.LambdaLR(o, lambda epoch: math.nan),
            ValueError,
            "LambdaLR: the learning rate of epoch 0 is nan",
        ),
    ],
)
def test_schedules_that_cannot_be(make_schedule, error, message):
    with pytest.raises(error, match=message):
        make_schedule(two_groups())


# ----------------------------------------------------------------------------------------------------------------------
# Clipping
# ----------------------------------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1e-3, 1.0, 100.0]),
    max_norm=st.sampled_from([0.0, 0.1, 1.0, 10.0, math.inf]),
    norm_type=st.sampled_from([0.5, 1.0, 2.0, 3.0, math.inf]),
)
@drawn(40)
def test_clipped_gradients_are_those_of_torch(torch, seed, size, max_norm, norm_type):
    rng = np.random.default_rng(seed)
    ours = parameters(rng, [(3,), (2, 3, 4), (), (5,)])
    theirs = [torch.tensor(p.numpy().copy(), requires_grad=True) for p in ours]
    for p, q in list(zip(ours, theirs))[:-1]:
        g = np.asarray(size * rng.standard_normal(p.shape))
        p.grad, q.grad = mg.Tensor(g), torch.tensor(g)
    total = optim.clip_grad_norm_(ours, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert isinstance(total, mg.Tensor)
    assert total.shape == ()
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    for p, q in list(zip(ours, theirs))[:-1]:
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-12)
    assert ours[-1].grad is None


CLIPPERS = {
    "clip_grad_norm_": lambda p: optim.clip_grad_norm_(p, 0.1),
    "clip_grad_value_": lambda p: optim.clip_grad_value_(p, 0.1),
    "clip_weights_": lambda p: optim.clip_weights_(p, 0.1),
}


@pytest.mark.parametrize("clip", CLIPPERS.values(), ids=CLIPPERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_makes_new_arrays_of_the_same_type(clip, dtype):
    params = parameters(np.random.default_rng(0), [(4,), ()], dtype)
    give_gradients(params, np.random.default_rng(1))
    arrays = [array for p in params for array in (p.data, p.grad.data)]
    copies = [array.copy() for array in arrays]
    clip(params)
    for array, copy in zip(arrays, copies):
        np.testing.assert_array_equal(array, copy)
    for p in params:
        assert p.dtype == p.grad.dtype == dtype


@pytest.mark.parametrize("clip", CLIPPERS.values(), ids=CLIPPERS)
def test_clipping_takes_one_tensor_or_an_iterator_and_nothing_else(clip):
    one, other = (mg.tensor([5.0], requires_grad=True) for _ in range(2))
    one.grad, other.grad = mg.tensor([5.0]), mg.tensor([5.0])
    clip(one)
    clip(p for p in [other])
    assert one.tolist() == other.tolist()
    assert one.grad.tolist() == other.grad.tolist()
    assert min(one.item(), one.grad.item()) == pytest.approx(0.1)
    with pytest.raises(TypeError, match=r"clip_.*: parameter 0 is a ndarray, expected a Tensor"):
        clip([np.ones(2)])


def test_clipping_what_no_gradient_reached():
    assert optim.clip_grad_norm_([mg.ones(2)], 1.0).item() == 0
    optim.clip_grad_value_([mg.ones(2)], 1.0)


def test_values_are_clipped_on_both_sides(torch):
    g = np.linspace(-3, 3, 13)
    p, q = mg.Tensor(np.zeros(13), requires_grad=True), torch.zeros(13, dtype=torch.float64)
    p.grad, q.grad = mg.Tensor(g), torch.tensor(g)
    optim.clip_grad_value_(p, 1.2)
    torch.nn.utils.clip_grad_value_(q, 1.2)
    np.testing.assert_array_equal(p.grad.data, q.grad.numpy())


def test_clipped_weights_lie_within_the_bound_and_have_a_new_version():
    w = mg.Tensor(np.linspace(-1, 1, 201, dtype=np.float32), requires_grad=True)
    loss = (w * w).sum()
    optim.clip_weights_([w], 0.01)
    np.testing.assert_array_equal(w.data, np.clip(np.linspace(-1, 1, 201, dtype=np.float32), -0.01, 0.01))
    with pytest.raises(RuntimeError, match="given new values"):
        loss.backward()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_norm_that_is_not_finite(torch, bad):
    def gradients():
        p, q = mg.Tensor(np.ones(2), requires_grad=True), torch.ones(2, dtype=torch.float64)
        p.grad, q.grad = mg.Tensor(np.array([1.0, bad])), torch.tensor([1.0, bad], dtype=torch.float64)
        return p, q

    p, q = gradients()
    optim.clip_grad_norm_([p], 1.0)
    torch.nn.utils.clip_grad_norm_([q], 1.0)
    np.testing.assert_array_equal(p.grad.data, q.grad.numpy())
    p, _ = gradients()
    before = p.grad
    with pytest.raises(RuntimeError, match=f"clip_grad_norm_: the norm of the gradients is {bad}"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert p.grad is before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: optim.clip_grad_norm_(p, -1.0), r"clip_grad_norm_: max_norm is -1\.0"),
        (lambda p: optim.clip_grad_norm_(p, math.nan), "clip_grad_norm_: max_norm is nan"),
        (lambda p: optim.clip_grad_norm_(p, 1.0, 0), "clip_grad_norm_: norm_type is 0, expected .* greater than 0"),
        (lambda p: optim.clip_grad_value_(p, -1.0), r"clip_grad_value_: clip_value is -1\.0"),
        (lambda p: optim.clip_weights_(p, math.nan), "clip_weights_: bound is nan"),
    ],
)
def test_bounds_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call([mg.ones(2)])
