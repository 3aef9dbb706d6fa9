"""Weight words beyond the ring: rows of one vector, words streamed for each, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.errors import ScheduleError
from accelgen.golden import interpret
from accelgen.ir.ops import QMaxPool
from accelgen.lowering.stream_words import stream_words
from accelgen.schedule import schedule
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

#: 3x3 over four channel groups are 36 words: more than the ring holds.
ARCH = replace(SMALL, weight_words=32)
CHANNELS = 4 * ARCH.lanes
P = ARCH.pixels
FORMS = {
    "narrow": ((5, P - 1), {"pads": (1, 1, 1, 1)}),
    "one vector": ((3, P), {"pads": (1, 1, 1, 1)}),
    "stride": ((6, P), {"stride": (2, 2), "pads": (1, 1, 1, 1)}),
    "no pads": ((5, P), {}),
    "dilated": ((6, P - 1), {"dilation": (2, 2), "pads": (2, 2, 2, 2)}),
    "odd stride": ((7, P - 1), {"stride": (2, 3), "pads": (0, 1, 1, 0)}),
    "two vectors": ((5, 2 * P), {"pads": (1, 1, 1, 1)}),
    "five vectors, not whole": ((4, 4 * P + 3), {"pads": (1, 1, 1, 1)}),
    "wide, of stride 2": ((6, 3 * P), {"stride": (2, 2), "pads": (1, 1, 1, 1)}),
    "wide, of stride 3": ((7, 5 * P), {"stride": (3, 3)}),
    "wide, dilated": ((6, 3 * P - 1), {"dilation": (2, 3), "pads": (2, 3, 2, 3)}),
    "wider than its map": ((3, P + 1), {"pads": (1, 2 * P, 1, P)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_programs_match_golden(form):
    size, more = FORMS[form]
    net = Int8Net((*size, CHANNELS))
    y = net.conv(net.x, 2 * ARCH.lanes + 1, kernel=(3, 3), **more)
    graph = net.graph(y)

    streamed = stream_words(graph, ARCH)
    x = net.input()[None]
    np.testing.assert_array_equal(interpret(streamed, x)[y], interpret(graph, x)[y])
    assert stream_words(streamed, ARCH).nodes == streamed.nodes
    assert_matches_golden(schedule(graph, ARCH, keep_all=True), net.input(), shuffles=(None, 1))


@pytest.mark.parametrize("rows", [2000, 400])
def test_in_a_network(rows):
    """Table, addition, pools and squeeze after it; maps that stay in the memory, and others."""
    arch = replace(ARCH, feature_rows=rows)
    net = Int8Net((9, P - 1, 6))
    a = net.conv(net.x, CHANNELS)
    b = net.table(net.conv(a, CHANNELS, kernel=(3, 3), pads=(1, 1, 1, 1)))
    c = net.max_pool(net.add(a, b), kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))
    d = net.conv(c, CHANNELS, kernel=(3, 3), pads=(1, 1, 1, 1))
    graph = net.graph(net.fc(net.gap(d), 5), b)

    assert_matches_golden(schedule(graph, arch), net.input())


def test_what_fits_stays():
    net = Int8Net((5, 5, 8))
    graph = net.graph(net.conv(net.x, 8, kernel=(3, 3)))

    assert stream_words(graph, ARCH).nodes == graph.nodes
    assert not any(isinstance(n.op, QMaxPool) for n in graph.nodes)


@pytest.mark.parametrize("rows", [2000, 300, 120])
def test_long_rows_in_a_network(rows):
    """An addition and a squeeze in its step; maps that stay in the memory, and others."""
    arch = replace(ARCH, feature_rows=rows)
    net = Int8Net((6, 3 * P, CHANNELS))
    a = net.conv(net.x, CHANNELS)
    b = net.add(a, net.conv(a, CHANNELS, kernel=(3, 3), pads=(1, 1, 1, 1)))
    c = net.table(net.conv(b, CHANNELS, kernel=(3, 3), pads=(1, 1, 1, 1)))
    graph = net.graph(net.gap(c), c)

    assert_matches_golden(schedule(graph, arch), net.input(), shuffles=(None, 1))


@pytest.mark.parametrize("width", [P, 2 * P])
def test_maps_read_with_a_stride_of_two_stay_in_order(width):
    """A map in phases has rows in pairs; a band of a single vector writes one."""
    net = Int8Net((6, width, CHANNELS))
    wide = net.conv(net.x, CHANNELS, kernel=(3, 3), pads=(1, 1, 1, 1))
    graph = net.graph(net.conv(wide, 3, kernel=(1, 1), stride=(2, 2)))

    assert_matches_golden(schedule(graph, ARCH), net.input())


def test_columns_beyond_the_raster_are_refused():
    """A vector's columns are skipped by negative padding, of nine bits."""
    net = Int8Net((3, 300, CHANNELS))
    graph = net.graph(net.conv(net.x, 8, kernel=(3, 3), pads=(1, 1, 1, 1)))

    with pytest.raises(ScheduleError, match="weight_words is 32: raise weight_words to 64"):
        schedule(graph, ARCH)
