"""The trained networks import and compute what onnxruntime computes."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from accelgen.frontend import load_onnx
from accelgen.golden.interpret import interpret
from accelgen.passes import run_passes
from tests.helpers.nets import assert_same_outputs

MODELS = Path(__file__).parents[1] / "models"


@pytest.mark.parametrize("name", ["digits_tiny", "fmnist_dscnn", "fmnist_effse"])
def test_float_logits(name):
    data = np.load(MODELS / f"trained_{name}_test.npz")
    graph = run_passes(load_onnx(MODELS / f"trained_{name}.onnx").graph)
    x = (data["x_uint8"][:50].astype(np.float32) / data["divisor"] - data["mean"]) / data["std"]

    logits = interpret(graph, x.astype(np.float32).transpose(0, 2, 3, 1))[graph.outputs[0]]

    # Float32 sums in another order.
    np.testing.assert_allclose(logits.reshape(50, -1), data["float_logits"][:50], atol=2e-4)


def test_squeezenet():
    path = MODELS / "trained_squeezenet1_1.onnx"
    graph = run_passes(load_onnx(path).graph)

    assert_same_outputs(onnx.load(path), graph)
