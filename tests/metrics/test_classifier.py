"""The frozen classifier: what it reads, what it refuses; and the report, with its anchors, on a net that knows nothing."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import metrics, train
from minigan.metrics.classifier import Classifier, Reading, load_classifier, report, weights_sha256
from minigan.metrics.lenet import make_lenet

EXAMPLE = Path(__file__).parents[2] / "examples" / "classify_mnist.py"


@pytest.fixture(scope="module")
def net():
    mg.manual_seed(0)
    return make_lenet()


@pytest.fixture
def run(net, tmp_path):
    """A run folder with a checkpoint as `train.fit` leaves it: network and optimiser."""
    arrays = {f"net/{name}": value for name, value in net.state_dict().items()}
    train.save_checkpoint(tmp_path / "checkpoint.safetensors", arrays | {"optimizer/step": np.array(7)}, {"step": 7})
    return tmp_path


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).uniform(-1, 1, (400, 1, 28, 28)).astype(np.float32)


def example():
    spec = importlib.util.spec_from_file_location("classify_mnist_of_examples", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_very_layers_of_the_example():
    assert repr(make_lenet(7)) == repr(example().make_lenet(7))
    assert make_lenet().summary((1, 28, 28)) == example().make_lenet().summary((1, 28, 28))


def test_it_reads_what_the_example_predicts(run, net, pictures):
    classifier = load_classifier(run)
    read = classifier.read(pictures[:30], batch_size=7)
    np.testing.assert_allclose(
        read.probabilities, example().predict(example().load_lenet(run), pictures[:30]).numpy(), atol=1e-6
    )
    np.testing.assert_allclose(read.probabilities.sum(1), 1, atol=1e-5)


def test_the_features_are_what_the_last_layer_sees(run, net, pictures):
    features = load_classifier(run / "checkpoint.safetensors").read(pictures[:20]).features
    assert features.shape == (20, 84)
    x = mg.from_numpy(pictures[:20])
    with mg.no_grad():
        for layer in list(net)[:-1]:
            x = layer(x)
    np.testing.assert_allclose(features, x.numpy(), atol=1e-6)
    assert features.min() == 0 < features.max()  # after the ReLU


def test_tensors_are_taken_and_batches_do_not_matter(net, pictures):
    classifier = Classifier(net.state_dict())
    whole = classifier.read(mg.from_numpy(pictures[:25]))
    for a, b in zip(whole, classifier.read(pictures[:25], batch_size=4)):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_it_is_frozen(net, pictures):
    weights = net.state_dict()
    classifier = Classifier(weights)
    before, name = classifier.read(pictures[:5]), classifier.sha256
    for array in weights.values():
        array += 1
    assert np.array_equal(classifier.read(pictures[:5]).features, before.features)
    assert not any(p.requires_grad for part in (classifier._body, classifier._head) for p in part.parameters())
    assert Classifier(weights).sha256 != name


# ----------------------------------------------------------------------------------------------------------------------
# The hash
# ----------------------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_weights_alone(run, net, tmp_path):
    expected = weights_sha256(net.state_dict())
    assert load_classifier(run).sha256 == expected
    other = tmp_path / "other"
    arrays = {f"net/{name}": value for name, value in reversed(net.state_dict().items())}
    train.save_checkpoint(other / "checkpoint.safetensors", arrays, {"step": 8})
    assert load_classifier(other).sha256 == expected
    assert load_classifier(other, expected.upper()).sha256 == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w | {"0.bias": np.nextafter(w["0.bias"], np.float32(9))},
        lambda w: {("0.bia" if name == "0.bias" else name): a for name, a in w.items()},
        lambda w: w | {"0.bias": w["0.bias"].reshape(4, 4)},
        lambda w: w | {"0.bias": w["0.bias"].view(np.int32)},
        lambda w: {name: a for name, a in w.items() if name != "0.bias"},
    ],
    ids=["value", "name", "shape", "dtype", "missing"],
)
def test_whatever_changes_changes_the_hash(net, change):
    assert weights_sha256(change(net.state_dict())) != weights_sha256(net.state_dict())


def test_another_hash_is_refused(run):
    with pytest.raises(ValueError, match=f"have the SHA-256 {load_classifier(run).sha256}; expected {'0' * 64}"):
        load_classifier(run, "0" * 64)


# ----------------------------------------------------------------------------------------------------------------------
# What is refused
# ----------------------------------------------------------------------------------------------------------------------


def test_other_checkpoints_are_refused(tmp_path, net):
    path = tmp_path / "gan.safetensors"
    train.save_checkpoint(path, {"G/0.weight": np.zeros(3), "D/0.weight": np.zeros(3)}, {})
    with pytest.raises(ValueError, match=r"holds no network called 'net'.*Its arrays are of D, G"):
        load_classifier(path)
    train.save_checkpoint(path, {"net/0.weight": np.zeros((3, 3)), "net/0.bias": np.zeros(3)}, {})
    with pytest.raises(ValueError, match=r"not the weights of make_lenet\(3\)"):
        load_classifier(path)
    with pytest.raises(ValueError, match="expected those of make_lenet"):
        Classifier({"weight": np.zeros(3)})
    with pytest.raises(FileNotFoundError):
        load_classifier(tmp_path / "nowhere")
    path.write_bytes(b"broken")
    with pytest.raises(train.CheckpointError):
        load_classifier(path)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((2, 3, 28, 28)), ValueError, r"pictures has shape \(2, 3, 28, 28\); expected \(N, 1, 28, 28\)"),
        (np.zeros((0, 1, 28, 28)), ValueError, "N at least 1"),
        (np.full((1, 1, 28, 28), 255.0), ValueError, r"values from 255 to 255; expected \[-1, 1\]"),
        (np.full((1, 1, 28, 28), np.nan), ValueError, "784 of the 784 numbers in pictures are NaN"),
        (np.full((1, 1, 28, 28), "a"), TypeError, "pictures has dtype <U1"),
    ],
)
def test_what_are_no_pictures(net, x, error, message):
    with pytest.raises(error, match=message):
        Classifier(net.state_dict()).read(x)


# ----------------------------------------------------------------------------------------------------------------------
# The report
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    """Pictures of ten kinds: bars at ten heights, in noise; and their kinds."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(10, size=1000)
    x = rng.uniform(-0.3, 0.3, (1000, 1, 28, 28)).astype(np.float32)
    for i, kind in enumerate(kinds):
        x[i, 0, 2 * kind + 3 : 2 * kind + 6, 4:24] += 0.7
    return x


class ByHeight(Classifier):
    """Sees the kinds of `digits` at once: a stand-in for a net that has been trained."""

    def __init__(self):
        super().__init__(make_lenet().state_dict())
        self.project = np.random.default_rng(1).standard_normal((784, 84)).astype(np.float32) / 28

    def read(self, pictures, batch_size=500):
        rows = pictures[:, 0, :, 4:24].mean(2)
        heights = np.stack([rows[:, 2 * kind + 3 : 2 * kind + 6].mean(1) for kind in range(10)], axis=1)
        probabilities = np.exp(9 * heights) / np.exp(9 * heights).sum(1, keepdims=True)
        return Reading(pictures.reshape(len(pictures), -1) @ self.project, probabilities)


@pytest.fixture(scope="module")
def judged(digits):
    return report(ByHeight(), digits[:600], digits[600:800], digits[800:], n=200, missing=4)


def test_the_anchors_stand_in_their_order(judged):
    rows = judged.rows
    assert list(rows) == ["generated", "test (the floor)", "one class missing", "blurred", "noise"]
    floor = rows["test (the floor)"]
    assert rows["generated"].fid == pytest.approx(floor.fid, rel=0.5)
    assert floor.fid < rows["blurred"].fid < rows["noise"].fid
    assert abs(floor.kid) < rows["blurred"].kid < rows["noise"].kid
    assert rows["noise"].precision < 0.1
    assert rows["noise"].accuracy_real > 0.95
    assert floor.recall > 0.3 > rows["blurred"].recall
    assert all(row.n == 200 and sum(row.labels) == 200 for row in rows.values())


def test_the_missing_class_is_missing_and_n_is_kept(judged):
    row = judged.rows["one class missing"]
    assert row.labels[4] == 0
    assert min(row.labels[:4] + row.labels[5:]) > 0
    assert row.n == 200
    assert row.entropy < judged.rows["test (the floor)"].entropy <= math.log(10)


def test_each_row_is_the_metrics_of_its_set(judged, digits):
    """The generated row, put together by hand: the reference is the first draw, the test set's order the second."""
    rng = np.random.default_rng(0)
    reference = digits[:600][rng.permutation(600)[:200]]
    rng.permutation(200)
    fake = digits[800:][rng.permutation(200)]
    real, fake = ByHeight().read(reference), ByHeight().read(fake)
    row = judged.rows["generated"]
    assert row.fid == metrics.frechet_distance(real.features, fake.features)
    assert (row.kid, row.kid_error) == metrics.kid(real.features, fake.features, size=100)
    assert (row.precision, row.recall) == metrics.precision_recall(real.features, fake.features, k=3)
    assert (row.density, row.coverage) == metrics.density_coverage(real.features, fake.features, k=5)
    accuracy = metrics.nearest_neighbour_accuracy(real.features, fake.features)
    assert (row.accuracy, row.accuracy_real, row.accuracy_fake) == accuracy
    assert row.labels == tuple(np.bincount(fake.probabilities.argmax(1), minlength=10))
    assert row.entropy == metrics.entropy(row.labels)


def test_the_missing_class_is_not_taken_from_the_reference(digits):
    """With no picture to spare the row has fewer, and says so."""
    result = report(ByHeight(), digits[:300], digits[300:600], digits[600:900], n=300, missing=4)
    row = result.rows["one class missing"]
    assert 240 < row.n < 300
    assert math.isnan(row.accuracy)
    assert result.as_dict()["rows"]["one class missing"]["accuracy"] is None
    line = next(line for line in str(result).splitlines() if line.startswith("one class missing"))
    assert f"{row.n}" in line
    assert "–" in line


def test_a_classifier_that_sees_one_class_alone(digits):
    class Blind(ByHeight):
        def read(self, pictures, batch_size=500):
            features, probabilities = super().read(pictures)
            return Reading(features, np.eye(10, dtype=np.float32)[np.full(len(probabilities), 3)])

    rows = report(Blind(), digits[:200], digits[200:300], digits[300:400], n=100, missing=3).rows
    assert list(rows) == ["generated", "test (the floor)", "blurred", "noise"]
    assert rows["generated"].entropy == 0
    rows = report(Blind(), digits[:200], digits[200:300], digits[300:400], n=100, missing=4).rows
    assert rows["one class missing"].labels[3] == 100


def test_a_seed_decides_everything(judged, digits):
    def numbers(result):
        return {name: {**row, "seconds": 0} for name, row in result.as_dict()["rows"].items()}

    again = report(ByHeight(), digits[:600], digits[600:800], digits[800:], n=200, missing=4)
    other = report(ByHeight(), digits[:600], digits[600:800], digits[800:], n=200, missing=4, seed=1)
    assert numbers(again) == numbers(judged)
    assert numbers(other)["test (the floor)"]["fid"] != numbers(judged)["test (the floor)"]["fid"]


def test_dict_and_table(judged):
    content = json.loads(json.dumps(judged.as_dict(), allow_nan=False))
    assert (content["n"], content["missing"], content["sha256"]) == (200, 4, judged.sha256)
    assert content["rows"]["noise"]["fid"] == judged.rows["noise"].fid
    lines = str(judged).splitlines()
    assert [line[:22].strip() for line in lines[1:6]] == list(judged.rows)
    assert f"{judged.rows['noise'].fid:.2f}" in lines[5]
    assert judged.sha256 in str(judged)
    assert len({len(line) for line in lines[:6]}) == 1
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("n", "missing", "message"),
    [
        (84, 0, "n is 84; expected 85 or more"),
        (201, 0, "real_test holds 200 pictures; expected n = 201 or more. Draw more, or pass n=200"),
        (100, 10, "missing is 10; expected a class, 0 to 9"),
        (0, 0, "n is 0; expected an int of 1"),
    ],
)
def test_what_cannot_be_reported(digits, n, missing, message):
    with pytest.raises(ValueError, match=message):
        report(ByHeight(), digits[:600], digits[600:800], digits[:400], n=n, missing=missing)


def test_importing_loads_nothing_heavy():
    program = (
        "import sys, minigan.metrics; "
        "print([m for m in ('scipy.stats', 'scipy.spatial', 'scipy.ndimage', 'matplotlib', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
