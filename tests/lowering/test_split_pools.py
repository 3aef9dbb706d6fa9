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
def test_computes_the_same(size, pool):
    net, y, graph = pooled(size, **pool)
    x = net.input()

    changed = split_pools(graph, FEW)

    pools = [n for n in changed.nodes if isinstance(n.op, QMaxPool)]
    assert len(pools) > 1
    assert all(n.op.kernel[0] * n.op.kernel[1] <= 8 for n in pools)
    assert [n.op.stride for n in pools[:-1]] == [(1, 1)] * (len(pools) - 1)
    want, got = interpret(graph, x[None])[y], interpret(changed, x[None])[y]
    np.testing.assert_array_equal(got, want)


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
