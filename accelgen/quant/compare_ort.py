"""The second opinion: onnxruntime on the QDQ model, layer by layer against the golden model.

onnxruntime rounds floats half to even where the accelerator rounds integers half up, so a layer
fed with the same integers may differ by 1, seldom; ``docs/numerics.md`` says why no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from accelgen.errors import ModelError
from accelgen.extras import require
from accelgen.golden.arith import quantize_array
from accelgen.golden.interpret import enter, run_node
from accelgen.ir import Graph, Quantization, TensorType
from accelgen.ir.views import OutputView, plain_view
from accelgen.streamed import Inputs, Several, by_name

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["LayerMatch", "OrtModel", "compare_ort", "observe", "run_ort"]

Tensor = npt.NDArray[Any]
#: Orders in which a model takes its inputs, one after the other; one alone is of all.
Layouts = str | Sequence[str]

# What only changes how a tensor is seen, between a graph's output and its DequantizeLinear.
_VIEWS = ("DequantizeLinear", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Transpose")

#: Operators that make integers themselves: which input is the scale of what they make.
_SCALES = {
    "QGemm": 7, "QLinearAdd": 6, "QLinearAveragePool": 3, "QLinearConcat": 0, "QLinearConv": 6,
    "QLinearGlobalAveragePool": 3, "QLinearLeakyRelu": 3, "QLinearMatMul": 6, "QLinearMul": 6,
    "QLinearSigmoid": 3,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LayerMatch:
    """Golden model against onnxruntime, one node fed with onnxruntime's own integers.

    ``differing`` of ``elements`` integers differ, by ``max_difference`` at most.
    """

    node: str
    op: str
    tensor: str
    elements: int
    differing: int
    max_difference: int


def compare_ort(
    graph: Graph, model: str | Path | onnx.ModelProto, samples: Inputs, layout: Layouts = "nchw"
) -> tuple[LayerMatch, ...]:
    """Compare every int8 tensor that onnxruntime knows, too.

    Parameters
    ----------
    graph : Graph
        Int8, made from ``model`` (or ``model`` written from it).
    model : path or ModelProto
        QDQ. Run with all graph optimizations off: with them onnxruntime's int8 kernels saturate
        on processors without VNNI.
    samples : (n, h, w, c) float32
        Inputs, of several by name.
    layout : str
        Order in which ``model`` takes its input, ``"nchw"`` or ``"nhwc"``; of several a sequence.

    Returns
    -------
    tuple of LayerMatch
        In the graph's order. A node whose input onnxruntime does not know (a rescaling table in
        between) is fed with what the golden model makes of the last it does know.
    """
    totals: dict[str, list[int]] = {}
    for values in observe(graph, model, samples, layout):
        known = set(values)
        for node in graph.nodes:
            if graph.tensors[node.output].dtype != "int8":
                continue
            made = run_node(graph, node, values)
            wanted = values.setdefault(node.output, made)
            if node.output in known:
                error = np.abs(made.astype(np.int16) - wanted)
                total = totals.setdefault(node.output, [0, 0, 0])
                total[0] += made.size
                total[1] += int((error > 0).sum())
                total[2] = max(total[2], int(error.max()))
    return tuple(
        LayerMatch(
            node=node.name, op=type(node.op).__name__, tensor=node.output,
            elements=totals[node.output][0], differing=totals[node.output][1],
            max_difference=totals[node.output][2],
        )
        for node in graph.nodes
        if node.output in totals
    )  # fmt: skip


class OrtModel:
    """A model in onnxruntime, of one thread; several may run it at a time.

    Parameters
    ----------
    model : path or ModelProto
    layout : str
        Order in which it takes its input, ``"nchw"`` or ``"nhwc"``; of several a sequence.
    optimized : bool
        Whether onnxruntime may fuse: for float models only (see :func:`compare_ort`).

    Raises
    ------
    ModelError
        onnxruntime does not take it.
    ToolError
        onnxruntime is not installed.
    """

    def __init__(
        self, model: str | Path | onnx.ModelProto, layout: Layouts = "nchw", *,
        optimized: bool = False,
    ):  # fmt: skip
        require("reference")
        proto, self._layout = _load(model), layout
        try:
            self._session = _session(proto, optimized)
        except Exception as error:  # whatever its C++ raises
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"onnxruntime does not take the model: {reason}") from error

    def run(self, samples: Inputs) -> list[Tensor]:
        """Its outputs for float samples (n, h, w, c): one array (n, ...) each."""
        names = [place.name for place in self._session.get_inputs()]
        names = names if isinstance(samples, Several | Mapping) else names[:1]
        results = [
            self._session.run(None, _feed(self._session, x, self._layout, {}))
            for x in _single(samples, names)
        ]
        return [np.concatenate(arrays) for arrays in zip(*results, strict=True)]


def run_ort(
    model: str | Path | onnx.ModelProto, samples: Inputs, layout: Layouts = "nchw"
) -> list[Tensor]:
    """Outputs of onnxruntime, all optimizations off: one array (n, ...) per output of the model."""
    return OrtModel(model, layout).run(samples)


def _load(model: str | Path | onnx.ModelProto) -> onnx.ModelProto:
    if isinstance(model, onnx.ModelProto):
        return model
    try:
        return onnx.load(str(model))
    except Exception as error:  # whatever the file system and protobuf raise
        raise ModelError(f"cannot read {str(model)!r} as ONNX: {error}") from error


def _session(proto: onnx.ModelProto, optimized: bool = False) -> onnxruntime.InferenceSession:
    require("reference")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = (
        levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    )
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    data = proto.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _single(samples: Inputs, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Sample after sample, (h, w, c) of each input."""
    given = by_name(samples, names)
    for i in range(len(given[names[0]])):
        yield {name: np.asarray(x[i]) for name, x in given.items()}


def _feed(
    session: onnxruntime.InferenceSession, x: Mapping[str, Tensor], layout: Layouts,
    scales: Mapping[str, Quantization | None],
) -> dict[str, Tensor]:  # fmt: skip
    """One sample (h, w, c) of each input: in its order, its shape, and its own integers."""
    places = [place for place in session.get_inputs() if place.name in x]
    layouts = [layout] * len(places) if isinstance(layout, str) else layout
    return {
        place.name: _fed(place, x[place.name], order, scales.get(place.name))
        for place, order in zip(places, layouts, strict=True)
    }


def _fed(place: Any, x: Tensor, layout: str, quantization: Quantization | None) -> Tensor:
    if place.type in ("tensor(int8)", "tensor(uint8)") and quantization is not None:
        x = quantize_array(x, quantization).astype(np.int16)
        x = x + 128 if place.type == "tensor(uint8)" else x
    x = x[None] if layout == "nhwc" else np.ascontiguousarray(x.transpose(2, 0, 1)[None])
    if len(place.shape) == 2:
        x = x.reshape(1, -1)
    elif len(place.shape) == 3:  # a line, or a picture of one channel: an axis of size 1 is gone
        x = x.reshape(1, *place.shape[1:])
    return x.astype(_KINDS.get(place.type, np.float32))


_KINDS = {
    "tensor(int8)": np.int8, "tensor(uint8)": np.uint8, "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}  # fmt: skip


def observe(
    graph: Graph, model: str | Path | onnx.ModelProto, samples: Inputs, layout: Layouts = "nchw"
) -> Iterator[dict[str, Tensor]]:
    """For each sample, the inputs and onnxruntime's int8 tensors by our names, in our order.

    Parameters as of :func:`compare_ort`.
    """
    proto = _load(model)
    known = _integer_tensors(proto, graph)
    wanted, orders = sorted(set(known.values())), _orders(proto, layout)
    extended = onnx.ModelProto()
    extended.CopyFrom(proto)
    del extended.graph.output[:]
    extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    session = _session(extended if wanted else proto)
    scales = {name: graph.tensors[name].quantization for name in graph.inputs}
    for x in _single(samples, graph.inputs):
        made = session.run(wanted, _feed(session, x, layout, scales)) if wanted else []
        arrays = dict(zip(wanted, made, strict=True))
        values = enter(graph, {name: value[None] for name, value in x.items()})
        for ours, theirs in known.items():
            order = orders.get(theirs, _ORDERS)
            if (array := _as_ours(arrays[theirs], graph.tensors[ours], order)) is not None:
                values[ours] = array
        yield values


#: What a map may be in whose order is not known.
_ORDERS = ("nchw", "nhwc")


def _orders(proto: onnx.ModelProto, layout: Layouts) -> dict[str, tuple[str, ...]]:
    """The axes of the maps that Transposes turn: "nchw", or in another order; those that they may
    be behind what splits and joins axes, of which the order is not told."""
    constants = {t.name for t in proto.graph.initializer}
    inputs = [v.name for v in proto.graph.input if v.name not in constants]
    layouts = [layout] * len(inputs) if isinstance(layout, str) else layout
    orders: dict[str, tuple[str, ...]]
    orders = {name: (order,) for name, order in zip(inputs, layouts, strict=True)}
    for node in proto.graph.node:
        order = next((orders[name] for name in node.input if name in orders), _ORDERS)
        if node.op_type == "Transpose":
            perm = helper.get_node_attr_value(node, "perm") if node.attribute else (3, 2, 1, 0)
            whole = sorted(perm) == [0, 1, 2, 3]
            order = tuple("".join(o[axis] for axis in perm) for o in order) if whole else _ORDERS
        elif node.op_type in ("Flatten", "Reshape", "Squeeze", "Unsqueeze"):
            order = _ORDERS
        orders.update(dict.fromkeys(node.output, order))
    return orders


def _as_ours(array: Tensor, kind: TensorType, orders: tuple[str, ...]) -> Tensor | None:
    """A map in one of ``orders``, or flat, int8 or uint8, as NHWC int8; None when the model sees it
    in another, or its shape does not tell in which of them."""
    if array.dtype == np.uint8:
        array = (array.astype(np.int16) - 128).astype(np.int8)
    _, h, w, c = kind.shape
    flat = sum(size > 1 for size in array.shape) <= 1
    if flat and array.size == h * w * c == c:
        return array.reshape(kind.shape)
    sizes = dict(zip("nhwc", (1, h, w, c), strict=True))
    fitting = [o for o in orders if array.shape == tuple(sizes[axis] for axis in o)]
    if len(fitting) != 1:
        return None
    return array.transpose([fitting[0].index(axis) for axis in "nhwc"])


def _integer_tensors(proto: onnx.ModelProto, graph: Graph) -> dict[str, str]:
    """Our int8 tensors that a QuantizeLinear, or an operator on integers, of the model makes, too,
    with its output's name."""
    constants = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(
                helper.get_node_attr_value(node, "value")
            )
    makers = {out: node for node in proto.graph.node for out in node.output}
    # An output that the model sees turned is no map in the order of the graph: what was quantized
    # before it was turned is.
    turned = {v.name for v in graph.model_outputs() if not _is_map(v, graph)}
    aliases = {name: _behind_views(makers, name, name in turned) for name in graph.outputs}
    found: dict[str, str] = {}
    for node in proto.graph.node:
        if (at := _SCALES.get(node.op_type)) is not None:
            name = node.output[0]
            kind = graph.tensors.get(name)
            if kind and kind.quantization == _quantization(node, constants, at):
                found.setdefault(name, name)
        if node.op_type != "QuantizeLinear" or node.input[0] in constants:
            continue
        names = {node.input[0]} | {
            n.output[0]
            for n in proto.graph.node
            if n.op_type == "DequantizeLinear" and n.input[0] == node.output[0]
        }
        names -= turned
        # A shuffle looks like a view, too: then the graph has the tensor before it.
        own = names & set(graph.tensors)
        names |= {n for n, q in aliases.items() if q == node.output[0] and own <= {n}}
        for name in names & set(graph.tensors):
            if graph.tensors[name].quantization == _quantization(node, constants):
                found.setdefault(name, node.output[0])
    return {name: theirs for name, theirs in found.items() if name not in graph.inputs}


def _is_map(view: OutputView, graph: Graph) -> bool:
    """Whether the model sees an output as the map, or the vector, that it is."""
    (piece, *others) = view.pieces
    _, h, w, c = graph.tensors[piece.tensor].shape
    vector = (h, w) == (1, 1) and prod(piece.shape) == c
    return not others and (vector or piece == plain_view("", piece.tensor, (1, h, w, c)).pieces[0])


def _behind_views(makers: Mapping[str, onnx.NodeProto], name: str, turned: bool) -> str:
    """What ``name`` is a view of; nothing, if it should be ``turned`` and is not."""
    seen = set()
    while name in makers and makers[name].op_type in _VIEWS:
        seen.add(makers[name].op_type)
        name = makers[name].input[0]
    return name if not turned or seen - {"DequantizeLinear", "Identity"} else ""


def _quantization(
    node: onnx.NodeProto, constants: Mapping[str, Any], at: int = 1
) -> Quantization | None:
    """Scale and zero point that are inputs ``at`` and the next of ``node``; of scales per channel
    the largest, to which a reader brings them all."""
    scale = constants.get(node.input[at]) if len(node.input) > at else None
    zero = constants.get(node.input[at + 1]) if len(node.input) > at + 1 else np.uint8(0)
    if scale is None or zero is None or np.unique(zero).size != 1:
        return None
    offset = 128 if zero.dtype == np.uint8 else 0
    return Quantization(float(np.max(scale)), int(np.ravel(zero)[0]) - offset)
