"""Adversarial losses, of what a discriminator says. Imports functional."""

from minigan.losses.minimax import discriminator_loss, nonsaturating_generator_loss, saturating_generator_loss
