"""Add, Sub, Mul, Max and Min of maps, vectors and single channels, as ONNX broadcasts them."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend import load_onnx
from tests.helpers.nets import make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree

W = {
    "w": weights(8, 3, 3, 3), "v": weights(8, 8, 1, 1, seed=1), "m": weights(1, 8, 1, 1, seed=2),
    "two": np.float32(0.5),
}  # fmt: skip
#: A map c, a vector g, a single channel o, a number n.
GIVEN = [
    node("Conv", "x w", "c", pads=[1] * 4), node("GlobalAveragePool", "c", "p"),
    node("Conv", "p v", "g"), node("Conv", "c m", "o"), node("Conv", "p m", "n"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["Add", "Sub", "Max", "Min"])
@pytest.mark.parametrize("inputs", ["c g", "g c", "c o", "o c", "o g", "c n"])
def test_maps_and_less(kind, inputs):
    assert_outputs_agree(make_net([*GIVEN, node(kind, inputs)], W, shape=(1, 3, 6, 5)))


@pytest.mark.parametrize("inputs", ["c g", "g c", "c n", "n c", "g n"])
def test_products(inputs):
    assert_outputs_agree(make_net([*GIVEN, node("Mul", inputs)], W, shape=(1, 3, 6, 5)))


#: A row r, a column k, and one channel of each.
LINES = [
    node("ReduceMean", "c", "r", axes=[2]), node("ReduceMean", "c", "k", axes=[3]),
    node("ReduceMean", "o", "r1", axes=[2]), node("ReduceMean", "o", "k1", axes=[3]),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Max", "Min"])
@pytest.mark.parametrize("inputs", ["c r", "k c", "k r", "r k1", "c r1", "k g", "g r", "k1 n"])
def test_rows_and_columns(kind, inputs):
    nodes = [*GIVEN, *LINES, node(kind, inputs)]
    assert_outputs_agree(make_net(nodes, W, shape=(1, 3, 6, 5)))


@pytest.mark.parametrize("inputs", ["c g o", "c c2 two", "two c", "r c k"])
def test_more_than_two(inputs):
    nodes = [*GIVEN, *LINES, node("Tanh", "c", "c2"), node("Max", inputs)]

    assert_outputs_agree(make_net(nodes, W, shape=(1, 3, 6, 5)))


def test_two_vectors_of_a_flattened_one():
    """What has fewer dimensions lines up from the right."""
    nodes = [*GIVEN, node("Flatten", "g", "f"), node("Flatten", "p", "q"), node("Sub", "f q")]

    assert_outputs_agree(make_net(nodes, W, shape=(1, 3, 6, 5)))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Transpose", "c", "t", perm=[0, 1, 3, 2]), node("Add", "c t")], "do not broadcast"),
        (
            [node("Shape", "c", "s"), node("Expand", "n s", "e"), node("Add", "p e")],
            "let another of its operands have that shape",
        ),
    ],
)
def test_what_is_not_broadcast(nodes, words):
    with pytest.raises(AccelgenError, match=words):
        load_onnx(make_net([*GIVEN, *nodes], W, shape=(1, 3, 6, 5)))
