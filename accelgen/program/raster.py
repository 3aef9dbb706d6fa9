"""Rasters: how P lanes walk over a map (docs/architecture.md, "Rasters")."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from accelgen.ir.ops import Pair
from accelgen.program.commands import Raster

__all__ = ["Walk", "aligned_rows", "make_raster", "raster_vectors"]


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A window sliding over a map, both already cut to one tile.

    Output pixel (y, x) at tap (ky, kx) sees map pixel
    ``(y * stride_h + ky * dilation_h - pad_top, x * stride_w + kx * dilation_w - pad_left)``.
    ``first_pixel`` is the map's first pixel, counted from the start of its first feature row.
    ``phases``: the map is stored in phases (rtl/memory/pixel_memory.py) and the walk goes over
    every other pixel of its rows; ``stride[1]`` is 2 and ``width`` even.

    ``run`` > 0: output rows of two runs that overlap by one, ``(y, x)`` is map pixel
    ``y * run + x`` of all counted row by row; ``height``, kernel, stride and pads mean nothing.
    With ``spread`` of each row only the first ``run`` are pixels, and the rest is ``pad_value``.
    """

    height: int
    width: int
    out_h: int
    out_w: int
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pad_top: int = 0
    pad_left: int = 0
    pad_value: int = 0
    first_pixel: int = 0
    phases: bool = False

    def __post_init__(self) -> None:
        assert not self.phases or (self.stride[1] == 2 and self.width % 2 == 0)

    @property
    def lane_step(self) -> int:
        """Map pixels from one lane to the next."""
        return 2 if self.phases else 1

    run: int = 0
    spread: bool = False

    @property
    def taps(self) -> int:
        """Positions of the kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def out_pixels(self) -> int:
        """Pixels kept per channel group."""
        return self.out_h * self.out_w

    @property
    def span(self) -> int:
        """Positions of a row from its first kept lane to its last."""
        return (self.out_w - 1) * self.stride[1] + 1


def _pitch(walk: Walk, pixels: int) -> int:
    """Map pixels per row of the raster that needs fewer vectors; joined rows when equal."""
    vector = pixels * walk.lane_step
    row_by_row = -(-walk.span // vector) * vector
    joined = walk.width
    may_join = walk.stride == (1, 1) and walk.out_w <= walk.width and not walk.run
    if may_join and -(-walk.out_h * joined // pixels) <= walk.out_h * row_by_row // pixels:
        return joined
    return row_by_row


def raster_vectors(walk: Walk, pixels: int) -> int:
    """Vectors per channel group."""
    return -(-walk.out_h * _pitch(walk, pixels) // (pixels * walk.lane_step))


def make_raster(walk: Walk, pixels: int) -> Raster:
    """The raster of ``walk`` on ``pixels`` lanes."""
    if walk.run:
        return _overlapping(walk, pixels)
    pitch = _pitch(walk, pixels)
    rows, step_x = divmod(pixels * walk.lane_step, pitch)
    stride_h, stride_w = walk.stride[0], walk.stride[1] // walk.lane_step
    return Raster(
        height=walk.height,
        width=walk.width,
        kernel_h=walk.kernel[0],
        kernel_w=walk.kernel[1],
        dilation_h=walk.dilation[0],
        dilation_w=walk.dilation[1],
        stride_h=stride_h,
        stride_w=stride_w,
        pad_top=walk.pad_top,
        pad_left=walk.pad_left,
        pad_value=walk.pad_value,
        pitch=pitch,
        step_x=step_x,
        step_y=rows * stride_h,
        step_phase=step_x % stride_w,
        wrap_phase=(step_x - pitch) % stride_w,
        row_limit=walk.out_h * stride_h,
        span=walk.span,
        origin=walk.first_pixel - walk.pad_top * walk.width - walk.pad_left,
        step_address=step_x + rows * stride_h * walk.width,
        wrap_address=stride_h * walk.width - pitch,
        tap_x_address=walk.dilation[1],
        tap_y_address=walk.dilation[0] * walk.width - (walk.kernel[1] - 1) * walk.dilation[1],
        vectors=raster_vectors(walk, pixels),
        phases=walk.phases,
    )


def _overlapping(walk: Walk, pixels: int) -> Raster:
    """Fields for rows of positions that begin ``run`` pixels after one another.

    Of rows and columns only the lane's place in its block counts: y stays 0. A vector's first tap
    frees what is below it, and the next block begins below the last vector of this one: so there
    is a tap before, outside the map (-128 to the maximum), ``run`` pixels further down. Rows that
    are spread are read from the feature memory, where nothing is freed.
    """
    pitch = _pitch(walk, pixels)
    back = walk.run if pitch > pixels and not walk.spread else 0
    taps = 2 if back else 1
    return Raster(
        height=1,
        width=walk.run if walk.spread else walk.span,
        kernel_h=taps,
        kernel_w=1,
        dilation_h=1,
        dilation_w=1,
        stride_h=0,
        stride_w=1,
        pad_top=taps - 1,
        pad_left=0,
        pad_value=walk.pad_value if walk.spread else -128,
        pitch=pitch,
        step_x=pixels % pitch,
        step_y=0,
        step_phase=0,
        wrap_phase=0,
        row_limit=1,
        span=walk.span,
        origin=walk.first_pixel - back,
        step_address=pixels % pitch + pixels // pitch * walk.run,
        wrap_address=walk.run - pitch,
        tap_x_address=0,
        tap_y_address=back,
        vectors=raster_vectors(walk, pixels),
    )


def aligned_rows(width: int, pixels: int) -> int:
    """Fewest map rows that fill whole feature rows: where a band may end."""
    return pixels // gcd(width, pixels)
