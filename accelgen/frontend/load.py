"""load_onnx: read a model, walk its nodes, hand each to its importer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from accelgen.errors import AccelgenError, ModelError
from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.constants import fold_node, is_constant_node, read_initializer
from accelgen.frontend.inputs import add_input
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.read_model import read_model, read_opset
from accelgen.frontend.registry import find_importer
from accelgen.frontend.values import QuantizedView, SplitView, View
from accelgen.ir.graph import Graph
from accelgen.ir.imported import Imported
from accelgen.ir.spec import check_float

__all__ = ["load_onnx", "name_nodes", "walk"]


def load_onnx(source: str | Path | bytes | onnx.ModelProto) -> Imported:
    """Read an ONNX model, float or QDQ, as a float graph (NHWC, batch 1, weights OHWI).

    Opsets 9 to 20. Shapes are inferred here; a symbolic batch is taken as 1.

    Raises
    ------
    ModelError
        The file cannot be read, is inconsistent, or holds NaN.
    UnsupportedOpError
        An operator, attribute or shape that is not built; names node, attribute and the way out.
    """
    model = read_model(source)
    graph = GraphBuilder(read_opset(model))
    nodes = name_nodes(model)
    layout = walk(model, graph, nodes)
    default = Path(source).stem if isinstance(source, str | Path) else "model"
    result = _finish(model, graph, default)
    check_float(result)
    return Imported(
        graph=result,
        quantization=graph.quantization,
        weight_scales=graph.weight_scales,
        integer_weights=graph.integer_weights,
        integer_biases=graph.integer_biases,
        input_layout=layout,
        warnings=tuple(graph.warnings),
    )


def name_nodes(model: onnx.ModelProto) -> list[OnnxNode]:
    """All nodes in order, under unique names: their own, or operator and position."""
    taken: set[str] = set()
    nodes = []
    for index, proto in enumerate(model.graph.node):
        name = proto.name or f"{proto.op_type}_{index}"
        if name in taken:
            name = f"{name}_{index}"
        taken.add(name)
        nodes.append(OnnxNode.read(proto, name))
    return nodes


def walk(
    model: onnx.ModelProto,
    graph: GraphBuilder,
    nodes: list[OnnxNode],
    on_error: Callable[[OnnxNode, AccelgenError], list[Value]] | None = None,
) -> str:
    """Import all nodes into ``graph``; returns the input's layout.

    With ``on_error`` the walk goes on: it is told of the error and says what each of the node's
    outputs stands for.
    """
    for tensor in model.graph.initializer:
        graph.values[tensor.name] = read_initializer(tensor)
    if model.graph.sparse_initializer:
        name = model.graph.sparse_initializer[0].values.name
        raise ModelError(f"initializer '{name}' is sparse; export it dense")
    layout = add_input(model, graph, nodes)
    graph.later = {name: n.label for n in nodes for name in n.outputs if name}
    for node in nodes:
        try:
            results = _import(graph, node)
        except AccelgenError as error:
            if on_error is None:
                raise
            results = on_error(node, error)
        for name, value in zip(node.outputs, results, strict=False):
            if name in graph.values and name:
                raise ModelError(f"{node.label} makes '{name}', which exists already")
            graph.values[name] = value
        for name in node.outputs[len(results) :]:
            graph.side_outputs[name] = node.label
    return layout


def _import(graph: GraphBuilder, node: OnnxNode) -> list[Value]:
    if not node.outputs or not node.outputs[0]:
        raise ModelError(f"{node.label} has no output")
    if is_constant_node(graph, node):
        return list(fold_node(graph, node))
    result = find_importer(node)(graph, node)
    return list(result) if isinstance(result, Sequence) else [result]


def _finish(model: onnx.ModelProto, graph: GraphBuilder, name: str) -> Graph:
    """The graph, its outputs under the names the model gives them."""
    renamed: dict[str, str] = {}
    outputs = []
    for output in model.graph.output:
        tensor = _output_tensor(graph, output.name)
        if tensor not in renamed and tensor != graph.input and output.name not in graph.tensors:
            renamed[tensor] = output.name
        outputs.append(tensor)
    if not outputs:
        raise ModelError("the model has no outputs")

    def new(tensor: str) -> str:
        return renamed.get(tensor, tensor)

    graph.quantization = {new(t): q for t, q in graph.quantization.items()}
    nodes = tuple(
        replace(n, inputs=tuple(new(i) for i in n.inputs), output=new(n.output))
        for n in graph.nodes
    )
    bare = Graph(
        nodes=(),
        tensors={new(t): kind for t, kind in graph.tensors.items()},
        constants=graph.constants,
        input=graph.input,
        outputs=tuple(dict.fromkeys(new(t) for t in outputs)),
        name=model.graph.name or name,
    )
    return bare.with_nodes(nodes, tensors=bare.tensors)


def _output_tensor(graph: GraphBuilder, name: str) -> str:
    value = graph.values.get(name)
    if value is None:
        raise ModelError(f"nothing in the model makes its output '{name}'")
    if isinstance(value, QuantizedView):
        if value.quantization is not None:
            graph.quantization.setdefault(value.view.tensor, value.quantization)
        value = value.view
    if isinstance(value, SplitView):
        raise ModelError(f"the channels of output '{name}' are split by a Reshape; join them")
    if not isinstance(value, View) or value.tensor == graph.input:
        raise ModelError(f"output '{name}' does not depend on a computed activation")
    return value.tensor
