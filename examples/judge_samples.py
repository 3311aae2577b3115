"""What has a GAN learned to draw? A classifier looks at 10,000 of its samples.

    python examples/judge_samples.py runs/dcgan-mnist-… runs/classify-…

A generator that has dropped a digit, or that draws things which are no digit, shows here and not in its losses. The entropy
of the digits drawn is log 10 = 2.303 when all come equally often; the share of samples that the classifier is sure of
(confidence over 0.9) is best read beside the same share of real digits.
"""

import argparse
from pathlib import Path

import numpy as np
from classify_mnist import load_lenet, predict
from dcgan_mnist import LATENT, make_generator

import minigan as mg
from minigan import train, viz


def load_generator(run: str | Path) -> mg.nn.Module:
    """The generator of a run of `dcgan_mnist.py` on grey pictures, in evaluation mode."""
    arrays, _ = train.load_checkpoint(Path(run) / "checkpoint.safetensors")
    G = make_generator(channels=1)
    G.load_state_dict({name.removeprefix("G/"): a for name, a in arrays.items() if name.startswith("G/")})
    return G.eval()


def draw(G: mg.nn.Module, n: int, seed: int = 0) -> np.ndarray:
    """`n` pictures (n, 1, 28, 28), drawn where the generator is."""
    z = mg.randn(n, LATENT, generator=mg.Generator(seed), device=next(G.parameters()).device)
    with mg.no_grad():
        return np.concatenate([G(part).cpu().numpy() for part in z.split(500)])


def main(argv: list[str] | None = None) -> dict[str, object]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gan", help="the run folder of dcgan_mnist.py")
    parser.add_argument("classifier", help="the run folder of classify_mnist.py")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--device", choices=mg.backend.DEVICES, default="cpu", help="where to compute (default: cpu)")
    options = parser.parse_args(argv)
    try:
        mg.backend.check_device(options.device)
    except mg.backend.DeviceError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")

    G = load_generator(options.gan).to(options.device)
    probabilities = predict(load_lenet(options.classifier).to(options.device), draw(G, options.samples)).numpy()
    counts = np.bincount(probabilities.argmax(1), minlength=10)
    share = counts / counts.sum()
    entropy = float(-(share[share > 0] * np.log(share[share > 0])).sum())
    sure = float((probabilities.max(1) > 0.9).mean())

    print("digit   " + "".join(f"{digit:>7}" for digit in range(10)))
    print("share % " + "".join(f"{100 * s:7.2f}" for s in share))
    print(f"entropy {entropy:.3f} of {np.log(10):.3f};  the classifier is sure (over 0.9) of {sure:.1%}")
    viz.plot_histogram(counts, Path(options.gan) / "digits.png")
    return {"share": share.tolist(), "entropy": entropy, "sure": sure}


if __name__ == "__main__":
    main()
