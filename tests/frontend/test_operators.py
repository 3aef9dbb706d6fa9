"""Every importer computes what onnxruntime computes, before and after the passes."""

import numpy as np
import pytest
from onnx import numpy_helper

from accelgen.errors import UnsupportedOpError
from accelgen.frontend import load_onnx
from accelgen.ir.activations import BY_ONNX
from accelgen.passes import run_passes
from tests.helpers import nets
from tests.helpers.activations import PARTIAL
from tests.helpers.nets import (
    assert_computes_the_same,
    assert_same_outputs,
    make_net,
    node,
    weights,
)

F32 = np.float32


CONV = {
    "pointwise": ((6, 3, 1, 1), {}),
    "3x3": ((6, 3, 3, 3), {"pads": [1, 1, 1, 1]}),
    "asymmetric pads": ((6, 3, 3, 3), {"pads": [0, 1, 2, 0], "strides": [2, 1]}),
    "rectangular": ((6, 3, 5, 2), {"pads": [2, 0, 1, 1], "strides": [1, 2]}),
    "dilated": ((6, 3, 3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}),
    "same upper": ((6, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "same lower": ((6, 3, 4, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    "same upper, stride over kernel": ((6, 3, 1, 1), {"auto_pad": "SAME_UPPER", "strides": [3, 3]}),
    "valid": ((6, 3, 3, 3), {"auto_pad": "VALID"}),
    "not set": ((6, 3, 3, 3), {"auto_pad": "NOTSET", "kernel_shape": [3, 3]}),
    "grouped": ((6, 1, 3, 3), {"group": 3, "pads": [1, 1, 1, 1]}),
    "depthwise": ((3, 1, 3, 3), {"group": 3}),
}


@pytest.mark.parametrize("name", CONV)
def test_conv(name):
    shape, attributes = CONV[name]

    assert_computes_the_same(
        make_net(node("Conv", "x w", **attributes), {"w": weights(*shape)}, shape=(1, 3, 9, 8))
    )


def test_conv_same_dilated():
    # onnxruntime refuses auto_pad with dilations; by the standard it is this.
    same = node("Conv", "x w", auto_pad="SAME_UPPER", dilations=[2, 2])
    pads = node("Conv", "x w", pads=[2, 2, 2, 2], dilations=[2, 2])
    w = {"w": weights(4, 3, 3, 3)}

    assert (
        load_onnx(make_net(same, w)).graph.nodes[0].op
        == load_onnx(make_net(pads, w)).graph.nodes[0].op
    )


@pytest.mark.parametrize("size", [4, 5, 7])
def test_conv_from_one_channel_to_many_and_back(size):
    w = {"w": weights(size, 1, 3, 3), "v": weights(1, size, 1, 1)}
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Conv", "b v")]

    assert_computes_the_same(make_net(nodes, w, shape=(1, 1, 6, 6)))


POOLS = {
    "max": ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}),
    "max ceil": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    "max ceil pads": (
        "MaxPool", {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    ),
    "max dilated": ("MaxPool", {"kernel_shape": [2, 2], "dilations": [2, 2]}),
    "max same": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "average": ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "average include": (
        "AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    ),
    "average ceil without overhang": (
        "AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}
    ),
    "global average": ("GlobalAveragePool", {}),
    "global max": ("GlobalMaxPool", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
def test_pool(name):
    op_type, attributes = POOLS[name]
    size = 9 if name == "average ceil without overhang" else 8

    assert_computes_the_same(make_net(node(op_type, "x", **attributes), shape=(1, 3, size, size)))


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3], [2]])
@pytest.mark.parametrize("opset", [13, 18])
def test_reduce_mean(opset, axes, keepdims):
    if opset < 18:
        net = make_net(node("ReduceMean", "x", axes=axes, keepdims=keepdims), opset=opset)
    else:
        reduce = node("ReduceMean", "x axes", keepdims=keepdims)
        net = make_net(reduce, {"axes": np.array(axes)}, opset=opset)

    graph, _ = assert_computes_the_same(net)

    assert len(graph.nodes) == 1


def test_a_pool_of_stride_one_padded_at_the_end():
    pool = node("MaxPool", "x", kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1])

    graph, _ = assert_computes_the_same(make_net(pool))

    assert graph.tensors[graph.outputs[0]].shape == (1, 8, 8, 3)


ACTIVATIONS = {
    "relu": (node("Relu", "x"), {}, 17),
    "sigmoid": (node("Sigmoid", "x"), {}, 17),
    "hard sigmoid": (node("HardSigmoid", "x", alpha=0.3, beta=0.4), {}, 17),
    "hard sigmoid default": (node("HardSigmoid", "x"), {}, 17),
    "hard swish": (node("HardSwish", "x"), {}, 14),
    "leaky relu": (node("LeakyRelu", "x", alpha=0.1), {}, 17),
    "leaky relu default": (node("LeakyRelu", "x"), {}, 9),
    "tanh": (node("Tanh", "x"), {}, 17),
    "elu": (node("Elu", "x", alpha=0.7), {}, 17),
    "softplus": (node("Softplus", "x"), {}, 17),
    "mish": (node("Mish", "x"), {}, 18),
    "prelu shared": (node("PRelu", "x s"), {"s": weights(1, 1, 1, scale=0.3)}, 17),
    "prelu equal": (node("PRelu", "x s"), {"s": np.full((3, 1, 1), 0.2, F32)}, 17),
    "clip 6": (node("Clip", "x", min=-0.5, max=0.8), {}, 9),
    "clip 6 without limits": (node("Clip", "x", min=0.0), {}, 9),
    "clip 11": (node("Clip", "x a b"), {"a": F32(-0.5), "b": F32(0.8)}, 11),
    "clip without low": (node("Clip", "x _ b"), {"b": F32(0.8)}, 13),
    "clip without high": (node("Clip", "x a"), {"a": F32(-0.1)}, 13),
    "min": (node("Min", "x b"), {"b": F32(0.3)}, 13),
    "max": (node("Max", "b x"), {"b": F32(0.3)}, 13),
    "mul number": (node("Mul", "x b"), {"b": F32(0.3)}, 13),
    "mul per channel": (node("Mul", "b x"), {"b": weights(3, 1, 1)}, 13),
    "add per channel": (node("Add", "x b"), {"b": weights(1, 3, 1, 1)}, 13),
    "add equal map": (node("Add", "x b"), {"b": np.full((1, 3, 8, 8), 0.5, F32)}, 13),
    "sub": (node("Sub", "x b"), {"b": weights(3, 1, 1)}, 13),
    "sub from": (node("Sub", "b x"), {"b": weights(3, 1, 1)}, 13),
    "div": (node("Div", "x b"), {"b": F32(3)}, 13),
    "identity": (node("Identity", "x", "i"), {}, 13),
    "double constant": (node("Mul", "x b"), {"b": weights(3, 1, 1).astype(np.float64)}, 13),
}
# The rest as they are without attributes.
ACTIVATIONS |= {
    f"{kind.onnx} without attributes": (node(kind.onnx, "x"), {}, max(17, kind.opset))
    for kind in BY_ONNX.values()
    if kind.onnx not in PARTIAL
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_elementwise(name):
    one, constants, opset = ACTIVATIONS[name]
    if name == "identity":
        assert_computes_the_same(make_net([one, node("Relu", "i")], constants, opset=opset))
    elif name == "double constant":
        single = {"b": constants["b"].astype(F32)}
        wide, plain = make_net(one, constants, opset=opset), make_net(one, single, opset=opset)
        assert_same_outputs(plain, load_onnx(wide).graph)
    else:
        assert_computes_the_same(make_net(one, constants, opset=opset))


def test_clip_limits_from_constant_nodes():
    low = node("Constant", "", "low", value_float=-0.25)
    high = node("Constant", "", "high", value_float=0.5)

    graph, _ = assert_computes_the_same(make_net([low, high, node("Clip", "x low high")]))

    assert graph.nodes[0].op.params == (-0.25, 0.5)


def test_sum_of_three():
    nodes = [node("Relu", "x", "a"), node("Sigmoid", "x", "b"), node("Sum", "a b x", name="sum")]

    graph, _ = assert_computes_the_same(make_net(nodes))

    assert [n.name for n in graph.nodes] == ["Relu_0", "Sigmoid_1", "sum_2", "sum"]


def test_sum_with_a_constant():
    assert_computes_the_same(make_net(node("Sum", "b x"), {"b": weights(3, 1, 1)}))


@pytest.mark.parametrize("order", ["x g", "g x"])
def test_mul_by_a_vector_in_either_order(order):
    nodes = [node("GlobalAveragePool", "x", "m"), node("Sigmoid", "m", "g"), node("Mul", order)]

    graph, _ = assert_computes_the_same(make_net(nodes))

    assert graph.nodes[-1].inputs == ("x", "g")


@pytest.mark.parametrize("bias", [(10,), (1, 10), (1,), (), None])
def test_gemm_bias(bias):
    constants = {"w": weights(10, 6)}
    inputs = "f w"
    if bias is not None:
        constants["b"] = weights(*bias, scale=1)
        inputs += " b"
    nodes = [node("Flatten", "x", "f"), node("Gemm", inputs, transB=1, alpha=0.5, beta=2.0)]

    assert_computes_the_same(make_net(nodes, constants, shape=(1, 6, 1, 1)))


@pytest.mark.parametrize("flatten", ["Flatten", "Reshape", "Reshape zero", "Squeeze"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_fully_connected_on_a_map(transposed, flatten):
    size = (1, 3, 4, 5) if flatten != "Squeeze" else (1, 60, 1, 1)
    constants = {"w": weights(7, 60) if transposed else weights(60, 7)}
    first = node("Flatten", "x", "f")
    if flatten.startswith("Reshape"):
        constants["s"] = np.array([0, -1] if "zero" in flatten else [1, 60])
        first = node("Reshape", "x s", "f")
    if flatten == "Squeeze":
        constants["s"] = np.array([2, 3])
        first = node("Squeeze", "x s", "f")

    graph, _ = assert_computes_the_same(
        make_net([first, node("Gemm", "f w", transB=transposed)], constants, shape=size)
    )

    assert graph.nodes[0].op.kernel == size[2:]


def test_matmul_and_add_become_one_convolution():
    nodes = [
        node("GlobalAveragePool", "x", "g"), node("Reshape", "g s", "f"),
        node("MatMul", "f w", "m"), node("Add", "m b"),
    ]  # fmt: skip
    constants = {"s": np.array([-1, 3]), "w": weights(3, 5), "b": weights(5)}

    _, fused = assert_computes_the_same(make_net(nodes, constants))

    assert len(fused.nodes) == 2


def test_matmul_along_channels_of_every_pixel():
    nodes = [
        node("Reshape", "x s", "r"), node("Transpose", "r", "t", perm=[0, 2, 1]),
        node("MatMul", "t w", "m"), node("Transpose", "m", "u", perm=[0, 2, 1]),
        node("Reshape", "u v"),
    ]  # fmt: skip
    constants = {"s": np.array([1, 3, -1]), "w": weights(3, 5), "v": np.array([1, 5, 8, 8])}

    graph, _ = assert_computes_the_same(make_net(nodes, constants))

    assert [type(n.op).__name__ for n in graph.nodes] == ["Conv2d"]


@pytest.mark.parametrize("opset", [9, 13])
def test_unsqueeze_and_squeeze(opset):
    nodes = [node("Flatten", "x", "f")]
    constants = {}
    if opset < 13:
        nodes += [node("Unsqueeze", "f", "u", axes=[2, 3]), node("Squeeze", "u", "v", axes=[3])]
    else:
        constants = {"a": np.array([2, -1]), "b": np.array([3])}
        nodes += [node("Unsqueeze", "f a", "u"), node("Squeeze", "u b", "v")]

    assert_computes_the_same(
        make_net([*nodes, node("Relu", "v")], constants, shape=(1, 6, 1, 1), opset=opset)
    )


def test_flatten_by_shape_arithmetic():
    # What PyTorch exports for x.view(x.size(0), -1).
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s i", "n", axis=0),
        node("Unsqueeze", "n zero", "n1"), node("Concat", "n1 rest", "shape", axis=0),
        node("Reshape", "x shape", "f"), node("Gemm", "f w"),
    ]  # fmt: skip
    constants = {
        "i": np.array(0), "zero": np.array([0]), "rest": np.array([-1]), "w": weights(192, 4),
    }  # fmt: skip

    assert_computes_the_same(make_net(nodes, constants))


@pytest.mark.parametrize("opset", [9, 13])
def test_softmax(opset):
    nodes = [node("Flatten", "x", "f"), node("Softmax", "f", axis=1)]

    assert_computes_the_same(make_net(nodes, shape=(1, 6, 1, 1), opset=opset))


def test_softmax_default_axis_before_opset_13_is_1():
    assert_computes_the_same(make_net(node("Softmax", "x"), shape=(1, 6, 1, 1), opset=12))


def test_softmax_over_channels_of_a_map():
    assert_computes_the_same(make_net(node("Softmax", "x", axis=1)))


@pytest.mark.parametrize("opset", [10, 13, 18])
@pytest.mark.parametrize("then", ["Conv", "MaxPool", "Relu", "AveragePool"])
def test_pad(then, opset):
    constants = {"w": weights(4, 3, 3, 3)}
    pads = [0, 0, 1, 2, 0, 0, 0, 1]
    if opset < 11:
        first = node("Pad", "x", "p", pads=pads)
    else:
        constants["pads"] = np.array(pads)
        first = node("Pad", "x pads", "p")
    attributes = {} if then in ("Relu", "Conv") else {"kernel_shape": [2, 2], "strides": [2, 2]}
    second = node(then, "p w" if then == "Conv" else "p", **attributes)

    _, fused = assert_computes_the_same(make_net([first, second], constants, opset=opset))

    assert len(fused.nodes) == (1 if then in ("Conv", "AveragePool") else 2)


def test_pad_of_chosen_axes():
    nodes = [node("Pad", "x pads _ axes", "p"), node("Conv", "p w")]
    constants = {
        "pads": np.array([1, 0, 2, 1]),
        "axes": np.array([-1, 2]),
        "w": weights(4, 3, 3, 3),
    }

    assert_computes_the_same(make_net(nodes, constants, opset=18))


def test_batch_normalization_before_and_after():
    constants = {"w": weights(5, 3, 3, 3), **_norm("i", 3), **_norm("o", 5)}
    nodes = [
        node("BatchNormalization", "x ig ib im iv", "n", epsilon=1e-3),
        node("Conv", "n w", "c"),
        node("BatchNormalization", "c og ob om ov"),
    ]

    _, fused = assert_computes_the_same(make_net(nodes, constants))

    assert len(fused.nodes) == 1


def test_batch_normalization_before_padding_stays():
    constants = {"w": weights(5, 3, 3, 3), **_norm("i", 3)}
    nodes = [
        node("BatchNormalization", "x ig ib im iv", "n"), node("Conv", "n w", pads=[1, 1, 1, 1])
    ]  # fmt: skip

    _, fused = assert_computes_the_same(make_net(nodes, constants))

    assert len(fused.nodes) == 2


def _norm(prefix, channels):
    rng = np.random.default_rng(channels)
    return {
        f"{prefix}{key}": rng.uniform(0.5, 1.5, channels).astype(F32)
        for key in ("g", "b", "m", "v")
    }


def test_weights_through_identity_cast_and_constant_of_shape():
    nodes = [
        node("Identity", "w", "wi"), node("Cast", "wi", "wc", to=1),
        node("ConstantOfShape", "shape", "b"), node("Conv", "x wc b"),
    ]  # fmt: skip
    constants = {"w": weights(4, 3, 3, 3), "shape": np.array([4]), "unused": weights(5, 5)}

    graph, _ = assert_computes_the_same(make_net(nodes, constants))

    assert len(graph.nodes) == 1
    assert "unused" not in graph.constants


def test_half_precision_weights_become_float32():
    w = weights(4, 3, 1, 1).astype(np.float16)
    graph = load_onnx(make_net(node("Conv", "x w"), {"w": w})).graph

    np.testing.assert_array_equal(graph.constants["w"], w.astype(F32).transpose(0, 2, 3, 1))


def test_two_layers_share_their_weights():
    nodes = [node("Conv", "x w", "a"), node("Conv", "a w")]

    graph, _ = assert_computes_the_same(make_net(nodes, {"w": weights(3, 3, 1, 1)}))

    assert graph.nodes[0].inputs[1] == graph.nodes[1].inputs[1] == "w"


def test_several_outputs_keep_their_names():
    nodes = [node("Relu", "x", "a"), node("Flatten", "a", "flat"), node("Tanh", "a", "b")]

    graph, _ = assert_computes_the_same(make_net(nodes, outputs="flat b"))

    assert graph.outputs == ("flat", "b")


def test_symbolic_batch_is_one():
    graph = load_onnx(make_net(node("Relu", "x"), shape=("N", 3, 4, 5))).graph

    assert graph.tensors["x"].shape == (1, 4, 5, 3)


@pytest.mark.parametrize(
    "net",
    [
        nets.conv_relu, nets.depthwise_separable, nets.residual, nets.squeeze_excite,
        nets.inverted_residual, nets.concat_net, nets.pool_classifier,
    ],
)  # fmt: skip
def test_small_nets(net):
    assert_computes_the_same(net())


# Layouts.


def test_nhwc_input_and_output():
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "c"),
        node("Transpose", "c", "u", perm=[0, 2, 3, 1]), node("Add", "u b"),
    ]  # fmt: skip
    model = make_net(nodes, {"w": weights(5, 3, 3, 3), "b": weights(5)}, shape=(1, 8, 7, 3))

    imported = load_onnx(model)

    assert imported.input_layout == "nhwc"
    assert_same_outputs(model, imported.graph, layout="nhwc")
    assert len(run_passes(imported.graph).nodes) == 1


def test_nhwc_flatten_reorders_weights():
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Relu", "t", "r"),
        node("Transpose", "r", "u", perm=[0, 2, 3, 1]), node("Flatten", "u", "f"),
        node("Gemm", "f w"),
    ]  # fmt: skip
    model = make_net(nodes, {"w": weights(60, 5)}, shape=(1, 4, 5, 3))

    assert_same_outputs(model, load_onnx(model).graph, layout="nhwc")


@pytest.mark.parametrize("opset", [7, 8])
def test_old_opsets(opset):
    """Upsample has its scales as an attribute there."""
    nodes = [
        node("Relu", "x", "r"), node("Upsample", "r", "u", mode="nearest", scales=[1.0, 1, 2, 2]),
        node("BatchNormalization", "u g b b g", "n", spatial=1),
        node("Constant", "", "s", value=numpy_helper.from_array(np.array([0, -1]))),
        node("Reshape", "n s"),
    ]  # fmt: skip
    constants = {"g": np.full(3, 2, np.float32), "b": np.ones(3, np.float32)}

    assert_computes_the_same(make_net(nodes, constants, opset=opset))


def test_a_normalization_per_number_is_refused():
    v = np.ones((3, 8, 8), np.float32)

    with pytest.raises(UnsupportedOpError, match="spatial=0"):
        load_onnx(make_net(node("BatchNormalization", "x v v v v", spatial=0), {"v": v}, opset=8))


@pytest.mark.parametrize("order", ["x a", "a x"])
def test_maps_are_subtracted(order):
    graph, _ = assert_computes_the_same(make_net([node("Sigmoid", "x", "a"), node("Sub", order)]))

    assert graph.nodes[-1].op.minus
