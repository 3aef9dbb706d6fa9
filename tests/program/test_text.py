"""The listing is stable: a change in the compiler's decisions shows as a change in a text file."""

from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.program import program_text
from accelgen.schedule import schedule
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net

HERE = Path(__file__).parent / "listings"


def inverted_residual():
    net = Int8Net((9, 11, 3))
    x = net.table(net.conv(net.x, 10, (3, 3), (2, 2), (0, 1, 1, 1)))
    x = net.add(net.conv(net.depthwise(x), 10), x)
    net.softmax(net.fc(net.gap(net.squeeze_excite(x, 4)), 5))
    return net


def branches():
    net = Int8Net((10, 10, 3))
    x = net.max_pool(net.conv(net.x, 6))
    x = net.concat(net.conv(x, 3), net.conv(x, 6, (3, 3), pads=(1, 1, 1, 1)))
    net.avg_pool(net.conv(x, 9, groups=3))
    return net


NETS = {
    "inverted_residual": (inverted_residual, 4096),
    "inverted_residual_tiled": (inverted_residual, 32),
    "branches": (branches, 4096),
}


@pytest.mark.parametrize("name", sorted(NETS))
def test_listing_is_the_one_on_file(name):
    make, rows = NETS[name]
    program = schedule(make().graph(), replace(SMALL, feature_rows=rows))

    listing = program_text(program)

    # To accept a change: write `listing` to the file and read the difference.
    assert listing == (HERE / f"{name}.txt").read_text()


def test_rasters_in_full_on_request():
    program = schedule(branches().graph(), SMALL)

    assert "tap_y_address=" in program_text(program, rasters=True)
    assert "tap_y_address=" not in program_text(program)
