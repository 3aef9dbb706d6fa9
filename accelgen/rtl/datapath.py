"""Datapath: from the feature memory through both engines and back."""

from typing import NamedTuple

from amaranth import Cat, DomainRenamer, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts
from accelgen.rtl.array.array_path import ArrayPath
from accelgen.rtl.control.step_control import StepPort
from accelgen.rtl.dsp.double_pump import DOUBLE_PUMPED, SINGLE_CLOCK, Clocking
from accelgen.rtl.memory.pixel_memory import RunPort
from accelgen.rtl.memory.row_reader import ROW_BITS, RowReader
from accelgen.rtl.output.output_path import OutputPath
from accelgen.rtl.requantize.acc_queue import AccQueue, PumpedAccQueue
from accelgen.rtl.streams.register import StreamRegister
from accelgen.rtl.streams.switch import StreamShare
from accelgen.rtl.window.window_lanes import PumpedWindowLanes, WindowLanes
from accelgen.rtl.window.window_path import WindowPath

__all__ = ["Blocks", "Datapath", "blocks_of", "weight_streams"]


class Blocks(NamedTuple):
    """What both engines are put together from: how lanes are clocked, and the blocks that are
    different hardware then."""

    clocking: Clocking = SINGLE_CLOCK
    queue: type[AccQueue] = AccQueue
    lanes: type[WindowLanes] = WindowLanes


def blocks_of(arch: ArchParams) -> Blocks:
    """Of a configuration. Nothing else asks whether it is double-pumped."""
    if arch.pumped:
        return Blocks(DOUBLE_PUMPED, PumpedAccQueue, PumpedWindowLanes)
    return Blocks()


def weight_streams(arch: ArchParams) -> dict[str, stream.Signature]:
    """What the weight loader hands to the engines, stream by stream."""
    return {
        "table1": stream.Signature(layouts.table_write()),
        "table2": stream.Signature(layouts.table_write()),
        "params1": stream.Signature(layouts.channel_param()),
        "params2": stream.Signature(layouts.channel_param()),
        "taps": stream.Signature(layouts.tap(arch.lanes)),
        "weights": stream.Signature(layouts.weight_word(arch.lanes)),
    }


class Datapath(wiring.Component):
    """Runs one step: array (or copy), window engine, add, squeeze, write.

    What SCALE makes goes back to the array path: it has D pixels per cycle, and nothing else to do.

    A block diagram in code: instances and connections only. Keep it so. The output path is in the
    clock domain ``OUTPUT_DOMAIN``: the same clock, and a register of its own for the reset.

    Members
    -------
    steps : In(StepPort())
        The step, and the one that the array may have begun (control/step_control.py).
    run, residual_read, residual_data, write
        To the feature memory.
    table1, table2, params1, params2, taps, weights : In(streams)
        From the weight loader.
    array_busy, array_wait_weights, array_wait_drain, window_busy, window_wait_pixels,
    window_wait_weights, window_wait_drain : Out(1)
        Events to count.
    """

    OUTPUT_DOMAIN = "outputs"
    EVENTS = (
        "array_busy", "array_wait_weights", "array_wait_drain",
        "window_busy", "window_wait_pixels", "window_wait_weights", "window_wait_drain",
    )  # fmt: skip

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "steps": In(StepPort()),
            "run": Out(RunPort(arch.lanes, arch.pixels)),
            "residual_read": Out(stream.Signature(ROW_BITS)),
            "residual_data": In(
                stream.Signature(layouts.pixels(arch.lanes, arch.pixels), always_ready=True)
            ),
            "write": Out(stream.Signature(layouts.row_choice(arch.lanes, arch.pixels))),
            **{name: In(signature) for name, signature in weight_streams(arch).items()},
            **dict.fromkeys(self.EVENTS, Out(1)),
        })

    def elaborate(self, platform):
        m = Module()

        arch, steps, step = self.arch, self.steps, self.steps.step
        row = layouts.pixels(arch.lanes, arch.pixels)
        clocking, queue, lanes = blocks_of(arch)
        m.submodules.array = array = ArrayPath(arch, clocking=clocking, queue=queue)
        m.submodules.window = window = WindowPath(arch, clocking=clocking, queue=queue, lanes=lanes)
        m.submodules.output = output = DomainRenamer(self.OUTPUT_DOMAIN)(
            OutputPath(arch, clocking=clocking)
        )
        m.submodules.residual = residual = RowReader(
            lanes=arch.lanes, row=arch.pixels, slow=arch.pixels >= 4 * arch.chain_pixels
        )
        m.submodules.made = made = StreamShare(row, 3)  # array -> window or output
        m.submodules.rows = rows = StreamShare(row, 2)  # residual -> output (add) or window (scale)
        m.submodules.vector = vector = StreamRegister(layouts.pixel(arch.lanes))

        for path in (array, window, output):
            m.d.comb += [path.step.eq(step), path.start.eq(steps.start)]
        for name in ("front", "front_start", "front_tag", "may_read", "held_tag"):
            m.d.comb += getattr(array, name).eq(getattr(steps, name))
        m.d.comb += steps.front_idle.eq(array.front_idle)

        # Feature memory -> array -> (window) -> output -> feature memory
        connect(m, array.run, flipped(self.run))
        connect(m, array.copy, window.copy)
        connect(m, array.o, made.i)
        connect(m, made.o0, window.i)
        connect(m, made.o1, output.straight)
        connect(m, made.o2, output.chained)
        ringed = step.window & step.array
        m.d.sync += made.wanted.eq(Cat(ringed, ~ringed & ~step.chained, ~ringed & step.chained))
        connect(m, window.scaled, array.scaled)
        connect(m, window.o, output.pixels)
        connect(m, output.write, flipped(self.write))

        # Feature memory -> residual -> output or window
        scale = Signal()
        m.d.sync += scale.eq(step.window & (step.window_op == isa.WindowOp.SCALE))
        map_rows = Signal(16)
        connect(m, residual.request, flipped(self.residual_read))
        connect(m, flipped(self.residual_data), residual.data)
        connect(m, residual.o, rows.i)
        connect(m, rows.o0, output.residual)
        m.d.comb += [
            # Lane 0 is all there is of a vector's row.
            vector.i.payload.eq(rows.o1.payload[0]),
            vector.i.valid.eq(rows.o1.valid & scale),
            rows.o1.ready.eq(vector.i.ready),
            rows.wanted.eq(Cat(~scale, scale)),
        ]
        connect(m, vector.o, window.vector)
        m.d.comb += [
            residual.start.eq(steps.start & (step.add | scale)),
            residual.base.eq(step.residual_row),
            residual.stride.eq(step.residual_stride),
            residual.groups.eq(step.groups),
            residual.rows.eq(Mux(scale, 1, map_rows)),
        ]
        # A residual is never in phases: the output may have a row more.
        m.d.sync += map_rows.eq(((step.out_pixels - 1) >> exact_log2(arch.pixels)) + 1)

        # Weight loader -> engines
        for path, names in (
            (array, ("table1", "params1", "weights")),
            (window, ("table2", "params2", "taps")),
        ):
            for name in names:
                connect(m, flipped(getattr(self, name)), getattr(path, name))

        m.d.comb += [
            getattr(self, name).eq(getattr(path, name.partition("_")[2]))
            for name in self.EVENTS
            for path in [array if name.startswith("array") else window]
        ]

        idle = {"array": array.past, "window": window.idle}
        self._tell_done(m, output.done, idle | {"residual": residual.idle})
        return m

    def _tell_done(self, m, all_written, idle):
        """Done: written, and nothing left to read (dropped lanes may trail the last pixel)."""
        done, written = self.steps.done, Signal()
        quiet = [Signal(name=f"{name}_quiet") for name in idle]
        m.d.comb += done.eq(written & Cat(quiet).all())
        m.d.sync += [q.eq(now) for q, now in zip(quiet, idle.values(), strict=True)]
        m.d.sync += written.eq((written | all_written) & ~done)
