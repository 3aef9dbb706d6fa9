"""Adder: the residual joins the chain's pixels."""

from typing import Any, ClassVar

from amaranth import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.basics.beat_counter import BeatCounter
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking
from accelgen.rtl.dsp.multiply_add import MULTIPLY_LATENCY, multiply_add
from accelgen.rtl.output.weighted_sum import (
    Multiples,
    WeightedSum,
    multiples_layout,
    weighted_sum_latency,
)
from accelgen.rtl.requantize.scale_down import ScaleDown
from accelgen.rtl.streams.credit_queue import CreditQueue
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["Adder"]

#: Covers the pipeline at full rate; a LUT RAM is as deep.
QUEUE_DEPTH = 32


class Adder(wiring.Component):
    """``y = clamp(((a * multiplier_a + b * multiplier_b + offset) >> shift) + zero, low, high)``.

    ``a`` is the chain's pixel, ``b`` the residual's (ir.ops.QAdd; fields ``add_*`` of the step).
    Without ``step.add`` pixels pass unchanged and no residual is taken, a beat every cycle,
    ``timing.PASS_LATENCY`` from beat to beat. What is added takes ``timing.add_interval`` cycles
    per beat and ``timing.add_latency`` from beat to beat.

    Parameters
    ----------
    lanes, row, width : int
        Channels, pixels of a row and of a beat (P, W).
    clocking : Clocking
        Double-pumped, four sums share a lane's multipliers, two of them in a cycle.
    in_luts : bool
        Multiply in LUTs and not in DSPs, in as many cycles.

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

    def __init__(
        self, *, lanes: int, row: int, width: int, clocking: Clocking = SINGLE_CLOCK,
        in_luts: bool = False,
    ):  # fmt: skip
        self.lanes = lanes
        self.row = row
        self.width = width
        self.clocking = clocking
        self.in_luts = in_luts
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "residual": In(stream.Signature(layouts.pixels(lanes, row))),
            "i": In(stream.Signature(layouts.pixels(lanes, width))),
            "o": Out(stream.Signature(layouts.pixels(lanes, width))),
        })

    def elaborate(self, platform):
        m = Module()
        width = self.width

        m.submodules.counter = counter = BeatCounter(row=self.row, width=width)
        m.submodules.queue = queue = CreditQueue(self.o.p.shape(), depth=QUEUE_DEPTH)
        connect(m, queue.o, flipped(self.o))

        accept, busy = Signal(), Signal()
        residual = Signal(self.o.p.shape())
        interval = timing.add_interval(self.clocking.pumped)
        if interval > 1:
            assert interval == 2
            m.d.sync += busy.eq(accept & self.step.add)
        m.d.comb += [
            self.i.ready.eq(queue.room & ((self.residual.valid & ~busy) | ~self.step.add)),
            accept.eq(self.i.valid & self.i.ready),
            queue.reserve.eq(accept),
            # Whatever its `valid`: that is a level less on the way to a row's queue.
            self.residual.ready.eq(
                self.i.valid & queue.room & ~busy & self.step.add & counter.row_ends
            ),
            residual.eq(
                Value.cast(self.residual.payload).word_select(
                    counter.slot, len(residual.as_value())
                )
            ),
            counter.pixels.eq(self.step.out_pixels),
            counter.start.eq(self.start),
            counter.advance.eq(accept),
        ]

        latency = timing.add_latency(self.clocking.pumped) - StreamQueue.LATENCY
        # Nothing of a step that passes may be left in here when one that adds follows.
        added = delay(m, accept & self.step.add, latency, reset=True)
        m.d.comb += queue.i.valid.eq(Mux(self.step.add, added, accept))
        factors = self._factors(m)
        # A lane takes its pixels one after another, two a cycle if double-pumped.
        step = interval * self.clocking.turns
        kind = _LutLane if self.in_luts else _Lane
        for p in range(0, width, step):
            for c in range(self.lanes):
                m.submodules[f"lane{p}_{c}"] = lane = kind(step, self.clocking)
                m.d.comb += [
                    lane.take.eq(~busy),
                    *(getattr(lane, name).eq(value) for name, value in factors.items()),
                    lane.shift.eq(self.step.add_shift),
                    lane.zero.eq(self.step.add_zero),
                    lane.low.eq(self.step.add_low),
                    lane.high.eq(self.step.add_high),
                ]
                for n in range(step):
                    pixel = self.i.p[p + n][c]
                    m.d.comb += [
                        lane.a[n].eq(pixel),
                        lane.b[n].eq(residual[p + n][c]),
                        queue.i.p[p + n][c].eq(Mux(self.step.add, lane.result[n], pixel)),
                    ]

        return m

    def _factors(self, m):
        """What lanes multiply by and add, by their members' names."""
        names = ("multiplier_a", "multiplier_b", "offset")
        factors = {name: getattr(self.step, f"add_{name}") for name in names}
        if not self.in_luts:
            return factors
        m.submodules.multiples = multiples = Multiples(clocking=self.clocking)
        m.d.comb += [getattr(multiples, name).eq(value) for name, value in factors.items()]
        return {"multiples": multiples.o}


class _Lane(wiring.Component):
    """One channel of ``count`` pixels that share all but the first register and the last.

    ``timing.add_latency`` cycles, less the queue's, from the cycle with ``take``.
    """

    FACTORS: ClassVar[dict[str, Any]] = {
        "multiplier_a": In(signed(18)), "multiplier_b": In(signed(18)), "offset": In(signed(32)),
    }  # fmt: skip

    def __init__(self, count: int, clocking: Clocking):
        self.clocking = clocking
        pixels = data.ArrayLayout(signed(8), count)
        super().__init__({
            "take": In(1),
            **self.FACTORS,
            "shift": In(6),
            "zero": In(signed(8)),
            "low": In(signed(8)),
            "high": In(signed(8)),
            "a": In(pixels),
            "b": In(pixels),
            "result": Out(pixels),
        })

    def elaborate(self, platform):
        m = Module()

        # Cycle 1: the residual comes through a wide multiplexer.
        pixels_a, pixels_b = (
            Signal.like(self.a, reset_less=True),
            Signal.like(self.b, reset_less=True),
        )
        m.d.sync += [pixels_a.eq(self.a), pixels_b.eq(self.b)]

        # Those that take turns first; the others follow, a cycle later each.
        clocking, turns = self.clocking, self.clocking.turns
        with m.If(~self.take):
            m.d.sync += [
                x[n].eq(x[n + turns])
                for x in (pixels_a, pixels_b)
                for n in range(len(self.a) - turns)
            ]
        enter = clocking.entrance(m)
        a, b = (
            enter([pixels[n] for n in range(turns)], name)
            for pixels, name in ((pixels_a, "a"), (pixels_b, "b"))
        )
        total = self._total(m, platform, a, b)
        m.submodules.down = down = ScaleDown(len(total), rounded=False, domain=clocking.domain)
        m.d.comb += [
            down.value.eq(total),
            down.shift.eq(self.shift),
            down.zero.eq(self.zero),
            down.low.eq(self.low),
            down.high.eq(self.high),
        ]
        last = clocking.leave(m, delay(m, down.result, self._spare(), domain=clocking.domain))
        later = reversed(range(len(self.a) // turns))
        results = [delay(m, value, cycles) for cycles in later for value in last]
        m.d.comb += [to.eq(result) for to, result in zip(self.result, results, strict=True)]

        return m

    def _total(self, m, platform, a, b):
        """Two multipliers in a cascade, the second one cycle after the first."""
        domain = self.clocking.domain
        product_a = multiply_add(
            m, platform, "scale_a", self.multiplier_a, a,
            bits=33, addend=self.offset, domain=domain,
        )  # fmt: skip
        return multiply_add(
            m, platform, "scale_b", self.multiplier_b, delay(m, b, 1, domain=domain),
            bits=34, cascade=product_a, domain=domain,
        ).value  # fmt: skip

    def _spare(self):
        """Cycles of the lane's clock that its result waits: double-pumped, the first shows in an
        odd one, and has to meet the fabric's."""
        return self.clocking.early


class _LutLane(_Lane):
    """The same without multipliers."""

    FACTORS: ClassVar[dict[str, Any]] = {"multiples": In(multiples_layout())}

    def _total(self, m, platform, a, b):
        m.submodules.sum = weighted = WeightedSum(clocking=self.clocking)
        m.d.comb += [
            weighted.multiples.eq(self.multiples),
            weighted.a.eq(a),
            weighted.b.eq(b),
        ]
        return weighted.total

    def _spare(self):
        return super()._spare() + MULTIPLY_LATENCY + 1 - weighted_sum_latency(self.clocking)
