"""The judge of pictures, made by a recipe that never changes: trained once on each data set, then taken from the cache.

Imports data, optim, the layers of the classifier and train's checkpoints; tqdm when it trains.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigan.creation import get_rng_state, manual_seed, set_rng_state
from minigan.data import Batches, Dataset, load
from minigan.files import cache_folder
from minigan.functional import cross_entropy
from minigan.metrics.classifier import Classifier
from minigan.metrics.lenet import make_lenet
from minigan.optim import Adam, StepLR
from minigan.tensor import Tensor
from minigan.train.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

# That of `examples/classify_mnist.py`, which makes the same weights. Another recipe is another judge: raise the version.
RECIPE = {"version": 1, "epochs": 2, "batch_size": 64, "lr": 1e-3, "gamma": 0.2, "seed": 0}


class Judge(NamedTuple):
    """What `cached_classifier` finds, or makes."""

    classifier: Classifier
    accuracy: float  # share of the test pictures that it reads right
    path: Path | None  # None where it could not be kept


def train_classifier(training: Dataset, name: str = "") -> dict[str, np.ndarray]:
    """The weights of a LeNet after the recipe: two epochs of Adam at 1e-3, then 2e-4, batches of 64, seed 0.

    Parameters
    ----------
    training : Dataset
        Images `(N, 1, 28, 28)` with labels, at least 64.
    name : str, optional
        Of the data, for the progress bar; by default the data set's own.

    Returns
    -------
    dict of arrays
        The state of `make_lenet(classes)`; on one processor always the same. The random numbers of the program go on
        as if nothing had been drawn.

    Raises
    ------
    ValueError
        If there are too few pictures, or no labels.
    """
    from tqdm import tqdm

    batches = Batches(training, int(RECIPE["batch_size"]), int(RECIPE["seed"]), with_labels=True)
    before = get_rng_state()
    try:
        manual_seed(int(RECIPE["seed"]))
        net = make_lenet(len(training.classes))
    finally:
        set_rng_state(before)
    optimizer = Adam(net.parameters(), RECIPE["lr"])
    schedule = StepLR(optimizer, step_size=len(batches), gamma=RECIPE["gamma"])
    epochs = int(RECIPE["epochs"])
    described = f"learning to read {name or training.name}"
    with tqdm(total=epochs * len(batches) * batches.batch_size, desc=described, unit="img") as bar:
        for epoch in range(epochs):
            for pictures, labels in batches.epoch(epoch):
                loss = cross_entropy(net(Tensor(pictures)), Tensor(labels))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update(len(labels))
    return net.state_dict()


def cached_classifier(data: str) -> Judge:
    """The classifier that judges pictures of this data set, from `$MINIGAN_CACHE` or the user's cache folder.

    The first time it is trained, half a minute for MNIST, and kept there as a checkpoint that `load_classifier` reads.
    A file that is damaged, or was made of other data or by another recipe, is replaced; where the folder cannot be written
    to, nothing is kept.

    Parameters
    ----------
    data : {"mnist", "fashion", "glyphs"}

    Raises
    ------
    minigan.data.DataError
        If the data are not to be had.
    ValueError
        If there are too few pictures.
    """
    training = load(data)
    path = cache_folder() / f"lenet-v{RECIPE['version']}-{data}-n{len(training)}.safetensors"
    meta = {"recipe": RECIPE, "data": data, "pictures": len(training)}
    try:
        arrays, found = load_checkpoint(path)
        weights = {name.removeprefix("net/"): array for name, array in arrays.items()}
        if {name: found.get(name) for name in meta} == meta:
            return Judge(Classifier(weights), float(found["accuracy"]), path)
    except (OSError, CheckpointError, ValueError, KeyError):
        pass  # not there, or not what it should be
    weights = train_classifier(training, data)
    classifier = Classifier(weights)
    test = load(data, train=False)
    accuracy = float((classifier.read(test.samples).probabilities.argmax(1) == test.labels).mean())
    kept: Path | None = path
    try:
        save_checkpoint(path, {f"net/{name}": a for name, a in weights.items()}, meta | {"accuracy": accuracy})
    except OSError:
        kept = None
    return Judge(classifier, accuracy, kept)
