"""Limits that depend on shapes alone are judged before anything is calibrated."""

import numpy as np
import onnx
import pytest
from onnx import helper

import accelgen
from accelgen.errors import ScheduleError
from accelgen.flow import network
from accelgen.flow.compiled import judge, scheduled
from tests.helpers.nets import make_net

WEIGHTS = {"w": np.random.default_rng(0).normal(0, 0.1, (16, 3, 3, 3)).astype(np.float32)}
WEIGHTS["v"] = np.full((16, 1, 13, 13), 0.01, np.float32)


def conv_and_depthwise(side):
    """A convolution, and a depthwise kernel that no tap memory of a default board holds."""
    return make_net(
        [
            helper.make_node("Conv", ["x", "w"], ["t"], name="c", pads=[1] * 4),
            helper.make_node("Conv", ["t", "v"], ["y"], name="p", group=16, pads=[6] * 4),
        ],
        WEIGHTS,
        shape=(1, 3, side, side),
        outputs="y",
    )


def no_calibration(*arguments, **options):
    raise AssertionError("it was calibrated")


@pytest.mark.parametrize("fc_on", ["auto", "pl", "ps"])
def test_a_large_map_is_refused_before_it_is_calibrated(tmp_path, monkeypatch, fc_on):
    file = tmp_path / "large.onnx"
    onnx.save(conv_and_depthwise(2048), file)
    monkeypatch.setattr(network, "quantize_graph", no_calibration)
    hardware = accelgen.target()

    with pytest.raises(ScheduleError, match=r"'p' has 169 taps.*raise tap_words to 512"):
        accelgen.compile(file, hardware, fc_on=fc_on)


def test_the_sentence_is_the_compiler_s(tmp_path):
    """The same node, whether it is judged before or after calibration."""
    file = tmp_path / "small.onnx"
    onnx.save(conv_and_depthwise(32), file)
    loaded, hardware = accelgen.load(file), accelgen.target()
    judge(loaded, hardware)  # small: nobody looks
    int8, _ = network.quantized(loaded)

    with pytest.raises(ScheduleError, match=r"'p' has 169 taps.*raise tap_words to 512"):
        scheduled(loaded, int8, hardware)
