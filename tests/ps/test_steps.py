"""PS steps of programs through the C library: bit for bit the golden model's."""

import numpy as np
import pytest

from accelgen.arch import PRESETS
from accelgen.errors import ToolError
from accelgen.golden.interpret import interpret
from accelgen.ps.steps import node_calls, run_steps
from accelgen.schedule import schedule_parts
from tests.helpers.int8_nets import Int8Net

SMALL = PRESETS["small"]


def net_of_everything(seed):
    net = Int8Net((5, 6, 20), seed=seed)
    x = net.squeeze_excite(net.conv(net.x, 12), 6)
    return net, net.graph(net.softmax(net.fc(net.table(net.fc(net.conv(x, 30), 17)), 10)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_steps_make_what_the_golden_model_makes(runner, seed):
    net, graph = net_of_everything(seed)
    want = interpret(graph, net.input()[None])

    parts = schedule_parts(graph, SMALL, fc_on_ps=True, se_on_ps=True)
    made = {}
    for part in parts:
        left = {p.tensor: want[p.tensor][0] for p in (*part.outputs, *part.inputs)}
        made |= run_steps(part, left, runner)

    assert len(made) == sum(len(p.ps_steps) for p in parts) >= 9
    for name, value in made.items():
        assert value.dtype == want[name].dtype
        assert value.tobytes() == want[name].tobytes(), name


def test_softmax_of_a_map_is_pixel_by_pixel(runner):
    net = Int8Net((3, 4, 8), seed=4)
    graph = net.graph(net.softmax(net.conv(net.x, 21)))
    want = interpret(graph, net.input()[None])

    (part,) = schedule_parts(graph, SMALL)
    made = run_steps(part, {p.tensor: want[p.tensor][0] for p in part.outputs}, runner)

    assert made[graph.outputs[0]].tobytes() == want[graph.outputs[0]].tobytes()


def test_what_the_library_cannot_do_is_named():
    net = Int8Net((4, 4, 8))
    net.conv(net.x, 8, kernel=(3, 3), pads=(1, 1, 1, 1))
    net.max_pool(net.x)
    graph = net.graph()

    for node in graph.nodes:
        with pytest.raises(ToolError, match=f"'{node.name}'.*no kernel for it"):
            node_calls(graph, node, {net.x: np.zeros((1, 4, 4, 8), np.int8)})
