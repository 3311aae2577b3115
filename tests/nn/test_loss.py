"""minigan.nn.loss: each is its function with its settings, and PyTorch's loss of the same name."""

import numpy as np
import pytest

import minigan as mg
from minigan import functional, nn

rng = np.random.default_rng(0)
X = rng.standard_normal((4, 3))
PROBABILITIES = rng.uniform(0.1, 0.9, (4, 3))
LOG = np.log(PROBABILITIES)
T = rng.uniform(0.1, 0.9, (4, 3))
CLASSES = np.array([2, 0, 1, 1])
WEIGHT = np.array([0.5, 1.0, 2.0])

# The loss, its function and settings ("W" stands for the weights), its input and its target.
LOSSES = {
    "MSELoss": ("mse_loss", {}, X, T),
    "L1Loss": ("l1_loss", {}, X, T),
    "SmoothL1Loss": ("smooth_l1_loss", {}, X, T),
    "SmoothL1Loss, β": ("smooth_l1_loss", {"beta": 0.3}, X, T),
    "BCELoss": ("binary_cross_entropy", {}, PROBABILITIES, T),
    "BCELoss, weight": ("binary_cross_entropy", {"weight": "W"}, PROBABILITIES, T),
    "BCEWithLogitsLoss": ("binary_cross_entropy_with_logits", {}, X, T),
    "BCEWithLogitsLoss, weight": ("binary_cross_entropy_with_logits", {"weight": "W"}, X, T),
    "BCEWithLogitsLoss, pos_weight": ("binary_cross_entropy_with_logits", {"pos_weight": "W"}, X, T),
    "CrossEntropyLoss": ("cross_entropy", {}, X, CLASSES),
    "CrossEntropyLoss, probabilities": ("cross_entropy", {}, X, T),
    "CrossEntropyLoss, all": ("cross_entropy", {"weight": "W", "label_smoothing": 0.1}, X, CLASSES),
    "NLLLoss": ("nll_loss", {}, LOG, CLASSES),
    "NLLLoss, weight": ("nll_loss", {"weight": "W"}, LOG, CLASSES),
    "KLDivLoss": ("kl_div", {}, LOG, T),
    "KLDivLoss, log": ("kl_div", {"log_target": True}, LOG, np.log(T)),
}


def build(library, name, make, settings):
    """The loss of either library."""
    told = {key: make(WEIGHT) if value == "W" else value for key, value in settings.items()}
    return getattr(library, name.split(",")[0])(**told)


@pytest.mark.filterwarnings("ignore:reduction")  # PyTorch, about kl_div's "mean"
@pytest.mark.parametrize(
    ("name", "reduction"),
    [
        (name, reduction)
        for name in LOSSES
        for reduction in ("default", "mean", "sum", "none", "batchmean")
        if reduction != "batchmean" or "KLDiv" in name
    ],
)
def test_a_loss_is_its_function_and_pytorchs_value_and_gradient(torch, name, reduction):
    function, settings, x, t = LOSSES[name]
    settings = settings if reduction == "default" else settings | {"reduction": reduction}
    mine, yours = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    a = build(nn, name, mg.tensor, settings)(mine, mg.tensor(t))
    b = build(torch.nn, name, torch.tensor, settings)(yours, torch.tensor(t))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)
    a.sum().backward(), b.sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), yours.grad.numpy(), rtol=1e-10, atol=1e-14)
    told = {key: mg.tensor(WEIGHT) if value == "W" else value for key, value in settings.items()}
    assert getattr(functional, function)(mg.tensor(x), mg.tensor(t), **told).tolist() == a.tolist()


@pytest.mark.parametrize("name", ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "NLLLoss"])
def test_the_first_argument_is_the_weight_as_in_pytorch(torch, name):
    _, _, x, t = LOSSES[name]
    a = getattr(nn, name)(mg.tensor(WEIGHT))(mg.tensor(x), mg.tensor(t))
    b = getattr(torch.nn, name)(torch.tensor(WEIGHT))(torch.tensor(x), torch.tensor(t))
    assert a.item() == pytest.approx(b.item(), rel=1e-12)


def test_a_mistake_is_told_by_the_function_when_the_loss_is_called():
    with pytest.raises(ValueError, match=r"^mse_loss: reduction must be 'mean', 'sum' or 'none', got 'average'$"):
        nn.MSELoss(reduction="average")(mg.ones(2), mg.ones(2))
    with pytest.raises(ValueError, match=r"^cross_entropy: weight must have shape \(3,\), one number for each class"):
        nn.CrossEntropyLoss(mg.ones(4))(mg.ones(2, 3), [0, 1])
