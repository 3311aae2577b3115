"""AC-GAN: D is not told the class; it has to name it, and G wants its samples to be named rightly."""

from minigan import init, nn
from minigan.models import cgan, dcgan
from minigan.models.variant import Shape, Variant
from minigan.tensor import Tensor
from minigan.train.rules import Rules


class Discriminator(nn.Module):
    """Sample (N, *shape) → logit (N, 1), and a logit for each class (N, classes)."""

    def __init__(self, shape: Shape, classes: int):
        net = dcgan.discriminator(shape)
        self.features, self.verdict = net[:-1], net[-1]
        self.name = init.dcgan_(nn.Linear(self.verdict.weight.shape[1], classes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.verdict(features), self.name(features)


ACGAN = Variant(
    name="acgan",
    about="D names the class, G wants to be named rightly",
    paper="Odena, Olah & Shlens 2017, Conditional image synthesis with auxiliary classifier GANs",
    generator=cgan.Generator,
    discriminator=Discriminator,
    rules=Rules(auxiliary=1.0),
    conditional=True,
)
