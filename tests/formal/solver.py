"""From a check to an answer: Amaranth, Yosys, ABC; the last two are in the package pyosys.

Yosys makes an and-inverter graph of a check. ABC first looks at the cycles behind the reset
(``bmc3``), then tries induction over two cycles (``ind``), then finds an invariant by itself
(``pdr``, also called IC3), which it verifies. Proved by either is proved for any number of cycles.
"""

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyosys
from amaranth.back import rtlil

from tests.formal.check import Check

__all__ = ["Answer", "solve"]

_ABC = Path(pyosys.__file__).parent / "yosys-abc"
_RUN = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""
#: Registers of the block lose their first value; those of the check (the top) keep it.
_READ = ("read_rtlil {source}", "setattr -unset init */w:* top/w:* %d", "hierarchy -check -top top",
         "proc", "flatten", "memory_collect")  # fmt: skip
_LOOK = ("delete -input top/w:{port}", "connect -set {port} {inside}")
_WRITE = (
    "opt_clean", "async2sync", "chformal -lower", "opt -keepdc -fast",
    "formalff -clk2ff -ff2anyinit -hierarchy", "setundef -undriven -anyseq", "opt -fast",
    "techmap", "opt -fast", "dffunmap", "aigmap", "opt_clean", "write_aiger -I -B -zinit {out}",
)  # fmt: skip


#: Cycles of induction: what holds in all but one holds in the last. They are looked at before, too.
_STEPS = 3


@dataclass(frozen=True)
class Answer:
    """``method`` that gave the answer: ``induction`` or ``pdr`` (proved for ever), ``bounded`` (no
    claim is false within ``cycles``), or ``false`` (``cycles`` after the reset)."""

    method: str
    cycles: int
    seconds: float

    @property
    def proved(self) -> bool:
        return self.method in ("induction", "pdr")


def solve(check: Check, *, cycles: int | None = None, limit: int = 120) -> Answer:
    """Prove the claims of ``check``: for ever, or only for ``cycles`` cycles after the reset.

    Raises
    ------
    RuntimeError
        Yosys or ABC failed, or did not end within ``limit`` seconds.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        graph = Path(temporary) / "check.aig"
        _write_graph(check, graph)
        found, at = _ask(graph, cycles, limit)
    return Answer(found, at, time.monotonic() - start)


def _ask(graph: Path, cycles: int | None, limit: int) -> tuple[str, int]:
    """Method and cycles of an answer."""
    looked_at = cycles or _STEPS
    # The cycle of the reset is frame 0.
    said = _abc(graph, f"bmc3 -F {looked_at + 1} -T {limit}")
    if asserted := re.search(r"was asserted in frame (\d+)", said):
        return "false", int(asserted[1])
    if f"No output asserted in {looked_at + 1} frames" not in said:
        raise RuntimeError(f"no answer: {said[-1000:]}")
    if cycles is not None:
        return "bounded", cycles
    if "Networks are equivalent" in _abc(graph, f"ind -F {_STEPS} -T {limit}"):
        return "induction", _STEPS
    said = _abc(graph, f"pdr -T {limit}")
    if asserted := re.search(r"was asserted in frame (\d+)", said):
        return "false", int(asserted[1])
    if "Property proved" in said and re.search("Verification of invariant .* successful", said):
        return "pdr", 0
    raise RuntimeError(f"no answer: {said[-1000:]}")


def _abc(graph: Path, command: str) -> str:
    """What ABC says. One output for all claims, so that each may lean on the others."""
    return _run([str(_ABC), "-c", f"read_aiger {graph}; fold; orpos; strash; {command}"])


def _write_graph(check: Check, out: Path) -> None:
    source = out.with_suffix(".il")
    source.write_text(rtlil.convert(check, ports=check.ports, name="top", emit_src=False))
    looks = [
        command.format(port=port.name, inside=f"dut.{path}")
        for path, port in check.looks.items()
        for command in _LOOK
    ]
    cuts = [f"cutpoint top/c:dut.{path}" for path in check.cuts]
    commands = (*_READ, *cuts, "memory_map -formal", *looks, *_WRITE)
    _run([sys.executable, "-c", _RUN, *(c.format(source=source, out=out) for c in commands)])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
