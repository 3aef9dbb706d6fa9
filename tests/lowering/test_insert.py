"""Values between pixels are walks over rows longer than the map's: equal to the golden model."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.golden import interpret
from accelgen.ir.ops import QConv2d
from accelgen.lowering.insert import lower_inserts
from accelgen.program.raster import Walk, make_raster
from accelgen.schedule import schedule
from accelgen.simulation.functional_raster import walk
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden


@pytest.mark.parametrize("factor", [(1, 1), (1, 3), (2, 1), (2, 2), (4, 3)])
@pytest.mark.parametrize("channels", [1, 6, 7, 32])
def test_lowered_graph_computes_the_same(factor, channels):
    net = Int8Net((3, 4, channels))
    y = net.insert(net.x, factor, -77)
    x = net.input()[None]
    wanted = np.full((1, 3 * factor[0], 4 * factor[1], channels), -77, np.int8)
    wanted[:, :: factor[0], :: factor[1]] = x

    graph = net.graph()
    lowered = lower_inserts(graph, 8)

    assert all(isinstance(n.op, QConv2d) for n in lowered.nodes)
    np.testing.assert_array_equal(interpret(graph, x)[y], wanted)
    np.testing.assert_array_equal(interpret(lowered, x)[y], wanted)


@pytest.mark.parametrize("arch", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("size", "factor"),
    [((1, 1), (3, 3)), ((2, 7), (2, 1)), ((13, 13), (2, 2)), ((20, 33), (2, 3)), ((5, 4), (1, 9))],
)
def test_programs_match_golden(arch, size, factor):
    net = Int8Net((*size, 3))
    wide = net.insert(net.conv(net.x, 22), factor)
    odd = net.insert(net.conv(net.x, 11), factor, -128)
    y = net.conv(net.concat(wide, net.conv(wide, 6)), 5, kernel=(3, 3), pads=(1, 1, 1, 1))
    pooled = net.max_pool(odd, kernel=(2, 2), pads=(1, 1, 0, 0))
    program = schedule(net.graph(y, pooled, wide), arch, keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))


@pytest.mark.parametrize("rows", [260, 400])
def test_passes_through_a_small_memory_in_bands(rows):
    net = Int8Net((17, 19, 20))
    y = net.conv(net.insert(net.conv(net.x, 24), (2, 2)), 8, kernel=(3, 3), pads=(1, 1, 1, 1))
    arch = replace(SMALL, feature_rows=rows)
    program = schedule(net.graph(y), arch)

    assert_matches_golden(program, net.input())


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 5), (7, 16), (6, 34)])
@pytest.mark.parametrize("pixels", [1, 4, 8])
@pytest.mark.parametrize("across", [True, False])
def test_raster_walks_pixels_and_what_is_between(size, pixels, across):
    """Lanes that are kept and inside the map are its pixels in order, the rest lies between."""
    height, width = size
    run = 1 if across else width
    one = Walk(
        height=height, width=width, out_h=height * width // run, out_w=3 * run, run=run,
        spread=True, pad_value=-5,
    )  # fmt: skip
    raster = make_raster(one, pixels)

    walked = walk(raster, pixels)

    (tap,) = walked.taps
    seen = np.where(tap.inside, tap.address[:, None] + np.arange(pixels), -1)[walked.keep]
    wanted = np.full((height * width // run, 3 * run), -1)
    wanted[:, :run] = np.arange(height * width).reshape(-1, run)
    assert raster.pad_value == -5
    np.testing.assert_array_equal(seen, wanted.ravel())
