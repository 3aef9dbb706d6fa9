"""Samples that are not scaled as the network was trained: a sentence; those that are: none."""

from pathlib import Path

import numpy as np
import pytest

import accelgen
from accelgen.flow.network import load, quantized
from accelgen.quant.plausible import far_from_calibration, odd_scaling
from tests.helpers.cli import run

MODELS = Path(__file__).parents[1] / "models"
NAMES = ("trained_digits_tiny", "trained_fmnist_dscnn", "trained_fmnist_effse")


def of(name):
    """The float network, raw pixels (n, h, w, c), and what makes its input of them."""
    arrays = np.load(MODELS / f"{name}_test.npz")
    raw = arrays["calib_uint8"].transpose(0, 2, 3, 1).astype(np.float32)
    scaling = tuple(float(arrays[k]) for k in ("divisor", "mean", "std"))
    return load(MODELS / f"{name}.onnx").imported.graph, raw, scaling


WRONG = {
    "raw": (lambda x, divisor, mean, std: x, "raw pixels?"),
    "twice": (lambda x, divisor, mean, std: (x / divisor - mean) / std / 255, "divided twice?"),
    "mean of bytes": (
        lambda x, divisor, mean, std: (x / divisor - 255 * mean) / (255 * std),
        "as with --mean and --std of pixels of 0 to 255",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_right_is_not_doubted(name):
    graph, raw, (divisor, mean, std) = of(name)

    assert odd_scaling(graph, (raw / divisor - mean) / std) == ""
    assert odd_scaling(graph, raw / divisor) == ""


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_wrong_is_said(name, what):
    graph, raw, scaling = of(name)
    make, sentence = WRONG[what]

    assert sentence in odd_scaling(graph, make(raw, *scaling).astype(np.float32))


def test_data_that_calibration_has_not_seen():
    _, raw, (divisor, mean, std) = of(NAMES[0])
    x = ((raw / divisor - mean) / std).astype(np.float32)
    made, _ = quantized(load(MODELS / f"{NAMES[0]}.onnx"), calib=MODELS / f"{NAMES[0]}_test.npz")

    assert far_from_calibration(made.graph, x) == ""
    assert "are they scaled as the calibration" in far_from_calibration(made.graph, raw)
    assert "quantized for" in far_from_calibration(made.graph, x / 255)


def test_both_are_warnings_of_the_verbs(tmp_path):
    model, data = (MODELS / f"{NAMES[1]}{end}" for end in (".onnx", "_test.npz"))
    raw = np.load(data)["calib_uint8"][:16]
    np.savez(tmp_path / "raw.npz", x=raw.astype(np.float32))

    said = run("quantize", model, "--calib", tmp_path / "raw.npz", "-o", tmp_path / "q.onnx")
    made = accelgen.evaluate(model, tmp_path / "raw.npz", calib=data)

    assert said.status == 0
    assert "warning: calibration samples reach 255, and beside" in said.err
    assert ["quantized for" in warning for warning in made.warnings] == [True]
