"""DCGAN: convolutions with stride in D, transposed convolutions in G, batch norm in both.

Points have no pixels to convolve; on them this variant, and all that share its networks, play with vanilla's.
"""

from minigan import init, nn
from minigan.models import vanilla
from minigan.models.variant import Shape, Variant, unfit


def generator(shape: Shape, latent: int) -> nn.Sequential:
    """z (N, latent) → picture (N, C, H, W) in [−1, 1]; two transposed convolutions double it twice."""
    if len(shape) == 1:
        return vanilla.generator(shape, latent)
    channels, h, w = quarters(shape)
    net = nn.Sequential(
        nn.Linear(latent, 128 * h * w, bias=False),
        nn.Unflatten(1, (128, h, w)),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    return init.dcgan_(net)


def discriminator(shape: Shape, batch_norm: bool = True) -> nn.Sequential:
    """Picture (N, C, H, W) → logit (N, 1); the mirror image."""
    if len(shape) == 1:
        return vanilla.discriminator(shape)
    channels, h, w = quarters(shape)
    net = nn.Sequential(
        nn.Conv2d(channels, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, stride=2, padding=1, bias=not batch_norm),
        *([nn.BatchNorm2d(128)] if batch_norm else []),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * h * w, 1),
    )
    return init.dcgan_(net)


def quarters(shape: Shape) -> tuple[int, int, int]:
    """Channels, and a quarter of height and width."""
    if len(shape) != 3 or shape[1] % 4 or shape[2] % 4:
        raise unfit("dcgan", shape, "points (D,), and pictures (C, H, W) whose sides 4 divides")
    return shape[0], shape[1] // 4, shape[2] // 4


DCGAN = Variant(
    name="dcgan",
    about="convolutions with stride and batch norm",
    paper="Radford, Metz & Chintala 2016, Unsupervised representation learning with deep convolutional GANs",
    generator=generator,
    discriminator=discriminator,
)
