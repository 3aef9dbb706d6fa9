"""The package directory: complete, self-describing, and its scripts run."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest

from accelgen.arch.registers import REGISTERS
from accelgen.boards import board_names, load_board
from accelgen.deploy.package import TOP, Package, write_package
from accelgen.deploy.templates import render

STUB = Path(__file__).with_name("vivado_stub.tcl")
ESTIMATE = {
    "cycles": 1000, "fps": 1.5, "resources": {"lut": 1, "ff": 2, "bram36": 3, "dsp": 4},
}  # fmt: skip


def written(where, program, board="ultra96v2"):
    network = where / "source.onnx"
    network.write_bytes(b"network")
    directory = where / "package"
    directory.mkdir()
    write_package(
        Package(
            model="digits", board=load_board(board), clock_mhz=300.0, program=program,
            verilog="module accelgen_top; endmodule\n",
            verilog_hash="0" * 64, listing="listing\n", network=network,
            estimate=ESTIMATE,
        ),
        directory,
    )  # fmt: skip
    return directory


def test_manifest_names_every_file_with_its_checksum(tmp_path, digits):
    where = written(tmp_path, digits[1])
    manifest = json.loads((where / "manifest.json").read_text())

    files = {str(p.relative_to(where)) for p in where.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == files - {"manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((where / name).read_bytes()).hexdigest() == digest
    assert manifest["generator"] == "accelgen"
    assert manifest["config_crc"] == digits[1].arch.crc
    assert manifest["image_bytes"] >= len((where / "program.bin").read_bytes())


def test_readme_says_that_no_bitstream_was_built(tmp_path, digits):
    text = (written(tmp_path, digits[1]) / "README.md").read_text()

    assert "No bitstream was built here" in text
    assert "Estimated (not measured): 1,000 cycles" in text


def test_c_header_has_every_register_and_compiles(tmp_path, digits):
    where = written(tmp_path, digits[1])
    text = (where / "accelgen_regs.h").read_text()

    found = dict(re.findall(r"#define ACCELGEN_REG_(\w+) (0x[0-9A-F]+)u", text))
    assert {n.lower(): int(v, 16) for n, v in found.items()} == {
        r.name: r.offset for r in REGISTERS
    }
    source = where / "t.c"
    source.write_text('#include "accelgen_regs.h"\nint x = ACCELGEN_CONTROL_START + ACCELGEN_ID;\n')
    compiler = shutil.which("gcc") or shutil.which("g++")
    subprocess.run([compiler, "-fsyntax-only", "-Wall", "-Werror", str(source)], check=True)


def run_tcl(script, board_files=True):
    return subprocess.run(
        ["tclsh", str(STUB), str(script)],
        capture_output=True, text=True, check=False, env={"BOARD_FILES": str(int(board_files))},
    )  # fmt: skip


needs_tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="tclsh is not installed")


@needs_tclsh
@pytest.mark.parametrize("board", board_names())
def test_vivado_scripts_run_to_the_end(tmp_path, digits, board):
    where = written(tmp_path, digits[1], board)

    done = run_tcl(where / "vivado" / "build.tcl")

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[-1] == "END"
    part = load_board(board).part
    assert any(line.startswith("create_project") and part in line for line in lines)
    assert any("launch_runs impl_1 -to_step write_bitstream" in line for line in lines)
    # Every interface of the accelerator is connected once.
    for pin in ("s_axil", "m_axi_w", "m_axi_f"):
        assert sum(f"get_bd_intf_pins accelgen_0/{pin}" in line for line in lines) == 1
    for pin in ("clk", "clk2x", "rst", "irq"):
        assert sum(line == f"get_bd_pins accelgen_0/{pin}" for line in lines) == 1
    assert run_tcl(where / "vivado" / "clocks.xdc").returncode == 0


@needs_tclsh
@pytest.mark.parametrize(("pe_mode", "clock"), [("double", "clk_out2"), ("packed", "$clock")])
def test_double_pumped_multipliers_get_twice_the_clock(tmp_path, pe_mode, clock):
    double = pe_mode == "double"
    values = {"board": load_board("ultra96v2"), "version": "", "top": TOP, "clock_mhz": 300.0}

    text = render("build.tcl.j2", {**values, "double_pumped": double})
    constraints = render("clocks.xdc.j2", {**values, "double_pumped": double})

    (line,) = [line for line in text.splitlines() if "accelgen_0/clk2x" in line]
    assert clock in line
    assert ("CLKOUT2_REQUESTED_OUT_FREQ 600.0" in text) == double
    assert ("create_clock -name clk2x -period 1.667" in constraints) == double


@needs_tclsh
def test_vivado_script_says_when_board_files_are_missing(tmp_path, digits):
    where = written(tmp_path, digits[1])

    done = run_tcl(where / "vivado" / "build.tcl", board_files=False)

    assert done.returncode != 0
    assert "board files of ultra96v2 are not installed" in done.stderr


@needs_tclsh
def test_the_stub_refuses_what_vivado_does_not_have(tmp_path):
    script = tmp_path / "wrong.tcl"
    script.write_text("create_bd_sell accelgen\n")

    assert "invalid command name" in run_tcl(script).stderr


def test_a_template_with_a_hole_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'clock_mhz' is undefined"):
        render("clocks.xdc.j2", {})


def test_top_module_is_named_the_same_everywhere(tmp_path, digits):
    where = written(tmp_path, digits[1])

    assert f"rtl/{TOP}.v" in (where / "vivado" / "package_ip.tcl").read_text()
    assert f"accelgen:user:{TOP} accelgen_0" in (where / "vivado" / "build.tcl").read_text()
