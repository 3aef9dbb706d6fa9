"""Max pools of many taps become smaller ones, and compute the same."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden import interpret
from accelgen.ir.ops import QMaxPool
from accelgen.lowering.split_pools import split_pools
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

#: Pools of up to eight taps.
FEW = replace(LARGE, tap_words=16)
#: The same memory where taps are stored in pairs: a column of nine fills more than half of it.
PAIRS = replace(FEW, window_taps=2)


def pooled(size, **pool):
    net = Int8Net((*size, 5))
    y = net.max_pool(net.conv(net.x, 5), **pool)
    return net, y, net.graph(y)


@pytest.mark.parametrize("size", [(14, 17), (9, 4)])
@pytest.mark.parametrize(
    "pool",
    [
        {"kernel": (5, 5), "stride": (1, 1), "pads": (2, 2, 2, 2)},
        {"kernel": (5, 4), "stride": (2, 3), "pads": (4, 3, 0, 1)},
        {"kernel": (9, 1), "stride": (1, 2), "pads": (8, 0, 8, 0)},
        {"kernel": (3, 3), "stride": (2, 1), "dilation": (2, 3), "pads": (1, 5, 3, 2)},
        {"kernel": (9, 4), "stride": (3, 1), "pads": (0, 0, 0, 0)},
        {"kernel": (13, 13), "stride": (1, 1), "pads": (6, 6, 6, 6)},
    ],
    ids=str,
)
@pytest.mark.parametrize("arch", [FEW, PAIRS], ids=["one tap", "two"])
def test_computes_the_same(size, pool, arch):
    net, y, graph = pooled(size, **pool)
    x = net.input()

    changed = split_pools(graph, arch)

    pools = [n for n in changed.nodes if isinstance(n.op, QMaxPool)]
    assert len(pools) > 1
    assert all(arch.stored_taps(n.op.kernel) <= arch.tap_words // 2 for n in pools)
    whole = pool["kernel"] == size
    assert [n.op.stride for n in pools[:-1]] == [
        n.op.kernel if whole else (1, 1) for n in pools[:-1]
    ]
    want, got = interpret(graph, x[None])[y], interpret(changed, x[None])[y]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("size", [(16, 16), (23, 17), (47, 1), (61, 67)])
def test_whole_maps_are_pooled_by_blocks(size):
    net, y, graph = pooled(size, kernel=size, stride=(1, 1), pads=(0, 0, 0, 0))
    x = net.input()

    changed = split_pools(graph, LARGE)

    pools = [n.op for n in changed.nodes if isinstance(n.op, QMaxPool)]
    assert 1 < len(pools) < 4
    assert all(max(op.kernel) <= 15 for op in pools)
    np.testing.assert_array_equal(interpret(changed, x[None])[y], interpret(graph, x[None])[y])
    assert_matches_golden(schedule(graph, SMALL), x)


#: With a side that no kernel has, and a rectangle of as many pixels whose sides one has.
FOLDED = [(20, 1), (2, 24), (16, 5), (1, 30), (18, 10)]


@pytest.mark.parametrize("size", FOLDED)
@pytest.mark.parametrize("before", ["nothing", "1x1", "3x3", "stride"])
@pytest.mark.parametrize("kind", ["max", "depthwise"])
def test_a_map_that_is_taken_as_another_rectangle(size, before, kind):
    """All of it, whatever its rows are: 20 x 1 was 10 rows of two, of which 10 rows of one were
    made (the fuzzer's seed 29, case 341)."""
    stride = 2 if before == "stride" else 1
    net = Int8Net((size[0] * stride, size[1] * stride, 5))
    y = net.x
    if before != "nothing":
        side = 3 if before == "3x3" else 1
        y = net.conv(y, 5, (side, side), (stride, stride), pads=(side // 2,) * 4)
    y = net.max_pool(y, size, (1, 1)) if kind == "max" else net.conv(y, 5, size, groups=5)
    graph = net.graph(net.conv(y, 7))

    for arch in (LARGE, SMALL):
        arch = replace(arch, tap_words=max(arch.tap_words, 1024))
        assert_matches_golden(schedule(graph, arch), net.input())


def test_what_no_split_makes_small_enough_is_left():
    *_, graph = pooled((9, 9), kernel=(3, 3), stride=(1, 1), pads=(0, 0, 0, 0))

    assert split_pools(graph, replace(LARGE, tap_words=2)).nodes == graph.nodes


@pytest.mark.parametrize("arch", [LARGE, SMALL])
def test_a_program_of_an_spp(arch):
    net, _, graph = pooled((13, 13), kernel=(13, 13), stride=(1, 1), pads=(6, 6, 6, 6))

    assert_matches_golden(schedule(graph, arch, keep_all=True), net.input())


def test_leaves_others_alone():
    """A pool that fits, and one that cuts its map."""
    _, _, fits = pooled((9, 9), kernel=(2, 4), stride=(1, 1))
    _, _, cuts = pooled((9, 9), kernel=(3, 3), stride=(1, 1), pads=(-1, 0, 0, 0))

    assert split_pools(fits, FEW).nodes == fits.nodes
    assert split_pools(cuts, FEW).nodes == cuts.nodes
