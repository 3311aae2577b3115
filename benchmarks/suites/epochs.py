"""Suite `epochs`: three epochs of MNIST with the networks of examples/dcgan_mnist.py, wall time. Imports pairs and cases.

All that a user waits for while training: batches drawn in another order in each epoch, steps, the four numbers of a step
read out. One pair takes four minutes, so there are no repetitions. Needs MNIST (see `minigan.data.mnist`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cases import Training, find
from libraries import make
from pairs import Bench, Row, Section

CASE, EPOCHS = "dcgan-mnist-64", 3
SAVE = "import sys, numpy, minigan.data as data; numpy.save(sys.argv[1], data.mnist().samples)"


def names() -> list[str]:
    """What is trained on."""
    return ["mnist"]


def run(bench: Bench, names: Sequence[str]) -> Section:
    """Train once in each library."""
    bench.bar.reset(total=len(names))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pictures = str(Path(folder) / "pictures.npy")
        subprocess.run([sys.executable, "-c", SAVE, pictures], check=True)
        for name in names:
            bench.bar.set_postfix_str(name)
            seconds = [
                worker.call("ask", suite="epochs", function="train", library=library, pictures=pictures, epochs=EPOCHS)
                for worker, library in ((bench.minigan, "minigan"), (bench.peer, "torch"))
            ]
            rows.append(Row(f"{EPOCHS} epochs of MNIST, {CASE}", "", *([s] for s in seconds), layout="channels-last"))
            bench.bar.update()
    return Section("epochs", "training on real pictures", rows, unit="s")


def train(library: str, pictures: str, epochs: int) -> float:
    """Seconds that so many epochs over an .npy file of pictures take, with full batches."""
    lib, case = make(library), find(CASE)
    networks = Training(case, lib).networks
    G, D = networks["G"], networks["D"]
    G_adam, D_adam = (lib.adam(net, 2e-4, (0.5, 0.999)) for net in (G, D))
    step = lib.game(G, D, G_adam, D_adam, case.inputs["G"])
    samples, rng = np.load(pictures, allow_pickle=False), np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(epochs):
        order = rng.permutation(len(samples))
        for first in range(0, len(order) - case.batch + 1, case.batch):
            real = lib.tensor(samples[order[first : first + case.batch]])
            step(real)
    return time.perf_counter() - start
