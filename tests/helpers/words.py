"""Arrays of small integers in and out of one wide one, quickly: a bench does it every cycle."""

import numpy as np

__all__ = ["join", "split"]


def join(values, bits: int) -> int:
    """Integers of ``bits`` bits each (flattened, the first lowest) as one number."""
    values = np.asarray(values, np.int64).ravel()
    each = ((values[:, None] >> np.arange(bits)) & 1).astype(np.uint8)
    return int.from_bytes(np.packbits(each.ravel(), bitorder="little").tobytes(), "little")


def split(number: int, bits: int, shape: tuple[int, ...], *, signed: bool = True) -> np.ndarray:
    """Inverse of :func:`join`, as int64 of ``shape``."""
    count = int(np.prod(shape))
    raw = np.frombuffer(
        (number & ((1 << (bits * count)) - 1)).to_bytes((bits * count + 7) // 8, "little"), np.uint8
    )
    each = np.unpackbits(raw, bitorder="little")[: bits * count].reshape(count, bits)
    values = each.astype(np.int64) @ (np.int64(1) << np.arange(bits, dtype=np.int64))
    if signed:
        values -= (values >> (bits - 1)) << bits
    return values.reshape(shape)
