"""Layers that techniques leave alone by name, with every technique."""

import numpy as np
import onnx
import pytest

from accelgen.errors import QuantizationError
from accelgen.flow.network import load, quantized
from accelgen.quant import quantize
from accelgen.quant.excluded import excluded
from accelgen.quant.techniques import TECHNIQUES
from tests.helpers.nets import make_net, node, weights
from tests.quant.nets import Net


@pytest.fixture(scope="module")
def network():
    """Three layers, relus between them; channels of very different reach."""
    net = Net(8, 8, 3, seed=1)
    x = net.act(net.conv("x", 8, (3, 3), weight=net.rng.normal(0, 1, (8, 3, 3, 3))
                         * np.logspace(-2, 0, 8).reshape(-1, 1, 1, 1)))  # fmt: skip
    x = net.act(net.conv(x, 8, (3, 3), groups=8))
    net.conv(x, 4)
    return net.graph(), net.samples(12)


def layers(model, name):
    """Weights and bias of a layer."""
    found = model.integers[name]
    return found.weight, found.scale, found.bias


def same(a, b, name):
    return all(np.array_equal(x, y) for x, y in zip(layers(a, name), layers(b, name), strict=True))


@pytest.mark.parametrize("technique", ["bias", "round", "equalize"])
def test_a_layer_is_kept_from_a_technique(technique, network):
    graph, samples = network
    name = "conv2d2"
    plain = quantize(graph, samples)
    made = quantize(graph, samples, technique=technique)
    spared = quantize(graph, samples, technique=technique, exclude=f"{technique}:{name}")
    others = [t for t in TECHNIQUES if t != technique]
    unmoved = quantize(graph, samples, technique=technique, exclude=f"{others[0]}:{name}")

    assert same(unmoved, made, name)
    assert not same(plain, made, name)
    assert same(spared, plain, name)
    assert any(not same(spared, plain, n) for n in made.integers) or technique == "equalize"


def test_the_range_of_a_layer_is_kept_from_minmax(network):
    graph, samples = network

    def made_with(**settings):
        return quantize(graph, samples, "percentile", percentile=90, **settings)

    plain, made = made_with(), made_with(technique="minmax")
    spared = made_with(technique="minmax", exclude="conv2d2")

    clip = next(n.output for n in graph.readers(graph.nodes[2].output))
    scales = [model.quantization[clip] for model in (plain, made, spared)]
    assert scales[0] != scales[1]
    assert scales[2] == scales[0]
    assert spared.quantization["x"] == made.quantization["x"]


def test_auto_tries_without_the_layer(network):
    graph, samples = network

    everything = ",".join(n.name for n in graph.nodes)
    made = quantize(graph, samples, technique="auto", exclude=everything)

    plain = quantize(graph, samples)
    assert len(made.trials) == len(TECHNIQUES)
    assert all(same(made, plain, name) for name in plain.integers)


def test_a_name_that_no_node_has(network):
    graph, samples = network

    with pytest.raises(QuantizationError, match=r"no node is called 'conv2'; near it: .*conv2d"):
        quantize(graph, samples, exclude="conv2")
    with pytest.raises(QuantizationError, match="called 'zzz'; names are those of accelgen check"):
        quantize(graph, samples, exclude="bias:zzz")


def test_names_of_the_models_nodes_that_became_part_of_a_layer(tmp_path):
    """A relu6 behind a folded normalization is its convolution's; a name may hold a colon."""
    nodes = [node("Conv", "x w", "t", "bias:first"), node("Mul", "t k", "u", "factor"),
             node("Relu", "u", "y", "relu")]  # fmt: skip
    model = make_net(nodes, {"w": weights(4, 3, 1, 1), "k": np.float32(2)})
    path = tmp_path / "m.onnx"
    onnx.save(model, path)
    loaded = load(path)
    graph = loaded.imported.graph

    found = excluded("factor, bias:first", graph, TECHNIQUES)

    layer = graph.nodes[0].name
    assert {name: set(nodes) for name, nodes in found.items()} == {t: {layer} for t in TECHNIQUES}
    with pytest.raises(QuantizationError, match="has no calibration data: --exclude has nothing"):
        quantized(loaded, exclude="factor")
