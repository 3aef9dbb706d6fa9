"""RowReader: every row of a map once, in order, and no more asked for than there is room for."""

import random

import pytest

from accelgen.arch import timing
from accelgen.rtl.memory.row_reader import RowReader
from tests.helpers.arches import BENCH as ARCH
from tests.helpers.testbench import run_testbenches

MAPS = [
    {"base": 7, "stride": 20, "groups": 3, "rows": 13},
    {"base": 100, "stride": 1, "groups": 5, "rows": 1},
    {"base": 0, "stride": 0, "groups": 1, "rows": 1},
    {"base": 65530, "stride": 9, "groups": 2, "rows": 5},
]


def run_maps(*, grant, accept, slow=False, seed=0):
    """Rows that left per map; each row carries its feature row, and the cycles they left in."""
    dut = RowReader(lanes=ARCH.lanes, row=ARCH.pixels, slow=slow)
    chance = random.Random(seed)
    rows, cycles = [], []

    async def bench(ctx):
        answers = {}
        cycle = 0
        for settings in MAPS:
            left = []
            for name, value in settings.items():
                ctx.set(getattr(dut, name), value)
            ctx.set(dut.start, 1)
            assert ctx.get(dut.idle)
            while not left or not ctx.get(dut.idle):
                ctx.set(dut.request.ready, chance.random() < grant)
                ctx.set(dut.o.ready, chance.random() < accept)
                if ctx.get(dut.request.valid & dut.request.ready):
                    answers[cycle + timing.FEATURE_READ_LATENCY] = ctx.get(dut.request.payload)
                answer = answers.pop(cycle, None)
                ctx.set(dut.data.valid, answer is not None)
                if answer is not None:
                    low = [answer % 256 - 128, answer // 256 - 128, 0, 0]
                    ctx.set(dut.data.payload, [low] + [[0] * 4] * 3)
                if ctx.get(dut.o.valid & dut.o.ready):
                    word = ctx.get(dut.o.payload)[0]
                    left.append((word[0] + 128) + 256 * (word[1] + 128))
                    cycles.append(cycle)
                await ctx.tick()
                cycle += 1
                # What follows the start is of no interest any more: it was latched.
                ctx.set(dut.start, 0)
                ctx.set(dut.rows, 9)
                ctx.set(dut.base, 1234)
                assert cycle < 5000, "not idle"
            rows.append(left)

    run_testbenches(dut, bench)
    return rows, cycles


def expected_rows():
    return [
        [
            (m["base"] + g * m["stride"] + r) % 65536
            for g in range(m["groups"])
            for r in range(m["rows"])
        ]
        for m in MAPS
    ]


def test_a_row_per_cycle_when_nothing_waits():
    rows, cycles = run_maps(grant=1.0, accept=1.0)

    assert rows == expected_rows()
    assert cycles[38] - cycles[0] == 38


def test_registers_hold_enough_for_a_row_in_four_cycles():
    rows, cycles = run_maps(grant=1.0, accept=1.0, slow=True)

    assert rows == expected_rows()
    assert cycles[38] - cycles[0] <= 3 * 38


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(("grant", "accept"), [(0.3, 1.0), (1.0, 0.2), (0.5, 0.5)])
def test_in_order_under_stalls(grant, accept, slow):
    rows, _ = run_maps(grant=grant, accept=accept, slow=slow)

    assert rows == expected_rows()
