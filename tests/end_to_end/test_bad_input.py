"""Bad input gets one sentence and status 2, never a traceback, never half a directory."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.bad_models import convolution_net, save
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
DIGITS = MODELS / "trained_digits_tiny.onnx"
CALIB = MODELS / "trained_digits_tiny_test.npz"

NAN = np.full((4, 3, 3, 3), np.nan, np.float32)
CASES = {
    "truncated file": (DIGITS.read_bytes()[:5000], "bad.onnx"),
    "empty file": (b"", "bad.onnx"),
    "not a model": (b"\x89PNG\r\n\x1a\n not a model", "bad.onnx"),
    "opset too old": (convolution_net(opset=6), "opset"),
    "opset too new": (convolution_net(opset=99), "opset"),
    "unknown operator": (convolution_net(op="Frobnicate"), "first"),
    "dynamic shape": (convolution_net(shape=(1, 3, "height", 8)), "x"),
    "NaN weights": (convolution_net(weight=NAN), "w"),
    "channel mismatch": (convolution_net(channels=5), "first"),
    "unknown attribute": (convolution_net(attributes={"dilation": [2, 2]}), "dilation"),
}


def assert_one_sentence(outcome, word):
    assert outcome.status == 2
    assert outcome.out == ""
    errors = [line for line in outcome.err.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == 1, outcome.err
    assert re.match(r"error: \S", errors[0])
    assert word in errors[0]
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("verb", ["estimate", "build", "quantize"])
def test_bad_model_gets_one_sentence(tmp_path, name, verb):
    model, word = CASES[name]
    path = save(model, tmp_path / "bad.onnx")
    out = ["-o", tmp_path / "out"] if verb != "estimate" else []

    outcome = run(verb, path, *out)

    assert_one_sentence(outcome, word)
    assert os.listdir(tmp_path) == ["bad.onnx"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["estimate", "none.onnx"], "none.onnx"),
        (["estimate", DIGITS, "--board", "ultra97"], "unknown board 'ultra97'"),
        (["estimate", DIGITS, "--preset", "huge"], "unknown preset 'huge'"),
        (["estimate", DIGITS, "--config", "none.toml"], "none.toml"),
        (["estimate", DIGITS, "--calib", "none.npz"], "none.npz"),
        (["estimate", DIGITS, "--calib", DIGITS], "trained_digits_tiny.onnx"),
        (["estimate", "zoo:alexnet2000"], "alexnet2000"),
        (["estimate", "zoo:mobilenet_v2@big"], "must be a whole number"),
        (["estimate", "zoo:mobilenet_v2@0"], "resolution"),
        (["quantize", DIGITS, "--calib", CALIB, "--method", "magic", "-o", "q.onnx"], "magic"),
        (["zoo", "export", "nothing", "-o", "net.onnx"], "nothing"),
    ],
    ids=lambda value: "-".join(map(str, value[:3]))[-60:] if isinstance(value, list) else "",
)
def test_bad_option_gets_one_sentence(tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)

    assert_one_sentence(run(*arguments), word)
    assert os.listdir(tmp_path) == []


def test_bad_configuration_names_the_knob(tmp_path):
    config = tmp_path / "c.toml"
    for text, word in (
        ("lanes = 3", "lanes must be a power of two"),
        ("lane = 4", "lane is not known"),
        ("lanes = ", "is not TOML"),
        ('lanes = "many"', "lanes"),
    ):
        config.write_text(text)

        assert_one_sentence(run("estimate", DIGITS, "--calib", CALIB, "--config", config), word)


def test_wrong_calibration_shape_is_named(tmp_path):
    np.savez(tmp_path / "c.npz", x=np.zeros((2, 3, 9, 9), np.float32))

    assert_one_sentence(run("estimate", DIGITS, "--calib", tmp_path / "c.npz"), "9")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission_is_named(tmp_path):
    tmp_path.chmod(0o555)

    assert_one_sentence(
        run("build", DIGITS, "--calib", CALIB, "-o", tmp_path / "out"), "Permission denied"
    )


def test_no_write_permission_is_named_for_root_too(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("accelgen.deploy.output.Path.mkdir", refuse)
    monkeypatch.setattr("accelgen.deploy.output.Path.touch", refuse)

    outcome = run("build", DIGITS, "--calib", CALIB, "-o", tmp_path / "out")
    assert_one_sentence(outcome, "Permission denied")
    outcome = run("quantize", DIGITS, "--calib", CALIB, "-o", tmp_path / "q.onnx")
    assert_one_sentence(outcome, "Permission denied")
    assert os.listdir(tmp_path) == []


def test_someone_elses_directory_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("precious")

    outcome = run("build", DIGITS, "--calib", CALIB, "-o", tmp_path / "out")

    assert_one_sentence(outcome, "--force")
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_nothing(tmp_path, number):
    work = tmp_path / "work"
    work.mkdir()
    command = ["build", DIGITS, "--calib", CALIB, "--preset", "small", "-o", work / "out"]
    # With an empty cache the Verilog has to be made: there is time to interrupt.
    process = subprocess.Popen(
        [sys.executable, "-m", "accelgen", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"ACCELGEN_CACHE": str(tmp_path / "cache")},
        # A test run in the background of a shell hands down that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while not os.listdir(work) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 128 + number, err
    assert "interrupted; nothing was written" in err
    assert "Traceback" not in err
    assert os.listdir(work) == []
