"""Channel parameters of the requantizer: this group's in use, the next group's on their way in."""

from amaranth import Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking
from accelgen.rtl.requantize.requantize_lane import aligned_param

__all__ = ["ChannelParams"]


class ChannelParams(wiring.Component):
    """Takes C parameters per group into a shift register and hands them over all at once.

    Fetching does not wait for a step's start: the stream holds what the next group needs, of this
    step or of a later one. A group takes C + 1 cycles to fetch; a shorter group waits for the next.

    Parameters
    ----------
    lanes, acc_bits : int
        Channels, bits of an accumulator.
    clocking : Clocking
        Of the lanes.

    Members
    -------
    i : In(stream of channel_param)
        C per group, in lane order.
    have : Out(1)
        ``o`` holds a group's parameters.
    take : In(1)
        Pulse: this cycle is the group's last. Only with ``have``.
    o : Out(array of aligned_param, C)
        Change on the same cycle for each beat, although the lane reads them one after another.
    """

    def __init__(self, *, lanes: int, acc_bits: int, clocking: Clocking = SINGLE_CLOCK):
        self.lanes = lanes
        self.acc_bits = acc_bits
        self.clocking = clocking
        super().__init__({
            "i": In(stream.Signature(layouts.channel_param())),
            "have": Out(1),
            "take": In(1),
            "o": Out(data.ArrayLayout(aligned_param(acc_bits), lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        lanes = self.lanes
        shape = data.StructLayout({
            "bias": signed(self.acc_bits),
            "multiplier": 17,
            "shift": 6,  # less one
        })

        count = Signal(range(lanes))
        full, load = Signal(), Signal()
        coming = [Signal(shape, name=f"coming{c}", reset_less=True) for c in range(lanes)]
        current = [Signal(shape, name=f"current{c}", reset_less=True) for c in range(lanes)]
        m.d.comb += [
            self.i.ready.eq(~full),
            load.eq(full & (self.take | ~self.have)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [
                count.eq(count + 1),
                full.eq(count == lanes - 1),
                coming[-1].bias.eq(self.i.p.bias),
                coming[-1].multiplier.eq(self.i.p.multiplier),
                coming[-1].shift.eq(self.i.p.shift - 1),
                *(coming[c].eq(coming[c + 1]) for c in range(lanes - 1)),
            ]
        with m.If(load):
            m.d.sync += [full.eq(0), self.have.eq(1)]
            m.d.sync += [now.eq(then) for now, then in zip(current, coming, strict=True)]
        with m.Elif(self.take):
            m.d.sync += self.have.eq(0)

        late = self.clocking.early
        for c, param in enumerate(current):
            m.d.comb += [
                self.o[c].bias.eq(delay(m, param.bias, late)),
                self.o[c].multiplier.eq(delay(m, param.multiplier, late + 1)),
                self.o[c].shift.eq(delay(m, param.shift, 3)),
            ]

        return m
