"""QDQ as tools write it: onnxruntime's defaults, TensorRT, Brevitas, NNCF, optimised files."""

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from accelgen.arch import PRESETS
from accelgen.errors import MissingScaleError, UnsupportedOpError
from accelgen.flow.network import load, quantized, read_network
from accelgen.flow.verdicts import check_model
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.quant import quantize_imported
from accelgen.quant.scales import Range, quantization_of
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_int8_agrees, ort_outputs

SHAPE = (1, 6, 8, 8)
CONSTANTS = {
    "w": np.round(weights(6, 6, 3, 3, scale=40)).clip(-127, 127).astype(np.int8),
    "ws": np.linspace(0.002, 0.008, 6).astype(np.float32), "wz": np.zeros(6, np.int8),
    "b": weights(6, seed=1, scale=0.5), "xs": np.float32(0.03), "xz": np.int8(5),
    "ys": np.float32(0.05), "yz": np.int8(-9), "zs": np.float32(0.09), "zz": np.int8(3),
}  # fmt: skip
WEIGHT = node("DequantizeLinear", "w ws wz", "wd", axis=0)
ENTER = [
    node("QuantizeLinear", "x xs xz", "xq"),
    node("DequantizeLinear", "xq xs xz", "xd"),
    WEIGHT,
]


def conv(x, y):
    return node("Conv", f"{x} wd b", y, f"conv_{y}", pads=[1, 1, 1, 1])


def rounded(x, y, scale):
    return [
        node("QuantizeLinear", f"{x} {scale}s {scale}z", f"{y}_q"),
        node("DequantizeLinear", f"{y}_q {scale}s {scale}z", y),
    ]


def frame(seed=0):
    return np.random.default_rng(seed).standard_normal((1, 8, 8, 6)).astype(np.float32)


def assert_close(model, steps, scale, **constants):
    """All outputs within ``steps`` of onnxruntime's, for a model that has its own scales."""
    imported = read_network(model)
    x = frame()
    made = quantize_imported(imported, x)
    got = model_outputs(made.graph, interpret(made.graph, x))
    wanted = ort_outputs(model, x.transpose(0, 3, 1, 2))
    for name, array in wanted.items():
        assert np.abs(got[name] - array).max() <= steps * scale, name
    assert_int8_agrees(imported, x)
    return made


def test_the_mean_of_a_sum_has_the_sums_scale():
    """A sum is a mean times its pixels: the mean has no scale in the file, and needs no samples."""
    nodes = [*ENTER[:2], node("ReduceSum", "xd a", "t", "sum", keepdims=1), *rounded("t", "y", "z")]
    constants = {**CONSTANTS, "a": np.array([2, 3]), "zs": np.float32(0.7)}
    model = make_net(nodes, constants, shape=SHAPE)

    made = quantize_imported(read_network(model))

    x = frame()
    got = model_outputs(made.graph, interpret(made.graph, x))["y"]
    want = ort_outputs(model, x.transpose(0, 3, 1, 2))["y"]
    assert np.abs(got - want).max() <= 1.01 * 0.7


@pytest.mark.parametrize("scale", [0.011, 0.09])
def test_a_linear_resize_rounds_once(scale):
    """To the scale behind it, however much finer than the one before: what lies between two numbers
    is none of them (the fuzzer's seed 23, case 12413: 3 steps off behind a Relu)."""
    resize = node("Resize", "xd  sizes", "r", "resize", mode="linear")
    resize.input[:] = ["xd", "", "", "sizes"]
    nodes = [*ENTER[:2], resize, node("Relu", "r", "t"), *rounded("t", "y", "z")]
    sizes = {"sizes": np.array([1, 6, 13, 11]), "zs": np.float32(scale), "zz": np.int8(-128)}
    model = make_net(nodes, {**CONSTANTS, **sizes}, shape=SHAPE)

    assert_close(model, 1.01, scale)


BIASES = {
    "own scale": np.full(6, 0.011),
    "one scale": np.float64(0.02),
    "of the layer": 0.03 * np.linspace(0.002, 0.008, 6),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    # An int8 has no room for steps as small as the layer's.
    [("own scale", np.int8), ("one scale", np.int8), *((name, np.int32) for name in BIASES)],
)
def test_a_bias_with_its_own_scale(name, kind):
    """Taken as steps of the layer's sums it was up to 255 output steps off."""
    scale = BIASES[name].astype(np.float32)
    bias = np.round(CONSTANTS["b"] / scale).astype(kind)
    extra = {"bi": bias, "bs": scale, "bz": np.zeros(scale.shape, kind)}
    nodes = [
        *ENTER, node("DequantizeLinear", "bi bs bz", "bd", axis=0),
        node("Conv", "xd wd bd", "t", pads=[1, 1, 1, 1]), *rounded("t", "y", "y"),
    ]  # fmt: skip

    assert_close(make_net(nodes, CONSTANTS | extra, shape=SHAPE), 1.01, 0.05)


@pytest.mark.parametrize("op", ["Add", "Mul", "Sub", "Div"])
@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_a_quantized_constant_operand(op, kind):
    """onnxruntime quantizes constants of Add and Mul with a zero point as it likes."""
    extra = {"k": np.array([255 if kind is np.uint8 else 127], kind), "ks": np.float32(0.012),
             "kz": kind(0 if kind is np.uint8 else -128)}  # fmt: skip
    nodes = [
        *ENTER, node("DequantizeLinear", "k ks kz", "kd"), conv("xd", "t"), *rounded("t", "u", "y"),
        node(op, "u kd", "v"), *rounded("v", "y", "z"),
    ]  # fmt: skip

    assert_close(make_net(nodes, CONSTANTS | extra, shape=SHAPE), 1.01, 0.09)


def test_an_asymmetric_weight_is_refused():
    extra = {"w": np.full((6, 6, 3, 3), 250, np.uint8), "wz": np.full(6, 7, np.uint8)}
    nodes = [*ENTER, conv("xd", "t"), *rounded("t", "y", "y")]

    with pytest.raises(UnsupportedOpError, match="asymmetric zero point for 'w'; quantize"):
        read_network(make_net(nodes, CONSTANTS | extra, shape=SHAPE))


PARTS = {
    "no scale at the output": ([*ENTER, conv("xd", "y")], "conv_y"),
    "tanh at the output": (
        [*ENTER, conv("xd", "t"), *rounded("t", "u", "y"), node("Tanh", "u", "y", "tanh")], "tanh"
    ),
    "a function before a pool": (
        [*ENTER, conv("xd", "t"), *rounded("t", "u", "y"), node("Tanh", "u", "v", "tanh"),
         node("Sigmoid", "v", "s", "sig"), node("GlobalAveragePool", "s", "p", "pool"),
         *rounded("p", "y", "y")],
        "sig",
    ),
    # A function of a vector goes on without a scale, and is a factor then.
    "a gate of a vector": (
        [*ENTER, node("GlobalAveragePool", "xd", "p", "pool"), *rounded("p", "u", "y"),
         conv("u", "t"), node("HardSigmoid", "t", "g", "gate"), node("Mul", "g p", "y", "scale")],
        "conv_t",
    ),
    "only before convolutions": (
        [*ENTER, conv("xd", "t"), node("Relu", "t", "r"), *rounded("r", "u", "y"), conv("u", "v"),
         node("Add", "v r", "y", "add")],
        "conv_v",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_missing_scales_come_from_samples(name):
    nodes, lacking = PARTS[name]
    model = make_net(nodes, CONSTANTS, shape=SHAPE)

    with pytest.raises(MissingScaleError, match=f"the output of node '{lacking}', has no scale"):
        quantize_imported(read_network(model))
    made = assert_close(model, 6, 0.05)

    assert check_model(model, arch=PRESETS["small"]).builds
    assert made.quantization["x"].scale == np.float32(0.03)  # what the file says stays


SATURATING = {
    # In the float graph nothing is left of x - x; the file clips one of the two.
    "what was cut off": [*ENTER[:2], *rounded("xd", "c", "n"), node("Sub", "xd c", "y", "sub")],
    "weights": [*ENTER, conv("xd", "t"), *rounded("t", "c", "n"), conv("c", "y")],
    "a maximum": [
        *ENTER, conv("xd", "t"), *rounded("t", "c", "n"), conv("c", "u"), *rounded("u", "d", "n"),
        node("Max", "c d", "y", "max"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SATURATING)
def test_a_missing_scale_is_of_what_the_file_rounds_and_clips(name):
    """Chosen of the float graph, outputs saturated at a range of other numbers."""
    model = make_net(
        SATURATING[name], {**CONSTANTS, "ns": np.float32(0.002), "nz": np.int8(-9)}, shape=SHAPE
    )
    x = frame()

    made = quantize_imported(read_network(model), x, "minmax")

    want = ort_outputs(model, x.transpose(0, 3, 1, 2))["y"]
    scale = made.graph.tensors[made.graph.outputs[0]].quantization
    span = quantization_of(Range(float(want.min()), float(want.max())))
    assert scale.scale == pytest.approx(span.scale, rel=1e-4)
    got = model_outputs(made.graph, interpret(made.graph, x))["y"]
    assert np.abs(got - want).max() <= 1.01 * scale.scale


def test_without_samples_there_is_a_warning(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(make_net(PARTS["no scale at the output"][0], CONSTANTS, shape=SHAPE), path)

    _, warnings = quantized(load(path))

    assert "node 'conv_y', has no scale" in warnings[0]
    assert "seeded random input" in warnings[0]


MOVED = {
    "MaxPool": node("MaxPool", "t_q", "m", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Slice": node("Slice", "t_q one three one", "m"),
    "Gather": node("Gather", "t_q order", "m", axis=1),
    "Concat": node("Concat", "t_q t_q", "m", axis=1),
    "Identity": node("Identity", "t_q", "m"),
}


@pytest.mark.parametrize("op", MOVED)
def test_integers_are_moved_and_compared(op):
    """Optimised files pool and move the integers themselves."""
    extra = {"one": np.array([1]), "three": np.array([3]), "order": np.array([3, 1, 0])}
    nodes = [
        *ENTER, conv("xd", "s"), node("QuantizeLinear", "s ys yz", "t_q"), MOVED[op],
        node("DequantizeLinear", "m ys yz", "y"),
    ]  # fmt: skip

    assert_close(make_net(nodes, CONSTANTS | extra, shape=SHAPE), 1.01, 0.05)


@pytest.mark.parametrize(("low", "high"), [(-127, 127), (-128, 127), (-100, 90)])
def test_a_narrow_range_by_clipping_integers(low, high):
    """Brevitas puts a Clip between Q and DQ."""
    extra = {"lo": np.int8(low), "hi": np.int8(high), "ys": np.float32(0.004)}
    nodes = [
        *ENTER, conv("xd", "s"), node("QuantizeLinear", "s ys yz", "t_q"),
        node("Clip", "t_q lo hi", "m"), node("DequantizeLinear", "m ys yz", "y"),
    ]  # fmt: skip

    assert_close(make_net(nodes, CONSTANTS | extra, shape=SHAPE), 1.01, 0.004)


class Frames(CalibrationDataReader):
    """Calibration data of quantize_static."""

    def __init__(self):
        self.left = [{"x": frame(i).transpose(0, 3, 1, 2)} for i in range(4)]

    def get_next(self):
        return self.left.pop() if self.left else None


@pytest.mark.parametrize("kind", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize("net", ["hard swish", "scale and shift", "gate"])
def test_onnxruntimes_quantizer_with_constants(net, kind, tmp_path):
    """A hard swish spelled out, and constants of Add and Mul, with the quantizer's defaults."""
    floats = {
        "w": weights(6, 6, 3, 3), "b": weights(6), "k3": np.float32(3), "k6": np.float32(6),
        "k0": np.float32(0), "s": np.float32([[[1.5]], [[0.5]]] * 3), "h": np.float32([0.7]),
    }  # fmt: skip
    first = node("Conv", "x w b", "t", "first", pads=[1, 1, 1, 1])
    middle = {
        "hard swish": [node("Add", "t k3", "a", "add"), node("Clip", "a k0 k6", "c", "clip"),
                       node("Mul", "t c", "m", "mul"), node("Div", "m k6", "u", "div")],
        "scale and shift": [node("Mul", "t s", "a", "mul"), node("Add", "a h", "u", "add")],
        "gate": [node("Sigmoid", "t", "g", "gate"), node("Mul", "t g", "u", "mul")],
    }[net]  # fmt: skip
    last = node("Conv", "u w b", "y", "last", pads=[1, 1, 1, 1])
    used = {name for n in (first, *middle, last) for name in n.input}
    constants = {k: v for k, v in floats.items() if k in used}
    source, target = tmp_path / "f.onnx", tmp_path / "q.onnx"
    onnx.save(make_net([first, *middle, last], constants, shape=SHAPE), source)
    quantize_static(
        source, target, Frames(), quant_format=QuantFormat.QDQ, activation_type=kind,
        weight_type=QuantType.QInt8,
    )  # fmt: skip

    model = onnx.load(target)
    scale = max(
        float(onnx.numpy_helper.to_array(t)) for t in model.graph.initializer if t.name == "y_scale"
    )

    assert_close(model, 3.01, scale)
