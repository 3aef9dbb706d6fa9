"""DeformConv: what is gathered, what is multiplied, and what is refused."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend.load import load_onnx
from accelgen.ir.ops import Conv2d
from accelgen.ir.ps_ops import Deform
from tests.helpers.nets import make_net, node, weights

GIVEN = {"w": weights(5, 4, 3, 3), "o": weights(18, 4, 3, 3), "b": weights(5)}
PADS = {"pads": [1] * 4}


def net(*nodes, more=None):
    given = GIVEN | (more or {})
    return make_net([node("Relu", "x", "r"), *nodes], given, shape=(1, 4, 6, 7), opset=19)


def test_it_is_a_gather_and_a_pointwise_product():
    model = net(node("Conv", "r o", "at", **PADS), node("DeformConv", "r w at b", **PADS))
    graph = load_onnx(model).graph

    relu, offsets, gather, product = graph.nodes
    assert gather.op == Deform(kernel=(3, 3), pads=(1, 1, 1, 1))
    assert gather.inputs == (relu.output, offsets.output)
    assert product.op == Conv2d(kernel=(1, 1))
    assert graph.tensors[gather.output].shape == (1, 6, 7, 36)
    np.testing.assert_array_equal(
        graph.constants[product.inputs[1]].reshape(5, 4, 3, 3), GIVEN["w"]
    )


def deform(inputs="r w at", **how):
    return node("DeformConv", inputs, "y", "d", **{**PADS, **how})


@pytest.mark.parametrize(("last", "sentence"), [
    (deform(strides=[2, 2]), "'d' .DeformConv.: its offsets are a map of 6 x 7 with 18 channels; "),
    (deform(strides=[2, 2]), "strides, pads, dilations and offset_group need 3 x 4 with 18: "),
    (deform(offset_group=2), "need 6 x 7 with 36"),
    (deform(offset_group=3), "offset_group=3 does not divide the 4 channels of 'r'"),
    (deform(group=2), "group=2, so it needs 8 input channels"),
    (deform(kernel_shape=[2, 2]), "kernel_shape=.2, 2., but weight 'w' has shape"),
    (deform("r w at b at"), "its masks are a map of 6 x 7 with 18 channels; .* with 9"),
    (deform("r w fixed"), "takes its input 'fixed' from a constant; only activations"),
    (deform("r r at"), "computes its input 1, 'r', at run time"),
    (deform(pads=[-1, 1, 1, 1]), "pads must not be negative"),
    (deform(dilations=[1, 0]), "dilations=.1, 0. must be positive"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(last, sentence):
    more = {"fixed": np.zeros((1, 18, 6, 7), np.float32)}
    with pytest.raises(AccelgenError, match=sentence):
        load_onnx(net(node("Conv", "r o", "at", **PADS), last, more=more))
