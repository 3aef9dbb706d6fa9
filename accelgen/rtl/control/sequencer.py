"""Sequencer: fetch, dispatch, gates and step control, from start to done."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from accelgen.arch import ArchParams, isa
from accelgen.rtl import layouts

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Runs a program: fetches its commands and hands them to the units as their waits are over.

    Parameters
    ----------
    arch : ArchParams
        Hardware knobs.

    Members
    -------
    start : In(1)
        Pulse: run. Ignored while ``busy``.
    base, program_offset : In(40), In(32)
        Where the program is; static while ``busy``.
    request, i : Out(stream of dma_request), In(stream of beat)
        To and from the DMA reader; ``i`` is always ready.
    weights, load, store : Out(stream of fields of isa.WEIGHTS, LOAD, STORE)
        Commands whose waits are over.
    load_done, store_done : In(1)
        Pulse per command completed.
    units_idle : In(1)
        Weight loader, load unit and store unit have no command in work.
    step, step_start, step_done : Out(fields(isa.EXEC)), Out(1), In(1)
        See StepControl.
    execs_done : Out(16)
        EXECs completed since ``start``.
    completed : Out(1)
        Pulse per EXEC completed.
    busy : Out(1)
        A program runs.
    done : Out(1)
        Pulse: END was reached and everything before it has completed.
    exec_wait, fetch_wait : Out(1)
        No EXEC runs because the next one's waits are not over, or because there is none.
    """

    def __init__(self, arch: ArchParams):
        self.arch = arch
        super().__init__({
            "start": In(1),
            "base": In(40),
            "program_offset": In(32),
            "request": Out(stream.Signature(layouts.dma_request())),
            "i": In(stream.Signature(layouts.beat())),
            "weights": Out(stream.Signature(layouts.fields(isa.WEIGHTS))),
            "load": Out(stream.Signature(layouts.fields(isa.LOAD))),
            "store": Out(stream.Signature(layouts.fields(isa.STORE))),
            "load_done": In(1),
            "store_done": In(1),
            "units_idle": In(1),
            "step": Out(layouts.fields(isa.EXEC)),
            "step_start": Out(1),
            "step_done": In(1),
            "execs_done": Out(16),
            "completed": Out(1),
            "busy": Out(1),
            "done": Out(1),
            "exec_wait": Out(1),
            "fetch_wait": Out(1),
        })

    def elaborate(self, platform):
        return Module()
