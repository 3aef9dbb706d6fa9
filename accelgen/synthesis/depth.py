"""How much logic lies between the registers of a mapped design."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from accelgen.synthesis.netlist import Cell, Netlist

__all__ = ["RAM", "Depths", "clock_of", "is_register"]

#: Origin of what comes from a block RAM or UltraRAM without a register of its own.
RAM = -1

_CARRY = ("CARRY4", "CARRY8")
_CLOCKS = ("CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK")
_ADDRESS = re.compile(r"^(?:A\d*|ADDR[A-H]|DPRA\d*)$")


def clock_of(cell: Cell) -> int | None:
    """The net that clocks a cell, if one does."""
    if cell.kind.startswith("FD"):  # C is also an operand of a DSP48E2
        return cell.inputs["C"][0]
    return next((cell.inputs[port][0] for port in _CLOCKS if port in cell.inputs), None)


def is_register(kind: str) -> bool:
    """Whether nothing goes through a cell but at a clock edge."""
    return kind.startswith(("FD", "RAMB", "URAM", "DSP48"))


@dataclass(frozen=True, slots=True)
class _Arrival:
    """LUTs between an origin and a net, and the net before it on the longest way."""

    levels: int
    before: int | None


class Depths:
    """LUT levels of each net, by origin: the clock net of the registers it comes from, or RAM.

    Inputs of the design count as registers of the clock ``fabric``. Carry chains, the wide
    multiplexers of a slice and inverters, which the LUT after them takes in, are no level.
    """

    def __init__(self, netlist: Netlist, fabric: int):
        self._arrivals: dict[int, dict[int, _Arrival]] = {}
        self.chains: dict[int, int] = {}
        """Bits of the carry chain that ends in a cell, by its number in ``netlist.cells``."""
        for nets in netlist.inputs.values():
            for net in nets:
                self._arrivals[net] = {fabric: _Arrival(0, None)}
        self._chain_ends: dict[int, int] = {}
        self._start_at_registers(netlist.cells)
        for number in self._order(netlist.cells):
            self._pass(netlist.cells[number], number)

    def at(self, net: int) -> dict[int, int]:
        """LUT levels to ``net`` from each origin it depends on."""
        return {origin: a.levels for origin, a in self._arrivals.get(net, {}).items()}

    def way(self, net: int, origin: int) -> list[int]:
        """Nets of the longest way from ``origin`` to ``net``."""
        nets = [net]
        while (before := self._arrivals[nets[-1]][origin].before) is not None:
            nets.append(before)
        return nets[::-1]

    def _start_at_registers(self, cells: list[Cell]) -> None:
        for cell in cells:
            clock = clock_of(cell)
            if clock is not None:
                ram = cell.kind.startswith(("RAMB", "URAM")) and not _registered_ram(cell)
                for nets in cell.outputs.values():
                    for net in nets:
                        self._arrivals[net] = {RAM if ram else clock: _Arrival(0, None)}

    def _order(self, cells: list[Cell]) -> Iterator[int]:
        """Cells that something goes through, each after those it depends on."""
        driver = {}
        for number, cell in enumerate(cells):
            if not is_register(cell.kind):
                for output, _ in _ways(cell):
                    driver[output] = number
        waiting: dict[int, int] = {}
        followers: dict[int, list[int]] = {}
        for number in set(driver.values()):
            before = {
                driver[i] for _, inputs in _ways(cells[number]) for i in inputs if i in driver
            }
            waiting[number] = len(before)
            for other in before:
                followers.setdefault(other, []).append(number)
        ready = deque(number for number, count in waiting.items() if not count)
        done = 0
        while ready:
            number = ready.popleft()
            done += 1
            yield number
            for follower in followers.get(number, ()):
                waiting[follower] -= 1
                if not waiting[follower]:
                    ready.append(follower)
        if done < len(waiting):
            raise ValueError(f"{len(waiting) - done} cells are in combinational loops")

    def _pass(self, cell: Cell, number: int) -> None:
        level = cell.kind.startswith(("LUT", "RAM", "SRL"))
        for output, inputs in _ways(cell):
            arrivals = self._arrivals.setdefault(output, {})
            for net in inputs:
                for origin, a in self._arrivals.get(net, {}).items():
                    best = arrivals.get(origin)
                    if best is None or a.levels + level > best.levels:
                        arrivals[origin] = _Arrival(a.levels + level, net)
        if cell.kind in _CARRY:
            self._chain(cell, number)

    def _chain(self, cell: Cell, number: int) -> None:
        width = len(cell.outputs["O"])
        before = self._chain_ends.get(cell.inputs["CI"][0], 0) if "CI" in cell.inputs else 0
        self.chains[number] = before + width
        self._chain_ends[cell.outputs["CO"][width - 1]] = before + width


def _ways(cell: Cell) -> Iterator[tuple[int, list[int]]]:
    """Outputs of a cell, each with the inputs that reach it without a clock edge."""
    if cell.kind in _CARRY:
        start = [net for port in ("CI", "CYINIT", "CI_TOP") for net in cell.inputs.get(port, ())]
        for bit, (total, carry) in enumerate(
            zip(cell.outputs["O"], cell.outputs["CO"], strict=True)
        ):
            inputs = [*start, *cell.inputs["DI"][: bit + 1], *cell.inputs["S"][: bit + 1]]
            yield total, inputs
            yield carry, inputs
    elif cell.kind.startswith(("RAM", "SRL")):
        for port, nets in cell.outputs.items():
            if port != "Q31":
                address = _addresses(cell, port)
                yield from ((net, address) for net in nets)
    else:
        inputs = [net for nets in cell.inputs.values() for net in nets]
        yield from ((net, inputs) for nets in cell.outputs.values() for net in nets)


def _addresses(cell: Cell, output: str) -> list[int]:
    """Address bits that choose what an output of a distributed RAM or shift register shows."""
    if output.startswith("DO"):
        return list(cell.inputs[f"ADDR{output[2:]}"])
    dual = output == "DPO"
    return [
        net
        for port, nets in cell.inputs.items()
        if _ADDRESS.match(port) and port.startswith("DPRA") == dual
        for net in nets
    ]


def _registered_ram(cell: Cell) -> bool:
    if cell.kind.startswith("URAM"):
        return all(cell.parameters.get(name) == "TRUE" for name in ("OREG_A", "OREG_B"))
    return all(int(cell.parameters.get(name, "0"), 2) == 1 for name in ("DOA_REG", "DOB_REG"))
