"""Scale down: a wide sum to an int8, by a shift, a zero point and a clamp."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.basics.delay import delay
from accelgen.rtl.requantize.shifter import Shifter

__all__ = ["ScaleDown"]


class ScaleDown(wiring.Component):
    """``clamp((value >> shift) + zero, low, high)``, one value per cycle of ``domain``.

    With ``rounded``: ``clamp((value + (1 << shift) >> shift + 1) + zero, low, high)``, which rounds
    half up; the shift is then one more than said. With ``wrap`` nothing is clamped: the lowest 8
    bits. ``LATENCY`` cycles.

    Parameters
    ----------
    width : int
        Bits of the value.
    rounded : bool
    domain : str
        Clock of all registers, and of the cycles spoken of. Two LUTs deep, and carry chains of at
        most 12 bits, so that it may be the fast one.

    Members
    -------
    shift : In(6)
        A cycle before ``value``.
    value : In(signed(width))
    zero, low, high : In(signed(8))
        Static.
    wrap : In(1)
        Static.
    result : Out(signed(8))
    """

    LATENCY = Shifter.LATENCY + 3

    def __init__(self, width: int, *, rounded: bool, domain: str = "sync"):
        self.width = width
        self.rounded = rounded
        self.domain = domain
        super().__init__({
            "shift": In(6),
            "value": In(signed(width)),
            "zero": In(signed(8)),
            "low": In(signed(8)),
            "high": In(signed(8)),
            "wrap": In(1),
            "result": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()

        # Nine bits with any zero point tell whether the sum is an int8; one more to round.
        m.submodules.shifter = shifter = Shifter(
            self.width, out_bits=9 + self.rounded, domain=self.domain
        )
        m.d.comb += [shifter.shift.eq(self.shift), shifter.value.eq(self.value)]

        # Cycle 4: round by adding 1 in front of the last bit, and the zero point with it.
        # (x + (1 << (s - 1))) >> s == ((x >> (s - 1)) + 1) >> 1.
        zero, low, high, wrap = (
            delay(m, value, 1, domain=self.domain)
            for value in (self.zero, self.low, self.high, self.wrap)
        )
        moved = shifter.result + zero
        if self.rounded:
            moved = (shifter.result + Cat(1, zero).as_signed()) >> 1
        total = Signal(signed(10), reset_less=True)
        negative, over = Signal(reset_less=True), Signal(reset_less=True)
        m.d[self.domain] += [
            total.eq(moved),
            negative.eq(shifter.negative),
        ]
        m.d.comb += over.eq(shifter.over)

        # Cycle 5: compare, by subtractions: comparators are not mapped to carry chains.
        below, above = Signal(reset_less=True), Signal(reset_less=True)
        held = Signal(signed(8), reset_less=True)
        m.d[self.domain] += [
            below.eq(Mux(over, negative, (total - low)[-1]) & ~wrap),
            above.eq(Mux(over, ~negative, (high - total)[-1]) & ~wrap),
            held.eq(total),
        ]

        # Cycle 6: clamp.
        result = Signal(signed(8), reset_less=True)
        m.d[self.domain] += result.eq(Mux(below, low, Mux(above, high, held)))
        m.d.comb += self.result.eq(result)

        return m
