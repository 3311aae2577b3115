"""minigan.train.unrolled: G's gradient through the D of the next steps is PyTorch's, and D stays where it is."""

import numpy as np
import pytest

import minigan as mg
from minigan import losses, nn, optim
from minigan.losses import discriminator_loss, nonsaturating_generator_loss
from minigan.nn import functional_call
from minigan.train import unrolled

OPTIMISERS = {
    "SGD": {"lr": 0.2},
    "SGD with momentum": {"lr": 0.2, "momentum": 0.9, "dampening": 0.1},
    "Adam": {"lr": 0.05, "betas": (0.5, 0.9)},
    "Adam, as it is": {"lr": 0.05},
}
EVERY_OPTIMISER = pytest.mark.parametrize("name", OPTIMISERS)
K = pytest.mark.parametrize("k", [1, 3, 5])


@pytest.fixture(autouse=True)
def seed():
    mg.manual_seed(0)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


REAL, Z = normal(6, 2, seed=1) + 1, normal(6, 3, seed=2)


def networks(nn=nn):
    """G and D on points of the plane, of either library."""
    G = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    D = nn.Sequential(nn.Linear(2, 6), nn.Softplus(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1))
    return G.double(), D.double()


def make(library, name, params):
    return getattr(library, name.replace(",", "").split()[0])(params, **OPTIMISERS[name])


def after_two_steps(name, torch=None):
    """The networks and D's optimiser, which has made two real steps, so that it has moments; and the same in PyTorch."""
    G, D = networks()
    twin = Twin(torch, name, G, D) if torch else None
    optimizer = make(optim, name, D.parameters())
    for seed in (3, 4):
        z = normal(6, 3, seed=seed)
        optimizer.zero_grad()
        discriminator_loss(D(mg.Tensor(REAL)), D(G(mg.Tensor(z)).detach())).backward()
        optimizer.step()
        if twin:
            twin.real_step(z)
    optimizer.zero_grad()
    return G, D, optimizer, twin


def unrolled_loss(G, D, optimizer, k, weight=0.0):
    """G's loss against D after k steps, all of them on the same samples; D's loss may have a gradient penalty."""
    real, fake = mg.Tensor(REAL), G(mg.Tensor(Z))

    def loss(D):
        value = discriminator_loss(D(real), D(fake))
        return value + weight * losses.r1_penalty(D, real) if weight else value

    later = unrolled(D, optimizer, loss, k)
    return nonsaturating_generator_loss(functional_call(D, later, fake)), later


# ------------------------------------------------------------------------------------------------------- in PyTorch


class Twin:
    """The same game in PyTorch, its optimisers written out from their formulas."""

    def __init__(self, torch, name, G, D):
        self.torch, self.name, self.options = torch, name, OPTIMISERS[name]
        self.G, self.D = networks(torch.nn)
        self.G.load_state_dict({n: torch.tensor(a) for n, a in G.state_dict().items()})
        self.D.load_state_dict({n: torch.tensor(a) for n, a in D.state_dict().items()})
        self.optimizer = make(torch.optim, name, self.D.parameters())

    def real_step(self, z):
        self.optimizer.zero_grad()
        self.d_loss(self.D, self.G(self.torch.tensor(z)).detach()).backward()
        self.optimizer.step()

    def d_loss(self, D, fake, weight=0.0):
        softplus, real = self.torch.nn.functional.softplus, self.torch.tensor(REAL, requires_grad=bool(weight))
        value = softplus(-D(real)).mean() + softplus(D(fake)).mean()
        if weight:
            (slopes,) = self.torch.autograd.grad(D(real).sum(), real, create_graph=True)
            value = value + weight * 0.5 * (slopes**2).sum(dim=1).mean()
        return value

    def unrolled_loss(self, k, weight=0.0):
        torch, values = self.torch, dict(self.D.named_parameters())
        moments = {n: dict(self.optimizer.state[p]) for n, p in values.items()}
        fake = self.G(torch.tensor(Z))
        for _ in range(k):
            current = values
            loss = self.d_loss(lambda x: torch.func.functional_call(self.D, current, (x,)), fake, weight)  # noqa: B023
            grads = torch.autograd.grad(loss, list(values.values()), create_graph=True)
            values = {n: self.stepped(p, g, moments[n]) for (n, p), g in zip(values.items(), grads)}
        return torch.nn.functional.softplus(-torch.func.functional_call(self.D, values, (fake,))).mean(), values

    def stepped(self, p, g, state):
        lr = self.options["lr"]
        if "momentum" in self.options:
            state["momentum_buffer"] = 0.9 * state["momentum_buffer"] + (1 - 0.1) * g
            g = state["momentum_buffer"]
        elif "Adam" in self.name:
            b1, b2 = self.options.get("betas", (0.9, 0.999))
            t = state["step"] = float(state["step"]) + 1
            m = state["exp_avg"] = b1 * state["exp_avg"] + (1 - b1) * g
            v = state["exp_avg_sq"] = b2 * state["exp_avg_sq"] + (1 - b2) * g * g
            return p - lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + 1e-8)
        return p - lr * g


def close(ours, theirs, tolerance=1e-9):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance)


@EVERY_OPTIMISER
@K
@pytest.mark.parametrize("weight", [0.0, 0.5], ids=["", "with a gradient penalty"])
def test_gs_gradient_is_pytorchs(torch, name, k, weight):
    G, D, optimizer, twin = after_two_steps(name, torch)
    ours, later = unrolled_loss(G, D, optimizer, k, weight)
    theirs, expected = twin.unrolled_loss(k, weight)
    close(ours, theirs)
    for n in later:
        close(later[n], expected[n])
    found = mg.grad(ours, list(G.parameters()))
    for g, h in zip(found, torch.autograd.grad(theirs, list(twin.G.parameters())), strict=True):
        close(g, h)
    # the part that goes through D's steps is there, and is no rounding
    constants = {n: t.detach() for n, t in later.items()}
    first_part = nonsaturating_generator_loss(functional_call(D, constants, G(mg.Tensor(Z))))
    apart = [abs(g - h).max().item() for g, h in zip(found, mg.grad(first_part, list(G.parameters())))]
    assert max(apart) > 1e-4


@EVERY_OPTIMISER
@K
def test_the_parameters_are_those_of_as_many_real_steps(name, k):
    G, D, optimizer, _ = after_two_steps(name)
    _, later = unrolled_loss(G, D, optimizer, k)
    fake = G(mg.Tensor(Z)).detach()
    for _ in range(k):
        optimizer.zero_grad()
        discriminator_loss(D(mg.Tensor(REAL)), D(fake)).backward()
        optimizer.step()
    for n, p in D.named_parameters():
        close(later[n], p, 1e-12)


@EVERY_OPTIMISER
def test_gs_gradient_agrees_with_differences(name):
    """Of the loss against a D of which 3 steps are made anew for each G, with nothing of the engine's but its values."""
    G, D, optimizer, _ = after_two_steps(name)
    (found,) = mg.grad(unrolled_loss(G, D, optimizer, 3)[0], G[0].weight)
    own, direction, h = G[0].weight.data.copy(), normal(5, 3, seed=5), 1e-5
    values = []
    for sign in (1, -1):
        G[0].weight.data = own + sign * h * direction
        values.append(unrolled_loss(G, D, optimizer, 3)[0].item())
    assert (found.numpy() * direction).sum() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6, abs=1e-9)


def test_second_derivatives_agree_with_differences():
    """D(x) = w·x, G one point: a game small enough for gradcheck, which differentiates the unrolled loss twice."""
    D = nn.Linear(2, 1, bias=False).double()
    optimizer = optim.Adam(D.parameters(), lr=0.1)

    def f(fake):
        later = unrolled(D, optimizer, lambda D: discriminator_loss(D(mg.Tensor(REAL)), D(fake)), 2)
        return nonsaturating_generator_loss(functional_call(D, later, fake))

    assert mg.check.gradcheck(f, mg.Tensor(normal(1, 2, seed=6)), order=2)


def test_in_a_bilinear_game_the_parameters_are_those_on_paper():
    """L_D = −w·g and SGD: after K steps w + K·lr·g, so L_G = (w + K·lr·g)·g has the gradient w + 2·K·lr·g."""
    D = nn.Linear(1, 1, bias=False).double()
    D.weight.data = np.array([[3.0]])
    g = mg.Tensor(np.array([[2.0]]), requires_grad=True)
    later = unrolled(D, optim.SGD(D.parameters(), lr=0.25), lambda D: -D(g).sum(), 4)
    assert later["weight"].item() == 3 + 4 * 0.25 * 2
    loss = functional_call(D, later, g).sum()
    assert mg.grad(loss, g)[0].item() == 3 + 2 * 4 * 0.25 * 2


# -------------------------------------------------------------------------------------------------- what stays as it is


def everything(D, optimizer):
    arrays = {n: t.data.copy() for n, t in [*D.named_parameters(), *D.named_buffers()]}
    return arrays | {f"optimizer.{n}": a for n, a in optimizer.state_dict().items()}


@pytest.mark.parametrize("fails", [False, True])
def test_discriminator_buffers_optimiser_and_gradients_stay(fails):
    D = nn.Sequential(nn.spectral_norm(nn.Linear(2, 4)), nn.BatchNorm1d(4), nn.LeakyReLU(0.2), nn.Linear(4, 1)).double()
    G, _ = networks()
    optimizer = optim.Adam(D.parameters(), lr=0.1)
    discriminator_loss(D(mg.Tensor(REAL)), D(G(mg.Tensor(Z)).detach())).backward()
    optimizer.step()
    before, own = everything(D, optimizer), dict(D.named_parameters())
    grads = [p.grad.data.copy() for p in D.parameters()]
    calls = []

    def loss(D):
        calls.append(D(mg.Tensor(REAL)))
        if fails and len(calls) == 2:
            raise KeyboardInterrupt
        return discriminator_loss(calls[-1], D(fake))

    fake = G(mg.Tensor(Z))
    try:
        later = unrolled(D, optimizer, loss, 3)
    except KeyboardInterrupt:
        assert fails
    else:
        nonsaturating_generator_loss(functional_call(D.eval(), later, fake)).backward(inputs=list(G.parameters()))
        assert all(abs(p.grad.data).max() > 0 for p in G.parameters())
        assert not np.array_equal(calls[0].data, calls[1].data)  # they were other networks
    after = everything(D, optimizer)
    assert list(before) == list(after)
    for n in before:
        np.testing.assert_array_equal(before[n], after[n], err_msg=n)
    assert dict(D.named_parameters()).keys() == own.keys()
    assert all(p is own[n] for n, p in D.named_parameters())
    for p, g in zip(D.parameters(), grads):
        np.testing.assert_array_equal(p.grad.data, g)


def test_without_steps_it_returns_the_parameters_themselves():
    _, D = networks()
    later = unrolled(D, optim.SGD(D.parameters()), lambda D: 1 / 0, 0)
    assert list(later) == [n for n, _ in D.named_parameters()]
    assert all(later[n] is p for n, p in D.named_parameters())


def test_what_is_frozen_or_not_trained_is_itself_and_a_parameter_that_the_loss_does_not_reach_too():
    G, D = networks()
    D.spare = nn.Parameter(np.ones(2))
    D[0].weight.requires_grad_(False)
    optimizer = optim.Adam([p for p in D.parameters() if p is not D[2].bias], lr=0.1)
    later = unrolled(D, optimizer, lambda D: D(G(mg.Tensor(Z))).sum(), 2)
    assert {n for n, p in D.named_parameters() if later[n] is p} == {"0.weight", "2.bias", "spare"}


def test_units_that_are_dead_have_no_gradient_and_make_no_nan():
    """D with a unit that is never on is D without it, under Adam as well."""
    G, _ = networks()
    D = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    D[0].bias.data = np.array([0.3, 0.2, -100.0])
    lean = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    for n, p in lean.named_parameters():
        p.data = dict(D.named_parameters())[n].data[tuple(slice(size) for size in p.shape)].copy()
    found = []
    for net in (D, lean):
        loss, _ = unrolled_loss(G, net, optim.Adam(net.parameters(), lr=0.05), 3)
        found.append(mg.grad(loss, list(G.parameters()), create_graph=True))
        second = mg.grad(sum((g**2).sum() for g in found[-1]), list(G.parameters()))
        assert all(np.isfinite(g.numpy()).all() for g in second)
    for g, h in zip(*found):
        assert np.any(h.detach().numpy())
        close(g, h, 1e-12)


def test_it_can_be_called_where_nothing_is_recorded():
    G, D, optimizer, _ = after_two_steps("Adam")
    _, expected = unrolled_loss(G, D, optimizer, 2)
    with mg.no_grad():
        _, later = unrolled_loss(G, D, optimizer, 2)
    for n in later:
        np.testing.assert_array_equal(later[n].detach().numpy(), expected[n].detach().numpy())


# ------------------------------------------------------------------------------------------------------------ refusals


def test_what_cannot_be_unrolled_is_refused():
    G, D = networks()
    optimizer, fake = optim.SGD(D.parameters()), mg.Tensor(normal(2, 2))
    for steps in (-1, 1.5):
        with pytest.raises(ValueError, match=f"steps must be an integer, 0 or more, got {steps}"):
            unrolled(D, optimizer, lambda D: D(fake).sum(), steps)
    with pytest.raises(ValueError, match=r"SGD trains 4 parameters that are not in Sequential.* discriminator's own"):
        unrolled(D, optim.SGD([*D.parameters(), *G.parameters()]), lambda D: D(fake).sum(), 1)
    with nn.frozen(D), pytest.raises(ValueError, match=r"SGD trains nothing, .* outside of nn.frozen"):
        unrolled(D, optimizer, lambda D: D(fake).sum(), 1)
    with pytest.raises(ValueError, match=r"the loss of step 2 depends on none of the parameters .* not with the disc"):
        unrolled(D, optimizer, lambda call: D(fake).sum(), 2)
    with pytest.raises(TypeError, match="loss must return a Tensor, it returned a float"):
        unrolled(D, optimizer, lambda D: 0.5, 1)
    with pytest.raises(RuntimeError, match="only a single number has a gradient by itself"):
        unrolled(D, optimizer, lambda D: D(fake), 1)
    with pytest.raises(RuntimeError, match="depends on nothing that requires a gradient"):
        unrolled(D, optimizer, lambda D: D(fake).sum().detach(), 1)
