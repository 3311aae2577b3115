"""R3GAN: D compares real samples with generated ones pair by pair, and is kept flat at both. Little else is needed.

The loss has a proof of convergence with the two penalties, and no minimum where modes are dropped. Of the paper this is the
loss and its rules; the networks are DCGAN's, without batch norm in D.
"""

from functools import partial

from minigan.models import dcgan
from minigan.models.variant import Variant
from minigan.train.rules import Rules

R3GAN = Variant(
    name="r3gan",
    about="relativistic pairs, R1 and R2",
    paper="Huang, Gokaslan, Kuleshov & Tompkin 2024, The GAN is dead; long live the GAN! A modern GAN baseline",
    generator=dcgan.generator,
    discriminator=partial(dcgan.discriminator, batch_norm=False),
    rules=Rules(loss="rgan", penalty="r1+r2", penalty_weight=1.0, betas=(0.0, 0.99)),
)
