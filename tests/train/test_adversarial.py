"""The adversarial step against the same game written out in PyTorch, and what it must not compute."""

import numpy as np
import pytest

import minigan as mg
from minigan import nn, optim
from minigan.train import adversarial_step

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
    opt = [optim.Adam(net.parameters(), 1e-2, betas=(0.5, 0.999)) for net in (G, D)]
    topt = [torch.optim.Adam(net.parameters(), 1e-2, betas=(0.5, 0.999)) for net in (tG, tD)]
    latents = np.random.default_rng(1)
    drawn = []

    def randn(*size, dtype, device):
        drawn.append(latents.standard_normal(size))
        return mg.Tensor(drawn[-1])

    monkeypatch.setattr("minigan.train.adversarial.randn", randn)
    for _ in range(5):
        drawn.clear()
        ours = adversarial_step(G, D, *opt, REALS[:k], (5,))
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
    opt = [optim.SGD(net.parameters(), 1e-2) for net in (G, D)]
    adversarial_step(G, D, *opt, REALS[:1], (5,))
    of_D = [shape for shape in calls if shape == (6, 1, 8, 8)]
    # D's only convolution: once for real and once for generated pictures in D's step, never in G's; and G's own
    # transposed convolution, whose weight gradient has the gradient of the picture in the place of x
    assert len(of_D) == 3
    assert len(calls) == 3


def test_the_discriminator_learns_again_after_the_generators_step_and_keeps_no_gradient_of_it():
    G, D = networks()
    opt = [optim.SGD(net.parameters(), 1e-2) for net in (G, D)]
    adversarial_step(G, D, *opt, REALS[:1], (5,))
    assert all(p.requires_grad for p in D.parameters())
    before = D.state_dict()["0.weight"]
    adversarial_step(G, D, *opt, REALS[:1], (5,))
    assert not np.array_equal(before, D.state_dict()["0.weight"])
