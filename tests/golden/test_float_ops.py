"""Float operations against onnxruntime, one operator at a time."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelgen.golden.float_ops import FLOAT_OPS
from accelgen.ir import ops
from accelgen.ir.activations import COMPARISONS
from tests.helpers.activations import rows_beside

INF = float("inf")

# Both sides add float32 numbers, in different orders; no sum here has more than 200 terms.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def nchw(x):
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def onnxruntime_says(op_type, inputs, constants=(), **attributes):
    """Output of one ONNX operator, NHWC in and out."""
    names = [f"x{i}" for i in range(len(inputs))]
    fed = {name: nchw(x) for name, x in zip(names, inputs, strict=True)}
    weights = [
        numpy_helper.from_array(np.asarray(c, np.float32), f"c{i}") for i, c in enumerate(constants)
    ]
    node = helper.make_node(op_type, [*names, *(w.name for w in weights)], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n, x in fed.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (y,) = session.run(None, fed)
    return y.transpose(0, 2, 3, 1)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("size", "channels", "groups", "kernel", "stride", "dilation", "pads"),
    [
        ((6, 5), (3, 4), 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((6, 5), (20, 7), 1, (3, 2), (2, 1), (1, 2), (0, 1, 2, 0)),
        ((7, 7), (6, 6), 6, (5, 5), (2, 2), (1, 1), (2, 2, 2, 2)),
        ((7, 7), (6, 12), 6, (3, 3), (1, 1), (2, 2), (0, 0, 0, 0)),
        ((4, 4), (9, 6), 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
        ((1, 1), (5, 3), 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((2, 3), (5, 3), 1, (5, 7), (1, 1), (1, 1), (2, 3, 2, 3)),
    ],
)
def test_convolution(rng, size, channels, groups, kernel, stride, dilation, pads):
    x = rng.normal(size=(1, *size, channels[0])).astype(np.float32)
    w = rng.normal(size=(channels[1], *kernel, channels[0] // groups)).astype(np.float32)
    b = rng.normal(size=channels[1]).astype(np.float32)
    op = ops.Conv2d(kernel=kernel, stride=stride, dilation=dilation, pads=pads, groups=groups)

    expected = onnxruntime_says(
        "Conv", [x], [w.transpose(0, 3, 1, 2), b], group=groups, strides=stride,
        dilations=dilation, pads=pads, kernel_shape=kernel,
    )  # fmt: skip

    np.testing.assert_allclose(FLOAT_OPS[ops.Conv2d](op, x, w, b), expected, **TOLERANCE)


@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 0, 1, 2)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_pooling(rng, pads, stride):
    x = rng.normal(size=(1, 6, 7, 3)).astype(np.float32)
    fields = {"kernel_shape": (3, 3), "strides": stride, "pads": pads}
    op = {"kernel": (3, 3), "stride": stride, "pads": pads}

    largest = onnxruntime_says("MaxPool", [x], **fields)
    mean = onnxruntime_says("AveragePool", [x], **fields, count_include_pad=1)

    np.testing.assert_array_equal(FLOAT_OPS[ops.MaxPool](ops.MaxPool(**op), x), largest)
    np.testing.assert_allclose(FLOAT_OPS[ops.AvgPool](ops.AvgPool(**op), x), mean, **TOLERANCE)


def test_global_average_of_a_large_map_keeps_its_digits(rng):
    x = (rng.normal(size=(1, 224, 224, 2)) + 100).astype(np.float32)

    got = FLOAT_OPS[ops.GlobalAvgPool](ops.GlobalAvgPool(), x)

    np.testing.assert_allclose(got, x.astype(np.float64).mean((1, 2), keepdims=True), rtol=1e-7)


ACTIVATIONS = [
    ("clip", (0.0, INF), "Relu", {}),
    ("sigmoid", (), "Sigmoid", {}),
    ("hard_sigmoid", (0.2, 0.4), "HardSigmoid", {"alpha": 0.2, "beta": 0.4}),
    ("hard_swish", (), "HardSwish", {}),
    ("leaky_relu", (0.1015625,), "LeakyRelu", {"alpha": 0.1015625}),
    ("tanh", (), "Tanh", {}),
    ("softplus", (), "Softplus", {}),
    ("mish", (), "Mish", {}),
    ("elu", (0.7,), "Elu", {"alpha": 0.7}),
    ("identity", (), "Identity", {}),
    ("gelu", (), "Gelu", {}),
    ("gelu_tanh", (), "Gelu", {"approximate": "tanh"}),
]
ACTIVATIONS += rows_beside({kind for kind, *_ in ACTIVATIONS})


@pytest.mark.parametrize(("kind", "params", "op_type", "attributes"), ACTIVATIONS)
def test_activations(rng, kind, params, op_type, attributes):
    x = np.concatenate([rng.normal(0, 3, 1000), [-200, -80, 0, 80, 200]]).astype(np.float32)
    x = x.reshape(1, 1, -1, 1)
    op = ops.Activation(kind=kind, params=params)

    expected = onnxruntime_says(op_type, [x], **attributes)

    got = FLOAT_OPS[ops.Activation](op, x)
    assert got.dtype == np.float32
    # exp and tanh are approximated to a few units in the last place by either side.
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6)


def test_comparisons(rng):
    x = np.concatenate([rng.normal(0, 1, 100), [0.3] * 3]).astype(np.float32).reshape(1, 1, -1, 1)
    c = np.float32(0.3)
    wanted = {
        "Greater": x > c, "GreaterOrEqual": x >= c, "Less": x < c, "LessOrEqual": x <= c,
        "Equal": x == c,
    }  # fmt: skip

    for op_type, kind in COMPARISONS.items():
        # The constant as Python has it: it becomes float32, as in a file.
        got = FLOAT_OPS[ops.Activation](ops.Activation(kind=kind, params=(0.3,)), x)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, wanted[op_type])


def test_softmax_over_channels_of_large_numbers(rng):
    x = (rng.normal(size=(1, 2, 2, 9)) * 1000).astype(np.float32)

    expected = onnxruntime_says("Softmax", [x], axis=1)

    np.testing.assert_allclose(FLOAT_OPS[ops.Softmax](ops.Softmax(), x), expected, **TOLERANCE)


def test_two_inputs(rng):
    a, b = (rng.normal(size=(1, 3, 4, 5)).astype(np.float32) for _ in range(2))
    s = rng.normal(size=(1, 1, 1, 5)).astype(np.float32)

    np.testing.assert_array_equal(
        FLOAT_OPS[ops.Add](ops.Add(), a, b), onnxruntime_says("Add", [a, b])
    )
    np.testing.assert_array_equal(
        FLOAT_OPS[ops.Add](ops.Add(minus=True), a, b), onnxruntime_says("Sub", [a, b])
    )
    np.testing.assert_array_equal(
        FLOAT_OPS[ops.Mul](ops.Mul(), a, s), onnxruntime_says("Mul", [a, s])
    )
    np.testing.assert_array_equal(
        FLOAT_OPS[ops.Concat](ops.Concat(), a, b), onnxruntime_says("Concat", [a, b], axis=1)
    )
