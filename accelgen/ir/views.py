"""How the model sees its outputs: tensors of the graph, cut, turned and joined by the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Choice", "OutputView", "Piece", "apply_view", "plain_view"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One tensor as the model sees it: ``x.reshape(split).transpose(order).reshape(shape)``.

    ``x`` is the tensor in memory order (h, w, c).
    """

    tensor: str
    split: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    def places(self) -> npt.NDArray[np.intp]:
        """Where in memory each element is, in the model's shape."""
        memory = np.arange(int(np.prod(self.split))).reshape(self.split)
        return memory.transpose(self.order).reshape(self.shape)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Index of the largest element along ``axis`` (ArgMax), or of the smallest (``least``: ArgMin).

    Of several that are equal the first, or the ``last``; ``keepdims`` leaves ``axis`` with size 1.
    """

    axis: int
    keepdims: bool = True
    last: bool = False
    least: bool = False

    def of(self, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Indices (int64) along ``axis`` of ``x``, whatever its type."""
        seen = np.flip(x, self.axis) if self.last else x
        found = (seen.argmin if self.least else seen.argmax)(self.axis, keepdims=self.keepdims)
        made = np.asarray(found, np.int64)
        return np.asarray(x.shape[self.axis] - 1 - made) if self.last else made

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the indices of an array of ``shape``."""
        kept = (1,) if self.keepdims else ()
        return (*shape[: self.axis], *kept, *shape[self.axis + 1 :])


@dataclass(frozen=True, kw_only=True)
class OutputView:
    """One output of the model: its pieces, joined along ``axis`` (of one piece: as it is).

    ``dtype`` is "float32", or "int8" or "uint8" where the model ends in QuantizeLinear: then it
    gives the integers, for "uint8" 128 more than the accelerator's; "int64" with a ``choice``: the
    model gives what it chooses of the joined pieces' real numbers.
    """

    name: str
    pieces: tuple[Piece, ...]
    axis: int = 0
    dtype: str = "float32"
    choice: Choice | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the model, batch included."""
        return self.choice.shape_of(self.joined_shape) if self.choice else self.joined_shape

    @property
    def joined_shape(self) -> tuple[int, ...]:
        """Shape of the joined pieces, before anything is chosen of them."""
        first = self.pieces[0].shape
        joined = sum(piece.shape[self.axis] for piece in self.pieces) if first else 0
        return tuple(joined if i == self.axis else size for i, size in enumerate(first))

    def chosen_in_rows(self) -> bool:
        """Whether the choice is among elements side by side in memory (a pixel's channels), row
        after row in the order of the indices."""
        if self.choice is None or len(self.pieces) > 1:
            return False
        rows = np.moveaxis(self.pieces[0].places(), self.choice.axis, -1).reshape(-1)
        return bool((np.diff(rows) == 1).all())

    def choice_sizes(self) -> tuple[int, int, int]:
        """Outer, count, inner of the choice among [outer][count][inner]; inner is 1 in rows."""
        assert self.choice is not None
        shape, axis = self.joined_shape, self.choice.axis
        count, inner = shape[axis], int(np.prod(shape[axis + 1 :]))
        outer = int(np.prod(shape)) // (count * inner)
        return (outer * inner, count, 1) if self.chosen_in_rows() else (outer, count, inner)

    def to_dict(self) -> dict[str, Any]:
        """For files: the fields as they are."""
        return asdict(self)


def plain_view(name: str, tensor: str, shape: tuple[int, ...]) -> OutputView:
    """``tensor`` of ``shape`` (1, h, w, c) as a map (1, c, h, w), a vector as (1, c)."""
    _, h, w, c = shape
    seen = (1, c) if (h, w) == (1, 1) else (1, c, h, w)
    return OutputView(
        name=name, pieces=(Piece(tensor=tensor, split=(h, w, c), order=(2, 0, 1), shape=seen),)
    )


def apply_view(view: OutputView, values: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The output, of one frame's tensors (1, h, w, c) or (h, w, c) by name."""
    parts = [
        values[p.tensor].reshape(p.split).transpose(p.order).reshape(p.shape) for p in view.pieces
    ]
    joined = np.concatenate(parts, axis=view.axis) if len(parts) > 1 else parts[0]
    return view.choice.of(joined) if view.choice else joined
