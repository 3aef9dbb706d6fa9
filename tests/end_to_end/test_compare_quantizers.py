"""examples/compare runs, as far as it can without the other tools: with onnxruntime alone."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPARE = ROOT / "examples" / "compare"
MODEL = ROOT / "tests" / "models" / "trained_fmnist_dscnn.onnx"
DATA = MODEL.with_name("trained_fmnist_dscnn_test.npz")


def compare(*options, status=0):
    """What it prints of Fashion-MNIST."""
    command = [sys.executable, COMPARE / "compare_quantizers.py", MODEL, "--calib", DATA]
    command += ["--data", DATA, "--limit", "100", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr


def assigned(path, name):
    """The value of a module's ``name`` as it is written, which needs none of its imports."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return node.value
    raise AssertionError(f"{path.name} has no {name}")


@pytest.mark.slow
def test_accelgen_and_onnxruntime_are_measured():
    rows = json.loads(compare("--tools", "accelgen,onnxruntime", "--json"))
    found = {(row["tool"], row["setting"]): row for row in rows}

    assert [row["failed"] for row in rows] == [""] * 8
    assert all(row["agreement"] >= 0.85 and row["top1"] >= 0.8 for row in rows)
    ours, rounded = found["accelgen", "default"], found["accelgen", "default, logits int8"]
    theirs = found["onnxruntime", "per channel, MinMax"]
    assert ours["sqnr_db"] > rounded["sqnr_db"] > 25
    assert theirs["sqnr_db"] > found["onnxruntime", "default"]["sqnr_db"] + 5
    assert (ours["run_by"], theirs["run_by"]) == ("itself", "onnxruntime")
    assert ours["facts"] == {
        "weights": "channel",
        "rounded": 13,
        "wide": 0,
        "scaled": 0,
        "logits": "float",
    }
    assert rounded["facts"] == {
        "weights": "channel",
        "rounded": 14,
        "wide": 0,
        "scaled": 0,
        "logits": "8 bits",
    }
    assert theirs["facts"]["weights"] == "channel"
    assert found["onnxruntime", "default"]["facts"]["weights"] == "tensor"


def test_a_tool_that_is_not_there_is_a_row_and_so_is_one_that_takes_too_long():
    table = compare("--tools", "quark").splitlines()

    assert re.match(r"\| quark \| XINT8 \| failed: .*No module named 'quark'", table[2])
    assert len(table) == 2 + 3
    late = compare("--tools", "quark", "--timeout", "0.001").splitlines()
    assert "failed: not done after 0.001 seconds" in late[2]


def test_settings_are_those_of_the_recipes():
    tools = ast.literal_eval(assigned(COMPARE / "compare_quantizers.py", "TOOLS"))
    recipes = {
        path.stem: tuple(key.value for key in assigned(path, "SETTINGS").keys)
        for path in (COMPARE / "recipes").glob("*.py")
        if path.stem not in ("__init__", "ort_feed")
    }

    assert tools == recipes


def test_versions_are_pinned():
    lines = [
        line.split("#")[0].strip()
        for path in COMPARE.glob("requirements*.txt")
        for line in path.read_text().splitlines()
    ]

    assert [line for line in lines if line and not re.fullmatch(r"[\w-]+==[\d.]+", line)] == []
    assert {line.split("==")[0] for line in lines if line} >= {"nncf", "esp-ppq", "amd-quark"}


def test_what_makes_no_sense_is_one_sentence():
    assert "there is no tool 'tensorrt'; known:" in compare("--tools", "tensorrt", status=2)
    assert "--python is TOOL=PATH" in compare("--python", "nncf=nowhere", status=2)
