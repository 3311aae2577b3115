"""Unrolled GAN: G plays against D as it will be some steps from now, and differentiates through those steps."""

from minigan.models.dcgan import discriminator, generator
from minigan.models.variant import Variant
from minigan.train.rules import Rules

UNROLLED = Variant(
    name="unrolled",
    about="G looks five steps of D ahead",
    paper="Metz, Poole, Pfau & Sohl-Dickstein 2017, Unrolled generative adversarial networks",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(unroll=5, lr=1e-3, d_lr=1e-4),
    data="ring",
    batch_size=256,
    epochs=6,
)
