"""Windows that look straight through the map, and those that only seem to."""

import pytest

from accelgen.lowering.windows import Window, is_raw
from accelgen.schedule import schedule
from tests.helpers.arches import LARGE, SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

SQUARE = {"height": 8, "width": 8, "out_h": 8, "out_w": 8}


def test_a_window_beside_its_pixel_is_not_raw():
    assert is_raw(Window(**SQUARE))
    assert not is_raw(Window(**SQUARE, pad_top=-1))
    assert not is_raw(Window(**SQUARE, pad_left=1))


@pytest.mark.parametrize("arch", [SMALL, LARGE])
@pytest.mark.parametrize("pads", [(-1, 0, 1, 0), (0, 2, 0, -2), (3, -1, -3, 1)])
def test_a_map_that_a_convolution_moves_matches_golden(arch, pads):
    """As large as before: yet no pixel is where it was."""
    net = Int8Net((16, 16, 6))
    net.conv(net.x, 20, pads=pads)

    program = schedule(net.graph(), arch)

    assert_matches_golden(program, net.input(), shuffles=(None, 1))


def test_a_map_in_phases_that_a_convolution_moves_matches_golden():
    net = Int8Net((16, 32, 6))
    x = net.conv(net.x, 20)
    moved = net.conv(x, 20, pads=(-1, 0, 1, 0))
    strided = net.conv(x, 20, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))
    after = net.conv(moved, 20, kernel=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1))

    program = schedule(net.graph(strided, after), LARGE)

    assert_matches_golden(program, net.input())
