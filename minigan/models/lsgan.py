"""LSGAN: the verdict is a number that should be 1 for real and −1 for generated samples, by least squares.

Where a cross-entropy stops caring once a sample is on the right side, a square goes on pulling it to the boundary.
"""

from minigan.models.dcgan import discriminator, generator
from minigan.models.variant import Variant
from minigan.train.rules import Rules

LSGAN = Variant(
    name="lsgan",
    about="least squares in place of cross-entropy",
    paper="Mao et al. 2017, Least squares generative adversarial networks",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(loss="lsgan"),
)
