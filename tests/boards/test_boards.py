"""Boards are data: complete, with sources, and refused with a sentence when they are not."""

import re

import pytest

from accelgen.arch import PRESETS
from accelgen.assets import asset
from accelgen.boards import board_names, load_board, read_board
from accelgen.errors import BoardError
from accelgen.estimate.resources import exceeded, total_resources

GOOD = (asset("boards") / "ultra96v2" / "board.toml").read_text()


def test_the_five_boards_are_there():
    assert board_names() == ("kv260", "pynq-z2", "ultra96v1", "ultra96v2", "zcu104")


@pytest.mark.parametrize("name", board_names())
def test_board_is_named_like_its_directory_and_has_sources(name):
    board = load_board(name)

    assert board.name == name
    for part in (board, board.budget, board.clock, board.ddr, board.ports, board.ps):
        assert len(part.source) > 10


@pytest.mark.parametrize("name", board_names())
def test_default_configuration_fits_its_board(name):
    board = load_board(name)
    budget = {n: getattr(board.budget, n) for n in ("dsp", "bram36", "lut", "ff")}

    assert exceeded(total_resources(board.arch), budget) == []


@pytest.mark.parametrize("name", ["ultra96v1", "ultra96v2"])
def test_an_ultra96_gets_the_array_that_was_made_for_it(name):
    assert load_board(name).arch == PRESETS["ultra96_double"]


def test_ultra96_is_what_the_design_was_made_for():
    board = load_board("ultra96v1")

    assert board.part == "xczu3eg-sbva484-1-e"
    assert (board.budget.dsp, board.budget.bram36, board.budget.lut) == (360, 216, 70560)
    assert board.ddr.bytes_per_cycle(300) == pytest.approx(13.147, abs=1e-3)
    assert board.ddr.latency_cycles(300) == 60
    assert board.ddr.latency_cycles(100) == 20


def test_unknown_board_names_the_known_ones():
    with pytest.raises(BoardError, match="unknown board 'ultra97'; known: kv260, pynq-z2"):
        load_board("ultra97")


def test_a_file_is_a_board_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('name = "ultra96v2"', 'name = "mine"'))

    assert load_board(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("dsp = 360\n", ""), r"[budget] dsp must be a int, not None"),
        (("dsp = 360", 'dsp = "many"'), "[budget] dsp must be a int, not 'many'"),
        (("dsp = 360", "dsp = true"), "[budget] dsp must be a int, not True"),
        (("dsp = 360", "dsp = -1"), "[budget] dsp must not be negative, not -1"),
        (("dsp = 360", "dsp = 360\ndsps = 1"), "[budget] dsps is not known; known: dsp"),
        (("[clock]", "[clocks]"), "table [clock] is missing"),
        (('preset = "ultra96_double"', 'preset = "big"'), "[arch] preset must be one of ultra96"),
        (("[arch]", "[arch]\nlanes = 3"), "lanes must be a power of two"),
        (("[arch]", "[arch]\nlane = 4"), "unknown knob 'lane'"),
        (("name = ", "name == "), "is not TOML"),
    ],
)
def test_a_fault_is_named(tmp_path, change, message):
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace(*change, 1))

    with pytest.raises(BoardError, match=re.escape(message)) as caught:
        read_board(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BoardError, match="cannot read board file"):
        read_board(tmp_path / "none.toml")
