"""Output that is either whole or not there: files and directories renamed into place."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from accelgen.ends import note_written, undisturbed
from accelgen.errors import OutputError
from accelgen.scratch import scratch_path
from accelgen.untrusted import read_json

__all__ = ["GENERATOR", "new_directory", "new_file"]

#: Marks a directory as ours, in its manifest.json.
GENERATOR = "accelgen"


@contextlib.contextmanager
def new_directory(where: Path, *, force: bool = False) -> Iterator[Path]:
    """A scratch directory that becomes ``where`` when the block ends well, and vanishes otherwise.

    An existing ``where`` is replaced only when it is empty, an accelgen package, or with ``force``.

    Raises
    ------
    OutputError
        ``where`` is something else, or its parent cannot be written.
    """
    where = Path(os.path.abspath(where))
    _check_replaceable(where, force)
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with scratch_path(_scratch(where, ".part")) as scratch:
            scratch.mkdir()
            yield scratch
            with undisturbed():
                _replace(scratch, where)
                note_written(where)
    except OSError as error:
        raise OutputError(f"cannot write {where}: {error.strerror or error}") from error


@contextlib.contextmanager
def new_file(where: Path) -> Iterator[Path]:
    """A scratch path that becomes ``where`` when the block ends well, and vanishes otherwise.

    Raises OutputError when the directory is missing or cannot be written.
    """
    where = Path(os.path.abspath(where))
    if where.is_dir():
        raise OutputError(f"cannot write {where}: it is a directory")
    try:
        with scratch_path(_scratch(where, where.suffix)) as scratch:
            scratch.touch(exist_ok=False)
            yield scratch
            with undisturbed():
                scratch.replace(where)
                note_written(where)
    except OSError as error:
        raise OutputError(f"cannot write {where}: {error.strerror or error}") from error


def _scratch(where: Path, suffix: str) -> Path:
    """A name beside ``where`` that nobody has."""
    return where.with_name(f".{where.stem}.{secrets.token_hex(4)}{suffix}")


def _check_replaceable(where: Path, force: bool) -> None:
    if not os.path.lexists(where):
        return
    if not where.is_dir():
        raise OutputError(f"cannot write {where}: it is a file")
    if force or _is_ours(where) or not any(where.iterdir()):
        return
    raise OutputError(
        f"{where} is not empty and accelgen did not make it; name another directory or use --force"
    )


def _is_ours(where: Path) -> bool:
    try:
        manifest = read_json(where / "manifest.json", "manifest", OutputError)
    except OutputError:
        return False
    return isinstance(manifest, dict) and manifest.get("generator") == GENERATOR


def _replace(scratch: Path, where: Path) -> None:
    """Rename ``scratch`` to ``where``; what was there is kept until that has worked."""
    if not where.exists():
        scratch.rename(where)
        return
    old = _scratch(where, ".old")
    where.rename(old)
    try:
        scratch.rename(where)
    except BaseException:
        old.rename(where)
        raise
    shutil.rmtree(old, ignore_errors=True)
