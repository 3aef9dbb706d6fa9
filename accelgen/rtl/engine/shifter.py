"""Shifter: a wide product down to the few bits that a clamp still tells apart."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SaturatingShifter"]


class SaturatingShifter(wiring.Component):
    """``result = saturate(value >> shift)`` for shifts 0 to 63, one value per cycle.

    Three stages of 4:1 multiplexers (by 16, 4 and 1), one LUT deep each. A stage keeps only the
    bits that the later ones can still bring down to ``out_bits``; what is lost above them is noted
    and saturates the result. ``LATENCY`` cycles.

    Parameters
    ----------
    width : int
        Bits of the value.
    out_bits : int
        Bits of the result.

    Members
    -------
    value : In(signed(width))
    coarse, middle, fine : In(2)
        Bits 5:4, 3:2 and 1:0 of the shift; ``coarse`` comes with ``value``, ``middle`` one and
        ``fine`` two cycles later.
    result : Out(signed(out_bits))
    """

    LATENCY = 3

    def __init__(self, width: int, *, out_bits: int = 10):
        self.width = width
        self.out_bits = out_bits
        super().__init__({
            "value": In(signed(width)),
            "coarse": In(2),
            "middle": In(2),
            "fine": In(2),
            "result": Out(signed(out_bits)),
        })

    def elaborate(self, platform):
        m = Module()

        never = Const(0, 1)
        value, negative, over = self._stage(
            m, "coarse", self.value, self.value[-1], never, self.coarse, 16, self.out_bits + 15
        )
        value, negative, over = self._stage(
            m, "middle", value, negative, over, self.middle, 4, self.out_bits + 3
        )
        self._stage(m, "fine", value, negative, over, self.fine, 1, self.out_bits)

        return m

    def _stage(self, m, name, value, negative, over, amount, unit, bits):
        """Low ``bits`` of ``value >> amount * unit``, with the sign and "does not fit"."""
        shifted = Signal(signed(bits), name=f"{name}_shifted")
        lost = Signal(name=f"{name}_lost")
        with m.Switch(amount):
            for n in range(4):
                kept = (
                    value[n * unit :].as_signed()
                    if n * unit < len(value)
                    else value[-1:].as_signed()
                )
                with m.Case(n):
                    m.d.comb += shifted.eq(kept)
                    if len(kept) > bits:
                        top = kept[bits - 1 :]
                        m.d.comb += lost.eq(top.any() & ~top.all())

        if unit == 1:
            most = Cat(~negative.replicate(bits - 1), negative)
            result = Signal(signed(bits), reset_less=True)
            m.d.sync += result.eq(Mux(over | lost, most.as_signed(), shifted))
            m.d.comb += self.result.eq(result)
            return None
        late = [
            Signal.like(s, name=f"{name}_{n}", reset_less=True)
            for n, s in (("value", shifted), ("negative", negative), ("over", over))
        ]
        m.d.sync += [late[0].eq(shifted), late[1].eq(negative), late[2].eq(over | lost)]
        return late
