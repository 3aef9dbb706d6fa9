"""Which nodes go to the PS: tails and squeeze-and-excite blocks, float and int8 alike."""

from accelgen.ir.offload import is_dense, nodes_on_ps, se_blocks, tail_nodes
from tests.helpers.int8_nets import Int8Net


def kinds(graph, names):
    return [type(n.op).__name__ for n in graph.nodes if n.name in names]


def se_net(*, other_map=False):
    net = Int8Net((6, 6, 8), seed=1)
    x = net.conv(net.x, 8)
    pooled = net.gap(net.conv(x, 8) if other_map else x)
    hidden = net.table(net.fc(pooled, 4))
    gate = net.table(net.fc(hidden, 8))
    y = net.conv(net.scale(x, gate), 8)
    return net.graph(y)


def test_softmax_is_always_a_tail():
    net = Int8Net((4, 4, 8))
    graph = net.graph(net.softmax(net.fc(net.x, 10)))

    assert kinds(graph, tail_nodes(graph, fc=False)) == ["Softmax"]
    assert kinds(graph, tail_nodes(graph, fc=True)) == ["QConv2d", "Softmax"]


def test_several_layers_and_their_tables_are_one_tail():
    net = Int8Net((4, 4, 8))
    graph = net.graph(net.fc(net.table(net.fc(net.table(net.conv(net.x, 8)), 16)), 10))

    assert kinds(graph, tail_nodes(graph, fc=True)) == ["QConv2d", "QTable", "QConv2d"]


def test_so_many_of_the_last_layers_are_the_tail():
    net = Int8Net((4, 4, 8))
    graph = net.graph(net.table(net.fc(net.table(net.fc(net.conv(net.x, 8), 16)), 10)))

    assert kinds(graph, tail_nodes(graph, fc=1)) == ["QConv2d", "QTable"]
    assert kinds(graph, tail_nodes(graph, fc=2)) == kinds(graph, tail_nodes(graph, fc=True))


def test_a_layer_that_the_pl_reads_is_no_tail():
    net = Int8Net((4, 4, 8))
    pooled = net.fc(net.gap(net.x), 8)
    graph = net.graph(net.conv(net.scale(net.x, pooled), 8))

    assert not tail_nodes(graph, fc=True)


def test_a_convolution_over_part_of_a_map_is_not_dense():
    net = Int8Net((4, 4, 8))
    net.conv(net.x, 8)
    net.fc(net.x, 8)
    graph = net.graph()

    assert [is_dense(n, graph) for n in graph.nodes] == [False, True]


def test_a_block_is_found_whole():
    (block,) = se_blocks(se_net())

    assert [type(n.op).__name__ for n in block.nodes] == [
        "QGlobalAvgPool", "QConv2d", "QTable", "QConv2d", "QTable", "QScale",
    ]  # fmt: skip
    assert block.name == block.nodes[0].name


def test_a_block_whose_gate_comes_from_another_map_is_none():
    assert not se_blocks(se_net(other_map=True))


def test_options_add_up():
    graph = se_net()

    assert not nodes_on_ps(graph)
    assert len(nodes_on_ps(graph, se=True)) == 6
