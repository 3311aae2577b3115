"""minigan.nn.pooling: each layer is its function with its settings, and PyTorch's layer of the same name."""

import numpy as np
import pytest

import minigan as mg
from minigan import functional, nn

# The layer, the function that it stands for, and its repr.
LAYERS = {
    "MaxPool2d": (
        lambda nn: nn.MaxPool2d(2),
        lambda x: functional.max_pool2d(x, 2),
        "MaxPool2d(kernel_size=2, padding=0, dilation=1)",
    ),
    "MaxPool2d, all": (
        lambda nn: nn.MaxPool2d((3, 2), (1, 2), 1, (1, 2)),
        lambda x: functional.max_pool2d(x, (3, 2), (1, 2), 1, (1, 2)),
        "MaxPool2d(kernel_size=(3, 2), stride=(1, 2), padding=1, dilation=(1, 2))",
    ),
    "AvgPool2d": (
        lambda nn: nn.AvgPool2d(2),
        lambda x: functional.avg_pool2d(x, 2),
        "AvgPool2d(kernel_size=2, padding=0)",
    ),
    "AvgPool2d, all": (
        lambda nn: nn.AvgPool2d((3, 2), 1, (1, 0)),
        lambda x: functional.avg_pool2d(x, (3, 2), 1, (1, 0)),
        "AvgPool2d(kernel_size=(3, 2), stride=1, padding=(1, 0))",
    ),
    "AdaptiveAvgPool2d": (
        lambda nn: nn.AdaptiveAvgPool2d((3, 1)),
        lambda x: functional.adaptive_avg_pool2d(x, (3, 1)),
        "AdaptiveAvgPool2d(output_size=(3, 1))",
    ),
    "Upsample, factor": (
        lambda nn: nn.Upsample(scale_factor=2),
        lambda x: functional.interpolate(x, scale_factor=2),
        "Upsample(scale_factor=2, mode=nearest, align_corners=False)",
    ),
    "Upsample, size": (
        lambda nn: nn.Upsample((8, 9)),
        lambda x: functional.interpolate(x, size=(8, 9)),
        "Upsample(size=(8, 9), mode=nearest, align_corners=False)",
    ),
    "Upsample, bilinear": (
        lambda nn: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True),
        "Upsample(scale_factor=2, mode=bilinear, align_corners=True)",
    ),
    "PixelShuffle": (
        lambda nn: nn.PixelShuffle(2),
        lambda x: functional.pixel_shuffle(x, 2),
        "PixelShuffle(upscale_factor=2)",
    ),
}
EVERY = pytest.mark.parametrize("name", LAYERS)
X = np.random.default_rng(0).standard_normal((2, 4, 6, 4))


@EVERY
def test_a_layer_is_its_function_in_training_and_in_evaluation(name):
    build, function, _ = LAYERS[name]
    layer, x = build(nn), mg.Tensor(X.astype(np.float32))
    expected = function(x).numpy()
    for y in (layer(x), layer.eval()(x)):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.numpy(), expected)
    assert list(layer.parameters()) == []


@EVERY
def test_outputs_and_gradients_are_pytorchs(torch, name):
    mine, yours = mg.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    a, b = LAYERS[name][0](nn)(mine), LAYERS[name][0](torch.nn)(yours)
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-15)
    (a**3).sum().backward(), (b**3).sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), yours.grad.numpy(), rtol=1e-10, atol=1e-12)


@EVERY
def test_repr_leaves_out_what_was_not_given(name):
    assert repr(LAYERS[name][0](nn)) == LAYERS[name][2]
