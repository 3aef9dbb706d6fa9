"""StreamShare and StreamJoin: every input, exhaustively (they are combinational)."""

from itertools import product

import numpy as np

from accelgen.rtl.streams.switch import StreamJoin, StreamShare
from tests.helpers.testbench import run_testbenches


def test_whoever_is_wanted_takes_what_is_shared():
    dut = StreamShare(4, 3)
    checked = 0

    async def process(ctx):
        nonlocal checked
        outputs = (dut.o0, dut.o1, dut.o2)
        rng = np.random.default_rng(0)
        for valid, taker in product((0, 1), 8 * (None, 0, 1, 2)):
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, 9)
            ctx.set(dut.wanted, 0 if taker is None else 1 << taker)
            ready = int(rng.integers(8))
            for n, output in enumerate(outputs):
                ctx.set(output.ready, ready >> n & 1)
            await ctx.delay(1e-9)
            assert all(ctx.get(output.valid) == valid for output in outputs)
            assert all(ctx.get(output.payload) == 9 for output in outputs)
            assert ctx.get(dut.i.ready) == (taker is not None and ready >> taker & 1)
            checked += 1

    run_testbenches(dut, process, clock=False)
    assert checked == 64


def test_join_takes_from_the_selected_input_only():
    dut = StreamJoin(600)
    ones = (1 << 600) - 1
    checked = 0

    async def process(ctx):
        nonlocal checked
        for select, valid0, valid1, ready in product((0, 1), repeat=4):
            ctx.set(dut.select, select)
            ctx.set(dut.i0.valid, valid0)
            ctx.set(dut.i1.valid, valid1)
            ctx.set(dut.i0.payload, 3)
            ctx.set(dut.i1.payload, ones)
            ctx.set(dut.o.ready, ready)
            await ctx.tick()
            assert ctx.get(dut.o.valid) == (valid1 if select else valid0)
            assert ctx.get(dut.o.payload) == (ones if select else 3)
            assert ctx.get(dut.i1.ready if select else dut.i0.ready) == ready
            checked += 1

    run_testbenches(dut, process)
    assert checked == 16
