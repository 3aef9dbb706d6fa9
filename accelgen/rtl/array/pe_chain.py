"""PE chain: C multipliers in a row and the accumulators after them."""

from amaranth import Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking
from accelgen.rtl.dsp.multiply_add import multiply_add
from accelgen.rtl.dsp.packed import unpack

__all__ = ["FIELD_BITS", "PeChain", "operand_shape"]

#: Distance of the two pixels in a packed operand. A sum of 8 products of int8 x [-127, 127] is at
#: most 8 * 128 * 127 = 130048 < 2**17, so it fits the field with its sign.
FIELD_BITS = 18


def operand_shape(packed: bool):
    """What a multiplier takes at a time besides the weight: a pixel, or two."""
    return data.ArrayLayout(signed(8), 2 if packed else 1)


class PeChain(wiring.Component):
    """Products of C input lanes with one output lane's weights, summed over lanes and beats.

    A systolic column for a DSP48E2 cascade: multiplier k takes its operands k cycles after
    multiplier 0 (the caller delays them) and adds its product to the sum coming from k - 1.
    ``packed``, its pre-adder makes ``(a1 << 18) + a0`` of two pixels, so the sum is
    ``(s1 << 18) + s0``; it is split after the last multiplier, where s1 lacks 1 when s0 is
    negative. The pixels then come a cycle before the weight.

    The weight of multiplier 0 in cycle t is part of ``acc`` in cycle t + lanes + 3. Of the same
    beat, ``valid`` comes two cycles before, ``first`` one.
    Where there is no beat the last multiplier adds up to 0, so the accumulators need no enable.

    Double-pumped, all of it is in domain ``fast`` (dsp/double_pump.py): operands come
    there, first of pixels 0 and 1, then of pixels 2 and 3, a weight for both; lane k is k fast
    cycles late. The weight of the first is in fast cycle 2t + 1, and part of ``acc`` in fast cycle
    2v + 1, with v = t + lanes / 2 + 2; ``valid`` comes two fabric cycles before v, ``first`` one.

    Parameters
    ----------
    lanes, acc_bits : int
        Input channels, bits of an accumulator.
    packed : bool
        Two pixels share a weight in one multiplier.
    clocking : Clocking
        Of all of it. Double-pumped ones are packed.

    Members
    -------
    activations : In(array of operand_shape, C)
        Operand of input lane k, k cycles late.
    weights : In(array of signed(8), C)
        Weight of input lane k, k cycles late. In [-127, 127].
    valid : In(1)
        The sum that the last multiplier makes belongs to a beat.
    first : In(1)
        It starts a new accumulation. Only with a beat.
    acc : Out(array of signed(acc_bits), pixels of an operand)
        Accumulators.
    """

    def __init__(
        self, *, lanes: int, acc_bits: int, packed: bool, clocking: Clocking = SINGLE_CLOCK
    ):
        self.lanes = lanes
        self.acc_bits = acc_bits
        self.packed = packed
        self.clocking = clocking
        operand = operand_shape(packed)
        super().__init__({
            "activations": In(data.ArrayLayout(operand, lanes)),
            "weights": In(data.ArrayLayout(signed(8), lanes)),
            "valid": In(1),
            "first": In(1),
            "acc": Out(data.ArrayLayout(signed(acc_bits), operand.length)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, clocking = self.lanes, self.clocking

        # Double-pumped, the first sum shows in an odd cycle, what clears it one cycle earlier.
        valid = clocking.align(m, self.valid, 2)
        first = clocking.align(m, self.first, 1)

        total = None
        for k in range(lanes):
            operand, *upper = self.activations[k]
            low = None
            if upper:
                low, operand = operand, Signal(signed(9 + FIELD_BITS), name=f"upper{k}")
                m.d.comb += operand.eq(upper[0] << FIELD_BITS)
            # A bit more than a product's per doubling of the number of products.
            bits = len(operand) + 8 + k.bit_length()
            total = multiply_add(
                m, platform, f"lane{k}", operand, self.weights[k], bits=bits, preadd=low,
                cascade=total, clear=~valid if k == lanes - 1 else None,
                domain=clocking.domain,
            )  # fmt: skip

        sums: list[tuple[Value, Value]] = [(total.value, Const(0, 1))]
        if self.packed:
            sums = unpack(total.value, field=FIELD_BITS)
        for pixel, (addend, carry) in enumerate(sums):
            acc = clocking.accumulator(
                m, f"acc{pixel}", bits=self.acc_bits, addend=addend, fits=FIELD_BITS,
                carry=carry, restart=first,
            )  # fmt: skip
            m.d.comb += self.acc[pixel].eq(acc)

        return m
