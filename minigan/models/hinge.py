"""Hinge loss and spectral normalisation: no layer of D can stretch anything, so D's slope is bounded without a penalty."""

from minigan import nn
from minigan.models import dcgan
from minigan.models.variant import Shape, Variant
from minigan.train.rules import Rules


def discriminator(shape: Shape) -> nn.Sequential:
    """DCGAN's without batch norm, which would undo it, and with every weight W as W/σ(W)."""
    layers = dcgan.discriminator(shape, batch_norm=False)
    return nn.Sequential(*(nn.spectral_norm(layer) if hasattr(layer, "weight") else layer for layer in layers))


HINGE = Variant(
    name="hinge",
    about="hinge loss, spectral normalisation of D",
    paper="Miyato et al. 2018, Spectral normalization for generative adversarial networks",
    generator=dcgan.generator,
    discriminator=discriminator,
    rules=Rules(loss="hinge"),
)
