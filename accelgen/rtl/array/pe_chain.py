"""PE chain: C multipliers in a row and the accumulators after them."""

from amaranth import Const, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.accumulate import accumulate
from accelgen.rtl.dsp.interleaved import interleaved_accumulator
from accelgen.rtl.dsp.multiply_add import multiply_add
from accelgen.rtl.dsp.packed import unpack

__all__ = ["FIELD_BITS", "PeChain", "operand_shape"]

#: Distance of the two pixels in a packed operand. A sum of 8 products of int8 x [-127, 127] is at
#: most 8 * 128 * 127 = 130048 < 2**17, so it fits the field with its sign.
FIELD_BITS = 18


def operand_shape(arch: ArchParams):
    """What a multiplier takes at a time besides the weight: a pixel, or two."""
    return data.ArrayLayout(signed(8), 1 if arch.pe_mode == "single" else 2)


class PeChain(wiring.Component):
    """Products of C input lanes with one output lane's weights, summed over lanes and beats.

    A systolic column for a DSP48E2 cascade: multiplier k takes its operands k cycles after
    multiplier 0 (the caller delays them) and adds its product to the sum coming from k - 1. In mode
    ``"packed"`` its pre-adder makes ``(a1 << 18) + a0`` of two pixels, so the sum is
    ``(s1 << 18) + s0``; it is split after the last multiplier, where s1 lacks 1 when s0 is
    negative. The pixels then come a cycle before the weight.

    The weight of multiplier 0 in cycle t is part of ``acc`` in cycle t + lanes + 3. Of the same
    beat, ``valid`` comes two cycles before, ``first`` one.
    Where there is no beat the last multiplier adds up to 0, so the accumulators need no enable.

    In mode ``"double"`` all of it is in domain ``fast`` (dsp/double_pump.py): operands come
    there, first of pixels 0 and 1, then of pixels 2 and 3, a weight for both; lane k is k fast
    cycles late. The weight of the first is in fast cycle 2t + 1, and part of ``acc`` in fast cycle
    2v + 1, with v = t + lanes / 2 + 2; ``valid`` comes two fabric cycles before v, ``first`` one.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``pe_mode`` and ``acc_bits``.

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
    acc : Out(array of signed(acc_bits), pixels that share a multiplier at a time)
        Accumulators.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "activations": In(data.ArrayLayout(operand_shape(arch), arch.lanes)),
            "weights": In(data.ArrayLayout(signed(8), arch.lanes)),
            "valid": In(1),
            "first": In(1),
            "acc": Out(data.ArrayLayout(signed(arch.acc_bits), arch.pe_pixels // arch.lane_pixels)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes, double = self.arch.lanes, self.arch.pumped

        valid, first = self.valid, self.first
        if double:
            # The first sum shows in an odd cycle, what clears it one cycle earlier.
            valid = delay(m, valid, 2, domain="fast")
            first = delay(m, first, 1, domain="fast")

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
                domain="fast" if double else "sync",
            )  # fmt: skip

        sums = [(total.value, Const(0, 1))]
        if self.arch.pe_mode != "single":
            sums = unpack(total.value, field=FIELD_BITS)
        for pixel, (addend, carry) in enumerate(sums):
            if double:
                acc, _ = interleaved_accumulator(
                    m, f"acc{pixel}", bits=self.arch.acc_bits,
                    addend=addend[:FIELD_BITS].as_signed(), carry=carry, restart=first,
                )  # fmt: skip
            else:
                acc = Signal(signed(self.arch.acc_bits), name=f"acc{pixel}", reset_less=True)
                m.d.sync += acc.eq(accumulate(m, acc, addend, carry=carry, restart=first))
            m.d.comb += self.acc[pixel].eq(acc)

        return m
