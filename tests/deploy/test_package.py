"""The package directory: complete, self-describing, and its scripts run."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace

import jinja2
import pytest

from accelgen.arch.registers import REGISTERS
from accelgen.deploy.package import TOP, Package, write_package
from accelgen.deploy.templates import render
from accelgen.flow.hardware import target

ESTIMATE = {
    "cycles": 1000, "fps": 1.5, "layers": [],
    "ps": {"frame_ms": 667.0, "pl_ms": 1.0, "pl_waits_ms": 2.0, "ps_ms": 3.0, "crossing_ms": 4.0},
    "resources": {"lut": 1, "ff": 2, "bram36": 3, "dsp": 4},
}  # fmt: skip


def written(where, program, board="ultra96v2", **changes):
    """A package in ``where``; ``board`` by name or itself, ``changes`` of Package's fields."""
    network = where / "source.onnx"
    network.write_bytes(b"network")
    directory = where / "package"
    directory.mkdir()
    hardware = target(board) if isinstance(board, str) else replace(target(), board=board)
    package = Package(
        model="digits", board=hardware.board, hardware=hardware.to_dict(),
        clock_mhz=300.0, parts=(program,), verilog="module accelgen_top; endmodule\n",
        verilog_hash="0" * 64, listing="listing\n", network=network, estimate=ESTIMATE,
    )  # fmt: skip
    write_package(replace(package, **changes), directory)
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
    assert "Estimated, not measured: 1.5 frames per second" in text
    assert "1,000 cycles at 300 MHz" in text


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


def test_a_template_with_a_hole_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'clock_mhz' is undefined"):
        render("clocks.xdc.j2", {})


def test_top_module_is_named_the_same_everywhere(tmp_path, digits):
    where = written(tmp_path, digits[1])

    assert f"rtl/{TOP}.v" in (where / "vivado" / "package_ip.tcl").read_text()
    assert f"accelgen:user:{TOP}:1.0 accelgen_0" in (where / "vivado" / "build.tcl").read_text()
