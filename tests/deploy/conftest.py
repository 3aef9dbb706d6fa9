"""A small trained network, compiled once for all tests here."""

from pathlib import Path

import pytest

from accelgen.arch import PRESETS
from accelgen.frontend import load_onnx
from accelgen.inputs.samples import load_samples
from accelgen.passes import run_passes
from accelgen.quant import quantize
from accelgen.schedule import schedule

MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture(scope="session")
def digits():
    """(QuantizedModel, Program, samples NHWC) of trained_digits_tiny on the small configuration."""
    imported = load_onnx(MODELS / "trained_digits_tiny.onnx")
    samples = load_samples(MODELS / "trained_digits_tiny_test.npz", shape=(1, 8, 8, 1))
    model = quantize(run_passes(imported.graph), samples[:32])
    return model, schedule(model.graph, PRESETS["small"]), samples
