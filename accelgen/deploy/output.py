"""Output that is either whole or not there: files and directories renamed into place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from accelgen.errors import OutputError

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
        scratch = Path(tempfile.mkdtemp(prefix=f".{where.name}.", suffix=".part", dir=where.parent))
    except OSError as error:
        raise OutputError(f"cannot write {where}: {error.strerror}") from error
    try:
        yield scratch
        scratch.chmod(0o755)
        _replace(scratch, where)
    except OSError as error:
        raise OutputError(f"cannot write {where}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def new_file(where: Path) -> Iterator[Path]:
    """A scratch path that becomes ``where`` when the block ends well, and vanishes otherwise.

    Raises OutputError when the directory is missing or cannot be written.
    """
    where = Path(os.path.abspath(where))
    if where.is_dir():
        raise OutputError(f"cannot write {where}: it is a directory")
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{where.stem}.", suffix=where.suffix, dir=where.parent
        )
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write {where}: {error.strerror}") from error
    scratch = Path(name)
    try:
        yield scratch
        scratch.chmod(0o644)
        scratch.replace(where)
    except OSError as error:
        raise OutputError(f"cannot write {where}: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)


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
        manifest = json.loads((where / "manifest.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("generator") == GENERATOR


def _replace(scratch: Path, where: Path) -> None:
    """Rename ``scratch`` to ``where``; what was there is kept until that has worked."""
    if not where.exists():
        scratch.rename(where)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{where.name}.", suffix=".old", dir=where.parent))
    where.rename(old / where.name)
    try:
        scratch.rename(where)
    except BaseException:
        (old / where.name).rename(where)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
