"""What a variant of the GAN is: two networks, rules, and what it is trained on if nobody says. Imports nn and the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minigan import nn
from minigan.train.rules import Rules

Shape = tuple[int, ...]  # of one sample: (C, H, W) of a picture, (C, L) of a series, (D,) of a point


class Networks(NamedTuple):
    """A variant's networks, built."""

    G: nn.Module
    D: nn.Module
    companion: nn.Module | None


@dataclass(frozen=True)
class Variant:
    """A GAN, as its paper defines it. Each file of this folder makes one, and what two of them share one imports.

    Parameters
    ----------
    name : str
        As in `minigan train NAME`.
    about : str
        What is peculiar to it, in a sentence.
    paper : str
    generator : callable
        `generator(shape, latent)`, or `generator(shape, latent, classes)` if conditional: from `(N, latent)`, and class
        numbers `(N,)`, to samples `(N, *shape)`.
    discriminator : callable
        `discriminator(shape)` or `discriminator(shape, classes)`: from samples to `(N, 1)`.
    rules : Rules, optional
    data : str, default "auto"
        As in `minigan.data.load`.
    epochs, batch_size, latent : int
        1, 64 and 100 by default.
    conditional : bool, default False
        Whether the networks are told the class.
    companion : callable, optional
        `companion(shape)`, a third network, see `train.Game`.

    Examples
    --------
    >>> from minigan.models import find_variant
    >>> wgan_gp = find_variant("wgan-gp")
    >>> wgan_gp.rules.penalty, wgan_gp.rules.d_steps
    ('gp', 5)
    >>> G, D, _ = wgan_gp.networks((1, 28, 28))
    """

    name: str
    about: str
    paper: str
    generator: Callable[..., nn.Module]
    discriminator: Callable[..., nn.Module]
    rules: Rules = field(default_factory=Rules)
    data: str = "auto"
    epochs: int = 1
    batch_size: int = 64
    latent: int = 100
    conditional: bool = False
    companion: Callable[[Shape], nn.Module] | None = None

    def networks(
        self, shape: Shape, classes: int = 0, rules: Rules | None = None, latent: int | None = None
    ) -> Networks:
        """New networks for samples of this shape, with the changes that `pack` and `minibatch` make to D.

        Raises
        ------
        ValueError
            If the variant needs classes and there are none, or its networks cannot be built for this shape.
        """
        rules, latent = rules or self.rules, latent or self.latent
        if self.conditional and not classes:
            raise ValueError(
                f"{self.name}: its networks are told the class of each sample, but these data have no labels; choose data "
                f"that have, such as mnist, or a variant without labels, such as dcgan"
            )
        told: Any = (classes,) if self.conditional else ()
        G = self.generator(shape, latent, *told)
        D = self.discriminator((rules.pack * shape[0], *shape[1:]), *told)
        if rules.minibatch != "none":
            D = seeing_the_batch(D, rules.minibatch)
        return Networks(G, D, self.companion(shape) if self.companion and rules.companion else None)


def seeing_the_batch(D: nn.Module, kind: str) -> nn.Sequential:
    """The discriminator with a look at the whole batch before its last layer, which is made anew, wide enough for it.

    Parameters
    ----------
    D : Sequential
        Ends with a Linear.
    kind : {"std", "discrimination"}
        A number more (ProGAN), or 64 more, of 16 each that are compared (Salimans et al. 2016, §3.2).
    """
    if not isinstance(D, nn.Sequential) or not isinstance(D[-1], nn.Linear):
        raise ValueError(
            f"minibatch={kind!r} is put before the last layer of a discriminator that is a Sequential and ends with a "
            f"Linear, got {type(D).__name__}; choose another variant, or minibatch='none'"
        )
    outputs, features = D[-1].weight.shape
    layer = nn.MinibatchStdDev() if kind == "std" else nn.MinibatchDiscrimination(features, 64, 16)
    more = 1 if kind == "std" else 64
    return nn.Sequential(*D[:-1], layer, nn.Linear(features + more, outputs))


def unfit(name: str, shape: Shape, expected: str) -> ValueError:
    """The error of networks that cannot be built for samples of this shape."""
    return ValueError(
        f"{name}: its networks are for {expected}, but the samples have shape {shape}; choose other data (--data), or a "
        f"variant for these: `minigan list`"
    )
