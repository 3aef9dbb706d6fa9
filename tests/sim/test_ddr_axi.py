"""The DDR model speaks AXI as cocotbext-axi's master understands it: strobes, responses, order."""

import itertools
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiMaster, AxiResp

from accelgen.simulation.launch import run_cocotb
from accelgen.simulation.toolchain import sim_directory
from accelgen.simulation.verilator import BuildFlags, build

ORIGIN = 0x10000


def test_ddr_with_an_independent_master(tmp_path):
    tb = sim_directory() / "tb"
    names = ("random", "violations", "axi_read_port", "axi_write_port", "ddr")
    public = tmp_path / "public.vlt"
    public.write_text('`verilator_config\npublic_flat_rw -module "ddr_wrapper" -var "*"\n')
    executable = build(
        [*(tb / f"{n}.sv" for n in names), tb.parents[1] / "tests/sim/ddr_wrapper.sv", public],
        "ddr_wrapper",
        flags=BuildFlags(),
    )

    assert run_cocotb(executable, __name__, tmp_path) == []
    assert "PASS=3" in (tmp_path / "sim.log").read_text()


# Simulator side.


async def start(dut, *, stall=0.0):
    rng = random.Random(3)
    cocotb.start_soon(Clock(dut.clk, 4, "ns").start())
    dut.stall.value = round(stall * 65536)
    master = AxiMaster(AxiBus.from_prefix(dut, "axi"), dut.clk, dut.rst, max_burst_len=16)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 5)
    dut.rst.value = 0
    if stall:
        for channel in (
            master.write_if.aw_channel, master.write_if.w_channel, master.write_if.b_channel,
            master.read_if.ar_channel, master.read_if.r_channel,
        ):  # fmt: skip
            channel.set_pause_generator(rng.random() < stall for _ in itertools.count())
    return master


async def write_and_read(master):
    rng = random.Random(2)
    shadow = bytearray((await master.read(ORIGIN, 4096)).data)
    for _ in range(40):
        # Any address and size: the master cuts bursts at 4 KiB and makes strobes.
        at, size = rng.randrange(3500), rng.randrange(1, 500)
        data = rng.randbytes(size)
        response = await master.write(ORIGIN + at, data)
        assert response.resp == AxiResp.OKAY
        shadow[at : at + size] = data
        at = rng.randrange(3500)
        assert (await master.read(ORIGIN + at, 500)).data == shadow[at : at + 500]


@cocotb.test()
async def writes_with_strobes_are_read_back(dut):
    await write_and_read(await start(dut))


@cocotb.test()
async def writes_with_strobes_are_read_back_when_both_sides_stall(dut):
    await write_and_read(await start(dut, stall=0.4))


@cocotb.test()
async def errors_belong_to_their_addresses(dut):
    master = await start(dut)

    assert (await master.read(0x20000, 16)).resp == AxiResp.SLVERR
    assert (await master.read(0x20100, 16)).resp == AxiResp.OKAY
    assert (await master.read(0x1FFF0, 32)).resp == AxiResp.SLVERR
    assert (await master.write(0x200F0, bytes(16))).resp == AxiResp.SLVERR
    assert (await master.write(0x1FFF0, bytes(16))).resp == AxiResp.OKAY
    assert (await master.read(ORIGIN - 16, 16)).resp == AxiResp.DECERR
    assert (await master.read(ORIGIN + (1 << 20), 16)).resp == AxiResp.DECERR
