"""The critic's step of a WGAN-GP: the gradient of a loss that holds a gradient, against PyTorch and against differences.

Loss and penalty are those of Gulrajani et al., Improved Training of Wasserstein GANs (2017), Algorithm 1, written out by
hand from the primitives: with x̂ somewhere on the line between a real picture and a fake one,

    L = ⟨D(fake)⟩ − ⟨D(real)⟩ + λ·⟨(‖∇D(x̂)‖₂ − 1)²⟩.

∂L/∂weights goes through ∇D(x̂), so it is a second derivative of everything in D.
"""

from types import SimpleNamespace

import numpy as np
import pytest

import minigan as mg

KERNELS = pytest.mark.parametrize("kernels", ["reference", "cpu"])
SHAPES = {"conv1": (6, 2, 4, 4), "bias1": (6,), "conv2": (5, 6, 3, 3), "bias2": (5,), "linear": (5 * 3 * 2, 1)}
BATCH = (4, 2, 12, 8)  # 12×8 → 6×4 → 3×2
LAMBDA = 10.0


def minigan_library():
    return SimpleNamespace(
        conv2d=mg.conv2d,
        leaky_relu=mg.leaky_relu,
        tanh=mg.tanh,
        grad=mg.grad,
        tensor=lambda a, requires_grad=True: mg.Tensor(a, requires_grad=requires_grad),
    )


@pytest.fixture(scope="module")
def pytorch_library():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return SimpleNamespace(
        conv2d=torch.nn.functional.conv2d,
        leaky_relu=torch.nn.functional.leaky_relu,
        tanh=torch.tanh,
        grad=torch.autograd.grad,
        tensor=lambda a, requires_grad=True: torch.from_numpy(a.copy()).requires_grad_(requires_grad),
    )


def drawn(dtype="float64", seed=0):
    """Weights of D, a real batch, a fake one, and where between the two x̂ lies."""
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal(s) / np.sqrt(max(1, np.prod(s[1:]))) for s in SHAPES.values()]
    real, fake, mix = rng.standard_normal(BATCH), rng.standard_normal(BATCH), rng.random((BATCH[0], 1, 1, 1))
    return [w.astype(dtype) for w in weights], *(a.astype(dtype) for a in (real, fake, mix))


def critic(lib, activation, weights, x):
    """conv, stride 2 → activation → conv, stride 2 → activation → linear: a number for each picture."""
    conv1, bias1, conv2, bias2, linear = weights
    h = activation(lib.conv2d(x, conv1, bias1, stride=2, padding=1))
    h = activation(lib.conv2d(h, conv2, bias2, stride=2, padding=1))
    return h.reshape(x.shape[0], -1) @ linear


def gradient_penalty(lib, D, x_hat):
    (g,) = lib.grad(D(x_hat).sum(), [x_hat], create_graph=True)
    norm = (g**2).sum((1, 2, 3)).sqrt()
    return ((norm - 1) ** 2).mean()


def critic_loss(lib, activation, weights, real, fake, mix):
    D = lambda x: critic(lib, activation, weights, x)  # noqa: E731
    x_hat = lib.tensor(mix * real + (1 - mix) * fake)
    return (
        D(lib.tensor(fake, requires_grad=False)).mean()
        - D(lib.tensor(real, requires_grad=False)).mean()
        + LAMBDA * gradient_penalty(lib, D, x_hat)
    )


def leaky(lib):
    return lambda h: lib.leaky_relu(h, 0.2)


def smooth(lib):
    return lib.tanh


ACTIVATIONS = pytest.mark.parametrize("activation", [leaky, smooth], ids=["LeakyReLU", "tanh"])


def gradients_of_the_loss(lib, activation, dtype="float64"):
    weights, *data = drawn(dtype)
    weights = [lib.tensor(w) for w in weights]
    return lib.grad(critic_loss(lib, activation(lib), weights, *data), weights)


def apart(got, expected):
    """The relative distance ‖a − b‖/‖b‖ for each tensor, the largest of them."""
    return max(
        np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(b) for a, b in zip(got, expected, strict=True)
    )


@KERNELS
@ACTIVATIONS
def test_the_gradient_of_the_critics_loss_is_pytorchs(pytorch_library, kernels, activation):
    """Both compute the same sums in float64, so that rounding is all that is between them: 1e-15 of the gradient."""
    expected = gradients_of_the_loss(pytorch_library, activation)
    with mg.backend.use_kernels(kernels):
        got = gradients_of_the_loss(minigan_library(), activation)
    assert apart(got, expected) < 1e-12


@KERNELS
def test_float32_is_good_enough_to_train_with(kernels):
    with mg.backend.use_kernels(kernels):
        single, double = (gradients_of_the_loss(minigan_library(), leaky, dtype) for dtype in ("float32", "float64"))
    assert all(g.dtype == np.float32 for g in single)
    assert apart(single, double) < 1e-5


@KERNELS
@ACTIVATIONS
def test_the_gradient_of_the_critics_loss_agrees_with_differences(kernels, activation):
    """The penalty's own gradient is computed inside of the function that is differentiated."""
    lib = minigan_library()
    weights, *data = drawn()
    with mg.backend.use_kernels(kernels):
        f = lambda *weights: critic_loss(lib, activation(lib), weights, *data)  # noqa: E731
        assert mg.check.gradcheck(f, [mg.Tensor(w) for w in weights])


def third_order(lib):
    """The gradient of ‖∂P/∂weights‖², P the penalty of a smooth critic: ∇ₓ once, and twice by the weights."""
    weights, real, fake, mix = drawn()
    weights = [lib.tensor(w) for w in weights]
    x_hat = lib.tensor(mix * real + (1 - mix) * fake)
    penalty = gradient_penalty(lib, lambda x: critic(lib, lib.tanh, weights, x), x_hat)
    first = lib.grad(penalty, weights, create_graph=True)
    return lib.grad(sum((g**2).sum() for g in first), weights)


@KERNELS
def test_the_third_derivative_of_a_smooth_critic_is_pytorchs(pytorch_library, kernels):
    expected = third_order(pytorch_library)
    with mg.backend.use_kernels(kernels):
        assert apart(third_order(minigan_library()), expected) < 1e-12


@KERNELS
def test_a_step_along_the_gradient_brings_the_norm_towards_one(kernels):
    """What the penalty is for: after a few steps of gradient descent on it alone, ‖∇D(x̂)‖ is close to 1 everywhere."""
    lib = minigan_library()
    weights, real, fake, mix = drawn()
    weights = [lib.tensor(w) for w in weights]
    x_hat = lib.tensor(mix * real + (1 - mix) * fake)
    penalties = []
    with mg.backend.use_kernels(kernels):
        for _ in range(20):
            penalty = gradient_penalty(lib, lambda x: critic(lib, leaky(lib), weights, x), x_hat)
            penalties.append(penalty.item())
            for w, g in zip(weights, mg.grad(penalty, weights, allow_unused=True)):
                if g is not None:  # a bias moves D only up and down, between its kinks
                    w.data = w.data - 0.05 * g.data
    assert penalties[-1] < penalties[0] / 50
