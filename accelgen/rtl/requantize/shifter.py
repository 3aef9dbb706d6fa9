"""Shifter: a wide number down to the few bits that a clamp still tells apart."""

from amaranth import Cat, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Shifter"]

#: Bits that one LUT compares with the sign, besides "they matter".
_COMPARED = 4


class Shifter(wiring.Component):
    """``result = value >> shift`` for shifts 0 to 63, one value per cycle of ``domain``.

    Three stages of 4:1 multiplexers (by 16, 4 and 1), one LUT deep each. A stage keeps only the
    bits that the later ones can still bring down to ``out_bits``. What is lost above them is found
    beside the multiplexers, a stage late, so that nothing here is deeper than two LUTs: ``over``
    says that the result does not fit, and then only ``negative`` is right. ``LATENCY`` cycles.

    Parameters
    ----------
    width : int
        Bits of the value.
    out_bits : int
        Bits of the result.
    domain : str
        Clock of all registers, and of the cycles spoken of.

    Members
    -------
    shift : In(6)
        A cycle before ``value``.
    value : In(signed(width))
    result : Out(signed(out_bits))
    negative : Out(1)
        The value was.
    over : Out(1)
        The result does not fit. A cycle late.
    """

    LATENCY = 3

    def __init__(self, width: int, *, out_bits: int, domain: str = "sync"):
        self.width = width
        self.out_bits = out_bits
        self.domain = domain
        super().__init__({
            "shift": In(6),
            "value": In(signed(width)),
            "result": Out(signed(out_bits)),
            "negative": Out(1),
            "over": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        shift, value, negative, over = self.shift, self.value, self.value[-1], None
        for name, unit in (("coarse", 16), ("middle", 4), ("fine", 1)):
            bits = self.out_bits + unit - 1
            amount = self._register(m, shift[-2:], f"{name}_amount")
            shift = self._register(m, shift[:-2], f"behind_{name}")
            shifted = Signal(signed(bits), name=f"{name}_shifted")
            with m.Switch(amount):
                for n in range(4):
                    with m.Case(n):
                        at = min(n * unit, len(value) - 1)
                        m.d.comb += shifted.eq(value[at:].as_signed())
            lost = self._lost(m, name, value, amount, unit, bits)
            if over is not None:
                lost = Cat(lost, over)
            value = self._register(m, shifted, name)
            negative = self._register(m, negative, f"{name}_negative")
            over = self._register(m, lost.any(), f"{name}_over")
        m.d.comb += [self.result.eq(value), self.negative.eq(negative), self.over.eq(over)]

        return m

    def _lost(self, m, name, value, amount, unit, bits):
        """Registers of which one is set when bits above the stage's result are not the sign."""
        sign, found = value[-1], []
        for n in range(4):
            # What matters to shifts by up to n units, and not to larger ones.
            start, end = n * unit + bits - 1, (n + 1) * unit + bits - 1
            end = len(value) - 1 if n == 3 else min(end, len(value) - 1)
            for at in range(start, end, _COMPARED):
                chunk = value[at : min(at + _COMPARED, end)]
                differ = (chunk ^ sign.replicate(len(chunk))).any() & (amount <= n)
                found.append(self._register(m, differ, f"{name}_lost{n}_{at}"))
        return Cat(found)

    def _register(self, m, value, name):
        register = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        m.d[self.domain] += register.eq(value)
        return register
