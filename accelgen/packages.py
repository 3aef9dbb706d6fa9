"""Packages: a compiled network becomes a directory, and a directory a compiled network again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen import pipeline
from accelgen.arch import ArchParams
from accelgen.boards import load_board
from accelgen.deploy.first_day import FirstDay
from accelgen.deploy.keep import SIMULATED, Existing, existing, file_hash, verilog_hash
from accelgen.deploy.output import new_directory, new_file
from accelgen.deploy.package import Package, hardware_of, read_package, write_package
from accelgen.deploy.results import Estimated, Results, read_results
from accelgen.errors import ModelError, OutputError
from accelgen.estimate import Estimate
from accelgen.estimate.board_design import board_design
from accelgen.estimate.resources import total_resources
from accelgen.expected import expected_frame, read_labels
from accelgen.pipeline import Compiled, Given, Target
from accelgen.quant import write_qdq
from accelgen.rtl.design import design_verilog
from accelgen.samples import Calibration
from accelgen.schedule.places import two_places
from accelgen.schedule.text import program_text
from accelgen.scratch import scratch_directory
from accelgen.simulated import Simulated

__all__ = ["build", "open_package", "results", "sample_of", "store_simulated"]


def build(
    compiled: Compiled,
    hardware: Target,
    out: Path,
    *,
    calib: Given = None,
    labels: Path | None = None,
    seed: int = 0,
    force: bool = False,
    program_only: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
) -> Estimate:
    """Write the package directory ``out``; returns the estimate that its README quotes.

    What is in a package besides accelgen's own files (bitstream, Vivado's project, reports, notes)
    stays, if the hardware is the same: the text of the Verilog, the configuration, part and clock.

    Parameters
    ----------
    calib : path or Calibration
        What the network was calibrated on: its first sample is the package's, and what it says of
        pictures goes with the package. Otherwise a random input (of ``seed``) is the sample.
    labels : Path
        Names of classes, one a line.
    force : bool
        Replace what would otherwise make this an OutputError, after ``say`` has listed it.
    program_only : bool
        Neither Verilog nor Vivado scripts: program, weights and driver, for a bitstream that is
        there. Those of a package at ``out`` stay.

    Raises
    ------
    OutputError
        ``out`` holds what would be lost, or cannot be written.
    """
    program, numbers = compiled.program, pipeline.estimate(compiled, hardware)
    old = existing(out)
    day = _first_day(compiled, Calibration.of(calib), labels, seed)
    target = hardware_of(program, hardware.board, hardware.clock_mhz) | {"files": {}}
    hardware_part = old.hardware_part if program_only else {}
    if program_only:
        _refuse_other_hardware(old, target)
    _lost(old, target, hardware_part, force=force)  # before the Verilog, which takes a while
    with new_directory(out, force=force) as scratch, scratch_directory() as temporary:
        network = temporary / "network.onnx"
        write_qdq(compiled.model, network)
        verilog = None if program_only else design_verilog(hardware.arch, hardware.family)
        package = Package(
            model=compiled.name,
            board=hardware.board,
            clock_mhz=hardware.clock_mhz,
            program=program,
            verilog=verilog,
            verilog_hash=verilog_hash(verilog) if verilog else old.manifest.get("verilog"),
            listing=program_text(program),
            network=network,
            estimate=numbers.to_dict(compiled.name),
            input_layout=compiled.input_layout,
            day=day,
            fc_on="ps" if compiled.offload.fc else "pl",
        )
        old.carry_over(scratch, hardware_part)
        manifest = write_package(package, scratch, hardware_part)
        lost = _lost(old, manifest, hardware_part, force=force)
        old.carry_over(scratch, [n for n in old.own if n not in lost])
        for sentence in _said(old, lost):
            say(sentence)
    return numbers


def _first_day(
    compiled: Compiled, calibration: Calibration, labels: Path | None, seed: int
) -> FirstDay:
    program = compiled.program
    expected = expected_frame(program, calibration, layout=compiled.input_layout, seed=seed)
    return FirstDay(
        arrays=expected.arrays,
        order=expected.order,
        picture=expected.picture,
        preprocess=expected.preprocess.to_dict() if expected.preprocess else None,
        labels=read_labels(labels, program) if labels else None,
        calibrated=pipeline.RANDOM_CALIBRATION not in compiled.warnings,
    )


def _lost(
    old: Existing, manifest: Mapping[str, Any], hardware_part: Mapping[str, str], *, force: bool
) -> set[str]:
    """Files of the user's that are not in the new package. Raises OutputError unless ``force``."""
    changed = tuple(n for n in old.changed if n not in hardware_part)
    if not force:
        replace(old, changed=changed).refuse_unless_same(manifest)
    other = old.own if old.difference(manifest) else ()
    return {*changed, *other, *(n for n in old.own if n in manifest["files"])}


def _said(old: Existing, lost: set[str]) -> Iterator[str]:
    """What becomes of ``lost``, for people."""
    if lost & set(old.own):
        gone = replace(old, own=tuple(n for n in old.own if n in lost)).shown
        yield f"deleted from {old.where}: {', '.join(gone)}"
    if edited := [n for n in old.changed if n in lost]:
        yield f"replaced in {old.where}: {', '.join(edited)}"


def _refuse_other_hardware(old: Existing, target: dict[str, object]) -> None:
    why = old.difference(target) if old.manifest else ""
    if why:
        raise OutputError(
            f"{old.where} is a package of other hardware ({why}): its bitstream cannot run this "
            "program; name another directory, or give the options it was built with"
        )


def open_package(where: Path) -> tuple[Compiled, Target, str | None]:
    """A directory made by :func:`build`: network and target compiled again, and its Verilog (None
    if it has a program only).

    Raises ModelError when it is not one, was changed, or compiles to something else now.
    """
    manifest, files = read_package(where)
    arch = ArchParams.from_dict(manifest["config"])
    hardware = pipeline.target(manifest["board"], clock_mhz=manifest["clock_mhz"])
    hardware = replace(hardware, arch=arch)
    offload = pipeline.Offload.of(manifest["fc_on"])
    compiled = pipeline.compile_model(files["network.onnx"], arch=arch, offload=offload)
    compiled = replace(compiled, name=manifest["model"])
    if manifest["kept"]:
        compiled = pipeline.keeping_all(compiled, hardware)
    if two_places(compiled.program).program_bin != files["program.bin"].read_bytes():
        raise ModelError(
            f"{where} was built by accelgen {manifest['versions']['accelgen']}, this one compiles "
            "its network to another program: build it again"
        )
    verilog = files.get(f"rtl/{manifest['top']}.v")
    return compiled, hardware, verilog.read_text() if verilog else None


def results(where: Path, reports: Path | None = None) -> tuple[Results, Estimated]:
    """What Vivado's reports in package ``where``, or in ``reports``, say; and what was estimated.

    Raises ModelError when ``where`` is no package, ToolError when there are no reports.
    """
    manifest = existing(where).manifest
    if not manifest:
        raise ModelError(f"{where} is not a package made by accelgen build")
    board = load_board(manifest["board"])
    used = total_resources(ArchParams.from_dict(manifest["config"])) + board_design(board)
    estimated = Estimated(
        model=manifest["model"],
        board=board.name,
        clock_mhz=manifest["clock_mhz"],
        resources=used.to_dict(),
        budget=manifest["budget"],
    )
    return read_results(reports or where), estimated


def sample_of(where: Path, layout: str) -> npt.NDArray[np.float32]:
    """The input of a package's expected.npz, (1, h, w, c)."""
    with np.load(where / "expected.npz") as stored:
        x: npt.NDArray[np.float32] = stored["input_float"]
    return x.transpose(0, 2, 3, 1) if layout == "nchw" else x


def store_simulated(where: Path, result: Simulated) -> None:
    """Put the cycles of a simulated frame beside the program of the package at ``where``: the
    column of ``selftest.py``. Nothing is stored of a frame that did not match."""
    if result.frame is None or not result.match:
        return
    cycles = {layer.name: layer.cycles for layer in result.layers if layer.cycles is not None}
    content = {
        "program": file_hash(where / "program.bin"),
        "cycles": cycles,
        "frame": result.frame.cycles,
    }
    with new_file(where / SIMULATED) as scratch:
        scratch.write_text(json.dumps(content, indent=1) + "\n")
