"""WaveGAN: DCGAN flattened to one dimension, with long kernels and stride 4, on raw audio. Loss and rules are WGAN-GP's.

A transposed convolution leaves a trace in a sound, always at the same phase, by which D could tell it at once. Phase shuffle
takes that away: between D's layers everything is shifted by a few steps, by chance.
"""

from minigan import nn
from minigan.creation import randint
from minigan.functional import pad
from minigan.models.variant import Shape, Variant, unfit
from minigan.tensor import Tensor
from minigan.train.rules import Rules

WIDTHS = (128, 64, 32, 16)  # channels at 1/256, 1/64, 1/16 and 1/4 of the length


def generator(shape: Shape, latent: int) -> nn.Sequential:
    """z (N, latent) → sound (N, C, L) in [−1, 1]."""
    if len(shape) != 2 or shape[1] % 256:
        raise unfit("wavegan", shape, "series (C, L) whose length 256 divides")
    start, outs = shape[1] // 256, (*WIDTHS[1:], shape[0])
    ups: list[nn.Module] = []
    for width, out in zip(WIDTHS, outs):
        ups += [nn.ReLU(), nn.ConvTranspose1d(width, out, 25, stride=4, padding=11, output_padding=1)]
    return nn.Sequential(
        nn.Linear(latent, WIDTHS[0] * start), nn.Unflatten(1, (WIDTHS[0], start)), *ups, nn.Tanh()
    )  # fmt: skip


def discriminator(shape: Shape) -> nn.Sequential:
    """Sound (N, C, L) → (N, 1)."""
    downs: list[nn.Module] = []
    for inputs, width in zip((shape[0], *WIDTHS[:0:-1]), WIDTHS[::-1]):
        downs += [nn.Conv1d(inputs, width, 25, stride=4, padding=11), nn.LeakyReLU(0.2), PhaseShuffle()]
    return nn.Sequential(*downs[:-1], nn.Flatten(), nn.Linear(WIDTHS[0] * shape[1] // 256, 1))


class PhaseShuffle(nn.Module):
    """Shift a batch (N, C, L) by −2 to 2 steps; what is missing at an end is its mirror image."""

    def forward(self, x: Tensor) -> Tensor:
        shift = int(randint(-2, 3, (1,)).item())
        whole = pad(x, (max(shift, 0), max(-shift, 0)), mode="reflect")
        return whole[:, :, : x.shape[2]] if shift > 0 else whole[:, :, -x.shape[2] :]


WAVEGAN = Variant(
    name="wavegan",
    about="sound: one-dimensional convolutions of stride 4, and phase shuffle",
    paper="Donahue, McAuley & Puckette 2019, Adversarial audio synthesis",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(loss="wgan", penalty="gp", d_steps=5, lr=5e-4, betas=(0.5, 0.9)),
    data="tones",
    epochs=12,
    batch_size=32,
)
