"""StreamSplit and StreamJoin: every input, exhaustively (they are combinational)."""

from itertools import product

from amaranth.sim import Simulator

from accelgen.rtl.streams.switch import StreamJoin, StreamSplit


def run(dut, process):
    simulator = Simulator(dut)
    simulator.add_testbench(process)
    simulator.run()


def test_split_sends_to_the_selected_output_only():
    dut = StreamSplit(4)
    checked = 0

    async def process(ctx):
        nonlocal checked
        for select, valid, ready0, ready1 in product((0, 1), repeat=4):
            ctx.set(dut.select, select)
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, 9)
            ctx.set(dut.o0.ready, ready0)
            ctx.set(dut.o1.ready, ready1)
            await ctx.delay(1e-9)
            assert ctx.get(dut.o0.valid) == (valid and not select)
            assert ctx.get(dut.o1.valid) == (valid and select)
            assert ctx.get(dut.i.ready) == (ready1 if select else ready0)
            assert ctx.get((dut.o1 if select else dut.o0).payload) == 9
            checked += 1

    run(dut, process)
    assert checked == 16


def test_join_takes_from_the_selected_input_only():
    dut = StreamJoin(4)
    checked = 0

    async def process(ctx):
        nonlocal checked
        for select, valid0, valid1, ready in product((0, 1), repeat=4):
            ctx.set(dut.select, select)
            ctx.set(dut.i0.valid, valid0)
            ctx.set(dut.i1.valid, valid1)
            ctx.set(dut.i0.payload, 3)
            ctx.set(dut.i1.payload, 12)
            ctx.set(dut.o.ready, ready)
            await ctx.delay(1e-9)
            assert ctx.get(dut.o.valid) == (valid1 if select else valid0)
            assert ctx.get(dut.o.payload) == (12 if select else 3)
            assert ctx.get(dut.i0.ready) == (ready and not select)
            assert ctx.get(dut.i1.ready) == (ready and select)
            checked += 1

    run(dut, process)
    assert checked == 16
