"""Equal modules are written once, and still do what they did."""

import re
from functools import reduce
from operator import xor

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from accelgen.rtl.emit import emit_verilog
from accelgen.rtl.equal_modules import merge_equal_modules

CELL = "  cell {} \\{}\n    connect \\a \\{}\n  end\n"


def module(name, *lines):
    return f'attribute \\generator "Amaranth"\nmodule {name}\n{"".join(lines)}end\n'


def modules_of(verilog):
    return re.findall(r"^module (\S+) ?\(", verilog, re.MULTILINE)


class Adder(wiring.Component):
    def __init__(self, step):
        self.step = step
        super().__init__({"i": In(8), "o": Out(8)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i + self.step)
        return m


class Adders(wiring.Component):
    """Adders side by side, and such groups of adders; their sums xor-ed."""

    i: In(8)
    o: Out(8)

    def __init__(self, steps, *, inner=()):
        self.steps, self.inner = steps, inner
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        total = Signal(8)
        parts = [Adder(step) for step in self.steps] + [Adders(steps) for steps in self.inner]
        for n, part in enumerate(parts):
            m.submodules[f"part{n}"] = part
            m.d.comb += part.i.eq(self.i)
        m.d.sync += total.eq(reduce(xor, (part.o for part in parts)))
        m.d.comb += self.o.eq(total)
        return m


def test_equal_leaves_share_the_first_ones_module():
    text = emit_verilog(Adders([3, 3, 5, 3]), name="top")

    assert modules_of(text) == ["top", "\\top.part0", "\\top.part2"]
    assert len(re.findall(r"^  \\top\.part0  part[013] \(", text, re.MULTILINE)) == 3
    assert len(re.findall(r"^  \\top\.part2  part2 \(", text, re.MULTILINE)) == 1


def test_equal_trees_are_merged_from_the_leaves_up():
    text = emit_verilog(Adders([], inner=[[1, 2], [1, 2], [2, 1]]), name="top")

    assert modules_of(text) == [
        "top", "\\top.part0", "\\top.part0.part0", "\\top.part0.part1", "\\top.part2",
    ]  # fmt: skip


def test_modules_that_differ_only_below_stay_apart():
    leaf, other = "  wire \\a\n", "  wire width 2 \\a\n"
    text = "".join([
        module("\\top", CELL.format("\\x", "x", "n"), CELL.format("\\y", "y", "n")),
        module("\\x", CELL.format("\\x.leaf", "leaf", "a")), module("\\x.leaf", leaf),
        module("\\y", CELL.format("\\y.leaf", "leaf", "a")), module("\\y.leaf", other),
    ])  # fmt: skip

    assert merge_equal_modules(text) == text


def test_cells_of_yosys_and_of_vendors_are_left_alone():
    text = module("\\top", "  cell $add $1\n  end\n", "  cell \\DSP48E2 \\top\n  end\n")

    assert merge_equal_modules(f"version\n{text}") == f"version\n{text}"


class Rom(wiring.Component):
    address: In(4)
    o: Out(8)

    def __init__(self, init):
        self.init = init
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=16, init=self.init)
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.address), self.o.eq(port.data)]
        return m


def test_contents_of_memories_are_written_unless_they_are_zeros():
    zeros, other = (emit_verilog(Rom(init), name="rom") for init in ([], [0, 7]))

    assert "initial begin" not in zeros
    assert "[1] = 8'h07;" in other


class Pair(wiring.Component):
    a: In(4)
    b: In(4)
    o: Out(4)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.a ^ self.b)
        return m


class Pairs(wiring.Component):
    """Parts whose inputs are neighbours outside: Amaranth makes one port of them, without name."""

    i: In(32)
    o: Out(16)

    def elaborate(self, platform):
        m = Module()
        for n in range(4):
            m.submodules[f"part{n}"] = part = Pair()
            a, b = (self.i[8 * n + start :][:4] for start in (0, 4))
            m.d.comb += [part.a.eq(a), part.b.eq(b), self.o[4 * n :][:4].eq(part.o)]
        return m


def test_ports_without_a_name_do_not_make_a_difference():
    text = emit_verilog(Pairs(), name="top")

    assert modules_of(text) == ["top", "\\top.part0"]
    # Each instance is still connected to its own slice.
    assert re.findall(r"\.\\port\$0\$0 \((\S+)\)", text) == [
        "i[7:0]", "i[15:8]", "i[23:16]", "i[31:24]",
    ]  # fmt: skip
