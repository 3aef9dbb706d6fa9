"""load_onnx: read a model, walk its nodes, hand each to its importer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from accelgen.errors import AccelgenError, ModelError
from accelgen.frontend.attention import find_attention
from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.constants import fold_node, is_constant_node, read_initializer
from accelgen.frontend.inputs import Layouts, add_inputs, input_layouts
from accelgen.frontend.joined import part_by_part
from accelgen.frontend.lengths import Length, find_lengths
from accelgen.frontend.norms import Grn, Norm, find_norms
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.qlinear import import_qlinear, is_qlinear
from accelgen.frontend.quantized import import_on_integers, standard
from accelgen.frontend.read_model import read_model, read_opset
from accelgen.frontend.registry import DOMAINS, find_importer
from accelgen.frontend.result_names import name_results
from accelgen.frontend.schema import check_schema
from accelgen.frontend.softmax_pieces import SoftmaxPieces, find_softmaxes
from accelgen.frontend.values import (
    ChoiceView,
    JoinedView,
    QuantizedView,
    SplitView,
    View,
    pieces_of,
)
from accelgen.ir.graph import Graph
from accelgen.ir.imported import Imported
from accelgen.ir.logits_note import NOTE, PICTURES, read_note
from accelgen.ir.names import Names
from accelgen.ir.spec import check_float
from accelgen.ir.types import Quantization
from accelgen.ir.views import OutputView

__all__ = ["best_layouts", "load_onnx", "name_nodes", "new_builder", "output_view", "walk"]


def load_onnx(source: str | Path | bytes | onnx.ModelProto) -> Imported:
    """Read an ONNX model, float or QDQ, as a float graph (NHWC, batch 1, weights OHWI).

    Opsets 7 to 28. Shapes are inferred here; a symbolic batch is taken as 1.

    Raises
    ------
    ModelError
        The file cannot be read, is inconsistent, or holds NaN.
    UnsupportedOpError
        An operator, attribute or shape that is not built; names node, attribute and the way out.
    """
    model = read_model(source)
    nodes = name_nodes(model)
    graph, (first, *more) = _read(model, nodes)
    default = Path(source).stem if isinstance(source, str | Path) else "model"
    result = _finish(model, graph, default)
    check_float(result)
    _check_inputs(result)
    return Imported(
        graph=result,
        quantization=graph.quantization,
        weight_scales=graph.weight_scales,
        integer_weights=graph.integer_weights,
        integer_biases=graph.integer_biases,
        bias_scales=graph.bias_scales,
        logits=_logits(model, result, graph.quantization),
        input_layout=first.name,
        more_layouts=tuple(layout.name for layout in more),
        preprocess=next((p.value for p in model.metadata_props if p.key == PICTURES), ""),
        warnings=tuple(graph.warnings),
    )


def _logits(
    model: onnx.ModelProto, graph: Graph, rounded: Mapping[str, Quantization]
) -> dict[str, Quantization]:
    """What accelgen noted of outputs that the file does not round."""
    notes = [prop.value for prop in model.metadata_props if prop.key == NOTE]
    known = {name: q for text in notes for name, q in read_note(text).items()}
    return {n: q for n, q in known.items() if n in graph.tensors and n not in rounded}


def _check_inputs(graph: Graph) -> None:
    """Raise ModelError when no output depends on one of several inputs."""
    needed = set(graph.outputs)
    for node in reversed(graph.nodes):
        needed |= set(node.inputs) if node.output in needed else set()
    for name in graph.inputs if graph.more else ():
        if name not in needed:
            raise ModelError(
                f"no output depends on input '{name}'; remove it from the model's inputs"
            )


def best_layouts(model: onnx.ModelProto, nodes: list[OnnxNode]) -> Layouts:
    """The first way to see the inputs with which all nodes can be read; if there is none, the
    likeliest."""
    layouts = input_layouts(model, nodes)
    if len(layouts) > 1:
        try:
            return _read(model, nodes)[1]
        except AccelgenError:
            pass
    return layouts[0]


def _read(model: onnx.ModelProto, nodes: list[OnnxNode]) -> tuple[GraphBuilder, Layouts]:
    """All nodes, with the inputs seen in the first way with which that works."""
    failed: AccelgenError | None = None
    for layouts in input_layouts(model, nodes):
        graph = new_builder(model, nodes)
        try:
            walk(model, graph, nodes, layouts)
        except AccelgenError as error:
            failed = failed or error
        else:
            return graph, layouts
    assert failed is not None
    raise failed


def name_nodes(model: onnx.ModelProto) -> list[OnnxNode]:
    """All nodes in order, under unique names: their own, or operator and position."""
    names = Names(proto.name for proto in model.graph.node)
    own: set[str] = {""}
    nodes = []
    for index, proto in enumerate(model.graph.node):
        name = proto.name
        if name in own:
            name = names.fresh(f"{name or proto.op_type}_{index}")
        own.add(name)
        nodes.append(standard(OnnxNode.read(proto, name)))
    return nodes


def new_builder(model: onnx.ModelProto, nodes: list[OnnxNode]) -> GraphBuilder:
    """A builder that knows every name of the model."""
    graph = model.graph
    tensors = {value.name for value in (*graph.input, *graph.output, *graph.initializer)}
    tensors |= {name for node in nodes for name in (*node.inputs, *node.outputs)}
    outputs = [output.name for output in graph.output]
    return GraphBuilder(
        read_opset(model), tensors, [node.name for node in nodes], outputs,
        _behind_views(nodes, outputs),
    )  # fmt: skip


#: What only changes how a tensor is seen.
_VIEWS = (
    "Cast", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


def _behind_views(nodes: list[OnnxNode], outputs: list[str]) -> list[str]:
    """What ``outputs`` are views of, whether a reader comes before the view or after it."""
    found = set(outputs)
    for node in reversed(nodes):
        if node.op_type in _VIEWS and node.inputs and found & set(node.outputs[:1]):
            found.add(node.inputs[0])
    return sorted(found - set(outputs))


def walk(
    model: onnx.ModelProto,
    graph: GraphBuilder,
    nodes: list[OnnxNode],
    layouts: Layouts,
    on_error: Callable[[OnnxNode, AccelgenError], list[Value]] | None = None,
) -> None:
    """Import all nodes into ``graph``, the inputs seen as ``layouts``.

    With ``on_error`` the walk goes on: it is told of the error and says what each of the node's
    outputs stands for.
    """
    for tensor in model.graph.initializer:
        graph.values[tensor.name] = read_initializer(tensor)
    if model.graph.sparse_initializer:
        name = model.graph.sparse_initializer[0].values.name
        raise ModelError(f"initializer '{name}' is sparse; export it dense")
    add_inputs(model, graph, nodes, layouts)
    _check_single_makers(graph, nodes)
    graph.later = {name: n.label for n in nodes for name in n.outputs if name}
    # Of other domains an operator is another one, whatever its name.
    ours = [node for node in nodes if node.domain in DOMAINS]
    attention = find_attention(ours, [t.name for t in model.graph.initializer])
    norms: dict[str, Norm | Grn | Length | SoftmaxPieces] = {}
    for find in (find_norms, find_lengths, find_softmaxes):
        norms |= find(ours, graph.output_names)
    for node in nodes:
        try:
            if attention is not None and node.name in attention.nodes:
                attention.refuse(node)
            results = _import(graph, node, norms.get(node.name))
        except AccelgenError as error:
            if on_error is None:
                raise
            results = on_error(node, error)
        for name, value in zip(node.outputs, results, strict=False):
            graph.values[name] = value
        for name in node.outputs[len(results) :]:
            graph.side_outputs[name] = node.label
    name_results(graph, nodes)


def _check_single_makers(graph: GraphBuilder, nodes: list[OnnxNode]) -> None:
    """Raise ModelError when a tensor is made twice, or what is an initializer or an input."""
    made = set(graph.values)
    for node in nodes:
        for name in filter(None, node.outputs):
            if name in made:
                raise ModelError(
                    f"{node.label} makes '{name}', which exists already", node=node.name
                )
            made.add(name)


def _import(
    graph: GraphBuilder, node: OnnxNode, norm: Norm | Grn | Length | SoftmaxPieces | None = None
) -> list[Value]:
    if not any(node.outputs):
        raise ModelError(f"{node.label} has no output", node=node.name)
    if node.domain in DOMAINS:
        check_schema(node, graph.opset)
    constant = is_constant_node(graph, node)
    if norm is not None and not constant:
        return [norm.read(graph, node)]
    if constant:
        return list(fold_node(graph, node))
    if is_qlinear(node):
        return import_qlinear(graph, node, _import)
    importer = find_importer(node)
    for index, name in enumerate(node.inputs):
        if name and name not in graph.values:
            graph.value(node, index)  # raises, whether the importer would look at it or not
    result = part_by_part(
        graph, node, lambda graph, node: import_on_integers(graph, node, importer)
    )
    return list(result) if isinstance(result, Sequence) else [result]


def _finish(model: onnx.ModelProto, graph: GraphBuilder, name: str) -> Graph:
    """The graph, its outputs under the names the model gives them."""
    views = _views(model, graph)
    kept = {view.name for view in views} & set(graph.tensors)
    renamed: dict[str, str] = {}
    for view in views:
        tensor = view.pieces[0].tensor
        own = len(view.pieces) == 1 and view.choice is None
        if own and tensor not in kept and view.name not in graph.tensors:
            renamed.setdefault(tensor, view.name)

    def new(tensor: str) -> str:
        return renamed.get(tensor, tensor)

    views = [
        replace(v, pieces=tuple(replace(p, tensor=new(p.tensor)) for p in v.pieces)) for v in views
    ]

    graph.quantization = {new(t): q for t, q in graph.quantization.items()}
    nodes = tuple(
        replace(n, inputs=tuple(new(i) for i in n.inputs), output=new(n.output))
        for n in graph.nodes
    )
    bare = Graph(
        nodes=(),
        tensors={new(t): kind for t, kind in graph.tensors.items()},
        constants=graph.constants,
        input=graph.inputs[0],
        more=graph.inputs[1:],
        outputs=tuple(dict.fromkeys(piece.tensor for view in views for piece in view.pieces)),
        name=model.graph.name or name,
        views=tuple(views),
    )
    return bare.with_nodes(nodes, tensors=bare.tensors)


def _views(model: onnx.ModelProto, graph: GraphBuilder) -> list[OutputView]:
    """The model's outputs in its order."""
    names = [output.name for output in model.graph.output]
    if not names:
        raise ModelError("the model has no outputs")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ModelError(f"the model has two outputs '{twice}'")
    return [output_view(graph, name) for name in names]


def output_view(graph: GraphBuilder, name: str) -> OutputView:
    """Output ``name`` of the model. Raises ModelError when nothing computes it."""
    value = graph.values.get(name)
    if name in graph.side_outputs:
        raise ModelError(
            f"output '{name}' is a second output of {graph.side_outputs[name]}, which is not built;"
            " remove it from the model's outputs"
        )
    if value is None:
        raise ModelError(f"nothing in the model makes its output '{name}'")
    dtype = value.dtype if isinstance(value, QuantizedView) else "float32"
    choice = None
    if isinstance(value, ChoiceView):
        dtype, choice, value = "int64", value.choice, value.view
    if isinstance(value, QuantizedView):
        value = _noted(graph, value)
    if not isinstance(value, View | SplitView | JoinedView):
        raise ModelError(f"output '{name}' does not depend on a computed activation")
    pieces = pieces_of(value)
    if any(piece.tensor in graph.inputs for piece in pieces):
        raise ModelError(f"output '{name}' does not depend on a computed activation")
    axis = value.axis if isinstance(value, JoinedView) else 0
    return OutputView(name=name, pieces=pieces, axis=axis, dtype=dtype, choice=choice)


def _noted(graph: GraphBuilder, x: QuantizedView) -> View | SplitView | JoinedView:
    """What an integer output is, its scale noted."""
    if x.quantization is None:
        return x.view
    end = OnnxNode("output", "QuantizeLinear", "", (), ("",), {}, onnx.NodeProto())
    return graph.note_quantization(end, x.view, x.quantization)
