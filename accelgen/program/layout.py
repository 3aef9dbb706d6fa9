"""Tensors in DDR: numpy arrays to and from the feature memory's order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.program.records import Placement

__all__ = ["dense_slots", "in_phases", "pack_tensor", "rows_of", "unpack_tensor"]

Int8 = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]


def dense_slots(channels: int, lanes: int) -> tuple[int, ...]:
    """Channels in order, gaps only after the last: what a tensor has unless a concat differs."""
    return tuple(c if c < channels else -1 for c in range(-(-channels // lanes) * lanes))


def rows_of(height: int, width: int, pixels: int, *, phases: bool = False) -> int:
    """Feature rows of one channel group; pairs when it is stored in phases."""
    unit = 2 if phases else 1
    return -(-height * width // (unit * pixels)) * unit


def in_phases(pixel: Ints, pixels: int) -> Ints:
    """Words at which a map in phases has its (linear) pixels ``pixel``.

    Pixel ``2 P k + 2 s + e`` (e 0 or 1, s < P) is word s of row ``2 k + e``; in odd rows the two
    halves of words are swapped.
    """
    pair, place = np.divmod(pixel, 2 * pixels)
    slot, odd = np.divmod(place, 2)
    words: Ints = (2 * pair + odd) * pixels + (slot ^ odd * (pixels // 2))
    return words


def pack_tensor(array: Int8, placement: Placement, arch: ArchParams) -> bytes:
    """Bytes of ``array`` (h, w, c) at ``placement.offset``: group g, pixel p, lane l at
    ``g * stride + p * lanes + l``. Gaps and the tail of each group are zero.

    Of a folded input (``placement.shape`` is (h, w / n, n * c)) either shape is taken.

    Raises
    ------
    ValueError
        The array's shape or type is not the placement's.
    """
    array = np.asarray(array)
    h, w, c = placement.shape
    fold = c // array.shape[-1] if array.ndim == 3 and array.shape[-1] else 0
    if array.shape != (h, w * fold, c // max(fold, 1)) or array.dtype != np.int8:
        raise ValueError(
            f"tensor {placement.tensor!r} takes int8 {placement.shape},"
            f" not {array.dtype} {array.shape}"
        )
    lanes = arch.lanes
    slots = np.asarray(placement.slots)
    pixels = array.reshape(-1, c)
    spread = np.where(slots >= 0, pixels[:, np.maximum(slots, 0)], np.int8(0))
    out = np.zeros((placement.groups, placement.stride // lanes, lanes), np.int8)
    out[:, : len(pixels)] = spread.reshape(len(pixels), placement.groups, lanes).swapaxes(0, 1)
    return out.tobytes()


def unpack_tensor(
    data: bytes | bytearray | memoryview, placement: Placement, arch: ArchParams
) -> Int8:
    """Inverse of :func:`pack_tensor`: ``placement.size_bytes`` bytes to an (h, w, c) array."""
    h, w, c = placement.shape
    raw = np.frombuffer(data, np.int8, placement.size_bytes)
    words = raw.reshape(placement.groups, placement.stride // arch.lanes, arch.lanes)
    at = np.arange(h * w)
    words = words[:, in_phases(at, arch.pixels) if placement.phases else at]
    spread = words.swapaxes(0, 1).reshape(h * w, placement.groups * arch.lanes)
    where = np.empty(c, np.int64)
    for slot, channel in enumerate(placement.slots):
        if channel >= 0:
            where[channel] = slot
    result: Int8 = np.ascontiguousarray(spread[:, where]).reshape(h, w, c)
    return result
