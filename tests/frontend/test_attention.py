"""Attention is refused in one sentence for all its blocks, by check and compiler alike."""

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import UnsupportedOpError
from accelgen.flow.verdicts import check_model
from accelgen.frontend import load_onnx
from tests.helpers.nets import make_net, node, weights

ARCH = PRESETS["ultra96_double"]
C, HEADS = 16, 2
W = {
    "w": weights(C, 3, 3, 3), "p": weights(C, C, 1, 1, seed=1), "h": weights(C, C, seed=2),
    "heads": np.array([1, HEADS, C // HEADS, 36]), "map": np.array([1, C, 6, 6]),
    "scale": np.float32(0.3), "rows": np.array([1, C, 36]), "axes": np.array([-1]),
}  # fmt: skip
SOFT = [node("Mul", "s0 scale", "s1"), node("Softmax", "s1", "s2", axis=-1)]


def heads(x, n):
    """A block of multi-head attention over pixels, of ``x``."""
    made = []
    for name in "qkv":
        made += [
            node("Conv", f"{x} p", f"{name}{n}", f"{name}{n}"),
            node("Reshape", f"{name}{n} heads", f"{name}h{n}", f"split_{name}{n}"),
        ]
    return [
        *made, node("Transpose", f"qh{n}", f"qt{n}", f"turn{n}", perm=[0, 1, 3, 2]),
        node("MatMul", f"qt{n} kh{n}", f"s{n}", f"scores{n}"),
        node("Mul", f"s{n} scale", f"m{n}", f"scaled{n}"),
        node("Softmax", f"m{n}", f"a{n}", f"weigh{n}", axis=-1),
        node("Transpose", f"a{n}", f"at{n}", f"back{n}", perm=[0, 1, 3, 2]),
        node("MatMul", f"vh{n} at{n}", f"o{n}", f"mixed{n}"),
        node("Reshape", f"o{n} map", f"r{n}", f"joined{n}"),
        node("Conv", f"r{n} p", f"c{n}", f"proj{n}"), node("Add", f"{x} c{n}", f"y{n}", f"add{n}"),
    ]  # fmt: skip


def test_two_blocks_in_one_sentence():
    nodes = [
        node("Conv", "x w", "c", "stem", pads=[1] * 4), *heads("c", 1), *heads("y1", 2),
        node("Conv", "y2 p", "y", "last"),
    ]  # fmt: skip
    model = make_net(nodes, W, shape=(1, 3, 6, 6))

    report = check_model(model, arch=ARCH)

    assert report.refusal == (
        "node 'split_q1' (Reshape) is part of attention (activations times activations), which"
        " accelgen does not build, as one of 2 such blocks; cut the model off at 'c', and run"
        " the rest outside the accelerator"
    )
    assert [n.name for n in report.nodes if n.verdict == "not supported"] == ["split_q1"]
    verdicts = {n.name: n.verdict for n in report.nodes}
    assert {verdicts[f"{kind}2"] for kind in ("scores", "weigh", "mixed", "joined")} == {"unknown"}
    assert {verdicts[n] for n in ("stem", "q1", "proj1", "k2", "last")} == {"engine: array"}


def test_channels_weighed_by_channels():
    """A map times its own transpose (DANet, XCA): no projection before."""
    nodes = [
        node("Conv", "x w", "c", "stem", pads=[1] * 4), node("Reshape", "c rows", "r", "flat"),
        node("Transpose", "r", "t", perm=[0, 2, 1]), node("MatMul", "r t", "s0", "scores"), *SOFT,
        node("MatMul", "s2 r", "o"), node("Reshape", "o map", "y"),
    ]  # fmt: skip

    with pytest.raises(UnsupportedOpError, match=r"'flat' .Reshape. is part of attention .*at 'c'"):
        load_onnx(make_net(nodes, W, shape=(1, 3, 6, 6)))


def test_what_is_wrong_several_times_is_said_once():
    nodes = [
        node("GlobalLpPool", "x", "a", "one"),
        node("GlobalLpPool", "a", "y", "two"),
    ]
    report = check_model(make_net(nodes), arch=ARCH)

    assert [n.reason for n in report.nodes] == [
        "is GlobalLpPool, which accelgen does not build", "as 'one'"
    ]  # fmt: skip


def test_constants_are_folded_up_to_a_product():
    """Position encodings: CumSum and Conv of constants are no activations."""
    constants = W | {"ones": np.ones((1, C, 6, 6), np.float32), "two": np.array(2)}
    nodes = [
        node("CumSum", "ones two", "k"), node("Conv", "k p", "e"), node("Conv", "x w", "c",
                                                                        pads=[1] * 4),
        node("GlobalAveragePool", "e", "f"), node("Add", "c f"),
    ]  # fmt: skip
    nodes[3] = node("ReduceMean", "e", "f", axes=[2, 3])

    assert len(load_onnx(make_net(nodes, constants, shape=(1, 3, 6, 6))).graph.nodes) == 2
