"""Fully connected layers with more weights per output group than the weight ring holds."""

import math

import pytest

from accelgen import compile, target
from accelgen.arch import PRESETS
from accelgen.estimator.timeline import timeline
from tests.helpers.nets import make_net, node, weights


@pytest.mark.parametrize("preset", PRESETS)
def test_alexnets_first_fully_connected_layer_has_an_estimate(preset, tmp_path):
    """9,216 inputs. Simulated on ``small``: 12,146 cycles. The time line stood still here."""
    constants = {"w": weights(16, 9216), "b": weights(16)}
    nodes = [node("Flatten", "x", "f"), node("Gemm", "f w b", "y", transB=1)]
    path = tmp_path / "fc6.onnx"
    path.write_bytes(make_net(nodes, constants, shape=(1, 256, 6, 6)).SerializeToString())

    compiled = compile(path, target(arch=PRESETS[preset]), fc_on="pl", logits="int8")
    cycles = math.ceil(timeline(compiled.program, target().memory).cycles)

    # 147,456 bytes of weights at 16 a cycle.
    assert 9_216 < cycles < 16_000
    if preset == "small":
        assert cycles == pytest.approx(12_146, rel=0.02)
