"""Techniques that make better numbers, each used only where it helps on pictures kept aside.

What fits the pictures it was made on may be worse on all others. So the network is quantized on
one half of the samples, with and without each technique, and compared with float on the other
half; then the halves change places. Every sample is judged once by a network that has not seen
it. What wins there is then done again with all samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from accelgen.errors import QuantizationError
from accelgen.ir import Graph
from accelgen.quant.calibrate import observe
from accelgen.quant.equalize import equalize
from accelgen.quant.excluded import Excluded
from accelgen.quant.histogram import Histogram
from accelgen.quant.layerwise import LAYERWISE, improve
from accelgen.quant.loss import Loss, Reference, largest_tensor
from accelgen.streamed import Samples

if TYPE_CHECKING:
    from accelgen.quant.quantize import QuantizedModel

__all__ = ["LEAST_SAMPLES", "TECHNIQUES", "Fit", "Make", "Trial", "choose", "made_with", "named"]

#: The int8 network; whether ranges hold all values seen, whatever the method.
Make = Callable[["Fit", bool], "QuantizedModel"]

#: By name, in the order in which they are tried.
TECHNIQUES = ("bias", "equalize", "minmax", "round")

#: Fewer samples than this leave too few to be kept aside.
LEAST_SAMPLES = 8
# Standard errors that a gain is worth.
_SURE = 0.5
# Samples of each half of a trial, and of a technique's last run, at most.
_HALF, _MOST_SAMPLES = 12, 32
# Numbers of the largest tensor over all samples that a technique holds in memory.
_VALUES = 1 << 25


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A technique on samples kept aside: SQNR of the outputs in dB without and with it, the mean
    of the samples', ``error_db`` the standard error of the difference, and winners that are
    float's (None: the output is no vector of classes). No numbers: it was not measured, and
    ``used`` because it was asked for."""

    technique: str
    used: bool
    samples: int = 0
    before_db: float | None = None
    after_db: float | None = None
    error_db: float | None = None
    before_agreeing: int | None = None
    after_agreeing: int | None = None


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


def choose(
    make: Make,
    graph: Graph,
    samples: Samples,
    acc_bits: int,
    techniques: Iterable[str] = TECHNIQUES,
    excluded: Excluded | None = None,
) -> tuple[Trial, ...]:
    """What each of ``techniques`` does for ``graph``, one after the other, beside those that
    helped: that gained, in the mean of the samples' SQNR, more than half the gain's standard error.

    The halves of ``samples`` are the first and the last: neighbours are often alike. With fewer
    than 8 nothing is tried. ``excluded``: of each technique, the nodes that it leaves alone.
    """
    if len(samples) < LEAST_SAMPLES:
        return ()
    middle = len(samples) // 2
    halves = [_some(samples, _HALF, *ends) for ends in ((0, middle), (middle, len(samples)))]
    fits = [Fit(graph, half, excluded or {}) for half in halves]
    references = [Reference.of(graph, half) for half in reversed(halves)]

    def judged(names: tuple[str, ...]) -> Loss:
        made = (made_with(names, make, fit, acc_bits) for fit in fits)
        losses = [ref.loss(model) for ref, model in zip(references, made, strict=True)]
        return losses[0] + losses[1]

    before, used, trials = judged(()), tuple[str, ...](), []
    for name in techniques:
        after = judged((*used, name))
        trials.append(_trial(name, before, after))
        if trials[-1].used:
            used, before = (*used, name), after
    return tuple(trials)


def _trial(name: str, before: Loss, after: Loss) -> Trial:
    gains = after.each_db - before.each_db
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return Trial(
        technique=name, used=bool(gains.mean() > _SURE * error), samples=len(gains),
        before_db=before.sqnr_db, after_db=after.sqnr_db, error_db=error,
        before_agreeing=before.agreeing, after_agreeing=after.agreeing,
    )  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """A float network and the samples that its int8 form is made on; what several techniques need
    of them is made once. ``excluded``: of each technique, the nodes that it leaves alone."""

    graph: Graph
    samples: Samples
    excluded: Excluded = field(default_factory=dict)

    @cached_property
    def few(self) -> Any:
        """So many of the samples that a technique may hold a tensor of all of them."""
        return _some(
            self.samples, max(1, min(_MOST_SAMPLES, _VALUES // largest_tensor(self.graph)))
        )

    @cached_property
    def equalized(self) -> Fit:
        """The same with the equalized network."""
        spared = self.excluded.get("equalize", ())
        made = equalize(self.graph, _some(self.samples, _MOST_SAMPLES), spared)
        return self if made is self.graph else Fit(made, self.samples, self.excluded)

    @cached_property
    def seen(self) -> dict[str, Histogram]:
        """Values of all tensors."""
        return observe(self.graph, self.samples)


def made_with(names: tuple[str, ...], make: Make, fit: Fit, acc_bits: int) -> QuantizedModel:
    """A network quantized with the techniques of ``names``."""
    if "equalize" in names:
        fit = fit.equalized
    model = make(fit, "minmax" in names)
    if not set(LAYERWISE) & set(names):
        return model
    return improve(model, fit.few, names, acc_bits, fit.excluded)


def _some(samples: Samples, most: int, first: int = 0, end: int | None = None) -> Any:
    """At most so many of those from ``first`` on, from the whole of them."""
    end = len(samples) if end is None else end
    count = min(most, end - first)
    return samples[np.linspace(first, end - 1, count).round().astype(int)]
