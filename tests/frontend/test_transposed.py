"""ConvTranspose is read as onnxruntime computes it."""

import numpy as np
import pytest

from accelgen.errors import AccelgenError
from accelgen.frontend import load_onnx
from tests.helpers.nets import assert_computes_the_same, make_net, node, weights

TWO = {"strides": [2, 2]}
WAYS = {
    "stride 1": (3, {}), "stride 1, pads": (3, {"pads": [1, 0, 1, 2]}),
    "pix2pix": (4, TWO | {"pads": [1, 1, 1, 1]}), "unet": (2, TWO),
    "autoencoder": (3, TWO | {"pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    "other strides": (3, {"strides": [1, 3], "output_padding": [0, 2]}),
    "kernel below stride": (2, {"strides": [3, 4]}), "one weight": (1, TWO),
    "pads beyond the kernel": (2, {"strides": [2, 2], "pads": [2, 0, 3, 2]}),
    "dilated": (3, TWO | {"dilations": [2, 3], "pads": [3, 1, 0, 2]}),
    "groups": (3, TWO | {"group": 3}), "depthwise": (4, TWO | {"group": 6, "pads": [1, 1, 1, 1]}),
    "same upper": (3, TWO | {"auto_pad": "SAME_UPPER"}),
    "same lower": (3, TWO | {"auto_pad": "SAME_LOWER"}), "valid": (3, {"auto_pad": "VALID"}),
    "larger output shape": (3, TWO | {"output_shape": [12, 16]}),
    "output shape": (3, TWO | {"output_shape": [10, 15]}),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("bias", [True, False])
def test_conv_transpose(name, bias):
    kernel, how = WAYS[name]
    group = how.get("group", 1)
    constants = {"w": weights(6, 4, kernel, kernel), "b": weights(4 * group, seed=3, scale=1.0)}
    one = node("ConvTranspose", "x w b" if bias else "x w", **how)

    assert_computes_the_same(make_net(one, constants, shape=(1, 6, 5, 7)))


def test_transposed_convolution_by_one_inserts_zeros():
    ones = {"w": np.ones((6, 1, 1, 1), np.float32)}
    how = {"group": 6, "strides": [2, 3], "output_padding": [1, 2]}
    graph, _ = assert_computes_the_same(
        make_net(node("ConvTranspose", "x w", **how), ones, shape=(1, 6, 5, 7))
    )

    assert [type(n.op).__name__ for n in graph.nodes] == ["Insert"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"output_padding": [2, 2]}, r"has output_padding=\(2, 2\), which is not built; it must"),
        ({"output_shape": [0, 9]}, r"has output_shape=\(0, 9\), which is not built; give height"),
        ({"pads": [9, 9, 9, 9]}, r"pads=\(9, 9, 9, 9\) leave nothing"),
        ({"pads": [1, 1]}, r"has pads=\(1, 1\), which is not built"),
        ({"kernel_shape": [2, 2]}, r"kernel_shape=\[2, 2\], but weight 'w' has shape"),
        ({"group": 4}, "needs 6 input channels that divide by group"),
        ({"auto_pad": "SAME_UPPER", "pads": [1, 1, 1, 1]}, "auto_pad='SAME_UPPER', which is not"),
    ],
)
def test_refused_in_one_sentence(how, words):
    net = make_net(
        node("ConvTranspose", "x w", **({"strides": [2, 2]} | how)),
        {"w": weights(6, 4, 3, 3)}, shape=(1, 6, 5, 7),
    )  # fmt: skip

    with pytest.raises(AccelgenError, match=words):
        load_onnx(net)
