"""Maps are stored in phases where strided convolutions read them, and only there."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch.isa import Opcode
from accelgen.program.layout import in_phases, rows_of
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

ARCHES = {"small": SMALL, "large": LARGE}


def bottleneck(net, x, *, side_by_side=False):
    """A ResNet stage's first block: 1x1, 3x3 of stride 2, beside a 1x1 of stride 2."""
    middle = net.conv(net.conv(x, 6), 6, (3, 3), (2, 2), (1, 1, 1, 1))
    beside = net.conv(x, 9, (1, 1), (2, 2))
    out = net.add(net.conv(middle, 9), beside)
    return net.add(out, net.conv(x, 9, (2, 2), (2, 2))) if side_by_side else out


def execs(program, step=None):
    """All EXECs, or of those of ``step``."""
    commands = program.commands if step is None else [program.commands[i] for i in step.commands]
    return [c for c in commands if c.opcode is Opcode.EXEC]


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("shape", [(12, 26), (7, 34), (2, 18), (1, 2), (33, 20)])
def test_blocks_of_a_stage_match_golden(shape, arch):
    net = Int8Net((*shape, 5))
    bottleneck(net, net.add(net.conv(net.conv(net.x, 11), 11), net.conv(net.x, 11)))
    program = schedule(net.graph(), ARCHES[arch], keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))


def test_a_stage_reads_phases_and_passes_them_on():
    net = Int8Net((12, 32, 5))
    bottleneck(net, net.conv(net.x, 11))
    program = schedule(net.graph(), LARGE)
    first, inner, strided, *_ = (execs(program, step)[0] for step in program.steps)

    assert first.out_phases
    assert not inner.in_raster.phases  # pixel by pixel, as they lie in memory
    assert not inner.out_phases
    assert strided.in_raster.phases
    assert strided.in_raster.vectors == 6 * 2


@pytest.mark.parametrize("rows", [40, 90, 200])
def test_phases_pass_through_in_tiles(rows):
    net = Int8Net((24, 32, 5))
    bottleneck(net, net.conv(net.x, 11), side_by_side=True)
    program = schedule(net.graph(), replace(LARGE, feature_rows=rows), keep_all=True)

    assert_matches_golden(program, net.input(), shuffles=(None, 2, 3))


def test_what_others_read_in_order_stays_in_order():
    for reader in ("add", "pool", "output"):
        net = Int8Net((8, 32, 5))
        x = net.conv(net.x, 8)
        strided = net.conv(x, 8, (3, 3), (2, 2), (1, 1, 1, 1))
        outputs = [strided]
        if reader == "add":
            outputs.append(net.add(net.conv(net.x, 8, (3, 3), pads=(1, 1, 1, 1)), x))
        elif reader == "pool":
            outputs.append(net.max_pool(x))
        else:
            outputs.append(x)
        program = schedule(net.graph(*outputs), LARGE)

        assert not any(f.out_phases for f in execs(program)), reader
        assert_matches_golden(program, net.input())


def test_sums_are_squeezed_from_what_is_stored_in_phases():
    net = Int8Net((5, 34, 5))
    x = net.conv(net.x, 11)
    strided = net.conv(x, 8, (3, 3), (2, 2), (1, 1, 1, 1))
    program = schedule(net.graph(net.gap(x), strided), LARGE)

    assert execs(program)[0].out_phases
    assert execs(program)[0].squeeze
    assert_matches_golden(program, net.input())


def test_odd_widths_stay_in_order():
    net = Int8Net((8, 33, 5))
    net.conv(net.conv(net.x, 8), 8, (3, 3), (2, 2), (1, 1, 1, 1))

    assert not any(f.out_phases for f in execs(schedule(net.graph(), LARGE)))


def test_words_of_phases():
    # Two pairs of rows of four: even pixels, then odd ones with their halves swapped.
    assert in_phases(np.arange(16), 4).tolist() == [
        0, 6, 1, 7, 2, 4, 3, 5,
        8, 14, 9, 15, 10, 12, 11, 13,
    ]  # fmt: skip
    assert rows_of(3, 3, 4, phases=True) == 4
