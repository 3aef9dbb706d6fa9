"""Says of every node of a model where it would run, or why it would not and what helps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import onnx

from accelgen.arch import ArchParams
from accelgen.cost import Memory
from accelgen.display.cells import Rows
from accelgen.display.html import html_table
from accelgen.errors import AccelgenError
from accelgen.flow.network import Source, fold_rounded, read_network
from accelgen.frontend.builder import GraphBuilder, UnknownInputError, Value
from accelgen.frontend.inferred import inferred_shapes
from accelgen.frontend.load import best_layouts, name_nodes, new_builder, output_view, walk
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.read_model import read_model
from accelgen.frontend.values import NCHW, ChoiceView, Constant, Unknown, View
from accelgen.ir.elementwise import is_map_product
from accelgen.ir.graph import Graph, Node
from accelgen.ir.offload import nodes_on_ps
from accelgen.ir.onehot import moves_pixels
from accelgen.ir.ops import (
    Activation,
    Add,
    AvgPool,
    Border,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Insert,
    MaxPool,
    Mul,
    Select,
    Softmax,
    Upsample,
)
from accelgen.ir.ps_ops import PS_NAMES, QMul
from accelgen.passes.run import apply_passes
from accelgen.quant.dry_run import dry_int8
from accelgen.schedule import schedule_parts
from accelgen.schedule.sizes import beyond_walks, oversized

__all__ = ["CheckReport", "NodeReport", "check_model"]


@dataclass(frozen=True)
class NodeReport:
    """Where one ONNX node runs.

    ``verdict`` is ``"engine: array"``, ``"engine: window"``, ``"engine: chain"``, ``"folded"``,
    ``"ps"``, ``"not supported"``, or ``"unknown"`` (what it reads comes from a node that is not
    supported and whose output shape ONNX cannot infer). ``rewrite`` is what would help, or empty.
    """

    name: str
    op: str
    verdict: str
    reason: str
    rewrite: str = ""


@dataclass(frozen=True, repr=False)
class CheckReport:
    """Where the nodes of a model run, and whether the compiler builds it.

    ``refusal`` is the sentence with which it would refuse, or empty. ``parts``: programs of a
    frame, with PS work between them.
    """

    nodes: tuple[NodeReport, ...]
    refusal: str = ""
    name: str = ""
    parts: int = 1

    def __repr__(self) -> str:
        verdict = "builds" if self.builds else "does not build"
        return f"<CheckReport {self.name}: {len(self.nodes)} nodes, {verdict}>"

    def _repr_html_(self) -> str:
        columns = ("node", "op", "where", "why", "rewrite")
        rows = tuple((x.name, x.op, x.verdict, x.reason, x.rewrite) for x in self.nodes)
        refused = (self.refusal,) if self.refusal else ()
        return html_table(repr(self).strip("<>"), Rows(columns, rows), refused)

    @property
    def builds(self) -> bool:
        """Whether the compiler builds the model for the configuration asked about."""
        return not self.refusal


def check_model(
    source: Source,
    *,
    arch: ArchParams,
    memory: Memory | None = None,
    name: str = "",
    fc_on_ps: int = False,
    se_on_ps: bool = False,
    layerwise: bool = False,
) -> CheckReport:
    """One report per ONNX node, in order, and what the compiler says of all for ``arch`` with the
    board's ``memory``.

    Goes on after nodes that are not supported. ``name`` is the report's. ``fc_on_ps``,
    ``se_on_ps``: the network's last fully connected layers, and squeeze-and-excite blocks, are to
    run on the PS; ``layerwise``: nothing is fused, every map goes through DDR.

    Raises
    ------
    ModelError
        The file cannot be read at all, or its input has no fixed shape.
    """
    model = read_model(source)
    nodes = name_nodes(model)
    layouts = best_layouts(model, nodes)
    builder = new_builder(model, nodes)
    errors = _Errors(builder, model)
    walk(model, builder, nodes, layouts, errors.note)
    graph = _loose_graph(model, builder)
    if builder.quantization:
        graph = fold_rounded(graph, builder.quantization, builder.weight_scales)
    else:
        graph = apply_passes(graph)
    on_ps = nodes_on_ps(graph, fc=fc_on_ps, se=se_on_ps) | beyond_walks(graph)
    placed = _place(graph, nodes, on_ps)
    reports = {
        node.name: errors.reports.get(node.name) or placed.get(node.name) or _folded(builder, node)
        for node in nodes
    }
    refused, parts = None, 1
    try:
        int8 = dry_int8(read_network(model))
        scheduled = schedule_parts(
            int8, arch, memory, fc_on_ps=fc_on_ps, se_on_ps=se_on_ps, layerwise=layerwise
        )
        parts = len(scheduled)
    except AccelgenError as error:
        refused = error
    flagged = [r for r in reports.values() if r.verdict in ("not supported", "unknown")]
    if refused and not flagged:
        _blame(reports, nodes, graph, refused)
    for report in flagged if not refused else ():
        # The compiler builds what the outputs depend on, and nothing else.
        reports[report.name] = replace(report, verdict="folded", reason=_UNUSED, rewrite="")
    return CheckReport(_said_once(reports.values()), str(refused or ""), name, parts)


def _said_once(reports: Iterable[NodeReport]) -> tuple[NodeReport, ...]:
    """What is wrong with several nodes of a kind is said of the first."""
    first: dict[tuple[str, str, str], str] = {}
    made = []
    for report in reports:
        key = report.op, report.reason, report.rewrite
        if report.verdict == "not supported" and first.setdefault(key, report.name) != report.name:
            report = replace(report, reason=f"as '{first[key]}'", rewrite="")
        made.append(report)
    return tuple(made)


_UNUSED = "no output depends on it"


def _blame(
    reports: dict[str, NodeReport], nodes: Sequence[OnnxNode], graph: Graph, error: AccelgenError
) -> None:
    """Mark the node that the compiler's error is about as not supported."""
    name = error.node
    known = {node.output: node.sources for node in graph.nodes}
    # A copy of an input stands before what reads it.
    for i in graph.inputs:
        known[i] = next((n.sources for n in graph.nodes if i in n.inputs), ())
    # An output that is another view of what a node makes is of the node that says so.
    known = {name: (node.name,) for node in nodes for name in node.outputs} | known
    known |= {name: (name,) for name in reports} | {node.name: node.sources for node in graph.nodes}
    # Nodes the compiler makes are called after one of the model, or after its output.
    while name not in known and (shorter := _SUFFIX.sub("", name)) != name:
        name = shorter
    sources = known.get(name, ())
    for source in sources:
        if source in reports:
            op = reports[source].op
            reports[source] = _report(source, op, "not supported", error)


#: What the compiler adds to the names of nodes it makes.
_SUFFIX = re.compile(r"[./][^./]*$")


@dataclass
class _Errors:
    """Collects errors and lets the walk go on with the shapes ONNX infers."""

    builder: GraphBuilder
    model: onnx.ModelProto
    reports: dict[str, NodeReport] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Asked for by the first node that cannot be read."""
        return inferred_shapes(self.model)

    def note(self, node: OnnxNode, error: AccelgenError) -> list[Value]:
        verdict = "unknown" if isinstance(error, UnknownInputError) else "not supported"
        self.reports[node.name] = _report(node.name, node.op_type, verdict, error)
        return [self._stand_in(node, name) for name in node.outputs]

    def _stand_in(self, node: OnnxNode, name: str) -> Value:
        shape = self.shapes.get(name, ())
        for given in (self.builder.values.get(i) for i in node.inputs):
            # What keeps the shape mostly keeps the order of the axes as well.
            if isinstance(given, View) and given.shape == shape:
                made = self.builder.add_tensor(name, (1, *given.sizes))
                return View(made, given.sizes, given.dims)
        if (
            len(shape) not in (2, 4)
            or shape[0] != 1
            or not 1 <= min(shape) <= max(shape) <= LARGEST
        ):
            return Unknown(node.label)
        _, c, h, w = (*shape, 1, 1)[:4]
        return View(self.builder.add_tensor(name, (1, h, w, c)), (h, w, c), NCHW[: len(shape)])


def _report(name: str, op: str, verdict: str, error: AccelgenError) -> NodeReport:
    return NodeReport(name, op, verdict, error.reason, error.way_out)


def _loose_graph(model: onnx.ModelProto, builder: GraphBuilder) -> Graph:
    """What was understood, as a graph; everything that nothing reads is an output."""
    wanted: list[str] = []
    for output in model.graph.output:
        try:
            wanted += [piece.tensor for piece in output_view(builder, output.name).pieces]
        except AccelgenError:  # the compiler's sentence comes later
            continue
    read = {name for node in builder.nodes for name in node.inputs}
    loose = [node.output for node in builder.nodes if node.output not in read]
    return Graph(
        nodes=tuple(builder.nodes),
        tensors=builder.tensors,
        constants=builder.constants,
        input=builder.inputs[0],
        more=builder.inputs[1:],
        outputs=tuple(dict.fromkeys([*wanted, *loose])),
    )


def _folded(builder: GraphBuilder, node: OnnxNode) -> NodeReport:
    """A node no operation of the graph stands for."""
    value = builder.values.get(node.outputs[0]) if node.outputs else None
    if isinstance(value, ChoiceView) and node.outputs[0] in builder.output_names:
        which = "smallest" if value.choice.least else "largest"
        return NodeReport(
            node.name, node.op_type, "ps", f"index of the {which}, after the accelerator"
        )
    if isinstance(value, Constant):
        reason = "computed at compile time"
    elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        reason = "becomes the scale of its tensor"
    else:
        reason = "moves no data"
    return NodeReport(node.name, node.op_type, "folded", reason)


def _place(
    graph: Graph, nodes: list[OnnxNode], on_ps: frozenset[str]
) -> dict[str, NodeReport]:  # fmt: skip
    """Reports by ONNX node, for all nodes that operations of ``graph`` stand for."""
    ops = {node.name: node.op_type for node in nodes}
    reports: dict[str, NodeReport] = {}
    too_large = {o.node: (o.reason, o.way_out) for o in oversized(graph)}
    for node in graph.nodes:
        verdict, reason = _engine(graph, node)
        problem = too_large.get(node.name)
        if node.name in on_ps:
            reason = reason if verdict == "ps" else f"in NEON code: {reason}"
            verdict, problem = "ps", None
        for source in node.sources:
            if source not in ops:  # what an integer output needs: no node of the model
                continue
            if problem is not None:
                report = NodeReport(source, ops[source], "not supported", *problem)
            elif source == node.name or len(node.sources) == 1:
                report = NodeReport(source, ops[source], verdict, reason)
            else:
                report = NodeReport(source, ops[source], "folded", f"into '{node.name}'")
            known = reports.get(source)
            if known is None or _RANK[report.verdict] > _RANK[known.verdict]:
                reports[source] = report
    return reports


#: What a node that became several operations is called after.
_RANK = {
    "folded": 0, "ps": 1, "engine: chain": 2, "engine: window": 3, "engine: array": 4,
    "not supported": 5,
}  # fmt: skip


def _engine(graph: Graph, node: Node) -> tuple[str, str]:
    """Verdict and reason of an operation within the limits."""
    op = node.op
    if isinstance(op, Conv2d):
        _, height, width, channels = graph.tensors[node.inputs[0]].shape
        if op.groups == channels == graph.tensors[node.output].shape[3] and channels > 1:
            return "engine: window", "depthwise convolution"
        kind = "group convolution" if op.groups > 1 else "convolution"
        if moves_pixels(graph, node):
            kind = "moves pixels: a convolution with a weight of one per output"
        if op.kernel == (height, width) and not any(op.pads):
            kind = "fully connected, as a convolution"
        return "engine: array", kind
    if isinstance(op, Activation):
        kind = "clamp of the requantizer" if op.kind == "clip" else f"{op.kind}, as a table"
        return "engine: chain", kind
    if is_map_product(graph, node):
        return "ps", PS_NAMES[QMul]
    if type(op) in PS_NAMES:
        return "ps", PS_NAMES[type(op)]
    for kinds, verdict, reason in (
        (MaxPool, "engine: window", "max pool"),
        (AvgPool, "engine: window", "average pool"),
        (GlobalAvgPool, "engine: chain", "squeeze: sums per channel on the way out"),
        (Add, "engine: chain", "adder"),
        (Mul, "engine: window", "scale: a value per channel"),
        (Concat, "folded", "addresses only"),
        (Select, "folded", "order of channels: in the weights of its neighbours"),
        (Upsample, "engine: window", "upsampling, in passes per axis"),
        (Border, "engine: window", "pixels repeated around the map, in a pass per side"),
        (
            Insert,
            "engine: array",
            "zeros between pixels, by 2 and 4 none, in a pass per axis",
        ),
        (Softmax, "ps", "softmax"),
    ):
        if isinstance(op, kinds):
            return verdict, reason
    raise AssertionError(op)
