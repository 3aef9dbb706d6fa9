"""Arrays in .npz and .npy files that somebody else may have written.

What an array will take is read from its header, and compared with what the file holds, before any
of it is. No pickles: neither as a file nor as arrays of objects.
"""

from __future__ import annotations

import math
import os
import stat
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

__all__ = ["MOST_BYTES", "ONLY", "array_names", "read_arrays"]

#: Bytes of the largest array that is read.
MOST_BYTES = 4 << 30
#: Arrays of an archive.
_MOST_ARRAYS = 10_000
#: Name that the one array of an .npy file gets.
ONLY = ""

Arrays = dict[str, npt.NDArray[Any]]


def read_arrays(path: Path, names: tuple[str, ...], most: int | None = None) -> Arrays:
    """Arrays ``names`` of an .npz, as far as they are there; that of an .npy as ``""``.

    Raises
    ------
    ValueError
        The file is damaged, something else, has none of ``names``, or one of them holds no plain
        numbers or texts, or over ``most`` bytes (:data:`MOST_BYTES`). The message lacks the file's
        name.
    """
    most = MOST_BYTES if most is None else most
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait
            raise ValueError("it is no file")
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _archived(file, names, most)
            file.seek(0)
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise ValueError("it is empty")
            return {ONLY: _array(file, size, size, most)}
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except MemoryError:
        raise ValueError("it does not fit the memory") from None
    # Damaged archives raise what zipfile, zlib, lzma, bz2 and numpy happen to stumble on.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def array_names(path: Path) -> tuple[str, ...]:
    """Names of all arrays of an .npz that :func:`read_arrays` has read from."""
    with zipfile.ZipFile(path) as archive:
        return tuple(entry.filename.removesuffix(".npy") for entry in archive.infolist())


def _archived(file: IO[bytes], names: tuple[str, ...], most: int) -> Arrays:
    found: Arrays = {}
    with zipfile.ZipFile(file) as archive, ExitStack() as stack:
        entries: Mapping[str, zipfile.ZipInfo] = {e.filename: e for e in archive.infolist()}
        if len(entries) > _MOST_ARRAYS:
            raise ValueError(f"it holds {len(entries):,} files")
        if not any(f"{name}.npy" in entries for name in names):
            there = ", ".join(name.removesuffix(".npy") for name in list(entries)[:8])
            raise ValueError(f"it has no array {' or '.join(map(repr, names))}, only {there}")
        for name in names:
            entry = entries.get(f"{name}.npy")
            if entry is None:
                continue
            stream = stack.enter_context(archive.open(entry))
            found[name] = _array(stream, entry.file_size, entry.compress_size * _RATIO, most)
            if stream.read(1):  # to the end: its checksum is compared there
                raise ValueError(f"array {name!r} is followed by something")
    return found


#: No method of zip packs tighter than this.
_RATIO = 1100


def _array(stream: IO[bytes], size: int, possible: int, most: int) -> npt.NDArray[Any]:
    """An array of ``size`` bytes with its header, of which ``possible`` can be in the file."""
    version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
    header: Any = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, is_fortran, kind = header(stream)
    if kind.hasobject or kind.kind not in "biufSU":
        raise ValueError(f"its values are {kind}, and must be numbers")
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape {shape} has a negative side")
    count = math.prod(shape)
    wanted = count * kind.itemsize
    if wanted > most:
        raise ValueError(f"it holds {wanted:,} bytes; up to {most:,} are read")
    if wanted > size or wanted > possible:
        raise ValueError(f"its header speaks of {wanted:,} bytes, and they are not there")
    data = stream.read(wanted)
    if len(data) < wanted:
        raise ValueError(f"it ends after {len(data):,} of {wanted:,} bytes")
    values = np.frombuffer(data, kind, count)
    return values.reshape(shape, order="F" if is_fortran else "C")
