"""Feature matching: G does not try to win; its samples shall have, on average, the features that D sees in real ones."""

from minigan.models.dcgan import discriminator, generator
from minigan.models.variant import Variant
from minigan.train.rules import Rules

FEATURE_MATCHING = Variant(
    name="feature-matching",
    about="G matches the means of D's features",
    paper="Salimans et al. 2016, Improved techniques for training GANs, section 3.1",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(feature_matching=True),
)
