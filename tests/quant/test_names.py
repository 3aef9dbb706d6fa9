"""Names of the model never meet names that are made here."""

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.flow.network import read_network
from accelgen.ir import Names
from accelgen.quant import quantize
from accelgen.schedule import schedule
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree

MADE = (
    "int8", "real", "float", "scale", "zero_point", "quantize", "dequantize", "output", "weight",
    "bias", "multiplier", "shift", "table", "pooled", "weight/scale", "weight/real", "rescale",
    "sigmoid", "channels", "min", "for/join", "0/flat",
)  # fmt: skip


def net(tensor, other, node_name):
    """Convolutions, a gate, pools, a Concat of two scales and a shuffle, with awkward names."""
    constants = {"w": weights(8, 8, 3, 3), "b": weights(8, seed=1), "i": [3, 1, 0, 2, 7, 6, 5, 4]}
    nodes = [
        node("Conv", "in w b", tensor, node_name, pads=[1, 1, 1, 1]),
        node("Sigmoid", tensor, other, "gate"),
        node("Mul", f"{tensor} {other}", "g", "mul"),
        node("MaxPool", "g", "m", f"{tensor}.pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Concat", f"m {other}", "j", "join", axis=1),
        node("Gather", "g i", "k", "shuffle", axis=1),
        node("Conv", "k w b", f"{node_name}.bias", "last"),
        node("Flatten", f"{node_name}.bias", "y", "flat"),
    ]
    model = make_net(nodes, constants, shape=(1, 8, 8, 8), outputs=f"y j {tensor}")
    for one in model.graph.node:
        for i, name in enumerate(one.input):
            one.input[i] = "x" if name == "in" else name
    return model


@pytest.mark.parametrize("suffix", MADE)
def test_a_tensor_called_like_what_we_make(suffix):
    model = net("t", f"t/{suffix}", "t")

    assert_outputs_agree(model)
    graph = quantize(read_network(model).graph, _samples()).graph
    assert len(schedule(graph, PRESETS["small"]).steps) > 2


@pytest.mark.parametrize("suffix", ["weight", "bias", "int8", "real", "table"])
def test_a_node_called_like_what_we_make(suffix):
    assert_outputs_agree(net("t", f"n/{suffix}", "n"))


@pytest.mark.parametrize("name", ["t.part0", "t.ordered", "t.copy", "t.gathered", "t/weight.copy"])
def test_a_tensor_called_like_what_the_compiler_makes(name):
    graph = quantize(read_network(net("t", name, "t")).graph, _samples()).graph

    steps = schedule(graph, PRESETS["small"]).steps

    assert {"t", "j"} <= {step.output for step in steps} | {s.squeezed for s in steps} | {
        p for s in steps for p in s.inputs
    } | set(graph.outputs)


def _samples():
    return weights(1, 8, 8, 8, seed=5, scale=1.0)


def test_names_are_free_and_stay():
    names = Names(["a/b", "a/b_2"])

    assert names.of_part("a", "/b") == "a/b_3" == names.of_part("a", "/b")
    assert names.of_part("a/", "b") == "a/b_4"
    assert names.fresh("a/b") == "a/b_5"
    assert names.fresh("c") == "c"
    assert names.fresh("c") == "c_2"


@pytest.mark.parametrize("op", ["LayerNormalization", "InstanceNormalization"])
def test_a_node_on_the_processor_called_like_its_output(op):
    """Its constants and its output's scale have names of their own."""
    axis = {"axis": 1} if op == "LayerNormalization" else {}
    constants = {
        "w": weights(8, 8, 3, 3),
        "s": np.ones(8, np.float32),
        "o": np.zeros(8, np.float32),
    }
    if axis:
        constants |= {n: np.broadcast_to(constants[n][:, None, None], (8, 8, 8)) for n in "so"}
    nodes = [
        node("Conv", "x w", "t", "conv", pads=[1, 1, 1, 1]),
        node(op, "t s o", "y", "y", **axis),
    ]

    assert_outputs_agree(make_net(nodes, constants, shape=(1, 8, 8, 8), outputs="y"))
