"""Raster walks written out from their definition (docs/architecture.md, "Rasters")."""

from dataclasses import dataclass, replace

import numpy as np

__all__ = [
    "Beat", "Geometry", "as_written", "pairs", "random_geometry", "raster_fields", "walk",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A convolution's geometry. Pads are top, left, bottom, right."""

    height: int
    width: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0
    joined: bool = False
    phases: bool = False

    @property
    def step(self) -> int:
        """Map pixels from lane to lane."""
        return 2 if self.phases else 1

    @property
    def out_height(self) -> int:
        reach = (self.kernel[0] - 1) * self.dilation[0] + 1
        return (self.height + self.pads[0] + self.pads[2] - reach) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        reach = (self.kernel[1] - 1) * self.dilation[1] + 1
        return (self.width + self.pads[1] + self.pads[3] - reach) // self.stride[1] + 1

    @property
    def span(self) -> int:
        return (self.out_width - 1) * self.stride[1] + 1

    def pitch(self, pixels: int) -> int:
        vector = pixels * self.step
        return self.width if self.joined else -(-self.span // vector) * vector

    def vectors(self, pixels: int) -> int:
        return -(-self.out_height * self.pitch(pixels) // (pixels * self.step))

    def rows(self, pixels: int) -> int:
        """Rows of the map in memory."""
        vector = pixels * self.step
        return -(-self.height * self.width // vector) * self.step

    def stored(self, pixel: int, pixels: int) -> int:
        """Word of the map's memory that holds a pixel."""
        if not self.phases:
            return pixel
        pair, place = divmod(pixel, 2 * pixels)
        slot, odd = divmod(place, 2)
        return (2 * pair + odd) * pixels + (slot + odd * pixels // 2) % pixels

    @property
    def rows_may_join(self) -> bool:
        return self.stride == (1, 1) and self.out_width <= self.width

    @property
    def may_be_in_phases(self) -> bool:
        return self.stride[1] == 2 and self.width % 2 == 0 and not self.joined


@dataclass(frozen=True)
class Beat:
    """One beat of a walk. ``pixels[l]`` is the map pixel lane l sees, None outside the map."""

    group: int
    input_group: int
    tap: int
    address: int
    pixels: tuple[int | None, ...]
    keep: tuple[bool, ...]
    past_row: bool  # lane 0 is right of the map
    first: bool
    last: bool
    first_vector: bool
    last_vector: bool


def raster_fields(geometry: Geometry, pixels: int) -> dict[str, int]:
    """The fields of isa.RASTER, each by the formula in its doc."""
    g = geometry
    (kernel_h, kernel_w), (stride_h, stride_w), (dilation_h, dilation_w) = (
        g.kernel, g.stride, g.dilation,
    )  # fmt: skip
    pitch = g.pitch(pixels)
    step_y, step_x = divmod(pixels * g.step, pitch)
    stride_w //= g.step
    return {
        "height": g.height, "width": g.width, "kernel_h": kernel_h, "kernel_w": kernel_w,
        "dilation_h": dilation_h, "dilation_w": dilation_w,
        "stride_h": stride_h, "stride_w": stride_w,
        "pad_top": g.pads[0], "pad_left": g.pads[1], "pad_value": g.pad_value,
        "pitch": pitch, "step_x": step_x, "step_y": step_y * stride_h,
        "step_phase": step_x % stride_w, "wrap_phase": (step_x - pitch) % stride_w,
        "row_limit": g.out_height * stride_h, "span": g.span,
        "origin": -g.pads[0] * g.width - g.pads[1],
        "step_address": step_x + step_y * stride_h * g.width,
        "wrap_address": stride_h * g.width - pitch,
        "tap_x_address": dilation_w,
        "tap_y_address": dilation_h * g.width - (kernel_w - 1) * dilation_w,
        "vectors": g.vectors(pixels), "phases": int(g.phases),
    }  # fmt: skip


def walk(geometry: Geometry, pixels: int, *, groups=1, in_groups=1, in_step=0, in_repeat=1):
    """All beats: for group, for vector, for tap, for input group."""
    g = geometry
    pitch, vectors = g.pitch(pixels), g.vectors(pixels)
    taps = [(ky, kx) for ky in range(g.kernel[0]) for kx in range(g.kernel[1])]

    def map_place(position, ky, kx):
        row, x = divmod(position, pitch)
        return (
            row * g.stride[0] + ky * g.dilation[0] - g.pads[0],
            x + kx * g.dilation[1] - g.pads[1],
        )

    def kept(position):
        row, x = divmod(position, pitch)
        return row < g.out_height and x < g.span and x % g.stride[1] == 0

    for group in range(groups):
        for v in range(vectors):
            positions = range(v * pixels * g.step, (v + 1) * pixels * g.step, g.step)
            keep = tuple(kept(p) for p in positions)
            for tap, (ky, kx) in enumerate(taps):
                places = [map_place(p, ky, kx) for p in positions]
                seen = tuple(
                    y * g.width + x if 0 <= y < g.height and 0 <= x < g.width else None
                    for y, x in places
                )
                for i in range(in_groups):
                    yield Beat(
                        group=group,
                        input_group=group // in_repeat * in_step + i,
                        tap=tap,
                        address=places[0][0] * g.width + places[0][1],
                        pixels=seen,
                        keep=keep,
                        past_row=places[0][1] >= g.width,
                        first=tap == 0 and i == 0,
                        last=tap == len(taps) - 1 and i == in_groups - 1,
                        first_vector=v == 0,
                        last_vector=v == vectors - 1,
                    )


def random_geometry(
    rng: np.random.Generator, *, largest: int = 12, widest: int | None = None,
    kernels=(1, 2, 3, 5, 7),
):  # fmt: skip
    """A geometry with something to compute: any kernel, stride, dilation and padding that fit."""
    while True:
        kernel = tuple(int(k) for k in rng.choice(kernels, 2))
        geometry = Geometry(
            height=int(rng.integers(1, largest + 1)),
            width=int(rng.integers(1, (widest or largest) + 1)),
            kernel=kernel,
            stride=tuple(int(s) for s in rng.choice([1, 1, 2, 3], 2)),
            dilation=tuple(int(d) for d in rng.choice([1, 1, 2], 2)),
            pads=tuple(int(rng.integers(-1, max(kernel))) for _ in range(4)),
            pad_value=int(rng.integers(-128, 128)),
            joined=bool(rng.integers(2)),
        )
        if geometry.may_be_in_phases:
            geometry = replace(geometry, phases=bool(rng.integers(4)))
        if geometry.out_height < 1 or geometry.out_width < 1:
            continue
        if geometry.joined and not geometry.rows_may_join:
            continue
        return geometry


def pairs(beats, taps, geometry):
    """Two taps of a vector at a time; with one, or a kernel of one column, None beside each."""
    alone = taps == 1 or geometry.kernel[1] == 1
    found = []
    for beat in beats:
        if beat.first or alone or found[-1][1] is not None:
            found.append((beat, None))
        else:
            found[-1] = (found[-1][0], beat)
    return found


def as_written(memory):
    """Rows (row, bank, lane) of pairs in the order of writing: the array's pixels come in order, so
    each row that is written is half of either row of a pair."""
    half = memory.shape[1] // 2
    written = memory.copy()
    written[0::2, half:], written[1::2, half:] = memory[1::2, half:], memory[0::2, half:]
    return written
