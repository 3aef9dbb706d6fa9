"""Delay lines."""

from amaranth import Module, Signal, Value, ValueCastable

__all__ = ["delay"]


def delay(m: Module, value, cycles: int, *, reset: bool = False, domain: str = "sync"):
    """``value`` as it was ``cycles`` cycles ago, through registers of ``m``'s ``domain``.

    Data by default: without reset, so that synthesis may use shift registers (SRL). ``reset`` is
    for valid bits and strobes, which then are 0 until the first ones arrive.
    """
    name = value.name if isinstance(value, Signal) else "delay"
    shape = value.shape() if isinstance(value, ValueCastable) else Value.cast(value).shape()
    for n in range(1, cycles + 1):
        later = Signal(shape, name=f"{name}_{n}", reset_less=not reset)
        m.d[domain] += later.eq(value)
        value = later
    return value
