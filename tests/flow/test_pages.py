"""The Python of README and docs, run as it stands in a clean directory."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.cli import run

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "models"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks(page):
    """Its Python: fenced as such, or indented and with an import."""
    text = page.read_text()
    yield from re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for found in re.findall(r"(?:^ {4}.*\n|^\n)+", text, re.MULTILINE):
        code = re.sub(r"^ {4}", "", found, flags=re.MULTILINE)
        if re.search(r"^(import|from) \w", code, re.MULTILINE):
            yield code


def examples():
    for page in PAGES:
        for number, code in enumerate(blocks(page)):
            yield pytest.param(code, id=f"{page.relative_to(ROOT)}:{number}")


@pytest.fixture
def clean(tmp_path):
    """A directory with what pages speak of: a model and samples."""
    shutil.copyfile(MODELS / "trained_digits_tiny.onnx", tmp_path / "model.onnx")
    shutil.copyfile(MODELS / "trained_digits_tiny_test.npz", tmp_path / "samples.npz")
    return tmp_path


def said(code, where, python=sys.executable, path=str(ROOT)):
    """What ``python`` prints in the directory ``where``."""
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [python, "-c", code], cwd=where, env=environment, check=True, capture_output=True, text=True
    ).stdout


def commands_fps(where):
    """What the command line says of the README's model."""
    outcome = run(
        "estimate", where / "model.onnx", "--calib", where / "samples.npz",
        "--board", "ultra96v2", "--json",
    )  # fmt: skip
    return json.loads(outcome.out)["fps"]


def readmes():
    (code,) = blocks(ROOT / "README.md")
    return code


@pytest.mark.parametrize("code", list(examples()))
def test_it_runs(code, clean):
    assert said(code, clean)


def test_the_readmes_prints_what_the_command_line_prints(clean):
    assert float(said(readmes(), clean)) == commands_fps(clean)


@pytest.mark.slow
def test_the_readmes_runs_from_a_wheel_outside_the_checkout(clean):
    """The wheel in an environment of its own, which borrows the libraries of this one."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(clean)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = clean.glob("*.whl")
    venv = clean / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = [sys.executable, "-m", "pip", "--python", venv, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True, capture_output=True)
    python, (libraries,) = venv / "bin" / "python", venv.glob("lib/*/site-packages")
    borrowed = next(p for p in sys.path if p.endswith("site-packages"))
    (libraries / "borrowed.pth").write_text(borrowed + "\n")

    where = said("import accelgen; print(accelgen.__file__)", clean, python, "")

    assert Path(where.strip()).is_relative_to(venv)
    assert float(said(readmes(), clean, python, "")) == commands_fps(clean)
