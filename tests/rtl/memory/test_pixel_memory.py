"""PixelMemory: any run of P pixels, aligned rows, both at once, against a flat array."""

import numpy as np
import pytest

from accelgen.arch import ArchParams, timing
from accelgen.rtl.memory.pixel_memory import PixelMemory
from tests.helpers.testbench import run_testbenches


@pytest.mark.parametrize(
    ("pixels", "depth"), [(1, 8), (2, 16), (4, 16), (4, 11), (8, 32), (16, 8), (32, 4)]
)
def test_runs_and_rows(pixels, depth):
    arch = ArchParams(
        lanes=16 if pixels == 1 else 8, pixels=pixels, chain_pixels=1, pe_mode="single"
    )
    dut = PixelMemory(lanes=arch.lanes, pixels=pixels, depth=depth)
    rng = np.random.default_rng(pixels)
    wraps = depth.bit_count() == 1
    stored = rng.integers(-128, 128, (depth, pixels, arch.lanes))
    expected_runs, expected_rows = {}, {}
    compared = []

    async def bench(ctx):
        ctx.set(dut.row_en, 1)
        ctx.set(dut.row_write, -1)
        for row in range(depth):
            ctx.set(dut.row_addr, row)
            ctx.set(dut.row_wdata, stored[row].tolist())
            await ctx.tick()
        for cycle in range(300):
            # A run from anywhere, in a row or in a phase of pairs of rows, ...
            phases = int(rng.integers(2)) if pixels > 1 and depth % 2 == 0 else 0
            row = int(rng.integers(0, depth if wraps else depth - 1))
            slot = int(rng.integers(0, pixels))
            swapped = pixels // 2 if phases and row % 2 else 0
            en = bool(rng.integers(4))
            ctx.set(dut.run.en, en)
            ctx.set(dut.run.row, row)
            ctx.set(dut.run.bank, slot ^ swapped)
            ctx.set(dut.run.phases, phases)
            wanted = rng.integers(2, size=pixels) | int(rng.integers(2))
            ctx.set(dut.run.wanted, sum(int(w) << n for n, w in enumerate(wanted)))
            # ... which reaches the RAM a cycle later: after this cycle's write.
            access = rng.choice(["read", "write", "none"])
            address = int(rng.integers(0, depth))
            new = rng.integers(-128, 128, (pixels, arch.lanes))
            ctx.set(dut.row_en, access != "none")
            ctx.set(dut.row_write, -int(access == "write"))
            row_phases = int(rng.integers(2)) if depth % 2 == 0 else 0
            ctx.set(dut.row_addr, address)
            ctx.set(dut.row_phases, row_phases)
            ctx.set(dut.row_wdata, new.tolist())
            # Each bank's row: the upper half's is the other of the pair.
            rows = np.full(pixels, address)
            if pixels > 1:
                rows[pixels // 2 :] ^= row_phases
            banks = np.arange(pixels)
            if access == "read":
                expected_rows[cycle + timing.ROW_LATENCY] = stored[rows, banks].copy()
            elif access == "write":
                stored[rows, banks] = new
            if en:
                slots = slot + np.arange(pixels)
                rows = row + slots // pixels * (1 + phases)
                run = stored[rows % depth, slots % pixels ^ swapped]
                expected_runs[cycle + timing.run_latency(pixels)] = run * wanted[:, None]

            for expected, port in ((expected_runs, dut.run.data), (expected_rows, dut.row_rdata)):
                if cycle in expected:
                    data = ctx.get(port)
                    got = [[data[p][c] for c in range(arch.lanes)] for p in range(pixels)]
                    assert got == expected.pop(cycle).tolist()
                    compared.append(cycle)
            await ctx.tick()

    run_testbenches(dut, bench)
    assert len(compared) > 200
