"""Netlists of a few cells, in the form of Yosys's ``write_json``."""

from itertools import pairwise

from accelgen.synthesis.netlist import flatten

#: Net of each name; Yosys numbers from 2 on.
_OUTPUTS = {"O", "CO", "Q", "Q31", "P", "DOUTA", "DOUTADOUT", "DOUT_A", "DOA", "SPO", "DPO"}


class Toy:
    """Cells by kind and pins; a pin is a net's name, or a list of them. Names become numbers."""

    def __init__(self, inputs=("clk", "rst"), outputs=()):
        self.numbers, self.cells = {}, {}
        self.ports = {name: self.port("input", name) for name in inputs}
        self.ports |= {name: self.port("output", name) for name in outputs}

    def port(self, direction, name):
        return {"direction": direction, "bits": [self.bit(name)]}

    def bit(self, name):
        return name if name in {"0", "1", "x"} else self.numbers.setdefault(
            name, len(self.numbers) + 2
        )  # fmt: skip

    def add(self, kind, *, parameters=None, directions=None, **pins):
        pins = {port: [nets] if isinstance(nets, str) else nets for port, nets in pins.items()}
        self.cells[f"cell{len(self.cells)}"] = {
            "type": kind,
            "parameters": {
                name: value if isinstance(value, str) else f"{value:032b}"
                for name, value in (parameters or {}).items()
            },
            "port_directions": {
                port: (directions or {}).get(port, "output" if port in _OUTPUTS else "input")
                for port in pins
            },
            "connections": {port: [self.bit(net) for net in nets] for port, nets in pins.items()},
        }

    def register(self, d, q, *, clock="clk"):
        self.add("FDRE", C=clock, D=d, Q=q, CE="1", R="0")

    def lut_chain(self, start, end, levels):
        names = [start, *(f"{end}_{n}" for n in range(levels - 1)), end]
        for before, after in pairwise(names):
            self.add("LUT2", I0=before, I1="1", O=after)

    def module(self):
        return {
            "ports": self.ports,
            "cells": self.cells,
            "netnames": {
                name: {"hide_name": 0, "bits": [bit]} for name, bit in self.numbers.items()
            },
        }

    def netlist(self):
        return flatten({"toy": self.module()}, "toy")
