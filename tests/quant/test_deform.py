"""Deformable convolution, as onnxruntime computes the model and the QDQ file we write of it."""

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from accelgen.flow.network import read_network
from accelgen.frontend import load_onnx
from accelgen.golden.interpret import interpret
from accelgen.ir.ps_ops import QDeform
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.write_qdq import to_qdq
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights
from tests.helpers.second_opinion import load_optimized, ort_outputs


def deformable(seed, opset=19):
    """A DeformConv of drawn sizes whose offsets and mask are convolutions of its own input."""
    rng = np.random.default_rng(seed)
    kernel, stride, dilation = (rng.integers(1, 4, 2).tolist() for _ in range(3))
    pads = rng.integers(0, 3, 4).tolist()
    size = [
        int(d * (k - 1) + 1 + rng.integers(1, 9)) for d, k in zip(dilation, kernel, strict=True)
    ]
    parts, groups = (int(rng.choice([1, 1, 2, 3])) for _ in range(2))
    channels, taps = 6, kernel[0] * kernel[1]
    same = {"strides": stride, "dilations": dilation, "pads": pads}
    given = {
        "in": weights(channels, 3, 1, 1, seed=seed),
        "o": weights(2 * parts * taps, channels, *kernel, seed=seed + 1),
        "ob": weights(2 * parts * taps, seed=seed + 2, scale=2.0),
        "m": weights(parts * taps, channels, *kernel, seed=seed + 3),
        "w": weights(2 * groups, channels // groups, *kernel, seed=seed + 4),
        "b": weights(2 * groups, seed=seed + 5),
    }
    nodes = [
        node("Conv", "x in", "a"), node("Relu", "a", "r"), node("Conv", "r o ob", "at", **same),
    ]  # fmt: skip
    masked, biased = rng.integers(2, size=2)
    if masked:
        nodes += [node("Conv", "r m", "logits", **same), node("Sigmoid", "logits", "mask")]
    inputs = f"r w at {'b' if biased else '_'} {'mask' if masked else '_'}"
    how = {**same, "group": groups, "offset_group": parts, "kernel_shape": kernel}
    nodes.append(node("DeformConv", inputs, "y", "deform", **how))
    return make_net(nodes, given, shape=(1, 3, *size), opset=opset)


def input_of(model, seed):
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(24))
def test_drawn_deformable_convolutions(seed):
    """Float as onnxruntime has it; every int8 tensor as it has it of the file we write."""
    model = deformable(100 * seed, opset=19 if seed % 2 else 22)
    assert_computes_the_same(model)
    x = input_of(model, seed).transpose(0, 2, 3, 1)

    made = quantize(read_network(model).graph, x)
    file = to_qdq(made)
    load_optimized(file)
    again = quantize_imported(read_network(file))
    rounded = [n.output[0] for n in file.graph.node if n.op_type == "QuantizeLinear"]
    for name in rounded:
        kind = onnx.TensorProto.INT8
        file.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    theirs, ours = ort_outputs(file, x.transpose(0, 3, 1, 2)), interpret(made.graph, x)

    assert [n.op for n in again.graph.nodes] == [n.op for n in made.graph.nodes]
    gathers = [n for n in made.graph.nodes if isinstance(n.op, QDeform)]
    assert len(gathers) == 1
    want = theirs[f"{gathers[0].output}/int8"].astype(int)
    error = np.abs(want - ours[gathers[0].output].transpose(0, 3, 1, 2))
    # Places are rounded to 1/2048 pixel: a slope of 255 steps per pixel makes an eighth of a step
    # of it, which few roundings feel; a step of the map itself goes on, as a step at most.
    assert error.max() <= 1
    assert (error > 0).mean() < 0.04


@pytest.mark.parametrize("seed", range(3))
def test_onnx_itself_computes_the_same(seed):
    """Its reference: a second judge of where taps lie and what is outside."""
    model = deformable(100 * seed)
    x = input_of(model, seed)

    (want,) = ReferenceEvaluator(model).run(None, {"x": x})
    graph = load_onnx(model).graph
    got = interpret(graph, x.transpose(0, 2, 3, 1))[graph.outputs[0]]

    # Sums of some 50 products in another order.
    np.testing.assert_allclose(got.transpose(0, 3, 1, 2), want, rtol=1e-4, atol=1e-5)
