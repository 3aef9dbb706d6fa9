"""MaxPool with its indices, and MaxUnpool."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend.load import load_onnx
from accelgen.ir.ops import MaxPool
from accelgen.ir.ps_ops import Unpool
from tests.helpers.nets import make_net, node

TWO = {"kernel_shape": [2, 2], "strides": [2, 2]}
SHAPE = {"shape": np.array([1, 3, 7, 9], np.int64)}


def test_the_pair_is_a_pool_and_an_unpooling_by_its_input():
    nodes = [node("Relu", "x", "r"), node("MaxPool", "r", "p i", **TWO)]
    graph = load_onnx(make_net([*nodes, node("MaxUnpool", "p i", "y", **TWO)])).graph

    pool, unpool = graph.nodes[1:]
    assert (pool.op, unpool.op) == (MaxPool(kernel=(2, 2), stride=(2, 2)), Unpool(kernel=(2, 2)))
    assert unpool.inputs == (pool.output, graph.nodes[0].output)


@pytest.mark.parametrize(("nodes", "sentence"), [
    ([node("MaxPool", "x", "p i", **TWO), node("MaxUnpool", "p i", "y", "up", **TWO)],
     "'up' .MaxUnpool. makes 6 x 8 pixels of 3 channels by the indices of a map of 7 x 9 with 3;"),
    ([node("MaxPool", "x", "p i", **TWO),
      node("MaxUnpool", "p i shape", "y", "up", kernel_shape=[2, 2], strides=[1, 1])],
     "has kernel_shape=.2, 2., which is not built; with strides=.1, 1."),
    ([node("MaxPool", "x", "p i", **TWO), node("Add", "p i", "y", "sum")],
     "'sum' .Add. reads 'i', a MaxPool's indices; only MaxUnpool"),
    ([node("MaxPool", "x", "p i", kernel_shape=[3, 3], strides=[2, 2]),
      node("MaxUnpool", "p i shape", "y", "up", kernel_shape=[3, 3], strides=[2, 2])],
     "'up' .MaxUnpool. reads 'i', a second output"),
    ([node("MaxPool", "x", "p", **TWO), node("MaxUnpool", "p p shape", "y", "up", **TWO)],
     "reads indices 'p' that no MaxPool makes"),
])  # fmt: skip
def test_what_is_no_pair(nodes, sentence):
    with pytest.raises(AccelgenError, match=sentence):
        load_onnx(make_net(nodes, SHAPE, shape=(1, 3, 7, 9)))
