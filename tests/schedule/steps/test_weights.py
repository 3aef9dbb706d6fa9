"""Weight streams are what isa.WEIGHTS describes, byte for byte."""

import struct

import numpy as np

from accelgen.ir.ops import QConv2d
from accelgen.lowering.storage import lay_out
from accelgen.program import Weights
from accelgen.schedule.steps.fuse import fuse
from accelgen.schedule.steps.weights import GroupWindow, group_window, step_weights
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import prepared_for


def weights_of(net, index=-1):
    prepared, storages = lay_out(prepared_for(net.graph()), SMALL)
    chain = fuse(prepared)[index]
    window = group_window(chain, prepared.graph, storages, SMALL.lanes)
    return step_weights(chain, prepared.graph, storages, window, SMALL), window, prepared.graph


def params(data):
    """(bias, multiplier, shift) of each channel."""
    for (word,) in struct.iter_unpack("<Q", data):
        bias = word & 0xFFFFFFFF
        yield bias - ((bias >> 31) << 32), word >> 32 & 0x1FFFF, word >> 49


def test_array_stream_is_parameters_then_words():
    net = Int8Net((4, 4, 6), seed=3)
    net.conv(net.x, 5, (1, 2))

    weights, window, graph = weights_of(net)
    _, w, b, m, s = (graph.constants.get(i) for i in graph.nodes[0].inputs)

    assert window == GroupWindow(2, 0, 1)
    assert weights.fields == Weights(params1=True, weight_words=4)
    second = weights.blocks[1].tobytes()
    gap = (0, 0, 1)
    assert list(params(second[:32])) == [(b[4], m[4], s[4]), gap, gap, gap]
    words = np.frombuffer(second[32:], np.int8).reshape(2, 2, 4, 4)  # tap, group, output, input
    assert (words[1, 1, 0] == [*w[4, 0, 1, 4:].tolist(), 0, 0]).all()
    assert not words[:, :, 1:].any()


def test_tables_lead_and_taps_fill_beats():
    net = Int8Net((4, 4, 6), seed=4)
    net.table(net.depthwise(net.table(net.conv(net.x, 6))))

    weights, _, graph = weights_of(net)
    tables = [graph.constants[graph.nodes[i].inputs[1]] for i in (1, 3)]
    taps = graph.constants[graph.nodes[2].inputs[1]]

    assert weights.tables == b"".join(t.tobytes() for t in tables)
    assert (weights.fields.taps, weights.fields.tap_beats) == (9, 3)
    block = weights.blocks[0].tobytes()
    got = np.frombuffer(block[64 : 64 + 48], np.int8)
    assert (got[:36].reshape(9, 4) == taps[:4].reshape(4, 9).T).all()
    assert not got[36:].any()
    assert len(block) == 32 + 32 + 48 + 2 * 16
    assert weights.stream(1, 2) == weights.tables + weights.blocks[1].tobytes()
    assert weights.stream_bytes(2) == len(weights.stream(0, 2))


def test_average_pool_is_taps_of_ones():
    net = Int8Net((4, 4, 3), seed=5)
    net.avg_pool(net.x)

    weights, _, graph = weights_of(net)
    op = graph.nodes[0].op

    block = weights.blocks[0].tobytes()
    assert next(params(block)) == (-4 * op.input_zero, op.multiplier, op.shift)
    assert np.frombuffer(block[32:], np.int8).reshape(4, 4).tolist() == [[1, 1, 1, 0]] * 4


def test_groups_that_line_up_read_only_their_own_words():
    net = Int8Net((4, 4, 16))
    net.conv(net.x, 24, groups=2)

    _, window, _ = weights_of(net)

    assert window == GroupWindow(2, 2, 3)


def test_depthwise_multiplier_reads_one_word():
    net = Int8Net((4, 4, 8))
    net.conv(net.x, 24, groups=8)

    _, window, _ = weights_of(net)

    assert window == GroupWindow(1, 1, 3)


def test_groups_that_do_not_line_up_are_covered():
    net = Int8Net((4, 4, 15))
    net.conv(net.x, 15, groups=3)

    weights, window, graph = weights_of(net)
    op = graph.nodes[0].op

    assert isinstance(op, QConv2d)
    assert window.groups < 4
    # Every weight is there exactly once.
    words = weights.blocks[:, 32:].view(np.int8)
    constant = graph.constants[graph.nodes[0].inputs[1]]
    assert sorted(words[words != 0].tolist()) == sorted(constant[constant != 0].tolist())
