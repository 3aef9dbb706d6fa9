"""Hierarchies are taken apart without losing a connection."""

import pytest

from accelgen.estimator.resources import Resources
from accelgen.synthesis.count import count_blocks
from accelgen.synthesis.netlist import flatten
from tests.synthesis.toys import Toy


def wire(inside, outside):
    return {"type": inside, "parameters": {}, "port_directions": {}, "connections": outside}


def pair():
    """A top with two registers of module ``half`` in a row, and a wire through ``through``."""
    half = Toy(("clk", "d"), ("q",))
    half.add("FDRE", C="clk", D="d", Q="q", CE="1", R="0")
    through = Toy(("a",))
    through.ports["b"] = {"direction": "output", "bits": through.ports["a"]["bits"]}
    through.ports["one"] = {"direction": "output", "bits": ["1"]}
    top = Toy(("clk", "i"), ("o",))
    names = {name: [top.bit(name)] for name in ("clk", "i", "middle", "between", "always", "o")}
    top.cells = {
        "first": wire("half", {"clk": names["clk"], "d": names["i"], "q": names["middle"]}),
        "wire": wire(
            "through", {"a": names["middle"], "b": names["between"], "one": names["always"]}
        ),
        "second": wire("half", {"clk": names["clk"], "d": names["between"], "q": names["o"]}),
    }
    top.add("LUT1", I0="always", O="unused")
    return {"top": top.module(), "half": half.module(), "through": through.module()}


def test_nets_go_through_blocks():
    netlist = flatten(pair(), "top")
    first, second, lut = netlist.cells

    assert first.inputs["C"] == second.inputs["C"] == netlist.inputs["clk"]
    assert first.outputs["Q"] == second.inputs["D"]
    assert first.inputs["D"] == netlist.inputs["i"]
    assert second.outputs["Q"] == netlist.outputs["o"]
    assert lut.inputs["I0"] == first.inputs["CE"] == (1,)


def test_cells_and_nets_know_where_they_are():
    netlist = flatten(pair(), "top")

    assert [cell.block for cell in netlist.cells] == ["top.first", "top.second", "top"]
    assert netlist.names[netlist.cells[0].outputs["Q"][0]] == "top.middle[0]"


def test_ports_nobody_connects_are_nets_of_their_own():
    modules = pair()
    del modules["top"]["cells"]["second"]["connections"]["d"]

    first, second, _ = flatten(modules, "top").cells

    assert second.inputs["D"] not in (first.outputs["Q"], first.inputs["D"])


def test_blocks_are_counted_with_what_is_in_them():
    toy = Toy()
    for kind in ("LUT6", "SRL16E", "RAM32M", "FDRE", "CARRY4", "RAMB36E2", "RAMB18E2", "DSP48E2"):
        toy.add(kind)
    toy.cells["inside"] = wire("half", {})

    blocks = count_blocks({"toy": toy.module(), **pair()}, "toy")

    assert blocks["toy"] == Resources(lut=6, ff=2, bram36=1.5, dsp=1)
    assert blocks["toy.inside"] == Resources(ff=1)


def test_a_cell_nobody_has_heard_of_is_not_free():
    toy = Toy()
    toy.add("LUT9")

    with pytest.raises(ValueError, match="LUT9"):
        count_blocks({"toy": toy.module()}, "toy")
