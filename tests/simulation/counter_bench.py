"""Cocotb side of test_verilator.py."""

import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ReadOnly


@cocotb.test()
async def counts(dut):
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    await ClockCycles(dut.clk, 10)
    await ReadOnly()

    assert dut.n.value == 10 * int(os.environ["STEP"])
