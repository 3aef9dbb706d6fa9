"""BlockRing: blocks are read over and over, freed on their last use, and not a cycle earlier."""

import numpy as np
import pytest

from accelgen.rtl.memory.block_ring import BlockRing
from tests.helpers.testbench import run_testbenches

DEPTH = 16


def run_blocks(blocks, *, latency, stall, write_stall=None, seed=0):
    """Reads each (words, passes) block; returns the words read, the order, and the cycles taken."""
    dut = BlockRing(16, depth=DEPTH, latency=latency)
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << 16, sum(n for n, _ in blocks)).tolist()
    expected, at = [], 0
    for n, passes in blocks:
        expected += words[at : at + n] * passes
        at += n
    got, due, cycles = [], [], []

    async def write(ctx):
        for word in words:
            while rng.random() < (stall if write_stall is None else write_stall):
                await ctx.tick()
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def read(ctx):
        cycle = 0
        todo = [
            (n, last) for n, passes in blocks for last in [0] * (passes - 1) + [1] for _ in range(n)
        ]
        while todo or due:
            take = False
            if todo:
                ctx.set(dut.read.words, todo[0][0])
                ctx.set(dut.read.last_use, todo[0][1])
                take = cycle > 2 and ctx.get(dut.read.available) and rng.random() >= stall
            ctx.set(dut.read.take, take)
            if take:
                todo.pop(0)
                due.append(cycle + latency)
                cycles.append(cycle)
                # The settings of the next block are stable for a cycle before it is read.
            if due and due[0] == cycle:
                got.append(ctx.get(dut.read.word))
                due.pop(0)
            await ctx.tick()
            if take and todo and todo[0][0] != ctx.get(dut.read.words):
                ctx.set(dut.read.words, todo[0][0])
                ctx.set(dut.read.take, 0)
                cycle += 1
                if due and due[0] == cycle:
                    got.append(ctx.get(dut.read.word))
                    due.pop(0)
                await ctx.tick()
            cycle += 1
            assert cycle < 200 + 30 * len(expected), "the ring is stuck"

    run_testbenches(dut, write, read)
    return got, expected, cycles


@pytest.mark.parametrize("latency", [2, 3, 9])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_reads_blocks_in_order(latency, stall):
    blocks = [(3, 4), (16, 2), (1, 7), (1, 1), (5, 1), (15, 3), (2, 2), (2, 2)]

    got, expected, _ = run_blocks(blocks, latency=latency, stall=stall)

    assert got == expected


def test_a_block_used_once_may_exceed_the_ring():
    got, expected, cycles = run_blocks([(5 * DEPTH, 1)], latency=7, stall=0.0)

    assert got == expected
    assert cycles[-1] - cycles[0] == 5 * DEPTH - 1  # a word per cycle


@pytest.mark.parametrize("blocks", [[(60, 1)], [(1, 1)] * 60, [(2, 2)] * 20])
def test_a_slow_writer_is_waited_for(blocks):
    got, expected, _ = run_blocks(blocks, latency=2, stall=0.0, write_stall=0.6)

    assert got == expected


@pytest.mark.parametrize("seed", range(5))
def test_random_blocks(seed):
    rng = np.random.default_rng(seed)
    blocks = [(int(rng.integers(1, DEPTH + 1)), int(rng.integers(1, 4))) for _ in range(15)]

    got, expected, _ = run_blocks(blocks, latency=8, stall=float(rng.random()) * 0.8, seed=seed)

    assert got == expected


def test_kept_blocks_are_read_again_and_then_freed():
    """Two rounds that keep, one that frees, each of two sequences; then others in their place."""
    dut = BlockRing(16, depth=DEPTH, latency=3)
    rng = np.random.default_rng(3)
    words = rng.integers(0, 1 << 16, 12 + 3 * DEPTH).tolist()
    # Blocks of two words, read twice each: (sequence's first word, blocks, keep, rewind).
    sequences = [
        (0, 1, 0, 0), (2, 2, 1, 0), (6, 3, 1, 0), (2, 2, 1, 1), (6, 3, 1, 0), (2, 2, 0, 1),
        (6, 3, 0, 0), *((12 + n, 2, 0, 0) for n in range(0, 3 * DEPTH, 4)),
    ]  # fmt: skip
    expected, got, due, taken = [], [], [], []

    async def write(ctx):
        for word in words:
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            taken.append(word)
            ctx.set(dut.i.valid, 0)

    async def tick(ctx):
        await ctx.tick()
        due[:] = [(left - 1, n) for left, n in due]
        if due and due[0][0] == 0:
            got.append(ctx.get(dut.read.word))
            due.pop(0)

    async def read(ctx):
        ctx.set(dut.read.words, 2)
        for number, (first, blocks, keep, rewind) in enumerate(sequences):
            ctx.set(dut.read.keep, keep)
            ctx.set(dut.read.rewind, rewind)
            ctx.set(dut.read.begin, 1)
            await tick(ctx)
            ctx.set(dut.read.begin, 0)
            ctx.set(dut.read.keep, 1 - keep)  # the next sequence's, for all the ring cares
            await tick(ctx)
            await tick(ctx)
            for block in range(blocks):
                for use in range(4):
                    ctx.set(dut.read.last_use, use > 1)
                    while not ctx.get(dut.read.available):
                        await tick(ctx)
                    ctx.set(dut.read.take, 1)
                    due.append((3, number))
                    expected.append(words[first + 2 * block + use % 2])
                    await tick(ctx)
                    ctx.set(dut.read.take, 0)
            if keep:
                # All of the ring but what was freed is taken.
                for _ in range(2 * DEPTH):
                    await tick(ctx)
                assert len(taken) == 2 + DEPTH
        for _ in range(5):
            await tick(ctx)

    run_testbenches(dut, write, read, until=2e-3)
    assert got == expected
