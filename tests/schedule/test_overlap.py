"""Cycles of a step's tiles: by hand, side by side, and as the engine of events has them."""

import random
from dataclasses import replace
from statistics import mean

import pytest

from accelgen.arch import overhead
from accelgen.arch.presets import PRESETS
from accelgen.cost import Memory
from accelgen.estimator.timeline import timeline
from accelgen.schedule import schedule
from accelgen.schedule.overlap import Pace, TileCost, overlapped_cycles
from accelgen.schedule.plan import cuts
from tests.helpers.int8_nets import Int8Net


def tile(**values):
    nothing = {"loads": 0, "stores": 0, "weights": 0, "first_weights": 0, "engines": 0}
    return TileCost(**nothing | values)


def memory_of(rate, *, duplex=False):
    """45 cycles of latency."""
    return Memory(bytes_per_cycle=rate, latency_cycles=45, duplex=duplex)


def cycles(tiles, rate, *, duplex=False):
    """Of a step alone."""
    return overlapped_cycles([tiles], [memory_of(rate, duplex=duplex)], PACE)[0, 0]


#: To the first command; a LOAD's latency and end; an EXEC's begin, the next one's, and end; a
#: STORE's begin, and right behind another.
LATENCY = overhead.LOAD_HEAD_CYCLES + 45
FETCH = overhead.PROGRAM_START_CYCLES + LATENCY
LOADED = overhead.LOAD_TAIL_CYCLES
BEGIN, NEXT, END = 26, 5, 34
PACE = Pace(begin=BEGIN, next=NEXT, end=END)
STORE, STORE_NEXT = overhead.STORE_HEAD_CYCLES, overhead.STORE_NEXT_CYCLES
COMMANDS = 1024


def test_overlapped_cycles_by_hand():
    # Commands beside a load of 1,000 bytes, work, a store: one after another.
    alone = tile(loads=1000, engines=500, stores=2000)
    load = FETCH + LATENCY + LOADED + 100 + (COMMANDS - 10 * (LATENCY + LOADED)) / 10
    one = load + BEGIN + 500 + END + STORE + 200
    assert cycles([alone], 10) == pytest.approx(one)
    # The second tile's load is behind the first one's work, and its work behind the store.
    two = cycles([alone, alone], 10)
    assert two == pytest.approx(one + NEXT + 500)


def test_buffers_hold_tiles_up():
    work = {"loads": 1000, "engines": 1000, "stores": 1000}
    free = cycles([tile(**work) for _ in range(3)], 10)
    one_in = cycles([tile(**work, reuses=i - 1) for i in range(3)], 10)
    one_out = cycles([tile(**work, restores=i - 1) for i in range(3)], 10)

    # A load waits for the end of the tile before, then shares the memory with its store.
    alone = END + LATENCY + LOADED + 100 - NEXT
    assert free + 2 * alone < one_in < free + 2 * (alone + 100)
    assert one_out == pytest.approx(free + 2 * (END + STORE + 100))


def test_transfers_share_the_memory():
    weights = tile(loads=1000, weights=1000, first_weights=500, engines=10)
    behind = cycles([weights], 10)

    # Commands and weights through one port, the load through another: 2,000 bytes and those.
    assert behind == pytest.approx(FETCH + LATENCY + 250 + BEGIN + 10 + END, rel=0.1)


def test_stores_of_a_duplex_memory_take_nothing_from_loads():
    tiles = [tile(loads=1000, engines=50, stores=1000) for _ in range(8)]
    shared, duplex = (cycles(tiles, 10, duplex=d) for d in (False, True))

    assert shared > 2 * 8 * 100
    assert duplex < 8 * 110 + 500


def test_an_engine_waits_for_its_weights_on_the_way():
    slow, fast = (tile(engines=1000, weights=w, first_weights=100) for w in (20_000, 5_000))

    assert cycles([slow], 10) > 2000
    assert cycles([fast], 10) < 1400


def test_what_is_left_when_the_last_weights_have_come_is_a_groups_work():
    large, small = (
        cycles([tile(engines=1000, weights=20_000, first_weights=w)], 10) for w in (10_000, 2_000)
    )

    assert large - small == pytest.approx(500 - 100)


def test_steps_side_by_side_take_what_each_takes_alone():
    rng = random.Random(7)
    steps = [
        [
            tile(
                loads=rng.choice((0, 3000)), engines=rng.randint(10, 4000), weights=weights,
                stores=rng.choice((0, 16, 9000)), first_weights=weights // rng.randint(1, 8),
                reuses=max(-1, i - 2), restores=max(-1, i - 3),
            )
            for i in range(rng.randint(1, 16))
            for weights in [rng.choice((0, 500, 20_000))]
        ]
        for _ in range(50)
    ]  # fmt: skip
    rates = 10, 16

    together = overlapped_cycles(steps, [memory_of(r) for r in rates], PACE)

    assert together.tolist() == [[cycles(tiles, r) for r in rates] for tiles in steps]


def test_commands_come_when_few_steps_wait():
    """Those of many tiles are not in the way of the second one's weights."""
    first, second = tile(engines=500), tile(engines=100, weights=4000, first_weights=4000)
    few, many = ([first, second] + [tile(engines=100)] * n for n in (2, 40))

    assert cycles(many, 10) - cycles(few, 10) == pytest.approx(38 * (100 + NEXT))


#: Memories: slow and far, as the Ultra96's, wide, one that reads while it writes.
MEMORIES = (
    Memory(bytes_per_cycle=8, latency_cycles=150, write_latency_cycles=40),
    Memory(bytes_per_cycle=13.15),
    Memory(bytes_per_cycle=57.6),
    Memory(bytes_per_cycle=16, duplex=True),
)
#: The most that the look-ahead is off by: of one plan a share and cycles, and in the mean.
MOST_ERROR, MOST_CYCLES, MEAN_ERROR = 0.06, 50, 0.013


def drawn_step(rng):
    """A network of one step."""
    side, channels, outputs = (
        rng.choice((7, 14, 20, 28)),
        rng.choice((8, 16, 40, 96)),
        rng.choice((16, 64, 128)),
    )
    net = Int8Net((side, side, channels))
    kind = rng.choice(("1x1", "3x3", "depthwise", "both", "pool"))
    if kind == "1x1":
        net.conv(net.x, outputs)
    elif kind == "3x3":
        net.conv(net.x, outputs, (3, 3), pads=(1, 1, 1, 1))
    elif kind == "depthwise":
        net.depthwise(net.x)
    elif kind == "both":
        net.depthwise(net.conv(net.x, outputs))
    else:
        net.max_pool(net.x, (2, 2), (2, 2))
    return net.graph()


def looked_ahead(work, tiling, gaps, arch, memories, *, rng):
    """The cycles of one of the search's cuts, drawn, and its tiling."""
    search = cuts._Search(work, frozenset(tiling.buffers), gaps, arch, memories)
    fitting = [f for f in search.rated([*search.even(), *search.ramped()]) if f is not None]
    rating, cut = rng.choice(fitting)
    return rating[0], search.tiling(cut, rating, tiling.cost)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_look_ahead_s_cycles_are_the_engine_s(monkeypatch, preset):
    """Of the same plan, a cut of the search drawn, whose program the engine of events runs without
    this model. It counts what comes after the last STORE's bytes besides."""
    rng = random.Random(3)
    looked = []

    def searched(*asked):
        cycles, tiling = looked_ahead(*asked, rng=rng)
        looked.append(cycles)
        return tiling

    monkeypatch.setattr(cuts, "_searched", searched)
    arch = replace(PRESETS[preset], acc_bits=32)
    errors = []
    for number in range(32):
        monkeypatch.setattr(cuts, "_found", {})
        looked.clear()
        memory = MEMORIES[number % len(MEMORIES)]
        program = schedule(drawn_step(rng), arch, memory)
        assert len(program.steps) == 1
        engine = timeline(program, memory).cycles
        answered = memory.write_latency_cycles + overhead.WRITE_TURN_CYCLES + 1
        cycles = looked[-1] + answered + overhead.PROGRAM_END_CYCLES
        assert abs(cycles - engine) <= MOST_ERROR * engine + MOST_CYCLES, (number, cycles, engine)
        errors.append(cycles / engine - 1)

    assert abs(mean(errors)) <= MEAN_ERROR
