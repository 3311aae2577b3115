"""LSGAN: the discriminator answers by regression. Imports functional and the checks of outputs.

D draws real samples towards b and generated ones towards a; G draws its own towards c (Mao et al. 2017, eq. 2). A logistic
loss is content once a sample lies on the right side. A square is not: generated samples that D takes for real, but which lie
far from its boundary, are pulled back, and the gradient does not vanish there. D's output is linear, with no sigmoid.

The best answer is `D* = (b·p + a·q)/(p + q)`. Against it, where b − c = 1 and b − a = 2 as for (a, b, c) = (−1, 1, 0), the
sum of `½ (D* − c)²` over real and generated samples is `½ Σ (p − q)²/(p + q)`: a divergence, half of Pearson's χ² of p + q
and 2q (eq. 8). G's loss is the part of it that G's samples make. The other coding, (0, 1, 1), asks G to be taken for real
(eq. 9) and does as well in practice. The paper's factor ½ is in every term.
"""

from __future__ import annotations

from minigan.functional import mse_loss
from minigan.losses.outputs import check_outputs
from minigan.ops.shape import as_tensor, broadcast_to
from minigan.tensor import Tensor


def least_squares_discriminator_loss(
    real_outputs: Tensor, fake_outputs: Tensor, a: float = -1.0, b: float = 1.0
) -> Tensor:
    """`½ E(D(x) − b)² + ½ E(D(G(z)) − a)²`: a is the label of generated samples, b that of real ones.

    Parameters
    ----------
    real_outputs, fake_outputs : Tensor
        D's outputs, linear, of any shape; each is averaged by itself.
    a, b : float, default −1 and 1
        0 and 1 for the paper's other coding.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensors, are not floating, or are empty.

    References
    ----------
    Mao et al. 2017, "Least squares generative adversarial networks", eqs. 2, 8 and 9.

    Examples
    --------
    A discriminator that answers 0 to everything is wrong by 1 on either side:

    >>> import minigan as mg
    >>> least_squares_discriminator_loss(mg.zeros(4), mg.zeros(4))
    Tensor(1.)
    >>> least_squares_discriminator_loss(mg.zeros(4), mg.zeros(4), a=0.0, b=1.0)
    Tensor(0.5)
    """
    check_outputs("least_squares_discriminator_loss", real_outputs=real_outputs, fake_outputs=fake_outputs)
    return (_squared_error(real_outputs, b) + _squared_error(fake_outputs, a)) / 2


def least_squares_generator_loss(fake_outputs: Tensor, c: float = 0.0) -> Tensor:
    """`½ E(D(G(z)) − c)²`: c is what G wants D to say.

    Parameters
    ----------
    fake_outputs : Tensor
        D's outputs, linear, of any shape.
    c : float, default 0
        The value between the labels −1 and 1; with the labels 0 and 1 it is 1.

    Returns
    -------
    Tensor, a single number

    Raises
    ------
    TypeError, ValueError
        If the outputs are no Tensor, are not floating, or are empty.

    References
    ----------
    Mao et al. 2017, "Least squares generative adversarial networks", eqs. 2, 8 and 9.

    Examples
    --------
    >>> import minigan as mg
    >>> least_squares_generator_loss(mg.full((4,), -1.0))  # D is sure that they are generated
    Tensor(0.5)
    """
    check_outputs("least_squares_generator_loss", fake_outputs=fake_outputs)
    return _squared_error(fake_outputs, c) / 2


def _squared_error(outputs: Tensor, label: float) -> Tensor:
    return mse_loss(outputs, broadcast_to(as_tensor(float(label), like=outputs), outputs.shape))
