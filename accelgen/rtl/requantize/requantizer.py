"""Requantizer: accumulators in, int8 pixels out, W pixels per cycle."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from accelgen.arch import isa, timing
from accelgen.rtl import layouts
from accelgen.rtl.basics.delay import delay
from accelgen.rtl.dsp.double_pump import SINGLE_CLOCK, Clocking
from accelgen.rtl.requantize.activation_table import ActivationTable
from accelgen.rtl.requantize.channel_params import ChannelParams
from accelgen.rtl.requantize.packer import Packer, packer_beat
from accelgen.rtl.requantize.requantize_lane import RequantizeLane
from accelgen.rtl.streams.credit_queue import CreditQueue

__all__ = ["Requantizer"]

#: Covers the pipeline at full rate; a LUT RAM is as deep.
QUEUE_DEPTH = 32


class Requantizer(wiring.Component):
    """Scales accumulators to int8, looks them up in a table, and packs the kept ones densely.

    Bit-exact with :func:`accelgen.golden.arith.requantize` for multipliers 0 to 2**17 - 1 and
    shifts 1 to 47, as long as ``acc + bias`` fits ``acc_bits``: also where ``config.low`` is above
    ``config.high``. With ``config.table`` its result r becomes ``table[r + 128]``.

    Each group has ``config.pixels`` kept pixels and C parameters, one per lane; the parameters of
    the next group (also across steps) are fetched while this one runs. A group's pixels come
    out W to a beat, the last beat filled up with anything. A beat every cycle, also from group to
    group if C parameters came in time; only a group that ends in the middle of a beat after odd
    numbers of kept lanes costs one cycle. ``timing.requantize_latency`` from beat to beat.

    Parameters
    ----------
    lanes, width, acc_bits : int
        Channels, pixels of a beat (W), bits of an accumulator.
    clocking : Clocking
        Double-pumped, accumulators come in the fast domain, and a lane has two per fabric cycle.

    Members
    -------
    config : In(fields of isa.REQUANT)
        Static from ``start`` until the step's last pixel has left.
    table_bank : In(2)
        Bank of the step's table. Static like ``config``.
    start : In(1)
        Pulse before a step's first beat: take over ``config``. With a table, the first beat is let
        in 28 cycles later, or after the table is written.
    params : In(stream of channel_param)
        C per group, in lane order.
    table : In(stream of table_write, always ready)
        Writes to the bank that the step running does not use.
    i : In(stream of accumulator_beat)
        Accumulators; at least one lane is kept.
    o : Out(stream of pixels)
        Pixels. Comes out of registers.
    """

    def __init__(self, *, lanes: int, width: int, acc_bits: int, clocking: Clocking = SINGLE_CLOCK):
        self.lanes = lanes
        self.width = width
        self.acc_bits = acc_bits
        self.clocking = clocking
        self.latency = timing.requantize_latency(clocking.pumped)
        beats = layouts.accumulator_beat(lanes, width, acc_bits, turns=clocking.turns)
        super().__init__({
            "config": In(layouts.fields(isa.REQUANT)),
            "table_bank": In(2),
            "start": In(1),
            "params": In(stream.Signature(layouts.channel_param())),
            "table": In(stream.Signature(layouts.table_write(), always_ready=True)),
            "i": In(stream.Signature(beats)),
            "o": Out(stream.Signature(layouts.pixels(lanes, width))),
        })

    def elaborate(self, platform):
        m = Module()

        m.submodules.channel_params = params = ChannelParams(
            lanes=self.lanes, acc_bits=self.acc_bits, clocking=self.clocking
        )
        m.submodules.table = table = ActivationTable(
            lanes=self.lanes, width=self.width, clocking=self.clocking
        )
        m.submodules.packer = packer = Packer(lanes=self.lanes, width=self.width)
        m.submodules.queue = queue = CreditQueue(self.o.p.shape(), depth=QUEUE_DEPTH)
        connect(m, flipped(self.params), params.i)
        connect(m, flipped(self.table), table.table)
        connect(m, queue.o, flipped(self.o))

        wrap = Signal()
        m.d.sync += wrap.eq(self.config.high < self.config.low)
        valid, beat = self._admit(m, params.have & table.ready, params, queue)
        for n in range(len(self.i.p.acc)):
            for c in range(self.lanes):
                m.submodules[f"lane{n}_{c}"] = lane = RequantizeLane(
                    self.acc_bits, clocking=self.clocking
                )
                m.d.comb += [
                    lane.acc.eq(self.i.p.acc[n][c]),
                    lane.param.eq(params.o[c]),
                    lane.zero.eq(self.config.zero),
                    lane.low.eq(self.config.low),
                    lane.high.eq(self.config.high),
                    lane.wrap.eq(wrap),
                    table.i[n][c].eq(lane.result),
                ]
        # Double-pumped, results are there in fast cycle 2t + 3 + LATENCY, an odd one.
        lead = self.clocking.early + RequantizeLane.LATENCY // self.clocking.turns
        assert lead >= ActivationTable.LEAD
        cycles = lead + table.latency
        m.d.comb += [
            table.start.eq(self.start),
            table.enable.eq(self.config.table),
            table.bank.eq(self.table_bank),
            packer.valid.eq(delay(m, valid, cycles - Packer.LEAD, reset=True)),
            packer.beat.eq(delay(m, beat, cycles - Packer.LEAD)),
            packer.i.eq(table.o),
            queue.i.valid.eq(packer.emit),
            queue.i.payload.eq(packer.o),
        ]

        return m

    def _admit(self, m, have, params, queue):
        """Let beats in, count pixels, change parameters. Returns valid and packer_beat.

        ``have``: there are parameters and the table.
        """
        width = self.width
        remaining = Signal(20)
        fill = Signal(range(width))
        flush = Signal()
        accept, last = Signal(), Signal()
        kept = self.i.p.kept
        total = Signal(range(2 * width))
        valid = Signal()
        beat = Signal(packer_beat(self.width))
        m.d.comb += [
            total.eq(fill + kept),
            last.eq(remaining == kept),
            self.i.ready.eq(~flush & have & queue.room),
            accept.eq(self.i.valid & self.i.ready),
            params.take.eq(accept & last),
            valid.eq(accept | flush),
            beat.fill.eq(fill),
            beat.keep.eq(self.i.p.keep),
            beat.emit.eq((total >= width) | last),
            queue.reserve.eq(accept & beat.emit),
        ]
        with m.If(accept):
            m.d.sync += [
                remaining.eq(Mux(last, self.config.pixels, remaining - kept)),
                fill.eq(total),  # modulo W
            ]
            with m.If(last):
                m.d.sync += [flush.eq(total > width), fill.eq(Mux(total > width, total - width, 0))]
        # What a group's last beat could not hold follows by itself, when there is room for it.
        with m.If(flush):
            m.d.comb += [
                valid.eq(queue.room),
                beat.keep.eq(0),
                beat.emit.eq(1),
                queue.reserve.eq(queue.room),
            ]
            with m.If(queue.room):
                m.d.sync += [flush.eq(0), fill.eq(0)]
        with m.If(self.start):
            m.d.sync += remaining.eq(self.config.pixels)
        return valid, beat
