"""Pixels that change places are read as onnxruntime moves them, and keep their values as int8."""

import numpy as np
import pytest

from accelgen.frontend import load_onnx
from accelgen.golden import interpret
from accelgen.passes import run_passes
from accelgen.quant import quantize
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights

AT = {"s": np.array([1, -6]), "e": np.array([-2, 7]), "axes": np.array([2, 3])}
MOVES = {
    "space to depth": (node("SpaceToDepth", "a", blocksize=2), {}, 12),
    "its other order": (node("SpaceToDepth", "a", blocksize=2, mode="CRD"), {}, 12),
    "depth to space": (node("DepthToSpace", "a", blocksize=2), {}, 12),
    "the other order": (node("DepthToSpace", "a", blocksize=2, mode="CRD"), {}, 12),
    "slice": (node("Slice", "a s e axes"), AT, 5),
    "slice with steps": (
        node("Slice", "a s e axes t"), AT | {"t": np.array([3, 2])}, 5
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_moves_and_keeps_every_value(name):
    one, constants, channels = MOVES[name]
    net = make_net(
        [node("Conv", "x w", "a"), one], {"w": weights(channels, 3, 1, 1)} | constants,
        opset=28 if name == "its other order" else 17,
    )  # fmt: skip
    assert_computes_the_same(net)
    graph = run_passes(load_onnx(net).graph)
    samples = np.random.default_rng(1).standard_normal((3, 8, 8, 3)).astype(np.float32)
    model = quantize(graph, samples)
    kinds = {model.graph.tensors[t].quantization for t in model.graph.activations()[1:]}
    assert len(kinds) == 1

    values = interpret(model.graph, samples[:1])
    before, after = values[model.graph.nodes[0].output], values[model.graph.outputs[0]]

    # What is moved by int8 operations is what is moved by float ones.
    moved = interpret(graph, samples[:1])
    first, last = graph.nodes[0].output, graph.outputs[0]
    table = {float(v): int(q) for v, q in zip(moved[first].ravel(), before.ravel(), strict=True)}
    wanted = [table[float(v)] for v in moved[last].ravel()]
    assert after.ravel().tolist() == wanted
