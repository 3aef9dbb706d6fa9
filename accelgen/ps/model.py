"""What the processor's work takes: kernels from their counted loops, memory, crossings.

Nothing here was measured on a board of ours. Every parameter names its source, ``sensitivity``
says what a wrong one would change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

from accelgen.ir import Graph, Node
from accelgen.ir.ops import QAdd, QConv2d, QGlobalAvgPool, QScale, QTable, Softmax
from accelgen.ps.loops import read_costs

__all__ = [
    "DRIVER_INSTRUCTIONS",
    "TURN_INSTRUCTIONS",
    "PsModel",
    "Work",
    "from_feature_memory",
    "hand_over",
    "model_input",
    "model_output",
    "node_work",
    "parameters",
    "sensitivity",
    "to_feature_memory",
]  # fmt: skip

#: Of the driver per frame of run_many, and of its part between two frames, the library's alone:
#: counted on x86-64 (``python -m accelgen.bench.driver_count``), two cycles each here at 1.2 GHz.
DRIVER_INSTRUCTIONS, TURN_INSTRUCTIONS = 80_000, 60
_US_PER_INSTRUCTION = 2 / 1200
#: Between two frames one register is read and four are written.
TURN_ACCESSES, _ACCESS_US = 5, 0.2


def _parameter(value: float, source: str) -> float:
    result: float = field(default=value, metadata={"source": source})
    return result


@dataclass(frozen=True, kw_only=True)
class PsModel:
    """The processor and the way to it. Times in microseconds, rates in bytes per microsecond."""

    core_mhz: float = _parameter(1200, "DS925 (-1): APU maximum frequency; the board's file says")
    threads: float = _parameter(1, "chosen: the other cores are the application's; up to 4")
    l2_bytes: float = _parameter(1 << 20, "UG1085, application processing unit: 1 MiB shared L2")
    core_rate: float = _parameter(
        2000,
        "assumed: one A53 reads and writes 2.3 to 3.3 GB/s in public copies (TI SPRADO9: STREAM "
        "copy 2.35 GB/s at 1.25 GHz, two cores; sbc-reviews #35: memcpy 1.5 to 1.65 GB/s, "
        "1.5 GHz, LPDDR4), less one third for reads alone",
    )
    memory_rate: float = _parameter(
        3944, "all cores together: 92.5 % of 4.264 GB/s; Manev et al., FPT 2019 (from the PL)"
    )
    overlap: float = _parameter(
        0.8, "assumed: share of the shorter of computing and loading that the prefetcher hides"
    )
    call_cycles: float = _parameter(300, "assumed: call, checks, loop heads and tails of a kernel")
    wake_us: float = _parameter(8, "assumed: waking the threads of a pool, Linux futex")
    launch_us: float = _parameter(5, "assumed: starting the accelerator")
    interrupt_us: float = _parameter(
        10, "no figure is published: from the interrupt line to a waiting Linux thread, assumed"
    )
    driver_us: float = _parameter(
        round(DRIVER_INSTRUCTIONS * _US_PER_INSTRUCTION, 1),
        "what the driver in Python does per frame beside kernels: instructions counted on a host "
        "(docs/ps.md), two cycles each assumed on this core",
    )
    turn_us: float = _parameter(
        round(TURN_INSTRUCTIONS * _US_PER_INSTRUCTION + TURN_ACCESSES * _ACCESS_US, 1),
        "from the status to the next start: instructions as driver_us, and 5 accesses of registers "
        "through the PS's port and a SmartConnect, 0.2 us each assumed",
    )
    cache_us_per_byte: float = _parameter(
        11 / 80e3, "assumed: cleaning (or invalidating) 80 kB of cache takes 11 us"
    )

    def seconds(self, work: Work) -> float:
        """A kernel call, whose constants come from DDR."""
        threads = max(1, min(4, int(self.threads))) if work.parallel else 1
        compute = (work.cycles / threads + self.call_cycles) / self.core_mhz
        compute += self.wake_us if threads > 1 else 0
        rate = min(self.core_rate * threads, self.memory_rate)
        memory = (work.map_bytes + work.constant_bytes) / rate
        longer, shorter = max(compute, memory), min(compute, memory)
        return 1e-6 * (longer + (1 - self.overlap) * shorter)

    def to_pl_seconds(self, written_bytes: int) -> float:
        """What the processor wrote is cleaned from its caches, and the accelerator started."""
        return 1e-6 * (self.launch_us + written_bytes * self.cache_us_per_byte)

    def to_ps_seconds(self, read_bytes: int) -> float:
        """The accelerator's interrupt, and what will be read is invalidated."""
        return 1e-6 * (self.interrupt_us + read_bytes * self.cache_us_per_byte)


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


def node_work(node: Node, graph: Graph) -> Work:
    """The kernels of one node, on maps that are already NHWC.

    Raises KeyError for an operation the library does not have.
    """
    return _WORK[type(node.op)](node, graph)


def model_input(count: int) -> Work:
    """``count`` floats, channel after channel, to int8 pixels."""
    return _elements("quantize", count, moved=5) + _elements("interleave", count, moved=0)


def hand_over(size: int) -> Work:
    """A map of ``size`` bytes into the image."""
    return _elements("from_feature_memory", size, moved=2)


def model_output(count: int) -> Work:
    """``count`` int8 elements to floats."""
    return _elements("dequantize", count, moved=5)


def from_feature_memory(count: int) -> Work:
    """``count`` bytes from the accelerator's order to NHWC."""
    return _elements("from_feature_memory", count, moved=2)


def to_feature_memory(count: int) -> Work:
    """``count`` bytes of NHWC to the accelerator's order."""
    return _elements("to_feature_memory", count, moved=2)


def _elements(kernel: str, count: int, moved: float, constants: int = 0) -> Work:
    """``count`` elements through a loop, ``moved`` bytes each."""
    cycles = count * read_costs()[kernel].cycles_per_unit
    return Work(cycles=cycles, map_bytes=math.ceil(count * moved), constant_bytes=constants)


def _dense(node: Node, graph: Graph) -> Work:
    """In panels of 8 outputs and blocks of 32 inputs, full or not."""
    outputs = graph.tensors[node.output].shape[3]
    inputs = math.prod(graph.tensors[node.inputs[0]].shape)
    packed = -(-outputs // 8) * 8 * -(-inputs // 32) * 32
    product = Work(
        cycles=packed * read_costs()["fc"].cycles_per_unit,
        map_bytes=inputs + outputs,
        constant_bytes=packed + 12 * outputs,
        parallel=True,
    )
    return replace(product + _elements("requantize", outputs, 0), parallel=True)


def _average(node: Node, graph: Graph) -> Work:
    return replace(_map("average", node.inputs[0], graph, 1), parallel=True)


def _scale(node: Node, graph: Graph) -> Work:
    return replace(_map("scale", node.output, graph, 2), parallel=True)


def _softmax(node: Node, graph: Graph) -> Work:
    kernels = ("dequantize", "largest", "exponential", "divide")
    start = Work()
    return sum((_map(k, node.output, graph, 4) for k in kernels), start)


def _map(kernel: str, tensor: str, graph: Graph, moved: float) -> Work:
    return _elements(kernel, math.prod(graph.tensors[tensor].shape), moved)


_WORK: dict[type, Callable[[Node, Graph], Work]] = {
    QConv2d: _dense,
    QGlobalAvgPool: _average,
    QScale: _scale,
    QAdd: lambda node, graph: _map("add", node.output, graph, 3),
    QTable: lambda node, graph: _map("table", node.output, graph, 2),
    Softmax: _softmax,
}


def parameters(model: PsModel) -> list[tuple[str, float, str]]:
    """Name, value and source of every parameter."""
    return [(f.name, getattr(model, f.name), f.metadata["source"]) for f in fields(model)]


def sensitivity(
    model: PsModel, seconds: Callable[[PsModel], float], names: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """``seconds`` with each parameter (of ``names``; by default all) at the ends of what it may be:
    halved and doubled, ``overlap`` 0 and 1, ``threads`` 1 and 4."""
    ends = {"overlap": (0.0, 1.0), "threads": (1.0, 4.0)}
    result = {}
    for name in names or tuple(f.name for f in fields(model)):
        value = getattr(model, name)
        tried = ends.get(name, (value / 2, value * 2))
        result[name] = {f"{v:g}": seconds(replace(model, **{name: v})) for v in tried}
    return result
