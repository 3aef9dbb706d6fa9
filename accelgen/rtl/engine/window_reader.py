"""Window reader: feeds the window engine from the window ring."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.engine.raster import Raster
from accelgen.rtl.memory.block_ring import BlockRing
from accelgen.rtl.memory.pixel_memory import ROW_BITS, RunPort, split_address
from accelgen.rtl.memory.window_ring import RING_BITS
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.streams.delay import delay

__all__ = ["WindowReader"]

#: Rows of a beat, counted from the step's start like ``written`` and ``free_to``.
_Rows = data.StructLayout({
    "row": ROW_BITS,  # lane 0's, to read
    "none": 1,  # all lanes are outside the map
    "needed": RING_BITS,  # rows that must be written
    "release": RING_BITS,  # rows not read any more: with the group's last beat, all of the group
})


class WindowReader(wiring.Component):
    """Walks ``step.ring_raster`` over the ring's map, group after group.

    A beat is issued when the rows it reads are written, its tap (MAC) or its group's vector word
    (SCALE) is there and, for a vector's first beat, a credit; its operands leave
    ``timing.window_read_latency`` cycles later. Full rate.

    * MAC: activations with ``pad_value`` outside the map; weights are the tap's.
    * MAX: the same activations; weights undefined.
    * SCALE: activations minus ``pad_value``; weights are the vector word minus ``vector_zero``.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs. Uses ``lanes``, ``pixels``, ``tap_words`` and ``acc_depth``.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step; without ``window`` nothing happens.
    run : Out(RunPort)
        To the window ring.
    written, free_to : In(RING_BITS), Out(RING_BITS)
        Rows of the step written to the ring; rows not read any more.
    taps : In(stream of tap)
        ``kernel_h * kernel_w`` taps per group of a MAC step.
    vector : In(stream of row)
        Rows whose lane 0 is the group's vector word, one per group of a SCALE step.
    o : Out(stream of window_operands, always ready)
        To the window engine.
    credit : In(1)
        A vector has left the accumulator queue. ``acc_depth`` vectors fit at reset.
    busy, wait_pixels, wait_weights, wait_drain : Out(1)
        This cycle: a beat issued; one waits for rows; for a tap or vector word; for a credit.
    idle : Out(1)
        Nothing is left to issue or in flight.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "run": Out(RunPort(arch)),
            "written": In(RING_BITS),
            "free_to": Out(RING_BITS),
            "taps": In(stream.Signature(layouts.tap(arch))),
            "vector": In(stream.Signature(layouts.row(arch))),
            "o": Out(stream.Signature(layouts.window_operands(arch), always_ready=True)),
            "credit": In(1),
            "busy": Out(1),
            "wait_pixels": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        step = self.step
        m.submodules.raster = raster = Raster(self.arch)
        m.submodules.room = room = Credits(self.arch.acc_depth)
        m.d.comb += [
            raster.raster.eq(step.ring_raster),
            raster.groups.eq(step.groups),
            raster.in_groups.eq(1),
            raster.in_stride.eq(step.ring_rows),
            raster.in_step.eq(1),
            raster.in_repeat.eq(1),
            raster.start.eq(self.start & step.window),
        ]

        # The beat that is to be issued next.
        ready = Signal()
        waiting, beat, rows = self._prepare(m, raster.o, ready)
        valid = waiting[-1]
        has_rows, has_word, has_room, issue = (
            Signal(name=name) for name in ("has_rows", "has_word", "has_room", "issue")
        )
        ahead = Signal(signed(RING_BITS))
        m.d.comb += [
            # Counts are compared modulo: neither is ever half the range away from the other.
            ahead.eq(self.written - rows.needed),
            has_rows.eq(rows.none | (ahead >= 0)),
            has_word.eq(self._weights(m, beat, issue)),
            has_room.eq(~beat.first | room.some),
            ready.eq(has_rows & has_word & has_room),
            issue.eq(valid & ready),
            room.take.eq(issue & beat.first),
            room.give.eq(self.credit),
            self.busy.eq(issue),
            self.wait_pixels.eq(valid & ~has_rows),
            self.wait_weights.eq(valid & has_rows & ~has_word),
            self.wait_drain.eq(valid & has_rows & has_word & ~has_room),
        ]

        # in_flight[n]: a beat was issued n + 1 cycles ago.
        in_flight = Signal(timing.window_read_latency(self.arch.pixels))
        m.d.sync += in_flight.eq(Cat(issue, in_flight))
        m.d.comb += self.idle.eq(raster.idle & ~waiting.any() & ~in_flight.any())

        self._free(m, beat, rows, issue)
        _, shift = split_address(self.arch, beat.address)
        m.d.comb += [
            self.run.en.eq(in_flight[0]),
            self.run.row.eq(delay(m, rows.row, 1)),
            self.run.shift.eq(delay(m, shift, 1)),
        ]
        self._operands(m, beat, in_flight)
        return m

    def _prepare(self, m, i, ready):
        """The raster's beats with their rows, three cycles later: valid bits, beat, rows.

        The three stages move as one, when the last is empty or its beat is issued (``ready``).
        """
        pixels = self.arch.pixels
        valid = Signal(timing.WINDOW_PREPARE)
        beats = [
            Signal(layouts.raster_beat(self.arch), name=f"beat{n}", reset_less=True)
            for n in range(timing.WINDOW_PREPARE)
        ]
        rows = Signal(_Rows, reset_less=True)
        advance = Signal()
        m.d.comb += [advance.eq(~valid[-1] | ready), i.ready.eq(advance)]

        # Rows relative to the group: lane 0's, and the last lane's.
        row_shape = signed(27)
        first_row = [Signal(row_shape, name=f"first_row{n}", reset_less=True) for n in range(2)]
        last_row = Signal(row_shape, reset_less=True)
        none = Signal(reset_less=True)
        used, release = (
            Signal(ROW_BITS, name=name, reset_less=True) for name in ("used", "release")
        )
        rows_per_group = self.step.ring_rows
        group_ends = beats[0].last & beats[0].last_vector

        with m.If(advance):
            m.d.sync += Cat(valid).eq(Cat(i.valid, valid))
            m.d.sync += [beats[0].eq(i.p), beats[1].eq(beats[0]), beats[2].eq(beats[1])]
            # Cycle 1
            m.d.sync += [
                first_row[0].eq(split_address(self.arch, i.p.address)[0]),
                last_row.eq(split_address(self.arch, i.p.address + (pixels - 1))[0]),
            ]
            # Cycle 2: only rows of the map are waited for, and freed.
            m.d.sync += [
                first_row[1].eq(first_row[0]),
                none.eq(last_row < 0),
                used.eq(Mux(last_row < rows_per_group, last_row + 1, rows_per_group)),
                release.eq(
                    Mux(
                        group_ends | (first_row[0] >= rows_per_group),
                        rows_per_group,
                        Mux(first_row[0] < 0, 0, first_row[0]),
                    )
                ),
            ]
            # Cycle 3: from the group to the step.
            base = beats[1].group_rows
            m.d.sync += [
                rows.row.eq(base + first_row[1]),
                rows.none.eq(none),
                rows.needed.eq(base + used),
                rows.release.eq(base + release),
            ]
        return valid, beats[-1], rows

    def _free(self, m, beat, rows, issue):
        """Later beats of the group read no row below this one's; those of later groups, none.

        (A vector right of the map is an exception: the next row's may begin at a lower address.)
        The count is shown two cycles after the beat was issued, and a row takes another to be
        written: the RAM has been read by then, for beats up to this one.
        """
        free = Signal(RING_BITS)
        group_ends = beat.last & beat.last_vector
        with m.If(issue & ((beat.first & ~beat.past_row) | group_ends)):
            m.d.sync += free.eq(rows.release)
        m.d.sync += self.free_to.eq(free)
        with m.If(self.start):
            m.d.sync += [free.eq(0), self.free_to.eq(0)]

    def _weights(self, m, beat, issue):
        """Drives the weights' operand; returns whether the beat's tap or vector word is there."""
        step, arch = self.step, self.arch
        latency = timing.window_read_latency(arch.pixels)
        is_mac, is_scale = Signal(), Signal()
        m.d.comb += [
            is_mac.eq(step.window_op == isa.WindowOp.MAC),
            is_scale.eq(step.window_op == isa.WindowOp.SCALE),
        ]

        m.submodules.tap_ring = ring = BlockRing(
            layouts.tap(arch), depth=arch.tap_words, latency=latency - 1
        )
        wiring.connect(m, wiring.flipped(self.taps), ring.i)
        m.d.comb += [
            ring.read.words.eq(step.ring_raster.kernel_h * step.ring_raster.kernel_w),
            ring.read.take.eq(issue & is_mac),
            ring.read.last_use.eq(beat.last_vector),
        ]

        # The vector word stays at the stream's end while its group is issued.
        m.d.comb += self.vector.ready.eq(issue & is_scale & beat.last & beat.last_vector)
        word = delay(m, self.vector.payload[0], 1)
        scale = Signal(layouts.tap(arch), reset_less=True)
        for lane in range(arch.lanes):
            m.d.sync += scale[lane].eq(word[lane] - step.vector_zero)
        scale_then = delay(m, scale, latency - 3)

        weights = Signal(layouts.tap(arch), reset_less=True)
        m.d.sync += weights.eq(Mux(is_scale, scale_then, ring.read.word))
        m.d.comb += self.o.p.weights.eq(weights)
        return Mux(is_mac, ring.read.available, ~is_scale | self.vector.valid)

    def _operands(self, m, beat, in_flight):
        """The run, with padding where a lane is outside the map, minus SCALE's zero point."""
        latency = len(in_flight)
        raster = self.step.ring_raster
        inside = delay(m, beat.inside, latency - 1)
        pad, zero = Signal(signed(8), reset_less=True), Signal(signed(8), reset_less=True)
        m.d.sync += [
            pad.eq(raster.pad_value),
            zero.eq(Mux(self.step.window_op == isa.WindowOp.SCALE, raster.pad_value, 0)),
        ]
        activations = Signal.like(self.o.p.activations, reset_less=True)
        for n in range(self.arch.pixels):
            for lane in range(self.arch.lanes):
                seen = Mux(inside[n], self.run.data[n][lane], pad)
                m.d.sync += activations[n][lane].eq(seen - zero)

        o = self.o.p
        m.d.comb += [
            self.o.valid.eq(in_flight[-1]),
            o.activations.eq(activations),
            Cat(o.first, o.last, o.keep).eq(
                delay(m, Cat(beat.first, beat.last, beat.keep), latency)
            ),
        ]
