"""compare_ort feeds a model what it takes: its own integers, its own shape."""

from pathlib import Path

import numpy as np
import pytest

from accelgen.flow.network import read_network
from accelgen.quant import quantize_imported
from accelgen.quant.compare_ort import compare_ort
from tests.helpers.nets import make_net, node

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


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_map_in_another_order_is_not_mistaken(layout):
    """As high and wide as it has channels: the shape does not tell the orders apart."""
    turn, back = ([0, 2, 3, 1], [0, 3, 1, 2]) if layout == "nchw" else ([0, 3, 1, 2], [0, 2, 3, 1])
    constants = {
        "xs": np.float32(0.03), "z": np.int8(3), "ys": np.float32(0.05),
        "f": np.arange(1, 5, dtype=np.float32).reshape((4, 1, 1) if layout == "nhwc" else 4),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x xs z", "xq"), node("DequantizeLinear", "xq xs z", "xd"),
        node("Transpose", "xd", "t", perm=turn), node("Mul", "t f", "u"),
        node("QuantizeLinear", "u ys z", "uq"), node("DequantizeLinear", "uq ys z", "ud"),
        node("Transpose", "ud", "v", perm=back), node("Sigmoid", "v", "r"),
        node("QuantizeLinear", "r ys z", "rq"), node("DequantizeLinear", "rq ys z", "y"),
    ]  # fmt: skip
    model = make_net(nodes, constants, shape=(1, 4, 4, 4))
    imported = read_network(model)
    graph = quantize_imported(imported).graph
    samples = np.random.default_rng(0).standard_normal((2, 4, 4, 4)).astype(np.float32)

    matches = compare_ort(graph, model, samples, imported.input_layout)

    assert max((match.max_difference for match in matches), default=0) <= 1
