"""Space to depth as exporters spell it: strided Slices and a Concat (Focus), or a Reshape to
blocks, a Transpose and a Reshape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from accelgen.frontend.builder import GraphBuilder
from accelgen.frontend.onnx_node import OnnxNode
from accelgen.frontend.values import BlockView, StridedView, View
from accelgen.ir.onehot import phase_weight
from accelgen.ir.ops import Conv2d, Pair

__all__ = ["blocks_of", "joined_phases", "reshaped_blocks", "strided"]

#: Largest block: the kernels that a raster holds.
_LARGEST = 15
#: Of a convolution that moves pixels.
_MOST_WEIGHTS = 1 << 24


# Focus: every second pixel, from each of the four corners of a block.


def strided(
    graph: GraphBuilder, node: OnnxNode, x: View | StridedView, axis: str, chosen: range
) -> StridedView | None:
    """Rows or columns ``chosen`` (with a step above 1) of ``x``; None where they do not go on to
    its end, or begin after the first block.

    Nothing is made of it yet: a Concat may take several at once.
    """
    if isinstance(x, StridedView):
        view, block, phase = x.view, x.block, x.phase
    else:
        view, block, phase = x, (1, 1), (0, 0)
    at = "hw".index(axis)
    size = view.sizes[at]
    if block[at] != 1 or not 1 < chosen.step <= _LARGEST or chosen.start >= chosen.step:
        return None
    if len(chosen) != len(range(chosen.start, size, chosen.step)):
        return None
    block = (chosen.step, block[1]) if at == 0 else (block[0], chosen.step)
    phase = (chosen.start, phase[1]) if at == 0 else (phase[0], chosen.start)
    return StridedView(view, block, phase, lambda: _one_phase(graph, node, view, block, phase))


def _one_phase(graph: GraphBuilder, node: OnnxNode, x: View, block: Pair, phase: Pair) -> View:
    """One pixel of each block: a depthwise convolution with a single weight of one."""
    channels = x.sizes[2]
    weight = np.zeros((channels, *block, 1), np.float32)
    weight[:, phase[0], phase[1]] = 1
    left = [_missing(size, b, p) for size, b, p in zip(x.sizes, block, phase, strict=False)]
    op = Conv2d(kernel=block, stride=block, groups=channels, pads=(0, 0, left[0], left[1]))
    return _emitted(graph, node, op, x, weight)


def _missing(size: int, block: int, phase: int) -> int:
    """Rows that the last block lacks, where its pixel is still within the map."""
    return max(len(range(phase, size, block)) * block - size, 0)


def _emitted(
    graph: GraphBuilder, node: OnnxNode, op: Conv2d, x: View, weight: npt.NDArray[np.float32]
) -> View:
    return graph.emit(
        node, op, x,
        graph.add_made_constant(f"{node.name}.weight", weight),
        graph.add_made_constant(f"{node.name}.bias", np.zeros(len(weight), np.float32)),
    )  # fmt: skip


def joined_phases(graph: GraphBuilder, node: OnnxNode) -> View | None:
    """A Concat along channels of phases of one map: space to depth in their order. None else."""
    values = [graph.values.get(name) for name in node.inputs]
    phases = [v for v in values if isinstance(v, StridedView)]
    if len(phases) < 2 or len(phases) != len(values):
        return None
    x, block = phases[0].view, phases[0].block
    at = next((i for i, dim in enumerate(x.dims) if dim == ("c",)), None)
    if any(v.view != x or v.block != block for v in phases) or at is None:
        return None
    if node.get("axis", 0) not in (at, at - len(x.dims)):
        return None
    if any(size % b for size, b in zip(x.sizes, block, strict=False)):
        return None
    weight = phase_weight(x.sizes[2], block, [v.phase for v in phases])
    return _emitted(graph, node, Conv2d(kernel=block, stride=block), x, weight)


# Reshape to blocks, Transpose, Reshape.


def blocks_of(x: View, shape: tuple[int, ...]) -> BlockView | None:
    """``x`` as ``shape``, its rows and columns both taken apart into blocks; None when it is
    anything else."""
    axes = [axis for dim in x.dims for axis in dim]
    sizes = {axis: x.size_of(axis) for axis in axes}
    dims: list[tuple[str, ...]] = []
    for wanted in shape:
        taken: list[str] = []
        while wanted > 1:
            if not axes:
                return None
            axis = axes.pop(0)
            size = sizes[axis]
            if wanted % size:
                if axis not in ("h", "w") or size % wanted or size // wanted > _LARGEST:
                    return None
                sizes[axis + "1"], sizes[axis + "0"] = wanted, size // wanted
                axes.insert(0, axis + "0")
                axis, size = axis + "1", wanted
            taken.append(axis)
            wanted //= size
        dims.append(tuple(taken))
    if axes or not {"h0", "w0"} <= set(sizes):
        return None
    return BlockView(x.tensor, x.sizes, (sizes["h0"], sizes["w0"]), tuple(dims))


def reshaped_blocks(
    graph: GraphBuilder, node: OnnxNode, x: BlockView, shape: tuple[int, ...]
) -> View | BlockView:
    """``x`` as ``shape``; a map when one dimension now holds all that lies within a block.

    Raises
    ------
    UnsupportedOpError
        It would be taken apart further.
    """
    axes = [axis for dim in x.dims for axis in dim]
    dims: list[tuple[str, ...]] = []
    for wanted in shape:
        taken: list[str] = []
        while wanted > 1:
            size = x.size_of(axes[0]) if axes else 0
            if not size or wanted % size:
                raise node.rejected(
                    f"reshapes {x.shape} to {shape}, which splits an axis",
                    "blocks of pixels become channels, or pixels again, as a whole",
                )
            taken.append(axes.pop(0))
            wanted //= size
        dims.append(tuple(taken))
    return _resolved(graph, node, replace(x, dims=tuple(dims)))


def _resolved(graph: GraphBuilder, node: OnnxNode, x: BlockView) -> View | BlockView:
    """A map, where what is within a block lies together, or pixels are again what they were."""
    whole = tuple(_whole(dim) for dim in x.dims)
    if not any(axis[1:] for dim in whole for axis in dim):
        return View(x.tensor, x.sizes, whole)
    inside = {axis for axis in ("c", "h0", "w0") if x.size_of(axis) > 1}
    at = [i for i, dim in enumerate(x.dims) if inside & set(dim)]
    if len(at) != 1 or set(x.dims[at[0]]) != inside:
        return x
    channels, block = x.sizes[2], x.block
    weights = (prod(block) * channels) ** 2
    if weights > _MOST_WEIGHTS:
        raise node.rejected(
            f"moves {channels:,} channels in blocks of {block[0]} x {block[1]}, as a convolution of"
            f" {weights:,} weights",
            f"no more than {_MOST_WEIGHTS:,} are built: use a smaller block",
        )
    weight = phase_weight(channels, block, list(np.ndindex(*block)))
    order = _order(x.dims[at[0]])
    places = np.arange(len(weight)).reshape(*block, channels).transpose(order).ravel()
    source = View(x.tensor, x.sizes, ((), ("c",), ("h",), ("w",)))
    made = _emitted(graph, node, Conv2d(kernel=block, stride=block), source, weight[places])
    dims = tuple(
        ("c",) if i == at[0] else tuple(axis[0] for axis in dim) for i, dim in enumerate(x.dims)
    )
    return replace(made, dims=dims)


def _whole(dim: tuple[str, ...]) -> tuple[str, ...]:
    """A dimension, with blocks and what lies within them side by side as the axis they make."""
    made: list[str] = []
    for axis in dim:
        if made and axis in ("h0", "w0") and made[-1] == f"{axis[0]}1":
            made[-1] = axis[0]
        else:
            made.append(axis)
    return tuple(made)


def _order(inside: Sequence[str]) -> list[int]:
    """Where in (h0, w0, c) each axis is, those of size 1 last."""
    memory = ["h0", "w0", "c"]
    return [memory.index(a) for a in (*inside, *(a for a in memory if a not in inside))]
