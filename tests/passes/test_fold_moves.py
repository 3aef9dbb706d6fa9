"""What only moves pixels becomes part of the convolution behind it."""

import numpy as np
import pytest

from accelgen.passes.fold_moves import fold_moves
from tests.helpers.nets import node, weights
from tests.passes.graphs import apply, kinds

DEPTH = node("SpaceToDepth", "x", "a", blocksize=2)


def after(conv, shape, reader=None, **how):
    nodes = [DEPTH, reader or node("Conv", "a w", **how)]
    return apply(fold_moves, nodes, {"w": conv}, shape=shape)


@pytest.mark.parametrize(
    ("kernel", "how", "wanted"),
    [
        (3, {"pads": [1, 1, 1, 1]}, ((6, 6), (2, 2), (2, 2, 2, 2))),
        (3, {"pads": [0, 1, 2, 1], "strides": [2, 1]}, ((6, 6), (4, 2), (0, 2, 4, 2))),
        (1, {"dilations": [2, 2]}, ((2, 2), (2, 2), (0, 0, 0, 0))),
    ],
)
def test_space_to_depth_is_part_of_the_convolution(kernel, how, wanted):
    graph = after(weights(5, 12, kernel, kernel), (1, 3, 12, 8), **how)

    (conv,) = graph.nodes
    assert (conv.op.kernel, conv.op.stride, conv.op.pads) == wanted
    assert conv.sources == ("SpaceToDepth_0", "Conv_1")


@pytest.mark.parametrize(
    ("conv", "how"),
    [
        (weights(5, 12, 3, 3), {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),  # not one kernel
        (weights(12, 1, 3, 3), {"group": 12}),  # an output reads its channel alone
        (weights(5, 12, 8, 8), {"pads": [4, 4, 4, 4]}),  # 16 x 16: no raster has it
    ],
)
def test_what_makes_no_window_stays_apart(conv, how):
    assert kinds(after(conv, (1, 3, 16, 16), **how)) == ["Conv2d", "Conv2d"]


def test_map_that_others_read_stays():
    nodes = [
        DEPTH, node("Conv", "a w", "b", pads=[1, 1, 1, 1]), node("Concat", "a b", axis=1)
    ]  # fmt: skip

    graph = apply(fold_moves, nodes, {"w": weights(4, 12, 3, 3)})

    assert kinds(graph) == ["Conv2d", "Conv2d", "Concat"]


def test_blocks_that_leave_pixels_over_are_not_folded_under_padding():
    """Their last row lies where the second convolution reads zeros."""
    move = np.zeros((4, 3, 2, 2), np.float32)
    move[[0, 1, 2, 3], [0, 1, 2, 0], [0, 1, 1, 1], 0] = 1
    nodes = [
        node("Conv", "x m", "a", strides=[2, 2]), node("Conv", "a w", pads=[0, 0, 1, 1]),
    ]  # fmt: skip
    constants = {"m": move, "w": weights(5, 4, 3, 3)}

    odd = apply(fold_moves, nodes, constants, shape=(1, 3, 9, 9))
    even = apply(fold_moves, nodes, constants, shape=(1, 3, 8, 8))

    assert [len(odd.nodes), len(even.nodes)] == [2, 1]
