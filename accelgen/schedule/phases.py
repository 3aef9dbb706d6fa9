"""Which tensors are stored in phases: maps that are only read with a stride of two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from accelgen.arch import ArchParams
from accelgen.schedule.fuse import Chain
from accelgen.schedule.geometry import geometry_of
from accelgen.schedule.layout import rows_of
from accelgen.schedule.prepare import Prepared
from accelgen.schedule.storage import Storages

__all__ = ["choose_phases"]


def choose_phases(
    chains: Sequence[Chain], prepared: Prepared, storages: Storages, arch: ArchParams
) -> Storages:
    """Put maps in phases (layout.in_phases) where convolutions then fill all lanes.

    A map is put in phases when a step writes it, it is a storage of its own, the host does not see
    it, and all that read it are array convolutions with stride 2 along rows, of which at least one
    needs fewer vectors then.
    """
    writers = {c.output for c in chains if c.write}
    others = {t for c in chains for t in (c.residual, c.vector)}
    parts = [t for t, place in storages.places.items() if place.storage != t]
    shared = {storages.places[t].storage for t in parts}
    apart = {*prepared.inputs, *prepared.outputs, *others, *shared, *parts}
    chosen = frozenset(
        tensor
        for tensor in writers - apart
        if _helps([c for c in chains if c.source == tensor], prepared, arch)
    )
    sizes = dict(storages.sizes)
    for tensor in chosen:
        height, width, _ = prepared.map_shape(tensor)
        sizes[tensor] = sizes[tensor][0], rows_of(height, width, arch.pixels, phases=True)
    return replace(storages, sizes=sizes, in_phases=chosen)


def _helps(readers: Iterable[Chain], prepared: Prepared, arch: ArchParams) -> bool:
    """All readers can take phases, and one is faster."""
    faster = False
    for chain in readers:
        if chain.array is None:
            return False
        window = geometry_of(chain, prepared.graph, arch.pixels).first
        if window.stride[1] != 2 or window.width % 2 or arch.pixels < 2:
            return False
        faster |= window.in_phases(arch.pixels).phases
    return faster
