"""A LeNet learns to read digits: the smallest complete training, and a first example of minigan.

    python examples/classify_mnist.py                     two epochs; over 98.5 % of MNIST's test digits are read right
    python examples/classify_mnist.py --data fashion      coats and shoes instead

The trained network is also a judge of what a GAN has learned to draw: `load_lenet(run)` and `predict` say which digit a
generated picture shows, and how sure one can be.
"""

from pathlib import Path

import minigan as mg
from minigan import data, nn, optim, train
from minigan.functional import cross_entropy


def make_lenet(classes: int = 10) -> nn.Module:
    """Picture (N, 1, 28, 28) → logits (N, classes): LeNet-5 (LeCun et al. 1998) with ReLU and max pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 28 × 28 → 14 × 14
        nn.Conv2d(16, 32, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 10 × 10 → 5 × 5
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),  # 84 features: what a Fréchet distance between sets of digits is taken in
        nn.ReLU(),
        nn.Linear(84, classes),
    )


def load_lenet(run: str | Path) -> nn.Module:
    """The classifier of a finished run, in evaluation mode."""
    arrays, _ = train.load_checkpoint(Path(run) / "checkpoint.safetensors")
    net = make_lenet()
    net.load_state_dict({name.removeprefix("net/"): a for name, a in arrays.items() if name.startswith("net/")})
    return net.eval()


def predict(net: nn.Module, pictures, batch_size: int = 500) -> mg.Tensor:
    """The probability of each class for pictures (N, 1, 28, 28), as (N, classes)."""
    device = next(net.parameters()).device
    with mg.no_grad():
        pieces = [mg.from_numpy(pictures[i : i + batch_size]) for i in range(0, len(pictures), batch_size)]
        return mg.cat([net(piece.to(device)) for piece in pieces]).softmax(1).cpu()


def main(argv: list[str] | None = None) -> float:
    run, settings, training, batches = train.begin(
        "classify", __doc__, argv, classify=True, data="auto", epochs=2, batch_size=64, lr=1e-3, seed=0
    )
    test = data.load(settings.data, train=False)

    net = make_lenet(len(training.classes)).to(settings.device)
    optimizer = optim.Adam(net.parameters(), settings.lr)
    schedule = optim.StepLR(optimizer, step_size=len(batches), gamma=0.2)  # smaller steps from epoch to epoch

    def step(given):
        """One step down the gradient of the cross-entropy."""
        pictures, labels = (mg.from_numpy(part).to(settings.device) for part in given[0])
        logits = net(pictures)
        loss = cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return {"loss": loss.item(), "accuracy": float((logits.argmax(1) == labels).float().mean())}

    print(f"{training}\n\n{net.summary((1, 28, 28))}\n")
    train.fit(run, step, batches, {"net": net, "optimizer": optimizer, "schedule": schedule}, steps=settings.steps)

    right = float((predict(net.eval(), test.samples).argmax(1) == test.labels).float().mean())
    print(f"{right:.2%} of the {len(test):,} test pictures are read right. The run is in {run.path}")
    return right


if __name__ == "__main__":
    main()
