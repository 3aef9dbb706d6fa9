"""Normalization by the statistics of the map itself: LayerNormalization and its kin, in one node
or spelled out node by node (found before the nodes are read)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from accelgen.errors import ModelError, UnsupportedOpError
from accelgen.frontend.builder import GraphBuilder, UnknownInputError
from accelgen.frontend.elementwise import per_channel
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.pooling import reduced_axes
from accelgen.frontend.schema import check_schema
from accelgen.frontend.values import NCHW, SplitView, View
from accelgen.ir.ps_ops import LocalNorm, Normalize, Response, split_along

__all__ = [
    "Grn",
    "Norm",
    "escaping",
    "find_norms",
    "import_group_normalization",
    "import_instance_normalization",
    "import_layer_normalization",
    "import_lrn",
    "import_mean_variance_normalization",
    "normalized",
    "reduced_by",
]

#: Numbers of one mean: their sums fit 32 bits.
_MOST = 1 << 16
#: Of LRN: their sum of squares.
_MOST_NEIGHBOURS = 1023
_LEAST = 1e-6
#: Of LRN, too: float32's largest numbers are not far.
_LARGEST_POWER = 30


def normalized(
    graph: GraphBuilder, node: OnnxNode, x: View, axes: set[str], epsilon: float, **how: Any
) -> View:
    """``x`` normalized over ``axes`` of "h", "w" and "c"; those of size 1 may be among them.
    ``how``: what else :class:`Normalize` has."""
    large = {axis for axis in "hwc" if x.size_of(axis) > 1}
    wanted = axes & large
    forms = {"channels": {"c"}, "pixels": {"h", "w"}, "map": {"h", "w", "c"}}
    along = next((form for form, whole in forms.items() if whole & large == wanted), None)
    if how.get("share", 1) > 1:
        along = "pixels"
    elif along is None or not wanted:
        raise node.rejected(
            f"normalizes {x.shape} over {', '.join(sorted(wanted)) or 'a single number'}",
            "over all channels of each pixel, all pixels of each channel, or the whole map is"
            " built",
        )
    if not (np.isfinite(epsilon) and epsilon >= 0):
        raise ModelError(f"{node.label}: epsilon={epsilon} must be finite and not below 0")
    op = Normalize(along=along, epsilon=float(np.float32(epsilon)), **how)
    _, count, _ = split_along(op, (1, *x.sizes))
    if count > _MOST:
        raise node.rejected(
            f"normalizes over {count:,} numbers", f"no more than {_MOST:,} are built: use a"
            " smaller map, or BatchNormalization",
        )  # fmt: skip
    return graph.emit(node, op, x)


def _weighed(graph: GraphBuilder, node: OnnxNode, y: View) -> View:
    """Times input 1, plus input 2, as they broadcast over ``y``; the passes fold them away."""
    scale = per_channel(node, y, graph.constant(node, 1))
    bias = np.zeros(1, np.float32)
    if node.has_input(2):
        bias = per_channel(node, y, graph.constant(node, 2))
    return _affine(graph, node, y, scale, bias)


def _affine(
    graph: GraphBuilder, node: OnnxNode, y: View, scale: np.ndarray, bias: np.ndarray
) -> View:
    if (scale == 1).all() and not bias.any():
        return y
    return graph.emit_affine(node, y, scale, bias)


def import_layer_normalization(graph: GraphBuilder, node: OnnxNode) -> View:
    """LayerNormalization: from ``axis`` on."""
    x = graph.view(node)
    axis, rank = int(node.get("axis", -1)), len(x.dims)
    if not -rank <= axis < rank:
        raise ModelError(f"{node.label}: axis={axis} is not within rank {rank}", node=node.name)
    axes = {a for dim in x.dims[axis % rank :] for a in dim}
    return _weighed(graph, node, normalized(graph, node, x, axes, node.get("epsilon", 1e-5)))


def import_instance_normalization(graph: GraphBuilder, node: OnnxNode) -> View | SplitView:
    """InstanceNormalization: over the pixels of each channel, or of each group of channels that a
    Reshape has made."""
    x = graph.layout(node)
    groups = 1 if x.dims[1] == () else x.parts[0] if isinstance(x, SplitView) else x.sizes[2]
    first = ("c0",) if isinstance(x, SplitView) else ("c",)
    if len(x.dims) < 3 or x.dims[0] or x.dims[1] not in ((), first):
        x = graph.map(node)
    whole = View(x.tensor, x.sizes, NCHW)
    if isinstance(x, SplitView) and (len(x.parts), x.dims[1]) != (2, first):
        whole = graph.view(node)  # raises
    y = _grouped(graph, node, whole, groups)
    vectors = (np.repeat(v, x.sizes[2] // groups) for v in _vectors(graph, node, groups))
    return replace(x, tensor=_affine(graph, node, y, *vectors).tensor)


def _grouped(graph: GraphBuilder, node: OnnxNode, x: View, groups: int) -> View:
    """``x`` normalized over the pixels of each of ``groups`` groups of channels."""
    epsilon, share = node.get("epsilon", 1e-5), x.sizes[2] // groups
    if groups == 1 or share == 1:
        axes = {"h", "w", "c"} if groups == 1 else {"h", "w"}
        return normalized(graph, node, x, axes, epsilon)
    return normalized(graph, node, x, {"h", "w"}, epsilon, share=share)


def import_group_normalization(graph: GraphBuilder, node: OnnxNode) -> View:
    """GroupNormalization."""
    x = graph.map(node)
    groups, channels = int(node.get("num_groups", 0)), x.sizes[2]
    if (stash := node.get("stash_type", 1)) != 1:
        raise node.unsupported("stash_type", stash, "float32 (1) is built")
    if groups < 1 or channels % groups:
        raise ModelError(
            f"{node.label}: {channels} channels do not divide into num_groups={groups}",
            node=node.name,
        )
    y = _grouped(graph, node, x, groups)
    size = channels if graph.opset >= 21 else groups
    vectors = (np.repeat(v, channels // size) for v in _vectors(graph, node, size))
    return _affine(graph, node, y, *vectors)


#: Of MeanVarianceNormalization: what ONNX adds to the deviation.
_LEAST_DEVIATION = 1e-9


def import_mean_variance_normalization(graph: GraphBuilder, node: OnnxNode) -> View:
    """MeanVarianceNormalization over ``axes``."""
    x = graph.view(node)
    rank, given = len(x.dims), tuple(node.get("axes", (0, 2, 3)))
    if len({axis % rank for axis in given if -rank <= axis < rank}) != len(given):
        raise ModelError(f"{node.label}: axes={given} are not different ones within rank {rank}")
    axes = {a for axis in given for a in x.dims[axis]}
    return normalized(graph, node, x, axes, _LEAST_DEVIATION**2)


def import_lrn(graph: GraphBuilder, node: OnnxNode) -> View:
    """LRN: over ``size`` neighbouring channels."""
    x, size = graph.map(node), int(node.get("size", 0))
    # Attributes are float32, so defaults are, too.
    alpha, beta, bias = (
        float(np.float32(node.get(name, default)))
        for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    if not 1 <= size <= _MOST_NEIGHBOURS or size % 2 == 0:
        raise node.unsupported("size", size, f"odd numbers up to {_MOST_NEIGHBOURS:,} are built")
    for name, value in (("alpha", alpha), ("beta", beta), ("bias", bias)):
        if not _LEAST <= value <= _MOST:
            raise node.unsupported(name, value, f"numbers from {_LEAST:g} on are built")
    if -beta * np.log10(bias) > _LARGEST_POWER:
        raise node.unsupported(
            "beta", beta, f"bias ** -beta may be up to 1e{_LARGEST_POWER}, with bias={bias:g}"
        )
    return graph.emit(node, LocalNorm(size=size, alpha=alpha, beta=beta, bias=bias), x)


def _vectors(graph: GraphBuilder, node: OnnxNode, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale and bias, of ``size`` numbers each."""
    scale, bias = (graph.floats(node, i).reshape(-1) for i in (1, 2))
    if scale.size != size or bias.size != size:
        raise ModelError(
            f"{node.label}: scale has {scale.size} and bias {bias.size} numbers; it takes {size}",
            node=node.name,
        )
    return scale, bias


# In pieces.


@dataclass(frozen=True)
class Grn:
    """ConvNeXt V2's: ``l2(x) / (mean(l2(x)) + epsilon)``, whose nodes nothing else reads."""

    size: OnnxNode
    mean: OnnxNode
    added: OnnxNode
    last: OnnxNode

    def read(self, graph: GraphBuilder, node: OnnxNode) -> View:
        """As :meth:`Norm.read`."""
        x = graph.view(self.size, 0)
        if node is not self.last:
            return x
        axes = [reduced_by(graph, part, x) for part in (self.size, self.mean)]
        large = {axis for axis in "hwc" if x.size_of(axis) > 1}
        if axes != [{"h", "w"} & large, {"c"} & large]:
            raise node.rejected(
                f"ends a normalization of sizes over {axes[0]} by their mean over {axes[1]}",
                "the sizes of all pixels of each channel, and the mean of all channels, are built",
            )
        pixels, channels = x.sizes[0] * x.sizes[1], x.sizes[2]
        if pixels > _MOST or channels > _MOST // 2:
            raise node.rejected(
                f"normalizes {channels:,} channels of {pixels:,} pixels",
                f"no more than {_MOST // 2:,} of {_MOST:,} are built",
            )
        at = 0 if set(self.added.inputs[1:]) & set(self.mean.outputs) else 1
        epsilon = graph.number(self.added, at)
        if not 0 <= epsilon < np.inf:
            raise ModelError(f"{self.added.label}: {epsilon} must be finite and not below 0")
        return graph.emit(node, Response(epsilon=float(np.float32(epsilon))), x)


def reduced_by(graph: GraphBuilder, node: OnnxNode, x: View) -> set[str]:
    """The axes of ``x`` that ``node`` reduces."""
    # `check` comes here after it has refused the node itself.
    check_schema(node, graph.opset)
    reduced = reduced_axes(graph, node, x)
    return {axis for d in reduced or () for axis in x.dims[d]}


def _grn(div: OnnxNode, makers: Mapping[str, OnnxNode]) -> Grn | None:
    """The normalization that ends with ``div``; None when it ends none."""
    size, added = (makers.get(name) for name in div.inputs)
    if size is None or added is None or (size.op_type, added.op_type) != ("ReduceL2", "Add"):
        return None
    of = (makers.get(name) for name in added.inputs)
    mean = next((m for m in of if m is not None and m.op_type == "ReduceMean"), None)
    if mean is None or mean.inputs[:1] != div.inputs[:1]:
        return None
    kept = all(part.get("keepdims", 1) for part in (size, mean))
    return Grn(size, mean, added, div) if kept else None


@dataclass(frozen=True)
class Norm:
    """One normalization: its nodes, the first and the last by name; ``escapes``: a tensor within
    it that other nodes read, or ""."""

    first: str
    centred: OnnxNode
    mean: OnnxNode
    square: OnnxNode
    variance: OnnxNode
    added: OnnxNode
    root: OnnxNode
    last: OnnxNode
    escapes: str = ""

    def read(self, graph: GraphBuilder, node: OnnxNode) -> View:
        """What ``node`` makes: of the last the normalized map, of others what goes in, since
        nothing else reads them.

        Raises
        ------
        UnsupportedOpError
            At the first node: it is no normalization that is built. UnknownInputError at others.
        """
        if self.escapes:
            self._refuse(node)
        x = graph.view(self.centred, 0)
        if node is not self.last:
            return x
        axes = [self._axes(graph, part, x) for part in (self.mean, self.variance)]
        if axes[0] != axes[1]:
            raise node.rejected(
                f"ends a normalization with a mean over {axes[0]} and a variance over {axes[1]}",
                "take both over the same axes",
            )
        for part, power in ((self.square, 2.0), (self.root, 0.5)):
            if part.op_type == "Pow" and graph.number(part, 1) != power:
                raise part.rejected(
                    f"has exponent {graph.number(part, 1):g} within a normalization",
                    f"only {power:g} is built there",
                )
        at = 0 if set(self.added.inputs[1:]) & set(self.variance.outputs) else 1
        return normalized(graph, node, x, axes[0], graph.number(self.added, at))

    def _axes(self, graph: GraphBuilder, node: OnnxNode, x: View) -> set[str]:
        if node.op_type == "GlobalAveragePool":
            return {"h", "w"}
        return reduced_by(graph, node, x)

    def _refuse(self, node: OnnxNode) -> None:
        if node.name != self.first:
            raise UnknownInputError(
                f"{node.label} is part of the normalization that '{self.first}' begins",
                node=node.name,
            )
        found = (
            f"begins a LayerNormalization in pieces (it ends with '{self.last.name}'), of which"
            f" other nodes read '{self.escapes}'"
        )
        way_out = "export it as LayerNormalization (opset 17 or newer)"
        raise UnsupportedOpError(
            f"{node.label} {found}; {way_out}",
            node=node.name, reason=found, way_out=way_out,
        )  # fmt: skip


def find_norms(nodes: Sequence[OnnxNode], outputs: Sequence[str] = ()) -> dict[str, Norm | Grn]:
    """``(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)``, and what Grn is: for each of its
    nodes, what it is part of. ``outputs``: of the model."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    found: dict[str, Norm | Grn] = {}
    for node in nodes:
        grn = _grn(node, makers) if node.op_type == "Div" and len(node.inputs) == 2 else None
        if grn is not None and not escaping([grn.size, grn.mean, grn.added, node], nodes, outputs):
            parts_of_it = (grn.size, grn.mean, grn.added, node)
            found.update({part.name: grn for part in parts_of_it})
            continue
        parts = _parts(node, makers) if node.op_type == "Div" else None
        if parts is None:
            continue
        names = {node.name, *(part.name for part in parts.values())}
        escapes = escaping([*parts.values(), node], nodes, outputs)
        order = [n.name for n in nodes if n.name in names]
        del parts["again"]
        norm = Norm(first=order[0], last=node, escapes=escapes, **parts)
        found.update(dict.fromkeys(order, norm))
    return found


def escaping(parts: list[OnnxNode], nodes: Sequence[OnnxNode], outputs: Sequence[str]) -> str:
    """What others read of ``parts``, but for what the last makes; or ""."""
    names = {part.name for part in parts}
    inner = {name for part in parts[:-1] for name in part.outputs if name}
    read = (i for n in nodes if n.name not in names for i in n.inputs)
    return next((name for name in (*read, *outputs) if name in inner), "")


def _parts(div: OnnxNode, makers: Mapping[str, OnnxNode]) -> dict[str, OnnxNode] | None:
    """The nodes of a normalization that ends with ``div``; None when it ends none."""

    def made_by(node: OnnxNode | None, index: int, *kinds: str) -> OnnxNode | None:
        names = node.inputs[index : index + 1] if node is not None else ()
        maker = makers.get(names[0]) if names else None
        return maker if maker is not None and maker.op_type in kinds else None

    centred = made_by(div, 0, "Sub")
    root = made_by(div, 1, "Sqrt", "Pow")
    added = made_by(root, 0, "Add")
    means = ("ReduceMean", "GlobalAveragePool")
    variance = made_by(added, 0, *means) or made_by(added, 1, *means)
    square = made_by(variance, 0, "Pow", "Mul")
    parts = {
        "centred": centred,
        "mean": made_by(centred, 1, *means),
        "square": square,
        "variance": variance,
        "added": added,
        "root": root,
        # Some exporters subtract the mean a second time.
        "again": made_by(square, 0, "Sub"),
    }
    known = {name: part for name, part in parts.items() if part is not None}
    if len(known) != len(parts):
        return None
    if known["again"].inputs != known["centred"].inputs:
        return None
    if known["mean"].inputs[:1] != known["centred"].inputs[:1]:
        return None
    if any(not known[part].get("keepdims", 1) for part in ("mean", "variance")):
        return None
    factors = known["square"].inputs
    return None if known["square"].op_type == "Mul" and factors[:1] != factors[1:] else known
