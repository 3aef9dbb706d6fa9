"""The twin of the DSP48E2 (sim/tb/dsp48e2.v), register by register, against UG579's arithmetic.

The model below is written from the UltraScale DSP slice's documentation (UG579: figure 1-1, the
registers' enables and resets in table 2-2, INMODE in table 2-4, OPMODE in tables 2-5 to 2-7), not
from the twin: unbounded integers, cut to each register's width.
"""

import json
import random

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from accelgen.simulation.launch import run_cocotb
from accelgen.simulation.verilator import BuildFlags, build
from tests.helpers.bench import settings
from tests.helpers.simulate import TWINS

#: Width of the data inputs, and of the registers behind them.
DATA = {"A": 30, "B": 18, "C": 48, "D": 27, "PCIN": 48}
ENABLES = ("CEA2", "CEB2", "CEC", "CED", "CEAD", "CEM", "CEP")
RESETS = ("RSTA", "RSTB", "RSTC", "RSTD", "RSTM", "RSTP")
REGISTERS = {"a2": 27, "b2": 18, "c": 48, "d": 27, "ad": 27, "m": 45, "p": 48}
#: W = 0, X and Y = M, Z = 0, PCIN or C.
OPMODES = {0b00_000_01_01: None, 0b00_001_01_01: "PCIN", 0b00_011_01_01: "c"}
#: Inputs that the accelerator ties: enables of registers that do not exist, cascades.
ZERO = {
    **dict.fromkeys(("CEA1", "CEB1", "CEALUMODE", "CECARRYIN", "CECTRL", "CEINMODE"), 1),
    **dict.fromkeys(("RSTALUMODE", "RSTCTRL", "RSTALLCARRYIN", "RSTINMODE", "CARRYCASCIN"), 1),
    "CARRYIN": 1, "MULTSIGNIN": 1, "ACIN": 30, "BCIN": 18, "ALUMODE": 4, "CARRYINSEL": 3,
}  # fmt: skip


def wrapper(multiplicand):
    """A cell with all its registers as outputs; the static controls have none of their own."""
    inputs = {**DATA, **dict.fromkeys((*ENABLES, *RESETS), 1), "INMODE": 5, "OPMODE": 9}
    static = {"ALUMODEREG": 0, "CARRYINREG": 0, "CARRYINSELREG": 0, "INMODEREG": 0, "OPMODEREG": 0}
    parameters = ", ".join(f".{k}({v})" for k, v in static.items())
    ports = [f"input [{w - 1}:0] {n}" for n, w in inputs.items()]
    ports += [f"output [{w - 1}:0] {n}" for n, w in REGISTERS.items()]
    ports += ["input clk", "output [47:0] P", "output [47:0] PCOUT"]
    pins = [f".{n}({n})" for n in inputs] + [f".{n}({w}'d0)" for n, w in ZERO.items()]
    pins += [".CLK(clk)", ".P(P)", ".PCOUT(PCOUT)"]
    looks = [f"assign {n} = cell0.{n};" for n in REGISTERS]
    return "\n".join([
        f"module dut ({', '.join(ports)});",
        f'DSP48E2 #(.AMULTSEL("{multiplicand}"), {parameters}) cell0 ({", ".join(pins)});',
        *looks,
        "endmodule",
    ])


@pytest.mark.parametrize("multiplicand", ["A", "AD"])
def test_registers_are_those_of_the_documentation(multiplicand, tmp_path):
    source, public = tmp_path / "dut.v", tmp_path / "public.vlt"
    source.write_text(wrapper(multiplicand))
    names = [*DATA, *ENABLES, *RESETS, "INMODE", "OPMODE", *REGISTERS, "clk", "P", "PCOUT"]
    lines = [f'public_flat_rw -module "dut" -var "{name}"' for name in names]
    public.write_text("\n".join(["`verilator_config", *lines, ""]))
    executable = build([source, TWINS / "dsp48e2.v", public], "dut", flags=BuildFlags())

    failed = run_cocotb(
        executable, __name__, tmp_path, environment={"BENCH": json.dumps(multiplicand)}
    )

    assert not failed, (tmp_path / "sim.log").read_text()


def signed(value, bits):
    """``value`` cut to ``bits``, two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Slice:
    """The registers of one slice, as integers."""

    def __init__(self, multiplicand):
        self.multiplicand = multiplicand
        self.value = dict.fromkeys(REGISTERS, 0)

    def clock(self, pins):
        """A rising edge with ``pins``. A reset wins over its enable (UG579, table 2-2)."""
        old = dict(self.value)
        preadder = old["a2"] + (old["d"] if pins["INMODE"] & 0b100 else 0)
        factor = old["ad"] if self.multiplicand == "AD" else old["a2"]
        z = OPMODES[pins["OPMODE"]]
        other = 0 if z is None else old["c"] if z == "c" else pins["PCIN"]
        new = {
            "a2": (pins["A"], "CEA2", "RSTA"),
            "b2": (pins["B"], "CEB2", "RSTB"),
            "c": (pins["C"], "CEC", "RSTC"),
            "d": (pins["D"], "CED", "RSTD"),
            "ad": (preadder, "CEAD", "RSTD"),
            "m": (factor * old["b2"], "CEM", "RSTM"),
            "p": (other + old["m"], "CEP", "RSTP"),
        }
        for name, (value, enable, reset) in new.items():
            if pins[reset]:
                self.value[name] = 0
            elif pins[enable]:
                self.value[name] = signed(value, REGISTERS[name])


@cocotb.test()
async def every_register_every_cycle(dut):
    rng = random.Random(1)
    slice_ = Slice(settings())
    pins = dict.fromkeys((*DATA, *ENABLES, *RESETS, "INMODE"), 0)
    pins["OPMODE"] = next(iter(OPMODES))
    for name, value in pins.items():
        getattr(dut, name).value = value
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    await FallingEdge(dut.clk)
    slice_.clock(pins)

    for cycle in range(6000):
        hostile = cycle % 3 == 0
        for name, bits in DATA.items():
            extremes = (0, 1, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1)
            pins[name] = rng.choice(extremes) if hostile else rng.getrandbits(bits)
        pins |= {name: int(rng.random() < 0.9) for name in ENABLES}
        pins |= {name: int(rng.random() < 0.03) for name in RESETS}
        pins["INMODE"] = rng.choice((0b00000, 0b00100))
        pins["OPMODE"] = rng.choice(tuple(OPMODES))
        for name, value in pins.items():
            getattr(dut, name).value = value
        await FallingEdge(dut.clk)
        slice_.clock(pins | {n: signed(pins[n], bits) for n, bits in DATA.items()})
        for name, value in slice_.value.items():
            got = signed(int(getattr(dut, name).value), REGISTERS[name])
            assert got == value, f"cycle {cycle}: {name} is {got}, not {value}"
        assert int(dut.P.value) == int(dut.PCOUT.value) == slice_.value["p"] % (1 << 48)
