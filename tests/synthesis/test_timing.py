"""Each rule sees a netlist that breaks it, and not one that just keeps it."""

import pytest

from accelgen.synthesis.timing import violations
from tests.synthesis.toys import Toy

DSP = dict.fromkeys(("AREG", "BREG", "MREG", "PREG", "CREG", "DREG", "ADREG"), 1)


def rules(toy):
    return [(v.rule, v.value) for v in violations(toy.netlist())]


@pytest.mark.parametrize(("levels", "expected"), [(6, []), (7, [("levels", 7)])])
def test_luts_between_registers(levels, expected):
    toy = Toy()
    toy.register("x", "a")
    toy.lut_chain("a", "b", levels)
    toy.register("b", "c")

    assert rules(toy) == expected


def test_the_way_is_named_from_register_to_register():
    toy = Toy()
    toy.register("x", "begin")
    toy.lut_chain("begin", "end", 7)
    toy.register("end", "c")

    (found,) = violations(toy.netlist())

    names = ["begin", *(f"end_{n}" for n in range(6)), "end", "c"]
    assert found.where == tuple(f"toy.{name}[0]" for name in names)


def test_bits_of_a_wire_are_one_violation():
    toy = Toy()
    toy.register("x", "a")
    for bit in range(3):
        toy.lut_chain("a", f"b[{bit}]", 7 + bit)
        toy.register(f"b[{bit}]", f"c[{bit}]")

    assert rules(toy) == [("levels", 9)]


def test_ports_count_as_registers():
    toy = Toy(("clk", "rst", "i"), ("o",))
    toy.lut_chain("i", "o", 7)

    assert rules(toy) == [("levels", 7)]


def test_enables_and_resets_are_ends_too():
    toy = Toy()
    toy.register("x", "a")
    toy.lut_chain("a", "b", 7)
    toy.add("FDRE", C="clk", D="x", Q="q", CE="b", R="0")

    assert rules(toy) == [("levels", 7)]


def test_inverters_and_wide_multiplexers_are_no_level():
    toy = Toy()
    toy.register("x", "a")
    toy.lut_chain("a", "b", 6)
    toy.add("INV", I="b", O="c")
    toy.add("MUXF7", I0="c", I1="c", S="c", O="d")
    toy.register("d", "e")

    assert rules(toy) == []


def carry(toy, number, start):
    nets = [f"{name}{number}_{bit}" for name in ("o", "co") for bit in range(4)]
    toy.add("CARRY4", CI=start, CYINIT="0", DI=["0"] * 4, S=["a"] * 4, O=nets[:4], CO=nets[4:])
    return nets[7]


@pytest.mark.parametrize(("cells", "expected"), [(8, []), (9, [("carry", 36)])])
def test_carry_chains(cells, expected):
    toy = Toy()
    toy.register("x", "a")
    end = "0"
    for number in range(cells):
        end = carry(toy, number, end)
    toy.register(end, "b")

    assert rules(toy) == expected


def test_a_chain_adds_no_level_but_keeps_those_before():
    toy = Toy()
    toy.register("x", "r")
    toy.lut_chain("r", "a", 6)
    end = carry(toy, 0, "0")
    toy.lut_chain(end, "b", 1)
    toy.register("b", "c")

    assert rules(toy) == [("levels", 7)]


@pytest.mark.parametrize(("levels", "expected"), [(1, []), (2, [("ram", 2)])])
@pytest.mark.parametrize("register", [0, 1])
def test_block_ram_without_its_register(levels, expected, register):
    toy = Toy()
    toy.add(
        "RAMB36E2", parameters={"DOA_REG": register, "DOB_REG": register}, CLKARDCLK="clk",
        DOUTADOUT="a",
    )  # fmt: skip
    toy.lut_chain("a", "b", levels)
    toy.register("b", "c")

    assert rules(toy) == ([] if register else expected)


@pytest.mark.parametrize("register", ["FALSE", "TRUE"])
def test_ultraram_without_its_register(register):
    toy = Toy()
    parameters = {"OREG_A": register, "OREG_B": register}
    toy.add("URAM288_BASE", parameters=parameters, CLK="clk", DOUT_A="a")
    toy.lut_chain("a", "b", 2)
    toy.register("b", "c")

    assert rules(toy) == ([] if register == "TRUE" else [("ram", 2)])


def test_distributed_ram_is_a_level_from_its_read_address():
    toy = Toy()
    toy.register("x", "a")
    toy.lut_chain("a", "address", 6)
    toy.add("RAM32M", WCLK="clk", ADDRA=["address"], ADDRD=["0"], DIA=["0"], WE="0", DOA=["b"])
    toy.register("b", "c")

    assert ("levels", 7) in rules(toy)


@pytest.mark.parametrize("spoilt", ["AREG", "BREG", "MREG", "PREG"])
def test_multipliers_use_their_registers(spoilt):
    toy = Toy()
    toy.add("DSP48E2", parameters=DSP, CLK="clk", A="x", B="x", C="0", D="0", P="p")
    toy.add("DSP48E2", parameters=DSP | {spoilt: 0}, CLK="clk", A="x", B="x", C="0", D="0", P="q")

    (found,) = violations(toy.netlist())

    assert (found.rule, found.where) == ("dsp", (spoilt, "toy.q[0]"))


def test_adders_of_multipliers_only_when_something_is_connected():
    toy = Toy()
    bare = DSP | {"CREG": 0, "DREG": 0, "ADREG": 0}
    toy.add("DSP48E2", parameters=bare, CLK="clk", A="x", B="x", C="0", D="0", P="p")
    toy.add("DSP48E2", parameters=bare, CLK="clk", A="x", B="x", C="x0", D="x1", P="q")

    (found,) = violations(toy.netlist())

    assert found.where == ("CREG DREG ADREG", "toy.q[0]")


@pytest.mark.parametrize(("levels", "expected"), [(1, []), (2, [("crossing", 2)])])
@pytest.mark.parametrize("clocks", [("clk", "clk2x"), ("clk2x", "clk")])
def test_crossings(levels, expected, clocks):
    toy = Toy(("clk", "rst", "clk2x"))
    toy.register("x", "a", clock=clocks[0])
    toy.lut_chain("a", "b", levels)
    toy.register("b", "c", clock=clocks[1])

    assert rules(toy) == expected


@pytest.mark.parametrize(("levels", "expected"), [(2, []), (3, [("fast", 3)])])
def test_logic_at_twice_the_clock(levels, expected):
    toy = Toy(("clk", "rst", "clk2x"))
    toy.register("x", "a", clock="clk2x")
    toy.lut_chain("a", "b", levels)
    toy.register("b", "c", clock="clk2x")

    assert rules(toy) == expected


@pytest.mark.parametrize(("cells", "expected"), [(4, []), (5, [("carry", 20)])])
def test_carry_chains_at_twice_the_clock(cells, expected):
    toy = Toy(("clk", "rst", "clk2x"))
    toy.register("x", "a", clock="clk2x")
    end = "0"
    for number in range(cells):
        end = carry(toy, number, end)
    toy.register(end, "b", clock="clk2x")

    assert rules(toy) == expected


@pytest.mark.parametrize(("loads", "expected"), [(512, []), (513, [("fanout", 513)])])
def test_fan_out(loads, expected):
    toy = Toy()
    toy.register("x", "a")
    for n in range(loads):
        toy.register("a", f"b{n}")

    assert rules(toy) == expected


@pytest.mark.parametrize(("port", "loads"), [("CE", 2048), ("R", 4096)])
def test_registers_of_a_slice_share_its_pins(port, loads):
    toy = Toy()
    toy.register("x", "a")
    for n in range(loads + 1):
        pins = {"CE": "1", "R": "0"} | {port: "a"}
        toy.add("FDRE", C="clk", D=f"d{n}", Q=f"q{n}", **pins)

    assert rules(toy) == [("fanout", 513)]


def test_clock_and_reset_may_have_any_number_of_loads():
    toy = Toy()
    for n in range(600):
        toy.add("FDRE", C="clk", D=f"d{n}", Q=f"q{n}", CE="1", R="rst")

    assert rules(toy) == []


def test_loops_are_said():
    toy = Toy()
    toy.lut_chain("a", "b", 1)
    toy.lut_chain("b", "a", 1)

    with pytest.raises(ValueError, match="2 cells are in combinational loops"):
        violations(toy.netlist())
