"""A step's weight stream, in the order the engines read it (isa.WEIGHTS)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.arch.isa import CHANNEL_PARAM
from accelgen.ir import Graph, Node
from accelgen.ir.ops import QAvgPool, QConv2d, QMaxPool, QScale, QStretch
from accelgen.lowering.folding import fold_weight
from accelgen.lowering.storage import Storages
from accelgen.program.commands import Weights
from accelgen.schedule.steps.fuse import Chain

__all__ = [
    "GroupWindow",
    "StepWeights",
    "array_words",
    "channel_params",
    "group_window",
    "step_weights",
]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

#: requantize's identity: (acc * 65536 + 32768) >> 16 == acc.
_IDENTITY = (0, 1 << 16, 16)


@dataclass(frozen=True)
class GroupWindow:
    """Output group g reads input groups ``first + g // repeat * step`` on, ``groups`` of them."""

    groups: int
    step: int
    repeat: int
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class StepWeights:
    """``tables`` lead every stream of the step; row g of ``blocks`` belongs to output group g.

    ``fields`` describe a block, whose last ``word_bytes`` are the array's words; where the stream
    lies comes later.
    """

    tables: bytes
    blocks: Bytes
    fields: Weights
    word_bytes: int

    def without_words(self) -> StepWeights:
        """What a step needs whose words were kept."""
        if not self.word_bytes:
            return self
        blocks = self.blocks[:, : -self.word_bytes]
        fields = replace(self.fields, weight_words=0)
        return replace(self, blocks=blocks, fields=fields, word_bytes=0)

    def stream(self, first: int, last: int) -> bytes:
        """Stream of output groups [first, last)."""
        return self.tables + self.blocks[first:last].tobytes()

    def stream_bytes(self, groups: int) -> int:
        """Length of the stream of ``groups`` output groups."""
        return len(self.tables) + groups * int(self.blocks.shape[1])


def group_window(chain: Chain, graph: Graph, storages: Storages, lanes: int) -> GroupWindow:
    """The narrowest window of input groups that covers what each output group needs."""
    node = chain.array
    if node is None:
        return GroupWindow(1, 1, 1)
    assert isinstance(node.op, QConv2d)
    sources = np.asarray(storages.slots[chain.source])
    total = len(sources) // lanes
    if node.op.groups == 1:
        return GroupWindow(total, 0, 1)
    outputs = np.asarray(storages.slots[node.output]).reshape(-1, lanes)
    c_in = graph.tensors[chain.source].shape[3]
    c_out = graph.tensors[node.output].shape[3]
    per_in, per_out = c_in // node.op.groups, c_out // node.op.groups
    where = np.empty(c_in, np.int64)
    for slot, channel in enumerate(sources):
        if channel >= 0:
            where[channel] = slot // lanes
    low, high = [], []
    for channels in outputs:
        first = channels[channels >= 0].min(initial=c_out - 1) // per_out * per_in
        last = channels.max(initial=0) // per_out * per_in + per_in - 1
        low.append(where[first])
        high.append(where[last] + 1)
    return _narrowest(np.asarray(low), np.asarray(high), total)


def _narrowest(low: Ints, high: Ints, total: int) -> GroupWindow:
    best = GroupWindow(total, 0, 1)
    index = np.arange(len(low))
    for repeat in range(1, len(low) + 1):
        for step in range(1, total + 1):
            base = index // repeat * step
            if (low < base).any():
                break
            needed = int((high - base).max())
            if needed < best.groups and base[-1] + needed <= total:
                best = GroupWindow(needed, step, repeat)
    return best


def step_weights(
    chain: Chain, graph: Graph, storages: Storages, window: GroupWindow, arch: ArchParams,
    fold: int = 1, kernel: tuple[int, int] = (1, 1),
) -> StepWeights:  # fmt: skip
    """Pack everything a step reads from its weight stream, its source folded by ``fold``;
    ``kernel`` is the window engine's."""
    lanes = arch.lanes
    slots = np.asarray(storages.slots[chain.output])
    groups = len(slots) // lanes
    blocks: list[Bytes] = []
    scale, second = bool(chain.vector), chain.table2 is not None
    fields = Weights(
        table1=chain.table1 is not None or (second and scale),
        table2=second and not scale,
        params1=chain.array is not None or scale,
        params2=chain.uses_window and not scale,
    )
    if chain.array is not None:
        blocks.append(channel_params(*_conv_params(chain.array, graph), slots, lanes))
    if chain.uses_window:
        blocks.append(
            channel_params(*_window_params(chain.window, graph, len(slots)), slots, lanes)
        )
        taps = _taps(chain.window, graph, slots)
        if len(taps):
            taps = _stored(taps, kernel, arch)
            packed = taps.reshape(len(taps), groups, lanes).swapaxes(0, 1).reshape(groups, -1)
            pad = -packed.shape[1] % arch.BUS_BYTES
            packed = np.pad(packed, ((0, 0), (0, pad)))
            blocks.append(packed.view(np.uint8))
            beats = packed.shape[1] // arch.BUS_BYTES
            fields = replace(fields, taps=len(taps), tap_beats=beats)
    if chain.array is not None:
        weight = np.asarray(graph.constants[chain.array.inputs[1]], np.int8)
        assert isinstance(chain.array.op, QConv2d)
        if fold > 1:
            weight = fold_weight(weight, chain.array.op, fold)
        sources = np.asarray(storages.slots[chain.source])
        words = array_words(weight, chain.array.op.groups, sources, slots, window, lanes)
        fields = replace(fields, weight_words=words.shape[1] // arch.weight_word_bytes)
        blocks.append(words)
    tables = [graph.constants[t.inputs[1]] for t in (chain.table1, chain.table2) if t is not None]
    return StepWeights(
        tables=b"".join(np.asarray(t, np.int8).tobytes() for t in tables),
        blocks=np.concatenate(blocks, axis=1),
        fields=fields,
        word_bytes=fields.weight_words * arch.weight_word_bytes,
    )


def _conv_params(node: Node, graph: Graph) -> tuple[Any, Any, Any]:
    """Bias, multiplier, shift per channel."""
    bias, multiplier, shift = (graph.constants[i] for i in node.inputs[2:5])
    return bias, multiplier, shift


def _window_params(node: Node | None, graph: Graph, channels: int) -> tuple[Any, Any, Any]:
    """Bias, multiplier, shift per channel of the window stage."""
    if node is not None and isinstance(node.op, QConv2d):
        return _conv_params(node, graph)
    bias, multiplier, shift = _IDENTITY
    if node is not None and isinstance(node.op, QAvgPool):
        bias = -node.op.kernel[0] * node.op.kernel[1] * node.op.input_zero
        multiplier, shift = node.op.multiplier, node.op.shift
    elif node is not None and isinstance(node.op, QScale):
        multiplier, shift = node.op.multiplier, node.op.shift
    return tuple(np.full(channels, v) for v in (bias, multiplier, shift))  # type: ignore[return-value]


def channel_params(bias: Any, multiplier: Any, shift: Any, slots: Ints, lanes: int) -> Bytes:
    """(groups, lanes * 8) bytes: isa.CHANNEL_PARAM of each slot.

    Gap lanes are 0, 0, 1: they requantize to the zero point.
    """
    words = np.zeros(len(slots), np.uint64)
    for name, values, gap in (
        ("bias", bias, 0),
        ("multiplier", multiplier, 0),
        ("shift", shift, 1),
    ):
        picked = np.asarray(values, np.int64)[np.maximum(slots, 0)]
        bits = np.where(slots >= 0, picked, gap) & ((1 << CHANNEL_PARAM[name].width) - 1)
        words |= bits.astype(np.uint64) << np.uint64(CHANNEL_PARAM.first_bit(name))
    return words.astype("<u8").view(np.uint8).reshape(-1, lanes * 8)


def _taps(node: Node | None, graph: Graph, slots: Ints) -> npt.NDArray[np.int8]:
    """(taps, slots) weights; no taps for MAX and SCALE."""
    used = slots >= 0
    if node is None:
        return used[None].astype(np.int8)
    if isinstance(node.op, QMaxPool | QScale | QStretch):
        return np.zeros((0, len(slots)), np.int8)
    if isinstance(node.op, QAvgPool):
        taps = node.op.kernel[0] * node.op.kernel[1]
        return np.repeat(used[None].astype(np.int8), taps, axis=0)
    weight = graph.constants[node.inputs[1]]
    flat = np.asarray(weight, np.int8).reshape(len(weight), -1).T
    return np.where(used, flat[:, np.maximum(slots, 0)], np.int8(0))


def _stored(
    taps: npt.NDArray[np.int8], kernel: tuple[int, int], arch: ArchParams
) -> npt.NDArray[np.int8]:
    """``taps`` as the window engine takes them: pairs of beats that have one only end in zeros."""
    if arch.window_taps == 1:
        return taps
    stored = arch.stored_taps(kernel)
    every = stored // len(taps)  # 2 where the kernel has one column
    out = np.zeros((stored, taps.shape[1]), np.int8)
    out[: every * len(taps) : every] = taps
    return out


def array_words(
    weight: npt.NDArray[np.int8], conv_groups: int, sources: Ints, slots: Ints,
    window: GroupWindow, lanes: int,
) -> Bytes:  # fmt: skip
    """(groups, words * lanes * lanes) bytes: per tap and input group, [output lane][input lane]."""
    weight = weight.reshape(len(weight), -1, weight.shape[3])
    groups = len(slots) // lanes
    per_in = weight.shape[2]
    per_out = len(weight) // conv_groups
    out = np.zeros((groups, weight.shape[1], window.groups, lanes, lanes), np.int8)
    for g in range(groups):
        first = g // window.repeat * window.step * lanes
        here = sources[first : first + window.groups * lanes]
        channels = slots[g * lanes : (g + 1) * lanes]
        # Input channel of each lane, counted from the first of the output channel's group.
        local = here[None] - (channels // per_out * per_in)[:, None]
        real = (channels >= 0)[:, None] & (here >= 0)[None] & (local >= 0) & (local < per_in)
        block = weight[np.maximum(channels, 0)]
        picked = np.take_along_axis(block, np.where(real, local, 0)[:, None], axis=2)
        picked = np.where(real[:, None], picked, np.int8(0))
        shape = (lanes, weight.shape[1], window.groups, lanes)
        out[g] = picked.reshape(shape).transpose(1, 2, 0, 3)
    return out.view(np.uint8).reshape(groups, -1)
