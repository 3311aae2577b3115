"""DRAGAN: the minimax game with D's slope drawn to 1 near real samples only, where sharp slopes trap G."""

from functools import partial

from minigan.models import dcgan
from minigan.models.variant import Variant
from minigan.train.rules import Rules

DRAGAN = Variant(
    name="dragan",
    about="a penalty on D's slope around real samples",
    paper="Kodali, Abernethy, Hays & Kira 2017, On convergence and stability of GANs",
    generator=dcgan.generator,
    discriminator=partial(dcgan.discriminator, batch_norm=False),
    rules=Rules(penalty="dragan", penalty_weight=10.0),
)
