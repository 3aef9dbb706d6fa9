"""A mapped design as one flat list of cells, and what is on each wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CONSTANTS", "Cell", "Netlist", "flatten"]

#: Nets of the constants. Everything else is numbered from there on.
CONSTANTS: dict[int | str, int] = {"0": 0, "1": 1, "x": 2, "z": 2}


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the library: its kind, the block it is in, and the net on each bit of each port."""

    kind: str
    block: str
    parameters: Mapping[str, str]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]


@dataclass
class Netlist:
    """Cells and ports of a design, connected by numbered nets."""

    cells: list[Cell] = field(default_factory=list)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """``block.wire[bit]`` of each net."""

    def loads(self) -> Iterator[tuple[Cell, str, int]]:
        """Every input bit of every cell: cell, port, net."""
        for cell in self.cells:
            for port, nets in cell.inputs.items():
                for net in nets:
                    yield cell, port, net


def flatten(modules: Mapping[str, Mapping[str, Any]], top: str) -> Netlist:
    """Take the modules of Yosys's ``write_json`` apart into one list of cells."""
    return _Flattener(modules).run(top)


class _Flattener:
    def __init__(self, modules: Mapping[str, Mapping[str, Any]]):
        self._modules = modules
        self._wire_names = {name: _wire_names(module) for name, module in modules.items()}
        self._cells: list[tuple[str, str, Mapping[str, str], dict[str, Any], dict[str, Any]]] = []
        self._names = ["0", "1", "x"]
        self._same = [0, 1, 2]  # union-find: nets that a block connects to one another

    def run(self, top: str) -> Netlist:
        ports = {
            name: [self._new(name, position) for position in range(len(port["bits"]))]
            for name, port in self._modules[top]["ports"].items()
        }
        self._instance(top, top, ports)
        nets = [self._find(net) for net in range(len(self._same))]

        def settled(pins: Mapping[str, list[int]]) -> dict[str, tuple[int, ...]]:
            return {port: tuple(nets[bit] for bit in bits) for port, bits in pins.items()}

        cells = [
            Cell(kind, block, parameters, settled(inputs), settled(outputs))
            for kind, block, parameters, inputs, outputs in self._cells
        ]
        directions = {name: port["direction"] for name, port in self._modules[top]["ports"].items()}
        of = settled(ports)
        return Netlist(
            cells,
            {name: of[name] for name, direction in directions.items() if direction == "input"},
            {name: of[name] for name, direction in directions.items() if direction == "output"},
            self._names,
        )

    def _instance(self, kind: str, path: str, ports: Mapping[str, list[int]]) -> None:
        module, wire_names = self._modules[kind], self._wire_names[kind]
        local = dict(CONSTANTS)
        for name, port in module["ports"].items():
            for bit, net in zip(port["bits"], ports[name], strict=True):
                if bit in local:
                    self._join(local[bit], net)
                else:
                    local[bit] = net

        def nets(bits: list[int | str]) -> list[int]:
            for bit in bits:
                if bit not in local:
                    local[bit] = self._new(f"{path}.{wire_names.get(bit, str(bit))}")
            return [local[bit] for bit in bits]

        for name, cell in module["cells"].items():
            pins = {port: nets(bits) for port, bits in cell["connections"].items()}
            child = self._modules.get(cell["type"])
            if child is None:
                sides: dict[str, dict[str, list[int]]] = {"input": {}, "output": {}}
                for port, bits in pins.items():
                    sides[cell["port_directions"][port]][port] = bits
                self._cells.append((
                    cell["type"], path, cell["parameters"], sides["input"], sides["output"],
                ))  # fmt: skip
            else:
                for port, declared in child["ports"].items():
                    if port not in pins:
                        pins[port] = [
                            self._new(f"{path}.{name}.{port}", n)
                            for n in range(len(declared["bits"]))
                        ]
                self._instance(cell["type"], f"{path}.{name}", pins)

    def _new(self, name: str, position: int | None = None) -> int:
        self._same.append(len(self._same))
        self._names.append(name if position is None else f"{name}[{position}]")
        return len(self._same) - 1

    def _find(self, net: int) -> int:
        while self._same[net] != net:
            self._same[net] = self._same[self._same[net]]
            net = self._same[net]
        return net

    def _join(self, one: int, other: int) -> None:
        # The older name stays: it is the one nearer to the top, or a constant.
        low, high = sorted((self._find(one), self._find(other)))
        self._same[high] = low


def _wire_names(module: Mapping[str, Any]) -> dict[int | str, str]:
    """A readable name of each bit."""
    names: dict[int, tuple[tuple[bool, int], str]] = {}
    for name, wire in module["netnames"].items():
        rank = (bool(wire.get("hide_name")), len(name))
        for position, bit in enumerate(wire["bits"]):
            if bit not in names or rank < names[bit][0]:
                names[bit] = (rank, f"{name}[{position}]")
    return {bit: name for bit, (_, name) in names.items()}
