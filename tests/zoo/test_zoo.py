"""The zoo's networks: structure by their MAC counts, scale of activations, same bytes."""

import hashlib
import time

import numpy as np
import pytest

from accelgen import zoo
from accelgen.errors import ModelError
from accelgen.frontend import load_onnx
from accelgen.ir.macs import count_macs, total_macs
from accelgen.ir.ops import Conv2d
from accelgen.passes import run_passes
from tests.helpers.nets import assert_same_outputs, run_onnx

#: Convolutions and fully connected layers, in millions, as in the literature.
MMACS = {
    "efficientnet_b0": 385.8,
    "efficientnet_b4": 1962.5,
    "mobilenet_v1": 568.7,
    "mobilenet_v2": 300.8,
    "resnet18": 1814.1,
    "resnet50": 4089.2,
    "shufflenet_v2": 144.9,
    "squeezenet1_1": 349.2,
    "tiny_yolov3": 2782.4,
}
#: Convolutions and fully connected layers.
LAYERS = {
    "efficientnet_b0": 82,
    "efficientnet_b4": 161,
    "mobilenet_v1": 28,
    "mobilenet_v2": 53,
    "resnet18": 21,
    "resnet50": 54,
    "shufflenet_v2": 57,
    "squeezenet1_1": 26,
    "tiny_yolov3": 13,
}
#: Shapes of outputs that are not 1,000 logits.
OUTPUTS = {"tiny_yolov3": [(1, 255, 13, 13), (1, 255, 26, 26)]}


@pytest.fixture(scope="module", params=sorted(MMACS))
def built(request):
    began = time.process_time()
    model = zoo.build(request.param)
    return request.param, model, time.process_time() - began


#: The others: convolutions and fully connected layers; tests/zoo/test_literature.py counts MACs.
OTHERS = {
    "alexnet": 8,
    "deformable": 29,
    "densenet121": 121,
    "efficientnet_lite0": 50,
    "efficientnet_v2_s": 171,
    "fpn_mobilenet_v2": 59,
    "ghostnet": 96,
    "googlenet": 58,
    "lraspp": 66,
    "mcunet": 55,
    "mixnet_s": 124,
    "mobilenet_v3_large": 64,
    "mobilenet_v3_small": 54,
    "mobilenet_v4_conv_small": 47,
    "mobileone_s0": 44,
    "movenet": 74,
    "nanodet": 73,
    "ofa": 66,
    "repvgg_a0": 23,
    "se_resnet50": 86,
    "segnet": 26,
    "shiftnet": 44,
    "shufflenet_v1": 50,
    "unet": 19,
    "vgg16": 16,
    "yolov5n": 60,
    "yolov8n": 63,
    "yolox_nano": 113,
}


PRODUCTS = ("Conv", "DeformConv", "Gemm")


def test_names():
    assert sorted(zoo.names()) == sorted(MMACS | OTHERS)
    assert zoo.default_resolution("efficientnet_b4") == 256


def test_macs_and_layers(built):
    name, model, _ = built
    graph = run_passes(load_onnx(model).graph)

    assert total_macs(graph) / 1e6 == pytest.approx(MMACS[name], abs=0.1)
    layers = [n for n in graph.nodes if isinstance(n.op, Conv2d)]
    assert len(layers) == LAYERS[name]
    assert all(count_macs(n, graph) > 0 for n in layers)


def test_activations_stay_near_unit_scale(built):
    name, model, _ = built
    resolution = zoo.default_resolution(name)
    shown = [n.output[0] for n in model.graph.node if n.op_type in ("Conv", "Add")]
    for tensor in shown:
        model.graph.output.add().name = tensor
    x = np.random.default_rng(5).standard_normal((1, 3, resolution, resolution))

    count = len(model.graph.output) - len(shown)
    results = run_onnx(model, x.astype(np.float32))
    outputs, maps = results[:count], results[count:]
    del model.graph.output[count:]

    assert [y.shape for y in outputs] == OUTPUTS.get(name, [(1, 1000)])
    assert all(0.1 < y.std() < 10 for y in outputs)
    sizes = np.array([np.sqrt(np.mean(m**2)) for m in maps])
    assert sizes.max() < 10
    assert sizes.min() > 0.05
    # Not flat either: pixels of a map differ.
    last = next(m for m in maps[::-1] if m.shape[2] > 1)
    assert last.std((2, 3)).mean() > 0.1


def test_same_bytes_every_time(built):
    name, model, _ = built
    if name != "mobilenet_v2":
        pytest.skip("one is enough: they share the builder")

    again = zoo.build(name).SerializeToString(deterministic=True)

    assert (
        hashlib.sha256(again).digest()
        == hashlib.sha256(model.SerializeToString(deterministic=True)).digest()
    )


def test_builds_in_seconds(built):
    *_, seconds = built

    # A limit for a shared machine; alone it takes 5 at most.
    assert seconds < 30


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_b0",
        "mobilenet_v1",
        "resnet18",
        "resnet50",
        "shufflenet_v2",
        "squeezenet1_1",
        "tiny_yolov3",
    ],
)
def test_import_and_passes_compute_the_same(name):
    model = zoo.build(name, 32)

    assert_same_outputs(model, run_passes(load_onnx(model).graph), layers=LAYERS[name])


@pytest.mark.parametrize("name", OTHERS)
def test_the_others_at_little_width(name):
    """Layers are as many at any width; what comes out is neither flat nor far from unit scale."""
    resolution = 64
    model = zoo.build(name, resolution, width=0.25, classes=10)
    x = np.random.default_rng(5).standard_normal((1, 3, resolution, resolution))

    outputs = run_onnx(model, x.astype(np.float32))

    assert sum(n.op_type in PRODUCTS for n in model.graph.node) == OTHERS[name]
    # A sigmoid's outputs lie close together.
    assert all(0.001 < y.std() < 10 for y in outputs)


def test_fully_connected_layers_over_a_map_are_theirs_alone():
    small, large = (zoo.build("vgg16", side, width=0.125) for side in (32, 64))
    differ = [
        a.name
        for a, b in zip(small.graph.initializer, large.graph.initializer, strict=True)
        if a != b
    ]

    assert differ == ["classifier.0.weight"]


def test_weights_do_not_depend_on_the_resolution():
    small, large = zoo.build("squeezenet1_1", 64), zoo.build("squeezenet1_1", 96)

    assert small.graph.initializer == large.graph.initializer


def test_efficientnet_is_spelled_as_exporters_do():
    kinds = [n.op_type for n in zoo.build("efficientnet_b0", 32).graph.node]

    assert kinds.count("Sigmoid") == 49 + 16
    assert kinds.count("GlobalAveragePool") == 17
    assert kinds[-1] == "Gemm"
    assert "Softmax" not in kinds


def test_unknown_network():
    with pytest.raises(ModelError, match="the zoo has no network 'alexnet2'; it has"):
        zoo.build("alexnet2")


@pytest.mark.parametrize("resolution", [0, 31, 4096])
def test_resolution(resolution):
    with pytest.raises(ModelError, match=f"needs a resolution of 32 to 4095, not {resolution}"):
        zoo.build("resnet18", resolution)


def test_resolution_must_be_a_multiple():
    with pytest.raises(ModelError, match="zoo:tiny_yolov3 needs a multiple of 32, not 400"):
        zoo.build("tiny_yolov3", 400)
