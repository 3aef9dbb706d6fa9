"""Maps of classes: which outputs they are, and how much of one map lies on another."""

import numpy as np
import pytest

from accelgen.frontend import load_onnx
from accelgen.quant.tally_maps import ClassMap, MapTally, Overlap
from tests.helpers.nets import make_net, node, weights

RNG = np.random.default_rng(0)


def by_hand(a, b, classes):
    """mIoU as it is defined, class by class, over the pixels that count."""
    known = (a >= 0) & (a < classes)
    a, b = a[known], b[known]
    found = [
        ((a == c) & (b == c)).sum() / ((a == c) | (b == c)).sum()
        for c in range(classes)
        if ((a == c) | (b == c)).any()
    ]
    return np.mean(found)


def test_overlap_is_what_the_definition_says():
    a, b = (RNG.integers(0, 4, (3, 50)) for _ in range(2))
    a[a == 2] = 255
    b[:, :40] = np.where(a[:, :40] < 4, a[:, :40], 1)
    overlap = Overlap(5)
    for i in range(3):
        overlap.add(a[i : i + 1], b[i : i + 1])

    assert overlap.miou == pytest.approx(by_hand(a, b, 5))
    assert overlap.accuracy == pytest.approx((a == b)[a < 255].mean())
    assert 0.3 < overlap.miou < 1


def test_nothing_that_counts_is_no_loss():
    overlap = Overlap(3)
    overlap.add(np.full((1, 4), 255), np.zeros((1, 4), np.int64))

    assert (overlap.miou, overlap.accuracy) == (1.0, 0.0)


CONV = node("Conv", "x w b", "t", pads=[1, 1, 1, 1])
KINDS = {
    "channels": ([node("Relu", "t")], ClassMap(5, 1, (1, 5, 8, 6))),
    "turned": ([node("Transpose", "t", perm=[0, 2, 3, 1])], ClassMap(5, 3, (1, 8, 6, 5))),
    "indices": ([node("ArgMax", "t", axis=1, keepdims=0)], ClassMap(5, None, (1, 8, 6))),
    "a vector": ([node("GlobalAveragePool", "t")], None),
    "a softmax": ([node("Softmax", "t", axis=1)], ClassMap(5, 1, (1, 5, 8, 6))),
}


@pytest.mark.parametrize("what", KINDS)
def test_outputs_that_say_a_class_of_each_pixel(what):
    nodes, wanted = KINDS[what]
    constants = {"w": weights(5, 3, 3, 3), "b": weights(5)}
    graph = load_onnx(make_net([CONV, *nodes], constants, shape=(1, 3, 8, 6))).graph

    assert ClassMap.of(graph) == wanted


@pytest.mark.parametrize("axis", [1, 3])
def test_maps_are_read_whatever_their_order(axis):
    x = RNG.standard_normal((2, 5, 8, 6))
    seen = np.moveaxis(x, 1, axis)
    kind = ClassMap(5, axis, (1, *seen.shape[1:]))

    np.testing.assert_array_equal(kind.read(seen), x.argmax(1).reshape(2, 48))
    assert kind.label_shape == (8, 6)


def test_all_ways_are_compared():
    real = RNG.standard_normal((2, 3, 4, 4))
    int8 = real + RNG.standard_normal(real.shape) * 0.5
    ort = real + RNG.standard_normal(real.shape) * 0.5
    labels = RNG.integers(0, 3, (2, 4, 4))
    tally = MapTally(ClassMap(3, 1, (1, 3, 4, 4)))
    tally.add((real, int8, ort), labels)
    a, b, c = (v.argmax(1) for v in (real, int8, ort))

    found = tally.result()

    assert (found.miou, found.agreement) == pytest.approx((by_hand(a, b, 3), (a == b).mean()))
    assert found.onnxruntime_miou == pytest.approx(by_hand(a, c, 3))
    for name, made in (("float", a), ("int8", b), ("onnxruntime", c)):
        wanted = {"miou": by_hand(labels, made, 3), "accuracy": (labels == made).mean()}
        assert found.labels[name] == pytest.approx(wanted)


def test_a_file_that_is_quantized_is_compared_with_onnxruntime():
    int8, ort = RNG.standard_normal((2, 2, 3, 4, 4))
    tally = MapTally(ClassMap(3, 1, (1, 3, 4, 4)))
    tally.add((None, int8, ort), None)

    found = tally.result()

    assert found.miou == pytest.approx(by_hand(ort.argmax(1), int8.argmax(1), 3))
    assert (found.onnxruntime_miou, found.labels) == (None, None)
