"""The graph under construction: what importers read from and write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import (
    NCHW,
    Constant,
    Dims,
    QuantizedView,
    SplitView,
    Unknown,
    View,
)
from accelgen.ir.graph import Node
from accelgen.ir.ops import Activation, Conv2d, Op, Pads
from accelgen.ir.shapes import infer_shape
from accelgen.ir.types import Quantization, TensorType

__all__ = ["GraphBuilder", "UnknownInputError", "Value", "as_floats"]

Array = npt.NDArray[Any]
Value = View | SplitView | QuantizedView | Constant | Unknown


class UnknownInputError(ModelError):
    """A node reads what an unsupported node makes; only when reading goes on after errors."""


class GraphBuilder:
    """Collects nodes, types and constants; knows what every ONNX name stands for.

    Parameters
    ----------
    opset : int
        Version of the ai.onnx operators.
    """

    def __init__(self, opset: int):
        self.opset = opset
        self.input = ""
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
        self.warnings: list[str] = []
        self._names: set[str] = set()
        self._node_names: set[str] = set()

    # Reading.

    def value(self, node: OnnxNode, index: int) -> Value:
        """What input ``index`` of ``node`` stands for. Raises ModelError when it is nothing."""
        name = node.inputs[index] if node.has_input(index) else ""
        if not name:
            raise ModelError(f"{node.label} lacks its input {index}")
        found = self.values.get(name)
        if isinstance(found, Unknown):
            raise UnknownInputError(f"{node.label} reads '{name}' of {found.source}")
        if found is not None:
            return found
        if name in self.side_outputs:
            raise ModelError(
                f"{node.label} reads '{name}', a second output of {self.side_outputs[name]} that"
                " only exists in training; export the model in inference mode"
            )
        if name in self.later:
            raise ModelError(
                f"{node.label} reads '{name}', which only {self.later[name]} makes: the graph has a"
                " cycle or is not sorted"
            )
        raise ModelError(f"{node.label} reads '{name}', which nothing in the model makes")

    def view(self, node: OnnxNode, index: int = 0) -> View:
        """Input ``index`` as an activation."""
        value = self.value(node, index)
        if isinstance(value, View):
            return value
        name = node.inputs[index]
        if isinstance(value, QuantizedView):
            raise node.rejected(
                f"works on the integer tensor '{name}'",
                "export the model in QDQ format, with DequantizeLinear before every operator",
            )
        if isinstance(value, SplitView):
            raise node.rejected(
                f"reads '{name}' of shape {value.shape}, whose channels a Reshape has split",
                "only a Transpose and a Reshape that joins them may follow (a channel shuffle)",
            )
        raise node.rejected(
            f"takes its input '{name}' from a constant", "only activations are computed on there"
        )

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

    def numbers(self, node: OnnxNode, index: int) -> tuple[int, ...]:
        """Input ``index`` as a list of integers (shapes, axes, pads)."""
        array = self.constant(node, index).array
        if not np.issubdtype(array.dtype, np.integer):
            raise ModelError(
                f"{node.label}: '{node.inputs[index]}' must hold integers, not {array.dtype}"
            )
        return tuple(int(v) for v in array.reshape(-1))

    # Writing.

    def fresh(self, name: str) -> str:
        """``name``, or ``name`` with a number when it is taken."""
        return _unique(name, self._names)

    def add_tensor(self, name: str, shape: tuple[int, ...]) -> str:
        """A new float32 tensor; returns its name."""
        name = self.fresh(name)
        self.tensors[name] = TensorType(shape, "float32")
        return name

    def add_constant(self, name: str, array: Array) -> str:
        """A constant; the same array under the same name is stored once. Returns its name."""
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
        name = _unique(node.name, self._node_names)
        draft = Node(name=name, op=op, inputs=names, output="", sources=(node.name,))
        shape = infer_shape(draft, self.tensors)
        made = self.add_tensor(node.outputs[output], shape)
        self.nodes.append(Node(name=name, op=op, inputs=names, output=made, sources=(node.name,)))
        if dims is None:
            dims = inputs[0].dims if isinstance(inputs[0], View) else NCHW
        return View(made, (shape[1], shape[2], shape[3]), dims)

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
            self.add_constant(f"{node.name}.scale", weight),
            self.add_constant(f"{node.name}.shift", shift),
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

        Integers behind it are kept when their scale is per tensor or along ``out_axis`` (of the
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

    def note_quantization(self, node: OnnxNode, view: View, quantization: Quantization) -> View:
        """Record that ``view`` passed Q/DQ; a tensor that did with other numbers is copied."""
        known = self.quantization.setdefault(view.tensor, quantization)
        return view if known == quantization else self._requantized(node, view, quantization)

    def _requantized(self, node: OnnxNode, view: View, quantization: Quantization) -> View:
        copy = self.emit(node, Activation(kind="identity"), view)
        self.quantization[copy.tensor] = quantization
        return copy


def _unique(name: str, taken: set[str]) -> str:
    candidate, count = name, 2
    while candidate in taken:
        candidate, count = f"{name}_{count}", count + 1
    taken.add(candidate)
    return candidate


def as_floats(node: OnnxNode, constant: Constant) -> npt.NDArray[np.float32]:
    """A constant's finite float32 numbers. Raises ModelError naming it."""
    if constant.array.dtype not in (np.float16, np.float32, np.float64):
        raise ModelError(
            f"{node.label}: initializer '{constant.name}' is {constant.array.dtype}; it must be"
            " float16, float32 or double"
        )
    with np.errstate(over="ignore"):
        array = constant.array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ModelError(
            f"{node.label}: initializer '{constant.name}' holds NaN or infinity; export the"
            " trained weights again"
        )
    return array
