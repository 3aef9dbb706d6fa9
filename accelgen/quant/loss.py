"""What an int8 network loses against float, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelgen.golden.arith import real_array
from accelgen.golden.interpret import walk
from accelgen.ir import Graph
from accelgen.ir.ops import Softmax
from accelgen.quant.tally import decibels, winners
from accelgen.streamed import Samples

if TYPE_CHECKING:
    from accelgen.quant.quantize import QuantizedModel

__all__ = ["Loss", "Reference", "largest_tensor", "loss"]

Array = npt.NDArray[Any]

# Numbers of all tensors of the samples of a run.
_VALUES_PER_RUN = 1 << 25


@dataclass(frozen=True, kw_only=True)
class Loss:
    """SQNR of all outputs together, of each sample, and winners of the first output that are
    float's; None: it is no vector of classes."""

    each_db: npt.NDArray[np.float64]
    agreeing: int | None

    @property
    def sqnr_db(self) -> float:
        """The mean of the samples'."""
        return float(self.each_db.mean())

    def __add__(self, other: Loss) -> Loss:
        """Of the samples of both."""
        known = self.agreeing is not None and other.agreeing is not None
        return Loss(
            each_db=np.concatenate([self.each_db, other.each_db]),
            agreeing=(self.agreeing or 0) + (other.agreeing or 0) if known else None,
        )


@dataclass(frozen=True)
class Reference:
    """Samples, and what the float network makes of them: each of its outputs, (n, numbers)."""

    graph: Graph
    samples: Samples
    outputs: list[Array]

    @classmethod
    def of(cls, graph: Graph, samples: Samples) -> Reference:
        """Run float ``graph``."""
        return cls(graph, samples, _outputs(graph, samples))

    def loss(self, model: QuantizedModel) -> Loss:
        """What ``model``, made of the same network, loses."""
        made = _outputs(model.graph, self.samples)
        pairs = list(zip(self.outputs, made, strict=True))
        power = sum(np.square(real, dtype=np.float64).sum(axis=1) for real, _ in pairs)
        noise = sum(np.square(np.subtract(a, b, dtype=np.float64)).sum(axis=1) for a, b in pairs)
        shape, (real, first) = self.graph.tensors[self.graph.outputs[0]].shape, pairs[0]
        classes = max(shape) == prod(shape)
        agreeing = int((winners(real) == winners(first)).sum()) if classes else None
        return Loss(each_db=decibels(np.asarray(power), np.asarray(noise)), agreeing=agreeing)


def loss(graph: Graph, model: QuantizedModel, samples: Samples) -> Loss:
    """What the int8 network loses against float ``graph`` on ``samples``."""
    return Reference.of(graph, samples).loss(model)


def largest_tensor(graph: Graph) -> int:
    """Numbers of it, of one sample."""
    return max(prod(kind.shape) for kind in graph.tensors.values())


def _outputs(graph: Graph, samples: Samples) -> list[Array]:
    """Real numbers of a float or int8 graph's outputs, in order, (n, numbers) each."""
    values = sum(prod(graph.tensors[name].shape) for name in graph.activations())
    batch = max(1, _VALUES_PER_RUN // values)
    runs = [_run(graph, samples[i : i + batch]) for i in range(0, len(samples), batch)]
    return [np.concatenate(part) for part in zip(*runs, strict=True)]


def _run(graph: Graph, samples: Samples) -> Iterator[Array]:
    names = [_judged(graph, name) for name in graph.outputs]
    found = {name: value for name, value in walk(graph, samples) if name in names}
    for name in names:
        real = real_array(found[name], graph.tensors[name])
        yield real.reshape(len(samples), -1)


def _judged(graph: Graph, output: str) -> str:
    """``output``, or what a softmax at the end makes it of: float32 holds no shares near 0 and 1
    that noise could be seen in."""
    maker = graph.producer(output)
    return maker.inputs[0] if maker and isinstance(maker.op, Softmax) else output
