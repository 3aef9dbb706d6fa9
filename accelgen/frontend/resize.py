"""Resize and Upsample: nearest neighbour, by whole numbers; or linear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.bilinear import resize_linear
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import NCHW, View
from accelgen.ir.ops import Upsample

__all__ = ["import_resize", "import_upsample"]

Floats = npt.NDArray[np.float64]

_MODES = ("nearest", "linear")
#: nearest_mode: which of the pixels around a real coordinate.
_ROUNDINGS: dict[str, Callable[[Floats], Floats]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def import_upsample(graph: GraphBuilder, node: OnnxNode) -> View:
    """Upsample: nearest, by whole numbers; or linear. Scales are an attribute before opset 9."""
    x = graph.map(node)
    node.require("mode", _MODES, "nearest", 'use mode="nearest"')
    if graph.opset < 9:
        scales = tuple(float(scale) for scale in node.get("scales", ()))
        if not np.isfinite(scales).all():
            raise node.unsupported("scales", scales, "they must be finite")
    else:
        scales = tuple(graph.floats(node, 1).reshape(-1).tolist())
    if node.get("mode", "nearest") == "linear":
        return resize_linear(graph, node, x, scales)
    return _enlarged(graph, node, x, scales)


def import_resize(graph: GraphBuilder, node: OnnxNode) -> View:
    """Resize, linear or in a mode in which output pixel (i, j) is input pixel (i // n, j // m)."""
    x = graph.map(node)
    node.require("mode", _MODES, "nearest", 'use mode="nearest" or "linear"')
    if node.get("antialias", 0):
        raise node.unsupported("antialias", 1, "use antialias=0")
    scales = _scales(graph, node, x)
    if node.get("mode", "nearest") == "linear":
        return resize_linear(graph, node, x, scales)
    view = _enlarged(graph, node, x, scales)
    if graph.opset >= 11:
        for size, scale in zip(x.sizes[:2], scales[2:], strict=True):
            _check_mode(node, size, round(scale))
    return view


def _scales(graph: GraphBuilder, node: OnnxNode, x: View) -> tuple[float, ...]:
    """Factors of all four dimensions, given as such or as sizes; of ``axes`` alone, if they are
    named."""
    if graph.opset < 11:
        return tuple(graph.floats(node, 1).reshape(-1).tolist())
    axes = _axes(node, len(x.shape))
    if node.has_input(2) and graph.constant(node, 2).array.size:
        if node.has_input(3) and graph.constant(node, 3).array.size:
            raise ModelError(f"{node.label} has both scales and sizes", node=node.name)
        return _of_all(node, graph.floats(node, 2).reshape(-1).tolist(), axes, len(x.shape))
    if not node.has_input(3):
        raise ModelError(f"{node.label} has neither scales nor sizes", node=node.name)
    sizes = graph.numbers(node, 3)
    if axes is None and len(sizes) != len(x.shape):
        raise ModelError(
            f"{node.label}: sizes={sizes} of a tensor of shape {x.shape}", node=node.name
        )
    olds = x.shape if axes is None else [x.shape[a] for a in axes]
    scales = [size / old for size, old in zip(sizes, olds, strict=False)]
    policy = str(node.get("keep_aspect_ratio_policy", "stretch"))
    if policy != "stretch" and scales:
        factor = min(scales) if policy == "not_larger" else max(scales)
        if factor % 1 or policy not in ("not_larger", "not_smaller"):
            raise node.unsupported("keep_aspect_ratio_policy", policy, "give the sizes themselves")
        scales = [factor] * len(scales)
    return _of_all(node, scales, axes, len(x.shape))


def _axes(node: OnnxNode, rank: int) -> list[int] | None:
    """The dimensions that ``axes`` names; None without it."""
    if "axes" not in node.attributes:
        return None
    axes = [int(a) for a in node.get("axes", ())]
    within = [a % rank for a in axes if -rank <= a < rank]
    if len(set(within)) != len(axes):
        raise ModelError(
            f"{node.label}: axes={axes} are not different ones of rank {rank}", node=node.name
        )
    return within


def _of_all(
    node: OnnxNode, scales: list[float], axes: list[int] | None, rank: int
) -> tuple[float, ...]:
    """``scales`` of ``axes``, and 1 of the other dimensions."""
    if axes is None:
        return tuple(scales)
    if len(scales) != len(axes):
        raise ModelError(
            f"{node.label} has {len(scales)} scales or sizes for {len(axes)} axes", node=node.name
        )
    given = dict(zip(axes, scales, strict=True))
    return tuple(given.get(axis, 1.0) for axis in range(rank))


def _enlarged(graph: GraphBuilder, node: OnnxNode, x: View, scales: tuple[float, ...]) -> View:
    """As often by two as can be, which takes the fewest cycles, then by what is left."""
    if len(scales) != 4 or scales[:2] != (1, 1) or any(s < 1 or s % 1 for s in scales[2:]):
        raise node.unsupported(
            "scales",
            scales,
            "height and width are upsampled by whole numbers: use these, or strides",
        )
    rows, columns = (int(scale) for scale in scales[2:])
    while rows % 2 == columns % 2 == 0:
        x = graph.emit(node, Upsample(), x, dims=NCHW)
        rows, columns = rows // 2, columns // 2
    if (rows, columns) != (1, 1):
        x = graph.emit(node, Upsample(factor=(rows, columns)), x, dims=NCHW)
    return x


def _check_mode(node: OnnxNode, size: int, factor: int) -> None:
    """Raise UnsupportedOpError unless the modes make ``i // factor`` of every ``i``."""
    mode = node.get("coordinate_transformation_mode", "half_pixel")
    nearest = node.get("nearest_mode", "round_prefer_floor")
    i = np.arange(factor * size)
    coordinates = {
        "half_pixel": (i + 0.5) / factor - 0.5,
        "pytorch_half_pixel": (i + 0.5) / factor - 0.5,
        "half_pixel_symmetric": (i + 0.5) / factor - 0.5,
        "asymmetric": i / factor,
    }
    if mode not in coordinates:
        raise node.unsupported(
            "coordinate_transformation_mode", mode, "use asymmetric with nearest_mode=floor"
        )
    if nearest not in _ROUNDINGS:
        raise ModelError(
            f"{node.label}: nearest_mode={nearest!r} is none of {list(_ROUNDINGS)}", node=node.name
        )
    seen = np.clip(_ROUNDINGS[nearest](coordinates[mode]), 0, size - 1)
    if not np.array_equal(seen, i // factor):
        raise node.unsupported(
            "nearest_mode", nearest, f"with {mode} use round_prefer_floor, or asymmetric with floor"
        )
