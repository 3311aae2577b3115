"""minigan.nn.linear: the layers compute what their functions do, begin as PyTorch's do, and say what is wrong."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan import nn


def same_with_the_same_weights(torch, ours, theirs, x):
    """Output, gradient to the input (if it has one) and to every parameter, in float64."""
    theirs = theirs.double()
    ours.double().load_state_dict(theirs.state_dict())
    mine, yours = mg.tensor(x), torch.tensor(x)
    if x.dtype == np.float64:
        mine.requires_grad_(), yours.requires_grad_()
    a, b = ours(mine), theirs(yours)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-12)
    (a**2).sum().backward(), (b**2).sum().backward()
    for t, u in zip((mine, *ours.parameters()), (yours, *theirs.parameters()), strict=True):
        if u.grad is not None:
            np.testing.assert_allclose(t.grad.numpy(), u.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 4, 3)])
def test_linear_is_pytorchs(torch, shape, bias):
    x = np.random.default_rng(0).standard_normal(shape)
    ours, theirs = (library.Linear(3, 4, bias=bias) for library in (nn, torch.nn))
    assert [name for name, _ in ours.named_parameters()] == (["weight", "bias"] if bias else ["weight"])
    same_with_the_same_weights(torch, ours, theirs, x)


def test_embedding_is_pytorchs(torch):
    x = np.array([[3, 0], [3, 1]])
    same_with_the_same_weights(torch, nn.Embedding(5, 4), torch.nn.Embedding(5, 4), x)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda nn: nn.Identity(), (2, 3)),
        (lambda nn: nn.Flatten(), (2, 3, 4, 5)),
        (lambda nn: nn.Flatten(0), (2, 3, 4)),
        (lambda nn: nn.Flatten(1, 2), (2, 3, 4, 5)),
        (lambda nn: nn.Flatten(-2), (2, 3, 4)),
        (lambda nn: nn.Unflatten(1, (3, 2, 2)), (5, 12)),
        (lambda nn: nn.Unflatten(-1, (2, -1)), (5, 12)),
        (lambda nn: nn.Dropout(0.5).eval(), (2, 3)),
        (lambda nn: nn.Dropout(0.0), (2, 3)),
    ],
)
def test_layers_that_only_change_shape_are_pytorchs(torch, build, shape):
    same_with_the_same_weights(torch, build(nn), build(torch.nn), np.random.default_rng(0).standard_normal(shape))


# ---------------------------------------------------------------------------------------------------- the beginning


def test_the_initial_distribution_of_linear_is_pytorchs(torch):
    """Uniform in ±1/√in_features, weight and bias alike."""
    from scipy.stats import ks_2samp

    mg.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = (library.Linear(50, 400) for library in (nn, torch.nn))
    for (_, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters()):
        for values in (p.numpy(), q.detach().numpy()):
            assert 0.98 / math.sqrt(50) < abs(values).max() <= 1 / math.sqrt(50)
        assert ks_2samp(p.numpy().ravel(), q.detach().numpy().ravel()).pvalue > 0.01
        assert p.dtype == np.float32


def test_an_embedding_begins_normally_distributed(torch):
    from scipy.stats import ks_2samp

    mg.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = (library.Embedding(200, 50).weight for library in (nn, torch.nn))
    assert ks_2samp(ours.numpy().ravel(), theirs.detach().numpy().ravel()).pvalue > 0.01
    assert ours.std().item() == pytest.approx(1, abs=0.03)


def test_the_same_seed_gives_the_same_layer():
    def weights(seed):
        mg.manual_seed(seed)
        return [p.tolist() for layer in (nn.Linear(3, 4), nn.Embedding(3, 4)) for p in layer.parameters()]

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


# ----------------------------------------------------------------------------------------------------------- dropout


def test_dropout_drops_in_training_only():
    layer, x = nn.Dropout(0.3), mg.ones(10_000)
    mg.manual_seed(0)
    share = (layer(x) == 0).to(np.float32).mean().item()
    assert share == pytest.approx(0.3, abs=0.03)
    assert layer.eval()(x) is x


def test_dropout_follows_manual_seed():
    layer, x = nn.Dropout(), mg.ones(100)
    mg.manual_seed(0)
    a = layer(x).tolist()
    mg.manual_seed(0)
    assert layer(x).tolist() == a != layer(x).tolist()


# ------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(3, 4), "Linear(3, 4)"),
        (nn.Linear(3, 4, bias=False), "Linear(3, 4, bias=False)"),
        (nn.Embedding(10, 16), "Embedding(10, 16)"),
        (nn.Identity(), "Identity()"),
        (nn.Flatten(), "Flatten()"),
        (nn.Unflatten(1, (64, 7, 7)), "Unflatten(1, (64, 7, 7))"),
        (nn.Dropout(0.3), "Dropout(p=0.3)"),
    ],
)
def test_repr(layer, expected):
    assert repr(layer) == expected


def test_sizes_may_be_integers_of_numpy():
    """They come out of np.prod(shape)."""
    assert nn.Linear(np.prod((2, 3)), np.int32(4))(mg.ones(1, 6)).shape == (1, 4)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "3", None])
def test_a_size_that_is_no_positive_integer_is_refused(wrong):
    for build, argument in (
        (lambda: nn.Linear(wrong, 2), "Linear: in_features"),
        (lambda: nn.Linear(2, wrong), "Linear: out_features"),
        (lambda: nn.Embedding(wrong, 2), "Embedding: num_embeddings"),
        (lambda: nn.Embedding(2, wrong), "Embedding: embedding_dim"),
    ):
        with pytest.raises(ValueError) as error:
            build()
        assert str(error.value) == f"{argument} must be a positive integer, got {wrong!r}"


def test_a_probability_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"^Dropout: p is a probability, got 1\.5$"):
        nn.Dropout(1.5)


def test_an_input_that_does_not_fit_is_refused_by_the_function():
    with pytest.raises(ValueError, match=r"^linear: input of shape \(2, 5\) does not fit weight of shape \(4, 3\)"):
        nn.Linear(3, 4)(mg.ones(2, 5))
    with pytest.raises(TypeError, match="linear: input and weight must be of one type, got float64 and float32"):
        nn.Linear(3, 4)(mg.ones(2, 3, dtype=np.float64))
    with pytest.raises(IndexError, match="embedding: indices must be 0 to 2, got 3 to 3"):
        nn.Embedding(3, 4)([3])
    with pytest.raises(ValueError, match=r"10 elements of shape \(2, 5\) do not fit the shape \(2, 2, 2\)"):
        nn.Unflatten(1, (2, 2))(mg.ones(2, 5))
