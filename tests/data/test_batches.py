"""Batches: a pure function of seed, epoch and index; a thread that is never left behind."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan.data.batches import Batches
from minigan.data.dataset import Dataset

DATA = np.arange(10)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minigan-batches")]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    n=st.integers(1, 30),
    batch_size=st.integers(1, 12),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    prefetch=st.integers(0, 4),
    data=st.data(),
)
def test_batches_are_slices_of_the_epochs_permutation(n, batch_size, seed, epoch, shuffle, drop_last, prefetch, data):
    if drop_last:
        batch_size = min(batch_size, n)
    x, y = np.arange(n) * 2, np.arange(2 * n).reshape(n, 2)
    batches = Batches((x, y), batch_size, seed, shuffle, drop_last, prefetch)
    order = np.random.default_rng([seed, epoch]).permutation(n) if shuffle else np.arange(n)
    parts = [order[i : i + batch_size] for i in range(0, n, batch_size)]
    parts = [part for part in parts if len(part) == batch_size or not drop_last]
    assert len(batches) == len(parts)
    start = data.draw(st.integers(0, len(parts)))
    seen = list(batches.epoch(epoch, start))
    assert len(seen) == len(parts) - start
    for (xs, ys), part in zip(seen, parts[start:]):
        np.testing.assert_array_equal(xs, x[part])
        np.testing.assert_array_equal(ys, y[part])
    assert not threads()


def test_epochs_and_seeds_have_orders_of_their_own():
    def order(seed, epoch):
        return np.concatenate(list(Batches(DATA, 5, seed).epoch(epoch))).tolist()

    orders = [order(seed, epoch) for seed in range(3) for epoch in range(3)]
    assert all(sorted(o) == DATA.tolist() for o in orders)
    assert len({tuple(o) for o in orders}) == 9
    assert order(1, 2) == order(1, 2)


def test_iterating_is_epoch_0():
    batches = Batches(DATA, 3, seed=4)
    assert [b.tolist() for b in batches] == [b.tolist() for b in batches.epoch(0)] == [b.tolist() for b in batches]


def test_two_epochs_can_be_open_at_once():
    batches = Batches(DATA, 2)
    both = list(zip(batches.epoch(0), batches.epoch(1)))
    np.testing.assert_array_equal([a for a, _ in both], list(batches.epoch(0)))
    np.testing.assert_array_equal([b for _, b in both], list(batches.epoch(1)))


def test_what_is_yielded_follows_what_is_given():
    images, labels = np.zeros((4, 1, 2, 2), np.float32), np.array([0, 1, 1, 0])
    dataset = Dataset(images, labels, ("a", "b"))
    (samples,) = Batches(dataset, 4)
    assert samples.shape == (4, 1, 2, 2)
    assert samples.dtype == np.float32
    ((samples, drawn),) = Batches(dataset, 4, with_labels=True)
    assert samples.shape == (4, 1, 2, 2)
    assert sorted(drawn) == [0, 0, 1, 1]
    ((one,),) = Batches([labels], 4)
    assert one.shape == (4,)


def test_a_batch_is_a_copy():
    data = np.arange(4)
    for batch in Batches(data, 2, shuffle=False):
        batch[:] = 99
    np.testing.assert_array_equal(data, np.arange(4))


@pytest.mark.parametrize("prefetch", [1, 2, 5])
def test_only_so_many_batches_are_gathered_ahead(monkeypatch, prefetch):
    gathered = []
    plain = Batches._gather

    def counted(self, order, index):
        gathered.append((index, threading.current_thread()))
        return plain(self, order, index)

    monkeypatch.setattr(Batches, "_gather", counted)
    for used, _ in enumerate(Batches(np.arange(20), 1, prefetch=prefetch), start=1):
        assert len(gathered) <= used + prefetch
    assert [index for index, _ in gathered] == list(range(20))
    assert {thread.name for _, thread in gathered} == {"minigan-batches_0"}
    assert threading.main_thread() not in {thread for _, thread in gathered}


@pytest.mark.parametrize("after", [0, 1, 3])
def test_leaving_the_loop_early_ends_the_thread(after):
    batches = Batches(DATA, 2)
    for i, _ in enumerate(batches):
        if i == after:
            break
    assert not threads()
    batch = batches.epoch(0)
    next(batch)
    assert len(threads()) == 1
    batch.close()
    assert not threads()


def test_an_exception_in_the_loop_ends_the_thread():
    with pytest.raises(ZeroDivisionError):
        [1 // 0 for _ in Batches(DATA, 2)]
    assert not threads()


@pytest.mark.parametrize("prefetch", [0, 1, 3])
def test_an_exception_in_the_thread_is_raised_in_the_loop(monkeypatch, prefetch):
    plain = Batches._gather

    def fail_at_2(self, order, index):
        if index == 2:
            raise MemoryError("batch 2")
        return plain(self, order, index)

    monkeypatch.setattr(Batches, "_gather", fail_at_2)
    seen = []
    with pytest.raises(MemoryError, match="batch 2"):
        seen.extend(Batches(DATA, 2, prefetch=prefetch))
    assert len(seen) == 2
    assert not threads()


def test_a_program_may_end_in_the_middle_of_a_loop():
    program = (
        "import numpy as np; from minigan.data.batches import Batches; "
        "kept = Batches(np.arange(100), 2).epoch(0); print(next(kept).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "(2,)\n", "")


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (DATA, {"batch_size": 11}, "batch_size=11, but there are only 10 samples.*drop_last=False"),
        (DATA, {"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        (DATA, {"batch_size": 2.0}, "batch_size must be a whole number of at least 1, not 2.0"),
        (DATA, {"batch_size": 2, "seed": -1}, "seed must be a whole number of at least 0, not -1"),
        (DATA, {"batch_size": 2, "prefetch": -1}, "prefetch must be"),
        ((DATA, DATA[:9]), {"batch_size": 2}, r"arrays of shape \(10,\), \(9,\); expected the same number"),
        (DATA[:0], {"batch_size": 2}, r"arrays of shape \(0,\); .* at least 1"),
        ((), {"batch_size": 2}, "expected a Dataset, an array"),
        ((DATA, [1, 2]), {"batch_size": 2}, "expected a Dataset, an array"),
        (np.array(3), {"batch_size": 1}, "expected a Dataset, an array"),
        ((DATA, DATA), {"batch_size": 2, "with_labels": True}, "needs a Dataset; of arrays, pass the pair"),
        (
            Dataset(np.zeros((4, 2), np.float32), name="ring"),
            {"batch_size": 2, "with_labels": True},
            "the dataset ring has no labels",
        ),
    ],
)
def test_bad_arguments(data, options, message):
    with pytest.raises(ValueError, match=f"^Batches: .*{message}"):
        Batches(data, **options)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_epoch_or_start_that_is_not_there(prefetch):
    batches = Batches(DATA, 2, prefetch=prefetch)
    for epoch, start, message in [(-1, 0, "epoch must"), (0, -1, "start must"), (0, 6, "start=6, but .* 5 batches")]:
        with pytest.raises(ValueError, match=message):
            batches.epoch(epoch, start)  # at once, not when the first batch is asked for
    assert list(batches.epoch(0, 5)) == []


def test_numpy_integers_are_whole_numbers():
    assert len(Batches(DATA, np.int64(2), seed=np.uint8(3))) == 5


def test_a_batch_larger_than_the_data_when_nothing_is_dropped():
    (batch,) = Batches(DATA, 64, drop_last=False)
    assert sorted(batch) == DATA.tolist()
