"""Shifts of groups of channels, as exported, are one depthwise convolution."""

import numpy as np
import pytest

from accelgen.passes import run_passes
from accelgen.passes.fuse_shifts import fuse_shifts
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights
from tests.passes.graphs import apply, kinds

SIZE = 8


def shifted(offsets, *, cut_first=False, channels=6, order=None):
    """Nodes and constants: ``a`` is split, each part moved by its (down, across), all joined."""
    parts = [f"p{i}" for i in range(len(offsets))]
    nodes = [node("Relu", "x", "a"), node("Split", "a n", " ".join(parts), axis=1)]
    share = channels // len(offsets)
    constants = {"n": np.full(len(offsets), share), "axes": np.array([2, 3])}
    for part, (down, across) in zip(parts, offsets, strict=True):
        before, after = [max(0, -down), max(0, -across)], [max(0, down), max(0, across)]
        constants[f"{part}p"] = np.array([0, 0, *before, 0, 0, *after])
        first, last = f"{part}f", f"{part}l"
        constants[first] = np.array(after)
        end = [SIZE + b + a if not cut_first else SIZE for b, a in zip(before, after, strict=True)]
        constants[last] = np.array([e - b for e, b in zip(end, before, strict=True)])
        steps = [("Pad", f"{part}p"), ("Slice", f"{first} {last} axes")]
        seen = part
        for kind, given in steps[:: -1 if cut_first else 1]:
            nodes.append(node(kind, f"{seen} {given}", f"{seen}_"))
            seen += "_"
    joined = [f"{part}__" for part in (order or parts)]
    return [*nodes, node("Concat", " ".join(joined), "s", axis=1)], constants


def graph_of(*given, channels=6, **how):
    nodes, constants = shifted(*given, channels=channels, **how)
    nodes.append(node("Conv", "s w"))
    constants["w"] = weights(4, channels, 1, 1)
    return nodes, constants


@pytest.mark.parametrize("cut_first", [False, True])
@pytest.mark.parametrize(
    "offsets", [[(1, 0), (-1, 0), (0, 1)], [(0, -1), (0, 0)], [(2, -3), (0, 0), (-1, 1)]]
)
def test_shift_is_a_depthwise_convolution(offsets, cut_first):
    nodes, constants = graph_of(offsets, cut_first=cut_first)

    graph, _ = assert_computes_the_same(make_net(nodes, constants, shape=(1, 6, SIZE, SIZE)))
    fused = run_passes(graph)

    assert kinds(fused) == ["clip", "Conv2d", "Conv2d"]
    reach = max(abs(n) for offset in offsets for n in offset)
    move = fused.nodes[1]
    assert move.op.kernel == (2 * reach + 1,) * 2
    assert move.op.groups == 6
    assert np.count_nonzero(fused.constants[move.inputs[1]]) == 6


@pytest.mark.parametrize(
    ("offsets", "how"),
    [
        ([(8, 0), (0, 0)], {}),  # further than a kernel reaches
        ([(1, 0), (0, 1)], {"order": ["p1", "p0"]}),  # another order of the channels
        ([(0, 0), (0, 0)], {}),  # nothing moves
    ],
)
def test_what_is_no_shift_stays(offsets, how):
    nodes, constants = graph_of(offsets, **how)

    after = apply(fuse_shifts, nodes, constants, shape=(1, 6, SIZE, SIZE))

    assert "Concat" in kinds(after)


def test_maps_that_lose_pixels_are_no_shifts():
    """Moved by a row, but two are cut and one is padded again: a row is gone."""
    constants = {
        "n": np.array([3, 3]), "f": np.array([2]), "e": np.array([8]), "axes": np.array([2]),
        "p": np.array([0, 0, 1, 0, 0, 0, 1, 0]), "w": weights(4, 6, 1, 1),
    }  # fmt: skip
    nodes = [
        node("Split", "x n", "a b", axis=1), node("Slice", "a f e axes", "c"),
        node("Pad", "c p", "d"), node("Concat", "d b", "s", axis=1), node("Conv", "s w"),
    ]  # fmt: skip

    after = apply(fuse_shifts, nodes, constants, shape=(1, 6, 8, 8))

    assert "Concat" in kinds(after)
