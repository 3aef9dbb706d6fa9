"""What does not fit is refused, in a sentence that names the node and the knob."""

from dataclasses import replace

import numpy as np
import pytest

from accelgen.arch import limits
from accelgen.arch.presets import PRESETS
from accelgen.errors import ScheduleError
from accelgen.schedule import schedule
from tests.helpers.arches import SMALL
from tests.helpers.int8_nets import Int8Net
from tests.helpers.programs import assert_matches_golden

SMALL_RING = replace(SMALL, ring_rows=16)


def test_weight_ring():
    net = Int8Net((3, 9, 64))
    net.conv(net.x, 8, (3, 3), pads=(1, 1, 1, 1), groups=2)

    message = (
        "node 'conv2d0' needs 72 weight words .* weight_words is 64: raise weight_words to 128"
    )
    with pytest.raises(ScheduleError, match=message):
        schedule(net.graph(), replace(SMALL, weight_words=64))


def test_gaps_of_joined_maps_count_as_weight_words():
    """Four members of 3 channels are four groups, and 36 words, where 12 channels are 27: the step
    was accepted in one piece, and waited for words that had no room."""
    net = Int8Net((4, 4, 3))
    joined = net.concat(*(net.conv(net.x, 3) for _ in range(4)))
    net.conv(joined, 12, (3, 3), pads=(1, 1, 1, 1))

    with pytest.raises(ScheduleError, match=r"needs 36 weight words .* weight_words is 32: raise"):
        schedule(net.graph(), replace(SMALL, weight_words=32))


@pytest.mark.parametrize("width", [3, 9])
def test_without_groups_more_weights_than_the_ring_holds_are_streamed(width):
    net = Int8Net((3, width, 32))
    net.conv(net.x, 4, (3, 3), pads=(1, 1, 1, 1))
    arch = replace(SMALL, weight_words=64)

    assert_matches_golden(schedule(net.graph(), arch), net.input())


def test_weights_used_once_stream_through():
    net = Int8Net((3, 3, 32))
    net.fc(net.x, 6)
    arch = replace(SMALL, weight_words=64)

    assert_matches_golden(schedule(net.graph(), arch), net.input())


def test_taps():
    net = Int8Net((9, 9, 3))
    net.depthwise(net.x, (5, 5))

    with pytest.raises(ScheduleError, match=r"'conv2d0' has 25 taps.*raise tap_words to 64"):
        schedule(net.graph(), replace(SMALL, tap_words=32))


def test_window_ring():
    net = Int8Net((40, 40, 3))
    net.max_pool(net.conv(net.x, 3), (3, 3))

    with pytest.raises(
        ScheduleError, match=r"'maxpool1' slides 3 rows of 40 pixels.*raise ring_rows"
    ):
        schedule(net.graph(), SMALL_RING)


def test_small_map_fits_a_small_ring():
    net = Int8Net((7, 7, 3))
    net.max_pool(net.conv(net.x, 3), (5, 5), (1, 1), (2, 2, 2, 2))

    assert_matches_golden(schedule(net.graph(), SMALL_RING), net.input())


def test_accumulators_are_proved():
    net = Int8Net((4, 4, 64))
    out = net.conv(net.x, 1, (3, 3), pads=(1, 1, 1, 1))
    net.constants["w0"][:] = 127
    net.constants["b0"][:] = 128 * 127 * 576
    narrow = replace(SMALL, acc_bits=27)
    exact = 255 * 127 * 576

    assert_matches_golden(schedule(net.graph(out), narrow), net.input())
    net.constants["b0"][:] = (1 << 26) - 127 * 127 * 576
    with pytest.raises(ScheduleError, match=r"'conv2d0' can reach accumulators of 67,108,864.*32"):
        schedule(net.graph(out), narrow)
    assert exact < 1 << 26


def test_kernels_beyond_the_raster():
    net = Int8Net((20, 20, 3))
    net.depthwise(net.x, (1, 16), pads=(0, 8, 0, 8))

    with pytest.raises(ScheduleError, match=r"'conv2d0' has kernel \[1, 16\].*up to 15"):
        schedule(net.graph(), SMALL)


def test_fully_connected_over_a_large_map_is_folded():
    net = Int8Net((28, 5, 3))
    net.fc(net.x, 6)

    assert_matches_golden(schedule(net.graph(), SMALL), net.input())


def test_fully_connected_over_a_prime_map_is_refused():
    net = Int8Net((17, 1, 3))
    net.fc(net.x, 6)

    with pytest.raises(
        ScheduleError, match=r"'conv2d0' has a kernel over a whole map of 17 pixels"
    ):
        schedule(net.graph(), SMALL)


def test_feature_memory():
    net = Int8Net((64, 64, 64))
    net.conv(net.x, 64, (3, 3), pads=(1, 1, 1, 1))

    with pytest.raises(
        ScheduleError, match=r"'conv2d0' does not fit .* 16 rows.*raise feature_rows"
    ):
        schedule(net.graph(), replace(SMALL, feature_rows=16))


def test_maps_beyond_a_command():
    net = Int8Net((1, 5001, 1))
    net.conv(net.x, 1)

    with pytest.raises(
        ScheduleError, match=r"node 'conv2d0' is beyond what a command can say.*width"
    ):
        schedule(net.graph(), replace(PRESETS["small"], lanes=4, pixels=4))


def test_biases_need_room_too():
    net = Int8Net((4, 4, 1))
    out = net.conv(net.x, 1)
    net.constants["b0"] = np.array([1 << 26], np.int32)

    with pytest.raises(ScheduleError, match=r"acc_bits is 27"):
        schedule(net.graph(out), replace(SMALL, acc_bits=27))


def test_pixels_of_an_average(monkeypatch):
    monkeypatch.setattr(limits, "SQUEEZE_LIMIT", 80)
    few, many = Int8Net((8, 10, 3)), Int8Net((9, 9, 3))
    few.gap(few.x)
    many.gap(many.x)

    assert_matches_golden(schedule(few.graph(), SMALL), few.input())
    with pytest.raises(ScheduleError, match=r"'globalavgpool0' averages 81 pixels.*up to 80: pool"):
        schedule(many.graph(), SMALL)
