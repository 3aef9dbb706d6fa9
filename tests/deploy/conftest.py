"""A small trained network, compiled once for all tests here."""

from pathlib import Path

import pytest

from accelgen.arch import PRESETS
from accelgen.deploy.driver import Accelerator
from accelgen.frontend import load_onnx
from accelgen.inputs.samples import load_samples
from accelgen.passes import run_passes
from accelgen.program.places import two_places
from accelgen.quant import quantize
from accelgen.schedule import schedule
from tests.helpers.fake_board import FakeBoard

MODELS = Path(__file__).parents[1] / "models"


@pytest.fixture(scope="session")
def digits():
    """(QuantizedModel, Program, samples NHWC) of trained_digits_tiny on the small configuration."""
    imported = load_onnx(MODELS / "trained_digits_tiny.onnx")
    samples = load_samples(MODELS / "trained_digits_tiny_test.npz", shape=(1, 8, 8, 1))
    model = quantize(run_passes(imported.graph), samples[:32])
    return model, schedule(model.graph, PRESETS["small"]), samples


@pytest.fixture(scope="module")
def package(tmp_path_factory, digits):
    """Program with its last layer on the PS, its places, and the package's directory."""
    from tests.deploy.test_package import written

    program = schedule(digits[0].graph, digits[1].arch, fc_on_ps=True)
    assert program.ps_steps
    return program, two_places(program), written(tmp_path_factory.mktemp("driver"), program)


@pytest.fixture
def board(package):
    return FakeBoard(*package[:2])


@pytest.fixture
def accelerator(package, board):
    with Accelerator(board, package[2]) as made:
        made.load()
        yield made


@pytest.fixture(scope="module")
def pictures(digits):
    """Float NCHW, as the model takes them."""
    return digits[2][:7].transpose(0, 3, 1, 2)
