"""TimeGAN's supervised loss on a GAN of one-dimensional convolutions: how does the next step follow from those before?

A third network learns that from real series; G is made to draw series of which it is as right. TimeGAN itself has recurrent
networks, and plays in the code of an autoencoder, where this plays on the series themselves.
"""

from minigan import nn
from minigan.functional import mse_loss, pad
from minigan.models.variant import Shape, Variant, unfit
from minigan.tensor import Tensor
from minigan.train.rules import Rules


def generator(shape: Shape, latent: int) -> nn.Sequential:
    """z (N, latent) → series (N, C, L) in [−1, 1]."""
    if len(shape) != 2 or shape[1] % 4:
        raise unfit("timegan-1d", shape, "series (C, L) whose length 4 divides")
    start = shape[1] // 4
    layers: list[nn.Module] = [nn.Linear(latent, 128 * start), nn.Unflatten(1, (128, start)), nn.BatchNorm1d(128)]
    layers += [nn.ReLU(), nn.ConvTranspose1d(128, 64, 4, stride=2, padding=1), nn.BatchNorm1d(64)]
    layers += [nn.ReLU(), nn.ConvTranspose1d(64, 64, 4, stride=2, padding=1)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Conv1d(64, shape[0], 5, padding=2), nn.Tanh())


def discriminator(shape: Shape) -> nn.Sequential:
    """Series (N, C, L) → logit (N, 1)."""
    layers: list[nn.Module] = [nn.Conv1d(shape[0], 64, 5, padding=2), nn.LeakyReLU(0.2)]
    layers += [nn.Conv1d(64, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    layers += [nn.Conv1d(64, 128, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * shape[1] // 4, 1))


class Supervisor(nn.Module):
    """Says x_t, having seen x_{t−6} to x_{t−1}."""

    def __init__(self, shape: Shape):
        self.first, self.last = nn.Conv1d(shape[0], 64, 6), nn.Conv1d(64, shape[0], 1)

    def loss(self, x: Tensor) -> Tensor:
        """`E ‖x_t − S(x_{<t})‖²`; Yoon et al. 2019, eq. 9, of series in place of codes."""
        said = self.last(self.first(pad(x, (5, 0))[:, :, :-1]).relu())
        return mse_loss(said, x[:, :, 1:])

    generator_loss = loss


TIMEGAN_1D = Variant(
    name="timegan-1d",
    about="time series: a third network says what the next step should be",
    paper="Yoon, Jarrett & van der Schaar 2019, Time-series generative adversarial networks",
    generator=generator,
    discriminator=discriminator,
    rules=Rules(companion=10.0, penalty="r1", penalty_weight=1.0, lr=5e-4, ema=0.99),
    data="sines",
    epochs=20,
    companion=Supervisor,
)
