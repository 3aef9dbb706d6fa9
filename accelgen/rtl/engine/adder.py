"""Adder: the residual joins the chain's pixels."""

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.engine.beat_counter import BeatCounter
from accelgen.rtl.engine.multiply_add import MULTIPLY_LATENCY, multiply_add
from accelgen.rtl.engine.shifter import SaturatingShifter
from accelgen.rtl.streams.credit_queue import CreditQueue
from accelgen.rtl.streams.delay import delay

__all__ = ["Adder"]

#: Covers the pipeline at full rate; a LUT RAM is as deep.
QUEUE_DEPTH = 32


class Adder(wiring.Component):
    """``y = clamp(((a * multiplier_a + b * multiplier_b + offset) >> shift) + zero, low, high)``.

    ``a`` is the chain's pixel, ``b`` the residual's (ir.ops.QAdd; fields ``add_*`` of the step).
    Without ``step.add`` pixels pass unchanged and no residual is taken. A beat every cycle;
    ``timing.ADD_LATENCY`` from beat to beat, ``timing.PASS_LATENCY`` for pixels that pass.

    Parameters
    ----------
    arch : ArchParams
        Uses ``lanes``, ``pixels`` and ``chain_pixels``.

    Members
    -------
    step : In(fields of isa.EXEC)
        Static from ``start`` until the step's last pixel has left.
    start : In(1)
        Pulse before a step's first beat.
    residual : In(stream of row)
        ``ceil(out_pixels / P)`` rows per group.
    i : In(stream of pixels)
        ``ceil(out_pixels / W)`` beats per group.
    o : Out(stream of pixels)
        As many. Comes out of registers.
    """

    LATENCY = timing.ADD_LATENCY

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "residual": In(stream.Signature(layouts.row(arch))),
            "i": In(stream.Signature(layouts.pixels(arch))),
            "o": Out(stream.Signature(layouts.pixels(arch))),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.arch.chain_pixels

        m.submodules.counter = counter = BeatCounter(self.arch)
        m.submodules.queue = queue = CreditQueue(layouts.pixels(self.arch), depth=QUEUE_DEPTH)
        connect(m, queue.o, flipped(self.o))

        accept = Signal()
        residual = Signal(layouts.pixels(self.arch))
        m.d.comb += [
            self.i.ready.eq(queue.room & (self.residual.valid | ~self.step.add)),
            accept.eq(self.i.valid & self.i.ready),
            queue.reserve.eq(accept),
            self.residual.ready.eq(accept & self.step.add & counter.row_ends),
            residual.eq(
                Value.cast(self.residual.payload).word_select(
                    counter.slot, len(residual.as_value())
                )
            ),
            counter.pixels.eq(self.step.out_pixels),
            counter.start.eq(self.start),
            counter.advance.eq(accept),
        ]

        # Nothing of a step that passes may be left in here when one that adds follows.
        added = delay(m, accept & self.step.add, _Lane.LATENCY, reset=True)
        m.d.comb += queue.i.valid.eq(Mux(self.step.add, added, accept))
        for p in range(width):
            for c in range(self.arch.lanes):
                m.submodules[f"lane{p}_{c}"] = lane = _Lane()
                m.d.comb += [
                    lane.multiplier_a.eq(self.step.add_multiplier_a),
                    lane.multiplier_b.eq(self.step.add_multiplier_b),
                    lane.offset.eq(self.step.add_offset),
                    lane.shift.eq(self.step.add_shift),
                    lane.zero.eq(self.step.add_zero),
                    lane.low.eq(self.step.add_low),
                    lane.high.eq(self.step.add_high),
                    lane.a.eq(self.i.p[p][c]),
                    lane.b.eq(residual[p][c]),
                    queue.i.p[p][c].eq(Mux(self.step.add, lane.result, self.i.p[p][c])),
                ]

        return m


class _Lane(wiring.Component):
    """One channel of one pixel, ``LATENCY`` cycles."""

    LATENCY = MULTIPLY_LATENCY + 1 + SaturatingShifter.LATENCY + 2

    def __init__(self):
        super().__init__({
            "multiplier_a": In(signed(18)),
            "multiplier_b": In(signed(18)),
            "offset": In(signed(32)),
            "shift": In(6),
            "zero": In(signed(8)),
            "low": In(signed(8)),
            "high": In(signed(8)),
            "a": In(signed(8)),
            "b": In(signed(8)),
            "result": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()

        # Cycles 1 to 4: two multipliers in a cascade, the second one cycle behind the first.
        late_b = Signal(signed(8), reset_less=True)
        m.d.sync += late_b.eq(self.b)
        product_a = multiply_add(
            m, platform, "scale_a", self.multiplier_a, self.a, bits=33, addend=self.offset
        )
        total = multiply_add(
            m, platform, "scale_b", self.multiplier_b, late_b, bits=34, cascade=product_a
        ).value

        # Cycles 5 to 7: shift.
        m.submodules.shifter = shifter = SaturatingShifter(len(total))
        m.d.comb += [
            shifter.value.eq(total),
            shifter.coarse.eq(self.shift[4]),  # at most 31
            shifter.middle.eq(self.shift[2:4]),
            shifter.fine.eq(self.shift[0:2]),
        ]

        # Cycle 8: zero point. Cycle 9: clamp.
        moved = Signal(signed(11), reset_less=True)
        result = Signal(signed(8), reset_less=True)
        m.d.sync += [
            moved.eq(shifter.result + self.zero),
            result.eq(moved),
        ]
        with m.If(moved < self.low):
            m.d.sync += result.eq(self.low)
        with m.If(moved > self.high):
            m.d.sync += result.eq(self.high)
        m.d.comb += self.result.eq(result)

        return m
