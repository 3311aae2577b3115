"""Every variant: a short file, networks that fit together, a game that can be played; and what they refuse."""

import ast
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import models, nn
from minigan.models import VARIANTS, find_variant
from minigan.models.variant import seeing_the_batch
from minigan.train import Game, Rules

FOLDER = Path(models.__file__).parent
SERIES = {"tones": (1, 512), "sines": (5, 24)}
FILES = {name: FOLDER / f"{name.removesuffix('-projection').replace('-', '_')}.py" for name in VARIANTS}


@pytest.fixture(autouse=True)
def _one_thread():
    before = mg.get_num_threads()
    mg.set_num_threads(1)
    yield
    mg.set_num_threads(before)


def shapes_of(variant):
    return [SERIES[variant.data]] if variant.data in SERIES else [(1, 28, 28), (3, 8, 12), (2,)]


def lines_beyond_imports(path):
    """How many lines are neither empty nor part of an import."""
    source = path.read_text(encoding="utf-8")
    imports = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    return sum(1 for number, line in enumerate(source.splitlines(), 1) if line.strip() and number not in imports)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_a_file_of_at_most_fifty_lines(name):
    assert lines_beyond_imports(FILES[name]) <= 50


def test_every_file_is_a_variant_or_what_all_share():
    shared = {"__init__", "variant", "session", "compare", "evaluation", "latents"}
    assert {path.stem for path in FOLDER.glob("*.py")} == shared | {path.stem for path in FILES.values()}


@pytest.mark.parametrize("name", VARIANTS)
def test_it_can_be_played_on_all_that_it_draws(name):
    variant = find_variant(name)
    classes = 4 if variant.conditional else 0
    for shape in shapes_of(variant):
        mg.manual_seed(0)
        G, D, companion = variant.networks(shape, classes)
        game = Game(G, D, (variant.latent,), variant.rules, steps=2, classes=classes, companion=companion)
        rng = np.random.default_rng(0)
        real = rng.uniform(-1, 1, (4, *shape)).astype(np.float32)
        batch = (real, rng.integers(0, 4, 4)) if classes else real
        measured = game.step([batch] * variant.rules.d_steps)
        assert np.isfinite(list(measured.values())).all(), measured
        for net in ("G", "D"):
            silent = [path for path, p in game.state[net].named_parameters() if p.grad is None]
            assert not silent, f"{net}: {silent} learn nothing"
        z = mg.randn(3, variant.latent)
        samples = game.sample(z, mg.tensor([0, 1, 2]) if classes else None)
        assert samples.shape == (3, *shape)


def test_what_is_peculiar_to_each_is_there():
    """The rules that make a variant what its paper says."""
    rules = {name: variant.rules for name, variant in VARIANTS.items()}
    wgan = rules["wgan"]
    assert (wgan.loss, wgan.clip, wgan.d_steps, wgan.optimizer, wgan.lr) == ("wgan", 0.01, 5, "rmsprop", 5e-5)
    gp = rules["wgan-gp"]
    assert (gp.penalty, gp.penalty_weight, gp.lr, gp.betas) == ("gp", 10, 1e-4, (0, 0.9))
    assert (rules["r3gan"].loss, rules["r3gan"].penalties) == ("rgan", ("r1", "r2"))
    assert rules["pacgan"].pack == 2
    assert rules["unrolled"].unroll == 5
    assert rules["hinge"].loss == "hinge"
    D = find_variant("hinge").networks((1, 28, 28)).D
    for layer in D:
        if isinstance(layer, nn.SpectralNorm):
            matrix = layer.weight.detach().numpy().reshape(len(layer.weight.numpy()), -1)
            assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=0.05)
    assert sum(isinstance(layer, nn.SpectralNorm) for layer in D) == 3


def test_batch_norm_is_nowhere_in_a_critic_whose_slope_is_penalised():
    for variant in VARIANTS.values():
        if variant.rules.penalties:
            for shape in shapes_of(variant):
                D = variant.networks(shape).D
                assert not [m for m in D.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)], variant.name


def test_the_projection_discriminator_is_its_formula():
    mg.manual_seed(0)
    D = find_variant("cgan-projection").networks((1, 8, 8), classes=3).D.eval()
    x, y = mg.randn(4, 1, 8, 8), mg.tensor([0, 2, 1, 2])
    features = D.features(x).detach().numpy()
    linear = features @ D.verdict.weight.numpy().T + D.verdict.bias.numpy()
    inner = (D.classes.weight.numpy()[[0, 2, 1, 2]] * features).sum(1, keepdims=True)
    np.testing.assert_allclose(D(x, y).detach().numpy(), linear + inner, rtol=1e-4, atol=1e-6)


def test_a_conditional_generator_is_asked_for_the_class():
    G = find_variant("cgan").networks((1, 8, 8), classes=3).G.eval()
    z = mg.randn(1, 100)
    drawn = [G(z, mg.tensor([k])).detach().numpy() for k in (0, 1, 0)]
    assert not np.allclose(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_phase_shuffle_shifts_and_mirrors():
    from minigan.models.wavegan import PhaseShuffle

    x = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    expected = {
        -2: [2, 3, 4, 5, 4, 3], -1: [1, 2, 3, 4, 5, 4], 0: [0, 1, 2, 3, 4, 5], 1: [1, 0, 1, 2, 3, 4], 2: [2, 1, 0, 1, 2, 3],
    }  # fmt: skip
    seen = set()
    mg.manual_seed(0)
    for _ in range(60):
        seen.add(tuple(PhaseShuffle()(mg.tensor(x)).numpy().ravel().tolist()))
    assert seen == {tuple(map(float, row)) for row in expected.values()}


def test_the_supervisor_sees_only_what_came_before():
    from minigan.models.timegan_1d import Supervisor

    S = Supervisor((2, 24))
    x = mg.randn(1, 2, 24)
    moved = x.numpy().copy()
    moved[:, :, 10:] += 1

    def said(series):
        from minigan.functional import pad

        return S.last(S.first(pad(series, (5, 0))[:, :, :-1]).relu()).detach().numpy()  # of steps 1 to 23

    a, b = said(x), said(mg.tensor(moved))
    np.testing.assert_array_equal(a[:, :, :10], b[:, :, :10])
    assert not np.allclose(a[:, :, 10], b[:, :, 10])
    assert S.loss(x).item() == pytest.approx(((a - x.numpy()[:, :, 1:]) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", ["std", "discrimination"])
def test_a_discriminator_can_see_the_batch(kind):
    variant = find_variant("dcgan")
    G, D, _ = variant.networks((1, 28, 28), rules=Rules(minibatch=kind))
    x = mg.randn(4, 1, 28, 28)
    assert D(x).shape == (4, 1)
    alone, together = D.eval()(x)[:1], D(mg.cat([x[:1]] * 4, 0))[:1]
    assert not np.allclose(alone.detach().numpy(), together.detach().numpy(), rtol=1e-3)
    with pytest.raises(ValueError, match="ends with a Linear"):
        seeing_the_batch(nn.Sequential(nn.Linear(2, 1), nn.Tanh()), kind)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("dcgan", (1, 28, 30), "whose sides 4 divides"),
        ("dcgan", (1, 4096), "the samples have shape"),
        ("wavegan", (1, 28, 28), "whose length 256 divides"),
        ("timegan-1d", (5, 23), "whose length 4 divides"),
        ("cgan", (1, 28, 28), "have no labels"),
    ],
)
def test_networks_that_cannot_be_built(name, shape, message):
    with pytest.raises(ValueError, match=message):
        find_variant(name).networks(shape)


def test_the_nearest_name():
    with pytest.raises(ValueError, match=r"no variant is called 'wgan_gpp'\. Did you mean 'wgan-gp'\?"):
        find_variant("wgan_gpp")
