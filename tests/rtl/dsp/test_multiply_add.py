"""Instantiated multipliers do what the described ones do: the engines' own benches say so."""

import re

import pytest

from accelgen.arch import ArchParams
from accelgen.rtl.emit import emit_verilog
from accelgen.rtl.primitives import Primitives
from tests.helpers.blocks import adder, pe_array, requantizer, window_lanes
from tests.helpers.pumped import Beside, BesideRequantizer, Pumped
from tests.helpers.simulate import simulate_all

# Engines of which a double-pumped one's accumulators have to be gathered for the bench.
GATHERED = {
    "pe_array": Beside, "window_lanes": Beside, "requantizer": BesideRequantizer,
}  # fmt: skip
DOUBLE = {"lanes": 4, "pixels": 8, "chain_pixels": 4, "pe_mode": "double", "acc_bits": 27}
SMALL = {"lanes": 4, "pixels": 4, "chain_pixels": 1, "pe_mode": "packed", "acc_bits": 27}

# Where their benches are.
ROOMS = {
    "pe_array": "array",
    "window_lanes": "window",
    "requantizer": "requantize",
    "adder": "output",
}

# Engine, multipliers of the small one and of the board's.
ENGINES = {
    "pe_array": (pe_array, 4 * 4 * 2, 256),
    "window_lanes": (window_lanes, 4 * 2, 32),
    "requantizer": (requantizer, 4, 16),
    "adder": (adder, 2 * 4, 32),
}


@pytest.mark.parametrize("name", ENGINES)
def test_instances_pass_the_bench_of_the_described_engine(name, tmp_path):
    small, double = ArchParams(**SMALL), ArchParams(**DOUBLE)
    engine, *_ = ENGINES[name]
    pumped = GATHERED.get(name, lambda _, inner: Pumped(inner))(double, engine(double))
    parts = {
        "small": (engine(small), small.to_dict()), "double_pumped": (pumped, double.to_dict()),
    }  # fmt: skip
    bench = f"tests.rtl.{ROOMS[name]}.test_{name}"

    simulate_all(parts, bench, tmp_path, primitives=Primitives())


@pytest.mark.parametrize("name", ENGINES)
def test_each_multiplier_is_one_dsp(name):
    engine, small, large = ENGINES[name]

    for arch, count in ((ArchParams(**SMALL), small), (ArchParams(), large)):
        text = emit_verilog(engine(arch), name="dut", primitives=Primitives())
        assert multipliers(text, "dut") == count
        # Unsigned ones are by constants: indices.
        assert "* $signed(" not in text


def multipliers(text, module):
    """DSP48E2 in ``module`` and below it: equal modules are written once and used many times."""
    bodies = dict(re.findall(r"^module (\S+?) ?\((.*?)^endmodule", text, re.MULTILINE | re.DOTALL))

    def below(name):
        used = [
            u for u in re.findall(r"^  (\S+) +\S+ \($", bodies[name], re.MULTILINE) if u in bodies
        ]
        return bodies[name].count("DSP48E2 #(") + sum(below(child) for child in used)

    return below(module)
