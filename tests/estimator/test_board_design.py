"""What stands around the accelerator counts when it is asked whether the design fits."""

import pytest

from accelgen.boards import board_names, load_board
from accelgen.estimator import estimate
from accelgen.estimator.board_design import board_design, board_design_parts
from accelgen.estimator.resources import exceeded, total_resources
from accelgen.schedule import schedule
from tests.helpers.int8_nets import Int8Net


def test_only_a_port_that_differs_needs_converters():
    assert set(board_design_parts(load_board("ultra96v2"))) == {"control interconnect", "resets"}
    assert "memory converters" in board_design_parts(load_board("pynq-z2"))


@pytest.mark.parametrize("name", board_names())
def test_the_whole_design_fits_its_board(name):
    board = load_board(name)
    budget = {n: getattr(board.budget, n) for n in ("dsp", "bram36", "uram", "lut", "ff")}

    assert exceeded(total_resources(board.arch) + board_design(board), budget) == []


def test_an_estimate_is_of_the_whole_design():
    net = Int8Net((8, 8, 16))
    board = load_board("ultra96v2")
    program = schedule(net.graph(net.conv(net.x, 16)), board.arch)

    numbers = estimate(program, board)

    assert numbers.board_design == board_design(board)
    assert numbers.resources == total_resources(board.arch) + board_design(board)
    assert numbers.fits
    assert estimate(program, board, clock_mhz=330).exceeded == (
        "needs a clock of 660 MHz, the part allows 645",
    )
