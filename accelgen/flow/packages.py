"""Packages: a compiled network becomes a directory, and a directory a compiled network again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from accelgen.arch import ArchParams
from accelgen.array_files import read_arrays
from accelgen.deploy.first_day import FirstDay
from accelgen.deploy.keep import SIMULATED, Existing, existing, file_hash, verilog_hash
from accelgen.deploy.manifest_file import read_manifest
from accelgen.deploy.output import new_directory, new_file
from accelgen.deploy.package import (
    TOP,
    Package,
    hardware_of,
    is_code,
    read_package,
    write_code,
    write_package,
    write_registers_header,
)
from accelgen.deploy.results import Estimated, Results, read_results
from accelgen.errors import ConfigError, ModelError, OutputError
from accelgen.estimator import Estimate
from accelgen.estimator.board_design import board_design
from accelgen.estimator.resources import total_resources
from accelgen.flow.compiled import Compiled, Offload, estimated, judged, keeping_all, scheduled
from accelgen.flow.compiler import CompileOptions, as_compiled
from accelgen.flow.expected import expected_frame, read_labels
from accelgen.flow.hardware import Target, target_of
from accelgen.flow.network import MADE_UP, RANDOM_CALIBRATION, Given, load, quantized
from accelgen.flow.simulated import Simulated
from accelgen.inputs.recorded import written_record
from accelgen.inputs.samples import Calibration
from accelgen.plain_text import printable
from accelgen.program.places import two_places
from accelgen.program.text import program_text
from accelgen.ps.frame_file import frame_file
from accelgen.ps.picture import Preprocess
from accelgen.quant import write_qdq
from accelgen.rtl.design import design_verilog
from accelgen.scratch import scratch_directory
from accelgen.streamed import Samples, Several

__all__ = [
    "build",
    "copy_to_run",
    "open_package",
    "results",
    "sample_of",
    "store_simulated",
]


def build(
    model: str | Path | Compiled,
    out: str | Path,
    hardware: Target | str | None = None,
    *,
    calib: Given = None,
    labels: str | Path | None = None,
    seed: int = 0,
    force: bool = False,
    program_only: bool = False,
    say: Callable[[str], None] = lambda sentence: None,
    **options: Unpack[CompileOptions],
) -> Estimate:
    """Write the package directory ``out``; returns the estimate that its README quotes.

    What is in a package besides accelgen's own files (bitstream, Vivado's project, reports, notes)
    stays, if the hardware is the same: the text of the Verilog, the configuration, part and clock.

    Parameters
    ----------
    model, hardware, **options
        As for :func:`~accelgen.flow.verbs.estimate`.
    out : str or Path
        The directory.
    calib : str, Path or Calibration
        What the network was calibrated on: its first sample is the package's, and what it says of
        pictures goes with the package. Otherwise a random input (of ``seed``) is the sample.
    labels : str or Path
        Names of classes, one a line.
    force : bool
        Replace what would otherwise make this an OutputError, after ``say`` has listed it.
    program_only : bool
        Neither Verilog nor Vivado scripts: program, weights and driver, for a bitstream that is
        there. Those of a package at ``out`` stay.

    Raises
    ------
    ConfigError
        The network is compiled for its cycles only.
    OutputError
        ``out`` holds what would be lost, or cannot be written.
    """
    of_file = None if isinstance(model, Compiled) else calib
    compiled = as_compiled(model, hardware, calib=of_file, seed=seed, **options)
    if MADE_UP in compiled.warnings:
        raise ConfigError(
            f"{compiled.name} is compiled for its cycles only, its ranges are made up: compile it "
            "without cycles_only"
        )
    out = Path(out)
    hardware, numbers = compiled.hardware, estimated(compiled)
    old = existing(out)
    calibration = Calibration.of(calib).recalling(compiled.recorded)
    day = _first_day(compiled, calibration, Path(labels) if labels else None, seed)
    wanted = hardware_of(hardware.arch, hardware.board, hardware.clock_mhz) | {"files": {}}
    hardware_part = old.hardware_part if program_only else {}
    if program_only:
        _refuse_other_hardware(old, wanted)
    _lost(old, wanted, hardware_part, force=force)  # before the Verilog, which takes a while
    with new_directory(out, force=force) as scratch, scratch_directory() as temporary:
        network = temporary / "network.onnx"
        how = day.preprocess and Preprocess.from_dict(dict(day.preprocess))
        write_qdq(compiled.model, network, written_record(how) if how else "")
        verilog = None if program_only else design_verilog(hardware.arch, hardware.family)
        package = Package(
            model=compiled.name,
            board=hardware.board,
            clock_mhz=hardware.clock_mhz,
            parts=compiled.parts,
            views=compiled.model.graph.model_outputs(),
            verilog=verilog,
            verilog_hash=verilog_hash(verilog) if verilog else old.manifest.get("verilog"),
            listing=_listing(compiled),
            network=network,
            estimate=numbers.to_dict(compiled.name),
            hardware=hardware.to_dict(),
            planned_for=compiled.planned_for.to_dict() if compiled.planned_for else None,
            layouts=compiled.layouts,
            day=day,
            fc_on_ps=compiled.offload.fc,
            se_on_ps=compiled.offload.se,
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
    graph = compiled.model.graph
    expected = expected_frame(compiled.parts, graph, calibration, kinds=compiled.kinds, seed=seed)
    return FirstDay(
        arrays=expected.arrays,
        order=expected.order,
        picture=expected.picture,
        preprocess=expected.preprocess.to_dict() if expected.preprocess else None,
        labels=read_labels(labels, graph) if labels else None,
        calibrated=RANDOM_CALIBRATION not in compiled.warnings,
    )


def _listing(compiled: Compiled) -> str:
    """The schedule's text, part after part."""
    texts = [program_text(part) for part in compiled.parts]
    if len(texts) == 1:
        return texts[0]
    return "\n".join(f"Part {i} of {len(texts)}\n\n{text}" for i, text in enumerate(texts))


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


def _refuse_other_hardware(old: Existing, wanted: dict[str, object]) -> None:
    why = old.difference(wanted) if old.manifest else ""
    if why:
        raise OutputError(
            f"{old.where} is a package of other hardware ({why}): its bitstream cannot run this "
            "program; name another directory, or give the options it was built with"
        )


def open_package(where: str | Path, *, edited: bool = False) -> tuple[Compiled, str | None]:
    """A directory made by :func:`build`: its network compiled again, and its Verilog (None
    if it has a program only).

    Nothing in it is believed: what a simulation would compile or run must be what accelgen writes.
    With ``edited`` the user knows what it holds, and it is run as it is.

    Raises ModelError when it is not one, was changed, or compiles to something else now.
    """
    where = Path(where)
    manifest, files = read_package(where, edited=edited)
    hardware = _hardware(manifest, where)
    planned_for = _hardware(manifest, where, "planned_for") if manifest.get("planned_for") else None
    for name in ("network.onnx", "program.bin", "frame.bin", "expected.npz"):
        if name not in files:
            raise ModelError(f"{where} is no whole package: its manifest does not name {name}")
    loaded = load(files["network.onnx"])
    int8, _ = quantized(loaded)
    offload = Offload(**manifest["offload"])
    compiled = scheduled(loaded, int8, planned_for or hardware, offload=offload)
    # network.onnx takes planes, whatever the model does that the package is of.
    first, *more = _layouts(manifest, compiled, where)
    compiled = replace(
        judged(compiled), name=printable(manifest["model"]), input_layout=first,
        more_layouts=tuple(more),
    )  # fmt: skip
    if manifest["kept"]:
        compiled = keeping_all(compiled)
    places = two_places(compiled.parts, compiled.model.graph.model_outputs())
    frame = frame_file(places, layouts=compiled.layouts)
    for name, data in (("program.bin", places.program_bin), ("frame.bin", frame)):
        if data != files[name].read_bytes():
            version = printable(manifest["versions"].get("accelgen", "an unknown version"))
            raise ModelError(
                f"{where} was built by accelgen {version}, this one compiles its network to another"
                f" {name}: build it again"
            )
    if not edited:
        _check_code(where)
    return compiled.on(hardware), _verilog(files.get(f"rtl/{TOP}.v"), hardware, edited)


def _layouts(manifest: Mapping[str, Any], compiled: Compiled, where: Path) -> list[str]:
    """In which order the package's driver takes each input."""
    inputs = manifest.get("inputs") or [manifest["input"]]
    if len(inputs) != len(compiled.model.graph.inputs):
        raise ModelError(f"{where}: manifest and network.onnx have other inputs: build it again")
    return [place["layout"] for place in inputs]


def _hardware(manifest: Mapping[str, Any], where: Path, key: str = "hardware") -> Target:
    arch = ArchParams.from_dict(manifest["config"])
    return target_of(manifest[key], arch, f"manifest of {where}: {key}")


def _verilog(path: Path | None, hardware: Target, edited: bool) -> str | None:
    """What is simulated of a package. Verilog can run any command: it is accelgen's own text."""
    if path is None:
        return None
    text = path.read_text(errors="replace")
    generated = design_verilog(hardware.arch, hardware.family)
    if verilog_hash(text) == verilog_hash(generated):
        return generated
    if edited:
        return text
    raise ModelError(
        f"{path} is not what this accelgen generates for its configuration, and Verilog can run "
        "commands: build the package again, or give --edited if you know what it holds"
    )


def _check_code(where: Path) -> None:
    """Raise ModelError unless driver, library and scripts are accelgen's own."""
    with scratch_directory() as scratch:
        write_code(scratch)
        for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
            name = path.relative_to(scratch).as_posix()
            here = where / name
            if is_code(name) and (not here.is_file() or here.read_bytes() != path.read_bytes()):
                raise ModelError(
                    f"{here} is not what this accelgen writes, and would be run: build the package "
                    "again, or give --edited if you know what it holds"
                )


def copy_to_run(where: Path, into: Path, *, edited: bool = False) -> None:
    """A package that :func:`open_package` took, as it is run in a simulation: without what nobody
    has judged (a library built elsewhere, modules that Python would find), unless ``edited``."""
    if edited:
        ignored = shutil.ignore_patterns("rtl", "vivado", "__pycache__")
        shutil.copytree(where, into, ignore=ignored)
        return
    into.mkdir()
    write_code(into)
    manifest = read_manifest(where)
    write_registers_header(into, ArchParams.from_dict(manifest["config"]))
    names = [n for n in manifest["files"] if Path(n).suffix in _DATA]
    for name in (*names, "manifest.json", SIMULATED):
        if (where / name).is_file() and not (into / name).exists():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(where / name, into / name)


#: Endings of a package's files that are read and not run.
_DATA = (".bin", ".json", ".npz", ".onnx", ".png", ".txt", ".md", ".ipynb")


def results(where: Path, reports: Path | None = None) -> tuple[Results, Estimated]:
    """What Vivado's reports in package ``where``, or in ``reports``, say; and what was estimated.

    Raises ModelError when ``where`` is no package, ToolError when there are no reports.
    """
    if not (where / "manifest.json").is_file():
        raise ModelError(f"{where} is not a package made by accelgen build")
    manifest = read_manifest(where)
    hardware = _hardware(manifest, where)
    board = hardware.board
    used = total_resources(hardware.arch) + board_design(board)
    estimated = Estimated(
        model=manifest["model"],
        board=board.name,
        clock_mhz=hardware.clock_mhz,
        resources=used.to_dict(),
        budget=asdict(board.budget),
    )
    return read_results(reports or where), estimated


def sample_of(where: Path, *layouts: str) -> Samples:
    """The input of a package's expected.npz, (1, h, w, c); of several inputs, which the model takes
    in ``layouts``, each by name."""
    file, manifest = where / "expected.npz", read_manifest(where)
    inputs = manifest.get("inputs") or [manifest["input"]]
    found = {}
    for i, (place, layout) in enumerate(zip(inputs, layouts, strict=True)):
        name = f"input_float_{i}" if len(inputs) > 1 else "input_float"
        wanted = place["map"]
        if layout == "nchw":
            wanted = [wanted[2], *wanted[:2]]
        try:
            x = read_arrays(file, (name,))[name]
            if x.dtype != np.float32 or x.shape != (1, *wanted) or not np.isfinite(x).all():
                raise ValueError(f"{name} is {x.dtype} {x.shape}, not float32 (1, {wanted})")
        except (ValueError, KeyError) as error:
            raise ModelError(f"{file} holds no input of the network: {error}") from error
        found[place["tensor"]] = x.transpose(0, 2, 3, 1) if layout == "nchw" else x
    return Several(found) if len(inputs) > 1 else next(iter(found.values()))


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
