"""accelgen simulate: its JSON, its exit status, packages, and what a mismatch looks like."""

import json
from pathlib import Path

import numpy as np
import pytest

from accelgen.simulation import check
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
CALIB = MODELS / "trained_digits_tiny_test.npz"
SMALL = ("--preset", "small", "--calib", CALIB)

pytestmark = pytest.mark.slow


def test_frame_json_has_exactly_the_contracts_keys():
    outcome = run("simulate", DIGITS, *SMALL, "--frame", "--json")

    assert outcome.status == 0, outcome.err
    result = json.loads(outcome.out)
    assert list(result) == ["model", "board", "config", "layers", "frame"]
    assert list(result["frame"])[:5] == ["match", "cycles", "estimated_cycles", "fps", "wall_s"]
    assert set(result["frame"]) - {"match", "cycles", "estimated_cycles", "fps", "wall_s"} == {
        "efficiency", "losses", "ddr_bytes", "ps_ddr_bytes", "ps_ms", "counters",
    }  # fmt: skip  # beyond the contract: docs/performance.md
    assert result["frame"]["match"] is True
    assert {"name", "op", "engine", "match", "elements", "cycles", "estimated_cycles"} <= set(
        result["layers"][0]
    )
    cycles = [layer["cycles"] for layer in result["layers"] if layer["cycles"] is not None]
    assert 0 < result["frame"]["cycles"] - sum(cycles) < 200


def test_useful_cycles_and_losses_add_up_to_the_frame():
    outcome = run("simulate", DIGITS, *SMALL, "--frame", "--json")

    frame = json.loads(outcome.out)["frame"]
    useful = frame["efficiency"] * frame["cycles"]
    assert useful + sum(frame["losses"].values()) == pytest.approx(frame["cycles"], abs=20)
    assert frame["counters"]["cycles"] == frame["cycles"]
    beats = sum(frame["counters"][f"{name}_beats"] for name in ("weight", "load", "store"))
    # Commands read behind END are dropped, not counted.
    assert 16 * beats <= frame["ddr_bytes"] <= 16 * beats + 4 * 256
    assert frame["ps_ddr_bytes"] == 0


def test_single_layers_have_no_frame():
    outcome = run("simulate", DIGITS, *SMALL, "--layers", "conv_7,classifier", "--json")

    assert outcome.status == 0, outcome.err
    result = json.loads(outcome.out)
    assert "frame" not in result
    assert [x["name"] for x in result["layers"]] == ["conv_7", "conv_10", "classifier"]
    assert all(x["match"] for x in result["layers"])


def test_unknown_layer_is_named():
    outcome = run("simulate", DIGITS, *SMALL, "--layers", "conv_99")

    assert outcome.status == 2
    assert "no layer 'conv_99' is in the schedule" in outcome.err


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    where = tmp_path_factory.mktemp("build") / "package"
    assert run("build", DIGITS, *SMALL, "-o", where).status == 0
    return where


def test_a_package_is_simulated_with_its_own_verilog(package):
    outcome = run("simulate", package)

    assert outcome.status == 0, outcome.err
    assert outcome.out.rstrip().endswith("frame: bit-exact")


def test_a_changed_package_is_refused(package):
    top = package / "rtl" / "accelgen_top.v"
    text = top.read_text()
    top.write_text(text + "\n// changed\n")
    try:
        outcome = run("simulate", package)
    finally:
        top.write_text(text)

    assert outcome.status == 2
    assert "was changed since it was built" in outcome.err


def test_a_directory_that_is_no_package_is_refused(tmp_path):
    outcome = run("simulate", tmp_path)

    assert outcome.status == 2
    assert "is not a package made by accelgen build" in outcome.err


def test_a_mismatch_is_status_1_and_named(monkeypatch):
    """One wrong bit in what is expected is as good as one in the hardware."""
    real = check.golden_tensors

    def spoilt(program, inputs):
        values = real(program, inputs)
        name = program.graph.outputs[0]
        values[name] = values[name] ^ np.int8(1)
        return values

    monkeypatch.setattr(check, "golden_tensors", spoilt)

    outcome = run("simulate", DIGITS, *SMALL)

    assert outcome.status == 1
    assert "mismatch: tensor '" in outcome.err
    assert "first differs at element 0; 10 of 10 are wrong" in outcome.err
    assert outcome.out.rstrip().endswith("frame: DIFFERS from the golden model")
