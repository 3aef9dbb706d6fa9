"""int8 graph to int8 graph: the passes in order, with the graph's legality checked after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.errors import ModelError
from accelgen.ir import Graph
from accelgen.ir.spec import check_quantized
from accelgen.lowering.border import lower_borders
from accelgen.lowering.concats import copy_members, share_prefixes
from accelgen.lowering.decimate import decimate
from accelgen.lowering.fold_crops import fold_crops
from accelgen.lowering.insert import lower_inserts
from accelgen.lowering.leave_sums import leave_sums
from accelgen.lowering.reorder import resolve_selects
from accelgen.lowering.share_taps import share_taps
from accelgen.lowering.split_pools import split_pools
from accelgen.lowering.stream_words import stream_words
from accelgen.lowering.through_concats import through_concats
from accelgen.lowering.upsample import lower_upsamples, spread_upsamples
from accelgen.lowering.weave import weave

__all__ = ["PASSES", "Given", "Pass", "lower"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What passes go by besides the graph: the hardware, its DDR, which nodes the PS computes, and
    which maps would be stored in phases (None: that is not known yet)."""

    arch: ArchParams
    memory: Memory = field(default_factory=Memory)
    on_ps: frozenset[str] = frozenset()
    in_phases: frozenset[str] | None = None


@dataclass(frozen=True)
class Pass:
    """One rewrite. It computes the same outputs, under the same names, and changes nothing when it
    is run again."""

    name: str
    run: Callable[[Graph, Given], Graph]


def _decimate(graph: Graph, given: Given) -> Graph:
    if given.in_phases is None:
        return graph
    return decimate(graph, given.arch, given.memory, given.in_phases)


#: Selections before decimation: what they stand for is then read by convolutions, which may drop
#: pixels.
PASSES = (
    Pass("leave sums", lambda graph, given: leave_sums(graph, given.arch, given.on_ps)),
    Pass("through concats", lambda graph, _: through_concats(graph)),
    Pass("share taps", lambda graph, given: share_taps(graph, given.arch, given.memory)),
    Pass("resolve selects", lambda graph, _: resolve_selects(graph)),
    Pass("weave", lambda graph, given: weave(graph, given.arch)),
    Pass("fold crops", lambda graph, _: fold_crops(graph)),
    Pass("lower borders", lambda graph, _: lower_borders(graph)),
    Pass("spread upsamples", lambda graph, _: spread_upsamples(graph)),
    Pass("split pools", lambda graph, given: split_pools(graph, given.arch)),
    Pass("decimate", _decimate),
    Pass("stream words", lambda graph, given: stream_words(graph, given.arch)),
    Pass("lower inserts", lambda graph, given: lower_inserts(graph, given.arch.lanes)),
    Pass("lower upsamples", lambda graph, _: lower_upsamples(graph)),
    Pass("share prefixes", lambda graph, _: share_prefixes(graph)),
    Pass("copy members", lambda graph, _: copy_members(graph)),
)


def lower(graph: Graph, given: Given, passes: tuple[Pass, ...] = PASSES) -> Graph:
    """``graph`` with nothing in it that the engines have no form for.

    Raises
    ------
    ModelError
        The graph is not legal, before or after a pass; names the pass.
    """
    check_quantized(graph)
    for one in passes:
        changed = one.run(graph, given)
        if changed.nodes != graph.nodes:
            _check(one.name, changed)
        graph = changed
    return graph


def _check(name: str, graph: Graph) -> None:
    try:
        check_quantized(graph)
    except ModelError as error:
        raise ModelError(f"after pass '{name}': {error}") from error
