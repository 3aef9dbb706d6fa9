"""One step with everything that does not depend on addresses: windows, weights, tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelgen.arch import ArchParams, limits
from accelgen.ir.ops import Pair
from accelgen.lowering.prepare import Prepared
from accelgen.lowering.storage import Storages
from accelgen.lowering.stream_words import is_streamed
from accelgen.program.raster import aligned_rows, raster_vectors
from accelgen.program.weave import weave_writes
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.geometry import Band, Geometry, geometry_of
from accelgen.schedule.steps.limits import check_step
from accelgen.schedule.steps.strand_weights import StrandStep, joined_weights, strand_steps
from accelgen.schedule.steps.weights import GroupWindow, StepWeights, group_window, step_weights

__all__ = ["OTHER", "OUT", "SOURCE", "SQUEEZED", "Slice", "Tile", "Work", "make_work"]

#: Roles of a step's operands: map read, residual or SCALE's vector, map written, pooled vector.
SOURCE, OTHER, OUT, SQUEEZED = "source", "other", "out", "squeezed"


@dataclass(frozen=True)
class Slice:
    """Channel groups [groups) and, of each, feature rows [rows) of one tensor."""

    groups: Pair
    rows: Pair

    @property
    def height(self) -> int:
        """Feature rows per group."""
        return self.rows[1] - self.rows[0]

    @property
    def size(self) -> int:
        """Feature rows in all."""
        return (self.groups[1] - self.groups[0]) * self.height


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One EXEC: output groups [groups) of band ``band``, and the slices it touches by role.

    ``ends``: of bands, the last; the one that squeezes.
    """

    groups: Pair
    band: Band
    ends: bool
    slices: dict[str, Slice]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A step ready for tiling. ``tensors`` names its operands by role."""

    chain: Chain
    geometry: Geometry
    window: GroupWindow
    weights: StepWeights
    groups: int
    source_groups: int
    pixels: int  # P
    window_pixels: int  # V
    window_beats: int  # of the window engine's kernel, per vector
    chain_pixels: int  # W
    drain_pixels: int  # D
    out_phases: bool  # the output comes in order and is stored in phases
    tensors: dict[str, str]
    #: The weight ring does not hold a group's words: each EXEC must be of a single vector.
    streamed: bool = False
    #: Of a woven step: an EXEC each per tile.
    strands: tuple[StrandStep, ...] = ()

    def tile(self, rows: Pair, groups: Pair) -> Tile:
        """Output rows ``rows`` (ending on whole feature rows, or the last) of groups ``groups``."""
        band = self.geometry.band(rows, self.pixels)
        out_w, first = self.geometry.out_w, self.geometry.first
        out = Slice(groups, self._feature_rows(rows, out_w, self.out_phases))
        source_rows = self._feature_rows(band.source_rows, first.width, first.phases)
        slices = {SOURCE: Slice(self._source_groups(groups), source_rows)}
        if OTHER in self.tensors:
            other = (0, 1) if self.chain.vector else self._feature_rows(rows, out_w, False)
            slices[OTHER] = Slice(groups, other)
        if OUT in self.tensors:
            slices[OUT] = out
        if SQUEEZED in self.tensors:
            slices[SQUEEZED] = Slice(groups, (0, 1))
        ends = rows[1] == self.geometry.out_h
        return Tile(groups=groups, band=band, ends=ends, slices=slices)

    def cycles(self, tile: Tile) -> int:
        """Rough cycles of a tile: its slowest engine."""
        groups = tile.groups[1] - tile.groups[0]
        first, second = tile.band.first, tile.band.second
        if self.strands:
            return groups * self._woven_cycles(tile.band)
        per_group = (
            raster_vectors(first, self.pixels)
            * first.taps
            * (self.window.groups if self.chain.array else 1)
        )
        if second is not None:
            beats = raster_vectors(second, self.window_pixels) * self.window_beats
            per_group = max(per_group, beats)
        drained = first.out_pixels // self.drain_pixels if self.chain.array else 0
        if second is not None:
            width = self.drain_pixels if self.chain.vector else self.chain_pixels
            drained = max(drained, second.out_pixels // width)
        return groups * max(per_group, drained)

    def _woven_cycles(self, band: Band) -> int:
        """Of a group: of each strand the array's, or its writes'."""
        cycles = 0
        for step, walk in zip(self.strands, band.strands, strict=True):
            beats = raster_vectors(walk, self.pixels) * walk.taps * step.window.groups
            writes = weave_writes(
                walk.out_pixels, self.geometry.weave, self.geometry.out_w, self.pixels
            )
            rows = walk.out_pixels // self.pixels
            cycles += max(beats, writes + rows, walk.out_pixels // self.drain_pixels)
        return cycles

    def may_keep_words(self, arch: ArchParams) -> bool:
        """All weight words of the step take at most half of their ring: the rest is for the next
        step's."""
        if self.strands:
            return False
        words = self.groups * self.weights.fields.weight_words
        return 0 < words <= arch.weight_words // 2

    def fits_ring(self, tile: Tile) -> bool:
        """The weight ring need not hold the words of a whole output group at once."""
        return not self.streamed or raster_vectors(tile.band.first, self.pixels) == 1

    def by_rows(self) -> Work:
        """The same step in finer bands, if it can be (Geometry.by_rows)."""
        if self.out_phases or self.chain.squeeze is not None:
            return self
        return replace(self, geometry=self.geometry.by_rows(self.pixels))

    @property
    def out_pixels(self) -> int:
        """Pixels per channel group of the step's output, or of one of its strands."""
        return (self.geometry.second or self.geometry.first).whole().out_pixels

    @property
    def in_bands(self) -> bool:
        """The output can be made band by band; where it is squeezed, sums are kept in between."""
        if SQUEEZED not in self.tensors:
            return self.geometry.in_bands
        few = self.groups <= limits.SQUEEZE_GROUPS
        return (
            self.geometry.in_bands
            and OUT in self.tensors
            and few
            and self.out_pixels <= limits.SQUEEZE_PIXELS
        )

    @property
    def band_rows(self) -> int:
        """Output rows that fill whole feature rows (in phases: pairs): where a band may end."""
        rows = aligned_rows(self.geometry.out_w, self.pixels * (1 + self.out_phases))
        return max(rows, self.geometry.weave[0])  # powers of two

    def _feature_rows(self, rows: Pair, width: int, phases: bool) -> Pair:
        unit = 2 if phases else 1
        pixels = unit * self.pixels
        return rows[0] * width // pixels * unit, -(-rows[1] * width // pixels) * unit

    def _source_groups(self, groups: Pair) -> Pair:
        if self.chain.array is None:
            return groups
        window = self.window
        first = groups[0] // window.repeat * window.step
        last = (groups[1] - 1) // window.repeat * window.step + window.groups
        return first, last


def make_work(chain: Chain, prepared: Prepared, storages: Storages, arch: ArchParams) -> Work:
    """Everything about a step but its addresses.

    Raises
    ------
    ScheduleError
        The step cannot run on ``arch``, however it is tiled.
    """
    graph = prepared.graph
    fold = prepared.folds.get(chain.source, 1)
    phases = chain.source in storages.in_phases
    geometry = geometry_of(chain, graph, arch, fold=fold, phases=phases)
    window = group_window(chain, graph, storages, arch.lanes)
    if chain.woven:
        window = GroupWindow(len(storages.slots[chain.source]) // arch.lanes, 0, 1)
    check_step(chain, geometry, window, graph, arch)
    strands = strand_steps(chain, graph, storages, arch) if chain.woven else ()
    kernel = geometry.second.kernel if geometry.second is not None else (1, 1)
    tensors = {SOURCE: chain.source}
    if other := chain.residual or chain.vector:
        tensors[OTHER] = other
    if chain.write:
        tensors[OUT] = chain.output
    if chain.squeeze is not None:
        tensors[SQUEEZED] = chain.squeeze.output
    return Work(
        chain=chain,
        geometry=geometry,
        window=window,
        weights=joined_weights(strands)
        if strands
        else step_weights(chain, graph, storages, window, arch, fold, kernel),
        groups=len(storages.slots[chain.output]) // arch.lanes,
        source_groups=len(storages.slots[chain.source]) // arch.lanes,
        pixels=arch.pixels,
        window_pixels=arch.window_width,
        window_beats=arch.window_beats(kernel),
        chain_pixels=arch.chain_pixels,
        drain_pixels=arch.array_width,
        # What a raw step writes is in phases too, but its rows come as they are in the memory.
        out_phases=chain.write and chain.output in storages.in_phases and not geometry.raw,
        tensors=tensors,
        streamed=chain.array is not None and is_streamed(chain.array, graph, arch),
        strands=strands,
    )
