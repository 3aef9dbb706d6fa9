"""Operators that move pixels: SpaceToDepth, DepthToSpace, parts of a map."""

from __future__ import annotations

import numpy as np

from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import NCHW, View
from accelgen.ir.onehot import phase_weight
from accelgen.ir.ops import Conv2d, Insert, MaxPool

__all__ = ["cropped", "import_depth_to_space", "import_space_to_depth"]

#: Largest block: the kernels that a raster holds.
_LARGEST = 15
#: Of a convolution that moves pixels; 1,024 channels in blocks of 2 have as many.
_MOST_WEIGHTS = 1 << 24
#: Columns that a command can skip.
_MOST_SKIPPED = 256


def import_space_to_depth(graph: GraphBuilder, node: OnnxNode) -> View:
    """SpaceToDepth (DCR; from opset 28 on CRD, too): a convolution of stride b with weights of
    one, which passes fold away."""
    x, block = graph.map(node), _block(node)
    node.require("mode", ("DCR", "CRD"), "DCR", "use DCR or CRD")
    height, width, channels = x.sizes
    if height % block or width % block:
        raise node.unsupported("blocksize", block, f"it does not divide {height} x {width}")
    _check_weights(node, channels, block, (block * block * channels) ** 2)
    phases = [(row, column) for row in range(block) for column in range(block)]
    weight = phase_weight(channels, (block, block), phases)
    if node.get("mode", "DCR") == "CRD":
        order = np.arange(len(weight)).reshape(len(phases), channels)
        weight = weight[order.T.reshape(-1)]
    return graph.emit(
        node,
        Conv2d(kernel=(block, block), stride=(block, block)),
        x,
        graph.add_made_constant(f"{node.name}.weight", weight),
        graph.add_made_constant(f"{node.name}.bias", np.zeros(len(weight), np.float32)),
        dims=NCHW,
    )


def import_depth_to_space(graph: GraphBuilder, node: OnnxNode) -> View:
    """DepthToSpace (DCR, CRD): zeros between the pixels, then a convolution as large as the
    blocks, which sees one pixel and takes the channel of its place. (lowering/weave.py takes the
    zeros out again.)"""
    x, block = graph.map(node), _block(node)
    node.require("mode", ("DCR", "CRD"), "DCR", "use DCR or CRD")
    inputs = x.sizes[2]
    if inputs % (block * block):
        raise node.unsupported("blocksize", block, f"{inputs} channels do not divide by its square")
    outputs = inputs // (block * block)
    _check_weights(node, inputs, block, inputs * inputs)
    # Channel of output c at (row, column) of the block.
    order = np.arange(inputs).reshape(block, block, outputs)
    if node.get("mode", "DCR") == "CRD":
        order = np.arange(inputs).reshape(outputs, block, block).transpose(1, 2, 0)
    weight = np.zeros((outputs, block, block, inputs), np.float32)
    for row in range(block):
        for column in range(block):
            tap = block - 1 - row, block - 1 - column
            weight[np.arange(outputs), tap[0], tap[1], order[row, column]] = 1
    spread = graph.emit(node, Insert(factor=(block, block)), x, dims=NCHW)
    return graph.emit(
        node,
        Conv2d(kernel=(block, block), pads=(block - 1, block - 1, 0, 0)),
        spread,
        graph.add_made_constant(f"{node.name}.weight", weight),
        graph.add_made_constant(f"{node.name}.bias", np.zeros(outputs, np.float32)),
        dims=NCHW,
    )


def cropped(graph: GraphBuilder, node: OnnxNode, x: View, kept: dict[str, range]) -> View:
    """Rows ("h") and columns ("w") ``kept`` of ``x``: a window of one pixel with negative pads."""
    rows, columns = (kept.get(axis, range(x.size_of(axis))) for axis in "hw")
    while columns.start > _MOST_SKIPPED:
        skip = MaxPool(kernel=(1, 1), pads=(0, -_MOST_SKIPPED, 0, 0))
        x = graph.emit(node, skip, x)
        columns = range(columns.start - _MOST_SKIPPED, columns.stop - _MOST_SKIPPED, columns.step)
    height, width, _ = x.sizes
    op = MaxPool(
        kernel=(1, 1),
        stride=(rows.step if len(rows) > 1 else 1, columns.step if len(columns) > 1 else 1),
        pads=(-rows.start, -columns.start, rows[-1] + 1 - height, columns[-1] + 1 - width),
    )
    return graph.emit(node, op, x)


def _check_weights(node: OnnxNode, channels: int, block: int, weights: int) -> None:
    if weights > _MOST_WEIGHTS:
        raise node.rejected(
            f"moves {channels:,} channels in blocks of {block}, as a convolution of {weights:,}"
            " weights",
            f"no more than {_MOST_WEIGHTS:,} are built: use a smaller block",
        )


def _block(node: OnnxNode) -> int:
    block = int(node.get("blocksize", 0))
    if not 1 <= block <= _LARGEST:
        raise node.unsupported("blocksize", block, f"blocks of 1 to {_LARGEST} are built")
    return block
