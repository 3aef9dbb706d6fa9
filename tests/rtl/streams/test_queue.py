"""Queues, cycle by cycle: against a list with a register behind it, and registers in a row."""

import random
from collections import deque

import pytest

from accelgen.rtl.streams.queue import RegisterQueue, StreamQueue
from tests.helpers.testbench import run_testbenches

CHANCES = [(1, 1), (0.5, 0.5), (1, 0.2), (0.9, 0.6), (0.05, 1)]


class ListAndRegister:
    """StreamQueue."""

    def __init__(self, depth):
        self.depth, self.held, self.output = depth, deque(), None

    def room(self, _ready):
        return len(self.held) < self.depth

    def tick(self, payload, ready):
        """``payload``: what is offered, or None."""
        room = self.room(ready)
        if self.output is None or ready:
            self.output = self.held.popleft() if self.held else None
        if payload is not None and room:
            self.held.append(payload)


class Registers:
    """RegisterQueue: each moves on where there is room."""

    def __init__(self, depth):
        self.stages = [None] * depth

    @property
    def output(self):
        return self.stages[-1]

    def room(self, ready):
        return ready or None in self.stages

    def tick(self, payload, ready):
        # All registers up to the last empty one, or all.
        moves = len(self.stages)
        while not ready and moves and self.stages[moves - 1] is not None:
            moves -= 1
        self.stages = [payload, *self.stages][:moves] + self.stages[moves:]


def run(dut, model, *, bits, offer, take, cycles=600):
    """Offer and take with a chance per cycle; the chances change places now and then.

    Returns what the queue showed in each cycle and what it should have: ``i.ready``, ``o.valid``
    and, if there is one, the payload.
    """
    rng = random.Random(bits)
    shown, expected = [], []

    async def process(ctx):
        for cycle in range(cycles):
            chances = (offer, take) if cycle // 50 % 2 == 0 else (take, offer)
            valid, ready = (rng.random() < chance for chance in chances)
            payload = rng.getrandbits(bits)
            ctx.set(dut.i.valid, valid)
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.o.ready, ready)
            out_valid = ctx.get(dut.o.valid)
            shown.append((ctx.get(dut.i.ready), out_valid, out_valid and ctx.get(dut.o.payload)))
            output = model.output
            expected.append((model.room(ready), output is not None, output or 0))
            model.tick(payload if valid else None, ready)
            await ctx.tick()

    run_testbenches(dut, process)
    return shown, expected


@pytest.mark.parametrize("depth", [2, 4, 8])
@pytest.mark.parametrize("bits", [5, 600])
@pytest.mark.parametrize(("offer", "take"), CHANCES)
def test_shows_what_a_list_and_a_register_would(depth, bits, offer, take):
    dut = StreamQueue(bits, depth=depth)

    shown, expected = run(dut, ListAndRegister(depth), bits=bits, offer=offer, take=take)

    assert shown == expected
    assert sum(valid for _, valid, _ in shown) > 20


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(("offer", "take"), CHANCES)
def test_shows_what_registers_in_a_row_would(depth, offer, take):
    dut = RegisterQueue(7, depth=depth)

    shown, expected = run(dut, Registers(depth), bits=7, offer=offer, take=take)

    assert shown == expected
    assert sum(valid for _, valid, _ in shown) > 20
