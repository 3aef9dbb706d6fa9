"""compare_ort feeds a model what it takes: its own integers, its own shape."""

from pathlib import Path

import numpy as np
import pytest

from accelgen.flow.network import read_network
from accelgen.quant import quantize_imported
from accelgen.quant.compare_ort import compare_ort

CASES = Path(__file__).parents[1] / "models" / "cases"


@pytest.mark.parametrize("name", ["qdq_uint8_input", "qdq_int8_maxpool"])
def test_integers_and_floats_as_input(name):
    imported = read_network(CASES / f"{name}.onnx")
    graph = quantize_imported(imported).graph
    shape = graph.tensors[graph.input].shape[1:]
    samples = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)

    matches = compare_ort(graph, CASES / f"{name}.onnx", samples)

    assert matches
    assert max(match.max_difference for match in matches) <= 1
