"""What the array uses of its peak, against counts by hand, and that nothing is lost unnamed."""

from pathlib import Path

import pytest

import accelgen
from accelgen.arch import PRESETS, ArchParams
from accelgen.boards import load_board
from accelgen.estimator import estimate
from accelgen.estimator.efficiency import CAUSES, ArrayUse, total_losses
from accelgen.schedule import schedule
from tests.helpers.int8_nets import Int8Net

MODELS = Path(__file__).parents[1] / "models"
ARCH = PRESETS["ultra96"]  # 8 lanes, 8 pixels


def estimated(shape, layers, arch: ArchParams = ARCH):
    net = Int8Net(shape)
    return estimate(schedule(net.graph(layers(net)), arch), load_board("ultra96v2"))


def only(numbers):
    (layer,) = [x for x in numbers.layers if x.cycles]
    return layer


def test_efficiency_is_macs_over_cycles_and_peak():
    numbers = estimated((16, 16, 64), lambda n: n.conv(n.x, 64, kernel=(3, 3), pads=(1,) * 4))
    layer = only(numbers)

    assert layer.macs == 256 * 64 * 64 * 9
    assert layer.efficiency == layer.macs / (layer.cycles * 512)
    assert numbers.efficiency == pytest.approx(layer.macs / (numbers.cycles * 512))
    assert set(layer.losses) <= {"switch", "ddr"}


def test_channels_that_fill_a_group_up_are_named():
    """12 of 16 input channels, 20 of 24 output channels."""
    layer = only(estimated((16, 16, 12), lambda n: n.conv(n.x, 20, kernel=(3, 3), pads=(1,) * 4)))

    issued = 256 // 8 * 9 * 2 * 3
    assert layer.losses["channels"] == round(issued * (1 - 12 / 16 * 20 / 24))
    assert "pixels" not in layer.losses


def test_lanes_beyond_the_map_are_named():
    """49 pixels in 7 vectors of 8."""
    layer = only(estimated((7, 7, 64), lambda n: n.conv(n.x, 64)))

    assert layer.losses["pixels"] == round(7 * 8 * 8 * (1 - 49 / 56))


def test_a_depthwise_convolution_is_the_window_engines():
    layer = only(estimated((16, 16, 64), lambda n: n.depthwise(n.x)))

    assert layer.efficiency == 0
    assert layer.losses["window"] + layer.losses["copy"] == 256 // 8 * 9 * 8 if (
        "copy" in layer.losses
    ) else layer.losses["window"] == 256 // 8 * 9 * 8  # fmt: skip


def test_useful_cycles_and_losses_add_up_to_the_frame():
    compiled = accelgen.compile(
        MODELS / "trained_fmnist_effse.onnx", accelgen.target(arch=ARCH), fc_on="pl",
        calib=MODELS / "trained_fmnist_effse_test.npz",
    )  # fmt: skip
    numbers = accelgen.estimate(compiled, accelgen.target(preset="ultra96"))

    assert set(numbers.losses) <= set(CAUSES)
    total = numbers.useful_cycles + sum(numbers.losses.values())
    # Each loss is rounded.
    assert total == pytest.approx(numbers.cycles, abs=2 * len(numbers.layers))
    for layer in numbers.layers:
        if layer.cycles:
            assert layer.use.useful + sum(layer.losses.values()) == pytest.approx(
                layer.cycles, abs=4
            )


def test_what_takes_longer_than_estimated_waits_for_memory():
    use = ArrayUse(useful=100, pixels=10, channels=0, behind={"window": 50}, switch=30)

    assert use.losses(190) == {"pixels": 10, "window": 50, "switch": 30}
    assert use.losses(500) == {"pixels": 10, "window": 50, "switch": 30, "ddr": 310}
    assert use.efficiency(500) == 0.2
    assert total_losses([use.losses(190), {"ends": 60}, {"switch": 5}]) == {
        "ends": 60, "window": 50, "switch": 35, "pixels": 10,
    }  # fmt: skip
