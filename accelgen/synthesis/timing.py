"""Rules that keep the clock credible, on the mapped netlist.

``python -m accelgen.synthesis.timing --preset small`` prints what breaks them. There is no place
and route here: the rules are what designs on this family keep that run at 300 MHz, DSPs at 600.

What they stand on, for an UltraScale+ of the slow grades: a register takes 0.1 ns to show what it
holds and as much to take it over, a LUT 0.1 to 0.15 ns, the net to it 0.2 to 0.3, a carry chain
0.1 in and out and 0.02 for eight bits. The fabric has 3.33 ns: six levels and the net to the
register are 2.1 to 2.9. The fast clock has 1.67: two levels are 1.0 to 1.4, with a chain of 16
bits (whose own LUT is one of both levels) 1.2 to 1.5. What changes clocks has half of that slack
for the skew between both: one level.

Fan-out counts pins that a net is routed to. Registers with the same clock, enable and reset share
these pins in a slice (UG574): four an enable, eight a reset.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accelgen.boards import DEFAULT_BOARD
from accelgen.synthesis.depth import RAM, Depths, clock_of
from accelgen.synthesis.netlist import CONSTANTS, Cell, Netlist

__all__ = ["Violation", "print_violations", "violations"]

#: LUTs between two registers of the fabric's clock.
MAX_LEVELS = 6
#: LUTs after a block RAM, before its register: a multiplexer of two.
MAX_RAM_LEVELS = 1
#: LUTs between registers of the fast clock.
MAX_FAST_LEVELS = 2
#: LUTs between registers of different clocks: a multiplexer of two.
MAX_CROSSING_LEVELS = 1
#: Bits of a carry chain; of one that a register of the fast clock feeds.
MAX_CARRY = 32
MAX_FAST_CARRY = 16
#: Pins on a net. Clocks and the reset, which have trees of their own, do not count.
MAX_FANOUT = 512
#: Registers that share a pin of their slice.
_SHARED_PINS = {"CE": 4, "R": 8, "S": 8, "PRE": 8, "CLR": 8}

#: Registers of a DSP48E2 that must be in use; the others only when their input is.
_DSP_REGISTERS = ("AREG", "BREG", "MREG", "PREG")


@dataclass(frozen=True, order=True)
class Violation:
    """A rule that is broken: by how much, and where.

    ``rule`` is one of ``levels``, ``carry``, ``dsp``, ``ram``, ``crossing``, ``fast`` and
    ``fanout``; ``value`` is what the rule limits; ``where`` is a net, or those of a way that the
    design has names for, from the output of one register to that of the next.
    """

    rule: str
    value: int
    where: tuple[str, ...]


def violations(netlist: Netlist, *, clock: str = "clk", reset: str = "rst") -> list[Violation]:
    """Every broken rule, the worst of each kind first; one for all bits of a wire."""
    fabric = netlist.inputs[clock][0]
    resets = set(netlist.inputs.get(reset, ()))
    depths = Depths(netlist, fabric)
    found = [
        *_paths(netlist, depths, fabric),
        *_carries(netlist, depths, fabric),
        *_multipliers(netlist),
        *_fanouts(netlist, resets),
    ]
    worst: dict[tuple[str, str], Violation] = {}
    for one in found:
        key = (one.rule, one.where[-1].split("[")[0])
        if key not in worst or worst[key].value < one.value:
            worst[key] = one
    return sorted(worst.values(), key=lambda v: (v.rule, -v.value, v.where))


def _paths(netlist: Netlist, depths: Depths, fabric: int) -> Iterator[Violation]:
    ends: dict[tuple[int, int], int] = {}  # net, clock it is taken over with: a net after it
    for cell, _port, net in netlist.loads():
        clock = clock_of(cell)
        if clock is not None and net != clock:
            ends[net, clock] = next(iter(cell.outputs.values()))[0]
    for nets in netlist.outputs.values():
        ends.update({(net, fabric): net for net in nets})
    for (net, clock), end in ends.items():
        for origin, levels in depths.at(net).items():
            rule, limit = _limit(origin, clock, fabric)
            if levels > limit:
                names = [netlist.names[n] for n in (*depths.way(net, origin), end)]
                named = [name for name in names[1:-1] if "$" not in name]
                yield Violation(rule, levels, tuple(dict.fromkeys([names[0], *named, names[-1]])))


def _limit(origin: int, clock: int, fabric: int) -> tuple[str, int]:
    if origin == RAM:
        return "ram", MAX_RAM_LEVELS
    if origin != clock:
        return "crossing", MAX_CROSSING_LEVELS
    return ("levels", MAX_LEVELS) if clock == fabric else ("fast", MAX_FAST_LEVELS)


def _carries(netlist: Netlist, depths: Depths, fabric: int) -> Iterator[Violation]:
    for number, bits in depths.chains.items():
        end = netlist.cells[number].outputs["O"][-1]
        fast = depths.at(end).keys() - {fabric, RAM}
        if bits > (MAX_FAST_CARRY if fast else MAX_CARRY):
            yield Violation("carry", bits, (netlist.names[end],))


def _multipliers(netlist: Netlist) -> Iterator[Violation]:
    constants = set(CONSTANTS.values())
    for cell in netlist.cells:
        if cell.kind.startswith("DSP48"):
            missing = [name for name in _DSP_REGISTERS if not _number(cell, name)]
            if not set(cell.inputs.get("C", ())) <= constants and not _number(cell, "CREG"):
                missing.append("CREG")
            if not set(cell.inputs.get("D", ())) <= constants:
                missing += [name for name in ("DREG", "ADREG") if not _number(cell, name)]
            if missing:
                where = netlist.names[cell.outputs["P"][0]]
                yield Violation("dsp", len(missing), (" ".join(missing), where))


def _number(cell: Cell, parameter: str) -> int:
    return int(cell.parameters.get(parameter, "0"), 2)


def _fanouts(netlist: Netlist, resets: set[int]) -> Iterator[Violation]:
    loads: Counter[int] = Counter()
    shared: Counter[tuple[int, str, tuple[int, ...]]] = Counter()
    for cell, port, net in netlist.loads():
        if cell.kind.startswith("FD") and port in _SHARED_PINS:
            control = tuple(nets[0] for name, nets in cell.inputs.items() if name != "D")
            shared[net, port, control] += 1
        elif net != clock_of(cell):
            loads[net] += 1
    for (net, port, _), count in shared.items():
        loads[net] += -(-count // _SHARED_PINS[port])
    for net, count in loads.items():
        if count > MAX_FANOUT and net not in resets and net not in CONSTANTS.values():
            yield Violation("fanout", count, (netlist.names[net],))


def print_violations(found: Sequence[Violation]) -> None:
    """A line for each, and how many there are."""
    if found:
        print(f"{'rule':10}{'value':>6}  where")
    for one in found:
        print(f"{one.rule:10}{one.value:6}  {' > '.join(one.where)}")
    print(f"{len(found)} violations of the clocks' rules")


def _main() -> None:
    from accelgen.flow.hardware import target
    from accelgen.synthesis import TOP, mapped_modules
    from accelgen.synthesis.netlist import flatten

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default=DEFAULT_BOARD)
    parser.add_argument("--preset")
    parser.add_argument("--blocks", action="store_true", help="block by block, not whole and flat")
    options = parser.parse_args()
    hardware = target(options.board, preset=options.preset)
    modules = mapped_modules(hardware, flat=not options.blocks)
    print_violations(violations(flatten(modules, TOP)))


if __name__ == "__main__":
    _main()
