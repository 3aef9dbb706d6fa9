"""Made-up ranges refuse nothing that data would not."""

import numpy as np
import pytest

from accelgen import zoo
from accelgen.flow.network import read_network
from accelgen.inputs.samples import random_samples
from accelgen.ir.activations import KINDS
from accelgen.ir.ops import Activation, QConv2d
from accelgen.quant import dry_run
from accelgen.quant.calibrate import calibrate


def test_ranges_that_grow_from_layer_to_layer_are_joined():
    """Each of DenseNet's layers makes them larger, and all share one scale."""
    imported = read_network(zoo.build("densenet121", 32, width=0.25))

    graph = dry_run.dry_int8(imported)

    assert sum(isinstance(n.op, QConv2d) for n in graph.nodes) > 120


@pytest.mark.parametrize("name", ["ghostnet", "mobilenet_v2"])
def test_ranges_are_like_those_of_data(name):
    """So that an estimate needs as many rescaling tables as the frame will have."""
    graph = read_network(zoo.build(name, 96, width=0.5)).graph
    seen = calibrate(graph, random_samples(graph.tensors[graph.input].shape, 0)[:1])

    made_up = dry_run.ranges(graph)

    widths = {n: (made_up[n].high - made_up[n].low) / (r.high - r.low) for n, r in seen.items()}
    far = {n: round(w, 2) for n, w in widths.items() if not 1 / 4 < w < 4}
    assert len(far) <= len(widths) // 20, far
    assert 0.5 < np.median(list(widths.values())) < 3


#: Parameters that a file may have, beside those of every kind.
ODD = {
    "elu": [(0.0,), (-3.0,), (1e30,)], "celu": [(1e-3,), (-2.0,), (100.0,)],
    "selu": [(0.0, 1.0), (-1e30, 1e30)], "leaky_relu": [(1e30,), (-1.0,)],
    "hard_sigmoid": [(1e30, -1e30)], "clip": [(-1e30, 1e30), (0.0, float("inf"))],
    "pow": [(16.0,), (0.5,), (3.0,)], "thresholded_relu": [(-1e30,)],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1.0, 100.0, 2.0**20])
def test_a_function_of_whatever_size_has_a_range(kind, size):
    """Exp of it is infinite (seed 27, case 10973)."""
    spread = dry_run._Spread(np.array([-size, 0, size]), size * np.ones(3), -4 * size, 4 * size)
    attributes = tuple(default for _, default in KINDS[kind].attributes)

    for params in (attributes, *ODD.get(kind, [])):
        if kind == "clip" and not params:
            continue
        made = dry_run._activated(Activation(kind=kind, params=params), spread.kept()).kept()

        numbers = [*made.mean, *made.deviation, made.low, made.high]
        assert np.isfinite(numbers).all(), (params, numbers)
        assert made.low <= made.mean.min()
        assert made.mean.max() <= made.high
