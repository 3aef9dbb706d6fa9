"""The accumulator join passes on the beats of the queue it is told to."""

import cocotb
import numpy as np
from amaranth import Shape
from cocotb.triggers import FallingEdge

from tests.helpers.bench import bench_arch, part_test
from tests.helpers.blocks import acc_join, accumulator_beat
from tests.helpers.clock import start_clock
from tests.helpers.simulate import simulate_archs
from tests.helpers.streams import StreamSink, StreamSource

CONFIGURATIONS = {
    "single": {"lanes": 4, "pixels": 4, "chain_pixels": 2, "pe_mode": "single"},
    "double": {"lanes": 4, "pixels": 8, "chain_pixels": 8, "pe_mode": "double"},
}


def test_acc_join(tmp_path):
    simulate_archs(CONFIGURATIONS, acc_join, __name__, tmp_path)


@part_test(timeout_time=100, timeout_unit="us")
async def beats_of_the_one_selected(dut):
    arch = bench_arch()
    bits = Shape.cast(accumulator_beat(arch)).width
    rng = np.random.default_rng(1)
    await start_clock(dut, zero=["i0__valid", "i1__valid", "o__ready", "select"])

    for select in (0, 1, 0):
        beats = [int.from_bytes(rng.bytes(bits // 8 + 1)) >> 8 - bits % 8 for _ in range(20)]
        dut.select.value = select
        getattr(dut, f"i{1 - select}__payload").value = 0
        for _ in range(2):
            await FallingEdge(dut.clk)
        cocotb.start_soon(StreamSource(dut, f"i{select}", stall=0.3).send(*beats))
        assert await StreamSink(dut, "o", stall=0.3).receive(len(beats)) == beats
