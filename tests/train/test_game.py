"""The game against the same one written out in PyTorch; each cure against its formula; and what must not be computed."""

import numpy as np
import pytest

import minigan as mg
from minigan import losses, nn, optim
from minigan.train import Game, Rules

RNG = np.random.default_rng(0)
REALS = [RNG.uniform(-1, 1, (6, 1, 8, 8)) for _ in range(3)]


def networks():
    mg.manual_seed(0)
    G = nn.Sequential(
        nn.Linear(5, 8 * 4 * 4), nn.Unflatten(1, (8, 4, 4)), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1), nn.Tanh(),
    ).double()  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 6, 4, stride=2, padding=1), nn.BatchNorm2d(6), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(96, 1)
    ).double()
    return G, D


def torch_twins(G, D):
    torch = pytest.importorskip("torch")
    tnn = torch.nn
    tG = tnn.Sequential(
        tnn.Linear(5, 8 * 4 * 4), tnn.Unflatten(1, (8, 4, 4)), tnn.BatchNorm2d(8), tnn.ReLU(),
        tnn.ConvTranspose2d(8, 1, 4, stride=2, padding=1), tnn.Tanh(),
    ).double()  # fmt: skip
    tD = tnn.Sequential(
        tnn.Conv2d(1, 6, 4, stride=2, padding=1),
        tnn.BatchNorm2d(6),
        tnn.LeakyReLU(0.2),
        tnn.Flatten(),
        tnn.Linear(96, 1),
    ).double()
    for ours, theirs in ((G, tG), (D, tD)):
        theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return torch, tG, tD


@pytest.mark.parametrize("k", [1, 3])
def test_five_steps_equal_the_same_game_in_pytorch(k, monkeypatch):
    G, D = networks()
    torch, tG, tD = torch_twins(G, D)
    F = torch.nn.functional
    topt = [torch.optim.Adam(net.parameters(), 1e-2, betas=(0.5, 0.999)) for net in (tG, tD)]
    latents = np.random.default_rng(1)
    drawn = []

    def randn(*size, dtype, device):
        drawn.append(latents.standard_normal(size))
        return mg.Tensor(drawn[-1])

    monkeypatch.setattr("minigan.train.game.randn", randn)
    game = Game(G, D, (5,), Rules(d_steps=k, lr=1e-2))
    for _ in range(5):
        drawn.clear()
        ours = game.step(REALS[:k])
        for real, z in zip(REALS, drawn):
            fake = tG(torch.tensor(z))
            real_logits, fake_logits = tD(torch.tensor(real)), tD(fake.detach())
            loss_D = F.binary_cross_entropy_with_logits(
                real_logits, torch.ones_like(real_logits)
            ) + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
            topt[1].zero_grad()
            loss_D.backward()
            topt[1].step()
        verdict = tD(fake)
        loss_G = F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))
        topt[0].zero_grad()
        loss_G.backward()
        topt[0].step()
        assert ours["d_loss"] == pytest.approx(loss_D.item(), rel=1e-9)
        assert ours["g_loss"] == pytest.approx(loss_G.item(), rel=1e-9)
        assert ours["D(x)"] == pytest.approx(torch.sigmoid(real_logits).mean().item(), rel=1e-9)
        assert ours["D(G(z))"] == pytest.approx(torch.sigmoid(fake_logits).mean().item(), rel=1e-9)
    for net, theirs in ((G, tG), (D, tD)):
        for name, array in theirs.state_dict().items():
            np.testing.assert_allclose(net.state_dict()[name], array.numpy(), rtol=1e-7, atol=1e-9, err_msg=name)


def test_the_generators_step_does_not_compute_the_discriminators_weight_gradients(monkeypatch):
    G, D = networks()
    calls = []
    kernels = mg.backend.kernels()
    weight_grad = kernels.conv2d_weight_grad
    monkeypatch.setattr(kernels, "conv2d_weight_grad", lambda x, g, *a: calls.append(x.shape) or weight_grad(x, g, *a))
    Game(G, D, (5,), Rules(optimizer="sgd", lr=1e-2)).step(REALS[:1])
    of_D = [shape for shape in calls if shape == (6, 1, 8, 8)]
    # D's only convolution: once for real and once for generated pictures in D's step, never in G's; and G's own
    # transposed convolution, whose weight gradient has the gradient of the picture in the place of x
    assert len(of_D) == 3
    assert len(calls) == 3


def test_the_discriminator_learns_again_after_the_generators_step_and_keeps_no_gradient_of_it():
    G, D = networks()
    game = Game(G, D, (5,), Rules(optimizer="sgd", lr=1e-2))
    game.step(REALS[:1])
    assert all(p.requires_grad for p in D.parameters())
    before = D.state_dict()["0.weight"]
    game.step(REALS[:1])
    assert not np.array_equal(before, D.state_dict()["0.weight"])


# ---------------------------------------------------------------------------------------------------------- the cures


def mlp(inputs, outputs, seed=0):
    mg.manual_seed(seed)
    return nn.Sequential(nn.Linear(inputs, 8), nn.LeakyReLU(0.2), nn.Linear(8, outputs)).double()


def play(rules, steps=1, real=None, D=None, **options):
    """A game of points in the plane, a few rounds old, and what its last round measured."""
    real = np.random.default_rng(3).standard_normal((6, 2)) if real is None else real
    game = Game(mlp(3, 2), D or mlp(2 * rules.pack, 1, seed=1), (3,), rules, **options)
    mg.manual_seed(2)
    for _ in range(steps):
        measured = game.step([real] * rules.d_steps)
    return game, measured


def drawn_z(n=6):
    """The latents of the first step of a game."""
    mg.manual_seed(2)
    return mg.randn(n, 3, dtype="float64")


REAL = np.random.default_rng(3).standard_normal((6, 2))
PENALTY = {
    "gp": lambda D, x, fake: losses.gradient_penalty(D, x, fake),
    "gp-one-sided": lambda D, x, fake: losses.gradient_penalty(D, x, fake, one_sided=True),
    "r1": lambda D, x, fake: losses.r1_penalty(D, x),
    "r2": lambda D, x, fake: losses.r2_penalty(D, fake),
    "r1+r2": lambda D, x, fake: losses.r1_penalty(D, x) + losses.r2_penalty(D, fake),
    "dragan": lambda D, x, fake: losses.dragan_penalty(D, x),
}


@pytest.mark.parametrize("penalty", PENALTY)
def test_a_penalty_is_added_to_the_loss_of_the_discriminator(penalty):
    game, measured = play(Rules(loss="wgan", penalty=penalty, penalty_weight=3.0, drift=0.5, optimizer="sgd", lr=0.1))
    D, real = mlp(2, 1, seed=1), mg.Tensor(REAL)
    fake = mlp(3, 2)(drawn_z()).detach()
    adversarial = D(fake).mean() - D(real).mean()
    expected = PENALTY[penalty](D, real, fake)
    (adversarial + 3.0 * expected + 0.5 * (D(real) ** 2).mean()).backward()
    assert measured["d_loss"] == pytest.approx(adversarial.item(), rel=1e-12)
    assert measured["penalty"] == pytest.approx(expected.item(), rel=1e-12)
    for p, q in zip(D.parameters(), game.D.parameters()):
        np.testing.assert_allclose(q.numpy(), p.numpy() - 0.1 * p.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", sorted(losses.LOSSES))
def test_every_loss_is_played_as_its_two_functions_say(loss):
    _, measured = play(Rules(loss=loss, optimizer="sgd", lr=1e-9))
    pair, D, fake = losses.find_loss(loss), mlp(2, 1, seed=1), mlp(3, 2)(drawn_z())
    real_out, fake_out = D(mg.Tensor(REAL)), D(fake)
    assert measured["d_loss"] == pytest.approx(pair.discriminator(real_out, fake_out).item(), rel=1e-6)
    assert measured["g_loss"] == pytest.approx(pair.generator(fake_out, real_out).item(), rel=1e-6, abs=1e-7)
    means = [(out.sigmoid() if pair.output == "logit" else out).mean().item() for out in (real_out, fake_out)]
    assert [measured["D(x)"], measured["D(G(z))"]] == pytest.approx(means, rel=1e-6)


def test_weights_are_clipped_and_one_more_step_of_d_is_one_more():
    game, _ = play(Rules(loss="wgan", clip=0.01, d_steps=3, lr=0.1))
    assert max(abs(p.numpy()).max() for p in game.D.parameters()) <= 0.01
    assert max(abs(p.numpy()).max() for p in game.G.parameters()) > 0.01
    assert set(game.D_optimizer.steps.values()) == {3}
    assert set(game.G_optimizer.steps.values()) == {1}
    with pytest.raises(ValueError, match="got 1 batches of real samples, expected 3"):
        game.step([REAL])


def test_two_rates():
    game, _ = play(Rules(lr=1e-3, d_lr=4e-3, optimizer="rmsprop"))
    assert [o.param_groups[0]["lr"] for o in (game.G_optimizer, game.D_optimizer)] == [1e-3, 4e-3]
    assert isinstance(game.G_optimizer, optim.RMSprop)


@pytest.mark.parametrize(("schedule", "half"), [("linear", 0.5), ("cosine", 0.5)])
def test_the_rates_go_down_to_nothing_at_the_end_of_the_run(schedule, half):
    game = Game(mlp(3, 2), mlp(2, 1), (3,), Rules(schedule=schedule, lr=1e-3), steps=8)
    rates = [game.D_optimizer.param_groups[0]["lr"]]
    for _ in range(8):
        game.step([REAL])
        rates.append(game.D_optimizer.param_groups[0]["lr"])
    assert rates[0] == 1e-3
    assert rates[4] == pytest.approx(half * 1e-3)
    assert rates[8] == pytest.approx(0, abs=1e-18)
    assert rates[2] == pytest.approx(1e-3 * (0.75 if schedule == "linear" else 0.5 + 0.5 * np.cos(np.pi / 4)))


@pytest.mark.parametrize("target", [0.9, (0.6, 0.8)])
def test_label_smoothing_is_one_sided_and_may_be_drawn(target):
    values = set()
    for seed in range(4):
        game = Game(mlp(3, 2), mlp(2, 1, seed=1), (3,), Rules(real_target=target, optimizer="sgd", lr=1e-9))
        mg.manual_seed(seed)
        measured = game.step([REAL])
        D = mlp_like(game.D)
        mg.manual_seed(seed)
        fake = game.G(mg.randn(6, 3, dtype="float64"))
        if isinstance(target, tuple):
            share = mg.rand(1).item()
            drawn = target[0] + (target[1] - target[0]) * share
        else:
            drawn = target
        values.add(drawn)
        expected = losses.discriminator_loss(D(mg.Tensor(REAL)), D(fake), real_target=drawn).item()
        assert measured["d_loss"] == pytest.approx(expected, rel=1e-6)
    assert len(values) == (4 if isinstance(target, tuple) else 1)


def mlp_like(net):
    twin = mlp(net[0].weight.shape[1], net[2].weight.shape[0])
    twin.load_state_dict(net.state_dict())
    return twin


def test_a_discriminator_that_wins_is_made_to_wait():
    fresh = mlp(2, 1, seed=1).state_dict()
    waits, measured = play(Rules(skip_d_below=100.0))
    assert measured["skipped"] == 1.0
    for name, array in waits.D.state_dict().items():
        np.testing.assert_array_equal(array, fresh[name])
    steps, measured = play(Rules(skip_d_below=0.01))
    assert measured["skipped"] == 0.0
    assert not np.array_equal(steps.D.state_dict()["0.weight"], fresh["0.weight"])


def test_instance_noise_is_on_all_that_d_sees_and_ends_with_the_run(monkeypatch):
    seen = []
    D = mlp(2, 1)
    forward = type(D).forward
    monkeypatch.setattr(type(D), "forward", lambda self, x: (seen.append((self is D, x.numpy())), forward(self, x))[1])
    game = Game(mlp(3, 2), D, (3,), Rules(instance_noise=2.0, optimizer="sgd", lr=1e-12), steps=4)
    spreads = []
    for _ in range(5):
        seen.clear()
        game.step([np.zeros((500, 2))])
        reals = [x for of_D, x in seen if of_D]
        spreads.append([x.std() for x in reals[:1]])
        assert len(reals) == 3
    np.testing.assert_allclose(np.ravel(spreads), [2.0, 1.5, 1.0, 0.5, 0.0], rtol=0.1)


def test_the_running_mean_follows_the_generator():
    rules = Rules(ema=0.9, lr=0.05)
    before = mlp(3, 2).state_dict()
    game, _ = play(rules)
    after = game.G.state_dict()
    for name, mean in game.mean_G.state_dict().items():
        np.testing.assert_allclose(mean, 0.9 * before[name] + 0.1 * after[name], rtol=1e-12)
    z = mg.randn(4, 3, dtype="float64")
    np.testing.assert_array_equal(game.sample(z).numpy(), game.mean_G(z).numpy())
    assert not np.array_equal(game.sample(z).numpy(), game.G(z).detach().numpy())
    assert "mean_G" in game.state


def test_buffers_of_the_mean_are_the_generators_own():
    G = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    game = Game(G, mlp(2, 1), (3,), Rules(ema=0.9))
    game.step([REAL])
    np.testing.assert_array_equal(game.mean_G.state_dict()["1.running_mean"], G.state_dict()["1.running_mean"])
    assert not game.mean_G.training
    assert G.training


def test_a_pack_is_judged_together():
    game, measured = play(Rules(pack=3, optimizer="sgd", lr=1e-9))
    D, fake = mlp(6, 1, seed=1), mlp(3, 2)(drawn_z())
    expected = losses.discriminator_loss(D(mg.Tensor(REAL.reshape(2, 6))), D(fake.reshape(2, 6)))
    assert measured["d_loss"] == pytest.approx(expected.item(), rel=1e-6)
    with pytest.raises(ValueError, match="a batch of 5 cannot be cut into packs of 3"):
        game.step([REAL[:5]])


def test_pictures_are_packed_by_their_channels():
    seen = []

    class Sees(nn.Module):
        def __init__(self):
            self.last = nn.Linear(2 * 3 * 4 * 4, 1)

        def forward(self, x):
            seen.append(x.numpy())
            return self.last(x.flatten(1))

    G = nn.Sequential(nn.Linear(3, 48), nn.Unflatten(1, (3, 4, 4)))
    real = np.random.default_rng(0).standard_normal((4, 3, 4, 4)).astype(np.float32)
    Game(G, Sees(), (3,), Rules(pack=2)).step([real])
    assert seen[0].shape == (2, 6, 4, 4)
    np.testing.assert_array_equal(seen[0][1], np.concatenate([real[2], real[3]]))


def test_unrolling_leaves_the_discriminator_where_its_own_step_put_it():
    plain, _ = play(Rules(lr=1e-2))
    ahead, _ = play(Rules(lr=1e-2, unroll=3))
    for (name, a), b in zip(plain.D.state_dict().items(), ahead.D.state_dict().values()):
        np.testing.assert_allclose(a, b, rtol=1e-12, err_msg=name)
    assert not np.allclose(plain.G.state_dict()["0.weight"], ahead.G.state_dict()["0.weight"], rtol=1e-6, atol=0)
    none, _ = play(Rules(lr=1e-2, unroll=0))
    np.testing.assert_array_equal(none.G.state_dict()["0.weight"], plain.G.state_dict()["0.weight"])


def test_the_steps_that_g_foresees_are_by_all_that_d_learns_by():
    """Penalty, drift and smoothing included: with SGD, whose step is the gradient, K = 1, by hand."""
    rules = Rules(unroll=1, penalty="r1", penalty_weight=2.0, drift=0.3, real_target=0.8, optimizer="sgd", lr=0.1)
    game, measured = play(rules)
    D, real = mlp(2, 1, seed=1), mg.Tensor(REAL)
    fake = mlp(3, 2)(drawn_z()).detach()
    for _ in range(2):  # D's own step, and the one foreseen
        D.zero_grad()
        out = D(real)
        loss = losses.discriminator_loss(out, D(fake), real_target=0.8) + 2.0 * losses.r1_penalty(D, real)
        (loss + 0.3 * (out**2).mean()).backward()
        for p in D.parameters():
            p.data = p.data - 0.1 * p.grad.data
    assert measured["g_loss"] == pytest.approx(losses.nonsaturating_generator_loss(D(fake)).item(), rel=1e-9)


def test_feature_matching_takes_the_place_of_gs_loss():
    _, measured = play(Rules(feature_matching=True, optimizer="sgd", lr=1e-9))
    D, fake = mlp(2, 1, seed=1), mlp(3, 2)(drawn_z())
    expected = losses.feature_matching_loss(D[:-1](mg.Tensor(REAL)), D[:-1](fake)).item()
    assert measured["g_loss"] == pytest.approx(expected, rel=1e-6)


def test_orthogonal_regularisation_of_the_generator():
    plain, orthogonal = (play(Rules(orthogonal=o, optimizer="sgd", lr=1e-9))[1]["g_loss"] for o in (0.0, 0.25))
    expected = 0.25 * losses.orthogonal_regularisation(mlp(3, 2), off_diagonal_only=True).item()
    assert orthogonal - plain == pytest.approx(expected, rel=1e-5)


def test_augmentation_changes_what_d_sees_of_both_in_both_steps():
    seen = []

    class Sees(nn.Module):
        def __init__(self):
            self.last = nn.Linear(64, 1)

        def forward(self, x):
            seen.append(x.numpy())
            return self.last(x.flatten(1))

    G = nn.Sequential(nn.Linear(3, 64), nn.Unflatten(1, (1, 8, 8)))
    real = np.ones((4, 1, 8, 8), np.float32)
    Game(G, Sees(), (3,), Rules(augment="cutout")).step([real])
    assert [(x == 0).sum() >= 4 for x in seen] == [True] * 3
    assert not np.array_equal(seen[1] == 0, seen[2] == 0)  # drawn anew for G's step


class Told(nn.Module):
    """A network of two inputs: the second is a class."""

    def __init__(self, inputs, outputs, classes, pair=False):
        self.net, self.pair = nn.Linear(inputs + (0 if pair else classes), outputs + (classes if pair else 0)), pair
        self.classes = classes

    def forward(self, x, y=None):
        if self.pair:
            out = self.net(x)
            return out[:, :1], out[:, 1:]
        return self.net(mg.cat([x, mg.functional.one_hot(y, self.classes).to(x.dtype)], 1))


def test_labels_go_to_both_networks_and_are_drawn_for_the_generator(monkeypatch):
    G, D = Told(3, 2, 5), Told(2, 1, 5)
    told = []
    monkeypatch.setattr(
        Told, "forward", lambda self, x, y, old=Told.forward: (told.append(y.numpy()), old(self, x, y))[1]
    )
    game = Game(G, D, (3,), Rules(), classes=5)
    labels = np.array([0, 1, 2, 3, 4, 4])
    game.step([(REAL.astype(np.float32), labels)])
    generated, real, fake, again = told
    np.testing.assert_array_equal(real, labels)
    np.testing.assert_array_equal(fake, generated)
    np.testing.assert_array_equal(again, generated)
    with pytest.raises(ValueError, match="needs pairs of samples and class numbers"):
        game.step([REAL])


def test_the_auxiliary_classifier():
    mg.manual_seed(0)
    G, D = Told(3, 2, 5), Told(2, 1, 5, pair=True)
    game = Game(G, D, (3,), Rules(auxiliary=0.5, optimizer="sgd", lr=0.1), classes=5)
    before = {name: p.numpy().copy() for name, p in D.named_parameters()}
    twin = Told(2, 1, 5, pair=True)
    twin.load_state_dict(D.state_dict())
    real, labels = mg.Tensor(REAL.astype(np.float32)), np.array([0, 1, 2, 3, 4, 4])
    mg.manual_seed(7)
    z, wanted = mg.randn(6, 3), mg.randint(0, 5, (6,))
    fake = G(z, wanted).detach()
    (r, rc), (f, fc) = twin(real), twin(fake)
    ce = mg.functional.cross_entropy
    (losses.discriminator_loss(r, f) + 0.5 * (ce(rc, mg.Tensor(labels)) + ce(fc, wanted))).backward()
    mg.manual_seed(7)
    measured = game.step([(real.numpy(), labels)])
    for name, p in D.named_parameters():
        expected = before[name] - 0.1 * dict(twin.named_parameters())[name].grad.numpy()
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-5, atol=1e-7)
    assert measured["accuracy"] == pytest.approx(np.mean(rc.numpy().argmax(1) == labels))
    verdict, named = D(fake)
    expected = losses.nonsaturating_generator_loss(verdict) + 0.5 * ce(named, wanted)
    assert measured["g_loss"] == pytest.approx(expected.item(), rel=1e-5)


class Companion(nn.Module):
    def __init__(self):
        self.mean = nn.Parameter(np.zeros(2))

    def loss(self, x):
        return ((x - self.mean) ** 2).mean()

    def generator_loss(self, fake):
        return ((fake.mean(dim=0) - self.mean) ** 2).sum()


def test_a_companion_learns_of_real_samples_and_speaks_to_the_generator():
    rules = Rules(optimizer="sgd", lr=0.25, companion=2.0)
    game, measured = play(rules, companion=(companion := Companion()))
    np.testing.assert_allclose(companion.mean.numpy(), 0.25 * REAL.mean(0), rtol=1e-12)
    plain, without = play(Rules(optimizer="sgd", lr=0.25))
    fake = mlp(3, 2)(drawn_z())
    assert measured["g_loss"] - without["g_loss"] == pytest.approx(2 * companion.generator_loss(fake).item(), rel=1e-9)
    assert companion.mean.grad is not None
    assert not np.allclose(game.G.state_dict()["2.bias"], plain.G.state_dict()["2.bias"], rtol=1e-3, atol=0)


# ------------------------------------------------------------------------------------------------- resuming, refusing


FULL = Rules(
    loss="rgan",
    penalty="r1+r2",
    d_steps=2,
    ema=0.9,
    pack=2,
    schedule="cosine",
    instance_noise=0.5,
    unroll=1,
    companion=1.0,
    orthogonal=0.1,
)


def test_a_game_goes_on_from_its_state_as_if_it_had_not_stopped():
    """With as many rules as go together."""
    ends = []
    for interrupted in (False, True):
        game = long_game(3)
        if interrupted:
            state = {name: {k: np.array(v) for k, v in part.state_dict().items()} for name, part in game.state.items()}
            rng = mg.creation.get_rng_state()
            game = long_game(0)
            for name, part in game.state.items():
                part.load_state_dict(state[name])
            mg.creation.set_rng_state(rng)
        for _ in range(3):
            measured = game.step([REAL] * 2)
        ends.append((measured, game.mean_G.state_dict()))
    assert ends[0][0] == ends[1][0]
    for name, array in ends[0][1].items():
        np.testing.assert_array_equal(array, ends[1][1][name])


def long_game(steps):
    game = Game(mlp(3, 2), mlp(4, 1, seed=1), (3,), FULL, steps=6, companion=Companion())
    mg.manual_seed(2)
    for _ in range(steps):
        game.step([REAL] * 2)
    return game


@pytest.mark.parametrize(
    ("rules", "options", "message"),
    [
        (Rules(penalty="gp"), {"D": nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))}, "batch norm"),
        (Rules(), {"D": nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())}, "leave the Sigmoid out"),
        (Rules(feature_matching=True), {"D": nn.Linear(2, 1)}, "a Sequential, got Linear"),
        (Rules(auxiliary=1.0), {}, "classes is 0"),
        (Rules(pack=2), {"classes": 3}, "without labels"),
        (Rules(companion=1.0), {}, "there is no companion"),
        (Rules(schedule="linear"), {}, "steps=..."),
        (Rules(instance_noise=0.1), {}, "steps=..."),
    ],
)
def test_rules_that_the_networks_break_are_refused_at_the_beginning(rules, options, message):
    D = options.pop("D", None) or mlp(2 * rules.pack, 1)
    with pytest.raises((ValueError, TypeError), match=message):
        Game(mlp(3, 2), D, (3,), rules, **options)
