"""One Verilog text per configuration and family, with the vendor's cells where there are any."""

from dataclasses import replace

import pytest

from accelgen.arch import PRESETS, ArchParams
from accelgen.errors import ConfigError
from accelgen.rtl.design import cells_sentence, described, design_verilog, vendor_cells
from tests.helpers.arches import SMALL

TEXT = "module accelgen_top;\n  DSP48E2 #(\n    .AREG(32'd1)\n  ) a (\n  );\nendmodule\n"


@pytest.fixture
def emitted(tmp_path, monkeypatch):
    """Options of each emission; nothing is elaborated."""
    monkeypatch.setenv("ACCELGEN_CACHE", str(tmp_path))
    made = []

    def emit(component, **options):
        made.append(options["primitives"])
        return TEXT if options["primitives"] else "module accelgen_top;\nendmodule\n"

    monkeypatch.setattr("accelgen.rtl.emit.emit_verilog", emit)
    monkeypatch.setattr("accelgen.rtl.top.Accelerator", lambda arch: arch)
    return made


def test_the_text_of_a_configuration_and_family_is_kept(emitted):
    first = design_verilog(SMALL)
    again = design_verilog(SMALL, "xcup")
    design_verilog(SMALL, "xc7")
    other = design_verilog(replace(SMALL, acc_depth=32))

    assert first == again != other
    assert [bool(primitives) for primitives in emitted] == [True, False, True]


def test_the_head_names_configuration_checksum_and_cells(emitted):
    head = design_verilog(SMALL).splitlines()[:3]

    assert head[0].startswith("// accelgen_top: made by accelgen ")
    assert f"CRC 0x{SMALL.crc:08X}" in head[1]
    assert '"pe_mode": "single"' in head[1]
    assert head[2].endswith("Instances of DSP48E2; everything else is described.")
    assert "are described: which DSPs" in design_verilog(SMALL, "xc7")


def test_unknown_families_are_refused():
    with pytest.raises(ConfigError, match="unknown family 'ice40' of parts; known: xcup, xc7"):
        design_verilog(SMALL, "ice40")


def test_cells_are_found_by_their_instances():
    assert vendor_cells(TEXT) == ("DSP48E2",)
    assert vendor_cells("// DSP48E2 #(\nwire DSP48E2;") == ()
    assert cells_sentence(TEXT) == "Instances of DSP48E2; everything else is described."


def test_what_is_left_to_the_synthesis_tool_is_said():
    assert described(PRESETS["ultra96_double"], "xcup") == ()
    assert "family xc7" in described(ArchParams(), "xc7")[0]
    assert described(ArchParams(acc_bits=28), "xcup")[0].startswith(
        "acc_bits 28: the requantizers'"
    )
