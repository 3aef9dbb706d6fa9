"""Double pumping: a fast clock, twice the fabric's and in phase, for what is worth it.

The domain ``fast`` is the top's port ``clk2x``. A fabric cycle t holds fast cycles 2t and 2t + 1.
The two halves of what a fabric register holds in cycle t are in a fast register in cycles 2t + 1
and 2t + 2 (``to_fast``). Results that a fast register shows in an even and the next odd cycle
2t - 2 and 2t - 1 are in two fabric registers in cycle t (``to_fabric``). Both ways go from register
to register with nothing but a 2:1 multiplexer between.
"""

from amaranth import ClockDomain, Module, Mux, Shape, Signal, Value

__all__ = ["fast_domain", "second_half", "to_fabric", "to_fast", "turns"]


def turns(n: int, *, pumped: bool = True) -> list[int]:
    """Pixels that come one after the other at place ``n`` of what is pumped.

    The array's multipliers take pixels 4q and 4q + 1 together, then 4q + 2 and 4q + 3.
    """
    if not pumped:
        return [n]
    first = n // 2 * 4 + n % 2
    return [first, first + 2]


def fast_domain(m: Module, clk2x: Signal) -> None:
    """Give ``m`` and what is below it the domain ``fast``, clocked by ``clk2x``.

    The top does so, for all blocks; a bench does for its own. By the same signal, not one driven by
    it: simulators would see two clocks and a race.
    """
    domain = ClockDomain("fast", reset_less=True, local=True)
    domain.clk = clk2x
    m.domains += domain


def second_half(m: Module) -> Signal:
    """1 in odd fast cycles. A register of its own for each caller, so that none has many loads."""
    fabric, seen = Signal(), Signal()
    second = Signal(name="second_half", attrs={"keep": 1})
    m.d.sync += fabric.eq(~fabric)
    m.d.fast += [
        seen.eq(fabric),
        second.eq(fabric ^ seen),  # they differ in even cycles
    ]
    return second


def to_fast(m: Module, first: Value, second: Value, second_half: Value, *, name: str) -> Signal:
    """A fast register that shows ``first``, then ``second`` of each fabric cycle."""
    register = Signal(Shape.cast(first.shape()), name=name, reset_less=True)
    m.d.fast += register.eq(Mux(second_half, second, first))
    return register


def to_fabric(m: Module, value: Value, *, clear: Value | None = None) -> tuple[Signal, ...]:
    """Fabric registers of an even and the next odd fast cycle of ``value``; 0 with ``clear``."""
    shape = Shape.cast(value.shape())
    before = Signal(shape, name="before", reset_less=True)
    m.d.fast += before.eq(value)
    halves = tuple(Signal(shape, name=f"half{n}", reset_less=True) for n in range(2))
    for half, now in zip(halves, (before, value), strict=True):
        m.d.sync += half.eq(now)
        if clear is not None:
            with m.If(clear):
                m.d.sync += half.eq(0)
    return halves
