"""Memory that is freed is kept for the next array. Imports only the standard library.

A training step frees its graph and the next step allocates the same arrays again. Where the C library has returned their
pages to the system in between, each page must be mapped and zeroed anew when it is first written to: several thousand
times a step. glibc can be told to keep them; other C libraries are left to do as they do.
"""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_KEPT = 1 << 30  # bytes: the largest array that comes out of kept memory, and how much of it may lie free
_KEPT_BY_OLD_GLIBC = 1 << 25  # the largest array that versions before 2.35 allow


def keep_freed_memory() -> bool:
    """Have glibc keep the pages of freed arrays, up to 1 GB, for arrays to come; for the whole process, NumPy's included.

    The most memory that the process ever holds stays the same: pages are reused, where they were unmapped and mapped again.
    What the user has told glibc about it in the environment (`MALLOC_TRIM_THRESHOLD_`, `MALLOC_MMAP_THRESHOLD_`,
    `GLIBC_TUNABLES`) is respected.

    Returns
    -------
    bool
        Whether pages are now kept.
    """
    told = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & set(os.environ)
    if told or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda option, value: 0)  # musl has none
    largest = mallopt(_M_MMAP_THRESHOLD, _KEPT) or mallopt(_M_MMAP_THRESHOLD, _KEPT_BY_OLD_GLIBC)
    return bool(largest and mallopt(_M_TRIM_THRESHOLD, _KEPT))
