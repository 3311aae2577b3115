"""Adversarial losses, of what a discriminator says; divergences, what they estimate; penalties. Imports functional and nn.

Each file is an idea, and its opening says which: minimax (the original), least_squares, wasserstein, hinge, relativistic,
and f_gan (a table of eight). penalties keep a discriminator smooth; divergences measures distributions that are known. A
loss is a plain function of outputs; `find_loss("hinge")` gives a pair of them in the form that is the same for all, for a
loop that does not care which.
"""

from minigan.losses.divergences import (
    gaussian_js,
    gaussian_js_sampled,
    gaussian_kl,
    gaussian_kl_full,
    js_divergence,
    kl_divergence,
)
from minigan.losses.f_gan import (
    DIVERGENCES,
    Divergence,
    f_gan_discriminator_loss,
    f_gan_generator_loss,
    f_gan_nonsaturating_generator_loss,
    find_divergence,
)
from minigan.losses.hinge import hinge_discriminator_loss, hinge_generator_loss
from minigan.losses.least_squares import least_squares_discriminator_loss, least_squares_generator_loss
from minigan.losses.minimax import discriminator_loss, nonsaturating_generator_loss, saturating_generator_loss
from minigan.losses.penalties import (
    dragan_penalty,
    drift_penalty,
    feature_matching_loss,
    gradient_penalty,
    orthogonal_regularisation,
    r1_penalty,
    r2_penalty,
)
from minigan.losses.registry import LOSSES, Adversarial, find_loss
from minigan.losses.relativistic import (
    relativistic_average_discriminator_loss,
    relativistic_average_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
)
from minigan.losses.wasserstein import wasserstein_critic_loss, wasserstein_generator_loss, wasserstein_loss
