"""Skid and StreamRegister: nothing is lost or doubled under any stalls, and at their rate."""

import random

import pytest

from accelgen.rtl.streams.register import StreamRegister
from accelgen.rtl.streams.skid import Skid
from tests.helpers.testbench import run_testbenches


def run(dut, *, offer, take, cycles=400):
    """Offer counted payloads and take them, each with a chance per cycle.

    Returns payloads taken, and ``i.ready`` of each cycle for both values of ``o.ready``.
    """
    taken, ready = [], []
    rng = random.Random(1)

    async def process(ctx):
        sent, valid = 0, False
        for _ in range(cycles):
            valid = valid or rng.random() < offer
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, sent)
            seen = []
            for o_ready in (0, 1, rng.random() < take):
                ctx.set(dut.o.ready, o_ready)
                seen.append(ctx.get(dut.i.ready))
            ready.append(seen[:2])
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                taken.append(ctx.get(dut.o.payload))
            if valid and ctx.get(dut.i.ready):
                sent, valid = sent + 1, False
            await ctx.tick()

    run_testbenches(dut, process)
    return taken, ready


@pytest.mark.parametrize("block", [Skid, StreamRegister])
@pytest.mark.parametrize(("offer", "take"), [(0.5, 0.5), (1, 0.3), (0.3, 1)])
def test_all_come_out_in_order(block, offer, take):
    taken, ready = run(block(16), offer=offer, take=take)

    assert taken == list(range(len(taken)))
    assert len(taken) > 50
    assert all(idle == busy for idle, busy in ready), "ready goes through"


@pytest.mark.parametrize(("block", "expected"), [(Skid, 400), (StreamRegister, 200)])
def test_rate_when_nothing_waits(block, expected):
    taken, _ = run(block(16), offer=1, take=1)

    assert len(taken) == expected
