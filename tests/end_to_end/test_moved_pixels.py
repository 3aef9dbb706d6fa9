"""Operators that move pixels, in one network: generated RTL == golden model, bit for bit."""

import numpy as np
import onnx
import pytest

import accelgen
from accelgen.flow.compiled import scheduled
from accelgen.flow.network import quantized
from tests.helpers.nets import make_net, node, weights


def network():
    """A decoder: 5 x 7 pixels to two outputs."""
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "b"),
        node("ConvTranspose", "b t", "c", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        node("Slice", "c start end axes", "d"),
        node("DepthToSpace", "d", "e", blocksize=2),
        node("Pad", "e pads", "f", mode="edge"),
        node("Conv", "f v", "y"),
        node("Resize", "b _ by", "g", mode="nearest"),
        node("Pad", "g around", "h", mode="reflect"),
        node("Conv", "h u", "z"),
    ]  # fmt: skip
    constants = {
        "w": weights(12, 3, 3, 3), "t": weights(12, 20, 3, 3), "v": weights(6, 5, 3, 3),
        "u": weights(4, 12, 1, 1), "start": np.array([1, 2]), "end": np.array([9, -1]),
        "axes": np.array([2, 3]), "pads": np.array([0, 0, 1, 1] * 2),
        "by": np.array([1, 1, 3, 3], np.float32), "around": np.array([0, 0, 2, 1] * 2),
    }  # fmt: skip
    return make_net(nodes, constants, shape=(1, 3, 5, 7), outputs="y z")


@pytest.mark.slow
def test_frame_on_the_smallest_hardware(tmp_path):
    onnx.save(network(), tmp_path / "moved.onnx")
    hardware = accelgen.target("ultra96v2", preset="small")
    loaded = accelgen.load(tmp_path / "moved.onnx")
    compiled = scheduled(loaded, quantized(loaded)[0], hardware)

    result = accelgen.simulate(compiled, hardware, seed=1)

    assert result.match, result.faults
    assert result.frame.estimated_cycles == pytest.approx(result.frame.cycles, rel=0.02)
