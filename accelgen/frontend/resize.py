"""Resize and Upsample: nearest neighbour, by two, four, eight or sixteen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import NCHW, View
from accelgen.ir.ops import Upsample

__all__ = ["import_resize", "import_upsample"]

Floats = npt.NDArray[np.float64]

#: Factors: as often by two.
_FACTORS = (2, 4, 8, 16)
#: nearest_mode: which of the pixels around a real coordinate.
_ROUNDINGS: dict[str, Callable[[Floats], Floats]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def import_upsample(graph: GraphBuilder, node: OnnxNode) -> View:
    """Upsample (opsets 7 and 9): nearest, by a power of two."""
    x = graph.map(node)
    node.require("mode", ("nearest",), "nearest", 'use mode="nearest"')
    return _doubled(graph, node, x, tuple(graph.floats(node, 1).reshape(-1).tolist()))


def import_resize(graph: GraphBuilder, node: OnnxNode) -> View:
    """Resize in a mode in which output pixel (i, j) is input pixel (i // n, j // n)."""
    x = graph.map(node)
    node.require("mode", ("nearest",), "nearest", 'use mode="nearest"')
    if node.get("antialias", 0):
        raise node.unsupported("antialias", 1, "use antialias=0")
    if "axes" in node.attributes:
        raise node.unsupported("axes", node.get("axes", ()), "give scales of all four dimensions")
    scales = _scales(graph, node, x)
    view = _doubled(graph, node, x, scales)
    if graph.opset >= 11:
        _check_mode(node, max(x.sizes[:2]), round(scales[-1]))
    return view


def _scales(graph: GraphBuilder, node: OnnxNode, x: View) -> tuple[float, ...]:
    """Factors, given as such or as sizes."""
    if graph.opset < 11:
        return tuple(graph.floats(node, 1).reshape(-1).tolist())
    if node.has_input(2) and graph.constant(node, 2).array.size:
        if node.has_input(3) and graph.constant(node, 3).array.size:
            raise ModelError(f"{node.label} has both scales and sizes", node=node.name)
        return tuple(graph.floats(node, 2).reshape(-1).tolist())
    if not node.has_input(3):
        raise ModelError(f"{node.label} has neither scales nor sizes", node=node.name)
    sizes = graph.numbers(node, 3)
    if len(sizes) != len(x.shape):
        raise ModelError(
            f"{node.label}: sizes={sizes} of a tensor of shape {x.shape}", node=node.name
        )
    return tuple(size / old for size, old in zip(sizes, x.shape, strict=True))


def _doubled(graph: GraphBuilder, node: OnnxNode, x: View, scales: tuple[float, ...]) -> View:
    if scales == (1, 1, 1, 1):
        return x
    if scales not in [(1, 1, n, n) for n in _FACTORS]:
        raise node.unsupported(
            "scales",
            scales,
            f"height and width are upsampled by {', '.join(map(str, _FACTORS))}: use these, or"
            " strides",
        )
    for _ in range(_FACTORS.index(round(scales[-1])) + 1):
        x = graph.emit(node, Upsample(), x, dims=NCHW)
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
