"""What a network's maps of classes (segmentation) are worth, pixel by pixel: counts alone stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.ir import Graph
from accelgen.ir.views import OutputView

__all__ = ["ClassMap", "MapLoss", "MapTally", "Overlap"]

Indices = npt.NDArray[np.int64]

#: More channels than this are no classes.
_MOST_CLASSES = 1024


@dataclass(frozen=True)
class ClassMap:
    """An output that says a class of each pixel: channels along ``axis``, of which the largest is
    meant, or indices (``axis`` None). ``shape`` is the output's, batch included."""

    classes: int
    axis: int | None
    shape: tuple[int, ...]

    @classmethod
    def of(cls, graph: Graph) -> ClassMap | None:
        """Of a network whose only output is such a map; None for others."""
        (view, *others) = graph.model_outputs()
        if others or view.shape[:1] != (1,):
            return None
        if view.choice is not None:
            classes, axis = view.joined_shape[view.choice.axis], None
            pixels = int(np.prod(view.shape))
        else:
            axis = _channels(view, graph)
            if axis is None:
                return None
            classes = view.shape[axis]
            pixels = int(np.prod(view.shape)) // classes
        if pixels < 2 or not 2 <= classes <= _MOST_CLASSES:
            return None
        return cls(classes=classes, axis=axis, shape=view.shape)

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Of one picture's labels."""
        return tuple(s for i, s in enumerate(self.shape) if i not in (0, self.axis))

    def read(self, output: npt.NDArray[Any]) -> Indices:
        """Classes (n, pixels) of a batch; of equal channels the first."""
        maps = output.reshape(len(output), *self.shape[1:])
        if self.axis is not None:
            maps = maps.argmax(axis=self.axis)
        return maps.reshape(len(maps), -1).astype(np.int64)


def _channels(view: OutputView, graph: Graph) -> int | None:
    """Which axis of a map has the channels."""
    if len(view.shape) != 4 or len(view.pieces) > 1:
        return None
    _, h, w, c = graph.tensors[view.pieces[0].tensor].shape
    if view.shape == (1, c, h, w):
        return 1
    return 3 if view.shape == (1, h, w, c) else None


class Overlap:
    """How often one map has a class where another has one."""

    def __init__(self, classes: int) -> None:
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, reference: Indices, made: Indices) -> None:
        """Of a batch; what is no class in ``reference`` does not count."""
        classes = len(self.counts)
        known = (reference >= 0) & (reference < classes)
        pairs = reference[known] * classes + made[known]
        self.counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    @property
    def accuracy(self) -> float:
        """Share of the pixels that are equal."""
        return float(np.trace(self.counts) / max(1, self.counts.sum()))

    @property
    def miou(self) -> float:
        """Intersection over union, the mean over the classes that either has."""
        both = np.diag(self.counts)
        either = self.counts.sum(axis=0) + self.counts.sum(axis=1) - both
        seen = either > 0
        return float((both[seen] / either[seen]).mean()) if seen.any() else 1.0


@dataclass(frozen=True, kw_only=True)
class MapLoss:
    """Maps of classes: INT8's against the reference's, ``miou`` (mean intersection over union) and
    ``agreement`` (share of pixels), and onnxruntime's (None: it is the reference). Against label
    maps ``labels`` has of each way its ``miou`` and ``accuracy``; None without."""

    classes: int
    miou: float
    agreement: float
    onnxruntime_miou: float | None
    labels: dict[str, dict[str, float]] | None = None


@dataclass
class MapTally:
    """All that is kept of the pictures' maps."""

    kind: ClassMap
    counts: dict[str, Overlap] = field(default_factory=dict)

    def add(
        self, ways: Sequence[npt.NDArray[Any] | None], labels: npt.NDArray[np.int64] | None
    ) -> None:
        """Float (or None), INT8 and onnxruntime of a batch."""
        names = ("float", "int8", "onnxruntime")
        maps = {n: self.kind.read(w) for n, w in zip(names, ways, strict=True) if w is not None}
        reference = maps.get("float", maps["onnxruntime"])
        for name, made in maps.items():
            self._add(name, reference, made)
            if labels is not None:
                self._add(f"{name} labels", labels.reshape(len(labels), -1), made)

    def _add(self, name: str, reference: Indices, made: Indices) -> None:
        self.counts.setdefault(name, Overlap(self.kind.classes)).add(reference, made)

    def result(self) -> MapLoss:
        """When all are added."""
        found = {n: o for n, o in self.counts.items() if n.endswith(" labels")}
        int8 = self.counts["int8"]
        return MapLoss(
            classes=self.kind.classes, miou=int8.miou, agreement=int8.accuracy,
            onnxruntime_miou=self.counts["onnxruntime"].miou if "float" in self.counts else None,
            labels={
                name.removesuffix(" labels"): {"miou": o.miou, "accuracy": o.accuracy}
                for name, o in found.items()
            } or None,
        )  # fmt: skip
