"""What is in a package besides what accelgen wrote: hours of Vivado, and whatever else is there.

A package may be written again in place. Then everything in it that accelgen did not make
(bitstream, Vivado's project, reports, notes) stays, if the hardware is the same: the bitstream is
still the package's. Otherwise nothing is touched unless the user says so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelgen.deploy.manifest_file import read_owned
from accelgen.errors import OutputError

__all__ = ["HARDWARE", "SIMULATED", "Existing", "existing", "file_hash", "verilog_hash"]

#: Cycles of a simulated frame, put into a package by ``accelgen simulate``.
SIMULATED = "simulated.json"
#: Keys of the manifest that say what a bitstream is made of.
HARDWARE = ("config_crc", "interface_crc", "part", "board", "clock_mhz")
# Made by running or looking at a package: worth nothing.
_DROPPED = {"manifest.json", SIMULATED}
_DROPPED_DIRECTORIES = {"__pycache__", ".ipynb_checkpoints"}
# The library that the driver built: of sources that may be replaced.
_BUILT = "ps/build"


@dataclass(frozen=True)
class Existing:
    """A directory that is to be written again.

    ``manifest`` is empty when accelgen did not make it. ``own`` are files in it that accelgen did
    not write, relative, with forward slashes; ``changed`` those it wrote and somebody edited.
    """

    where: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def shown(self) -> list[str]:
        """``own``, a directory in place of all the files in it."""
        theirs = {parent for name in self.manifest.get("files", ()) for parent in _parents(name)}
        tops = (next((p for p in _parents(n) if p not in theirs), n) for n in self.own)
        return list(dict.fromkeys(f"{p}/" if (self.where / p).is_dir() else p for p in tops))

    def difference(self, new: Mapping[str, Any]) -> str:
        """Why a bitstream of this package is none for manifest ``new``; "" when it is one."""
        for key in HARDWARE:
            before, after = self.manifest.get(key), new[key]
            if before != after:
                if key.endswith("_crc"):
                    before, after = (f"{x:#010x}" if x else "none" for x in (before, after))
                return f"its {key} is {before}, not {after}"
        before, after = self.manifest.get("verilog"), new.get("verilog")
        if before and after and before != after:
            return "its Verilog is another one"
        return ""

    def refuse_unless_same(self, new: Mapping[str, Any]) -> None:
        """Raise OutputError when what the user has here would be lost, or no longer fit."""
        if not self.own and not self.changed:
            return
        if self.changed:
            raise OutputError(
                f"{_some(self.changed)} in {self.where} changed since it was built and would be "
                "replaced: name another directory or use --force"
            )
        if why := self.difference(new):
            raise OutputError(
                f"{self.where} holds {_some(self.shown)}, made for other hardware ({why}): name "
                "another directory; --force would delete them"
            )
        if both := sorted(set(self.own) & set(new["files"])):
            raise OutputError(
                f"{_some(both)} in {self.where} is not accelgen's and would be replaced: move it, "
                "or name another directory"
            )

    @property
    def hardware_part(self) -> dict[str, str]:
        """Files that accelgen wrote for the bitstream, with the checksums they had then."""
        files = self.manifest.get("files", {})
        return {
            name: digest for name, digest in files.items()
            if name.startswith(("rtl/", "vivado/")) and (self.where / name).is_file()
        }  # fmt: skip

    def carry_over(self, into: Path, names: Iterable[str]) -> None:
        """Put files ``names`` of this directory into ``into`` too, as the same files (hard links):
        until the new directory takes the old one's place, the old one is whole."""
        for name in names:
            target = into / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(self.where / name, target)


def existing(where: Path) -> Existing:
    """What is at ``where`` now; an empty one when nothing is."""
    if not where.is_dir():
        return Existing(where)
    manifest = read_owned(where)
    found = tuple(sorted(_files(where)))
    if not manifest:
        return Existing(where, own=found)
    written = manifest["files"]
    own = tuple(n for n in found if n not in written and n not in _DROPPED)
    changed = (n for n in found if n in written and file_hash(where / n) != written[n])
    return Existing(where, manifest, own, tuple(changed))


def verilog_hash(verilog: str) -> str:
    """SHA-256 of a Verilog text without its lines of comment, which name accelgen's version."""
    lines = (line for line in verilog.splitlines() if not line.startswith("//"))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(where: Path) -> Iterator[str]:
    """All files and links below ``where``, and directories that are empty."""
    for at, directories, names in os.walk(where):
        here = Path(at)
        empty = here != where and not directories and not names
        directories[:] = [
            d for d in directories
            if d not in _DROPPED_DIRECTORIES and (here / d).relative_to(where).as_posix() != _BUILT
        ]  # fmt: skip
        links = [d for d in directories if (here / d).is_symlink()]
        for path in (*(here / n for n in [*names, *links]), *([here] if empty else [])):
            yield path.relative_to(where).as_posix()


def _parents(name: str) -> list[str]:
    """``a/b/c`` -> a, a/b."""
    parts = name.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts))]


def _link(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    elif source.is_dir():
        target.mkdir()
    else:
        try:
            os.link(source, target)
        except OSError:  # a file system without links
            shutil.copy2(source, target)


def _some(names: tuple[str, ...] | list[str]) -> str:
    """A few names, for a sentence."""
    few = ", ".join(names[:4])
    return few if len(names) <= 4 else f"{few} and {len(names) - 4} more"
