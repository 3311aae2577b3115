"""The original GAN's losses, of logits. Imports functional and the checks of outputs.

The game is `min_G max_D  E_x log D(x) + E_z log(1 − D(G(z)))` (Goodfellow et al. 2014, eq. 1), with D = σ(logit). At its
equilibrium D is ½ everywhere, so D's loss is 2 log 2 = 1.386 and G's (non-saturating) is log 2 = 0.693.
"""

from __future__ import annotations

from minigan.functional import binary_cross_entropy_with_logits
from minigan.losses.outputs import check_outputs
from minigan.tensor import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, real_target: float = 1.0) -> Tensor:
    """`−E log D(x) − E log(1 − D(G(z)))`: binary cross-entropy with target 1 for real, 0 for generated samples.

    Parameters
    ----------
    real_logits, fake_logits : Tensor
        D's outputs before the sigmoid, of any shape.
    real_target : float, default 1
        0.9 is one-sided label smoothing (Salimans et al. 2016, §3.4): it keeps D from growing certain, and leaves the
        target of generated samples at 0, because otherwise D's optimum would be drawn towards where G is now.

    Raises
    ------
    TypeError, ValueError
        If the logits are no Tensors, are not floating, or are empty.

    Examples
    --------
    A discriminator that cannot tell:

    >>> import minigan as mg
    >>> discriminator_loss(mg.zeros(4), mg.zeros(4))  # 2 log 2
    Tensor(1.3863)
    """
    check_outputs("discriminator_loss", real_logits=real_logits, fake_logits=fake_logits)
    real = binary_cross_entropy_with_logits(real_logits, real_target)
    fake = binary_cross_entropy_with_logits(fake_logits, 0.0)
    return real + fake


def nonsaturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """`−E log D(G(z))`: binary cross-entropy with target 1. Its gradient is largest where D is sure that it is fake.

    Examples
    --------
    >>> import minigan as mg
    >>> nonsaturating_generator_loss(mg.zeros(4))  # log 2
    Tensor(0.6931)
    """
    check_outputs("nonsaturating_generator_loss", fake_logits=fake_logits)
    return binary_cross_entropy_with_logits(fake_logits, 1.0)


def saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """`E log(1 − D(G(z)))`, the minimax loss itself: its gradient vanishes where D is sure, just when G needs it.

    Examples
    --------
    >>> import minigan as mg
    >>> saturating_generator_loss(mg.zeros(4))  # −log 2
    Tensor(-0.6931)
    """
    check_outputs("saturating_generator_loss", fake_logits=fake_logits)
    return -binary_cross_entropy_with_logits(fake_logits, 0.0)
