"""Which tensors are stored in phases: maps that are only read with a stride of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.arch.isa import RASTER
from accelgen.lowering.prepare import Prepared
from accelgen.lowering.storage import Storages
from accelgen.lowering.stream_words import is_streamed
from accelgen.lowering.windows import is_raw
from accelgen.program.layout import rows_of
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.geometry import geometry_of

__all__ = ["choose_phases"]


def choose_phases(
    chains: Sequence[Chain], prepared: Prepared, storages: Storages, arch: ArchParams
) -> Storages:
    """Put maps in phases (layout.in_phases) where convolutions then fill all lanes.

    A map is put in phases when a step writes it, it is a storage of its own, the host does not see
    it, and each step that reads it is an array convolution that

    * has a stride of 2 along rows, at least one of them needing fewer vectors then, or
    * works pixel by pixel, and leaves a map in phases: in the order of the memory.

    What is made vector by vector (stream_words.py) stays in order, as phases are written in pairs,
    and so does what is woven.
    """
    graph = prepared.graph
    single = {c.output for c in chains if c.array and is_streamed(c.array, graph, arch)}
    single |= {c.output for c in chains if c.woven}
    writers = {c.output for c in chains if c.write} - single
    others = {t for c in chains for t in (c.residual, c.vector)}
    parts = [t for t, place in storages.places.items() if place.storage != t]
    shared = {storages.places[t].storage for t in parts}
    chosen = writers - {*prepared.inputs, *prepared.outputs, *others, *shared, *parts}
    readers = {t: [c for c in chains if c.source == t] for t in chosen}
    while True:
        kept = {t for t in chosen if _helps(readers[t], chosen, prepared, arch)}
        if kept == chosen:
            break
        chosen = kept
    sizes = dict(storages.sizes)
    for tensor in chosen:
        height, width, _ = prepared.map_shape(tensor)
        sizes[tensor] = sizes[tensor][0], rows_of(height, width, arch.pixels, phases=True)
    return replace(storages, sizes=sizes, in_phases=frozenset(chosen))


def _helps(
    readers: Iterable[Chain], chosen: set[str], prepared: Prepared, arch: ArchParams
) -> bool:
    """All readers can take phases, while those ``chosen`` are, and one is faster."""
    faster = False
    for chain in readers:
        if chain.array is None or chain.woven:
            return False
        window = geometry_of(chain, prepared.graph, arch).first
        if window.width % 2 or arch.pixels < 2:
            return False
        if is_raw(window):
            alone = not (chain.uses_window or chain.add or chain.squeeze)
            rows = rows_of(window.height, window.width, arch.pixels, phases=True)
            if not (alone and chain.output in chosen and rows <= RASTER.largest("height")):
                return False
        elif window.stride[1] != 2:
            return False
        faster |= window.in_phases(arch.pixels).phases
    return faster
