"""Batches in a shuffled order that can be repeated, and entered in the middle. May import minigan.data.dataset.

The samples of a batch are a pure function of (seed, epoch, index): a run that resumes at batch 700 of epoch 3 sees
what it would have seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from minigan.data.dataset import Dataset


class Batches:
    """Iterate over a dataset, or over arrays of equal length, in shuffled batches.

    Epoch `e` visits the samples in the order ``np.random.default_rng([seed, e]).permutation(N)``. A background thread
    gathers the next batches while this one is in use.

    Parameters
    ----------
    data : Dataset, ndarray or sequence of ndarray
        A dataset or an array yields arrays `(batch_size, ...)`; a sequence of arrays yields tuples of such arrays.
    batch_size : int
    seed : int, default 0
        At least 0.
    shuffle : bool, default True
        False: every epoch in the order of the data.
    drop_last : bool, default True
        Leave out the last batch of an epoch if it is not full.
    prefetch : int, default 2
        How many batches are gathered ahead; 0 gathers each one when it is asked for, without a thread.
    with_labels : bool, default False
        Of a dataset, yield `(samples, labels)`.

    Raises
    ------
    ValueError
        If the arrays differ in length or hold nothing, a number is out of range, `drop_last` would drop everything, or
        there are no labels to yield.

    Examples
    --------
    >>> batches = Batches(np.arange(10), batch_size=4, shuffle=False)
    >>> len(batches)
    2
    >>> for batch in batches.epoch(0):
    ...     print(batch)
    [0 1 2 3]
    [4 5 6 7]
    """

    def __init__(
        self,
        data: Dataset | np.ndarray | Sequence[np.ndarray],
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = True,
        prefetch: int = 2,
        with_labels: bool = False,
    ) -> None:
        self.arrays, self.single = _arrays(data, with_labels)
        self.batch_size = _whole("batch_size", batch_size, least=1)
        self.seed = _whole("seed", seed, least=0)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.prefetch = _whole("prefetch", prefetch, least=0)
        if drop_last and batch_size > len(self.arrays[0]):
            raise ValueError(
                f"Batches: batch_size={batch_size}, but there are only {len(self.arrays[0])} samples; "
                "make the batches smaller, or pass drop_last=False for one that is not full."
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.arrays[0]), self.batch_size)
        return full if self.drop_last or rest == 0 else full + 1

    def __iter__(self) -> Iterator[Any]:
        """The batches of epoch 0."""
        return self.epoch(0)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Any]:
        """The batches of one epoch, from batch `start` on.

        Parameters
        ----------
        epoch : int
            Each has an order of its own.
        start : int, default 0
            The first batch to yield, from 0 to ``len(self)``.

        Raises
        ------
        ValueError
            If there is no such epoch or batch.

        Examples
        --------
        >>> batches = Batches(np.arange(6), batch_size=2, seed=1)
        >>> [b.tolist() for b in batches.epoch(7)][2:] == [b.tolist() for b in batches.epoch(7, start=2)]
        True
        """
        _whole("epoch", epoch, least=0)
        if _whole("start", start, least=0) > len(self):
            raise ValueError(f"Batches: start={start}, but an epoch has {len(self)} batches.")
        return self._ahead(epoch, start) if self.prefetch else self._plain(epoch, start)

    def _order(self, epoch: int) -> np.ndarray:
        n = len(self.arrays[0])
        return np.random.default_rng([self.seed, epoch]).permutation(n) if self.shuffle else np.arange(n)

    def _gather(self, order: np.ndarray, index: int) -> Any:
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        batch = tuple(array[chosen] for array in self.arrays)
        return batch[0] if self.single else batch

    def _plain(self, epoch: int, start: int) -> Iterator[Any]:
        order = self._order(epoch)
        for index in range(start, len(self)):
            yield self._gather(order, index)

    def _ahead(self, epoch: int, start: int) -> Iterator[Any]:
        """As `_plain`, but `prefetch` batches ahead in a thread, which ends with the loop, however that is left."""
        order = self._order(epoch)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="minigan-batches") as pool:
            coming: deque[Any] = deque()
            for index in range(start, len(self)):
                coming.append(pool.submit(self._gather, order, index))
                if len(coming) > self.prefetch:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()


def _arrays(data: Dataset | np.ndarray | Sequence[np.ndarray], with_labels: bool) -> tuple[list[np.ndarray], bool]:
    """The arrays to draw from, and whether a batch is one array (or a tuple of them)."""
    if isinstance(data, Dataset):
        if not with_labels:
            return [data.samples], True
        if data.labels is None:
            raise ValueError(f"Batches: with_labels=True, but the dataset {data.name} has no labels.")
        return [data.samples, data.labels], False
    if with_labels:
        raise ValueError("Batches: with_labels=True needs a Dataset; of arrays, pass the pair (samples, labels).")
    single = isinstance(data, np.ndarray)
    arrays = [data] if isinstance(data, np.ndarray) else list(data)
    if not arrays or not all(isinstance(array, np.ndarray) and array.ndim for array in arrays):
        raise ValueError("Batches: expected a Dataset, an array (N, ...) or a sequence of such arrays.")
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1 or 0 in lengths:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"Batches: arrays of shape {shapes}; expected the same number of samples in each, at least 1.")
    return arrays, single


def _whole(name: str, value: int, least: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ValueError(f"Batches: {name} must be a whole number of at least {least}, not {value!r}.")
    return int(value)
