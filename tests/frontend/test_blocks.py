"""Space to depth as exporters spell it is one convolution of the map, and no data moves."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend import load_onnx
from accelgen.passes.run import run_passes
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights
from tests.helpers.second_opinion import assert_outputs_agree

FAR = 2**63 - 1
STEPS = {
    "0": np.array([0]), "1": np.array([1]), "2": np.array([2]), "3": np.array([3]),
    "far": np.array([FAR]), "both": np.array([2, 3]), "steps": np.array([2, 2]),
    "ends": np.array([FAR, FAR]), "01": np.array([0, 1]), "11": np.array([1, 1]),
    "00": np.array([0, 0]), "10": np.array([1, 0]),
}  # fmt: skip


def yolox(corners=((0, 0), (1, 0), (0, 1), (1, 1))):
    """Rows, then columns, each in a Slice of its own."""
    nodes = []
    for i, (row, column) in enumerate(corners):
        nodes += [
            node("Slice", f"x {row} far 2 2", f"r{i}"),
            node("Slice", f"r{i} {column} far 3 2", f"c{i}"),
        ]
    return [*nodes, node("Concat", " ".join(f"c{i}" for i in range(len(corners))), "f", axis=1)]


def yolov5():
    """Rows and columns in one Slice."""
    nodes = [
        node("Slice", f"x {corner} ends both steps", f"c{corner}")
        for corner in ("00", "10", "01", "11")
    ]
    return [*nodes, node("Concat", "c00 c10 c01 c11", "f", axis=-3)]


FOCUS = {
    "yolox": yolox(), "yolov5": yolov5(), "another order": yolox(((1, 1), (0, 0), (0, 1), (1, 0))),
    "three": yolox(((0, 0), (1, 0), (1, 1))),
}  # fmt: skip


@pytest.mark.parametrize("name", FOCUS)
def test_focus_is_part_of_the_convolution(name):
    channels = 9 if name == "three" else 12
    constants = STEPS | {"w": weights(8, channels, 3, 3), "b": weights(8, seed=1)}
    nodes = [*FOCUS[name], node("Conv", "f w b", pads=[1] * 4)]
    model = make_net(nodes, constants, shape=(1, 3, 10, 8))

    assert_outputs_agree(model)

    (only,) = run_passes(load_onnx(model).graph).nodes
    assert (only.op.kernel, only.op.stride, only.op.pads) == ((6, 6), (2, 2), (2, 2, 2, 2))


@pytest.mark.parametrize("shape", [(1, 3, 7, 9), (1, 3, 8, 8)])
def test_every_other_pixel_alone(shape):
    """A strided Slice that nobody joins, of odd maps too."""
    nodes = [
        node("Slice", "x 1 far 2 2", "r"), node("Slice", "r 0 far 3 3", "c"),
        node("Slice", "c 1 2 1", "k"), node("Add", "c k"),
    ]  # fmt: skip

    assert_computes_the_same(make_net(nodes, STEPS, shape=shape))


BLOCKS = {
    "timm, by 4": ([1, 3, 2, 4, 3, 4], [0, 3, 5, 1, 2, 4], [1, 48, 2, 3]),
    "PixelUnshuffle": ([1, 3, 4, 2, 6, 2], [0, 1, 3, 5, 2, 4], [1, 12, 4, 6]),
    "not square": ([1, 3, 4, 2, 3, 4], [0, 5, 3, 1, 2, 4], [1, 24, 4, 3]),
    "there and back": ([1, 3, 4, 2, 6, 2], [0, 1, 2, 3, 4, 5], [1, 3, 8, 12]),
}  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_reshape_to_blocks(name):
    split, perm, joined = BLOCKS[name]
    nodes = [
        node("Reshape", "x s", "a"), node("Transpose", "a", "b", perm=perm),
        node("Reshape", "b j", "c"), node("Conv", "c w", pads=[1] * 4),
    ]  # fmt: skip
    constants = {"s": np.array(split), "j": np.array(joined), "w": weights(8, joined[1], 3, 3)}
    model = make_net(nodes, constants, shape=(1, 3, 8, 12))

    _, fused = assert_computes_the_same(model)

    assert len(fused.nodes) == 1


def test_patches_are_a_convolution():
    """Vision transformers' and MLP mixers' patches: blocks, one product each."""
    nodes = [
        node("Reshape", "x s", "a"), node("Transpose", "a", "b", perm=[0, 2, 4, 3, 5, 1]),
        node("Reshape", "b j", "c"), node("MatMul", "c w", "d"), node("ReduceMean", "d", axes=[1]),
    ]  # fmt: skip
    constants = {
        "s": np.array([1, 3, 2, 4, 3, 4]), "j": np.array([1, 6, 48]), "w": weights(48, 10)
    }  # fmt: skip

    assert_outputs_agree(make_net(nodes, constants, shape=(1, 3, 8, 12)))


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Relu", "a")], "whose pixels a Reshape has split"),
        ([node("Reshape", "a t")], "which splits an axis"),
    ],
)
def test_blocks_of_pixels_alone(nodes, words):
    constants = {"s": np.array([1, 3, 4, 2, 6, 2]), "t": np.array([1, 3, 2, 2, 2, 6, 2])}
    model = make_net([node("Reshape", "x s", "a"), *nodes], constants, shape=(1, 3, 8, 12))

    with pytest.raises(AccelgenError, match=words):
        load_onnx(model)
