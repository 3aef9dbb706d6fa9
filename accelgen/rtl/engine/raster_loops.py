"""Loops of a raster: which of them end with each beat."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts
from accelgen.rtl.streams.loop_counter import LoopCounter

__all__ = ["Ends", "RasterLoops"]

#: What a beat ends, from the inside out; each includes those before it. A strobe per beat.
Ends = data.StructLayout({
    "beat": 1,
    "tap": 1,
    "kernel_row": 1,
    "vector": 1,
    "group": 1,
    "repeat": 1,  # the group, and the run of groups that read the same input groups
})


class RasterLoops(wiring.Component):
    """The nest for group, vector, ky, kx, input group. Strobes and flags come out of registers.

    Members
    -------
    raster, groups, in_groups, in_repeat : In
        Counts, static (see Raster).
    begin : In(1)
        Begin the first beat, in the next cycle.
    issue : In(1)
        A beat.
    walk_ends : Out(1)
        The beat of this cycle is the last of all.
    began : Out(1)
        ``begin`` of the cycle before.
    ends : Out(Ends)
        What the beat of the cycle before ended.
    first, last, first_vector, last_vector : Out(1)
        Of the beat of the cycle before, as in raster_beat.
    """

    def __init__(self):
        super().__init__({
            "raster": In(layouts.fields(isa.RASTER)),
            "groups": In(12),
            "in_groups": In(12),
            "in_repeat": In(12),
            "begin": In(1),
            "issue": In(1),
            "walk_ends": Out(1),
            "began": Out(1),
            "ends": Out(Ends),
            "first": Out(1),
            "last": Out(1),
            "first_vector": Out(1),
            "last_vector": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        ends = Signal(Ends)
        last_input = self._loop(m, "input_group", self.in_groups, ends.beat)
        last_x = self._loop(m, "kernel_x", self.raster.kernel_w, ends.tap)
        last_y = self._loop(m, "kernel_y", self.raster.kernel_h, ends.kernel_row)
        last_vector = self._loop(m, "vector", self.raster.vectors, ends.vector)
        last_repeat = self._loop(m, "repeat", self.in_repeat, ends.group)
        last_group = self._loop(m, "group", self.groups, ends.group)
        last_beat = last_input & last_x & last_y
        m.d.comb += [
            ends.beat.eq(self.issue),
            ends.tap.eq(self.issue & last_input),
            ends.kernel_row.eq(self.issue & (last_input & last_x)),
            ends.vector.eq(self.issue & last_beat),
            ends.group.eq(self.issue & (last_beat & last_vector)),
            ends.repeat.eq(self.issue & (last_beat & last_vector & last_repeat)),
            self.walk_ends.eq(last_beat & last_vector & last_group),
        ]
        m.d.sync += [
            self.began.eq(self.begin),
            self.ends.eq(ends),
            self.last.eq(last_beat),
            self.last_vector.eq(last_vector),
        ]

        # The beat after the end of a vector is a first one.
        first, first_vector = Signal(), Signal()
        with m.If(self.begin):
            m.d.sync += [first.eq(1), first_vector.eq(1)]
        with m.Elif(self.issue):
            m.d.sync += first.eq(last_beat)
            with m.If(last_beat):
                m.d.sync += first_vector.eq(last_vector)
        m.d.sync += [self.first.eq(first), self.first_vector.eq(first_vector)]

        return m

    def _loop(self, m, name, count, step):
        """Add the counter of a loop; returns whether its pass is the last."""
        m.submodules[name] = counter = LoopCounter(len(count))
        m.d.comb += [
            counter.count.eq(count),
            counter.start.eq(self.begin),
            counter.step.eq(step),
        ]
        return counter.last
