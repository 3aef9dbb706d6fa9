"""Boards are data: complete, with sources, and refused with a sentence when they are not."""

import re
from dataclasses import replace

import pytest

from accelgen.arch import PRESETS
from accelgen.assets import asset
from accelgen.boards import board_names, load_board, read_board
from accelgen.errors import BoardError, ConfigError
from accelgen.estimator.board_design import board_design
from accelgen.estimator.resources import exceeded, total_resources
from accelgen.flow.hardware import target
from accelgen.flow.runs import ddr_settings
from accelgen.simulation.bench import FRACTION

GOOD = (asset("boards") / "ultra96v2" / "board.toml").read_text()


def test_the_six_boards_are_there():
    names = ("aup-zu3", "kv260", "pynq-z2", "ultra96v1", "ultra96v2", "zcu104")

    assert board_names() == names


@pytest.mark.parametrize("name", board_names())
def test_board_is_named_like_its_directory_and_has_sources(name):
    board = load_board(name)

    assert board.name == name
    for part in (board, board.budget, board.clock, board.ddr, board.ports, board.ps):
        assert len(part.source) > 10


@pytest.mark.parametrize("name", board_names())
def test_default_configuration_fits_its_board(name):
    board = load_board(name)
    budget = {n: getattr(board.budget, n) for n in ("dsp", "bram36", "lut", "ff", "uram")}

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
    with pytest.raises(BoardError, match="unknown board 'ultra97'; known: aup-zu3, kv260, pynq-z2"):
        load_board("ultra97")


def test_a_file_is_a_board_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('name = "ultra96v2"', 'name = "mine"'))

    assert load_board(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("dsp = 360\n", ""), "[budget] dsp is missing"),
        (("dsp = 360", 'dsp = "many"'), "[budget] dsp must be a valid integer, not 'many'"),
        (("dsp = 360", "dsp = true"), "[budget] dsp must be a valid integer, not True"),
        (("dsp = 360", "dsp = -1"), "[budget] dsp must be greater than or equal to 0, not -1"),
        (("dsp = 360", "dsp = 360\ndsps = 1"), "[budget] dsps is not known; known: dsp"),
        (("[clock]", "[clocks]"), "clock is missing"),
        (('preset = "ultra96_double"', 'preset = "big"'), "[arch] preset must be one of ultra96"),
        (('preset = "ultra96_double"', 'preset = ["big"]'), "[arch] preset must be one of ultra96"),
        (("[arch]", "[arch]\nlanes = 3"), "lanes must be a power of two"),
        (("[arch]", "[arch]\nlane = 4"), "unknown knob 'lane'"),
        (("name = ", "name == "), "is not TOML"),
        (("mhz = 300.0", "mhz = inf"), "[clock] mhz must be a finite number, not inf"),
        (('"xczu3eg-sbva484-1-i"', '"x; exec rm"'), "part must match pattern"),
        (('"xczu3eg-sbva484-1-i"', '"x]"'), "part must match pattern"),
        (('"xczu3eg-sbva484-1-i"', '"x\\n"'), "part must match pattern"),
        (('"ultra96v2"', '"../x"'), "name must match pattern"),
        (('vivado_board = "ultra96v2"', 'vivado_board = "avnet.com:*"'), "vivado_board must match"),
        (("zynq_ultra_ps_e", "versal"), "processing_system must match pattern '^(zynq_ultra_ps_e|"),
        (("xcup", "xcup; delete"), "yosys_family must match pattern '^(xcup|xc7"),
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


@pytest.mark.parametrize("name", board_names())
def test_the_clocks_of_the_default_configuration_are_within_the_part(name):
    board = load_board(name)

    assert board.clock_faults(board.clock.mhz, board.arch) == []
    # The limits of DS925 and DS187 for the part's speed grade.
    grade = re.search(r"-?(\d\w*)(-[eic])?$", board.part)[1]
    limits = {"1": 645, "2": 775, "2LV": 644} if board.yosys_family == "xcup" else {"1": 464}
    assert board.clock.limit_mhz == limits[grade]


def test_a_clock_beyond_the_part_is_named():
    board = load_board("ultra96v2")

    assert board.clock_faults(330, PRESETS["ultra96"]) == []
    assert board.clock_faults(330, PRESETS["ultra96_double"]) == [
        "needs a clock of 660 MHz, the part allows 645"
    ]


def test_a_narrow_port_is_what_the_accelerator_gets():
    assert load_board("pynq-z2").memory(100).port_bytes == 8
    assert load_board("zcu104").memory(300).port_bytes == 16
    # The bench's channels are 16 bytes wide: half as many beats are the same bytes.
    assert ddr_settings(target("pynq-z2").memory).inputs()["stall"] == 0.5 * FRACTION
    assert ddr_settings(target("zcu104", stalls=0.25).memory).inputs()["stall"] == 0.25 * FRACTION


def test_more_threads_than_cores_are_refused():
    with pytest.raises(ConfigError, match="--ps-threads 4: pynq-z2 has 2 cores"):
        target("pynq-z2", ps_threads=4)


@pytest.mark.parametrize("name", board_names())
def test_the_single_clock_configuration_of_a_board_fits_it(name):
    board = load_board(name)
    arch = target(name, preset="single-clock").arch
    budget = {n: getattr(board.budget, n) for n in ("dsp", "bram36", "lut", "ff", "uram")}

    assert arch.pe_mode != "double"
    assert exceeded(total_resources(arch) + board_design(board), budget) == []
    # A second tap has a ring of its own.
    alike = total_resources(replace(board.arch, window_taps=1))
    assert total_resources(arch).bram36 == pytest.approx(alike.bram36, abs=4)


def test_the_single_clock_ultra96_is_the_preset_of_old():
    assert target("ultra96v2", preset="single-clock").arch == PRESETS["ultra96"]
