"""Trained networks: accuracy, and layer by layer against onnxruntime on its own QDQ files."""

import logging
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from accelgen.frontend import load_onnx
from accelgen.passes import run_passes
from accelgen.quant import quantize, quantize_imported
from accelgen.quant.accuracy import predict, top1
from accelgen.quant.calibrate import METHODS
from accelgen.quant.compare_ort import compare_ort, run_ort
from accelgen.quant.write_qdq import to_qdq

MODELS = Path(__file__).parents[1] / "models"
NETS = ["trained_digits_tiny", "trained_fmnist_dscnn", "trained_fmnist_effse"]

# Half a point of 500 images is 2.5 of them.
HALF_A_POINT = 0.005


class Data:
    """A network's test images, as it wants them: NHWC float32."""

    def __init__(self, net):
        self.path = MODELS / f"{net}.onnx"
        arrays = np.load(MODELS / f"{net}_test.npz")
        divisor, mean, std = (float(arrays[k]) for k in ("divisor", "mean", "std"))

        def prepared(name):
            x = ((arrays[name] / divisor - mean) / std).astype(np.float32)
            return np.ascontiguousarray(x.transpose(0, 2, 3, 1))

        self.x, self.calibration = prepared("x_uint8"), prepared("calib_uint8")
        self.y, self.float_logits = arrays["y"], arrays["float_logits"]
        self.ort_logits = arrays["ort_int8_pc_logits"]
        self.graph = run_passes(load_onnx(self.path).graph)

    @cached_property
    def quantized(self):
        return quantize(self.graph, self.calibration)

    @cached_property
    def int8_logits(self):
        return predict(self.quantized.graph, self.x)


@pytest.fixture(scope="module", params=NETS)
def data(request):
    return Data(request.param)


class Reader(CalibrationDataReader):
    """Calibration images for onnxruntime's quantizer, one by one, NCHW."""

    def __init__(self, samples):
        self.samples = iter(samples.transpose(0, 3, 1, 2))

    def get_next(self):
        x = next(self.samples, None)
        return None if x is None else {"input": np.ascontiguousarray(x[None])}


def assert_layers_agree(matches, nodes):
    assert len(matches) == nodes
    worst = max(matches, key=lambda m: m.max_difference)
    assert worst.max_difference <= 1, worst
    # Measured 1e-5 to 5e-5: only numbers within some thousandths of a tie can differ.
    assert sum(m.differing for m in matches) <= 2e-4 * sum(m.elements for m in matches)


def test_float_interpreter_gives_the_recorded_logits(data):
    # float32 sums in another order.
    np.testing.assert_allclose(predict(data.graph, data.x), data.float_logits, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_int8_is_within_half_a_point_of_float(data, method):
    int8 = data.int8_logits
    if method != METHODS[0]:
        int8 = predict(quantize(data.graph, data.calibration, method).graph, data.x)
    reference = top1(data.float_logits, data.y)

    assert top1(int8, data.y) >= reference - HALF_A_POINT
    if method == METHODS[0]:
        assert top1(int8, data.y) >= top1(data.ort_logits, data.y) - 2 * HALF_A_POINT


def test_onnxruntime_agrees_with_what_we_write(data):
    model = data.quantized
    proto = to_qdq(model)

    assert_layers_agree(compare_ort(model.graph, proto, data.x[:10]), len(model.graph.nodes))
    ours, theirs = data.int8_logits, run_ort(proto, data.x)[0]
    assert (ours.argmax(1) == theirs.argmax(1)).mean() >= 1 - HALF_A_POINT


@pytest.mark.parametrize("activations", [QuantType.QInt8, QuantType.QUInt8], ids=str)
def test_onnxruntime_agrees_on_what_it_writes(data, activations, tmp_path, caplog):
    path = tmp_path / "theirs.onnx"
    with caplog.at_level(logging.ERROR):
        quantize_static(
            str(data.path), str(path), Reader(data.calibration[:50]), per_channel=True,
            quant_format=QuantFormat.QDQ, weight_type=QuantType.QInt8, activation_type=activations,
        )  # fmt: skip

    model = quantize_imported(load_onnx(path), data.calibration)

    assert_layers_agree(compare_ort(model.graph, path, data.x[:10]), len(model.graph.nodes))
    assert min(row.weight_sqnr_db for row in model.report if row.weight_sqnr_db) > 100
    ours, theirs = predict(model.graph, data.x), run_ort(path, data.x)[0]
    assert abs(top1(ours, data.y) - top1(theirs, data.y)) <= HALF_A_POINT
    again = quantize_imported(load_onnx(to_qdq(model))).graph
    for a, b in zip(model.graph.nodes, again.nodes, strict=True):
        assert (a.name, a.op, a.output) == (b.name, b.op, b.output)
        for one, other in zip(a.inputs[1:], b.inputs[1:], strict=True):
            if one in model.graph.constants:
                np.testing.assert_array_equal(model.graph.constants[one], again.constants[other])


def test_report_names_every_layer(data):
    model = data.quantized

    assert [row.node for row in model.report] == [n.name for n in model.graph.nodes]
    assert all(row.sources for row in model.report)
    # The last layer: what the classifier sees. 20 dB is an error of a tenth.
    assert model.report[-1].sqnr_db > 20
    weights = [row.weight_sqnr_db for row in model.report if row.op == "QConv2d"]
    assert min(weights) > 30
