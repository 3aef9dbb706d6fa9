"""Sums that the PL leaves byte by byte: the int32 of them, bit by bit."""

import numpy as np
import pytest

from accelgen.golden.ps_ops import join_bytes
from accelgen.ir import Graph, Node, TensorType
from accelgen.ir.ps_ops import QJoinBytes
from accelgen.ps.operators import OPERATORS
from tests.ps.judge import CHANNELS, assert_golden, int8s

OFFSETS = (0, 1, -1, 12_345, -987_654, 2**31 - 1, -(2**31))


def call_of(op, x, count):
    """Of bytes ``x`` (1, 1, 4, count), in the order in which they leave the PL."""
    node = Node(name="n", op=op, inputs=("x",), output="y")
    tensors = {
        "x": TensorType(x.shape, "int8"), "y": TensorType((1, 1, 1, count), "int32"),
    }  # fmt: skip
    graph = Graph(nodes=(node,), tensors=tensors, input="x", outputs=("y",))
    (call,) = OPERATORS[QJoinBytes].calls(node, graph, [x])
    return call


@pytest.mark.parametrize("hostile", [False, True], ids=["random", "hostile"])
def test_every_byte_has_its_place(runner, hostile):
    rng = np.random.default_rng(11 + hostile)
    calls, expected = [], []
    for i, count in enumerate(CHANNELS):
        op = QJoinBytes(offset=OFFSETS[i % len(OFFSETS)])
        x = int8s(rng, (1, 1, 4, count), hostile=hostile)
        calls.append(call_of(op, x, count))
        expected.append(join_bytes(op, x))

    assert_golden(runner, calls, expected, rng=rng)


def test_golden_is_the_bytes_as_numpy_reads_them():
    """An int32 of four bytes, the lowest first."""
    x = int8s(np.random.default_rng(3), (1, 1, 4, 65))

    got = join_bytes(QJoinBytes(offset=0), x)

    want = np.ascontiguousarray(x[0, 0].T).view("<i4").reshape(1, 1, 1, -1)
    assert got.tobytes() == want.astype(np.int32).tobytes()
