"""Arrays in files as a network's input: their order, their type, what scales them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError

__all__ = ["ARRAYS", "SCALING", "Arrays", "Scaling", "as_nhwc", "check_type"]

Floats = npt.NDArray[np.float32]
Arrays = Mapping[str, npt.NDArray[Any]]

#: What a file of arrays is called, in small letters.
ARRAYS = (".npz", ".npy")
#: What goes with raw pixels.
SCALING = ("divisor", "mean", "std")


@dataclass(frozen=True)
class Scaling:
    """What ``divisor``, ``mean`` and ``std`` of an .npz say: numbers, or one of each channel."""

    divisor: Floats
    mean: Floats
    std: Floats

    @classmethod
    def of(cls, content: Arrays, channels: int) -> Scaling:
        """Raises ValueError without the file's name."""
        scale = []
        for name, default in zip(SCALING, (1.0, 0.0, 1.0), strict=True):
            value = np.asarray(content.get(name, default)).astype(np.float32).reshape(-1)
            if value.size not in (1, channels) or not np.isfinite(value).all():
                raise ValueError(f"{name} must be one number, or one of each channel")
            if name != "mean" and not value.all():
                raise ValueError(f"{name} must not be 0")
            scale.append(value)
        return cls(*scale)

    def __call__(self, raw: npt.NDArray[Any]) -> Floats:
        """``(raw / divisor - mean) / std`` of (n, h, w, c)."""
        scaled = (raw.astype(np.float32) / self.divisor - self.mean) / self.std
        return np.ascontiguousarray(scaled, np.float32)


def check_type(x: npt.NDArray[Any], file: Path) -> None:
    """Raises QuantizationError if an array that is the network's own input is of integers."""
    if np.issubdtype(x.dtype, np.integer):
        raise QuantizationError(
            f"samples in {file} are {x.dtype}: raw pixels; say how they become the network's input "
            "(--preprocess, or --mean and --std, for uint8), or give float32 scaled as it was "
            "trained, for example (x / 255 - mean) / std"
        )


def as_nhwc(
    x: npt.NDArray[Any], shape: tuple[int, ...], layout: str, file: Path
) -> npt.NDArray[Any]:
    """(n, h, w, c), no copy. Raises QuantizationError when it is not a model's input ``shape`` in
    ``layout``, and speaks of the order of dimensions that the user sees."""
    _, h, w, c = shape
    line = (c, w) if layout == "nchw" else (w, c)
    if x.ndim == 3 and x.shape[1:] in ((h, w) if c == 1 else line, line if h == 1 else ()):
        x = x.reshape(-1, *((c, h, w) if layout == "nchw" else (h, w, c)))  # a rank-3 input
    if x.ndim == 3:
        x = x[np.newaxis]
    if x.ndim == 2 and x.shape[1] == shape[1] * shape[2] * shape[3]:  # a flat input
        x = x.reshape(-1, *((c, h, w) if layout == "nchw" else (h, w, c)))
    if x.ndim != 4 or x.dtype.kind not in "iuf":
        raise QuantizationError(
            f"samples in {file} are {x.dtype} {x.shape}; they must be float (n, c, h, w)"
        )
    _, h, w, c = shape
    orders = {"nchw": (c, h, w), "nhwc": (h, w, c)}
    other = "nhwc" if layout == "nchw" else "nchw"
    if x.shape[1:] != orders[layout]:
        hint = "resize them to the model's input"
        if x.shape[2:] == orders[layout][1:] or x.shape[1:3] == (h, w):
            hint = f"the network's input has {c} channels"
        if x.shape[1:] == orders[other]:
            turn = "0, 3, 1, 2" if layout == "nchw" else "0, 2, 3, 1"
            hint = f"they are {other.upper()}: x.transpose({turn})"
        wanted = ", ".join(map(str, orders[layout]))
        raise QuantizationError(
            f"samples in {file} have shape {x.shape}; the model takes (n, {wanted}), "
            f"{layout.upper()}; {hint}"
        )
    return x.transpose(0, 2, 3, 1) if layout == "nchw" else x
