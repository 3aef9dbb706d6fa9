"""What an EXEC takes of the engines, against counts by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.arch import PRESETS, ArchParams, timing
from accelgen.estimator.step_time import kept_beats, step_time
from accelgen.program import Exec, Raster

ARCH = ArchParams()  # 8 lanes, 8 pixels, 2 pixels behind the accumulators


def raster(size, kernel, pad, vectors):
    """A stride 1 raster with rows joined."""
    return Raster(
        height=size, width=size, kernel_h=kernel, kernel_w=kernel,
        dilation_h=1, dilation_w=1, stride_h=1, stride_w=1,
        pad_top=pad, pad_left=pad, pitch=size, row_limit=size, span=size, vectors=vectors,
    )  # fmt: skip


def test_array_takes_a_beat_per_tap_and_input_group():
    time = step_time(
        Exec(array=True, groups=4, in_groups=3, in_raster=raster(14, 3, 1, 25)), ARCH
    )  # fmt: skip

    assert time.front == 25 * 27
    assert time.work == 4 * 25 * 27
    assert time.bound == "array"


def test_a_short_vector_waits_for_the_drain():
    time = step_time(
        Exec(array=True, groups=1, in_groups=2, in_raster=raster(14, 1, 0, 25)), ARCH
    )  # fmt: skip

    # 24 vectors of 8 pixels leave in 4 beats each, the last one's 4 pixels in 2.
    assert time.front == 24 * 4 + 2
    assert time.bound == "drain"


def test_no_group_is_shorter_than_its_parameters_or_sums_but_the_last():
    one = {"array": True, "in_groups": 1, "in_raster": raster(1, 1, 0, 1)}
    plain = step_time(Exec(groups=3, **one), ARCH)
    summed = step_time(Exec(groups=3, squeeze=True, **one), ARCH)

    assert (plain.front, plain.front_alone) == (ARCH.lanes + 1, 1)
    assert (summed.front, summed.front_alone) == (timing.squeeze_interval(ARCH.lanes), 1)


def test_vectors_of_a_beat_wait_for_their_queue():
    """20 cycles pass until a vector's place is free again: simulated, 16 of them in 20 cycles."""
    sparse = replace(raster(32, 1, 0, 1024), width=1, span=3, pitch=16)
    double = step_time(Exec(array=True, groups=3, in_groups=1, in_raster=sparse),
                       PRESETS["ultra96_double"])  # fmt: skip

    assert double.front == double.front_alone == 1024 * 20 / 16
    assert double.bound == "drain"


@pytest.mark.parametrize(("kernel", "beats"), [(1, 1), (2, 2), (3, 5), (5, 13), (7, 25)])
def test_two_taps_take_a_cycle_per_pair(kernel, beats):
    # 25 rows of the ring would take longer to copy than a kernel of 1.
    pairs = replace(ARCH, window_taps=2, chain_pixels=8)
    time = step_time(
        Exec(window=True, groups=2, ring_rows=25, ring_raster=raster(14, kernel, kernel // 2, 25)),
        pairs,
    )

    assert time.window == 25 * beats


def test_a_kernel_of_one_column_has_no_pairs():
    column = replace(raster(14, 3, 1, 25), kernel_w=1)
    time = step_time(
        Exec(window=True, groups=2, ring_rows=25, ring_raster=column),
        replace(ARCH, window_taps=2, chain_pixels=8),
    )

    assert time.window == 25 * 3


def test_window_takes_a_cycle_per_tap():
    time = step_time(
        Exec(window=True, groups=2, ring_rows=25, ring_raster=raster(14, 5, 2, 25)), ARCH
    )  # fmt: skip

    assert time.front == 25  # the copy: a row per cycle
    assert time.window == 25 * 25
    assert time.bound == "window"


@pytest.mark.parametrize(("kernel", "pad", "rows"), [(1, 0, 0), (3, 1, 1), (5, 2, 2), (3, 0, 2)])
def test_window_begins_when_its_first_kernel_is_covered(kernel, pad, rows):
    time = step_time(
        Exec(window=True, groups=1, ring_rows=32, ring_raster=raster(16, kernel, pad, 32)), ARCH
    )  # fmt: skip

    # Lane 7 of the first vector sits at x = 7.
    assert time.fill == pytest.approx((rows * 16 + 7 + (kernel - 1 - pad) + 1) / 256)


def test_window_ends_with_the_rows_that_padding_adds():
    time = step_time(
        Exec(window=True, groups=1, ring_rows=32, ring_raster=raster(16, 5, 2, 32)), ARCH
    )  # fmt: skip

    assert time.tail == (2 * 16 // 8 + 1) * 25


@pytest.mark.parametrize(("preset", "between_rows"), [("small", 3), ("ultra96_double", 0)])
def test_a_row_is_collected_while_the_adder_takes_its_time(preset, between_rows):
    """A row's first beat comes as the row before leaves, a beat per cycle after it: ``small`` waits
    for three more; so does ``ultra96_double``, but its adder, a beat every two cycles, takes what
    waits before it in that time. (ShuffleNetV1 was estimated at 298,962 and takes 280,682.)"""
    arch = PRESETS[preset]
    pixels = 10 * arch.pixels
    array = Raster(
        height=1, width=pixels, kernel_h=1, kernel_w=1, dilation_h=1, dilation_w=1, stride_h=1,
        stride_w=1, pitch=pixels, row_limit=1, span=pixels, vectors=10,
    )  # fmt: skip

    time = step_time(
        Exec(
            array=True, chained=True, add=True, groups=2, in_groups=1, in_raster=array,
            out_pixels=pixels,
        ), arch,
    )  # fmt: skip

    beats = pixels // arch.chain_pixels
    assert time.front == beats * timing.add_interval(arch.pumped) + 10 * between_rows


@given(
    out_h=st.integers(1, 9), out_w=st.integers(1, 20), stride=st.integers(1, 3),
    joined=st.booleans(), phases=st.booleans(), lanes=st.sampled_from([4, 8, 16]),
    width=st.sampled_from([1, 2, 4]),
)  # fmt: skip
def test_kept_beats_are_those_of_the_walk(out_h, out_w, stride, joined, phases, lanes, width):
    """Against the raster's definition, position by position."""
    arch = ArchParams(pixels=lanes, chain_pixels=width)
    stride = 1 if joined else stride
    phases = phases and stride == 2
    step = 1 + phases
    span = (out_w - 1) * stride + 1
    pitch = span + 2 if joined else -(-span // (step * lanes)) * step * lanes
    vectors = -(-out_h * pitch // (step * lanes))
    expected = 0
    for vector in range(vectors):
        rows_x = [divmod((vector * lanes + lane) * step, pitch) for lane in range(lanes)]
        keep = [r < out_h and x < span and x % stride == 0 for r, x in rows_x]
        beats = sum(any(keep[b : b + width]) for b in range(0, lanes, width))
        expected += max(1, beats)

    walked = Raster(
        pitch=pitch, span=span, stride_h=stride, stride_w=stride // step,
        row_limit=out_h * stride, vectors=vectors, phases=phases,
    )  # fmt: skip
    assert kept_beats(walked, arch.pixels, arch.chain_pixels) == expected
