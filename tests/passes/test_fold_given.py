"""A bias by itself, as PyTorch writes Linear: one convolution, of a file with scales, too."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.flow.network import fold_rounded, read_network
from accelgen.flow.verdicts import check_model
from accelgen.frontend import load_onnx
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.samples import random_samples
from accelgen.ir.ops import Conv2d, QConv2d
from accelgen.quant import quantize, quantize_imported
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_int8_agrees, ort_outputs

C = 5
BIAS = weights(C, seed=3, scale=0.7)
#: Of a product of (1, k), and of a map.
SHAPES = {"vector": [(), (1,), (C,), (1, C)], "map": [(), (1,), (1, 1, 1), (C, 1, 1), (1, C, 1, 1)]}
PRODUCTS = {
    "MatMul": ("vector", {}, weights(48, C), "m w"),
    "Gemm": ("vector", {}, weights(48, C), "m w b"),
    "Gemm transB": ("vector", {"transB": 1}, weights(C, 48), "m w b"),
    "Conv": ("map", {"pads": [1, 1, 1, 1]}, weights(C, 3, 3, 3), "xd w"),
    "Conv with a bias": ("map", {}, weights(C, 3, 3, 3), "xd w b"),
    "depthwise": ("map", {"group": 3}, weights(C, 1, 3, 3), "xd w b"),
}
FORMS = [
    (product, shape, op)
    for product, (of, *_) in PRODUCTS.items()
    for shape in SHAPES[of]
    for op in ("Add", "Sub")
    if product != "depthwise"
]


def net(product, shape, op="Add", *, scales=True, behind="", ends=True, extra=None):
    """``product``, then ``op`` with a constant; with ``scales`` those of input and weight, and of
    the output if that ``ends`` in one. ``behind``: an operator between it and its scale."""
    _, attributes, weight, inputs = PRODUCTS[product]
    constants = {
        "b": weights(C, seed=4, scale=0.2),
        "k": BIAS[0].reshape(shape) if np.prod(shape) == 1 else BIAS.reshape(shape),
        "xs": np.float32(0.03), "ys": np.float32(0.04), "z": np.int8(0), "n": np.int8(-7),
    }  # fmt: skip
    constants["w"] = weight
    enter = [node("Identity", "x", "xd")]
    if scales:
        scale = np.float32(np.abs(weight).max() / 127)
        constants |= {"wi": np.rint(weight / scale).astype(np.int8), "ws": scale}
        del constants["w"]
        enter = [
            node("QuantizeLinear", "x xs z", "xq"), node("DequantizeLinear", "xq xs z", "xd"),
            node("DequantizeLinear", "wi ws z", "w"),
        ]  # fmt: skip
    nodes = [
        *enter, node("Flatten", "xd", "m"),
        node(product.split()[0], inputs, "p", "product", **attributes),
        node(op, "p k", "s" if behind else "y0", "bias"),
    ]  # fmt: skip
    if behind:
        nodes.append(node(behind, "s", "y0", "behind"))
    if scales and ends:
        nodes += [node("QuantizeLinear", "y0 ys n", "yq"), node("DequantizeLinear", "yq ys n")]
    else:
        nodes.append(node("Identity", "y0", "y"))
    return make_net(nodes, constants | (extra or {}), shape=(1, 3, 4, 4))


def int8_of(model):
    imported = read_network(model)
    x = random_samples(imported.graph.tensors[imported.graph.input].shape, 0)[:4]
    if imported.quantization:
        return imported, quantize_imported(imported, x, "minmax"), x[:1]
    return imported, quantize(imported.graph, x, "minmax"), x[:1]


def assert_right(model, allowed, steps=0.0):
    """One node, and onnxruntime's numbers to so much, and ``steps`` of the output; both forms."""
    imported, made, x = int8_of(model)
    got = model_outputs(made.graph, interpret(made.graph, x))["y"]
    want = ort_outputs(model, x.transpose(0, 3, 1, 2))["y"]

    assert [type(n.op) for n in made.graph.nodes] == [QConv2d]
    allowed += steps * made.quantization["y"].scale
    assert np.abs(got - want).max() <= allowed
    return imported, made


@pytest.mark.parametrize("behind", ["", "Relu", "Dropout"])
@pytest.mark.parametrize(("product", "shape", "op"), FORMS)
def test_with_scales_at_both_ends(product, shape, op, behind):
    """No more rounding than the file has (seed 27, case 14177)."""
    model = net(product, shape, op, behind=behind)

    imported, made = assert_right(model, 0.0401)

    assert set(made.quantization) == set(imported.quantization)  # none was chosen
    np.testing.assert_array_equal(
        made.integers["product"].weight, next(iter(imported.integer_weights.values()))
    )
    assert_int8_agrees(imported, random_samples((1, 4, 4, 3), 1)[:1])
    report = check_model(model, arch=PRESETS["small"])
    said = {r.name: r.verdict for r in report.nodes}
    assert report.builds
    assert (said["product"], said["bias"]) == ("engine: array", "folded")


@pytest.mark.parametrize(("product", "shape", "op"), FORMS)
def test_without_a_scale_behind(product, shape, op):
    _, made = assert_right(net(product, shape, op, ends=False), 0, steps=0.51)

    assert set(made.quantization) == {"x", "y"}


@pytest.mark.parametrize(("product", "shape", "op"), FORMS)
def test_without_scales(product, shape, op):
    assert_right(net(product, shape, op, scales=False), 0.15)


def test_a_shift_before():
    """Of a mean, say; outside of a map that is padded there are zeros, and no shifts."""
    for pads, count in (([0] * 4, 1), ([1] * 4, 2)):
        model = net("Conv", (1,))
        shift = node("Sub", "xd k3", "xm", "mean")
        product = next(n for n in model.graph.node if n.name == "product")
        product.input[0] = "xm"
        product.ClearField("attribute")
        product.attribute.extend(node("Conv", "x", pads=pads).attribute)
        model.graph.node.insert(3, shift)
        k3 = make_net([], {"k3": weights(3, 1, 1)}).graph.initializer[0]
        model.graph.initializer.append(k3)

        _, made, x = int8_of(model)
        got = model_outputs(made.graph, interpret(made.graph, x))["y"]

        assert len(made.graph.nodes) == count
        want = ort_outputs(model, x.transpose(0, 3, 1, 2))["y"]
        assert np.abs(got - want).max() <= 0.0401 * (1 if count == 1 else 3)


def kept(model):
    """How many convolutions are left."""
    graph = read_network(model).graph
    return sum(isinstance(n.op, Conv2d) for n in graph.nodes)


def test_a_scale_between_stays():
    nodes = list(net("Conv", (C, 1, 1)).graph.node)
    model = net("Conv", (C, 1, 1))
    at = next(i for i, n in enumerate(nodes) if n.name == "bias")
    rounded = [node("QuantizeLinear", "p ys n", "pq"), node("DequantizeLinear", "pq ys n", "pd")]
    nodes[at].input[0] = "pd"
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:at], *rounded, *nodes[at:]])

    assert kept(model) == 2
    imported, _, x = int8_of(model)
    assert_int8_agrees(imported, x)


def test_what_the_file_has_no_integers_for():
    """Its weights are quantized here: they take in scales, too."""
    model = net("Conv", (C, 1, 1), "Mul")
    assert kept(model) == 2  # integers of the file stay as they are

    imported = load_onnx(model)
    floats = replace(imported, weight_scales={}, integer_weights={})
    graph = fold_rounded(floats.graph, floats.quantization, floats.weight_scales)
    assert sum(isinstance(n.op, Conv2d) for n in graph.nodes) == 1


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"k": np.float32(1e7), "xs": np.float32(1e-4)}, "beyond int32"),
        ({"xs": np.float32(30), "ws": np.float32(0.5)}, "a step of the sums is 375 of the output"),
    ],
)
def test_a_bias_that_the_sums_cannot_hold(extra, why):
    """It is added in steps of its own, as the file says, rather than refused."""
    model = net("MatMul", (), extra=extra)

    assert kept(model) == 2, why
    assert int8_of(model)[1].graph.nodes
