"""How accurate an int8 network is: float, golden model and onnxruntime on the same pictures."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from accelgen.errors import ConfigError, QuantizationError
from accelgen.flow.evaluation import Evaluation, Found, OutputLoss
from accelgen.flow.hardware import Target, as_target
from accelgen.flow.network import Given, Loaded, load, quantized, source_of
from accelgen.golden.arith import quantize_array
from accelgen.golden.blas import one_blas_thread
from accelgen.golden.interpret import walk
from accelgen.golden.outputs import model_outputs
from accelgen.inputs.labels import Labels, check_labels, check_maps
from accelgen.inputs.samples import Calibration
from accelgen.inputs.several import AnyShown, open_data
from accelgen.ir import Graph, Quantization
from accelgen.ir.views import OutputView
from accelgen.ir.wide import wide_nodes
from accelgen.quant import QuantizedModel
from accelgen.quant.compare_ort import OrtModel
from accelgen.quant.plausible import far_from_calibration
from accelgen.quant.tally import Answers, Noise, Ranks, Worst, Worsts, winners
from accelgen.quant.tally_maps import ClassMap, MapTally
from accelgen.quant.write_qdq import to_qdq
from accelgen.streamed import Samples

__all__ = ["evaluate"]

Tensor = npt.NDArray[Any]

#: Numbers of all tensors of a batch: enough for the BLAS, little enough for the memory.
_VALUES_PER_RUN = 1 << 25
_MOST_PER_RUN = 64


def evaluate(
    model: str | Path,
    data: str | Path | Calibration | Sequence[str | Path],
    *,
    labels: str | Path | None = None,
    calib: Given = None,
    method: str = "mse",
    technique: str = "auto",
    exclude: str = "",
    logits: str = "wide",
    seed: int = 0,
    limit: int | None = None,
    worst: int = 5,
    rtl: int = 0,
    hardware: Target | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Run float, INT8 (golden model) and onnxruntime INT8 on ``data`` and compare.

    Pictures stream: a few are in memory at a time. All processors work.

    Parameters
    ----------
    model, calib, method, technique, exclude, logits, seed
        As for :func:`~accelgen.flow.compiler.compile`; a last layer that the PL computes leaves
        "int8".
    data : str, Path or Calibration, or several paths
        Pictures as :func:`~accelgen.inputs.shown.open_shown` takes them. A mere path is read with
        the words on pictures of ``calib``; of several all are shown.
    labels : str or Path
        File of labels; none are needed where folders or the ``.npz`` have them.
    limit : int
        Only so many pictures, the first ones.
    worst : int
        How many pictures that lose most are named.
    rtl : int
        So many pictures, the first ones, are simulated, too: the Verilog for ``hardware`` (a target
        or a board's name; the default board's), against the golden model.
    progress : callable
        Told how many pictures of how many are done.

    Raises
    ------
    AccelgenError
        The model, the data or the labels cannot be used.
    """
    if (limit is not None and limit < 1) or worst < 0 or rtl < 0:
        raise ConfigError(
            "the limit of pictures is at least 1, the number of worst and of simulated ones 0 or "
            "more"
        )
    loaded = load(model)
    calib = Calibration.of(calib)
    every = [
        Calibration.of(d).recalling(loaded.recorded) if isinstance(d, Calibration)
        else Calibration(where=Path(d), pictures=calib.pictures).recalling(loaded.recorded)
        for d in ([data] if isinstance(data, str | Path | Calibration) else data)
    ]  # fmt: skip
    shown, count, classes = _opened(loaded, every, Path(labels) if labels else None, limit)
    int8, warnings = quantized(
        loaded, calib=calib, method=method, technique=technique, exclude=exclude, logits=logits,
        seed=seed,
    )  # fmt: skip
    ways = _Ways.of(loaded, int8, source_of(model))
    sums = _Sums(
        classes=classes, worsts=Worsts(worst), maps=_map_tally(int8.graph, classes),
        rounding=_rounding(int8),
    )  # fmt: skip
    with one_blas_thread():
        for first, made in _batches(ways, shown, count):
            last = first + len(made.int8[0])
            chosen = None if shown.labels is None else shown.labels[first:last]
            sums.add(made, shown.names[first:last], chosen)
            if progress:
                progress(last, count)
    made_of = loaded.warnings + warnings + shown.warnings
    shape = loaded.imported.graph.tensors[loaded.imported.graph.input].shape
    odd = far_from_calibration(int8.graph, shown.read(0, min(count, 8)))
    several = len(loaded.kinds) > 1
    against = "" if several else every[0].contradiction(shape, loaded.imported.input_layout)
    made_of += tuple(filter(None, (against, odd)))
    found = sums.result(loaded.name, int8.graph.model_outputs(), made_of)
    found = replace(found, logits="wide" if wide_nodes(int8.graph) else "int8")
    if not rtl:
        return found
    from accelgen.flow.on_rtl import on_rtl  # it needs what simulates

    some = min(rtl, count)
    simulated = on_rtl(loaded, int8, shown, some, as_target(hardware), progress)
    return replace(found, rtl=simulated)


def _map_tally(graph: Graph, classes: int | None) -> MapTally | None:
    kind = ClassMap.of(graph) if classes is None else None
    return MapTally(kind) if kind else None


def _rounding(int8: QuantizedModel) -> Quantization | None:
    """What the first output would be rounded to, if it is a layer's wide sums."""
    tensor = int8.graph.model_outputs()[0].pieces[0].tensor
    wide = {node.output for node in wide_nodes(int8.graph)}
    return int8.quantization.get(tensor) if tensor in wide else None


def _opened(
    loaded: Loaded, data: Sequence[Calibration], labels: Path | None, limit: int | None
) -> tuple[AnyShown, int, int | None]:
    """The pictures, how many are shown, and how many classes the network tells apart."""
    graph = loaded.imported.graph
    if not data or any(d.where is None for d in data):
        raise QuantizationError("there is nothing to evaluate on; --data takes pictures or arrays")
    if labels and len(data) > 1:
        raise QuantizationError("--labels is of one --data; evaluate on one after the other")
    shown = open_data(data, loaded.kinds, labels)
    classes = _classes(graph.model_outputs()[0])
    if shown.labels is not None:
        _check_labels(graph, shown, shown.labels, classes)
    shown.read(0, 1)  # what is wrong with all of them is said before anything is computed
    return shown, min(len(shown.names), limit or len(shown.names)), classes


def _check_labels(graph: Graph, shown: AnyShown, labels: Labels, classes: int | None) -> None:
    """Raises QuantizationError unless labels are of the kind that the network has outputs for."""
    maps = ClassMap.of(graph) if classes is None else None
    of_one = maps.label_shape if maps else ()
    if classes is None and maps is None:
        raise QuantizationError(
            f"{shown.title} has labels, but output {graph.model_outputs()[0].name!r} of the "
            "network is no vector and no only map of classes; take the labels out"
        )
    if np.squeeze(labels[:1], 0).squeeze().shape != tuple(s for s in of_one if s > 1):
        wanted = f"a map {of_one} of each picture" if maps else "one number of each picture"
        raise QuantizationError(
            f"labels of {shown.title} are {labels.shape}; the network's take {wanted}"
        )
    if maps:
        check_maps(labels, maps.classes, shown.names)
    elif classes is not None:
        check_labels(labels, classes, shown.names)


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
        layout = tuple(loaded.imported.layouts.values())
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

    def run(self, x: Samples) -> _Made:
        real = self.real.run(x) if self.real else None
        return _Made(real, self._golden(x), self.ort.run(x))

    def _golden(self, x: Samples) -> list[Tensor]:
        kept = set(self.graph.outputs)
        kept |= {p.tensor for view in self.graph.model_outputs() for p in view.pieces}
        values = {name: value for name, value in walk(self.graph, x) if name in kept}
        frames = [
            model_outputs(self.graph, {name: v[i : i + 1] for name, v in values.items()})
            for i in range(len(x))
        ]
        return [np.stack([frame[name] for frame in frames]) for name in frames[0]]


def _batches(ways: _Ways, shown: AnyShown, count: int) -> Iterator[tuple[int, _Made]]:
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
    maps: MapTally | None = None
    rounding: Quantization | None = None
    rounded: Answers = field(default_factory=Answers)

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
        if self.maps:
            real = made.real[0] if made.real else None
            self.maps.add((real, made.int8[0], made.ort[0]), labels)
        chosen: list[Any] = [None] * len(names)
        seen, answered = chosen, chosen
        if self.classes is not None:
            rows = [v[0].reshape(len(names), -1) for v in (reference, made.int8, made.ort)]
            self.answers.add(rows[0], rows[1])
            self.ort_answers.add(rows[0], rows[2])
            self.between.add(rows[2], rows[1])
            if self.rounding:
                self.rounded.add(rows[0], quantize_array(rows[1], self.rounding))
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
            ties_int8=self._rounded_ties(), maps=self.maps.result() if self.maps else None,
        )  # fmt: skip

    def _rounded_ties(self) -> float | None:
        if self.classes is None:
            return None
        return (self.rounded if self.rounding else self.answers).tied / self.pictures

    def _found(self, labels: Ranks, answers: Answers | None, noise: Noise | None) -> Found:
        top1, top5 = labels.shares(self.classes or 0)
        compared = answers if self.classes is not None else None
        return Found(
            top1=top1, top5=top5,
            agreement=compared.agreeing / self.pictures if compared else None,
            ties=compared.tied / self.pictures if compared else None,
            sqnr_db=noise.sqnr_db if noise else None,
        )  # fmt: skip
