"""The text that build writes: as many cells as the estimate says, memories that Vivado recognizes.

Counted in the text, every instance of a module with what is in it: no tool can have made more of it
or less.
"""

import re
from collections import Counter

import pytest

from accelgen.arch import PRESETS
from accelgen.arch.registers import TOP
from accelgen.boards import board_names
from accelgen.estimator.resources import total_resources
from accelgen.flow.hardware import target
from accelgen.rtl.design import design_verilog, vendor_cells
from accelgen.synthesis.blocks import unrolled

BOARDS = [name for name in board_names() if target(name).family == "xcup"]
#: A memory, up to what reads it: attribute, size, one process that writes and one that reads.
SIMPLE_DUAL_PORT = re.compile(
    r"""\ \ reg\ (?:\[\d+:0\]\ )?(?P<name>\S+)\ \[\d+:0\];\n
    \ \ always\ @\(posedge\ (?P<clock>\S+)\)\ begin\n
    \ \ \ \ if\ \(.*\)\n
    \ \ \ \ \ \ (?P=name)\[.*\]\ <=\ .*;\n
    \ \ end\n
    \ \ reg\ (?:\[\d+:0\]\ )?(?P<read>\S+)_;\n
    \ \ always\ @\(posedge\ (?P=clock)\)\ begin\n
    \ \ \ \ (?:if\ \(.*\)\ begin\n\ \ \ \ \ \ )?(?P=read)_\ <=\ (?P=name)\[.*\];\n""",
    re.VERBOSE,
)


def block_memories(verilog):
    """What follows each memory's request for block RAM, a page of it."""
    mark = '(* ram_style = "block" *)\n'
    return [rest[:2000] for rest in verilog.split(mark)[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("board", BOARDS)
def test_a_package_has_the_cells_that_the_estimate_says(board):
    hardware = target(board)
    cells = unrolled(design_verilog(hardware.arch, hardware.family), TOP)

    estimated = total_resources(hardware.arch).to_dict()
    assert cells["DSP48E2"] == estimated["dsp"]
    assert cells["URAM288_BASE"] == estimated["uram"]
    # The rest of the block RAM is described.
    memory = hardware.arch.feature_rows * hardware.arch.row_bytes / 4096
    assert cells["RAMB36E2"] == (0 if hardware.arch.feature_ram == "ultra" else memory)


@pytest.mark.slow
def test_described_block_memories_are_simple_dual_ports():
    verilog = design_verilog(PRESETS["ultra96_double"])

    memories = block_memories(verilog)
    assert len(memories) >= 4
    for text in memories:
        assert SIMPLE_DUAL_PORT.match(text), text[:500]


@pytest.mark.slow
def test_a_part_without_these_cells_gets_none():
    verilog = design_verilog(PRESETS["small"], "xc7")

    assert vendor_cells(verilog) == ()
    # Two ports that read: what a tool makes of it is for the tool to say.
    assert not all(SIMPLE_DUAL_PORT.match(text) for text in block_memories(verilog))


def test_instances_are_counted_with_those_of_the_modules_in_them():
    text = """
module \\one.two (a);
  DSP48E2 #(
    .AREG(32'd1)
  ) cell (
    .A(a)
  );
endmodule

module one (a);
  \\one.two  two (
    .a(a)
  );
  \\one.two  three (
    .a(a)
  );
  RAMB36E2 #(
    .DOA_REG(32'd1)
  ) \\cell 4 (
    .A(a)
  );
endmodule
"""
    assert unrolled(text, "one") == Counter({"DSP48E2": 2, "RAMB36E2": 1})
