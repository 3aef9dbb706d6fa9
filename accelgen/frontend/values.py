"""What an ONNX name stands for while a model is read: a view of a graph tensor, or a constant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.frontend.onnx_node import OnnxNode
from accelgen.ir.types import Quantization
from accelgen.ir.views import Choice, Piece

__all__ = [
    "NCHW",
    "NHWC",
    "BlockView",
    "ChoiceView",
    "Constant",
    "ExpandedView",
    "IndicesView",
    "Integers",
    "JoinedView",
    "MaskView",
    "QuantizedView",
    "SplitView",
    "StridedView",
    "Unknown",
    "View",
    "fits",
    "pieces_of",
]

Array = npt.NDArray[Any]
#: Per ONNX dimension, the axes ("h", "w", "c") it holds, slowest first. Axes of size 1 are nowhere.
Dims = tuple[tuple[str, ...], ...]

NCHW: Dims = ((), ("c",), ("h",), ("w",))
NHWC: Dims = ((), ("h",), ("w",), ("c",))


@dataclass(frozen=True)
class View:
    """An ONNX activation: a tensor (1, h, w, c) of the graph, and how ONNX sees its axes.

    Transpose, Flatten, Reshape, Squeeze and Unsqueeze only change ``dims``; no data moves.
    """

    tensor: str
    sizes: tuple[int, int, int]  # h, w, c
    dims: Dims

    def __post_init__(self) -> None:
        size = self.size_of
        dims = tuple(tuple(axis for axis in dim if size(axis) > 1) for dim in self.dims)
        object.__setattr__(self, "dims", dims)

    def size_of(self, axis: str) -> int:
        """Size of axis "h", "w" or "c"."""
        return self.sizes["hwc".index(axis)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as ONNX sees it."""
        return tuple(prod(self.size_of(axis) for axis in dim) for dim in self.dims)

    @property
    def is_nchw(self) -> bool:
        """Whether it is a plain map in ONNX's order."""
        return fits(self, NCHW)


def fits(view: View, layout: Dims) -> bool:
    """Whether ``view`` is a plain map in the order of ``layout``; axes of size 1 are anywhere."""
    return len(view.dims) == 4 and all(
        set(dim) <= set(plain) for dim, plain in zip(view.dims, layout, strict=True)
    )


@dataclass(frozen=True)
class SplitView:
    """A View whose channels a Reshape has split: axes "c0", "c1", ... of sizes ``parts``, slowest
    first. Only what moves no data may read it (a channel shuffle), and it may be an output."""

    tensor: str
    sizes: tuple[int, int, int]
    dims: Dims
    parts: tuple[int, ...]

    def size_of(self, axis: str) -> int:
        """Size of axis "h", "w" or a part's."""
        return self.parts[int(axis[1:])] if axis[1:] else self.sizes["hwc".index(axis)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as ONNX sees it."""
        return tuple(prod(self.size_of(axis) for axis in dim) for dim in self.dims)


@dataclass(frozen=True)
class JoinedView:
    """Views joined along dimension ``axis``, not the channels of equal maps. Nothing moves, so only
    what works part by part may read it (``joined``), and an output of the model can be one: the
    host joins it."""

    parts: tuple[View | SplitView, ...]
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as ONNX sees it."""
        sizes = list(self.parts[0].shape)
        sizes[self.axis] = sum(part.shape[self.axis] for part in self.parts)
        return tuple(sizes)


@dataclass(frozen=True)
class BlockView:
    """A View whose rows and columns a Reshape has taken apart: row ``h1 * block[0] + h0``, column
    ``w1 * block[1] + w0``. Only what moves no data may read it (space to depth)."""

    tensor: str
    sizes: tuple[int, int, int]
    block: tuple[int, int]
    dims: Dims

    def size_of(self, axis: str) -> int:
        """Size of "c", or of a part of the rows or columns."""
        if axis == "c":
            return self.sizes[2]
        at = "hw".index(axis[0])
        return self.block[at] if axis[1] == "0" else self.sizes[at] // self.block[at]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as ONNX sees it."""
        return tuple(prod(self.size_of(axis) for axis in dim) for dim in self.dims)


@dataclass(frozen=True)
class StridedView:
    """Of each block of ``view``'s pixels the one at ``phase`` (row, column), all channels.

    Nothing is made of it unless somebody reads it: ``make`` does.
    """

    view: View
    block: tuple[int, int]
    phase: tuple[int, int]
    make: Callable[[], View]

    @property
    def dims(self) -> Dims:
        """As ``view``'s."""
        return self.view.dims

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as ONNX sees it."""
        kept = {
            axis: len(range(self.phase[at], self.view.sizes[at], self.block[at]))
            for at, axis in enumerate("hw")
        } | {"c": self.view.sizes[2]}
        return tuple(prod(kept[axis] for axis in dim) for dim in self.dims)


@dataclass(frozen=True)
class ExpandedView:
    """A View that an Expand repeats to ``shape``. Nothing is repeated where operators that
    broadcast by themselves read it; for others ``make`` does, given the reader."""

    view: View
    shape: tuple[int, ...]
    make: Callable[[OnnxNode], View]


@dataclass(frozen=True)
class IndicesView:
    """Where a MaxPool of ``kernel`` by ``kernel`` found its pixels in ``view``. Nothing is made of
    it: only a MaxUnpool may read it."""

    view: View
    kernel: tuple[int, int]


@dataclass(frozen=True)
class MaskView:
    """Conditions, a map of ones and zeros for ONNX's true and false."""

    view: View


@dataclass(frozen=True)
class ChoiceView:
    """What ArgMax or ArgMin makes of ``view``. The host does it, so only an output of the model can
    be one."""

    view: View | SplitView | JoinedView
    choice: Choice

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as ONNX sees it."""
        return self.choice.shape_of(self.view.shape)


@dataclass(frozen=True)
class QuantizedView:
    """What QuantizeLinear makes of a View.

    ``quantization`` is None for an integer input of the model: its DequantizeLinear says it.
    ``dtype`` is how the model stores it, "int8" or "uint8".
    """

    view: View | SplitView | JoinedView
    quantization: Quantization | None
    dtype: str


@dataclass(frozen=True)
class Integers:
    """Integers after a dequantized constant: ``values * scale`` along ``axis``."""

    values: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]  # 0-d, or 1-d along axis
    axis: int


@dataclass(frozen=True)
class Constant:
    """A constant, as ONNX has it."""

    name: str
    array: Array
    integers: Integers | None = None


@dataclass(frozen=True)
class Unknown:
    """Output of a node that was not understood (only when reading goes on after errors)."""

    source: str


def pieces_of(view: View | SplitView | JoinedView) -> tuple[Piece, ...]:
    """How to make ``view`` of tensors as they lie in memory."""
    if isinstance(view, JoinedView):
        return tuple(piece for part in view.parts for piece in pieces_of(part))
    parts = view.parts if isinstance(view, SplitView) else (view.sizes[2],)
    names = [f"c{i}" for i in range(len(parts))] if isinstance(view, SplitView) else ["c"]
    memory = ["h", "w", *names]
    seen = [axis for dim in view.dims for axis in dim]
    # Axes of size 1 are in no dimension: wherever they go, nothing moves.
    order = [memory.index(axis) for axis in (*seen, *(a for a in memory if a not in seen))]
    split = (*view.sizes[:2], *parts)
    return (Piece(tensor=view.tensor, split=split, order=tuple(order), shape=view.shape),)
