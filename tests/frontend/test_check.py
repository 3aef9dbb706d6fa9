"""check: every node has a verdict, also behind what is not supported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen import zoo
from accelgen.arch import PRESETS
from accelgen.errors import ModelError
from accelgen.flow.verdicts import check_model
from tests.helpers import nets
from tests.helpers.nets import make_net, node, weights

MODELS = Path(__file__).parents[1] / "models"


ARCH = PRESETS["ultra96_double"]


def verdicts(model):
    return {r.name: r.verdict for r in check_model(model, arch=ARCH).nodes}


def report(model, name):
    return next(r for r in check_model(model, arch=ARCH).nodes if r.name == name)


def test_verdicts_of_a_block():
    assert verdicts(nets.inverted_residual()) == {
        "expand": "engine: array",
        "expand_relu6": "engine: chain",
        "dw": "engine: window",
        "dw_relu6": "engine: chain",
        "project": "engine: array",
        "add": "engine: chain",
    }


def test_verdicts_of_squeeze_and_excite():
    assert verdicts(nets.squeeze_excite()) == {
        "squeeze": "engine: chain",
        "reduce": "engine: array",
        "swish_sigmoid": "folded",
        "swish": "engine: chain",
        "expand": "engine: array",
        "gate": "engine: chain",
        "scale": "engine: window",
    }


def test_verdicts_of_a_classifier():
    assert verdicts(nets.pool_classifier()) == {
        "pool": "engine: window",
        "conv": "engine: array",
        "relu": "engine: chain",
        "mean": "engine: chain",
        "flatten": "folded",
        "fc": "engine: array",
        "softmax": "ps",
    }


def test_an_argmax_at_the_end_is_the_processors():
    nodes = [node("Conv", "x w", "t", "conv"), node("ArgMax", "t", "y", "top", axis=1)]
    more = node("Cast", "y", "z", "cast", to=1)
    constants = {"w": weights(4, 3, 3, 3)}

    found = report(make_net(nodes, constants), "top")
    assert (found.verdict, found.reason) == ("ps", "index of the largest, after the accelerator")
    assert check_model(make_net(nodes, constants), arch=ARCH).builds

    refused = check_model(make_net([*nodes, more], constants, outputs="z"), arch=ARCH)
    assert not refused.builds
    assert "'cast' (Cast) reads 'y'" in refused.refusal
    assert report(make_net([*nodes, more], constants, outputs="z"), "cast").verdict == (
        "not supported"
    )


def test_normalization_says_where_it_went():
    assert report(nets.depthwise_separable(), "dw_bn").reason == "into 'dw'"


def test_goes_on_behind_what_is_not_supported():
    nodes = [
        node("LpNormalization", "x", "a", "lp"), node("Conv", "a w", "b", "conv"),
        node("Frobnicate", "b", "c", "new"), node("Relu", "c", "d", "lost"),
        node("AveragePool", "b", "e", "pool", kernel_shape=[3, 3], pads=[3, 1, 1, 1]),
        node("Relu", "e", "y", "last"),
    ]  # fmt: skip
    model = make_net(nodes, {"w": weights(4, 3, 3, 3)})

    assert verdicts(model) == {
        "lp": "not supported",
        "conv": "engine: array",
        "new": "not supported",
        "lost": "unknown",
        "pool": "not supported",
        "last": "engine: chain",
    }
    assert report(model, "pool").rewrite == "a window lies wholly in the padding"
    assert report(model, "new").reason == "is Frobnicate, which accelgen does not build"


def test_product_of_two_maps():
    pool = node("MaxPool", "x", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    model = make_net([pool, node("Mul", "a x", name="product")])

    assert report(model, "product").verdict == "ps"
    assert report(model, "product").reason == "product of two maps"


BIG = (1, 3, 40, 40)
W2 = {"w": weights(4, 3, 2, 2)}
LIMITS = {
    "kernel": (node("AveragePool", "x", kernel_shape=[16, 1]), {}, BIG, "kernel 16 x 1, over 15"),
    "stride": (
        node("MaxPool", "x", kernel_shape=[2, 2], strides=[1, 16]), {}, BIG, "stride 1 x 16"
    ),
    "dilation": (
        node("Conv", "x w", dilations=[16, 16]), W2, BIG, "dilation"
    ),
    "map": (node("Relu", "x"), {}, (1, 3, 8, 4096), "map of 8 x 4096, over 4095"),
    "channels": (node("Relu", "x"), {}, (1, 65530, 2, 2), "more than 65520 channels"),
    "pads": (
        node("Conv", "x w", pads=[256, 0, 0, 0]), W2, BIG, "pads"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_limits(name):
    one, constants, shape, reason = LIMITS[name]
    one.name = "big"

    found = report(make_net(one, constants, shape=shape), "big")

    assert found.verdict == "not supported"
    assert reason in found.reason
    assert found.rewrite


@pytest.mark.parametrize(
    ("size", "verdict"),
    # 16 x 9 pixels are as many as 12 x 12: linear in memory, the same kernel. Of 30 x 30 the PS
    # computes it.
    [((30, 30), "ps"), ((15, 15), "engine: array"), ((16, 9), "engine: array")],
)
def test_fully_connected_on_a_map_of(size, verdict):
    nodes = [node("Flatten", "x", "f"), node("Gemm", "f w", name="fc")]
    model = make_net(nodes, {"w": weights(size[0] * size[1], 4)}, shape=(1, 1, *size))

    assert report(model, "fc").verdict == verdict


def test_behind_a_softmax():
    model = make_net([node("Softmax", "x", "s", "soft", axis=1), node("Relu", "s", name="late")])

    assert report(model, "soft").verdict == "ps"
    assert report(model, "late").verdict == "ps"


def test_constants_are_computed():
    nodes = [node("ConstantOfShape", "s", "b", "zeros"), node("Conv", "x w b", name="conv")]
    model = make_net(nodes, {"s": np.array([4]), "w": weights(4, 3, 1, 1)})

    assert report(model, "zeros").reason == "computed at compile time"


def test_unreadable_model_is_an_error():
    with pytest.raises(ModelError, match="dimension 2 of input 'x' is dynamic"):
        check_model(make_net(node("Relu", "x"), shape=(1, 3, "h", 8)), arch=ARCH)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda p: p.stem)
def test_trained_models_are_supported(path):
    assert {"not supported", "unknown"}.isdisjoint(verdicts(path).values())


def test_zoo_is_supported():
    for name in ("mobilenet_v2", "squeezenet1_1"):
        assert {"not supported", "unknown"}.isdisjoint(verdicts(zoo.build(name, 64)).values())


def test_what_no_output_depends_on_is_left_out():
    """Too large for any engine, and not built: the compiler does not look at it."""
    model = make_net(
        [
            node("AveragePool", "x", "unread", "pool", kernel_shape=[23, 1]),
            node("Relu", "x", "y", "relu"),
        ],
        shape=(1, 1, 24, 1),
    )  # fmt: skip

    found = check_model(model, arch=PRESETS["small"])

    assert found.builds
    assert report(model, "pool").verdict == "folded"
    assert report(model, "pool").reason == "no output depends on it"


def test_an_integer_output_of_another_scale():
    """What the compiler adds for it stands for no node of the model."""
    constants = {"s": np.float32(0.05), "t": np.float32(0.02), "z": np.int8(0)}
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "d"),
        node("Relu", "d", "r", "relu"), node("QuantizeLinear", "r s z", "rq"),
        node("DequantizeLinear", "rq s z", "rd"), node("QuantizeLinear", "rd t z", "y"),
    ]  # fmt: skip

    assert check_model(make_net(nodes, constants), arch=ARCH).builds


def test_a_copy_of_the_input_that_does_not_fit_is_said_of_its_reader():
    model = make_net(
        [node("Split", "x sizes", "a b", "split", axis=1), node("Relu", "b", "y", "relu")],
        {"sizes": np.array([1, 10])}, shape=(1, 11, 20, 21),
    )  # fmt: skip
    tight = replace(PRESETS["small"], feature_rows=64, ring_rows=4)

    found = check_model(model, arch=tight)

    assert "x.part" in found.refusal
    assert [r.name for r in found.nodes if r.verdict == "not supported"] == ["split"]


def test_a_copy_for_an_output_is_blamed_on_a_node_of_the_model():
    """The compiler calls it after the output, which no operation makes: it is a view."""
    tight = replace(PRESETS["small"], feature_rows=64, ring_rows=4)
    constants = {"w": weights(14, 1, 2, 2), "apart": [1, 7, 2, 21, 23], "joined": [1, 14, 21, 23]}
    nodes = [
        node("Conv", "x w", "a", "conv", pads=[1, 1, 1, 1]),
        node("Reshape", "a apart", "b", "apart"),
        node("Transpose", "b", "c", "shuffle", perm=[0, 2, 1, 3, 4]),
        node("Reshape", "c joined", "d", "joined"),
        node("LeakyRelu", "d", "e", "leaky"),
        node("Transpose", "e", "f", "last", perm=[0, 2, 3, 1]),
        node("Relu", "f", "g", "relu"),
        node("Transpose", "g", "y", "first", perm=[0, 3, 1, 2]),
    ]

    found = check_model(make_net(nodes, constants, shape=(1, 1, 20, 22), outputs="y"), arch=tight)

    assert "'y.copy' does not fit" in found.refusal
    assert {r.name for r in found.nodes if r.verdict == "not supported"} == {"first"}
