"""Normalization by the map's own statistics, in one node or in pieces."""

import numpy as np
import onnx
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.verdicts import check_model
from accelgen.frontend.load import load_onnx
from tests.helpers.nets import make_net, node, weights

W = {"w": weights(8, 3, 3, 3), "p": weights(8, 8, 1, 1), "two": np.float32(2),
     "three": np.float32(3), "one": np.ones(1, np.float32),
     "eps": np.float32(1e-6)}  # fmt: skip


@pytest.mark.parametrize("square", ["power", "product", "subtracted again"])
def test_in_pieces(square):
    squared = {
        "power": [node("Pow", "s two", "q", "square")],
        "product": [node("Mul", "s s", "q", "square")],
        "subtracted again": [
            node("Sub", "c m", "s2", "again"), node("Pow", "s2 two", "q", "square")
        ],
    }[square]  # fmt: skip
    nodes = [
        node("Conv", "x w", "c", "stem"), node("ReduceMean", "c", "m", "mean", axes=[1]),
        node("Sub", "c m", "s", "centre"), *squared,
        node("ReduceMean", "q", "v", "variance", axes=[1]), node("Add", "v eps", "e", "epsilon"),
        node("Sqrt", "e", "r", "root"), node("Div", "s r", "d", "divide"),
        node("Conv", "d p", "y", "last"),
    ]  # fmt: skip

    report = check_model(make_net(nodes, W), arch=PRESETS["ultra96_double"])

    assert report.refusal == ""
    verdicts = {n.name: (n.verdict, n.reason) for n in report.nodes}
    assert verdicts["divide"] == ("ps", "normalization")
    assert verdicts["last"][0] == "engine: array"


def refused(nodes):
    return check_model(make_net(nodes, W), arch=PRESETS["ultra96_double"]).refusal


def pieces(*, axes=(1,), power="two", more=()):
    return [
        node("Conv", "x w", "c", "stem"), node("ReduceMean", "c", "m", "mean", axes=[1]),
        node("Sub", "c m", "s", "centre"), node("Pow", f"s {power}", "q", "square"),
        node("ReduceMean", "q", "v", "variance", axes=[*axes]),
        node("Add", "v eps", "e", "epsilon"), node("Sqrt", "e", "r", "root"),
        node("Div", "s r", "d", "divide"), *more,
    ]  # fmt: skip


@pytest.mark.parametrize("index", range(1, 7))
def test_a_piece_of_another_domain_is_refused(index):
    """The fuzzer's seed 25, case 3487."""
    nodes = pieces()
    nodes[index].domain = "elsewhere"

    assert "is of domain 'elsewhere'" in refused(nodes)


def test_pieces_that_others_read():
    assert refused(pieces(more=[node("Add", "d s", "y", "last")])) == (
        "node 'mean' (ReduceMean) begins a LayerNormalization in pieces (it ends with 'divide'), of"
        " which other nodes read 's'; export it as LayerNormalization (opset 17 or newer)"
    )


def test_pieces_that_do_not_fit():
    last = [node("Conv", "d p", "y", "last")]

    assert "node 'divide' (Div) ends a normalization with a mean over {'c'} and a variance" in (
        refused(pieces(axes=[2], more=last))
    )
    assert "node 'square' (Pow) has exponent 3 within a normalization; only 2" in (
        refused(pieces(power="three", more=last))
    )


@pytest.mark.parametrize(("norm", "sentence"), [
    (node("LayerNormalization", "c one", "y", axis=-1), "over w; over all channels of each pixel"),
    (node("LayerNormalization", "c one", "y", axis=4), "axis=4 is not within rank 4"),
    (node("InstanceNormalization", "c one one", "y"), "scale has 1 and bias 1 numbers"),
])  # fmt: skip
def test_what_is_no_norm(norm, sentence):
    with pytest.raises(AccelgenError, match=sentence):
        load_onnx(make_net([node("Conv", "x w", "c"), norm], W))


def test_more_numbers_than_their_sums_hold():
    nodes = [node("InstanceNormalization", "x g g", "y")]
    model = make_net(nodes, {"g": np.ones(3, np.float32)}, shape=(1, 3, 257, 256))

    with pytest.raises(AccelgenError, match="over 65,792 numbers; no more than 65,536 are built"):
        load_onnx(model)


def test_a_part_that_is_damaged_is_refused_by_check_too():
    """The last node of a response normalization asks for the axes of the first."""
    nodes = [
        node("Conv", "x w", "c", "stem"),
        node("ReduceL2", "c", "g", "size", axes=[2, 3]),
        node("ReduceMean", "g", "m", "mean", axes=[1]),
        node("Add", "m eps", "a", "above"),
        node("Div", "g a", "n", "over"),
        node("Mul", "c n", "y", "scaled"),
    ]
    model = make_net(nodes, {k: W[k] for k in ("w", "eps")}, opset=13)
    assert check_model(model, arch=PRESETS["small"]).builds
    damaged = next(a for a in model.graph.node[1].attribute if a.name == "axes")
    damaged.Clear()
    damaged.name, damaged.type = "axes", onnx.AttributeProto.GRAPH
    damaged.g.name = "g"

    found = check_model(model, arch=PRESETS["small"])

    assert "'size' (ReduceL2): attribute axes" in found.refusal


def test_a_mean_without_inputs_ends_no_response_normalization():
    nodes = [
        node("Conv", "x w", "c", "stem"),
        node("ReduceL2", "c", "g", "size", axes=[2, 3]),
        node("ReduceMean", "", "m", "mean", axes=[1]),
        node("Add", "m eps", "a", "above"),
        node("Div", "g a", "y", "over"),
    ]
    model = make_net(nodes, {k: W[k] for k in ("w", "eps")}, opset=13)

    with pytest.raises(AccelgenError, match="'size' is ReduceL2"):
        load_onnx(model)


@pytest.mark.parametrize("damaged", ["mean", "square", "variance", "above"])
def test_a_part_that_lacks_inputs_is_refused_in_a_sentence(damaged):
    nodes = [
        node("Conv", "x w", "c", "stem"), node("ReduceMean", "c", "m", "mean", axes=[1]),
        node("Sub", "c m", "s", "centred"), node("Mul", "s s", "q", "square"),
        node("ReduceMean", "q", "v", "variance", axes=[1]), node("Add", "v eps", "a", "above"),
        node("Sqrt", "a", "r", "root"), node("Div", "s r", "y", "over"),
    ]  # fmt: skip
    model = make_net(nodes, {k: W[k] for k in ("w", "eps")}, opset=13)
    assert check_model(model, arch=PRESETS["small"]).builds
    del next(n for n in model.graph.node if n.name == damaged).input[-1]

    assert check_model(model, arch=PRESETS["small"]).refusal
