"""One lane of a raster: where it stands, and whether that is in the map and in the output."""

from amaranth import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts

__all__ = ["Bounds", "Place", "RasterLane", "Steps", "steps_of"]

#: A lane's place in the raster: ``y`` is its row times stride_h, ``phase`` is x mod stride_w.
Place = data.StructLayout({"x": unsigned(13), "y": unsigned(13), "phase": unsigned(4)})

#: What a lane goes by from vector to vector, without and with going around a row's end: at
#: ``wrap_at`` or beyond. Phases: by how much, and that less stride_w, so that sum and difference
#: are there at the same time.
Steps = data.StructLayout({
    "wrap_at": unsigned(13),
    "stay": data.StructLayout({
        "x": unsigned(13), "y": unsigned(13), "phase": unsigned(4), "phase_less": signed(5)
    }),
    "wrap": data.StructLayout({
        "x": unsigned(13), "y": unsigned(13), "phase": unsigned(4), "phase_less": signed(5)
    }),
})  # fmt: skip

#: Where a lane must stand for its pixel of the current tap to be in the map: low <= . < high.
Bounds = data.StructLayout({
    "low_x": signed(11),
    "high_x": signed(14),
    "low_y": signed(11),
    "high_y": signed(14),
})


def steps_of(m: Module, raster) -> Signal:
    """Registers with the steps of a raster, for all its lanes."""
    steps = Signal(Steps, reset_less=True)
    m.d.sync += [
        steps.wrap_at.eq(raster.pitch - raster.step_x),
        steps.stay.x.eq(raster.step_x),
        steps.stay.y.eq(raster.step_y),
        steps.stay.phase.eq(raster.step_phase),
        steps.stay.phase_less.eq(raster.step_phase - raster.stride_w),
        steps.wrap.x.eq(raster.step_x - raster.pitch),
        steps.wrap.y.eq(raster.step_y + raster.stride_h),
        steps.wrap.phase.eq(raster.wrap_phase),
        steps.wrap.phase_less.eq(raster.wrap_phase - raster.stride_w),
    ]
    return steps


class RasterLane(wiring.Component):
    """Place of one lane, and its two masks two cycles later.

    Members
    -------
    raster : In(fields(RASTER))
        Settings, static.
    steps : In(Steps)
        Of the raster, static from two cycles before ``begin``.
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
            "steps": In(Steps),
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

        raster, stay, wrap = self.raster, self.steps.stay, self.steps.wrap
        place = Signal(Place, reset_less=True)

        def phase_after(step):
            down = Signal(signed(6))
            m.d.comb += down.eq(place.phase + step.phase_less)
            return Mux(down < 0, place.phase + step.phase, down)

        m.d.comb += self.wraps.eq(~_less(place.x, self.steps.wrap_at))
        with m.If(self.begin):
            m.d.sync += place.eq(self.initial)
        with m.Elif(self.advance):
            m.d.sync += [
                place.x.eq(place.x + Mux(self.wraps, wrap.x, stay.x)),
                place.y.eq(place.y + Mux(self.wraps, wrap.y, stay.y)),
                place.phase.eq(Mux(self.wraps, phase_after(wrap), phase_after(stay))),
            ]

        # Cycle 1: compare. Cycle 2: combine.
        in_map = Signal(4, reset_less=True)
        in_output = Signal(3, reset_less=True)
        past_row, inside, keep = (
            Signal(name=name, reset_less=True) for name in ("right", "seen", "kept")
        )
        m.d.sync += [
            in_map[0].eq(~_less(place.x, self.bounds.low_x)),
            in_map[1].eq(_less(place.x, self.bounds.high_x)),
            in_map[2].eq(~_less(place.y, self.bounds.low_y)),
            in_map[3].eq(_less(place.y, self.bounds.high_y)),
            in_output[0].eq(_less(place.x, raster.span)),
            in_output[1].eq(_less(place.y, raster.row_limit)),
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


def _less(a, b):
    """``a < b`` in a carry chain: synthesis makes comparators of LUTs."""
    return (a - b)[-1]
