"""A frame in parts: programs with PS work between them make what one program makes."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import ScheduleError
from accelgen.golden.interpret import interpret
from accelgen.ir.offload import nodes_on_ps
from accelgen.schedule import schedule, schedule_parts
from accelgen.simulation.functional import run_functional
from accelgen.simulation.verilated import run_ps_steps
from tests.helpers.int8_nets import Int8Net

SMALL = PRESETS["small"]


def residual_se_net(seed):
    """Two blocks with squeeze-and-excite, a residual across each, and a classifier."""
    net = Int8Net((9, 7, 8), seed=seed)
    x = net.conv(net.x, 16)
    for _ in range(2):
        y = net.table(net.depthwise(x))
        y = net.squeeze_excite(y, 8)
        x = net.add(net.conv(y, 16), x)
    return net, net.graph(net.softmax(net.fc(net.table(net.fc(net.gap(x), 24)), 10)))


def run_parts(parts, x):
    """Every tensor that programs and PS steps leave, part after part."""
    values = {parts[0].input.tensor: x}
    for part in parts:
        inputs = {p.tensor: values[p.tensor].reshape(p.shape) for p in part.inputs}
        values |= run_functional(part, inputs).tensors
        values |= {k: v[0] for k, v in run_ps_steps(part, values).items()}
    return values


@pytest.mark.parametrize("keep_all", [False, True])
@pytest.mark.parametrize("rows", [SMALL.feature_rows, 64])
def test_parts_make_what_the_golden_model_makes(rows, keep_all):
    net, graph = residual_se_net(seed=rows)
    arch = replace(SMALL, feature_rows=rows)
    x = net.input()

    parts = schedule_parts(graph, arch, fc_on_ps=True, se_on_ps=True, keep_all=keep_all)
    got = run_parts(parts, x)
    want = interpret(graph, x[None])

    assert len(parts) == 3
    assert sum(len(p.ps_steps) for p in parts) == len(nodes_on_ps(graph, fc=True, se=True))
    for name in graph.outputs:
        assert want[name][0].tobytes() == got[name].tobytes()
    for name, value in got.items():
        assert np.array_equal(want[name].reshape(-1), value.reshape(-1)), name


def test_every_node_is_in_exactly_one_part():
    _, graph = residual_se_net(seed=3)

    parts = schedule_parts(graph, SMALL, se_on_ps=True)
    found = [n for p in parts for s in p.steps for n in s.nodes]
    found += [s.node for p in parts for s in p.ps_steps]

    assert sorted(found) == sorted(n.name for n in graph.nodes)


def test_without_blocks_there_is_one_part_as_schedule_makes_it():
    _, graph = residual_se_net(seed=4)

    (part,) = schedule_parts(graph, SMALL, fc_on_ps=True)

    assert part.image == schedule(graph, SMALL, fc_on_ps=True).image


def test_a_network_that_begins_on_the_ps_is_refused():
    net = Int8Net((4, 4, 8))
    graph = net.graph(net.conv(net.squeeze_excite(net.x, 4), 8))

    with pytest.raises(ScheduleError, match="nothing on the PL comes before it"):
        schedule_parts(graph, SMALL, se_on_ps=True)


def test_a_pl_that_has_nothing_to_do_is_refused():
    net = Int8Net((1, 1, 6))
    graph = net.graph(net.fc(net.select(net.x, [0, 2, 4, 1, 3, 5]), 4))

    with pytest.raises(ScheduleError, match="on the PS and nothing on the PL comes before it"):
        schedule(graph, SMALL, fc_on_ps=True)
