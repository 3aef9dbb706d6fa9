"""What a kernel call computes and moves: from counted loops and sizes, without any clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from accelgen.ir import Graph
from accelgen.ps.loops import read_costs

__all__ = ["PIXEL_CYCLES", "Work", "elements", "of_map"]

#: Assumed: head and tail of a loop that is entered anew for every pixel.
PIXEL_CYCLES = 25


@dataclass(frozen=True, kw_only=True)
class Work:
    """Of one kernel call: core cycles, bytes of maps and of constants it moves, and whether a pool
    shares it."""

    cycles: float = 0.0
    map_bytes: int = 0
    constant_bytes: int = 0
    parallel: bool = False

    def __add__(self, other: Work) -> Work:
        return Work(
            cycles=self.cycles + other.cycles,
            map_bytes=self.map_bytes + other.map_bytes,
            constant_bytes=self.constant_bytes + other.constant_bytes,
            parallel=self.parallel and other.parallel,
        )


def elements(loop: str, count: int, moved: float, constants: int = 0) -> Work:
    """``count`` elements through a loop of ``loops.json``, ``moved`` bytes each."""
    cycles = count * read_costs()[loop].cycles_per_unit
    return Work(cycles=cycles, map_bytes=math.ceil(count * moved), constant_bytes=constants)


def of_map(loop: str, tensor: str, graph: Graph, moved: float) -> Work:
    """:func:`elements` of all of a tensor."""
    return elements(loop, math.prod(graph.tensors[tensor].shape), moved)
