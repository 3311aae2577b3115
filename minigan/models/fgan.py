"""f-GAN: the game over any f-divergence. The rules name the squared Hellinger distance; `--loss f-kl` is another."""

from minigan.models.dcgan import discriminator, generator
from minigan.models.variant import Variant
from minigan.train.rules import Rules

FGAN = Variant(
    name="fgan",
    about="any f-divergence: --loss f-kl, f-reverse-kl, f-js, f-pearson, f-neyman, f-hellinger, f-jeffrey",
    paper="Nowozin, Cseke & Tomioka 2016, f-GAN: training generative neural samplers using variational divergence "
    "minimization",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(loss="f-hellinger", d_lr=1e-4),
)
