"""What ``quantize`` ends with: techniques, loss to expect, layers that lose most."""

import json
import re
from pathlib import Path

from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
DSCNN = MODELS / "trained_fmnist_dscnn.onnx"
CALIB = MODELS / "trained_fmnist_dscnn_test.npz"


def test_words_and_json_say_the_same(tmp_path):
    out = tmp_path / "q.onnx"
    words = run("quantize", DSCNN, "--calib", CALIB, "-o", out).out
    made = json.loads(run("quantize", DSCNN, "--calib", CALIB, "-o", out, "--json").out)
    verdict, trials = made["verdict"], made["techniques"]
    for trial in trials:
        used = "used" if trial["used"] else "not used"
        said = f"technique {trial['technique']}: {used}, {trial['before_db']:.1f} dB without"
        assert said in words
    assert verdict["kept_aside"]
    assert f"expected: {verdict['sqnr_db']:.1f} dB SQNR" in words
    assert re.findall(r"loses most: (\S+),", words) == [
        layer["node"] for layer in verdict["layers"]
    ]
    assert len(verdict["layers"]) == 5


def test_a_technique_is_what_was_asked_for(tmp_path):
    files = {}
    for technique in ("none", "bias"):
        out = tmp_path / f"{technique}.onnx"
        said = run("quantize", DSCNN, "--calib", CALIB, "-o", out, "--technique", technique)
        assert said.status == 0
        assert ("technique bias: used, as asked" in said.out) == (technique == "bias")
        files[technique] = out.read_bytes()
    assert files["none"] != files["bias"]


def test_a_technique_that_has_nothing_to_work_on_is_refused(tmp_path):
    out = tmp_path / "q.onnx"
    said = run("quantize", DSCNN, "-o", out, "--technique", "bias")
    assert said.status == 2
    assert "has no calibration data: --technique bias has nothing to work on" in said.err
    run("quantize", DSCNN, "--calib", CALIB, "-o", out)
    said = run("quantize", out, "-o", tmp_path / "again.onnx", "--technique", "bias")
    assert said.status == 2
    assert "is quantized already" in said.err
    said = run("quantize", DSCNN, "--calib", CALIB, "-o", out, "--technique", "bais")
    assert "not 'bais'" in said.err
