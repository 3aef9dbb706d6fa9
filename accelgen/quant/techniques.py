"""Techniques that make better numbers, each used only where it helps on pictures kept aside.

What fits the pictures it was made on may be worse on all others. So the network is quantized on
part of the samples, with and without each technique, and both are compared with float on the
rest. What wins there is then done again with all samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import QuantizationError
from accelgen.golden.arith import real_array
from accelgen.golden.interpret import walk
from accelgen.ir import Graph
from accelgen.quant.bias_correction import correct_bias
from accelgen.quant.equalize import equalize
from accelgen.quant.tally import Noise, winners
from accelgen.streamed import Samples

if TYPE_CHECKING:
    from accelgen.quant.quantize import QuantizedModel

__all__ = [
    "LEAST_SAMPLES", "TECHNIQUES", "Loss", "Trial", "choose", "loss", "made_with", "named",
]  # fmt: skip

Floats = npt.NDArray[np.float32]
#: A float graph's int8 network, ranges of samples.
Make = Callable[[Graph, Samples], "QuantizedModel"]

#: By name, in the order in which they are tried.
TECHNIQUES = ("bias", "equalize")

#: Fewer samples than this leave too few to be kept aside.
LEAST_SAMPLES = 8
# A trial fits on so many samples at most, and a technique's last run, too; half as many are kept
# aside.
_MOST_SAMPLES = 32
# Numbers of the largest tensor over all samples that a technique holds in memory.
_VALUES = 1 << 25
_VALUES_PER_RUN = 1 << 25


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A technique on samples kept aside: output noise against float without and with it, in dB
    SQNR, and winners that are float's (None: the output is no vector of classes). No numbers:
    it was not measured, and ``used`` because it was asked for."""

    technique: str
    used: bool
    samples: int = 0
    before_db: float | None = None
    after_db: float | None = None
    before_agreeing: int | None = None
    after_agreeing: int | None = None


@dataclass(frozen=True, kw_only=True)
class Loss:
    """SQNR of all outputs together, and winners of the first that are float's."""

    sqnr_db: float
    agreeing: int | None


def named(technique: str) -> tuple[str, ...] | None:
    """Techniques that ``technique`` names: "none", or names joined by commas; None for "auto".

    Raises
    ------
    QuantizationError
        A name is not known.
    """
    if technique == "auto":
        return None
    names = tuple(name.strip() for name in technique.split(",")) if technique != "none" else ()
    for name in names:
        if name not in TECHNIQUES:
            known = ", ".join(TECHNIQUES)
            raise QuantizationError(
                f"--technique is auto, none, or of {known}, joined by commas, not {name!r}"
            )
    return tuple(name for name in TECHNIQUES if name in names)


def choose(make: Make, graph: Graph, samples: Samples, acc_bits: int) -> tuple[Trial, ...]:
    """What each technique does for ``graph``, one after the other, beside those that helped.

    A third of ``samples``, the last ones, is kept aside: neighbours are often alike. With fewer
    than 8 nothing is tried.
    """
    if len(samples) < LEAST_SAMPLES:
        return ()
    aside = len(samples) // 3
    fit = _some(samples[:-aside], _MOST_SAMPLES)
    held = _some(samples[-aside:], _MOST_SAMPLES // 2)
    plain = make(graph, fit)
    before, names, trials = loss(graph, plain, held), tuple[str, ...](), []
    for name in TECHNIQUES:
        after = loss(graph, _with((*names, name), make, graph, fit, acc_bits, plain), held)
        used = after.sqnr_db > before.sqnr_db
        trials.append(
            Trial(
                technique=name, used=used, samples=len(held),
                before_db=before.sqnr_db, after_db=after.sqnr_db,
                before_agreeing=before.agreeing, after_agreeing=after.agreeing,
            )
        )  # fmt: skip
        if used:
            names, before = (*names, name), after
    return tuple(trials)


def made_with(
    names: tuple[str, ...], make: Make, graph: Graph, samples: Samples, acc_bits: int
) -> QuantizedModel:
    """``graph`` quantized on ``samples`` with the techniques of ``names``."""
    return _with(names, make, graph, samples, acc_bits, None)


def _with(
    names: tuple[str, ...], make: Make, graph: Graph, samples: Samples, acc_bits: int,
    plain: QuantizedModel | None,
) -> QuantizedModel:  # fmt: skip
    """As :func:`made_with`; ``plain`` is the network without techniques, if there is one."""
    largest = max(prod(kind.shape) for kind in graph.tensors.values())
    some = _some(samples, max(1, min(_MOST_SAMPLES, _VALUES // largest)))
    if "equalize" in names:
        graph, plain = equalize(graph, _some(samples, _MOST_SAMPLES)), None
    model = plain or make(graph, samples)
    return correct_bias(model, some, acc_bits) if "bias" in names else model


def _some(samples: Samples, most: int) -> Floats:
    """At most so many, from the whole of them."""
    if len(samples) <= most:
        return np.asarray(samples)
    chosen: Floats = samples[np.linspace(0, len(samples) - 1, most).round().astype(int)]
    return chosen


def loss(graph: Graph, model: QuantizedModel, samples: Floats) -> Loss:
    """What the int8 network loses against float ``graph`` on ``samples``."""
    noise, agreeing = Noise(), 0
    values = sum(prod(graph.tensors[name].shape) for name in graph.activations())
    batch = max(1, _VALUES_PER_RUN // values)
    for first in range(0, len(samples), batch):
        some = samples[first : first + batch]
        real, made = (_outputs(form, some) for form in (graph, model.graph))
        for a, b in zip(real, made, strict=True):
            noise.add(a, b)
        agreeing += int((_winners(real[0]) == _winners(made[0])).sum())
    shape = graph.tensors[graph.outputs[0]].shape
    return Loss(sqnr_db=noise.sqnr_db, agreeing=agreeing if max(shape) == prod(shape) else None)


def _winners(output: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return winners(output.reshape(len(output), -1))


def _outputs(graph: Graph, samples: Floats) -> list[npt.NDArray[Any]]:
    """Real numbers of a float or int8 graph's outputs, in order."""
    found = {name: value for name, value in walk(graph, samples) if name in graph.outputs}
    return [real_array(found[name], graph.tensors[name]) for name in graph.outputs]
