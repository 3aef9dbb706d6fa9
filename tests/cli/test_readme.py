"""The README's Python, run as it stands, says what the command line says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.helpers.cli import run

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "models"


def test_the_readmes_python_prints_what_the_command_line_prints(tmp_path):
    indented = re.findall(r"(?:^ {4}.*\n|^\n)+", (ROOT / "README.md").read_text(), re.MULTILINE)
    (block,) = (found for found in indented if "from accelgen" in found)
    code = "\n".join(line[4:] for line in block.splitlines())
    model, samples = tmp_path / "model.onnx", tmp_path / "samples.npz"
    shutil.copyfile(MODELS / "trained_digits_tiny.onnx", model)
    shutil.copyfile(MODELS / "trained_digits_tiny_test.npz", samples)

    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    there = run("estimate", model, "--calib", samples, "--board", "ultra96v2", "--json")
    assert float(said.stdout) == json.loads(there.out)["fps"]
