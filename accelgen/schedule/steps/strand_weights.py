"""Weight streams of a woven step: each strand's own, of the input groups that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.arch import ArchParams
from accelgen.ir import Graph
from accelgen.ir.ops import QConv2d
from accelgen.lowering.storage import Storages
from accelgen.lowering.strands import Strand, strands_of
from accelgen.program.commands import Weights
from accelgen.schedule.steps.fuse import Chain
from accelgen.schedule.steps.weights import GroupWindow, StepWeights, array_words, channel_params

__all__ = ["StrandStep", "joined_weights", "strand_steps"]


@dataclass(frozen=True, kw_only=True)
class StrandStep:
    """What is a strand's own in its step."""

    strand: Strand
    window: GroupWindow
    weights: StepWeights


def strand_steps(
    chain: Chain, graph: Graph, storages: Storages, arch: ArchParams
) -> tuple[StrandStep, ...]:
    """Of each strand in turn. What DepthToSpace takes from some input groups reads those alone."""
    node = chain.array
    assert node is not None
    assert isinstance(node.op, QConv2d)
    lanes = arch.lanes
    sources, slots = (np.asarray(storages.slots[t]) for t in (chain.source, chain.output))
    whole = GroupWindow(len(sources) // lanes, 0, 1)
    table = b"" if chain.table1 is None else _bytes(graph.constants[chain.table1.inputs[1]])
    multiplier, shift = (graph.constants[i] for i in node.inputs[3:5])
    steps = []
    for strand in strands_of(node.op):
        weight, bias = strand.weights(node, graph)
        params = channel_params(bias, multiplier, shift, slots, lanes)
        words = array_words(weight, node.op.groups, sources, slots, whole, lanes)
        taps = strand.kernel[0] * strand.kernel[1]
        by_group = words.reshape(len(words), taps, whole.groups, -1)
        window = _narrow((by_group != 0).any(axis=(1, 3)))
        words = _windowed(by_group, window)
        fields = Weights(
            table1=bool(table), params1=True, weight_words=words.shape[1] // arch.weight_word_bytes
        )
        blocks = np.concatenate([params, words], axis=1)
        weights = StepWeights(tables=table, blocks=blocks, fields=fields, word_bytes=words.shape[1])
        steps.append(StrandStep(strand=strand, window=window, weights=weights))
    return tuple(steps)


def joined_weights(steps: tuple[StrandStep, ...]) -> StepWeights:
    """As many bytes and words as all strands together, for what plans."""
    every = [step.weights for step in steps]
    words = sum(w.fields.weight_words for w in every)
    return StepWeights(
        tables=b"".join(w.tables for w in every),
        blocks=np.concatenate([w.blocks for w in every], axis=1),
        fields=replace(every[0].fields, weight_words=words),
        word_bytes=sum(w.word_bytes for w in every),
    )


def _bytes(table: Any) -> bytes:
    return np.asarray(table, np.int8).tobytes()


def _narrow(used: npt.NDArray[np.bool_]) -> GroupWindow:
    """The narrowest window over (output, input) groups that are ``used``, a step per output group
    or none."""
    outputs, total = used.shape
    some = used.any(axis=1)
    if not some.any():
        return GroupWindow(1, 0, 1)
    low, high = used.argmax(axis=1), total - used[:, ::-1].argmax(axis=1)
    index = np.flatnonzero(some)
    best = GroupWindow(int(high[some].max() - low[some].min()), 0, 1, int(low[some].min()))
    for step in range(1, total):
        base = index * step
        first = int((low[some] - base).min())
        needed = int((high[some] - base).max()) - first
        inside = first >= 0 and first + (outputs - 1) * step + needed <= total
        if inside and needed < best.groups:
            best = GroupWindow(needed, step, 1, first)
    return best


def _windowed(words: npt.NDArray[np.uint8], window: GroupWindow) -> npt.NDArray[np.uint8]:
    """(groups, bytes) of the words (groups, taps, input groups, bytes) that ``window`` reads."""
    first = window.first + np.arange(len(words)) * window.step
    picked = first[:, None] + np.arange(window.groups)[None]
    return words[np.arange(len(words))[:, None], :, picked].swapaxes(1, 2).reshape(len(words), -1)
