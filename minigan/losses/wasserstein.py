"""Wasserstein GAN: the discriminator becomes a critic, which gives marks. Imports ops and the checks of outputs.

How much work is it to carry one heap of sand, q, to where another, p, lies? By the Kantorovich–Rubinstein duality

    W(p, q)  =  max  E_p f(x) − E_q f(x)    over all f whose slope is nowhere above 1   (Arjovsky et al. 2017, eq. 2),

and the critic is that f. Its loss is minus this difference (eq. 3), so the loss tells, with its sign turned, how far G is
from the data; and unlike the Jensen–Shannon divergence it changes as G moves, even where p and q do not meet.

The slope is bounded elsewhere: by clipping the critic's weights, as the paper does, or by a penalty (WGAN-GP). Without a
bound the loss has no minimum. The output is linear, with no sigmoid.

The form of the courses is the same: label real samples y = +1 and generated ones y = −1; then the loss is `−mean(y·f)`, for
the critic of both batches, and for G of its own samples labelled as if they were real.
"""

from __future__ import annotations

from minigan.losses.outputs import check_outputs
from minigan.ops.reduce import mean
from minigan.tensor import Tensor


def wasserstein_loss(outputs: Tensor, labels: Tensor | float) -> Tensor:
    """`−mean(y·f)`, the courses' form, with labels y = +1 for real and −1 for generated samples.

    Of one batch that holds as many real as generated samples, shuffled, it is half of `wasserstein_critic_loss`, which takes
    the mean of each and adds them.

    Parameters
    ----------
    outputs : Tensor
        The critic's outputs f, linear, of any shape.
    labels : Tensor or float
        y, of the same shape or one number for all.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensor, are not floating, or are empty; or if the labels have another shape.

    Examples
    --------
    >>> import minigan as mg
    >>> wasserstein_loss(mg.tensor([3.0, 1.0]), mg.tensor([1.0, -1.0]))
    Tensor(-1.)
    """
    check_outputs("wasserstein_loss", outputs=outputs)
    if isinstance(labels, Tensor) and labels.ndim and labels.shape != outputs.shape:
        raise ValueError(
            f"wasserstein_loss: outputs has shape {outputs.shape}, labels has shape {labels.shape}, expected equal shapes "
            f"or one number; labels.reshape({', '.join(map(str, outputs.shape))}) if only an axis of size 1 is missing"
        )
    return -mean(labels * outputs)


def wasserstein_critic_loss(real_outputs: Tensor, fake_outputs: Tensor) -> Tensor:
    """`−(E f(x) − E f(G(z)))`: minus the critic's estimate of the Wasserstein distance.

    Parameters
    ----------
    real_outputs, fake_outputs : Tensor
        The critic's outputs, linear, of any shape; each is averaged by itself.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, or are empty.

    References
    ----------
    Arjovsky et al. 2017, "Wasserstein GAN", eqs. 2 and 3, and Algorithm 1.

    Examples
    --------
    >>> import minigan as mg
    >>> wasserstein_critic_loss(mg.tensor([3.0, 5.0]), mg.tensor([1.0]))
    Tensor(-3.)
    """
    check_outputs("wasserstein_critic_loss", real_outputs=real_outputs, fake_outputs=fake_outputs)
    return wasserstein_loss(real_outputs, 1.0) + wasserstein_loss(fake_outputs, -1.0)


def wasserstein_generator_loss(fake_outputs: Tensor) -> Tensor:
    """`−E f(G(z))`: all that G can change about the distance.

    Parameters
    ----------
    fake_outputs : Tensor
        The critic's outputs, linear, of any shape.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensor, are not floating, or are empty.

    References
    ----------
    Arjovsky et al. 2017, "Wasserstein GAN", theorem 3 and Algorithm 1.

    Examples
    --------
    >>> import minigan as mg
    >>> wasserstein_generator_loss(mg.tensor([1.0, 2.0]))
    Tensor(-1.5)
    """
    check_outputs("wasserstein_generator_loss", fake_outputs=fake_outputs)
    return wasserstein_loss(fake_outputs, 1.0)
