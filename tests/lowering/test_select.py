"""QSelects become orders of channels: the same outputs, and no copy where none is needed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.golden import interpret
from accelgen.ir.ops import QConcat, QConv2d, QSelect
from accelgen.lowering.reorder import resolve_selects
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

ARCHES = {"small": SMALL, "large": LARGE}


def shuffled(net, x, groups):
    c = net.dims(x)[2]
    return net.select(x, np.arange(c).reshape(groups, -1).T.ravel().tolist())


def unit(net, x):
    """ShuffleNetV2's: half passes, half is computed, and both are shuffled."""
    half = net.dims(x)[2] // 2
    passed, y = net.select(x, range(half)), net.select(x, range(half, 2 * half))
    y = net.conv(net.depthwise(net.conv(y, half)), half)
    return shuffled(net, net.concat(passed, y), 2)


def shuffle_net(units, half=10, side=5):
    net = Int8Net((side, side, 3))
    x = shuffled(net, net.concat(net.conv(net.x, half), net.conv(net.x, half)), 2)
    for _ in range(units):
        x = unit(net, x)
    down = net.concat(
        net.conv(net.depthwise(x, stride=(2, 2)), 9),
        net.conv(net.depthwise(net.conv(x, 9), stride=(2, 2)), 9),
    )
    return net, net.conv(shuffled(net, down, 2), 12)


def copies(graph):
    """Convolutions that only copy."""
    return [n for n in graph.nodes if n.name.endswith(".copy")]


def assert_same(net, graph):
    """The rewritten graph has no QSelect and the outputs of the first. Returns it."""
    x = net.input()[None]
    resolved = resolve_selects(graph)
    assert not any(isinstance(n.op, QSelect) for n in resolved.nodes)
    want, got = interpret(graph, x), interpret(resolved, x)
    for name in graph.outputs:
        np.testing.assert_array_equal(got[name], want[name], name)
    return resolved


@pytest.mark.parametrize("units", [0, 1, 2, 5])
def test_units_of_a_shufflenet_move_nothing(units):
    net, _ = shuffle_net(units)

    resolved = assert_same(net, net.graph())

    assert not copies(resolved)
    # Not in the end either: every part lies in the one place it is read from.
    program = schedule(net.graph(), SMALL)
    assert not [n for n in program.graph.nodes if "copy" in n.name or "repacked" in n.name]


def mixed(parts=2, side=5, channels=24):
    """MixNet's: convolutions side by side, a table of all, depthwise side by side, a vector times
    all, convolutions side by side."""
    net = Int8Net((side, side, 3))
    x = net.conv(net.x, 2 * parts * 4)
    half = net.dims(x)[2] // 2
    y = net.concat(
        net.conv(net.select(x, range(half)), channels),
        net.conv(net.select(x, range(half, 2 * half)), channels),
    )
    y, share = net.table(y), 2 * channels // parts
    y = net.table(net.concat(*(
        net.depthwise(net.select(y, range(i * share, (i + 1) * share))) for i in range(parts)
    )))  # fmt: skip
    y = net.scale(y, net.conv(net.gap(y), 2 * channels))
    y = net.concat(
        net.conv(net.select(y, range(channels)), 6),
        net.conv(net.select(y, range(channels, 2 * channels)), 6),
    )
    return net, net.conv(y, 5)


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_convolutions_side_by_side_copy_nothing_they_can_skip(parts):
    net, _ = mixed(parts)

    resolved = assert_same(net, net.graph())

    assert not copies(resolved)


@pytest.mark.parametrize("arch", ARCHES)
def test_programs_of_convolutions_side_by_side_match_golden(arch):
    net, _ = mixed(3, side=6, channels=21)
    program = schedule(net.graph(), ARCHES[arch], keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("half", [4, 7, 29])
def test_programs_match_golden(arch, half):
    net, y = shuffle_net(3, half, side=6)
    program = schedule(net.graph(), ARCHES[arch], keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))
    assert program.outputs[0].tensor == y


def test_half_of_a_map_read_and_joined_again():
    net = Int8Net((6, 5, 4))
    y = net.conv(net.x, 24)
    one, two = net.select(y, range(12)), net.select(y, range(12, 24))
    net.conv(net.concat(one, two, net.conv(two, 8)), 6)

    resolved = assert_same(net, net.graph())

    assert not copies(resolved)
    assert sum(isinstance(n.op, QConcat) for n in resolved.nodes) == 1


def test_tables_and_pools_before_a_split_are_made_in_parts():
    net = Int8Net((6, 6, 4))
    y = net.max_pool(net.table(net.conv(net.x, 24)))
    net.add(net.conv(net.select(y, range(5)), 6), net.conv(net.select(y, range(5, 24)), 6))

    assert not copies(assert_same(net, net.graph()))


def test_what_works_lane_by_lane_takes_any_order():
    net = Int8Net((6, 6, 4))
    y = shuffled(net, net.concat(net.conv(net.x, 10), net.conv(net.x, 14)), 4)
    y = net.gap(net.table(net.max_pool(net.depthwise(y))))
    net.conv(y, 6)

    assert not copies(assert_same(net, net.graph()))


CASES = {
    "output": lambda net, y: shuffled(net, y, 4),
    "input": lambda net, y: net.conv(net.select(net.x, (2, 0)), 5),
    "add": lambda net, y: net.add(net.select(y, range(12)), net.select(y, range(12, 24))),
    "group convolution": lambda net, y: net.conv(shuffled(net, y, 3), 8, groups=4),
    "a channel twice": lambda net, y: net.conv(net.select(y, (3, 5, 3)), 8),
    "a channel twice, lane by lane": lambda net, y: net.table(net.select(y, (3, 5, 3))),
    "whole as well": lambda net, y: net.concat(net.conv(net.select(y, (1, 7)), 4), net.conv(y, 5)),
    "whole in a concat": lambda net, y: net.concat(net.conv(net.select(y, (1, 7)), 4), y),
    "of a sum": lambda net, y: net.conv(net.select(net.add(y, y), (1, 7)), 4),
    "excited": lambda net, y: net.squeeze_excite(shuffled(net, y, 2), 4),
    "reordered, then in parts": lambda net, y: net.conv(
        net.select(net.table(shuffled(net, y, 2)), range(3, 9)), 4
    ),
    "select of a select": lambda net, y: net.conv(net.select(shuffled(net, y, 2), range(9)), 4),
    "upsampled": lambda net, y: net.conv(net.upsample(shuffled(net, y, 2)), 4),
}


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("case", CASES)
def test_other_readers(case, arch):
    net = Int8Net((5, 6, 4))
    y = CASES[case](net, net.conv(net.x, 24))
    graph = net.graph(y)

    assert_same(net, graph)
    assert_matches_golden(schedule(graph, ARCHES[arch], keep_all=True), net.input())


def test_graphs_without_are_left_alone():
    net = Int8Net((5, 5, 3))
    net.concat(net.conv(net.x, 3), net.conv(net.x, 4))
    graph = net.graph()

    assert resolve_selects(graph) is graph


def test_names_tell_what_order_a_tensor_has():
    net, _ = shuffle_net(2)
    graph = net.graph()

    resolved = assert_same(net, graph)

    x = net.input()[None]
    want, got = interpret(graph, x), interpret(resolved, x)
    for name in want.keys() & got.keys():
        np.testing.assert_array_equal(got[name], want[name], name)
    assert all(isinstance(n.op, QConv2d | QConcat) for n in resolved.nodes)


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_selects_of_any_maps(data):
    net = Int8Net((3, 4, data.draw(st.integers(1, 9))), data.draw(st.integers(0, 999)))
    made = [net.x]
    for _ in range(data.draw(st.integers(2, 9))):
        x = made[-1 - data.draw(st.integers(0, min(2, len(made) - 1)))]
        kind = data.draw(st.sampled_from(["select", "concat", "conv", "table", "dw", "add"]))
        c = net.dims(x)[2]
        if kind == "select":
            count = data.draw(st.integers(1, c))
            channels = data.draw(st.permutations(range(c)))[:count]
            made.append(net.select(x, channels))
        elif kind == "concat":
            made.append(net.concat(x, data.draw(st.sampled_from(made))))
        elif kind == "conv":
            made.append(net.conv(x, data.draw(st.integers(1, 9))))
        elif kind == "add":
            other = data.draw(st.sampled_from([t for t in made if net.dims(t)[2] == c]))
            made.append(net.add(x, other))
        else:
            made.append(net.table(x) if kind == "table" else net.depthwise(x))
    outputs = dict.fromkeys([made[-1], data.draw(st.sampled_from(made[1:]))])
    graph = net.graph(*outputs)

    assert_same(net, graph)
    if any(not isinstance(n.op, QSelect | QConcat) for n in graph.nodes):
        assert_matches_golden(schedule(graph, SMALL, keep_all=True), net.input())
