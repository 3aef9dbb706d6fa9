"""Rows of the window ring after each beat of a raster: to read, to wait for, to free."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import timing
from accelgen.rtl import layouts
from accelgen.rtl.memory.pixel_memory import ROW_BITS
from accelgen.rtl.window.window_ring import RING_BITS

__all__ = ["WindowRows", "second_place", "window_beat"]


def window_beat(pixels: int, row: int, *, taps: int = 1) -> data.StructLayout:
    """A raster beat with its rows, counted from the step's start. With two ``taps``, ``second`` is
    the other tap's place."""
    raster = layouts.raster_beat(pixels, row)
    members = {
        "raster": raster,
        "row": ROW_BITS,  # lane 0's
        "release": RING_BITS,  # rows not read any more, when ``releases``
        "releases": 1,
    }
    if taps > 1:
        place = {"bank": raster["bank"].shape, "inside": pixels, "row": ROW_BITS}
        members["second"] = data.StructLayout(place)
    return data.StructLayout(members)


def second_place(pixels: int, row: int) -> data.StructLayout:
    """Of a raster beat what the second tap has for itself; ``there``: it is one."""
    raster = layouts.raster_beat(pixels, row)
    members = {name: raster[name].shape for name in ("row", "bank", "inside")}
    return data.StructLayout({**members, "there": 1})


class WindowRows(wiring.Component):
    """Passes beats on, ``timing.WINDOW_PREPARE`` cycles later, with the rows they need.

    A beat needs the rows of the map that its lanes read, and releases all below lane 0's row
    with its vector's first tap: later beats of the group read none of them. (In ``phases``, where
    rows are written two together: whole pairs.) (A vector right of
    the map does not: the next row of positions may begin at a lower address.) A group's last
    beat releases the group.

    Parameters
    ----------
    pixels, row, taps : int
        Lanes of a beat, words of a row, taps of a beat.

    Members
    -------
    ring_rows, phases : In(16), In(1)
        Rows per group; the map is in phases. Static.
    written : In(RING_BITS)
        Rows written to the ring.
    i : In(stream of raster_beat)
        Beats, ``group_rows`` counting rows of the ring.
    second : In(second_place)
        With two taps: the second's, beside ``i``. The first of a vector's taps is never below
        any other, so it alone releases.
    o : Out(stream of window_beat)
        Beats with their rows.
    has_rows : Out(1)
        All rows that the beat at ``o`` needs are written.
    idle : Out(1)
        No beat is here.
    """

    def __init__(self, pixels: int, row: int, *, taps: int = 1):
        self.taps = taps
        self.pixels = pixels
        self.row = row
        self.rows = pixels // row  # of a run, when it begins with a row
        self.raster_beat = layouts.raster_beat(pixels, row)
        self.window_beat = window_beat(pixels, row, taps=taps)
        seconds = {"second": In(second_place(pixels, row))} if taps > 1 else {}
        super().__init__({
            **seconds,
            "ring_rows": In(16),
            "phases": In(1),
            "written": In(RING_BITS),
            "i": In(stream.Signature(self.raster_beat)),
            "o": Out(stream.Signature(self.window_beat)),
            "has_rows": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        # All stages move as one, when the last is empty or its beat is taken.
        valid = Signal(timing.WINDOW_PREPARE)
        advance = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
            self.o.valid.eq(valid[-1]),
            self.idle.eq(~valid.any()),
        ]
        with m.If(advance):
            m.d.sync += valid.eq(Cat(self.i.valid, valid))

        # Cycle 1: rows of the group, of lane 0 and of the last lane.
        beat1 = Signal(self.raster_beat, reset_less=True)
        row1, last1 = Signal(signed(27), reset_less=True), Signal(signed(27), reset_less=True)
        row, bank = self.i.p.row, self.i.p.bank
        half = self.row // 2
        # The last lane is a row of its phase further, unless lane 0 is at a row's beginning. (Runs
        # of several rows are never in phases.)
        aligned = bank == Mux(self.phases & row[0], half, 0)
        further = Mux(aligned, self.rows - 1, Mux(self.phases, 2, self.rows))
        with m.If(advance):
            m.d.sync += [beat1.eq(self.i.p), row1.eq(row), last1.eq(row + further)]

        # Cycle 2: only rows of the map are waited for, and freed.
        beat2 = Signal.like(beat1)
        row2 = Signal.like(row1)
        used2, release2 = Signal(ROW_BITS, reset_less=True), Signal(ROW_BITS, reset_less=True)
        none2, releases2 = Signal(reset_less=True), Signal(reset_less=True)
        group_ends = beat1.last & beat1.last_vector
        with m.If(advance):
            m.d.sync += [
                beat2.eq(beat1),
                row2.eq(row1),
                none2.eq(last1 < 0),
                used2.eq(Mux(last1 < self.ring_rows, (last1 | self.phases) + 1, self.ring_rows)),
                releases2.eq((beat1.first & ~beat1.past_row) | group_ends),
                release2.eq(Mux(row1 < 0, 0, Cat(row1[0] & ~self.phases, row1[1:]))),
            ]
            with m.If(group_ends | (row1 >= self.ring_rows)):
                m.d.sync += release2.eq(self.ring_rows)

        # Cycle 3: from the group to the step.
        beat3 = Signal(self.window_beat, reset_less=True)
        needed3, none3 = Signal(RING_BITS, reset_less=True), Signal(reset_less=True)
        base = beat2.group_rows
        with m.If(advance):
            m.d.sync += [
                beat3.raster.eq(beat2),
                beat3.row.eq(base + row2),
                beat3.release.eq(base + release2),
                beat3.releases.eq(releases2),
                needed3.eq(base + used2),
                none3.eq(none2),
            ]

        # Cycle 4: compare, for the next beat and for the one that waits. Counts are compared
        # modulo: neither is ever half the range away from the other.
        beat4 = Signal.like(beat3)
        needed4 = Signal.like(needed3)
        has_rows = Signal(reset_less=True)

        ahead3, ahead4 = Signal(signed(RING_BITS)), Signal(signed(RING_BITS))
        m.d.comb += [ahead3.eq(self.written - needed3), ahead4.eq(self.written - needed4)]
        with m.If(advance):
            m.d.sync += [
                beat4.eq(beat3),
                needed4.eq(needed3),
                has_rows.eq(none3 | (ahead3 >= 0)),
            ]
        with m.Elif(ahead4 >= 0):
            m.d.sync += has_rows.eq(1)
        m.d.comb += [self.o.payload.eq(beat4), self.has_rows.eq(has_rows)]
        if self.taps > 1:
            seconds = self._second(m, advance, base)
            m.d.comb += [self.o.p.second.eq(seconds[0]), self.has_rows.eq(has_rows & seconds[1])]

        return m

    def _second(self, m, advance, base):
        """The second tap's place at ``o``, and whether its rows are written: the same four cycles
        beside the first's."""
        place1, place2, place3, place4 = (
            Signal(second_place(self.pixels, self.row), name=f"second{n}", reset_less=True)
            for n in range(1, 5)
        )
        last1, used2 = Signal(signed(27), reset_less=True), Signal(ROW_BITS, reset_less=True)
        none2, none3 = Signal(reset_less=True), Signal(reset_less=True)
        row3, row4 = Signal(ROW_BITS, reset_less=True), Signal(ROW_BITS, reset_less=True)
        needed3, needed4 = Signal(RING_BITS, reset_less=True), Signal(RING_BITS, reset_less=True)
        written = Signal(reset_less=True)
        ahead3, ahead4 = Signal(signed(RING_BITS)), Signal(signed(RING_BITS))
        row, bank = self.second.row, self.second.bank
        aligned = bank == Mux(self.phases & row[0], self.row // 2, 0)
        further = Mux(aligned, self.rows - 1, Mux(self.phases, 2, self.rows))
        m.d.comb += [ahead3.eq(self.written - needed3), ahead4.eq(self.written - needed4)]
        with m.If(advance):
            m.d.sync += [
                place1.eq(self.second),
                last1.eq(row + further),
                place2.eq(place1),
                none2.eq((last1 < 0) | ~place1.there),
                used2.eq(Mux(last1 < self.ring_rows, (last1 | self.phases) + 1, self.ring_rows)),
                place3.eq(place2),
                row3.eq(base + place2.row),
                needed3.eq(base + used2),
                none3.eq(none2),
                place4.eq(place3),
                row4.eq(row3),
                needed4.eq(needed3),
                written.eq(none3 | (ahead3 >= 0)),
            ]
        with m.Elif(ahead4 >= 0):
            m.d.sync += written.eq(1)
        at_o = Signal(self.window_beat["second"].shape)
        inside = Mux(place4.there, place4.inside, 0)
        m.d.comb += [at_o.row.eq(row4), at_o.bank.eq(place4.bank), at_o.inside.eq(inside)]
        return at_o, written
