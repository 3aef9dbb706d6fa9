"""Which pixels of a step's input a band of its output needs, and the walks that make it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelgen.arch import ArchParams
from accelgen.ir import Graph, Node
from accelgen.ir.ops import Pair, QConv2d
from accelgen.lowering.folding import fold_kernel
from accelgen.lowering.strands import is_woven, strands_of
from accelgen.lowering.stream_words import is_streamed, may_stream
from accelgen.lowering.windows import Window, is_raw, window_of
from accelgen.program.layout import rows_of
from accelgen.program.raster import Walk
from accelgen.schedule.steps.fuse import Chain

__all__ = ["Band", "Geometry", "geometry_of"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """Output rows ``rows`` of a step: ``source_rows`` is what it reads, in whole map rows.

    ``first`` walks the source (array or copy), ``second`` the ring's map. ``first.first_pixel``
    counts from the feature row that holds the band's first pixel. Of a woven step each of
    ``strands`` walks the source, and ``first`` is the first of them.
    """

    rows: Pair
    source_rows: Pair
    first: Walk
    second: Walk | None
    strands: tuple[Walk, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Windows of a step. ``second`` is None when the window engine is passed by.

    ``raw``: the step works pixel by pixel on a map in phases, makes one, and leaves pixels in the
    order of the memory: its windows' rows are feature rows.

    ``parts`` > 1: the output counts as rows of a vector each, so many to a row of the map. A band
    of one of them is a single vector; longer ones are whole rows of the map.

    ``strands``: windows of a woven step, over one map and equally large, that take turns in blocks
    of ``weave`` rows and columns of the output; ``first`` is the first of them.
    """

    first: Window
    second: Window | None
    raw: bool = False
    parts: int = 1
    strands: tuple[Window, ...] = ()
    weave: Pair = (1, 1)

    @property
    def in_bands(self) -> bool:
        """A band of output rows needs a band of the source's: blocks that overlap are no rows."""
        return self.second is None or not self.second.run

    @property
    def out_h(self) -> int:
        """Rows of the step's output (of blocks that overlap: those)."""
        return (self.second or self.first).out_h * self.parts * self.weave[0]

    @property
    def out_w(self) -> int:
        """Pixels per row of the step's output."""
        return (self.second or self.first).out_w // self.parts * self.weave[1]

    def by_rows(self, pixels: int) -> Geometry:
        """The same step with feature rows for rows, where it works pixel by pixel and they are
        full: its bands may then end anywhere."""
        first = self.first
        whole, rest = divmod(first.height * first.width, pixels)
        if self.second or self.raw or self.strands or first.phases or rest or not is_raw(first):
            return self
        view = replace(first, height=whole, width=pixels, out_h=whole, out_w=pixels)
        return Geometry(first=view, second=None)

    def band(self, rows: Pair, pixels: int) -> Band:
        """What output rows ``rows`` need."""
        if self.parts > 1:
            return self._part(rows, pixels)
        if self.strands:
            return self._woven(rows, pixels)
        middle = ring = self.second.rows_needed(*rows) if self.second else rows
        if self.second and self.second.height != self.first.out_h:
            middle = 0, self.first.out_h  # all of a map that is taken as another rectangle
        source = self.first.rows_needed(*middle)
        return Band(
            rows=rows,
            source_rows=source,
            first=self.first.walk(
                source, middle, source[0] * self.first.width % (pixels * (1 + self.first.phases))
            ),
            second=self.second.walk(ring, rows) if self.second else None,
        )

    def _woven(self, rows: Pair, pixels: int) -> Band:
        """Whole blocks: what any strand needs of the source, for as many rows of each."""
        middle = rows[0] // self.weave[0], rows[1] // self.weave[0]
        needed = [strand.rows_needed(*middle) for strand in self.strands]
        source = min(low for low, _ in needed), max(high for _, high in needed)
        at = source[0] * self.first.width % pixels
        walks = tuple(strand.walk(source, middle, at) for strand in self.strands)
        return Band(rows=rows, source_rows=source, first=walks[0], second=None, strands=walks)

    def _part(self, rows: Pair, pixels: int) -> Band:
        """A vector of a row; or the rows that ``rows`` are of, whole."""
        first, single = self.first, rows[1] - rows[0] == 1
        lines = rows[0] // self.parts, -(-rows[1] // self.parts)
        source = first.rows_needed(*lines)
        walk = first.walk(source, lines, source[0] * first.width % pixels)
        if single:
            left = walk.pad_left - rows[0] % self.parts * pixels
            walk = replace(walk, out_w=pixels, pad_left=left)
        return Band(rows=rows, source_rows=source, first=walk, second=None)


def geometry_of(
    chain: Chain, graph: Graph, arch: ArchParams, *, fold: int = 1, phases: bool = False
) -> Geometry:
    """Windows of a step's stages on ``arch``.

    ``fold`` pixels of the source are one (folding.py); ``phases``: the source is stored in phases.
    Where the source is in phases and has no stride, the step is raw. What the array makes for the
    window engine goes into the ring in phases where that helps.

    Raises
    ------
    ScheduleError
        A kernel, stride or dilation beyond the raster's fields.
    """
    _, height, width, _ = graph.tensors[chain.source].shape
    if chain.array is not None and is_woven(chain.array):
        return _woven(chain.array, graph)
    if chain.array is None:
        first = Window(height=height, width=width, out_h=height, out_w=width)
    else:
        first = window_of(chain.array, graph)
        if fold > 1:
            first = _folded(chain.array, first, fold)
        if phases and is_raw(first):
            rows = rows_of(height, width, arch.pixels, phases=True)
            view = Window(height=rows, width=arch.pixels, out_h=rows, out_w=arch.pixels)
            return Geometry(first=view, second=None, raw=True)
        first = replace(first, phases=phases)
    if not chain.uses_window:
        return Geometry(first=first, second=None, parts=_parts(chain, first, graph, arch))
    if chain.window is None:
        h, w = first.out_h, first.out_w
        return Geometry(first=first, second=Window(height=h, width=w, out_h=h, out_w=w))
    second = window_of(chain.window, graph)
    # In phases a run is of one row of the ring.
    if chain.array and arch.window_width == arch.pixels:
        second = second.in_phases(arch.pixels)
    return Geometry(first=first, second=second)


def _woven(node: Node, graph: Graph) -> Geometry:
    assert isinstance(node.op, QConv2d)
    windows = tuple(strand.window(node, graph) for strand in strands_of(node.op))
    return Geometry(first=windows[0], second=None, strands=windows, weave=node.op.insert)


def _parts(chain: Chain, first: Window, graph: Graph, arch: ArchParams) -> int:
    """Vectors per row where weight words are streamed for each; 1 where rows are no whole ones."""
    if chain.array is None or not is_streamed(chain.array, graph, arch):
        return 1
    parts, rest = divmod(first.out_w, arch.pixels)
    cut = rest or first.stride[1] > 1
    return parts if not cut and may_stream(first.out_w, first.pad_left, arch) else 1


def _folded(node: Node, window: Window, fold: int) -> Window:
    """The same outputs from a map folded along rows."""
    assert isinstance(node.op, QConv2d)
    kernel = fold_kernel(node.op, fold)
    return replace(
        window,
        width=window.width // fold,
        kernel=(window.kernel[0], kernel.width),
        stride=(window.stride[0], 1),
        pad_left=kernel.pad_left,
    )
