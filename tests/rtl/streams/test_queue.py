"""StreamQueue: cycle by cycle against a list with a register behind it."""

import random
from collections import deque

import pytest

from accelgen.rtl.streams.queue import StreamQueue
from tests.helpers.testbench import run_testbenches


def run(*, depth, bits, offer, take, cycles=600):
    """Offer and take with a chance per cycle; the chances change places now and then.

    Returns what the queue showed in each cycle and what it should have: ``i.ready``, ``o.valid``
    and, if there is one, the payload.
    """
    dut = StreamQueue(bits, depth=depth)
    rng = random.Random(depth * bits)
    shown, expected = [], []

    async def process(ctx):
        held, output = deque(), None
        for cycle in range(cycles):
            chances = (offer, take) if cycle // 50 % 2 == 0 else (take, offer)
            valid, ready = (rng.random() < chance for chance in chances)
            payload = rng.getrandbits(bits)
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.o.ready, ready)
            out_valid = ctx.get(dut.o.valid)
            shown.append((ctx.get(dut.i.ready), out_valid, out_valid and ctx.get(dut.o.payload)))
            expected.append((len(held) < depth, output is not None, output or 0))

            room = len(held) < depth
            if output is None or ready:
                output = held.popleft() if held else None
            if valid and room:
                held.append(payload)
            await ctx.tick()

    run_testbenches(dut, process)
    return shown, expected


@pytest.mark.parametrize("depth", [2, 4, 8])
@pytest.mark.parametrize("bits", [5, 600])
@pytest.mark.parametrize(("offer", "take"), [(1, 1), (0.5, 0.5), (1, 0.2), (0.9, 0.6), (0.05, 1)])
def test_shows_what_a_list_and_a_register_would(depth, bits, offer, take):
    shown, expected = run(depth=depth, bits=bits, offer=offer, take=take)

    assert shown == expected
    assert sum(valid for _, valid, _ in shown) > 20
