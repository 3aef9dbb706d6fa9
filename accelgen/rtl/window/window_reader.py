"""Window reader: feeds the window engine from the window ring."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from accelgen.arch import isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.memory.block_ring import BlockRing
from accelgen.rtl.memory.pixel_memory import RunPort
from accelgen.rtl.raster.raster import Raster
from accelgen.rtl.streams.credits import Credits
from accelgen.rtl.window.tap_pairs import TapPairs
from accelgen.rtl.window.window_ring import RING_BITS
from accelgen.rtl.window.window_rows import WindowRows, second_place

__all__ = ["WindowReader"]


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
    lanes, row, pixels : int
        Channels of a word, words of a row of the ring, pixels of a beat (C, P, V).
    tap_words : int
        Taps that fit. Power of two.
    vectors : int
        Vectors that fit the accumulator queue.
    taps : int
        Taps of a beat, 1 or 2. With two each beat reads two runs of the ring: what is past the
        kernel's last tap, or beside a kernel of one column, is outside the map, and its weight in
        ``taps`` is 0.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
        The step; without ``window`` nothing happens.
    run, second : Out(RunPort)
        To the window ring; of both taps.
    written, free_to : In(RING_BITS), Out(RING_BITS)
        Rows of the step written to the ring; rows not read any more.
    taps : In(stream of tap)
        ``kernel_h * kernel_w`` taps per group of a MAC step; ``ArchParams.stored_taps`` of two.
    vector : In(stream of pixel)
        The group's vector word, one per group of a SCALE step.
    o : Out(stream of window_operands, always ready)
        To the window engine.
    credit : In(1)
        A vector has left the accumulator queue. ``vectors`` fit at reset.
    busy, wait_pixels, wait_weights, wait_drain : Out(1)
        This cycle: a beat issued; one waits for rows; for a tap or vector word; for a credit.
    idle : Out(1)
        Nothing is left to issue or in flight.
    """

    def __init__(
        self, *, lanes: int, row: int, pixels: int, tap_words: int, vectors: int, taps: int = 1
    ):
        self.lanes = lanes
        self.row = row
        self.pixels = pixels
        self.tap_words = tap_words
        self.vectors = vectors
        self.taps_per_beat = taps
        seconds = {"second": Out(RunPort(lanes, pixels))} if taps > 1 else {}
        operands = layouts.window_operands(lanes, pixels, taps=taps)
        super().__init__({
            **seconds,
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "run": Out(RunPort(lanes, pixels)),
            "written": In(RING_BITS),
            "free_to": Out(RING_BITS),
            "taps": In(stream.Signature(layouts.tap(lanes))),
            "vector": In(stream.Signature(layouts.pixel(lanes))),
            "o": Out(stream.Signature(operands, always_ready=True)),
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
        raster = self._raster(m, "raster", None if self.taps_per_beat == 1 else 0)
        m.submodules.room = room = Credits(self.vectors)

        m.submodules.rows = rows = WindowRows(self.pixels, self.row, taps=self.taps_per_beat)
        if self.taps_per_beat == 1:
            wiring.connect(m, raster.o, rows.i)
        else:
            self._pair(m, raster, rows)
        m.d.comb += [
            rows.ring_rows.eq(step.ring_rows),
            rows.phases.eq(step.ring_raster.phases),
            rows.written.eq(self.written),
        ]

        # Cycle 0: issue a beat.
        valid, beat = rows.o.valid, rows.o.p.raster
        has_word, has_room, issue = Signal(), Signal(), Signal()
        m.d.comb += [
            has_word.eq(self._weights(m, beat, issue)),
            has_room.eq(~beat.first | room.some),
            rows.o.ready.eq(rows.has_rows & has_word & has_room),
            issue.eq(valid & rows.o.ready),
            room.take.eq(issue & beat.first),
            room.give.eq(self.credit),
            self.busy.eq(issue),
            self.wait_pixels.eq(valid & ~rows.has_rows),
            self.wait_weights.eq(valid & rows.has_rows & ~has_word),
            self.wait_drain.eq(valid & rows.has_rows & has_word & ~has_room),
        ]

        # in_flight[n]: a beat was issued n + 1 cycles ago.
        in_flight = Signal(timing.window_read_latency(self.pixels))
        m.d.sync += in_flight.eq(Cat(issue, in_flight))
        m.d.comb += self.idle.eq(raster.idle & rows.idle & ~in_flight.any())

        self._free(m, rows.o.p, issue)
        # A row of the ring's memory is a run of V.
        row, bank = delay(m, rows.o.p.row, 1), delay(m, beat.bank, 1)
        parts = exact_log2(self.pixels // self.row)
        m.d.comb += [
            self.run.en.eq(in_flight[0]),
            self.run.row.eq(row[parts:]),
            self.run.bank.eq(Cat(bank[: exact_log2(self.row)], row[:parts])),
            self.run.phases.eq(step.ring_raster.phases),
            self.run.wanted.eq(delay(m, beat.inside, 1)),
        ]
        m.d.comb += self.o.valid.eq(in_flight[-1])
        self._operands(m, beat.inside, in_flight, self.run, self.o.p)
        m.d.comb += Cat(self.o.p.first, self.o.p.last, self.o.p.keep).eq(
            delay(m, Cat(beat.first, beat.last, beat.keep), len(in_flight))
        )
        if self.taps_per_beat > 1:
            self._second_tap(m, rows.o.p.second, in_flight)
        return m

    def _second_tap(self, m, second, in_flight):
        """The second tap's run and operands, beside the first's."""
        m.d.comb += [
            self.second.en.eq(in_flight[0]),
            self.second.row.eq(delay(m, second.row, 1)),
            self.second.bank.eq(delay(m, second.bank, 1)),
            self.second.phases.eq(self.step.ring_raster.phases),
            self.second.wanted.eq(delay(m, second.inside, 1)),
        ]
        self._operands(m, second.inside, in_flight, self.second, self.o.p.second)

    def _raster(self, m, name, tap):
        """A walk over the step's map: of all taps, or of the first or second of each pair."""
        step = self.step
        m.submodules[name] = raster = Raster(self.pixels, row=self.row, tap=tap)
        m.d.comb += [
            raster.raster.eq(step.ring_raster),
            raster.groups.eq(step.groups),
            raster.in_groups.eq(1),
            raster.in_stride.eq(step.ring_rows),
            raster.in_step.eq(1),
            raster.in_repeat.eq(1),
            raster.start.eq(self.start & step.window),
        ]
        return raster

    def _pair(self, m, raster, rows):
        """The beats of both walks, side by side: they begin together and have as many."""
        kernel = self.step.ring_raster
        other = self._raster(m, "second_raster", 1)
        odd, narrow, both = Signal(), Signal(), Signal()
        m.d.sync += [
            odd.eq(kernel.kernel_h[0] & kernel.kernel_w[0]),
            narrow.eq(kernel.kernel_w == 1),
        ]
        there = ~narrow & ~(odd & raster.o.p.last)
        place = second_place(self.pixels, self.row)
        m.d.comb += [
            both.eq(raster.o.valid & other.o.valid),
            rows.i.payload.eq(raster.o.payload),
            rows.i.valid.eq(both),
            raster.o.ready.eq(rows.i.ready & both),
            other.o.ready.eq(rows.i.ready & both),
            rows.second.there.eq(there),
            *(rows.second[n].eq(other.o.p[n]) for n in place.members if n != "there"),
        ]

    def _free(self, m, beat, issue):
        """Free what an issued beat releases, never less than before.

        (Wide padding: the next row of positions may begin before the place of this vector.)
        The count is shown two cycles after the beat was issued, and a row takes another to be
        written: the RAM has been read by then, for beats up to this one.
        """
        free, more = Signal(RING_BITS), Signal(signed(RING_BITS))
        m.d.comb += more.eq(beat.release - free)
        with m.If(issue & beat.releases & (more > 0)):
            m.d.sync += free.eq(beat.release)
        m.d.sync += self.free_to.eq(free)
        with m.If(self.start):
            m.d.sync += [free.eq(0), self.free_to.eq(0)]

    def _weights(self, m, beat, issue):
        """Drives the weights' operand; returns whether the beat's tap or vector word is there."""
        step = self.step
        latency = timing.window_read_latency(self.pixels)
        is_mac, is_scale = Signal(), Signal()
        m.d.sync += [
            is_mac.eq(step.window_op == isa.WindowOp.MAC),
            is_scale.eq(step.window_op == isa.WindowOp.SCALE),
        ]

        taps = Signal(8)
        word = layouts.tap(self.lanes)
        per_beat = self.taps_per_beat
        m.submodules.tap_ring = ring = BlockRing(
            word if per_beat == 1 else data.ArrayLayout(word, per_beat),
            depth=self.tap_words // per_beat, latency=latency - 1,
        )  # fmt: skip
        kernel = step.ring_raster
        if per_beat == 1:
            wiring.connect(m, wiring.flipped(self.taps), ring.i)
            m.d.sync += taps.eq(kernel.kernel_h * kernel.kernel_w)
        else:
            m.submodules.tap_pairs = pairs = TapPairs(self.lanes)
            wiring.connect(m, wiring.flipped(self.taps), pairs.i)
            wiring.connect(m, pairs.o, ring.i)
            all_taps = (kernel.kernel_h * kernel.kernel_w + 1) >> 1
            m.d.sync += taps.eq(Mux(kernel.kernel_w == 1, kernel.kernel_h, all_taps))
        m.d.comb += [
            ring.read.words.eq(taps),
            ring.read.take.eq(issue & is_mac),
            ring.read.last_use.eq(beat.last_vector),
        ]

        # The vector word stays at the stream's end while its group is issued.
        m.d.comb += self.vector.ready.eq(issue & is_scale & beat.last & beat.last_vector)
        word = delay(m, self.vector.payload, 1)
        scale = Signal(layouts.tap(self.lanes), reset_less=True)
        for lane in range(self.lanes):
            m.d.sync += scale[lane].eq(word[lane] - step.vector_zero)
        scale_then = delay(m, scale, latency - 3)

        weights = Signal(layouts.tap(self.lanes), reset_less=True)
        first_tap = ring.read.word if per_beat == 1 else ring.read.word[0]
        m.d.sync += weights.eq(Mux(is_scale, scale_then, first_tap))
        m.d.comb += self.o.p.weights.eq(weights)
        if per_beat > 1:
            second = Signal(layouts.tap(self.lanes), name="second_weights", reset_less=True)
            m.d.sync += second.eq(Mux(is_scale, 0, ring.read.word[1].as_value()))
            m.d.comb += self.o.p.second.weights.eq(second)
        return Mux(is_mac, ring.read.available, ~is_scale | self.vector.valid)

    def _operands(self, m, inside, in_flight, run, o):
        """Drives a tap's run, and what is added to it: padding outside the map, minus SCALE's zero
        point."""
        latency = len(in_flight)
        raster = self.step.ring_raster
        inside = delay(m, inside, latency - 1)
        is_scale = self.step.window_op == isa.WindowOp.SCALE
        seen, unseen = Signal(signed(9), reset_less=True), Signal(signed(9), reset_less=True)
        m.d.sync += [
            seen.eq(Mux(is_scale, -raster.pad_value, 0)),
            unseen.eq(Mux(is_scale, 0, raster.pad_value)),
        ]
        offsets = Signal(o.offsets.shape(), reset_less=True)
        for n in range(self.pixels):
            m.d.sync += offsets[n].eq(Mux(inside[n], seen, unseen))

        m.d.comb += [o.activations.eq(run.data), o.offsets.eq(offsets)]
