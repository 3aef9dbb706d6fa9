"""Weaver: rows of a strand to writes of every other pixel of a row, or of a piece of one."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch.limits import piece_pixels
from accelgen.rtl import layouts
from accelgen.rtl.basics.copies import copies

__all__ = ["Weaver"]

#: Banks that share a register of what they choose by.
_BANKS_PER_COPY = 4


class Weaver(wiring.Component):
    """Passes rows, or takes each apart: first pixels first, each at both of its banks.

    ``woven``: of P pixels the first P / 2 are offered, bank b having pixel b div 2, then the
    others; in ``pieces`` of U = ``limits.piece_pixels`` banks U / 2 at a time, bank b having pixel
    (b mod U) div 2. Which banks are written is not decided here. A group's ``last`` write ends its
    row.

    A row passes at once. A row that is woven is held, its first write offered in the next cycle; a
    write per cycle, without a gap from row to row but after a row that its group's end cut short.

    Parameters
    ----------
    lanes, row : int
        Channels, pixels of a row (P, at least 2).

    Members
    -------
    woven, pieces : In(1)
        Static from the cycle before the step's first row on.
    wanted : In(1)
        A row that is woven may be taken: it is of this step.
    last, ends : In(1)
        The write on offer is its group's last; the step's.
    i, o : streams of row
    """

    def __init__(self, *, lanes: int, row: int):
        self.lanes = lanes
        self.row = row
        rows = stream.Signature(layouts.pixels(lanes, row))
        super().__init__({
            "woven": In(1),
            "pieces": In(1),
            "wanted": In(1),
            "last": In(1),
            "ends": In(1),
            "i": In(rows),
            "o": Out(rows),
        })

    def elaborate(self, platform):
        m = Module()

        row, piece = self.row, piece_pixels(self.row)
        full = 2 * row // piece
        writes = Signal(range(full))  # of the row held, after the one on offer
        held, final, woven = Signal(), Signal(), Signal()
        gone, taken = Signal(), Signal()
        m.d.sync += woven.eq(self.woven)
        m.d.comb += [
            final.eq(writes == 0),
            gone.eq(held & self.o.ready),
            self.o.valid.eq(Mux(woven, held, self.i.valid)),
            self.i.ready.eq(
                Mux(woven, Mux(held, gone & final & ~self.ends, self.wanted), self.o.ready)
            ),
            taken.eq(self.i.valid & self.i.ready & woven),
        ]
        # What may be taken next, so that no row waits for its pixels to be chosen.
        fresh, next_fresh = Signal(init=1), Signal()
        m.d.sync += fresh.eq(next_fresh)
        m.d.comb += next_fresh.eq(fresh)
        with m.If(taken):
            m.d.comb += next_fresh.eq(0)
            m.d.sync += [held.eq(1), writes.eq(Mux(self.pieces, full - 1, 1))]
        with m.Elif(gone):
            m.d.comb += next_fresh.eq(self.last | final | (writes == 1))
            m.d.sync += [held.eq(~(self.last | final)), writes.eq(writes - 1)]

        self._data(m, next_fresh, taken | gone, piece)
        return m

    def _data(self, m, fresh, moves, piece):
        """What is held moves down as it goes; banks have their pixel of it, or the row's."""
        row = self.row
        count = -(-row // _BANKS_PER_COPY)
        woven, pieces, fresh = (
            copies(m, value, count, name=name)
            for name, value in (("woven", self.woven), ("pieces", self.pieces), ("fresh", fresh))
        )
        kept = Signal(self.i.p.shape(), reset_less=True)
        for n in range(row):
            copy = n // _BANKS_PER_COPY
            near, far = (kept[(n + by) % row] for by in (piece // 2, row // 2))
            with m.If(moves):
                m.d.sync += kept[n].eq(Mux(fresh[copy], self.i.p[n], Mux(pieces[copy], near, far)))
            mine = Mux(pieces[copy], kept[n % piece // 2], kept[n // 2])
            m.d.comb += self.o.p[n].eq(Mux(woven[copy], mine, self.i.p[n]))
