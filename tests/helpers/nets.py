"""Small ONNX nets built on the spot, with seeded weights, and what onnxruntime says of them."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from accelgen.frontend import load_onnx
from accelgen.golden.interpret import interpret
from accelgen.ir.spec import check_float
from accelgen.passes import run_passes

__all__ = [
    "assert_computes_the_same",
    "assert_same_outputs",
    "concat_net",
    "conv_relu",
    "depthwise_separable",
    "inverted_residual",
    "make_net",
    "node",
    "pool_classifier",
    "residual",
    "run_onnx",
    "squeeze_excite",
    "weights",
]


def node(op_type, inputs, outputs="y", name="", **attributes):
    """An ONNX node; names of inputs and outputs separated by blanks, '_' for a missing input."""
    inputs = ["" if i == "_" else i for i in inputs.split()]
    return helper.make_node(op_type, inputs, outputs.split(), name or None, **attributes)


def weights(*shape, seed=0, scale=None):
    """Seeded normal float32 numbers, He-scaled by default."""
    if scale is None:
        scale = np.sqrt(2 / max(np.prod(shape[1:]), 1))
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def make_net(nodes, constants=None, *, shape=(1, 3, 8, 8), outputs="y", opset=17, kind=None):
    """A model from input ``x`` to ``outputs``, unchecked."""
    kind = TensorProto.FLOAT if kind is None else kind
    nodes = nodes if isinstance(nodes, list) else [nodes]
    indices = {y for n in nodes if n.op_type in ("ArgMax", "ArgMin") for y in n.output}
    types = [(y, TensorProto.INT64 if y in indices else TensorProto.FLOAT) for y in outputs.split()]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(y, of, None) for y, of in types],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run_onnx(model, x):
    """All outputs, by onnxruntime without its optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: x})


def assert_same_outputs(model, graph, *, layout="nchw", seed=0, layers=1):
    """``graph`` computes what onnxruntime says of ``model``, on one random input.

    Tolerance: float32 sums in another order, relative to the largest output, per layer.
    """
    dims = [d.dim_value or 1 for d in model.graph.input[0].type.tensor_type.shape.dim]
    x = np.random.default_rng(seed).standard_normal(dims).astype(np.float32)
    expected = run_onnx(model, x)
    nhwc = x.reshape(graph.tensors[graph.input].shape)
    if x.ndim == 4 and layout == "nchw":
        nhwc = x.transpose(0, 2, 3, 1)
    values = interpret(graph, nhwc)

    assert len(expected) == len(graph.outputs)
    for name, want in zip(graph.outputs, expected, strict=True):
        got = values[name]
        if want.shape != got.shape or layout == "nchw":
            got = got.transpose(0, 3, 1, 2).reshape(want.shape)
        assert np.isfinite(want).all()
        largest = max(1, np.abs(want).max())
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-6 * largest * layers)


# Nets.


def assert_computes_the_same(model):
    """The importer computes what onnxruntime does, before and after the passes: both graphs."""
    imported = load_onnx(model)
    check_float(imported.graph)
    assert_same_outputs(model, imported.graph, layout=imported.input_layout)
    fused = run_passes(imported.graph)
    assert_same_outputs(model, fused, layout=imported.input_layout)
    return imported.graph, fused


def conv_relu(*, channels=8, kernel=3, stride=1, shape=(1, 3, 8, 8), opset=17):
    """Conv with bias, Relu."""
    pad = kernel // 2
    return make_net(
        [
            node("Conv", "x w b", "c", "conv", strides=[stride] * 2, pads=[pad] * 4),
            node("Relu", "c", "y", "relu"),
        ],
        {
            "w": weights(channels, shape[1], kernel, kernel),
            "b": weights(channels, seed=1, scale=0.1),
        },
        shape=shape,
        opset=opset,
    )


def depthwise_separable(*, channels=16, shape=(1, 8, 10, 10), stride=1):
    """Depthwise 3x3, BatchNormalization, Relu6, pointwise, BatchNormalization, Relu6."""
    c = shape[1]
    constants = {
        "wd": weights(c, 1, 3, 3), "wp": weights(channels, c, 1, 1, seed=1),
        "low": np.float32(0), "high": np.float32(6),
        **_norm("d", c, 2), **_norm("p", channels, 3),
    }  # fmt: skip
    return make_net(
        [
            node("Conv", "x wd", "d0", "dw", group=c, pads=[1] * 4, strides=[stride] * 2),
            node("BatchNormalization", "d0 dg db dm dv", "d1", "dw_bn"),
            node("Clip", "d1 low high", "d2", "dw_relu6"),
            node("Conv", "d2 wp", "p0", "pw"),
            node("BatchNormalization", "p0 pg pb pm pv", "p1", "pw_bn"),
            node("Clip", "p1 low high", "y", "pw_relu6"),
        ],
        constants,
        shape=shape,
    )


def _norm(prefix, channels, seed):
    rng = np.random.default_rng(seed)
    return {
        f"{prefix}g": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        f"{prefix}b": rng.standard_normal(channels).astype(np.float32),
        f"{prefix}m": rng.standard_normal(channels).astype(np.float32),
        f"{prefix}v": rng.uniform(0.5, 1.5, channels).astype(np.float32),
    }


def residual(*, shape=(1, 8, 9, 9)):
    """x + Conv(Relu(Conv(x))), Relu."""
    c = shape[1]
    return make_net(
        [
            node("Conv", "x w1 b", "a", "conv1", pads=[1] * 4),
            node("Relu", "a", "r", "relu1"),
            node("Conv", "r w2 b", "d", "conv2", pads=[1] * 4),
            node("Add", "d x", "s", "add"),
            node("Relu", "s", "y", "relu2"),
        ],
        {"w1": weights(c, c, 3, 3), "w2": weights(c, c, 3, 3, seed=1), "b": weights(c, scale=0.1)},
        shape=shape,
    )


def squeeze_excite(*, shape=(1, 8, 7, 7), squeezed=2):
    """x * Sigmoid(Conv(swish(Conv(mean(x))))): squeeze-and-excite, swish as Sigmoid and Mul."""
    c = shape[1]
    return make_net(
        [
            node("GlobalAveragePool", "x", "m", "squeeze"),
            node("Conv", "m w1 b1", "a", "reduce"),
            node("Sigmoid", "a", "as", "swish_sigmoid"),
            node("Mul", "a as", "sw", "swish"),
            node("Conv", "sw w2 b2", "e", "expand"),
            node("Sigmoid", "e", "g", "gate"),
            node("Mul", "x g", "y", "scale"),
        ],
        {
            "w1": weights(squeezed, c, 1, 1), "b1": weights(squeezed, scale=0.1),
            "w2": weights(c, squeezed, 1, 1, seed=1), "b2": weights(c, seed=1, scale=0.1),
        },
        shape=shape,
    )  # fmt: skip


def inverted_residual(*, shape=(1, 8, 8, 8), expand=4, kernel=5):
    """Expand, depthwise, project and add, with Relu6 between."""
    c, hidden = shape[1], shape[1] * expand
    constants = {
        "we": weights(hidden, c, 1, 1), "be": weights(hidden, scale=0.1),
        "wd": weights(hidden, 1, kernel, kernel, seed=1), "bd": weights(hidden, seed=1, scale=0.1),
        "wp": weights(c, hidden, 1, 1, seed=2), "bp": weights(c, seed=2, scale=0.1),
        "low": np.float32(0), "high": np.float32(6),
    }  # fmt: skip
    return make_net(
        [
            node("Conv", "x we be", "e", "expand"),
            node("Clip", "e low high", "er", "expand_relu6"),
            node("Conv", "er wd bd", "d", "dw", group=hidden, pads=[kernel // 2] * 4),
            node("Clip", "d low high", "dr", "dw_relu6"),
            node("Conv", "dr wp bp", "p", "project"),
            node("Add", "p x", "y", "add"),
        ],
        constants,
        shape=shape,
    )


def concat_net(*, shape=(1, 8, 6, 6)):
    """Two convolutions joined, and a third behind them."""
    c = shape[1]
    return make_net(
        [
            node("Conv", "x w1", "a", "one"),
            node("Conv", "x w2", "b", "three", pads=[1] * 4),
            node("Concat", "a b", "ab", "concat", axis=1),
            node("Conv", "ab w3", "y", "after"),
        ],
        {
            "w1": weights(4, c, 1, 1),
            "w2": weights(12, c, 3, 3, seed=1),
            "w3": weights(8, 16, 1, 1, seed=2),
        },
        shape=shape,
    )


def pool_classifier(*, classes=10, shape=(1, 8, 12, 12), softmax=True):
    """MaxPool, Conv, GlobalAveragePool, Flatten, Gemm, Softmax."""
    c = shape[1]
    nodes = [
        node("MaxPool", "x", "m", "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "m w", "c", "conv", pads=[1] * 4),
        node("Relu", "c", "r", "relu"),
        node("GlobalAveragePool", "r", "g", "mean"),
        node("Flatten", "g", "f", "flatten"),
        node("Gemm", "f wf bf", "l" if softmax else "y", "fc", transB=1),
    ]
    if softmax:
        nodes.append(node("Softmax", "l", "y", "softmax", axis=1))
    constants = {"w": weights(16, c, 3, 3), "wf": weights(classes, 16), "bf": weights(classes)}
    return make_net(nodes, constants, shape=shape)
