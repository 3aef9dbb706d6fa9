"""``--preset naive``: a first design is a configuration like others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import accelgen
from accelgen.flow.packages import build, open_package
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
EFFSE = MODELS / "trained_fmnist_effse.onnx"
DIGITS = MODELS / "trained_digits_tiny.onnx"


def estimate(*options):
    return json.loads(run("estimate", EFFSE, "--json", *options).out)


def test_it_has_a_first_designs_clock_array_and_places():
    naive = estimate("--preset", "naive")

    assert naive["clock_mhz"] == 100
    assert naive["config"] == accelgen.PRESETS["ultra96"].to_dict()
    assert len(naive["ps"]["se_blocks"]) == 5
    assert naive["ps"]["crossings"] == 2 + 2 * 5
    fused = estimate("--preset", "single-clock", "--clock-mhz", "100", "--fc-on", "ps",
                     "--se-on", "ps")  # fmt: skip
    assert naive["ddr_bytes"] > fused["ddr_bytes"]
    assert naive["fps"] < fused["fps"]


def test_what_is_said_goes_before_what_the_preset_means():
    ps = estimate("--preset", "naive", "--se-on", "pl", "--clock-mhz", "200")

    assert ps["clock_mhz"] == 200
    assert not ps["ps"]["se_blocks"]


def test_command_line_and_python_say_the_same():
    hardware = accelgen.target(preset="naive")

    assert accelgen.estimate(EFFSE, hardware).to_dict(str(EFFSE)) == estimate("--preset", "naive")


def test_a_wrong_place_is_one_sentence():
    outcome = run("estimate", EFFSE, "--se-on", "fpga")

    assert outcome.status == 2
    assert "--se-on is auto, pl or ps, not 'fpga'" in outcome.err


def test_a_package_of_it_is_opened_as_it_was_built(tmp_path):
    compiled = accelgen.compile(EFFSE, accelgen.target(preset="naive"))
    build(compiled, tmp_path / "pk", program_only=True)

    opened, _ = open_package(tmp_path / "pk")

    assert opened.hardware == compiled.hardware
    assert opened.hardware.layerwise
    assert [p.image for p in opened.parts] == [p.image for p in compiled.parts]


def test_the_rtl_is_bit_exact_layer_by_layer():
    hardware = replace(accelgen.target(preset="small"), layerwise=True)
    compiled = accelgen.compile(DIGITS, hardware)

    frame = accelgen.simulate(compiled).frame

    assert frame.match
    assert frame.cycles == pytest.approx(frame.estimated_cycles, rel=0.02)
