"""Lanes of a raster: which of them are in the map, and which in the output."""

from amaranth import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts

__all__ = ["Bounds", "RasterLanes"]

#: Where a lane must stand for its pixel of the current tap to be in the map: low <= . < high.
#: In phases those of x are one more.
Bounds = data.StructLayout({
    "low_x": signed(12),
    "high_x": signed(15),
    "low_y": signed(11),
    "high_y": signed(14),
})


class RasterLanes(wiring.Component):
    """Place of lane 0, and the masks of all lanes three cycles later.

    Lanes stand side by side, so a condition on x or y holds from some lane on: lane 0's distance to
    the bound, limited to 0..P. Two rows meet in a vector at most, unless they are *narrow*, joined
    and shorter than P. Then the conditions on x are worked out once for each x from 0 on, and each
    lane picks those of its own x: lane 0's plus l, modulo the pitch.

    The same sum modulo stride_w tells in all other rasters whether a lane is kept. (Rows that are
    joined have no strides.)

    Parameters
    ----------
    pixels : int
        Lanes (P).

    Members
    -------
    raster : In(fields(RASTER))
        Settings, static from two cycles before ``begin`` to one after the last vector's place.
    start, place : In(1)
        Settings are new; shift in the remainders of lanes 0 to P - 1, one per cycle.
    begin : In(1)
        Go to the place of the group's first vector. Wins over ``advance``.
    advance : In(1)
        Go to the place of the next vector.
    bounds : In(Bounds)
        Of the tap.
    wraps : Out(1)
        Lane 0's next vector is past the end of its row.
    past_row : Out(1)
        Lane 0 was right of the map three cycles ago.
    inside, keep : Out(P)
        In the map; in the output; for the place and the tap of three cycles ago.
    """

    def __init__(self, pixels: int):
        self.pixels = pixels
        super().__init__({
            "raster": In(layouts.fields(isa.RASTER)),
            "start": In(1),
            "place": In(1),
            "begin": In(1),
            "advance": In(1),
            "bounds": In(Bounds),
            "wraps": Out(1),
            "past_row": Out(1),
            "inside": Out(pixels),
            "keep": Out(pixels),
        })

    def elaborate(self, platform):
        m = Module()

        raster, rest_shape = self.raster, unsigned(max(self._bits, 4))
        narrow, modulus = Signal(reset_less=True), Signal(rest_shape, reset_less=True)
        is_narrow = raster.pitch < self.pixels
        m.d.sync += [
            narrow.eq(is_narrow),
            modulus.eq(Mux(is_narrow, raster.pitch, raster.stride_w)),
        ]
        rests = self._place(m, modulus)
        x, next_x, y, rest = self._lane0(m, narrow, modulus)

        # Cycle 1: where the bounds are reached. Cycle 2: masks, and whose bit each lane takes.
        row, next_row, row_ends, over = self._reached(m, x, next_x, y)
        rest_1, less, left = (
            Signal(rest_shape, name=name, reset_less=True) for name in ("rest_1", "less", "left")
        )
        m.d.sync += [rest_1.eq(rest), less.eq(rest - modulus), left.eq(modulus - rest)]
        seen, kept = self._masks(m, row, next_row, row_ends)
        over = [self._over(m, d, row_ends, narrow, modulus, rest_1) for d in over]
        lanes = [
            self._pick(m, lane, narrow, rests[lane], rest_1, less, left)
            for lane in range(self.pixels)
        ]
        past_row = Signal(reset_less=True)
        m.d.sync += past_row.eq(Mux(narrow, rest_1, 0) >= row["high"])

        # Cycle 3: pick and combine.
        low, high, limit = (self._from(first) for first in over)
        m.d.sync += self.past_row.eq(past_row)
        for lane, (place, in_phase) in enumerate(lanes):
            m.d.sync += [
                self.inside[lane].eq(seen.bit_select(place, 1) & low[lane] & ~high[lane]),
                self.keep[lane].eq(kept.bit_select(place, 1) & in_phase & ~limit[lane]),
            ]

        return m

    @property
    def _bits(self) -> int:
        """Of a lane's number."""
        return (self.pixels - 1).bit_length()

    def _from(self, first):
        """Mask of the lanes from ``first`` on."""
        return Cat(first <= lane for lane in range(self.pixels))

    def _place(self, m, modulus):
        """Remainders of the lanes in a group's first vector, one more with each ``place``."""
        # They come through the last lane's register and move down.
        new = Signal(modulus.shape(), reset_less=True)
        rests = [
            Signal(modulus.shape(), name=f"rest{lane}", reset_less=True)
            for lane in range(self.pixels)
        ]
        with m.If(self.start):
            m.d.sync += new.eq(0)
        with m.If(self.place):
            m.d.sync += [
                Cat(rests).eq(Cat(*rests[1:], new)),
                new.eq(Mux(new + 1 == modulus, 0, new + 1)),
            ]
        return rests

    def _lane0(self, m, narrow, modulus):
        """Lane 0's x, the same counted from its row's end, its row times stride_h, and x modulo
        ``modulus``. Of narrow rasters, x stays 0 and the end is not reached."""
        raster = self.raster
        step_x, wrap_x, back, wrap_at, step_y, wrap_y = (
            Signal(signed(14), name=name, reset_less=True)
            for name in ("step_x", "wrap_x", "back", "wrap_at", "step_y", "wrap_y")
        )
        is_narrow = raster.pitch < self.pixels
        m.d.sync += [
            step_x.eq(Mux(is_narrow, 0, raster.step_x)),
            wrap_x.eq(Mux(is_narrow, 0, raster.step_x - raster.pitch)),
            back.eq(Mux(is_narrow, -(1 << 13), -raster.pitch)),
            wrap_at.eq(raster.pitch - raster.step_x),
            step_y.eq(raster.step_y),
            wrap_y.eq(raster.step_y + raster.stride_h),
        ]
        x, y = Signal(13, reset_less=True), Signal(13, reset_less=True)
        next_x = Signal(signed(14), reset_less=True)
        rest = Signal(modulus.shape(), reset_less=True)
        step_rest = Mux(is_narrow, raster.step_x[: len(rest)], raster.step_phase)
        wrap_rest = Mux(is_narrow, raster.step_x[: len(rest)], raster.wrap_phase)
        stay, goes_round = self._add(m, rest, step_rest, modulus)
        wrap, _ = self._add(m, rest, wrap_rest, modulus)

        # Past the end: where the rest goes round, or beyond a place.
        m.d.comb += self.wraps.eq(Mux(narrow, goes_round, ~_less(x, wrap_at)))
        with m.If(self.begin):
            m.d.sync += [x.eq(0), next_x.eq(back), y.eq(0), rest.eq(0)]
        with m.Elif(self.advance):
            step = Mux(self.wraps, wrap_x, step_x)
            m.d.sync += [
                x.eq(x + step),
                next_x.eq(next_x + step),
                y.eq(y + Mux(self.wraps, wrap_y, step_y)),
                rest.eq(Mux(self.wraps, wrap, stay)),
            ]
        return x, next_x, y, rest

    def _add(self, m, rest, step, modulus):
        """``(rest + step) mod modulus``, and whether the sum is the modulus or more."""
        up = Signal(rest.shape(), reset_less=True)
        down = Signal(signed(len(rest) + 1), reset_less=True)
        m.d.sync += [up.eq(step), down.eq(step - modulus)]
        less = (rest + down)[: len(rest) + 1]
        return Mux(less[-1], rest + up, less), ~less[-1]

    def _reached(self, m, x, next_x, y):
        """Registers with the first lane, 0 to P, at which each bound is reached: those of x in lane
        0's row and in the next one, where that begins, and by how many rows those of y."""
        raster, bounds, bits = self.raster, self.bounds, self._bits
        span = Signal(14, reset_less=True)
        m.d.sync += span.eq(raster.span + raster.phases)

        def first(name, distance, *, phases=0):
            """In phases the lanes are two apart."""
            near = Mux(phases, distance[1 : bits + 1], distance[:bits])
            far = distance[bits + 1 : -1].any() | (distance[bits] & ~phases)
            register = Signal(bits + 1, name=name, reset_less=True)
            m.d.sync += register.eq(Mux(distance[-1], 0, Cat(near, far)))
            return register

        ends = {"low": bounds.low_x, "high": bounds.high_x, "span": span}
        rows = {"low": bounds.low_y, "high": bounds.high_y, "limit": raster.row_limit}
        return (
            {n: first(n, end - x, phases=raster.phases) for n, end in ends.items()},
            {n: first(f"next_{n}", end - next_x) for n, end in ends.items()},
            first("row_ends", 0 - next_x),
            [first(f"{n}_rows", end - y) for n, end in rows.items()],
        )

    def _masks(self, m, row, next_row, row_ends):
        """Between the bounds of x, and below the span: by lane, of narrow rasters by x."""
        seen, kept = (Signal(self.pixels, name=name, reset_less=True) for name in ("seen", "kept"))
        behind = self._from(row_ends)

        def from_(name):
            here, there = self._from(row[name]), self._from(next_row[name])
            return (here & ~behind) | (there & behind)

        m.d.sync += [seen.eq(from_("low") & ~from_("high")), kept.eq(~from_("span"))]
        return seen, kept

    def _over(self, m, rows, row_ends, narrow, modulus, rest):
        """Register with the first lane that stands ``rows`` rows below lane 0's or more.

        Strides of rows need no more than 0 or all: then no other row is in the vector.
        """
        bits = self._bits
        product = sum((Mux(rows[n], modulus[:bits] << n, 0) for n in range(bits)), start=Const(0))
        lane = product - rest
        far = rows[bits] | lane[bits:-1].any()
        joined = Mux(lane[-1] & ~rows[bits], 0, Cat(lane[:bits], far))
        others = Mux(rows == 0, 0, Mux(rows == 1, row_ends, 1 << bits))
        first = Signal(bits + 1, reset_less=True)
        m.d.sync += first.eq(Mux(narrow, joined, others))
        return first

    def _pick(self, m, lane, narrow, start, rest, less, left):
        """Registers: whose bit of the masks a lane takes, and whether its remainder is 0."""
        place = Signal(self._bits, name=f"place{lane}", reset_less=True)
        in_phase = Signal(name=f"in_phase{lane}", reset_less=True)
        now = (start + Mux(start >= left, less, rest))[: len(start)]
        m.d.sync += [place.eq(Mux(narrow, now, lane)), in_phase.eq(narrow | (now == 0))]
        return place, in_phase


def _less(a, b):
    """``a < b`` in a carry chain: synthesis makes comparators of LUTs."""
    return (a - b)[-1]
