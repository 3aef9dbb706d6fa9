"""One lane of a raster: where it stands, and whether that is in the map and in the output."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts

__all__ = ["Bounds", "Place", "RasterLane"]

#: A lane's place in the raster: ``y`` is its row times stride_h, ``phase`` is x mod stride_w.
Place = data.StructLayout({"x": unsigned(13), "y": unsigned(13), "phase": unsigned(4)})

#: Where a lane must stand for its pixel of the current tap to be in the map: low <= . < high.
Bounds = data.StructLayout({
    "low_x": signed(11),
    "high_x": signed(14),
    "low_y": signed(11),
    "high_y": signed(14),
})


class RasterLane(wiring.Component):
    """Place of one lane, and its two masks two cycles later.

    Members
    -------
    raster : In(fields(RASTER))
        Settings, static.
    begin, initial : In(1), In(Place)
        Go to the place of the group's first vector. Wins over ``advance``.
    advance : In(1)
        Go to the place of the next vector.
    bounds : In(Bounds)
        Of the tap.
    wraps : Out(1)
        The next vector is past the end of this row.
    past_row, inside, keep : Out(1)
        Right of the map; in it; in the output; for the place and the tap of two cycles ago.
    """

    def __init__(self):
        super().__init__({
            "raster": In(layouts.fields(isa.RASTER)),
            "begin": In(1),
            "initial": In(Place),
            "advance": In(1),
            "bounds": In(Bounds),
            "wraps": Out(1),
            "past_row": Out(1),
            "inside": Out(1),
            "keep": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        raster = self.raster
        place = Signal(Place, reset_less=True)

        # The steps, with and without going around the row's end.
        wrap_at = Signal(13, reset_less=True)
        wrap_y = Signal(13, reset_less=True)
        m.d.sync += [
            wrap_at.eq(raster.pitch - raster.step_x),
            wrap_y.eq(raster.step_y + raster.stride_h),
        ]
        m.d.comb += self.wraps.eq(place.x >= wrap_at)

        def add_phase(step, name):
            # step - stride_w, so that sum and difference are there at the same time.
            less = Signal(signed(5), name=f"{name}_less", reset_less=True)
            down = Signal(signed(6), name=f"{name}_down")
            m.d.sync += less.eq(step - raster.stride_w)
            m.d.comb += down.eq(place.phase + less)
            return Mux(down < 0, place.phase + step, down)

        stay_phase = add_phase(raster.step_phase, "step_phase")
        wrap_phase = add_phase(raster.wrap_phase, "wrap_phase")
        with m.If(self.begin):
            m.d.sync += place.eq(self.initial)
        with m.Elif(self.advance):
            m.d.sync += [
                place.x.eq(place.x + Mux(self.wraps, -wrap_at, raster.step_x)),
                place.y.eq(place.y + Mux(self.wraps, wrap_y, raster.step_y)),
                place.phase.eq(Mux(self.wraps, wrap_phase, stay_phase)),
            ]

        # Cycle 1: compare. Cycle 2: combine.
        in_map = Signal(4, reset_less=True)
        in_output = Signal(3, reset_less=True)
        past_row, inside, keep = (
            Signal(name=name, reset_less=True) for name in ("right", "seen", "kept")
        )
        m.d.sync += [
            in_map[0].eq(place.x >= self.bounds.low_x),
            in_map[1].eq(place.x < self.bounds.high_x),
            in_map[2].eq(place.y >= self.bounds.low_y),
            in_map[3].eq(place.y < self.bounds.high_y),
            in_output[0].eq(place.x < raster.span),
            in_output[1].eq(place.y < raster.row_limit),
            in_output[2].eq(place.phase == 0),
            past_row.eq(~in_map[1]),
            inside.eq(in_map.all()),
            keep.eq(in_output.all()),
        ]
        m.d.comb += [
            self.past_row.eq(past_row),
            self.inside.eq(inside),
            self.keep.eq(keep),
        ]

        return m
