"""Requantize lane: accumulators of one channel to int8."""

from amaranth import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking
from accelgen.rtl.dsp.multiply_add import MULTIPLY_LATENCY, multiply_add
from accelgen.rtl.requantize.scale_down import ScaleDown

__all__ = ["RequantizeLane", "aligned_param"]


def aligned_param(acc_bits: int) -> data.StructLayout:
    """A channel's parameters, each as many fabric cycles later than its beat as in brackets.

    The second number is for double-pumped lanes.
    """
    return data.StructLayout({
        "bias": signed(acc_bits),  # (0, 1)
        "multiplier": signed(18),  # (1, 2)
        "shift": 6,  # (3, 3), less one
    })


class RequantizeLane(wiring.Component):
    """``clamp(((acc + bias) * multiplier + half >> shift) + zero, low, high)``, every cycle.

    Bit-exact with :func:`accelgen.golden.arith.requantize` as long as ``acc + bias`` fits
    ``acc_bits``. ``LATENCY`` cycles. Double-pumped, all of it is in the domain ``fast``, and the
    first of both accumulators of a beat in fabric cycle t is at ``acc`` in fast cycle 2t + 3.

    Parameters
    ----------
    acc_bits : int
        Width of the accumulator; up to 27 take one DSP48E2.
    clocking : Clocking
        Double-pumped, two accumulators per fabric cycle.

    Members
    -------
    acc : In(signed(acc_bits))
    param : In(aligned_param)
    zero, low, high : In(signed(8))
        Static.
    wrap : In(1)
        Static. Nothing is clamped: the lowest 8 bits.
    result : Out(signed(8))
    """

    LATENCY = 1 + MULTIPLY_LATENCY + ScaleDown.LATENCY

    def __init__(self, acc_bits: int, *, clocking: Clocking = SINGLE_CLOCK):
        self.acc_bits = acc_bits
        self.clocking = clocking
        super().__init__({
            "acc": In(signed(acc_bits)),
            "param": In(aligned_param(acc_bits)),
            "zero": In(signed(8)),
            "low": In(signed(8)),
            "high": In(signed(8)),
            "wrap": In(1),
            "result": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()

        domain = self.clocking.domain
        # Double-pumped, the first accumulator comes in an odd cycle, a fabric cycle's second.
        bias = self.clocking.align(m, self.param.bias, 1, name="fast_bias")
        scaled = multiply_add(
            m, platform, "scale", self.acc, self.param.multiplier,
            preadd=bias, bits=self.acc_bits + 17, domain=domain,
        ).value  # fmt: skip

        m.submodules.down = down = ScaleDown(len(scaled), rounded=True, domain=domain)
        m.d.comb += [
            down.value.eq(scaled),
            down.shift.eq(self.param.shift),
            down.zero.eq(self.zero),
            down.low.eq(self.low),
            down.high.eq(self.high),
            down.wrap.eq(self.wrap),
            self.result.eq(down.result),
        ]

        return m
