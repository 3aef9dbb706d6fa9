"""Directories and files that are gone after a block, however the process ends; and threads."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from accelgen.ends import (
    end_children,
    forget_scratch,
    is_interrupted,
    note_scratch,
    undisturbed,
)

__all__ = ["in_parallel", "scratch_directory", "scratch_path"]

One = TypeVar("One")
Other = TypeVar("Other")


@contextlib.contextmanager
def scratch_path(path: Path) -> Iterator[Path]:
    """``path``, which the block may make as a file or directory; what is left of it goes."""
    note_scratch(path, lambda: _remove(path))
    try:
        yield path
    finally:
        with undisturbed():
            _remove(path)
            forget_scratch(path)


@contextlib.contextmanager
def scratch_directory(prefix: str = "accelgen-", inside: Path | None = None) -> Iterator[Path]:
    """A new directory that is gone after the block."""
    with undisturbed():
        where = Path(tempfile.mkdtemp(prefix=prefix, dir=inside))
        note_scratch(where, lambda: _remove(where))
    with scratch_path(where):
        yield where


def in_parallel(work: Callable[[One], Other], items: Iterable[One]) -> list[Other]:
    """``work`` of each item, a thread per processor. When one fails, or at an interrupt, those
    that have not begun never do."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if is_interrupted():
            end_children()  # what a thread began since the signal
        pool.shutdown()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
