"""The first day of a user: pictures, a package, what its README says, and the board's self-test."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from accelgen.arch.isa import Opcode
from accelgen.deploy.keep import file_hash
from accelgen.flow import driven, packages
from tests.helpers.cli import run

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "tests" / "models"
EFFSE = MODELS / "trained_fmnist_effse.onnx"
LABELS = [
    "shirt", "trouser", "pullover", "dress", "coat", "sandal", "top", "sneaker", "bag", "boot",
]  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Where the user sits: a folder of pictures, a file of labels, an ONNX file."""
    where = tmp_path_factory.mktemp("desk")
    data = np.load(MODELS / "trained_fmnist_effse_test.npz")
    (where / "pictures").mkdir()
    for i, x in enumerate(data["calib_uint8"][:24, 0]):
        Image.fromarray(x).save(where / "pictures" / f"{i:02}.png")
    (where / "test").mkdir()
    for i, x in enumerate(data["x_uint8"][:4, 0]):
        Image.fromarray(x).save(where / "test" / f"{i}.png")
    (where / "labels.txt").write_text("\n".join(LABELS))
    shutil.copy(EFFSE, where / "OTHER.onnx")
    return where


#: How the network takes pictures, and the hardware.
OPTIONS = ("--mean", "0.286", "--std", "0.353", "--preset", "small")


def build(desk, name, *options):
    outcome = run(
        "build", EFFSE, "--calib", desk / "pictures", *OPTIONS,
        "--labels", desk / "labels.txt", "-o", desk / name, *options,
    )  # fmt: skip
    assert outcome.status == 0, outcome.err
    return desk / name


@pytest.fixture(scope="module")
def package(desk):
    """A package whose bitstream somebody has made."""
    where = build(desk, "package")
    (where / "accelgen.bit").write_bytes(b"bits")
    return where


def on_board(package, *command):
    """A script of the package, on an accelerator that is the golden model."""
    return subprocess.run(
        [sys.executable, "-m", "tests.helpers.pynq_stand_in", str(package), *map(str, command)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def commands(readme):
    """Command lines of a README: its indented blocks."""
    return [line.strip() for line in readme.splitlines() if re.match(r"    \S", line)]


def test_every_command_of_the_readme_up_to_vivado_runs(desk, package, monkeypatch):
    monkeypatch.chdir(package)
    seen = set()
    for line in commands((package / "README.md").read_text()):
        line = line.split("  #")[0].strip()
        program, *arguments = shlex.split(line)
        seen.add(program)
        if program == "accelgen":
            files = {"OTHER.onnx": str(desk / "OTHER.onnx"), "DIR": str(desk / "pictures")}
            arguments = [files.get(a, a) for a in arguments]
            arguments = [str(desk / a) if a == "OTHER" else a for a in arguments]
            if arguments[0] == "build":  # "with the options that this package was built with"
                arguments += OPTIONS
            outcome = run(*arguments)
            assert outcome.status == 0, (line, outcome.err)
        elif program == "python3":
            done = on_board(package, *arguments)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
        else:
            assert program in ("vivado", "sudo", "source", "cd"), line
    assert {"accelgen", "vivado", "python3"} <= seen
    assert json.loads((package / "simulated.json").read_text())["cycles"]
    # The other network's package found the bitstream beside it.
    assert on_board(desk / "OTHER", "selftest.py").returncode == 0


def test_the_readme_and_estimate_print_the_same_frames_per_second(desk, package):
    outcome = run("estimate", EFFSE, "--calib", desk / "pictures", *OPTIONS, "--json")

    told = re.search(
        r"Estimated, not measured: ([\d,.]+) frames", (package / "README.md").read_text()
    )
    assert told[1] == f"{json.loads(outcome.out)['fps']:,.1f}"


def test_pictures_get_the_classes_that_the_quantized_network_gives_them(desk, package):
    done = on_board(package, "example.py", *sorted((desk / "test").glob("*.png")))

    assert done.returncode == 0, done.stderr
    logits = np.load(MODELS / "trained_fmnist_effse_test.npz")["float_logits"][:4]
    first = re.findall(r"\.png\n +(\S+)  (\w+)", done.stdout)
    assert [label for _, label in first] == [LABELS[i] for i in logits.argmax(axis=1)]


def test_selftest_names_what_differs(desk, package, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(package, broken)
    arrays = dict(np.load(broken / "expected.npz"))
    arrays["tensor_0"].reshape(-1)[3] ^= 1
    np.savez(broken / "expected.npz", **arrays)
    manifest = json.loads((broken / "manifest.json").read_text())
    manifest["files"]["expected.npz"] = file_hash(broken / "expected.npz")
    (broken / "manifest.json").write_text(json.dumps(manifest))

    done = on_board(broken, "selftest.py")

    assert done.returncode == 1
    assert f"tensor {manifest['expected'][0]['tensor']!r}" in done.stdout
    assert "first differs at (h, w, c) = (0, 0, 3)" in done.stdout


def test_the_notebook_runs_from_top_to_bottom(package):
    book = json.loads((package / "classify.ipynb").read_text())
    cells = ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
    (package / "cells.py").write_text("\n\n".join(cells))
    try:
        done = on_board(package, "cells.py")
    finally:
        (package / "cells.py").unlink()

    assert done.returncode == 0, done.stderr
    assert any(label in done.stdout for label in LABELS)
    assert "all well" in done.stdout


@pytest.fixture(scope="module")
def kept(desk):
    """The same network with every tensor stored."""
    return build(desk, "kept", "--keep-all")


@pytest.mark.slow
def test_the_selftest_is_well_on_the_simulated_hardware(package):
    result = driven.run_in_package(package, package / "selftest.py")

    assert (result.status, result.violations) == (0, ()), result.output
    for test in ("registers", "memory", "transfer", "picture", "frame"):
        assert re.search(rf"^{test} +ok ", result.output, re.MULTILINE), test
    rows = re.findall(r"^(\S+) .* ([\d,]+) +(-|[\d,]+) +([\d,]+)$", result.output, re.MULTILINE)
    steps = json.loads((package / "manifest.json").read_text())["layers"]
    assert [name for name, *_ in rows] == [*(s["nodes"][0] for s in steps), "all"]
    estimated, on_board = (int(rows[-1][i].replace(",", "")) for i in (1, 3))
    assert on_board == pytest.approx(estimated, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("index", [5, 20])
def test_a_bit_that_a_weight_loses_is_found_in_its_layer(kept, index):
    program = packages.open_package(kept)[0].program
    step = program.steps[index]
    (stream,) = [
        program.commands[i] for i in step.commands if program.commands[i].opcode is Opcode.WEIGHTS
    ]
    # Weights are the stream's last part.
    offset = stream.offset + 16 * stream.beats - 40

    result = driven.run_in_package(
        kept, ROOT / "tests" / "helpers" / "weight_fault.py", [str(offset)]
    )

    assert result.status == 1, result.output
    assert re.search(r"^memory +ok ", result.output, re.MULTILINE)
    layers = ", ".join(step.nodes)
    assert f"frame      WRONG  tensor {step.output!r} (layer {layers}) first" in result.output
