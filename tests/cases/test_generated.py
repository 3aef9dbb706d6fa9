"""Cases as in ``test_cases.py`` whose files would be large: made here, from a seed."""

import time

import numpy as np
import onnx
import pytest

from accelgen import compile, target
from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.network import read_network
from accelgen.flow.verdicts import check_model
from accelgen.golden.interpret import interpret
from accelgen.golden.outputs import model_outputs
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree, ort_outputs

ARCH = PRESETS["ultra96_double"]


def conv1024(width=7):
    """3x3 with 1,024 inputs (Tiny-YOLOv2)."""
    nodes = node("Conv", "x w", "y", "conv", pads=[1] * 4)
    return make_net(nodes, {"w": weights(16, 1024, 3, 3)}, shape=(1, 1024, 3, width), opset=13)


def long_rows():
    """The same on rows of more than a vector (U-Net)."""
    return conv1024(ARCH.pixels + 12)


def vgg_fc6():
    """Some of the outputs of VGG-16's first fully connected layer: 25,088 inputs."""
    nodes = [node("Flatten", "x", "f", "flat"), node("Gemm", "f w b", "y", "fc6")]
    constants = {"w": weights(25088, 16, scale=0.01), "b": weights(16, seed=1, scale=0.1)}
    return make_net(nodes, constants, shape=(1, 512, 7, 7), opset=13)


def chain2000():
    """Sigmoid, Relu, Sigmoid, ..., 2,000 of them."""
    names = ["x", *(f"r{i}" for i in range(1999)), "y"]
    kinds = ("Sigmoid", "Relu")
    nodes = [node(kinds[i % 2], names[i], names[i + 1], f"n{i}") for i in range(2000)]
    return make_net(nodes)


def keras_mnist():
    """tf2onnx: NHWC with one channel, reshaped to NCHW."""
    nodes = [
        node("Reshape", "x nchw", "u"), node("Conv", "u w b", "t", "conv", pads=[1] * 4),
        node("Relu", "t", "r"), node("MaxPool", "r", "m", kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", "m", "n", perm=[0, 2, 3, 1]), node("Reshape", "n flat", "f"),
        node("MatMul", "f fw", "g", "fc"), node("Add", "g fb", "z"),
        node("Softmax", "z", "y", axis=1),
    ]  # fmt: skip
    constants = {
        "nchw": np.array([1, 1, 28, 28]), "flat": np.array([1, -1]), "w": weights(8, 1, 3, 3),
        "b": weights(8, seed=1, scale=0.1), "fw": weights(1568, 10, seed=2, scale=0.03),
        "fb": weights(10, seed=3, scale=0.1),
    }  # fmt: skip
    return make_net(nodes, constants, shape=(1, 28, 28, 1), opset=13)


def answers(path):
    """What check says, and what the compiler says."""
    said = check_model(path, arch=ARCH).refusal
    try:
        compile(path, target(arch=ARCH), fc_on="pl")
    except AccelgenError as error:
        return said, str(error)
    return said, ""


@pytest.fixture
def saved(tmp_path):
    def save(model):
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    return save


def test_weights_of_1024_inputs_do_not_fit_as_check_says(saved):
    said, compiler = answers(saved(conv1024(300)))

    assert said == compiler
    assert said == (
        "node 'conv' needs 1,152 weight words per output group, weight_words is 1,024:"
        " raise weight_words to 2,048"
    )


@pytest.mark.parametrize("make", [conv1024, long_rows, vgg_fc6, keras_mnist])
def test_built(saved, make):
    assert answers(saved(make())) == ("", "")


def test_outputs_of_a_large_fully_connected_layer():
    model = vgg_fc6()
    graph = read_network(model).graph
    x = np.random.default_rng(0).standard_normal((1, 7, 7, 512)).astype(np.float32)

    got = model_outputs(graph, interpret(graph, x))["y"]

    np.testing.assert_allclose(got, ort_outputs(model, x.transpose(0, 3, 1, 2))["y"], atol=2e-4)


def test_outputs_of_a_reshaped_input():
    assert_outputs_agree(keras_mnist())


def test_a_long_chain_is_answered_in_seconds():
    start = time.process_time()

    assert check_model(chain2000(), arch=ARCH).builds
    # Some 2 s; before limits were looked at first, it took minutes.
    assert time.process_time() - start < 20
