"""What takes long to make and depends on nothing but its inputs, kept on disk."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from platformdirs import user_cache_path

from accelgen.errors import ToolError
from accelgen.scratch import scratch_directory

__all__ = ["cache_directory", "cached", "hash_of"]

#: Entries not used for so long are deleted when another is made.
KEEP_SECONDS = 30 * 24 * 3600


def cache_directory() -> Path:
    """``ACCELGEN_CACHE``, or the user's cache directory."""
    named = os.environ.get("ACCELGEN_CACHE")
    return Path(named).absolute() if named else user_cache_path("accelgen")


def hash_of(*parts: str | bytes) -> str:
    """Name of a cache entry made from ``parts``, whose boundaries count."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def cached(shelf: Path, key: str, make: Callable[[Path], None]) -> Path:
    """Directory ``shelf/key``; if it is not there, ``make`` fills it.

    It appears whole or not at all, also when ``make`` fails or the process is killed. Of several
    processes that want it, one makes it and the others wait.

    Raises
    ------
    ToolError
        The cache cannot be written, or the disk is full. What else ``make`` raises passes through.
    """
    entry = shelf / key
    if not entry.is_dir():
        try:
            shelf.mkdir(parents=True, exist_ok=True)
            with _held((shelf / f"{key}.lock").open("w")):
                if not entry.is_dir():
                    _make(shelf, key, make)
        except OSError as e:
            raise ToolError(
                f"the cache {shelf} cannot be written ({e.strerror or e}): set ACCELGEN_CACHE to a "
                "directory that can"
            ) from e
    with contextlib.suppress(OSError):
        os.utime(entry)
    return entry


def _make(shelf: Path, key: str, make: Callable[[Path], None]) -> None:
    """Make an entry of which this process holds the lock."""
    _forget_old(shelf)
    for left in shelf.glob(f".making-{key}-*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with scratch_directory(f".making-{key}-", inside=shelf) as temporary:
        half = temporary / "entry"
        half.mkdir()
        make(half)
        half.rename(shelf / key)


@contextlib.contextmanager
def _held(file) -> Iterator[None]:
    """A lock one process holds at a time; the system frees it when the process dies."""
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _forget_old(shelf: Path) -> None:
    now = time.time()
    for path in shelf.iterdir():
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > KEEP_SECONDS:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
