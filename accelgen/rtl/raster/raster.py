"""Raster: the walk of P lanes over a map, one beat per cycle."""

from amaranth import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import isa
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.memory.pixel_memory import locate
from accelgen.rtl.raster.raster_lanes import Bounds, RasterLanes
from accelgen.rtl.raster.raster_loops import PairLoops, RasterLoops
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.streams.queue import StreamQueue

__all__ = ["Raster"]

#: Beats the output queue holds: covers the pipeline and the way back of its room.
_QUEUE = 16


class Raster(wiring.Component):
    """Beats of a raster walk: for group, vector, tap (ky, kx), input group (innermost).

    Lane l of vector v stands at (row, x) = divmod(v * P + l, pitch). A beat says, for one tap and
    one input group, where lane 0 reads, which lanes are inside the map and which are kept
    (docs/architecture.md, "Rasters"). Input group i of output group g is
    ``(g div in_repeat) * in_step + i``; the beat carries its distance in rows.

    Settings are static from ``start`` to ``walked``. A beat per cycle from
    ``timing.raster_setup(pixels, placed=raster.placed)`` cycles after ``start`` on; after another
    walk, ``timing.RASTER_SWITCH`` cycles without one.

    Parameters
    ----------
    pixels : int
        Lanes (P).
    row : int
        Pixels of a row of the memory it reads; P if not said.
    tap : int
        Of every pair of taps, walk the first (0) or the second (1): with one input group, and
        ``in_step`` of 1. Where the kernel has one column, every tap; the second then means
        nothing, and neither does it past the last tap. All taps if not said.

    Members
    -------
    raster : In(fields(RASTER))
        The walk.
    groups, in_step, in_repeat : In(12)
        Output groups, and how the input groups of each move.
    in_groups : In(isa.WORD_BITS)
        Those input groups.
    in_stride : In(16)
        Rows from one input group to the next.
    start : In(1)
        Begins a walk. Only when ``walked``.
    o : Out(stream of raster_beat)
        Beats.
    walked : Out(1)
        All beats are on their way, so settings may change in the next cycle.
    idle : Out(1)
        And all have been taken.
    """

    def __init__(self, pixels: int, *, row: int | None = None, tap: int | None = None):
        self.pixels = pixels
        self.row = row or pixels
        self.tap = tap
        self.beat = layouts.raster_beat(pixels, self.row)
        super().__init__({
            "raster": In(layouts.fields(isa.RASTER)),
            "groups": In(12),
            "in_groups": In(isa.WORD_BITS),
            "in_stride": In(16),
            "in_step": In(12),
            "in_repeat": In(12),
            "start": In(1),
            "o": Out(stream.Signature(self.beat)),
            "walked": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        loops = RasterLoops() if self.tap is None else PairLoops(self.tap)
        m.submodules.loops = loops
        m.d.comb += [
            loops.raster.eq(self.raster),
            loops.groups.eq(self.groups),
            loops.in_groups.eq(self.in_groups),
            loops.in_repeat.eq(self.in_repeat),
        ]
        place = Signal()
        lanes = self._lanes(m, loops, place)
        row, bank = self._place(m, self._address(m, loops, wraps=lanes.wraps))
        group_rows, ready = self._group_rows(m, loops)

        # Beats are issued as long as the queue after the pipeline has room for them. They are
        # counted a cycle later, when it is known that the walk did not end before them.
        m.submodules.queue = queue = StreamQueue(self.beat, depth=_QUEUE)
        m.submodules.room = room = Credits(_QUEUE, reserve=1)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        m.d.comb += [room.take.eq(loops.ends.beat), room.give.eq(self.o.valid & self.o.ready)]

        self._control(m, loops, place, ready, room)

        # Cycle 1: the loops. Cycles 2 to 4: the lanes' masks.
        flags = Cat(loops.first, loops.last, loops.first_vector, loops.last_vector)
        beat = queue.i.p
        m.d.comb += [
            queue.i.valid.eq(delay(m, loops.ends.beat, 3, reset=True)),
            beat.row.eq(row),
            beat.bank.eq(bank),
            beat.group_rows.eq(delay(m, group_rows, 3)),
            Cat(beat.first, beat.last, beat.first_vector, beat.last_vector).eq(delay(m, flags, 3)),
            beat.end.eq(delay(m, loops.walk_ends, 3)),
            beat.past_row.eq(lanes.past_row),
            beat.inside.eq(lanes.inside),
            beat.keep.eq(lanes.keep),
        ]

        return m

    def _control(self, m, loops, place, ready, room):
        """Place the lanes, begin, and issue a beat whenever there is room for it."""
        placed = Signal(range(self.pixels), reset_less=True)
        begin, walking, at_once = Signal(), Signal(), Signal()
        m.d.comb += at_once.eq(self.start & self.raster.placed & (self.in_step == 0))
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += [self.walked.eq(1), self.idle.eq(room.all)]
                m.d.sync += [placed.eq(0), begin.eq(at_once)]
                with m.If(at_once):
                    m.next = "Walk"
                with m.Elif(self.start & self.raster.placed):
                    m.next = "Begin"
                with m.Elif(self.start):
                    m.next = "Place lanes"
            with m.State("Place lanes"):
                m.d.comb += place.eq(1)
                m.d.sync += placed.eq(placed + 1)
                with m.If(placed == self.pixels - 1):
                    m.next = "Begin"
            with m.State("Begin"):
                m.d.sync += begin.eq(ready)
                with m.If(ready):
                    m.next = "Walk"
            with m.State("Walk"):
                m.d.sync += begin.eq(0)
                with m.If(loops.walk_ends):
                    m.next = "Idle"

        with m.If(begin):
            m.d.sync += walking.eq(1)
        with m.Elif(loops.walk_ends):
            m.d.sync += walking.eq(0)
        m.d.comb += [
            loops.begin.eq(begin),
            loops.issue.eq(walking & room.some),
        ]

    def _lanes(self, m, loops, place):
        m.submodules.lanes = lanes = RasterLanes(self.pixels)
        m.d.comb += [
            lanes.raster.eq(self.raster),
            lanes.start.eq(self.start),
            lanes.place.eq(place),
            lanes.begin.eq(loops.began | loops.ends.group),
            lanes.advance.eq(loops.ends.vector),
            lanes.bounds.eq(self._bounds(m, loops)),
        ]
        return lanes

    def _bounds(self, m, loops):
        """Places from which the current tap is in the map: they move down as the tap moves up."""
        raster = self.raster
        bounds = Signal(Bounds, reset_less=True)
        low_x0, high_x0 = Signal(signed(12), reset_less=True), Signal(signed(15), reset_less=True)
        high_y0 = Signal(signed(14), reset_less=True)
        m.d.sync += [
            low_x0.eq(raster.pad_left + raster.phases),
            high_x0.eq(raster.width + raster.pad_left + raster.phases),
            high_y0.eq(raster.height + raster.pad_top),
        ]
        low: Value = low_x0
        high: Value = high_x0
        move = raster.dilation_w
        if self.tap is not None:
            # A row may begin at its second column.
            low_x1, high_x1 = Signal.like(low_x0), Signal.like(high_x0)
            m.d.sync += [
                low_x1.eq(raster.pad_left + raster.phases - raster.dilation_w),
                high_x1.eq(raster.width + raster.pad_left + raster.phases - raster.dilation_w),
            ]
            low, high = (Mux(loops.second, *x) for x in ((low_x1, low_x0), (high_x1, high_x0)))
            move = raster.dilation_w << 1
        with m.If(loops.began | loops.ends.kernel_row):
            m.d.sync += [bounds.low_x.eq(low), bounds.high_x.eq(high)]
        with m.Elif(loops.ends.tap):
            m.d.sync += [
                bounds.low_x.eq(bounds.low_x - move),
                bounds.high_x.eq(bounds.high_x - move),
            ]
        with m.If(loops.began | loops.ends.vector):
            m.d.sync += [bounds.low_y.eq(raster.pad_top), bounds.high_y.eq(high_y0)]
        with m.Elif(loops.ends.kernel_row):
            m.d.sync += [
                bounds.low_y.eq(bounds.low_y - raster.dilation_h),
                bounds.high_y.eq(bounds.high_y - raster.dilation_h),
            ]
        return bounds

    def _address(self, m, loops, *, wraps):
        """Pixel address of lane 0 at the current tap."""
        raster = self.raster
        shape = signed(26)
        address, vector_address = Signal(shape, reset_less=True), Signal(shape, reset_less=True)
        step_and_wrap, next_vector = Signal(shape, reset_less=True), Signal(shape)
        m.d.sync += step_and_wrap.eq(raster.step_address + raster.wrap_address)
        m.d.comb += next_vector.eq(vector_address + Mux(wraps, step_and_wrap, raster.step_address))
        origin, to_row, to_tap = raster.origin, raster.tap_y_address, raster.tap_x_address
        if self.tap is not None:
            # Two taps on: along the row, or over its end, which is a tap of each kind.
            to_row, to_tap = Signal(shape, reset_less=True), raster.tap_x_address << 1
            along = Mux(raster.kernel_w == 1, 0, raster.tap_x_address)
            m.d.sync += to_row.eq(raster.tap_y_address + along)
            if self.tap:
                origin = Signal(shape, reset_less=True)
                m.d.sync += origin.eq(raster.origin + raster.tap_x_address)
        with m.If(loops.began | loops.ends.group):
            m.d.sync += [vector_address.eq(origin), address.eq(origin)]
        with m.Elif(loops.ends.vector):
            m.d.sync += [vector_address.eq(next_vector), address.eq(next_vector)]
        with m.Elif(loops.ends.tap):
            m.d.sync += address.eq(address + Mux(loops.ends.kernel_row, to_row, to_tap))
        return address

    def _place(self, m, address):
        """Row and bank of an address, three cycles later."""
        layout = self.beat
        row = Signal(layout["row"].shape, reset_less=True)
        bank = Signal(layout["bank"].shape, reset_less=True)
        located = locate(self.row, delay(m, address, 1), self.raster.phases)
        m.d.sync += [row.eq(located[0]), bank.eq(located[1])]
        return delay(m, row, 1), delay(m, bank, 1)

    def _group_rows(self, m, loops):
        """Rows from input group 0 to the current one; and whether what they need is ready."""
        shape = self.beat["group_rows"].shape
        group_rows, base = Signal(shape, reset_less=True), Signal(shape, reset_less=True)
        next_base = Signal(shape)

        # step_rows = in_step * in_stride, one bit of in_step per cycle.
        step_rows, addend = Signal(shape, reset_less=True), Signal(shape, reset_less=True)
        step_bits = Signal.like(self.in_step, reset_less=True)
        with m.If(self.start):
            m.d.sync += [
                step_rows.eq(0),
                addend.eq(self.in_stride),
                step_bits.eq(self.in_step),
            ]
        with m.Else():
            m.d.sync += [addend.eq(addend << 1), step_bits.eq(step_bits >> 1)]
            with m.If(step_bits[0]):
                m.d.sync += step_rows.eq(step_rows + addend)

        m.d.comb += next_base.eq(base + Mux(loops.ends.repeat, step_rows, 0))
        with m.If(loops.began):
            m.d.sync += [base.eq(0), group_rows.eq(0)]
        with m.Elif(loops.ends.group):
            m.d.sync += [base.eq(next_base), group_rows.eq(next_base)]
        with m.Elif(loops.ends.tap):
            m.d.sync += group_rows.eq(base)
        with m.Elif(loops.ends.beat):
            m.d.sync += group_rows.eq(group_rows + self.in_stride)
        return group_rows, step_bits == 0
