"""What a digit classifier makes of pictures, and a report on a generator in its terms, with anchors beside it.

The numbers are in units of that one classifier: another training gives another scale. So it is frozen, its weights are
known by their SHA-256, the number of pictures is fixed, and each report holds four sets whose quality is known: real test
pictures (the floor), real ones without one class, blurred ones, and noise. Imports the metrics and train's checkpoints;
SciPy and tqdm when a report is made.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigan.creation import from_numpy
from minigan.metrics.arrays import require_whole, to_array
from minigan.metrics.frechet import frechet_distance
from minigan.metrics.kernel import kid
from minigan.metrics.lenet import FEATURES, make_lenet
from minigan.metrics.modes import entropy
from minigan.metrics.neighbours import nearest, neighbour_scores
from minigan.modes import no_grad
from minigan.tensor import Tensor
from minigan.train.checkpoint import load_checkpoint

_LEAST = FEATURES + 1  # pictures, for a covariance of full rank
_NEAREST = 5  # real neighbours that the metrics of a report need: k = 3 and k = 5


# ----------------------------------------------------------------------------------------------------------------------
# The frozen classifier
# ----------------------------------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """What the classifier makes of N pictures."""

    features: np.ndarray  # float32 (N, 84)
    probabilities: np.ndarray  # float32 (N, classes)


class Classifier:
    """A trained LeNet that no longer changes: 84 features and the class probabilities of pictures.

    Parameters
    ----------
    weights : mapping of names to arrays
        The state of `make_lenet(classes)`, copied.

    Attributes
    ----------
    sha256 : str
        Of the weights, see `weights_sha256`.
    classes : int

    Raises
    ------
    ValueError
        If these are not the weights of that network.

    Examples
    --------
    >>> classifier = Classifier(make_lenet().state_dict())
    >>> features, probabilities = classifier.read(np.zeros((3, 1, 28, 28), dtype=np.float32))
    >>> features.shape, probabilities.shape
    ((3, 84), (3, 10))
    """

    def __init__(self, weights: Mapping[str, np.ndarray]):
        last = max((name for name in weights if name.endswith(".bias")), key=_layer, default=None)
        if last is None:
            raise ValueError(
                f"Classifier: the weights are called {sorted(weights)}; expected those of make_lenet(): 0.weight, 0.bias "
                "and so on. Pass its state_dict()."
            )
        self.classes = len(weights[last])
        net = make_lenet(self.classes)
        try:
            net.load_state_dict(weights)
        except (ValueError, KeyError) as error:
            raise ValueError(f"Classifier: not the weights of make_lenet({self.classes}). {error}") from error
        net.eval().requires_grad_(False)
        self._body, self._head = net[:-1], net[-1]
        self.sha256 = weights_sha256(weights)

    def read(self, pictures: Any, batch_size: int = 500) -> Reading:
        """Features, after the ReLU of the last but one Linear, and probabilities of pictures.

        Parameters
        ----------
        pictures : Tensor or ndarray (N, 1, 28, 28)
            In [-1, 1], as the datasets and a generator's tanh give them.
        batch_size : int, default 500
            How many at a time. Beyond two seconds a bar shows how far it is.

        Returns
        -------
        Reading
            `(features, probabilities)`.

        Raises
        ------
        TypeError, ValueError
            If these are no such pictures.
        """
        from tqdm import tqdm

        require_whole("Classifier.read", batch_size=batch_size)
        pictures = _to_pictures("Classifier.read", "pictures", pictures)
        features, probabilities = [], []
        bar = tqdm(total=len(pictures), desc="reading pictures", unit="img", delay=2, leave=False)
        with no_grad(), bar:
            for start in range(0, len(pictures), batch_size):
                x: Tensor = self._body(from_numpy(pictures[start : start + batch_size]))
                features.append(x.numpy())
                probabilities.append(self._head(x).softmax(1).numpy())
                bar.update(len(features[-1]))
        return Reading(np.concatenate(features), np.concatenate(probabilities))


def load_classifier(path: str | os.PathLike[str], sha256: str | None = None) -> Classifier:
    """The classifier of a finished run of `examples/classify_mnist.py`.

    Parameters
    ----------
    path : path
        The run folder, or its checkpoint.safetensors.
    sha256 : str, optional
        Of the weights, as an earlier report gives it: the classifier is refused if it is not that very one, so that
        the two reports can be compared.

    Raises
    ------
    FileNotFoundError
        If there is no checkpoint.
    minigan.train.CheckpointError
        If it is damaged.
    ValueError
        If it holds another network, or another hash was expected.

    Examples
    --------
    >>> import tempfile
    >>> from minigan.train import save_checkpoint
    >>> path = Path(tempfile.mkdtemp()) / "checkpoint.safetensors"
    >>> save_checkpoint(path, {f"net/{name}": array for name, array in make_lenet().state_dict().items()}, {})
    >>> classifier = load_classifier(path)
    >>> load_classifier(path, classifier.sha256).sha256 == classifier.sha256
    True
    """
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint.safetensors"
    arrays, _ = load_checkpoint(path)
    weights = {name.removeprefix("net/"): array for name, array in arrays.items() if name.startswith("net/")}
    if not weights:
        raise ValueError(
            f"load_classifier: {path} holds no network called 'net'; expected a run of examples/classify_mnist.py. Its "
            "arrays are of " + ", ".join(sorted({name.split("/")[0] for name in arrays})) + "."
        )
    classifier = Classifier(weights)
    if sha256 is not None and classifier.sha256 != sha256.lower():
        raise ValueError(
            f"load_classifier: the weights in {path} have the SHA-256 {classifier.sha256}; expected {sha256}. Distances "
            "by different classifiers cannot be compared: load the one that the other report names."
        )
    return classifier


def weights_sha256(weights: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of weights: of each array's name, dtype, shape and bytes, in the order of the names.

    The optimiser's state and whatever else is in a checkpoint play no part.

    Examples
    --------
    >>> weights_sha256({"weight": np.zeros(2, dtype=np.float32)})[:16]
    '...'
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = np.asarray(weights[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _layer(name: str) -> int:
    number = name.split(".")[0]
    return int(number) if number.isdecimal() else -1


def _to_pictures(operation: str, argument: str, pictures: Any) -> np.ndarray:
    array = to_array(operation, argument, pictures)
    if array.ndim != 4 or array.shape[1:] != (1, 28, 28) or len(array) == 0:
        raise ValueError(f"{operation}: {argument} has shape {array.shape}; expected (N, 1, 28, 28), N at least 1.")
    low, high = float(array.min()), float(array.max())
    if low < -1 - 1e-6 or high > 1 + 1e-6:
        raise ValueError(
            f"{operation}: {argument} has values from {low:g} to {high:g}; expected [-1, 1]. Bytes become that with "
            "minigan.data.to_unit(array)."
        )
    return np.ascontiguousarray(array, dtype=np.float32)


# ----------------------------------------------------------------------------------------------------------------------
# The report
# ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One set of pictures, held against the real training pictures."""

    n: int
    fid: float  # Fréchet distance in the classifier's features: not Inception's
    kid: float
    kid_error: float
    precision: float
    recall: float
    density: float
    coverage: float
    entropy: float  # of the labels that the classifier gives, in nats
    accuracy: float  # of the nearest neighbour; 1/2 is ideal
    accuracy_real: float
    accuracy_fake: float
    labels: tuple[int, ...]  # how many pictures of each class
    seconds: float


@dataclass(frozen=True)
class Report:
    """What `report` finds: `str(...)` is a table, `as_dict()` is for JSON."""

    rows: dict[str, Row]
    n: int
    seed: int
    missing: int
    classes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """Numbers, strings, lists and dicts only; a value that is not defined is None."""
        rows = {
            name: {
                key: None if isinstance(value, float) and math.isnan(value) else value
                for key, value in (vars(row) | {"labels": list(row.labels)}).items()
            }
            for name, row in self.rows.items()
        }
        return {"n": self.n, "seed": self.seed, "missing": self.missing, "sha256": self.sha256, "rows": rows}

    def __str__(self) -> str:
        head = (
            f"{'':<22}{'pictures':>9}{'FID':>9}{'KID':>9}{'± SE':>8}{'prec.':>7}{'recall':>7}{'dens.':>7}{'cover.':>7}"
            f"{'entropy':>8}{'1-NN':>7}{'real':>7}{'fake':>7}"
        )
        lines = [
            f"{name:<22}{row.n:>9,}{row.fid:>9.2f}{row.kid:>9.3f}{row.kid_error:>8.3f}{row.precision:>7.3f}"
            f"{row.recall:>7.3f}{row.density:>7.3f}{row.coverage:>7.3f}{row.entropy:>8.3f}"
            + "".join(
                f"{'–' if math.isnan(value) else format(value, '.3f'):>7}"
                for value in (row.accuracy, row.accuracy_real, row.accuracy_fake)
            )
            for name, row in self.rows.items()
        ]
        return "\n".join(
            [
                head,
                *lines,
                "",
                f"Each set against {self.n:,} real training pictures, in the 84 features of the classifier",
                f"{self.sha256}.",
                "FID and KID are in its units and not those of Inception; entropy of the labels it gives, at most "
                f"log {self.classes} = {math.log(self.classes):.3f};",
                "1-NN: 0.5 is ideal, in both parts too; higher can be told apart, lower in both has been copied.",
            ]
        )


def report(
    classifier: Classifier,
    real_train: Any,
    real_test: Any,
    fake: Any,
    n: int = 10_000,
    seed: int = 0,
    missing: int = 0,
) -> Report:
    """How near generated pictures come to real ones, by seven metrics, beside sets whose quality is known.

    All sets are held against `n` training pictures:

    ===================  ===============================================================================================
    generated            `n` of `fake`
    test (the floor)     `n` of `real_test`: what a perfect generator gets
    one class missing    real pictures outside of the reference that the classifier does not see as class `missing`: of
                         the test set, filled up to `n` from the training set; no row if fewer than 85 are left
    blurred              the test pictures under a Gaussian filter of one pixel
    noise                every pixel uniform in [-1, 1]
    ===================  ===============================================================================================

    The columns: `frechet_distance`; `kid` over 100 subsets of min(1,000, n/2), with its standard error; precision and
    recall with k = 3; density and coverage with k = 5; the entropy of the classifier's labels; the leave-one-out accuracy
    of the nearest neighbour, in all, of the real pictures and of the others.

    Parameters
    ----------
    classifier : Classifier
        From `load_classifier`.
    real_train, real_test, fake : Tensor or ndarray (N, 1, 28, 28)
        In [-1, 1], at least `n` each.
    n : int, default 10,000
        How many pictures are drawn from each set without replacement. Values for different `n` cannot be compared.
    seed : int, default 0
        Of what is drawn.
    missing : int, default 0
        The class that one anchor lacks.

    Returns
    -------
    Report
        `print` it, or `json.dumps(it.as_dict())`.

    Raises
    ------
    TypeError, ValueError
        If these are no such pictures, there are fewer than `n`, `n` is not more than the 84 features, or there is no
        class `missing`.

    Examples
    --------
    A classifier that has learned nothing, and too few pictures to tell anything:

    >>> rng = np.random.default_rng(0)
    >>> train, test, fake = rng.uniform(-1, 1, (3, 100, 1, 28, 28)).astype(np.float32)
    >>> result = report(Classifier(make_lenet().state_dict()), train, test, fake, n=100)
    >>> list(result.rows)[:2], result.rows["generated"].n
    (['generated', 'test (the floor)'], 100)
    """
    from scipy.ndimage import gaussian_filter

    require_whole("report", n=n)
    if n < _LEAST:
        raise ValueError(f"report: n is {n}; expected {_LEAST} or more, for the covariance of 84 features. Draw more.")
    if missing not in range(classifier.classes):
        raise ValueError(f"report: missing is {missing!r}; expected a class, 0 to {classifier.classes - 1}.")
    train, test, generated = (
        _to_pictures("report", name, x)
        for name, x in (("real_train", real_train), ("real_test", real_test), ("fake", fake))
    )
    for name, x in (("real_train", train), ("real_test", test), ("fake", generated)):
        if len(x) < n:
            raise ValueError(
                f"report: {name} holds {len(x):,} pictures; expected n = {n:,} or more. Draw more, or pass n={len(x)} "
                "(and compare only with reports for the same n)."
            )

    rng = np.random.default_rng(seed)
    order = rng.permutation(len(train))
    reference = classifier.read(train[order[:n]])
    near = nearest(reference.features.astype(np.float64), _NEAREST)
    test, generated = (x[rng.permutation(len(x))[:n]] for x in (test, generated))
    test_read = classifier.read(test)

    spare = train[order[n : 2 * n]]
    spare_read = classifier.read(spare) if len(spare) else Reading(*(x[:0] for x in test_read))
    left = Reading(*(np.concatenate(parts) for parts in zip(test_read, spare_read)))
    kept = np.flatnonzero(left.probabilities.argmax(1) != missing)[:n]

    def row(read: Reading, started: float) -> Row:
        return _row(reference, near, read, classifier.classes, seed, started)

    rows = {}
    started = time.perf_counter()
    rows["generated"] = row(classifier.read(generated), started)
    started = time.perf_counter()
    rows["test (the floor)"] = row(test_read, started)
    if len(kept) >= _LEAST:  # if not, it sees nearly everything as that class
        started = time.perf_counter()
        rows["one class missing"] = row(Reading(*(x[kept] for x in left)), started)
    started = time.perf_counter()
    rows["blurred"] = row(classifier.read(gaussian_filter(test, (0, 0, 1, 1)).clip(-1, 1)), started)
    started = time.perf_counter()
    noise = rng.uniform(-1, 1, test.shape).astype(np.float32)
    rows["noise"] = row(classifier.read(noise), started)
    return Report(rows, n, seed, int(missing), classifier.classes, classifier.sha256)


def _row(reference: Reading, near: np.ndarray, read: Reading, classes: int, seed: int, started: float) -> Row:
    real, fake = reference.features, read.features
    distance = kid(real, fake, size=min(1000, len(real) // 2, len(fake) // 2), rng=seed)
    beside = neighbour_scores(real, fake, k=3, k_density=_NEAREST, real_nearest=near)
    counts = np.bincount(read.probabilities.argmax(1), minlength=classes)
    return Row(
        n=len(fake),
        fid=frechet_distance(real, fake),
        kid=distance.mean,
        kid_error=distance.standard_error,
        precision=beside.precision,
        recall=beside.recall,
        density=beside.density,
        coverage=beside.coverage,
        entropy=entropy(counts),
        accuracy=beside.accuracy,
        accuracy_real=beside.accuracy_real,
        accuracy_fake=beside.accuracy_fake,
        labels=tuple(int(count) for count in counts),
        seconds=time.perf_counter() - started,
    )
