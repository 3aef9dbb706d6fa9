"""Packed operands: two numbers in one multiplier's operand, two sums in its result."""

from amaranth import Cat, Const, Value

__all__ = ["pack", "unpack"]


def pack(a0: Value, a1: Value, *, field: int) -> Value:
    """``(a1 << field) + a0`` of two signed numbers, without an adder as wide.

    A negative ``a0`` borrows 1 from the upper field. ``field + len(a1) + 1`` bits.
    """
    upper = (a1 - a0[-1])[: len(a1) + 1]
    return Cat(a0, a0[-1].replicate(field - len(a0)), upper)


def unpack(total: Value, *, field: int) -> list[tuple[Value, Value]]:
    """The two sums in ``total``, each as (signed number, carry to add to it).

    The lower is exact; the upper lacks 1 when the lower is negative. Right as long as the lower
    fits ``field`` bits with its sign.
    """
    low, high = total[:field], total[field:]
    return [(low.as_signed(), Const(0, 1)), (high.as_signed(), low[-1])]
