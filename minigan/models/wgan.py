"""WGAN: a critic whose mean difference between real and generated samples is, times a constant, how far they are apart.

That holds for a critic with a bounded slope. Here the bound is crude: after each step its weights are clipped.
"""

from minigan.models.dcgan import discriminator, generator
from minigan.models.variant import Variant
from minigan.train.rules import Rules

WGAN = Variant(
    name="wgan",
    about="the Wasserstein distance, by a critic with clipped weights",
    paper="Arjovsky, Chintala & Bottou 2017, Wasserstein GAN, Algorithm 1",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(loss="wgan", clip=0.01, d_steps=5, optimizer="rmsprop", lr=5e-5),
    epochs=3,
)
