"""The benchmark's own arithmetic, and that minigan and PyTorch really do the same: at sizes that take no time."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tqdm import tqdm

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))  # where run.py, started as a script, finds its modules

import cases  # noqa: E402
import run  # noqa: E402
from libraries import Minigan, Torch  # noqa: E402
from pairs import Bench, DifferenceError, Row, Section, compare  # noqa: E402
from report import draw, table  # noqa: E402
from suites import epochs, layers, ops, scaling, startup  # noqa: E402
from workers import LocalWorker, RemoteWorker  # noqa: E402

TINY = "dcgan-mnist-4-nf8"
SMALL_CASES = [
    cases.dcgan_mnist(4, 8),
    cases.dcgan_64(4, 8),
    cases.wgan_gp_mnist(4, 8),
    cases.mlp_ring(8),
    cases.lenet(4),
]


class NoProcess(LocalWorker):
    """A worker that needs no process of its own: for tests that plant something in it."""

    def __init__(self, libraries, threads=None):
        super().__init__()

    def processor_seconds(self):
        return 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_what_counts_is_the_median_of_the_paired_ratios():
    """And not the ratio of the medians, which here is 1.5."""
    row = Row("case", "", minigan=[1.0, 4.0, 2.0], peer=[3.0, 4.0, 2.0])
    expected = {"minigan": 2.0, "peer": 3.0, "ratio": 1.0, "q1": 1.0, "q3": 2.0, "min": 1.0, "max": 3.0}
    assert row.summary() == expected


def test_memory_is_told_the_other_way_round():
    summary = Row("case", "peak", minigan=[2.0], peer=[8.0]).summary(over="peer")
    assert summary["ratio"] == 0.25


def test_the_exponent_is_that_of_the_sizes_that_count():
    rows = [Row("batch", str(n), [n**1.5], [n * 2.0]) for n in (32, 64, 128)] + [Row("batch", "16", [1e9], [1e9])]
    assert scaling.exponent(rows, "batch", "minigan") == pytest.approx(1.5)
    assert scaling.exponent(rows, "batch", "peer") == pytest.approx(1.0)


def results(**changes):
    rng = np.random.default_rng(0)
    found = {
        "loss: of step 1": np.array(1.0),
        "gradient: of D.0.weight": rng.standard_normal((8, 3)).astype(np.float32),
    }
    return found | changes


def test_rounding_is_not_a_difference():
    ours = {name: array * np.float32(1 + 1e-6) for name, array in results().items()}
    compare("case", ours, results())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"gradient: of D.0.weight": results()["gradient: of D.0.weight"] * 1.05},
            "differ in 1 of 2 results, first in gradient: of D.0.weight by 0.0",
        ),
        ({"loss: of step 1": np.array(1.001)}, "first in loss: of step 1 by 0.001 of its size, where 0.0001"),
        ({"loss: of step 1": np.array(np.nan)}, "first in loss: of step 1 by inf"),
        ({"gradient: of D.0.weight": np.zeros((3, 8))}, r"has shape \(3, 8\) in minigan, \(8, 3\) in PyTorch"),
        ({"gradient: of D.1.bias": np.zeros(3)}, r"only one of minigan and PyTorch has \['gradient: of D.1.bias'\]"),
    ],
)
def test_a_difference_is_named(changed, told):
    with pytest.raises(DifferenceError, match=f"case: .*{told}"):
        compare("case", results(**changed), results())


def test_where_pytorch_differs_from_itself_minigan_may_as_well():
    other_layout = results(**{"loss: of step 1": np.array(1.01)})
    compare("case", results(**{"loss: of step 1": np.array(1.02)}), results(), other_layout)


# --- the cases --------------------------------------------------------------------------------------------------------


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_networks_are_those_of_the_examples():
    dcgan, lenet = load_example("dcgan_mnist"), load_example("classify_mnist")
    ours = cases.find("dcgan-mnist-64").networks(Minigan())
    assert repr(ours["G"]) == repr(dcgan.make_generator(1))
    assert repr(ours["D"]) == repr(dcgan.make_discriminator(1))
    assert repr(cases.find("lenet").networks(Minigan())["net"]) == repr(lenet.make_lenet())


@pytest.mark.parametrize("case", SMALL_CASES, ids=lambda case: case.name)
def test_both_libraries_train_alike(torch, case):
    ours, *theirs = [cases.Training(case, lib).results() for lib in (Minigan(), *map(Torch, Torch.layouts))]
    assert {name.split(":")[0] for name in ours} == {"loss", "gradient", "update"}
    compare(case.name, ours, *theirs)


def test_the_weights_do_move():
    updates = [a for k, a in cases.Training(SMALL_CASES[3], Minigan()).results().items() if k.startswith("update")]
    assert all(np.abs(update).max() > 0 for update in updates)


@pytest.mark.parametrize("case", [TINY, "mlp-ring"])
def test_both_libraries_compute_every_layer_alike(torch, case):
    directions = [f"{place} | {part}" for _, place, parts in layers.distinct([case]) for part in parts]
    assert len(directions) > 15
    for direction in directions:
        compare(direction, *(layers.prepare(lib, direction).results() for lib in (Minigan(), Torch())))


def test_directions_without_a_use_have_no_row():
    parts = {place.split("/")[1]: parts for _, place, parts in layers.distinct([TINY, "lenet"])}
    assert parts["G.0"] == ["forward", "weight gradient"]  # noise is given
    assert parts["D.0"] == ["forward", "input gradient", "weight gradient"]  # G learns through D
    assert parts["net.0"] == ["forward", "weight gradient"]  # pictures are given
    assert parts["D.1"] == ["forward", "input gradient"]  # there is no weight
    assert "D.5" not in parts  # Flatten computes nothing


@pytest.mark.parametrize("name", [name for name in ops.names() if "64" not in name])
def test_both_libraries_compute_an_operation_alike(torch, name):
    for part in ("forward", "backward"):
        compare(name, *(ops.prepare(lib, f"{name} | {part}").results() for lib in (Minigan(), Torch())))


# --- the run ----------------------------------------------------------------------------------------------------------


def test_a_pair_is_measured(torch):
    worker = LocalWorker()
    with tqdm(disable=True) as bar:
        row = Bench(worker, worker, bar, pairs=2).measure("train", TINY, Torch.layouts)
    assert len(row.minigan) == len(row.peer) == 2
    assert min(row.minigan + row.peer) > 0
    assert {row.layout, *row.others} == set(Torch.layouts)
    assert not worker.works


def test_everything_is_kept(torch, tmp_path, capsys):
    """In processes of their own, as it is meant."""
    out = tmp_path / "found.json"
    assert run.main(["--suite", "train", "--cases", "mlp-ring", "--pairs", "2", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    (row,) = found["suites"]["train"]["rows"]
    assert row["case"] == "mlp-ring"
    assert len(row["minigan"]) == len(row["peer"]) == 2
    ratios = [b / a for a, b in zip(row["minigan"], row["peer"])]
    assert row["summary"]["ratio"] == pytest.approx(np.median(ratios))
    assert {"date", "processor", "cores"} <= found["machine"].keys()
    assert found["workers"]["torch"]["version"].startswith("2.")
    assert {"threads", "environment", "numba"} <= found["workers"]["minigan"].keys()
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2
    printed = capsys.readouterr().out
    assert "mlp-ring" in printed
    assert "Other programs kept" in printed


def test_a_planted_difference_stops_the_run_and_leaves_nothing(torch, tmp_path, capsys, monkeypatch):
    adam = Minigan.adam
    monkeypatch.setattr(Minigan, "adam", lambda self, net, lr, betas: adam(self, net, 1.05 * lr, betas))
    monkeypatch.setattr(run, "RemoteWorker", NoProcess)
    out = tmp_path / "found.json"
    assert run.main(["--suite", "train", "--cases", "lenet", "--pairs", "1", "--out", str(out)]) == 1
    told = capsys.readouterr().err
    assert "error: lenet: minigan and PyTorch differ in" in told
    assert "first in update: of net.0.weight in step 1 by 0.05 of its size, where 0.02" in told
    assert "Nothing was timed" in told
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_case_is_named_with_those_there_are(capsys):
    assert run.main(["--suite", "train", "--cases", "lenet,alexnet"]) == 1
    assert "alexnet is in no suite" in capsys.readouterr().err


def test_a_worker_that_fails_says_why():
    with RemoteWorker([]) as worker:
        with pytest.raises(RuntimeError, match="there is no library 'jax'"):
            worker.call("prepare", library="jax", suite="train", case="lenet")
        assert worker.call("forget") is None  # and goes on


def test_epochs_go_over_all_full_batches_of_the_pictures(torch, tmp_path, monkeypatch):
    monkeypatch.setattr(epochs, "CASE", TINY)
    path = tmp_path / "pictures.npy"
    np.save(path, np.zeros((7, 1, 28, 28), np.float32))
    steps = []
    for library in (Minigan, Torch):
        monkeypatch.setattr(library, "game", lambda *args: lambda real: steps.append(real.shape))
        assert epochs.train(library.name, str(path), 2) > 0
    assert [tuple(shape) for shape in steps] == 4 * [(4, 1, 28, 28)]


# --- for people -------------------------------------------------------------------------------------------------------


def sections():
    pairs = {"minigan": [0.001, 0.0012], "peer": [0.002, 0.003]}
    yield Section("train", "a step", [Row("dcgan", "", **pairs, layout="contiguous"), Row("lenet", "", **pairs)])
    yield Section("layers", "layers", [Row("conv", part, **pairs) for part in ("forward", "input gradient")])
    yield Section("memory", "a step", [Row("dcgan", "peak", [5e8], [9e8])], unit="MiB", over="peer")
    yield Section("startup", "a start", [Row(startup.IMPORT, "", [0.2], [2.0])], unit="s", notes=["A note."])
    rows = [Row(name, str(n), **pairs) for name in scaling.names() for n in scaling.SIZES[name]]
    yield Section("scaling", "a step", rows, notes=["by batch", "by width"])


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.suite)
def test_a_table_and_a_chart_are_made(section, tmp_path):
    lines = table(section).splitlines()
    assert len(lines) == 5 + len(section.rows) + len(section.notes)
    with open(tmp_path / "chart.png", "wb") as file:
        draw(section, "a machine", file)
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_shows_medians_and_ratios():
    text = table(next(sections()))
    (line,) = [line for line in text.splitlines() if line.startswith("dcgan")]
    assert line.split() == ["dcgan", "1.10", "2.50", "2.25", "2.12", "to", "2.38", "2.00", "to", "2.50", "contiguous"]
