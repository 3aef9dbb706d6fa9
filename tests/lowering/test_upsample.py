"""Upsampling by two is walks over blocks that overlap: equal to the golden model's repetition."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch.isa import Opcode
from accelgen.errors import ScheduleError
from accelgen.golden import interpret
from accelgen.ir.ops import QInsert, QMaxPool, QStretch
from accelgen.lowering.upsample import lower_upsamples, spread_upsamples
from accelgen.program.raster import Walk, make_raster
from accelgen.schedule import schedule
from accelgen.simulation.functional_raster import walk
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (3, 4), (13, 13), (9, 34)])
def test_lowered_graph_computes_the_same(size):
    net = Int8Net((*size, 5))
    y = net.upsample(net.x)
    x = net.input()[None]

    lowered = lower_upsamples(net.graph())

    assert [type(n.op) for n in lowered.nodes] == [QMaxPool, QStretch, QStretch, QMaxPool]
    np.testing.assert_array_equal(interpret(lowered, x)[y], x.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize("factor", [(1, 1), (3, 3), (1, 4), (5, 1), (2, 17)])
def test_other_factors_spread_pixels_and_take_the_largest(factor):
    net = Int8Net((3, 4, 5))
    y = net.upsample(net.x, factor)
    x = net.input()[None]

    spread = spread_upsamples(net.graph())

    wanted = x.repeat(factor[0], axis=1).repeat(factor[1], axis=2)
    assert {type(n.op) for n in spread.nodes} == {QInsert, QMaxPool}
    np.testing.assert_array_equal(interpret(spread, x)[y], wanted)
    np.testing.assert_array_equal(interpret(net.graph(), x)[y], wanted)


@pytest.mark.parametrize("factor", [(1, 12), (56, 1), (6, 18)])
@pytest.mark.parametrize("size", [(3, 4), (1, 4), (3, 1), (1, 1)])
def test_large_factors_go_by_several(size, factor):
    net = Int8Net((*size, 5))
    y = net.upsample(net.x, factor)
    x = net.input()[None]

    spread = spread_upsamples(net.graph())

    wanted = x.repeat(factor[0], axis=1).repeat(factor[1], axis=2)
    taps = [max(n.op.kernel) for n in spread.nodes if isinstance(n.op, QMaxPool)]
    assert max(taps) < max(factor)
    inserted = sum(isinstance(n.op, QInsert) for n in spread.nodes)
    alone = sum(side == 1 and times > 1 for side, times in zip(size, factor, strict=True))
    assert inserted == len(taps) - alone
    np.testing.assert_array_equal(interpret(spread, x)[y], wanted)


@pytest.mark.parametrize(
    ("size", "factor"),
    [
        ((5, 7), (3, 3)), ((1, 1), (20, 33)), ((6, 3), (1, 5)), ((4, 9), (7, 2)),
        ((6, 1), (1, 14)), ((1, 5), (12, 1)),
    ],
)  # fmt: skip
def test_programs_of_other_factors_match_golden(size, factor):
    net = Int8Net((*size, 3))
    up = net.upsample(net.conv(net.x, 11), factor)
    y = net.conv(net.concat(up, net.conv(up, 6)), 5, kernel=(3, 3), pads=(1, 1, 1, 1))
    program = schedule(net.graph(y, up), SMALL, keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))


@pytest.mark.parametrize("arch", [SMALL, LARGE])
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (13, 13), (20, 33)])
def test_programs_match_golden(arch, size):
    net = Int8Net((*size, 3))
    route = net.conv(net.x, 10)
    small = net.table(net.conv(net.max_pool(route), 11)) if min(size) > 1 else net.x
    up = net.upsample(small)
    y = net.conv(net.concat(up, net.conv(up, 6)), 5, kernel=(3, 3), pads=(1, 1, 1, 1))
    program = schedule(net.graph(y, small), arch, keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))


def test_padding_joins_the_step_before():
    net = Int8Net((6, 6, 3))
    net.conv(net.upsample(net.table(net.conv(net.x, 9))), 4)

    program = schedule(net.graph(), SMALL)

    assert [s.nodes for s in program.steps] == [
        ("conv2d0", "table1", "upsample2.padded"), ("upsample2.columns",), ("upsample2.rows",),
        ("upsample2",), ("conv2d3",),
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [145, 170, 300])
def test_passes_through_a_small_memory_group_by_group(rows):
    net = Int8Net((7, 9, 20))
    net.conv(net.upsample(net.conv(net.x, 20)), 6)
    program = schedule(net.graph(), replace(SMALL, feature_rows=rows), keep_all=True)
    execs = [c for c in program.commands if c.opcode is Opcode.EXEC]

    assert len(execs) > len(program.steps)
    assert_matches_golden(program, net.input(), shuffles=(None, 1, 2))


def test_too_large_a_map_is_refused():
    net = Int8Net((8, 2100, 1))
    net.upsample(net.x)

    with pytest.raises(ScheduleError, match="node 'upsample0"):
        schedule(net.graph(), SMALL)


@pytest.mark.parametrize("pixels", [4, 8, 16])
@pytest.mark.parametrize("run", [1, 2, 5, 16, 30])
def test_blocks_overlap_by_a_run_and_are_not_freed_early(pixels, run):
    blocks = 7
    raster = make_raster(
        Walk(height=1, width=0, out_h=blocks, out_w=2 * run, run=run, first_pixel=3), pixels
    )

    walked = walk(raster, pixels)

    address = (walked.taps[-1].address[:, None] + np.arange(pixels))[walked.keep]
    wanted = 3 + np.arange(blocks)[:, None] * run + np.arange(2 * run)
    np.testing.assert_array_equal(address, wanted.ravel())
    assert walked.taps[-1].inside[walked.keep].all()
    # A first tap frees the rows below it: nothing later reads there.
    first, read = walked.taps[0].address, walked.taps[-1].address
    assert all(read[v:].min() // pixels >= first[v] // pixels for v in range(len(read)))
    assert len(walked.taps) == 1 or not walked.taps[0].inside.any()
