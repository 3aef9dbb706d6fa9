"""Made-up ranges refuse nothing that data would not."""

from accelgen import zoo
from accelgen.flow.network import read_network
from accelgen.ir.ops import QConv2d
from accelgen.quant import dry_run


def test_ranges_that_grow_from_layer_to_layer_are_joined():
    """Each of DenseNet's layers makes them larger, and all share one scale."""
    imported = read_network(zoo.build("densenet121", 32, width=0.25))

    graph = dry_run.dry_int8(imported)

    assert sum(isinstance(n.op, QConv2d) for n in graph.nodes) > 120
