"""Yosys really runs: a PE array of four DSPs, by blocks and flat."""

import pytest

from accelgen.arch import ArchParams
from accelgen.errors import ToolError
from accelgen.rtl.emit import emit_verilog
from accelgen.rtl.memory.bank import Bank
from accelgen.rtl.primitives import Primitives
from accelgen.synthesis import yosys
from accelgen.synthesis.blocks import own_blocks, read_hierarchy
from accelgen.synthesis.count import count_blocks
from accelgen.synthesis.netlist import flatten
from accelgen.synthesis.timing import violations
from tests.helpers.blocks import pe_array

pytest.importorskip("pyosys")

ARCH = ArchParams(lanes=4, pixels=4, pe_mode="double", chain_pixels=4, feature_rows=64)


@pytest.fixture(scope="module")
def verilog():
    return emit_verilog(pe_array(ARCH), name="dut", primitives=Primitives())


@pytest.fixture(scope="module")
def by_blocks(verilog):
    return yosys.map_modules(verilog, top="dut", family="xcup")


@pytest.mark.slow
def test_the_array_takes_a_multiplier_for_four_pixels(by_blocks):
    used = count_blocks(by_blocks, "dut")

    assert used["dut"].dsp == 4 * 4 * 4 / 4
    assert used["dut.chain0_0"].dsp == 4
    # Two accumulators take turns in a sum: a bit of both is a LUT and two registers.
    assert used["dut.chain0_0"].lut == pytest.approx(4 * 27 / 2, abs=4)
    assert used["dut"].bram36 == 0


@pytest.mark.slow
def test_equal_chains_are_mapped_once(by_blocks):
    assert [name for name in by_blocks if "chain" in name] == ["dut.chain0_0"]


@pytest.mark.slow
def test_flat_it_takes_no_more(verilog, by_blocks):
    flat = yosys.map_modules(verilog, top="dut", family="xcup", flat=True)

    whole = count_blocks(flat, "dut")["dut"]
    sum_of_blocks = count_blocks(by_blocks, "dut")["dut"]
    assert list(flat) == ["dut"]
    assert whole.dsp == sum_of_blocks.dsp
    assert 0.9 * sum_of_blocks.lut <= whole.lut <= sum_of_blocks.lut


@pytest.mark.slow
def test_nothing_keeps_the_array_from_its_clock(by_blocks):
    assert violations(flatten(by_blocks, "dut")) == []


@pytest.mark.slow
def test_a_block_that_was_mapped_comes_from_the_cache(verilog, by_blocks, monkeypatch):
    monkeypatch.setattr(yosys, "_map_batch", None)

    assert yosys.map_modules(verilog, top="dut", family="xcup") == by_blocks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ultra", "expected"), [(False, {"bram36": 10, "uram": 0}), (True, {"bram36": 0, "uram": 2})]
)
def test_named_memories_are_cells_that_yosys_knows(ultra, expected):
    bank = Bank(64, 5120, row_reads=True, ultra=ultra)
    text = emit_verilog(bank, name="dut", primitives=Primitives())

    modules = yosys.map_modules(text, top="dut", family="xcup")

    used = count_blocks(modules, "dut")["dut"]
    assert {kind: getattr(used, kind) for kind in expected} == expected
    # Behind their registers a multiplexer of two for each port; its choice waits two cycles.
    assert used.lut == pytest.approx(2 * 64, abs=8)
    assert used.ff == 4
    assert violations(flatten(modules, "dut")) == []


def test_large_and_repeated_modules_are_mapped_on_their_own(verilog):
    hierarchy = read_hierarchy(verilog, "dut")

    assert hierarchy.instances["dut"] == {"dut.chain0_0": 4, "dut.operands0": 1, "dut.weights0": 4}
    assert own_blocks(hierarchy) == ["dut.chain0_0", "dut"]


def test_without_pyosys_it_is_said_what_to_install(verilog, monkeypatch):
    monkeypatch.setattr(yosys.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ToolError, match="pip install pyosys"):
        yosys.map_modules(verilog, top="dut", family="xcup")


@pytest.mark.slow
def test_what_yosys_says_is_passed_on():
    with pytest.raises(ToolError, match="syntax error"):
        yosys.map_modules("module dut (;\nendmodule\n", top="dut", family="xcup")
