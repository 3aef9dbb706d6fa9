"""Requantize lane: accumulators of one channel to int8."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.engine.double_pump import fast_domain, second_half, to_fabric, to_fast
from accelgen.rtl.engine.multiply_add import MULTIPLY_LATENCY, multiply_add
from accelgen.rtl.engine.shifter import SaturatingShifter

__all__ = ["RequantizeLane", "aligned_param"]


def aligned_param(acc_bits: int) -> data.StructLayout:
    """A channel's parameters, each as many cycles later than ``acc`` as in brackets."""
    return data.StructLayout({
        "bias": signed(acc_bits),  # (0)
        "multiplier": signed(18),  # (1)
        "coarse": 2,  # (4) bits 5:4 of shift - 1
        "middle": 2,  # (5) bits 3:2
        "fine": 2,  # (6) bits 1:0
    })


class RequantizeLane(wiring.Component):
    """``clamp(((acc + bias) * multiplier + half >> shift) + zero, low, high)``, every cycle.

    Bit-exact with :func:`accelgen.golden.arith.requantize` as long as ``acc + bias`` fits
    ``acc_bits``. ``LATENCY`` cycles, double-pumped or not.

    Parameters
    ----------
    acc_bits : int
        Width of the accumulator; up to 27 take one DSP48E2.
    pixels : int
        1, or 2 to share a double-pumped multiplier.

    Members
    -------
    clk2x : In(1)
        Twice the clock, in phase; only used for two pixels.
    acc : In(array of signed(acc_bits), pixels)
    param : In(aligned_param)
        Parameters, each some cycles later than ``acc``.
    zero, low, high : In(signed(8))
        Static.
    result : Out(array of signed(8), pixels)
    """

    LATENCY = 1 + MULTIPLY_LATENCY + SaturatingShifter.LATENCY + 2

    def __init__(self, acc_bits: int, *, pixels: int = 1):
        self.acc_bits = acc_bits
        self.pixels = pixels
        super().__init__({
            "clk2x": In(1),
            "acc": In(data.ArrayLayout(signed(acc_bits), pixels)),
            "param": In(aligned_param(acc_bits)),
            "zero": In(signed(8)),
            "low": In(signed(8)),
            "high": In(signed(8)),
            "result": Out(data.ArrayLayout(signed(8), pixels)),
        })

    def elaborate(self, platform):
        m = Module()

        # Cycles 1 to 4: bias and multiplier.
        scaled = (self._scale_double if self.pixels == 2 else self._scale)(m, platform)
        for pixel, value in enumerate(scaled):
            self._round(m, pixel, value)

        return m

    def _scale(self, m, platform):
        """The one product."""
        return [
            multiply_add(
                m, platform, "scale", self.acc[0], self.param.multiplier,
                preadd=self.param.bias, bits=self.acc_bits + 17,
            ).value
        ]  # fmt: skip

    def _scale_double(self, m, platform):
        """Both products, one after the other in the fast domain."""
        fast_domain(m, self.clk2x)
        acc = to_fast(m, self.acc[0], self.acc[1], second_half(m), name="acc")
        bias = Signal(signed(self.acc_bits), name="fast_bias", reset_less=True)
        m.d.fast += bias.eq(self.param.bias)
        product = multiply_add(
            m, platform, "scale", acc, self.param.multiplier,
            preadd=bias, bits=self.acc_bits + 17, domain="fast",
        ).value  # fmt: skip
        # The second product shows in an even cycle: one more, so that it meets the fabric's.
        late = Signal.like(product, name="late", reset_less=True)
        m.d.fast += late.eq(product)
        return to_fabric(m, late)

    def _round(self, m, pixel, scaled):
        """Cycles 5 to 9 of one pixel."""
        # Cycles 5 to 7: all but the last bit of the shift.
        m.submodules[f"shifter{pixel}"] = shifter = SaturatingShifter(len(scaled))
        m.d.comb += [
            shifter.value.eq(scaled),
            shifter.coarse.eq(self.param.coarse),
            shifter.middle.eq(self.param.middle),
            shifter.fine.eq(self.param.fine),
        ]

        # Cycle 8: round by adding 1 in front of the last bit, and the zero point with it.
        # (x + (1 << (s - 1))) >> s == ((x >> (s - 1)) + 1) >> 1.
        rounded = Signal(signed(11), name=f"rounded{pixel}", reset_less=True)
        m.d.sync += rounded.eq((shifter.result + Cat(1, self.zero).as_signed()) >> 1)

        # Cycle 9: clamp.
        result = Signal(signed(8), name=f"result{pixel}", reset_less=True)
        m.d.sync += result.eq(rounded)
        with m.If(rounded < self.low):
            m.d.sync += result.eq(self.low)
        with m.If(rounded > self.high):
            m.d.sync += result.eq(self.high)
        m.d.comb += self.result[pixel].eq(result)
