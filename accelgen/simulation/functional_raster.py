"""The raster walk as isa.RASTER defines it, all vectors at once. Knows only the fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from accelgen.program.commands import Raster

__all__ = ["TapView", "Walked", "walk"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TapView:
    """One tap: ``address`` (vectors,) of lane 0, in pixels from the map's first; ``inside``
    (vectors, lanes)."""

    address: Ints
    inside: Bools


@dataclass(frozen=True)
class Walked:
    """A whole walk. ``keep`` is (vectors, lanes)."""

    keep: Bools
    taps: tuple[TapView, ...]


def walk(raster: Raster, pixels: int) -> Walked:
    """Follow the registers of docs/architecture.md, "Rasters", from their start values.

    Lanes begin at x = l, in phases 2 l, of a row of ``pitch``. Per lane x, y and phase;
    x += step_x, y += step_y per vector, and on x >= pitch: x -= pitch, y += stride_h; lane 0's
    address moves by step_address, and by wrap_address when lane 0 wraps; a phase moves by
    step_phase, or by wrap_phase when its lane wraps.
    step_x is below pitch or pitch is a multiple of P, so a lane wraps at most once per vector:
    after v vectors it has wrapped (x + v * step_x) div pitch times.
    """
    r = raster
    assert 0 <= r.step_x <= r.pitch, "a lane would wrap twice in one vector"
    vector = np.arange(r.vectors)[:, None]
    lane = np.arange(pixels)[None] * (1 + r.phases)
    travelled = lane % r.pitch + vector * r.step_x
    wraps = travelled // r.pitch
    x = travelled % r.pitch
    y = lane // r.pitch * r.stride_h + vector * r.step_y + wraps * r.stride_h
    start_phase = lane % r.pitch % r.stride_w
    phase = start_phase + (vector - wraps) * r.step_phase + wraps * r.wrap_phase
    phase = phase % r.stride_w
    keep = (x < r.span) & (y < r.row_limit) & (phase == 0)
    first = r.origin + vector[:, 0] * r.step_address + wraps[:, 0] * r.wrap_address
    return Walked(keep=keep, taps=tuple(_taps(r, x, y, first)))


def _taps(r: Raster, x: Ints, y: Ints, address: Ints) -> Iterator[TapView]:
    for ky in range(r.kernel_h):
        for kx in range(r.kernel_w):
            map_y = y + ky * r.dilation_h - r.pad_top
            map_x = x + kx * r.dilation_w - r.pad_left
            inside = (map_y >= 0) & (map_y < r.height) & (map_x >= 0) & (map_x < r.width)
            yield TapView(address=address, inside=inside)
            last_of_row = kx == r.kernel_w - 1
            address = address + (r.tap_y_address if last_of_row else r.tap_x_address)
