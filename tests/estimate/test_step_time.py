"""What an EXEC takes of the engines, against counts by hand."""

import pytest

from accelgen.arch import ArchParams
from accelgen.arch.isa import EXEC
from accelgen.estimate.step_time import step_time

ARCH = ArchParams()  # 8 lanes, 8 pixels, 2 pixels behind the accumulators


def fields(**values):
    return EXEC.unpack(EXEC.pack(values))


def raster(size, kernel, pad, vectors):
    """A stride 1 raster with rows joined."""
    return {
        "height": size, "width": size, "kernel_h": kernel, "kernel_w": kernel,
        "dilation_h": 1, "dilation_w": 1, "stride_h": 1, "stride_w": 1,
        "pad_top": pad, "pad_left": pad, "pitch": size, "row_limit": size, "vectors": vectors,
    }  # fmt: skip


def test_array_takes_a_beat_per_tap_and_input_group():
    time = step_time(
        fields(array=1, groups=4, in_groups=3, in_raster=raster(14, 3, 1, 25)), ARCH
    )  # fmt: skip

    assert time.front_cycles == 27
    assert time.front == 25 * 27
    assert time.work == 4 * 25 * 27
    assert time.bound() == "array"


def test_a_short_vector_waits_for_the_drain():
    time = step_time(
        fields(array=1, groups=1, in_groups=2, in_raster=raster(14, 1, 0, 25)), ARCH
    )  # fmt: skip

    assert time.front_cycles == 4
    assert time.bound() == "drain"


def test_window_takes_a_cycle_per_tap():
    time = step_time(
        fields(window=1, groups=2, ring_rows=25, ring_raster=raster(14, 5, 2, 25)), ARCH
    )  # fmt: skip

    assert time.front == 25  # the copy: a row per cycle
    assert time.window == 25 * 25
    assert time.bound() == "window"


@pytest.mark.parametrize(("kernel", "pad", "rows"), [(1, 0, 0), (3, 1, 1), (5, 2, 2), (3, 0, 2)])
def test_window_begins_when_its_first_kernel_is_covered(kernel, pad, rows):
    time = step_time(
        fields(window=1, groups=1, ring_rows=32, ring_raster=raster(16, kernel, pad, 32)), ARCH
    )  # fmt: skip

    # Lane 7 of the first vector sits at x = 7.
    assert time.fill == pytest.approx((rows * 16 + 7 + (kernel - 1 - pad) + 1) / 256)


def test_window_ends_with_the_rows_that_padding_adds():
    time = step_time(
        fields(window=1, groups=1, ring_rows=32, ring_raster=raster(16, 5, 2, 32)), ARCH
    )  # fmt: skip

    assert time.tail_vectors == 2 * 16 // 8 + 1
