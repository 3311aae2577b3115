"""How many threads a kernel runs on. Imports only Numba.

All kernels run on Numba's one pool of threads. Sharing work among them, and waiting for the last, takes about 1.3 µs while
they are awake, and 20 to 100 µs after a pause of some 10 ms, over which they fall asleep (measured with OpenMP on two
processors; with Numba's own workqueue it takes 25 to 45 µs every time). Small work is done sooner by one thread alone.

Every routine cuts a batch in the same way, the t-th part for thread t. So a thread finds in its own caches what it wrote a
routine before, which matters where processors do not share one.
"""

from numba import config
from numba import set_num_threads as size_pool

LAUNCHED = (
    config.NUMBA_NUM_THREADS
)  # by Numba: as many as the processors this process may use, or as that variable says
WORTH_SHARING = 20_000  # nanoseconds

_threads = LAUNCHED


def threads_for(nanoseconds: float) -> int:
    """How many threads to share a routine among: 1 if it is short, otherwise `get_num_threads()`.

    Parameters
    ----------
    nanoseconds : float
        What one thread alone would take, about. In a nanosecond it does a hundred multiply-adds in register tiles, or
        moves 50 to 100 bytes between arrays; an exp takes it two, a tanh ten.

    Examples
    --------
    >>> from minigan.kernels.cpu.threads import threads_for
    >>> threads_for(500)
    1
    """
    return _threads if nanoseconds >= WORTH_SHARING else 1


def get_num_threads() -> int:
    """How many threads the kernels share long routines among; `LAUNCHED` at first."""
    return _threads


def set_num_threads(n: int) -> None:
    """Share long routines among `n` threads from now on, 1 ≤ n ≤ LAUNCHED. The results do not depend on it.

    Numba counts its threads too, for each Python thread of its own. Its count is set for the one that calls, so that none of
    the pool is woken for work it gets no part of.
    """
    global _threads
    size_pool(n)
    _threads = n
