"""How many cycles a loop takes on a Cortex-A53: two instructions per cycle at most, in order.

Arm publishes no optimization guide for this core. What is known, and used here:

* GCC ``gcc/config/arm/cortex-a53.md`` (contributed by Arm) and LLVM ``AArch64SchedA53.td``:
  latencies, one load or store per cycle, 128-bit vector operations take both 64-bit halves of the
  unit and go first of a pair, a 128-bit load takes two cycles.
* Measured on silicon (ncnn ``arm-a53-a55-dual-issue.md``; qsdr-benchmarks, its cortex-a53 cases): a
  64-bit load into a *vector* register does not issue beside 128-bit arithmetic, although GCC's
  model says so; a load into an integer register does, after it; a vector load and an ``ins`` into
  another register do.
* XNNPACK ``1x8c8-*-neon-mlal-cortex-a53.S``, the cycles counted in its comments: ``sadalp`` takes
  two cycles, ``smull`` and ``smlal`` one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.ps.instructions import Instruction

__all__ = ["COMPILER_RULES", "SILICON_RULES", "IssueRules", "issue_bound", "loop_cycles"]


@dataclass(frozen=True, kw_only=True)
class IssueRules:
    """What the sources disagree on or leave open.

    Parameters
    ----------
    pairwise_cycles : int
        Issue cycles of sadalp and its kin on 128 bits.
    load_beside_arithmetic : bool
        A 64-bit vector load issues beside a 128-bit vector operation.
    lookup_cycles : int
        Issue cycles of tbl and tbx per register of the table. Assumed: no source says.
    divide_cycles : int
        Issue cycles of four float32 divisions. LLVM: 14 for one; a 64-bit half does two in turn.
    """

    pairwise_cycles: int = 2
    load_beside_arithmetic: bool = False
    lookup_cycles: int = 1
    divide_cycles: int = 28


#: What was measured on silicon.
SILICON_RULES = IssueRules()
#: What GCC's scheduler assumes: the optimistic end.
COMPILER_RULES = IssueRules(pairwise_cycles=1, load_beside_arithmetic=True)

#: Cycles from issue to a dependent instruction's issue (GCC; longest of its variants).
LATENCY = {
    "arithmetic": 4, "insert": 4, "extract": 5, "vector load": 3, "load": 3, "integer": 1,
}  # fmt: skip
_WIDE_LOAD_LATENCY = 4
#: Loads and stores need addresses early: an ALU result that is one comes so much later.
_ADDRESS_LATENCY = 3


def issue_cycles(what: Instruction, rules: IssueRules) -> int:
    """Cycles before the next instruction can issue, when nothing pairs with this one."""
    if what.kind == "vector load":
        return max(1, what.data_bytes // 8)
    if what.kind in ("vector store", "load", "store"):
        return max(1, what.data_bytes // (16 if "store" in what.kind else 8))
    if what.kind != "arithmetic":
        return 1
    if re.match(r"[su]ad(alp|dlp)", what.mnemonic) and what.wide:
        return rules.pairwise_cycles
    if what.mnemonic in ("tbl", "tbx"):
        names = re.search(r"\{([^}]*)\}", what.operands)
        span = re.search(r"v(\d+)\.\w+\s*-\s*v(\d+)", names[1]) if names else None
        count = (int(span[2]) - int(span[1])) % 32 + 1 if span else 1
        return rules.lookup_cycles * count
    if what.mnemonic == "fdiv":
        return rules.divide_cycles if what.wide else rules.divide_cycles // 2
    return 1


def issue_bound(loop: Sequence[Instruction], rules: IssueRules) -> float:
    """Fewest cycles of an iteration if every pair were possible and nothing waited: what vector
    arithmetic alone takes, what loads and stores alone take, or half of all."""
    arithmetic = sum(
        issue_cycles(i, rules) * (1 if i.wide else 0.5) for i in loop if i.kind == "arithmetic"
    )
    return max(arithmetic, sum(i.memory for i in loop), len(loop) / 2)


def pairs(first: Instruction, second: Instruction, rules: IssueRules) -> bool:
    """Whether ``second`` issues in the cycle of ``first``, registers aside."""
    if first.kind == "branch" or (first.memory and second.memory):
        return False
    if issue_cycles(second, rules) > 1 and second.kind != "arithmetic":
        return False
    if first.memory and issue_cycles(first, rules) > 1:
        return False
    if second.kind == "arithmetic" and second.wide:
        return False  # must be the first of a pair
    vector = ("arithmetic", "insert", "extract", "vector load", "vector store")
    if first.kind == "arithmetic" and first.wide and second.kind in vector:
        return rules.load_beside_arithmetic and second.kind == "vector load"
    return {first.kind, second.kind} != {"insert", "vector store"}


def loop_cycles(
    loop: Sequence[Instruction], rules: IssueRules = SILICON_RULES, iterations: int = 12
) -> float:
    """Cycles of one iteration once it repeats; every load hits the first-level cache."""
    ready: dict[str, int] = {}
    now, free = 0, 0  # cycle of the instruction before; first cycle that is not taken
    before: Instruction | None = None
    ends = []
    for _ in range(iterations):
        for what in loop:
            waits = max((ready.get(r, 0) + _early(what, r) for r in what.reads), default=0)
            apart = before is None or before.writes & what.writes - {"flags"}
            if before is not None and not apart and waits <= now and pairs(before, what, rules):
                at, before = now, None
                free = max(free, at + issue_cycles(what, rules))
            else:
                at = max(waits, free, now + 1)
                free = at + issue_cycles(what, rules)
                before = what
            now = at
            for register in what.writes:
                ready[register] = at + _latency(what, register)
        ends.append(now)
    half = iterations // 2
    return (ends[-1] - ends[half - 1]) / (iterations - half)


def _latency(what: Instruction, register: str) -> int:
    if register == "flags":
        return 0
    if what.memory and register.startswith("x") and what.kind.startswith("vector"):
        return 1  # an address written back
    if what.kind == "vector load" and what.data_bytes > 8:
        return _WIDE_LOAD_LATENCY + what.data_bytes // 16 - 1
    return LATENCY.get(what.kind, 1)


def _early(what: Instruction, register: str) -> int:
    """Cycles by which an operand is needed before the instruction's own issue."""
    if what.kind == "insert" and register in what.writes:
        return 1 - LATENCY["insert"]  # measured: one ins per cycle into one register
    if not what.memory or not register.startswith("x"):
        return 0
    address = what.operands.partition("[")[2].replace("w", "x")
    needed = re.search(rf"\b{register}\b", address) is not None
    return _ADDRESS_LATENCY - LATENCY["integer"] if needed else 0
