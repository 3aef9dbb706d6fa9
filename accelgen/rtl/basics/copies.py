"""Copies of a register, for a signal with too many loads."""

from amaranth import Module, Signal, Value

__all__ = ["copies"]


def copies(m: Module, value, count: int, *, name: str, domain: str = "sync") -> list[Signal]:
    """``count`` registers of ``value``, a cycle late, that synthesis must not take for one.

    For data and static settings: without reset.
    """
    shape = Value.cast(value).shape()
    registers = [
        Signal(shape, name=f"{name}_copy{n}", reset_less=True, attrs={"keep": 1})
        for n in range(count)
    ]
    m.d[domain] += [register.eq(value) for register in registers]
    return registers
