"""QDQ files as onnxruntime.quantization writes them, of a network with every operation."""

import logging

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from accelgen.frontend import load_onnx
from accelgen.golden.interpret import interpret
from accelgen.quant import QuantizedModel, quantize_imported
from accelgen.quant.compare_ort import compare_ort
from accelgen.quant.write_qdq import to_qdq
from tests.quant.nets import Net, everything


class Reader(CalibrationDataReader):
    """Samples one by one, NCHW."""

    def __init__(self, samples):
        self.samples = iter(samples.transpose(0, 3, 1, 2))

    def get_next(self):
        x = next(self.samples, None)
        return None if x is None else {"x": np.ascontiguousarray(x[None])}


def spelled_out(seed=0):
    """Hard swish as Add, Clip, Mul, Div; a residual; a channel-wise scale; a gate of a gate."""
    net = Net(6, 6, 3, seed)
    x = net.conv("x", 4, (3, 3))
    moved = net.conv(x, 4, weight=np.ones((4, 1, 1, 1)), bias=np.full(4, 3.0), groups=4)
    product = net.mul(x, net.act(moved, params=(0.0, 6.0)))
    y = net.conv(product, 4, weight=np.full((4, 1, 1, 1), 1 / 6), bias=np.zeros(4), groups=4)
    scaled = net.conv(y, 4, weight=np.arange(1, 5).reshape(4, 1, 1, 1), groups=4)
    gate = net.act(net.act(scaled, "tanh"), "sigmoid")
    net.gap(net.add(net.mul(scaled, gate), y))
    return net.graph(), net.samples(8)


NETS = {"everything": everything, "spelled_out": spelled_out}


def theirs(graph, samples, path, caplog, form=QuantFormat.QDQ, **settings):
    """``graph`` as a quantized file of onnxruntime's."""
    float_path = path.with_name("float.onnx")
    bare = QuantizedModel(float_graph=graph, graph=graph, quantization={})
    onnx.save(to_qdq(bare), float_path)
    with caplog.at_level(logging.ERROR):
        quantize_static(str(float_path), str(path), Reader(samples), quant_format=form, **settings)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8], ids=str)
@pytest.mark.parametrize("per_channel", [True, False], ids=["per_channel", "per_tensor"])
@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
def test_every_layer_is_within_one(
    net, activations, per_channel, symmetric, tmp_path, caplog
):  # fmt: skip
    graph, samples = NETS[net]()
    path = tmp_path / "qdq.onnx"
    theirs(
        graph, samples, path, caplog, per_channel=per_channel, weight_type=QuantType.QInt8,
        activation_type=activations, extra_options={"ActivationSymmetric": symmetric},
    )  # fmt: skip

    model = quantize_imported(load_onnx(path), samples)
    matches = compare_ort(model.graph, path, samples)

    # All but tables that rescale a Concat's inputs, which onnxruntime has no name for.
    assert len(matches) >= len(model.graph.nodes) - 4
    assert max(m.max_difference for m in matches) <= 1
    for match in matches:
        # An average of 4 pixels that keeps its scale ties often: docs/numerics.md.
        limit = 0.2 if match.op == "QAvgPool" else 0.01
        assert match.differing <= max(limit * match.elements, 1), match


def test_rounding_between_the_parts_of_a_gate_is_kept(tmp_path, caplog):
    """With coarse scales inside, x * sigmoid(x) in one rounding would be far off."""
    graph, samples = everything()
    path = tmp_path / "qdq.onnx"
    theirs(
        graph, samples, path, caplog, weight_type=QuantType.QInt8, activation_type=QuantType.QInt8
    )
    proto = onnx.load(path)
    scale = next(t for t in proto.graph.initializer if t.name == "activation3_out/sigmoid_scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.float32(1 / 16), scale.name))

    model = quantize_imported(load_onnx(proto))
    matches = compare_ort(model.graph, proto, samples)

    assert next(m for m in matches if m.tensor == "activation3_out").max_difference <= 1


#: onnxruntime's kernels for uint8 by int8 saturate on processors without VNNI, but not 7 bits.
KINDS = {
    "int8": {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8},
    "uint8": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8,
              "reduce_range": True},
    "weights_uint8": {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QUInt8,
                      "reduce_range": True},
}  # fmt: skip


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_channel", [True, False], ids=["per_channel", "per_tensor"])
def test_operators_on_integers(net, kind, per_channel, tmp_path, caplog):
    """QOperator format: read as QDQ is, layer by layer within 1 of what onnxruntime makes."""
    graph, samples = NETS[net]()
    path = tmp_path / "qoperator.onnx"
    theirs(
        graph, samples, path, caplog, QuantFormat.QOperator, per_channel=per_channel, **KINDS[kind]
    )  # fmt: skip

    model = quantize_imported(load_onnx(path))
    matches = compare_ort(model.graph, path, samples)

    assert len(matches) >= len(model.graph.nodes) - 4
    assert max(m.max_difference for m in matches) <= 1
    written = interpret(quantize_imported(load_onnx(to_qdq(model))).graph, samples)
    made = interpret(model.graph, samples)
    for name in model.graph.outputs:
        np.testing.assert_array_equal(written[name], made[name])
