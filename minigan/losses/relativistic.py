"""Relativistic losses: is this real sample more real than that generated one? Imports ops and the checks of outputs.

An ordinary discriminator may call everything real at once, and half of a batch is not. A relativistic one is asked only for
a comparison, so that what makes the generated samples look more real makes the real ones look less so. Two ways to compare
(Jolicoeur-Martineau 2018), with C the network's output, linear, and σ the logistic function:

- in pairs (RSGAN; with the penalties R1 and R2 it is R3GAN's): `σ(C(x) − C(G(z)))` is the probability that x is the real one
  of two;
- with the average of the others (RaSGAN): `σ(C(x) − E C(G(z)))`, and for a generated sample `σ(C(G(z)) − E C(x))`.

In both, the generator's loss is the discriminator's with real and generated samples exchanged. It needs the outputs for the
real samples as well; gradients reach G through the generated ones. Only differences count: C and C + 100 are one
discriminator. At equilibrium the pairing form pays log 2, the average form 2 log 2, for G as for D.
"""

from __future__ import annotations

from minigan.losses.outputs import check_outputs, check_pairs
from minigan.ops.elementwise import softplus
from minigan.ops.reduce import mean
from minigan.tensor import Tensor


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """`−E log σ(C(x) − C(G(z))) = E softplus(−(C(x) − C(G(z))))`, of pairs.

    Parameters
    ----------
    real_logits, fake_logits : Tensor
        C's outputs, linear, of one shape: the i-th real sample is compared with the i-th generated one.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, are empty, or differ in shape.

    References
    ----------
    Jolicoeur-Martineau 2018, "The relativistic discriminator", the loss RSGAN.

    Examples
    --------
    >>> import minigan as mg
    >>> relativistic_discriminator_loss(mg.full((4,), 7.0), mg.full((4,), 7.0))  # log 2
    Tensor(0.6931)
    """
    check_outputs("relativistic_discriminator_loss", real_logits=real_logits, fake_logits=fake_logits)
    check_pairs("relativistic_discriminator_loss", real_logits, fake_logits)
    return mean(softplus(fake_logits - real_logits))


def relativistic_generator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """`−E log σ(C(G(z)) − C(x)) = E softplus(−(C(G(z)) − C(x)))`, of pairs.

    Parameters
    ----------
    fake_logits, real_logits : Tensor
        C's outputs, linear, of one shape.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, are empty, or differ in shape.

    References
    ----------
    Jolicoeur-Martineau 2018, "The relativistic discriminator", the loss RSGAN.

    Examples
    --------
    >>> import minigan as mg
    >>> relativistic_generator_loss(mg.zeros(4), mg.full((4,), 9.0))  # D is sure which is which
    Tensor(9.0001)
    """
    check_outputs("relativistic_generator_loss", fake_logits=fake_logits, real_logits=real_logits)
    check_pairs("relativistic_generator_loss", real_logits, fake_logits)
    return mean(softplus(real_logits - fake_logits))


def relativistic_average_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """`−E log σ(C(x) − E C(G(z))) − E log(1 − σ(C(G(z)) − E C(x)))`.

    Parameters
    ----------
    real_logits, fake_logits : Tensor
        C's outputs, linear, of any shape; the averages are over all of their elements.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, or are empty.

    References
    ----------
    Jolicoeur-Martineau 2018, "The relativistic discriminator", the loss RaSGAN.

    Examples
    --------
    >>> import minigan as mg
    >>> relativistic_average_discriminator_loss(mg.full((4,), 7.0), mg.full((3,), 7.0))  # 2 log 2
    Tensor(1.3863)
    """
    check_outputs("relativistic_average_discriminator_loss", real_logits=real_logits, fake_logits=fake_logits)
    return _above_the_others_average(real_logits, fake_logits)


def relativistic_average_generator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """`−E log σ(C(G(z)) − E C(x)) − E log(1 − σ(C(x) − E C(G(z))))`: both of D's terms, exchanged.

    Parameters
    ----------
    fake_logits, real_logits : Tensor
        C's outputs, linear, of any shape; the averages are over all of their elements.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, or are empty.

    References
    ----------
    Jolicoeur-Martineau 2018, "The relativistic discriminator", the loss RaSGAN.

    Examples
    --------
    >>> import minigan as mg
    >>> relativistic_average_generator_loss(mg.zeros(4), mg.full((3,), 9.0))
    Tensor(18.000...)
    """
    check_outputs("relativistic_average_generator_loss", fake_logits=fake_logits, real_logits=real_logits)
    return _above_the_others_average(fake_logits, real_logits)


def _above_the_others_average(high: Tensor, low: Tensor) -> Tensor:
    """What it costs that `high` is not above the average of `low`, and `low` not below that of `high`."""
    return mean(softplus(mean(low) - high)) + mean(softplus(low - mean(high)))
