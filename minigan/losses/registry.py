"""All adversarial losses by name, in one form, so that a training loop can take any of them. Imports the losses.

Some generators' losses need the outputs for real samples as well (the relativistic ones). So all of them are called as
`generator(fake, real)` here, and those that do not need `real` ignore it; it may then be None.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from minigan.losses.f_gan import DIVERGENCES, f_gan_discriminator_loss, f_gan_nonsaturating_generator_loss
from minigan.losses.hinge import hinge_discriminator_loss, hinge_generator_loss
from minigan.losses.least_squares import least_squares_discriminator_loss, least_squares_generator_loss
from minigan.losses.minimax import discriminator_loss, nonsaturating_generator_loss, saturating_generator_loss
from minigan.losses.relativistic import (
    relativistic_average_discriminator_loss,
    relativistic_average_generator_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
)
from minigan.losses.wasserstein import wasserstein_critic_loss, wasserstein_generator_loss
from minigan.tensor import Tensor


@dataclass(frozen=True)
class Adversarial:
    """The two losses of a game.

    Parameters
    ----------
    name : str
        As in `LOSSES`.
    discriminator : callable
        `discriminator(real, fake)`, of the discriminator's outputs.
    generator : callable
        `generator(fake, real)`; `real` may be None unless `uses_real`.
    output : {"logit", "critic"}
        What the discriminator's output means: "logit" if σ of it is the probability that a sample is real, "critic" if it
        is a number without bounds of which only the order, or the distance to a label, counts.
    paper : str
    uses_real : bool, default False
        Whether the generator's loss looks at `real`; a loop can leave that pass through the discriminator out otherwise.

    Examples
    --------
    >>> import minigan as mg
    >>> hinge = find_loss("hinge")
    >>> real, fake = mg.tensor([2.0, 0.5]), mg.tensor([-2.0, 0.0])
    >>> hinge.discriminator(real, fake), hinge.generator(fake, real), hinge.output
    (Tensor(0.75), Tensor(1.), 'critic')
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Any], Tensor]
    output: str
    paper: str
    uses_real: bool = False


def _of_fake(loss: Callable[..., Tensor], **options: Any) -> Callable[[Tensor, Any], Tensor]:
    """A generator's loss that needs its own samples only, in the common form."""

    def generator(fake: Tensor, real: Any = None) -> Tensor:
        return loss(fake, **options)

    return generator


_GOODFELLOW = "Goodfellow et al. 2014, Generative adversarial nets"
_MAO = "Mao et al. 2017, Least squares generative adversarial networks"
_JOLICOEUR = "Jolicoeur-Martineau 2018, The relativistic discriminator: a key element missing from standard GAN"
_NOWOZIN = "Nowozin et al. 2016, f-GAN: training generative neural samplers using variational divergence minimization"

LOSSES: dict[str, Adversarial] = {
    loss.name: loss
    for loss in (
        Adversarial("minimax", discriminator_loss, _of_fake(nonsaturating_generator_loss), "logit", _GOODFELLOW),
        Adversarial("saturating", discriminator_loss, _of_fake(saturating_generator_loss), "logit", _GOODFELLOW),
        Adversarial(
            "lsgan",
            least_squares_discriminator_loss,
            _of_fake(least_squares_generator_loss),
            "critic",
            f"{_MAO}, eq. 8",
        ),
        Adversarial(
            "lsgan-01",
            partial(least_squares_discriminator_loss, a=0.0, b=1.0),
            _of_fake(least_squares_generator_loss, c=1.0),
            "critic",
            f"{_MAO}, eq. 9",
        ),
        Adversarial(
            "wgan",
            wasserstein_critic_loss,
            _of_fake(wasserstein_generator_loss),
            "critic",
            "Arjovsky et al. 2017, Wasserstein GAN",
        ),
        Adversarial(
            "hinge",
            hinge_discriminator_loss,
            _of_fake(hinge_generator_loss),
            "critic",
            "Lim and Ye 2017, Geometric GAN; Miyato et al. 2018, Spectral normalization for GANs",
        ),
        Adversarial(
            "rgan", relativistic_discriminator_loss, relativistic_generator_loss, "critic", _JOLICOEUR, uses_real=True
        ),
        Adversarial(
            "ragan",
            relativistic_average_discriminator_loss,
            relativistic_average_generator_loss,
            "critic",
            _JOLICOEUR,
            uses_real=True,
        ),
        *(
            Adversarial(
                f"f-{name}",
                partial(f_gan_discriminator_loss, divergence=name),
                _of_fake(f_gan_nonsaturating_generator_loss, divergence=name),
                "logit" if name in ("js", "gan") else "critic",
                _NOWOZIN,
            )
            for name in DIVERGENCES
        ),
    )
}


def find_loss(name: str) -> Adversarial:
    """The losses of this name, one of `LOSSES`.

    Raises
    ------
    ValueError
        If there are none; it tells the nearest name.

    Examples
    --------
    >>> find_loss("lsgan").paper
    'Mao et al. 2017, Least squares generative adversarial networks, eq. 8'
    """
    if name not in LOSSES:
        near = difflib.get_close_matches(str(name).lower(), LOSSES, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"find_loss: no loss is called {name!r}.{guess} Known are {', '.join(LOSSES)}")
    return LOSSES[name]
