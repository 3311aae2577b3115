"""The hinge loss: the discriminator as a support vector machine. Imports ops and the checks of outputs.

D wants real samples above +1 and generated ones below −1, and pays for none that is there already: only samples inside the
margin, or on the wrong side, have a gradient. So D spends itself where the two are hard to tell apart, and does not grow
without bound. G follows the plain mean of the outputs, whose gradient never vanishes (Lim and Ye 2017; Miyato et al. 2018,
eqs. 16 and 17, write it as a maximum).

The best answer is +1 where p > q and −1 where q > p. Then D pays `2·Σ min(p, q)`, which is 2 minus twice the total variation
distance of p and q. The output is linear, with no sigmoid.
"""

from __future__ import annotations

from minigan.losses.outputs import check_outputs
from minigan.ops.elementwise import relu
from minigan.ops.reduce import mean
from minigan.tensor import Tensor


def hinge_discriminator_loss(real_outputs: Tensor, fake_outputs: Tensor) -> Tensor:
    """`E max(0, 1 − D(x)) + E max(0, 1 + D(G(z)))`.

    Parameters
    ----------
    real_outputs, fake_outputs : Tensor
        D's outputs, linear, of any shape; each is averaged by itself.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, or are empty.

    References
    ----------
    Lim and Ye 2017, "Geometric GAN"; Miyato et al. 2018, "Spectral normalization for GANs", eq. 16.

    Examples
    --------
    >>> import minigan as mg
    >>> hinge_discriminator_loss(mg.tensor([0.0, 5.0]), mg.tensor([-1.0]))
    Tensor(0.5)
    """
    check_outputs("hinge_discriminator_loss", real_outputs=real_outputs, fake_outputs=fake_outputs)
    return mean(relu(1 - real_outputs)) + mean(relu(1 + fake_outputs))


def hinge_generator_loss(fake_outputs: Tensor) -> Tensor:
    """`−E D(G(z))`.

    Parameters
    ----------
    fake_outputs : Tensor
        D's outputs, linear, of any shape.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensor, are not floating, or are empty.

    References
    ----------
    Lim and Ye 2017, "Geometric GAN"; Miyato et al. 2018, "Spectral normalization for GANs", eq. 17.

    Examples
    --------
    >>> import minigan as mg
    >>> hinge_generator_loss(mg.tensor([-1.0, 0.5]))
    Tensor(0.25)
    """
    check_outputs("hinge_generator_loss", fake_outputs=fake_outputs)
    return -mean(fake_outputs)
