"""Double pumping: a fast clock, twice the fabric's and in phase, for what is worth it.

The domain ``fast`` is the top's port ``clk2x``. A fabric cycle t holds fast cycles 2t and 2t + 1.
The two halves of what a fabric register holds in cycle t are in a fast register in cycles 2t + 1
and 2t + 2 (``to_fast``). Results that a fast register shows in an even and the next odd cycle
2t - 2 and 2t - 1 are in two fabric registers in cycle t (``to_fabric``). Both ways go from register
to register with nothing but a 2:1 multiplexer between.

Blocks do not ask whether they are double-pumped: they are given a :class:`Clocking`, which says
what their lanes are clocked by and takes values in and out. Where the hardware differs by more than
that, a block has a subclass; ``datapath`` chooses both.
"""

from collections.abc import Callable, Sequence

from amaranth import ClockDomain, Module, Mux, Shape, Signal, Value, signed

from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.accumulate import accumulate
from accelgen.rtl.dsp.interleaved import interleaved_accumulator

__all__ = [
    "DOUBLE_PUMPED", "SINGLE_CLOCK", "Clocking", "DoublePump", "fast_domain", "second_half",
    "to_fabric", "to_fast",
]  # fmt: skip


class Clocking:
    """How a block's lanes are clocked. This one: by the fabric's clock.

    A lane has ``turns`` values per fabric cycle, one after another. Those that come in by
    ``entrance`` are ``early`` cycles of ``domain`` ahead of what a fabric register holds for all of
    them a cycle later.

    Attributes
    ----------
    pumped : bool
        For the latencies in ``arch.timing``.
    domain : str
        Clock of the lanes.
    turns, early : int
    """

    pumped = False
    domain = "sync"
    turns = 1
    early = 0

    def pixels(self, n: int) -> list[int]:
        """Pixels that come one after the other at place ``n`` of what is side by side."""
        return [n]

    def entrance(self, m: Module) -> Callable[[Sequence[Value], str], Value]:
        """A function of ``turns`` values, and a name, that gives what a lane sees of them."""
        return lambda values, name: values[0]

    def leave(self, m: Module, value: Value) -> tuple[Value, ...]:
        """The ``turns`` values of a lane in a fabric cycle, side by side."""
        return (value,)

    def align(self, m: Module, value: Value, cycles: int, *, name: str | None = None) -> Value:
        """What a fabric register holds for all turns, ``cycles`` fast cycles later, so that it
        meets the first of them. Without a fast clock both come together."""
        return value

    def accumulator(
        self, m: Module, name: str, *, bits: int, addend: Value, fits: int, carry: Value,
        restart: Value,
    ) -> Value:  # fmt: skip
        """``acc = (0 with restart, else acc) + addend + carry`` of each turn, wrapping at ``bits``.
        The signed ``addend`` is a number of ``fits`` bits, however wide."""
        acc = Signal(signed(bits), name=name, reset_less=True)
        m.d.sync += acc.eq(accumulate(m, acc, addend, carry=carry, restart=restart))
        return acc


class DoublePump(Clocking):
    """By the fast clock, on two values per fabric cycle.

    The values of fabric cycle t enter in fast cycles 2t + 1 and 2t + 2; what leaves in fabric cycle
    t was there in fast cycles 2t - 2 and 2t - 1.
    """

    pumped = True
    domain = "fast"
    turns = 2
    early = 1

    def pixels(self, n: int) -> list[int]:
        """The array's multipliers take pixels 4q and 4q + 1 together, then 4q + 2 and 4q + 3."""
        first = n // 2 * 4 + n % 2
        return [first, first + 2]

    def entrance(self, m: Module) -> Callable[[Sequence[Value], str], Value]:
        second = second_half(m)
        return lambda values, name: to_fast(m, values[0], values[1], second, name=name)

    def leave(self, m: Module, value: Value) -> tuple[Value, ...]:
        return to_fabric(m, value)

    def align(self, m: Module, value: Value, cycles: int, *, name: str | None = None) -> Value:
        if name is None:
            return delay(m, value, cycles, domain="fast")
        assert cycles == 1
        register = Signal(Shape.cast(value.shape()), name=name, reset_less=True)
        m.d.fast += register.eq(value)
        return register

    def accumulator(
        self, m: Module, name: str, *, bits: int, addend: Value, fits: int, carry: Value,
        restart: Value,
    ) -> Value:  # fmt: skip
        acc, _ = interleaved_accumulator(
            m, name, bits=bits, addend=addend[:fits].as_signed(), carry=carry, restart=restart
        )
        return acc


#: One of each: they have no state.
SINGLE_CLOCK, DOUBLE_PUMPED = Clocking(), DoublePump()


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
