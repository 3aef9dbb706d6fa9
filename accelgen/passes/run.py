"""The passes in order, with the graph's legality checked after each."""

from __future__ import annotations

from collections.abc import Callable

from accelgen.errors import ModelError
from accelgen.ir.graph import Graph
from accelgen.ir.spec import check_float
from accelgen.passes.drop_identities import drop_dead, drop_identities, merge_clips
from accelgen.passes.fold_affine import fold_affine_after, fold_affine_before
from accelgen.passes.fold_moves import fold_moves
from accelgen.passes.fold_padding import fold_padding
from accelgen.passes.fuse_gates import fuse_gates, fuse_hard_sigmoid
from accelgen.passes.fuse_shifts import fuse_shifts
from accelgen.passes.split_affine import split_affine

__all__ = ["PASSES", "apply_passes", "run_passes"]

#: Gates first: folding would swallow the scales they are recognised by.
PASSES: tuple[Callable[[Graph], Graph], ...] = (
    drop_identities,
    fuse_shifts,
    fuse_hard_sigmoid,
    fuse_gates,
    drop_dead,
    merge_clips,
    split_affine,
    fold_affine_after,
    fold_padding,
    fold_affine_before,
    fold_moves,
)

#: A pass may make room for an earlier one; every round removes nodes or moves them before concats,
#: so few rounds happen.
_MAX_ROUNDS = 10


def run_passes(graph: Graph) -> Graph:
    """Fold and fuse a float graph until nothing changes.

    The result computes the same outputs (to rounding), under the same names. Constants that change
    get new names.

    Raises
    ------
    ModelError
        The graph is not legal, before or after a pass; names the pass.
    """
    check_float(graph)
    return apply_passes(graph, check_float)


def apply_passes(graph: Graph, check: Callable[[Graph], None] | None = None) -> Graph:
    """The passes; ``check`` runs after each that changed a node."""
    for _ in range(_MAX_ROUNDS):
        before = graph.nodes
        for one in PASSES:
            changed = one(graph)
            if check is not None and changed.nodes != graph.nodes:
                _check(one.__name__, check, changed)
            graph = changed
        if graph.nodes == before:
            break
    return graph


def _check(name: str, check: Callable[[Graph], None], graph: Graph) -> None:
    try:
        check(graph)
    except ModelError as error:
        raise ModelError(f"after pass {name}: {error}") from error
