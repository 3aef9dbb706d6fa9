"""1-D convolution and pooling: a map of one row; and convolution along channels (ECA)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.bias import add_bias
from accelgen.frontend.builder import GraphBuilder, Value
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.padding import read_pads
from accelgen.frontend.values import Constant, Dims, View
from accelgen.ir.ops import Conv2d

__all__ = ["along_channels", "on_lines"]

Array = npt.NDArray[Any]
Reader = Callable[[GraphBuilder, OnnxNode], View]

#: Attributes with a number per spatial dimension, and what the dimension that is added has.
_PER_AXIS = {"kernel_shape": 1, "strides": 1, "dilations": 1}


def on_lines(read: Reader) -> Reader:
    """``read``, an importer of maps, for tensors (1, c, l) too: they are maps of one row, or of one
    column where ``l`` is a map's height."""

    def wide(graph: GraphBuilder, node: OnnxNode) -> View:
        x = graph.values.get(node.inputs[0]) if node.inputs else None
        if (
            not isinstance(x, View)
            or len(x.dims) != 3
            or x.dims[0]
            or x.dims[1] not in ((), ("c",))
        ):
            return read(graph, node)
        line = x.dims[2] or ("w",)
        if line not in (("h",), ("w",)):
            return read(graph, node)
        upright = line == ("h",)
        dims: Dims = ((), x.dims[1], line, ()) if upright else ((), x.dims[1], (), line)
        given: dict[str, Value] = {node.inputs[0]: replace(x, dims=dims)}
        for name in node.inputs[1:2]:
            weight = graph.values.get(name)
            if not isinstance(weight, Constant):
                continue
            if weight.array.ndim != 3:
                raise node.rejected(
                    f"has a weight '{weight.name}' of shape {weight.array.shape}",
                    "a 1-D kernel has three dimensions",
                )
            given[name] = _widened(weight, upright)
        kept: dict[str, Value] = {name: graph.values[name] for name in given}
        graph.values.update(given)
        try:
            made = read(graph, replace(node, attributes=_attributes(node, upright)))
        finally:
            graph.values.update(kept)
        return replace(made, dims=((), ("c",), line))

    return wide


def _widened(weight: Constant, upright: bool) -> Constant:
    """A kernel of a line as one of a map."""
    axis = 3 if upright else 2
    ints = weight.integers
    if ints is not None:
        moved = ints.axis + (ints.axis >= axis)
        ints = replace(ints, values=np.expand_dims(ints.values, axis), axis=moved)
    return Constant(weight.name, np.expand_dims(weight.array, axis), ints)


def _attributes(node: OnnxNode, upright: bool) -> dict[str, Any]:
    """A line's attributes as a map's. Raises UnsupportedOpError where they are no line's."""
    made = dict(node.attributes)
    for name, length in (*((name, 1) for name in _PER_AXIS), ("pads", 2)):
        if name not in made:
            continue
        given = list(made[name])
        if len(given) != length:
            raise node.unsupported(name, given, f"a 1-D kernel has {length}")
        if name == "pads":
            made[name] = [given[0], 0, given[1], 0] if upright else [0, given[0], 0, given[1]]
        else:
            other = _PER_AXIS[name]
            made[name] = [*given, other] if upright else [other, *given]
    return made


def along_channels(graph: GraphBuilder, node: OnnxNode) -> View | None:
    """A Conv whose one input channel is no channel of the map, and whose kernel runs along those:
    a 1x1 convolution whose weights are a band. None when the node is another Conv.

    ``y[j] = sum over t of weight[t] * x[j * stride + t * dilation - pad]`` (ECA).
    """
    x, weight = graph.values.get(node.inputs[0]), graph.values.get(node.inputs[1])
    if not isinstance(x, View) or not isinstance(weight, Constant) or len(x.dims) not in (3, 4):
        return None
    at = [i for i, dim in enumerate(x.dims) if "c" in dim]
    rank = len(x.dims)
    if len(at) != 1 or at[0] < 2 or x.dims[at[0]] != ("c",) or x.dims[0] or x.dims[1]:
        return None
    if weight.array.ndim != rank or weight.array.shape[:2] != (1, 1):
        return None
    spatial, axis = rank - 2, at[0] - 2
    kernel = weight.array.shape[2:]
    if any(size > 1 for i, size in enumerate(kernel) if i != axis):
        return None
    length, taps = x.sizes[2], int(kernel[axis])
    stride, dilation, (before, after) = _along(node, axis, spatial, (length, taps))
    outputs = (length + before + after - dilation * (taps - 1) - 1) // stride + 1
    if outputs < 1:
        raise ModelError(f"{node.label}: its kernel is larger than {length} channels")

    def band(array: Array) -> Array:
        flat = array.reshape(-1)
        made = np.zeros((outputs, 1, 1, length), array.dtype)
        for t in range(taps):
            rows = np.arange(outputs)
            columns = rows * stride + t * dilation - before
            inside = (columns >= 0) & (columns < length)
            made[rows[inside], 0, 0, columns[inside]] = flat[t]
        return made

    name = graph.add_weight(node, weight, band, out_axis=0)
    bias = add_bias(graph, node, outputs)
    return graph.emit(node, Conv2d(kernel=(1, 1)), x, name, bias)


def _along(
    node: OnnxNode, axis: int, spatial: int, sizes: tuple[int, int]
) -> tuple[int, int, tuple[int, int]]:
    """Stride, dilation and pads along ``axis``; on the others they must be what changes nothing."""
    values = []
    for name in ("strides", "dilations"):
        given = list(node.get(name, [1] * spatial))
        if len(given) != spatial or any(v != 1 for i, v in enumerate(given) if i != axis):
            raise node.unsupported(name, given, "only the channels may have another than 1")
        values.append(int(given[axis]))
    stride, dilation = values
    pads = list(node.get("pads", [0] * (2 * spatial)))
    if len(pads) != 2 * spatial or min(pads) < 0 or min(stride, dilation) < 1:
        raise node.unsupported("pads", pads, "only the channels may be padded")
    if any(v for i, v in enumerate(pads) if i % spatial != axis):
        raise node.unsupported("pads", pads, "only the channels may be padded")
    length, taps = sizes
    view = View("", (1, length, 1), ((), (), (), ("w",)))
    attributes: dict[str, Any] = {"auto_pad": node.get("auto_pad", "NOTSET")}
    if "pads" in node.attributes:
        attributes["pads"] = [0, pads[axis], 0, pads[axis + spatial]]
    line = replace(node, attributes=attributes)
    _, left, _, right = read_pads(line, view, (1, taps), (1, stride), (1, dilation))
    return stride, dilation, (left, right)
