"""A transposed convolution's int8 sums are those of its definition: pixels scattered by weights."""

import numpy as np
import pytest

from accelgen.frontend import load_onnx
from accelgen.golden.int8_ops import INT8_OPS, accumulate
from accelgen.quant import quantize
from tests.helpers.nets import make_net, node, weights


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "more"), [(3, 2, 1, 1), (4, 2, 1, 0), (2, 3, 0, 0), (1, 2, 0, 1)]
)
def test_sums_are_scattered_products(kernel, stride, pad, more):
    how = {"strides": [stride] * 2, "pads": [pad] * 4, "output_padding": [more] * 2}
    one = node("ConvTranspose", "x w", **how)
    net = make_net(one, {"w": weights(3, 4, kernel, kernel)}, shape=(1, 3, 5, 6))
    samples = np.random.default_rng(1).standard_normal((2, 5, 6, 3)).astype(np.float32)
    graph = quantize(load_onnx(net).graph, samples + 0.5).graph
    insert, conv = graph.nodes
    x = np.random.default_rng(2).integers(-128, 128, (1, 5, 6, 3)).astype(np.int8)

    weight = graph.constants[conv.inputs[1]]
    acc = accumulate(conv.op, INT8_OPS[type(insert.op)](insert.op, x), weight)
    acc -= conv.op.input_zero * weight.astype(np.int64).sum((1, 2, 3))

    whole = [stride * (n - 1) + kernel + more for n in (5, 6)]
    wanted = np.zeros((*whole, 4), np.int64)
    turned = weight[:, ::-1, ::-1][:, -kernel:, -kernel:].astype(np.int64)
    for i in range(5):
        for j in range(6):
            pixel = x[0, i, j].astype(np.int64) - conv.op.input_zero
            rows = slice(stride * i, stride * i + kernel)
            columns = slice(stride * j, stride * j + kernel)
            wanted[rows, columns] += np.einsum("c,ohwc->hwo", pixel, turned)
    end = [n - pad for n in whole]
    np.testing.assert_array_equal(acc[0], wanted[pad : end[0], pad : end[1]])
