"""docs/accuracy.md's walk from a folder of PNG to a figure and a package: its lines, as they stand.

With fewer pictures, and without the installation.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.cli import run

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "accuracy.md").read_text()
PICTURES = ROOT / "examples" / "pictures"


def lines():
    """Commands of the page's block that begins with the installation."""
    (block,) = re.findall(r"^    pip install .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    whole = re.sub(r"\\\n +", "", block)
    return [shlex.split(line) for line in whole.splitlines() if line.strip()]


def made(out, name):
    """Top-1 of a way, of a table that ``evaluate`` printed."""
    return float(re.search(rf"^\W*{name} +\W+([\d.]+) %", out, re.MULTILINE)[1])


def test_the_lines_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = []
    for program, *arguments in lines():
        if program == "python":
            script = [sys.executable, ROOT / arguments[0], *arguments[1:], "60"]
            subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
        elif program == "cp":
            shutil.copy(ROOT / arguments[0], arguments[1])
        elif program == "accelgen":
            outcome = run(*arguments)
            assert outcome.status == 0, (arguments, outcome.err)
            said.append((arguments[0], outcome.out))
        else:
            assert program == "pip"
    verbs = [verb for verb, _ in said]
    assert verbs == ["evaluate", "quantize", "evaluate", "build", "simulate"]
    first, second = (out for verb, out in said if verb == "evaluate")
    assert made(first, "float") > 80
    assert made(first, "INT8") == made(second, "INT8") > 80
    assert "the first 2 pictures, simulated for ultra96v2: every layer and output bit-exact" in (
        second
    )
    assert "bit-exact" in said[-1][1]
    assert Path("package/driver/__init__.py").exists()


def test_the_readme_knows_the_page():
    assert "figure and a package: [accuracy](docs/accuracy.md)" in (ROOT / "README.md").read_text()


@pytest.fixture
def packages(tmp_path):
    """What the packages would bring, in small."""
    rng = np.random.default_rng(0)
    for name in (
        "usr/doc/baboon.jpg", "usr/doc/apple.jpg", "usr/doc/diagram.png", "skimage/data/coffee.png",
        "skimage/data/astronaut.png", "x/darknet/data/dog.jpg", "package/demo/sample1.jpg",
        "foolbox/data/imagenet_00_243.jpg", "foolbox/data/imagenet_01_7.jpg",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def test_crops_of_photographs_are_made(packages, monkeypatch):
    monkeypatch.syspath_prepend(PICTURES)
    import photographs

    shown = [np.full((30, 50, 3), 9, np.uint8)]
    monkeypatch.setattr(photographs, "sklearn_pictures", lambda: shown)
    for out in ("one", "two"):
        monkeypatch.setattr(
            sys, "argv", ["photographs", str(packages), str(packages / out), "--size", "16"]
        )
        photographs.main()

    val, train, labelled = (
        np.load(packages / "one" / f"{name}.npz") for name in ("val", "train", "labelled")
    )
    assert val["x"].shape == (7 * 4, 3, 16, 16)
    assert train["x"].shape == (2 * 3, 3, 16, 16)
    assert train["x"].dtype == np.uint8
    assert (train["x"][3:] == 9).all()
    assert labelled["y"].tolist() == [243, 7]
    again = np.load(packages / "two" / "val.npz")["x"]
    assert np.array_equal(val["x"], again)
