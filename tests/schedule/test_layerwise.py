"""Layer by layer, as a first design does it: nothing fused, maps through DDR, the same bits."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.arch import PRESETS
from accelgen.errors import ScheduleError
from accelgen.golden.interpret import interpret
from accelgen.ir.ops import QTable
from accelgen.program.commands import Load, Store
from accelgen.schedule import schedule_parts
from tests.helpers.int8_nets import random_net
from tests.schedule.test_parts import residual_se_net, run_parts

SMALL = PRESETS["small"]


@pytest.mark.parametrize("rows", [SMALL.feature_rows, 64])
@pytest.mark.parametrize("se_on_ps", [False, True])
def test_layers_alone_make_what_the_golden_model_makes(rows, se_on_ps):
    net, graph = residual_se_net(seed=rows)
    arch = replace(SMALL, feature_rows=rows)
    x = net.input()

    parts = schedule_parts(graph, arch, fc_on_ps=True, se_on_ps=se_on_ps, layerwise=True)
    got, want = run_parts(parts, x), interpret(graph, x[None])

    assert len(parts) == (3 if se_on_ps else 1)
    for name in graph.outputs:
        assert want[name][0].tobytes() == got[name].tobytes()


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_random_graphs_layer_by_layer_match_golden(seed):
    net, graph = random_net(seed, nodes=8)
    x = net.input()
    try:
        parts = schedule_parts(graph, SMALL, layerwise=True)
    except ScheduleError:  # what does not fit is refused fused, too
        with pytest.raises(ScheduleError):
            schedule_parts(graph, SMALL)
        return
    got, want = run_parts(parts, x), interpret(graph, x[None])

    for name in graph.outputs:
        assert want[name][0].tobytes() == got[name].tobytes()


def test_a_step_is_a_layer_with_its_activation_and_goes_through_ddr():
    _, graph = residual_se_net(seed=1)

    for part in schedule_parts(graph, SMALL, se_on_ps=True, fc_on_ps=True, layerwise=True):
        kinds = {n.name: n.op for n in part.graph.nodes}
        for step in part.steps:
            alone = [n for n in step.nodes if not isinstance(kinds[n], QTable)]
            assert len(alone) <= 1, step.nodes
            moved = {type(part.commands[i]) for i in step.commands}
            assert {Load, Store} <= moved, step.nodes


def test_it_moves_more_bytes_than_fused():
    _, graph = residual_se_net(seed=2)

    def moved(**options):
        (part,) = schedule_parts(graph, SMALL, **options)
        return sum(c.groups * c.rows for c in part.commands if isinstance(c, Load | Store))

    assert moved(layerwise=True) > 2 * moved()
