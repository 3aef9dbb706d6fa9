"""Accumulator's adder: restart, add, carry in, in one carry chain."""

from amaranth import Cat, Const, Module, Mux, Signal, Value

__all__ = ["accumulate"]


def accumulate(m: Module, acc: Signal, addend: Value, *, carry: Value, restart: Value) -> Value:
    """Next value of ``acc``: (0 with ``restart``, else ``acc``) + ``addend`` + ``carry``.

    ``addend`` is sign-extended, the sum wraps. One LUT per bit.
    """
    extended = Signal.like(acc, name=f"{acc.name}_addend")
    before = Signal.like(acc, name=f"{acc.name}_before")
    m.d.comb += [extended.eq(addend), before.eq(Mux(restart, 0, acc))]
    # A bit below the others makes the carry. Written as a subtraction, because synthesis leaves its
    # operands in place: the addend goes straight into the carry chain, and the gate in front
    # of the accumulator into the LUT that is there anyway.
    return (Cat(carry, extended) - Cat(Const(1, 1), ~before))[1 : len(acc) + 1]
