"""Requantize lane: one accumulator to one int8."""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

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
    ``acc_bits``. ``LATENCY`` cycles.

    Parameters
    ----------
    acc_bits : int
        Width of the accumulator; up to 27 take one DSP48E2.

    Members
    -------
    acc : In(signed(acc_bits))
    param : In(aligned_param)
        Parameters, each some cycles later than ``acc``.
    zero, low, high : In(signed(8))
        Static.
    result : Out(signed(8))
    """

    LATENCY = 1 + MULTIPLY_LATENCY + SaturatingShifter.LATENCY + 2

    def __init__(self, acc_bits: int):
        self.acc_bits = acc_bits
        super().__init__({
            "acc": In(signed(acc_bits)),
            "param": In(aligned_param(acc_bits)),
            "zero": In(signed(8)),
            "low": In(signed(8)),
            "high": In(signed(8)),
            "result": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        acc_bits = self.acc_bits

        # Cycles 1 to 4: bias and multiplier.
        scaled = multiply_add(
            m, platform, "scale", self.acc, self.param.multiplier,
            preadd=self.param.bias, bits=acc_bits + 17,
        ).value  # fmt: skip

        # Cycles 5 to 7: all but the last bit of the shift.
        m.submodules.shifter = shifter = SaturatingShifter(len(scaled))
        m.d.comb += [
            shifter.value.eq(scaled),
            shifter.coarse.eq(self.param.coarse),
            shifter.middle.eq(self.param.middle),
            shifter.fine.eq(self.param.fine),
        ]

        # Cycle 8: round by adding 1 in front of the last bit, and the zero point with it.
        # (x + (1 << (s - 1))) >> s == ((x >> (s - 1)) + 1) >> 1.
        rounded = Signal(signed(11), reset_less=True)
        m.d.sync += rounded.eq((shifter.result + Cat(1, self.zero).as_signed()) >> 1)

        # Cycle 9: clamp.
        result = Signal(signed(8), reset_less=True)
        m.d.sync += result.eq(rounded)
        with m.If(rounded < self.low):
            m.d.sync += result.eq(self.low)
        with m.If(rounded > self.high):
            m.d.sync += result.eq(self.high)
        m.d.comb += self.result.eq(result)

        return m
