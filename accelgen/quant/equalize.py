"""Equalization: channels that use little of their tensor's range are made larger.

A tensor has one scale, so a channel that reaches an eighth of the range loses three of its bits. It
is multiplied by a power of two where it is made and divided by it where it is read: exact in
float32, through relu, additions, pools and joined maps, and free in hardware, since weights have a
scale of each output channel.

What a depthwise convolution reads, whose weights have a scale of each channel, is made up for
wholly. Elsewhere weights that read a larger channel become small beside the others and lose bits
themselves: there half is made up for (on a logarithmic scale), and nothing behind a clip, where
it did not pay. A clip with an upper limit (relu6) is met earlier by a larger channel: it grows
only as far as twice of what the samples reach stays below it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.interpret import walk
from accelgen.ir import Graph, Node, ops
from accelgen.ir.elementwise import is_uniform
from accelgen.quant.fusion import fusable_clip
from accelgen.streamed import Samples

__all__ = ["equalize"]

Floats = npt.NDArray[np.float64]

# Numbers of all tensors of the pictures of a run.
_VALUES_PER_RUN = 1 << 23
# Of what a channel reaches on the samples, before a clip: so much is left for other pictures.
_MARGIN = 2.0
_STRENGTH, _FREE_STRENGTH, _MOST = 0.5, 1.0, 16.0

# Operations that give s times as much for s times as much of a channel.
_CHANNELWISE = (
    ops.MaxPool, ops.AvgPool, ops.GlobalAvgPool, ops.Upsample, ops.Insert, ops.Border,
)  # fmt: skip


def equalize(graph: Graph, samples: Samples, excluded: Collection[str] = ()) -> Graph:
    """``graph`` with other weights and biases: outputs are the same to the bit, wherever a channel
    does not reach twice of what it reaches on ``samples``; no operation changes. Nodes that are
    ``excluded`` keep theirs."""
    channels = _Channels(graph, excluded)
    factors = _factors(graph, channels, _peaks(graph, samples))
    if (factors == 1).all():
        return graph
    constants = dict(graph.constants)
    for node in graph.nodes:
        if isinstance(node.op, ops.Conv2d):
            x, weight, bias = node.inputs
            made = channels.of(node.output, factors)
            read = channels.of(x, factors).reshape(node.op.groups, -1)
            read = read.repeat(len(made) // node.op.groups, axis=0)[:, None, None, :]
            scaled = constants[weight] * made[:, None, None, None] / read
            constants[weight] = scaled.astype(np.float32)
            constants[bias] = (constants[bias] * made).astype(np.float32)
    return replace(graph, constants=constants)


def _peaks(graph: Graph, samples: Samples) -> dict[str, Floats]:
    """The largest size of each channel of each tensor that has a scale."""
    inside = {node.output for node in graph.nodes if fusable_clip(graph, node)}
    values = sum(int(np.prod(graph.tensors[name].shape)) for name in graph.activations())
    batch = max(1, _VALUES_PER_RUN // values)
    peaks: dict[str, Floats] = {}
    for first in range(0, len(samples), batch):
        for name, value in walk(graph, samples[first : first + batch]):
            if name not in inside:
                peak = np.maximum(value.max(axis=(0, 1, 2)), -value.min(axis=(0, 1, 2)))
                peaks[name] = np.maximum(peaks.get(name, 0), peak.astype(np.float64))
    return peaks


def _factors(graph: Graph, channels: _Channels, peaks: dict[str, Floats]) -> Floats:
    """What each channel is multiplied by: a power of two, 1 or more, the same in a whole class."""
    reach = np.zeros(channels.count)  # of its tensor's range, where it uses most of it
    limit = np.full(channels.count, _MOST)
    strength = np.full(channels.count, _FREE_STRENGTH)
    for name, peak in peaks.items():
        at = channels.classes(name)
        np.maximum.at(reach, at, peak / max(peak.max(), 1e-30))
        np.minimum.at(strength, at, _strength(graph, name))
        if (clip := _clip(graph, name)) is not None:
            np.minimum.at(limit, at, clip.params[1] / np.maximum(_MARGIN * peak, 1e-30))
    wanted = np.minimum(np.maximum(reach, 1e-9) ** -strength, limit)
    wanted[channels.fixed | (reach == 0)] = 1
    factors = np.exp2(np.rint(np.log2(np.maximum(wanted, 1))))
    result: Floats = np.where(factors > limit, np.maximum(factors / 2, 1), factors)
    return result


def _strength(graph: Graph, name: str) -> float:
    """How much of what a channel of ``name`` lacks is made up for, as an exponent."""
    readers = graph.readers(name)
    if all(_is_depthwise(graph, reader) for reader in readers):
        return _FREE_STRENGTH
    return _STRENGTH if _clip(graph, name) is None else 0.0


def _is_depthwise(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, ops.Conv2d) and graph.constants[node.inputs[1]].shape[3] == 1


def _clip(graph: Graph, name: str) -> ops.Activation | None:
    """The clip that makes ``name``."""
    maker = graph.producer(name)
    if maker is not None and isinstance(maker.op, ops.Activation) and maker.op.kind == "clip":
        return maker.op
    return None


class _Channels:
    """Channels of all tensors, and which of them must have the same factor."""

    def __init__(self, graph: Graph, excluded: Collection[str]) -> None:
        self._first: dict[str, int] = {}
        self.count = 0
        for name in graph.activations():
            self._first[name] = self.count
            self.count += graph.tensors[name].shape[3]
        self._graph = graph
        self._parent = np.arange(self.count)
        fixed = [self._own(name) for name in (*graph.inputs, *graph.outputs)]
        for node in graph.nodes:
            fixed += self._enter(node)
            if node.name in excluded:
                names = (node.output, *node.inputs)
                fixed += [self._own(name) for name in names if name in self._first]
        self._class = np.array([self._root(i) for i in range(self.count)])
        self.fixed = np.zeros(self.count, bool)
        for some in fixed:
            self.fixed[self._class[some]] = True

    def of(self, name: str, values: Floats) -> Floats:
        """Of ``values``, one of each class, those of the channels of ``name``."""
        found: Floats = values[self.classes(name)]
        return found

    def classes(self, name: str) -> npt.NDArray[np.int64]:
        """The class of each channel of ``name``."""
        found: npt.NDArray[np.int64] = self._class[self._own(name)]
        return found

    def _own(self, name: str) -> npt.NDArray[np.int64]:
        return self._first[name] + np.arange(self._graph.tensors[name].shape[3])

    def _enter(self, node: Node) -> list[npt.NDArray[np.int64]]:
        """Join what ``node`` keeps together; returns channels that must stay as they are."""
        out = self._own(node.output)
        ins = [self._own(name) for name in node.inputs if name in self._first]
        if isinstance(node.op, ops.Conv2d) and not is_uniform(self._graph, node):
            return []
        if isinstance(node.op, ops.Concat):
            self._join(np.concatenate(ins), out)
        elif isinstance(node.op, ops.Select):
            self._join(ins[0][list(node.op.channels)], out)
        elif isinstance(node.op, (ops.Add, *_CHANNELWISE)) or _relu(node.op):
            for one in ins:
                self._join(one, out)
        else:
            return [out, *ins]
        return []

    def _join(self, some: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> None:
        for a, b in zip(some.tolist(), others.tolist(), strict=True):
            self._parent[self._root(a)] = self._root(b)

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = int(self._parent[i])
        return i


def _relu(op: Any) -> bool:
    return isinstance(op, ops.Activation) and (
        op.kind == "identity" or (op.kind == "clip" and op.params[0] == 0)
    )
