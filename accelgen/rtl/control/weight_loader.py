"""Weight loader: WEIGHTS commands, one contiguous run of beats per step, routed by counting."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import ArchParams, isa, limits
from accelgen.rtl import layouts
from accelgen.rtl.control.weight_plan import SECTION_BITS, Section, WeightPlan, section
from accelgen.rtl.memory.block_queue import BlockQueue
from accelgen.rtl.streams.queue import StreamQueue
from accelgen.rtl.streams.register import StreamRegister
from accelgen.rtl.streams.skid import Skid
from accelgen.rtl.streams.width import Narrower, Widener
from accelgen.rtl.transfer.bursts import Bursts

__all__ = ["WeightLoader"]


class WeightLoader(wiring.Component):
    """Reads tables, parameters, taps and weights and hands each to its engine.

    The run is [table 1][table 2], 16 beats each, then per group [parameters 1][parameters 2][taps]
    [weight words]; absent parts take no beats. Taps are ``lanes`` signed bytes each, packed, the
    last beat of a group padded. Weight words move one beat per cycle; runs follow one another
    without a gap. A ``parked`` run comes from the feature memory, in whole rows: what is left of
    the last is dropped. Tables of WEIGHTS number n (since ``start``) are written when
    ``execs_done >= n - 3``: the step that read this bank last (banks take turns) has ended.

    Parameters
    ----------
    lanes, row : int
        Channels, pixels of a row: whole beats.
    burst_beats, outstanding : int
        Of the longest burst; bursts that have room. Powers of two.

    Members
    -------
    command : In(stream of fields(isa.WEIGHTS))
        Runs to read. ``header`` is not looked at.
    start : In(1)
        Pulse: WEIGHTS number 0 comes next. Only when idle.
    execs_done : In(16)
        EXECs completed since ``start``.
    request : Out(stream of dma_request)
        To the DMA reader. What is requested has a place: ``i`` is always ready.
    i : In(stream of beat)
        From the DMA reader.
    parked : In(stream of beat)
        From the store unit.
    table1, table2 : Out(stream of table_write)
        Tables of both requantizers.
    params1, params2 : Out(stream of channel_param)
        Parameters of both requantizers, channel by channel.
    taps : Out(stream of tap)
        Window weights, tap by tap.
    weights : Out(stream of weight_word)
        Array weights, word by word.
    idle : Out(1)
        No command is in work.
    """

    def __init__(self, *, lanes: int, row: int, burst_beats: int, outstanding: int):
        self.lanes = lanes
        self.row_beats = lanes * row // ArchParams.BUS_BYTES
        self.burst_beats = burst_beats
        self.outstanding = outstanding
        super().__init__({
            "command": In(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "start": In(1),
            "execs_done": In(16),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "parked": In(stream.Signature(layouts.beat())),
            "table1": Out(stream.Signature(layouts.table_write())),
            "table2": Out(stream.Signature(layouts.table_write())),
            "params1": Out(stream.Signature(layouts.channel_param())),
            "params2": Out(stream.Signature(layouts.channel_param())),
            "taps": Out(stream.Signature(layouts.tap(lanes))),
            "weights": Out(stream.Signature(layouts.weight_word(lanes))),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.plan = plan = WeightPlan(
            param_beats=self.lanes * isa.CHANNEL_PARAM.width // 8 // ArchParams.BUS_BYTES,
            word_beats=self.lanes**2 // ArchParams.BUS_BYTES,
        )
        m.submodules.sections = sections = StreamQueue(section(), depth=4)
        connect(m, plan.o, sections.i)
        m.d.comb += [plan.start.eq(self.start), plan.execs_done.eq(self.execs_done)]

        beats = self._read_ahead(m, plan)
        sinks = self._make_sinks(m)
        m.submodules.parked_skid = parked = Skid(layouts.beat())
        connect(m, flipped(self.parked), parked.i)
        chosen, whole_rows = self._choose(m, beats, parked.o, sections.o)
        ended = self._route(m, chosen, sections.o, whole_rows, sinks)

        # A command is in work from its acceptance until its END is met.
        working = Signal(range(limits.WEIGHTS_AHEAD + 6))
        m.d.sync += working.eq(working + (self.command.valid & self.command.ready) - ended)
        m.d.comb += self.idle.eq(working == 0)

        return m

    def _read_ahead(self, m, plan):
        """Requests what has room, command after command. Returns the stream of beats."""
        depth = self.outstanding * self.burst_beats
        m.submodules.bursts = bursts = Bursts(self.burst_beats, room=depth)
        # The reader's ready comes from afar; a burst comes every second cycle.
        m.submodules.asked = asked = StreamRegister(layouts.dma_request())
        connect(m, asked.o, flipped(self.request))
        m.submodules.beats = beats = BlockQueue(layouts.beat(), depth=depth)
        m.submodules.commands = commands = StreamQueue(
            layouts.fields(isa.WEIGHTS), depth=limits.WEIGHTS_AHEAD
        )
        connect(m, commands.o, plan.command)
        may_request = Signal()
        m.d.comb += [
            # Each command goes two ways, at once; a parked one asks for nothing.
            commands.i.payload.eq(self.command.payload),
            commands.i.valid.eq(self.command.valid & may_request),
            bursts.request.p.offset.eq(self.command.p.offset),
            bursts.request.p.beats.eq(self.command.p.beats),
            may_request.eq(bursts.request.ready | self.command.p.parked),
            bursts.request.valid.eq(self.command.valid & commands.i.ready & ~self.command.p.parked),
            self.command.ready.eq(may_request & commands.i.ready),
            # Out to the DMA reader, back into the room that was reserved.
            asked.i.valid.eq(bursts.o.valid),
            asked.i.p.offset.eq(bursts.o.p.offset),
            asked.i.p.beats.eq(bursts.o.p.length + 1),
            bursts.o.ready.eq(asked.i.ready),
            self.i.ready.eq(1),
            beats.i.valid.eq(self.i.valid),
            beats.i.payload.eq(self.i.payload),
            bursts.freed.eq(beats.freed),
        ]
        return beats.o

    def _choose(self, m, beats, parked_beats, sections):
        """Beats from DDR, or parked, as the section says; END drops the rest of a row of these.

        Returns them, and "only whole rows were taken".
        """
        chosen = stream.Signature(layouts.beat()).create()
        left = Signal(range(self.row_beats))  # beats taken, modulo those of a row
        parked, whole = Signal(), Signal()
        m.d.comb += [
            parked.eq(sections.p.parked),
            whole.eq(left == 0),
            chosen.payload.eq(Mux(parked, parked_beats.payload, beats.payload)),
            chosen.valid.eq(Mux(parked, parked_beats.valid, beats.valid)),
            beats.ready.eq(chosen.ready & ~parked),
            parked_beats.ready.eq(chosen.ready & parked),
        ]
        with m.If(parked_beats.valid & parked_beats.ready):
            m.d.sync += left.eq(left + 1)
        return chosen, whole

    def _make_sinks(self, m):
        """What stands between a beat and each output. Returns a stream of beats per section."""
        sinks = {}
        for kind, name in ((Section.PARAMS1, "params1"), (Section.PARAMS2, "params2")):
            queue = StreamQueue(layouts.beat(), depth=limits.SIDE_BEATS)
            cut = Narrower(layouts.beat(), layouts.channel_param())
            m.submodules[f"{name}_queue"], m.submodules[f"{name}_cut"] = queue, cut
            connect(m, queue.o, cut.i)
            connect(m, cut.o, flipped(getattr(self, name)))
            sinks[kind] = queue.i

        lanes = self.lanes
        m.submodules.taps_queue = queue = StreamQueue(_tap_beat(), depth=limits.SIDE_BEATS)
        m.submodules.taps_cut = cut = Narrower(layouts.beat(), data.ArrayLayout(signed(8), lanes))
        m.d.comb += [
            cut.i.payload.eq(queue.o.p.data),
            cut.i.valid.eq(queue.o.valid),
            queue.o.ready.eq(cut.i.ready),
            cut.last.eq(queue.o.p.last),
            self.taps.valid.eq(cut.o.valid),
            cut.o.ready.eq(self.taps.ready),
        ]
        m.d.comb += [self.taps.payload[c].eq(cut.o.payload[c]) for c in range(lanes)]
        sinks[Section.TAPS] = queue.i

        m.submodules.weights_join = join = Widener(layouts.beat(), self.weights.p.shape())
        m.submodules.weights_skid = skid = Skid(layouts.beat())
        connect(m, skid.o, join.i)
        connect(m, join.o, flipped(self.weights))
        sinks[Section.WEIGHTS] = skid.i
        return sinks

    def _route(self, m, beats, sections, whole_rows, sinks):
        """Beats to the sink of their section, by counting. Returns the pulse of each END."""
        at = Signal(SECTION_BITS)
        last, taken, ready, ended = Signal(), Signal(), Signal(), Signal()
        kind = sections.p.kind
        m.d.comb += [
            last.eq(at == sections.p.last),
            beats.ready.eq(sections.valid & ready),
            taken.eq(beats.valid & beats.ready & (kind != Section.END)),
            ended.eq(sections.valid & (kind == Section.END) & (whole_rows | ~sections.p.parked)),
            sections.ready.eq((taken & last) | ended),
        ]
        with m.If(taken):
            m.d.sync += at.eq(Mux(last, 0, at + 1))

        for value, table in ((Section.TABLE1, self.table1), (Section.TABLE2, self.table2)):
            m.d.comb += [
                table.p.bank.eq(sections.p.bank),
                table.p.index.eq(at),
                table.p.data.eq(beats.payload),
                table.valid.eq(beats.valid & sections.valid & (kind == value)),
            ]
        for value, sink in sinks.items():
            if value != Section.TAPS:
                m.d.comb += sink.payload.eq(beats.payload)
            m.d.comb += sink.valid.eq(beats.valid & sections.valid & (kind == value))
        taps_per_beat = ArchParams.BUS_BYTES // self.lanes
        m.d.comb += [
            sinks[Section.TAPS].p.data.eq(beats.payload),
            sinks[Section.TAPS].p.last.eq(Mux(last, sections.p.tail, ~0) & (taps_per_beat - 1)),
        ]
        sinks = {Section.TABLE1: self.table1, Section.TABLE2: self.table2, **sinks}
        with m.Switch(kind):
            for value, sink in sinks.items():
                with m.Case(value):
                    m.d.comb += ready.eq(sink.ready)
            with m.Case(Section.END):
                # What is left of the last row is dropped.
                m.d.comb += ready.eq(sections.p.parked & ~whole_rows)
        return ended


def _tap_beat() -> data.StructLayout:
    """A beat of taps and the index of the last tap in it."""
    return data.StructLayout({"data": layouts.beat(), "last": 2})
