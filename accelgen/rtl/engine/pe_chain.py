"""PE chain: C multipliers in a row and the accumulators behind them."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams

__all__ = ["FIELD_BITS", "PeChain", "operand_shape", "pixels_per_chain"]

#: Distance of the two pixels in a packed operand. A sum of 8 products of int8 x [-127, 127] is at
#: most 8 * 128 * 127 = 130048 < 2**17, so it fits the field with its sign.
FIELD_BITS = 18


def pixels_per_chain(arch: ArchParams) -> int:
    """Pixels that share a multiplier."""
    return 2 if arch.pe_mode == "packed" else 1


def operand_shape(arch: ArchParams):
    """What a multiplier takes besides the weight: a pixel, or two in 27 bits (DSP48E2's A)."""
    return signed(9 + FIELD_BITS) if arch.pe_mode == "packed" else signed(8)


class PeChain(wiring.Component):
    """Products of C input lanes with one output lane's weights, summed over lanes and beats.

    A systolic column for a DSP48E2 cascade: multiplier k takes its operands k cycles after
    multiplier 0 (the caller delays them) and adds its product to the sum coming from k - 1. In mode
    ``"packed"`` an operand is ``(a1 << 18) + a0``, so the sum is ``(s1 << 18) + s0``; it is split
    behind the last multiplier, where s1 lacks 1 when s0 is negative.

    Operands of multiplier 0 in cycle t are part of ``acc`` in cycle t + ``LATENCY``; ``valid`` and
    ``first`` belong to the same beat and come in cycle t + ``LATENCY`` - 1.

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
        The sum behind the last multiplier belongs to a beat.
    first : In(1)
        It starts a new accumulation.
    acc : Out(array of signed(acc_bits), pixels_per_chain)
        Accumulators; they hold while ``valid`` is low.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        # Operand register, product register, C sums, accumulator.
        self.latency = 3 + arch.lanes
        super().__init__({
            "activations": In(data.ArrayLayout(operand_shape(arch), arch.lanes)),
            "weights": In(data.ArrayLayout(signed(8), arch.lanes)),
            "valid": In(1),
            "first": In(1),
            "acc": Out(data.ArrayLayout(signed(arch.acc_bits), pixels_per_chain(arch))),
        })

    def elaborate(self, platform):
        m = Module()

        total = Const(0)
        for k in range(self.arch.lanes):
            a = Signal(operand_shape(self.arch), name=f"a{k}", reset_less=True)
            b = Signal(signed(8), name=f"b{k}", reset_less=True)
            product = Signal.like(a * b, name=f"product{k}", reset_less=True)
            # One bit more than a product per doubling of the number of products.
            bits = len(product) + k.bit_length()
            partial = Signal(signed(bits), name=f"sum{k}", reset_less=True)
            m.d.sync += [
                a.eq(self.activations[k]),
                b.eq(self.weights[k]),
                product.eq(a * b),
                partial.eq(product + total),
            ]
            total = partial

        sums = [(total, 0)]
        if self.arch.pe_mode == "packed":
            low, high = total[:FIELD_BITS], total[FIELD_BITS:]
            sums = [(low.as_signed(), 0), (high.as_signed(), low[-1])]
        for pixel, (addend, carry) in enumerate(sums):
            acc = Signal(signed(self.arch.acc_bits), name=f"acc{pixel}", reset_less=True)
            with m.If(self.valid):
                m.d.sync += acc.eq(self._accumulate(m, acc, addend, carry))
            m.d.comb += self.acc[pixel].eq(acc)

        return m

    def _accumulate(self, m, register, addend, carry):
        """``register`` (or 0) + ``addend`` + ``carry``, as one adder with a carry-in."""
        extended = Signal(signed(self.arch.acc_bits))
        before = Signal(signed(self.arch.acc_bits))
        m.d.comb += [
            extended.eq(addend),
            before.eq(Mux(self.first, 0, register)),
        ]
        if isinstance(carry, int):
            return before + extended
        # A bit below the others makes the carry: 1 + carry.
        return (Cat(Const(1, 1), before) + Cat(carry, extended))[1:]
