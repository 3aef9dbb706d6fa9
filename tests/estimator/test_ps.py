"""PL, PS and crossings in a frame's time."""

from dataclasses import replace

import onnx
import pytest

import accelgen
from accelgen.arch import PRESETS
from accelgen.boards import load_board
from accelgen.estimator import estimate
from accelgen.estimator.ps import estimate_ps
from accelgen.ir.views import Choice
from accelgen.program.places import turned_maps, two_places
from accelgen.ps.loops import read_costs
from accelgen.ps.model import PsModel
from accelgen.schedule import schedule_parts
from tests.deploy.test_parts import begins_on_the_ps, input_in_two_orders
from tests.helpers.int8_nets import Int8Net
from tests.helpers.parts_net import parts_model
from tests.schedule.test_ps_between import a_gate, a_pyramid, normalized

SMALL = PRESETS["small"]
BOARD = load_board("ultra96v2")
MODEL = PsModel()
#: Between two frames: interrupt, start, and what the driver does then.
TURN = 1e-6 * (10 + 5 + MODEL.turn_us)


def parts_of(*, fc=True, se=False, classes=1000):
    net = Int8Net((16, 16, 8), seed=1)
    x = net.conv(net.x, 16)
    for _ in range(2):
        x = net.conv(net.squeeze_excite(net.depthwise(x), 8), 16)
    graph = net.graph(net.softmax(net.fc(net.gap(x), classes)))
    return schedule_parts(graph, SMALL, fc_on_ps=fc, se_on_ps=se)


def test_a_tail_overlaps_the_next_frame():
    ps = estimate_ps(parts_of(), pl_seconds=1e-3)

    assert [k.op for k in ps.kernels] == ["hand over", "layout", "Conv2d", "Softmax"]
    assert [k.op for k in ps.input_kernels] == ["quantize", "layout"]
    assert [(c.part, c.to) for c in ps.crossings] == [(0, "pl"), (0, "ps")]
    assert ps.waits == (0, pytest.approx(TURN))
    assert ps.period_seconds == pytest.approx(1e-3 + TURN)
    assert ps.bound == "pl"
    assert ps.overlapped_bytes == sum(k.ddr_bytes for k in ps.kernels)


def test_a_tail_that_takes_longer_binds():
    ps = estimate_ps(parts_of(), pl_seconds=1e-6)

    assert ps.bound == "ps"
    rest = ps.kernel_seconds + ps.crossing_seconds + 1e-6 * MODEL.driver_us
    assert ps.period_seconds == ps.ps_seconds == pytest.approx(rest)


def test_the_tail_is_hidden_as_long_as_the_pl_does_not_wait_for_it():
    """Beside the PL's frame and the turn between two, in which nothing else is done."""
    tail = estimate_ps(parts_of(), 1e-6).ps_seconds

    assert estimate_ps(parts_of(), tail - 0.9 * TURN).hidden
    assert estimate_ps(parts_of(), tail - 0.9 * TURN).bound == "pl"
    assert not estimate_ps(parts_of(), tail - 1.1 * TURN).hidden


def test_inputs_are_made_ready_in_a_thread_of_their_own():
    """Floats of a large picture take longer than all else; only then they bind."""
    (program,) = parts_of(classes=8)
    large = replace(program.input, shape=(512, 512, 3), groups=1, stride=512 * 512 * 8)
    kind = replace(program.graph.tensors[program.graph.input], shape=(1, 512, 512, 3))
    graph = replace(program.graph, tensors={**program.graph.tensors, program.graph.input: kind})

    ps = estimate_ps((replace(program, input=large, graph=graph),), pl_seconds=1e-6)

    assert ps.period_seconds == ps.input_seconds > ps.kernel_seconds + ps.crossing_seconds
    assert ps.bound == "ps"
    # 4 bytes in and 1 out, and the map: more than the second-level cache holds.
    assert ps.overlapped_bytes > 512 * 512 * 3 * 5


def test_the_drivers_own_time_is_part_of_the_frame():
    slow = replace(MODEL, driver_us=5000, turn_us=40)

    assert estimate_ps(parts_of(), 1e-6, slow).ps_seconds > 5e-3
    assert estimate_ps(parts_of(), 1e-2, slow).period_seconds == pytest.approx(1e-2 + 55e-6)


def test_outputs_become_floats():
    net = Int8Net((16, 16, 8), seed=1)
    graph = net.graph(net.conv(net.x, 24))

    ps = estimate_ps(schedule_parts(graph, SMALL), 1e-3)

    assert [k.op for k in ps.kernels] == ["hand over", "layout", "output"]
    assert all(k.seconds > 0 for k in ps.kernels)


def test_the_largest_is_found_of_integers_or_of_what_is_real_anyway():
    net = Int8Net((16, 16, 8), seed=1)
    y = net.conv(net.x, 24)
    plain = net.graph(y)
    (view,) = plain.model_outputs()
    index = replace(view, name="top", dtype="int64", choice=Choice(axis=1))

    def ops(*views):
        ps = estimate_ps(schedule_parts(replace(plain, views=views), SMALL), 1e-3)
        return {k.op: k.seconds for k in ps.kernels}

    alone, beside = ops(index), ops(index, view)

    assert list(alone) == ["hand over", "layout", "ArgMax"]
    assert list(beside) == ["hand over", "layout", "output", "ArgMax"]
    # Channels lie side by side: one after the other. Pixels do not: sixteen columns at once.
    rows = replace(index, choice=Choice(axis=2))
    for op, kernel in ((alone, "choose_int8"), (ops(rows), "choose_columns")):
        cycles = 16 * 16 * 24 * read_costs()[kernel].cycles_per_unit + MODEL.call_cycles
        assert op["ArgMax"] == pytest.approx(cycles / (MODEL.core_mhz * 1e6))


def test_crossings_bind_when_they_take_longest():
    model = replace(MODEL, interrupt_us=5000)

    assert estimate_ps(parts_of(), 1e-6, model).bound == "crossing"
    assert estimate_ps(parts_of(se=True), 1e-6, model).bound == "crossing"


def test_work_between_programs_holds_the_pl_up():
    parts = parts_of(se=True)
    ps = estimate_ps(parts, pl_seconds=1e-3)
    kernels, crossings = ps.waits
    between = [k for k in ps.kernels if k.part < 2]

    assert len(parts) == 3
    assert len(ps.crossings) == 6
    assert kernels == pytest.approx(sum(k.seconds for k in between))
    # Two blocks, there and back, and the turn between frames.
    moved = sum(c.bytes for c in ps.crossings[1:5])
    own = 2 * (15 + MODEL.part_us)
    assert crossings == pytest.approx(TURN + (own + moved * MODEL.cache_us_per_byte) * 1e-6)
    assert ps.period_seconds == pytest.approx(1e-3 + kernels + crossings)


def test_each_block_says_what_it_costs():
    ps = estimate_ps(parts_of(se=True), pl_seconds=1e-3)
    rows = ps.block_costs()

    assert len(rows) == 2
    kernels, crossings = ps.waits
    total = sum(r["kernels_us"] + r["layout_us"] for r in rows)
    assert total == pytest.approx(1e6 * kernels)
    there_and_back = sum(r["to_ps_us"] + r["to_pl_us"] for r in rows)
    assert there_and_back == pytest.approx(1e6 * (crossings - TURN))
    assert min(min(r[k] for k in r if k != "block") for r in rows) > 0


@pytest.mark.parametrize("classes", [100, 1000])
def test_weights_are_read_from_ddr_once_per_frame_however_small(classes):
    parts = parts_of(classes=classes)
    (fc,) = [k for k in estimate_ps(parts, 1e-3).kernels if k.op == "Conv2d"]

    # 16 inputs in a block of 32, in panels of 8 outputs; 12 bytes per output requantize them.
    assert fc.ddr_bytes == -(-classes // 8) * 8 * 32 + 12 * classes
    assert fc.seconds > fc.ddr_bytes / MODEL.core_rate * 1e-6


def test_what_the_processor_made_stays_in_its_cache_if_it_fits():
    kept = estimate_ps(parts_of(), 1e-3)
    loaded = estimate_ps(parts_of(), 1e-3, replace(MODEL, l2_bytes=100))

    assert [k.ddr_bytes for k in kept.kernels if k.op == "Softmax"] == [0]
    assert sum(k.ddr_bytes for k in kept.kernels) < sum(k.ddr_bytes for k in loaded.kernels)
    assert kept.kernel_seconds < loaded.kernel_seconds


def test_estimate_shows_all_three_and_what_binds():
    numbers = estimate(parts_of(se=True), BOARD, clock_mhz=100)
    json = numbers.to_dict("m")["ps"]

    assert json["pl_ms"] == pytest.approx(numbers.cycles / 100e3)
    assert json["frame_ms"] == pytest.approx(1e3 / numbers.fps)
    assert json["bound"] in ("pl", "ps", "crossing")
    assert len(json["se_blocks"]) == 2
    assert numbers.fps <= min(numbers.fps_pl, numbers.fps_ps)
    assert numbers.fps < numbers.fps_pl
    low, high = json["sensitivity_ms"]["interrupt_us"].values()
    # Three programs: three interrupts, 5 instead of 10 or 20 microseconds each.
    assert low == pytest.approx(json["frame_ms"] - 0.015)
    assert high == pytest.approx(json["frame_ms"] + 0.030)


def test_layers_of_all_parts_are_there_once_and_add_up():
    parts = parts_of(se=True)
    numbers = estimate(parts, BOARD)
    names = [layer.name for layer in numbers.layers]

    assert sorted(names) == sorted(n.name for p in parts for n in p.graph.nodes)
    assert {layer.engine for layer in numbers.layers if layer.op in ("Scale", "Softmax")} == {"ps"}


def test_the_processors_traffic_is_taken_from_the_pls_bandwidth():
    fast = replace(MODEL, core_rate=1e9, memory_rate=1e9)
    alone = estimate(parts_of(classes=8), BOARD, ps=fast)
    beside = estimate(parts_of(classes=4000), BOARD, ps=fast)

    assert alone.competing_bytes_per_cycle < beside.competing_bytes_per_cycle
    assert alone.cycles < beside.cycles


def test_a_processor_that_wants_all_of_the_memory_leaves_half():
    """It takes turns with the PL: estimating ends, however slow the memory is."""
    hardware = accelgen.target(preset="small", ddr_bytes_per_cycle=1)
    network = accelgen.compile("zoo:mobilenet_v2@32", hardware, fc_on="ps")

    numbers = accelgen.estimate(network, hardware)

    assert numbers.competing_bytes_per_cycle == 0.5
    assert numbers.cycles > 0


@pytest.mark.parametrize(
    "make", [a_pyramid, a_gate, normalized, begins_on_the_ps, input_in_two_orders]
)
def test_what_is_priced_between_parts_is_what_the_driver_does(make):
    """Maps turned and cleaned, part by part, as frame.bin has them."""
    _, graph, _ = make()
    parts = schedule_parts(graph, SMALL)
    places = two_places(parts, graph.model_outputs())

    ps = estimate_ps(parts, 1e-3)

    for i, turned in enumerate(turned_maps(places)):
        priced = [k.node for k in ps.kernels if k.part == i and k.op == "layout"]
        assert priced == [b[0].tensor for b in (*turned.read, *turned.written)]
        moved = {(c.part, c.to): c.bytes for c in ps.crossings}
        assert moved[i, "ps"] == sum(b[0].size_bytes for b in turned.read)
        if i + 1 < len(parts):
            assert moved[i + 1, "pl"] == sum(b[0].size_bytes for b in turned.written)
    outputs = {k.node for k in ps.kernels if k.op == "output"}
    assert outputs == {p.tensor for v in graph.model_outputs() for p in v.pieces}


def test_an_output_that_an_earlier_part_makes_is_priced(tmp_path):
    file = tmp_path / "parts.onnx"
    onnx.save(parts_model(), file)
    compiled = accelgen.compile(file, accelgen.target(preset="small"))

    ps = accelgen.estimate(compiled).ps

    names = {p.tensor for v in compiled.model.graph.model_outputs() for p in v.pieces}
    read = {k.node for k in ps.kernels if k.op == "layout"}
    assert "z" in names
    assert names - {s.output for part in compiled.parts for s in part.ps_steps} <= read
