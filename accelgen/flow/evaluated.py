"""How accurate an int8 network is: float, golden model and onnxruntime on the same pictures."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ConfigError, QuantizationError
from accelgen.flow.evaluation import Evaluation, Found, OutputLoss
from accelgen.flow.network import Given, Loaded, load, quantized, source_of
from accelgen.golden.blas import one_blas_thread
from accelgen.golden.interpret import walk
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.labels import check_labels
from accelgen.inputs.samples import Calibration
from accelgen.inputs.shown import Shown, open_shown
from accelgen.ir import Graph
from accelgen.ir.views import OutputView
from accelgen.ir.wide import wide_nodes
from accelgen.quant import QuantizedModel
from accelgen.quant.compare_ort import OrtModel
from accelgen.quant.plausible import far_from_calibration
from accelgen.quant.tally import Answers, Noise, Ranks, Worst, Worsts, winners
from accelgen.quant.write_qdq import to_qdq

__all__ = ["evaluate"]

Tensor = npt.NDArray[Any]

#: Numbers of all tensors of a batch: enough for the BLAS, little enough for the memory.
_VALUES_PER_RUN = 1 << 25
_MOST_PER_RUN = 64


def evaluate(
    model: str | Path,
    data: str | Path | Calibration,
    *,
    labels: str | Path | None = None,
    calib: Given = None,
    method: str = "mse",
    technique: str = "auto",
    logits: str = "wide",
    seed: int = 0,
    limit: int | None = None,
    worst: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Run float, INT8 (golden model) and onnxruntime INT8 on ``data`` and compare.

    Pictures stream: a few are in memory at a time. All processors work.

    Parameters
    ----------
    model, calib, method, technique, logits, seed
        As for :func:`~accelgen.flow.compiler.compile`; a last layer that the PL computes leaves
        "int8".
    data : str, Path or Calibration
        Pictures as :func:`~accelgen.inputs.shown.open_shown` takes them. A mere path is read with
        the words on pictures of ``calib``.
    labels : str or Path
        File of labels; none are needed where folders or the ``.npz`` have them.
    limit : int
        Only so many pictures, the first ones.
    worst : int
        How many pictures that lose most are named.
    progress : callable
        Told how many pictures of how many are done.

    Raises
    ------
    AccelgenError
        The model, the data or the labels cannot be used.
    """
    if (limit is not None and limit < 1) or worst < 0:
        raise ConfigError("the limit of pictures is at least 1, the number of worst ones 0 or more")
    loaded = load(model)
    calib = Calibration.of(calib)
    if not isinstance(data, Calibration):
        data = Calibration(where=Path(data), pictures=calib.pictures)
    shape = loaded.imported.graph.tensors[loaded.imported.graph.input].shape
    data = data.recalling(loaded.recorded)
    shown, count, classes = _opened(loaded, data, Path(labels) if labels else None, limit)
    int8, warnings = quantized(
        loaded, calib=calib, method=method, technique=technique, logits=logits, seed=seed
    )
    ways = _Ways.of(loaded, int8, source_of(model))
    sums = _Sums(classes=classes, worsts=Worsts(worst))
    with one_blas_thread():
        for first, made in _batches(ways, shown, count):
            last = first + len(made.int8[0])
            chosen = None if shown.labels is None else shown.labels[first:last]
            sums.add(made, shown.names[first:last], chosen)
            if progress:
                progress(last, count)
    made_of = loaded.warnings + warnings + shown.warnings
    odd = far_from_calibration(int8.graph, shown.read(0, min(count, 8)))
    made_of += tuple(filter(None, (data.contradiction(shape, loaded.imported.input_layout), odd)))
    found = sums.result(loaded.name, int8.graph.model_outputs(), made_of)
    return replace(found, logits="wide" if wide_nodes(int8.graph) else "int8")


def _opened(
    loaded: Loaded, data: Calibration, labels: Path | None, limit: int | None
) -> tuple[Shown, int, int | None]:
    """The pictures, how many are shown, and how many classes the network tells apart."""
    graph = loaded.imported.graph
    if data.where is None:
        raise QuantizationError("there is nothing to evaluate on; --data takes pictures or arrays")
    shown = open_shown(
        data.where, shape=graph.tensors[graph.input].shape, layout=loaded.imported.input_layout,
        pictures=data.pictures, labels=labels,
    )  # fmt: skip
    classes = _classes(graph.model_outputs()[0])
    if shown.labels is not None:
        if classes is None:
            raise QuantizationError(
                f"{data.where} has labels, but output {graph.model_outputs()[0].name!r} of the "
                "network is no vector of classes; take the labels out"
            )
        check_labels(shown.labels, classes, shown.names)
    shown.read(0, 1)  # what is wrong with all of them is said before anything is computed
    return shown, min(len(shown.names), limit or len(shown.names)), classes


def _classes(view: OutputView) -> int | None:
    """Elements of an output that is one vector of numbers; None for maps and indices."""
    sides = [side for side in view.shape if side > 1]
    return sides[0] if len(sides) == 1 and view.dtype != "int64" else None


@dataclass(frozen=True)
class _Made:
    """Outputs of a batch in the model's order, (n, ...) each; ``real`` None where there is none."""

    real: list[Tensor] | None
    int8: list[Tensor]
    ort: list[Tensor]


@dataclass(frozen=True, kw_only=True)
class _Ways:
    """A network in its three forms; a file that is quantized already has no float form."""

    graph: Graph
    ort: OrtModel
    real: OrtModel | None

    @classmethod
    def of(cls, loaded: Loaded, int8: QuantizedModel, source: Any) -> _Ways:
        layout = loaded.imported.input_layout
        if loaded.is_quantized:
            return cls(graph=int8.graph, ort=OrtModel(source, layout), real=None)
        return cls(
            graph=int8.graph, ort=OrtModel(to_qdq(int8)),
            real=OrtModel(source, layout, optimized=True),
        )  # fmt: skip

    @property
    def batch(self) -> int:
        """Pictures that go together."""
        values = sum(prod(self.graph.tensors[name].shape) for name in self.graph.activations())
        return max(1, min(_MOST_PER_RUN, _VALUES_PER_RUN // values))

    def run(self, x: npt.NDArray[np.float32]) -> _Made:
        real = self.real.run(x) if self.real else None
        return _Made(real, self._golden(x), self.ort.run(x))

    def _golden(self, x: npt.NDArray[np.float32]) -> list[Tensor]:
        kept = set(self.graph.outputs)
        kept |= {p.tensor for view in self.graph.model_outputs() for p in view.pieces}
        values = {name: value for name, value in walk(self.graph, x) if name in kept}
        frames = [
            model_outputs(self.graph, {name: v[i : i + 1] for name, v in values.items()})
            for i in range(len(x))
        ]
        return [np.stack([frame[name] for frame in frames]) for name in frames[0]]


def _batches(ways: _Ways, shown: Shown, count: int) -> Iterator[tuple[int, _Made]]:
    """(First picture, outputs) of every batch, in order; a batch per processor is under way."""
    jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # The last batches are shared out as well as the first.
    batch = max(1, min(ways.batch, -(-count // (2 * jobs))))

    def work(first: int) -> _Made:
        return ways.run(shown.read(first, min(first + batch, count)))

    waiting: deque[tuple[int, Future[_Made]]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for first in range(0, count, batch):
            waiting.append((first, pool.submit(work, first)))
            if len(waiting) > jobs:
                at, made = waiting.popleft()
                yield at, made.result()
        while waiting:
            at, made = waiting.popleft()
            yield at, made.result()
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Sums:
    """All that is kept of the pictures."""

    classes: int | None
    worsts: Worsts
    pictures: int = 0
    real: Ranks = field(default_factory=Ranks)
    int8: Ranks = field(default_factory=Ranks)
    ort: Ranks = field(default_factory=Ranks)
    answers: Answers = field(default_factory=Answers)
    ort_answers: Answers = field(default_factory=Answers)
    between: Answers = field(default_factory=Answers)
    noises: list[Noise] = field(default_factory=list)
    ort_noise: Noise = field(default_factory=Noise)
    has_float: bool = True

    def add(self, made: _Made, names: Any, labels: npt.NDArray[np.int64] | None) -> None:
        """Of a batch."""
        reference = made.real or made.ort
        self.has_float = made.real is not None
        self.noises = self.noises or [Noise() for _ in made.int8]
        decibels = [
            noise.add(*pair) for noise, *pair in zip(self.noises, reference, made.int8, strict=True)
        ]
        self.ort_noise.add(reference[0], made.ort[0])
        self.pictures += len(names)
        chosen: list[Any] = [None] * len(names)
        seen, answered = chosen, chosen
        if self.classes is not None:
            rows = [v[0].reshape(len(names), -1) for v in (reference, made.int8, made.ort)]
            self.answers.add(rows[0], rows[1])
            self.ort_answers.add(rows[0], rows[2])
            self.between.add(rows[2], rows[1])
            seen, answered = winners(rows[0]).tolist(), winners(rows[1]).tolist()
            if labels is not None:
                chosen = labels.tolist()
                for tally, row in zip((self.real, self.int8, self.ort), rows, strict=True):
                    tally.add(row, labels)
        self.worsts.add([
            Worst(picture=name, label=label, reference=a, int8=b, sqnr_db=round(float(db), 3))
            for name, label, a, b, db in zip(
                names, chosen, seen, answered, decibels[0], strict=True
            )
        ])

    def result(
        self, name: str, views: tuple[OutputView, ...], warnings: tuple[str, ...]
    ) -> Evaluation:
        """When all are added."""
        noise = self.noises[0]
        return Evaluation(
            name=name, pictures=self.pictures, labelled=self.real.labelled, classes=self.classes,
            float=self._found(self.real, None, None) if self.has_float else None,
            int8=self._found(self.int8, self.answers, noise),
            onnxruntime=self._found(
                self.ort, self.ort_answers if self.has_float else None,
                self.ort_noise if self.has_float else None,
            ),
            same_as_onnxruntime=(
                self.between.agreeing / self.pictures if self.classes is not None else None
            ),
            outputs=tuple(
                OutputLoss(
                    name=view.name, shape=view.shape, sqnr_db=n.sqnr_db, max_error=n.largest,
                    equal=n.equal / max(1, n.count),
                )
                for view, n in zip(views, self.noises, strict=True)
            ),
            worst=tuple(self.worsts.pictures), warnings=warnings,
        )  # fmt: skip

    def _found(self, labels: Ranks, answers: Answers | None, noise: Noise | None) -> Found:
        top1, top5 = labels.shares(self.classes or 0)
        compared = answers if self.classes is not None else None
        return Found(
            top1=top1, top5=top5,
            agreement=compared.agreeing / self.pictures if compared else None,
            ties=compared.tied / self.pictures if compared else None,
            sqnr_db=noise.sqnr_db if noise else None,
        )  # fmt: skip
