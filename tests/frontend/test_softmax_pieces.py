"""Softmax spelled out node by node: read as one, or refused."""

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import AccelgenError
from accelgen.flow.verdicts import check_model
from accelgen.frontend.load import load_onnx
from accelgen.ir.ops import Softmax
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights

CONSTANTS = {"w": weights(8, 3, 3, 3), "p": weights(8, 8, 1, 1), "one": np.array([1])}


def pieces(*, opset=17, axis=1, maximum=True, more=()):
    """From map c on to d."""
    axes = {"axes": [axis]} if opset < 18 else {}
    named = "" if opset < 18 else " one"
    largest = [node("ReduceMax", f"c{named}", "m", "largest", **axes), node("Sub", "c m", "s")]
    return [
        node("Conv", "x w", "c", "stem"), *(largest if maximum else []),
        node("Exp", "s" if maximum else "c", "e", "power"),
        node("ReduceSum", "e one", "t", "total"), node("Div", "e t", "d", "divide"), *more,
    ]  # fmt: skip


LAST = node("Conv", "d p", "y", "last")


@pytest.mark.parametrize("index", range(1, 6))
def test_a_piece_of_another_domain_is_refused(index):
    nodes = pieces(more=[LAST])
    nodes[index].domain = "elsewhere"

    refusal = check_model(make_net(nodes, CONSTANTS), arch=PRESETS["ultra96_double"]).refusal
    assert "is of domain 'elsewhere'" in refusal


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("maximum", [True, False])
def test_read_as_one(opset, maximum):
    model = make_net(pieces(opset=opset, maximum=maximum, more=[LAST]), CONSTANTS, opset=opset)

    assert_computes_the_same(model)
    kinds = [type(n.op) for n in load_onnx(model).graph.nodes]
    assert kinds.count(Softmax) == 1
    assert len(kinds) == 3
    report = check_model(model, arch=PRESETS["ultra96_double"])
    assert report.refusal == ""
    assert {n.name: n.verdict for n in report.nodes}["divide"] == "ps"


def test_over_pixels():
    with pytest.raises(
        AccelgenError, match=r"'largest' \(ReduceMax\) is part of a Softmax over w; only Softmax"
    ):
        load_onnx(make_net(pieces(axis=3, more=[LAST]), CONSTANTS))


@pytest.mark.parametrize("name", ["e", "t"])
def test_pieces_that_others_read_are_none(name):
    """A share of another sum: the division stays one."""
    more = [LAST, node("Add", f"d {name}", "z", "other")]

    with pytest.raises(AccelgenError, match=r"'power' \(Exp\)|'divide' \(Div\) divides by an"):
        load_onnx(make_net(pieces(more=more), CONSTANTS, outputs="y z"))


def test_of_constants():
    nodes = [
        node("Exp", "v", "e"), node("ReduceSum", "e one", "t"), node("Div", "e t", "d"),
        node("Mul", "x d", "y"),
    ]  # fmt: skip
    constants = {"v": weights(1, 3, 1, 1), "one": np.array([1])}

    assert_computes_the_same(make_net(nodes, constants))


@pytest.mark.parametrize("op", ["ReduceMax", "Sub", "Exp", "ReduceSum", "Div"])
def test_pieces_without_inputs_are_refused(op):
    """A damaged file: `accelgen check` had a traceback."""
    model = make_net(pieces(more=[LAST]), CONSTANTS)
    damaged = next(n for n in model.graph.node if n.op_type == op)
    del damaged.input[:]

    with pytest.raises(AccelgenError):
        load_onnx(model)
