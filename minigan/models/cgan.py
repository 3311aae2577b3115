"""Conditional GAN: both networks are told the class, so that one can ask for a 7.

D is told by ten more channels, of which one is 1; or, as `cgan-projection`, by an inner product: how well do the features of
this sample go with that class?
"""

from minigan import init, nn
from minigan.functional import one_hot
from minigan.models import dcgan
from minigan.models.variant import Shape, Variant
from minigan.ops.shape import cat
from minigan.tensor import Tensor


class Generator(nn.Module):
    """z (N, latent) and y (N,) → sample (N, *shape); y as a one-hot row behind z."""

    def __init__(self, shape: Shape, latent: int, classes: int):
        self.classes, self.net = classes, dcgan.generator(shape, latent + classes)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.net(cat([z, one_hot(y, self.classes).to(z.dtype)], 1))


class Discriminator(nn.Module):
    """Sample (N, *shape) and y (N,) → logit (N, 1); y as one-hot channels behind those of the sample."""

    def __init__(self, shape: Shape, classes: int):
        self.classes, self.net = classes, dcgan.discriminator((shape[0] + classes, *shape[1:]))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        told = one_hot(y, self.classes).to(x.dtype).reshape(len(y), self.classes, *[1] * (x.ndim - 2))
        return self.net(cat([x, told.expand(len(y), self.classes, *x.shape[2:])], 1))


class ProjectionDiscriminator(nn.Module):
    """`D(x, y) = ψ(φ(x)) + ⟨e_y, φ(x)⟩`, with a vector e_y for each class (Miyato & Koyama 2018, eq. 3)."""

    def __init__(self, shape: Shape, classes: int):
        net = dcgan.discriminator(shape)
        self.features, self.verdict = net[:-1], net[-1]
        self.classes = nn.Embedding(classes, self.verdict.weight.shape[1])
        init.normal_(self.classes.weight, 0.0, 0.02)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        features = self.features(x)
        return self.verdict(features) + (self.classes(y) * features).sum(dim=1, keepdim=True)


PAPER = "Mirza & Osindero 2014, Conditional generative adversarial nets"
CGAN = Variant("cgan", "both networks are told the class", PAPER, Generator, Discriminator, conditional=True)
CGAN_PROJECTION = Variant(
    "cgan-projection",
    "D is told the class by an inner product",
    "Miyato & Koyama 2018, cGANs with projection discriminator",
    Generator,
    ProjectionDiscriminator,
    conditional=True,
)
