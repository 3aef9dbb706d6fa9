"""Which nodes share a step."""

import pytest

from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Node, TensorType
from accelgen.ir.ops import Add
from accelgen.lowering.prepare import prepare
from accelgen.schedule.steps.fuse import fuse
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import prepared_for


def steps(net, *outputs, **options):
    """Kinds of each step's nodes."""
    chains = fuse(prepared_for(net.graph(*outputs)), **options)
    return [[n.name.rstrip("0123456789") for n in c.nodes] for c in chains]


@pytest.fixture
def net():
    return Int8Net((12, 12, 6))


def test_inverted_residual_is_two_steps(net):
    expanded = net.table(net.conv(net.x, 24))
    filtered = net.table(net.depthwise(expanded))
    net.add(net.conv(filtered, 6), net.x)

    assert steps(net) == [["conv2d", "table", "conv2d", "table"], ["conv2d", "add"]]


def test_residual_may_be_either_operand(net):
    net.add(net.x, net.conv(net.x, 6))

    chains = fuse(prepared_for(net.graph()))

    assert [(c.residual, c.add_takes_a) for c in chains] == [("x", False)]


def test_pooling_joins_its_convolution(net):
    net.max_pool(net.conv(net.x, 8))

    assert steps(net) == [["conv2d", "maxpool"]]


def test_second_reader_keeps_steps_apart(net):
    x = net.conv(net.x, 6)
    net.add(net.depthwise(x), x)

    assert steps(net) == [["conv2d"], ["conv2d", "add"]]


def test_graph_output_is_a_reader(net):
    x = net.conv(net.x, 6)
    y = net.depthwise(x)

    assert steps(net, x, y) == [["conv2d"], ["conv2d"]]


def test_squeeze_is_a_by_product(net):
    net.squeeze_excite(net.depthwise(net.x), 4)

    pooled, reduce, expand, scale = fuse(prepared_for(net.graph()))

    assert pooled.squeeze is not None
    assert pooled.write
    assert [len(reduce.nodes), len(expand.nodes)] == [2, 2]
    assert scale.vector == expand.output


def test_map_that_only_the_pooling_reads_is_not_written(net):
    net.gap(net.conv(net.x, 6))

    (only,) = fuse(prepared_for(net.graph()))

    assert not only.write
    assert only.writes == (net.nodes[-1].output,)


def test_scale_takes_the_arrays_way_out_and_joins_no_convolution(net):
    s = net.gap(net.x)
    net.gap(net.add(net.scale(net.conv(net.x, 6), s), net.x))

    chains = fuse(prepared_for(net.graph()))

    assert steps(net)[1:] == [["conv2d"], ["scale"], ["add", "globalavgpool"]]
    assert [c.chained for c in chains] == [False, False, False, False]


def test_what_is_added_or_summed_is_chained(net):
    net.gap(net.add(net.conv(net.x, 6), net.x))
    net.conv(net.x, 6)

    added, alone = fuse(prepared_for(net.graph(*[n.output for n in net.nodes[-2:]])))

    assert (added.chained, alone.chained) == (True, False)


def test_squeeze_set_apart_is_a_step(net):
    net.squeeze_excite(net.depthwise(net.x), 4)
    gap = next(n.name for n in net.nodes if n.name.startswith("globalavgpool"))

    assert steps(net, apart=frozenset({gap}))[:2] == [["conv2d"], ["globalavgpool"]]


def test_add_joins_the_later_of_two_convolutions(net):
    a = net.conv(net.x, 6)
    b = net.conv(net.x, 6)
    net.add(a, b)

    assert steps(net) == [["conv2d"], ["conv2d", "add"]]


def test_sum_of_a_tensor_with_itself_stands_alone(net):
    x = net.conv(net.x, 6)
    net.add(x, x)

    assert steps(net) == [["conv2d"], ["add"]]


def test_concat_is_no_step(net):
    net.conv(net.concat(net.conv(net.x, 4), net.conv(net.x, 8)), 3)

    assert steps(net) == [["conv2d"], ["conv2d"], ["conv2d"]]


def test_float_graph_is_refused():
    shape = TensorType((1, 2, 2, 1), "float32")
    node = Node(name="sum", op=Add(), inputs=("x", "x"), output="y")
    graph = Graph(nodes=(node,), tensors={"x": shape, "y": shape}, input="x", outputs=("y",))

    with pytest.raises(ScheduleError, match=r"node 'sum' is Add; .* quantize the graph first"):
        fuse(prepare(graph))
