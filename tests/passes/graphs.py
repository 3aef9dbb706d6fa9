"""Float graphs for the passes' tests, through the front end."""

from accelgen.frontend import load_onnx
from accelgen.ir.spec import check_float
from tests.helpers.nets import assert_same_outputs, make_net

__all__ = ["apply", "kinds"]


def kinds(graph):
    """Operations in order, activations by their kind."""
    return [getattr(n.op, "kind", None) or type(n.op).__name__ for n in graph.nodes]


def apply(one, nodes, constants=None, **options):
    """The graph after ``one`` pass; legal, with the same outputs, and unchanged by a second run."""
    model = make_net(nodes, constants, **options)
    before = load_onnx(model).graph
    nodes_before, constants_before = before.nodes, dict(before.constants)
    after = one(before)

    check_float(after)
    assert_same_outputs(model, after)
    assert one(after).nodes == after.nodes
    # Pure: what went in is as it was.
    assert before.nodes == nodes_before
    assert dict(before.constants).keys() == constants_before.keys()
    return after
