"""Window path: pixels -> ring -> window engine -> requantized pixels."""

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.dsp.double_pump import Clocking
from accelgen.rtl.requantize.acc_queue import AccQueue
from accelgen.rtl.requantize.requantizer import Requantizer
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.streams.switch import StreamJoin
from accelgen.rtl.window.window_lanes import WindowLanes
from accelgen.rtl.window.window_reader import WindowReader
from accelgen.rtl.window.window_ring import WindowRing

__all__ = ["WindowPath"]


class WindowPath(wiring.Component):
    """Depthwise convolution, pooling, scale; identity for what only adds or looks up.

    A block diagram in code: instances and connections only. Keep it so.

    Parameters
    ----------
    arch : ArchParams
    clocking : Clocking
        Of the lanes and what follows them.
    queue, lanes : types of AccQueue and WindowLanes
        Those for this clocking.

    Members
    -------
    step, start : In(fields(EXEC)), In(1)
    i : In(stream of row)
        From the array path, when ``step.array``.
    copy : In(stream of row)
        From the feature memory, when not.
    vector : In(stream of pixel)
        One per group of a SCALE step: the group's vector word.
    table2, params2, taps : In(streams)
        From the weight loader.
    scaled : Out(stream of accumulator_beat, D pixels)
        What a SCALE step makes; the array path's requantizer takes it.
    o : Out(stream of pixels)
        Requantized pixels of other steps, group after group, each from a fresh beat.
    busy, wait_pixels, wait_weights, wait_drain, idle : Out(1)
        Of the reader; idle: and nothing is on its way after it but in ``o``.
    """

    def __init__(
        self, arch: ArchParams, *, clocking: Clocking, queue: type[AccQueue],
        lanes: type[WindowLanes],
    ):  # fmt: skip
        self.arch = arch
        self.clocking = clocking
        self.queue = queue
        self.lanes = lanes
        beats = layouts.accumulator_beat(
            arch.lanes, arch.array_width, arch.acc_bits, turns=clocking.turns
        )
        rows = stream.Signature(layouts.pixels(arch.lanes, arch.pixels))
        super().__init__({
            "step": In(layouts.fields(isa.EXEC)),
            "start": In(1),
            "i": In(rows),
            "copy": In(rows),
            "vector": In(stream.Signature(layouts.pixel(arch.lanes))),
            "table2": In(stream.Signature(layouts.table_write())),
            "params2": In(stream.Signature(layouts.channel_param())),
            "taps": In(stream.Signature(layouts.tap(arch.lanes))),
            "scaled": Out(stream.Signature(beats)),
            "o": Out(stream.Signature(layouts.pixels(arch.lanes, arch.chain_pixels))),
            "busy": Out(1),
            "wait_pixels": Out(1),
            "wait_weights": Out(1),
            "wait_drain": Out(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        arch, step = self.arch, self.step
        lanes, pixels, width = arch.lanes, arch.window_width, arch.chain_pixels
        numbers: dict[str, Any] = {"lanes": lanes, "acc_bits": arch.acc_bits}
        m.submodules.source = source = StreamJoin(self.i.p.shape())
        sizes = {"lanes": lanes, "row": arch.pixels, "pixels": pixels, "taps": arch.window_taps}
        m.submodules.ring = ring = WindowRing(**sizes, depth=arch.ring_rows)
        m.submodules.reader = reader = WindowReader(
            **sizes, tap_words=arch.tap_words, vectors=arch.acc_depth
        )
        m.submodules.lanes = engine = self.lanes(
            **numbers, pixels=pixels, packed=arch.packed, taps=arch.window_taps
        )
        m.submodules.acc_queue = acc_queue = self.queue(
            **numbers, pixels=pixels, depth=arch.acc_depth, width=width,
            wide_width=arch.array_width,
        )  # fmt: skip
        m.submodules.params = params = StreamQueue(
            layouts.channel_param(), depth=limits.PARAM_GROUPS_WAITING * lanes
        )
        m.submodules.requantizer = requantizer = Requantizer(
            **numbers, width=width, clocking=self.clocking
        )

        # i or copy -> ring -> reader -> lanes -> accumulators -> requantizer -> o, or scaled
        connect(m, flipped(self.i), source.i1)
        connect(m, flipped(self.copy), source.i0)
        connect(m, source.o, ring.i)
        connect(m, reader.run, ring.run)
        if arch.window_taps > 1:
            connect(m, reader.second, ring.second)
        connect(m, reader.o, engine.i)
        connect(m, engine.o, acc_queue.i)
        connect(m, requantizer.o, flipped(self.o))
        scale = Signal()
        m.d.sync += scale.eq(step.window_op == isa.WindowOp.SCALE)
        m.d.comb += [
            self.scaled.payload.eq(acc_queue.o.payload),
            self.scaled.valid.eq(acc_queue.o.valid),  # only looked at in a SCALE step
            requantizer.i.valid.eq(acc_queue.o.valid & ~scale),
            # The lower lanes are all there is of a beat that is not wide.
            requantizer.i.p.acc.as_value().eq(acc_queue.o.p.acc.as_value()),
            requantizer.i.p.keep.eq(acc_queue.o.p.keep),
            requantizer.i.p.kept.eq(acc_queue.o.p.kept),
            acc_queue.o.ready.eq(Mux(scale, self.scaled.ready, requantizer.i.ready)),
            acc_queue.wide.eq(scale),
        ]

        # Taps, vector, parameters, table
        connect(m, flipped(self.taps), reader.taps)
        connect(m, flipped(self.vector), reader.vector)
        connect(m, flipped(self.params2), params.i)
        connect(m, params.o, requantizer.params)
        connect(m, flipped(self.table2), requantizer.table)

        self._settings(m, source, ring, reader, engine, acc_queue, requantizer)
        return m

    def _settings(self, m, source, ring, reader, engine, acc_queue, requantizer):
        """Settings and events."""
        step = self.step
        m.d.comb += [
            source.select.eq(step.array),
            engine.op.eq(step.window_op),
            requantizer.config.eq(step.requant2),
            requantizer.table_bank.eq(step.table_bank),
            reader.written.eq(ring.written),
            ring.free_to.eq(reader.free_to),
            reader.credit.eq(acc_queue.credit),
            self.busy.eq(reader.busy),
            self.wait_pixels.eq(reader.wait_pixels),
            self.wait_weights.eq(reader.wait_weights),
            self.wait_drain.eq(reader.wait_drain),
            self.idle.eq(reader.idle & ~acc_queue.o.valid),
        ]
        for block in (ring, reader, requantizer):
            m.d.comb += block.start.eq(self.start)
        for block in (ring, reader):
            m.d.comb += block.step.eq(step)
