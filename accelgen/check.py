"""Says of every node of a model where it would run, or why it would not and what helps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import onnx

from accelgen.arch.isa import EXEC, RASTER, Format
from accelgen.errors import AccelgenError
from accelgen.frontend.builder import GraphBuilder, UnknownInputError, Value
from accelgen.frontend.load import name_nodes, walk
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.read_model import read_model, read_opset
from accelgen.frontend.values import NCHW, Constant, Unknown, View
from accelgen.ir.graph import Graph, Node
from accelgen.ir.offload import nodes_on_ps
from accelgen.ir.ops import (
    Activation,
    Add,
    AvgPool,
    Concat,
    Conv2d,
    GlobalAvgPool,
    MaxPool,
    Mul,
    Select,
    Softmax,
    Upsample,
)
from accelgen.passes.run import apply_passes

__all__ = ["NodeReport", "check_model"]


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


def check_model(
    source: str | Path | bytes | onnx.ModelProto, *, fc_on_ps: bool = False, se_on_ps: bool = False
) -> list[NodeReport]:
    """One report per ONNX node, in order. Goes on behind nodes that are not supported.

    ``fc_on_ps``, ``se_on_ps``: the network's last fully connected layers, and squeeze-and-excite
    blocks, are to run on the PS.

    Raises
    ------
    ModelError
        The file cannot be read at all, or its input has no fixed shape.
    """
    model = read_model(source)
    builder = GraphBuilder(read_opset(model))
    nodes = name_nodes(model)
    errors = _Errors(builder, _inferred_shapes(model))
    walk(model, builder, nodes, errors.note)
    graph = apply_passes(_loose_graph(model, builder))
    placed = _place(graph, nodes, nodes_on_ps(graph, fc=fc_on_ps, se=se_on_ps))
    return [errors.reports.get(n.name) or placed.get(n.name) or _folded(builder, n) for n in nodes]


@dataclass
class _Errors:
    """Collects errors and lets the walk go on with the shapes ONNX infers."""

    builder: GraphBuilder
    shapes: dict[str, tuple[int, ...]]
    reports: dict[str, NodeReport] = field(default_factory=dict)

    def note(self, node: OnnxNode, error: AccelgenError) -> list[Value]:
        verdict = "unknown" if isinstance(error, UnknownInputError) else "not supported"
        self.reports[node.name] = _report(node.name, node.op_type, verdict, str(error))
        return [self._stand_in(node, name) for name in node.outputs]

    def _stand_in(self, node: OnnxNode, name: str) -> Value:
        shape = self.shapes.get(name, ())
        if len(shape) not in (2, 4) or shape[0] != 1 or min(shape) < 1:
            return Unknown(node.label)
        _, c, h, w = (*shape, 1, 1)[:4]
        return View(self.builder.add_tensor(name, (1, h, w, c)), (h, w, c), NCHW[: len(shape)])


def _report(name: str, op: str, verdict: str, message: str) -> NodeReport:
    """A report from an error's sentence: reason, then after the semicolon the way out."""
    for prefix in (f"node '{name}' ({op}) ", f"node '{name}' ({op}): ", f"node '{name}' "):
        message = message.removeprefix(prefix)
    reason, _, rewrite = message.partition("; ")
    return NodeReport(name, op, verdict, reason, rewrite)


def _inferred_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes as ONNX infers them; a symbolic batch is 1, other unknown sizes are 0."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # whatever it stumbles on, the walk reports itself
        return {}
    shapes = {}
    for value in (*graph.value_info, *graph.output):
        sizes = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if sizes:
            shapes[value.name] = (sizes[0] or 1, *sizes[1:])
    return shapes


def _loose_graph(model: onnx.ModelProto, builder: GraphBuilder) -> Graph:
    """What was understood, as a graph; everything that nothing reads is an output."""
    values = [builder.values.get(output.name) for output in model.graph.output]
    wanted = [v.tensor for v in values if isinstance(v, View)]
    read = {name for node in builder.nodes for name in node.inputs}
    loose = [node.output for node in builder.nodes if node.output not in read]
    return Graph(
        nodes=tuple(builder.nodes),
        tensors=builder.tensors,
        constants=builder.constants,
        input=builder.input,
        outputs=tuple(dict.fromkeys([*wanted, *loose])),
    )


def _folded(builder: GraphBuilder, node: OnnxNode) -> NodeReport:
    """A node no operation of the graph stands for."""
    value = builder.values.get(node.outputs[0]) if node.outputs else None
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
    after_softmax = {node.output for node in graph.nodes if isinstance(node.op, Softmax)}
    for node in graph.nodes:
        verdict, reason = _engine(graph, node)
        problem = _beyond_limits(graph, node)
        if node.name in on_ps:
            reason = reason if verdict == "ps" else f"in NEON code: {reason}"
            verdict, problem = "ps", None
        if after_softmax & set(node.inputs):
            problem = ("follows a Softmax", "end the model with Softmax, or cut it off there")
        for source in node.sources:
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
        if op.kernel == (height, width) and not any(op.pads):
            kind = "fully connected, as a convolution"
        return "engine: array", kind
    if isinstance(op, Activation):
        kind = "clamp of the requantizer" if op.kind == "clip" else f"{op.kind}, as a table"
        return "engine: chain", kind
    for kinds, verdict, reason in (
        (MaxPool, "engine: window", "max pool"),
        (AvgPool, "engine: window", "average pool"),
        (GlobalAvgPool, "engine: chain", "squeeze: sums per channel on the way out"),
        (Add, "engine: chain", "adder"),
        (Mul, "engine: window", "scale: a value per channel"),
        (Concat, "folded", "addresses only"),
        (Select, "folded", "order of channels: in the weights of its neighbours"),
        (Upsample, "engine: window", "upsampling by two, in three passes"),
        (Softmax, "ps", "in float, after the accelerator"),
    ):
        if isinstance(op, kinds):
            return verdict, reason
    raise AssertionError(op)


def _largest(form: Format, name: str) -> int:
    """Largest value of a command's field."""
    return (1 << next(f.width for f in form.fields if f.name == name)) - 1


def _beyond_limits(graph: Graph, node: Node) -> tuple[str, str] | None:
    """What of an operation no command can express (reason and rewrite), or None."""
    op = node.op
    _, height, width, channels = graph.tensors[node.inputs[0]].shape
    vector = (1, 1, 1, channels)
    if isinstance(op, Mul) and graph.tensors[node.inputs[1]].shape != vector:
        return (
            "multiplies two maps",
            "use x * sigmoid(x) and its kin, a constant, or one value per channel",
        )
    if max(height, width) > _largest(RASTER, "height"):
        most = _largest(RASTER, "height")
        return f"reads a map of {height} x {width}, over {most}", "use a smaller input resolution"
    # Four lanes are the fewest: a channel group has at least four channels.
    if (most := 4 * _largest(EXEC, "groups")) < max(channels, graph.tensors[node.output].shape[3]):
        return f"has more than {most} channels", "use fewer channels"
    if not isinstance(op, Conv2d | MaxPool | AvgPool):
        return None
    whole = op.kernel == (height, width) and not any(op.pads)
    for name, value, fields in (
        ("kernel", op.kernel, "kernel_h"),
        ("stride", op.stride, "stride_h"),
        ("dilation", getattr(op, "dilation", (1, 1)), "dilation_h"),
    ):
        most = _largest(RASTER, fields)
        if max(value) > most and not (whole and (name != "kernel" or _folds(height * width, most))):
            return f"has {name} {value[0]} x {value[1]}, over {most}", _SMALLER[name]
    if max(op.pads) > (most := _largest(RASTER, "pad_top") >> 1):
        return f"has pads {op.pads}, over {most}", "use smaller pads"
    return None


_SMALLER = {
    "kernel": "use several smaller kernels, or GlobalAveragePool before the last layer",
    "stride": "use several layers with smaller strides",
    "dilation": "use a smaller dilation",
}


def _folds(pixels: int, most: int) -> bool:
    """Whether a kernel over a whole map may be taken as another rectangle that fits."""
    return any(pixels % rows == 0 and pixels // rows <= most for rows in range(1, most + 1))
