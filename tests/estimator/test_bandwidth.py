"""The feature memory's row port, where rows of one beat pass it as fast as DDR moves them."""

import pytest

from accelgen import compile, target
from accelgen.cost.bandwidth import Bandwidth
from accelgen.estimator.timeline import timeline
from accelgen.flow.runs import ddr_settings
from accelgen.golden.arith import quantize_array
from accelgen.inputs.samples import random_samples
from accelgen.schedule import schedule
from accelgen.simulation.verilated import VerilatedSimulator
from tests.helpers.int8_nets import Int8Net


def test_parked_weights_get_the_rows_that_loads_leave():
    rates = Bandwidth(12, 16, row_bytes=14)

    assert rates(["parked"]) == {"parked": 14}
    assert rates(["parked", "load"]) == {"parked": 2, "load": 12}
    assert Bandwidth(12, 16, row_bytes=8)(["load"]) == {"load": 8}


def test_others_have_their_share_and_no_more():
    """Two ports that want all leave others a third, as the bench's memory does (sim/tb/ddr.sv)."""
    rates = Bandwidth(12, 16, competing=5)

    assert rates(["load"]) == {"load": 7}
    assert rates(["weights", "load"]) == {"weights": 4, "load": 4}
    assert Bandwidth(12, 16, competing=2)(["weights", "load"]) == {"weights": 5, "load": 5}


def test_what_stores_cannot_take_is_the_others():
    rates = Bandwidth(16, 16, row_bytes=4)(["weights", "load", "store"])

    assert rates["load"] == 4
    assert rates["store"] < 1e-3
    assert rates["weights"] == pytest.approx(12, abs=1e-3)


def test_loads_have_the_rows_that_the_datapath_leaves():
    bandwidth = Bandwidth(16, 16, row_bytes=16)
    bandwidth.taken = 0.5

    assert bandwidth(["load"]) == {"load": 8}
    assert bandwidth.is_tight
    assert not Bandwidth(16, 16, row_bytes=64).is_tight


def test_a_map_added_to_itself_while_the_next_band_is_loaded():
    """8,817 cycles simulated; 8,172 were estimated when adds took nothing of the row port."""
    hardware = target(preset="small")
    net = Int8Net((30, 32, 20))
    program = schedule(net.graph(net.conv(net.add(net.x, net.x), 5)), hardware.arch)
    x = net.input().reshape(program.input.shape)
    run = VerilatedSimulator(hardware.arch).run(
        program, {net.x: x}, settings=ddr_settings(hardware.memory)
    )

    line = timeline(program, hardware.memory)

    assert line.cycles == pytest.approx(run.cycles, rel=0.03)


@pytest.mark.slow
def test_a_network_whose_parked_weights_wait_for_loads():
    """MobileNetV2@32 on ``small``: 337,785 cycles simulated; 336,850 without the row port."""
    hardware = target(preset="small")
    compiled = compile("zoo:mobilenet_v2@32", hardware, fc_on="pl")
    program, graph = compiled.program, compiled.model.graph
    kind = graph.tensors[graph.input]
    x = quantize_array(random_samples(kind.shape, 0)[:1], kind.quantization)[0]
    simulator = VerilatedSimulator(hardware.arch)
    run = simulator.run(
        program,
        {program.input.tensor: x.reshape(program.input.shape)},
        settings=ddr_settings(hardware.memory),
    )

    line = timeline(program, hardware.memory)

    assert line.cycles == pytest.approx(run.cycles, rel=0.01)
    # Each step ends within 1 % of the frame. Those above 1,000 cycles take what was estimated,
    # within 5 %, but for those that begin between two loads: what one is short of, its neighbour
    # has too much of.
    before = 0.0, 0
    off = []
    for span, end in zip(line.spans, run.exec_cycles, strict=True):
        assert span.end == pytest.approx(end, abs=0.01 * run.cycles)
        guess, real = span.end - before[0], end - before[1]
        if real > 1000 and abs(guess / real - 1) > 0.05:
            off.append((guess, real))
        before = span.end, end
    assert len(off) <= 8
