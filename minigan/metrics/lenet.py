"""The classifier whose features the metrics take: the very layers of `examples/classify_mnist.py`. Imports nn."""

from __future__ import annotations

from minigan import nn

FEATURES = 84


def make_lenet(classes: int = 10) -> nn.Sequential:
    """Picture (N, 1, 28, 28) → logits (N, classes): LeNet-5 (LeCun et al. 1998) with ReLU and max pooling.

    Examples
    --------
    >>> import minigan as mg
    >>> make_lenet()(mg.zeros(2, 1, 28, 28)).shape
    (2, 10)
    """
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 28 × 28 → 14 × 14
        nn.Conv2d(16, 32, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 10 × 10 → 5 × 5
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, FEATURES),
        nn.ReLU(),  # the features
        nn.Linear(FEATURES, classes),
    )
