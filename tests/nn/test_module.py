"""minigan.nn.module: what a network is made of, and PyTorch's names for all of it."""

import copy
import re

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.nn import Buffer, Module, ModuleList, Parameter, Sequential


class Residual(Module):
    """A module with a parameter and a buffer of its own, and modules inside, in this order."""

    def __init__(self, features):
        self.inner = Sequential(nn.Linear(features, features), nn.ReLU())
        self.gain = Parameter(np.full(features, 0.5, np.float32))
        self.count = Buffer(np.zeros((), np.int64))
        self.outer = nn.Linear(features, features, bias=False)

    def forward(self, x, scale=1.0):
        return x + scale * self.gain * self.outer(self.inner(x))


# Each in words that minigan.nn and torch.nn share, with the shape of its input.
NETWORKS = {
    "classifier": (
        lambda nn: nn.Sequential(
            nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.PReLU(), nn.LayerNorm(8), nn.Linear(8, 3, bias=False)
        ),
        (5, 1, 4, 4),
    ),
    "discriminator": (
        lambda nn: nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2)),
            nn.Sequential(nn.Conv2d(4, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6), nn.LeakyReLU(0.2)),
            nn.Sequential(nn.Flatten(), nn.Linear(24, 1)),
        ),
        (5, 1, 8, 8),
    ),
    "generator": (
        lambda nn: nn.Sequential(
            nn.Linear(3, 16),
            nn.Unflatten(1, (4, 2, 2)),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.ConvTranspose2d(4, 2, 4, 2, 1),
            nn.GroupNorm(2, 2),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(2, 1, 3, padding=1),
            nn.Tanh(),
        ),
        (5, 3),
    ),
}
EVERY = pytest.mark.parametrize("name", NETWORKS)


def network(name="discriminator", seed=0):
    mg.manual_seed(seed)
    return NETWORKS[name][0](nn)


def images(name="discriminator", requires_grad=False):
    x = np.random.default_rng(1).standard_normal(NETWORKS[name][1]).astype(np.float32)
    return mg.Tensor(x, requires_grad)


# ------------------------------------------------------------------------------------------------------- its parts


@EVERY
def test_names_and_shapes_are_pytorchs_in_pytorchs_order(torch, name):
    ours, theirs = network(name), NETWORKS[name][0](torch.nn)
    for what in ("named_parameters", "named_buffers"):
        mine = [(key, value.shape) for key, value in getattr(ours, what)()]
        assert mine == [(key, tuple(value.shape)) for key, value in getattr(theirs, what)()]
    for what in ("named_modules", "named_children"):
        mine = [(key, type(module).__name__) for key, module in getattr(ours, what)()]
        assert mine == [(key, type(module).__name__) for key, module in getattr(theirs, what)()]
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_parts_are_found_in_the_order_of_their_definition_a_modules_own_parameters_first():
    net = Sequential(Residual(2), nn.Linear(2, 1))
    own = ["0.gain", "0.inner.0.weight", "0.inner.0.bias", "0.outer.weight", "1.weight", "1.bias"]
    assert [name for name, _ in net.named_parameters()] == own
    assert [name for name, _ in net.named_buffers()] == ["0.count"]
    assert [name for name, _ in net.named_modules()] == ["", "0", "0.inner", "0.inner.0", "0.inner.1", "0.outer", "1"]
    assert [name for name, _ in net.named_children()] == ["0", "1"]
    assert [p is q for p, (_, q) in zip(net.parameters(), net.named_parameters())] == [True] * 6
    assert [m is n for m, (_, n) in zip(net.modules(), net.named_modules())] == [True] * 7
    assert list(net.state_dict()) == ["0.gain", "0.count", *own[1:]]


def test_a_prefix_stands_before_every_name():
    net = Residual(2)
    assert [name for name, _ in net.named_parameters("G")][:2] == ["G.gain", "G.inner.0.weight"]
    assert [name for name, _ in net.named_buffers("G")] == ["G.count"]
    assert [name for name, _ in net.named_modules("G")][:2] == ["G", "G.inner"]


def test_a_shared_parameter_and_a_shared_module_are_counted_once():
    shared = nn.Linear(2, 2)
    tied = nn.Linear(2, 2)
    tied.weight = shared.weight
    net = Sequential(shared, nn.Tanh(), shared, tied)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "3.bias"]
    assert [name for name, _ in net.named_modules()] == ["", "0", "1", "3"]
    net(mg.ones(1, 2)).sum().backward()
    assert shared.weight.grad is tied.weight.grad


def test_what_is_reassigned_or_deleted_is_no_longer_a_part():
    net = Residual(2)
    net.outer = nn.Linear(2, 3)
    del net.gain
    net.inner = None
    assert [(name, p.shape) for name, p in net.named_parameters()] == [("outer.weight", (3, 2)), ("outer.bias", (3,))]


def test_a_parameter_is_a_leaf_that_requires_a_gradient_and_a_buffer_does_not():
    weight, buffer = Parameter(np.ones(2, np.float32)), Buffer(np.ones(2, np.float32))
    assert (weight.requires_grad, buffer.requires_grad) == (True, False)
    assert weight.is_leaf
    assert not Parameter(np.ones(2, np.float32), requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="requires_grad: only float32 and float64 have gradients, this tensor is int64"):
        Parameter(np.ones(2, np.int64))


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        (lambda: [nn.ReLU()], "list"),
        (lambda: (1, nn.ReLU()), "tuple"),
        (lambda: {"a": nn.ReLU()}, "dict"),
        (lambda: [Parameter(np.ones(1, np.float32))], "list"),
    ],
)
def test_a_plain_list_of_modules_or_parameters_is_refused(plain, kind):
    net = Residual(2)
    with pytest.raises(TypeError) as error:
        net.layers = plain()
    assert str(error.value) == (
        f"Residual.layers: a plain {kind} hides its modules and parameters from the network; assign them one by one, or "
        f"put modules into nn.ModuleList or nn.Sequential"
    )
    assert not hasattr(net, "layers")


def test_lists_of_other_things_are_ordinary_attributes():
    net = Residual(2)
    net.sizes, net.names, net.options = [1, 2], (), {"slope": 0.2}
    assert (net.sizes, net.names, net.options) == ([1, 2], (), {"slope": 0.2})


def test_errors_of_the_engine_call_a_parameter_by_its_layer_and_name():
    net = nn.Linear(2, 1)
    loss = net(mg.ones(1, 2, requires_grad=True)).sum()
    net.weight.data = net.weight.data + 1
    with pytest.raises(RuntimeError, match=r"backward through Linear\.weight of shape \(1, 2\)"):
        loss.backward()


def test_a_call_hands_all_arguments_to_forward():
    net, x = Residual(2), mg.ones(1, 2)
    assert net(x, scale=0.0).tolist() == net(x, 0.0).tolist() == x.tolist()
    assert net(x, 2.0).tolist() == net.forward(x, scale=2.0).tolist()


# ----------------------------------------------------------------------------------------- what is done to all parts


def test_train_and_eval_reach_the_whole_tree_and_return_it():
    net = network()
    assert all(m.training for m in net.modules())
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert net.train() is net
    assert all(m.training for m in net.modules())
    net[1].train(False)
    assert [m.training for m in net.modules()] == [True] * 4 + [False] * 4 + [True] * 3


def test_a_frozen_network_passes_gradients_on_to_its_input_and_keeps_none():
    """What the generator needs of the discriminator."""
    net, x = network(), images(requires_grad=True)
    (expected,) = mg.grad(net(x).sum(), x)
    assert net.requires_grad_(False) is net
    net(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), expected.numpy())
    assert all(p.grad is None for p in net.parameters())
    net.requires_grad_()
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_zero_grad_forgets_the_gradients():
    """None, not zeros: never reached is not the same as reached with 0."""
    net = network()
    net(images()).sum().backward()
    net.zero_grad()
    assert [p.grad for p in net.parameters()] == [None] * len(list(net.parameters()))


def test_apply_calls_on_children_first_and_returns_the_network(torch):
    def visits(nn):
        seen = []
        net = nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), nn.Tanh())
        assert net.apply(lambda module: seen.append(type(module).__name__)) is net
        return seen

    assert visits(nn) == visits(torch.nn) == ["Linear", "ReLU", "Sequential", "Tanh", "Sequential"]


def test_apply_can_initialise_weights_as_the_dcgan_paper_does():
    def initialise(module):
        if isinstance(module, nn.Conv2d):
            mg.init.normal_(module.weight, 0.0, 0.02, generator=np.random.default_rng(0))

    conv = nn.Conv2d(8, 64, 4)
    Sequential(conv).apply(initialise)
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.05)


# ---------------------------------------------------------------------------------------------------- float, double


def test_double_and_float_convert_parameters_their_gradients_and_floating_buffers():
    net, x = network(), images()
    net(x).sum().backward()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    for convert, dtype in ((net.double, np.float64), (net.float, np.float32), (lambda: net.to("float64"), np.float64)):
        assert convert() is net
        for name, array in net.state_dict().items():
            counts = name.endswith("num_batches_tracked")
            assert array.dtype == (np.int64 if counts else dtype)
            np.testing.assert_array_equal(array, before[name].astype(array.dtype))
        assert {p.grad.dtype for p in net.parameters()} == {np.dtype(dtype)}
        assert net(x.to(dtype)).dtype == dtype
        net(x.to(dtype)).sum().backward()
        before = {name: array.copy() for name, array in net.state_dict().items()}  # the running statistics moved


def test_conversion_gives_new_values_so_a_graph_from_before_cannot_be_used():
    net = nn.Linear(2, 1)
    loss = net(mg.ones(1, 2, requires_grad=True)).sum()
    net.double()
    with pytest.raises(RuntimeError, match=r"Linear\.weight of shape \(1, 2\) .* given new values after the forward"):
        loss.backward()


def test_conversion_to_the_type_that_it_has_changes_nothing():
    net = nn.Linear(2, 1)
    loss = net(mg.ones(1, 2)).sum()
    assert net.float().to("cpu").to(np.float32) is net
    loss.backward()
    assert net.weight.grad.tolist() == [[1.0, 1.0]]


def test_conversion_to_another_device_or_to_integers_is_refused():
    net = nn.Linear(2, 1)
    with pytest.raises(ValueError, match="there is no device 'tpu'; there are 'cpu', 'cuda', 'cudasim'"):
        net.to("tpu")
    for dtype in (np.int64, np.float16):
        name = np.dtype(dtype).name
        with pytest.raises(TypeError, match=rf"^Linear\.to: expected float32, float64 or a device, got {name}$"):
            net.to(dtype)
    assert net.weight.dtype == np.float32


# ------------------------------------------------------------------------------------------------------- the state


def gradients(loss, x, parameters):
    """Of the loss: to the input, then to every parameter."""
    loss.backward()
    return [np.array(t.grad.tolist()) for t in (x, *parameters)]


@EVERY
def test_weights_copied_from_pytorch_give_its_outputs_gradients_and_running_statistics(torch, name):
    torch.manual_seed(0)
    theirs = NETWORKS[name][0](torch.nn).double()
    with torch.no_grad():
        theirs(
            torch.randn(NETWORKS[name][1], dtype=torch.float64)
        )  # so that the running statistics are not the initial ones
    ours = network(name).double()
    ours.load_state_dict(theirs.state_dict())
    x = images(name).numpy().astype(np.float64)
    for training in (True, False):
        ours.train(training), theirs.train(training)
        ours.zero_grad(), theirs.zero_grad()
        mine, yours = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        a, b = ours(mine), theirs(yours)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)
        both = (
            gradients((a**2).sum(), mine, ours.parameters()),
            gradients((b**2).sum(), yours, theirs.parameters()),
        )
        for g, h in zip(*both, strict=True):
            np.testing.assert_allclose(g, h, rtol=1e-7, atol=1e-9)
        for key, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[key], value.numpy(), rtol=1e-9, atol=1e-12)


@EVERY
def test_pytorch_loads_a_state_of_minigan_and_computes_the_same(torch, name):
    ours, theirs = network(name), NETWORKS[name][0](torch.nn)
    theirs.load_state_dict({key: torch.tensor(value) for key, value in ours.state_dict().items()})
    x = images(name)
    expected = theirs.eval()(torch.tensor(x.numpy())).detach().numpy()
    np.testing.assert_allclose(ours.eval()(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_state_carries_everything_over_to_another_network():
    a, b, x = network(seed=0), network(seed=1), images()
    a(x)
    b.load_state_dict(a.state_dict())
    assert a.eval()(x).tolist() == b.eval()(x).tolist()
    assert b.state_dict()["1.1.num_batches_tracked"] == 1


def test_a_state_stays_as_it_is_when_training_goes_on():
    net, x = network(), images()
    state = net.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    optimiser = mg.optim.SGD(net.parameters(), lr=0.1)
    (net(x) ** 2).sum().backward()
    optimiser.step()
    for name, array in state.items():
        np.testing.assert_array_equal(array, before[name])
        assert (net.state_dict()[name] != array).any()


def test_a_loaded_state_is_a_copy():
    net = nn.Linear(2, 1)
    weight = np.ones((1, 2), np.float32)
    net.load_state_dict({"weight": weight, "bias": np.zeros(1)})
    weight[:] = 7
    assert net.weight.tolist() == [[1.0, 1.0]]


def test_a_state_may_hold_tensors_lists_and_other_types_and_the_network_keeps_its_own(torch):
    net = nn.Linear(2, 1)
    for weight in ([[1, 2]], mg.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.0]]), np.array([[1.0, 2.0]])):
        net.weight.data = np.zeros((1, 2), np.float32)
        net.load_state_dict({"weight": weight, "bias": [0.5]})
        assert (net.weight.tolist(), net.bias.tolist()) == ([[1.0, 2.0]], [0.5])
        assert net.weight.dtype == np.float32
        assert isinstance(net.weight, Parameter)
        assert net.weight.requires_grad


def test_a_state_loads_into_a_frozen_network_and_leaves_it_frozen():
    net = network().requires_grad_(False)
    net.load_state_dict(network(seed=1).state_dict())
    assert not any(p.requires_grad for p in net.parameters())


def test_loading_gives_new_values_so_a_graph_from_before_cannot_be_used():
    net = nn.Linear(2, 1)
    loss = net(mg.ones(1, 2, requires_grad=True)).sum()
    net.load_state_dict(net.state_dict())
    with pytest.raises(RuntimeError, match="given new values after the forward pass"):
        loss.backward()


def test_a_state_that_does_not_fit_is_refused_with_all_that_is_wrong_and_nothing_is_loaded():
    net = network()
    before = {name: array.copy() for name, array in net.state_dict().items()}
    state = {name: array + 1 for name, array in before.items()}
    del state["0.0.bias"], state["1.1.running_mean"]
    state["2.1.weight"] = np.zeros((3, 24), np.float32)
    state["1.1.bias"] = np.zeros((), np.float32)
    state |= {"3.weight": np.zeros(1), "extra": np.zeros(1)}
    with pytest.raises(ValueError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "load_state_dict: the state does not fit Sequential:\n"
        "  wrong shape: 1.1.bias: (), expected (6,), 2.1.weight: (3, 24), expected (1, 24)\n"
        "  missing: 0.0.bias, 1.1.running_mean\n"
        "  unexpected: 3.weight, extra"
    )
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_value_that_is_no_number_is_refused_before_anything_is_loaded():
    net = nn.Linear(2, 1)
    before = net.weight.tolist()
    with pytest.raises(ValueError, match="could not convert string to float"):
        net.load_state_dict({"weight": np.ones((1, 2)), "bias": ["?"]})
    assert net.weight.tolist() == before


def test_without_strict_what_is_there_is_taken_but_it_must_have_the_shape():
    net = nn.Linear(2, 1)
    bias = net.bias.tolist()
    net.load_state_dict({"weight": np.ones((1, 2)), "extra": np.ones(1)}, strict=False)
    assert (net.weight.tolist(), net.bias.tolist()) == ([[1.0, 1.0]], bias)
    with pytest.raises(ValueError) as error:
        net.load_state_dict({"weight": np.zeros(3), "extra": np.ones(1)}, strict=False)
    assert str(error.value) == (
        "load_state_dict: the state does not fit Linear:\n  wrong shape: weight: (3,), expected (1, 2)"
    )


def test_a_deep_copy_is_a_network_of_its_own():
    """What an exponential moving average of a generator begins with."""
    net, x = network(), images()
    net[2][1].weight.name = "the last"
    twin = copy.deepcopy(net)
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in net.named_parameters()]
    assert all(isinstance(p, Parameter) and p.requires_grad for p in twin.parameters())
    assert not {*map(id, twin.parameters())} & {*map(id, net.parameters())}
    assert twin(x).tolist() == net(x).tolist()
    for p in net.parameters():
        p.data = p.data + 1
    assert twin.eval()(x).tolist() != net.eval()(x).tolist()


def test_a_deep_copy_shares_what_the_original_shared():
    tied = Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied[1].weight = tied[0].weight
    twin = copy.deepcopy(tied)
    assert twin[0].weight is twin[1].weight
    assert len(list(twin.parameters())) == 3


# ------------------------------------------------------------------------------------------------------ for people


def test_repr_shows_the_tree():
    assert repr(Sequential(Residual(2), nn.Conv2d(1, 4, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2))) == (
        "Sequential(\n"
        "  (0): Residual(\n"
        "    (inner): Sequential(\n"
        "      (0): Linear(2, 2)\n"
        "      (1): ReLU()\n"
        "    )\n"
        "    (outer): Linear(2, 2, bias=False)\n"
        "  )\n"
        "  (1): Conv2d(1, 4, kernel_size=4, stride=2, padding=1, bias=False)\n"
        "  (2): LeakyReLU(0.2)\n"
        ")"
    )


def table(text):
    """The cells of a summary's rows, without the rules."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines() if "─" not in line]


@EVERY
def test_summary_tells_every_layers_output_and_parameters(torch, name):
    """The shapes are those that the layers make; the counts are PyTorch's."""
    net, x = network(name), images(name)
    head, given, *rows, total = table(net.summary(x.shape[1:]))
    assert head == ["layer", "output", "parameters"]
    assert given == ["input", " × ".join(map(str, x.shape[1:]))]
    leaves = [(key, module) for key, module in net.named_modules() if not any(True for _ in module.children())]
    counts = {
        key: sum(p.numel() for p in module.parameters()) for key, module in NETWORKS[name][0](torch.nn).named_modules()
    }
    assert len(rows) == len(leaves)
    net.eval()
    for (key, module), (number, kind, shape, count) in zip(leaves, rows):
        x = module(x)
        assert (number, kind) == (key, type(module).__name__)
        assert shape == " × ".join(map(str, x.shape[1:]))
        assert count == f"{counts[key]:,}"
    assert total == ["total", f"{counts['']:,}"]


def test_the_columns_of_a_summary_are_aligned():
    lines = network().summary((1, 8, 8)).splitlines()
    assert lines[1] == lines[-2] == "─" * len(lines[0])
    assert {len(line) for line in lines if not line.startswith("input")} == {len(lines[0])}
    assert len({line.index(word) for line, word in zip(lines[2:5], ["1 × 8", "4 × 4", "4 × 4"])}) == 1


def test_summary_leaves_modes_running_statistics_gradients_and_chance_as_they_were():
    net = Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.BatchNorm1d(4))
    net[1].eval()
    net(mg.randn(5, 3)).sum().backward()
    modes, state = [m.training for m in net.modules()], {k: v.copy() for k, v in net.state_dict().items()}
    kept, chance = [p.grad for p in net.parameters()], mg.get_rng_state()
    net.summary((3,))
    assert [m.training for m in net.modules()] == modes
    assert all(p.grad is g for p, g in zip(net.parameters(), kept))
    assert mg.get_rng_state() == chance
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_a_summary_that_fails_leaves_the_modes_as_they_were_and_stops_watching():
    net = network()
    with pytest.raises(ValueError, match="conv2d: input of shape"):
        net.summary((3, 8, 8))
    assert all(m.training for m in net.modules())
    assert Module._watch is None  # else every later call, with its result, would be kept
    assert len(table(net.summary((1, 8, 8)))) == 10
    assert Module._watch is None


def test_summary_of_a_float64_network_of_one_layer_and_of_a_layer_that_is_made_on_the_way():
    class Rectified(Module):
        def __init__(self):
            self.linear = nn.Linear(2, 3)

        def forward(self, x):
            return nn.ReLU()(self.linear(x))

    assert table(network().double().summary((1, 8, 8))) == table(network().summary((1, 8, 8)))
    assert table(nn.Linear(2, 3).summary((2,)))[2:] == [["Linear", "3", "9"], ["total", "9"]]
    rows = table(Rectified().summary((2,)))
    assert rows[2:] == [["linear", "Linear", "3", "9"], ["ReLU", "3", "0"], ["total", "9"]]


# ------------------------------------------------------------------------------------------- Sequential, ModuleList


def test_sequential_calls_one_after_the_other():
    f, g = nn.Linear(2, 3), nn.Linear(3, 1)
    x = mg.ones(4, 2)
    assert Sequential(f, g)(x).tolist() == g(f(x)).tolist()
    assert Sequential()(x) is x


def test_sequential_is_indexed_sliced_and_iterated_like_a_list():
    net = network("generator")
    assert len(net) == 9
    assert [m is n for m, n in zip(net, net.children())] == [True] * 9
    assert net[-1] is list(net)[-1]
    head = net[:3]
    assert isinstance(head, Sequential)
    assert [m is n for m, n in zip(head, net)] == [True] * 3
    assert [type(m).__name__ for m in net[4::4]] == ["ConvTranspose2d", "Tanh"]
    x = images("generator")
    net.eval()
    assert net[3:](head(x)).tolist() == net(x).tolist()
    with pytest.raises(IndexError):
        net[9]


# What Sequential runs as one operation: pairs of layers, and an input.
JOINED = {
    "BatchNorm2d, ReLU": (lambda: [nn.BatchNorm2d(3), nn.ReLU()], (4, 3, 5, 5)),
    "BatchNorm2d, LeakyReLU": (lambda: [nn.BatchNorm2d(3), nn.LeakyReLU(0.2)], (4, 3, 5, 5)),
    "BatchNorm1d, LeakyReLU": (lambda: [nn.BatchNorm1d(3, 0.1, None), nn.LeakyReLU()], (4, 3)),
    "no affine map": (lambda: [nn.BatchNorm2d(3, affine=False), nn.ReLU()], (4, 3, 5, 5)),
    "no running statistics": (lambda: [nn.BatchNorm2d(3, track_running_stats=False), nn.ReLU()], (4, 3, 5, 5)),
}


def normal(*shape, seed=0):
    return mg.randn(*shape, generator=np.random.default_rng(seed), requires_grad=True)


def operations(y):
    """The operations that made y, last one first, as far as each has one input that was computed."""
    found = []
    while y.grad_fn is not None:
        found.append(y.grad_fn.name)
        y = y.grad_fn.inputs[0]
    return found


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("label", JOINED)
def test_sequential_joins_batch_norm_and_an_activation_and_nothing_else_changes(label, train):
    """Bit for bit: value, gradients, and running statistics, of two steps in a row."""
    layers, shape = JOINED[label]
    joined, apart = layers(), layers()
    joined_net = Sequential(*joined).train(train)
    for layer in apart:
        layer.train(train)
    for seed in range(2):
        x, ȳ = normal(*shape, seed=seed), normal(*shape, seed=9).detach()
        y, expected = joined_net(x), apart[1](apart[0](x))
        assert len(operations(y)) == 1
        assert len(operations(expected)) == 2
        pairs = [(y, expected)]
        for a, b in zip([x, *joined[0].parameters()], [x, *apart[0].parameters()], strict=True):
            pairs += zip(mg.grad(y, a, ȳ), mg.grad(expected, b, ȳ))
        pairs += zip(joined[0].buffers(), apart[0].buffers())
        for a, b in pairs:
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_sequential_joins_each_pair_and_leaves_the_other_layers_alone():
    norm = lambda: nn.BatchNorm1d(2)  # noqa: E731
    net = Sequential(nn.ReLU(), norm(), nn.ReLU(), norm(), nn.LeakyReLU(), nn.ReLU(), norm(), nn.Tanh(), norm())
    assert operations(net(normal(4, 2)))[::-1] == [
        *("LeakyReLU", "BatchNorm", "BatchNorm", "LeakyReLU", "BatchNorm", "Tanh", "BatchNorm")
    ]


class OwnNorm(nn.BatchNorm1d):
    pass


class OwnReLU(nn.ReLU):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    "layers",
    [[OwnNorm(2), nn.ReLU()], [nn.BatchNorm1d(2), OwnReLU()], [nn.BatchNorm1d(2), nn.LeakyReLU(-0.5)]],
    ids=["a subclass of batch norm", "a subclass of ReLU", "a falling slope"],
)
def test_sequential_joins_no_subclass_and_no_falling_slope(layers):
    x = normal(4, 2)
    assert operations(Sequential(*layers)(x)) == operations(layers[1](layers[0](x)))


@pytest.mark.parametrize("replaced", [0, 1])
def test_sequential_joins_no_layer_whose_forward_was_replaced(replaced):
    net = Sequential(nn.BatchNorm1d(2), nn.ReLU())
    net[replaced].forward = lambda x: 7 * mg.ones_like(x)
    assert net(normal(4, 2)).tolist() == [[7.0, 7.0]] * 4


def test_anomaly_mode_and_summary_see_the_layers_one_by_one():
    net = Sequential(nn.BatchNorm1d(2), nn.ReLU())
    x = mg.tensor([[1.0, 2.0], [np.nan, 3.0]], requires_grad=True)
    with mg.anomaly(), pytest.raises(mg.AnomalyError, match=r"^BatchNorm: the forward pass made 2 NaN"):
        net(x)
    with mg.anomaly():
        assert operations(net(normal(4, 2))) == ["LeakyReLU", "BatchNorm"]
    assert [row[1] for row in table(net.summary((2,)))[2:4]] == ["BatchNorm1d", "ReLU"]


def test_the_second_derivative_goes_through_a_joined_pair():
    net = Sequential(nn.BatchNorm1d(3), nn.LeakyReLU(0.2)).double()
    x = mg.Tensor(np.random.default_rng(0).standard_normal((5, 3)))
    assert mg.check.gradcheck(lambda x, *_: net(x), [x, *net.parameters()], order=2)


def test_a_module_list_belongs_to_the_network():
    class Pyramid(Module):
        def __init__(self):
            self.levels = ModuleList(nn.Linear(2, n) for n in (1, 2))
            self.levels.append(nn.Linear(2, 3))

        def forward(self, x):
            return [level(x) for level in self.levels]

    net = Pyramid()
    assert [y.shape for y in net(mg.ones(5, 2))] == [(5, 1), (5, 2), (5, 3)]
    assert [name for name, _ in net.named_modules()] == ["", "levels", "levels.0", "levels.1", "levels.2"]
    assert [name for name, _ in net.named_parameters()][-1] == "levels.2.bias"
    assert len(net.levels) == 3
    assert net.levels[-1] is list(net.levels)[2] is net.levels[2]
    assert net.levels.append(nn.ReLU()) is net.levels
    assert not net.eval().levels[0].training


def test_containers_refuse_what_is_no_module():
    with pytest.raises(TypeError, match=r"^Sequential: item 1 is not a Module but function$"):
        Sequential(nn.ReLU(), lambda x: x)
    with pytest.raises(TypeError, match=r"^Sequential: item 0 is not a Module but list$"):
        Sequential([nn.ReLU()])
    with pytest.raises(TypeError, match=r"^ModuleList: expected a Module, got str$"):
        ModuleList([nn.ReLU(), "relu"])


def test_frozen_thaws_just_what_was_learned_before_also_after_an_error():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)

    def fail():
        with nn.frozen(net):
            assert not any(p.requires_grad for p in net.parameters())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [p.requires_grad for p in net.parameters()] == [False, False, True, True]
