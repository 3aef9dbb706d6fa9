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
    write per cycle, and a cycle without one before the next row, in which others have the memory's
    row port: the datapath's writes come first there.

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
    last : In(1)
        The write on offer is its group's last.
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
            "i": In(rows),
            "o": Out(rows),
        })

    def elaborate(self, platform):
        m = Module()

        row, piece = self.row, piece_pixels(self.row)
        full = 2 * row // piece
        writes = Signal(range(full))  # of the row held, after the one on offer
        held, next_held, woven = Signal(), Signal(), Signal()
        gone, taken = Signal(), Signal()
        m.d.sync += [woven.eq(self.woven), held.eq(next_held)]
        m.d.comb += [
            next_held.eq(held),
            gone.eq(held & self.o.ready),
            self.o.valid.eq(Mux(woven, held, self.i.valid)),
            self.i.ready.eq(Mux(woven, ~held & self.wanted, self.o.ready)),
            taken.eq(self.i.valid & self.i.ready & woven),
        ]
        with m.If(taken):
            m.d.comb += next_held.eq(1)
            m.d.sync += writes.eq(Mux(self.pieces, full - 1, 1))
        with m.Elif(gone):
            m.d.comb += next_held.eq(~self.last & (writes != 0))
            m.d.sync += writes.eq(writes - 1)

        self._data(m, next_held, taken | gone, piece)
        return m

    def _data(self, m, held, moves, piece):
        """What is held moves down as it goes; banks have their pixel of it, or the row's."""
        row = self.row
        count = -(-row // _BANKS_PER_COPY)
        woven, pieces, held = (
            copies(m, value, count, name=name)
            for name, value in (("woven", self.woven), ("pieces", self.pieces), ("held", held))
        )
        kept = Signal(self.i.p.shape(), reset_less=True)
        for n in range(row):
            copy = n // _BANKS_PER_COPY
            near, far = (kept[(n + by) % row] for by in (piece // 2, row // 2))
            moved = Mux(pieces[copy], near, far)
            with m.If(moves):
                m.d.sync += kept[n].eq(Mux(held[copy], moved, self.i.p[n]))
            mine = Mux(pieces[copy], kept[n % piece // 2], kept[n // 2])
            m.d.comb += self.o.p[n].eq(Mux(woven[copy], mine, self.i.p[n]))
