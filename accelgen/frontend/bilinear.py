"""Resize and Upsample with mode linear: two pixels of each axis, blended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from accelgen.errors import ModelError
from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import LARGEST, OnnxNode
from accelgen.frontend.values import NCHW, View
from accelgen.ir.ps_ops import COORDINATES, Bilinear

__all__ = ["resize_linear"]


def resize_linear(graph: GraphBuilder, node: OnnxNode, x: View, scales: Sequence[float]) -> View:
    """A map with height and width times ``scales`` (of four axes), rounded down.

    Raises UnsupportedOpError for scales of other axes, and for modes that are not built.
    """
    # Before opset 11 there is no choice.
    mode = str(node.get("coordinate_transformation_mode", "half_pixel"))
    mode = mode if graph.opset >= 11 else "asymmetric"
    if mode not in COORDINATES:
        raise node.unsupported(
            "coordinate_transformation_mode", mode, f"{', '.join(COORDINATES)} are built"
        )
    policy = str(node.get("keep_aspect_ratio_policy", "stretch"))
    if policy != "stretch":
        raise node.unsupported("keep_aspect_ratio_policy", policy, "give the sizes themselves")
    if len(scales) != 4 or scales[0] != 1 or scales[1] != 1 or not min(scales) > 0:
        raise node.unsupported(
            "scales", tuple(scales), "height and width of a map in NCHW order are resized"
        )
    height, width, _ = x.sizes
    # Sizes give these back exactly, scales are float32 products rounded down as onnxruntime does.
    size = tuple(
        round(old * scale)
        if abs(old * scale - round(old * scale)) < 1e-9 * old * scale
        else int(np.float32(old) * np.float32(scale))
        for old, scale in zip((height, width), scales[2:], strict=True)
    )
    exact = (height * scales[2], width * scales[3])
    if mode == "align_corners" and any(abs(e - s) > 1e-3 for e, s in zip(exact, size, strict=True)):
        # ONNX's reference divides by the size before it was rounded down, onnxruntime after.
        raise node.unsupported("scales", tuple(scales), "with align_corners give the sizes")
    if min(size) < 1 or max(size) > LARGEST:
        raise ModelError(
            f"{node.label} makes a map of {size[0]:,} x {size[1]:,}; 1 to {LARGEST:,} rows and"
            " columns are read",
            node=node.name,
        )
    if size == (height, width) and scales[2:] == (1, 1):
        return x
    op = Bilinear(size=(size[0], size[1]), scales=(scales[2], scales[3]), coordinates=mode)
    return graph.emit(node, op, x, dims=NCHW)
