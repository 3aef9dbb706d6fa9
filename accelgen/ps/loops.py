"""Counts the compiled inner loops and prices them by the core's issue rules.

``python -m accelgen.ps.loops`` prints the table; with ``--write`` it also writes ``loops.json``,
from which the cycle model reads (so that estimating needs no cross compiler).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from accelgen.errors import ToolError
from accelgen.ps.instructions import Instruction, loops_of
from accelgen.ps.issue import COMPILER_RULES, SILICON_RULES, issue_bound, loop_cycles
from accelgen.ps.runner import CROSS, build_runner
from accelgen.scratch import scratch_directory

__all__ = ["LOOPS", "Loop", "LoopCost", "main", "measure", "read_costs"]

_FILE = Path(__file__).parent / "loops.json"


@dataclass(frozen=True)
class Loop:
    """Where a kernel's inner loop is: object file, function, and an instruction that it has the
    most of, each doing ``each`` units of work (multiply-adds, elements or bytes)."""

    kernel: str
    file: str
    function: str
    marker: str
    each: int
    unit: str


LOOPS = (
    Loop("fc", "dot_neon", "agps_dot8", r"smull|smlal", 8, "MAC"),
    Loop("gemm", "dot_neon", "dot4x4", r"smull|smlal", 8, "MAC"),
    Loop("requantize", "kernels_neon", "agps_requantize_row", r"str d", 8, "element"),
    Loop("table", "kernels_neon", "agps_table_row", r"(str|stp) q", 16, "element"),
    Loop("add", "kernels_neon", "agps_add_row", r"str d", 8, "element"),
    Loop("scale", "kernels_neon", "agps_scale_row", r"str d", 8, "element"),
    Loop("average", "kernels_neon", "agps_column_sums", r"saddw", 8, "element"),
    Loop("dequantize", "kernels_neon", "agps_dequantize", r"scvtf v\d+.4s", 4, "element"),
    Loop(
        "dequantize_int32", "kernels_neon", "agps_dequantize_int32", r"scvtf v\d+.4s", 4, "element"
    ),
    Loop("quantize", "kernels_neon", "quantize_quickly", r"frintn v\d+.4s", 4, "element"),
    Loop("interleave", "kernels_neon", "agps_interleave3", r"st3", 48, "byte"),
    Loop("largest", "kernels_neon", "agps_largest", r"fmax v\d+.4s", 4, "element"),
    Loop("choose_columns", "choose", "best_of_rows", r"smax v\d+.16b", 16, "element"),
    Loop("choose_int8", "choose", "choose_int8", r"ldrsb", 1, "element"),
    Loop("choose", "choose", "choose_float", r"ldr s", 1, "element"),
    Loop("exponential", "kernels_neon", "agps_exponentials", r"fcvtzs v", 4, "element"),
    Loop("divide", "kernels_neon", "agps_divide", r"fdiv v", 4, "element"),
    Loop("from_feature_memory", "layout", "gather", r"stp x", 16, "byte"),
    Loop("to_feature_memory", "layout", "scatter", r"ldp x", 16, "byte"),
    Loop("resize_columns", "image", "agps_resize", r"strh", 1, "element"),
    Loop("resize_rows", "kernels_neon", "agps_blend_rows", r"str d", 8, "element"),
    Loop("factors", "maps", "factors_of", r"stp q", 8, "element"),
    Loop("add_pixel", "pool", "add_pixel", r"(str|stp) q", 8, "element"),
    Loop("sum_numbers", "normalize", "sum_numbers", r"smull2? v\d+\.8h", 8, "element"),
    Loop("sum_rows", "normalize", "sum_rows", r"smull2? v\d+\.8h", 8, "element"),
    Loop("normalize_rows", "normalize", "apply_one", r"smlal2? v\d+\.2d", 2, "element"),
    Loop("normalize_columns", "normalize", "apply_many", r"strb", 1, "element"),
    Loop("add_squares", "neighbours", "add_squares", r"mla v\d+\.4s", 4, "element"),
    Loop("square", "neighbours", "square", r"mul v\d+\.4s", 4, "element"),
    Loop("local_row", "neighbours", "local_row", r"strb", 1, "element"),
    Loop("largest_int8", "kernels_neon", "agps_largest_int8", r"smax v\d+.16b", 16, "element"),
    Loop("powers_of", "neighbours", "powers_of", r"ldrsb", 1, "element"),
    Loop("weigh", "neighbours", "weigh", r"strb", 1, "element"),
    Loop("keep_larger", "unpool", "keep_larger", r"smax v\d+.16b", 16, "element"),
    Loop("join_bytes", "maps", "agps_join_bytes", r"str q", 4, "element"),
    Loop("mix_pixels", "deform", "mix_pixels", r"smull2? v\d+\.4s", 4, "element"),
    Loop("order_taps", "deform", "order_taps", r"strb", 1, "element"),
    Loop("put_pixel", "unpool", "put_pixel", r"cmeq v\d+.16b", 16, "element"),
    Loop("bilinear_columns", "resample", "blend_columns", r"stp q", 8, "element"),
    Loop("bilinear_rows", "resample", "blend_rows", r"str q", 16, "element"),
    Loop("quantize_image", "image", "agps_quantize_image", r"strb", 1, "element"),
)


@dataclass(frozen=True, kw_only=True)
class LoopCost:
    """An inner loop as compiled.

    Parameters
    ----------
    units : int
        Work of one iteration, in ``unit``.
    instructions : dict
        Count by kind.
    bound_cycles : float
        Issue bound of an iteration: arithmetic, or loads and stores, or half of all instructions.
    cycles : float
        Of an iteration, issued in order by the rules measured on silicon.
    compiler_cycles : float
        The same by GCC's rules: the optimistic end.
    """

    kernel: str
    unit: str
    units: int
    instructions: dict[str, int]
    bound_cycles: float
    cycles: float
    compiler_cycles: float

    @property
    def cycles_per_unit(self) -> float:
        """What the cycle model uses."""
        return self.cycles / self.units


def measure() -> tuple[str, list[LoopCost]]:
    """Compile the library, disassemble it, price every loop: the compiler's version, and costs.

    Raises ToolError without a cross compiler, or when a loop is not where LOOPS says.
    """
    with scratch_directory("accelgen-ps-") as where:
        build_runner(where, "qemu")
        texts = {
            file: _output(f"{CROSS}objdump", "-d", "--no-show-raw-insn", f"{where}/{file}.o")
            for file in {loop.file for loop in LOOPS}
        }
    version = _output(f"{CROSS}gcc", "--version").splitlines()[0]
    return version, [_cost(loop, texts[loop.file]) for loop in LOOPS]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cost(loop: Loop, disassembly: str) -> LoopCost:
    def marked(body: Sequence[Instruction]) -> int:
        return sum(bool(re.match(loop.marker, f"{i.mnemonic} {i.operands}")) for i in body)

    bodies = loops_of(disassembly, loop.function)
    best = max(bodies, key=lambda body: (marked(body), -len(body)), default=())
    if not best or not marked(best):
        raise ToolError(f"no loop of {loop.function} in {loop.file}.c has {loop.marker!r}")
    return LoopCost(
        kernel=loop.kernel,
        unit=loop.unit,
        units=marked(best) * loop.each,
        instructions=dict(sorted(Counter(i.kind for i in best).items())),
        bound_cycles=issue_bound(best, SILICON_RULES),
        cycles=round(loop_cycles(best, SILICON_RULES), 3),
        compiler_cycles=round(loop_cycles(best, COMPILER_RULES), 3),
    )


@cache
def read_costs() -> dict[str, LoopCost]:
    """Costs by kernel, as last written."""
    return {row["kernel"]: LoopCost(**row) for row in read_file()["loops"]}


def read_file() -> dict[str, Any]:
    """``loops.json``: "compiler", its version; "loops", the costs."""
    content: dict[str, Any] = json.loads(_FILE.read_text())
    return content


def table(version: str, costs: Sequence[LoopCost]) -> str:
    """A line per loop: counts, cycles, and work per cycle."""
    lines = [
        f"{version}, -O3 -mcpu=cortex-a53",
        (
            f"{'kernel':20} {'unit':8}{'per round':>10} {'vector':>7} {'memory':>7} {'other':>6}"
            f" {'bound':>7} {'cycles':>7} {'GCC':>7} {'of bound':>9} {'per cycle':>10}"
        ),
    ]
    for cost in costs:
        counts = cost.instructions
        memory = sum(n for kind, n in counts.items() if "load" in kind or "store" in kind)
        vector = counts.get("arithmetic", 0)
        lines.append(
            f"{cost.kernel:20} {cost.unit:8}{cost.units:>10} {vector:>7} {memory:>7}"
            f" {sum(counts.values()) - vector - memory:>6} {cost.bound_cycles:>7.1f}"
            f" {cost.cycles:>7.1f} {cost.compiler_cycles:>7.1f}"
            f" {cost.bound_cycles / cost.cycles:>9.0%} {cost.units / cost.cycles:>10.2f}"
        )
    fc = costs[0]
    lines.append(
        f"fc: {sum(fc.instructions.values())} instructions for {fc.units} MACs; issue bound "
        f"{fc.units / fc.bound_cycles:.2f} MAC/cycle, the cycle model takes "
        f"{fc.units / fc.cycles:.2f} ({fc.bound_cycles / fc.cycles:.0%})"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Print the table; ``--write``: and keep it."""
    version, costs = measure()
    sys.stdout.write(table(version, costs) + "\n")
    if "--write" in arguments:
        content = {"compiler": version, "loops": [asdict(c) for c in costs]}
        _FILE.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
