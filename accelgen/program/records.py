"""Program: what the compiler makes and everybody else reads. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from accelgen.arch import ArchParams
from accelgen.ir import Graph
from accelgen.program.commands import Command

__all__ = ["Placement", "Program", "PsStep", "Step"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a tensor lies in DDR, in the feature memory's own order.

    Channel group g, pixel p (linear, row-major), lane l is byte ``offset + g * stride
    + p * lanes + l``; ``stride`` is a whole number of feature rows, ``size_bytes`` is
    ``groups * stride``. ``slots[g * lanes + l]`` is the logical channel there, or -1 (a gap: its
    bytes are undefined and its weights are zero).

    A tensor kept for a look at it may be in ``phases`` (layout.in_phases); inputs and outputs are
    not.

    An input may be folded: ``shape`` is then (h, w / n, n * c), the tensor's own bytes read as
    fewer, deeper pixels.
    """

    tensor: str
    shape: tuple[int, int, int]  # h, w, c
    slots: tuple[int, ...]
    offset: int
    stride: int
    groups: int
    phases: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes taken in DDR."""
        return self.groups * self.stride


@dataclass(frozen=True, kw_only=True)
class Step:
    """One fused step of the schedule: the graph nodes it computes, tiled into EXEC commands.

    ``nodes`` in data order; ``engine`` is ``"array"``, ``"window"`` or ``"array+window"``.
    ``commands`` are indices into ``Program.commands`` (all units); ``execs`` the ordinal numbers
    of its EXECs (the step log's index). ``output`` is the tensor it materialises, ``squeezed``
    the pooled vector it also writes; "" where it does not (one of the two is always made).
    """

    index: int
    nodes: tuple[str, ...]
    engine: str
    inputs: tuple[str, ...]
    output: str
    squeezed: str = ""
    macs: int = 0
    ddr_bytes: int = 0
    commands: tuple[int, ...] = ()
    execs: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PsStep:
    """A node of the graph's tail that the PS computes from DDR tensors after the interrupt."""

    node: str
    inputs: tuple[str, ...]
    output: str
    ddr_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Program:
    """Everything one network needs to run on one configuration.

    The DDR image starts at the base register: ``image`` (commands from ``program_offset``, weight
    streams, zero up to the tensors) is written once; the input's placement before each frame;
    outputs (and, with ``keep_all``, every materialised tensor) are read after it.
    """

    graph: Graph
    arch: ArchParams
    steps: tuple[Step, ...]
    ps_steps: tuple[PsStep, ...]
    commands: tuple[Command, ...]
    image: bytes
    program_offset: int
    image_bytes: int  # DDR taken in all, image and tensors: a multiple of 4,096
    input: Placement
    outputs: tuple[Placement, ...]  # what the PL leaves in DDR for the host, graph outputs first
    kept: Mapping[str, Placement] = field(default_factory=dict)  # tensor: where it lies at the end
    feature_rows_used: int = 0
    inputs: tuple[Placement, ...] = ()  # ``input`` first; more only in programs cut from a network

    @property
    def program_bytes(self) -> int:
        """Of the commands, up to a multiple of FETCH_BYTES: zeros after END."""
        return len(self.image) - self.program_offset
