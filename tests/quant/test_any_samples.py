"""Samples of any size: the compiler builds what check, which has none, said it builds."""

import warnings

import numpy as np
import onnx
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from accelgen.quant import quantize, quantize_imported
from accelgen.schedule import schedule_parts
from tests.helpers.nets import make_net, node, weights

ARCH = PRESETS["small"]
F = np.float32
CONSTANTS = {
    "w": weights(3, 3, 3, 3), "b": F([1, -2, 0.5]), "large": F([1e30, -5e30, 1e20]),
    "larger": F([1, -2e31, 1]), "q": np.round(weights(3, 3, 3, 3, scale=40)).astype(np.int8),
    "s": F(0.01), "z": np.int8(0), "fine": F(1e-6), "coarse": F(1e28), "h": F(0.5),
    "c": F([0.2, 1, -3]).reshape(3, 1, 1), "two": F([1, 1, 2, 2]), "g": F([1, 2, 3]),
}  # fmt: skip
#: Weights of a file that has no scale of their convolution's input.
GIVEN = node("DequantizeLinear", "q s z", "d")


def rounded(x, scale):
    return [
        node("QuantizeLinear", f"{x} {scale} z", f"{x}_q"),
        node("DequantizeLinear", f"{x}_q {scale} z", "y"),
    ]


SAME = {"pads": [1, 1, 1, 1]}
NETS = {
    "a sum of a fine scale": [
        GIVEN, node("Conv", "x d b", "t", **SAME), node("Add", "t x", "u"), *rounded("u", "fine"),
    ],
    "a clipped sum of a fine scale": [
        GIVEN, node("Conv", "x d b", "t", **SAME), node("Add", "t x", "u"), node("Relu", "u", "v"),
        *rounded("v", "fine"),
    ],
    "a difference of a fine scale": [
        GIVEN, node("Conv", "x d b", "t", **SAME), node("Sub", "t x", "u"), *rounded("u", "fine"),
    ],
    "a sum of a coarse scale": [
        GIVEN, node("Conv", "x d b", "t", **SAME), node("Add", "t x", "u"), *rounded("u", "coarse"),
    ],
    "given weights and a bias": [GIVEN, node("Conv", "x d b", "u"), *rounded("u", "fine")],
    "given weights and a large bias": [GIVEN, node("Conv", "x d large", "u"), *rounded("u", "s")],
    "a large bias": [node("Conv", "x w large")],
    "a larger bias": [node("Conv", "x w larger")],
    "a product": [node("GlobalAveragePool", "x", "p"), node("Mul", "x p", "u"),
                  *rounded("u", "fine")],
    "an average": [node("AveragePool", "x", "u", kernel_shape=[2, 2]), *rounded("u", "fine")],
    "an average without padding": [
        node("AveragePool", "x", "u", kernel_shape=[3, 3], **SAME), *rounded("u", "fine")
    ],
    "a mean": [node("GlobalAveragePool", "x", "u"), *rounded("u", "fine")],
    "slopes": [node("PRelu", "x c", "u"), *rounded("u", "fine")],
    "a concat": [node("Conv", "x w b", "t", **SAME), node("Concat", "t x", "u", axis=1),
                 *rounded("u", "fine")],
    "a root": [node("Abs", "x", "a"), node("Pow", "a h")],
    "the larger": [node("Conv", "x w b", "t", **SAME), node("Max", "t x")],
    "a resize": [node("Resize", "x _ two", "u", mode="linear"), *rounded("u", "fine")],
    "normalized": [node("InstanceNormalization", "x g g", "u"), *rounded("u", "fine")],
    "neighbours": [node("LRN", "x", "u", size=3), *rounded("u", "fine")],
    "probabilities": [node("Softmax", "x", "t", axis=1), node("Conv", "t w b", "u"),
                      *rounded("u", "fine")],
}  # fmt: skip


def compiled(model, samples):
    """What the compiler refuses, or nothing."""
    try:
        imported = read_network(model)
        if imported.quantization:
            made = quantize_imported(imported, samples, "minmax")
        else:
            made = quantize(imported.graph, samples, "minmax")
        schedule_parts(made.graph, ARCH)
    except AccelgenError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", NETS)
def test_whatever_the_samples(name):
    used = {i for n in NETS[name] for i in n.input}
    model = make_net(NETS[name], {k: v for k, v in CONSTANTS.items() if k in used})
    refused = check_model(model, arch=ARCH).refusal
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in (0, 1e-42, 1e-12, 1e-6, 1, 1e6, 1e12):
            said = compiled(model, (x * size).astype(F))
            assert bool(said) == bool(refused), f"samples of {size}: {said}"
    assert bool(refused) == (name == "a larger bias")


def test_weights_of_a_file_are_kept_where_sums_fit():
    """Where they do not, their scale is enlarged; the bias, which is all there is, is kept."""
    nodes = [GIVEN, node("Conv", "x d b", "u"), *rounded("u", "s")]
    model = make_net(nodes, {k: CONSTANTS[k] for k in ("q", "s", "z", "b")})
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 3)).astype(F)

    for size, same in ((1, True), (1e-8, False)):
        made = quantize_imported(read_network(model), x * F(size))
        (integers,) = made.integers.values()
        given = onnx.numpy_helper.to_array(model.graph.initializer[0]).transpose(0, 2, 3, 1)
        assert np.array_equal(integers.weight, given) == same
        error = np.abs(integers.bias * integers.bias_scale - CONSTANTS["b"])
        assert (error <= 0.51 * integers.bias_scale).all()
        assert np.abs(integers.bias).max() < 1 << 26
