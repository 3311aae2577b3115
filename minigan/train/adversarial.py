"""One step of the game between generator and discriminator. Imports losses, nn and optim."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigan.creation import randn
from minigan.losses import discriminator_loss, nonsaturating_generator_loss
from minigan.nn.module import Module, frozen
from minigan.ops.elementwise import sigmoid
from minigan.optim import Optimizer
from minigan.tensor import Tensor


def adversarial_step(
    generator: Module,
    discriminator: Module,
    generator_optimizer: Optimizer,
    discriminator_optimizer: Optimizer,
    reals: Sequence[np.ndarray],
    latent_shape: tuple[int, ...],
    d_loss: Callable[[Tensor, Tensor], Tensor] = discriminator_loss,
    g_loss: Callable[[Tensor], Tensor] = nonsaturating_generator_loss,
) -> dict[str, float]:
    """k steps of the discriminator, then one of the generator (Goodfellow et al. 2014, Algorithm 1).

    Each discriminator step sees two half batches, one real and one generated, which go through D one after the other
    (so batch norm takes the statistics of each by itself, as DCGAN's authors advise). The generator's step goes through
    the discriminator frozen: gradients pass through it to the pictures, but those of its weights are not computed.
    It reuses the pictures of the last discriminator step, which G, unchanged since, would make again.

    Parameters
    ----------
    generator, discriminator : Module
    generator_optimizer, discriminator_optimizer : Optimizer
    reals : sequence of k arrays `(N, ...)`
        A half batch of real samples for each discriminator step.
    latent_shape : tuple of int
        Of one latent z ~ N(0, I).
    d_loss, g_loss : callables
        `d_loss(real_logits, fake_logits)` and `g_loss(fake_logits)`.

    Raises
    ------
    ValueError
        If `reals` is empty.

    Returns
    -------
    dict
        `d_loss`, `g_loss`, and the means `D(x)` and `D(G(z))`, of the last discriminator step.
    """
    if not reals:
        raise ValueError("adversarial_step: reals is empty; it needs a half batch of real samples for each step of D")
    for batch in reals:
        real = Tensor(batch)
        fake = generator(randn(len(batch), *latent_shape, dtype=real.dtype, device=real.device))
        real_logits, fake_logits = discriminator(real), discriminator(fake.detach())
        loss_d = d_loss(real_logits, fake_logits)
        discriminator_optimizer.zero_grad()
        loss_d.backward()
        discriminator_optimizer.step()

    with frozen(discriminator):
        loss_g = g_loss(discriminator(fake))
    generator_optimizer.zero_grad()
    loss_g.backward()
    generator_optimizer.step()

    return {
        "d_loss": loss_d.item(),
        "g_loss": loss_g.item(),
        "D(x)": sigmoid(real_logits.detach()).mean().item(),
        "D(G(z))": sigmoid(fake_logits.detach()).mean().item(),
    }
