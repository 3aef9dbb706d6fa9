"""The interpreter: which tensors it shows, what it accepts."""

import numpy as np
import pytest

from accelgen.errors import ModelError
from accelgen.golden import interpret
from accelgen.golden.interpret import walk
from accelgen.quant import quantize
from tests.quant.nets import Net, everything


@pytest.fixture(scope="module")
def model():
    graph, samples = everything()
    return quantize(graph, samples), samples


def test_shows_every_tensor_once_and_in_order(model):
    quantized, samples = model
    seen = []

    values = interpret(quantized.graph, samples[:1], watch=lambda name, _: seen.append(name))

    assert tuple(seen) == tuple(values) == quantized.graph.activations()
    for name, value in values.items():
        kind = quantized.graph.tensors[name]
        assert (value.shape, str(value.dtype)) == (kind.shape, kind.dtype)


def test_float_input_is_quantized_on_entry(model):
    quantized, samples = model
    scale = quantized.graph.tensors["x"].quantization
    by_hand = np.clip(np.rint(samples / np.float32(scale.scale)) + scale.zero_point, -128, 127)

    a = interpret(quantized.graph, samples)
    b = interpret(quantized.graph, by_hand.astype(np.int8))

    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_images_of_a_batch_do_not_see_each_other(model):
    quantized, samples = model
    # Float sums may be ordered otherwise in a larger product; integers have no excuse.
    together = interpret(quantized.graph, samples)
    for i in range(len(samples)):
        alone = interpret(quantized.graph, samples[i : i + 1])
        for name in quantized.graph.activations():
            if quantized.graph.tensors[name].dtype == "int8":
                np.testing.assert_array_equal(alone[name][0], together[name][i])


def test_walk_shows_the_same_and_holds_little(model):
    quantized, samples = model

    assert {name: value.tobytes() for name, value in walk(quantized.graph, samples)} == {
        name: value.tobytes() for name, value in interpret(quantized.graph, samples).items()
    }


def test_softmax_of_int8_is_a_softmax_of_the_real_numbers(model):
    quantized, samples = model
    node = quantized.graph.nodes[-1]
    values = interpret(quantized.graph, samples)
    scale = quantized.graph.tensors[node.inputs[0]].quantization
    real = (values[node.inputs[0]].astype(np.float64) - scale.zero_point) * scale.scale

    expected = np.exp(real) / np.exp(real).sum(axis=3, keepdims=True)

    # float32 against float64.
    np.testing.assert_allclose(values[node.output], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 3, 4, 4), np.float32), r"\(n, h, w, c\) = \(n, 4, 4, 3\);.*\(1, 3, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"has shape \(4, 4, 3\)"),
        (np.zeros((0, 4, 4, 3), np.float32), r"has shape \(0, 4, 4, 3\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "not uint8"),
        (np.full((1, 4, 4, 3), np.nan, np.float32), "'x' holds NaN"),
    ],
)  # fmt: skip
def test_refuses_what_does_not_fit(x, message):
    net = Net(4, 4, 3)
    net.conv("x", 2)

    with pytest.raises(ModelError, match=message):
        interpret(net.graph(), x)


def test_kernel_that_does_not_fit_is_a_sentence():
    from accelgen.golden.windows import convolve

    with pytest.raises(ModelError, match=r"kernel of \(3, 3\).* 2 x 2"):
        convolve(np.zeros((1, 2, 2, 1)), np.zeros((1, 3, 3, 1)))
