"""The cycle model: sums by hand, limits of memory and caches, sensitivities."""

from dataclasses import fields, replace

import pytest

from accelgen.ps.loops import read_costs
from accelgen.ps.model import PsModel, Work, node_work, parameters, sensitivity
from tests.helpers.int8_nets import Int8Net

MODEL = PsModel()


def test_every_parameter_has_a_source():
    named = parameters(MODEL)

    assert {name for name, _, _ in named} == {f.name for f in fields(MODEL)}
    assert all(len(source) > 20 for _, _, source in named)


def test_a_fully_connected_layer_by_hand():
    net = Int8Net((1, 1, 1280))
    net.fc(net.x, 1000)
    graph = net.graph()
    work = node_work(graph.nodes[0], graph)
    costs = read_costs()

    assert work.constant_bytes == 1280 * 1000 + 12 * 1000
    assert work.map_bytes == 1280 + 1000
    assert work.cycles == pytest.approx(
        1280 * 1000 * costs["fc"].cycles_per_unit + 1000 * costs["requantize"].cycles_per_unit
    )
    assert work.parallel
    # 1.29 MB at 2 GB/s, and a fifth of what computing takes.
    compute = (work.cycles + MODEL.call_cycles) / MODEL.core_mhz
    memory = (work.constant_bytes + work.map_bytes) / MODEL.core_rate
    assert memory > compute
    assert MODEL.seconds(work) == pytest.approx((memory + 0.2 * compute) * 1e-6)


def test_narrow_layers_pay_for_whole_panels():
    def cycles(outputs, inputs):
        net = Int8Net((1, 1, inputs))
        net.fc(net.x, outputs)
        graph = net.graph()
        return node_work(graph.nodes[0], graph).constant_bytes - 12 * outputs

    assert cycles(8, 32) == cycles(1, 1) == 256
    assert cycles(9, 33) == 4 * 256


def test_threads_share_computing_until_memory_binds():
    work = Work(cycles=1.2e6, constant_bytes=1000, parallel=True)  # a millisecond
    four = replace(MODEL, threads=4)

    assert MODEL.seconds(work) == pytest.approx(1e-3, rel=1e-3)
    assert four.seconds(work) == pytest.approx(0.25e-3 + 8e-6, rel=1e-2)
    assert four.seconds(replace(work, parallel=False)) == MODEL.seconds(
        replace(work, parallel=False)
    )
    loads = replace(work, constant_bytes=39_440_000)
    assert four.seconds(loads) >= 10e-3  # 3,944 bytes per microsecond, however many cores


def test_crossings_by_hand():
    assert MODEL.to_pl_seconds(80_000) == pytest.approx((5 + 11) * 1e-6)
    assert MODEL.to_ps_seconds(0) == pytest.approx(10e-6)


def test_sensitivity_moves_one_parameter_at_a_time():
    seen = sensitivity(
        MODEL, lambda m: m.to_ps_seconds(0), ("interrupt_us", "launch_us", "overlap")
    )

    assert list(seen["interrupt_us"]) == ["5", "20"]
    assert list(seen["overlap"]) == ["0", "1"]
    assert list(seen["interrupt_us"].values()) == pytest.approx([5e-6, 20e-6])
    assert list(seen["launch_us"].values()) == pytest.approx([10e-6, 10e-6])


def test_what_the_library_does_not_have_is_no_work():
    net = Int8Net((4, 4, 8))
    net.max_pool(net.x)
    graph = net.graph()

    with pytest.raises(KeyError):
        node_work(graph.nodes[0], graph)
