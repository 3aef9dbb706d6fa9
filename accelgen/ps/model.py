"""What the processor's work takes: kernels from their counted loops, memory, crossings.

Nothing here was measured on a board of ours. Every parameter names its source, ``sensitivity``
says what a wrong one would change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

from accelgen.ir import Graph, Node
from accelgen.ps.operators import OPERATORS
from accelgen.ps.work import Work, elements

__all__ = [
    "DRIVER_INSTRUCTIONS",
    "PART_INSTRUCTIONS",
    "TURN_INSTRUCTIONS",
    "PsModel",
    "Work",
    "choose",
    "from_feature_memory",
    "hand_over",
    "model_input",
    "model_output",
    "node_work",
    "parameters",
    "sensitivity",
    "sums_output",
    "to_feature_memory",
]  # fmt: skip

#: Of the driver per frame of run_many; of its part between two frames, the library's alone; and of
#: what it does beside the library from a frame's part to the next:
#: counted on x86-64 (``python -m accelgen.bench.driver_count``), two cycles each here at 1.2 GHz.
DRIVER_INSTRUCTIONS, TURN_INSTRUCTIONS, PART_INSTRUCTIONS = 80_000, 60, 37_500
#: Of ArgMax that are looked at together.
_COLUMNS = 16
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
    part_us: float = _parameter(
        round(PART_INSTRUCTIONS * _US_PER_INSTRUCTION + TURN_ACCESSES * _ACCESS_US, 1),
        "from one part of a frame to the next, the driver in Python beside kernels and caches: as "
        "driver_us and turn_us",
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


def node_work(node: Node, graph: Graph) -> Work:
    """The kernels of one node, on maps that are already NHWC.

    Raises KeyError for an operation the library does not have.
    """
    return OPERATORS[type(node.op)].work(node, graph)


def model_input(count: int) -> Work:
    """``count`` floats, channel after channel, to int8 pixels."""
    return elements("quantize", count, moved=5) + elements("interleave", count, moved=0)


def hand_over(size: int) -> Work:
    """A map of ``size`` bytes into the image."""
    return elements("from_feature_memory", size, moved=2)


def model_output(count: int) -> Work:
    """``count`` int8 elements to floats."""
    return elements("dequantize", count, moved=5)


def sums_output(count: int) -> Work:
    """``count`` sums times their steps, to floats."""
    return elements("dequantize_int32", count, moved=12)


def choose(outer: int, count: int, inner: int, *, integers: bool) -> Work:
    """The largest along the middle of [outer][count][inner], int8 or float; where there are 16
    columns of int8, of so many at once."""
    if not integers:
        return elements("choose", outer * count * inner, 4)
    if inner < _COLUMNS:
        return elements("choose_int8", outer * count * inner, 1)
    return elements("choose_columns", outer * count * -(-inner // _COLUMNS) * _COLUMNS, 1)


def from_feature_memory(count: int) -> Work:
    """``count`` bytes from the accelerator's order to NHWC."""
    return elements("from_feature_memory", count, moved=2)


def to_feature_memory(count: int) -> Work:
    """``count`` bytes of NHWC to the accelerator's order."""
    return elements("to_feature_memory", count, moved=2)


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
