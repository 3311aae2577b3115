"""WGAN-GP: the critic's slope is drawn to 1 between real and generated samples, so that no weight need be clipped.

The slope is asked for at each sample by itself, so the critic has no batch norm, which would mix them.
"""

from functools import partial

from minigan.models import dcgan
from minigan.models.variant import Variant
from minigan.train.rules import Rules

WGAN_GP = Variant(
    name="wgan-gp",
    about="the Wasserstein distance, by a critic with a penalty on its slope",
    paper="Gulrajani et al. 2017, Improved training of Wasserstein GANs, Algorithm 1",
    generator=dcgan.generator,
    discriminator=partial(dcgan.discriminator, batch_norm=False),
    rules=Rules(loss="wgan", penalty="gp", penalty_weight=10.0, d_steps=5, lr=1e-4, betas=(0.0, 0.9)),
    epochs=3,
)
