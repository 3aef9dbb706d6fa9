"""What no configuration can build, told from shapes alone: before anything large is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accelgen.arch.isa import EXEC, RASTER
from accelgen.arch.params import MOST_LANES
from accelgen.errors import ScheduleError
from accelgen.ir import Graph, Node
from accelgen.ir.offload import is_dense, tail_nodes
from accelgen.ir.ops import AvgPool, Conv2d, MaxPool
from accelgen.lowering.windows import folds

__all__ = [
    "MOST_OPERATIONS", "MOST_OUTPUTS", "MOST_READS", "Oversize", "beyond_walks", "check_sizes",
    "oversized",
]  # fmt: skip

#: Operations of a network, and tensors that they read in all (DenseNet's Concats read thousands):
#: compiling takes some ten seconds up to here.
MOST_OPERATIONS, MOST_READS = 2000, 4000
#: Tensors a network may leave in DDR.
MOST_OUTPUTS = 256
#: Numbers of one tensor: more would not fit the DDR beside the rest.
_MOST_NUMBERS = 1 << 28

_SMALLER = {
    "kernel": "use several smaller kernels, or GlobalAveragePool before the last layer",
    "stride": "use several layers with smaller strides",
    "dilation": "use a smaller dilation",
}


@dataclass(frozen=True)
class Oversize:
    """A node that no command can express: what is too large, and the way out."""

    node: str
    reason: str
    way_out: str


def check_sizes(graph: Graph) -> None:
    """Raise ScheduleError when ``graph`` (float, as the passes leave it) is beyond all limits."""
    if (count := len(graph.nodes)) > MOST_OPERATIONS:
        raise ScheduleError(
            f"the network has {count:,} operations; up to {MOST_OPERATIONS:,} are compiled: split"
            " the model"
        )
    reads = sum(1 for node in graph.nodes for name in node.inputs if name not in graph.constants)
    if reads > MOST_READS:
        raise ScheduleError(
            f"the network's operations read {reads:,} tensors; up to {MOST_READS:,} are compiled:"
            " split the model"
        )
    if len(graph.outputs) > MOST_OUTPUTS:
        raise ScheduleError(
            f"the model has {len(graph.outputs):,} outputs; up to {MOST_OUTPUTS} are built: join"
            " them with Concat"
        )
    # What the PS may compute is judged when it is known where it runs.
    elsewhere = tail_nodes(graph, fc=True) | beyond_walks(graph)
    found = next((o for o in oversized(graph) if o.node not in elsewhere), None)
    if found is not None:
        raise ScheduleError(f"node '{found.node}' {found.reason}; {found.way_out}", node=found.node)


def beyond_walks(graph: Graph) -> frozenset[str]:
    """Names of fully connected layers of maps that no kernel covers, of a float or an int8 graph:
    the PS computes them, wherever they stand."""
    most = RASTER.largest("kernel_h")
    found = set()
    for node in graph.nodes:
        _, height, width, _ = graph.tensors[node.inputs[0]].shape
        if is_dense(node, graph) and max(height, width) > most and not folds(height * width, most):
            found.add(node.name)
    return frozenset(found)


def oversized(graph: Graph) -> Iterator[Oversize]:
    """Nodes of a float graph that no command can express, in order."""
    for node in graph.nodes:
        problem = _beyond_limits(graph, node)
        if problem is not None:
            yield Oversize(node.name, *problem)


def _beyond_limits(graph: Graph, node: Node) -> tuple[str, str] | None:
    """What of an operation no command can express (reason and rewrite), or None."""
    op = node.op
    _, height, width, channels = graph.tensors[node.inputs[0]].shape
    _, made_height, made_width, made = graph.tensors[node.output].shape
    most = RASTER.largest("height")
    for verb, h, w in (("reads", height, width), ("makes", made_height, made_width)):
        if max(h, w) > most:
            return f"{verb} a map of {h} x {w}, over {most}", "use a smaller input resolution"
    if max(height * width * channels, made_height * made_width * made) > _MOST_NUMBERS:
        return f"has a map of more than {_MOST_NUMBERS:,} numbers", "use a smaller resolution"
    if (most := MOST_LANES * EXEC.largest("groups")) < max(channels, made):
        return f"has more than {most} channels", "use fewer channels"
    if not isinstance(op, Conv2d | MaxPool | AvgPool):
        return None
    return _beyond_window(op, (height, width))


def _beyond_window(op: Conv2d | MaxPool | AvgPool, size: tuple[int, int]) -> tuple[str, str] | None:
    whole = op.kernel == size and not any(op.pads)
    for name, value, fields in (
        ("kernel", op.kernel, "kernel_h"),
        ("stride", op.stride, "stride_h"),
        ("dilation", getattr(op, "dilation", (1, 1)), "dilation_h"),
    ):
        most = RASTER.largest(fields)
        fits = name != "kernel" or folds(size[0] * size[1], most)
        split = name == "kernel" and isinstance(op, MaxPool)
        if max(value) > most and not (whole and fits) and not split:
            return f"has {name} {value[0]} x {value[1]}, over {most}", _SMALLER[name]
    if max(op.pads) > (most := RASTER.largest("pad_top")):
        return f"has pads {op.pads}, over {most}", "use smaller pads"
    return None
