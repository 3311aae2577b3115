"""The GAN of the first paper: two dense networks and a coin to be won, for pictures and for points in the plane."""

import math

from minigan import nn
from minigan.models.variant import Shape, Variant


def generator(shape: Shape, latent: int) -> nn.Sequential:
    """z (N, latent) → sample (N, *shape); tanh where samples lie in [−1, 1], nothing where they are points."""
    return nn.Sequential(
        nn.Linear(latent, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.BatchNorm1d(256),
        nn.ReLU(),
        nn.Linear(256, math.prod(shape)),
        *([nn.Unflatten(1, shape), nn.Tanh()] if len(shape) > 1 else []),
    )


def discriminator(shape: Shape) -> nn.Sequential:
    """Sample (N, *shape) → logit (N, 1)."""
    return nn.Sequential(
        *([nn.Flatten()] if len(shape) > 1 else []),
        nn.Linear(math.prod(shape), 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 256),
        nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
    )


VANILLA = Variant(
    name="vanilla",
    about="two dense networks",
    paper="Goodfellow et al. 2014, Generative adversarial nets",
    generator=generator,
    discriminator=discriminator,
    epochs=10,
)
