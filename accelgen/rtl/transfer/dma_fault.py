"""What both DMAs say when something is wrong."""

from amaranth import Module, Mux

from accelgen.arch.registers import CAUSES

__all__ = ["report_faults"]


def report_faults(m: Module, fault, cause: str, bad, answered, burst, *, stop) -> None:
    """Drive ``fault`` (layouts.fault), a cycle late: ``cause`` where ``bad``, at offset
    ``answered``; else "outside" as long as the next of the stream ``burst`` is not in the image.

    Nothing is outside any more with ``stop``: what stands there is never sent.
    """
    numbers = {name: number for name, (number, _) in CAUSES.items()}
    m.d.sync += [
        fault.valid.eq(bad | (burst.valid & ~burst.p.inside & ~stop)),
        fault.cause.eq(Mux(bad, numbers[cause], numbers["outside"])),
        fault.offset.eq(Mux(bad, answered, burst.p.offset)),
    ]
