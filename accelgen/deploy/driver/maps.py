"""Maps in the accelerator's own order, for a look at what a frame left in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["unpack_map"]


def unpack_map(raw: np.ndarray, place: Mapping[str, Any], lanes: int, pixels: int) -> np.ndarray:
    """Bytes of a map to int8 (h, w, c).

    Group g, word p, lane l is byte ``g * stride + p * lanes + l``; ``slots[g * lanes + l]`` is the
    channel there. ``pixels`` are the words of a row: where the place says ``phases``, pixel
    ``2 P k + 2 s + e`` is word s of row ``2 k + e``, the halves of odd rows swapped.
    """
    height, width, channels = place["shape"]
    words = raw.view(np.int8).reshape(place["groups"], place["stride"] // lanes, lanes)
    at = np.arange(height * width)
    if place.get("phases"):
        pair, inside = np.divmod(at, 2 * pixels)
        slot, odd = np.divmod(inside, 2)
        at = (2 * pair + odd) * pixels + (slot ^ odd * (pixels // 2))
    slots = np.asarray(place["slots"])
    where = np.empty(channels, np.int64)
    where[slots[slots >= 0]] = np.flatnonzero(slots >= 0)
    spread = words[:, at].swapaxes(0, 1).reshape(height * width, -1)
    return np.ascontiguousarray(spread[:, where]).reshape(height, width, channels)
