"""The BLAS behind numpy on one thread, where blocks are small.

OpenBLAS shares out even small products of matrices, and its threads wait for each other by
spinning: beside any other work on the machine that takes several times as long as one thread alone.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

__all__ = ["blas_threads", "one_blas_thread"]

# How numpy's wheels, and other builds of OpenBLAS, spell the two functions.
_SPELLINGS = ("scipy_openblas_{}64_", "scipy_openblas_{}", "openblas_{}64_", "openblas_{}")

_lock = Lock()
_users = 0
_before = 0


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it numpy's OpenBLAS uses one thread; of another BLAS nothing is changed.

    It holds for the whole process, until the last of all threads that are within it leaves.
    """
    global _users, _before
    get, put = _functions()
    with _lock:
        _users += 1
        if _users == 1:
            _before = get()
            put(1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                put(_before)


def blas_threads() -> int | None:
    """Threads that numpy's OpenBLAS would use; None where numpy has another BLAS."""
    return _functions()[0]() or None


@cache
def _functions() -> tuple[Callable[[], int], Callable[[int], object]]:
    """What gets, and what sets, the number of threads; without OpenBLAS they do nothing."""
    numpy_is = Path(np.__file__).parent
    places = (numpy_is.parent / "numpy.libs", numpy_is / ".libs", numpy_is / ".dylibs")
    for file in (f for place in places for f in sorted(place.glob("*openblas*"))):
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(str(file))  # numpy has loaded it: the same one
            for name in _SPELLINGS:
                if hasattr(library, name.format("get_num_threads")):
                    get = getattr(library, name.format("get_num_threads"))
                    put = getattr(library, name.format("set_num_threads"))
                    get.restype, put.argtypes, put.restype = ctypes.c_int, [ctypes.c_int], None
                    return get, put
    return (lambda: 0), (lambda count: None)
