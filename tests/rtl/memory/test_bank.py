"""Bank: described, in block RAM and in UltraRAM, it does the same: old data where both ports meet.

The model is an array. Addresses come from a few, so that the ports meet all the time, among them
the ends of the pieces of which a depth is made.
"""

import random

import pytest
from cocotb.triggers import FallingEdge

from accelgen.rtl.memory.bank import Bank
from accelgen.rtl.memory.ram_cells import BLOCK, ULTRA
from accelgen.rtl.primitives import Primitives
from tests.helpers.bench import part_test, settings
from tests.helpers.clock import start_clock
from tests.helpers.simulate import simulate_all

FORMS = {"described": (None, False), "block": (Primitives(), False), "ultra": (Primitives(), True)}
#: Width and depth. Block RAM: every shape of a cell, one to three pieces.
SIZES = {
    "described": [(40, 9), (10, 7000)],
    "block": [(40, 9), (40, 1024), (20, 3072), (10, 7000), (6, 10240), (3, 20000), (2, 32768)],
    "ultra": [(40, 1024), (10, 7000), (80, 8193)],
}


@pytest.mark.parametrize("form", SIZES)
def test_both_ports_see_what_was_there(form, tmp_path):
    primitives, ultra = FORMS[form]
    parts = {
        f"bank{width}x{depth}": (
            Bank(width, depth, row_reads=True, ultra=ultra), {"width": width, "depth": depth}
        )
        for width, depth in SIZES[form]
    }  # fmt: skip

    simulate_all(parts, __name__, tmp_path, primitives=primitives)


def test_pieces_are_powers_of_two_and_hold_the_depth():
    assert [(p.start, p.depth) for p in BLOCK.pieces(5120)] == [(0, 4096), (4096, 1024)]
    assert [(p.start, p.depth) for p in BLOCK.pieces(6145)] == [
        (0, 4096), (4096, 2048), (6144, 1024),
    ]  # fmt: skip
    assert [p.start for p in ULTRA.pieces(16384)] == [0, 4096, 8192, 12288]
    for depth in range(16, 32769, 401):
        for cell in (BLOCK, ULTRA):
            pieces = cell.pieces(depth)
            units = sum(p.depth for p in pieces) // cell.rows
            assert units == -(-depth // cell.rows)
            assert all(p.start % p.depth == 0 and p.depth.bit_count() == 1 for p in pieces)


@part_test()
async def every_read_is_of_the_old_word(dut):
    given = settings()
    width, depth = given["width"], given["depth"]
    rng = random.Random(width)
    ends = [n + d for n in rng.sample(range(1024, 32768, 1024), 6) for d in (-1, 0)]
    others = [0, 1, depth - 2, depth - 1, *(rng.randrange(depth) for _ in range(4))]
    pool = sorted({address for address in ends + others if address < depth})
    await start_clock(dut)
    stored, due, compared = {}, {}, 0

    for cycle in range(len(pool) + 2000):
        filling = cycle < len(pool)
        run_en, row_en = not filling and rng.random() < 0.8, filling or rng.random() < 0.8
        write = filling or rng.random() < 0.4
        row = pool[cycle] if filling else rng.choice(pool)
        run = row if rng.random() < 0.3 else rng.choice(pool)
        data = rng.getrandbits(width)
        dut.run_en.value, dut.run_addr.value = int(run_en), run
        dut.row_en.value, dut.row_write.value = int(row_en), int(write)
        dut.row_addr.value, dut.row_wdata.value = row, data
        if run_en:
            due[cycle + 2, "run_rdata"] = stored[run]
        if row_en and not write:
            due[cycle + 2, "row_rdata"] = stored[row]
        if row_en and write:
            stored[row] = data
        for port in ("run_rdata", "row_rdata"):
            if (cycle, port) in due:
                compared += 1
                assert int(getattr(dut, port).value) == due.pop((cycle, port)), (cycle, port)
        await FallingEdge(dut.clk)

    assert compared > 2000
