"""The engine bench helper: streams pass, and a bench that fails is seen to fail."""

import random

import cocotb
import pytest
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from tests.helpers.bench import settings
from tests.helpers.simulate import simulate
from tests.helpers.streams import StreamSink, StreamSource, check_stream_rules


class Incrementer(wiring.Component):
    """o = i + amount, one register deep."""

    i: In(stream.Signature(16))
    o: Out(stream.Signature(16))

    def __init__(self, amount):
        self.amount = amount
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(self.i.valid)
            m.d.sync += self.o.payload.eq(self.i.payload + self.amount)
        return m


# Pytest side.


def test_a_correct_component_passes(tmp_path):
    simulate(Incrementer(3), __name__, tmp_path, amount=3)

    assert "PASS=1" in (tmp_path / "sim.log").read_text()


def test_a_wrong_component_fails_with_the_benchs_message(tmp_path):
    with pytest.raises(AssertionError, match="adds_under_stalls"):
        simulate(Incrementer(4), __name__, tmp_path, amount=3)


# Simulator side.


@cocotb.test()
async def adds_under_stalls(dut):
    amount = settings()["amount"]
    rng = random.Random(1)
    sent = [rng.getrandbits(16) for _ in range(200)]
    source, sink = StreamSource(dut, "i", stall=0.3), StreamSink(dut, "o", stall=0.3)
    dut.i__valid.value = 0
    dut.o__ready.value = 0
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    cocotb.start_soon(check_stream_rules(dut, "o"))
    cocotb.start_soon(source.send(*sent))
    received = await sink.receive(len(sent))

    assert received == [(x + amount) & 0xFFFF for x in sent]
