"""Building into a package keeps what the user has there, or refuses, and is whole or not there."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import accelgen
from accelgen.arch import isa
from accelgen.deploy.keep import Existing
from accelgen.deploy.manifest import interface_crc
from accelgen.errors import OutputError
from accelgen.flow import packages
from accelgen.program.places import two_places

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
#: What a user has after a day: bitstream, hand-over, project, reports, notes.
MINE = (
    "accelgen.bit", "accelgen.hwh", "accelgen.xsa", "vivado/project/system/system.xpr",
    "vivado/timing.rpt", "results/run.json", "notes.txt",
)  # fmt: skip


@pytest.fixture(scope="module")
def network():
    """Two networks for one configuration, and their hardware."""
    hardware = accelgen.target(preset="small")
    first, second = (accelgen.compile(DIGITS, hardware, fc_on="pl", seed=seed) for seed in (0, 1))
    return first, second, hardware


@pytest.fixture(autouse=True)
def quick_verilog(monkeypatch):
    """Text in place of half a minute of elaboration."""
    state = {"text": "module accelgen_top; endmodule\n"}
    monkeypatch.setattr(packages, "design_verilog", lambda *of: state["text"])
    return state


@pytest.fixture
def mine(tmp_path, network):
    """A package with a day's work in it."""
    first, _, _ = network
    where = tmp_path / "package"
    packages.build(first, where)
    for name in MINE:
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(f"my {name}")
    (where / "latest").symlink_to("results")
    (where / "__pycache__").mkdir()
    (where / "__pycache__" / "driver.pyc").write_text("made by running")
    (where / "ps" / "build").mkdir(parents=True)
    (where / "ps" / "build" / "libaccelgen_ps.so").write_text("made of the package's sources")
    return where


def _wider(fmt):
    """The same command with a longer first number."""
    first = next(f for f in fmt.fields if isinstance(f.shape, int))
    longer = replace(first, shape=first.shape + 1)
    return replace(fmt, fields=tuple(longer if f is first else f for f in fmt.fields))


def test_what_is_said_of_a_field_makes_no_other_interface(monkeypatch):
    before = interface_crc()
    told = replace(isa.LOAD, fields=tuple(replace(f, doc="other") for f in isa.LOAD.fields))
    monkeypatch.setattr(isa, "FORMATS", {**isa.FORMATS, isa.Opcode.LOAD: told})
    assert interface_crc() == before
    monkeypatch.setattr(isa, "FORMATS", {**isa.FORMATS, isa.Opcode.LOAD: _wider(isa.LOAD)})
    assert interface_crc() != before


def content(where):
    return {
        p.relative_to(where).as_posix(): p.read_bytes() for p in where.rglob("*") if p.is_file()
    }


def test_new_weights_keep_all_that_is_the_users(mine, network, quick_verilog):
    _, second, _ = network
    before = content(mine)
    quick_verilog["text"] = "// made by another accelgen\n" + quick_verilog["text"]

    packages.build(second, mine)

    after = content(mine)
    for name in MINE:
        assert after[name] == f"my {name}".encode()
    assert (mine / "latest").is_symlink()
    assert after["program.bin"] == two_places(second.program).program_bin != before["program.bin"]
    assert not {"__pycache__/driver.pyc", "ps/build/libaccelgen_ps.so"} & set(after)
    files = json.loads(after["manifest.json"])["files"]
    assert not set(files) & set(MINE)
    assert os.listdir(mine.parent) == ["package"]


@pytest.mark.parametrize("change", ["configuration", "clock", "board", "verilog", "interface"])
def test_other_hardware_is_refused_and_forced_only_by_name(
    mine, network, quick_verilog, change, monkeypatch
):
    first, _, hardware = network
    if change == "configuration":
        hardware = replace(hardware, arch=replace(hardware.arch, acc_depth=32))
        first = accelgen.compile(DIGITS, hardware, fc_on="pl")
    elif change == "clock":
        hardware = replace(hardware, clock_mhz=250.0)
    elif change == "board":
        hardware = accelgen.target("kv260", preset="small")
    elif change == "interface":
        wider = {code: _wider(fmt) for code, fmt in isa.FORMATS.items()}
        monkeypatch.setattr(isa, "FORMATS", wider)
    else:
        quick_verilog["text"] += "module more; endmodule\n"
    before = content(mine)

    with pytest.raises(OutputError, match=r"holds accelgen\.bit, .* and 4 more, made for other"):
        packages.build(first, mine, hardware)
    assert content(mine) == before

    said = []
    packages.build(first, mine, hardware, force=True, say=said.append)
    gone = "accelgen.bit, accelgen.hwh, accelgen.xsa, latest/, notes.txt, results/, "
    assert said == [f"deleted from {mine}: {gone}vivado/project/, vivado/timing.rpt"]
    assert not set(content(mine)) & set(MINE)


def test_force_deletes_nothing_that_still_fits(mine, network):
    _, second, _ = network
    (mine / "example.py").write_text("my own loop")
    said = []

    with pytest.raises(OutputError, match=r"example\.py in .* changed since it was built"):
        packages.build(second, mine)
    packages.build(second, mine, force=True, say=said.append)

    assert set(MINE) <= set(content(mine))
    assert said == [f"replaced in {mine}: example.py"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupt_leaves_the_old_package(mine, network, monkeypatch, error):
    _, second, _ = network
    before = content(mine)
    whole = Existing.carry_over

    def half(self, into, names):
        whole(self, into, list(names)[:2])
        if names:
            raise error("in the middle")

    monkeypatch.setattr(Existing, "carry_over", half)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        packages.build(second, mine)

    assert content(mine) == before
    assert os.listdir(mine.parent) == ["package"]


def test_a_program_for_a_bitstream_that_is_there(mine, network):
    _, second, _ = network
    before = content(mine)
    (mine / "vivado" / "build.tcl").write_text("my own strategy")

    packages.build(second, mine, program_only=True)

    after = content(mine)
    assert set(MINE) <= set(after)
    assert after["program.bin"] == two_places(second.program).program_bin
    assert after["rtl/accelgen_top.v"] == before["rtl/accelgen_top.v"]
    assert after["vivado/build.tcl"] == b"my own strategy"
    assert "rtl/accelgen_top.v" in json.loads(after["manifest.json"])["files"]


def test_a_program_for_other_hardware_is_refused(mine, network):
    first, _, hardware = network
    hardware = replace(hardware, arch=replace(hardware.arch, acc_depth=32))
    first = accelgen.compile(DIGITS, hardware, fc_on="pl")
    before = content(mine)

    with pytest.raises(OutputError, match=r"package of other hardware \(its config_crc is 0x"):
        packages.build(first, mine, program_only=True)
    assert content(mine) == before


def test_program_only_needs_no_amaranth(tmp_path):
    out = tmp_path / "program"
    code = (
        "import sys; from accelgen.cli.app import app; "
        f"app(['build', {str(DIGITS)!r}, '--preset', 'small', '--program-only', '-o', {str(out)!r}]"
        ", standalone_mode=False); sys.exit('amaranth' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    names = set(content(out))
    assert {
        "program.bin",
        "manifest.json",
        "driver/__init__.py",
        "ps/Makefile",
        "frame.bin",
        "network.onnx",
        "README.md",
    } <= names
    assert not any(n.startswith(("rtl/", "vivado/")) for n in names)
