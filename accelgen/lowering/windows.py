"""The window of a node: which pixels of its input an output pixel looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelgen.arch.isa import RASTER
from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Node
from accelgen.ir.ops import Pair, QAvgPool, QConv2d, QMaxPool, QScale, QStretch
from accelgen.program.raster import Walk, raster_vectors

__all__ = ["Window", "folds", "is_raw", "window_of"]

#: Largest kernel, stride and dilation a raster can hold: their fields are equally wide.
_LARGEST = RASTER.largest("kernel_h")


@dataclass(frozen=True, kw_only=True)
class Window:
    """One stage's window over a whole map of ``height`` x ``width``."""

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
    phases: bool = False
    run: int = 0  # of overlapping blocks (Walk); only whole maps are walked then
    spread: bool = False  # (Walk) Output row y, however wide, is then made of map row y

    def rows_needed(self, first: int, last: int) -> Pair:
        """Map rows [a, b) that output rows [first, last) look at; never empty."""
        if self.run and not self.spread:
            return 0, self.height
        low = first * self.stride[0] - self.pad_top
        high = (last - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0]
        low = min(max(low, 0), self.height - 1)
        high = min(max(high - self.pad_top + 1, low + 1), self.height)
        return low, high

    def walk(self, rows: Pair, out_rows: Pair, first_pixel: int = 0) -> Walk:
        """The window over map rows ``rows`` alone, making output rows ``out_rows``."""
        blocks = self.width // self.run if self.spread else 1
        return Walk(
            height=rows[1] - rows[0],
            width=self.width,
            out_h=(out_rows[1] - out_rows[0]) * blocks,
            out_w=self.out_w // blocks,
            kernel=self.kernel,
            stride=self.stride,
            dilation=self.dilation,
            pad_top=self.pad_top + rows[0] - out_rows[0] * self.stride[0],
            pad_left=self.pad_left,
            pad_value=self.pad_value,
            first_pixel=first_pixel,
            phases=self.phases,
            run=self.run,
            spread=self.spread,
        )

    def whole(self) -> Walk:
        """The walk over the whole map."""
        return self.walk((0, self.height), (0, self.out_h))

    def in_phases(self, pixels: int) -> Window:
        """The same window over the map in phases if that can be and takes fewer vectors."""
        if self.stride[1] != 2 or self.width % 2 or pixels < 2:
            return self
        split = replace(self, phases=True)
        fewer = raster_vectors(split.whole(), pixels) < raster_vectors(self.whole(), pixels)
        return split if fewer else self


def is_raw(window: Window) -> bool:
    """The window sees one pixel per output, the same: it can go over them in any order."""
    same = (window.height, window.width) == (window.out_h, window.out_w)
    moved = window.pad_top or window.pad_left
    return same and not moved and window.kernel == window.stride == (1, 1)


def window_of(node: Node, graph: Graph) -> Window:
    """The window of a node that an engine walks, over its input as the graph has it.

    Raises
    ------
    ScheduleError
        A kernel, stride or dilation beyond the raster's fields.
    """
    _, height, width, _ = graph.tensors[node.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[node.output].shape
    if isinstance(node.op, QScale):
        zero = node.op.x_zero
        return Window(height=height, width=width, out_h=out_h, out_w=out_w, pad_value=zero)
    if isinstance(node.op, QStretch):
        return _stretched(node.op, height, width)
    assert isinstance(node.op, QConv2d | QMaxPool | QAvgPool)
    if isinstance(node.op, QConv2d) and node.op.insert != (1, 1):
        assert node.op.kernel == (1, 1), "woven convolutions have a window for each strand"
        return _spread(node.op, height, width)
    kernel = node.op.kernel
    dilation = (1, 1) if isinstance(node.op, QAvgPool) else node.op.dilation
    if kernel == (height, width) and node.op.pads == (0, 0, 0, 0) and max(kernel) > _LARGEST:
        # Pixels are linear: a kernel as large as the map may as well be another rectangle.
        height, width = kernel = _rectangle(node, height * width)
        dilation = (1, 1)
    _check(node, "kernel", kernel)
    _check(node, "stride", node.op.stride)
    _check(node, "dilation", dilation)
    return Window(
        height=height,
        width=width,
        out_h=out_h,
        out_w=out_w,
        kernel=kernel,
        stride=node.op.stride if (out_h, out_w) != (1, 1) else (1, 1),
        dilation=dilation,
        pad_top=node.op.pads[0],
        pad_left=node.op.pads[1],
        pad_value=-128 if isinstance(node.op, QMaxPool) else node.op.input_zero,
    )


def _stretched(op: QStretch, height: int, width: int) -> Window:
    """Blocks of two runs, as rows of the walk: as many as begin in the map but its last row."""
    run = 1 if op.axis == 2 else width
    return Window(
        height=height, width=width, out_h=(height - 1) * width // run, out_w=2 * run, run=run
    )  # fmt: skip


def _spread(op: QConv2d, height: int, width: int) -> Window:
    """Columns: a block of a pixel and what is inserted after it. Rows: of a row and the rows after
    it, which are one row of the walk."""
    across = op.insert[1] > 1
    return Window(
        height=height, width=width, out_h=height, out_w=width * max(op.insert),
        run=1 if across else width, spread=True, pad_value=op.input_zero,
    )  # fmt: skip


def _rectangle(node: Node, pixels: int) -> Pair:
    for rows in range(_LARGEST, 0, -1):
        if pixels % rows == 0 and pixels // rows <= _LARGEST:
            return rows, pixels // rows
    raise ScheduleError(
        f"node '{node.name}' has a kernel over a whole map of {pixels} pixels, which is no product"
        f" of two numbers up to {_LARGEST}; pool the map before it",
        node=node.name,
    )


def _check(node: Node, attribute: str, value: Pair) -> None:
    if max(value) > _LARGEST:
        raise ScheduleError(
            f"node '{node.name}' has {attribute} {list(value)}; the accelerator builds"
            f" {attribute}s up to {_LARGEST}",
            node=node.name,
        )


def folds(pixels: int, most: int) -> bool:
    """Whether a kernel over a whole map of ``pixels`` may be taken as another rectangle with sides
    of at most ``most``."""
    return any(pixels % rows == 0 and pixels // rows <= most for rows in range(1, most + 1))
