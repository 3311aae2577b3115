"""A DCGAN learns to draw digits.

Two networks play a game. The generator G turns noise z into a picture. The discriminator D looks at a picture and says how
real it seems. D learns to tell real pictures from G's; G learns to make pictures that D takes for real. When G draws so well
that D can only guess, D says ½ everywhere, and the game is over (Goodfellow et al. 2014; the networks: Radford et al. 2016).

    python examples/dcgan_mnist.py                         about two minutes on two cores
    python examples/dcgan_mnist.py --epochs 10             better digits
    python examples/dcgan_mnist.py --data MY_PICTURES      a folder of your own
"""

import minigan as mg
from minigan import init, nn, optim, train
from minigan.functional import binary_cross_entropy_with_logits as bce

LATENT = 100  # numbers of noise that a picture is made from


def make_generator(channels: int) -> nn.Module:
    """z (N, 100) → picture (N, channels, 28, 28) in [−1, 1].

    A transposed convolution with stride 2 doubles the picture: it puts a zero between every two pixels and convolves.
    """
    return nn.Sequential(
        nn.Linear(LATENT, 128 * 7 * 7, bias=False),
        nn.Unflatten(1, (128, 7, 7)),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, kernel_size=4, stride=2, padding=1, bias=False),  # 7 × 7 → 14 × 14
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, channels, kernel_size=4, stride=2, padding=1),  # 14 × 14 → 28 × 28
        nn.Tanh(),
    )


def make_discriminator(channels: int) -> nn.Module:
    """Picture (N, channels, 28, 28) → logit (N, 1); σ(logit) = D(x) is the probability that the picture is real.

    The mirror image of the generator: convolutions with stride 2 halve the picture. LeakyReLU passes some gradient on where
    a unit is "off", for the sake of G, which learns only from what comes back through D.
    """
    return nn.Sequential(
        nn.Conv2d(channels, 64, kernel_size=4, stride=2, padding=1),  # 28 × 28 → 14 × 14
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, kernel_size=4, stride=2, padding=1, bias=False),  # 14 × 14 → 7 × 7
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(128 * 7 * 7, 1),
    )


def main(argv: list[str] | None = None) -> None:
    run, settings, pictures, batches = train.begin(
        "dcgan-mnist", __doc__, argv, data="auto", epochs=1, batch_size=64, lr=5e-4, seed=0
    )
    channels = pictures.samples.shape[1]

    G, D = make_generator(channels).to(settings.device), make_discriminator(channels).to(settings.device)
    init.dcgan_(G)  # weights from N(0, 0.02)
    init.dcgan_(D)
    G_optimizer = optim.Adam(G.parameters(), settings.lr, betas=(0.5, 0.999))
    D_optimizer = optim.Adam(D.parameters(), settings.lr, betas=(0.5, 0.999))

    def step(reals):
        """One step of D, then one of G. `reals` is a list of one batch; with more, D would make a step with each."""
        real = mg.from_numpy(reals[0]).to(settings.device)
        fake = G(mg.randn(len(real), LATENT, device=settings.device))

        # D maximises  E log D(x) + E log(1 − D(G(z))),  which is to minimise a cross-entropy whose target is 1 for real
        # pictures and 0 for G's. The target 0.9 keeps D from growing so sure that nothing useful comes back to G. G's
        # pictures are detached: this step is D's alone.
        real_logits, fake_logits = D(real), D(fake.detach())
        D_loss = bce(real_logits, mg.ones_like(real_logits) * 0.9) + bce(fake_logits, mg.zeros_like(fake_logits))
        D_optimizer.zero_grad()
        D_loss.backward()
        D_optimizer.step()

        # G maximises  E log D(G(z)):  the same cross-entropy, with target 1. The gradient travels back through D to the
        # pictures, and through them to G. D is frozen meanwhile, so that the gradients of its weights are not computed.
        with nn.frozen(D):
            verdict = D(fake)
        G_loss = bce(verdict, mg.ones_like(verdict))
        G_optimizer.zero_grad()
        G_loss.backward()
        G_optimizer.step()

        with mg.no_grad():
            D_real, D_fake = real_logits.sigmoid().mean(), fake_logits.sigmoid().mean()
        return {"d_loss": D_loss.item(), "g_loss": G_loss.item(), "D(x)": D_real.item(), "D(G(z))": D_fake.item()}

    # The same noise each time, so that one sees the same digits take shape.
    z = mg.randn(settings.batch_size, LATENT, device=settings.device)

    def sample():
        """Pictures of G as it is now; in evaluation mode batch norm uses its running statistics."""
        with mg.no_grad():
            pictures = G.eval()(z)
        G.train()
        return pictures

    print(
        f"{pictures}\n\ngenerator\n{G.summary((LATENT,))}\n\ndiscriminator\n{D.summary(pictures.samples.shape[1:])}\n"
    )
    state = {"G": G, "D": D, "G_optimizer": G_optimizer, "D_optimizer": D_optimizer}
    train.fit(run, step, batches, state, steps=settings.steps, sample=sample)
    more = f"--resume {run.path} --steps {2 * settings.steps}"
    print(f"The run is in {run.path}: look at samples/ and losses.png. For twice as many steps:  {more}")


if __name__ == "__main__":
    main()
