"""Which convolutions only move pixels, and which pixel each output is."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.frontend import load_onnx
from accelgen.ir.onehot import moves_pixels, phase_weight, single_taps
from tests.helpers.nets import make_net, node

MOVE = np.zeros((4, 3, 2, 2), np.float32)
MOVE[[0, 1, 2, 3], [2, 0, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]] = 1


def of(weight, bias=0.0, **how):
    constants = {"w": weight, "b": np.full(len(weight), bias, np.float32)}
    graph = load_onnx(make_net(node("Conv", "x w b", **how), constants)).graph
    return graph, graph.nodes[0]


def test_taps_of_a_dense_and_of_a_group_convolution():
    assert single_taps(*of(MOVE)).tolist() == [[0, 0, 2], [1, 0, 0], [1, 1, 0], [0, 1, 1]]

    shift = np.zeros((3, 1, 3, 3), np.float32)
    shift[[0, 1, 2], 0, [0, 1, 2], [2, 1, 0]] = 1
    assert single_taps(*of(shift, group=3)).tolist() == [[0, 2, 0], [1, 1, 1], [2, 0, 2]]


@pytest.mark.parametrize("weight", [2 * MOVE, -MOVE, MOVE + MOVE[::-1], MOVE * [[[[1]]]] * 0])
def test_other_weights_move_nothing(weight):
    assert single_taps(*of(weight.astype(np.float32))) is None


def test_a_bias_is_no_move_and_nor_is_a_scale_per_channel():
    assert single_taps(*of(MOVE, 0.5)) is None
    assert moves_pixels(*of(MOVE))
    assert not moves_pixels(*of(np.ones((3, 1, 1, 1), np.float32), group=3))


def test_phases_of_a_block():
    weight = phase_weight(3, (2, 2), [(0, 0), (1, 0)])

    assert weight.shape == (6, 2, 2, 3)
    assert np.argwhere(weight).tolist() == [
        [0, 0, 0, 0], [1, 0, 0, 1], [2, 0, 0, 2], [3, 1, 0, 0], [4, 1, 0, 1], [5, 1, 0, 2],
    ]  # fmt: skip


def test_depth_to_space_moves_pixels_as_its_windows_have_one_each():
    graph = load_onnx(
        make_net(node("DepthToSpace", "x", blocksize=2), shape=(1, 12, 3, 4))
    ).graph  # fmt: skip
    insert, conv = graph.nodes

    assert single_taps(graph, conv) is None
    assert moves_pixels(graph, conv)
    wider = replace(conv, op=replace(conv.op, stride=(2, 2)))
    assert not moves_pixels(graph, wider)
    other = replace(graph, nodes=(replace(insert, op=replace(insert.op, factor=(1, 2))), conv))
    assert not moves_pixels(other, conv)
