"""Yosys on the generated Verilog: what a configuration really takes of a Xilinx part.

``python -m accelgen.synthesis --preset small`` prints counts by block beside the estimator's. It
takes minutes, and needs the development dependency ``pyosys``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelgen.errors import ToolError

__all__ = ["Mapped", "synthesize"]

TOP = "accelgen_top"

#: Yosys cells by what they take. LUT6_2 and SRLs sit in a LUT each, RAM32M in four.
_LUTS = {
    **{f"LUT{n}": 1.0 for n in range(1, 7)},
    "INV": 1.0, "SRL16E": 1.0, "SRLC16E": 1.0, "SRLC32E": 1.0,
    "RAM32X1S": 1.0, "RAM32X1D": 2.0, "RAM64X1S": 1.0, "RAM64X1D": 2.0, "RAM128X1D": 4.0,
    "RAM32M": 4.0, "RAM64M": 4.0, "RAM32M16": 8.0, "RAM64M8": 8.0,
}  # fmt: skip
_FFS = {"FDRE": 1.0, "FDSE": 1.0, "FDCE": 1.0, "FDPE": 1.0}
_BRAMS = {"RAMB36E2": 1.0, "RAMB18E2": 0.5, "RAMB36E1": 1.0, "RAMB18E1": 0.5}
_DSPS = {"DSP48E2": 1.0, "DSP48E1": 1.0}

_SCRIPT = """
import sys
from pyosys import libyosys as ys
source, top, family, flatten, out = sys.argv[1:]
design = ys.Design()
ys.run_pass(f"read_verilog -sv {source}", design)
ys.run_pass(
    f"synth_xilinx -family {family} -noiopad -noclkbuf {flatten} -top {top}", design
)
ys.run_pass(f"tee -q -o {out} stat -json", design)
"""


@dataclass(frozen=True)
class Mapped:
    """Counts of a design, and of each block of its hierarchy (by instance path)."""

    total: Mapping[str, float]
    blocks: Mapping[str, Mapping[str, float]]


def synthesize(
    verilog: str, *, top: str = TOP, family: str = "xcup", flatten: bool = False
) -> Mapped:
    """Map ``verilog`` with Yosys's ``synth_xilinx``.

    With ``flatten`` blocks are optimized across their borders, and only the total is known.
    Without it Yosys 0.70 may stop on an assertion of its own (abc9, large modules).

    Raises ToolError when pyosys is missing or fails.
    """
    if importlib.util.find_spec("pyosys") is None:
        raise ToolError("synthesis needs pyosys: pip install pyosys")
    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary) / "top.v", Path(temporary) / "stat.json"
        source.write_text(verilog)
        arguments = [str(source), top, family, "-flatten" if flatten else "", str(out)]
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode or not out.exists():
            tail = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise ToolError(f"Yosys failed with status {done.returncode}: {' '.join(tail)}")
        text = out.read_text()
    return _read(json.loads(text[text.index("{") :]), top)


def _read(stat: dict[str, Any], top: str) -> Mapped:
    modules = {
        name.lstrip("\\"): dict(module.get("num_cells_by_type", {}))
        for name, module in stat["modules"].items()
    }
    blocks: dict[str, Mapping[str, float]] = {}

    def count(name: str, path: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for kind, number in modules[name].items():
            child = kind.lstrip("\\")
            if child in modules:
                # Every instance of Amaranth's is a module of its own; the last name is the block's.
                inner = count(child, f"{path}.{child.rsplit('.', 1)[-1]}")
                total += Counter({k: v * number for k, v in inner.items()})
            else:
                total[child] += number
        blocks[path] = _resources(total)
        return total

    whole = count(top, top)
    return Mapped(total=_resources(whole), blocks=blocks)


def _resources(cells: Mapping[str, int]) -> dict[str, float]:
    kinds = {"lut": _LUTS, "ff": _FFS, "bram36": _BRAMS, "dsp": _DSPS}
    return {
        name: sum(weights.get(cell, 0.0) * count for cell, count in cells.items())
        for name, weights in kinds.items()
    }


def _main() -> None:
    from accelgen.estimate.resources import total_resources
    from accelgen.pipeline import target
    from accelgen.rtl.emit import emit_verilog
    from accelgen.rtl.primitives import Primitives
    from accelgen.rtl.top import Accelerator

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default="ultra96v2")
    parser.add_argument("--preset")
    parser.add_argument("--flatten", action="store_true")
    parser.add_argument("--depth", type=int, default=2, help="levels of the hierarchy to print")
    options = parser.parse_args()
    hardware = target(options.board, preset=options.preset)
    family = hardware.board.yosys_family
    # DSPs named, not hoped for: Yosys packs no registers into those it infers.
    primitives = Primitives() if family == "xcup" else None
    text = emit_verilog(Accelerator(hardware.arch), name=TOP, separator="_", primitives=primitives)
    mapped = synthesize(text, family=family, flatten=options.flatten)
    estimated = total_resources(hardware.arch).to_dict()
    print(f"{'':44}{'LUT':>9}{'FF':>9}{'BRAM36':>9}{'DSP':>9}")
    for path, used in sorted(mapped.blocks.items()):
        if path.count(".") <= options.depth:
            print(f"{path:44}" + "".join(f"{used[k]:9g}" for k in ("lut", "ff", "bram36", "dsp")))
    print(f"{'estimated':44}" + "".join(f"{v:9}" for v in estimated.values()))


if __name__ == "__main__":
    _main()
