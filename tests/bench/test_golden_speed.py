"""The golden model's speed is measured over all that was asked for."""

from accelgen.bench import golden_speed as bench
from accelgen.flow.network import load, quantized


def test_every_batch_goes_through_the_whole_network(monkeypatch):
    graph = quantized(load("zoo:mobilenet_v1@32"))[0].graph
    made = []
    walk = bench.walk

    def counted(graph, x):
        for name, value in walk(graph, x):
            made.append((name, len(value)))
            yield name, value

    monkeypatch.setattr(bench, "walk", counted)

    wall, processor = bench.golden_speed(graph, pictures=5, batch=2, threads=2)

    assert made.count((graph.outputs[0], 2)) == 4  # one to warm up, three for five pictures
    assert len(made) == 4 * (1 + len(graph.nodes))
    assert wall > 0
    assert processor > 0
