"""The graph under construction: what importers read from and write to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.values import (
    NCHW,
    BlockView,
    ChoiceView,
    Constant,
    Dims,
    ExpandedView,
    IndicesView,
    JoinedView,
    MaskView,
    QuantizedView,
    SplitView,
    StridedView,
    Unknown,
    View,
)
from accelgen.ir.graph import Node
from accelgen.ir.names import Names
from accelgen.ir.ops import Activation, Conv2d, Op, Pads
from accelgen.ir.shapes import infer_shape
from accelgen.ir.types import Quantization, TensorType

__all__ = ["GraphBuilder", "UnknownInputError", "Value", "as_floats"]

Array = npt.NDArray[Any]
AnyView = View | SplitView | JoinedView
Value = (
    View | SplitView | JoinedView | BlockView | StridedView | ChoiceView | ExpandedView
    | IndicesView | MaskView | QuantizedView | Constant | Unknown
)  # fmt: skip


class UnknownInputError(ModelError):
    """A node reads what an unsupported node makes; only when reading goes on after errors."""


class GraphBuilder:
    """Collects nodes, types and constants; knows what every ONNX name stands for.

    Parameters
    ----------
    opset : int
        Version of the ai.onnx operators.
    tensor_names, node_names : iterable of str
        Names the model gives: each goes to what it names, and to nothing that is made here.
    output_names, shown_names : iterable of str
        The model's outputs, and what they are views of: what these stand for keeps its own numbers.
    """

    def __init__(
        self,
        opset: int,
        tensor_names: Iterable[str] = (),
        node_names: Iterable[str] = (),
        output_names: Iterable[str] = (),
        shown_names: Iterable[str] = (),
    ) -> None:
        self.opset = opset
        self.output_names = tuple(output_names)
        self.shown_names = (*self.output_names, *shown_names)
        self.inputs: tuple[str, ...] = ()
        self.values: dict[str, Value] = {}
        self.side_outputs: dict[str, str] = {}
        self.later: dict[str, str] = {}
        self.nodes: list[Node] = []
        self.tensors: dict[str, TensorType] = {}
        self.constants: dict[str, npt.NDArray[np.float32]] = {}
        self.quantization: dict[str, Quantization] = {}
        self.weight_scales: dict[str, npt.NDArray[np.float32]] = {}
        self.integer_weights: dict[str, npt.NDArray[np.int8]] = {}
        self.integer_biases: dict[str, npt.NDArray[np.int32]] = {}
        self.bias_scales: dict[str, npt.NDArray[np.float64]] = {}
        self.warnings: list[str] = []
        self.folded = 0  # numbers made of constants so far
        self._unclaimed = set(tensor_names) - {""}
        self._names = Names(self._unclaimed)
        self._unclaimed_nodes = set(node_names)
        self._node_names = Names(self._unclaimed_nodes)

    # Reading.

    def value(self, node: OnnxNode, index: int) -> Value:
        """What input ``index`` of ``node`` stands for. Raises ModelError when it is nothing."""
        name = node.inputs[index] if node.has_input(index) else ""
        if not name:
            raise ModelError(f"{node.label} lacks its input {index}", node=node.name)
        found = self.values.get(name)
        if isinstance(found, StridedView):
            found = self.values[name] = found.make()
        if isinstance(found, Unknown):
            raise UnknownInputError(
                f"{node.label} reads '{name}' of {found.source}", node=node.name
            )
        if found is not None:
            return found
        if name in self.side_outputs:
            raise ModelError(
                f"{node.label} reads '{name}', a second output of {self.side_outputs[name]}, which"
                " is not built; export the model in inference mode, without masks and indices",
                node=node.name,
            )
        if name in self.later:
            raise ModelError(
                f"{node.label} reads '{name}', which only {self.later[name]} makes: the graph has a"
                " cycle; export it again",
                node=node.name,
            )
        raise ModelError(
            f"{node.label} reads '{name}', which nothing in the model makes", node=node.name
        )

    def view(self, node: OnnxNode, index: int = 0) -> View:
        """Input ``index`` as an activation."""
        value = self.value(node, index)
        if isinstance(value, View):
            return value
        name = node.inputs[index]
        if isinstance(value, QuantizedView) and value.quantization is None:
            raise node.rejected(
                f"reads the integer input '{name}'",
                "export the model with a float input, or put DequantizeLinear before",
            )
        if isinstance(value, QuantizedView):
            raise node.rejected(
                f"works on the integer tensor '{name}'",
                "export the model in QDQ format, with DequantizeLinear before every operator",
            )
        if isinstance(value, SplitView):
            raise node.rejected(
                f"reads '{name}' of shape {value.shape}, whose channels a Reshape has split",
                "only a Transpose and a Reshape that joins them may follow (a channel shuffle), or"
                " the end of the model: cut it off there",
            )
        if isinstance(value, JoinedView | ChoiceView):
            what = "joined from maps that lie apart" if isinstance(value, JoinedView) else "indices"
            raise node.rejected(
                f"reads '{name}' of shape {value.shape}, {what}",
                "only the end of the model may follow: cut it off there",
            )
        if isinstance(value, BlockView):
            raise node.rejected(
                f"reads '{name}' of shape {value.shape}, whose pixels a Reshape has split",
                "only a Transpose and a Reshape that makes channels of them may follow (space to"
                " depth)",
            )
        if isinstance(value, IndicesView):
            raise node.rejected(f"reads '{name}', a MaxPool's indices", "only MaxUnpool may do so")
        if isinstance(value, MaskView):
            raise node.rejected(f"reads '{name}', conditions", "put a Cast to float before it")
        if isinstance(value, ExpandedView):
            made = self.values[name] = value.make(node)
            return made
        raise node.rejected(
            f"takes its input '{name}' from a constant", "only activations are computed on there"
        )

    def layout(self, node: OnnxNode, index: int = 0) -> View | SplitView:
        """Input ``index`` as an activation whose channels may be split."""
        value = self.value(node, index)
        return value if isinstance(value, SplitView) else self.view(node, index)

    def any_view(self, node: OnnxNode, index: int = 0) -> View | SplitView | JoinedView:
        """Input ``index`` as an activation, in whatever pieces."""
        value = self.value(node, index)
        return value if isinstance(value, JoinedView) else self.layout(node, index)

    def map(self, node: OnnxNode, index: int = 0) -> View:
        """Input ``index`` as an activation in NCHW order."""
        view = self.view(node, index)
        if not view.is_nchw:
            raise node.rejected(
                f"reads '{node.inputs[index]}' of shape {view.shape}, no map in NCHW order",
                "export it with 4-D NCHW tensors and 2-D kernels",
            )
        return view

    def constant(self, node: OnnxNode, index: int) -> Constant:
        """Input ``index`` as a constant."""
        value = self.value(node, index)
        if isinstance(value, Constant):
            return value
        raise node.rejected(
            f"computes its input {index}, '{node.inputs[index]}', at run time",
            "it must be an initializer or a Constant",
        )

    def floats(self, node: OnnxNode, index: int) -> npt.NDArray[np.float32]:
        """Input ``index`` as finite float32 numbers."""
        constant = self.constant(node, index)
        return as_floats(node, constant)

    def number(self, node: OnnxNode, index: int) -> float:
        """Input ``index`` as one number; it may be infinite."""
        array = self.constant(node, index).array
        if array.size != 1 or array.dtype.kind not in "biuf" or np.isnan(array).any():
            raise node.rejected(
                f"has '{node.inputs[index]}' of type {array.dtype} and shape {array.shape}",
                "it must be a single number",
            )
        return float(array.reshape(-1)[0])

    def numbers(self, node: OnnxNode, index: int) -> tuple[int, ...]:
        """Input ``index`` as a list of integers (shapes, axes, pads)."""
        array = self.constant(node, index).array
        if not np.issubdtype(array.dtype, np.integer):
            raise ModelError(
                f"{node.label}: '{node.inputs[index]}' must hold integers, not {array.dtype}",
                node=node.name,
            )
        return tuple(int(v) for v in array.reshape(-1))

    # Writing.

    def add_tensor(self, name: str, shape: tuple[int, ...]) -> str:
        """A new float32 tensor, called ``name`` if that is the model's and still free; returns
        its name."""
        if name in self._unclaimed:
            self._unclaimed.discard(name)
        else:
            name = self._names.fresh(name)
        self.tensors[name] = TensorType(shape, "float32")
        return name

    def add_made_constant(self, name: str, array: Array) -> str:
        """A constant that the model has no name for; returns its name."""
        return self.add_constant(self._names.fresh(name), array)

    def add_constant(self, name: str, array: Array) -> str:
        """A constant of the model; the same array under the same name is stored once. Returns its
        name."""
        array = np.ascontiguousarray(array, np.float32)
        stored = self.constants.get(name)
        if stored is not None and stored.shape == array.shape and np.array_equal(stored, array):
            return name
        name = self.add_tensor(name, array.shape)
        self.constants[name] = array
        return name

    def emit(
        self,
        node: OnnxNode,
        op: Op,
        *inputs: View | str,
        dims: Dims | None = None,
        output: int = 0,
    ) -> View:
        """Append an operation of ``node``; its result, seen as ``dims`` (default: input 0's).

        ``output`` is which of the node's outputs it is.
        """
        names = tuple(i.tensor if isinstance(i, View) else i for i in inputs)
        name = self._node_name(node.name)
        draft = Node(name=name, op=op, inputs=names, output="", sources=(node.name,))
        shape = infer_shape(draft, self.tensors)
        if max(shape) > LARGEST:
            raise node.rejected(
                f"makes a map of {shape[1]:,} x {shape[2]:,} with {shape[3]:,} channels",
                f"no more than {LARGEST:,} of each is read",
            )
        # The model's name goes to the last piece, when all are there: see result_names.
        made = self._names.fresh(node.outputs[output] or f"{node.name}.out")
        self.tensors[made] = TensorType(shape, "float32")
        self.nodes.append(Node(name=name, op=op, inputs=names, output=made, sources=(node.name,)))
        if dims is None:
            dims = inputs[0].dims if isinstance(inputs[0], View) else NCHW
        return View(made, (shape[1], shape[2], shape[3]), dims)

    def _node_name(self, name: str) -> str:
        if name not in self._unclaimed_nodes:
            return self._node_names.fresh(name)
        self._unclaimed_nodes.discard(name)
        return name

    def emit_affine(
        self,
        node: OnnxNode,
        x: View,
        scale: npt.ArrayLike,
        bias: npt.ArrayLike,
        pads: Pads = (0, 0, 0, 0),
    ) -> View:
        """``x * scale + bias`` per channel, as a depthwise 1x1 convolution the passes fold away."""
        c = x.sizes[2]
        weight = np.broadcast_to(np.asarray(scale, np.float32), (c,)).reshape(c, 1, 1, 1)
        shift = np.broadcast_to(np.asarray(bias, np.float32), (c,))
        return self.emit(
            node,
            Conv2d(kernel=(1, 1), groups=c, pads=pads),
            x,
            self.add_made_constant(f"{node.name}.scale", weight),
            self.add_made_constant(f"{node.name}.shift", shift),
            dims=NCHW if any(pads) else x.dims,
        )

    def add_weight(
        self,
        node: OnnxNode,
        constant: Constant,
        arrange: Callable[[Array], Array],
        out_axis: int,
        factor: float = 1.0,
    ) -> str:
        """A weight: ``constant``, rearranged to OHWI by ``arrange``, times ``factor``.

        Integers after it are kept when their scale is per tensor or along ``out_axis`` (of the
        array as it stands in ONNX).
        """
        array = arrange(as_floats(node, constant)) * np.float32(factor)
        ints = constant.integers
        if ints is None:
            return self.add_constant(constant.name, array)
        if ints.scale.ndim and ints.axis != out_axis and ints.scale.size > 1:
            self.warnings.append(
                f"{node.label}: weight '{constant.name}' is quantized along axis {ints.axis},"
                " not per output channel; it is quantized again"
            )
            return self.add_constant(constant.name, array)
        values = arrange(ints.values)
        if values.min(initial=0) < -128 or values.max(initial=0) > 127:
            raise node.rejected(
                f"has an asymmetric zero point for '{constant.name}'",
                "quantize weights symmetrically (int8)",
            )
        if (low := int(values.min(initial=0))) < -127:
            count = int((values < -127).sum())
            self.warnings.append(
                f"{node.label}: weight '{constant.name}' has {count} values of {low}, which become"
                " -127 (weights are symmetric)"
            )
            values = np.maximum(values, -127)
        channels = values.shape[0]
        scales = np.broadcast_to(ints.scale.reshape(-1), (channels,)) * np.float32(factor)
        scales = np.ascontiguousarray(scales, np.float32)
        name = self.add_constant(
            constant.name, values.astype(np.float32) * scales.reshape(-1, 1, 1, 1)
        )
        self.weight_scales[name] = scales
        self.integer_weights[name] = values.astype(np.int8)
        return name

    def note_quantization(
        self, node: OnnxNode, view: AnyView, quantization: Quantization
    ) -> AnyView:
        """Record that ``view`` passed Q/DQ; a tensor that did with other numbers is copied."""
        if isinstance(view, JoinedView):
            parts = (self._noted(node, part, quantization) for part in view.parts)
            return replace(view, parts=tuple(parts))
        return self._noted(node, view, quantization)

    def _noted(
        self, node: OnnxNode, view: View | SplitView, quantization: Quantization
    ) -> View | SplitView:
        if not self._is_shown(view.tensor):
            self.quantization.setdefault(view.tensor, quantization)
        if self.quantization.get(view.tensor) == quantization:
            return view
        copy = self.emit(node, Activation(kind="identity"), view.tensor)
        self.quantization[copy.tensor] = quantization
        return replace(view, tensor=copy.tensor)

    def _is_shown(self, tensor: str) -> bool:
        """An output of the model shows ``tensor`` as it is before it is rounded by a reader."""
        if tensor in self.quantization or tensor in self.inputs:
            return False
        values = (self.values.get(name) for name in self.shown_names)
        views = (v.view if isinstance(v, ChoiceView) else v for v in values)
        return any(isinstance(v, View) and v.tensor == tensor for v in views)


def as_floats(node: OnnxNode, constant: Constant) -> npt.NDArray[np.float32]:
    """A constant's finite float32 numbers. Raises ModelError naming it."""
    if constant.array.dtype not in (np.float16, np.float32, np.float64):
        raise ModelError(
            f"{node.label}: initializer '{constant.name}' is {constant.array.dtype}; it must be"
            " float16, float32 or double",
            node=node.name,
        )
    with np.errstate(over="ignore"):
        array = constant.array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ModelError(
            f"{node.label}: initializer '{constant.name}' holds NaN or infinity; export the"
            " trained weights again",
            node=node.name,
        )
    return array
