"""Weighted sum: two pixels by two static multipliers, in LUTs."""

from amaranth import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking

__all__ = ["SUM_BITS", "Multiples", "WeightedSum", "multiples_layout", "weighted_sum_latency"]

#: Two products of 8 and 18 bits, and with an offset of 32 bits.
_PRODUCT_BITS, SUM_BITS = 26, 33
_PIXEL_BITS = 8
#: Eight numbers are added two at a time.
_LEVELS = 3


def multiples_layout() -> data.StructLayout:
    """What a bit of ``a`` (as 1) and of ``b`` (as 2) choose from; with the highest one, which
    counts negative, comes the offset."""
    return data.StructLayout({
        "bit": data.ArrayLayout(signed(19), 4),
        "highest": data.ArrayLayout(signed(SUM_BITS), 4),
    })  # fmt: skip


def weighted_sum_latency(clocking: Clocking) -> int:
    """WeightedSum: pixels to their sum, in cycles of its lanes' clock."""
    return _LEVELS + _parts(clocking) - 1


def _part_bits(clocking: Clocking) -> int:
    """Bits of one carry chain: half as many at twice the clock."""
    return _PRODUCT_BITS // clocking.turns


def _parts(clocking: Clocking) -> int:
    return -(-SUM_BITS // _part_bits(clocking))


class Multiples(wiring.Component):
    """Sums of the multipliers for all weighted sums: ``i * multiplier_a + j * multiplier_b``.

    Out of registers of the lanes' clock. What changes is there two cycles of the fabric later.

    Parameters
    ----------
    clocking : Clocking

    Members
    -------
    multiplier_a, multiplier_b, offset : In(signed)
        Static.
    o : Out(multiples)
        For i and j of 0 and 1, at i + 2 j; ``highest``: the offset less 128 times that.
    """

    def __init__(self, *, clocking: Clocking = SINGLE_CLOCK):
        self.clocking = clocking
        super().__init__({
            "multiplier_a": In(signed(18)),
            "multiplier_b": In(signed(18)),
            "offset": In(signed(32)),
            "o": Out(multiples_layout()),
        })

    def elaborate(self, platform):
        m = Module()

        static = Signal(self.o.shape(), reset_less=True)
        a, b = self.multiplier_a, self.multiplier_b
        for n, multiple in enumerate((Const(0), a, b, a + b)):
            m.d.sync += [
                static.bit[n].eq(multiple),
                static.highest[n].eq(self.offset - (multiple << _PIXEL_BITS - 1)),
            ]
        m.d.comb += self.o.eq(delay(m, static, self.clocking.early, domain=self.clocking.domain))

        return m


class WeightedSum(wiring.Component):
    """``a * multiplier_a + b * multiplier_b + offset``, one sum per cycle of the lanes' clock.

    Multipliers are static, so bit n of both pixels chooses one of four :class:`Multiples`, a LUT
    for each of its bits. The eight numbers are added two at a time, the second of two in the
    adder's own LUTs. Each sum is cut into parts, a cycle after another, so that carry chains stay
    short: the first part is of the bits below 26, or 13 at twice the clock, where the chain may be
    half as long. ``weighted_sum_latency`` cycles, which with the clock's change are those of two
    multipliers in a cascade.

    Parameters
    ----------
    clocking : Clocking
        Of all registers.

    Members
    -------
    multiples : In(multiples)
        Static.
    a, b : In(signed(8))
    total : Out(signed(SUM_BITS))
    """

    def __init__(self, *, clocking: Clocking = SINGLE_CLOCK):
        self.clocking = clocking
        super().__init__({
            "multiples": In(multiples_layout()),
            "a": In(signed(_PIXEL_BITS)),
            "b": In(signed(_PIXEL_BITS)),
            "total": Out(signed(SUM_BITS)),
        })

    def elaborate(self, platform):
        m = Module()

        # Bit n counts 2**n; of two the one that counts more is in the adder's LUTs. The highest
        # brings the offset, of more bits than those below.
        chosen = [self._chosen(m, n) for n in range(_PIXEL_BITS)]
        pairs = [self._add(m, f"pair{n}", chosen[n], chosen[n + 1], bits=n + 21) for n in (0, 2, 4)]
        pairs.append(self._add(m, "pair6", chosen[7], chosen[6], bits=SUM_BITS))
        low = self._add(m, "low", pairs[0], pairs[1], bits=23)
        high = self._add(m, "high", pairs[3], pairs[2], bits=SUM_BITS)
        total = self._add(m, "total", high, low, bits=SUM_BITS)
        late = reversed(range(len(total)))
        m.d.comb += self.total.eq(Cat(
            delay(m, part, cycles, domain=self.clocking.domain)
            for part, cycles in zip(total, late, strict=True)
        ))  # fmt: skip

        return m

    def _chosen(self, m, n):
        """Parts of the number that bit ``n`` of both pixels chooses, ``2**n`` times."""
        highest = n == _PIXEL_BITS - 1
        options = [
            Value.cast(self.multiples.highest[k]) if highest
            else Cat(Const(0, n), self.multiples.bit[k])
            for k in range(4)
        ]  # fmt: skip
        size = _part_bits(self.clocking)
        parts: list[Value] = []
        for start in range(0, len(options[0]), size):
            select = delay(m, Cat(self.a[n], self.b[n]), len(parts), domain=self.clocking.domain)
            part = Signal(min(size, len(options[0]) - start), name=f"bit{n}_part{len(parts)}")
            with m.Switch(select):
                for k, option in enumerate(options):
                    with m.Case(k):
                        m.d.comb += part.eq(option[start : start + size])
            parts.append(part)
        return parts

    def _add(self, m, name, one, other, *, bits):
        """Registers of the parts of a sum of ``bits``, each a cycle after the one before it."""
        domain, size = self.clocking.domain, _part_bits(self.clocking)
        parts: list[Value] = []
        carry: Value = Const(0, 1)
        for n, start in enumerate(range(0, bits, size)):
            width = min(size, bits - start)
            x, y = (self._part(m, number, n, width) for number in (one, other))
            total = Signal(width + 1, name=f"{name}_part{n}", reset_less=True)
            m.d[domain] += total.eq(_chain(x, y, carry))
            parts.append(total[:width])
            carry = total[width]
        return parts

    def _part(self, m, number, n, width):
        """Part ``n`` of a signed number, in as many bits as it takes."""
        last = len(number) - 1
        part = number[n] if n <= last else number[last][-1]
        part = delay(m, part, max(0, n - last), domain=self.clocking.domain)
        return Cat(part, part[-1].replicate(width - len(part)))


def _chain(x: Value, y: Value, carry: Value) -> Value:
    """``x + y + carry`` and a carry out, ``y`` in the LUTs of the chain."""
    # A bit below the others makes the carry. Written as a subtraction, because synthesis leaves its
    # operands in place: `x` goes straight into the carry chain.
    one, zero = Const(1, 1), Const(0, 1)
    return (Cat(carry, x, zero) - Cat(one, ~y, one))[1 : len(x) + 2]
