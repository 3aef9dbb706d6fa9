"""DmaRead into DmaWrite, on cocotbext-axi's memory: a second opinion on what AXI is."""

import random

import cocotb
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import FallingEdge
from cocotbext.axi import AxiBus, AxiRam

from accelgen.arch import ArchParams
from accelgen.rtl import layouts
from accelgen.rtl.bus import axi4
from tests.helpers.bench import ticks
from tests.helpers.bits import pack
from tests.helpers.blocks import dma_read, dma_write
from tests.helpers.clock import start_clock
from tests.helpers.simulate import simulate
from tests.helpers.streams import StreamSource

HALF = 1 << 15  # copies go from the lower half of the memory to the upper
IDS = {"awid": Out(1), "bid": In(1), "arid": Out(1), "rid": In(1)}


class Copier(wiring.Component):
    """A reader feeding a writer. The memory of the bench wants IDs; ours are always 0."""

    def __init__(self, arch):
        self.arch = arch
        super().__init__({
            "source": In(stream.Signature(layouts.dma_request())),
            "target": In(stream.Signature(layouts.dma_request())),
            "done": Out(1),
            "faults": Out(2),
            "axi": Out(wiring.Signature({**axi4.Signature(32).members, **IDS})),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.reader = reader = dma_read(self.arch)
        m.submodules.writer = writer = dma_write(self.arch)
        connect(m, flipped(self.source), reader.request)
        connect(m, flipped(self.target), writer.request)
        connect(m, reader.o, writer.i)
        for dma in (reader, writer):
            for name, member in dma.axi.signature.members.items():
                outer, inner = getattr(self.axi, name), getattr(dma.axi, name)
                m.d.comb += outer.eq(inner) if member.flow == Out else inner.eq(outer)
        m.d.comb += [
            reader.image_bytes.eq(2 * HALF),
            writer.image_bytes.eq(2 * HALF),
            self.axi.awid.eq(0),
            self.axi.arid.eq(0),
            self.done.eq(writer.done),
            self.faults[0].eq(reader.fault.valid),
            self.faults[1].eq(writer.fault.valid),
        ]

        return m


def test_dma_copy(tmp_path):
    simulate(Copier(ArchParams()), __name__, tmp_path)


@cocotb.test(timeout_time=500, timeout_unit="us")
async def copies_at_the_memorys_own_pace(dut):
    await copy(dut, stall=0.0)


@cocotb.test(timeout_time=500, timeout_unit="us")
async def copies_with_pauses_on_every_channel(dut):
    await copy(dut, stall=0.5)


async def copy(dut, *, stall):
    rng = random.Random(int(10 * stall))
    ram = AxiRam(AxiBus.from_prefix(dut, "axi_"), dut.clk, dut.rst, size=2 * HALF)
    sides = ((ram.write_if, ("aw", "w", "b")), (ram.read_if, ("ar", "r")))
    for side, names in sides:
        for name in names:
            pauses = (rng.random() < stall for _ in iter(int, 1))
            getattr(side, f"{name}_channel").set_pause_generator(pauses)
    expected = bytearray(rng.randbytes(2 * HALF))
    ram.write(0, bytes(expected))

    sources, targets, at = [], [], HALF
    while at < 2 * HALF - 16 * 200:
        beats = rng.choice([1, 2, 16, 17, rng.randrange(1, 150)])
        start = 16 * rng.randrange(HALF // 16 - beats)
        expected[at : at + 16 * beats] = expected[start : start + 16 * beats]
        sources.append({"offset": start, "beats": beats})
        targets.append({"offset": at, "beats": beats})
        at += 16 * (beats + rng.randrange(5))
    await start_clock(dut, zero=("source__valid", "target__valid"))
    for name, runs in (("source", sources), ("target", targets)):
        words = [pack(layouts.dma_request(), run) for run in runs]
        cocotb.start_soon(StreamSource(dut, name).send(*words))
    left = len(targets)
    while left:
        await FallingEdge(dut.clk)
        left -= bool(dut.done.value)
    await ticks(dut, 2)

    assert not dut.faults.value
    assert ram.read(0, 2 * HALF) == bytes(expected)
