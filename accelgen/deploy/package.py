"""write_package(): a directory a board can run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelgen.arch import ArchParams, registers
from accelgen.arch.registers import TOP
from accelgen.boards import Board
from accelgen.deploy import driver
from accelgen.deploy.first_day import (
    FirstDay,
    first_day_manifest,
    write_day_scripts,
    write_first_day,
)
from accelgen.deploy.keep import file_hash
from accelgen.deploy.manifest import interface_crc, program_manifest, versions
from accelgen.deploy.manifest_file import NAME, read_manifest
from accelgen.deploy.output import GENERATOR
from accelgen.deploy.templates import render
from accelgen.deploy.vivado import write_scripts
from accelgen.errors import ModelError
from accelgen.ir.views import OutputView
from accelgen.program.places import Places, two_places
from accelgen.program.records import Program
from accelgen.ps.frame_file import frame_file
from accelgen.ps.runner import SOURCES
from accelgen.rtl.design import cells_sentence

__all__ = [
    "TOP",
    "Package",
    "hardware_of",
    "is_code",
    "read_package",
    "write_code",
    "write_package",
    "write_registers_header",
]

#: C files that only tests run.
TEST_SOURCES = ("run_cases",)

NO_FILES: Mapping[str, str] = {}
NOTHING_KNOWN = FirstDay()
#: Of the board's clock: what a first bring-up should meet.
SLOWER = 5 / 6


@dataclass(frozen=True, kw_only=True)
class Package:
    """What goes into a package, all made already.

    ``estimate`` is the JSON object of ``accelgen estimate``; ``network`` the quantized network's
    file, copied; ``listing`` the schedule's text. ``verilog`` is None where the bitstream is there;
    ``verilog_hash`` is then what is known of its text (``keep.verilog_hash``). ``parts``: programs
    of a frame, ``views`` the model's outputs, if not those of the only part. ``fc_on_ps``: the
    network's fully connected layers at its end are on the PS, or so many of the last; ``se_on_ps``:
    squeeze-and-excite blocks are. ``hardware``: what the package runs on, ``planned_for`` what its
    plan was made for, if that is something else; beside the configuration, all that the compiler
    asked of them. ``layouts``: in which order the model takes each input; by default NCHW.
    """

    model: str
    board: Board
    clock_mhz: float
    parts: tuple[Program, ...]
    verilog: str | None
    verilog_hash: str | None
    listing: str
    network: Path
    estimate: Mapping[str, Any]
    hardware: Mapping[str, Any]
    planned_for: Mapping[str, Any] | None = None
    layouts: Sequence[str] = ()
    day: FirstDay = NOTHING_KNOWN
    views: tuple[OutputView, ...] = ()
    fc_on_ps: int = False
    se_on_ps: bool = False

    @property
    def arch(self) -> ArchParams:
        """The configuration, of all parts."""
        return self.parts[0].arch


def write_package(
    package: Package, where: Path, hardware_part: Mapping[str, str] = NO_FILES
) -> dict[str, Any]:
    """Write all files of ``package`` into the existing directory ``where``; returns the manifest.

    ``hardware_part``: files of Verilog and Vivado that lie there already, with their checksums.
    """
    values = _values(package)
    if package.verilog is not None:
        (where / "rtl").mkdir()
        (where / "vivado").mkdir()
        (where / "rtl" / f"{TOP}.v").write_text(package.verilog)
        write_scripts(where / "vivado", values)
    places = two_places(package.parts, package.views)
    (where / "program.bin").write_bytes(places.program_bin)
    (where / "frame.bin").write_bytes(frame_file(places, layouts=package.layouts))
    (where / "program.txt").write_text(package.listing)
    shutil.copyfile(package.network, where / "network.onnx")
    write_code(where)
    write_registers_header(where, package.arch)
    (where / "README.md").write_text(render("package_readme.md.j2", values))
    write_first_day(package.day, package.model, where)
    manifest = _manifest(package, places, where, hardware_part)
    (where / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def hardware_of(arch: ArchParams, board: Board, clock_mhz: float) -> dict[str, Any]:
    """Keys of the manifest that say which bitstream runs a program (``keep.HARDWARE``)."""
    return {
        "board": board.name,
        "part": board.part,
        "clock_mhz": clock_mhz,
        "config_crc": arch.crc,
        "interface_crc": interface_crc(),
    }


def read_package(where: Path, *, edited: bool = False) -> tuple[dict[str, Any], dict[str, Path]]:
    """Manifest of a package and its files by name, checksums verified; with ``edited`` those of
    code (:func:`is_code`) may be others.

    Raises ModelError when it is not a package, or a file is missing or was changed.
    """
    if not (where / NAME).is_file():
        raise ModelError(f"{where} is not a package made by accelgen build: it has no {NAME}")
    manifest, files = read_manifest(where), {}
    for name, digest in manifest["files"].items():
        path = where / name
        try:
            same = path.is_file() and (file_hash(path) == digest or (edited and is_code(name)))
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from error
        if not same:
            hint = ", or give --edited to run it as it is" if is_code(name) else ""
            raise ModelError(
                f"{path} is missing or was changed since it was built: build it again{hint}"
            )
        files[name] = path
    return manifest, files


def is_code(name: str) -> bool:
    """A package's file that a simulation compiles or runs."""
    return name.startswith(("rtl/", "driver/", "ps/")) or name.endswith(".py")


def write_code(where: Path) -> None:
    """Driver, library and scripts, which are the same in every package."""
    _copy_sources(Path(driver.__file__).parent, where / "driver", ("*.py",))
    _copy_sources(SOURCES, where / "ps", ("*.c", "*.h", "Makefile"))
    _copy_sources(Path(__file__).parent / "c", where / "c", ("*.c", "*.h", "Makefile"))
    write_day_scripts(where)


def write_registers_header(where: Path, arch: ArchParams) -> None:
    """The registers as the driver in C reads them, and what the configuration's CRC is."""
    values = {
        "version": versions()["accelgen"],
        "id": registers.IDENTITY,
        "config_crc": arch.crc,
        "window_bytes": registers.WINDOW_BYTES,
        "registers": registers.REGISTERS,
        "control": list(registers.CONTROL.items()),
        "status": list(registers.STATUS.items()),
        "causes": registers.CAUSES,
        "masters": registers.MASTERS,
        "master_bit": registers.MASTER_BIT,
        "log_base": registers.LOG_BASE,
        "log_words": registers.LOG_WORDS,
    }
    (where / "accelgen_regs.h").write_text(render("accelgen_regs.h.j2", values))


def _values(package: Package) -> dict[str, Any]:
    arch = package.arch
    return {
        "version": versions()["accelgen"],
        "ip_version": 1.0,
        "model": package.model,
        "top": TOP,
        "board": package.board,
        "clock_mhz": package.clock_mhz,
        "cells": cells_sentence(package.verilog or ""),
        "has_hardware": bool(package.verilog_hash),
        "has_picture": package.day.picture is not None,
        "calibrated": package.day.calibrated,
        "preprocess_text": package.day.preprocess_text,
        "slower_mhz": round(SLOWER * package.clock_mhz),
        "ps": package.estimate["ps"],
        "double_pumped": arch.pumped,
        "cycles": package.estimate["cycles"],
        "fps": package.estimate["fps"],
        "resources": package.estimate["resources"],
        "config_crc": arch.crc,
        "parts": len(package.parts),
        "inputs": len(package.parts[0].inputs),
    }


def _copy_sources(source: Path, where: Path, patterns: Sequence[str]) -> None:
    """Files of ``source`` that fit ``patterns``, but those of tests."""
    where.mkdir()
    for path in sorted(p for pattern in patterns for p in source.glob(pattern)):
        if path.stem not in TEST_SOURCES:
            shutil.copyfile(path, where / path.name)


def _manifest(
    package: Package, places: Places, where: Path, hardware_part: Mapping[str, str]
) -> dict[str, Any]:
    found = (p for p in where.rglob("*") if p.is_file())
    files = {p.relative_to(where).as_posix(): file_hash(p) for p in found}
    return {
        "generator": GENERATOR,
        "model": package.model,
        **hardware_of(package.arch, package.board, package.clock_mhz),
        "top": TOP,
        "verilog": package.verilog_hash,
        "versions": dict(versions()),
        "fc_on": "ps" if package.fc_on_ps else "pl",
        "offload": {"fc": package.fc_on_ps, "se": package.se_on_ps},
        **program_manifest(places, layouts=package.layouts),
        **first_day_manifest(package.day, package.parts, package.estimate),
        "hardware": package.hardware,
        **({"planned_for": package.planned_for} if package.planned_for else {}),
        "files": dict(sorted((files | dict(hardware_part)).items())),
    }
