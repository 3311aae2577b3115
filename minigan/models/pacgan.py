"""PacGAN: D judges two samples at once, so a generator that repeats itself is found out by the repetition."""

from minigan.models.dcgan import discriminator, generator
from minigan.models.variant import Variant
from minigan.train.rules import Rules

PACGAN = Variant(
    name="pacgan",
    about="D judges packs of two samples",
    paper="Lin, Khetan, Fanti & Oh 2018, PacGAN: the power of two samples in generative adversarial networks",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(pack=2),
    data="ring",
    batch_size=200,
    epochs=10,
)
