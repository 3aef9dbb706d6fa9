"""Resize and Upsample by two are read as onnxruntime computes them."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend.load import load_onnx
from tests.helpers.nets import assert_computes_the_same, make_net, node

F32 = np.float32

TWICE = np.array([1, 1, 2, 2], F32)
RESIZED = {
    "asymmetric": ({"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 13),
    "half pixel": ({}, 13),
    "half pixel up": ({"nearest_mode": "round_prefer_ceil"}, 18),
    "pytorch": ({"coordinate_transformation_mode": "pytorch_half_pixel"}, 13),
    "asymmetric, rounded": ({"coordinate_transformation_mode": "asymmetric"}, 13),
}


@pytest.mark.parametrize("name", RESIZED)
def test_resize(name):
    attributes, opset = RESIZED[name]
    net = make_net(
        node("Resize", "x _ s", mode="nearest", **attributes), {"s": TWICE}, opset=opset,
        shape=(1, 3, 5, 7),
    )  # fmt: skip

    graph, _ = assert_computes_the_same(net)

    assert graph.tensors[graph.outputs[0]].shape == (1, 10, 14, 3)


def test_resize_to_sizes_and_in_opset_10():
    sizes = {"e": np.array([], F32), "n": np.array([1, 3, 16, 16])}
    assert_computes_the_same(make_net(node("Resize", "x e e n", mode="nearest"), sizes, opset=11))
    assert_computes_the_same(
        make_net(node("Resize", "x s", mode="nearest"), {"s": TWICE}, opset=10)
    )


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(
    ("axes", "given"),
    [
        ((2, 3), {"s": [2, 3]}), ((3, 2), {"s": [3, 2]}), ((-1,), {"s": [3]}),
        ((3, 2), {"n": [14, 15]}), ((-2, -1), {"n": [15, 14]}), ((1, 2), {"s": [1, 2]}),
    ],
)  # fmt: skip
def test_axes_that_are_named(mode, axes, given):
    constants = {k: np.array(v, F32 if k == "s" else np.int64) for k, v in given.items()}
    inputs = "x _ s" if "s" in given else "x _ _ n"
    net = make_net(
        node("Resize", inputs, mode=mode, axes=axes), constants, opset=18, shape=(1, 3, 5, 7)
    )

    assert_computes_the_same(net)


@pytest.mark.parametrize(
    ("axes", "policy", "sizes", "sentence"),
    [
        ((2, 3), "stretch", [10], r"'Resize' \(Resize\) has 1 scales or sizes for 2 axes"),
        ((2, 2), "stretch", [10, 10], r"axes=\[2, 2\] are not different ones of rank 4"),
        ((2, 4), "stretch", [10, 10], r"axes=\[2, 4\] are not different ones of rank 4"),
        ((2, 3), "not_larger", [8, 14], "keep_aspect_ratio_policy='not_larger'"),
        ((2, 3), "never", [10, 14], "keep_aspect_ratio_policy='never'"),
        (None, "not_smaller", [1, 3, 10, 14], r"scales=\(2.0, 2.0, 2.0, 2.0\)"),
    ],
)
def test_axes_and_policies_that_are_refused(axes, policy, sizes, sentence):
    named = {} if axes is None else {"axes": axes}
    one = node(
        "Resize", "x _ _ n", "y", "Resize", mode="nearest", keep_aspect_ratio_policy=policy, **named
    )

    with pytest.raises(AccelgenError, match=sentence):
        load_onnx(make_net(one, {"n": np.array(sizes)}, opset=18, shape=(1, 3, 5, 7)))


@pytest.mark.parametrize(
    ("policy", "sizes"),
    [
        ("not_larger", [10, 14]), ("not_larger", [11, 14]), ("not_larger", [10, 28]),
        ("not_smaller", [10, 14]), ("not_smaller", [9, 14]), ("not_smaller", [10, 8]),
    ],
)  # fmt: skip
def test_policies_of_sizes(policy, sizes):
    one = node("Resize", "x _ _ n", mode="nearest", keep_aspect_ratio_policy=policy, axes=[2, 3])

    assert_computes_the_same(make_net(one, {"n": np.array(sizes)}, opset=18, shape=(1, 3, 5, 7)))


def test_upsample_of_opset_9():
    assert_computes_the_same(
        make_net(node("Upsample", "x s", mode="nearest"), {"s": TWICE}, opset=9)
    )


def test_resize_by_one_is_nothing():
    one = {"s": np.ones(4, F32)}
    nodes = [node("Resize", "x _ s", "a", mode="nearest"), node("Relu", "a")]

    graph, _ = assert_computes_the_same(make_net(nodes, one))

    assert len(graph.nodes) == 1
