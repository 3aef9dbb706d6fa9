"""Rasters visit exactly the output's pixels, in order, and read what the window sees."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.arch import isa
from accelgen.program.encode import field_values
from accelgen.program.raster import Walk, aligned_rows, make_raster, raster_vectors
from accelgen.simulation.functional_raster import walk

PIXELS = (1, 2, 4, 8, 16, 32)


@st.composite
def walks(draw):
    sides = []
    for _ in range(2):
        kernel, stride, dilation = (draw(st.integers(1, n)) for n in (7, 3, 3))
        before, after = (draw(st.integers(0, kernel - 1)) for _ in range(2))
        reach = (kernel - 1) * dilation + 1
        extent = draw(st.integers(max(1, reach - before - after), 40))
        if len(sides) == 1 and stride == 2:
            extent += extent % 2
        out = (extent + before + after - reach) // stride + 1
        sides.append((extent, out, kernel, stride, dilation, before))
    (h, oh, kh, sh, dh, top), (w, ow, kw, sw, dw, left) = sides
    return Walk(
        height=h, width=w, out_h=oh, out_w=ow, kernel=(kh, kw), stride=(sh, sw),
        dilation=(dh, dw), pad_top=top, pad_left=left, first_pixel=draw(st.integers(0, 31)),
        phases=sw == 2 and draw(st.booleans()),
    )  # fmt: skip


def window_pixels(w: Walk):
    """(y, x) of the map under each tap of each output pixel: (taps, out_h * out_w)."""
    oy, ox = (v.ravel() for v in np.mgrid[: w.out_h, : w.out_w])
    for ky in range(w.kernel[0]):
        for kx in range(w.kernel[1]):
            yield (
                oy * w.stride[0] + ky * w.dilation[0] - w.pad_top,
                ox * w.stride[1] + kx * w.dilation[1] - w.pad_left,
            )


@given(walks(), st.sampled_from(PIXELS))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_kept_lanes_are_the_output_pixels_in_order(w, pixels):
    walked = walk(make_raster(w, pixels), pixels)

    assert walked.keep.sum() == w.out_pixels
    lane = np.arange(pixels) * w.lane_step
    for tap, (y, x) in zip(walked.taps, window_pixels(w), strict=True):
        inside = (y >= 0) & (y < w.height) & (x >= 0) & (x < w.width)
        np.testing.assert_array_equal(tap.inside[walked.keep], inside)
        address = (tap.address[:, None] + lane)[walked.keep]
        expected = w.first_pixel + y * w.width + x
        np.testing.assert_array_equal(address[inside], expected[inside])


@given(walks(), st.sampled_from(PIXELS))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_fields_fit_and_vectors_are_counted(w, pixels):
    raster = make_raster(w, pixels)

    packed = isa.RASTER.pack(field_values(raster))
    assert isa.RASTER.unpack(packed) == field_values(raster)
    assert raster.vectors == raster_vectors(w, pixels) == len(walk(raster, pixels).keep)


def test_small_maps_join_rows_and_fill_the_lanes():
    joined = make_raster(Walk(height=7, width=7, out_h=7, out_w=7), 16)

    assert (joined.pitch, joined.vectors) == (7, 4)


def test_rows_stay_apart_where_that_needs_fewer_vectors():
    # 3 of 17 pixels per row: joined rows would compute all 17.
    apart = make_raster(Walk(height=9, width=17, out_h=9, out_w=3, kernel=(1, 15)), 8)

    assert (apart.pitch, apart.vectors) == (8, 9)


def test_strides_keep_rows_apart():
    strided = make_raster(Walk(height=8, width=8, out_h=4, out_w=4, stride=(2, 2)), 4)

    assert (strided.pitch, strided.span, strided.vectors) == (8, 7, 8)


@pytest.mark.parametrize(("width", "rows"), [(8, 1), (4, 2), (12, 2), (7, 8), (32, 1)])
def test_bands_end_on_whole_feature_rows(width, rows):
    assert aligned_rows(width, 8) == rows
    assert rows * width % 8 == 0


def test_phases_fill_the_lanes_of_a_stride_of_two():
    plain = Walk(height=8, width=32, out_h=4, out_w=16, stride=(2, 2))
    phases = replace(plain, phases=True)

    assert (raster_vectors(plain, 8), raster_vectors(phases, 8)) == (16, 8)
