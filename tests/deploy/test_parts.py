"""A package with the PS in its middle: the driver goes from part to part."""

import json
import shutil

import pytest

from accelgen.arch import PRESETS
from accelgen.deploy.board.selftest import Selftest
from accelgen.deploy.driver import Accelerator, DriverError
from accelgen.flow import packages
from accelgen.golden.arith import quantize_array
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.program.places import two_places
from accelgen.schedule import schedule_parts
from tests.deploy.test_package import written
from tests.helpers.fake_board import CommandBoard, FakeBoard
from tests.helpers.int8_nets import Int8Net
from tests.helpers.parts_net import package_in_parts
from tests.schedule.test_ps_between import a_gate, a_pyramid, normalized


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return package_in_parts(tmp_path_factory.mktemp("parts") / "package")


@pytest.fixture
def board(built):
    compiled = built[0]
    places = two_places(compiled.parts, compiled.model.graph.model_outputs())
    return FakeBoard(compiled.parts[0], places)


@pytest.fixture
def accelerator(built, board):
    with Accelerator(board, built[1]) as made:
        made.load()
        yield made


def is_right(built, x, got):
    graph = built[0].model.graph
    q = quantize_array(x.transpose(1, 2, 0)[None], graph.tensors[graph.input].quantization)
    want = model_outputs(graph, interpret(graph, q))
    return got.keys() == want.keys() and all(got[n].tobytes() == want[n].tobytes() for n in want)


def test_frames_go_through_all_parts_in_order(built, accelerator, board):
    results = list(accelerator.run_many(built[2]))

    assert all(is_right(built, x, got) for x, got in zip(built[2], results, strict=True))
    assert board.parts == [0, 1, 2] * len(built[2])
    assert board.frames == [0, 0, 0, 1, 1, 1] * (len(built[2]) // 2)


def test_two_frames_may_wait_to_be_collected(built, accelerator):
    for place in (0, 1):
        accelerator.put(built[2][place], place)
    accelerator.start(0)
    accelerator.turn(1)
    accelerator.wait()

    for place in (0, 1, 0):
        assert is_right(built, built[2][place], accelerator.collect(place))


def test_done_goes_on_until_the_last_part_is(built, accelerator, board):
    accelerator.put(built[2][0])
    accelerator.start(0)
    looks = 0
    while not accelerator.done():
        looks += 1
    accelerator.wait()

    assert board.parts == [0, 1, 2]
    assert looks >= 2
    assert is_right(built, built[2][0], accelerator.collect(0))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_fault_in_any_part_ends_the_frame(built, accelerator, board, part):
    board.fault, board.fault_part = "read_response", part

    with pytest.raises(DriverError, match="AXI error: a read was refused"):
        accelerator.run(built[2][0])
    assert board.parts == list(range(part))
    with pytest.raises(DriverError, match="recover"):
        accelerator.start(0)
    accelerator.recover()

    assert is_right(built, built[2][1], accelerator.run(built[2][1]))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_that_does_not_end_is_a_time_out(built, accelerator, board, part):
    def after_part():
        board.looks = 1 if len(board.parts) < part else None

    accelerator.after_part = after_part
    board.looks = 1 if part else None
    accelerator.put(built[2][0])
    accelerator.start(0)

    with pytest.raises(DriverError, match=r"not done after 0\.5 s"):
        accelerator.wait(0.5)
    assert board.parts == list(range(part))
    accelerator.after_part, board.looks = None, 1
    accelerator.recover()

    assert is_right(built, built[2][2], accelerator.run(built[2][2]))


def test_only_what_crosses_goes_through_the_cache(built, accelerator, board):
    """Everything read was dropped first, everything written is cleaned: and nothing else."""
    board.buffer.log.clear()
    accelerator.run(built[2][0])
    first, second, third = board.places.parts

    def spans(part, tensors):
        found = {p.tensor: (p.offset, p.size_bytes) for p in (*part.inputs[0], *part.outputs[0])}
        return {found[t] for t in tensors}

    names = [{p.tensor for p in part.inputs[0]} for part in (second, third)]
    written = spans(first, {p.tensor for p in first.inputs[0]})
    written |= spans(second, names[0] - second.there) | spans(third, names[1] - third.there)
    log = {"flush": set(), "invalidate": set()}
    for what, *span in board.buffer.log:
        log[what].add(tuple(span))
    assert second.there == {"skip"}
    assert log["flush"] == written
    assert log["invalidate"] <= {
        (p.offset, p.size_bytes) for part in board.places.parts for p in part.outputs[0]
    }


def test_the_manifest_says_the_order(built):
    manifest = json.loads((built[1] / "manifest.json").read_text())

    steps = [[step["node"] for step in part["ps_steps"]] for part in manifest["parts"]]
    assert steps == [["product", "pooled"], ["resized"], ["logits.join", "y"]]
    written = [[place["tensor"] for place in part["written"]] for part in manifest["parts"]]
    assert written == [[], ["product", "pooled"], ["resized"]]
    assert manifest["program_offsets"] == manifest["parts"][0]["program_offsets"]
    assert manifest["format"] == 3


def test_a_package_in_parts_is_opened_again(built):
    compiled, verilog = packages.open_package(built[1])

    assert verilog is None
    assert [p.image for p in compiled.parts] == [p.image for p in built[0].parts]


def test_the_selftest_compares_every_part(built, accelerator):
    said = []

    Selftest(accelerator, built[1]).frame(said.append)

    manifest = json.loads((built[1] / "manifest.json").read_text())
    assert {row["part"] for row in manifest["layers"]} == {0, 1, 2}
    assert {row["tensor"] for row in manifest["expected"]} == {
        p.tensor for part in built[0].parts for p in part.outputs
    }
    assert said == []


def begins_on_the_ps():
    net = Int8Net((6, 5, 8), seed=5)
    return net, net.graph(net.conv(net.bilinear(net.x, 9, 11), 20)), 2


def input_in_two_orders():
    """The first part reads the input folded, the second as it is: the processor turns it."""
    net = Int8Net((6, 8, 3), seed=7)
    up = net.bilinear(net.conv(net.x, 21, kernel=(2, 2), stride=(2, 2)), 6, 8)
    return net, net.graph(net.conv(net.concat(up, net.x), 12)), 2


@pytest.mark.parametrize(
    "make", [a_pyramid, a_gate, normalized, begins_on_the_ps, input_in_two_orders]
)
@pytest.mark.usefixtures("accelerator")  # the library is built
def test_the_commands_of_all_parts_run_where_they_were_moved(built, tmp_path, make):
    net, graph, count = make()
    parts = schedule_parts(graph, PRESETS["small"])
    where = written(tmp_path, None, parts=parts, views=graph.model_outputs())
    shutil.copytree(built[1] / "ps" / "build", where / "ps" / "build")  # one library for all
    x = [net.input() for _ in range(3)]
    wants = [model_outputs(graph, interpret(graph, one[None])) for one in x]

    places = two_places(parts, graph.model_outputs())
    with Accelerator(CommandBoard(parts[0], places), where) as made:
        made.load()
        for want, got in zip(wants, made.run_many(x), strict=True):
            assert got.keys() == want.keys()
            assert all(got[n].tobytes() == want[n].tobytes() for n in want)

    assert len(parts) == count


def test_maps_stay_where_a_later_part_finds_them_in_its_order():
    _, graph, _ = a_pyramid()
    parts = schedule_parts(graph, PRESETS["small"])

    places = two_places(parts, graph.model_outputs())

    assert [part.there for part in places.parts] == [set(), {"conv2d0:0"}, {"conv2d8:0"}]
    for k in (0, 1):
        held = {}
        for part in places.parts:
            for p in part.inputs[k]:
                if p.tensor in part.there:
                    assert p.offset == held[p.tensor]
                held.setdefault(p.tensor, p.offset)
            held |= {p.tensor: p.offset for p in part.outputs[k]}
