"""Vivado's scripts on a stub that knows properties, pins, presets and slack; and their mutants."""

import json
import re
import shutil

import pytest

from accelgen.boards import board_names, load_board
from accelgen.deploy.vivado import clock_periods
from tests.helpers.vivado import needs_tclsh, run_script, write_scripts

pytestmark = needs_tclsh
US = [name for name in board_names() if load_board(name).processing_system == "zynq_ultra_ps_e"]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """Scripts of every board, rendered once; each test works on a copy."""
    where = tmp_path_factory.mktemp("scripts")
    return {n: write_scripts(where / n, load_board(n)) for n in board_names()}


@pytest.fixture
def package(scripts, tmp_path):
    """A function: a fresh copy of a board's package."""

    def copy(board):
        where = tmp_path / board
        shutil.rmtree(where, ignore_errors=True)
        return shutil.copytree(scripts[board], where)

    return copy


@pytest.mark.parametrize("board", board_names())
def test_a_board_gets_its_bitstream_handoff_platform_and_reports(package, board):
    where = package(board)
    suffix = "_7series" if board == "pynq-z2" else ""

    run = run_script(where, board, SUFFIX=suffix)

    assert run.error == ""
    assert run.lines[-2].endswith(f"timing is met at {load_board(board).clock.mhz:.1f} MHz")
    made = {p.name for p in where.iterdir() if p.is_file()}
    assert made == {"accelgen.bit", "accelgen.hwh", "accelgen.xsa"}
    reports = {p.name for p in (where / "vivado" / "reports").iterdir()}
    assert reports == {
        "cdc.rpt", "clock_interaction.rpt", "drc.rpt", "methodology.rpt", "power.rpt",
        "results.json", "routed.dcp", "timing.rpt", "utilization.rpt", "utilization_hierarchy.rpt",
    }  # fmt: skip
    assert run_script(where, board, script="clocks.xdc").error == ""


def test_results_are_written_for_programs(package):
    where = package("ultra96v2")
    run_script(where, "ultra96v2")

    assert json.loads((where / "vivado" / "reports" / "results.json").read_text()) == {
        "vivado": "2022.2", "part": "xczu3eg-sbva484-1-i", "clock_mhz": 300.0, "wns": 0.021,
        "whs": 0.01, "tpws": 0.0, "reachable_mhz": 300, "lut": 52817, "ff": 81044,
        "bram36": 197.5, "uram": None, "dsp": 353, "power_w": 6.214,
    }  # fmt: skip


@pytest.mark.parametrize("board", US)
def test_masters_go_straight_to_memory_where_nothing_is_to_be_converted(package, board):
    lines = run_script(package(board), board).lines

    assert "connect accelgen_0/m_axi_w ps/S_AXI_HP0_FPD" in lines
    assert "connect accelgen_0/m_axi_f ps/S_AXI_HP1_FPD" in lines
    assert [x for x in lines if "create_bd_cell smartconnect" in x] == [
        "create_bd_cell smartconnect smc_control"
    ]


@pytest.mark.parametrize("board", board_names())
def test_the_interrupt_is_the_processors_first_and_alone(package, board):
    """As PYNQ wants it of a design with one interrupt; no controller between."""
    lines = run_script(package(board), board).lines

    line = "ps/IRQ_F2P" if board == "pynq-z2" else "ps/pl_ps_irq0"
    assert [x for x in lines if "irq" in x.lower() and x.startswith("connect")] == [
        f"connect accelgen_0/irq {line}"
    ]
    assert not [x for x in lines if "axi_intc" in x]


def test_a_narrow_port_gets_a_converter(package):
    lines = run_script(package("pynq-z2"), "pynq-z2").lines

    assert "connect smc_weights/M00_AXI ps/S_AXI_HP0" in lines
    assert "connect smc_features/M00_AXI ps/S_AXI_HP1" in lines


def test_the_clock_is_an_argument(package):
    run = run_script(package("ultra96v2"), "ultra96v2", 250)

    assert run.error == ""
    assert run.lines[-2].endswith("timing is met at 250.0 MHz")


@pytest.mark.parametrize("clock", ["fast", "0", "-1", "[exit]", "323"])
def test_a_clock_that_is_none_is_refused(package, clock):
    error = run_script(package("ultra96v2"), "ultra96v2", clock).error

    assert error == f"the clock must be a number of MHz up to 322.5, not '{clock}'"


def test_other_board_files_are_an_argument(package):
    run = run_script(package("aup-zu3"), "aup-zu3", 300, "aup-zu3-4gb")

    assert "board_part realdigital.org:aup-zu3-4gb:part0:1.0" in run.lines


def test_the_newest_board_file_is_taken_whatever_the_vendor(package):
    run = run_script(package("ultra96v2"), "ultra96v2")

    assert "board_part Avnet-tria:ultra96v2:part0:1.3" in run.lines


def test_missing_board_files_are_named(package):
    error = run_script(package("kv260"), "kv260", NO_BOARD_FILES=1).error

    assert error.startswith("board files of kv260_som are not installed")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SETUP_SLACK": -0.412}, "worst setup slack -0.412 ns. It would pass at about 240 MHz: "),
        ({"HOLD_SLACK": -0.03}, "timing failed: worst hold slack -0.03 ns, which no slower clock"),
        ({"PULSE_SLACK": -0.1}, "timing failed at 300.0 MHz: a clock's pulse is too short by -0.1"),
        ({"SETUP_SLACK": "none"}, "no path has a setup requirement"),
        ({"FAILED": 1}, "implementation failed (place_design ERROR): see "),
    ],
)  # fmt: skip
def test_a_failed_build_is_an_error_and_leaves_no_bitstream(package, settings, message):
    where = package("ultra96v2")
    (where / "accelgen.bit").write_text("of yesterday")

    run = run_script(where, "ultra96v2", **settings)

    assert message in run.error
    assert (where / "accelgen.bit").read_text() == "of yesterday"
    assert not [x for x in run.lines if "write_bitstream" in x]
    assert not (where / "accelgen.xsa").exists()
    if "SLACK" in next(iter(settings)) and "none" not in settings.values():
        assert (where / "vivado" / "reports" / "results.json").exists()


@pytest.mark.parametrize("mhz", [100.0, 150.0, 187.5, 250.0, 275.0, 299.0, 300.0, 322.5, 333.0])
def test_two_clocks_are_exactly_two_to_one(mhz, tmp_path):
    periods = clock_periods(mhz, double_pumped=True)
    where = write_scripts(tmp_path / "p", load_board("zcu104"), clock_mhz=mhz)

    assert run_script(where, "zcu104", script="clocks.xdc").error == ""
    text = (where / "vivado" / "clocks.xdc").read_text()
    clk, clk2x = re.findall(r"-period (\S+)", text)
    assert round(1000 * float(clk)) == 2 * round(1000 * float(clk2x))
    assert float(clk2x) == pytest.approx(500 / mhz, abs=5e-4)
    assert periods["clk_ns"] == pytest.approx(float(clk))


OVERRIDE = "set_property CONFIG.PSU__OVERRIDE__BASIC_CLOCK 0 $ps\n"
#: Board, file, what is replaced and by what, and what the stub says of it.
MUTANTS = [
    ("ultra96v2", "build.tcl", OVERRIDE, "", "disabled parameter PSU__CRL_APB__PL0_REF_CTRL__FREQ"),
    ("ultra96v2", "build.tcl", OVERRIDE + "set_property -dict [list",
     "set_property -dict [list CONFIG.PSU__OVERRIDE__BASIC_CLOCK 0", "disabled parameter"),
    ("ultra96v2", "build.tcl", "PSU__OVERRIDE__BASIC_CLOCK", "PSU__OVERRIDE_BASIC_CLOCK",
     "no property CONFIG.PSU__OVERRIDE_BASIC_CLOCK"),
    ("zcu104", "build.tcl", "PSU__SAXIGP2__DATA_WIDTH 128", "PSU__SAXIGP2__DATA_WIDTH 256",
     "PSU__SAXIGP2__DATA_WIDTH cannot be '256'"),
    ("zcu104", "build.tcl", "PSU__SAXIGP2__DATA_WIDTH 128", "PSU__SAXIGP2__DATA_WIDTH 64",
     "they need a converter"),
    ("zcu104", "build.tcl", "SRCSEL IOPLL", "SRCSEL VPLL", "cannot be 'VPLL'"),
    ("zcu104", "build.tcl", "CONFIG.PSU__USE__M_AXI_GP1 0", "CONFIG.PSU__USE__M_AXI_GP1 1",
     "ps/maxihpm1_fpd_aclk is not connected"),
    ("zcu104", "build.tcl", "apply_board_preset 1", "apply_board_preset 0",
     "the board's preset is not applied"),
    ("kv260", "build.tcl", "CONFIG.PRIM_SOURCE Global_buffer",
     "CONFIG.PRIM_SOURCE Global_buffer CONFIG.PRIM_IN_FREQ 300.0",
     "PRIM_IN_FREQ is 300.0 MHz, but clk_in1 has 99.99"),
    ("kv260", "build.tcl", "CONFIG.PRIM_SOURCE Global_buffer",
     "CONFIG.PRIM_SOURCE Global_buffer CONFIG.PRIM_IN_FREQ 100", "PRIM_IN_FREQ is 100 MHz"),
    ("kv260", "build.tcl", "PRIM_SOURCE Global_buffer", "PRIM_SOURCE Global", "cannot be 'Global'"),
    ("kv260", "build.tcl", "[expr {2 * $clock_mhz}]", "[expr {1.5 * $clock_mhz}]", "clk2x would"),
    ("kv260", "build.tcl", "CLKOUT2_REQUESTED_OUT_FREQ $clock_mhz",
     "CLKOUT2_REQUESTED_OUT_FREQ 290", "clk would run at 289.9"),
    ("kv260", "build.tcl", "CONFIG.CLKOUT2_MATCHED_ROUTING true", "CONFIG.USE_LOCKED true",
     "output 2 is not matched"),
    ("kv260", "build.tcl", "CLKOUT1_MATCHED_ROUTING", "CLKOUT1_MATCHED_ROUTE", "no property"),
    ("kv260", "build.tcl", "set multipliers clocks/clk_out1", "set multipliers clocks/clk_out3",
     "no pin clocks/clk_out3"),
    ("kv260", "build.tcl", "CONFIG.USE_RESET false", "CONFIG.USE_RESET true",
     "clocks/reset is not connected"),
    ("kv260", "build.tcl", "maxihpm0_fpd_aclk", "maxihpm0_aclk", "no pin ps/maxihpm0_aclk"),
    ("kv260", "build.tcl", "ps/saxihp1_fpd_aclk}", "}", "ps/saxihp1_fpd_aclk is not connected"),
    ("kv260", "build.tcl", "[get_bd_pins reset/peripheral_reset] [get_bd_pins accelgen_0/rst]",
     "[get_bd_pins reset/peripheral_aresetn] [get_bd_pins accelgen_0/rst]",
     "accelgen_0/rst is rst_high"),
    ("kv260", "build.tcl", "connect_bd_net [get_bd_pins clocks/locked]", "#",
     "reset/dcm_locked is not connected"),
    ("kv260", "build.tcl", "[get_bd_pins $fabric] [get_bd_pins accelgen_0/clk]",
     "[get_bd_pins $multipliers] [get_bd_pins accelgen_0/clk]", "different clocks"),
    ("kv260", "build.tcl", "[lindex $ports 1]", "[lindex $ports 0]", "is connected already"),
    ("kv260", "build.tcl", "converter smc_control $control accelgen_0/s_axil",
     "connect_bd_intf_net [get_bd_intf_pins $control] [get_bd_intf_pins accelgen_0/s_axil]",
     "they need a converter"),
    ("kv260", "build.tcl", "CONFIG.NUM_SI 1", "CONFIG.NUMBER_SI 1", "no property"),
    ("kv260", "build.tcl", "S00_AXI", "S0_AXI", "no interface smc_control/S0_AXI"),
    ("kv260", "build.tcl", "vlnv clk_wiz", "vlnv clock_wizard", "has no IP clock_wizard"),
    ("kv260", "build.tcl", "\nassign_bd_address\n", "\n", "no addresses are assigned"),
    ("kv260", "build.tcl", "\nvalidate_bd_design\n", "\n", "no CONFIG.FREQ_HZ"),
    ("kv260", "build.tcl", "synth_checkpoint_mode None", "synth_checkpoint_mode Off", "cannot be"),
    ("kv260", "build.tcl", "KEEP_EQUIVALENT_REGISTERS", "KEEP_EQUAL_REGISTERS", "no property"),
    ("kv260", "build.tcl", "strategy Performance_ExtraTimingOpt", "strategy Performance",
     "strategy cannot be 'Performance'"),
    ("kv260", "build.tcl", "POST_ROUTE_PHYS_OPT_DESIGN Aggr", "POST_ROUTE_PHYS_OPT Aggr",
     "no property STEPS.POST_ROUTE_PHYS_OPT.IS_ENABLED"),
    ("kv260", "build.tcl", "    wait_on_run impl_1\n", "", "implementation failed"),
    ("kv260", "build.tcl", "open_run impl_1\n", "", "no implemented design is open"),
    ("kv260", "build.tcl", "run_until write_bitstream", "run_until write_bits", "no step"),
    ("kv260", "build.tcl", "-include_bit", "-include_bitstream", "unknown option"),
    ("kv260", "check_timing.tcl", "report_cdc -details", "report_cdc -detailed", "unknown option"),
    ("kv260", "package_ip.tcl", "interface clk2x clock_rtl\n", "", "packaged without clk2x"),
    ("kv260", "package_ip.tcl", "ACTIVE_HIGH", "ACTIVE_LOW", "cannot be 'ACTIVE_LOW'"),
    ("kv260", "package_ip.tcl", "{s_axil m_axi_w m_axi_f}", "{s_axil m_axi_w}",
     "packaged without m_axi_f:clk"),
    ("kv260", "package_ip.tcl", "-vendor accelgen", "-vendor me", "no IP accelgen:user"),
    ("pynq-z2", "build.tcl", "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $reference_mhz", "", "FCLK_CLK0"),
    ("pynq-z2", "build.tcl", "converter smc_weights accelgen_0/m_axi_w [lindex $ports 0]",
     "connect_bd_intf_net [get_bd_intf_pins accelgen_0/m_axi_w] [get_bd_intf_pins ps/S_AXI_HP0]",
     "they need a converter"),
]  # fmt: skip


@pytest.mark.parametrize(("board", "name", "old", "new", "said"), MUTANTS)
def test_a_mutant_is_caught(package, board, name, old, new, said):
    where = package(board)
    script = where / "vivado" / name
    text = script.read_text()
    assert old in text
    script.write_text(text.replace(old, new))

    run = run_script(where, board)

    assert said in run.error
    assert not (where / "accelgen.bit").exists()


@pytest.mark.parametrize(
    ("name", "old"),
    [("build.tcl", "demand_timing $run $clock_mhz\n"), ("check_timing.tcl", "if {$wns < 0}"),
     ("check_timing.tcl", "set wns [worst_slack setup]\n    set whs [worst_slack hold]\n    if")],
)  # fmt: skip
def test_a_script_that_ignores_slack_would_be_seen(package, name, old):
    """The tests above that give a negative slack fail for these scripts: they make a bitstream."""
    where = package("ultra96v2")
    script = where / "vivado" / name
    text = script.read_text()
    assert old in text
    new = {"build.tcl": "", "check_timing.tcl": "if {0}"}[name]
    script.write_text(text.replace(old, new if "\n" not in old or not new else
                                   old.replace("if", "set wns 1\n    if")))  # fmt: skip

    assert run_script(where, "ultra96v2", SETUP_SLACK=-0.412).error == ""
    assert (where / "accelgen.bit").exists()


@pytest.mark.parametrize(("first", "second"), [("3.333", "1.667"), ("3.334", "1.666")])
def test_periods_that_drift_apart_are_caught(package, first, second):
    where = package("ultra96v2")
    script = where / "vivado" / "clocks.xdc"
    script.write_text(script.read_text().replace("3.334", first).replace("1.667", second))

    assert "is not twice clk2x" in run_script(where, "ultra96v2", script="clocks.xdc").error


def test_a_preset_that_keeps_its_clock_is_found_by_reading_it_back(package):
    """Vivado warns that FREQMHZ is disabled, and the net keeps the preset's 100 MHz."""
    where = package("ultra96v2")
    script = where / "vivado" / "build.tcl"
    text = script.read_text().replace("set reference_mhz 100", "set reference_mhz 300")

    script.write_text(text)
    assert run_script(where, "ultra96v2", LENIENT=1).error == ""

    script.write_text(text.replace(OVERRIDE, ""))
    run = run_script(where, "ultra96v2", LENIENT=1)
    assert run.error == "pl_clk0 would run at 99.999900 MHz, not at 300"
