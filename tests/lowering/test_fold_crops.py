"""A cut before a convolution is where the convolution begins."""

import numpy as np
import pytest

from accelgen.golden import interpret
from accelgen.ir.ops import QConv2d
from accelgen.lowering.fold_crops import fold_crops
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

CUT = (-2, -1, 0, -3)


def cut_net(kernel=(3, 3), pads=(0, 0, 1, 0), stride=(1, 1), cut=CUT, groups=1):
    net = Int8Net((12, 15, 6))
    cropped = net.max_pool(net.conv(net.x, 20), kernel=(1, 1), stride=(1, 1), pads=cut)
    return net, net.conv(cropped, 20, kernel=kernel, pads=pads, stride=stride, groups=groups)


@pytest.mark.parametrize("arch", [SMALL, LARGE])
@pytest.mark.parametrize(
    "how", [{}, {"groups": 20}, {"kernel": (1, 1), "pads": (0,) * 4}, {"stride": (2, 1)}]
)
def test_pads_are_negative_and_programs_match_golden(arch, how):
    net, y = cut_net(**how)
    x = net.input()[None]

    folded = fold_crops(net.graph())

    assert [type(n.op) for n in folded.nodes] == [QConv2d, QConv2d]
    assert folded.nodes[1].op.pads[:2] == (-2, -1)
    np.testing.assert_array_equal(interpret(folded, x)[y], interpret(net.graph(), x)[y])
    program = schedule(net.graph(y), arch, keep_all=True)
    assert_matches_golden(program, net.input(), shuffles=(None, 1))


@pytest.mark.parametrize(
    "how",
    [
        {"pads": (1, 0, 0, 0)},  # zeros stand where pixels were cut
        {"stride": (1, 2)},  # the map might be stored in phases
        {"cut": (-2, 1, 0, 0)},  # it pads as well, with what is no zero
    ],
)
def test_other_windows_stay(how):
    net, _ = cut_net(**how)

    assert fold_crops(net.graph()).nodes == net.graph().nodes


def test_map_that_others_read_is_cut():
    net, y = cut_net()
    cropped = net.nodes[1].output

    graph = net.graph(y, cropped)

    assert fold_crops(graph).nodes == graph.nodes
