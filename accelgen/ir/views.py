"""How the model sees its outputs: tensors of the graph, cut, turned and joined by the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OutputView", "Piece", "apply_view", "plain_view"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One tensor as the model sees it: ``x.reshape(split).transpose(order).reshape(shape)``.

    ``x`` is the tensor in memory order (h, w, c).
    """

    tensor: str
    split: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class OutputView:
    """One output of the model: its pieces, joined along ``axis`` (of one piece: as it is).

    ``dtype`` is "float32", or "int8" or "uint8" where the model ends in QuantizeLinear: then it
    gives the integers, for "uint8" 128 more than the accelerator's.
    """

    name: str
    pieces: tuple[Piece, ...]
    axis: int = 0
    dtype: str = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the model, batch included."""
        first = self.pieces[0].shape
        joined = sum(piece.shape[self.axis] for piece in self.pieces) if first else 0
        return tuple(joined if i == self.axis else size for i, size in enumerate(first))

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
    return np.concatenate(parts, axis=view.axis) if len(parts) > 1 else parts[0]
