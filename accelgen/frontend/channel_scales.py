"""Activations with a scale per channel, as NNCF rounds them before depthwise convolutions.

The accelerator has one scale per tensor. A depthwise convolution reads every channel by itself,
and a convolution makes every channel by itself: so the channels' factors go into the scales of
the weights on both sides, and what is rounded has one scale. Its integers are the file's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from accelgen.ir.names import Names

__all__ = ["one_scale_each"]

Array = npt.NDArray[Any]


def one_scale_each(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` itself, or a copy in which such an activation has one scale.

    Where others than depthwise convolutions read it, it stays as it is. What is made by no
    convolution is multiplied before it is rounded. Nodes need not be sorted after this.
    """
    known = _constants(model.graph)
    rounds = [i for i, node in enumerate(model.graph.node) if _per_channel(known, node)]
    if not rounds:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    editor = _Editor(copy.graph)
    for index in rounds:
        editor.unify(copy.graph.node[index])
    return copy


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Initializers and what Constant nodes hold."""
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and len(node.attribute) == 1 and len(node.output) == 1:
            found[node.output[0]] = node.attribute[0].t
    return found


def _per_channel(known: dict[str, onnx.TensorProto], node: onnx.NodeProto) -> bool:
    """Whether ``node`` rounds an activation with several scales."""
    if node.op_type != "QuantizeLinear" or len(node.input) < 2 or node.input[0] in known:
        return False
    return node.input[1] in known and list(known[node.input[1]].dims) not in ([], [1])


@dataclass(frozen=True)
class _Rounding:
    """Scales and the zero point of ``node``; ``factors`` of the channels, up to 1."""

    node: onnx.NodeProto
    scales: Array
    zero: Array
    factors: Array


class _Editor:
    """A graph that changes in place."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants = _constants(graph)
        self._makers = {
            name: node for node in graph.node for name in node.output if node.op_type != "Constant"
        }
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        for output in graph.output:
            self._readers.setdefault(output.name, []).append(onnx.NodeProto())
        self._names = Names([*self._constants, *self._makers, *(v.name for v in graph.input)])

    def unify(self, node: onnx.NodeProto) -> None:
        """One scale for what ``node`` rounds, where that changes no integer."""
        rounding = self._rounding(node)
        if rounding is None:
            return
        back = self._readers.get(node.output[0], [])
        layers = [layer for n in back for layer in self._readers.get(next(iter(n.output), ""), [])]
        count = len(rounding.scales)
        if not back or not layers or not all(self._undoes(n, node) for n in back):
            return
        if not all(_is_depthwise(layer, count) and self._scalable(layer) for layer in layers):
            return
        for layer in layers:
            self._scale(layer, rounding.factors, bias=False)
        self._divide(rounding)
        scale = self._constant(node.input[1], np.float32(rounding.scales.max()))
        zero = self._constant(node.input[2], rounding.zero[0])
        for one in (node, *back):
            one.input[1], one.input[2] = scale, zero
            del one.attribute[:]

    def _rounding(self, node: onnx.NodeProto) -> _Rounding | None:
        """None where it is not along the channels, or has several zero points behind no relu: there
        they differ of channels that were 0 on all samples, which get finer steps of one range."""
        if len(node.input) != 3 or len(node.output) != 1 or self._axis(node, 1) != 1:
            return None
        scales, zero = self._array(node.input[1]), self._array(node.input[2])
        if scales is None or zero is None or scales.ndim != 1 or zero.shape != scales.shape:
            return None
        if not ((scales > 1e-30) & np.isfinite(scales)).all() or zero.dtype.kind not in "iu":
            return None
        wide = scales.astype(np.float64)
        if np.unique(zero).size > 1:
            maker = self._makers.get(node.input[0])
            if maker is None or not self._is_relu(maker):
                return None
            top, least = int(np.iinfo(zero.dtype).max), int(zero.min())
            wide = wide * (top - zero.astype(np.int64)) / (top - least)
            zero = np.full_like(zero, least)
        return _Rounding(node, wide, zero, wide / wide.max())

    def _is_relu(self, node: onnx.NodeProto) -> bool:
        low = self._array(node.input[1]) if node.op_type == "Clip" and node.input[1:] else None
        return node.op_type == "Relu" or (low is not None and low.size == 1 and not low.any())

    def _undoes(self, node: onnx.NodeProto, of: onnx.NodeProto) -> bool:
        return node.op_type == "DequantizeLinear" and (
            list(node.input[1:]) == list(of.input[1:]) and self._axis(node, 1) == 1
        )

    def _divide(self, rounding: _Rounding) -> None:
        """What is rounded, by the factors: in the convolution that makes it, or by a Mul."""
        source, changed = rounding.node.input[0], None
        maker, clip = self._makers.get(source), None
        if self._is_read_once(source) and maker is not None and _keeps(maker):
            clip, maker = maker, self._makers.get(maker.input[0])
        alone = maker is not None and self._is_read_once(maker.output[0])
        if clip is None or self._vanishes(clip, rounding):
            changed = maker if alone and maker is not None and maker.op_type == "Conv" else None
        if changed is not None and self._scalable(changed, bias=True):
            self._scale(changed, 1 / rounding.factors, bias=True)
            if clip is not None and clip.op_type == "Clip":
                del clip.input[2:]
            return
        moved = self._names.fresh(f"{source}/per_channel")
        factors = np.float32(1 / rounding.factors).reshape(1, -1, 1, 1)
        mul = helper.make_node("Mul", [source, self._constant(moved, factors)], [moved], moved)
        self._graph.node.append(mul)
        rounding.node.input[0] = moved

    def _is_read_once(self, name: str) -> bool:
        return len(self._readers.get(name, [])) == 1

    def _vanishes(self, clip: onnx.NodeProto, rounding: _Rounding) -> bool:
        """Whether a relu or clip is a relu to what is rounded: its upper limit cuts nothing off."""
        if clip.op_type == "Relu":
            return True
        limits = [self._array(name) for name in clip.input[1:]]
        if clip.attribute or len(limits) != 2 or any(v is None or v.size != 1 for v in limits):
            return False
        low, high = (float(np.ravel(v)[0]) for v in limits if v is not None)
        steps = high / rounding.scales + int(rounding.zero[0])
        return low == 0 and bool((steps > np.iinfo(rounding.zero.dtype).max - 0.5).all())

    # Weights.

    def _scalable(self, layer: onnx.NodeProto, *, bias: bool = False) -> bool:
        """Whether weights (and ``bias``) are constants, or integers with scales per output."""
        return all(self._scales(name) is not None for name in _weights(layer, bias=bias))

    def _scale(self, layer: onnx.NodeProto, factors: Array, *, bias: bool) -> None:
        """Multiply what ``layer`` makes of each channel."""
        for index, name in enumerate(_weights(layer, bias=bias), 1):
            values = self._scales(name)
            assert values is not None
            maker = self._makers.get(name)
            if maker is None:
                along = np.repeat(factors, len(values) // len(factors))
                scaled = values * along.reshape(-1, *(1,) * (values.ndim - 1))
                layer.input[index] = self._constant(name, scaled.astype(values.dtype))
                continue
            integers = self._array(maker.input[0])
            assert integers is not None
            count = len(integers)
            scales = np.broadcast_to(values.reshape(-1), (count,)) * np.repeat(
                factors, count // len(factors)
            )
            names = [maker.input[0], self._constant(f"{name}/scale", scales.astype(values.dtype))]
            if len(maker.input) > 2:
                zero = self._array(maker.input[2])
                assert zero is not None
                zeros = np.broadcast_to(zero.reshape(-1), (count,))
                names.append(self._constant(f"{name}/zero", zeros))
            made = self._names.fresh(f"{name}/per_channel")
            node = helper.make_node("DequantizeLinear", names, [made], made, axis=0)
            self._graph.node.append(node)
            layer.input[index] = made
            self._makers[made] = node

    def _scales(self, name: str) -> Array | None:
        """Floats that multiply a weight or bias: itself, or its scales along the outputs."""
        maker = self._makers.get(name)
        if maker is None:
            found = self._array(name)
            return found if found is not None and found.ndim and found.dtype.kind == "f" else None
        if maker.op_type != "DequantizeLinear" or not 2 <= len(maker.input) <= 3:
            return None
        arrays = [self._array(part) for part in maker.input]
        integers, scale = arrays[:2]
        if any(a is None for a in arrays) or integers is None or scale is None or not integers.ndim:
            return None
        fits = scale.size == 1 or (scale.shape == integers.shape[:1] and self._along(maker) == 0)
        sizes = [a.size for a in arrays[2:] if a is not None]
        return scale if fits and all(size in (1, scale.size) for size in sizes) else None

    def _along(self, maker: onnx.NodeProto) -> int:
        dims = len(self._constants[maker.input[0]].dims)
        axis = self._axis(maker, 1) if dims > 1 else 0
        return axis + dims if axis < 0 else axis

    def _axis(self, node: onnx.NodeProto, default: int) -> int:
        others = [a for a in node.attribute if a.name != "axis"]
        return next((int(a.i) for a in node.attribute if a.name == "axis"), default + len(others))

    def _array(self, name: str) -> Array | None:
        try:
            return np.asarray(numpy_helper.to_array(self._constants[name]))
        except Exception:  # missing or damaged: whoever reads it says so
            return None

    def _constant(self, name: str, array: Any) -> str:
        """A new constant, called like ``name``."""
        name = self._names.fresh(f"{name}/one")
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)), name)
        self._graph.initializer.append(tensor)
        self._constants[name] = tensor
        return name


def _keeps(node: onnx.NodeProto) -> bool:
    """A relu, with or without an upper limit."""
    return node.op_type in ("Relu", "Clip") and bool(node.input) and bool(node.input[0])


def _weights(layer: onnx.NodeProto, *, bias: bool) -> list[str]:
    """Inputs that hold weights; with ``bias`` that, too, where there is one."""
    return [name for name in layer.input[1 : 3 if bias else 2] if name]


def _is_depthwise(node: onnx.NodeProto, channels: int) -> bool:
    groups = next((int(a.i) for a in node.attribute if a.name == "group"), 1)
    return node.op_type == "Conv" and len(node.input) > 1 and groups == channels
