"""Loops of a raster: which of them end with each beat."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts
from accelgen.rtl.basics.loop_counter import LoopCounter

__all__ = ["Ends", "PairLoops", "RasterLoops"]

#: What a beat ends, from the inside out: strobes, each only with those before it.
Ends = data.StructLayout({
    "beat": 1,
    "tap": 1,
    "kernel_row": 1,
    "vector": 1,
    "group": 1,
    "repeat": 1,  # the group, and the run of groups that read the same input groups
})


class RasterLoops(wiring.Component):
    """The nest for group, vector, ky, kx, input group, in two stages.

    The inner loops move with ``issue``, the outer ones a cycle later, when everything else is said
    about the beat: a chain of six counters would be a long path.

    Members
    -------
    raster, groups, in_groups, in_repeat : In
        Counts, static (see Raster).
    begin : In(1)
        Begin the first beat, in the next cycle.
    issue : In(1)
        A beat. Has no effect together with ``walk_ends``, when there is none any more.
    began : Out(1)
        ``begin`` of the cycle before.
    ends : Out(Ends)
        What the beat of the cycle before ended.
    walk_ends : Out(1)
        The beat of the cycle before was the last of all.
    first, last, first_vector, last_vector : Out(1)
        Of the beat of the cycle before, as in raster_beat.
    """

    def __init__(self):
        super().__init__({
            "raster": In(layouts.fields(isa.RASTER)),
            "groups": In(12),
            "in_groups": In(isa.WORD_BITS),
            "in_repeat": In(12),
            "begin": In(1),
            "issue": In(1),
            "began": Out(1),
            "ends": Out(Ends),
            "walk_ends": Out(1),
            "first": Out(1),
            "last": Out(1),
            "first_vector": Out(1),
            "last_vector": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # Cycle 0: input group, kx, ky.
        tap_ends, kernel_row_ends, vector_ends = (
            Signal(name=name) for name in ("tap_ends", "kernel_row_ends", "vector_ends")
        )
        last, first = Signal(), Signal()
        self._taps(m, tap_ends, kernel_row_ends, last)
        m.d.comb += vector_ends.eq(self.issue & last)
        with m.If(self.begin):
            m.d.sync += first.eq(1)
        with m.Elif(self.issue):
            m.d.sync += first.eq(last)

        # Cycle 1: vector, group.
        strobes = Cat(self.issue, tap_ends, kernel_row_ends, vector_ends)
        ended = Signal(len(strobes))
        group_ends, first_vector = Signal(), Signal()
        last_vector = self._loop(m, "vector", self.raster.vectors, self.ends.vector)
        last_repeat = self._loop(m, "repeat", self.in_repeat, group_ends)
        last_group = self._loop(m, "group", self.groups, group_ends)
        m.d.sync += [
            self.began.eq(self.begin),
            ended.eq(Mux(self.walk_ends, 0, strobes)),
            self.first.eq(first),
            self.last.eq(last),
        ]
        m.d.comb += [
            group_ends.eq(self.ends.vector & last_vector),
            self.ends.eq(Cat(ended, group_ends, group_ends & last_repeat)),
            self.walk_ends.eq(self.ends.vector & last_vector & last_group),
            self.first_vector.eq(first_vector),
            self.last_vector.eq(last_vector),
        ]
        with m.If(self.begin):
            m.d.sync += first_vector.eq(1)
        with m.Elif(self.ends.vector):
            m.d.sync += first_vector.eq(last_vector)

        return m

    def _taps(self, m, tap_ends, kernel_row_ends, last):
        """The loops of a vector; drives what a beat ends, and whether it is the vector's last."""
        last_input = self._loop(m, "input_group", self.in_groups, self.issue)
        last_x = self._loop(m, "kernel_x", self.raster.kernel_w, tap_ends)
        last_y = self._loop(m, "kernel_y", self.raster.kernel_h, kernel_row_ends)
        m.d.comb += [
            tap_ends.eq(self.issue & last_input),
            kernel_row_ends.eq(tap_ends & last_x),
            last.eq(last_input & last_x & last_y),
        ]

    def _loop(self, m, name, count, step):
        """Add the counter of a loop; returns whether its pass is the last."""
        m.submodules[name] = counter = LoopCounter(len(count))
        m.d.comb += [
            counter.count.eq(count),
            counter.start.eq(self.begin),
            counter.step.eq(step),
        ]
        return counter.last


class PairLoops(RasterLoops):
    """The same of every other tap of a map of one input group: two at a time, row after row.

    The count of beats is made of ``raster`` in a cycle: ``begin`` comes three cycles after it or
    later.

    Parameters
    ----------
    tap : int
        0: the first of each pair, 1: the second.

    Attributes
    ----------
    second : Signal
        Where ``began`` or ``ends.kernel_row``: the tap that comes is in its row's second column.
    """

    def __init__(self, tap: int):
        self._tap = tap
        self.second = Signal()
        super().__init__()

    def _taps(self, m, tap_ends, kernel_row_ends, last):
        width, height = self.raster.kernel_w, self.raster.kernel_h
        # A kernel of one column is walked tap by tap: no beat goes over the ends of two rows.
        narrow, beats = Signal(), Signal(8)
        m.d.sync += [
            narrow.eq(width == 1),
            beats.eq(Mux(width == 1, height, (height * width + 1) >> 1)),
        ]
        m.d.comb += [
            tap_ends.eq(self.issue),
            last.eq(self._loop(m, "pair", beats, self.issue)),
        ]

        column, following = Signal(5), Signal(5)
        crosses = Signal()
        m.d.comb += [
            following.eq(column + Mux(narrow, 1, 2)),
            crosses.eq(following >= width),
            kernel_row_ends.eq(self.issue & (crosses | last)),
        ]
        with m.If(self.begin | (self.issue & last)):
            m.d.sync += column.eq(Mux(narrow, 0, self._tap))
        with m.Elif(self.issue):
            m.d.sync += column.eq(Mux(crosses, following - width, following))
        # A cycle after the beat that ended a row.
        m.d.comb += self.second.eq(column[0])
