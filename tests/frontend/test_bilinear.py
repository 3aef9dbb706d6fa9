"""Resize and Upsample with mode linear are read as onnxruntime computes them."""

import numpy as np
import pytest

from accelgen.errors import UnsupportedOpError
from tests.helpers.nets import assert_computes_the_same, make_net, node

MODES = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]
SCALES = [(2, 2), (1.5, 2.25), (4, 1), (0.5, 0.7), (1 / 3, 3), (0.2, 0.15)]
SIZES = [(10, 14), (7, 5), (1, 1), (3, 20)]


def resized(mode, scales=None, sizes=None, *, opset=13, shape=(1, 3, 5, 7)):
    made = node(
        "Resize", "x _ s" if scales else "x _ _ n", mode="linear",
        coordinate_transformation_mode=mode,
    )  # fmt: skip
    given = {"s": np.array([1, 1, *scales], np.float32)} if scales else {}
    given |= {"n": np.array([1, 3, *sizes])} if sizes else {}
    return make_net(made, given, opset=opset, shape=shape)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scales", SCALES)
def test_by_scales(mode, scales):
    if mode == "align_corners" and scales not in [(2, 2), (4, 1)]:
        with pytest.raises(UnsupportedOpError, match="with align_corners give the sizes"):
            assert_computes_the_same(resized(mode, scales=scales))
    else:
        assert_computes_the_same(resized(mode, scales=scales))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("sizes", SIZES)
def test_by_sizes(mode, sizes):
    assert_computes_the_same(resized(mode, sizes=sizes))


def test_of_one_pixel():
    assert_computes_the_same(resized("half_pixel", sizes=(4, 6), shape=(1, 3, 1, 1)))


def test_before_opset_11_positions_are_asymmetric():
    scales = {"s": np.array([1, 1, 2, 3], np.float32)}
    assert_computes_the_same(make_net(node("Resize", "x s", mode="linear"), scales, opset=10))
    assert_computes_the_same(make_net(node("Upsample", "x s", mode="linear"), scales, opset=9))
