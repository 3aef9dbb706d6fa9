"""The command line keeps its contract: keys, streams, exit status."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from accelgen import __version__
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
CALIB = MODELS / "trained_digits_tiny_test.npz"


def estimate_json(*options):
    outcome = run("estimate", DIGITS, "--calib", CALIB, "--json", *options)
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def test_estimate_json_has_exactly_the_contracts_keys():
    result = estimate_json()

    assert list(result) == [
        "model", "board", "config", "clock_mhz", "layers", "cycles", "efficiency", "losses", "fps",
        "fps_pl", "fps_ps", "ddr_bytes", "resources", "board_design", "fits", "ps",
    ]  # fmt: skip  # beyond the contract: efficiency, losses (docs/performance.md), ps (docs/ps.md)
    assert set(result["layers"][0]) == {
        "name", "op", "engine", "macs", "cycles", "ddr_bytes", "bound", "step", "efficiency",
        "losses",
    }  # fmt: skip
    assert set(result["resources"]) == {"lut", "ff", "bram36", "dsp", "uram"}
    assert result["model"] == str(DIGITS)
    assert result["board"] == "ultra96v2"
    assert result["fits"] is True


def test_fused_layers_name_the_step_that_has_their_cycles():
    layers = estimate_json()["layers"]
    by_name = {layer["name"]: layer for layer in layers}

    assert any(layer["cycles"] is None for layer in layers)
    for layer in layers:
        first = by_name[layer["step"]]
        assert isinstance(first["cycles"], int)
        assert (layer["cycles"] is None) == (layer is not first)


def test_steps_add_up_to_the_frame():
    result = estimate_json()

    total = sum(layer["cycles"] or 0 for layer in result["layers"])
    # What is left is the last store and the end of the program.
    assert 0 < result["cycles"] - total < 200


def test_clock_scales_frames_per_second():
    slow = estimate_json("--clock-mhz", 150, "--ddr-bytes-per-cycle", 13, "--ddr-latency", 60)
    fast = estimate_json("--clock-mhz", 300, "--ddr-bytes-per-cycle", 13, "--ddr-latency", 60)

    assert slow["cycles"] == fast["cycles"]
    assert fast["fps_pl"] == pytest.approx(2 * slow["fps_pl"])


def test_slow_memory_costs_cycles():
    assert estimate_json("--ddr-bytes-per-cycle", 1)["cycles"] > estimate_json()["cycles"]


def test_configuration_comes_from_file_over_preset_over_board(tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("chain_pixels = 4\n")

    assert estimate_json()["config"]["pe_mode"] == "double"
    assert estimate_json("--preset", "small")["config"]["lanes"] == 4
    mixed = estimate_json("--preset", "small", "--config", config)["config"]
    assert (mixed["lanes"], mixed["chain_pixels"]) == (4, 4)


def test_what_does_not_fit_is_status_1(tmp_path):
    config = tmp_path / "big.toml"
    config.write_text("pixels = 32\nfeature_rows = 32768\n")

    outcome = run("estimate", DIGITS, "--calib", CALIB, "--config", config)

    assert outcome.status == 1
    assert "the part has 216" in outcome.out


def test_float_model_without_calibration_warns_on_stderr_only():
    outcome = run("estimate", DIGITS, "--json")

    assert "no calibration data" in outcome.err
    json.loads(outcome.out)
    assert "no calibration data" not in run("estimate", DIGITS, "--calib", CALIB).err


def test_seed_makes_random_calibration_repeatable(tmp_path):
    written = []
    for seed in (0, 0, 1):
        run("quantize", DIGITS, "--seed", seed, "-o", tmp_path / "q.onnx")
        written.append((tmp_path / "q.onnx").read_bytes())

    assert written[0] == written[1] != written[2]


def test_quantize_writes_a_model_that_keeps_its_scales(tmp_path):
    out = tmp_path / "q.onnx"

    outcome = run("quantize", DIGITS, "--calib", CALIB, "-o", out, "--json")

    assert outcome.status == 0
    layers = json.loads(outcome.out)["layers"]
    assert all(layer["sqnr_db"] > 20 for layer in layers)
    again = run("estimate", out, "--json")
    assert again.err == ""
    assert json.loads(again.out)["cycles"] == estimate_json()["cycles"]


def test_calibration_directory_gives_the_same_as_one_file(tmp_path):
    data = np.load(CALIB)
    divisor, mean, std = (float(data[name]) for name in ("divisor", "mean", "std"))
    x = (data["calib_uint8"].astype(np.float32) / divisor - mean) / std
    (tmp_path / "samples").mkdir()
    np.savez(tmp_path / "samples" / "a.npz", x=x[:100])
    np.save(tmp_path / "samples" / "b.npy", x[100:])

    outputs = []
    for calib in (CALIB, tmp_path / "samples"):
        run("quantize", DIGITS, "--calib", calib, "-o", tmp_path / "q.onnx")
        outputs.append((tmp_path / "q.onnx").read_bytes())

    assert outputs[0] == outputs[1]


def test_boards_json_has_sources():
    boards = json.loads(run("boards", "--json").out)["boards"]

    assert [b["name"] for b in boards] == sorted(b["name"] for b in boards)
    assert all(b["budget"]["source"] for b in boards)


def test_zoo_list_and_export(tmp_path):
    names = [n["name"] for n in json.loads(run("zoo", "list", "--json").out)["networks"]]
    assert {"mobilenet_v2", "efficientnet_b0", "resnet18"} <= set(names)

    out = tmp_path / "net.onnx"
    assert run("zoo", "export", "squeezenet1_1@64", "-o", out).status == 0
    assert run("estimate", out, "--json").status == 0


def test_build_writes_a_package(tmp_path):
    out = tmp_path / "package"

    outcome = run("build", DIGITS, "--calib", CALIB, "--preset", "small", "-o", out, "--json")

    assert outcome.status == 0, outcome.err
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names >= {
        "rtl/accelgen_top.v", "program.bin", "program.txt", "manifest.json", "network.onnx",
        "driver/__init__.py", "ps/Makefile", "frame.bin", "example.py", "accelgen_regs.h",
        "README.md", "vivado/build.tcl",
        "vivado/package_ip.tcl", "vivado/clocks.xdc",
    }  # fmt: skip
    assert "module accelgen_top" in (out / "rtl" / "accelgen_top.v").read_text()
    assert json.loads(outcome.out)["fits"] is True


def test_version_help_and_usage():
    assert run("--version").out.strip() == __version__
    assert "estimate" in run("--help").out
    assert run("estimate").status == 2
    assert run("explode").status == 2


def test_module_runs_as_a_script():
    done = subprocess.run(
        [sys.executable, "-m", "accelgen", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == __version__
