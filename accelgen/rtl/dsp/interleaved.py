"""Two accumulators in one: their additions take turns in the fast domain."""

from amaranth import Cat, Const, Module, Mux, Signal, Value

__all__ = ["interleaved_accumulator"]


def interleaved_accumulator(
    m: Module,
    name: str,
    *,
    bits: int,
    addend: Value,
    carry: Value,
    restart: Value,
    largest: Value | None = None,
    chained: Value | None = None,
) -> tuple[Value, Value]:
    """Accumulators of what ``addend`` is in even and in odd fast cycles.

    ``acc(t) = (0 with restart(t), else acc(t - 2)) + addend(t) + carry(t)``, wrapping at ``bits``;
    what comes in cycle t is in the result in cycle t + 2. An adder that is split in halves, one
    fast cycle apart, so that no carry chain is longer than half of ``bits``, and 2; one LUT per
    bit. Returns the result, and its lower half, which is there a cycle earlier.

    With ``largest`` (static) at 1, ``acc(t) = addend(t) + carry(t)`` with ``restart(t)``, else
    ``acc(t - 2)``. ``chained`` then has to be 0, and the same as ``addend`` else.

    Parameters
    ----------
    m : Module
        Has the domain ``fast``.
    name : str
        In front of the registers' names.
    bits : int
    addend, carry, restart : Value
        ``addend`` is signed, at most as wide as ``bits``.
    largest, chained : Value
        Both, or none.
    """
    largest = Const(0, 1) if largest is None else largest
    chained = addend if chained is None else chained
    low = bits // 2

    def register(value: Value, what: str) -> Signal:
        signal = Signal(Value.cast(value).shape(), name=f"{name}_{what}", reset_less=True)
        m.d.fast += signal.eq(value)
        return signal

    def add(what: str, addend: Value, chained: Value, carry: Value, restart: Value, width: int):
        """Registers of the sum and of its value before, and the carry out."""
        acc = Signal(width, name=f"{name}_{what}", reset_less=True)
        before = register(acc, f"{what}_before")
        terms = [
            Mux(largest, Mux(restart, a, b), a ^ (b & ~restart))
            for a, b in zip(_extended(addend, width), before, strict=True)
        ]
        total = _chain(_extended(chained, width), terms, carry)
        m.d.fast += acc.eq(total)
        return acc, before, total[width]

    early, low_acc, carry_out = add(
        "low", addend, chained, carry & (restart | ~largest), restart, low
    )
    high_acc, _, _ = add(
        "high",
        register(addend[low:].as_signed(), "addend_high"),
        register(chained[low:].as_signed(), "chained_high"),
        register(carry_out, "carry"),
        register(restart, "restart_high"),
        bits - low,
    )
    return Cat(low_acc, high_acc).as_signed(), early


def _extended(value: Value, width: int) -> list[Value]:
    """``width`` bits of a signed number."""
    return [value[min(n, len(value) - 1)] for n in range(width)]


def _chain(chained: list[Value], terms: list[Value], carry: Value) -> Value:
    """What a carry chain makes of ``carry`` and each bit's two inputs, and the carry out of it.

    ``terms`` are the XORs of both operands, ``chained`` is one of them.
    """
    other = Cat(c ^ t for c, t in zip(chained, terms, strict=True))
    # A bit below the others makes the carry. Written as a subtraction, because synthesis leaves its
    # operands in place: `chained` goes straight into the carry chain.
    operand = Cat(carry, *chained, Const(0, 1))
    return (operand - Cat(Const(1, 1), ~other, Const(1, 1)))[1 : len(terms) + 2]
